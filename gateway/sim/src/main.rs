//! `sim`: runs many seeds, on all processors, and says how to see each failure again.
//!
//! ```text
//! cargo run -p sim --release -- --seeds 20000 [--from N] [--steps M] [--threads T] [--failures F]
//! cargo run -p sim --release -- --trace SEED
//! gateway/sim/planted.sh [--planted NAME] [--seeds N]
//! ```
//!
//! Owns the command line and the threads; each world lives on one of them.

mod hunt;

use sim::planted::{Bug, plant};
use sim::{Coverage, Failure, STEPS, Seen};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// With so many seeds everything that is counted must have occurred.
const ALL_SEEN_SEEDS: u64 = 20_000;

/// What was asked for.
#[derive(Clone, Debug)]
struct Wanted {
    from: u64,
    seeds: u64,
    steps: u64,
    threads: usize,
    /// So many failures end the run.
    failures: usize,
    trace: Option<u64>,
    planted: Option<String>,
}

fn main() -> ExitCode {
    let Some(wanted) = read_arguments() else {
        eprintln!(
            "usage: sim [--seeds N] [--from N] [--steps N] [--threads N] [--failures N] [--trace SEED] \
             [--planted NAME|all]"
        );
        return ExitCode::from(2);
    };
    if let Some(name) = &wanted.planted
        && wanted.trace.is_none()
    {
        return hunt::hunt(name, &wanted);
    }
    if let Some(seed) = wanted.trace {
        plant(wanted.planted.as_deref().and_then(sim::planted::find));
        let outcome = sim::run(seed, wanted.steps, true);
        println!("hash {:016x}", outcome.hash);
        return report(outcome.failure.as_slice(), &wanted);
    }
    let (failures, seen) = run_all(&wanted, None);
    for &what in Seen::ALL {
        println!("{:>10}  {}", seen.count(what), what.sentence());
    }
    let missing = seen.missing();
    if failures.is_empty() && wanted.seeds >= ALL_SEEN_SEEDS && !missing.is_empty() {
        println!("never happened: {missing:#?}");
        return ExitCode::FAILURE;
    }
    report(&failures, &wanted)
}

fn read_arguments() -> Option<Wanted> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut wanted =
        Wanted { from: 1, seeds: 1000, steps: STEPS, threads, failures: 1, trace: None, planted: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        if word == "--planted" {
            wanted.planted = Some(value);
            continue;
        }
        let value: u64 = value.parse().ok()?;
        match word.as_str() {
            "--seeds" => wanted.seeds = value,
            "--from" => wanted.from = value,
            "--steps" => wanted.steps = value,
            "--threads" => wanted.threads = usize::try_from(value).ok()?.max(1),
            "--failures" => wanted.failures = usize::try_from(value).ok()?.max(1),
            "--trace" => wanted.trace = Some(value),
            _ => return None,
        }
    }
    Some(wanted)
}

/// Every seed once, every sixteenth twice unless a bug is planted; stops when it has failures enough.
fn run_all(wanted: &Wanted, bug: Option<&'static Bug>) -> (Vec<Failure>, Coverage) {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let found: Mutex<(Vec<Failure>, Coverage)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(|| {
                plant(bug);
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= wanted.seeds {
                        return;
                    }
                    let seed = wanted.from + n;
                    let twice = bug.is_none() && n.is_multiple_of(16);
                    let outcome = if twice {
                        sim::run_twice(seed, wanted.steps)
                    } else {
                        sim::run(seed, wanted.steps, false)
                    };
                    let mut found = found.lock().expect("nobody panics with it");
                    found.1.add(&outcome.seen);
                    if let Some(failure) = outcome.failure {
                        found.0.push(failure);
                        stop.store(found.0.len() >= wanted.failures, Ordering::Relaxed);
                    }
                    if (n + 1).is_multiple_of(1000) {
                        println!("{} seeds", n + 1);
                    }
                }
            });
        }
    });
    found.into_inner().expect("nobody panics with it")
}

fn report(failures: &[Failure], wanted: &Wanted) -> ExitCode {
    if failures.is_empty() {
        println!("clean");
        return ExitCode::SUCCESS;
    }
    for failure in failures {
        println!("{failure}");
        println!("again: cargo run -p sim --release -- --steps {} --trace {}", wanted.steps, failure.seed);
    }
    ExitCode::FAILURE
}
