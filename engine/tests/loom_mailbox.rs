//! The mailbox's protocol under every interleaving that loom can think of:
//!
//!     RUSTFLAGS="--cfg loom" cargo test -p engine --test loom_mailbox --release
//!
//! A receiver sleeps only after arming; a lost wake-up is a sleeper nobody rings, which loom reports as a deadlock. The ring is a
//! model with weaker orderings than crossbeam's, so what holds here holds by the protocol's own fences. The two last
//! tests leave a step out and expect the deadlock: they show that this model would notice.
#![allow(unexpected_cfgs, reason = "`--cfg loom` is loom's own convention")]
#![cfg(loom)]

use std::sync::Arc;

use engine::mailbox::{Bell, Mailbox, Planted, Post, plant};
use loom::sync::{Condvar, Mutex};
use loom::thread;

/// Where the receiver sleeps: a token that the bell leaves, like that of a parked thread or a polled waker.
#[derive(Clone)]
struct Bed(Arc<(Mutex<bool>, Condvar)>);

impl Bed {
    fn new() -> Bed {
        Bed(Arc::new((Mutex::new(false), Condvar::new())))
    }

    fn bell(&self) -> Bell {
        let bed = self.clone();
        Box::new(move || {
            *bed.0.0.lock().expect("nobody panics in bed") = true;
            bed.0.1.notify_one();
        })
    }

    fn sleep(&self) {
        let mut rung = self.0.0.lock().expect("nobody panics in bed");
        while !*rung {
            rung = self.0.1.wait(rung).expect("nobody panics in bed");
        }
        *rung = false;
    }
}

/// The receiver's turns until it has taken `expected` letters of `(sender, serial)`; each sender's in order.
fn receive(mailbox: &Mailbox<(usize, usize)>, bed: &Bed, expected: [usize; 2]) {
    let mut seen = [0, 0];
    loop {
        while let Some((sender, serial)) = mailbox.take() {
            assert_eq!(serial, seen[sender], "a letter was lost or overtaken");
            seen[sender] += 1;
        }
        if seen == expected {
            return;
        }
        if mailbox.arm() {
            bed.sleep();
        }
        mailbox.disarm();
    }
}

/// One sender's life: so many turns, each posting so many letters and flushing; then it flushes until all are gone.
fn send(mailbox: Arc<Mailbox<(usize, usize)>>, sender: usize, turns: usize, letters_per_turn: usize) {
    let mut post = Post::new(vec![mailbox]);
    for turn in 0..turns {
        for letter in 0..letters_per_turn {
            post.post(0, (sender, turn * letters_per_turn + letter));
        }
        post.flush();
    }
    while post.unposted() > 0 {
        // In the product a poll with a timeout; to loom, "somebody else must run before this can succeed".
        thread::yield_now();
        post.flush();
    }
}

fn check(preemptions_max: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions_max);
    builder.check(model);
}

/// Two senders, a ring of `ring` places, and as many turns and letters for each as said.
fn two_senders(ring: usize, turns: usize, letters_per_turn: usize) {
    let bed = Bed::new();
    let mailbox = Mailbox::new(ring, bed.bell());
    let senders = [0, 1].map(|sender| {
        let mailbox = Arc::clone(&mailbox);
        thread::spawn(move || send(mailbox, sender, turns, letters_per_turn))
    });
    receive(&mailbox, &bed, [turns * letters_per_turn; 2]);
    for sender in senders {
        sender.join().expect("a sender does not panic");
    }
}

fn one_sender(ring: usize, turns: usize, letters_per_turn: usize) {
    let bed = Bed::new();
    let mailbox = Mailbox::new(ring, bed.bell());
    let sender = {
        let mailbox = Arc::clone(&mailbox);
        thread::spawn(move || send(mailbox, 0, turns, letters_per_turn))
    };
    receive(&mailbox, &bed, [turns * letters_per_turn, 0]);
    sender.join().expect("a sender does not panic");
}

#[test]
fn no_letter_and_no_wake_is_lost_with_one_sender() {
    plant(Planted::Nothing);
    check(5, || one_sender(2, 2, 1));
}

#[test]
fn no_letter_and_no_wake_is_lost_with_two_senders() {
    plant(Planted::Nothing);
    check(3, || two_senders(2, 1, 1));
}

#[test]
fn no_letter_is_lost_or_overtaken_when_the_ring_is_full() {
    plant(Planted::Nothing);
    check(3, || one_sender(1, 1, 3));
}

#[test]
fn no_sleeper_is_forgotten_when_the_other_sender_filled_the_ring() {
    plant(Planted::Nothing);
    check(2, || two_senders(1, 1, 1));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fences_a_sleeper_is_left_beside_a_letter() {
    plant(Planted::NoFence);
    check(5, || one_sender(2, 2, 1));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_second_look_a_sleeper_is_left_beside_a_letter() {
    plant(Planted::NoSecondLook);
    check(5, || one_sender(2, 2, 1));
}
