//! Admission: a claim is checked on the device's home core, and only then is anybody told "connected".
//!
//! Owns the order of things at a log-in: check, settle or carry over what the old connection had, seat the new one,
//! CONNACK, then speak. Two claims of one name are served in the order in which they reach home; the newest wins
//! [MQTT-3.1.4-2]. Never trusts the accepting core's word for who it is.

use super::claim::Claim;
use super::conversation::Standing;
use super::row::{KeptSession, Seat};
use super::status::{Reason, Status};
use super::topic::Subscriptions;
use crate::auth::Grant;
use crate::auth::Operations;
use crate::command::outcome::{Outcome, Reached};
use crate::command::pending::Pending;
use crate::metrics::{AuthOutcome, Closed, ConnectionOutcome};
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use crate::store::record::EventKind;
use codec::mqtt::ConnectCode;
use engine::Key;
use std::sync::Arc;

/// Why a claim is not admitted.
struct Refusal {
    code: ConnectCode,
    outcome: AuthOutcome,
}

impl Shard {
    /// Checks the claim of a connection on its home core. `false`: refused, and to be closed.
    pub(crate) fn admit(&mut self, cx: &mut Cx<'_>, conn: Key) -> bool {
        let Some(peer) = self.peers.mqtt_mut(conn) else { return false };
        let claim = match std::mem::replace(&mut peer.standing, Standing::Stranger) {
            Standing::Claimed(claim) => claim,
            other => {
                debug_assert!(false, "only a claim is checked");
                peer.standing = other;
                return false;
            }
        };
        match self.check_claim(cx, &claim) {
            Ok((grant, device)) => {
                self.counters.auth(AuthOutcome::Admitted);
                if let Some(peer) = self.peers.mqtt_mut(conn) {
                    peer.admit();
                    self.counters.connection(peer.transport(), ConnectionOutcome::Accepted);
                }
                self.farewell_stranger(conn);
                self.seat(cx, conn, device, grant, claim.clean_session);
                true
            }
            Err(refusal) => {
                self.refuse(cx, conn, refusal.code, refusal.outcome);
                cx.hang_up(conn);
                false
            }
        }
    }

    /// Answers CONNECT with a refusal; the caller closes.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>, conn: Key, code: ConnectCode, outcome: AuthOutcome) {
        self.counters.auth(outcome);
        self.blame(conn, Reason::AuthFailed);
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), cx.out_urgent(conn)) {
            peer.refused(outcome);
            peer.say(out, |session, out| session.refuse(code, out));
            self.counters.connection(peer.transport(), ConnectionOutcome::Refused);
        }
        self.say_goodbye(cx, conn);
    }

    /// Whether the claim is true, and which row it is for.
    fn check_claim(&mut self, cx: &Cx<'_>, claim: &Claim) -> Result<(Arc<Grant>, Key), Refusal> {
        let not_authorized = |outcome| Refusal { code: ConnectCode::NotAuthorized, outcome };
        let unavailable =
            || Refusal { code: ConnectCode::ServerUnavailable, outcome: AuthOutcome::Unavailable };
        let grant = self.keys.check_digest(&claim.digest).ok_or(not_authorized(AuthOutcome::UnknownKey))?;
        let device_key = grant.allows(Operations::COMMANDS) || grant.allows(Operations::TRIGGERS);
        if !grant.binds(&claim.agent, &claim.device) || !device_key {
            return Err(not_authorized(AuthOutcome::OtherBinding));
        }
        if cx.draining() {
            return Err(unavailable());
        }
        let hash = self.facts.home.of(&claim.agent, &claim.device);
        if let Some(device) = self.devices.find(hash, &claim.agent, &claim.device) {
            if self.devices.get(device).is_some_and(|row| row.status == Status::Disabled) {
                return Err(not_authorized(AuthOutcome::Disabled));
            }
            return Ok((grant.clone(), device));
        }
        if self.devices.len() >= self.facts.limits.devices_per_core_max as usize {
            return Err(unavailable());
        }
        let device = self.devices.insert(hash, &grant.agent, &claim.device);
        Ok((grant.clone(), device))
    }

    /// Seats an admitted connection at its device, in place of an older one if there is one, and answers CONNECT.
    pub(super) fn seat_now(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        grant: Arc<Grant>,
        clean_session: bool,
    ) {
        let Some(transport) = self.peers.mqtt_mut(conn).map(|peer| peer.transport()) else { return };
        let taken_over = self.unseat_older(cx, device);
        if clean_session {
            self.settle_all(cx, device, |_| true);
        }
        let Some(row) = self.devices.get_mut(device) else { return };
        let kept = row.kept.take().filter(|_| !clean_session);
        let present = kept.is_some();
        let (resumed, subscriptions) = match kept.map(|kept| *kept) {
            Some(KeptSession { resumed, subscriptions, .. }) => (Some(resumed), subscriptions),
            None => (None, Subscriptions::default()),
        };
        row.epoch += 1;
        row.transport = transport;
        row.last_seen_ms = cx.wall_ms();
        row.seat = Some(Seat {
            conn,
            grant,
            heard_at: cx.now(),
            subscriptions,
            beats: false,
            described: false,
            persistent: !clean_session,
            said_goodbye: false,
        });
        row.set_status(
            Status::Online,
            if taken_over { Reason::TakenOver } else { Reason::Connected },
            cx.wall_ms(),
        );
        if let Some(recent) = row.recent.as_mut() {
            recent.next_connection();
        }
        row.recent.take_if(|recent| recent.is_empty());
        if let Some(talk) = row.talk.as_mut().filter(|_| !present) {
            talk.unacked.clear();
        }
        let now = cx.now();
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), cx.out_urgent(conn)) {
            peer.standing = Standing::Seated(device);
            peer.say(out, |session, out| session.accept(resumed, present, out, now));
        }
        if !taken_over {
            self.tell(cx, device, EventKind::DeviceConnected);
        }
        self.say_again(cx, device);
        self.speak(cx, device);
    }

    /// Takes the device from its older connection. Its session lives on in the row when it was persistent, and its
    /// commands with it; otherwise they are settled before the new connection may speak.
    fn unseat_older(&mut self, cx: &mut Cx<'_>, device: Key) -> bool {
        let Some(seat) = self.devices.get_mut(device).and_then(|row| row.seat.take()) else { return false };
        self.counters.closed(Closed::TakenOver);
        let session = match self.peers.remove(seat.conn) {
            Some(Peer::Mqtt(mut peer)) => {
                peer.verdict.get_or_insert(Reason::TakenOver);
                if let Some(out) = cx.out_urgent(seat.conn) {
                    peer.goodbye(out);
                }
                Some(peer.session)
            }
            _ => None,
        };
        cx.hang_up(seat.conn);
        if !seat.persistent {
            self.settle_all(cx, device, |_| true);
        }
        self.conflicts.took_over(device, cx.now(), self.facts.limits.takeovers_per_minute);
        let Some(row) = self.devices.get_mut(device) else { return true };
        row.remember_end(Reason::TakenOver, cx.wall_ms(), self.facts.limits.closes_kept_per_device as usize);
        if let Some(talk) = row.talk.as_mut() {
            talk.notices.clear();
        }
        if seat.persistent {
            row.kept = session.map(|session| {
                let (resumed, Seat { subscriptions, grant, .. }) = (session.suspend(), seat);
                Box::new(KeptSession { resumed, subscriptions, grant })
            });
        }
        true
    }

    /// Settles what is under way for a device whose connection is gone, as far as it `goes`.
    pub(crate) fn settle_all(&mut self, cx: &mut Cx<'_>, device: Key, goes: impl Fn(&Pending) -> bool) {
        loop {
            let Some(talk) = self.devices.get(device).and_then(|row| row.talk.as_ref()) else { return };
            let next = talk.commands().find_map(|key| {
                let pending = self.pending.get(key).filter(|pending| goes(pending))?;
                Some((key, if pending.attempts == 0 { Reached::NotSent } else { Reached::Unknown }))
            });
            let Some((key, reached)) = next else { return };
            self.settle(cx, key, Outcome::DeviceOffline(reached), &[]);
        }
    }
}
