//! A packet whose attachments are still to come.
//!
//! Owns the packet's text and the attachments that are here, up to a ceiling. It never puts an attachment in the place of
//! its placeholder.

use super::violation::Violation;
use crate::engineio::Binary;
use codec::socketio::{Packet, decode};

/// A packet and its attachments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assembled {
    text: Box<str>,
    attachments: Vec<Vec<u8>>,
    expected: u8,
}

impl Assembled {
    /// Begins with the packet of this text, which announces so many attachments.
    pub(super) fn new(text: &str, expected: u8) -> Self {
        Self { text: text.into(), attachments: Vec::new(), expected }
    }

    /// Adds an attachment.
    pub(super) fn add(&mut self, binary: Binary<'_>, bytes_max: usize) -> Result<(), Violation> {
        let here: usize = self.text.len() + self.attachments.iter().map(Vec::len).sum::<usize>();
        if here + binary.len() > bytes_max {
            return Err(Violation::AssemblyTooBig);
        }
        let mut bytes = Vec::with_capacity(binary.len());
        binary.append_to(&mut bytes);
        self.attachments.push(bytes);
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.attachments.len() >= usize::from(self.expected)
    }

    /// The packet: an event or an acknowledgement.
    pub fn packet(&self) -> Option<Packet<'_>> {
        decode(self.text.as_bytes()).ok()
    }

    /// Its attachments, in order.
    pub fn attachments(&self) -> &[Vec<u8>] {
        &self.attachments
    }
}
