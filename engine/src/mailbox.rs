//! Letters between neighbours: one bounded ring per receiver, and at most one wake per neighbour and turn.
//!
//! Owns the promise that no letter is lost, none overtakes another from the same sender, nobody ever waits to send one,
//! and nobody sleeps while a letter lies in his box. It knows neither what is in a letter nor how a sleeper is woken (that is
//! the [`Bell`] of whoever knows the kernel), and it never refuses: what does not fit waits, in order, at the sender.
//!
//! ```text
//!   receiver                                        sender
//!   --------                                        ------
//!   take letters until there is none                post(to, letter): into the ring, or behind what waits for `to`
//!   arm: armed = true                               ... once per turn, flush:
//!        fence                                      push what waits, as far as it fits
//!        is the ring empty? no -> do not sleep      fence
//!   sleep (poll, park)                              for everyone written to: armed true -> false?  ring the bell
//!   disarm: armed = false
//! ```
//!
//! The two fences make it impossible that the receiver misses the letter *and* the sender misses the flag. Without either
//! of them, or without the second look, a letter can lie unread beside a sleeper: `tests/loom_mailbox.rs` shows each case.

#![allow(unexpected_cfgs, reason = "`--cfg loom` is loom's own convention")]

#[cfg(loom)]
mod modelled;

#[cfg(not(loom))]
use crossbeam::queue::ArrayQueue as Ring;
#[cfg(loom)]
use modelled::{AtomicBool, Ring, fence};
#[cfg(loom)]
pub use modelled::{Planted, plant};

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, fence};
use std::time::Duration;

/// Wakes one receiver, from any thread; may be rung when he is awake.
pub type Bell = Box<dyn Fn() + Send + Sync>;

/// How many letters lie in a ring before they wait at their senders, if its owner has no better number.
pub const RING_LETTERS: usize = 4096;

/// From this many letters waiting at one sender for one neighbour on it calls itself congested, if its owner has no better number
/// ([`Limits::unposted_letters_mark`](crate::core::Limits::unposted_letters_mark)): a mark, not a ceiling, because *settle*, *close* and
/// *move* are never refused. What keeps the number finite is that a congested core takes no new commands.
pub const UNPOSTED_LETTERS_MARK: usize = 4096;

/// How soon a sender should flush again while letters wait: nobody tells it that a ring has room again.
pub const RETRY_AFTER: Duration = Duration::from_millis(1);

/// Room for waiting letters that a neighbour's queue keeps when it is empty again; what a burst needed beyond goes back.
const WAITING_KEPT: usize = 1024;

/// Where one receiver's letters arrive.
pub struct Mailbox<T> {
    ring: Ring<T>,
    /// The receiver sleeps, or is about to: whoever turns this off has to ring.
    armed: AtomicBool,
    bell: Bell,
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("letters", &self.ring.len()).finish_non_exhaustive()
    }
}

impl<T> Mailbox<T> {
    /// An empty box for `letters_max` letters (at least one) whose owner wakes when `bell` rings.
    pub fn new(letters_max: usize, bell: Bell) -> Arc<Mailbox<T>> {
        Arc::new(Mailbox { ring: Ring::new(letters_max.max(1)), armed: AtomicBool::new(false), bell })
    }

    /// The receiver's: the next letter. Letters of one sender come in the order in which he posted them.
    pub fn take(&self) -> Option<T> {
        self.ring.pop()
    }

    /// How many letters lie in the ring; a turn that takes exactly so many leaves what it posts to itself for the next.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether no letter lies in the ring.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The receiver's, last thing before it sleeps: announces the sleep, then looks once more.
    ///
    /// `false`: there are letters, do not sleep. After either answer comes [`Mailbox::disarm`], slept or not.
    #[must_use = "a receiver that sleeps although letters are there sleeps too long"]
    pub fn arm(&self) -> bool {
        self.armed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.ring.is_empty()
    }

    /// The receiver's, first thing after it slept: from here on a bell would be wasted.
    pub fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// Wakes the receiver if it sleeps, and tells the other senders that it has been done. Behind the sender's fence.
    fn ring_if_armed(&self) -> bool {
        // The look before the swap keeps the flag's cache line shared while the receiver is awake, as it mostly is.
        let asleep = self.armed.load(Ordering::Relaxed) && self.armed.swap(false, Ordering::Relaxed);
        if asleep {
            (self.bell)();
        }
        asleep
    }
}

/// One neighbour, as its sender sees it.
struct Lane<T> {
    mailbox: Arc<Mailbox<T>>,
    /// What did not fit into the ring, oldest first; while there is any, everything newer queues behind it.
    waiting: VecDeque<T>,
    /// Something was posted since the last flush.
    touched: bool,
}

/// One sender's way to all its neighbours: posts at once where there is room, keeps the rest in order, wakes once per turn.
///
/// ```
/// use engine::mailbox::{Mailbox, Post};
/// use std::sync::Arc;
///
/// let shard = Mailbox::new(16, Box::new(|| { /* wake its poll */ }));
/// let mut post = Post::new(vec![Arc::clone(&shard)]);
/// post.post(0, "a letter");
/// post.flush();
/// assert_eq!(shard.take(), Some("a letter"));
/// ```
pub struct Post<T> {
    lanes: Vec<Lane<T>>,
    /// Whom the next flush visits, each once; also those for whom letters wait.
    touched: Vec<usize>,
    unposted: usize,
    unposted_peak: usize,
    rings: u64,
}

impl<T> Post<T> {
    /// A sender to `mailboxes`; `to` is the place in this list.
    pub fn new(mailboxes: Vec<Arc<Mailbox<T>>>) -> Post<T> {
        let touched = Vec::with_capacity(mailboxes.len());
        let lanes = mailboxes
            .into_iter()
            .map(|mailbox| Lane { mailbox, waiting: VecDeque::new(), touched: false })
            .collect();
        Post { lanes, touched, unposted: 0, unposted_peak: 0, rings: 0 }
    }

    /// How many neighbours there are.
    pub fn neighbours(&self) -> usize {
        self.lanes.len()
    }

    /// Sends a letter; the receiver is woken by the next [`Post::flush`] and not before.
    ///
    /// # Panics
    /// When there is no neighbour `to`: neighbours are fixed at the start, so it is our own mistake.
    pub fn post(&mut self, to: usize, letter: T) {
        let lane = &mut self.lanes[to];
        if !lane.touched {
            lane.touched = true;
            self.touched.push(to);
        }
        let refused = if lane.waiting.is_empty() { lane.mailbox.ring.push(letter) } else { Err(letter) };
        #[cfg(planted)]
        if crate::planted::is("overflow-dropped") {
            return;
        }
        if let Err(letter) = refused {
            lane.waiting.push_back(letter);
            self.unposted += 1;
            self.unposted_peak = self.unposted_peak.max(self.unposted);
        }
    }

    /// Once per turn: posts what waits as far as it fits, and rings everyone written to who sleeps.
    pub fn flush(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        for &to in &self.touched {
            self.unposted -= self.lanes[to].push_waiting();
        }
        // Orders every push above, and those of `post`, before every look at a flag below; one fence serves them all.
        fence(Ordering::SeqCst);
        let Post { lanes, touched, rings, .. } = self;
        touched.retain(|&to| {
            let lane = &mut lanes[to];
            *rings += u64::from(lane.mailbox.ring_if_armed());
            lane.touched = !lane.waiting.is_empty();
            lane.touched
        });
        debug_assert_eq!(self.unposted == 0, self.touched.is_empty());
    }

    /// How many letters wait here because a ring was full.
    pub fn unposted(&self) -> usize {
        self.unposted
    }

    /// How many of them wait for this neighbour.
    pub fn unposted_to(&self, to: usize) -> usize {
        self.lanes[to].waiting.len()
    }

    /// The most letters that ever waited here.
    pub fn unposted_peak(&self) -> usize {
        self.unposted_peak
    }

    /// How many bells this sender has rung.
    pub fn rings(&self) -> u64 {
        self.rings
    }

    /// Whether more letters wait for one neighbour than [`UNPOSTED_LETTERS_MARK`]: take on no new work for it.
    pub fn congested(&self) -> bool {
        // As long as there are fewer in all, nobody has to be looked at.
        self.unposted >= UNPOSTED_LETTERS_MARK
            && self.lanes.iter().any(|lane| lane.waiting.len() >= UNPOSTED_LETTERS_MARK)
    }

    /// How long the sender may sleep before it must flush again; `None`: as long as it likes.
    pub fn retry_after(&self) -> Option<Duration> {
        (self.unposted > 0).then_some(RETRY_AFTER)
    }
}

impl<T> Lane<T> {
    /// Moves what waits into the ring until it is full; says how many letters.
    fn push_waiting(&mut self) -> usize {
        let mut posted = 0;
        while let Some(letter) = self.waiting.pop_front() {
            if let Err(letter) = self.mailbox.ring.push(letter) {
                self.waiting.push_front(letter);
                return posted;
            }
            posted += 1;
        }
        if self.waiting.capacity() > WAITING_KEPT {
            self.waiting = VecDeque::new();
        }
        posted
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
