//! Why a connection ended: counted once for each, when the engine says that it has ended.
//!
//! Owns the choice of the one reason: what its conversation is to blame for, if it is for anything, else how it looked from the
//! socket. Whoever hangs up leaves a reason behind and counts nothing. Sessions that poll are no connections; the requests that
//! carry them come on some.

use crate::agent::http::HttpPeer;
use crate::device::conversation::MqttPeer;
use crate::device::lines::Lines;
use crate::device::status::Reason;
use crate::metrics::Closed;
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use engine::{Close, Key};

impl Shard {
    /// A connection has ended.
    pub(crate) fn count_end(&mut self, conn: Key, close: Close) {
        let reason = match self.peers.get_mut(conn) {
            Some(Peer::Mqtt(peer)) => of_device(peer, close),
            Some(Peer::Http(peer)) => of_agent(peer, close),
            Some(Peer::Gone(reason)) => *reason,
            Some(&mut Peer::Carrier(session)) => {
                match self.lines.get_mut(session).and_then(|line| line.ended) {
                    Some(reason) => reason,
                    None => {
                        self.peers.mqtt_mut(session).map_or(by_itself(close), |peer| of_device(peer, close))
                    }
                }
            }
            Some(Peer::Probe(_)) | None => by_itself(close),
        };
        self.counters.closed(reason);
    }

    /// The conversation of a connection, or of a session, is over before that is. One that is ending just now has been counted.
    pub(crate) fn leave_behind(&mut self, cx: &Cx<'_>, conn: Key, reason: Closed) {
        if let Some(line) = self.lines.get_mut(conn) {
            line.ended = Some(reason);
        } else if !Lines::is_virtual(conn) && cx.is_open(conn) {
            self.peers.insert(conn, Peer::Gone(reason));
        }
    }
}

fn of_device(peer: &MqttPeer, close: Close) -> Closed {
    peer.verdict.map_or(by_itself(close), by_reason)
}

fn of_agent(peer: &HttpPeer, close: Close) -> Closed {
    peer.verdict.unwrap_or(match close {
        // Either side has said what it had to say.
        Close::Finished | Close::Asked => Closed::Disconnected,
        Close::Reset | Close::Stalled | Close::CarryOverflow | Close::Drained | Close::Tls => {
            by_itself(close)
        }
    })
}

fn by_itself(close: Close) -> Closed {
    match close {
        Close::Finished | Close::Reset | Close::CarryOverflow | Close::Asked | Close::Tls => {
            Closed::ConnectionLost
        }
        Close::Stalled => Closed::SlowReader,
        Close::Drained => Closed::GatewayStopped,
    }
}

/// The counter of a reason.
pub(crate) fn by_reason(reason: Reason) -> Closed {
    match reason {
        Reason::Connected | Reason::HeartbeatMissed | Reason::ConnectionLost => Closed::ConnectionLost,
        Reason::TakenOver => Closed::TakenOver,
        Reason::Disconnected => Closed::Disconnected,
        Reason::KeepaliveTimeout => Closed::KeepaliveTimeout,
        Reason::HeartbeatTimeout => Closed::HeartbeatTimeout,
        Reason::ProtocolViolation => Closed::ProtocolViolation,
        Reason::AuthFailed => Closed::AuthFailed,
        Reason::SlowReader => Closed::SlowReader,
        Reason::GatewayStopped => Closed::GatewayStopped,
        Reason::Disabled | Reason::Enabled | Reason::Removed | Reason::Registered => Closed::Disabled,
    }
}
