//! What a core counts: plain integers, written by the one thread that owns them, read by its own tenant.
//!
//! Nothing here is shared or atomic: whoever wants the sum over cores asks for it by mail. Counters only rise.

use std::time::Duration;

use crate::service::Close;
use crate::tls::Handshake;

/// Buckets of the loop-lag histogram; the last one takes everything above.
pub const LAG_BUCKETS: usize = 24;

/// One core's counters since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreStats {
    /// Connections accepted.
    pub accepted: u64,
    /// Accepts that failed, exhausted descriptors included.
    pub accept_errors: u64,
    /// Connections accepted only to be closed, because descriptors had run out.
    pub turned_away: u64,
    /// Connections that ended, per kind in the order of [`Close::ALL`].
    pub closed: [u64; Close::ALL.len()],
    /// TLS handshakes that ended, per outcome in the order of [`Handshake::ALL`].
    pub handshakes: [u64; Handshake::ALL.len()],
    /// Bytes received, those of connections that are being closed included.
    pub bytes_in: u64,
    /// Bytes the kernel took.
    pub bytes_out: u64,
    /// Reads asked of the kernel.
    pub reads: u64,
    /// Writes asked of the kernel.
    pub writes: u64,
    /// Connections that came from another core.
    pub handed_over_in: u64,
    /// Connections that left for another core.
    pub handed_over_out: u64,
    /// Letters posted, those to the own core included.
    pub mail_posted: u64,
    /// Letters received, those from the own core included.
    pub mail_received: u64,
    /// The most letters that waited at once because a neighbour's box was full.
    pub mail_overflow_peak: u64,
    /// Bells rung to wake sleeping neighbours.
    pub wakes: u64,
    /// Polls that could sleep, and so returned because something happened.
    pub wakeups: u64,
    /// Turns taken.
    pub turns: u64,
    /// How long turns took.
    pub lag: Lag,
}

impl CoreStats {
    /// TLS handshakes that ended as `outcome`.
    pub fn handshakes(&self, outcome: Handshake) -> u64 {
        self.handshakes[outcome.index()]
    }

    /// Connections that ended with `close`.
    pub fn closed(&self, close: Close) -> u64 {
        self.closed[close.index()]
    }
}

/// A histogram of how long the loop was away from its poll: what a byte that arrives meanwhile has to wait.
///
/// Bucket `n` counts turns of less than `2^n` microseconds (and not less than half of that); the last bucket counts the
/// rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    buckets: [u64; LAG_BUCKETS],
    sum_us: u64,
    max_us: u64,
}

impl Lag {
    /// Counts one turn.
    pub(crate) fn record(&mut self, turn: Duration) {
        let us = u64::try_from(turn.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        self.buckets[bucket.min(LAG_BUCKETS - 1)] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
    }

    /// The buckets, each with the bound in microseconds below which it counts; the last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bound = |bucket: usize| (bucket + 1 < LAG_BUCKETS).then(|| 1 << bucket);
        self.buckets.iter().enumerate().map(move |(bucket, &count)| (bound(bucket), count))
    }

    /// Turns counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Microseconds of all turns together.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Microseconds of the longest turn.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_turn_in_the_bucket_above_its_microseconds() {
        let mut lag = Lag::default();
        for us in [0, 1, 2, 3, 4, 1023, 1024, 1 << 40] {
            lag.record(Duration::from_micros(us));
        }
        let filled: Vec<_> = lag.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(
            filled,
            [
                (Some(1), 1),
                (Some(2), 1),
                (Some(4), 2),
                (Some(8), 1),
                (Some(1024), 1),
                (Some(2048), 1),
                (None, 1)
            ]
        );
        assert_eq!((lag.count(), lag.max_us()), (8, 1 << 40));
    }

    #[test]
    fn every_kind_of_close_has_its_own_counter() {
        let indices: Vec<_> = Close::ALL.iter().map(|close| close.index()).collect();
        assert_eq!(indices, (0..Close::ALL.len()).collect::<Vec<_>>());
    }
}
