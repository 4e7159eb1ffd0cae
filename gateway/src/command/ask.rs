//! An ask reaches the device's home core and is judged there.
//!
//! Owns the questions in their order: is it a repeat, is the gateway stopping, is there such a device, is it here, does it have such a
//! command, do the arguments fit, is there room. What passes becomes a pending entry with a deadline, in the
//! device's queue. Never writes to a device: [`crate::device::speech`] does.

use super::outcome::{Outcome, Reached};
use super::pending::{Pending, Stage};
use super::repeats::{Answer, Found, RepeatLimits, Waiter};
use crate::auth::InFlight;
use crate::device::schema::ArgumentError;
use crate::mail::{Ask, Mail, Settled};
use crate::metrics::CommandOutcome;
use crate::shard::{Alarmed, Cx, Shard};
use codec::json::encode_str;
use engine::Key;
use std::time::Duration;

/// Why an ask goes no further.
struct Declined {
    outcome: Outcome,
    errors: Vec<ArgumentError>,
}

impl From<Outcome> for Declined {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, errors: Vec::new() }
    }
}

impl Shard {
    /// An agent asks for a command of a device whose home is here.
    pub(crate) fn asked(&mut self, cx: &mut Cx<'_>, mut ask: Ask) {
        let name = self.repeat_name(&ask);
        if let Some((name, request)) = name
            && self.is_answered(cx, &mut ask, name, request)
        {
            return;
        }
        let Some(place) = ask.place.take() else {
            return self.decline(cx, ask, &Outcome::TooManyCommands.into());
        };
        match self.judge(cx, &ask) {
            Ok((device, timeout)) => {
                let limits = self.repeat_limits();
                let repeat = name.map(|(name, request)| self.repeats.begin(name, request, cx.now(), limits));
                self.begin(cx, ask, place, repeat, device, timeout);
            }
            Err(declined) => self.decline(cx, ask, &declined),
        }
    }

    /// What stands for (agent, device, idempotency key), and for what is asked.
    fn repeat_name(&self, ask: &Ask) -> Option<(u128, u64)> {
        let key = ask.text.key()?.as_bytes();
        let (agent, device) = (ask.agent.name().as_bytes(), ask.text.device().as_bytes());
        let half = |salt: &[u8]| u128::from(self.facts.home.of_bytes(&[salt, agent, device, key]));
        let payload = ask.text.payload().unwrap_or_default();
        let request = self.facts.home.of_bytes(&[ask.text.command().as_bytes(), payload]);
        Some((half(b"1") << 64 | half(b"2"), request))
    }

    /// Whether the request is a repeat; then it waits with the first one, or has been answered.
    fn is_answered(&mut self, cx: &mut Cx<'_>, ask: &mut Ask, name: u128, request: u64) -> bool {
        let waiter = Waiter { core: ask.from, ticket: ask.ticket };
        let settled = match self.repeats.find(name, request, waiter) {
            Found::New => return false,
            Found::Joined => {
                self.counters.command(CommandOutcome::Repeated);
                return true;
            }
            Found::Settled(answer) => {
                self.counters.command(CommandOutcome::Repeated);
                tell_again(waiter, answer, std::mem::take(&mut ask.text).into_buffer())
            }
            Found::Another => self.turn_away(ask, Outcome::KeyReused),
            Found::Crowded => self.turn_away(ask, Outcome::TooManyCommands),
        };
        cx.post(ask.from, Mail::Settled(settled));
        true
    }

    fn turn_away(&mut self, ask: &mut Ask, outcome: Outcome) -> Settled {
        self.counters.command(CommandOutcome::of(outcome));
        let text = std::mem::take(&mut ask.text).into_buffer();
        Settled { ticket: ask.ticket, outcome, id: None, text, duration_ms: 0 }
    }

    fn repeat_limits(&self) -> RepeatLimits {
        let limits = &self.facts.limits;
        RepeatLimits {
            keys_max: limits.idempotency_keys_per_core as usize,
            bytes_max: limits.idempotency_bytes_per_core,
            kept_for: Duration::from_millis(limits.idempotency_ms),
        }
    }

    fn judge(&self, cx: &Cx<'_>, ask: &Ask) -> Result<(Key, Duration), Declined> {
        if cx.draining() {
            return Err(Outcome::ShuttingDown.into());
        }
        let (agent, name) = (ask.agent.name(), ask.text.device());
        let device = self.devices.find(self.facts.home.of(agent, name), agent, name);
        let (device, row) = device
            .and_then(|device| Some((device, self.devices.get(device)?)))
            .ok_or(Outcome::DeviceUnknown)?;
        if !row.status.is_here() {
            return Err(Outcome::DeviceOffline(Reached::NotSent).into());
        }
        let manifest = row.manifest.as_ref().ok_or(Outcome::CommandUnknown)?;
        if !row.has_tools() {
            // It is back, and has not yet said what it can do: what it could do before may not be true any more.
            return Err(Outcome::DeviceOffline(Reached::NotSent).into());
        }
        let command = manifest.command(ask.text.command()).ok_or(Outcome::CommandUnknown)?;
        if let Some(schema) = &command.schema {
            let payload = ask.text.payload().unwrap_or(b"{}");
            schema
                .check(payload)
                .map_err(|errors| Declined { outcome: Outcome::InvalidArguments, errors })?;
        }
        let waiting = row.talk.as_ref().map_or(0, |talk| talk.waiting.len());
        if waiting >= self.facts.limits.commands_waiting_per_device as usize || cx.congested() {
            return Err(Outcome::DeviceBusy.into());
        }
        let default_ms = self.facts.limits.timeout_ms_default;
        let timeout_ms = ask.timeout_ms.or(command.timeout_ms).map_or(default_ms, u64::from);
        Ok((device, Duration::from_millis(timeout_ms)))
    }

    fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        ask: Ask,
        place: InFlight,
        repeat: Option<Key>,
        device: Key,
        timeout: Duration,
    ) {
        let deadline = cx.now() + timeout;
        let grace = Duration::from_millis(self.facts.limits.command_grace_ms);
        let nonce = cx.random_u64();
        let now = cx.now();
        let key = self.pending.insert_with(|key| Pending {
            from: ask.from,
            ticket: ask.ticket,
            place,
            device,
            text: ask.text,
            repeat,
            stage: Stage::Waiting,
            asked_at: now,
            deadline,
            alarm: cx.arm(deadline + grace, Alarmed::Command(key)),
            nonce,
        });
        if let Some(row) = self.devices.get_mut(device) {
            row.talk().waiting.push_back(key);
        }
        self.speak(cx, device);
    }

    fn decline(&mut self, cx: &mut Cx<'_>, ask: Ask, declined: &Declined) {
        self.counters.command(CommandOutcome::of(declined.outcome));
        let mut text = ask.text.into_buffer();
        write_errors(&mut text, &declined.errors);
        let settled =
            Settled { ticket: ask.ticket, outcome: declined.outcome, id: None, text, duration_ms: 0 };
        cx.post(ask.from, Mail::Settled(settled));
    }
}

/// The answer of a command, told to one more.
pub(super) fn tell_again(waiter: Waiter, answer: &Answer, mut text: Vec<u8>) -> Settled {
    text.clear();
    text.extend_from_slice(&answer.text);
    let Answer { outcome, id, duration_ms, .. } = *answer;
    Settled { ticket: waiter.ticket, outcome, id: Some(id), text, duration_ms }
}

/// Writes argument errors as the API shows them: an array of `{pointer, detail}`; nothing when there are none.
fn write_errors(text: &mut Vec<u8>, errors: &[ArgumentError]) {
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
