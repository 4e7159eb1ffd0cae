//! Presence: what is true of a device's connection, and nothing older.
//!
//! Owns the rules of late and offline, of the end of a connection, and of the connection's one deadline. A superseded
//! connection's end is history: only the seated one can make a device go.
//!
//! ```text
//!            admitted               a heartbeat missed (45 s)
//!   Offline ----------> Online <--------------------------------> Late
//!      ^                   |              heard again               |
//!      +-------------------+----------------------------------------+
//!        closed, keep-alive passed, two heartbeats missed (75 s), key revoked, taken over by nobody
//! ```

use super::conversation::{MqttPeer, Standing};
use super::row::{KeptSession, Seat};
use super::status::{Reason, Status};
use crate::auth::mail::ToGatekeeper;
use crate::auth::{Grant, Keys};
use crate::mail::Mail;
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use crate::store::record::EventKind;
use engine::{Close, Key};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A deadline that has passed and could not be judged is looked at again after this.
pub(super) const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Shard {
    /// A whole packet came from the device: it lives.
    pub(crate) fn heard(&mut self, cx: &Cx<'_>, device: Key) {
        let Some(row) = self.devices.get_mut(device) else { return };
        row.last_seen_ms = cx.wall_ms();
        if let Some(seat) = row.seat.as_mut() {
            seat.heard_at = cx.now();
        }
        if row.status == Status::Late {
            row.set_status(Status::Online, Reason::Connected, cx.wall_ms());
        }
    }

    /// Sets the connection's one deadline to the nearest of its rules. However often it is set, it comes no later: a peer that
    /// says one byte after the other buys no time.
    pub(crate) fn set_deadline(&mut self, cx: &mut Cx<'_>, conn: Key) {
        self.set_deadline_from(cx, conn, cx.now());
    }

    /// The same when one has just come, and may have been excused: the next comes after a while.
    pub(crate) fn set_next_deadline(&mut self, cx: &mut Cx<'_>, conn: Key) {
        self.set_deadline_from(cx, conn, cx.now() + LOOK_AGAIN_AFTER);
    }

    fn set_deadline_from(&mut self, cx: &mut Cx<'_>, conn: Key, earliest: Instant) {
        let at = match self.peers.get_mut(conn) {
            None => return,
            Some(Peer::Http(peer)) => peer.next_timeout(),
            Some(Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_)) => return,
            Some(Peer::Mqtt(peer)) => {
                let session = peer.next_timeout();
                let held_up = match &peer.standing {
                    Standing::Waiting(waiting) => Some(waiting.until),
                    Standing::Barred(barred) => Some(barred.until),
                    Standing::Stranger | Standing::Claimed(_) | Standing::Held(_) | Standing::Seated(_) => {
                        None
                    }
                };
                let (seated, rechecking) = (peer.seated(), peer.rechecking.is_some());
                let sweep = seated.and_then(|device| self.next_sweep(device));
                let recheck = seated.filter(|_| !rechecking).and_then(|device| self.next_recheck(device));
                [held_up, sweep, recheck].into_iter().flatten().chain([session]).min()
            }
        };
        self.lines.set_deadline(cx, conn, at.map(|at| at.max(earliest)));
    }

    /// When the device's heartbeat must be looked at next: never, as long as it has not sent one.
    fn next_sweep(&self, device: Key) -> Option<Instant> {
        let row = self.devices.get(device)?;
        let seat = row.seat.as_ref().filter(|seat| seat.beats)?;
        let wait_ms = match row.status {
            Status::Online => self.facts.limits.heartbeat_late_ms,
            Status::Late | Status::Offline | Status::Disabled | Status::Registered => {
                self.facts.limits.heartbeat_offline_ms
            }
        };
        Some(seat.heard_at + Duration::from_millis(wait_ms))
    }

    /// The connection's deadline has come: whose was it?
    pub(crate) fn device_due(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let now = cx.now();
        self.recheck_device(cx, conn);
        if self.held_up_due(cx, conn) {
            return;
        }
        // A session that polled and was upgraded has its words on the WebSocket that carries it.
        let below = self.lines.connection(conn);
        let unread = below.is_some_and(|below| cx.has_unread(below));
        #[cfg(planted)]
        let unread = unread && !engine::planted::is("silence-misjudged");
        // Its words may wait unread, in the kernel or here because neighbours are slow to take mail: silence is not its
        // fault. The engine bounds how long it may not read.
        let unheard = self.translator_mut(conn).is_some_and(|translator| translator.has_words());
        let choked = below.is_some_and(|below| cx.backlog_bytes(below) > 0);
        let excused = !self.listens(conn) || choked || unread || unheard;
        if !self.wire_due(cx, conn, excused) || excused {
            return;
        }
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        if let Err(violation) = peer.session.handle_timeout(now) {
            tracing::debug!(violation = violation.name(), "an MQTT peer let its time pass");
            return self.part(cx, conn, Reason::KeepaliveTimeout);
        }
        let Some(device) = peer.seated() else { return };
        if self.next_sweep(device).is_none_or(|at| at > now) {
            return;
        }
        let Some(row) = self.devices.get_mut(device) else { return };
        if row.status == Status::Online {
            row.set_status(Status::Late, Reason::HeartbeatMissed, cx.wall_ms());
            return;
        }
        self.part(cx, conn, Reason::HeartbeatTimeout);
    }

    /// A connection ended. Only the seated one makes its device go.
    pub(crate) fn device_left(&mut self, cx: &mut Cx<'_>, conn: Key, peer: MqttPeer, close: Close) {
        self.claim_left(conn, &peer.standing);
        let Some(device) = peer.seated() else { return };
        if self.devices.get(device).is_none_or(|row| !row.is_seated(conn)) {
            return;
        }
        let Some(peer) = self.relieve(cx, device, conn, peer) else { return };
        let Some(row) = self.devices.get_mut(device) else { return };
        let reason = peer.verdict.unwrap_or(match close {
            Close::Finished | Close::Reset | Close::CarryOverflow | Close::Asked | Close::Tls => {
                Reason::ConnectionLost
            }
            Close::Stalled => Reason::SlowReader,
            Close::Drained => Reason::GatewayStopped,
        });
        let seat = row.unseat();
        row.set_status(Status::Offline, reason, cx.wall_ms());
        #[cfg(planted)]
        if engine::planted::is("presence-not-updated") {
            row.set_status(Status::Online, Reason::Connected, cx.wall_ms());
        }
        row.remember_end(reason, cx.wall_ms(), self.facts.limits.closes_kept_per_device as usize);
        #[cfg(planted)]
        let stale = row.talk.as_mut().map(|talk| std::mem::take(&mut talk.notices)).unwrap_or_default();
        if let Some(talk) = row.talk.as_mut() {
            talk.notices.clear();
            #[cfg(planted)]
            if engine::planted::is("notices-outlive-connection") {
                talk.notices = stale;
            }
        }
        let keeps = reason != Reason::AuthFailed;
        if let Some(Seat { subscriptions, grant, .. }) = seat.filter(|seat| seat.persistent && keeps) {
            let resumed = peer.session.suspend();
            let grant = Grant::without_secret(grant);
            row.kept = Some(Box::new(KeptSession { resumed, subscriptions, grant }));
        }
        let waits_on = row.kept.is_some();
        #[cfg(planted)]
        let waits_on = waits_on && !engine::planted::is("queued-given-up");
        self.settle_all(cx, device, |pending| !(waits_on && pending.queues));
        self.devices.hush(device, cx.now());
        self.tell(cx, device, EventKind::DeviceDisconnected);
    }

    /// Other keys count from now on: whoever was admitted with one that is gone is let go, and what was wrong by the old ones is
    /// forgiven, behind the last question that this core has asked about it.
    pub(crate) fn keys_changed(&mut self, cx: &mut Cx<'_>, keys: Arc<Keys>) {
        self.keys = keys;
        cx.post(self.facts.gatekeeper, Mail::Gatekeeper(ToGatekeeper::Forgive));
        let (mut revoked, mut orphaned) = (Vec::new(), Vec::new());
        for (device, row) in self.devices.iter() {
            if let Some(seat) = &row.seat
                && !self.keys.is_live(&seat.grant)
            {
                revoked.push(seat.conn);
            }
            if row.kept.as_ref().is_some_and(|kept| !self.keys.is_live(&kept.grant)) {
                orphaned.push(device);
            }
        }
        #[cfg(planted)]
        if engine::planted::is("revoked-stays") {
            revoked.clear();
        }
        for conn in revoked {
            self.part(cx, conn, Reason::AuthFailed);
        }
        for device in orphaned {
            self.forget_session(cx, device);
        }
        self.agents_recheck(cx);
    }
}

impl Shard {
    /// Nothing of a device's session outlives its right to be here: what waited for it is settled.
    pub(crate) fn forget_session(&mut self, cx: &mut Cx<'_>, device: Key) {
        let Some(row) = self.devices.get_mut(device) else { return };
        row.kept = None;
        if row.seat.is_none() {
            self.settle_all(cx, device, |_| true);
        }
    }
}
