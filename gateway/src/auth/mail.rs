//! What is said to the gatekeeper, and what it says.
//!
//! Owns the shapes. A question carries the hash of a secret; the secret itself only where a service is to be asked about it.
//! Every question is answered, sooner or later, and exactly once.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Key;

use super::answer::Answer;
use super::{Agent, Digest, GatekeeperCounters, Grant, Sealed};

/// To the gatekeeper.
#[derive(Debug)]
pub enum ToGatekeeper {
    /// A key that the key file does not vouch for.
    Judge(Box<Question>),
    /// What a caller heard from the service.
    Heard {
        /// The call, by its flight.
        flight: u128,
        /// The service's word.
        answer: Answer,
    },
    /// An operator asks for an agent that the key file does not know: is somebody here whom the service calls so?
    Find {
        /// The core that asks.
        from: usize,
        /// The connection for which it asks.
        asker: Key,
        /// Which of that core's questions this is.
        number: QuestionNumber,
        /// The operator's key.
        digest: Digest,
        /// The agent.
        agent: Box<str>,
    },
    /// The keys have changed at a core: what was wrong before may be right now, so failures are forgotten.
    Forgive,
    /// Your counters, please.
    Count {
        /// The core that asks.
        core: usize,
        /// The waiting request there.
        ticket: Key,
    },
}

/// May this key do what it wants to?
#[derive(Debug)]
pub struct Question {
    /// The core that asks.
    pub from: usize,
    /// The connection for which it asks.
    pub asker: Key,
    /// Which of that core's questions this is.
    pub number: QuestionNumber,
    /// Where that connection comes from.
    pub source: IpAddr,
    /// The agent it claims to belong to, or whose path it asked for; empty where the path names none.
    pub agent: Box<str>,
    /// The device it claims to be; none for an agent's own side.
    pub device: Option<Box<str>>,
    /// How it speaks.
    pub via: Via,
    /// The hash of its secret.
    pub digest: Digest,
    /// The secret, when the service is to be asked. Without it the key is wrong, and only that is noted.
    pub secret: Option<Sealed>,
    /// Whoever asks waits no longer than this.
    pub deadline: Instant,
    /// The connection is served already; the question is whether it still may be.
    pub again: bool,
}

/// Tells a question from every other of the core that asks. A question that expired on its way is answered all the same, and by
/// then its connection may have asked the next one about the same key: only the number says which of them is answered. Every
/// connection has room for one, so it is small; it comes round again after four billion questions, none of which is waited for so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuestionNumber(NonZeroU32);

impl Default for QuestionNumber {
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

/// How a peer speaks, in the word that the service is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// MQTT, over TCP or WebSocket.
    Mqtt,
    /// Socket.IO.
    Socketio,
    /// HTTP requests.
    Http,
}

/// From the gatekeeper.
#[derive(Debug)]
pub enum FromGatekeeper {
    /// The answer to one question.
    Judged(Judged),
    /// Its counters, for the request that asked.
    Counted {
        /// The waiting request.
        ticket: Key,
        /// As they are now.
        counters: GatekeeperCounters,
    },
}

/// The answer to one question, with as much of it as tells which.
#[derive(Debug)]
pub struct Judged {
    /// The connection for which it was asked.
    pub asker: Key,
    /// Which question it was.
    pub number: QuestionNumber,
    /// The key.
    pub digest: Digest,
    /// The agent.
    pub agent: Box<str>,
    /// As asked.
    pub again: bool,
    /// The word.
    pub verdict: Verdict,
}

/// What the gatekeeper says of a key.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The service vouches for it.
    Yes(Arc<Grant>),
    /// There is such an agent, for an operator who asks for it. There is none: [`Verdict::No`].
    Known(Arc<Agent>),
    /// It is wrong.
    No {
        /// Its source has been wrong too often and is locked out for so long still.
        locked: Option<Duration>,
    },
    /// It cannot be judged now.
    Unavailable,
}

impl QuestionNumber {
    /// Counts one more question. The answer is its number.
    pub fn count(&mut self) -> Self {
        self.0 = self.0.checked_add(1).unwrap_or(NonZeroU32::MIN);
        *self
    }
}

impl Via {
    /// The word for the service.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Socketio => "socketio",
            Self::Http => "http",
        }
    }
}
