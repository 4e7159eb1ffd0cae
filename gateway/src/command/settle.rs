//! The one place where a command ends.
//!
//! Owns `Shard::settle`, the only function that removes a pending entry: so every command settles exactly once, and every
//! settlement gives back the agent's place, the alarm and the device's queue entry, and posts one mail.

use super::ask::tell_again;
use super::outcome::{Outcome, Reached};
use super::pending::Stage;
use super::repeats::Answer;
use crate::device::topic::Outbound;
use crate::mail::{Mail, Settled};
use crate::metrics::CommandOutcome;
use crate::shard::{Cx, Shard};
use engine::Key;

impl Shard {
    /// Ends a command. `text` is what the outcome says it is; it is copied once, into the buffer that the ask came in.
    /// Nothing happens when it has ended already.
    pub(crate) fn settle(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Outcome, text: &[u8]) {
        let Some(pending) = self.pending.remove(key) else { return };
        let id = pending.id(key, cx.core(), self.facts.epoch);
        cx.disarm(pending.alarm);
        if let Some(talk) = self.devices.get_mut(pending.device).and_then(|row| row.talk.as_mut()) {
            match pending.stage {
                Stage::Waiting => talk.waiting.retain(|&waiting| waiting != key),
                Stage::Sent | Stage::Delivered => talk.sent.retain(|&sent| sent != key),
            }
        }
        let took = cx.now().saturating_duration_since(pending.asked_at);
        self.counters.command(CommandOutcome::of(outcome));
        self.counters.command_took(took);
        let mut answer = pending.text.into_buffer();
        answer.extend_from_slice(text);
        let duration_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        if let Some(repeat) = pending.repeat {
            self.settle_repeats(cx, repeat, Answer { outcome, id, text: text.into(), duration_ms });
        }
        let settled = Settled { ticket: pending.ticket, outcome, id: Some(id), text: answer, duration_ms };
        cx.post(pending.from, Mail::Settled(settled));
    }

    /// Tells those who asked for the same, and remembers the answer for those who will.
    fn settle_repeats(&mut self, cx: &mut Cx<'_>, repeat: Key, answer: Answer) {
        for waiter in self.repeats.settle(repeat, answer.clone()) {
            let text = self.buffers.lend();
            cx.post(waiter.core, Mail::Settled(tell_again(waiter, &answer, text)));
        }
    }

    /// A command's time is up.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>, key: Key) {
        let Some(pending) = self.pending.get(key) else { return };
        let row = self.devices.get(pending.device);
        let listens = row
            .and_then(|row| row.seat.as_ref())
            .is_some_and(|seat| seat.subscriptions.contains(Outbound::Command));
        let outcome = match pending.stage {
            Stage::Waiting if !listens => Outcome::DeviceOffline(Reached::NotSent),
            Stage::Waiting => Outcome::DeviceTimeout(Reached::NotSent),
            Stage::Sent | Stage::Delivered => Outcome::DeviceTimeout(Reached::Unknown),
        };
        self.settle(cx, key, outcome, &[]);
    }
}
