//! The sentences between the cores and the store's writer.
//!
//! Owns their shapes only: the writer says in which order they are answered, the cores decide what an answer means.

use super::counters::Counters;
use super::record::{Event, EventKind, Gap};
use engine::slots::Key;
use std::sync::Arc;

/// What a core says to the writer.
#[derive(Debug)]
pub enum ToStore {
    /// Append one event to the agent's log. With an empty `json` nothing is appended and the mail is a *barrier*: its
    /// answer says that everything posted before it by the same core is kept.
    Keep {
        /// Whose event.
        agent: Arc<str>,
        /// What happened.
        kind: EventKind,
        /// The event's data. The writer copies it and gives the emptied buffer back in the answer.
        json: Vec<u8>,
        /// The core that waits for [`FromStore::Kept`], and its ticket; `None`: nobody waits.
        answer: Option<(usize, Key)>,
    },
    /// Read the agent's events behind `after`. Answered by one [`FromStore::Fetched`], at once if there is something
    /// to read, otherwise as soon as the agent gets an event. A reader has one question open at a time; a second one
    /// takes the place of a first that still waits.
    Fetch {
        /// The core that asks.
        core: usize,
        /// The reader there.
        reader: Key,
        /// Whose events.
        agent: Arc<str>,
        /// Behind the event with this cursor; 0 is the beginning.
        after: u64,
        /// At most so many events in the answer; 0 counts as 1.
        events_max: u32,
        /// At most so many bytes of JSON in the answer; the first event is given however large it is.
        bytes_max: u32,
    },
    /// Ask for the agent's newest event. Answered by one [`FromStore::Newest`], at once: every event that follows the
    /// question in the writer's mail is newer.
    Newest {
        /// The core that asks.
        core: usize,
        /// The reader there.
        reader: Key,
        /// Whose events.
        agent: Arc<str>,
    },
    /// The reader is gone: forget its open question. Not answered.
    Unfetch {
        /// The core that asked.
        core: usize,
        /// The reader there.
        reader: Key,
        /// Whose events it was reading.
        agent: Arc<str>,
    },
    /// Ask for the writer's counters.
    Count {
        /// The core that asks.
        core: usize,
        /// Who waits there.
        reader: Key,
    },
}

/// What the writer answers.
#[derive(Debug)]
pub enum FromStore {
    /// The event is kept, as safely as the store keeps anything.
    Kept {
        /// The ticket of the `Keep`.
        ticket: Key,
        /// The buffer of the `Keep`, empty, for the next one.
        buffer: Vec<u8>,
        /// The event's cursor; of a barrier, the cursor of the agent's newest event (0: there never was one).
        cursor: u64,
    },
    /// Events, oldest first. Neither events nor a gap: the writer has no room for one more waiting reader; ask again
    /// after a while, not at once.
    Fetched {
        /// The reader of the `Fetch`.
        reader: Key,
        /// What there was to read, within the limits of the question.
        events: Vec<Arc<Event>>,
        /// Events before these which were asked for and are no longer kept.
        gap: Option<Gap>,
        /// What to say as `after` in the next `Fetch`.
        next: u64,
    },
    /// The newest event.
    Newest {
        /// The reader of the question.
        reader: Key,
        /// Its cursor; 0: there never was one.
        cursor: u64,
    },
    /// The counters.
    Counted {
        /// Who asked.
        reader: Key,
        /// A copy, taken when the question was read.
        counters: Box<Counters>,
    },
}
