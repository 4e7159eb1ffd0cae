//! Strangers: connections that have not yet said, truly, who they are.
//!
//! Owns three ceilings, for the core, for one source address, and for the bytes that are kept of half messages, and the order of
//! arrival: when there is too much, the oldest goes, because an honest stranger is brief. Who has said who it is and waits for
//! the gatekeeper's word is brief only as far as he is: those have a ceiling of their own, and give way to nobody for being many.
//! Never judges what a stranger says.

use crate::limits::Limits;
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use engine::Key;
use hashbrown::{HashMap, HashSet};
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;

/// What is kept of a stranger's half message without being counted: an MQTT CONNECT or a request's head has no more.
const SMALL_BYTES_MAX: usize = 16 * 1024;
/// The gatekeeper turns away whom too many wait before, and looks at which source has most. He may lag behind by as many again
/// before a core does so itself, without that look.
const WAITING_MAX_FACTOR: usize = 2;

/// The strangers of one core.
#[derive(Debug)]
pub struct Unidentified {
    /// In order of arrival; entries of those who were identified or left are skipped when they come to the front.
    arrivals: VecDeque<(Key, IpAddr)>,
    /// Which of the arrivals are still strangers: their source, by connection.
    sources: HashMap<Key, IpAddr, BuildHasherDefault<SipHasher13>>,
    per_source: HashMap<IpAddr, usize, BuildHasherDefault<SipHasher13>>,
    core_max: usize,
    source_max: usize,
    /// Strangers of whom more is kept, the longest known first, and how much: few, because their sum has a ceiling.
    burdens: Vec<(Key, usize)>,
    bytes_max: usize,
    /// Those who wait for the gatekeeper's word.
    waiting: HashSet<Key, BuildHasherDefault<SipHasher13>>,
    waiting_max: usize,
}

impl Unidentified {
    /// No stranger yet. A ceiling of 0 is none.
    pub fn new(core_max: usize, source_max: usize) -> Self {
        Self {
            arrivals: VecDeque::new(),
            sources: HashMap::default(),
            per_source: HashMap::default(),
            core_max: ceiling(core_max),
            source_max: ceiling(source_max),
            burdens: Vec::new(),
            bytes_max: usize::MAX,
            waiting: HashSet::default(),
            waiting_max: usize::MAX,
        }
    }

    /// No stranger yet, and the ceilings of these limits.
    pub fn within(limits: &Limits) -> Self {
        let mut strangers = Self::new(0, 0);
        strangers.keep_within(limits);
        strangers
    }

    /// The ceilings of these limits from now on. Those who are too many then go when more come.
    pub fn keep_within(&mut self, limits: &Limits) {
        self.core_max = ceiling(limits.unidentified_per_core as usize);
        self.source_max = ceiling(limits.unidentified_per_address as usize);
        self.bytes_max = limits.unidentified_bytes_per_core;
        self.waiting_max = WAITING_MAX_FACTOR * limits.auth_waiting_max as usize;
    }

    /// The same with a ceiling for what is kept of half messages, in bytes.
    #[cfg(test)]
    fn holding(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// So much is kept of what a connection said. The answer is who must go for it, if anybody and not alone.
    pub fn keep(&mut self, conn: Key, bytes: usize) -> Option<Key> {
        let known = self.burdens.iter().position(|(burdened, _)| *burdened == conn);
        let unknown = self.sources.contains_key(&conn) || self.waiting.contains(&conn);
        match (known, bytes > SMALL_BYTES_MAX && unknown) {
            (Some(at), true) => self.burdens[at].1 = bytes,
            (None, true) => self.burdens.push((conn, bytes)),
            (Some(at), false) => _ = self.burdens.remove(at),
            (None, false) => return None,
        }
        let sum: usize = self.burdens.iter().map(|(_, bytes)| bytes).sum();
        self.burdens.first().filter(|_| sum > self.bytes_max).map(|(oldest, _)| *oldest)
    }

    /// Whether much is kept of anybody.
    pub fn is_burdened(&self) -> bool {
        !self.burdens.is_empty()
    }

    /// How many strangers there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// How many there are together with those who wait for the gatekeeper's word.
    pub fn in_all(&self) -> usize {
        self.sources.len() + self.waiting.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// A stranger arrives. The answer is who must go for it, if anybody: the oldest of the same source when that has too
    /// many, else the oldest of all. Who is one already stays one, and who waited does so no longer.
    pub fn arrive(&mut self, conn: Key, address: IpAddr) -> Option<Key> {
        self.waiting.remove(&conn);
        if self.sources.contains_key(&conn) {
            return None;
        }
        let source = source_of(address);
        let of_source = self.per_source.entry(source).or_insert(0);
        *of_source += 1;
        let crowded = *of_source > self.source_max;
        self.sources.insert(conn, source);
        self.arrivals.push_back((conn, source));
        self.forget_the_gone();
        match (crowded, self.sources.len() > self.core_max) {
            (true, _) => self.oldest(|from| from == source),
            (false, true) => self.oldest(|_| true),
            (false, false) => None,
        }
    }

    /// A stranger has said who it is and waits for the gatekeeper's word. `false`: too many do, and it cannot.
    pub fn wait(&mut self, conn: Key) -> bool {
        if self.waiting.len() >= self.waiting_max {
            return false;
        }
        self.count_out(conn);
        self.waiting.insert(conn);
        true
    }

    /// A stranger is one no longer: it was identified, moved home, or left.
    pub fn leave(&mut self, conn: Key) {
        let waited = self.waiting.remove(&conn);
        if self.count_out(conn) || waited {
            self.burdens.retain(|(burdened, _)| *burdened != conn);
        }
    }

    fn count_out(&mut self, conn: Key) -> bool {
        let Some(source) = self.sources.remove(&conn) else { return false };
        if let Some(count) = self.per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
        true
    }

    fn oldest(&self, of: impl Fn(IpAddr) -> bool) -> Option<Key> {
        let mut here =
            self.arrivals.iter().filter(|(conn, source)| of(*source) && self.sources.contains_key(conn));
        here.next().map(|(conn, _)| *conn)
    }

    /// Keeps the arrivals at most twice as long as the strangers are many.
    fn forget_the_gone(&mut self) {
        while self.arrivals.front().is_some_and(|(conn, _)| !self.sources.contains_key(conn)) {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() > 2 * self.sources.len() + 64 {
            self.arrivals.retain(|(conn, _)| self.sources.contains_key(conn));
        }
    }
}

/// Without a ceiling nothing is above it.
fn ceiling(max: usize) -> usize {
    if max == 0 { usize::MAX } else { max }
}

/// Who is one source: an IPv4 address, or an IPv6 /64, because one host has all of that.
pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

impl Shard {
    /// A connection begins as a stranger, or comes home as one.
    pub(crate) fn greet_stranger(&mut self, cx: &mut Cx<'_>, conn: Key, address: IpAddr) {
        if let Some(oldest) = self.unidentified.arrive(conn, address) {
            self.evict(cx, oldest);
        }
    }

    /// So many bytes that a connection brought are kept until there are more; and what its conversation has not heard.
    pub(crate) fn keeps(&mut self, cx: &mut Cx<'_>, conn: Key, bytes: usize) {
        let carried = match self.peers.get_mut(conn) {
            Some(&mut Peer::Carrier(session)) => Some(session),
            Some(Peer::Mqtt(_) | Peer::Http(_) | Peer::Probe(_) | Peer::Gone(_)) | None => None,
        };
        let held =
            self.translator_mut(carried.unwrap_or(conn)).map_or(0, |translator| translator.held_bytes());
        let bytes = bytes + held;
        if let Some(session) = carried {
            return self.session_keeps(cx, session, bytes);
        }
        if (bytes > SMALL_BYTES_MAX || self.unidentified.is_burdened())
            && let Some(oldest) = self.unidentified.keep(conn, bytes)
        {
            self.evict(cx, oldest);
        }
    }

    fn evict(&mut self, cx: &mut Cx<'_>, oldest: Key) {
        self.unidentified.leave(oldest);
        self.counters.stranger_evicted();
        if !self.put_off(cx, oldest) {
            cx.hang_up(oldest);
        }
    }

    /// And is one no longer.
    pub(crate) fn farewell_stranger(&mut self, conn: Key) {
        self.unidentified.leave(conn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(index: u32) -> Key {
        Key { index, generation: 0 }
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_oldest_of_a_crowded_source_goes() {
        let mut strangers = Unidentified::new(100, 2);
        assert_eq!(strangers.arrive(conn(1), v4(1)), None);
        assert_eq!(strangers.arrive(conn(2), v4(2)), None);
        assert_eq!(strangers.arrive(conn(3), v4(1)), None);
        assert_eq!(strangers.arrive(conn(4), v4(1)), Some(conn(1)));
    }

    #[test]
    fn the_oldest_of_a_crowded_core_goes() {
        let mut strangers = Unidentified::new(2, 0);
        strangers.arrive(conn(1), v4(1));
        strangers.arrive(conn(2), v4(2));
        strangers.leave(conn(1));
        assert_eq!(strangers.arrive(conn(3), v4(3)), None);
        assert_eq!(strangers.arrive(conn(4), v4(4)), Some(conn(2)));
    }

    #[test]
    fn c5_those_who_wait_give_way_to_nobody_for_being_many() {
        let mut strangers = Unidentified { waiting_max: 3, ..Unidentified::new(2, 2) };
        for n in 1..=3 {
            assert_eq!(strangers.arrive(conn(n), v4(1)), None);
            assert!(strangers.wait(conn(n)));
        }
        assert_eq!(strangers.arrive(conn(4), v4(1)), None);
        assert!(!strangers.wait(conn(4)), "one too many");
        assert_eq!((strangers.len(), strangers.waiting.len()), (1, 3));
        assert_eq!(strangers.arrive(conn(5), v4(1)), None);
        assert_eq!(
            strangers.arrive(conn(1), v4(1)),
            Some(conn(4)),
            "one that was refused is a stranger again"
        );
        for n in 1..=5 {
            strangers.leave(conn(n));
        }
        assert!(strangers.is_empty() && strangers.waiting.is_empty() && strangers.per_source.is_empty());
    }

    #[test]
    fn what_is_kept_of_those_who_wait_counts() {
        let mut strangers = Unidentified::new(0, 0).holding(100_000);
        for n in 1..=2 {
            strangers.arrive(conn(n), v4(1));
            assert!(strangers.wait(conn(n)));
        }
        assert_eq!(strangers.keep(conn(1), 60_000), None);
        assert_eq!(strangers.keep(conn(2), 60_000), Some(conn(1)));
        strangers.leave(conn(1));
        assert_eq!(strangers.keep(conn(2), 60_000), None);
        strangers.leave(conn(2));
        assert!(!strangers.is_burdened());
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let mut strangers = Unidentified::new(0, 1);
        let [a, b] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
        assert_eq!(strangers.arrive(conn(1), a), None);
        assert_eq!(strangers.arrive(conn(2), b), Some(conn(1)));
    }

    #[test]
    fn the_oldest_of_those_with_much_to_keep_goes() {
        let mut strangers = Unidentified::new(0, 0).holding(100_000);
        for n in 1..=4 {
            strangers.arrive(conn(n), v4(1));
        }
        assert_eq!(strangers.keep(conn(9), 1_000_000), None, "that is no stranger");
        assert_eq!(strangers.keep(conn(1), SMALL_BYTES_MAX), None);
        assert!(!strangers.is_burdened());
        assert_eq!(strangers.keep(conn(2), 40_000), None);
        assert_eq!(strangers.keep(conn(3), 40_000), None);
        assert_eq!(strangers.keep(conn(3), 60_000), None, "no more than there may be");
        assert_eq!(strangers.keep(conn(4), 20_000), Some(conn(2)));
        strangers.leave(conn(2));
        assert_eq!(strangers.keep(conn(3), 80_001), Some(conn(3)), "itself, if it is the oldest");
        assert_eq!(strangers.keep(conn(3), 0), None);
        assert_eq!(strangers.keep(conn(4), 0), None);
        assert!(!strangers.is_burdened());
    }

    #[test]
    fn nobody_counts_twice() {
        let mut strangers = Unidentified::new(0, 2);
        for _ in 0..5 {
            assert_eq!(strangers.arrive(conn(1), v4(1)), None);
        }
        strangers.leave(conn(1));
        assert!(strangers.is_empty() && strangers.per_source.is_empty());
    }

    #[test]
    fn forgets_those_who_left() {
        let mut strangers = Unidentified::new(0, 0);
        for n in 0..10_000 {
            strangers.arrive(conn(n), v4(1));
            if n > 0 {
                strangers.leave(conn(n));
            }
        }
        assert_eq!(strangers.len(), 1);
        assert!(strangers.arrivals.len() < 100 && strangers.per_source.len() == 1);
    }
}
