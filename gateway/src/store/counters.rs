//! What the store's writer has counted, and how long its commits took.
//!
//! Owns the numbers and the buckets of the histogram; it never names a metric and never reads a clock.

use std::time::Duration;

/// Upper bounds of the commit histogram's buckets, in seconds; a value equal to a bound belongs to it.
pub const COMMIT_BOUNDS_S: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// The writer's counters since the start, and its gauges as they are.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Counters {
    /// Events appended.
    pub kept: u64,
    /// Events dropped because a ceiling was reached, each the oldest of its agent.
    pub dropped: u64,
    /// Events handed to readers; one that three readers fetch counts three times.
    pub fetched: u64,
    /// Questions of readers answered empty because no more readers may wait.
    pub parking_refused: u64,
    /// Readers that wait for an event now.
    pub parked: u64,
    /// Agents with a log now.
    pub agents: u64,
    /// Bytes of JSON kept now, of all agents.
    pub bytes: u64,
    /// Seconds from the start of a batch to the moment all of it was kept; one value for each batch with an event.
    pub commit_seconds: Histogram,
}

/// A histogram with the fixed bounds [`COMMIT_BOUNDS_S`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Histogram {
    /// Values in each bucket (not cumulated); the last one holds what is above every bound.
    pub counts: [u64; COMMIT_BOUNDS_S.len() + 1],
    /// The sum of all values, in seconds.
    pub sum_s: f64,
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: Duration) {
        let seconds = value.as_secs_f64();
        let bucket = COMMIT_BOUNDS_S.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum_s += seconds;
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise() {
        assert!(COMMIT_BOUNDS_S.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_micros(100));
        histogram.record(Duration::from_micros(101));
        histogram.record(Duration::from_secs(60));
        assert_eq!(histogram.counts[0], 2);
        assert_eq!(histogram.counts[1], 1);
        assert_eq!(histogram.counts[COMMIT_BOUNDS_S.len()], 1);
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum_s - 60.000201).abs() < 1e-9);
    }
}
