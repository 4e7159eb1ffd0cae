//! The simulator in the test run: the known seeds and 64 others, each twice.
//!
//! Owns three demands: no oracle fires, equal seeds give equal runs, and what the runs contained is rich enough to mean
//! something. `README.md` beside this crate says how to run many more.

use sim::{Coverage, Failure, STEPS, Seen, known_seeds, run_twice};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seeds that are run beside the known ones.
const OTHERS: u64 = 64;

/// What so few runs may miss. In 20,000 seeds everything occurs, and the simulator's own command fails otherwise.
const RARE: &[Seen] = &[
    Seen::Junk,
    Seen::Misframed,
    Seen::FellSilent,
    Seen::PollTwice,
    Seen::SessionSilenced,
    Seen::NeverGreeted,
    Seen::KeepAliveOver,
    Seen::HeartbeatOver,
    Seen::ShownLate,
    Seen::StrangerEvicted,
    Seen::Stalled,
    Seen::BodyTooSlow,
    Seen::StreamResumed,
    Seen::DeviceBusy,
    Seen::DescriptionUnread,
    Seen::ShuttingDown,
];

#[test]
fn the_known_seeds_and_64_others_are_clean_and_equal_and_see_enough() {
    let seeds: Vec<u64> = known_seeds().chain(1..=OTHERS).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new((Vec::<Failure>::new(), Coverage::default())));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run_twice(seed, STEPS);
                    let mut found = found.lock().expect("nobody panics with it");
                    found.0.extend(outcome.failure);
                    found.1.add(&outcome.seen);
                }
            });
        }
    });
    let (failures, seen) = found.into_inner().expect("nobody panics with it");
    for failure in &failures {
        println!("{failure}\nagain: cargo run -p sim --release -- --trace {}", failure.seed);
    }
    assert!(
        failures.is_empty(),
        "{} of {} seeds fail; the lines above say how to see them",
        failures.len(),
        seeds.len()
    );
    let missing: Vec<&str> = (Seen::ALL.iter())
        .filter(|what| seen.count(**what) == 0 && !RARE.contains(what))
        .map(|what| what.sentence())
        .collect();
    assert!(missing.is_empty(), "these never happened in {} seeds: {missing:#?}", seeds.len());
}
