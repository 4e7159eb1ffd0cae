//! The mailbox's ring, flag and fence as loom knows them, compiled only with `--cfg loom`.
//!
//! Owns a bounded ring with the interface of crossbeam's and *weaker* orderings, so that the protocol's proof leans on
//! the protocol's own fences and not on what crossbeam happens to do inside, and the faults that the test plants to see that they are found.
//! It never runs in the product.

use loom::sync::Mutex;
use loom::sync::atomic::AtomicUsize;
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// What to leave out of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// The protocol as it is.
    Nothing,
    /// Neither side's fence.
    NoFence,
    /// The receiver's second look, after arming.
    NoSecondLook,
}

std::thread_local! {
    // Loom runs all the threads of a model on one thread of the system, so this holds for a whole model and no other.
    static PLANTED: Cell<Planted> = const { Cell::new(Planted::Nothing) };
}

/// Chooses what the models that follow on this thread leave out.
pub fn plant(fault: Planted) {
    PLANTED.set(fault);
}

pub(super) fn fence(order: Ordering) {
    if PLANTED.get() != Planted::NoFence {
        loom::sync::atomic::fence(order);
    }
}

/// A flag. Loom orders a store and another thread's swap only where one has seen the other, so a load could return what a swap
/// wrote *before* the store that followed it: false alarms. A swap in place of the store shows loom the order that the language gives.
pub(super) struct AtomicBool(loom::sync::atomic::AtomicBool);

impl AtomicBool {
    pub(super) fn new(value: bool) -> AtomicBool {
        AtomicBool(loom::sync::atomic::AtomicBool::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> bool {
        self.0.load(order)
    }

    pub(super) fn store(&self, value: bool, order: Ordering) {
        self.0.swap(value, order);
    }

    pub(super) fn swap(&self, value: bool, order: Ordering) -> bool {
        self.0.swap(value, order)
    }
}

/// A bounded ring for many senders and one receiver: a place is claimed by moving `tail` and then filled.
pub(super) struct Ring<T> {
    places: Vec<Mutex<Option<T>>>,
    head: AtomicUsize,
    tail: AtomicUsize,
}

impl<T> Ring<T> {
    pub(super) fn new(letters_max: usize) -> Ring<T> {
        Ring {
            places: (0..letters_max).map(|_| Mutex::new(None)).collect(),
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
        }
    }

    pub(super) fn push(&self, letter: T) -> Result<(), T> {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            if tail.saturating_sub(self.head.load(Ordering::Acquire)) >= self.places.len() {
                return Err(letter);
            }
            match self.tail.compare_exchange(tail, tail + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(moved) => tail = moved,
            }
        }
        let mut place =
            self.places[tail % self.places.len()].lock().expect("no model panics with a place locked");
        assert!(place.is_none(), "a place is filled once per round");
        *place = Some(letter);
        Ok(())
    }

    pub(super) fn pop(&self) -> Option<T> {
        let head = self.head.load(Ordering::Relaxed);
        if head == self.tail.load(Ordering::Acquire) {
            return None;
        }
        loop {
            let letter = self.places[head % self.places.len()]
                .lock()
                .expect("no model panics with a place locked")
                .take();
            if letter.is_some() {
                self.head.store(head + 1, Ordering::Release);
                return letter;
            }
            // Claimed and not filled yet: the sender is between its two steps.
            loom::thread::yield_now();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        PLANTED.get() == Planted::NoSecondLook
            || self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Relaxed)
    }

    pub(super) fn len(&self) -> usize {
        self.tail.load(Ordering::Relaxed) - self.head.load(Ordering::Relaxed)
    }
}
