//! Bugs on purpose in the layers, as `engine::planted` has them for the cores: this crate knows no engine.
//!
//! Exists only in builds with `--cfg planted`. Owns which bug is real on a thread.

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
