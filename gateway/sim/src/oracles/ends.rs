//! Ends that are told as events: of commands for which no request waits.
//!
//! Owns the reading of `command` events. Each such command has one, which says what the answer to a waiting request would
//! have said, and is judged as that; what came after an end changes nothing.

use super::Answer;
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Ledger, TENANTS, command_of};
use codec::json::{Raw, members};
use std::fmt::Display;

/// The HTTP statuses of errors that commands end with.
const STATUSES: [(&str, u16); 5] = [
    ("device-error", 502),
    ("device-offline", 503),
    ("device-timeout", 504),
    ("command-cancelled", 409),
    ("invalid-arguments", 422),
];

impl Ledger {
    /// The store has kept the end of a command of this tenant.
    pub(super) fn judge_end_event(&mut self, tenant: usize, json: &[u8]) {
        let shown = String::from_utf8_lossy(json).into_owned();
        let peer = TENANTS[tenant];
        let read = members(json, ["commandId", "lateAnswer", "attempts"]).unwrap_or_default();
        let [Some(id), late, Some(attempts)] = read else {
            return self.fail(Oracle::OneAnswer, peer, format!("an unreadable end of a command: {shown}"));
        };
        let (id, attempts) = (id.plain_str().unwrap_or_default(), attempts.as_u64().unwrap_or(u64::MAX));
        if late.is_some() {
            return self.saw(Seen::AnsweredTooLate);
        }
        let Some(n) = self.question_of_command(tenant, id) else {
            // Its asker has not heard the id yet, or has left before he did.
            self.unclaimed_ends.push((tenant, id.to_owned(), json.to_vec()));
            return;
        };
        let saying = format!("{peer}, whose journal says {shown}");
        self.judge_attempts_shown(n, "", attempts, self.step, &saying);
        self.judge_end(n, json, &saying);
    }

    /// A command has a name now; its end may have been told before.
    pub(super) fn claim_end(&mut self, n: usize, id: &str) {
        let tenant = self.questions[n].tenant;
        let told = |(whose, of, _): &(usize, String, Vec<u8>)| *whose == tenant && of == id;
        if let Some(at) = self.unclaimed_ends.iter().position(told) {
            let (_, _, json) = self.unclaimed_ends.swap_remove(at);
            let saying =
                format!("{}, whose journal says {}", TENANTS[tenant], String::from_utf8_lossy(&json));
            self.judge_end(n, &json, &saying);
        }
    }

    fn judge_end(&mut self, n: usize, json: &[u8], peer: &dyn Display) {
        self.saw(Seen::EndTold);
        let hasty = self.questions[n].hasty;
        self.check(hasty, Oracle::OneAnswer, peer, || format!("q{n} ended as an event, and its agent waits"));
        let names = ["commandId", "status", "data", "outcome", "error", "durationMs"];
        let [id, status, data, outcome, error, took] = members(json, names).unwrap_or_default();
        let text = |raw: Option<Raw<'_>>| raw.and_then(|raw| raw.plain_str().map(str::to_owned));
        let [code, detail] = error
            .and_then(|error| members(error.as_bytes(), ["code", "detail"]).ok())
            .map_or_else(Default::default, |members| members.map(|member| text(member).unwrap_or_default()));
        let done = text(status).as_deref() == Some("done");
        let known = STATUSES.iter().find(|(name, _)| *name == code).map_or(0, |&(_, status)| status);
        let (id, outcome) = (text(id).unwrap_or_default(), text(outcome).unwrap_or_default());
        let answer = Answer {
            status: if done { 200 } else { known },
            code: &code,
            outcome: if done { "" } else { &outcome },
            data: data.and_then(|raw| std::str::from_utf8(raw.as_bytes()).ok()).unwrap_or_default(),
            detail: &detail,
            id: &id,
            took_ms: took.as_ref().and_then(Raw::as_u64),
        };
        self.judge_answer(n, answer, peer);
    }

    fn question_of_command(&self, tenant: usize, id: &str) -> Option<usize> {
        self.questions.iter().rposition(|question| {
            let given = |delivery: &crate::ledger::Delivery| command_of(&delivery.id) == id;
            question.tenant == tenant
                && (question.taken_as.as_deref() == Some(id) || question.deliveries.iter().any(given))
        })
    }
}
