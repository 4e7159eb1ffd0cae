//! Words that wait in both directions between the gateway and one device.
//!
//! Owns what only a device in a conversation needs: its queues, and the pool of those that nobody needs now. An idle device
//! has none, because devices are counted in hundreds of thousands and words in hundreds; taking one from the pool and giving it
//! back allocates nothing. Never decides what is said ([`super::speech`]).

use super::notice::Notice;
use codec::mqtt::PacketId;
use engine::Key;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Notices that may wait for one device; the oldest of more is dropped, because only a device that does not read can
/// have so many.
const NOTICES_MAX: usize = 128;
/// A device is told of a foreign topic at most this often.
const SCOLD_EVERY: Duration = Duration::from_secs(60);
/// Places that a core keeps for the next conversations.
const SPARE_MAX: usize = 1024;
/// What a list of a spare place keeps room for.
const SPARE_WORDS_MAX: usize = 16;

/// Words waiting in both directions.
#[derive(Debug, Default)]
pub struct Talk {
    /// Commands that wait to be sent, in order.
    pub waiting: VecDeque<Key>,
    /// Commands that were sent and have not settled.
    pub sent: Vec<Key>,
    /// Commands that the device refused and will be asked again.
    pub pausing: Vec<Key>,
    /// The PUBLISHes whose PUBACK is awaited (one by default), and the command of each, which may have settled since.
    pub unacked: Vec<(PacketId, Key)>,
    /// Triggers on their way to the store.
    pub held: u16,
    /// Notices that wait to be sent.
    pub notices: VecDeque<Notice>,
    /// When the device was last told of a foreign topic.
    scolded_at: Option<Instant>,
}

impl Talk {
    /// Queues a notice behind the others.
    pub fn push_notice(&mut self, notice: Notice) {
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    /// Whether commands are under way.
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || !self.sent.is_empty() || !self.pausing.is_empty()
    }

    /// Every command that is under way.
    pub fn commands(&self) -> impl Iterator<Item = Key> + '_ {
        self.sent.iter().chain(&self.pausing).chain(&self.waiting).copied()
    }

    /// Whether something waits to be said to the device.
    pub fn has_words(&self) -> bool {
        !self.waiting.is_empty() || !self.notices.is_empty()
    }

    /// Whether the device may be told of a foreign topic now; that counts as telling it.
    pub fn may_scold(&mut self, now: Instant) -> bool {
        let may = !self.was_scolded(now);
        if may {
            self.scolded_at = Some(now);
        }
        may
    }

    fn was_scolded(&self, now: Instant) -> bool {
        self.scolded_at.is_some_and(|at| now.saturating_duration_since(at) < SCOLD_EVERY)
    }

    /// Whether nothing would be missed.
    fn is_over(&self, now: Instant) -> bool {
        !self.is_busy()
            && self.unacked.is_empty()
            && self.notices.is_empty()
            && self.held == 0
            && !self.was_scolded(now)
    }

    /// Makes it as good as new, with little memory of its own.
    fn wipe(&mut self) {
        self.scolded_at = None;
        self.waiting.shrink_to(SPARE_WORDS_MAX);
        self.sent.shrink_to(SPARE_WORDS_MAX);
        self.pausing.shrink_to(SPARE_WORDS_MAX);
        self.unacked.shrink_to(SPARE_WORDS_MAX);
        self.notices.shrink_to(SPARE_WORDS_MAX);
    }
}

/// Places for words that nobody needs now.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes themselves are what is kept: a row takes one as it is")]
pub struct Spare(Vec<Box<Talk>>);

impl Spare {
    /// The device's place; one is found if it has none.
    pub fn place<'t>(&mut self, talk: &'t mut Option<Box<Talk>>) -> &'t mut Talk {
        talk.get_or_insert_with(|| self.0.pop().unwrap_or_default())
    }

    /// Takes the place back if the conversation is over.
    pub fn reclaim(&mut self, talk: &mut Option<Box<Talk>>, now: Instant) {
        if talk.as_ref().is_none_or(|talk| !talk.is_over(now)) {
            return;
        }
        if let Some(mut over) = talk.take()
            && self.0.len() < SPARE_MAX
        {
            over.wipe();
            self.0.push(over);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
    use super::*;

    #[test]
    fn a_place_goes_back_when_the_conversation_is_over() {
        let (mut spare, now) = (Spare::default(), Instant::now());
        let mut talk = None;
        spare.place(&mut talk).push_notice(Notice::Pong);
        spare.reclaim(&mut talk, now);
        assert!(talk.is_some(), "a notice waits");
        spare.place(&mut talk).notices.clear();
        assert!(spare.place(&mut talk).may_scold(now) && !spare.place(&mut talk).may_scold(now));
        spare.reclaim(&mut talk, now);
        assert!(talk.is_some(), "it would be scolded twice a minute");
        spare.reclaim(&mut talk, now + SCOLD_EVERY);
        assert!(talk.is_none() && spare.0.len() == 1);
        assert!(spare.place(&mut talk).may_scold(now) && spare.0.is_empty(), "the place is as good as new");
    }

    #[test]
    fn a_spare_place_is_small() {
        let (mut spare, now) = (Spare::default(), Instant::now());
        let mut talk = None;
        for _ in 0..NOTICES_MAX + 1 {
            spare.place(&mut talk).push_notice(Notice::Pong);
        }
        let place = spare.place(&mut talk);
        assert_eq!(place.notices.len(), NOTICES_MAX);
        place.notices.clear();
        spare.reclaim(&mut talk, now);
        assert!(spare.0[0].notices.capacity() <= SPARE_WORDS_MAX);
    }
}
