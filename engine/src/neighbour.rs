//! A neighbour that is no core: a thread (the store writer, the worker) that speaks by mail alone.
//!
//! Owns such a thread's box, its way to all the others, and its sleep. It never says what the thread does, and it starts
//! none: its owner calls [`Neighbour::park`] in a loop in the product, and in a simulation the scheduler gives it turns
//! and never parks it, so that its bell is never rung either.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::sync::Parker;

use crate::mailbox::{Mailbox, Post};

/// A place among the neighbours before all of them are known: the box is there, the way to the others not yet.
pub struct Berth<T> {
    mailbox: Arc<Mailbox<T>>,
    parker: Parker,
}

impl<T> Berth<T> {
    /// A berth with a box for `letters_max` letters.
    pub fn new(letters_max: usize) -> Berth<T> {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        Berth { mailbox: Mailbox::new(letters_max, Box::new(move || unparker.unpark())), parker }
    }

    /// The box, for the list that every [`Post`] is made of.
    pub fn mailbox(&self) -> Arc<Mailbox<T>> {
        Arc::clone(&self.mailbox)
    }

    /// The neighbour, now that it can write to everyone.
    pub fn join(self, post: Post<T>) -> Neighbour<T> {
        Neighbour { mailbox: self.mailbox, parker: self.parker, post }
    }
}

/// A thread's mail: take letters, post letters, flush once per turn, sleep until there is more.
///
/// ```no_run
/// # use engine::{mailbox::Post, neighbour::{Berth, Neighbour}};
/// # enum Letter { Keep(u64), Stop }
/// # let (berth, boxes) = (Berth::new(16), vec![]);
/// let mut writer: Neighbour<Letter> = berth.join(Post::new(boxes));
/// loop {
///     while let Some(letter) = writer.take() {
///         match letter {
///             Letter::Keep(record) => writer.post(0, Letter::Keep(record)),
///             Letter::Stop => return,
///         }
///     }
///     writer.flush();
///     writer.park();
/// }
/// ```
pub struct Neighbour<T> {
    mailbox: Arc<Mailbox<T>>,
    parker: Parker,
    post: Post<T>,
}

impl<T> Neighbour<T> {
    /// The next letter, if there is one.
    pub fn take(&mut self) -> Option<T> {
        self.mailbox.take()
    }

    /// How many letters have arrived and were not taken yet.
    pub fn letters(&self) -> usize {
        self.mailbox.len()
    }

    /// Sends a letter; see [`Post::post`].
    pub fn post(&mut self, to: usize, letter: T) {
        self.post.post(to, letter);
    }

    /// Once per turn: posts what waits and wakes whom it was written to; see [`Post::flush`].
    pub fn flush(&mut self) {
        self.post.flush();
    }

    /// How many of its letters found a full ring and wait.
    pub fn unposted(&self) -> usize {
        self.post.unposted()
    }

    /// Whether too many of its letters wait to take on more work; see [`Post::congested`].
    pub fn congested(&self) -> bool {
        self.post.congested()
    }

    /// Sleeps until a letter arrives; at once awake when one is there. May also wake for no reason.
    pub fn park(&mut self) {
        self.sleep(None);
    }

    /// Like [`Neighbour::park`], for `at_most` so long.
    pub fn park_at_most(&mut self, at_most: Duration) {
        self.sleep(Some(at_most));
    }

    fn sleep(&mut self, at_most: Option<Duration>) {
        // Asked before the flush: whoever parks until its letters are gone is to see it when the last one went just now.
        let retry_after = self.post.retry_after();
        // A letter that was posted and not flushed would sleep with us.
        self.post.flush();
        if self.mailbox.arm() {
            match [at_most, retry_after].into_iter().flatten().min() {
                Some(at_most) => self.parker.park_timeout(at_most),
                None => self.parker.park(),
            }
        }
        self.mailbox.disarm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn two_threads_play_ping_pong_without_losing_a_wake() {
        const ROUNDS: u64 = 5_000;
        let (left, right) = (Berth::new(4), Berth::new(4));
        let boxes = || vec![left.mailbox(), right.mailbox()];
        let (posts_left, posts_right) = (Post::new(boxes()), Post::new(boxes()));
        let (mut left, mut right) = (left.join(posts_left), right.join(posts_right));
        let echo = thread::spawn(move || {
            loop {
                while let Some(n) = right.take() {
                    if n == ROUNDS {
                        return;
                    }
                    right.post(0, n);
                }
                right.park();
            }
        });
        for n in 0..ROUNDS {
            left.post(1, n);
            left.flush();
            let answer = loop {
                match left.take() {
                    Some(answer) => break answer,
                    None => left.park(),
                }
            };
            assert_eq!(answer, n);
        }
        left.post(1, ROUNDS);
        left.flush();
        echo.join().expect("the echo saw every letter");
    }

    #[test]
    fn a_flood_through_a_ring_of_two_arrives_whole_and_in_order() {
        const LETTERS: u64 = 500;
        let receiver = Berth::new(2);
        let boxes = || vec![receiver.mailbox()];
        let senders: Vec<_> =
            (0..2u64).map(|sender| (sender, Berth::new(1).join(Post::new(boxes())))).collect();
        let mut receiver = receiver.join(Post::new(vec![]));
        let threads: Vec<_> = senders
            .into_iter()
            .map(|(sender, mut neighbour)| {
                thread::spawn(move || {
                    for n in 0..LETTERS {
                        neighbour.post(0, (sender, n));
                    }
                    while neighbour.unposted() > 0 {
                        neighbour.park();
                    }
                })
            })
            .collect();
        let mut next = [0; 2];
        while next != [LETTERS; 2] {
            let Some((sender, n)) = receiver.take() else {
                receiver.park();
                continue;
            };
            assert_eq!(n, next[sender as usize]);
            next[sender as usize] += 1;
        }
        for thread in threads {
            thread.join().expect("the sender finished");
        }
    }

    #[test]
    fn sleeps_no_longer_than_it_was_told() {
        let mut alone = Berth::<()>::new(1).join(Post::new(vec![]));
        alone.park_at_most(Duration::from_millis(1));
        assert!(alone.take().is_none());
    }

    #[test]
    fn takes_turns_without_ever_parking() {
        let (a, b) = (Berth::new(4), Berth::new(4));
        let boxes = || vec![a.mailbox(), b.mailbox()];
        let (post_a, post_b) = (Post::new(boxes()), Post::new(boxes()));
        let (mut a, mut b) = (a.join(post_a), b.join(post_b));
        a.post(1, 'x');
        a.flush();
        assert_eq!((b.letters(), b.take()), (1, Some('x')));
        b.post(0, 'y');
        b.flush();
        assert_eq!(a.take(), Some('y'));
        assert!(a.take().is_none() && !a.congested());
    }
}
