//! The one place where a command ends.
//!
//! Owns `Shard::settle`, the only function that removes a pending entry: so every command settles exactly once, and every
//! settlement gives back the agent's place, the alarm and the device's queue entry, remembers the command, and tells
//! whoever asked: one mail to the request that waits, or one event when nobody does.

use super::ask::tell_again;
use super::id::CommandId;
use super::outcome::{Outcome, Reached};
use super::pending::{Pending, Stage};
use super::records::Record;
use super::repeats::{Answer, Waiter};
use super::story::{State, Story, Times};
use crate::device::topic::Outbound;
use crate::mail::{Mail, Settled};
use crate::metrics::CommandOutcome;
use crate::shard::{Alarmed, Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::EventKind;
use engine::Key;
use std::time::Duration;

impl Shard {
    /// Ends a command. `text` is what the outcome says it is; it is copied once, into the buffer that the ask came in.
    /// Nothing happens when it has ended already.
    pub(crate) fn settle(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Outcome, text: &[u8]) {
        let Some(pending) = self.pending.remove(key) else { return };
        let id = pending.id(key, cx.core(), self.facts.epoch);
        cx.disarm(pending.alarm);
        pending.again.map(|again| cx.disarm(again));
        self.leave_list(pending.device, key, pending.stage);
        self.devices.hush(pending.device, cx.now());
        let took = cx.now().saturating_duration_since(pending.asked_at);
        self.counters.command(CommandOutcome::of(outcome));
        self.counters.command_took(took);
        self.remember(cx, &pending, id, outcome, text);
        let duration_ms = pending.elapsed_ms(cx.now());
        if let Some(repeat) = pending.repeat {
            let answer = Answer { outcome, id: Some(id), text: text.into(), duration_ms };
            self.settle_repeats(cx, repeat, answer);
        }
        match pending.waiter {
            Some(Waiter { core, ticket }) => {
                let mut answer = pending.text.into_buffer();
                answer.extend_from_slice(text);
                let settled = Settled { ticket, outcome, id: Some(id), text: answer, duration_ms };
                cx.post(core, Mail::Settled(settled));
            }
            None => self.tell_end(cx, pending, id, outcome, text),
        }
    }

    /// Tells the agent the end of a command for which no request waits.
    fn tell_end(&mut self, cx: &mut Cx<'_>, pending: Pending, id: CommandId, outcome: Outcome, text: &[u8]) {
        let mut json = self.buffers.lend();
        let state = State::of_outcome(outcome, cx.now() >= pending.deadline);
        let times = Times { ended_ms: Some(pending.elapsed_ms(cx.now())), ..pending.times };
        Story { state, times, outcome: Some(outcome), text, ..pending.story(id) }.write(&mut json);
        let agent = pending.place.agent().name_shared().clone();
        let keep = ToStore::Keep { agent, kind: EventKind::Command, json, answer: None };
        #[cfg(planted)]
        if engine::planted::is("end-not-told") {
            return;
        }
        cx.post(self.facts.store, Mail::Store(keep));
        self.buffers.give_back(pending.text.into_buffer());
    }

    /// Keeps a command's end, so that it can be asked for.
    fn remember(&mut self, cx: &Cx<'_>, pending: &Pending, id: CommandId, outcome: Outcome, text: &[u8]) {
        let record = Record {
            agent: pending.place.agent().clone(),
            device: pending.device,
            id,
            state: State::of_outcome(outcome, cx.now() >= pending.deadline),
            outcome,
            attempts: pending.attempts,
            asked_at: pending.asked_at,
            times: Times { ended_ms: Some(pending.elapsed_ms(cx.now())), ..pending.times },
        };
        self.records.insert(record, pending.text.device(), pending.text.command(), text);
    }

    /// Puts a remembered command into its agent's events.
    pub(crate) fn tell_command(
        &mut self,
        cx: &mut Cx<'_>,
        id: CommandId,
        write: impl FnOnce(Story<'_>, &mut Vec<u8>),
    ) {
        let mut json = self.buffers.lend();
        let told = self.records.tell(id, |record, story| {
            write(story, &mut json);
            record.agent.name_shared().clone()
        });
        match told {
            Some(agent) => {
                let keep = ToStore::Keep { agent, kind: EventKind::Command, json, answer: None };
                cx.post(self.facts.store, Mail::Store(keep));
            }
            None => self.buffers.give_back(json),
        }
    }

    /// Tells those who asked for the same, and remembers the answer for those who will.
    pub(crate) fn settle_repeats(&mut self, cx: &mut Cx<'_>, repeat: Key, answer: Answer) {
        for waiter in self.repeats.settle(repeat, answer.clone(), cx.now()) {
            let text = self.buffers.lend();
            cx.post(waiter.core, Mail::Settled(tell_again(waiter, &answer, text)));
        }
    }

    /// A command's deadline has come, or the grace behind it: what was not sent is over at the deadline, what was sent may
    /// still be answered until the grace is over.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>, key: Key) {
        let grace = Duration::from_millis(self.facts.limits.command_grace_ms);
        let Some(pending) = self.pending.get_mut(key) else { return };
        let ends_at = pending.deadline + grace;
        let never_sent = pending.attempts == 0;
        if !never_sent && cx.now() < ends_at {
            pending.alarm = cx.arm(ends_at, Alarmed::Command(key));
            return;
        }
        let (device, stage) = (pending.device, pending.stage);
        let seat = self.devices.get(device).and_then(|row| row.seat.as_ref());
        let listens = seat.is_some_and(|seat| seat.subscriptions.contains(Outbound::Command));
        let outcome = match stage {
            Stage::Waiting if never_sent && !listens => Outcome::DeviceOffline(Reached::NotSent),
            Stage::Waiting | Stage::Checking { .. } if never_sent => Outcome::DeviceTimeout(Reached::NotSent),
            Stage::Checking { .. } | Stage::Waiting | Stage::Pausing | Stage::Sent | Stage::Delivered => {
                Outcome::DeviceTimeout(Reached::Unknown)
            }
        };
        self.settle(cx, key, outcome, &[]);
        self.speak(cx, device);
    }
}
