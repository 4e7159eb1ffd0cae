//! Vetting: what happens to a connection whose key the key file does not vouch for.
//!
//! Owns the wait for the gatekeeper's word, at the log-in and again while the connection is served. Nothing behind CONNECT is
//! looked at meanwhile [MQTT-3.1.4-5], and what is kept of it counts as a stranger's; a wait has an end, and a refusal for want of an
//! answer is one that may be tried again (CONNACK 3). Never asks about a key that the file knows: the file's word is final, and only the failure is counted.

use super::admission::{Refusal, UNAVAILABLE, is_good_for, may_be_device, misfit};
use super::claim::Claim;
use super::conversation::Standing;
use super::lines::Lines;
use super::status::Reason;
use crate::auth::mail::{Judged, Question, QuestionNumber, ToGatekeeper, Verdict, Via};
use crate::auth::{Grant, Known};
use crate::mail::Mail;
use crate::metrics::{AuthOutcome, Transport};
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use codec::mqtt::ConnectCode;
use engine::Key;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A wrong key of a locked-out source is answered after this, so that it cannot be tried faster.
const BARRED_FOR: Duration = Duration::from_secs(1);
/// While the auth service is away, an open connection is looked at again after about this.
const RECHECK_LATER: Duration = Duration::from_secs(30);

/// A claim that the gatekeeper has been asked about.
#[derive(Debug)]
pub struct Waiting {
    claim: Claim,
    number: QuestionNumber,
    /// When it is refused for now, if no word has come.
    pub until: Instant,
    /// What is wrong with its key, if the gatekeeper knows no better.
    doubt: AuthOutcome,
}

/// A claim that was wrong once too often.
#[derive(Clone, Copy, Debug)]
pub struct Barred {
    /// When it is refused.
    pub until: Instant,
    /// When its source is no longer locked out.
    free_at: Instant,
}

impl Shard {
    /// The key file does not vouch for the claim: the gatekeeper does, or counts one more failure.
    pub(super) fn ask_gatekeeper(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        mut claim: Claim,
        doubt: AuthOutcome,
    ) {
        let (Some(opened), Some(via)) = (self.lines.opened(cx, conn), self.via(conn)) else { return };
        let until = cx.now() + Duration::from_millis(self.facts.limits.auth_wait_ms);
        let number = self.questions.count();
        // The file's word on a key that it knows is final: no service is asked about one that was revoked or is another's.
        let known = !matches!(self.keys.look_up(&claim.digest), Known::Unknown);
        let question = Question {
            from: cx.core(),
            asker: conn,
            number,
            source: opened.peer.ip(),
            agent: claim.agent.clone(),
            device: Some(claim.device.clone()),
            via,
            digest: claim.digest,
            secret: claim.secret.take().filter(|_| !known),
            deadline: until,
            again: false,
        };
        self.antechamber.enter(self.facts.home.of(&claim.agent, &claim.device), conn);
        if let Some(peer) = self.peers.mqtt_mut(conn) {
            peer.standing = Standing::Waiting(Box::new(Waiting { claim, number, until, doubt }));
        }
        match self.may_wait(conn) {
            true => {
                let letter = ToGatekeeper::Judge(Box::new(question));
                cx.post(self.facts.gatekeeper, Mail::Gatekeeper(letter));
            }
            false => self.claim_judged(cx, conn, number, Verdict::Unavailable),
        }
    }

    /// Whether one more may wait for the gatekeeper's word here. Whoever does has said who it is, and is no longer one of the
    /// strangers who give way to each other; what is kept of it still counts.
    fn may_wait(&mut self, conn: Key) -> bool {
        match Lines::is_virtual(conn) {
            true => self.lines.wait(conn),
            false => self.unidentified.wait(conn),
        }
    }

    /// Whoever waits for the gatekeeper's word and must go is told to come again [HOSTILE C5]. `false`: it does not wait.
    pub(super) fn put_off(&mut self, cx: &mut Cx<'_>, conn: Key) -> bool {
        match self.peers.get_mut(conn) {
            Some(Peer::Mqtt(peer)) => {
                let Standing::Waiting(waiting) = &peer.standing else { return false };
                let number = waiting.number;
                self.claim_judged(cx, conn, number, Verdict::Unavailable);
                true
            }
            Some(Peer::Http(_)) => self.put_off_request(cx, conn),
            Some(Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_)) | None => false,
        }
    }

    /// How a device speaks, in the service's words.
    fn via(&mut self, conn: Key) -> Option<Via> {
        self.peers.mqtt_mut(conn).map(|peer| match peer.transport() {
            Transport::Socketio => Via::Socketio,
            Transport::Mqtt | Transport::MqttWs | Transport::Http => Via::Mqtt,
        })
    }

    /// The gatekeeper's word on the claim of a connection that still waits for it.
    fn claim_judged(&mut self, cx: &mut Cx<'_>, conn: Key, number: QuestionNumber, verdict: Verdict) {
        let verdict = match self.lines.is_doomed(conn) {
            // Its session is ending, and nobody sits down for that.
            true => Verdict::Unavailable,
            false => verdict,
        };
        if !Lines::is_virtual(conn) && !cx.is_serving(conn) {
            // Its end is decided, and will be told of.
            return;
        }
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        let waiting = match std::mem::replace(&mut peer.standing, Standing::Stranger) {
            Standing::Waiting(waiting) if waiting.number == number => waiting,
            other => return peer.standing = other,
        };
        let claim = &waiting.claim;
        match self.weigh(cx, &waiting, &verdict) {
            Ok((grant, device)) => {
                self.admitted(cx, conn, device, grant, claim.clean_session);
                self.resume_device(cx, conn);
            }
            Err(refusal) => {
                self.note_refusal(cx, claim, refusal.outcome);
                self.antechamber.leave(self.facts.home.of(&claim.agent, &claim.device), conn);
                if let Verdict::No { locked: Some(left) } = verdict {
                    self.bar(cx, conn, left);
                } else {
                    self.refuse(cx, conn, refusal.code, refusal.outcome);
                    self.lines.hang_up(cx, conn);
                }
            }
        }
        self.set_deadline(cx, conn);
    }

    fn weigh(
        &mut self,
        cx: &Cx<'_>,
        waiting: &Waiting,
        verdict: &Verdict,
    ) -> Result<(Arc<Grant>, Key), Refusal> {
        let not_authorized = |outcome| Refusal { code: ConnectCode::NotAuthorized, outcome };
        let claim = &waiting.claim;
        let grant = match verdict {
            Verdict::Yes(grant) => Arc::clone(grant),
            Verdict::Known(_) | Verdict::No { locked: None } => return Err(not_authorized(waiting.doubt)),
            Verdict::No { locked: Some(_) } => return Err(not_authorized(AuthOutcome::RateLimited)),
            Verdict::Unavailable => return Err(UNAVAILABLE),
        };
        // The keys may have changed while the service was asked.
        if !self.keys.is_live(&grant) {
            return Err(not_authorized(AuthOutcome::UnknownKey));
        }
        if !is_good_for(&grant, claim) {
            return Err(not_authorized(misfit(&grant)));
        }
        if cx.draining() {
            return Err(UNAVAILABLE);
        }
        let device = self.row_for(claim, &grant)?;
        Ok((grant, device))
    }

    /// Keeps a wrong key of a locked-out source waiting, a stranger still: it would be a way around their ceilings.
    fn bar(&mut self, cx: &mut Cx<'_>, conn: Key, left: Duration) {
        if let Some(peer) = self.peers.mqtt_mut(conn) {
            let now = cx.now();
            peer.standing =
                Standing::Barred(Box::new(Barred { until: now + BARRED_FOR, free_at: now + left }));
        }
        if Lines::is_virtual(conn) {
            let crowded = self.lines.estrange(conn);
            self.make_room(cx, crowded);
        } else if let Some(opened) = self.lines.opened(cx, conn) {
            self.greet_stranger(cx, conn, opened.peer.ip());
        }
    }

    /// A connection that may not speak yet: whether it is one, and what to do when its time has come.
    pub(crate) fn held_up_due(&mut self, cx: &mut Cx<'_>, conn: Key) -> bool {
        let now = cx.now();
        let Some(peer) = self.peers.mqtt_mut(conn) else { return false };
        match &peer.standing {
            Standing::Waiting(waiting) if waiting.until <= now => {
                let number = waiting.number;
                self.claim_judged(cx, conn, number, Verdict::Unavailable);
            }
            Standing::Barred(barred) if barred.until <= now => {
                let left = barred.free_at.saturating_duration_since(now);
                peer.standing = Standing::Stranger;
                peer.locked_out_for(left);
                self.refuse(cx, conn, ConnectCode::NotAuthorized, AuthOutcome::RateLimited);
                self.lines.hang_up(cx, conn);
            }
            Standing::Waiting(_) | Standing::Barred(_) => {}
            Standing::Stranger | Standing::Claimed(_) | Standing::Held(_) | Standing::Seated(_) => {
                return false;
            }
        }
        true
    }

    /// A connection ended: if its claim waited, it is forgotten.
    pub(crate) fn claim_left(&mut self, conn: Key, standing: &Standing) {
        if let Standing::Waiting(waiting) = standing {
            let hash = self.facts.home.of(&waiting.claim.agent, &waiting.claim.device);
            self.antechamber.leave(hash, conn);
        }
    }

    /// When the auth service must be asked again about a seated device.
    pub(crate) fn next_recheck(&self, device: Key) -> Option<Instant> {
        #[cfg(planted)]
        if engine::planted::is("never-asked-again") {
            return None;
        }
        self.devices.get(device)?.seat.as_ref()?.grant.ask_again_at()
    }

    /// Asks again about a seated device, if it is time.
    pub(crate) fn recheck_device(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let Some(peer) = self.peers.mqtt_mut(conn).filter(|peer| peer.rechecking.is_none()) else { return };
        let Some(device) = peer.seated() else { return };
        if self.next_recheck(device).is_none_or(|at| at > cx.now()) {
            return;
        }
        let Some(row) = self.devices.get(device) else { return };
        let Some(grant) = row.seat.as_ref().map(|seat| Arc::clone(&seat.grant)) else { return };
        let name = Some(row.name.clone());
        let Some(via) = self.via(conn) else { return };
        let asked = self.ask_again(cx, conn, &grant, name, via);
        if let Some(peer) = self.peers.mqtt_mut(conn) {
            peer.rechecking = asked;
        }
    }

    /// Posts the question whether a connection that is served still may be. None: there is nothing to ask.
    pub(crate) fn ask_again(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        grant: &Grant,
        device: Option<Box<str>>,
        via: Via,
    ) -> Option<QuestionNumber> {
        let (opened, secret) = (self.lines.opened(cx, conn)?, grant.secret()?);
        let number = self.questions.count();
        let question = Question {
            from: cx.core(),
            asker: conn,
            number,
            source: opened.peer.ip(),
            agent: grant.agent.name().into(),
            device,
            via,
            digest: *grant.digest(),
            secret: Some(secret.clone()),
            deadline: cx.now() + Duration::from_millis(self.facts.limits.auth_wait_ms),
            again: true,
        };
        cx.post(self.facts.gatekeeper, Mail::Gatekeeper(ToGatekeeper::Judge(Box::new(question))));
        Some(number)
    }

    /// The gatekeeper's word on a connection that is served: a no ends it, and while nobody can say, it stays.
    fn device_rechecked(&mut self, cx: &mut Cx<'_>, judged: Judged) {
        let conn = judged.asker;
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        if peer.rechecking.take_if(|asked| *asked == judged.number).is_none() {
            return;
        }
        let Some(device) = peer.seated() else { return };
        let Some(row) = self.devices.get_mut(device).filter(|row| row.is_seated(conn)) else { return };
        let Some(seat) = row.seat.as_mut() else { return };
        match stands(&seat.grant, judged.verdict, cx) {
            Some(grant) if may_be_device(&grant) => seat.grant = grant,
            Some(_) | None => {
                tracing::info!("hung up on a device whose key the auth service no longer vouches for");
                self.part(cx, conn, Reason::AuthFailed);
            }
        }
        self.set_deadline(cx, conn);
    }

    /// A word of the gatekeeper: whose is it?
    pub(crate) fn judged(&mut self, cx: &mut Cx<'_>, judged: Judged) {
        match (self.peers.get_mut(judged.asker), judged.again) {
            (Some(Peer::Mqtt(_)), false) => {
                self.claim_judged(cx, judged.asker, judged.number, judged.verdict);
            }
            (Some(Peer::Mqtt(_)), true) => self.device_rechecked(cx, judged),
            (Some(Peer::Http(_)), false) => self.request_judged(cx, judged),
            (Some(Peer::Http(_)), true) => self.agent_rechecked(cx, judged),
            (Some(Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_)) | None, _) => {}
        }
    }
}

/// What a connection's grant is after it was asked about again; none when it is worth nothing any more.
pub(crate) fn stands(grant: &Grant, verdict: Verdict, cx: &mut Cx<'_>) -> Option<Arc<Grant>> {
    match verdict {
        Verdict::Yes(grant) => Some(grant),
        Verdict::Known(_) | Verdict::No { .. } => None,
        #[cfg(planted)]
        Verdict::Unavailable if engine::planted::is("outage-ends-connections") => None,
        Verdict::Unavailable => {
            let spread = Duration::from_millis(cx.random_u64() % RECHECK_LATER.as_millis() as u64);
            grant.prolonged(cx.now() + RECHECK_LATER + spread).map(Arc::new)
        }
    }
}
