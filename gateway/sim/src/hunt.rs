//! Hunts planted bugs: each must be caught by an oracle that is named for it, within so many seeds.
//!
//! Owns the verdict over the oracles; the bugs are listed in the library.

use crate::{Wanted, run_all};
use sim::planted::{BUGS, Bug, find, plant};
use std::process::ExitCode;

/// Seeds that must be clean with no bug planted, so that what is caught below is the bug.
const CLEAN_SEEDS: u64 = 32;

/// Hunts one bug, or `all`.
pub(crate) fn hunt(name: &str, wanted: &Wanted) -> ExitCode {
    let bugs: Vec<&'static Bug> = match (name, find(name)) {
        ("all", _) => BUGS.iter().collect(),
        (_, Some(bug)) => vec![bug],
        (_, None) => {
            println!("there is no bug of the name {name}");
            return ExitCode::from(2);
        }
    };
    if !plant(None) {
        println!("this build has no bugs in it: gateway/sim/planted.sh makes one that has");
        return ExitCode::from(2);
    }
    let clean = Wanted { seeds: wanted.seeds.min(CLEAN_SEEDS), ..wanted.clone() };
    if let Some(failure) = run_all(&clean, None).0.first() {
        println!("a seed fails with no bug planted: {failure}");
        return ExitCode::FAILURE;
    }
    let survivors = bugs.iter().filter(|bug| !is_caught(bug, wanted)).count();
    println!("{} of {} planted bugs caught", bugs.len() - survivors, bugs.len());
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_caught(bug: &'static Bug, wanted: &Wanted) -> bool {
    let named = |failure: &sim::Failure| bug.oracles.contains(&failure.oracle);
    match run_all(wanted, Some(bug)).0.first() {
        None => println!("SURVIVED {}: {} seeds saw nothing", bug.name, wanted.seeds),
        Some(failure) if named(failure) => {
            println!("caught {} by {} in seed {}", bug.name, failure.oracle.name(), failure.seed);
            return true;
        }
        Some(failure) => {
            println!("SURVIVED {}: seen by an oracle that is not named for it: {failure}", bug.name)
        }
    }
    false
}
