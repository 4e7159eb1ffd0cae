//! An agent fires a trigger in the name of one of its devices, to test what listens: `__test_trigger__{name}` as a command.
//!
//! Owns the way in: the device must be known (it need not be here), the name and the agent's share are those of any
//! trigger; then it goes the same way as a device's own, and the agent is answered when it is kept.

use super::intake::{is_trigger_name, write_event};
use super::outbox::{Held, Origin};
use crate::auth::InFlight;
use crate::command::ask::{Declined, TEST_TRIGGER};
use crate::command::outcome::Outcome;
use crate::command::repeats::{Answer, Waiter};
use crate::device::notice::TriggerId;
use crate::device::schema::ArgumentError;
use crate::mail::{Ask, Mail, Settled};
use crate::metrics::{CommandOutcome, TriggerOutcome};
use crate::shard::{Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::EventKind;
use codec::json::encode_str;
use engine::Key;

/// The agent that fired a trigger, and what it will be told.
#[derive(Debug)]
pub struct Firing {
    waiter: Waiter,
    /// Its share of the commands in flight, until it is answered.
    place: InFlight,
    repeat: Option<Key>,
    /// `data` of the answer.
    answer: Vec<u8>,
}

impl Shard {
    /// An ask whose command is a test of a trigger.
    pub(crate) fn fire_for_agent(
        &mut self,
        cx: &mut Cx<'_>,
        ask: Ask,
        place: InFlight,
        name: Option<(u128, u64)>,
    ) {
        if let Err(declined) = self.may_fire(cx, &ask) {
            return self.decline(cx, ask, &declined);
        }
        let (agent, device) = (ask.agent.name(), ask.text.device());
        let Some(device) = self.devices.find(self.facts.home.of(agent, device), agent, device) else {
            return self.decline(cx, ask, &Outcome::DeviceUnknown.into());
        };
        let id = TriggerId::Ours(u128::from(cx.random_u64()) << 64 | u128::from(cx.random_u64()));
        let trigger = ask.text.command().strip_prefix(TEST_TRIGGER).unwrap_or_default();
        let (mut json, mut answer, mut name_json) = (self.buffers.lend(), self.buffers.lend(), Vec::new());
        encode_str(&mut name_json, trigger);
        write_event(&mut json, &name_json, ask.text.payload(), &id, ask.text.device(), cx.wall_ms());
        answer.extend_from_slice(b"{\"triggerId\":");
        id.write(&mut answer);
        answer.extend_from_slice(b",\"triggerName\":");
        answer.extend_from_slice(&name_json);
        answer.extend_from_slice(b",\"queued\":true}");
        let waiter = Waiter { core: ask.from, ticket: ask.ticket };
        let repeat = self.begin_repeat(cx, place.agent().name_shared(), name);
        let firing = Firing { waiter, place, repeat, answer };
        self.buffers.give_back(ask.text.into_buffer());
        let ticket = self.held.insert(Held { device, id, origin: Origin::Agent(Box::new(firing)) });
        let agent = ask.agent.name_shared().clone();
        let keep = ToStore::Keep { agent, kind: EventKind::Trigger, json, answer: Some((cx.core(), ticket)) };
        cx.post(self.facts.store, Mail::Store(keep));
    }

    fn may_fire(&mut self, cx: &Cx<'_>, ask: &Ask) -> Result<(), Declined> {
        if cx.draining() {
            return Err(Outcome::ShuttingDown.into());
        }
        let (agent, device) = (ask.agent.name(), ask.text.device());
        self.devices.find(self.facts.home.of(agent, device), agent, device).ok_or(Outcome::DeviceUnknown)?;
        let name = ask.text.command().strip_prefix(TEST_TRIGGER).unwrap_or_default();
        if !is_trigger_name(name) {
            let (pointer, detail) = ("/command".into(), "a trigger's name has 1 to 128 bytes".into());
            let errors = vec![ArgumentError { pointer, detail }];
            return Err(Declined { outcome: Outcome::InvalidArguments, errors });
        }
        self.take_trigger(cx, &ask.agent).map_err(|(outcome, _)| {
            self.counters.trigger(outcome);
            Outcome::TooManyTriggers.into()
        })
    }

    /// The trigger is kept: its agent is answered.
    pub(super) fn fired(&mut self, cx: &mut Cx<'_>, firing: Firing) {
        let Firing { waiter, place, repeat, answer } = firing;
        drop(place);
        self.counters.trigger(TriggerOutcome::Kept);
        self.counters.command(CommandOutcome::Done);
        if let Some(repeat) = repeat {
            let answer =
                Answer { outcome: Outcome::Done, id: None, text: answer.as_slice().into(), duration_ms: 0 };
            self.settle_repeats(cx, repeat, answer);
        }
        let settled =
            Settled { ticket: waiter.ticket, outcome: Outcome::Done, id: None, text: answer, duration_ms: 0 };
        cx.post(waiter.core, Mail::Settled(settled));
    }
}
