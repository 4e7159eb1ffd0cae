//! Which rule of Socket.IO was broken.
//!
//! Owns the names of the rules. The protocol knows one answer to all of them: the connection is closed.

use codec::socketio::Malformed;
use std::fmt;

/// The client broke a rule: end the Engine.IO session. Headings are those of the protocol's page, revision 5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The message is no packet; the variant inside says why.
    Malformed(Malformed),
    /// A namespace that is connected, or waits for its answer, is asked for again ("Connection to a namespace").
    ConnectTwice,
    /// More CONNECTs than [`Limits::connects_max`](super::Limits::connects_max); the limit is ours.
    TooManyConnects,
    /// An event, acknowledgement or goodbye in a namespace that is not connected ("Connection to a namespace").
    NotConnected,
    /// A CONNECT_ERROR, which only a server sends ("Connection to a namespace").
    ConnectErrorFromClient,
    /// No namespace was connected for [`Limits::connect_timeout`](super::Limits::connect_timeout).
    ConnectTimeout,
    /// A packet while attachments of the one before were still to come ("Packet encoding").
    AttachmentMissing,
    /// A binary message that is no packet's attachment ("Packet encoding").
    AttachmentOfNothing,
    /// Attachments larger than [`Limits::assembly_bytes_max`](super::Limits::assembly_bytes_max); the limit is ours.
    AssemblyTooBig,
}

impl Violation {
    /// A stable name for metrics and logs, in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "socketio_malformed",
            Self::ConnectTwice => "socketio_connect_twice",
            Self::TooManyConnects => "socketio_too_many_connects",
            Self::NotConnected => "socketio_not_connected",
            Self::ConnectErrorFromClient => "socketio_connect_error_from_client",
            Self::ConnectTimeout => "socketio_connect_timeout",
            Self::AttachmentMissing => "socketio_attachment_missing",
            Self::AttachmentOfNothing => "socketio_attachment_of_nothing",
            Self::AssemblyTooBig => "socketio_assembly_too_big",
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
