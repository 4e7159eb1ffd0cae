//! Cores, clocks and bytes: the thread-per-core event loops of the gateway.
//!
//! A [`Core`] owns listeners, connections, timers and a mailbox, and drives one tenant, a [`Service`], through
//! [`Core::turn`]: poll, timers, mail, reads, closes, flush, post. A connection lives whole on one core and can be carried
//! to another; cores speak only by mail. [`start::start`] runs the cores on threads over the real kernel
//! ([`net::os::OsNet`]); a simulator turns the very same cores by hand over the fake kernel (`net::fake`, behind the
//! feature `fake`).
//!
//! This crate never knows a protocol, never parses a byte, never logs, and holds no lock. Time and randomness enter in
//! one file, `net/os.rs`, and so do the errors of the operating system.
//!
//! ```text
//!              Service::received, mail, due ...                 the tenant: meaning
//!                  |  Verdict                 ^  Cx
//!     Core::turn --+--------------------------+---------        stages over slots, timers, carry, backlog
//!                  |  Net::poll, read, write ...      |  mailbox
//!              net/os.rs or net/fake.rs               other cores and neighbours
//! ```

#![forbid(unsafe_code)]

pub mod backlog;
mod close;
pub mod core;
mod handover;
pub mod letter;
mod listener;
pub mod mailbox;
pub mod neighbour;
pub mod net;
#[cfg(planted)]
pub mod planted;
pub mod scratch;
pub mod service;
pub mod slots;
pub mod start;
pub mod stats;
pub mod timer;
pub mod tls;
pub mod wiring;

pub use crate::core::conn::LISTENERS_MAX;
pub use crate::core::{Core, Limits, Turn};
pub use crate::letter::Letter;
pub use crate::net::Net;
pub use crate::service::{Close, Cx, Opened, Service, Verdict};
pub use crate::slots::{Key, Slots};
pub use crate::timer::Alarm;
pub use crate::wiring::{Clerk, Outside, Wiring};
