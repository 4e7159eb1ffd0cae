//! The device's wire: what MQTT and the contract promise to a device, seen from the device alone.
//!
//! Owns the rules of delivery: the right command to the right device, once, sent again only as a repeat, and no more in
//! flight than the device can bear.

use crate::coverage::Seen;
use crate::device::Link;
use crate::failure::Oracle;
use crate::ledger::{Asked, Delivery, Ledger, command_of};
use codec::json::{Raw, members};
use std::fmt::Display;

impl Ledger {
    /// A command comes at QoS 1: at most so many unacknowledged at a time, and no identifier twice.
    pub fn judge_in_flight(&mut self, link: &Link, packet: u16, dup: bool, peer: &dyn Display) {
        let most = usize::from(self.limits.mqtt_inflight_to_device);
        let (in_flight, twice) = (link.in_flight.len() + 1, link.in_flight.contains(&packet));
        self.check(in_flight <= most, Oracle::Wire, peer, || format!("{in_flight} commands in flight"));
        self.check(!twice, Oracle::Wire, peer, || format!("packet {packet} came again on one link"));
        let wrong = dup && link.clean;
        self.check(!wrong, Oracle::Wire, peer, || {
            format!("packet {packet} came with DUP in a clean session")
        });
    }

    /// A device is given a command. Gives the question and the id, unless the rule that was broken is this one.
    pub fn judge_command(
        &mut self,
        identity: usize,
        link: usize,
        payload: &[u8],
        dup: bool,
        peer: &dyn Display,
    ) -> Option<(usize, String)> {
        let Some(command) = Command::read(payload).filter(|command| command.question < self.questions.len())
        else {
            self.fail(Oracle::Isolation, peer, format!("nobody asked {}", String::from_utf8_lossy(payload)));
            return None;
        };
        let n = command.question;
        let question = &self.questions[n];
        let (asked, whose) = (question.asked, question.identity);
        if whose != Some(identity) {
            let whose = whose.map_or("nobody".into(), |whose| self.who(whose));
            self.fail(Oracle::Isolation, peer, format!("q{n} was for {whose}"));
            return None;
        }
        let wanted = matches!(asked, Asked::Well);
        self.check(wanted, Oracle::RightAnswer, peer, || format!("q{n} ({asked:?}) must not reach a device"));
        let question = &self.questions[n];
        let same = question.payload.as_bytes() == command.payload && question.command == command.name;
        self.check(same, Oracle::RightAnswer, peer, || {
            format!("q{n} was changed: {}", String::from_utf8_lossy(payload))
        });
        let most = self.questions[n].timeout_ms;
        self.check(command.timeout_ms <= most, Oracle::RightAnswer, peer, || {
            format!("q{n} has {} ms left of {most}", command.timeout_ms)
        });
        let given =
            Delivery { link, id: command.id.clone(), dup, left_ms: command.timeout_ms, step: self.step };
        self.judge_delivery(n, &given, peer);
        self.judge_attempt(n, &given, peer);
        self.note_queued_delivery(n, link);
        self.judge_promise(n, &command.id, peer);
        self.delivered.push(n);
        self.questions[n].deliveries.push(given);
        Some((n, command.id))
    }

    fn judge_delivery(&mut self, n: usize, given: &Delivery, peer: &dyn Display) {
        let before = self.questions[n].deliveries.clone();
        let &Delivery { link, ref id, dup, .. } = given;
        if dup {
            self.saw(Seen::CommandAgain);
        }
        if self.attempts_max(n) > 1 {
            return self.judge_another_attempt(n, &before, given, peer);
        }
        // A superseded connection may be read after the one that took over: the repeat is seen first, the original later.
        let original = self.links[link].rivalled && before.iter().all(|delivery| delivery.dup);
        self.check(before.is_empty() || dup || original, Oracle::Wire, peer, || {
            format!("q{n} came again as if it were new")
        });
        let same = before.iter().all(|delivery| delivery.id == *id && delivery.link != link);
        self.check(same, Oracle::Wire, peer, || format!("q{n} came as {id} after {before:?}"));
    }

    /// What was promised not to be sent is not sent.
    fn judge_promise(&mut self, n: usize, id: &str, peer: &dyn Display) {
        let question = &self.questions[n];
        // One request that was not sent promises nothing for its repeats, which are commands of their own.
        let promised =
            !question.keyed || question.told.as_ref().is_some_and(|told| told.id == command_of(id));
        let unsent = question.taken_back == Some(true);
        self.check(!unsent, Oracle::OneAnswer, peer, || format!("q{n} came after it was taken back unsent"));
        let question = &self.questions[n];
        let promised = promised && !unsent;
        let broken = promised && question.ended.as_ref().is_some_and(|(_, outcome)| outcome == "not_sent");
        self.check(!broken, Oracle::OneAnswer, peer, || {
            format!("q{n} came after its agent was told not_sent")
        });
    }
}

/// A command as it is on the wire.
struct Command<'b> {
    question: usize,
    id: String,
    name: &'b str,
    payload: &'b [u8],
    timeout_ms: u64,
}

impl<'b> Command<'b> {
    fn read(message: &'b [u8]) -> Option<Self> {
        let [id, name, payload, timeout] =
            members(message, ["commandId", "command", "payload", "timeout"]).ok()?;
        let payload = payload?.as_bytes();
        let [question] = members(payload, ["q"]).ok()?;
        Some(Self {
            question: usize::try_from(question.as_ref().and_then(Raw::as_u64)?).ok()?,
            id: id?.plain_str()?.to_owned(),
            name: name?.plain_str()?,
            payload,
            timeout_ms: timeout.as_ref().and_then(Raw::as_u64)?,
        })
    }
}
