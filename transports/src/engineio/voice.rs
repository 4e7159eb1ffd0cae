//! Messages to a client, whichever way they go.
//!
//! Owns how a message is spelled over each transport. Never knows what it means, nor whether it can be said.

use super::session::Session;
use codec::engineio::encode_base64;
use codec::ws::{Data, OpCode, encode_frame};

/// A session and where its words go: the output of its WebSocket, or, while it polls, any; it is left alone then.
#[derive(Debug)]
pub struct Voice<'a> {
    /// Who speaks.
    pub session: &'a mut Session,
    /// Where to.
    pub out: &'a mut Vec<u8>,
}

impl Voice<'_> {
    /// Says a message in text, which `write` appends.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.session.say(self.out, |out| {
            out.push(b'4');
            write(out);
        });
    }

    /// Says a binary message.
    pub fn binary(&mut self, bytes: &[u8]) {
        if self.session.is_websocket() {
            return encode_frame(self.out, OpCode::Data(Data::Binary), &[bytes]);
        }
        self.session.say(self.out, |out| {
            out.push(b'b');
            encode_base64(out, bytes);
        });
    }
}
