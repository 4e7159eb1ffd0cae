//! Questions on their way to the auth service: one call per key at a time, so many calls at once, and a queue with an end.
//!
//! Owns who waits for which call, and whose turn it is: sources (an address, or an IPv6 /64) take turns, so that one with many
//! keys has all the calls only while no other wants one, and of a full queue the source that has most of it gives way. It never
//! calls (that is [`super::callers`]), never judges an answer, and knows no time but the deadlines of the questions: one that
//! nobody waits for any more is not asked.
//!
//! ```text
//!   question --join--> flight of its key --> its source's queue --turn by turn--> call (64 at most) --land--> who waited for it
//! ```

use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::time::Instant;

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

use super::mail::Question;
use crate::device::unidentified::source_of;

/// Calls at once for keys whose source is locked out: enough that a right one comes through, too few to crowd out others.
const SUSPECT_CALLS_MAX: usize = 4;

/// Ceilings on calls.
#[derive(Clone, Copy, Debug)]
pub struct FlightRules {
    /// Calls at once.
    pub calls_max: usize,
    /// Questions that may wait.
    pub waiting_max: usize,
}

/// All questions that wait.
#[derive(Debug)]
pub(super) struct Flights {
    rules: FlightRules,
    flights: HashMap<u128, Flight, BuildHasherDefault<SipHasher13>>,
    /// Sources with questions that wait.
    shares: HashMap<IpAddr, Share, BuildHasherDefault<SipHasher13>>,
    /// Sources with a key whose call may begin, each once, in the order of their turns.
    turns: VecDeque<IpAddr>,
    /// Keys of locked-out sources, behind all others.
    suspects: VecDeque<u128>,
    waiting: usize,
    calls: usize,
    suspect_calls: usize,
}

/// What one source has under way.
#[derive(Debug, Default)]
struct Share {
    /// Questions that wait, those being asked included.
    waiting: usize,
    /// Keys that it asked about first and whose call may begin, in order of arrival.
    ready: VecDeque<u128>,
}

/// What waits for one key.
#[derive(Debug)]
struct Flight {
    /// The question that is being asked.
    asked: Option<Question>,
    waiting: VecDeque<Question>,
    suspect: bool,
}

/// A call that has come back: what was asked, and who waited behind it.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) asked: Question,
    pub(super) waiting: VecDeque<Question>,
}

impl Flights {
    pub(super) fn new(rules: FlightRules) -> Self {
        Self {
            rules,
            flights: HashMap::default(),
            shares: HashMap::default(),
            turns: VecDeque::new(),
            suspects: VecDeque::new(),
            waiting: 0,
            calls: 0,
            suspect_calls: 0,
        }
    }

    /// Calls under way.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// Questions that wait, those being asked included.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A question joins the flight of its key. Too many wait already: given back is the one that gives way.
    pub(super) fn join(&mut self, question: Question, suspect: bool) -> Option<Question> {
        let source = source_of(question.source);
        let mut gives_way = None;
        if self.waiting >= self.rules.waiting_max {
            gives_way = self.make_room(source);
            if gives_way.is_none() {
                return Some(question);
            }
        }
        self.waiting += 1;
        let share = self.shares.entry(source).or_default();
        share.waiting += 1;
        let name = question.digest.name();
        if let Some(flight) = self.flights.get_mut(&name) {
            flight.waiting.push_back(question);
            return gives_way;
        }
        let flight = Flight { asked: None, waiting: VecDeque::from([question]), suspect };
        self.flights.insert(name, flight);
        if suspect {
            self.suspects.push_back(name)
        } else {
            if share.ready.is_empty() {
                self.turns.push_back(source);
            }
            share.ready.push_back(name)
        }
        gives_way
    }

    /// All places are taken. A source that has less than its part of them gets one: the youngest question of the source that
    /// has most gives way, if it is not being asked yet.
    fn make_room(&mut self, newcomer: IpAddr) -> Option<Question> {
        let has = self.shares.get(&newcomer).map_or(0, |share| share.waiting);
        if has >= self.rules.waiting_max / (self.shares.len() + usize::from(has == 0)) {
            return None;
        }
        let (source, largest) = self.shares.iter().max_by_key(|(_, share)| share.waiting)?;
        let (source, name) = (*source, *largest.ready.back()?);
        let flight = self.flights.get_mut(&name)?;
        let youngest = flight.waiting.iter().rposition(|waiting| source_of(waiting.source) == source)?;
        let question = flight.waiting.remove(youngest)?;
        if flight.waiting.is_empty() {
            self.flights.remove(&name);
            self.call_off(source);
        }
        self.waits_no_longer(&question);
        Some(question)
    }

    /// The youngest key of a source needs no call.
    fn call_off(&mut self, source: IpAddr) {
        let Some(share) = self.shares.get_mut(&source) else { return };
        share.ready.pop_back();
        if share.ready.is_empty() {
            self.turns.retain(|turn| *turn != source);
        }
    }

    fn waits_no_longer(&mut self, question: &Question) {
        let source = source_of(question.source);
        self.waiting -= 1;
        if let Some(share) = self.shares.get_mut(&source) {
            share.waiting -= 1;
            if share.waiting == 0 && share.ready.is_empty() {
                self.shares.remove(&source);
            }
        }
    }

    /// The next call to begin, by its flight, and its question; none while as many are under way as may be. Questions that
    /// are too old by now come out of `expired`.
    pub(super) fn next(&mut self, now: Instant, expired: &mut Vec<Question>) -> Option<(u128, &Question)> {
        let name = loop {
            let name = self.next_ready()?;
            if self.take_off(name, now, expired) {
                break name;
            }
        };
        let question = self.flights.get(&name)?.asked.as_ref()?;
        Some((name, question))
    }

    fn next_ready(&mut self) -> Option<u128> {
        if self.calls >= self.rules.calls_max {
            return None;
        }
        while let Some(source) = self.turns.pop_front() {
            let Some(share) = self.shares.get_mut(&source) else { continue };
            let name = share.ready.pop_front();
            if !share.ready.is_empty() {
                self.turns.push_back(source);
            } else if share.waiting == 0 {
                self.shares.remove(&source);
            }
            if name.is_some() {
                return name;
            }
        }
        if self.suspect_calls >= SUSPECT_CALLS_MAX { None } else { self.suspects.pop_front() }
    }

    /// Chooses the question of a flight that is still worth asking. `false`: none is, and the flight is over.
    fn take_off(&mut self, name: u128, now: Instant, expired: &mut Vec<Question>) -> bool {
        while let Some(flight) = self.flights.get_mut(&name) {
            debug_assert!(flight.asked.is_none(), "one call per key at a time");
            let Some(question) = flight.waiting.pop_front() else { break };
            if question.deadline > now {
                flight.asked = Some(question);
                self.calls += 1;
                self.suspect_calls += usize::from(flight.suspect);
                return true;
            }
            self.waits_no_longer(&question);
            expired.push(question);
        }
        self.flights.remove(&name);
        false
    }

    /// A call has come back. None: no such call is under way.
    pub(super) fn land(&mut self, name: u128) -> Option<Landed> {
        let asked = self.flights.get_mut(&name)?.asked.take()?;
        let flight = self.flights.remove(&name)?;
        self.calls -= 1;
        self.suspect_calls -= usize::from(flight.suspect);
        for question in flight.waiting.iter().chain([&asked]) {
            self.waits_no_longer(question);
        }
        Some(Landed { asked, waiting: flight.waiting })
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdicts::tests::{now, question};
    use super::*;
    use std::time::Duration;

    fn flights(calls_max: usize, waiting_max: usize) -> Flights {
        Flights::new(FlightRules { calls_max, waiting_max })
    }

    fn begin(flights: &mut Flights, now: Instant) -> Option<u128> {
        flights.next(now, &mut Vec::new()).map(|(name, _)| name)
    }

    #[test]
    fn l16_one_call_per_key_at_a_time_however_many_wait() {
        let (mut flights, now) = (flights(64, 100), now());
        for n in 0..50 {
            assert!(flights.join(question("s", Some(&format!("d-{n}")), now), false).is_none());
        }
        let name = begin(&mut flights, now).unwrap();
        assert!(begin(&mut flights, now).is_none());
        let landed = flights.land(name).unwrap();
        assert_eq!((landed.asked.device.as_deref(), landed.waiting.len()), (Some("d-0"), 49));
        assert_eq!((flights.calls(), flights.waiting()), (0, 0));
        assert!(flights.land(name).is_none(), "a call comes back once");
    }

    #[test]
    fn l16_so_many_calls_at_once_and_so_many_questions() {
        let (mut flights, now) = (flights(3, 10), now());
        for n in 0..10 {
            assert!(flights.join(question(&format!("s-{n}"), None, now), false).is_none());
        }
        assert!(flights.join(question("one more", None, now), false).is_some());
        let first = begin(&mut flights, now).unwrap();
        assert!(begin(&mut flights, now).is_some() && begin(&mut flights, now).is_some());
        assert!(begin(&mut flights, now).is_none());
        flights.land(first);
        assert!(begin(&mut flights, now).is_some());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_asked() {
        let (mut flights, now) = (flights(3, 10), now());
        for n in 0..4 {
            flights.join(question(&format!("s-{n}"), None, now), false);
        }
        let later = now + Duration::from_secs(6);
        flights.join(question("s-3", Some("young"), later), false);
        let mut expired = Vec::new();
        let asked = flights.next(later, &mut expired).and_then(|(_, question)| question.device.clone());
        assert_eq!((asked.as_deref(), expired.len(), flights.waiting()), (Some("young"), 4, 1));
        assert!(begin(&mut flights, later).is_none());
        assert_eq!(flights.flights.len(), 1);
    }

    #[test]
    fn keys_of_locked_out_sources_wait_behind_the_others_and_take_few_calls() {
        let (mut flights, now) = (flights(64, 100), now());
        for n in 0..10 {
            flights.join(question(&format!("suspect-{n}"), None, now), true);
        }
        flights.join(question("honest", Some("d"), now), false);
        let first = flights.next(now, &mut Vec::new()).and_then(|(_, question)| question.device.clone());
        assert_eq!(first.as_deref(), Some("d"));
        let suspects = std::iter::from_fn(|| begin(&mut flights, now)).count();
        assert_eq!(suspects, SUSPECT_CALLS_MAX);
    }

    fn from(source: u8, secret: &str, now: Instant) -> Question {
        Question { source: [192, 0, 2, source].into(), ..question(secret, None, now) }
    }

    #[test]
    fn sources_take_turns_however_many_keys_one_has() {
        let (mut flights, now) = (flights(64, 100), now());
        for n in 0..20 {
            flights.join(from(1, &format!("flood-{n}"), now), false);
        }
        for n in 0..2 {
            flights.join(from(2, &format!("honest-{n}"), now), false);
        }
        let asked = |flights: &mut Flights| {
            flights.next(now, &mut Vec::new()).map(|(_, question)| question.source.to_string())
        };
        let order: Vec<String> = std::iter::from_fn(|| asked(&mut flights)).collect();
        assert_eq!(&order[..5], ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.1"]);
        assert_eq!((order.len(), flights.calls()), (22, 22), "alone, one source has all that are free");
    }

    #[test]
    fn of_a_full_queue_the_source_that_has_most_gives_way() {
        let (mut flights, now) = (flights(2, 10), now());
        for n in 0..10 {
            assert!(flights.join(from(1, &format!("flood-{n}"), now), false).is_none());
        }
        assert!(
            flights
                .join(from(1, "one more", now), false)
                .is_some_and(|given| given.source.to_string() == "192.0.2.1")
        );
        let names = [begin(&mut flights, now).unwrap(), begin(&mut flights, now).unwrap()];
        for n in 0..5 {
            let way = flights.join(from(2, &format!("honest-{n}"), now), false).expect("one gives way");
            assert_eq!(way.source.to_string(), "192.0.2.1", "{n}");
        }
        let refused = flights.join(from(2, "more than its part", now), false).expect("no place");
        assert_eq!(refused.source.to_string(), "192.0.2.2");
        assert_eq!(flights.waiting(), 10);
        let mut names = names.to_vec();
        while let Some(name) = names.pop() {
            flights.land(name).unwrap();
            names.extend(begin(&mut flights, now));
        }
        assert_eq!(
            (flights.calls(), flights.waiting(), flights.shares.len(), flights.turns.len()),
            (0, 0, 0, 0)
        );
        assert!(flights.flights.is_empty(), "nothing is left of anybody");
    }
}
