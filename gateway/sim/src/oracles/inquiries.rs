//! How a command goes, as agents are told who ask: it agrees with what the device said and with what its asker was told, and a
//! command that was taken back unsent never reaches a device.
//!
//! Owns the answers to `GET` and `DELETE …/commands/{commandId}`, and to a command that is only taken.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Ledger, command_of};
use codec::json::{Raw, members};
use std::fmt::Display;

impl Ledger {
    /// Commands of a tenant whose id is known to it, among the last ones, and which ran alone under their key.
    pub fn inquirable(&self, tenant: usize, recent: usize) -> Vec<(usize, String)> {
        let last = self.questions.iter().enumerate().rev().take(recent);
        last.filter(|(_, question)| question.tenant == tenant && !question.keyed)
            .filter_map(|(n, question)| {
                let given = question.deliveries.first().map(|delivery| command_of(&delivery.id).to_owned());
                Some((n, question.taken_as.clone().or(given)?))
            })
            .collect()
    }

    /// A command was taken, and its asker does not wait.
    pub fn judge_taken(&mut self, n: usize, id: &str, peer: &dyn Display) {
        self.saw(Seen::CommandTaken);
        let hasty = self.questions[n].hasty;
        self.check(hasty, Oracle::OneAnswer, peer, || format!("q{n} was only taken, and its agent waits"));
        self.questions[n].taken_as = Some(id.to_owned());
        if self.questions[n].queues {
            self.judge_queued(n, peer);
        }
        self.claim_end(n, id);
    }

    /// The asker of a command is told that it was taken back.
    pub(super) fn judge_cancelled(&mut self, n: usize, peer: &dyn Display) {
        let asked = self.questions[n].taking_back;
        self.check(asked, Oracle::RightAnswer, peer, || format!("q{n}: nobody took it back"));
    }

    /// One word for all: who took a command back and who waits for it are told the same.
    pub(super) fn judge_taken_back(&mut self, n: usize, status: u16, peer: &dyn Display) {
        let question = &self.questions[n];
        let (taken_back, finished) = (question.taken_back.is_some(), question.finished);
        self.check(!taken_back || status == 409, Oracle::OneAnswer, peer, || {
            format!("q{n} was taken back, and ended as {status}")
        });
        self.check(!finished || status != 409, Oracle::OneAnswer, peer, || {
            format!("q{n} had ended before it could be taken back, and was told as taken back")
        });
    }

    /// The answer to a question of how a command goes, or to taking it back; it was said at step `since`.
    pub fn judge_inquiry(
        &mut self,
        (n, takes_back): (usize, bool),
        (status, body): (u16, &[u8]),
        since: u64,
        peer: &dyn Display,
    ) {
        let text = String::from_utf8_lossy(body).into_owned();
        let [id, state, attempts, data, code] =
            members(body, ["commandId", "status", "attempts", "data", "code"]).unwrap_or_default();
        match (status, code.and_then(|code| code.plain_str())) {
            (200, _) => {}
            (409, Some("command-finished")) if takes_back => {
                self.saw(Seen::TooLateToTakeBack);
                self.questions[n].finished = true;
                let before = self.questions[n].taken_back.is_some();
                return self
                    .check(!before, Oracle::OneAnswer, peer, || format!("q{n} was taken back before"));
            }
            (503, _) if self.stopping => return,
            _ => return self.fail(Oracle::OneAnswer, peer, format!("q{n} goes as {status} {text}")),
        }
        let id = id.and_then(|id| id.plain_str()).unwrap_or_default();
        let known = self.questions[n].taken_as.as_deref() == Some(id)
            || self.questions[n].deliveries.iter().any(|delivery| command_of(&delivery.id) == id);
        self.check(known, Oracle::RightAnswer, peer, || format!("asked for q{n}, told {text}"));
        let state = state.and_then(|state| state.plain_str()).unwrap_or_default().to_owned();
        let attempts = attempts.as_ref().and_then(Raw::as_u64).unwrap_or(u64::MAX);
        let unsent = attempts == 0;
        self.judge_attempts_shown(n, &state, attempts, since, peer);
        if takes_back {
            return self.judge_taking_back(n, &state, unsent, peer);
        }
        self.saw(Seen::StateAsked);
        let data = data.map_or("", |data| data.as_str()).to_owned();
        self.judge_state(n, &state, &data, since, peer);
    }

    fn judge_taking_back(&mut self, n: usize, state: &str, unsent: bool, peer: &dyn Display) {
        self.saw(Seen::TakenBack);
        let step = self.step;
        let question = &mut self.questions[n];
        if question.taken_back.replace(unsent).is_none() {
            question.taken_back_step = step;
        }
        let ended = self.questions[n].ended.clone();
        let agrees = state == "cancelled" && ended.as_ref().is_none_or(|(status, _)| *status == 409);
        self.check(agrees, Oracle::OneAnswer, peer, || {
            format!("q{n} was taken back: {state}; its asker was told {ended:?}")
        });
        if unsent {
            self.saw(Seen::TakenBackUnsent);
            let came = !self.questions[n].deliveries.is_empty();
            self.check(!came, Oracle::OneAnswer, peer, || {
                format!("q{n} was never sent, and its device had it")
            });
        }
    }

    fn judge_state(&mut self, n: usize, state: &str, data: &str, since: u64, peer: &dyn Display) {
        let question = &self.questions[n];
        let told_before = question.ended_step.is_some_and(|step| step < since);
        let ended = question.ended.as_ref().filter(|_| told_before).map(|&(status, _)| status);
        let agrees = match ended {
            Some(200) => state == "done",
            Some(409) => state == "cancelled",
            Some(_) => !matches!(state, "done" | "cancelled" | "queued" | "sent" | "delivered"),
            None => true,
        };
        self.check(agrees, Oracle::OneAnswer, peer, || {
            format!("q{n} ended as {ended:?}, and goes as {state}")
        });
        let question = &self.questions[n];
        let said = question.replies.iter().any(|reply| reply.first && reply.success && reply.text == data);
        self.check(state != "done" || said, Oracle::RightAnswer, peer, || {
            format!("q{n} is told as done with {data}, which its device never said")
        });
        let question = &self.questions[n];
        let taken_back = question.taken_back.is_some() && question.taken_back_step < since;
        self.check(!taken_back || state == "cancelled", Oracle::OneAnswer, peer, || {
            format!("q{n} was taken back, and goes as {state}")
        });
    }
}
