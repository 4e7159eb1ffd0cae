//! Rows that keep their place: a slab whose keys carry a generation, and queues threaded through it.
//!
//! Owns the rule by which a name for a connection (or an alarm, or a pending command) can lie around in an event batch,
//! a timer, a letter or a queue while the thing itself is gone: a [`Key`] resolves to an `Option`, never to the
//! successor in the same row. It never says who is in a row and never shrinks: rows stay at their index, so that
//! tables beside it (sockets, timer links) can be aligned with it by [`Key::index`].
//!
//! ```text
//!            insert                     remove, generation + 1
//!  [free] ------------> [taken, g] ------------------------------> [free]
//!                           |  remove at the last generation
//!                           +---------------------------------> [retired], for ever
//! ```
//!
//! A row whose generations are used up is retired instead of starting again at zero: the ABA guard has no hole, at the
//! price of one row per four billion reuses.

use std::fmt;

/// The first generation that is never given out; everything from `RESERVED << 32` upwards is free for other uses of a
/// poll token (wakers, listeners).
pub const GENERATION_RESERVED: u32 = u32::MAX;

/// The end of a chain of row indices.
const NONE: u32 = u32::MAX;

// A key and a token carry each other without loss only where a machine word has 64 bits.
const _: () = assert!(usize::BITS == 64);

/// The name of a row: its place and how many tenants that place has had before.
///
/// Eight bytes, safe to mail, to log and to put in a timer: a stale key resolves to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Key {
    /// The row, counted from zero; dense, and reused.
    pub index: u32,
    /// How many tenants the row has had before this one; below [`GENERATION_RESERVED`].
    pub generation: u32,
}

impl Key {
    /// The key as a poll token: the generation in the upper half, the index in the lower.
    ///
    /// ```
    /// # use engine::slots::Key;
    /// let key = Key { index: 7, generation: 2 };
    /// assert_eq!(Key::from_token(key.to_token()), key);
    /// ```
    pub fn to_token(self) -> usize {
        (self.generation as usize) << 32 | self.index as usize
    }

    /// What [`Key::to_token`] made; of a token from elsewhere it makes a key that resolves to nothing.
    pub fn from_token(token: usize) -> Key {
        Key { index: token as u32, generation: (token >> 32) as u32 }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

struct Row<T> {
    /// Of the present tenant, or of the next one when the row is free.
    generation: u32,
    /// The next free row when this one is free; else unused.
    next_free: u32,
    tenant: Option<T>,
}

/// A slab: values in rows, found by [`Key`] in constant time, rows reused last in, first out.
pub struct Slots<T> {
    rows: Vec<Row<T>>,
    free: u32,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots::new()
    }
}

impl<T> Slots<T> {
    /// Without rows and without memory.
    pub const fn new() -> Slots<T> {
        Slots { rows: Vec::new(), free: NONE, len: 0 }
    }

    /// With room for `rows` values before it has to grow.
    pub fn with_capacity(rows: usize) -> Slots<T> {
        Slots { rows: Vec::with_capacity(rows), free: NONE, len: 0 }
    }

    /// Seats a value and says where: [`Key::index`] is at most [`Slots::rows`] as it was before, so a table beside this one
    /// grows by one row at a time.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Seats the value that `make` builds, for values that have to know their own key.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if self.free == NONE {
            let index = u32::try_from(self.rows.len()).unwrap_or(NONE);
            assert!(index != NONE, "a slab holds fewer than 2^32 - 1 rows");
            self.rows.push(Row { generation: 0, next_free: NONE, tenant: None });
            self.free = index;
        }
        let index = self.free;
        let row = &mut self.rows[index as usize];
        debug_assert!(row.tenant.is_none() && row.generation < GENERATION_RESERVED);
        let key = Key { index, generation: row.generation };
        row.tenant = Some(make(key));
        self.free = row.next_free;
        self.len += 1;
        key
    }

    /// The value of `key`, if it is still there.
    pub fn get(&self, key: Key) -> Option<&T> {
        let row = self.rows.get(key.index as usize)?;
        if row.generation != key.generation {
            return None;
        }
        row.tenant.as_ref()
    }

    /// The value of `key`, to change it, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let row = self.rows.get_mut(key.index as usize)?;
        if row.generation != key.generation {
            return None;
        }
        row.tenant.as_mut()
    }

    /// Takes the value out; from now on `key` resolves to nothing, for ever.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let row = self.rows.get_mut(key.index as usize)?;
        if row.generation != key.generation {
            return None;
        }
        let tenant = row.tenant.take()?;
        row.generation += 1;
        if row.generation < GENERATION_RESERVED {
            row.next_free = self.free;
            self.free = key.index;
        }
        debug_assert!(self.len > 0);
        self.len -= 1;
        Some(tenant)
    }

    /// Whether `key` still resolves.
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The key of whoever is in the row now; for tables that are aligned by index alone.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let row = self.rows.get(index as usize)?;
        row.tenant.as_ref()?;
        Some(Key { index, generation: row.generation })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many rows there are, taken or not: every index is below this.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// All values with their keys, by rising index.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.rows.iter().enumerate().filter_map(|(index, row)| {
            let tenant = row.tenant.as_ref()?;
            Some((Key { index: index as u32, generation: row.generation }, tenant))
        })
    }

    /// All values with their keys, to change them, by rising index.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.rows.iter_mut().enumerate().filter_map(|(index, row)| {
            let tenant = row.tenant.as_mut()?;
            Some((Key { index: index as u32, generation: row.generation }, tenant))
        })
    }
}

/// A row's place in a [`Queue`]: eight bytes.
#[derive(Clone, Copy)]
struct Link {
    /// The row behind this one; [`NONE`] at the end; the row itself when it is not queued.
    next: u32,
    generation: u32,
}

/// Keys waiting in line, first in, first out, each row at most once; its links lie in a table aligned with the slab.
///
/// The ready list and the flush list are such queues. Pushing and popping allocate nothing once the table is as long as
/// the slab, and a key that died in the queue needs no removal: it comes out and resolves to nothing, or its row's next
/// tenant has taken its place in line.
#[derive(Default)]
pub struct Queue {
    links: Vec<Link>,
    /// The first and the last row in line; meaningless while `len` is zero.
    head: u32,
    tail: u32,
    len: usize,
}

impl Queue {
    /// An empty queue without memory.
    pub const fn new() -> Queue {
        Queue { links: Vec::new(), head: NONE, tail: NONE, len: 0 }
    }

    /// Puts `key` at the end, unless its row is in line already; says whether it was added.
    ///
    /// Where the row is in line for an earlier tenant, the place goes to the later one.
    pub fn push(&mut self, key: Key) -> bool {
        self.grow_to(key.index);
        let link = &mut self.links[key.index as usize];
        if link.next != key.index {
            link.generation = link.generation.max(key.generation);
            return false;
        }
        *link = Link { next: NONE, generation: key.generation };
        if self.len == 0 {
            self.head = key.index;
        } else {
            self.links[self.tail as usize].next = key.index;
        }
        self.tail = key.index;
        self.len += 1;
        true
    }

    /// Takes the first key out of the line; it may be stale.
    pub fn pop(&mut self) -> Option<Key> {
        if self.len == 0 {
            return None;
        }
        let index = self.head;
        let link = &mut self.links[index as usize];
        let key = Key { index, generation: link.generation };
        self.head = link.next;
        link.next = index;
        self.len -= 1;
        debug_assert_eq!(self.len == 0, self.head == NONE);
        Some(key)
    }

    /// Whether `key` itself is in line (not an earlier or later tenant of its row).
    pub fn contains(&self, key: Key) -> bool {
        self.links
            .get(key.index as usize)
            .is_some_and(|link| link.next != key.index && link.generation == key.generation)
    }

    /// How many keys are in line; a turn that serves exactly so many serves nobody twice.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody is in line.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn grow_to(&mut self, index: u32) {
        for next in self.links.len() as u32..=index {
            self.links.push(Link { next, generation: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn a_key_is_eight_bytes_and_survives_a_token() {
        assert_eq!(size_of::<Key>(), 8);
        for key in [
            Key { index: 0, generation: 0 },
            Key { index: u32::MAX - 1, generation: GENERATION_RESERVED - 1 },
            Key { index: 12, generation: 3 },
        ] {
            assert_eq!(Key::from_token(key.to_token()), key);
            assert!(key.to_token() < (GENERATION_RESERVED as usize) << 32);
        }
    }

    #[test]
    fn a_removed_key_never_finds_the_next_tenant() {
        let mut slots = Slots::new();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(second.index, first.index, "the row is reused");
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert!(!slots.contains(first));
        assert_eq!(slots.get(second), Some(&"second"));
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn the_next_key_of_a_free_row_resolves_to_nothing() {
        let mut slots = Slots::new();
        let key = slots.insert(());
        slots.remove(key);
        assert!(!slots.contains(Key { generation: key.generation + 1, ..key }));
        assert_eq!(slots.key_at(key.index), None);
    }

    #[test]
    fn a_row_retires_before_its_generation_is_reserved() {
        let mut slots = Slots::new();
        let key = slots.insert(1);
        slots.remove(key);
        slots.rows[0].generation = GENERATION_RESERVED - 1;
        let last = slots.insert(2);
        assert_eq!(last, Key { index: 0, generation: GENERATION_RESERVED - 1 });
        assert_eq!(slots.remove(last), Some(2));
        assert_eq!(slots.insert(3), Key { index: 1, generation: 0 });
        assert_eq!(slots.get(last), None);
        assert!(!slots.contains(Key { index: 0, generation: GENERATION_RESERVED }));
    }

    #[test]
    fn a_value_may_know_its_own_key() {
        let mut slots = Slots::new();
        let key = slots.insert_with(|key| key);
        assert_eq!(slots.get(key), Some(&key));
    }

    #[test]
    fn iterates_in_the_order_of_the_rows() {
        let mut slots = Slots::with_capacity(4);
        let keys: Vec<Key> = (0..4).map(|n| slots.insert(n)).collect();
        slots.remove(keys[1]);
        for (_, value) in slots.iter_mut() {
            *value *= 10;
        }
        let seen: Vec<(Key, i32)> = slots.iter().map(|(key, value)| (key, *value)).collect();
        assert_eq!(seen, [(keys[0], 0), (keys[2], 20), (keys[3], 30)]);
        assert_eq!(slots.rows(), 4);
    }

    #[test]
    fn a_queue_keeps_order_and_holds_each_row_once() {
        let mut queue = Queue::new();
        let key = |index| Key { index, generation: 0 };
        assert!(queue.push(key(5)));
        assert!(queue.push(key(0)));
        assert!(!queue.push(key(5)));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.pop(), Some(key(5)));
        assert!(queue.push(key(5)), "what came out may queue again");
        assert_eq!(queue.pop(), Some(key(0)));
        assert_eq!(queue.pop(), Some(key(5)));
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_next_tenant_takes_the_place_of_a_dead_key_in_line() {
        let mut queue = Queue::new();
        let old = Key { index: 3, generation: 1 };
        let new = Key { index: 3, generation: 2 };
        queue.push(old);
        assert!(!queue.push(new));
        assert!(queue.contains(new) && !queue.contains(old));
        assert!(!queue.push(old), "a dead key does not displace the living one");
        assert_eq!(queue.pop(), Some(new));
        assert_eq!(queue.pop(), None);
    }

    proptest::proptest! {
        #[test]
        fn behaves_like_a_map_that_never_forgets(operations in proptest::collection::vec((0..3u8, 0..40usize), 0..400)) {
            let mut slots = Slots::new();
            let mut given: Vec<(Key, Option<usize>)> = Vec::new();
            for (serial, (operation, choice)) in operations.into_iter().enumerate() {
                if operation > 0 || given.is_empty() {
                    let key = slots.insert(serial);
                    assert!(given.iter().all(|(known, _)| *known != key), "a key is given once");
                    given.push((key, Some(serial)));
                } else {
                    let choice = choice % given.len();
                    let (key, value) = &mut given[choice];
                    assert_eq!(slots.remove(*key), value.take());
                }
            }
            for (key, value) in &given {
                assert_eq!(slots.get(*key), value.as_ref());
            }
            assert_eq!(slots.len(), given.iter().filter(|(_, value)| value.is_some()).count());
        }

        #[test]
        fn a_queue_behaves_like_a_deque_of_rows(operations in proptest::collection::vec(0..24u32, 0..400)) {
            let mut queue = Queue::new();
            let mut model: VecDeque<u32> = VecDeque::new();
            for index in operations {
                if index >= 12 {
                    assert_eq!(queue.pop().map(|key| key.index), model.pop_front());
                } else {
                    assert_eq!(queue.push(Key { index, generation: 0 }), !model.contains(&index));
                    if !model.contains(&index) {
                        model.push_back(index);
                    }
                }
                assert_eq!(queue.len(), model.len());
            }
        }
    }
}
