//! Readers of an agent's events: every event from the cursor on, in order, as the journal has it; what was dropped is told
//! as a gap, and only that: a trigger by as many newer triggers as are kept, anything else by as many newer events that are
//! no triggers, or with a trigger that is gone.
//!
//! Owns a reader's place in the journal.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Ledger, TENANTS};
use codec::json::members;
use gateway::store::{Event, EventKind};
use std::fmt::Display;
use std::sync::Arc;

/// Where a reader stands.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Whose events.
    pub tenant: usize,
    /// The cursor that comes next; none for one who began with *now* and has not read any.
    pub next: Option<u64>,
    /// One who began with *now* sees nothing up to here.
    pub not_before: u64,
    /// One who began with *now* had read that it has begun when the journal had come so far.
    pub begun_by: u64,
    /// The text of the last cursor, to come back with.
    pub cursor: Option<String>,
}

impl Ledger {
    /// A reader was given an event.
    pub fn judge_read(
        &mut self,
        reading: &mut Reading,
        id: &str,
        kind: &str,
        data: &str,
        peer: &dyn Display,
    ) {
        let Some(cursor) = id.split_once('-').and_then(|(_, n)| u64::from_str_radix(n, 16).ok()) else {
            return self.fail(Oracle::Delivered, peer, format!("the event has the id {id:?}"));
        };
        reading.cursor = Some(id.to_owned());
        if kind == "gap" {
            return self.judge_gap(reading, data, peer);
        }
        let next = reading.next;
        let first = reading.not_before + 1..=reading.begun_by + 1;
        let follows = next.map_or(first.contains(&cursor), |next| cursor == next);
        self.check(follows, Oracle::Delivered, peer, || format!("event {cursor} where {next:?} comes next"));
        reading.next = Some(cursor + 1);
        let kept = self.journals[reading.tenant].at(cursor);
        let same = kept.is_some_and(|event| event.kind.name() == kind && *event.json == *data.as_bytes());
        self.check(same, Oracle::Delivered, peer, || {
            format!("event {cursor} of {} was read as {kind} {data}", TENANTS[reading.tenant])
        });
    }

    fn judge_gap(&mut self, reading: &mut Reading, data: &str, peer: &dyn Display) {
        self.saw(Seen::StreamGap);
        let Some((from, to)) = read_gap(data) else {
            return self.fail(Oracle::Delivered, peer, format!("an unreadable gap: {data}"));
        };
        let next = reading.next;
        self.check(next.is_none_or(|next| next == from), Oracle::Delivered, peer, || {
            format!("a gap from {from} where {next:?} comes next")
        });
        let (most, last) = (self.limits.events_kept_per_agent as usize, self.journals[reading.tenant].last());
        let events = || self.journals[reading.tenant].events.iter().rev();
        let is_trigger = |event: &Arc<Event>| event.kind == EventKind::Trigger;
        let newer = |cursor: u64, triggers: bool| {
            events().take_while(|e| e.cursor > cursor).filter(|e| is_trigger(e) == triggers).count()
        };
        let went = events().filter(|e| is_trigger(e)).count() > most;
        let newest_gone = |triggers: bool| {
            events().find(|e| (from..=to).contains(&e.cursor) && is_trigger(e) == triggers).map(|e| e.cursor)
        };
        let may_be_gone = newest_gone(true).is_none_or(|gone| newer(gone, true) >= most)
            && newest_gone(false)
                .is_none_or(|gone| newer(gone, false) >= most || (went && newer(gone, true) >= most));
        self.check(from <= to && to <= last && may_be_gone, Oracle::Delivered, peer, || {
            format!("a gap from {from} to {to}, but the newest is {last} and {most} of each kind are kept")
        });
        reading.next = Some(to + 1);
    }

    /// Whether the reader has read everything there is.
    pub fn has_read_all(&self, reading: &Reading) -> bool {
        let last = self.journals[reading.tenant].last();
        reading.next.map_or(last <= reading.begun_by, |next| next == last + 1)
    }
}

fn read_gap(data: &str) -> Option<(u64, u64)> {
    let [from, to] = members(data.as_bytes(), ["from", "to"]).ok()?;
    let number = |text: &str| u64::from_str_radix(text.split_once('-')?.1, 16).ok();
    Some((number(from?.plain_str()?)?, number(to?.plain_str()?)?))
}
