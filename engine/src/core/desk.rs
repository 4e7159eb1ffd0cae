//! What connections have in hand: bytes received and not consumed, bytes given to be written. A desk is borrowed from the
//! core at the first such byte and goes back with the last, so an idle connection has none.
//!
//! Never reads and never writes to a socket; knows no key: who sits at a desk is the connection's business.

use std::time::Instant;

use crate::backlog::{Backlog, Chunks};
use crate::core::conn::NO_DESK;
use crate::scratch::{Buffers, Lent};

/// A carry that has grown no larger than this keeps its memory while nobody sits at the desk.
const CARRY_KEPT_BYTES: usize = 1024;

/// How many free desks keep a carry's memory.
const CARRIES_KEPT_MAX: usize = 256;

/// One connection's things in hand.
pub(crate) struct Desk {
    /// Received and not consumed: the beginning of a message.
    pub(crate) carry: Vec<u8>,
    /// This turn's output.
    lent: Option<Lent>,
    /// Where in it a message may begin, for a connection with TLS.
    seams: Vec<u32>,
    /// What the kernel did not take.
    pub(crate) backlog: Backlog,
    /// Input thrown away since the connection was closed.
    pub(crate) discarded_bytes: usize,
}

/// All desks of a core, with the memory that lies on them.
pub(crate) struct Desks {
    desks: Vec<Desk>,
    free: Vec<u32>,
    pub(crate) buffers: Buffers,
    pub(crate) chunks: Chunks,
}

impl Desks {
    pub(crate) fn new() -> Desks {
        Desks { desks: Vec::new(), free: Vec::new(), buffers: Buffers::new(), chunks: Chunks::default() }
    }

    /// The desk at place `desk`; if there is none yet, a free one is taken and its place noted.
    pub(crate) fn sit(&mut self, desk: &mut u32, now: Instant) -> &mut Desk {
        if *desk == NO_DESK {
            *desk = self.free.pop().unwrap_or_else(|| {
                self.desks.push(Desk {
                    carry: Vec::new(),
                    lent: None,
                    seams: Vec::new(),
                    backlog: Backlog::new(now),
                    discarded_bytes: 0,
                });
                self.desks.len() as u32 - 1
            });
        }
        &mut self.desks[*desk as usize]
    }

    /// The desk at place `desk`, if there is one.
    pub(crate) fn at(&mut self, desk: u32) -> Option<&mut Desk> {
        self.desks.get_mut(desk as usize)
    }

    /// The buffer for this turn's output; lent at the first call. `sealed`: each call is noted as a seam, where a record may
    /// end.
    pub(crate) fn out(&mut self, desk: &mut u32, sealed: bool, now: Instant) -> &mut Vec<u8> {
        self.sit(desk, now);
        let (buffers, desk) = (&mut self.buffers, &mut self.desks[*desk as usize]);
        let lent = *desk.lent.get_or_insert_with(|| buffers.lend());
        let out = buffers.at(lent);
        if sealed {
            desk.seams.push(out.len() as u32);
        }
        out
    }

    /// This turn's output, to be replaced by its ciphertext, and its seams.
    pub(crate) fn unsealed(&mut self, desk: u32) -> Option<(&mut Vec<u8>, &mut Vec<u32>)> {
        let Desk { lent, seams, .. } = self.desks.get_mut(desk as usize)?;
        Some((self.buffers.at((*lent)?), seams))
    }

    /// Puts `bytes` behind the backlog: what is ciphertext already, or comes from another core.
    pub(crate) fn wait(&mut self, desk: &mut u32, bytes: &[u8], now: Instant) {
        self.sit(desk, now);
        let backlog = &mut self.desks[*desk as usize].backlog;
        if backlog.is_empty() {
            *backlog = Backlog::new(now);
        }
        backlog.append(bytes, &mut self.chunks);
    }

    /// What waits from earlier turns, and this turn's output behind it; the latter is empty if none was asked for.
    pub(crate) fn unsent(&self, desk: u32) -> Option<(&Backlog, &[u8])> {
        let Desk { lent, backlog, .. } = self.desks.get(desk as usize)?;
        Some((backlog, lent.map_or(&[][..], |lent| self.buffers.peek(lent))))
    }

    /// Bytes not taken by the kernel.
    pub(crate) fn unsent_bytes(&self, desk: u32) -> usize {
        self.unsent(desk).map_or(0, |(backlog, out)| backlog.bytes() + out.len())
    }

    /// Puts this turn's output behind the backlog and gives its buffer back. `written` bytes, counted over backlog and
    /// output, are gone to the kernel.
    pub(crate) fn settle(&mut self, desk: u32, written: usize, now: Instant) {
        let Some(Desk { lent, backlog, .. }) = self.desks.get_mut(desk as usize) else {
            return;
        };
        let (mut skip, mut began) = (written, false);
        let from_backlog = written.min(backlog.bytes());
        backlog.advance(from_backlog, &mut self.chunks, now);
        skip -= from_backlog;
        if let Some(lent) = lent.take() {
            let out = self.buffers.at(lent);
            debug_assert!(skip <= out.len());
            if backlog.is_empty() && skip < out.len() {
                // A backlog that begins is as good as one that moved: the peer has its time from now on.
                *backlog = Backlog::new(now);
                began = true;
            }
            backlog.append(&out[skip..], &mut self.chunks);
            self.buffers.give_back(lent);
        }
        debug_assert!(!began || backlog.last_progress() == now);
    }

    /// Takes all output out in one piece, for a connection that moves.
    pub(crate) fn pack(&mut self, desk: u32, now: Instant) -> Vec<u8> {
        self.settle(desk, 0, now);
        let Some(Desk { backlog, .. }) = self.desks.get_mut(desk as usize) else {
            return Vec::new();
        };
        if backlog.is_empty() { Vec::new() } else { backlog.pack(&mut self.chunks) }
    }

    /// Leaves the desk if nothing is on it.
    pub(crate) fn leave_if_clear(&mut self, desk: &mut u32) {
        let clear = self
            .at(*desk)
            .is_some_and(|it| it.carry.is_empty() && it.lent.is_none() && it.backlog.is_empty());
        if clear {
            self.leave(desk);
        }
    }

    /// Throws away what is on the desk and leaves it.
    pub(crate) fn leave(&mut self, desk: &mut u32) {
        let place = std::mem::replace(desk, NO_DESK);
        let Some(it) = self.desks.get_mut(place as usize) else {
            return;
        };
        if let Some(lent) = it.lent.take() {
            self.buffers.give_back(lent);
        }
        it.seams.clear();
        it.backlog.release(&mut self.chunks);
        it.discarded_bytes = 0;
        if it.carry.capacity() > CARRY_KEPT_BYTES || self.free.len() >= CARRIES_KEPT_MAX {
            it.carry = Vec::new();
        }
        it.carry.clear();
        self.free.push(place);
    }

    /// How many connections have something in hand.
    pub(crate) fn occupied(&self) -> usize {
        self.desks.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
    use super::*;

    #[test]
    fn what_was_not_written_waits_in_order() {
        let (mut desks, now) = (Desks::new(), Instant::now());
        let mut desk = NO_DESK;
        desks.out(&mut desk, false, now).extend_from_slice(b"abcdef");
        desks.settle(desk, 2, now);
        desks.out(&mut desk, false, now).extend_from_slice(b"ghi");
        assert_eq!(desks.unsent_bytes(desk), 7);
        desks.settle(desk, 5, now);
        assert_eq!(desks.pack(desk, now), b"hi");
        desks.leave_if_clear(&mut desk);
        assert_eq!(
            (desk, desks.occupied(), desks.buffers.lent(), desks.chunks.lent_bytes()),
            (NO_DESK, 0, 0, 0)
        );
    }

    #[test]
    fn a_desk_with_a_carry_is_not_left() {
        let (mut desks, now) = (Desks::new(), Instant::now());
        let mut desk = NO_DESK;
        desks.sit(&mut desk, now).carry.extend_from_slice(b"half");
        desks.leave_if_clear(&mut desk);
        assert_eq!(desks.occupied(), 1);
        desks.leave(&mut desk);
        assert_eq!((desks.occupied(), desks.sit(&mut desk, now).carry.len()), (0, 0));
    }

    #[test]
    fn a_large_carry_is_freed_with_the_desk() {
        let (mut desks, now) = (Desks::new(), Instant::now());
        let mut desk = NO_DESK;
        desks.sit(&mut desk, now).carry.resize(CARRY_KEPT_BYTES + 1, 0);
        desks.leave(&mut desk);
        assert_eq!(desks.sit(&mut desk, now).carry.capacity(), 0);
    }
}
