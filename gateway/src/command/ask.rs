//! An ask reaches the device's home core and is judged there.
//!
//! Owns the questions in their order: is it a repeat, is it a test of a trigger, is the gateway stopping, is there such a
//! device, is it here or may the command wait for it, does it have such a command, do the arguments fit, is there room.
//! What passes becomes a pending entry with a deadline, in the device's queue. Never writes to a device:
//! [`crate::device::speech`] does.

use super::outcome::{Outcome, Reached};
use super::pending::{Pending, Stage};
use super::repeats::{Answer, Found, Waiter};
use super::story::Times;
use crate::auth::InFlight;
use crate::device::manifest::{Manifest, Retry};
use crate::device::row::Row;
use crate::device::schema::{ArgumentError, Schema};
use crate::mail::{Accepted, Ask, Mail, Settled};
use crate::metrics::CommandOutcome;
use crate::shard::{Alarmed, Cx, Shard};
use codec::json::encode_str;
use engine::Key;
use std::sync::Arc;
use std::time::Duration;

/// What a command's name begins with when it is no command but a test of the trigger that follows.
pub const TEST_TRIGGER: &str = "__test_trigger__";

/// Why an ask goes no further.
pub(crate) struct Declined {
    pub(crate) outcome: Outcome,
    pub(crate) errors: Vec<ArgumentError>,
}

/// An ask that may go on.
struct Passed {
    device: Key,
    timeout: Duration,
    retry: Option<Retry>,
    /// The arguments take too long to be checked here: by this manifest they must be.
    unchecked: Option<Arc<Manifest>>,
}

impl From<Outcome> for Declined {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, errors: Vec::new() }
    }
}

impl Shard {
    /// An agent asks for a command of a device whose home is here.
    pub(crate) fn asked(&mut self, cx: &mut Cx<'_>, mut ask: Ask) {
        // A test of a trigger is over as soon as it is kept: there is nothing to wait for.
        ask.waits |= ask.text.command().starts_with(TEST_TRIGGER);
        let name = self.repeat_name(&ask);
        if let Some((name, request)) = name
            && self.is_answered(cx, &mut ask, name, request)
        {
            return;
        }
        let most = self.facts.limits.commands_in_flight_per_agent;
        // One with a key comes without a place, and is no repeat.
        let place = ask.place.take().or_else(|| name.and_then(|_| ask.agent.try_begin_command(most)));
        let Some(place) = place else {
            return self.decline(cx, ask, &Outcome::TooManyCommands.into());
        };
        if ask.text.command().starts_with(TEST_TRIGGER) {
            return self.fire_for_agent(cx, ask, place, name);
        }
        match self.judge(cx, &ask) {
            Ok(passed) => {
                let repeat = self.begin_repeat(cx, place.agent().name_shared(), name);
                self.begin(cx, ask, place, repeat, passed);
            }
            Err(declined) => self.decline(cx, ask, &declined),
        }
    }

    /// A request with an idempotency key goes on: its repeats will join it.
    pub(crate) fn begin_repeat(
        &mut self,
        cx: &Cx<'_>,
        agent: &Arc<str>,
        name: Option<(u128, u64)>,
    ) -> Option<Key> {
        name.map(|(name, request)| self.repeats.begin(name, agent, request, cx.now()))
    }

    /// What stands for (agent, device, idempotency key), and for what is asked.
    fn repeat_name(&self, ask: &Ask) -> Option<(u128, u64)> {
        let name = self.facts.home.of_repeat(ask.agent.name(), ask.text.device(), ask.text.key()?);
        let (command, payload) = (ask.text.command().as_bytes(), ask.text.payload().unwrap_or_default());
        let timeout_ms = ask.timeout_ms.unwrap_or_default().to_le_bytes();
        let request = self.facts.home.of_bytes(&[command, payload, &timeout_ms, &[u8::from(ask.queues)]]);
        Some((name, request))
    }

    /// Whether the request is a repeat; then it waits with the first one, or has been answered.
    fn is_answered(&mut self, cx: &mut Cx<'_>, ask: &mut Ask, name: u128, request: u64) -> bool {
        #[cfg(planted)]
        if engine::planted::is("repeat-runs-again") {
            return false;
        }
        let waiter = Waiter { core: ask.from, ticket: ask.ticket };
        let settled = match self.repeats.find(name, request, waiter, ask.waits) {
            Found::New => return false,
            Found::Joined { id, gives_way } => {
                self.counters.command(CommandOutcome::Repeated);
                if let Some(Waiter { core, ticket }) = gives_way {
                    let crowded = Outcome::TooManyCommands;
                    self.counters.command(CommandOutcome::of(crowded));
                    let text = self.buffers.lend();
                    let settled = Settled { ticket, outcome: crowded, id: None, text, duration_ms: 0 };
                    cx.post(core, Mail::Settled(settled));
                }
                if let (false, Some(id)) = (ask.waits, id) {
                    cx.post(ask.from, Mail::Accepted(Accepted { ticket: ask.ticket, id }));
                }
                return true;
            }
            Found::Settled(&Answer { id: Some(id), .. }) if !ask.waits => {
                self.counters.command(CommandOutcome::Repeated);
                cx.post(ask.from, Mail::Accepted(Accepted { ticket: ask.ticket, id }));
                return true;
            }
            Found::Settled(answer) => {
                self.counters.command(CommandOutcome::Repeated);
                tell_again(waiter, answer, std::mem::take(&mut ask.text).into_buffer())
            }
            Found::Another => self.turn_away(ask, Outcome::KeyReused),
        };
        cx.post(ask.from, Mail::Settled(settled));
        true
    }

    fn turn_away(&mut self, ask: &mut Ask, outcome: Outcome) -> Settled {
        self.counters.command(CommandOutcome::of(outcome));
        let text = std::mem::take(&mut ask.text).into_buffer();
        Settled { ticket: ask.ticket, outcome, id: None, text, duration_ms: 0 }
    }

    fn judge(&self, cx: &Cx<'_>, ask: &Ask) -> Result<Passed, Declined> {
        if cx.draining() {
            return Err(Outcome::ShuttingDown.into());
        }
        let (agent, name) = (ask.agent.name(), ask.text.device());
        let device = self.devices.find(self.facts.home.of(agent, name), agent, name);
        let (device, row) = device
            .and_then(|device| Some((device, self.devices.get(device)?)))
            .ok_or(Outcome::DeviceUnknown)?;
        let manifest = reachable(row, ask.queues)?;
        let command = manifest.command(ask.text.command()).ok_or(Outcome::CommandUnknown)?;
        let is_checked = match &command.schema {
            None => true,
            Some(schema) => self.check_briefly(schema, ask.text.payload().unwrap_or(b"{}"))?,
        };
        let unchecked = (!is_checked).then(|| Arc::clone(manifest));
        let waiting = row.talk.as_ref().map_or(0, |talk| self.waiting_now_or_again(talk));
        let neighbours =
            [Some(ask.from), Some(self.facts.store), unchecked.as_ref().map(|_| self.facts.worker)];
        let congested = neighbours.into_iter().flatten().any(|neighbour| cx.congested_to(neighbour));
        if waiting >= self.facts.limits.commands_waiting_per_device as usize || congested {
            return Err(Outcome::DeviceBusy.into());
        }
        let default_ms = self.facts.limits.timeout_ms_default;
        let timeout_ms = ask.timeout_ms.or(command.timeout_ms).map_or(default_ms, u64::from);
        let timeout = Duration::from_millis(timeout_ms);
        Ok(Passed { device, timeout, retry: command.retry, unchecked })
    }

    /// Checks arguments whose check takes no more of this turn than it may. `false`: it would.
    fn check_briefly(&self, schema: &Schema, payload: &[u8]) -> Result<bool, Declined> {
        let limits = &self.facts.limits;
        if payload.len() > limits.arguments_inline_bytes_max {
            return Ok(false);
        }
        match schema.check_within(payload, limits.arguments_inline_steps_max) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(errors)) => Err(Declined { outcome: Outcome::InvalidArguments, errors }),
        }
    }

    fn begin(&mut self, cx: &mut Cx<'_>, ask: Ask, place: InFlight, repeat: Option<Key>, passed: Passed) {
        let Passed { device, timeout, retry, unchecked } = passed;
        let (now, nonce, waiter) = (cx.now(), cx.random_u64(), Waiter { core: ask.from, ticket: ask.ticket });
        let times = Times { asked_wall_ms: cx.wall_ms(), ..Times::default() };
        let rings_at = now + timeout;
        #[cfg(planted)]
        let rings_at = match engine::planted::is("deadline-not-armed") {
            true => rings_at + Duration::from_secs(3600),
            false => rings_at,
        };
        let (text, stage, sent) = match unchecked {
            None => (ask.text, Stage::Waiting, None),
            Some(manifest) => {
                let names = ask.text.without_payload(self.buffers.lend());
                (names, Stage::Checking { waits: ask.waits }, Some((ask.text, manifest)))
            }
        };
        let key = self.pending.insert_with(|key| Pending {
            waiter: (ask.waits || sent.is_some()).then_some(waiter),
            place,
            device,
            text,
            repeat,
            queues: ask.queues,
            stage,
            attempts: 0,
            wire: 1,
            retry,
            asked_at: now,
            times,
            deadline: now + timeout,
            alarm: cx.arm(rings_at, Alarmed::Command(key)),
            again: None,
            nonce,
        });
        match sent {
            None => {
                let id = self.pending.get(key).map(|pending| pending.id(key, cx.core(), self.facts.epoch));
                if let (Some(repeat), Some(id)) = (repeat, id) {
                    self.repeats.name(repeat, id);
                }
                if let (false, Some(id)) = (ask.waits, id) {
                    cx.post(ask.from, Mail::Accepted(Accepted { ticket: ask.ticket, id }));
                }
            }
            Some((text, manifest)) => self.examine(cx, key, text, manifest),
        }
        if let Some(talk) = self.devices.talk(device) {
            talk.waiting.push_back(key);
            #[cfg(planted)]
            if engine::planted::is("queue-jumped") {
                talk.waiting.rotate_right(1);
            }
        }
        self.speak(cx, device);
    }

    pub(crate) fn decline(&mut self, cx: &mut Cx<'_>, ask: Ask, declined: &Declined) {
        self.counters.command(CommandOutcome::of(declined.outcome));
        let mut text = ask.text.into_buffer();
        write_errors(&mut text, &declined.errors);
        let settled =
            Settled { ticket: ask.ticket, outcome: declined.outcome, id: None, text, duration_ms: 0 };
        cx.post(ask.from, Mail::Settled(settled));
    }
}

/// What the device can do, if it is here, or if the command may wait for it: a session that outlives its connection
/// carries a command to a device that has described itself once.
fn reachable(row: &Row, queues: bool) -> Result<&Arc<Manifest>, Declined> {
    #[cfg(planted)]
    if queues && engine::planted::is("queued-without-session") {
        return row.manifest.as_ref().ok_or_else(|| Outcome::CommandUnknown.into());
    }
    let persists = row.kept.is_some() || row.seat.as_ref().is_some_and(|seat| seat.persistent);
    let manifest = row.manifest.as_ref();
    if row.has_tools() || (queues && persists) {
        return manifest.ok_or_else(|| Outcome::CommandUnknown.into());
    }
    if row.status.is_here() && manifest.is_none() {
        return Err(Outcome::CommandUnknown.into());
    }
    // Away, or back and not yet described: what it could do before may not be true any more.
    Err(if queues { Outcome::QueueingNotPossible } else { Outcome::DeviceOffline(Reached::NotSent) }.into())
}

/// The answer of a command, told to one more.
pub(super) fn tell_again(waiter: Waiter, answer: &Answer, mut text: Vec<u8>) -> Settled {
    text.clear();
    text.extend_from_slice(&answer.text);
    let Answer { outcome, id, duration_ms, .. } = *answer;
    Settled { ticket: waiter.ticket, outcome, id, text, duration_ms }
}

/// Writes argument errors as the API shows them: an array of `{pointer, detail}`; nothing when there are none.
pub(super) fn write_errors(text: &mut Vec<u8>, errors: &[ArgumentError]) {
    for (n, error) in errors.iter().enumerate() {
        text.extend_from_slice(if n == 0 { b"[{\"pointer\":" } else { b",{\"pointer\":" });
        encode_str(text, &error.pointer);
        text.extend_from_slice(b",\"detail\":");
        encode_str(text, &error.detail);
        text.push(b'}');
    }
    if !errors.is_empty() {
        text.push(b']');
    }
}
