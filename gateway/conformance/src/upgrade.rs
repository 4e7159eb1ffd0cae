//! From a TCP connection to a WebSocket: the one HTTP request before the frames.
//!
//! Owns the answer to that request. Any path is as good as another; what is no handshake is refused with the reason. It
//! never reads a frame.

use std::sync::Arc;
use std::time::Instant;

use transports::http::{Event, Limits, Response, Session};
use transports::input::Input;
use transports::ws::{Handshake, Refusal};

/// A connection that has not become a WebSocket yet.
#[derive(Debug)]
pub struct Door {
    http: Session,
    /// The sub-protocol that the client must offer.
    protocol: Option<&'static str>,
}

/// What became of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The request is not whole.
    Wait,
    /// What follows is frames; the 101 is written.
    Upgraded,
    /// Refused; the answer is written. Flush and close.
    Refused,
}

impl Door {
    /// For a connection that has just been opened.
    pub fn new(protocol: Option<&'static str>, now: Instant) -> Self {
        Self { http: Session::new(Arc::new(Limits::default()), now), protocol }
    }

    /// Reads the request.
    pub fn next(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>, now: Instant) -> Step {
        let request = match self.http.next(input, out, now) {
            Ok(Some(Event::Request(request))) => request,
            Ok(None) => return Step::Wait,
            Ok(Some(Event::Promised)) => return self.refuse(Refusal::Body, out, now),
            Err(violation) => {
                violation.answer(out);
                return Step::Refused;
            }
        };
        match Handshake::check(&request) {
            Ok(handshake) if self.protocol.is_none_or(|protocol| handshake.offers(protocol)) => {
                handshake.accept(self.protocol, out);
                Step::Upgraded
            }
            // [MQTT-6.0.0-3]: the client must offer it; a request without is no request for us.
            Ok(_) => self.refuse(Refusal::Upgrade, out, now),
            Err(refusal) => self.refuse(refusal, out, now),
        }
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>, now: Instant) -> Step {
        let body: [&[u8]; 2] = [refusal.detail().as_bytes(), b"\n"];
        let (status, headers) = (refusal.status(), refusal.headers());
        self.http.close_after();
        // The connection ends, whatever the session says of it.
        let _ = self.http.respond(
            Response { status, content_type: "text/plain", headers, body: &body },
            out,
            now,
        );
        Step::Refused
    }

    /// When the peer will have been silent for too long.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.http.next_timeout()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
    use super::*;

    fn ask(protocol: Option<&'static str>, request: &str) -> (Step, String) {
        let (mut bytes, mut out) = (request.as_bytes().to_vec(), Vec::new());
        let now = Instant::now();
        let step = Door::new(protocol, now).next(&mut Input::new(&mut bytes), &mut out, now);
        (step, String::from_utf8(out).expect("HTTP is text"))
    }

    #[test]
    fn upgrades_who_asks_for_it_and_refuses_the_rest() {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
        let asked =
            format!("GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}");
        let (step, answer) = ask(None, &format!("{asked}\r\n"));
        assert_eq!(
            (step, answer.split("\r\n").next()),
            (Step::Upgraded, Some("HTTP/1.1 101 Switching Protocols"))
        );
        let (step, answer) = ask(Some("mqtt"), &format!("{asked}Sec-WebSocket-Protocol: mqtt\r\n\r\n"));
        assert!(step == Step::Upgraded && answer.contains("Sec-WebSocket-Protocol: mqtt\r\n"), "{answer}");
        let (step, answer) = ask(Some("mqtt"), &format!("{asked}\r\n"));
        assert!(step == Step::Refused && answer.starts_with("HTTP/1.1 426 "), "{answer}");
        let (step, answer) = ask(None, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(step == Step::Refused && answer.contains("Connection: close\r\n"), "{answer}");
        assert_eq!(ask(None, "GET / HTTP/1.1\r\n"), (Step::Wait, String::new()));
    }
}
