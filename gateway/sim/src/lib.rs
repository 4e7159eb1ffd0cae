//! A simulator of the gateway: the real cores, shards, store writer and worker on a fake kernel, with scripted devices and
//! agents, on one thread. A run is a pure function of its seed.
//!
//! It never opens a socket, never sleeps, and is no part of the product. `README.md` beside this crate says how to run it,
//! what the oracles are, and which bugs are planted to prove them.

#![forbid(unsafe_code)]

pub mod agent;
pub mod coverage;
pub mod device;
pub mod failure;
pub mod house;
pub mod ledger;
pub mod line;
pub mod oracles;
pub mod planted;
pub mod secrets;
pub mod service;
pub mod swarm;
pub mod world;

pub use coverage::{Coverage, Seen};
pub use failure::{Failure, Oracle};
pub use world::{Outcome, STEPS, World};

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Seeds that once showed a mistake, each with a sentence; they are run first.
pub const KNOWN: &str = include_str!("../seeds.txt");

thread_local! {
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
    static IN_A_RUN: Cell<bool> = const { Cell::new(false) };
}

/// Runs one seed. A panic of the product is a broken invariant, and reported like any other broken rule.
pub fn run(seed: u64, steps: u64, trace: bool) -> Outcome {
    keep_last_words();
    let mut world = World::new(seed, trace);
    IN_A_RUN.set(true);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run(steps)));
    IN_A_RUN.set(false);
    match ended {
        Ok(outcome) => outcome,
        Err(_) => {
            let (step, at_ms) = world.progress();
            let message = LAST_WORDS.with(|words| words.borrow().clone());
            let peer = "the house".into();
            let failure = Failure { oracle: Oracle::Invariants, seed, step, at_ms, peer, message };
            // What is left of the house cannot be trusted to fall down in order.
            std::mem::forget(world);
            Outcome { failure: Some(failure), hash: 0, seen: Coverage::default() }
        }
    }
}

/// Runs one seed twice; the runs must be equal.
pub fn run_twice(seed: u64, steps: u64) -> Outcome {
    let (first, second) = (run(seed, steps, false), run(seed, steps, false));
    if first.failure.is_none() && first.hash != second.hash {
        let message =
            format!("the first run ended with {:016x}, the second with {:016x}", first.hash, second.hash);
        let peer = "the world".into();
        let failure = Failure { oracle: Oracle::Repeatable, seed, step: 0, at_ms: 0, peer, message };
        return Outcome { failure: Some(failure), ..first };
    }
    first
}

/// The seeds of [`KNOWN`].
pub fn known_seeds() -> impl Iterator<Item = u64> {
    KNOWN.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

/// Panics are kept for the report instead of being printed where they happen.
fn keep_last_words() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match IN_A_RUN.get() {
            true => LAST_WORDS.with(|words| words.replace(panic.to_string())).clear(),
            false => before(panic),
        }));
    });
}
