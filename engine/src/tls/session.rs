//! The TLS half of one connection: records in, plaintext out, and the reverse.
//!
//! Owns the cryptographic state, the beginning of a record that is not whole yet, and the count of what came in without
//! bringing anything. It is handed bytes and buffers; it never reads, never writes, and never decides about the
//! connection: a [`Heard`] says what was heard.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};

use super::outcome::Handshake;
use super::terms::Terms;
use crate::timer::Alarm;

/// The most that is kept of what came in: a record of the largest size, or a ClientHello larger than any that is sent in
/// earnest.
pub(super) const REST_BYTES_MAX: usize = 20 * 1024;

/// The most plaintext in one record (RFC 8446 section 5.1).
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// More than a record has besides its plaintext: header, nonce, tag, type.
const RECORD_EXTRA_BYTES: usize = 64;

/// `decode_error`, in the clear: the answer to a ClientHello that is too large to be kept.
const ALERT_TOO_LARGE: [u8; 7] = [21, 3, 3, 0, 2, 2, 50];

/// See the file's head.
pub(crate) struct Session {
    conn: UnbufferedServerConnection,
    /// Received and not processed: no whole record, or no whole handshake message.
    rest: Vec<u8>,
    /// The tenant's words that came before the handshake was done.
    early: Vec<u8>,
    /// Input since the last plaintext.
    fruitless_bytes: usize,
    /// Ends the handshake if it takes too long.
    pub(crate) alarm: Option<Alarm>,
    /// How the handshake ended has been counted.
    pub(crate) counted: bool,
    said_goodbye: bool,
}

/// What came of received bytes.
pub(crate) struct Heard {
    /// The peer will send nothing more.
    pub(crate) finished: bool,
    /// The handshake was finished by these bytes.
    pub(crate) shaken: Option<Handshake>,
    /// The peer broke TLS; what there is to answer has been answered.
    pub(crate) fault: Option<Fault>,
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Before the handshake was done, which thereby ended so.
    Handshake(Handshake),
    /// Afterwards.
    Record,
}

impl Session {
    pub(crate) fn new(terms: &Terms) -> Option<Session> {
        Some(Session {
            conn: terms.connection()?,
            rest: Vec::new(),
            early: Vec::new(),
            fruitless_bytes: 0,
            alarm: None,
            counted: false,
            said_goodbye: false,
        })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.conn.is_handshaking()
    }

    /// How many bytes lie in front of what is read next.
    pub(super) fn rest_bytes(&self) -> usize {
        self.rest.len()
    }

    /// Processes what lies in `incoming`: first a place for the rest of last time, then what was read. Plaintext goes to
    /// `plain`, what is to be sent is appended to `answers`.
    pub(super) fn open(
        &mut self,
        incoming: &mut [u8],
        fruitless_bytes_max: usize,
        answers: &mut Vec<u8>,
        mut plain: impl FnMut(&[u8]),
    ) -> Heard {
        let was_handshaking = self.conn.is_handshaking();
        incoming[..self.rest.len()].copy_from_slice(&self.rest);
        self.fruitless_bytes += incoming.len() - self.rest.len();
        let mut heard = Heard { finished: false, shaken: None, fault: None };
        let mut brought = 0;
        let processed = self.process(incoming, answers, &mut heard, |bytes| {
            brought += bytes.len();
            plain(bytes);
        });
        if brought > 0 {
            self.fruitless_bytes = 0;
        }
        self.keep(&incoming[processed..]);
        if was_handshaking && heard.fault.is_none() && !self.conn.is_handshaking() {
            heard.shaken = Some(Handshake::of_kind(self.conn.handshake_kind()));
        }
        if heard.fault.is_none() && self.rest.len() > REST_BYTES_MAX {
            if was_handshaking {
                answers.extend_from_slice(&ALERT_TOO_LARGE);
            }
            heard.fault = Some(self.blame(Handshake::Broken));
        }
        if heard.fault.is_none() && self.fruitless_bytes > fruitless_bytes_max {
            heard.fault = Some(self.blame(Handshake::Broken));
        }
        if heard.fault.is_some() {
            self.keep(&[]);
        }
        heard
    }

    /// Lets rustls work until it wants more input; how many bytes are used up.
    fn process(
        &mut self,
        incoming: &mut [u8],
        answers: &mut Vec<u8>,
        heard: &mut Heard,
        mut plain: impl FnMut(&[u8]),
    ) -> usize {
        let mut done = 0;
        loop {
            let UnbufferedStatus { discard, state } = self.conn.process_tls_records(&mut incoming[done..]);
            let mut used = discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        used += record.discard;
                        plain(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut chunk)) => encode(&mut chunk, answers),
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => heard.finished = true,
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    return done + used;
                }
                Ok(ConnectionState::Closed) => {
                    heard.finished = true;
                    return incoming.len();
                }
                // Early data was never offered; what rustls may learn to say later is not understood here.
                Ok(_) => {
                    heard.fault = Some(self.blame(Handshake::Broken));
                    return incoming.len();
                }
                Err(error) => {
                    heard.fault = Some(self.blame(Handshake::of_error(&error)));
                    self.last_words(answers);
                    return incoming.len();
                }
            }
            done += used;
            if heard.finished {
                // Nothing that follows a close_notify counts.
                return incoming.len();
            }
        }
    }

    /// After a fault: the alert that says so.
    fn last_words(&mut self, answers: &mut Vec<u8>) {
        while self.conn.wants_write() {
            match self.conn.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut chunk)) => encode(&mut chunk, answers),
                _ => return,
            }
        }
    }

    fn blame(&self, outcome: Handshake) -> Fault {
        if self.conn.is_handshaking() { Fault::Handshake(outcome) } else { Fault::Record }
    }

    /// Keeps the beginning of a record; an idle connection keeps no memory for it.
    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.rest = Vec::new();
        } else {
            self.rest.clear();
            self.rest.extend_from_slice(rest);
        }
    }

    /// Holds words that cannot be sealed yet.
    pub(super) fn hold(&mut self, early: &[u8]) {
        self.early.extend_from_slice(early);
    }

    /// Bytes that wait for the end of the handshake.
    pub(crate) fn early_bytes(&self) -> usize {
        self.early.len()
    }

    /// Appends `plain` to `sealed` in as few records as possible, whatever waited before it first; a record ends at one of the
    /// `seams` (places where a message may begin) if it cannot hold everything. `false`: nothing can be sent any more.
    pub(super) fn seal(&mut self, plain: &[u8], seams: &[u32], sealed: &mut Vec<u8>) -> bool {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            if !self.seal_piece(&early, sealed) {
                return false;
            }
        }
        let mut from = 0;
        while from < plain.len() {
            let to = record_end(plain.len(), from, seams);
            if !self.seal_piece(&plain[from..to], sealed) {
                return false;
            }
            from = to;
        }
        true
    }

    fn seal_piece(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> bool {
        let records = plain.len() / RECORD_BYTES_MAX + 1;
        let room = plain.len() + records * RECORD_EXTRA_BYTES;
        self.write(sealed, room, |traffic, into| traffic.encrypt(plain, into))
    }

    /// Appends a `close_notify` to `sealed`, once.
    pub(super) fn say_goodbye(&mut self, sealed: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.said_goodbye, true) && !self.is_handshaking() {
            self.write(sealed, RECORD_EXTRA_BYTES, |traffic, into| traffic.queue_close_notify(into));
        }
    }

    pub(super) fn owes_goodbye(&self) -> bool {
        !self.said_goodbye && !self.is_handshaking()
    }

    /// Has `act` write into `room` bytes at the end of `sealed`, or as many as it asks for.
    fn write(
        &mut self,
        sealed: &mut Vec<u8>,
        mut room: usize,
        mut act: impl FnMut(
            &mut WriteTraffic<'_, rustls::server::ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> bool {
        loop {
            match self.conn.process_tls_records(&mut self.rest).state {
                Ok(ConnectionState::EncodeTlsData(mut chunk)) => encode(&mut chunk, sealed),
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let at = sealed.len();
                    sealed.resize(at + room, 0);
                    let written = act(&mut traffic, &mut sealed[at..]);
                    sealed.truncate(at + *written.as_ref().unwrap_or(&0));
                    match written {
                        Ok(_) => return true,
                        Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                            if required_size > room =>
                        {
                            room = required_size;
                        }
                        Err(_) => return false,
                    }
                }
                Ok(_) | Err(_) => return false,
            }
        }
    }
}

/// Where the record that begins at `from` ends.
fn record_end(bytes: usize, from: usize, seams: &[u32]) -> usize {
    let most = from + RECORD_BYTES_MAX;
    if bytes <= most {
        return bytes;
    }
    let inside = |seam: &usize| *seam > from && *seam <= most;
    seams.iter().rev().map(|&seam| seam as usize).find(inside).unwrap_or(most)
}

fn encode<D>(chunk: &mut EncodeTlsData<'_, D>, into: &mut Vec<u8>) {
    let at = into.len();
    let written = match chunk.encode(&mut []) {
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
            into.resize(at + required_size, 0);
            chunk.encode(&mut into[at..])
        }
        other => other,
    };
    debug_assert!(written.is_ok(), "there was room for it");
    into.truncate(at + written.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_where_a_message_does_if_it_cannot_hold_all() {
        let most = RECORD_BYTES_MAX;
        assert_eq!(record_end(100, 0, &[50]), 100, "everything fits");
        assert_eq!(record_end(most + 1, 0, &[50, 900]), 900);
        assert_eq!(record_end(2 * most, 900, &[50, 900]), 900 + most, "no seam inside");
        assert_eq!(record_end(2 * most, 0, &[most as u32, most as u32 + 1]), most);
    }
}
