//! Obedience: what an agent decides about a device holds at once and as long as it stands. A disabled device is refused, has no
//! tools and says nothing that counts; a removed one is unknown until it comes again.
//!
//! Owns the answers to decisions, and what must not happen against one.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Decision, Holds, Ledger};
use codec::json::members;
use std::fmt::Display;

impl Ledger {
    /// An agent is told what became of its decision.
    pub fn judge_decision(
        &mut self,
        (identity, decision): (usize, Decision),
        (status, body): (u16, &[u8]),
        peer: &dyn Display,
    ) {
        let text = String::from_utf8_lossy(body).into_owned();
        let shown = members(body, ["status"]).ok().and_then(|[status]| status?.plain_str());
        let named = text.contains(&format!(r#""name":"{}""#, self.identities[identity].name));
        let was_known = self.identities[identity].decided.was_known;
        let fits = match (decision, status) {
            (Decision::Disable, 200) => shown == Some("disabled"),
            (Decision::Enable, 200) => shown.is_some_and(|shown| shown != "disabled"),
            (Decision::Remove, 204) => body.is_empty(),
            (Decision::Register, 200) => named,
            (Decision::Register, 201) => named && !was_known,
            (Decision::Disable | Decision::Enable | Decision::Remove, 404) => !was_known,
            (_, 503) if self.stopping => return self.decision_unheard(identity),
            _ => false,
        };
        self.check(fits, Oracle::Obedience, peer, || {
            format!("{decision:?} (known before: {was_known}) was answered with {status} {text}")
        });
        self.saw(match decision {
            Decision::Disable => Seen::Disabled,
            Decision::Enable => Seen::Enabled,
            Decision::Remove => Seen::Removed,
            Decision::Register => Seen::Registered,
        });
        self.say(|| format!("{} is decided: {decision:?} {status}", self.who(identity)));
        self.decided(identity, decision, status != 404);
    }

    /// A device was accepted that said CONNECT on this link.
    pub(crate) fn judge_obedience(&mut self, link: usize, peer: &dyn Display) {
        let (identity, greeted) = (self.links[link].identity, self.links[link].greeted_step());
        let disabled = self.identities[identity].decided.certainly(Holds::Disabled, greeted);
        self.check(!disabled, Oracle::Obedience, peer, || "it is disabled, and was accepted".into());
    }

    /// A device was refused. Whether that may be because of what its agent has decided, and whether it must be.
    pub fn note_refused_by_decision(&mut self, link: usize) -> (bool, bool) {
        let facts = &self.links[link];
        let must = self.identities[facts.identity].decided.certainly(Holds::Disabled, facts.greeted_step());
        let may = facts.barred;
        if must {
            self.saw(Seen::DisabledRefused);
        }
        (may, must)
    }

    /// What a device is shown as agrees with what was decided about it.
    pub(super) fn judge_shown_decision(
        &mut self,
        identity: usize,
        since: u64,
        status: Option<&str>,
        peer: &dyn Display,
    ) {
        let decided = self.identities[identity].decided;
        let who = self.who(identity);
        let disabled = decided.certainly(Holds::Disabled, since);
        let free = !decided.is_open() && decided.holds != Holds::Disabled && decided.done_step <= since;
        let fits = match status {
            Some("disabled") => !free,
            _ => !disabled,
        };
        self.check(fits, Oracle::Obedience, peer, || {
            format!("{who} is {decided:?}, and shown as {status:?}")
        });
        if self.certainly_forgotten(identity, since) {
            self.check(status.is_none(), Oracle::Obedience, peer, || {
                format!("{who} was removed, and is shown as {status:?}")
            });
        }
    }

    /// A disabled device has no tools.
    pub(super) fn judge_tools_decision(
        &mut self,
        identity: usize,
        since: u64,
        commands: &[&str],
        peer: &dyn Display,
    ) {
        let disabled = self.identities[identity].decided.certainly(Holds::Disabled, since);
        let who = self.who(identity);
        self.check(!disabled || commands.is_empty(), Oracle::Obedience, peer, || {
            format!("{who} is disabled, and its tools {commands:?} are shown")
        });
    }

    /// A command ended because its time was over: a device that was sent away before had it reported at once.
    pub(super) fn judge_timeout_decision(&mut self, n: usize, expires_ms: u64, peer: &dyn Display) {
        let question = &self.questions[n];
        let Some(identity) = question.identity else { return };
        let decided = self.identities[identity].decided;
        let cut = decided.holds != Holds::Free && !decided.is_open() && decided.done_ms < expires_ms;
        let had = question.deliveries.iter().any(|delivery| delivery.step < decided.said_step);
        self.check(!(cut && had), Oracle::Promptness, peer, || {
            format!("q{n} timed out, but its device was {:?} before the deadline", decided.holds)
        });
    }

    /// Whether a word said on this link at this step came from a device that had been sent away.
    pub(super) fn is_cut(&self, link: usize, step: u64) -> bool {
        self.links[link].cut_step.is_some_and(|cut| step > cut)
    }

    /// Whether the device was removed before `since`, and nobody can have come in its name since.
    fn certainly_forgotten(&self, identity: usize, since: u64) -> bool {
        let decided = self.identities[identity].decided;
        let came = self.links.iter().any(|facts| {
            let own = facts.identity == identity && facts.claims;
            let settled = facts.gone.is_some_and(|(step, _)| step < decided.said_step)
                || facts.accepted.is_some_and(|step| step < decided.said_step);
            own && !settled
        });
        decided.certainly(Holds::Removed, since) && !came
    }
}
