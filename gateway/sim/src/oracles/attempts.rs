//! Attempts: a command is tried again only where its manifest allows it, as often and as late as that says, under the same id
//! when no answer came and under a new one when the device said no, and never once it has ended.
//!
//! Owns the rules of every delivery behind the first. When an attempt was sent is known from what it says is left of the time.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Delivery, Ledger, attempt_of, command_of};
use std::fmt::Display;

impl Ledger {
    /// A command of which more than one attempt may be made is given to a device; `before`: what came before.
    pub(super) fn judge_another_attempt(
        &mut self,
        n: usize,
        before: &[Delivery],
        given: &Delivery,
        peer: &dyn Display,
    ) {
        let Some(first) = before.first() else { return };
        let same = command_of(&first.id) == command_of(&given.id);
        self.check(same, Oracle::Wire, peer, || format!("q{n} came as {} after {before:?}", given.id));
        let resent = given.dup && before.iter().any(|delivery| delivery.link == given.link);
        self.check(!resent, Oracle::Wire, peer, || format!("q{n} came with DUP on the link on which it was"));
        let attempt = attempt_of(&given.id);
        let refused = attempt == 1 || self.questions[n].was_refused_before(attempt);
        self.check(refused, Oracle::Attempts, peer, || {
            format!("q{n} came as {}, but no device had said no before", given.id)
        });
        if given.dup {
            return;
        }
        let known = before.iter().any(|delivery| delivery.id == given.id);
        self.saw(if known { Seen::TriedAgainUnanswered } else { Seen::TriedAgainRefused });
        self.judge_pauses(n, before, peer);
    }

    /// The pause before each attempt is the manifest's, doubled each time; nothing is heard before it was sent.
    fn judge_pauses(&mut self, n: usize, before: &[Delivery], peer: &dyn Display) {
        let question = &self.questions[n];
        let first_ms = before.iter().map(|delivery| question.sent_ms(delivery.left_ms)).min().unwrap_or(0);
        let attempts = before.iter().filter(|delivery| !delivery.dup).count() as u32 + 1;
        let (earliest_ms, now_ms) = (first_ms + self.pauses_ms(attempts), self.now_ms);
        self.check(now_ms >= earliest_ms, Oracle::Attempts, peer, || {
            format!("attempt {attempts} of q{n} came at {now_ms} ms, and {earliest_ms} is the earliest")
        });
    }

    /// Any attempt: no more than were described, and none once the command has ended.
    pub(super) fn judge_attempt(&mut self, n: usize, given: &Delivery, peer: &dyn Display) {
        let most = self.attempts_max(n);
        let fresh = self.questions[n].deliveries.iter().filter(|delivery| !delivery.dup).count() as u32;
        let attempts = (fresh + u32::from(!given.dup)).max(attempt_of(&given.id));
        self.check(attempts <= most, Oracle::Attempts, peer, || {
            format!("q{n} came for the {attempts}. time, and {most} attempts are described")
        });
        let in_time = given.dup || given.left_ms > 0;
        self.check(in_time, Oracle::Attempts, peer, || format!("q{n} was sent when its time was over"));
        let question = &self.questions[n];
        let (sent_ms, ended_ms) = (question.sent_ms(given.left_ms), question.ended_ms);
        let over = ended_ms.is_some_and(|ended_ms| sent_ms > ended_ms);
        self.check(!over, Oracle::Attempts, peer, || {
            format!("q{n} was sent at {sent_ms} ms or later, and its agent was told the end at {ended_ms:?}")
        });
    }

    /// What an asker is shown of a command's attempts agrees with what devices had heard before he asked, at step `since`.
    pub(super) fn judge_attempts_shown(
        &mut self,
        n: usize,
        state: &str,
        attempts: u64,
        since: u64,
        peer: &dyn Display,
    ) {
        let (most, question) = (self.attempts_max(n), &self.questions[n]);
        let (shown, shown_step) = question.attempts_shown;
        let before = if shown_step < since { shown } else { 0 };
        let least = question.attempts_heard_before(since).max(before);
        let fits = (u64::from(least)..=u64::from(most)).contains(&attempts);
        self.check(fits, Oracle::Attempts, peer, || {
            format!("q{n} is shown with {attempts} attempts, of which there were {least} to {most}")
        });
        let again = state == "queued" && attempts > 0;
        self.check(!again || most > 1, Oracle::Attempts, peer, || {
            format!("q{n} is queued again after {attempts} attempts, and {most} are described")
        });
        if attempts > 1 {
            self.saw(Seen::AttemptsShown);
        }
        self.questions[n].attempts_shown = (shown.max(attempts.min(u64::from(most)) as u32), self.step);
    }

    /// A device's word ended a command.
    pub(super) fn note_last_attempt(&mut self, n: usize, success: bool, attempt: u32) {
        let heard = self.questions[n].attempts_heard().max(attempt);
        match success {
            true if heard > 1 => self.saw(Seen::DoneAtLast),
            false if heard > 1 && heard == self.attempts_max(n) => self.saw(Seen::AttemptsSpent),
            _ => {}
        }
    }
}
