//! What an oracle says when it fires: which rule, who, when, and how to see it again.
//!
//! Owns the names of the oracles. Never judges.

use std::fmt;

/// A named rule that must hold in every run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Oracle {
    /// Every request gets exactly one answer, and the server's counters agree with the answers.
    OneAnswer,
    /// An answer belongs to the question and came from the device that was asked, first word first.
    RightAnswer,
    /// What the API shows of a device is what is true of its connection.
    Presence,
    /// A command whose device left is reported, not let to time out.
    Promptness,
    /// Nobody who behaves is hung up on.
    Blame,
    /// What an agent decides about a device holds.
    Obedience,
    /// A trigger is acknowledged only when it is in the journal, once, and in order.
    Kept,
    /// A reader sees every event from its cursor on, in order, as it is in the journal.
    Delivered,
    /// Commands reach a device in the order in which they were asked.
    CommandOrder,
    /// A command is tried as often, as late and under such ids as its manifest and the contract say.
    Attempts,
    /// What MQTT and the device's contract say about the wire: acknowledgements in order, one command in flight.
    Wire,
    /// Nothing is left over at the end.
    NothingLeft,
    /// Ceilings hold at every step.
    Ceilings,
    /// No agent sees another's anything.
    Isolation,
    /// Without faults everything finishes.
    Progress,
    /// The product's own assertions hold.
    Invariants,
    /// Equal seeds give equal runs.
    Repeatable,
}

impl Oracle {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneAnswer => "one-answer",
            Self::RightAnswer => "right-answer",
            Self::Presence => "presence",
            Self::Promptness => "promptness",
            Self::Blame => "blame",
            Self::Obedience => "obedience",
            Self::Kept => "kept",
            Self::Delivered => "delivered",
            Self::CommandOrder => "command-order",
            Self::Attempts => "attempts",
            Self::Wire => "wire",
            Self::NothingLeft => "nothing-left",
            Self::Ceilings => "ceilings",
            Self::Isolation => "isolation",
            Self::Progress => "progress",
            Self::Invariants => "invariants",
            Self::Repeatable => "repeatable",
        }
    }
}

/// A rule was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which.
    pub oracle: Oracle,
    /// The run.
    pub seed: u64,
    /// The scheduler's step.
    pub step: u64,
    /// Virtual milliseconds since the start.
    pub at_ms: u64,
    /// Whose wire showed it.
    pub peer: String,
    /// What was seen and what was expected.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oracle, seed, step, at_ms, peer, message } = self;
        write!(f, "{}: {message} [seed {seed}, step {step}, {at_ms} ms, {peer}]", oracle.name())
    }
}
