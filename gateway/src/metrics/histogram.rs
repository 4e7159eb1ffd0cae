//! A histogram of durations with fixed bounds.
//!
//! Owns counts per bucket and their sum; merging is adding. It never allocates and never reads a clock.

use std::time::Duration;

/// Buckets that a histogram can have, the open one above all bounds included.
const BUCKETS_MAX: usize = 24;

const _: () = assert!(engine::stats::LAG_BUCKETS <= BUCKETS_MAX);

/// Durations, counted by size.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// Upper bounds in seconds, ascending; a value equal to a bound belongs to it.
    bounds_s: &'static [f64],
    /// Values per bucket, not cumulated; the one behind the last bound takes what is above all.
    counts: [u64; BUCKETS_MAX],
    sum_s: f64,
}

impl Histogram {
    /// An empty histogram with these bounds.
    pub(super) const fn new(bounds_s: &'static [f64]) -> Self {
        assert!(bounds_s.len() < BUCKETS_MAX);
        Self { bounds_s, counts: [0; BUCKETS_MAX], sum_s: 0.0 }
    }

    /// Counts one duration.
    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.counts[self.bounds_s.partition_point(|bound| *bound < seconds)] += 1;
        self.sum_s += seconds;
    }

    /// Adds what another histogram with the same bounds has counted.
    pub(super) fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.bounds_s, other.bounds_s);
        self.merge(other.counts.iter().copied(), other.sum_s);
    }

    /// Adds counts per bucket, in the order of the bounds, and their sum.
    pub(super) fn merge(&mut self, counts: impl Iterator<Item = u64>, sum_s: f64) {
        for (mine, theirs) in self.counts.iter_mut().zip(counts) {
            *mine += theirs;
        }
        self.sum_s += sum_s;
    }

    /// Each bound in seconds with the number of values up to it.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds_s.iter().copied().zip(sums)
    }

    /// How many values were counted.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values, in seconds.
    pub(super) fn sum_s(&self) -> f64 {
        self.sum_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_belongs_to_it() {
        let mut histogram = Histogram::new(&[0.001, 0.01]);
        for us in [0, 1000, 1001, 10_000, 10_001, 5_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        assert_eq!(histogram.cumulated().collect::<Vec<_>>(), [(0.001, 2), (0.01, 4)]);
        assert_eq!(histogram.count(), 6);
        assert!((histogram.sum_s() - 5.022_002).abs() < 1e-9);
    }

    #[test]
    fn adding_is_counting_together() {
        let mut one = Histogram::new(&[0.5, 1.0]);
        let mut two = one.clone();
        one.observe(Duration::from_millis(100));
        two.observe(Duration::from_millis(700));
        one.add(&two);
        assert_eq!(one.cumulated().collect::<Vec<_>>(), [(0.5, 1), (1.0, 2)]);
    }
}
