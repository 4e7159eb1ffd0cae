//! Bugs on purpose, to prove that the simulator's oracles see them.
//!
//! Exists only in builds with `--cfg planted`, which `gateway/sim/planted.sh` makes; the product has nothing of it. A bug
//! is a few lines at the place where it would be made, behind [`is`]; `gateway/sim/src/planted.rs` lists them all. One
//! build holds every bug, and the thread that runs a world chooses which one is real.

use std::cell::Cell;

thread_local! {
    static PLANTED: Cell<&'static str> = const { Cell::new("") };
}

/// From now on this bug, and no other, is real on this thread; the empty name is none.
pub fn plant(name: &'static str) {
    PLANTED.set(name);
}

/// Whether this bug is real.
pub fn is(name: &str) -> bool {
    PLANTED.get() == name
}
