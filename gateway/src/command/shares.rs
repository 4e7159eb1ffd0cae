//! Who holds how much of a memory that agents share, so that whoever holds the most gives way.
//!
//! Owns the agents with their weights, sorted by powers of two: whoever is called the heaviest holds more than half as much as
//! anybody. So finding one costs the same however many agents there are, and a weight that changes a little moves nothing.
//! Never knows what is held, and never takes it from anybody.

use engine::{Key, Slots};
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// Powers of two of a weight, and one class for nothing.
const CLASSES: usize = u64::BITS as usize + 1;

/// Members of a class for which there is room from the start: few agents move between classes without an allocation.
const MEMBERS_AT_FIRST: usize = 4;

/// The agents that share a memory, each with its part of it.
pub struct Shares<T> {
    members: Slots<Member<T>>,
    index: HashMap<Arc<str>, Key, BuildHasherDefault<SipHasher13>>,
    classes: [Vec<Key>; CLASSES],
}

struct Member<T> {
    agent: Arc<str>,
    weight: u64,
    /// Where it stands in its class.
    place: usize,
    part: T,
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self {
            members: Slots::new(),
            index: HashMap::default(),
            classes: std::array::from_fn(|_| Vec::with_capacity(MEMBERS_AT_FIRST)),
        }
    }
}

impl<T> Shares<T> {
    /// The member that this agent is, from now on if not before; `part` makes the part of a new one.
    pub fn join(&mut self, agent: &Arc<str>, part: impl FnOnce() -> T) -> Key {
        if let Some(&key) = self.index.get(&**agent) {
            return key;
        }
        let nothing = &mut self.classes[0];
        let place = nothing.len();
        let key = self.members.insert(Member { agent: agent.clone(), weight: 0, place, part: part() });
        nothing.push(key);
        self.index.insert(agent.clone(), key);
        key
    }

    /// Forgets a member, and gives its part back.
    pub fn leave(&mut self, key: Key) -> Option<T> {
        self.take_out(key);
        let member = self.members.remove(key)?;
        self.index.remove(&*member.agent);
        Some(member.part)
    }

    /// The member that this agent is, if it is one.
    pub fn key(&self, agent: &str) -> Option<Key> {
        self.index.get(agent).copied()
    }

    /// The part of an agent, if it is a member.
    pub fn find(&self, agent: &str) -> Option<&T> {
        self.key(agent).and_then(|key| self.get(key))
    }

    /// A member's part.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.members.get(key).map(|member| &member.part)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.members.get_mut(key).map(|member| &mut member.part)
    }

    /// A member holds so much more.
    pub fn add(&mut self, key: Key, weight: u64) {
        self.set(key, |before| before.saturating_add(weight));
    }

    /// A member holds so much less.
    pub fn take(&mut self, key: Key, weight: u64) {
        self.set(key, |before| before.saturating_sub(weight));
    }

    /// One of those who hold the most, `first` if it is one; none when nobody holds anything.
    pub fn heaviest(&self, first: Option<Key>) -> Option<Key> {
        let class = self.classes.iter().skip(1).rposition(|class| !class.is_empty())? + 1;
        let weight = |key: &Key| self.members.get(*key).map(|member| class_of(member.weight));
        first.filter(|first| weight(first) == Some(class)).or(self.classes[class].last().copied())
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn set(&mut self, key: Key, weight: impl FnOnce(u64) -> u64) {
        let Some(member) = self.members.get_mut(key) else { return };
        let weight = weight(member.weight);
        let (before, now) = (class_of(member.weight), class_of(weight));
        member.weight = weight;
        if before == now {
            return;
        }
        self.take_out_of(key, before);
        let class = &mut self.classes[now];
        class.push(key);
        let place = class.len() - 1;
        if let Some(member) = self.members.get_mut(key) {
            member.place = place;
        }
    }

    fn take_out(&mut self, key: Key) {
        if let Some(member) = self.members.get(key) {
            self.take_out_of(key, class_of(member.weight));
        }
    }

    fn take_out_of(&mut self, key: Key, class: usize) {
        let Some(place) = self.members.get(key).map(|member| member.place) else { return };
        let class = &mut self.classes[class];
        debug_assert_eq!(class.get(place), Some(&key), "a member stands where it says");
        class.swap_remove(place);
        if let Some(&moved) = class.get(place)
            && let Some(moved) = self.members.get_mut(moved)
        {
            moved.place = place;
        }
    }
}

fn class_of(weight: u64) -> usize {
    (u64::BITS - weight.leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(shares: &mut Shares<()>, name: &str) -> Key {
        shares.join(&name.into(), || ())
    }

    #[test]
    fn whoever_holds_the_most_is_found_and_whoever_asks_comes_first() {
        let mut shares = Shares::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| member(&mut shares, name));
        assert_eq!(shares.heaviest(Some(a)), None, "nobody holds anything");
        shares.add(a, 100);
        shares.add(b, 5);
        shares.add(c, 120);
        assert_eq!(shares.heaviest(Some(b)), Some(c));
        assert_eq!(shares.heaviest(Some(a)), Some(a), "as heavy as any, nearly");
        shares.take(c, 100);
        shares.take(a, 99);
        assert_eq!(shares.heaviest(Some(a)), Some(c));
        assert_eq!(member(&mut shares, "a"), a, "an agent is one member");
        shares.leave(c);
        assert_eq!((shares.heaviest(Some(a)), shares.len()), (Some(b), 2));
    }

    #[test]
    fn the_heaviest_holds_more_than_half_as_much_as_anybody() {
        let mut shares = Shares::default();
        let members: Vec<Key> = (0..50).map(|n| member(&mut shares, &n.to_string())).collect();
        let mut weights = [0_u64; 50];
        let mut dice = 1_u64;
        for _ in 0..5000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (n, weight) = ((dice >> 33) as usize % 50, (dice >> 40) % 1000);
            match dice >> 63 {
                0 => (weights[n] += weight, shares.add(members[n], weight)),
                _ => (weights[n] = weights[n].saturating_sub(weight), shares.take(members[n], weight)),
            };
            let most = weights.into_iter().max().expect("there are some");
            let heaviest = shares.heaviest(None).and_then(|key| members.iter().position(|&m| m == key));
            assert!(heaviest.map_or(most == 0, |n| weights[n] * 2 > most), "{heaviest:?} {weights:?}");
        }
    }
}
