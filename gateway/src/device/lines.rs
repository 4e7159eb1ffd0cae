//! What a device's conversation is tied to: a connection, or a session that polls and has none.
//!
//! Owns the keys of such sessions ([`Lines::is_virtual`]) and what is known of each: the poll that waits, the WebSocket that
//! probes or carries it, its alarm. A conversation gets an output, a deadline, a pause and an end by the same calls for either
//! kind. Never knows what is said: words of a session that polls go to an output that nobody reads, because its translator has
//! put them into the session.
//!
//! ```text
//!   key of a connection ---------------------------------> cx
//!   key of a session --> carried by a WebSocket? its key -> cx
//!                    \-> no: nowhere, and the session is touched: it is settled at the end of the callback
//! ```

use super::unidentified::Unidentified;
use crate::limits::Limits;
use crate::metrics::Closed;
use crate::shard::{Alarmed, Cx};
use engine::{Alarm, Key, Opened, Slots};
use std::time::Instant;

/// The bit of an index by which a session differs from a connection.
const VIRTUAL: u32 = 1 << 31;

/// One session that was born polling.
#[derive(Debug, Default)]
pub struct Line {
    /// Its name.
    pub id: u128,
    /// The core where it was born.
    pub birth: usize,
    /// Where its first request came from.
    pub opened: Option<Opened>,
    /// The poll that waits: the core and the connection there.
    pub poll: Option<(usize, Key)>,
    /// The POST that waits until all that it said is heard: the core and the connection there.
    pub post: Option<(usize, Key)>,
    /// The WebSocket that wants to carry it.
    pub probe: Option<Key>,
    /// The WebSocket that carries it.
    pub carrier: Option<Key>,
    /// The last words of one whose conversation is gone.
    pub last_words: Option<Vec<u8>>,
    /// Why its conversation ended before it.
    pub ended: Option<Closed>,
    /// It is over at the end of this callback.
    pub doomed: bool,
    /// More waits for a poll than may.
    pub choked: bool,
    /// The newest poll and POST that waited while it was a device's.
    recognised: [Option<(usize, Key)>; 2],
    alarm: Option<(Alarm, Instant)>,
    /// Its deadline came, and may have been excused: no other comes before this.
    look_again_at: Option<Instant>,
}

/// The sessions of one core.
pub struct Lines {
    rows: Slots<Line>,
    /// Those that are nobody's yet.
    strangers: Unidentified,
    touched: Vec<Key>,
    nowhere: Vec<u8>,
}

impl Line {
    /// A session that nothing happened to.
    pub fn new(id: u128, birth: usize, opened: Option<Opened>) -> Self {
        Self { id, birth, opened, ..Self::default() }
    }

    /// The poll and the POST that wait, each if the one before waited over another connection: a client that keeps its
    /// connections costs no letter for each.
    pub fn newcomers(&mut self) -> [Option<(usize, Key)>; 2] {
        let mut waits = [self.poll, self.post];
        for (waits, known) in waits.iter_mut().zip(&mut self.recognised) {
            if waits == known {
                *waits = None;
            } else if waits.is_some() {
                *known = *waits;
            }
        }
        waits
    }
}

impl Lines {
    /// No session yet. `strangers` has the ceilings of those that are nobody's.
    pub fn new(strangers: Unidentified) -> Self {
        Self { rows: Slots::new(), strangers, touched: Vec::new(), nowhere: Vec::new() }
    }

    /// The ceilings of these limits for those that are nobody's, from now on.
    pub fn keep_within(&mut self, limits: &Limits) {
        self.strangers.keep_within(limits);
    }

    /// Whether a key is that of a session.
    pub fn is_virtual(key: Key) -> bool {
        key.index & VIRTUAL != 0
    }

    /// The place of a key in a table of its kind.
    pub fn place(key: Key) -> usize {
        (key.index & !VIRTUAL) as usize
    }

    /// The index of the session at a place.
    pub fn index(place: usize) -> u32 {
        place as u32 | VIRTUAL
    }

    fn inner(key: Key) -> Key {
        Key { index: key.index & !VIRTUAL, ..key }
    }

    /// Makes room for a session. With it the one that must go for it, if there are too many that are nobody's.
    pub fn insert(&mut self, line: Line) -> (Key, Option<Key>) {
        let source = line.opened.map(|opened| opened.peer.ip());
        let key = self.rows.insert(line);
        debug_assert!(key.index & VIRTUAL == 0, "there are fewer sessions than that");
        let key = Key { index: key.index | VIRTUAL, ..key };
        (key, source.and_then(|source| self.strangers.arrive(key, source)))
    }

    /// What is known of a session.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Line> {
        if Self::is_virtual(key) { self.rows.get_mut(Self::inner(key)) } else { None }
    }

    /// Takes a session out, and its alarm back.
    pub fn remove(&mut self, cx: &mut Cx<'_>, key: Key) -> Option<Line> {
        if !Self::is_virtual(key) {
            return None;
        }
        let mut line = self.rows.remove(Self::inner(key))?;
        if let Some((alarm, _)) = line.alarm.take() {
            cx.disarm(alarm);
        }
        self.strangers.leave(key);
        Some(line)
    }

    /// So much is kept of what a session said that is nobody's. The answer is who must go for it, if anybody and not alone.
    pub fn keep(&mut self, key: Key, bytes: usize) -> Option<Key> {
        self.strangers.keep(key, bytes)
    }

    /// A session has said whose it is and waits for the gatekeeper's word. `false`: too many do, and it cannot.
    pub fn wait(&mut self, key: Key) -> bool {
        self.strangers.wait(key)
    }

    /// A session that waited was refused, and stays for a while. With it the one that must go for it, as in [`Lines::insert`].
    pub fn estrange(&mut self, key: Key) -> Option<Key> {
        let source = self.rows.get(Self::inner(key))?.opened?.peer.ip();
        self.strangers.arrive(key, source)
    }

    /// A session is a device's.
    pub fn identify(&mut self, key: Key) {
        self.strangers.leave(key);
    }

    /// Something happened to a session: it is settled at the end of the callback.
    pub fn touch(&mut self, key: Key) {
        self.touched.push(key);
    }

    /// The next session that something happened to.
    pub fn next_touched(&mut self) -> Option<Key> {
        self.touched.pop()
    }

    /// The connection behind a key, if there is one.
    pub fn connection(&self, key: Key) -> Option<Key> {
        if Self::is_virtual(key) { self.rows.get(Self::inner(key))?.carrier } else { Some(key) }
    }

    /// As [`engine::Cx::out_urgent`].
    pub fn out_urgent<'a>(&'a mut self, cx: &'a mut Cx<'_>, key: Key) -> Option<&'a mut Vec<u8>> {
        if !Self::is_virtual(key) {
            return cx.out_urgent(key);
        }
        self.touched.push(key);
        match self.rows.get(Self::inner(key))?.carrier {
            Some(conn) => cx.out_urgent(conn),
            None => Some(self.nobody_reads()),
        }
    }

    /// As [`engine::Cx::out`].
    pub fn out<'a>(&'a mut self, cx: &'a mut Cx<'_>, key: Key) -> Option<&'a mut Vec<u8>> {
        if !Self::is_virtual(key) {
            return cx.out(key);
        }
        self.touched.push(key);
        let line = self.rows.get(Self::inner(key))?;
        match line.carrier {
            Some(conn) => cx.out(conn),
            None if line.choked => None,
            None => Some(self.nobody_reads()),
        }
    }

    fn nobody_reads(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.nowhere.is_empty(), "words of a session that polls are in the session");
        self.nowhere.clear();
        &mut self.nowhere
    }

    /// As [`engine::Cx::hang_up`].
    pub fn hang_up(&mut self, cx: &mut Cx<'_>, key: Key) {
        if !Self::is_virtual(key) {
            return cx.hang_up(key);
        }
        self.touched.push(key);
        let Some(line) = self.rows.get_mut(Self::inner(key)) else { return };
        match line.carrier {
            Some(conn) => cx.hang_up(conn),
            None => line.doomed = true,
        }
    }

    /// As [`engine::Cx::opened`]; of a session that polls, what is true of its first request.
    pub fn opened(&mut self, cx: &Cx<'_>, key: Key) -> Option<Opened> {
        match self.get_mut(key) {
            Some(line) => line.carrier.and_then(|conn| cx.opened(conn)).or(line.opened),
            None => cx.opened(key),
        }
    }

    /// As [`engine::Cx::is_serving`].
    pub fn is_serving(&self, cx: &Cx<'_>, key: Key) -> bool {
        match self.connection(key) {
            Some(conn) => cx.is_serving(conn),
            None => self.rows.get(Self::inner(key)).is_some_and(|line| !line.doomed),
        }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are nobody's, those included that wait for the gatekeeper's word.
    pub fn strangers_in_all(&self) -> usize {
        self.strangers.in_all()
    }

    /// Whether a session is about to end.
    pub fn is_doomed(&self, key: Key) -> bool {
        Self::is_virtual(key) && self.rows.get(Self::inner(key)).is_some_and(|line| line.doomed)
    }

    /// As [`engine::Cx::resume`].
    pub fn resume(&self, cx: &mut Cx<'_>, key: Key) {
        if let Some(conn) = self.connection(key) {
            cx.resume(conn);
        }
    }

    /// As [`engine::Cx::set_deadline`].
    pub fn set_deadline(&mut self, cx: &mut Cx<'_>, key: Key, at: Option<Instant>) {
        if !Self::is_virtual(key) {
            return cx.set_deadline(key, at);
        }
        let Some(line) = self.rows.get_mut(Self::inner(key)) else { return };
        let at = at.max(at.and(line.look_again_at));
        if line.alarm.map(|(_, at)| at) == at {
            return;
        }
        if let Some((alarm, _)) = line.alarm.take() {
            cx.disarm(alarm);
        }
        line.alarm = at.map(|at| (cx.arm(at, Alarmed::Line(key)), at));
    }

    /// A session's alarm has rung. What cannot be judged now is looked at again at this moment, however often something happens
    /// to the session before.
    pub fn rang(&mut self, key: Key, look_again_at: Instant) {
        if let Some(line) = self.get_mut(key) {
            line.alarm = None;
            line.look_again_at = Some(look_again_at);
        }
    }
}
