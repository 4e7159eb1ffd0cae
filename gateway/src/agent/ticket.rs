//! A ticket: a request that waits for mail.
//!
//! Owns what is needed to answer when the mail comes. A ticket whose connection has gone is removed; the mail then finds
//! nothing, which is all right: the command has settled, only nobody hears it.

use super::commands::Afterwards;
use super::gather::Rendering;
use super::inquiries::Listing;
use crate::metrics::Counters;
use crate::shard::Shard;
use engine::Key;

/// A waiting request.
#[derive(Debug)]
pub struct Ticket {
    /// The agent's connection.
    pub conn: Key,
    /// What it waits for.
    pub awaits: Awaits,
}

/// What a ticket waits for.
#[derive(Debug)]
pub enum Awaits {
    /// The one end of a command.
    Command {
        /// Or that it was taken, for a request that does not wait for the end.
        afterwards: Option<Afterwards>,
        /// The home core of the device, and what stands for the idempotency key there: it is told when the request is gone.
        repeat: Option<(usize, u128)>,
    },
    /// What is known of a command, or that it was taken back.
    Inquiry,
    /// That a device was disabled, enabled, removed or made known.
    Control,
    /// Every core's part of a list of commands.
    Commands(Listing),
    /// Every core's part of a list.
    Devices(Rendering),
    /// Every neighbour's counters.
    Counters {
        /// Answers still to come.
        missing: usize,
        /// The sum so far.
        sum: Box<Counters>,
    },
}

impl Ticket {
    /// Whether the connection really waits for this ticket; for invariant checks.
    pub(crate) fn is_consistent(&self, key: Key, shard: &Shard) -> bool {
        shard.peers.waits_for(self.conn, key)
    }
}
