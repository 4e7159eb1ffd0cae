//! The key of a scripted agent, where an auth service has a say.
//!
//! Owns which key a request shows, and what a request means that was put off because nobody could say whether it is good: it
//! had no effect.

use super::{Agent, AgentLine, Asking, Request};
use crate::coverage::Seen;
use crate::device::Scene;
use crate::failure::Oracle;
use crate::ledger::{Ledger, ShownKey, TENANTS};
use crate::secrets;
use codec::json::members;
use gateway::auth::mail::Via;

impl Agent {
    /// Its key is one that the auth service knows, and not the key file.
    #[must_use]
    pub fn with_vouched_key(self, vouched: bool) -> Self {
        Self { vouched, ..self }
    }

    /// The key of a request.
    pub(super) fn secret(&self, request: &Request) -> String {
        match request {
            Request::WrongKey => secrets::WRONG.into(),
            Request::Metrics => secrets::OPERATOR.into(),
            _ if self.vouched => secrets::vouched_agent(TENANTS[self.tenant]),
            _ => secrets::of_agent(TENANTS[self.tenant]),
        }
    }

    /// Whether the key is worth nothing where this request wants to go: nobody vouches for it there.
    pub(super) fn is_disowned(&self, request: &Request) -> bool {
        self.vouched && matches!(request, Request::Foreign(_) | Request::Key)
            || matches!(request, Request::WrongKey)
    }

    /// A request was put off; `false`: it was not.
    pub(super) fn was_put_off(
        &mut self,
        scene: &mut Scene<'_>,
        line: &AgentLine,
        asking: &Asking,
        (status, body): (u16, &[u8]),
    ) -> bool {
        if status != 503 || line.stream.is_some() {
            return false;
        }
        let [code] = members(body, ["code"]).unwrap_or_default();
        // The second is the word of Lua's paths.
        if !matches!(code.and_then(|code| code.plain_str()), Some("auth-unavailable" | "AUTH_UNAVAILABLE")) {
            return false;
        }
        scene.ledger.saw(Seen::RequestPutOff);
        let shown = self.shown(asking);
        let may = shown.as_ref().is_some_and(|shown| scene.ledger.may_be_unjudged(shown));
        let may = may || scene.ledger.stopping;
        scene.ledger.check(may, Oracle::Blame, &self.peer(), || {
            format!("{:?} was put off, and the service could say: {shown:?}", asking.request)
        });
        self.take_back(scene.ledger, asking);
        true
    }

    /// Whether a request may have been put off while its body was on its way: who is still writing when the gateway, which waits for
    /// that a while, has hung up may find its connection reset before the answer was read.
    pub(super) fn may_be_cut_short(&self, ledger: &Ledger, line: &AgentLine) -> bool {
        line.waiting.front().is_some_and(|asking| {
            let shown = self.shown(asking);
            let in_pieces = match asking.request {
                Request::Command { question, .. } => ledger.questions[question].dribbled,
                _ => false,
            };
            in_pieces && shown.is_some_and(|shown| ledger.may_be_unjudged(&shown))
        })
    }

    /// The key that a request has shown, if the service may have been asked about it.
    fn shown(&self, asking: &Asking) -> Option<ShownKey> {
        let agent = match asking.request {
            Request::Foreign(agent) => agent,
            _ => TENANTS[self.tenant],
        };
        let secret = self.secret(&asking.request);
        let asked = secrets::is_vouched(&secret) || secret == secrets::WRONG;
        let (step, ms) = (asking.since, asking.said_ms);
        asked.then_some(ShownKey { secret, agent, device: None, via: Via::Http, step, ms })
    }

    /// What was asked for has not begun.
    fn take_back(&mut self, ledger: &mut Ledger, asking: &Asking) {
        match &asking.request {
            Request::Command { question, .. } => ledger.put_off(*question),
            Request::Control { identity, .. } => ledger.decision_unheard(*identity),
            Request::Events(reading) => {
                self.cursor = reading.next.filter(|_| reading.cursor.is_some()).map(|_| reading.clone());
            }
            _ => {}
        }
    }
}
