//! Devices: who they are, whether they are here, what they can do, and the words waiting to be said to them.
//!
//! A device lives whole on its home core: its row, connection, manifest, waiting commands and notices are all here, so
//! nothing in this folder locks, and nothing in it asks another core.
//!
//! ```text
//!   CONNECT -> claim -> (move home) -> admission -> seat      presence: online - late - offline
//!                                                     |
//!   status -> manifest (worker) -> tools              conversation -> command::answer, trigger::intake
//!                                                     speech <- commands in order, notices
//! ```

pub mod admission;
pub mod antechamber;
pub mod claim;
pub mod conflict;
pub mod control;
pub mod conversation;
pub mod cors;
pub mod description;
mod held;
pub mod interned;
pub mod lines;
pub mod manifest;
pub mod name;
pub mod notice;
pub mod polling;
pub mod presence;
pub mod probe;
pub mod recent;
pub mod refusals;
pub mod registry;
pub mod row;
pub mod schema;
pub mod socketio;
pub mod speech;
pub mod status;
pub mod talk;
pub mod tap;
pub mod topic;
pub mod translator;
pub mod unheard;
pub mod unidentified;
pub mod vetting;
pub mod wire;
mod word;
