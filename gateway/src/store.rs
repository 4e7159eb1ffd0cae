//! What an agent must not miss: its events, numbered, kept up to a ceiling, and read by cursor.
//!
//! Owns the journal, the writer which is the only one to touch it, and the sentences in which the cores speak with
//! that writer. The number that the writer gives an event is the cursor by which the agent reads on.
//! It never interprets an event (its JSON is bytes), never knows a connection, a stream or a webhook, and never answers
//! within the call that asked: a `Keep` is answered by mail in a later turn, so that no caller can come to rely on an
//! immediate answer which a disk could not give.
//!
//! ```text
//!   cores --Keep, Fetch, Unfetch, Count--> Writer::turn --append--> Journal (one log per agent)
//!         <--Kept, Fetched, Counted------        |
//!                                                +-- parked readers, answered when their agent gets an event
//! ```

pub mod counters;
pub mod journal;
pub mod mail;
mod parking;
pub mod record;
pub mod writer;

pub use counters::Counters;
pub use journal::JournalLimits;
pub use mail::{FromStore, ToStore};
pub use record::{Event, EventKind, Gap};
pub use writer::{Writer, WriterLimits};
