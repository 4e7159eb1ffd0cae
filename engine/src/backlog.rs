//! Output that the kernel did not take: chunks from a pool of the core, in order, until the peer reads on.
//!
//! Owns the unsent bytes of one connection and the moment they last shrank. It never writes to a socket and never decides
//! that a peer is too slow: the flush stage does, by [`Marks`] and [`STALL_MAX`]. A connection whose peer keeps up has no backlog at
//! all (`Option<Box<Backlog>>` beside it is `None`).
//!
//! ```text
//!            append                        advance(n)
//!   out ----------------> [chunk][chunk][ch  ] ------> kernel
//!                           ^ sent up to here           emptied chunks go back to the pool
//! ```

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

/// The size of a chunk: what one `write` of a busy socket takes, and little enough to be wasted half.
pub const CHUNK_BYTES: usize = 16 * 1024;

/// How many empty chunks a core keeps for the next slow peer (4 MiB); more go back to the allocator.
pub const POOLED_CHUNKS_MAX: usize = 256;

/// A peer that took not one byte for so long while there are some is hung up on.
pub const STALL_MAX: Duration = Duration::from_secs(10);

/// When a connection is choked and when it is free again, in bytes of its backlog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks {
    /// From here on nothing more is accepted for this peer.
    pub high_bytes: usize,
    /// From here down it is accepted again; well below the high mark, so that the two do not alternate.
    pub low_bytes: usize,
}

impl Default for Marks {
    fn default() -> Marks {
        Marks { high_bytes: 1024 * 1024, low_bytes: 64 * 1024 }
    }
}

/// The chunks of a core: lent to backlogs, kept when they come back empty.
pub struct Chunks {
    pooled: Vec<Vec<u8>>,
    pooled_max: usize,
    lent: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks::new(POOLED_CHUNKS_MAX)
    }
}

impl Chunks {
    /// An empty pool that keeps at most `pooled_max` chunks while nobody needs them.
    pub fn new(pooled_max: usize) -> Chunks {
        Chunks { pooled: Vec::new(), pooled_max, lent: 0 }
    }

    /// How many bytes the chunks in use have room for.
    pub fn lent_bytes(&self) -> usize {
        self.lent * CHUNK_BYTES
    }

    /// How many bytes the chunks in wait have room for.
    pub fn pooled_bytes(&self) -> usize {
        self.pooled.len() * CHUNK_BYTES
    }

    fn lend(&mut self) -> Vec<u8> {
        self.lent += 1;
        self.pooled.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES))
    }

    fn take_back(&mut self, mut chunk: Vec<u8>) {
        debug_assert!(self.lent > 0 && chunk.capacity() >= CHUNK_BYTES);
        self.lent -= 1;
        if self.pooled.len() < self.pooled_max {
            chunk.clear();
            self.pooled.push(chunk);
        }
    }
}

/// The unsent bytes of one connection.
pub struct Backlog {
    /// None is empty, and every one but the last is full.
    chunks: VecDeque<Vec<u8>>,
    /// How much of the first chunk is sent.
    sent_of_first: usize,
    bytes: usize,
    /// When the kernel last took a byte, or when the backlog began.
    progress: Instant,
}

impl Backlog {
    /// An empty backlog that begins `now`.
    pub fn new(now: Instant) -> Backlog {
        Backlog { chunks: VecDeque::new(), sent_of_first: 0, bytes: 0, progress: now }
    }

    /// How many bytes are unsent.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything is sent.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Puts `bytes` behind what waits already; copies them into chunks of `pool`.
    pub fn append(&mut self, mut bytes: &[u8], pool: &mut Chunks) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            let room = self.chunks.back().map_or(0, |last| CHUNK_BYTES - last.len());
            if room == 0 {
                self.chunks.push_back(pool.lend());
                continue;
            }
            let (fitting, rest) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.chunks.back_mut() {
                last.extend_from_slice(fitting);
            }
            bytes = rest;
        }
        self.check_invariants();
    }

    /// The first unsent bytes for one vectored write: fills `slices` from the front and says how many it filled.
    pub fn front<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skipped = self.sent_of_first;
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(&chunk[skipped..]);
            skipped = 0;
            filled += 1;
        }
        filled
    }

    /// The kernel took the first `bytes` (at most [`Backlog::bytes`]) at `now`.
    pub fn advance(&mut self, bytes: usize, pool: &mut Chunks, now: Instant) {
        debug_assert!(bytes <= self.bytes, "nobody can have taken more than there was");
        if bytes == 0 {
            return;
        }
        self.progress = now;
        self.bytes -= bytes;
        self.sent_of_first += bytes;
        while let Some(first) = self.chunks.front() {
            if self.sent_of_first < first.len() {
                break;
            }
            self.sent_of_first -= first.len();
            if let Some(sent) = self.chunks.pop_front() {
                pool.take_back(sent);
            }
        }
        self.check_invariants();
    }

    /// Gives every chunk back, sent or not: the connection is over.
    pub fn release(&mut self, pool: &mut Chunks) {
        for chunk in self.chunks.drain(..) {
            pool.take_back(chunk);
        }
        (self.sent_of_first, self.bytes) = (0, 0);
    }

    /// Takes every unsent byte out, in one piece, for a connection that moves to another core; gives the chunks back.
    pub fn pack(&mut self, pool: &mut Chunks) -> Vec<u8> {
        let mut packed = Vec::with_capacity(self.bytes);
        let mut skipped = std::mem::take(&mut self.sent_of_first);
        for chunk in self.chunks.drain(..) {
            packed.extend_from_slice(&chunk[std::mem::take(&mut skipped)..]);
            pool.take_back(chunk);
        }
        debug_assert_eq!(packed.len(), self.bytes);
        self.bytes = 0;
        packed
    }

    /// When the kernel last took a byte, or when the backlog began.
    pub fn last_progress(&self) -> Instant {
        self.progress
    }

    /// Whether the peer has taken nothing for [`STALL_MAX`] although there was something to take.
    pub fn is_stalled(&self, now: Instant) -> bool {
        self.bytes > 0 && now.saturating_duration_since(self.progress) >= STALL_MAX
    }

    /// When the connection will count as stalled if the kernel takes nothing until then.
    pub fn stalls_at(&self) -> Instant {
        self.progress + STALL_MAX
    }

    fn check_invariants(&self) {
        debug_assert_eq!(
            self.chunks.iter().map(Vec::len).sum::<usize>(),
            self.bytes + self.sent_of_first,
            "every byte is counted once"
        );
        debug_assert!(self.chunks.front().is_none_or(|first| self.sent_of_first < first.len()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
    use super::*;

    fn bytes_from(first: usize, count: usize) -> Vec<u8> {
        (first..first + count).map(|n| (n % 251) as u8).collect()
    }

    fn front_bytes(backlog: &Backlog, slices_max: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); slices_max];
        let filled = backlog.front(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn gives_its_chunks_back_when_all_is_sent() {
        let (mut pool, now) = (Chunks::new(8), Instant::now());
        let mut backlog = Backlog::new(now);
        backlog.append(&bytes_from(0, 3 * CHUNK_BYTES + 1), &mut pool);
        assert_eq!((backlog.bytes(), pool.lent_bytes()), (3 * CHUNK_BYTES + 1, 4 * CHUNK_BYTES));
        backlog.advance(3 * CHUNK_BYTES, &mut pool, now);
        assert_eq!((pool.lent_bytes(), pool.pooled_bytes()), (CHUNK_BYTES, 3 * CHUNK_BYTES));
        backlog.advance(1, &mut pool, now);
        assert!(backlog.is_empty());
        assert_eq!((pool.lent_bytes(), pool.pooled_bytes()), (0, 4 * CHUNK_BYTES));
    }

    #[test]
    fn keeps_no_more_chunks_than_its_ceiling() {
        let (mut pool, now) = (Chunks::new(2), Instant::now());
        let mut backlog = Backlog::new(now);
        backlog.append(&vec![0; 5 * CHUNK_BYTES], &mut pool);
        backlog.release(&mut pool);
        assert_eq!((backlog.bytes(), pool.lent_bytes(), pool.pooled_bytes()), (0, 0, 2 * CHUNK_BYTES));
    }

    #[test]
    fn shows_no_more_slices_than_asked_for() {
        let (mut pool, now) = (Chunks::default(), Instant::now());
        let mut backlog = Backlog::new(now);
        let bytes = bytes_from(0, 3 * CHUNK_BYTES);
        backlog.append(&bytes, &mut pool);
        backlog.advance(10, &mut pool, now);
        assert_eq!(front_bytes(&backlog, 2), bytes[10..2 * CHUNK_BYTES]);
        assert_eq!(front_bytes(&backlog, 64), bytes[10..]);
        assert_eq!(front_bytes(&backlog, 0), []);
    }

    #[test]
    fn only_a_byte_taken_counts_as_progress() {
        let (mut pool, begun) = (Chunks::default(), Instant::now());
        let mut backlog = Backlog::new(begun);
        assert!(!backlog.is_stalled(begun + STALL_MAX), "there is nothing to take");
        backlog.append(b"hello", &mut pool);
        let later = begun + STALL_MAX / 2;
        backlog.append(b"again", &mut pool);
        backlog.advance(0, &mut pool, later);
        assert_eq!((backlog.last_progress(), backlog.stalls_at()), (begun, begun + STALL_MAX));
        assert!(backlog.is_stalled(begun + STALL_MAX));
        backlog.advance(1, &mut pool, later);
        assert!(!backlog.is_stalled(begun + STALL_MAX));
        assert!(backlog.is_stalled(later + STALL_MAX));
    }

    #[test]
    fn packs_what_is_unsent_for_a_move() {
        let (mut pool, now) = (Chunks::new(8), Instant::now());
        let mut backlog = Backlog::new(now);
        let bytes = bytes_from(7, 2 * CHUNK_BYTES + 5);
        backlog.append(&bytes, &mut pool);
        backlog.advance(CHUNK_BYTES + 3, &mut pool, now);
        assert_eq!(backlog.pack(&mut pool), bytes[CHUNK_BYTES + 3..]);
        assert!(backlog.is_empty());
        assert_eq!(pool.lent_bytes(), 0);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

        #[test]
        fn what_comes_out_is_what_went_in(steps in proptest::collection::vec((proptest::bool::ANY, 0..40_000usize), 0..40)) {
            let (mut pool, now) = (Chunks::new(3), Instant::now());
            let mut backlog = Backlog::new(now);
            let (mut appended, mut sent) = (0, 0);
            for (is_append, size) in steps {
                if is_append {
                    backlog.append(&bytes_from(appended, size), &mut pool);
                    appended += size;
                } else {
                    let shown = front_bytes(&backlog, 2);
                    assert_eq!(shown, bytes_from(sent, shown.len()));
                    assert_eq!(shown.is_empty(), backlog.is_empty());
                    let taken = size.min(shown.len());
                    backlog.advance(taken, &mut pool, now);
                    sent += taken;
                }
                assert_eq!(backlog.bytes(), appended - sent);
                assert!(pool.lent_bytes() <= backlog.bytes() + 2 * CHUNK_BYTES);
            }
        }
    }
}
