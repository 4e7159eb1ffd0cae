//! The buffers that belong to a core and not to its connections: one to receive into, many to lend out for a turn.
//!
//! Owns the memory through which all bytes of a core pass, so that an idle connection owns none. It never keeps a byte
//! from one turn to the next for anyone: what a connection has not consumed, and what the kernel has not taken, is the
//! connection's own (its carry, its backlog).
//!
//! ```text
//!   in:   [ carry | what the kernel gave | room ]  one per core, refilled for each connection
//!   out:  lend -> sessions append -> flush writes -> give back (emptied; dropped if it has grown large)
//! ```

/// The size of the receive scratch: what one read of a socket can bring, and the fair share of one connection in a turn.
pub const SCRATCH_BYTES: usize = 64 * 1024;

/// A buffer that has grown beyond this is not kept when it comes back: one large message must not stay resident.
pub const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;

/// The room of a buffer when it is lent for the first time: a command with its frames, or an answer with its head.
pub const BUFFER_FIRST_BYTES: usize = 2 * 1024;

/// How many empty buffers a core keeps: as many connections as it writes to in a busy turn (at worst 16 MiB).
pub const BUFFERS_KEPT_MAX: usize = 256;

/// The core's receive scratch.
pub struct Scratch {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new(SCRATCH_BYTES)
    }
}

impl Scratch {
    /// A scratch for `bytes` bytes.
    pub fn new(bytes: usize) -> Scratch {
        Scratch { bytes: vec![0; bytes].into_boxed_slice(), filled: 0 }
    }

    /// How much it holds when full.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Begins with `carry`, a connection's partial message; `false`, and empty, when the carry leaves no room to read into: such a
    /// connection needs a buffer of its own until its message is whole.
    #[must_use = "a carry that did not fit is not in the scratch"]
    pub fn begin(&mut self, carry: &[u8]) -> bool {
        self.filled = 0;
        if carry.len() >= self.bytes.len() {
            return false;
        }
        self.bytes[..carry.len()].copy_from_slice(carry);
        self.filled = carry.len();
        true
    }

    /// Where the kernel may read into.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Puts bytes behind what is in it; there must be room for them.
    pub fn take_in(&mut self, bytes: &[u8]) {
        self.bytes[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// The kernel has put so many bytes at the beginning of [`Scratch::room`].
    pub fn commit(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.bytes.len() - self.filled);
        self.filled += bytes;
    }

    /// Everything since [`Scratch::begin`], carry first.
    pub fn filled(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.filled]
    }
}

/// The place of a buffer while it is lent: kept by the connection for the length of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lent(u32);

/// The core's output buffers.
#[derive(Default)]
pub struct Buffers {
    /// All of them; those that are lent keep their place.
    all: Vec<Vec<u8>>,
    /// Those with memory and those without, when not lent; the warm ones go first.
    warm: Vec<u32>,
    cold: Vec<u32>,
}

impl Buffers {
    /// No buffers yet.
    pub const fn new() -> Buffers {
        Buffers { all: Vec::new(), warm: Vec::new(), cold: Vec::new() }
    }

    /// Lends an empty buffer.
    pub fn lend(&mut self) -> Lent {
        if let Some(index) = self.warm.pop() {
            return Lent(index);
        }
        let index = self.cold.pop().unwrap_or_else(|| {
            self.all.push(Vec::new());
            self.all.len() as u32 - 1
        });
        self.all[index as usize].reserve(BUFFER_FIRST_BYTES);
        Lent(index)
    }

    /// The buffer that is lent as `lent`.
    pub fn at(&mut self, lent: Lent) -> &mut Vec<u8> {
        debug_assert!(self.is_lent(lent));
        &mut self.all[lent.0 as usize]
    }

    /// What the buffer that is lent as `lent` holds so far.
    pub fn peek(&self, lent: Lent) -> &[u8] {
        debug_assert!(self.is_lent(lent));
        &self.all[lent.0 as usize]
    }

    /// Takes a buffer back and empties it; its memory is kept unless it is large or enough are kept already.
    pub fn give_back(&mut self, lent: Lent) {
        debug_assert!(self.is_lent(lent), "a buffer is given back once");
        let buffer = &mut self.all[lent.0 as usize];
        if buffer.capacity() <= BUFFER_KEPT_BYTES_MAX && self.warm.len() < BUFFERS_KEPT_MAX {
            buffer.clear();
            self.warm.push(lent.0);
        } else {
            *buffer = Vec::new();
            self.cold.push(lent.0);
        }
    }

    /// How many buffers are lent now.
    pub fn lent(&self) -> usize {
        self.all.len() - self.warm.len() - self.cold.len()
    }

    /// How many bytes the buffers have room for that wait to be lent.
    pub fn kept_bytes(&self) -> usize {
        self.warm.iter().map(|&index| self.all[index as usize].capacity()).sum()
    }

    fn is_lent(&self, lent: Lent) -> bool {
        !self.warm.contains(&lent.0) && !self.cold.contains(&lent.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_the_carry_in_front_of_what_is_read() {
        let mut scratch = Scratch::new(8);
        assert!(scratch.begin(b"abc"));
        assert_eq!(scratch.room().len(), 5);
        scratch.room()[..2].copy_from_slice(b"de");
        scratch.commit(2);
        assert_eq!(scratch.filled(), b"abcde");
        assert!(scratch.begin(b""));
        assert_eq!(scratch.filled(), b"");
        assert_eq!((scratch.room().len(), scratch.capacity()), (8, 8));
    }

    #[test]
    fn refuses_a_carry_that_leaves_no_room_to_read() {
        let mut scratch = Scratch::new(4);
        assert!(!scratch.begin(b"abcd"));
        assert_eq!(scratch.filled(), b"");
        assert!(scratch.begin(b"abc"));
    }

    #[test]
    fn lends_the_same_memory_again_and_always_empty() {
        let mut buffers = Buffers::new();
        let first = buffers.lend();
        buffers.at(first).extend_from_slice(b"bytes of a stranger");
        let memory = buffers.at(first).as_ptr();
        buffers.give_back(first);
        let again = buffers.lend();
        assert_eq!(buffers.at(again).as_ptr(), memory);
        assert!(buffers.at(again).is_empty());
    }

    #[test]
    fn lends_two_connections_two_buffers() {
        let mut buffers = Buffers::new();
        let (a, b) = (buffers.lend(), buffers.lend());
        buffers.at(a).push(1);
        buffers.at(b).push(2);
        assert_eq!(buffers.at(a), &[1]);
        assert_eq!(buffers.at(b), &[2]);
        assert_eq!(buffers.lent(), 2);
        buffers.give_back(a);
        assert_eq!(buffers.lent(), 1);
    }

    #[test]
    fn does_not_keep_a_buffer_that_has_grown_large() {
        let mut buffers = Buffers::new();
        let lent = buffers.lend();
        buffers.at(lent).resize(BUFFER_KEPT_BYTES_MAX + 1, 0);
        buffers.give_back(lent);
        assert_eq!((buffers.kept_bytes(), buffers.lent()), (0, 0));
        let again = buffers.lend();
        assert_eq!(again, lent, "its place is reused");
        assert!(buffers.at(again).capacity() >= BUFFER_FIRST_BYTES);
    }

    #[test]
    fn keeps_no_more_buffers_than_its_ceiling() {
        let mut buffers = Buffers::new();
        let lent: Vec<Lent> = (0..BUFFERS_KEPT_MAX + 10).map(|_| buffers.lend()).collect();
        for lent in lent {
            buffers.give_back(lent);
        }
        assert_eq!(buffers.warm.len(), BUFFERS_KEPT_MAX);
        assert!(buffers.kept_bytes() >= BUFFERS_KEPT_MAX * BUFFER_FIRST_BYTES);
    }
}
