//! The judges: one file per family of rules, each a chapter of the ledger's code.
//!
//! Owns what must be true. An oracle looks at what was said and at what an observer knows; it fires with the name of the
//! rule and of whoever's wire showed it, and never repairs anything.

mod answers;
mod attempts;
mod congestion;
mod ends;
mod events;
mod house;
mod inquiries;
mod kept;
mod obedience;
mod presence;
mod queueing;
mod wire;

pub use answers::Answer;
pub use congestion::{judge_mail, look_at_mail};
pub use events::Reading;
pub use house::{check_ceilings, check_nothing_left};
pub use presence::Shown;
