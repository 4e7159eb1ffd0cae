//! Admission: a claim is checked on the device's home core, and only then is anybody told "connected".
//!
//! Owns the order of things at a log-in: check, ask the gatekeeper if the key file does not vouch for it, settle or carry over
//! what the old connection had, seat the new one, CONNACK, then speak. Two claims of one name are served in the order in which they reach home; the newest wins
//! [MQTT-3.1.4-2]. Never trusts the accepting core's word for who it is.

use super::claim::Claim;
use super::conversation::Standing;
use super::row::{KeptSession, Row, Seat};
use super::status::{Reason, Status};
use super::topic::Subscriptions;
use crate::auth::{Grant, Operations};
use crate::command::outcome::{Outcome, Reached};
use crate::command::pending::Pending;
use crate::metrics::{AuthOutcome, Closed, ConnectionOutcome};
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use crate::store::record::EventKind;
use codec::mqtt::ConnectCode;
use engine::Key;
use std::sync::Arc;
use transports::mqtt::Session;

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is true, and its connection is the device's.
    Seated,
    /// The gatekeeper has been asked.
    HeldUp,
    /// It is not admitted; it has been told so, and is to be closed.
    Refused,
}

/// Why a claim is not admitted at once.
enum Obstacle {
    /// It is refused.
    Refused(Refusal),
    /// The key file does not vouch for it.
    Unvouched(AuthOutcome),
}

/// How a claim is refused.
pub(super) struct Refusal {
    pub(super) code: ConnectCode,
    pub(super) outcome: AuthOutcome,
}

/// It cannot be admitted now, and may try again.
pub(super) const UNAVAILABLE: Refusal =
    Refusal { code: ConnectCode::ServerUnavailable, outcome: AuthOutcome::Unavailable };

/// It contradicts itself, whatever its key is.
const FLAWED: Refusal = Refusal { code: ConnectCode::NotAuthorized, outcome: AuthOutcome::Malformed };

/// The key is good, the device is not wanted.
const DISABLED: Refusal = Refusal { code: ConnectCode::NotAuthorized, outcome: AuthOutcome::Disabled };

impl Shard {
    /// Checks the claim of a connection on its home core.
    pub(crate) fn admit(&mut self, cx: &mut Cx<'_>, conn: Key) -> Admission {
        let Some(peer) = self.peers.mqtt_mut(conn) else { return Admission::Refused };
        let claim = match std::mem::replace(&mut peer.standing, Standing::Stranger) {
            Standing::Claimed(claim) => *claim,
            other => {
                debug_assert!(false, "only a claim is checked");
                peer.standing = other;
                return Admission::Refused;
            }
        };
        match self.check_claim(cx, &claim) {
            Ok((grant, device)) => {
                self.admitted(cx, conn, device, grant, claim.clean_session);
                Admission::Seated
            }
            Err(Obstacle::Unvouched(doubt)) => {
                self.ask_gatekeeper(cx, conn, claim, doubt);
                Admission::HeldUp
            }
            Err(Obstacle::Refused(refusal)) => {
                self.note_refusal(cx, &claim, refusal.outcome);
                self.refuse(cx, conn, refusal.code, refusal.outcome);
                self.lines.hang_up(cx, conn);
                Admission::Refused
            }
        }
    }

    /// A claim is true. Older claims on the device that still wait are history.
    pub(super) fn admitted(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        grant: Arc<Grant>,
        clean_session: bool,
    ) {
        self.counters.auth(AuthOutcome::Admitted);
        if let Some(peer) = self.peers.mqtt_mut(conn) {
            peer.admit();
            self.counters.connection(peer.transport(), ConnectionOutcome::Accepted);
        }
        self.farewell_stranger(conn);
        let elders = match self.devices.get(device) {
            Some(row) if !self.antechamber.is_empty() => self.antechamber.admitted(row.hash, conn),
            Some(_) | None => Vec::new(),
        };
        for elder in elders {
            self.part(cx, elder, Reason::TakenOver);
        }
        self.seat(cx, conn, device, grant, clean_session);
    }

    /// Answers CONNECT with a refusal; the caller closes.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>, conn: Key, code: ConnectCode, outcome: AuthOutcome) {
        self.counters.auth(outcome);
        self.blame(conn, Reason::AuthFailed);
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) {
            peer.refused(outcome);
            peer.say(out, &mut self.spare, |session, out| session.refuse(code, out));
            self.counters.connection(peer.transport(), ConnectionOutcome::Refused);
        }
        self.say_goodbye(cx, conn);
    }

    /// Whether the key file says that the claim is true, and which row it is for.
    fn check_claim(&mut self, cx: &Cx<'_>, claim: &Claim) -> Result<(Arc<Grant>, Key), Obstacle> {
        if cx.draining() {
            return Err(Obstacle::Refused(UNAVAILABLE));
        }
        if claim.flaw.is_some() {
            return Err(Obstacle::Refused(FLAWED));
        }
        let unvouched = Obstacle::Unvouched;
        let grant = self.keys.check_digest(&claim.digest).ok_or(unvouched(AuthOutcome::UnknownKey))?;
        let grant = Arc::clone(grant);
        if !is_good_for(&grant, claim) {
            return Err(unvouched(misfit(&grant)));
        }
        let device = self.row_for(claim, &grant).map_err(Obstacle::Refused)?;
        Ok((grant, device))
    }

    /// Whether one more device of this agent may be remembered here.
    pub(super) fn has_room(&self, agent: &str) -> bool {
        let limits = &self.facts.limits;
        self.devices.len() < limits.devices_per_core_max as usize
            && self.devices.count_of(agent) < limits.devices_per_agent_and_core_max as usize
    }

    /// The row of the device that was claimed; none when it is disabled, or would be one too many.
    pub(super) fn row_for(&mut self, claim: &Claim, grant: &Grant) -> Result<Key, Refusal> {
        let hash = self.facts.home.of(&claim.agent, &claim.device);
        if let Some(device) = self.devices.find(hash, &claim.agent, &claim.device) {
            let disabled = self.devices.get(device).is_some_and(|row| row.status == Status::Disabled);
            #[cfg(planted)]
            let disabled = disabled && !engine::planted::is("disabled-is-admitted");
            return if disabled { Err(DISABLED) } else { Ok(device) };
        }
        let room = self.has_room(&claim.agent);
        if room { Ok(self.devices.insert(hash, &grant.agent, &claim.device)) } else { Err(UNAVAILABLE) }
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
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) {
            peer.standing = Standing::Seated(device);
            peer.say(out, &mut self.spare, |session, out| session.accept(resumed, present, out, now));
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
        let Some(seat) = self.devices.get_mut(device).and_then(Row::unseat) else { return false };
        let now = cx.now();
        let session = match self.peers.remove(seat.conn) {
            Some(Peer::Mqtt(mut peer)) => {
                peer.verdict.get_or_insert(Reason::TakenOver);
                if let Some(out) = self.lines.out_urgent(cx, seat.conn) {
                    peer.goodbye(out, now);
                }
                let left = Session::new(self.facts.mqtt.clone(), now);
                let session = std::mem::replace(&mut peer.session, left);
                self.put_away(seat.conn, peer);
                self.leave_behind(cx, seat.conn, Closed::TakenOver);
                Some(session)
            }
            _ => None,
        };
        self.lines.hang_up(cx, seat.conn);
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
        #[cfg(planted)]
        if engine::planted::is("take-over-settles-nothing")
            && self.devices.get(device).is_some_and(|row| row.seat.is_none() && row.status.is_here())
        {
            return;
        }
        loop {
            let Some(talk) = self.devices.get(device).and_then(|row| row.talk.as_ref()) else { return };
            let next = talk.commands().find_map(|key| {
                let pending = self.pending.get(key).filter(|pending| goes(pending))?;
                Some((key, if pending.attempts == 0 { Reached::NotSent } else { Reached::Unknown }))
            });
            let Some((key, reached)) = next else { return };
            #[cfg(planted)]
            let reached = match engine::planted::is("sent-told-as-not-sent") {
                true => Reached::NotSent,
                false => reached,
            };
            self.settle(cx, key, Outcome::DeviceOffline(reached), &[]);
        }
    }
}

/// Whether a grant lets a connection be the device that it claims to be.
pub(super) fn is_good_for(grant: &Grant, claim: &Claim) -> bool {
    grant.binds(&claim.agent, &claim.device) && may_be_device(grant)
}

/// What is wrong with a good key that does not let a connection be the device that it claims to be.
pub(super) fn misfit(grant: &Grant) -> AuthOutcome {
    if may_be_device(grant) { AuthOutcome::OtherBinding } else { AuthOutcome::NoDevice }
}

/// Whether a grant is a device's at all.
pub(super) fn may_be_device(grant: &Grant) -> bool {
    grant.allows(Operations::COMMANDS) || grant.allows(Operations::TRIGGERS)
}
