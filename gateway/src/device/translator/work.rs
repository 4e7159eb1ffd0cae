//! What a Socket.IO client has under way: words on their way up, and what is owed to it.
//!
//! Owns the shape, and a core's spare ones: a client borrows one for as long as something is under way, so that an idle device has
//! none and a busy core allocates none. Never knows what a word means.

use super::super::held::{Inbox, Post};
use crate::metrics::AuthOutcome;
use codec::mqtt::PacketId;

/// Spare ones that a core keeps.
const SPARE_MAX: usize = 32;
/// A buffer that has grown beyond is freed, not kept.
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// MQTT that the conversation has not taken yet.
    pub(super) inbox: Inbox,
    /// The body of a POST of which not all was heard.
    pub(super) post: Option<Post>,
    /// What matters until it is accepted.
    pub(super) login: Option<LogIn>,
    /// Events that want an acknowledgement, by the identifier that their PUBLISH has.
    acks: Vec<(PacketId, u64)>,
    last_id: u16,
    /// Events that nobody knows.
    pub(super) unknown: u32,
}

/// What is known of a client before it is accepted.
#[derive(Debug)]
pub(super) struct LogIn {
    pub(super) sid: Box<str>,
    /// Why it is refused, when it is.
    pub(super) refusal: Option<AuthOutcome>,
    /// When it may try again, where that is known.
    pub(super) retry_after_ms: u32,
}

impl Work {
    /// That of a client that has not said who it is.
    pub(super) fn of_login(sid: Box<str>) -> Box<Self> {
        let login = LogIn { sid, refusal: None, retry_after_ms: 0 };
        Box::new(Self { login: Some(login), ..Self::default() })
    }

    /// An event wants an acknowledgement: the identifier for its PUBLISH, which no other that waits has.
    pub(super) fn expect_ack(&mut self, ack: u64) -> PacketId {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        let id = PacketId::new(self.last_id).unwrap_or(PacketId::MIN);
        self.acks.push((id, ack));
        id
    }

    /// The event whose PUBLISH was acknowledged, if it wants to know.
    pub(super) fn take_ack(&mut self, id: PacketId) -> Option<u64> {
        let at = self.acks.iter().position(|&(waiting, _)| waiting == id)?;
        Some(self.acks.remove(at).1)
    }

    /// Whether nothing is under way.
    pub(super) fn is_done(&self) -> bool {
        self.inbox.is_empty()
            && self.post.is_none()
            && self.login.is_none()
            && self.acks.is_empty()
            && self.unknown == 0
    }
}

/// What a core keeps for its Socket.IO clients, so that nothing is allocated while they talk.
#[derive(Debug, Default)]
pub struct Spare {
    // Boxed, because it goes from here into a client and back.
    #[allow(clippy::vec_box, reason = "it goes from here into a client and back as it is")]
    works: Vec<Box<Work>>,
    /// What a conversation said last, while it is put into words.
    said: Vec<u8>,
}

impl Spare {
    pub(super) fn lend(&mut self) -> Box<Work> {
        self.works.pop().unwrap_or_default()
    }

    pub(super) fn give_back(&mut self, work: Box<Work>) {
        debug_assert!(work.is_done());
        if self.works.len() < SPARE_MAX && work.inbox.capacity() <= SPARE_BYTES_MAX {
            self.works.push(work);
        }
    }

    /// Takes what was said from the byte `from` on out of an output, to be given back by [`Spare::put_said`].
    pub(super) fn take_said(&mut self, out: &mut Vec<u8>, from: usize) -> Vec<u8> {
        let mut said = std::mem::take(&mut self.said);
        said.extend_from_slice(out.get(from..).unwrap_or_default());
        out.truncate(from);
        said
    }

    pub(super) fn put_said(&mut self, mut said: Vec<u8>) {
        said.clear();
        if said.capacity() <= SPARE_BYTES_MAX {
            self.said = said;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_an_acknowledgement_has_an_identifier_of_its_own() {
        let mut work = Work { last_id: u16::MAX - 1, ..Work::default() };
        let [first, second] = [7, 8].map(|ack| work.expect_ack(ack));
        assert_ne!(first, second);
        assert_eq!(work.take_ack(second), Some(8));
        assert!(!work.is_done());
        assert_eq!((work.take_ack(second), work.take_ack(first)), (None, Some(7)));
        assert!(work.is_done());
    }

    #[test]
    fn a_core_keeps_a_few_of_moderate_size() {
        let mut spare = Spare::default();
        for _ in 0..=SPARE_MAX {
            spare.give_back(Box::default());
        }
        assert_eq!(spare.works.len(), SPARE_MAX);
        spare.works.clear();
        let mut inbox = Inbox::default();
        inbox.reserve(SPARE_BYTES_MAX + 1);
        spare.give_back(Box::new(Work { inbox, ..Work::default() }));
        assert!(spare.works.is_empty());
    }
}
