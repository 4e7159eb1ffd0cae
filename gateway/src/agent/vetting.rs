//! Vetting: who asks, whether the key file knows, and what happens when it does not.
//!
//! Owns the admission of a request: the tenant is the key's own agent and nothing else, and a foreign agent is answered
//! exactly like one that does not exist. A key that the file does not vouch for is the gatekeeper's to judge: the request
//! waits, and is looked at again with his word. A yes is remembered with the connection for its time, so that the requests that follow
//! cost nothing. Also ends what is under way when a key is taken back.

use super::errors::{ApiError, Problem};
use super::http::{Caller, HttpPeer, Waits};
use super::routes::{Access, Route};
use crate::auth::mail::{Judged, Question, QuestionNumber, ToGatekeeper, Verdict, Via};
use crate::auth::{Agent, Digest, Grant, Known, Operations, Sealed};
use crate::device::vetting::stands;
use crate::mail::Mail;
use crate::metrics::{AuthOutcome, Closed};
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use engine::Key;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::http::{Kept, Request};

/// Why a request goes no further.
pub(super) enum Denied {
    /// It is answered with this.
    For(ApiError),
    /// Its key is wrong, and its source has been wrong too often; it is locked out for so long still.
    LockedOut(Duration),
    /// The gatekeeper must be asked.
    NotYet(Doubt),
}

/// A key that the file does not vouch for.
pub(super) struct Doubt {
    digest: Digest,
    /// None when the service is not to be asked.
    secret: Option<Sealed>,
    /// The agent of the path; empty where it names none.
    agent: Box<str>,
    /// The key is an operator's and good; it is the agent that the file does not know.
    finds: bool,
}

/// How much of a request is here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// All of it.
    Request,
    /// Its head; the body is promised and waits for a verdict.
    HeadOnly,
}

/// A request that waits for the gatekeeper's word.
#[derive(Debug)]
pub struct Asked {
    number: QuestionNumber,
    digest: Digest,
    agent: Box<str>,
    /// The request; none when its body is still to come, and its head waits in the connection.
    request: Option<Kept>,
    /// When it is refused for now, if no word has come.
    pub until: Instant,
}

impl HttpPeer {
    /// When the auth service must be asked again about what this connection is being served.
    pub(super) fn next_recheck(&self) -> Option<Instant> {
        let under_way =
            matches!(self.waits, Waits::Ticket(_) | Waits::Opening(_) | Waits::Stream(_) | Waits::Tap(_));
        self.grant.as_ref().filter(|_| under_way && self.rechecking.is_none())?.ask_again_at()
    }
}

impl Shard {
    /// Who asks, and whether they may.
    pub(super) fn who_asks(
        &mut self,
        cx: &Cx<'_>,
        conn: Key,
        route: &Route,
        request: &Request<'_>,
        agent: &str,
    ) -> Result<Caller, Denied> {
        if route.access == Access::Open {
            return Ok(Caller { grant: None, agent: None });
        }
        let Some(secret) = request.header("authorization").and_then(bearer) else {
            self.counters.auth(AuthOutcome::Malformed);
            return Err(Denied::For(ApiError::Unauthorized));
        };
        let digest = Digest::of(secret.as_bytes());
        let grant = match self.keys.look_up(&digest) {
            Known::Live(grant) => Arc::clone(grant),
            Known::Revoked => {
                self.word_on(cx, conn, Doubt { digest, secret: None, agent: agent.into(), finds: false })?
            }
            Known::Unknown => {
                // A service is asked about a key and an agent: without one there is nothing to ask.
                let asks = self.facts.asks_service && route.access == Access::OwnAgent;
                let secret = Some(secret).filter(|_| asks).and_then(|secret| Sealed::new(secret.as_bytes()));
                self.word_on(cx, conn, Doubt { digest, secret, agent: agent.into(), finds: false })?
            }
        };
        self.may_use(cx, conn, route, grant, agent)
    }

    /// Whether a right key may use the route, and whose business it then is.
    fn may_use(
        &mut self,
        cx: &Cx<'_>,
        conn: Key,
        route: &Route,
        grant: Arc<Grant>,
        agent: &str,
    ) -> Result<Caller, Denied> {
        let operator = grant.allows(Operations::OPERATOR);
        let agent = match route.access {
            Access::Open | Access::AnyKey => Some(grant.agent.clone()),
            Access::Operator if operator => None,
            Access::OwnAgent if operator && grant.agent.name() != agent => {
                Some(self.agent_of_operator(cx, conn, &grant, agent)?)
            }
            Access::OwnAgent if grant.agent.name() != agent => return Err(Denied::For(ApiError::NotFound)),
            Access::OwnAgent if operator || grant.allows(Operations::AGENT) => Some(grant.agent.clone()),
            Access::Operator | Access::OwnAgent => {
                self.counters.auth(AuthOutcome::OtherBinding);
                return Err(Denied::For(ApiError::Forbidden));
            }
        };
        self.counters.auth(AuthOutcome::Admitted);
        Ok(Caller { grant: Some(grant), agent })
    }

    /// The agent that an operator asks for: of the key file, or one that the auth service has vouched for and who is here.
    fn agent_of_operator(
        &mut self,
        cx: &Cx<'_>,
        conn: Key,
        grant: &Grant,
        name: &str,
    ) -> Result<Arc<Agent>, Denied> {
        if let Some(agent) = self.keys.agent(name) {
            return Ok(agent.clone());
        }
        if !self.facts.asks_service || cx.draining() {
            return Err(Denied::For(ApiError::NotFound));
        }
        let peer = self.peers.http_mut(conn);
        let fits = |heard: &Judged| heard.digest.same(grant.digest()) && &*heard.agent == name;
        match peer.and_then(|peer| peer.heard.take_if(|heard| fits(heard))).map(|heard| heard.verdict) {
            Some(Verdict::Known(agent)) => Ok(agent),
            Some(Verdict::Unavailable) => Err(Denied::For(ApiError::AuthUnavailable)),
            Some(Verdict::Yes(_) | Verdict::No { .. }) => Err(Denied::For(ApiError::NotFound)),
            None => {
                let digest = *grant.digest();
                Err(Denied::NotYet(Doubt { digest, secret: None, agent: name.into(), finds: true }))
            }
        }
    }

    /// The gatekeeper's word on a key that the file does not vouch for, if he has given it to this connection. A yes counts as
    /// long as it is fresh, anything else for the one request that asked.
    fn word_on(&mut self, cx: &Cx<'_>, conn: Key, doubt: Doubt) -> Result<Arc<Grant>, Denied> {
        let Some(peer) = self.peers.http_mut(conn) else { return Err(Denied::NotYet(doubt)) };
        let fits = |heard: &Judged| heard.digest.same(&doubt.digest) && heard.agent == doubt.agent;
        let Some(heard) = peer.heard.take_if(|heard| fits(heard)) else { return Err(Denied::NotYet(doubt)) };
        match &heard.verdict {
            Verdict::Yes(grant) if doubt.secret.is_some() => {
                if grant.ask_again_at().is_some_and(|at| at <= cx.now()) {
                    return Err(Denied::NotYet(doubt));
                }
                let grant = Arc::clone(grant);
                peer.heard = Some(heard);
                Ok(grant)
            }
            Verdict::No { locked: Some(left) } => {
                self.counters.auth(AuthOutcome::RateLimited);
                Err(Denied::LockedOut(*left))
            }
            Verdict::Yes(_) | Verdict::Known(_) | Verdict::No { locked: None } => {
                self.counters.auth(AuthOutcome::UnknownKey);
                Err(Denied::For(ApiError::Unauthorized))
            }
            Verdict::Unavailable => {
                self.counters.auth(AuthOutcome::Unavailable);
                Err(Denied::For(ApiError::AuthUnavailable))
            }
        }
    }

    /// A word of the gatekeeper that is no yes is for the one request that asked, even if that came to need it no more.
    pub(super) fn forget_spent_word(&mut self, conn: Key) {
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.heard.take_if(|heard| !matches!(heard.verdict, Verdict::Yes(_)));
        }
    }

    /// Asks the gatekeeper; the request waits.
    pub(super) fn ask_about_request(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        doubt: Doubt,
        whole: Whole,
    ) {
        let Some(opened) = cx.opened(conn) else { return };
        let until = cx.now() + Duration::from_millis(self.facts.limits.auth_wait_ms);
        let Doubt { digest, secret, agent, finds } = doubt;
        let (from, number, asked_for) = (cx.core(), self.questions.count(), agent.clone());
        let letter = match finds {
            true => ToGatekeeper::Find { from, asker: conn, number, digest, agent: asked_for },
            false => ToGatekeeper::Judge(Box::new(Question {
                from,
                asker: conn,
                number,
                source: opened.peer.ip(),
                agent: asked_for,
                device: None,
                via: Via::Http,
                digest,
                secret,
                deadline: until,
                again: false,
            })),
        };
        cx.post(self.facts.gatekeeper, Mail::Gatekeeper(letter));
        if let Some(peer) = self.peers.http_mut(conn) {
            let request = (whole == Whole::Request).then(|| request.keep());
            peer.waits = Waits::Verdict(Box::new(Asked { number, digest, agent, request, until }));
        }
    }

    /// The gatekeeper's word on the key of a request.
    pub(crate) fn request_judged(&mut self, cx: &mut Cx<'_>, judged: Judged) {
        let conn = judged.asker;
        let Some(peer) = self.peers.http_mut(conn) else { return };
        let asked = match std::mem::replace(&mut peer.waits, Waits::Request) {
            Waits::Verdict(asked) if asked.number == judged.number => asked,
            #[cfg(planted)]
            Waits::Verdict(asked) if engine::planted::is("late-word-taken") => asked,
            // An earlier request has been refused for want of this word.
            other => return peer.waits = other,
        };
        peer.heard = Some(Box::new(judged));
        match &asked.request {
            Some(request) => self.request_again(cx, conn, &request.lend()),
            // The head lies with the engine, which offers it again.
            None => cx.resume(conn),
        }
        self.set_deadline(cx, conn);
    }

    /// The gatekeeper has not answered in time.
    pub(super) fn request_judged_late(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let now = cx.now();
        let Some(Waits::Verdict(asked)) = self.peers.http_mut(conn).map(|peer| &peer.waits) else { return };
        if asked.until <= now {
            self.judge_unavailable(cx, conn);
        }
    }

    /// Nobody will say anything about the request that waits. `false`: there is none.
    fn judge_unavailable(&mut self, cx: &mut Cx<'_>, conn: Key) -> bool {
        let Some(Waits::Verdict(asked)) = self.peers.http_mut(conn).map(|peer| &peer.waits) else {
            return false;
        };
        let (number, digest, agent) = (asked.number, asked.digest, asked.agent.clone());
        let verdict = Verdict::Unavailable;
        self.request_judged(cx, Judged { asker: conn, number, digest, agent, again: false, verdict });
        true
    }

    /// A request that waits for the gatekeeper's word must go. `false`: it does not wait.
    pub(crate) fn put_off_request(&mut self, cx: &mut Cx<'_>, conn: Key) -> bool {
        if let Some(peer) = self.peers.http_mut(conn).filter(|peer| matches!(peer.waits, Waits::Verdict(_))) {
            peer.session.close_after();
        }
        self.judge_unavailable(cx, conn)
    }

    /// A wrong key from a source that is locked out.
    pub(super) fn locked_out(&mut self, cx: &mut Cx<'_>, conn: Key, left: Duration) {
        let seconds = left.as_millis().div_ceil(1000).to_string();
        let problem = Problem { retry_after_ms: Some(left.as_millis() as u64), ..Problem::default() };
        let error = ApiError::RateLimited;
        self.problem_with(cx, conn, error, &problem, &[("Retry-After", &seconds)]);
    }

    /// Asks again about a connection that is being served, because it is time.
    pub(super) fn recheck_agent(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let Some(grant) = self.peers.http_mut(conn).and_then(|peer| peer.grant.clone()) else { return };
        let asked = self.ask_again(cx, conn, &grant, None, Via::Http);
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.rechecking = asked;
        }
    }

    /// The gatekeeper's word on a connection that is being served.
    pub(crate) fn agent_rechecked(&mut self, cx: &mut Cx<'_>, judged: Judged) {
        let conn = judged.asker;
        let Some(peer) = self.peers.http_mut(conn) else { return };
        if peer.rechecking.take_if(|asked| *asked == judged.number).is_none() {
            return;
        }
        // The next request may have shown another key meanwhile, of which nothing was said.
        let meant =
            |grant: &Grant| grant.digest().same(&judged.digest) && *grant.agent.name() == *judged.agent;
        if let Some(grant) = peer.grant.take_if(|grant| meant(grant)) {
            match stands(&grant, judged.verdict, cx) {
                Some(grant) if grant.allows(Operations::AGENT) => peer.grant = Some(grant),
                Some(_) | None => self.dismiss(cx, conn),
            }
        }
        self.set_deadline(cx, conn);
    }

    /// Other keys count from now on: what is under way for one that is gone ends.
    pub(crate) fn agents_recheck(&mut self, cx: &mut Cx<'_>) {
        let mut dismissed = Vec::new();
        for (conn, peer) in self.peers.iter_mut() {
            if let Peer::Http(peer) = peer
                && peer.grant.as_ref().is_some_and(|grant| !self.keys.is_live(grant))
            {
                peer.grant = None;
                dismissed.push(conn);
            }
        }
        for conn in dismissed {
            self.dismiss(cx, conn);
        }
    }

    /// The key of a connection is worth nothing any more: a stream ends, a request that waits is answered 401, and an idle
    /// connection is left to show another.
    fn dismiss(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let Some(peer) = self.peers.http_mut(conn) else { return };
        match &peer.waits {
            Waits::Request | Waits::Verdict(_) | Waits::Session { .. } | Waits::End => {}
            Waits::Stream(_) | Waits::Tap(_) => {
                tracing::info!("ended an event stream whose key counts no more");
                peer.verdict = Some(Closed::AuthFailed);
                cx.hang_up(conn);
            }
            Waits::Opening(_) => {
                peer.session.close_after();
                self.unauthorized(cx, conn, "");
            }
            Waits::Ticket(ticket) => {
                let ticket = *ticket;
                peer.session.close_after();
                self.ticket_left(cx, ticket);
                self.unauthorized(cx, conn, "");
            }
        }
    }

    /// Answers that there is no valid key.
    pub(super) fn unauthorized(&mut self, cx: &mut Cx<'_>, conn: Key, detail: &str) {
        let challenge = [("WWW-Authenticate", "Bearer realm=\"gateway\"")];
        let problem = Problem { detail, ..Problem::default() };
        self.problem_with(cx, conn, ApiError::Unauthorized, &problem, &challenge);
    }
}

/// The token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
