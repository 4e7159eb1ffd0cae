//! Answers to commands: they belong to the question, come from the device that was asked, and say what happened.
//!
//! Owns the rules of every end that a command can have. "Certainly" means: by what was said on wires and by the kernel's
//! ends, whatever the gateway believes.

use super::congestion::AT_THE_DOOR;
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Asked, Ledger, Question, Reply, Told, attempt_of, command_of};
use std::fmt::Display;

/// An alarm rings at the first tick of the timers behind its moment.
const TICK_MS: u64 = engine::timer::TICK.as_millis() as u64;

/// What an agent was told of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The error's code.
    pub code: &'a str,
    /// What happened at the device.
    pub outcome: &'a str,
    /// `data`, byte for byte.
    pub data: &'a str,
    /// The error's sentence.
    pub detail: &'a str,
    /// `commandId`.
    pub id: &'a str,
    /// `durationMs`, from the moment when the gateway had taken the command.
    pub took_ms: Option<u64>,
}

impl Ledger {
    /// An agent was told the end of question `n`.
    pub fn judge_answer(&mut self, n: usize, answer: Answer<'_>, peer: &dyn Display) {
        self.say(|| format!("{peer} q{n} ended: {answer:?}"));
        if answer.status == 202 {
            return self.judge_taken(n, answer.id, peer);
        }
        if self.questions[n].ended.is_some() && !self.questions[n].keyed {
            return self.fail(Oracle::OneAnswer, peer, format!("q{n} was answered twice"));
        }
        if !self.judge_repeat(n, answer, peer) {
            return;
        }
        self.questions[n].ended = Some((answer.status, answer.outcome.to_owned()));
        // Under a key more than one request may be on its way, so such a command may be under way as long as it likes.
        let alone = !self.questions[n].keyed;
        self.questions[n].ended_step = alone.then_some(self.step);
        self.questions[n].ended_ms = alone.then_some(self.now_ms);
        self.judge_id(n, answer, peer);
        match (answer.status, answer.code) {
            (200, _) => self.judge_reply(n, true, answer.data, answer.took_ms, peer),
            (502, "device-error") => self.judge_reply(n, false, answer.detail, answer.took_ms, peer),
            (409, "queueing-not-possible") => self.judge_queueing_refused(n, peer),
            (409, "command-cancelled") => self.judge_cancelled(n, peer),
            (404, "device-unknown") => self.judge_unknown_device(n, peer),
            (404, "command-unknown") => self.judge_unknown_command(n, peer),
            (422, "invalid-arguments") => self.judge_arguments(n, peer),
            (408, "body-too-slow" | "body-timeout") => {
                self.saw(Seen::BodyTooSlow);
                let slow = self.questions[n].dribbled;
                self.check(slow, Oracle::Blame, peer, || format!("q{n} was said at once"));
            }
            (429, "too-many-commands") => self.judge_quota(n, peer),
            (503, "device-busy") => self.judge_busy(n, answer, peer),
            (503, "device-offline") => self.judge_offline(n, answer.outcome, peer),
            (503, "shutting-down") => {
                self.saw(Seen::ShuttingDown);
                self.check(self.stopping, Oracle::RightAnswer, peer, || {
                    format!("q{n}: nobody asked for a stop")
                });
            }
            (504, "device-timeout") => self.judge_timeout(n, answer.outcome, peer),
            _ => self.fail(
                Oracle::OneAnswer,
                peer,
                format!("q{n} got an answer that no command has: {answer:?}"),
            ),
        }
        self.judge_taken_back(n, answer.status, peer);
        self.judge_not_sent(n, answer, peer);
        self.judge_read_reply(n, answer, peer);
    }

    /// All who asked under one key are told the same of the one command that ran; whoever was declined is told so alone.
    /// `false`: this was said, and judged, before.
    fn judge_repeat(&mut self, n: usize, answer: Answer<'_>, peer: &dyn Display) -> bool {
        let text = if answer.status == 200 { answer.data } else { answer.detail };
        let (id, outcome) = (answer.id.to_owned(), answer.outcome.to_owned());
        let told = Told { id, status: answer.status, outcome, text: text.to_owned() };
        let before = self.questions[n].told.replace(told.clone()).filter(Told::is_final);
        let Some(before) = before else { return true };
        if !told.is_final() {
            // A request that was declined, or ended before anything was sent, while the other did not; that one stands.
            self.questions[n].told = Some(before);
            return false;
        }
        self.saw(Seen::RepeatAnswered);
        let same = before == told;
        self.check(same, Oracle::OneAnswer, peer, || {
            format!("q{n} was asked twice under one key, and told as {before:?} and {told:?}")
        });
        false
    }

    /// The id of an answer is the one that the device was given.
    fn judge_id(&mut self, n: usize, answer: Answer<'_>, peer: &dyn Display) {
        let given = self.questions[n].deliveries.first().map(|delivery| command_of(&delivery.id));
        // Under a key one request may end before anything is sent while another, with an id of its own, runs.
        let declined = self.questions[n].keyed && answer.outcome == "not_sent";
        if let Some(given) = given
            && given != answer.id
            && !declined
        {
            let message = format!("q{n} was delivered as {given} and answered as {:?}", answer.id);
            self.fail(Oracle::RightAnswer, peer, message);
        }
    }

    /// A device's own word: the first one that it said on some link on which it had been asked.
    fn judge_reply(&mut self, n: usize, success: bool, text: &str, took_ms: Option<u64>, peer: &dyn Display) {
        self.saw(if success { Seen::Done } else { Seen::DeviceError });
        let asked = self.questions[n].asked;
        self.check(asked == Asked::Well, Oracle::RightAnswer, peer, || {
            format!("q{n} ({asked:?}) was answered")
        });
        let fits = |reply: &&Reply| reply.first && reply.success == success && reply.text == text;
        let known = self.questions[n].replies.iter().find(fits);
        let known = known.map(|reply| (attempt_of(&reply.id), reply.link, reply.step));
        if let Some((attempt, link, step)) = known {
            self.note_last_attempt(n, success, attempt);
            let cut = self.is_cut(link, step);
            self.check(!cut, Oracle::Obedience, peer, || {
                format!("q{n} was answered by a device that had been sent away")
            });
        } else {
            let first = &self.questions[n].replies;
            let message = format!("q{n} was answered with {text:?}, but what the device said was {first:?}");
            self.fail(Oracle::RightAnswer, peer, message);
        }
        self.judge_in_time(n, took_ms, peer);
        if self.stopping {
            self.saw(Seen::AnsweredInDrain);
        }
    }

    /// A device's word counts until the grace is over, by the gateway's own measure, and a tick of its timers longer.
    fn judge_in_time(&mut self, n: usize, took_ms: Option<u64>, peer: &dyn Display) {
        let most = self.questions[n].timeout_ms + self.limits.command_grace_ms + TICK_MS;
        let late = took_ms.is_some_and(|took_ms| took_ms > most);
        self.check(!late, Oracle::RightAnswer, peer, || {
            format!("q{n} was answered after {took_ms:?} ms, and {most} is the most")
        });
    }

    fn judge_unknown_device(&mut self, n: usize, peer: &dyn Display) {
        self.saw(Seen::DeviceUnknown);
        let question = &self.questions[n];
        let known = question.identity.and_then(|identity| self.identities[identity].known_step);
        let wrong = known.is_some_and(|step| step < question.said_step);
        self.check(!wrong, Oracle::Presence, peer, || {
            format!("q{n}: the device was accepted before, and is unknown")
        });
    }

    fn judge_unknown_command(&mut self, n: usize, peer: &dyn Display) {
        self.saw(Seen::CommandUnknown);
        let wrong = self.certainly_able(n) && self.questions[n].command == "echo";
        self.check(!wrong, Oracle::Presence, peer, || format!("q{n}: the device certainly had the command"));
    }

    fn judge_arguments(&mut self, n: usize, peer: &dyn Display) {
        self.saw(Seen::InvalidArguments);
        let bad = self.questions[n].asked == Asked::BadArguments;
        self.check(bad, Oracle::RightAnswer, peer, || format!("q{n}: the arguments fitted"));
    }

    fn judge_quota(&mut self, n: usize, peer: &dyn Display) {
        self.saw(Seen::TooManyCommands);
        let tenant = self.questions[n].tenant;
        let others = self.most_beside(n, |question| question.tenant == tenant);
        let most = self.limits.commands_in_flight_per_agent as usize;
        self.check(others >= most, Oracle::NothingLeft, peer, || {
            format!(
                "q{n}: too many commands, but only {others} others were under way and {most} may be in flight"
            )
        });
    }

    fn judge_busy(&mut self, n: usize, answer: Answer<'_>, peer: &dyn Display) {
        self.check(answer.outcome == "not_sent", Oracle::RightAnswer, peer, || {
            format!("q{n}: busy, and not certainly unsent: {answer:?}")
        });
        let identity = self.questions[n].identity;
        let others = self.most_beside(n, |question| question.identity == identity);
        let most = self.limits.commands_waiting_per_device as usize;
        if answer.detail == AT_THE_DOOR {
            return self.judge_refused_at_door(n, peer);
        }
        if others < most && self.is_refused_for_mail(n) {
            return;
        }
        self.saw(Seen::DeviceBusy);
        self.check(others >= most, Oracle::RightAnswer, peer, || {
            format!("q{n}: busy, but only {others} others were under way and {most} may wait")
        });
    }

    fn judge_offline(&mut self, n: usize, outcome: &str, peer: &dyn Display) {
        self.saw(if outcome == "unknown" { Seen::OfflineUnknown } else { Seen::OfflineNotSent });
        if self.questions[n].queues {
            self.judge_given_up(n, outcome, peer);
        }
        let wrong = self.certainly_able(n);
        self.check(!wrong, Oracle::Presence, peer, || {
            format!("q{n}: offline, but the device was here all the time, described and listening")
        });
    }

    /// A command times out only while its device may be there, and never early.
    fn judge_timeout(&mut self, n: usize, outcome: &str, peer: &dyn Display) {
        self.saw(if outcome == "unknown" { Seen::TimeoutUnknown } else { Seen::TimeoutNotSent });
        // What was never sent is over at its deadline; the grace is for an answer that may be on its way.
        let grace_ms = if outcome == "not_sent" { self.limits.command_grace_ms } else { 0 };
        let (expires, now_ms) = (self.expires_ms(n) - grace_ms, self.now_ms);
        self.check(now_ms >= expires, Oracle::RightAnswer, peer, || {
            format!("q{n} timed out before {expires} ms")
        });
        let Some(identity) = self.questions[n].identity else {
            return self.fail(
                Oracle::RightAnswer,
                peer,
                format!("q{n} timed out at a device that does not exist"),
            );
        };
        self.judge_timeout_decision(n, expires, peer);
        if self.questions[n].queues {
            // It may have waited for its device to come back.
            return;
        }
        let left = |link: usize| self.links[link].gone.is_some_and(|(_, gone_ms)| gone_ms < expires);
        let orphaned = self.questions[n].deliveries.iter().map(|delivery| delivery.link).find(|&link| {
            // A persistent session hands its commands on when another link takes the seat.
            left(link) && (self.links[link].clean || !self.links[link].rivalled)
        });
        let all_gone = self.certainly_gone(identity, u64::MAX) && self.gone_before(identity, expires);
        if let Some(link) = orphaned {
            let message =
                format!("q{n} timed out, but link {link}, on which the device had it, had ended before");
            self.fail(Oracle::Promptness, peer, message);
        } else if all_gone {
            self.fail(
                Oracle::Promptness,
                peer,
                format!("q{n} timed out, but its device was gone before the deadline"),
            );
        }
    }

    /// `not_sent` is a promise.
    fn judge_not_sent(&mut self, n: usize, answer: Answer<'_>, peer: &dyn Display) {
        let Question { deliveries, keyed, .. } = &self.questions[n];
        let delivered = deliveries.iter().any(|delivery| !keyed || command_of(&delivery.id) == answer.id);
        let wrong = delivered && answer.outcome == "not_sent";
        self.check(!wrong, Oracle::OneAnswer, peer, || format!("q{n}: not_sent, but the device had it"));
    }

    /// What the gateway had read in time is what the agent is told.
    fn judge_read_reply(&mut self, n: usize, answer: Answer<'_>, peer: &dyn Display) {
        let expires = self.expires_ms(n);
        if answer.code == "command-cancelled" {
            // The reply came behind the word that took it back, or its moment is not known.
            return;
        }
        if self.questions[n].keyed && answer.outcome == "not_sent" {
            // Another request under its key was declined; this says nothing of the one that runs.
            return;
        }
        let given = |link| self.questions[n].deliveries.iter().any(|delivery| delivery.link == link);
        let in_time =
            |reply: &&Reply| given(reply.link) && reply.read_ms.is_some_and(|read_ms| read_ms < expires);
        let Some(reply) = self.questions[n].replies.iter().find(in_time) else { return };
        if !reply.success && self.attempts_max(n) > 1 {
            // It may have been asked again since.
            return;
        }
        // On a link of its own the first word is read first; across a take-over another link's may have come before.
        let told = if reply.success { answer.data == reply.text } else { answer.detail == reply.text };
        let sole = self.questions[n].deliveries.len() == 1;
        if sole && !told {
            let message = format!("q{n}: the gateway had read {:?} in time, and told {answer:?}", reply.text);
            self.fail(Oracle::RightAnswer, peer, message);
        }
    }

    /// Whether the device was certainly here, with its commands, and listening, from before the question until now.
    fn certainly_able(&self, n: usize) -> bool {
        let question = &self.questions[n];
        let since = question.said_step;
        let link = question.identity.and_then(|identity| self.certainly_here(identity, since));
        link.map(|link| &self.links[link]).is_some_and(|facts| {
            let described = facts.described.is_some_and(|(step, what)| step < since && what.has_echo());
            described && facts.listens.is_some_and(|step| step < since)
        })
    }

    fn gone_before(&self, identity: usize, ms: u64) -> bool {
        let gone = self.links.iter().filter(|facts| facts.claims && facts.identity == identity);
        gone.filter_map(|facts| facts.gone).all(|(_, gone_ms)| gone_ms < ms)
    }
}
