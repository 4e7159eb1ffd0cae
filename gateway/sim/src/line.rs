//! A scripted peer's connection: what it has to say and what it has heard.
//!
//! Owns the bytes between a script and its socket, so that a script may say whole things while they dribble out. Knows
//! no protocol.

use engine::net::fake::{Client, ClientEnd, ClientRead, ServerEnd};
use std::rc::Rc;

/// How a connection ended, seen from the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// FIN.
    Finished,
    /// RST.
    Reset,
}

/// A connection.
pub struct Line {
    client: Rc<Client>,
    mouth: Vec<u8>,
    spoken: usize,
    /// What was heard and not understood yet.
    pub ear: Vec<u8>,
    /// How it ended, once the peer has noticed.
    pub end: Option<End>,
    /// Bytes said so far, those included that still wait here.
    pub said_bytes: u64,
}

impl Line {
    /// A line over a fresh connection.
    pub fn new(client: Client) -> Self {
        Self {
            client: Rc::new(client),
            mouth: Vec::new(),
            spoken: 0,
            ear: Vec::new(),
            end: None,
            said_bytes: 0,
        }
    }

    /// The socket, to look at its ends.
    pub fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// Says what `write` appends.
    pub fn say(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.spoken == self.mouth.len() {
            self.mouth.clear();
            self.spoken = 0;
        }
        let before = self.mouth.len();
        write(&mut self.mouth);
        self.said_bytes += (self.mouth.len() - before) as u64;
    }

    /// Whether everything said is out.
    pub fn is_silent(&self) -> bool {
        self.spoken == self.mouth.len()
    }

    /// Bytes that are out.
    pub fn spoken_bytes(&self) -> u64 {
        self.said_bytes - (self.mouth.len() - self.spoken) as u64
    }

    /// Lets at most so many bytes out.
    pub fn breathe_out(&mut self, at_most: usize) {
        let rest = &self.mouth[self.spoken..];
        let rest = &rest[..rest.len().min(at_most)];
        if !rest.is_empty() {
            self.spoken += self.client.write(rest);
        }
    }

    /// Takes at most so many bytes in. Notices the end once everything before it was taken.
    pub fn breathe_in(&mut self, at_most: usize) {
        if self.end.is_some() || at_most == 0 {
            return;
        }
        match self.client.read(&mut self.ear, at_most) {
            ClientRead::Bytes(_) | ClientRead::Nothing => {}
            ClientRead::Finished => self.end = Some(End::Finished),
            ClientRead::Reset => self.end = Some(End::Reset),
        }
    }

    /// Whether both ends are open and the network has done nothing to it.
    pub fn is_intact(&self) -> bool {
        is_intact(&self.client)
    }
}

/// Whether both ends are open and the network has done nothing to the connection.
pub fn is_intact(client: &Client) -> bool {
    client.client_end() == ClientEnd::Open && !client.was_cut() && is_held(client)
}

/// Whether the gateway holds its end, as far as the kernel can tell.
pub fn is_held(client: &Client) -> bool {
    matches!(client.server_end(), ServerEnd::Waiting | ServerEnd::Open)
}
