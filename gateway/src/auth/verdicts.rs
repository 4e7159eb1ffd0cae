//! What the auth service has said lately: a bounded memory of yes and no.
//!
//! Owns how long a word is used. A yes is fresh for its time; past that the service is asked again, but when it cannot be
//! reached a yes may be used for a while longer, so that an outage throws out nobody who was known. A no is fresh for a few
//! seconds and never used past that. All times are spread by a fifth in both directions, so that a fleet that came at once
//! does not ask at once. No secret is kept here, only keyed hashes of digests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::Allowed;
use super::bounded::Bounded;
use super::mail::Question;
use super::{Agent, DevicePattern, Operations};
use crate::device::name::HomeHash;

/// A yes is fresh at least so long, whatever the service says, so that a connection is not checked all the time.
const FRESH_MIN: Duration = Duration::from_secs(1);
/// A no is fresh at least so long: all who wait for the call that brought it are told so at one moment, and nobody has the service
/// asked again to hear the same.
const NO_FRESH_MIN: Duration = Duration::from_millis(1);
/// A stale yes that an outage made fresh again is so for this long.
const OUTAGE_FRESH: Duration = Duration::from_secs(5);

/// How long words are used.
#[derive(Clone, Copy, Debug)]
pub struct VerdictRules {
    /// A yes, when the service names no shorter time.
    pub yes: Duration,
    /// A no.
    pub no: Duration,
    /// A yes while the service is away, from the moment it was said.
    pub outage: Duration,
    /// Entries kept; the oldest gives way.
    pub entries_max: usize,
}

/// The memory.
#[derive(Debug)]
pub(super) struct Verdicts {
    rules: VerdictRules,
    hash: HomeHash,
    entries: Bounded<Entry>,
    spread: u64,
}

#[derive(Debug)]
struct Entry {
    word: Word,
    fresh_until: Instant,
    usable_until: Instant,
}

#[derive(Debug)]
enum Word {
    Yes(Vouched),
    No,
}

/// What a yes means.
#[derive(Clone, Debug)]
pub(super) struct Vouched {
    pub(super) agent: Arc<Agent>,
    pub(super) devices: DevicePattern,
    pub(super) operations: Operations,
    pub(super) fresh_until: Instant,
}

/// What the memory says of a question.
#[derive(Debug)]
pub(super) enum Known {
    /// Yes, and it need not be asked again.
    Yes(Vouched),
    /// No, and it need not be asked again.
    No,
    /// It was a yes, and should be asked again if it can be.
    StaleYes,
    /// Nothing that counts.
    Nothing,
}

impl Verdicts {
    pub(super) fn new(rules: VerdictRules, hash: HomeHash, seed: u64) -> Self {
        Self { rules, hash, entries: Bounded::new(rules.entries_max), spread: seed }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is known about this question. A word on the very device goes before one on many.
    pub(super) fn find(&self, question: &Question, now: Instant) -> Known {
        let words = self.names(question).map(|name| {
            self.entries.get(name).filter(|entry| now < entry.usable_until && entry.is_for(question))
        });
        let is_fresh = |entry: &Entry| now < entry.fresh_until;
        #[cfg(planted)]
        let is_fresh = |entry: &Entry| is_fresh(entry) || engine::planted::is("stale-yes-counts");
        let fresh = words.into_iter().flatten().find(|entry| is_fresh(entry));
        match fresh {
            Some(Entry { word: Word::Yes(vouched), fresh_until, .. }) => {
                Known::Yes(Vouched { fresh_until: *fresh_until, ..vouched.clone() })
            }
            Some(Entry { word: Word::No, .. }) => Known::No,
            None if words.iter().flatten().any(|entry| matches!(entry.word, Word::Yes(_))) => Known::StaleYes,
            None => Known::Nothing,
        }
    }

    /// The service has said yes.
    pub(super) fn allow(&mut self, question: &Question, allowed: Allowed, agent: Arc<Agent>, now: Instant) {
        let said = allowed.ttl_ms.map_or(self.rules.yes, |ms| self.rules.yes.min(Duration::from_millis(ms)));
        let fresh_until = now + self.spread(said.max(FRESH_MIN));
        let [exact, wide] = self.names(question);
        let (name, devices) = match (allowed.devices, &question.device) {
            (Some(devices), Some(device)) if devices.matches(device) => (wide, devices),
            (_, Some(device)) => (exact, DevicePattern::Exactly(device.clone())),
            (_, None) => (exact, DevicePattern::Any),
        };
        let vouched = Vouched { agent, devices, operations: allowed.operations, fresh_until };
        let usable_until = fresh_until.max(now + self.rules.outage);
        self.entries.insert(name, Entry { word: Word::Yes(vouched), fresh_until, usable_until });
    }

    /// The service has said no. What it said of many devices is forgotten, too: it is asked again about each.
    pub(super) fn refuse(&mut self, question: &Question, now: Instant) {
        let until = now + self.spread(self.rules.no).max(NO_FRESH_MIN);
        let [exact, wide] = self.names(question);
        #[cfg(planted)]
        let wide = if engine::planted::is("wide-yes-outlives-no") { exact } else { wide };
        self.entries.remove(wide);
        self.entries.insert(exact, Entry { word: Word::No, fresh_until: until, usable_until: until });
    }

    /// The service is away: a yes that is known counts for a moment longer. `false`: there is none.
    pub(super) fn bear_with(&mut self, question: &Question, now: Instant) -> bool {
        let fresh_until = now + self.spread(OUTAGE_FRESH);
        for name in self.names(question) {
            if let Some(entry) = self.entries.get_mut(name)
                && now < entry.usable_until
                && matches!(entry.word, Word::Yes(_))
                && entry.is_for(question)
            {
                entry.fresh_until = fresh_until.min(entry.usable_until);
                return true;
            }
        }
        false
    }

    /// A time, a fifth shorter to a fifth longer.
    fn spread(&mut self, time: Duration) -> Duration {
        self.spread = self.spread.wrapping_add(1);
        let dice = self.hash.of_bytes(&[&self.spread.to_le_bytes()]);
        time.mul_f64(0.8 + 0.4 * (dice >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// What stands for the question: with its device, and with all of its agent's.
    fn names(&self, question: &Question) -> [u128; 2] {
        let digest = question.digest.bytes();
        let (agent, via) = (question.agent.as_bytes(), question.via.word().as_bytes());
        let device = question.device.as_deref().unwrap_or_default().as_bytes();
        let name = |kind: &[u8], device: &[u8]| {
            let half =
                |salt: &[u8]| u128::from(self.hash.of_bytes(&[salt, kind, digest, agent, via, device]));
            half(b"1") << 64 | half(b"2")
        };
        [name(b"exact", device), name(b"wide", b"")]
    }
}

impl Entry {
    fn is_for(&self, question: &Question) -> bool {
        match (&self.word, &question.device) {
            (Word::Yes(vouched), Some(device)) => vouched.devices.matches(device),
            (Word::Yes(_), None) => true,
            (Word::No, _) => true,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::mail::{QuestionNumber, Via};
    use super::super::{Digest, Roster, Sealed};
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[allow(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
    pub(in super::super) fn now() -> Instant {
        Instant::now()
    }

    pub(in super::super) fn question(secret: &str, device: Option<&str>, now: Instant) -> Question {
        Question {
            from: 0,
            asker: engine::Key { index: 1, generation: 1 },
            number: QuestionNumber::default(),
            source: [192, 0, 2, 1].into(),
            agent: "a".into(),
            device: device.map(Into::into),
            via: Via::Mqtt,
            digest: Digest::of(secret.as_bytes()),
            secret: Sealed::new(secret.as_bytes()),
            deadline: now + 5 * S,
            again: false,
        }
    }

    fn verdicts() -> Verdicts {
        let rules = VerdictRules { yes: 60 * S, no: 5 * S, outage: 900 * S, entries_max: 1000 };
        Verdicts::new(rules, HomeHash::new((1, 2)), 7)
    }

    fn allow(
        verdicts: &mut Verdicts,
        question: &Question,
        devices: Option<&str>,
        ttl_ms: Option<u64>,
        now: Instant,
    ) {
        let devices = devices.map(|devices| DevicePattern::parse(devices).unwrap());
        let allowed = Allowed { operations: Operations::DEVICE, devices, ttl_ms };
        verdicts.allow(question, allowed, Roster::default().agent("a"), now);
    }

    #[test]
    fn a_yes_is_fresh_for_its_time_and_of_use_in_an_outage() {
        let (mut verdicts, now) = (verdicts(), now());
        let asked = question("s", Some("d"), now);
        assert!(matches!(verdicts.find(&asked, now), Known::Nothing));
        allow(&mut verdicts, &asked, None, None, now);
        assert!(matches!(verdicts.find(&asked, now + 47 * S), Known::Yes(_)));
        assert!(matches!(verdicts.find(&asked, now + 73 * S), Known::StaleYes));
        assert!(verdicts.bear_with(&asked, now + 73 * S));
        assert!(matches!(verdicts.find(&asked, now + 76 * S), Known::Yes(_)));
        assert!(matches!(verdicts.find(&asked, now + 80 * S), Known::StaleYes));
        assert!(matches!(verdicts.find(&asked, now + 899 * S), Known::StaleYes));
        assert!(matches!(verdicts.find(&asked, now + 900 * S), Known::Nothing));
        assert!(!verdicts.bear_with(&asked, now + 900 * S));
    }

    #[test]
    fn a_yes_is_for_one_key_one_agent_one_device_and_one_way_of_speaking() {
        let (mut verdicts, now) = (verdicts(), now());
        allow(&mut verdicts, &question("s", Some("d"), now), None, None, now);
        let other_agent = Question { agent: "b".into(), ..question("s", Some("d"), now) };
        let other_way = Question { via: Via::Http, ..question("s", Some("d"), now) };
        for other in [
            question("t", Some("d"), now),
            question("s", Some("e"), now),
            question("s", None, now),
            other_agent,
            other_way,
        ] {
            assert!(matches!(verdicts.find(&other, now), Known::Nothing), "{other:?}");
        }
    }

    #[test]
    fn a_yes_for_many_devices_is_for_those_and_no_others() {
        let (mut verdicts, now) = (verdicts(), now());
        allow(&mut verdicts, &question("s", Some("pump-1"), now), Some("pump-*"), None, now);
        assert!(matches!(verdicts.find(&question("s", Some("pump-2"), now), now), Known::Yes(_)));
        assert!(matches!(verdicts.find(&question("s", Some("door"), now), now), Known::Nothing));
        // A pattern that does not even fit the device that was asked for widens nothing.
        allow(&mut verdicts, &question("t", Some("door"), now), Some("pump-*"), None, now);
        assert!(matches!(verdicts.find(&question("t", Some("pump-2"), now), now), Known::Nothing));
        assert!(matches!(verdicts.find(&question("t", Some("door"), now), now), Known::Yes(_)));
    }

    #[test]
    fn a_no_is_short_and_takes_a_yes_back() {
        let (mut verdicts, now) = (verdicts(), now());
        let asked = question("s", Some("pump-1"), now);
        allow(&mut verdicts, &asked, Some("*"), None, now);
        verdicts.refuse(&asked, now);
        assert!(matches!(verdicts.find(&asked, now + 3 * S), Known::No));
        assert!(matches!(verdicts.find(&asked, now + 7 * S), Known::Nothing));
        assert!(matches!(verdicts.find(&question("s", Some("pump-2"), now), now), Known::Nothing));
        assert!(!verdicts.bear_with(&asked, now));
    }

    #[test]
    fn a_no_that_is_not_to_be_remembered_is_still_heard() {
        let (mut verdicts, now) = (verdicts(), now());
        verdicts.rules.no = Duration::ZERO;
        let asked = question("s", Some("pump-1"), now);
        verdicts.refuse(&asked, now);
        assert!(matches!(verdicts.find(&asked, now), Known::No));
        assert!(matches!(verdicts.find(&asked, now + NO_FRESH_MIN), Known::Nothing));
    }

    #[test]
    fn a_yes_counts_as_long_as_it_is_fresh_where_nothing_is_borne_with() {
        let (mut verdicts, now) = (verdicts(), now());
        verdicts.rules.outage = Duration::ZERO;
        let asked = question("s", Some("d"), now);
        allow(&mut verdicts, &asked, None, Some(0), now);
        assert!(matches!(verdicts.find(&asked, now + 700 * S / 1000), Known::Yes(_)));
        assert!(matches!(verdicts.find(&asked, now + 2 * S), Known::Nothing));
        assert!(!verdicts.bear_with(&asked, now + 2 * S));
    }

    #[test]
    fn the_service_may_shorten_the_time_but_not_stretch_it() {
        let (mut verdicts, now) = (verdicts(), now());
        let asked = question("s", Some("d"), now);
        allow(&mut verdicts, &asked, None, Some(10_000), now);
        assert!(matches!(verdicts.find(&asked, now + 13 * S), Known::StaleYes));
        allow(&mut verdicts, &asked, None, Some(u64::MAX), now);
        assert!(matches!(verdicts.find(&asked, now + 73 * S), Known::StaleYes));
        allow(&mut verdicts, &asked, None, Some(0), now);
        assert!(matches!(verdicts.find(&asked, now + 700 * S / 1000), Known::Yes(_)));
    }

    #[test]
    fn times_are_spread_by_a_fifth() {
        let mut verdicts = verdicts();
        let mut times: Vec<Duration> = (0..1000).map(|_| verdicts.spread(10 * S)).collect();
        times.sort();
        assert!(times[0] >= 8 * S && times[999] <= 12 * S);
        assert!(times[100] < 9 * S && times[900] > 11 * S, "{:?} {:?}", times[100], times[900]);
    }
}
