//! Which rule of Engine.IO was broken.
//!
//! Owns the names of the rules. It never decides what is done with a connection.

use codec::engineio::Malformed;
use std::fmt;

/// The client broke a rule: the session is over. A poll that waits is answered by
/// [`Session::take_answer`](super::Session::take_answer); everything else is closed. Headings are those of the protocol's
/// page, revision 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The bytes are no packet; the variant inside says why.
    Malformed(Malformed),
    /// A packet that only a server sends, or one that means nothing on this transport: open from a client, upgrade without a
    /// probe ("Packet encoding", table of types).
    Unexpected,
    /// A ping from a client: "the server sends a ping packet and the client must answer with a pong packet" ("Heartbeat").
    HeartbeatDirection,
    /// "If the client does not send a pong packet back, the server should consider that the connection is closed"
    /// ("Heartbeat").
    PingTimeout,
    /// A second poll while one waits: "only one GET request [...] at a time" ("HTTP long-polling").
    PollTwice,
    /// The client gave up a poll that waited, so that nobody knows whether it heard the answer.
    PollAborted,
}

impl Violation {
    /// A stable name for metrics and logs, in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "engineio_malformed",
            Self::Unexpected => "engineio_unexpected_packet",
            Self::HeartbeatDirection => "engineio_heartbeat_direction",
            Self::PingTimeout => "engineio_ping_timeout",
            Self::PollTwice => "engineio_poll_twice",
            Self::PollAborted => "engineio_poll_aborted",
        }
    }
}

impl From<Malformed> for Violation {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            rule => f.write_str(rule.name()),
        }
    }
}

impl std::error::Error for Violation {}
