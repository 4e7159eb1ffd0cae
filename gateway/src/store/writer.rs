//! The only one to touch the journal: takes a batch of mail, appends all of it, then answers all of it.
//!
//! Owns the order of answers: nothing that was asked in a batch is answered before everything of the batch is kept, and
//! answers go out in the order of the questions, waiting readers last. It never starts a thread, never waits and never
//! reads a clock by itself; whoever turns it hands in the mail, the clock and the way to answer.
//!
//! ```text
//!   take mail --> append, note what to answer --+--> [kept] --> answer in order --> answer waiting readers
//!      ^                                        |
//!      +----- until none or the turn is full ---+
//! ```

use super::counters::Counters;
use super::journal::{Batch, Journal, JournalLimits};
use super::mail::{FromStore, ToStore};
use super::parking::{Parking, Question, Reader};
use super::record::EventKind;
use engine::slots::Key;
use std::sync::Arc;
use std::time::Instant;

/// The writer's ceilings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterLimits {
    /// How much is kept.
    pub journal: JournalLimits,
    /// Readers that may wait for an event, of all agents.
    pub parked_max: usize,
    /// Readers that may wait for an event of one agent.
    pub parked_per_agent_max: usize,
    /// Mails taken in one turn.
    pub mails_per_turn_max: usize,
}

impl Default for WriterLimits {
    /// The journal's defaults, 65,536 waiting readers, 4,096 of one agent, 4,096 mails a turn.
    fn default() -> Self {
        WriterLimits {
            journal: JournalLimits::default(),
            parked_max: 65_536,
            parked_per_agent_max: 4_096,
            mails_per_turn_max: 4_096,
        }
    }
}

/// What to say once the batch is kept.
#[derive(Debug)]
enum Promise {
    Kept { core: usize, ticket: Key, buffer: Vec<u8>, cursor: u64 },
    Fetch { agent: Arc<str>, reader: Reader, question: Question },
    Newest { reader: Reader, cursor: u64 },
    Unfetch { agent: Arc<str>, reader: Reader },
    Count { reader: Reader },
}

/// The store's writer: a neighbour of the cores.
#[derive(Debug)]
pub struct Writer {
    journal: Journal,
    parking: Parking,
    mails_per_turn_max: usize,
    counted: Counters,
    /// The batch's answers, in order; empty between turns.
    promises: Vec<Promise>,
    /// The batch's agents with new events; empty between turns.
    touched: Vec<Arc<str>>,
}

impl Writer {
    /// A writer with nothing kept.
    pub fn new(limits: WriterLimits) -> Writer {
        Writer {
            journal: Journal::new(limits.journal),
            parking: Parking::new(limits.parked_max, limits.parked_per_agent_max),
            mails_per_turn_max: limits.mails_per_turn_max,
            counted: Counters::default(),
            promises: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// One batch: takes what mail there is, up to the ceiling, appends it and answers it.
    ///
    /// `clock` is asked twice at most; `post` is given a core and an answer for it. Returns the number of mails taken:
    /// 0 means that there was nothing to do, the ceiling of [`WriterLimits::mails_per_turn_max`] that there may be more.
    pub fn turn(
        &mut self,
        mut clock: impl FnMut() -> Instant,
        mut take: impl FnMut() -> Option<ToStore>,
        mut post: impl FnMut(usize, FromStore),
    ) -> usize {
        let Some(first) = take() else { return 0 };
        let started = clock();
        let mut taken = 1;
        self.receive(first);
        while taken < self.mails_per_turn_max
            && let Some(mail) = take()
        {
            self.receive(mail);
            taken += 1;
        }
        if !self.touched.is_empty() {
            self.counted.commit_seconds.record(clock().saturating_duration_since(started));
        }
        self.answer(&mut post);
        self.answer_parked(&mut post);
        taken
    }

    /// What is kept, to be looked at and not changed.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The counters and gauges as they are now.
    pub fn counters(&self) -> Counters {
        Counters {
            dropped: self.journal.dropped(),
            parked: self.parking.count() as u64,
            agents: self.journal.agents() as u64,
            bytes: self.journal.bytes() as u64,
            ..self.counted.clone()
        }
    }

    /// Appends, and notes what to answer. What is newest is decided here, in the order of the mail: an event that follows
    /// the question in the same batch is news to the reader.
    fn receive(&mut self, mail: ToStore) {
        match mail {
            ToStore::Keep { agent, kind, json, answer } => self.keep(agent, kind, json, answer),
            ToStore::Fetch { core, reader, agent, after, events_max, bytes_max } => {
                let (events_max, bytes_max) = (events_max as usize, bytes_max as usize);
                let question = Question { after, events_max, bytes_max };
                self.promises.push(Promise::Fetch { agent, reader: (core, reader), question });
            }
            ToStore::Newest { core, reader, agent } => {
                let cursor = self.journal.last(&agent);
                self.promises.push(Promise::Newest { reader: (core, reader), cursor });
            }
            ToStore::Unfetch { core, reader, agent } => {
                self.promises.push(Promise::Unfetch { agent, reader: (core, reader) });
            }
            ToStore::Count { core, reader } => self.promises.push(Promise::Count { reader: (core, reader) }),
        }
    }

    fn keep(&mut self, agent: Arc<str>, kind: EventKind, mut json: Vec<u8>, answer: Option<(usize, Key)>) {
        let is_barrier = json.is_empty() && answer.is_some();
        let cursor = if is_barrier {
            self.journal.last(&agent)
        } else {
            self.counted.kept += 1;
            self.journal.append(&agent, kind, &json)
        };
        if let Some((core, ticket)) = answer {
            json.clear();
            self.promises.push(Promise::Kept { core, ticket, buffer: json, cursor });
        }
        // A run of one agent's events is the common case; a repeat costs one look at an empty parking place.
        if !is_barrier && self.touched.last() != Some(&agent) {
            self.touched.push(agent);
        }
    }

    fn answer(&mut self, post: &mut impl FnMut(usize, FromStore)) {
        let mut promises = std::mem::take(&mut self.promises);
        for promise in promises.drain(..) {
            match promise {
                Promise::Kept { core, ticket, buffer, cursor } => {
                    post(core, FromStore::Kept { ticket, buffer, cursor });
                }
                Promise::Fetch { agent, reader, question } => self.fetch(&agent, reader, question, post),
                Promise::Newest { reader: (core, reader), cursor } => {
                    post(core, FromStore::Newest { reader, cursor });
                }
                Promise::Unfetch { agent, reader } => self.parking.unpark(&agent, reader),
                Promise::Count { reader: (core, reader) } => {
                    let counters = Box::new(self.counters());
                    post(core, FromStore::Counted { reader, counters });
                }
            }
        }
        self.promises = promises;
    }

    /// Answers the question, or lets the reader wait, or tells it that there is no room to wait.
    fn fetch(
        &mut self,
        agent: &Arc<str>,
        reader: Reader,
        question: Question,
        post: &mut impl FnMut(usize, FromStore),
    ) {
        let batch = self.read(agent, question);
        if batch.is_empty() {
            if self.parking.park(agent, reader, question) {
                return;
            }
            self.counted.parking_refused += 1;
        } else {
            self.parking.unpark(agent, reader);
        }
        self.post_batch(reader, batch, post);
    }

    fn answer_parked(&mut self, post: &mut impl FnMut(usize, FromStore)) {
        let mut touched = std::mem::take(&mut self.touched);
        for agent in touched.drain(..) {
            for (reader, question) in self.parking.take(&agent) {
                self.fetch(&agent, reader, question, post);
            }
        }
        self.touched = touched;
    }

    fn read(&self, agent: &str, question: Question) -> Batch {
        self.journal.read(agent, question.after, question.events_max, question.bytes_max)
    }

    fn post_batch(&mut self, (core, reader): Reader, batch: Batch, post: &mut impl FnMut(usize, FromStore)) {
        self.counted.fetched += batch.events.len() as u64;
        let Batch { events, gap, next } = batch;
        post(core, FromStore::Fetched { reader, events, gap, next });
    }
}

#[cfg(test)]
#[path = "writer/tests.rs"]
mod tests;
