//! A reader of Server-Sent Events.
//!
//! Owns the cutting of events out of the bytes; what they must be is the oracle's business.

use crate::ledger::Ledger;
use crate::oracles::Reading;

/// A stream that has begun.
#[derive(Debug)]
pub struct Stream {
    /// Where it stands.
    pub reading: Reading,
}

impl Stream {
    /// A stream that has not brought anything yet.
    pub fn new(reading: Reading) -> Self {
        Self { reading }
    }

    /// Reads every whole event.
    pub fn hear(&mut self, ledger: &mut Ledger, ear: &mut Vec<u8>, peer: &str) {
        let mut start = 0;
        while let Some(length) = ear[start..].windows(2).position(|two| two == b"\n\n") {
            let event = String::from_utf8_lossy(&ear[start..start + length]).into_owned();
            start += length + 2;
            self.event(ledger, &event, peer);
        }
        ear.drain(..start);
    }

    fn event(&mut self, ledger: &mut Ledger, event: &str, peer: &str) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        if event.lines().all(|line| line.starts_with(':')) {
            return;
        }
        let (id, kind, data) = (field("id: "), field("event: "), field("data: "));
        ledger.judge_read(&mut self.reading, id, kind, data, peer_of(&peer));
    }
}

fn peer_of<'a>(peer: &'a &str) -> &'a dyn std::fmt::Display {
    peer
}
