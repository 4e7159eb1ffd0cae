//! The lock-out: who has shown wrong keys too often, per source address (or IPv6 /64) and agent.
//!
//! Owns the table of failures, bounded in number. It stops only wrong keys: whether a key is right is decided before, and a
//! right one never gets here, so nobody can lock another out by failing in his name.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::bounded::Bounded;
use crate::device::name::HomeHash;
use crate::device::unidentified::source_of;

/// When a source is locked out, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct LockoutRules {
    /// Failures within the window that lock; 0 for never.
    pub failures_max: u32,
    /// The window.
    pub window: Duration,
    /// How long the lock lasts.
    pub locked_for: Duration,
    /// Entries of the table; the oldest gives way.
    pub entries_max: usize,
}

/// The failures of a while ago.
#[derive(Debug)]
pub(super) struct Lockout {
    rules: LockoutRules,
    hash: HomeHash,
    entries: Bounded<Failures>,
}

/// What one source did in one agent's name.
#[derive(Debug, Default)]
struct Failures {
    /// The last of them, at most as many as lock.
    at: VecDeque<Instant>,
    locked_until: Option<Instant>,
}

impl Lockout {
    pub(super) fn new(rules: LockoutRules, hash: HomeHash) -> Self {
        Self { rules, hash, entries: Bounded::new(rules.entries_max) }
    }

    /// How many sources are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A wrong key. `Some`: the source was locked out before, and is for so long still. The failure that locks is itself
    /// answered like the ones before it.
    pub(super) fn failed(&mut self, source: IpAddr, agent: &str, now: Instant) -> Option<Duration> {
        if self.rules.failures_max == 0 {
            return None;
        }
        if let Some(left) = self.locked(source, agent, now) {
            return Some(left);
        }
        let name = self.name(source, agent);
        if self.entries.get(name).is_none() {
            self.entries.insert(name, Failures::default());
        }
        let (rules, failures) = (self.rules, self.entries.get_mut(name)?);
        failures.at.retain(|at| now.saturating_duration_since(*at) < rules.window);
        failures.at.push_back(now);
        failures.locked_until = None;
        if failures.at.len() >= rules.failures_max as usize {
            failures.at.clear();
            failures.locked_until = Some(now + rules.locked_for);
        }
        None
    }

    /// Forgets every failure.
    pub(super) fn forgive(&mut self) {
        self.entries = Bounded::new(self.rules.entries_max);
    }

    /// Whether the source is locked out, and for how long still.
    pub(super) fn locked(&self, source: IpAddr, agent: &str, now: Instant) -> Option<Duration> {
        let until = self.entries.get(self.name(source, agent))?.locked_until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn name(&self, source: IpAddr, agent: &str) -> u128 {
        let octets = match source_of(source) {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let half = |salt: &[u8]| u128::from(self.hash.of_bytes(&[salt, &octets, agent.as_bytes()]));
        half(b"1") << 64 | half(b"2")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn lockout(entries_max: usize) -> Lockout {
        let rules = LockoutRules { failures_max: 5, window: 60 * S, locked_for: 600 * S, entries_max };
        Lockout::new(rules, HomeHash::new((1, 2)))
    }

    #[allow(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
    fn now() -> Instant {
        Instant::now()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn l15_the_sixth_failure_within_a_minute_is_rate_limited_for_ten_minutes() {
        let (mut lockout, start, source) = (lockout(100), now(), ip("192.0.2.1"));
        for n in 0..5 {
            assert_eq!(lockout.failed(source, "a", start + n * S), None, "{n}");
        }
        assert_eq!(lockout.failed(source, "a", start + 14 * S), Some(590 * S));
        assert_eq!(lockout.failed(source, "a", start + 603 * S), Some(S));
        assert_eq!(lockout.failed(source, "a", start + 604 * S), None, "the lock is over");
        assert_eq!(lockout.failed(source, "a", start + 605 * S), None, "and counting begins anew");
    }

    #[test]
    fn l15_slow_failures_never_lock() {
        let (mut lockout, start, source) = (lockout(100), now(), ip("192.0.2.1"));
        for n in 0..100 {
            assert_eq!(lockout.failed(source, "a", start + n * 16 * S), None, "{n}");
        }
    }

    #[test]
    fn l15_a_lock_is_of_one_source_and_one_agent() {
        let (mut lockout, start) = (lockout(100), now());
        for _ in 0..5 {
            lockout.failed(ip("2001:db8:1:2::1"), "a", start);
        }
        assert!(
            lockout.locked(ip("2001:db8:1:2:ffff::9"), "a", start).is_some(),
            "one host has all of a /64"
        );
        assert!(lockout.locked(ip("2001:db8:1:3::1"), "a", start).is_none());
        assert!(lockout.locked(ip("2001:db8:1:2::1"), "b", start).is_none());
        for _ in 0..5 {
            lockout.failed(ip("192.0.2.1"), "a", start);
        }
        assert!(
            lockout.locked(ip("::ffff:192.0.2.1"), "a", start).is_none(),
            "the engine names IPv4 as IPv4"
        );
        assert!(lockout.locked(ip("192.0.2.2"), "a", start).is_none());
    }

    #[test]
    fn l15_the_table_is_bounded_and_the_oldest_gives_way() {
        let (mut lockout, start) = (lockout(10), now());
        for _ in 0..5 {
            lockout.failed(ip("192.0.2.1"), "a", start);
        }
        for n in 0..10 {
            lockout.failed(ip("192.0.2.2"), &format!("agent-{n}"), start);
        }
        assert_eq!(lockout.len(), 10);
        assert!(lockout.locked(ip("192.0.2.1"), "a", start).is_none());
    }

    #[test]
    fn no_failures_max_switches_it_off() {
        let rules = LockoutRules { failures_max: 0, window: S, locked_for: S, entries_max: 1 };
        let mut lockout = Lockout::new(rules, HomeHash::new((1, 2)));
        assert!((0..100).all(|_| lockout.failed(ip("192.0.2.1"), "a", now()).is_none()));
        assert_eq!(lockout.len(), 0);
    }
}
