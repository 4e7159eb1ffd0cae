//! A device's row in the registry: everything that is true of it, on its home core.
//!
//! Owns the shape; the rules that change it are in the neighbouring files. What only a busy device needs is behind
//! a box that an idle one does not have ([`Talk`]), because rows are counted in hundreds of thousands.

use super::manifest::Manifest;
use super::recent::Recent;
use super::status::{Reason, Status};
use super::talk::Talk;
use super::topic::Subscriptions;
use crate::auth::Agent;
use crate::auth::Grant;
use crate::metrics::Transport;
use engine::Key;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use transports::mqtt::Resumed;

/// One device.
#[derive(Debug)]
pub struct Row {
    /// Whose it is.
    pub agent: Arc<Agent>,
    /// Its name on the wire.
    pub name: Box<str>,
    /// The hash of (agent, name); the registry finds the row by it.
    pub hash: u64,
    /// Whether it is here.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// Since when, in Unix milliseconds.
    pub since_ms: u64,
    /// How its connection speaks to us, or spoke last.
    pub transport: Transport,
    /// How often it has been seated; a newer connection has a higher epoch.
    pub epoch: u32,
    /// When it was last heard, in Unix milliseconds.
    pub last_seen_ms: u64,
    /// Its current connection. Taken only by [`Row::unseat`].
    pub seat: Option<Seat>,
    /// What it said it can do. Kept when it leaves, for the API; counts as tools only while [`Seat::described`]. Set only by
    /// [`Row::describe`].
    pub manifest: Option<Arc<Manifest>>,
    /// The group it named.
    pub group: Option<Box<str>>,
    /// Words in both directions; absent while there are none ([`Registry::talk`](super::registry::Registry::talk)).
    pub talk: Option<Box<Talk>>,
    /// Triggers of a moment ago; absent until there was one.
    pub recent: Option<Box<Recent>>,
    /// What survives of a persistent session while the device is away.
    pub kept: Option<Box<KeptSession>>,
    /// How its last connections ended, the newest last.
    pub closes: Option<Box<VecDeque<Ended>>>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Why.
    pub reason: Reason,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// A device's current connection.
#[derive(Debug)]
pub struct Seat {
    /// The connection.
    pub conn: Key,
    /// The key it was admitted with; when that is revoked the connection ends.
    pub grant: Arc<Grant>,
    /// When it was last heard.
    pub heard_at: Instant,
    /// What it listens to.
    pub subscriptions: Subscriptions,
    /// It has sent a heartbeat, so heartbeats are expected of it from now on.
    pub beats: bool,
    /// Its second status was accepted on this connection: its tools exist.
    pub described: bool,
    /// It asked for a session that outlives the connection.
    pub persistent: bool,
}

/// What survives of a persistent session [MQTT-3.1.2-4].
#[derive(Debug)]
pub struct KeptSession {
    /// The transport's part.
    pub resumed: Resumed,
    /// The device's subscriptions.
    pub subscriptions: Subscriptions,
    /// The key it was admitted with; when that is revoked, nothing of the session is left.
    pub grant: Arc<Grant>,
}

impl Row {
    /// A row for a device that was never here before.
    pub fn new(agent: Arc<Agent>, name: &str, hash: u64) -> Self {
        Self {
            agent,
            name: name.into(),
            hash,
            status: Status::Offline,
            reason: Reason::ConnectionLost,
            since_ms: 0,
            transport: Transport::Mqtt,
            epoch: 0,
            last_seen_ms: 0,
            seat: None,
            manifest: None,
            group: None,
            talk: None,
            recent: None,
            kept: None,
            closes: None,
        }
    }

    /// Remembers how a connection ended; the oldest of more than `max` is forgotten.
    pub fn remember_end(&mut self, reason: Reason, at_ms: u64, max: usize) {
        let closes = self.closes.get_or_insert_default();
        while closes.len() >= max.max(1) {
            closes.pop_front();
        }
        closes.push_back(Ended { reason, at_ms });
    }

    /// Whether the device's commands are tools now.
    pub fn has_tools(&self) -> bool {
        #[cfg(planted)]
        if engine::planted::is("tools-outlive-connection") {
            return self.manifest.is_some();
        }
        self.status.is_here() && self.seat.as_ref().is_some_and(|seat| seat.described)
    }

    /// Whether it has described itself so on its current connection.
    pub fn has_described(&self, manifest: &Manifest) -> bool {
        // One that was compiled again may have had more time.
        let what = |manifest: &Manifest| (manifest.fingerprint(), manifest.refused_total());
        let same = self.manifest.as_ref().is_some_and(|before| what(before) == what(manifest));
        same && self.seat.as_ref().is_some_and(|seat| seat.described)
    }

    /// It described itself on its current connection: its commands are tools from now on.
    pub fn describe(&mut self, manifest: Arc<Manifest>) {
        let is_new = !self.has_described(&manifest);
        self.manifest = Some(manifest);
        if let Some(seat) = self.seat.as_mut() {
            seat.described = true;
        }
        if is_new {
            self.agent.count_list_change();
        }
    }

    /// Takes its connection from it; its commands are no tools any more.
    pub fn unseat(&mut self) -> Option<Seat> {
        let seat = self.seat.take()?;
        if seat.described {
            self.agent.count_list_change();
        }
        Some(seat)
    }

    /// Whether `conn` is the device's current connection, and not one that was superseded.
    pub fn is_seated(&self, conn: Key) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.conn == conn)
    }

    /// Changes the status; `since` moves only when it really is another.
    pub fn set_status(&mut self, status: Status, reason: Reason, wall_ms: u64) {
        if self.status != status {
            self.since_ms = wall_ms;
        }
        self.status = status;
        self.reason = reason;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_row_is_small() {
        assert!(size_of::<Row>() <= 152, "{}", size_of::<Row>());
    }
}
