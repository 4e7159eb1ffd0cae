//! Arguments that would take too much of a core's turn, large ones and those whose check may take long, are checked by the worker.
//!
//! Owns the way there and back. Meanwhile the command is an ordinary pending entry: it has its place in the device's queue, so that
//! the order of the asks is kept, and its deadline, its id and its idempotency key, so that whatever ends a command can end it
//! here too. Only its payload is away, and comes back with the verdict. A request that does not wait for the end of its
//! command waits for this: it is told that the command is taken when it is. Never checks anything itself.

use super::ask::write_errors;
use super::outcome::Outcome;
use super::pending::Stage;
use super::text::AskText;
use crate::device::manifest::Manifest;
use crate::device::schema::ArgumentError;
use crate::mail::{Accepted, Mail};
use crate::shard::{Cx, Shard};
use crate::worker::{Task, ToWorker};
use engine::Key;
use std::sync::Arc;

/// What the worker says of a command's arguments.
#[derive(Debug)]
pub struct Checked {
    /// The pending entry, if it is still there.
    pub command: Key,
    /// The words of the ask, given back.
    pub text: AskText,
    /// Whether the arguments fit.
    pub verdict: Verdict,
}

/// Whether arguments fit.
#[derive(Debug)]
pub enum Verdict {
    /// They do.
    Fits,
    /// They do not, and why.
    Unfit(Vec<ArgumentError>),
    /// Nobody knows: too much of this agent's work waits already.
    Unchecked,
}

/// What a command is answered whose arguments could not be checked.
const UNCHECKED: &[u8] = b"Too many arguments of this agent wait to be checked already.";

impl Shard {
    /// Sends the words of a command to the worker.
    pub(super) fn examine(&mut self, cx: &mut Cx<'_>, command: Key, text: AskText, manifest: Arc<Manifest>) {
        let Some(pending) = self.pending.get(command) else { return };
        let agent = pending.place.agent().name_shared().clone();
        let work = ToWorker { from: cx.core(), agent, task: Task::Check { command, text, manifest } };
        cx.post(self.facts.worker, Mail::Work(work));
    }

    /// The worker has checked a command's arguments.
    pub(crate) fn arguments_checked(&mut self, cx: &mut Cx<'_>, checked: Checked) {
        let Checked { command, text, verdict } = checked;
        let Some(pending) = self.pending.get_mut(command) else {
            // It was taken back, or its time is up, or its device is gone.
            return self.buffers.give_back(text.into_buffer());
        };
        let device = pending.device;
        match verdict {
            Verdict::Fits => {
                let names = std::mem::replace(&mut pending.text, text);
                self.buffers.give_back(names.into_buffer());
                self.taken(cx, command);
            }
            Verdict::Unfit(errors) => {
                self.buffers.give_back(text.into_buffer());
                let mut json = self.buffers.lend();
                write_errors(&mut json, &errors);
                self.settle(cx, command, Outcome::InvalidArguments, &json);
                self.buffers.give_back(json);
            }
            Verdict::Unchecked => {
                self.buffers.give_back(text.into_buffer());
                self.settle(cx, command, Outcome::DeviceBusy, UNCHECKED);
            }
        }
        self.speak(cx, device);
    }

    /// The arguments fit: the command waits for its turn, and whoever does not wait for its end is told where to ask.
    fn taken(&mut self, cx: &mut Cx<'_>, command: Key) {
        let (core, epoch) = (cx.core(), self.facts.epoch);
        let Some(pending) = self.pending.get_mut(command) else { return };
        let Stage::Checking { waits } = std::mem::replace(&mut pending.stage, Stage::Waiting) else {
            debug_assert!(false, "only what is being checked has its payload away");
            return;
        };
        let id = pending.id(command, core, epoch);
        let leaves = if waits { None } else { pending.waiter.take() };
        let others = pending.repeat.map(|repeat| self.repeats.name(repeat, id)).unwrap_or_default();
        for waiter in leaves.into_iter().chain(others) {
            cx.post(waiter.core, Mail::Accepted(Accepted { ticket: waiter.ticket, id }));
        }
    }
}
