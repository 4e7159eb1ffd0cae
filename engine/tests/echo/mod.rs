//! The first tenant: an echo service. A connection's first byte chooses its home core; everything after it comes back,
//! once and in order. With whims it also yields, pauses, asks neighbours and moves again whenever its dice say so.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use engine::stats::CoreStats;
use engine::{Close, Cx, Key, Opened, Service, Verdict};

/// What cores say to each other: a question that has to come back before a paused connection goes on.
pub enum Word {
    Ask { asker: usize, conn: Key },
    Answer { conn: Key },
    Report { to: Sender<(usize, CoreStats)> },
    Panic,
}

/// What travels with a moving connection.
pub struct Suitcase {
    moves: u32,
    listener: usize,
}

/// See the file's head.
pub struct Echo {
    whims: bool,
    /// How often each connection that is here has moved.
    conns: BTreeMap<Key, u32>,
    pub opened: u64,
    pub adopted: u64,
    pub left: u64,
    pub closed: [u64; Close::ALL.len()],
}

impl Echo {
    pub fn new(whims: bool) -> Echo {
        Echo { whims, conns: BTreeMap::new(), opened: 0, adopted: 0, left: 0, closed: [0; Close::ALL.len()] }
    }

    /// Connections it believes to have.
    pub fn len(&self) -> usize {
        self.conns.len()
    }

    /// Everyone who came has gone, or is here.
    pub fn check_invariants(&self) {
        let closed: u64 = self.closed.iter().sum();
        assert_eq!(self.opened + self.adopted, self.left + closed + self.conns.len() as u64);
    }

    fn leave(&mut self, conn: Key, to: usize, consumed: usize) -> Verdict<Suitcase> {
        let moves = self.conns.remove(&conn).expect("it was here");
        self.left += 1;
        Verdict::Move { to, consumed, baggage: Suitcase { moves: moves + 1, listener: 0 } }
    }
}

impl Service for Echo {
    type Mail = Word;
    type Baggage = Suitcase;
    type Token = Key;

    fn opened(&mut self, _: &mut Cx<'_, Self>, conn: Key, opened: Opened) {
        assert_eq!(opened.listener, 0);
        self.opened += 1;
        assert!(self.conns.insert(conn, 0).is_none(), "a key is given once");
    }

    fn received(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<Suitcase> {
        let moves = *self.conns.get(&conn).expect("only who is here is served");
        if moves == 0 {
            return self.leave(conn, usize::from(bytes[0]) % cx.cores(), 1);
        }
        let whim = if self.whims { cx.random_u64() % 24 } else { 24 };
        let Some(out) = cx.out(conn) else { return Verdict::Yield { consumed: 0 } };
        let part = if whim < 6 { bytes.len() / 2 } else { bytes.len() };
        out.extend_from_slice(&bytes[..part]);
        match whim {
            0 => Verdict::Yield { consumed: part },
            1 | 2 => {
                let (to, asker) = (cx.random_u64() as usize % cx.cores(), cx.core());
                cx.post(to, Word::Ask { asker, conn });
                Verdict::Pause { consumed: part }
            }
            3 => {
                let pause = Duration::from_millis(cx.random_u64() % 300);
                cx.arm(cx.now() + pause, conn);
                Verdict::Pause { consumed: part }
            }
            4 => {
                let to = cx.random_u64() as usize % cx.cores();
                self.leave(conn, to, part)
            }
            5 => {
                let pause = Duration::from_millis(cx.random_u64() % 500);
                cx.set_deadline(conn, Some(cx.now() + pause));
                Verdict::Pause { consumed: part }
            }
            _ => Verdict::Continue { consumed: part },
        }
    }

    fn adopted(&mut self, _: &mut Cx<'_, Self>, conn: Key, opened: Opened, baggage: Suitcase) {
        assert_eq!(opened.listener, baggage.listener);
        self.adopted += 1;
        assert!(self.conns.insert(conn, baggage.moves).is_none(), "a key is given once");
    }

    fn mail(&mut self, cx: &mut Cx<'_, Self>, from: usize, mail: Word) {
        match mail {
            Word::Ask { asker, conn } => {
                assert!(from == asker || from >= cx.cores(), "a core asks for itself");
                cx.post(asker, Word::Answer { conn });
            }
            Word::Answer { conn } => cx.resume(conn),
            Word::Report { to } => to.send((cx.core(), cx.stats().clone())).expect("the test listens"),
            Word::Panic => panic!("as the test wants it"),
        }
    }

    fn due(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        assert!(self.conns.contains_key(&conn));
        cx.resume(conn);
    }

    fn rang(&mut self, cx: &mut Cx<'_, Self>, token: Key) {
        cx.resume(token);
    }

    fn drained(&mut self, _: &mut Cx<'_, Self>, conn: Key) {
        assert!(self.conns.contains_key(&conn));
    }

    fn closed(&mut self, cx: &mut Cx<'_, Self>, conn: Key, close: Close) {
        assert!(self.conns.remove(&conn).is_some(), "closed once, and only who was here");
        assert!(cx.out(conn).is_none());
        self.closed[close.index()] += 1;
        self.check_invariants();
    }

    fn drain(&mut self, cx: &mut Cx<'_, Self>) {
        for conn in self.conns.keys() {
            cx.hang_up(*conn);
        }
    }
}
