//! Commands that wait for a device that is away: only where a session that outlives its connection is kept for it, never past
//! their deadline, and not given up before it while that session lives.
//!
//! Owns what is certain about such sessions, and the ends that only such commands have.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Excuse, Ledger, LinkFacts};
use std::fmt::Display;

impl Ledger {
    /// A command may not wait for its device.
    pub(super) fn judge_queueing_refused(&mut self, n: usize, peer: &dyn Display) {
        self.saw(Seen::QueueingRefused);
        let queues = self.questions[n].queues;
        self.check(queues, Oracle::RightAnswer, peer, || format!("q{n} was not to be queued"));
        let kept = self.keeps_session(n) == Some(true) && !self.stopping;
        self.check(!kept, Oracle::RightAnswer, peer, || {
            format!("q{n} may not wait, but its device left a session behind, described and whole")
        });
    }

    /// A command that may wait was taken.
    pub(super) fn judge_queued(&mut self, n: usize, peer: &dyn Display) {
        let kept = self.keeps_session(n);
        if kept == Some(true) {
            self.saw(Seen::Queued);
        }
        self.check(kept != Some(false), Oracle::RightAnswer, peer, || {
            format!("q{n} waits for a device of which no session is kept")
        });
    }

    /// A command that could wait is told as offline: before its deadline that needs a reason.
    pub(super) fn judge_given_up(&mut self, n: usize, outcome: &str, peer: &dyn Display) {
        let question = &self.questions[n];
        let expires_ms = question.said_ms + question.timeout_ms;
        if self.now_ms >= expires_ms {
            if outcome == "not_sent" {
                self.saw(Seen::QueueExpired);
            }
            return;
        }
        let taken = question.taken_as.is_some();
        let reason = self.session_may_have_ended(n);
        self.check(!taken || reason, Oracle::RightAnswer, peer, || {
            format!("q{n} was given up before {expires_ms} ms, though the session it waited for lived on")
        });
    }

    /// A device is given a command that was asked before it was here.
    pub(super) fn note_queued_delivery(&mut self, n: usize, link: usize) {
        let question = &self.questions[n];
        let waited = self.links[link].opened_step > question.said_step && question.deliveries.is_empty();
        if question.queues && waited {
            self.saw(Seen::QueuedDelivered);
        }
    }

    /// Whether a session was certainly kept for the absent device of a question from before it was said until now, or
    /// certainly none was.
    fn keeps_session(&self, n: usize) -> Option<bool> {
        let question = &self.questions[n];
        let identity = question.identity?;
        if !self.certainly_gone(identity, question.said_step) || self.identities[identity].revoked {
            return None;
        }
        let Some(last) = self.last_claim(identity) else { return Some(false) };
        let decided = self.identities[identity].decided.last_step() >= last.opened_step;
        if last.rivalled
            || last.accepted.is_none()
            || decided && self.identities[identity].decided.said_step > 0
        {
            return None;
        }
        let forfeited = matches!(
            last.excuse,
            Some(Excuse::Unknown | Excuse::Revoked | Excuse::Disabled | Excuse::ToldSo)
        );
        match (last.clean, forfeited, last.described.is_some()) {
            (true, _, _) => Some(false),
            (false, false, true) => Some(true),
            (false, _, _) => None,
        }
    }

    /// The last connection that could be this device.
    fn last_claim(&self, identity: usize) -> Option<&LinkFacts> {
        self.links.iter().rev().find(|facts| facts.claims && facts.identity == identity)
    }

    /// Whether anything has happened since question `n` was said that ends a session.
    fn session_may_have_ended(&self, n: usize) -> bool {
        let question = &self.questions[n];
        let Some(identity) = question.identity else { return true };
        let ends = |facts: &LinkFacts| {
            let since = facts.gone.is_none_or(|(step, _)| step >= question.said_step);
            since && (facts.clean || facts.excuse.is_some())
        };
        let mut own = self.links.iter().filter(|facts| facts.claims && facts.identity == identity);
        let decided = &self.identities[identity].decided;
        let decided = decided.said_step > 0 && decided.last_step() >= question.said_step;
        self.stopping || decided || self.identities[identity].revoked || own.any(ends)
    }
}
