//! A trigger arrives.
//!
//! Owns its way in: readable, allowed, within the agent's quota, not a repeat; then it is written once, as the event the agent
//! will read, and handed to the store writer. The payload is the bytes the device sent, never re-serialised. A refused
//! trigger is acknowledged at once, in arrival order, and the device is told why.

use super::outbox::{Held, Origin};
use crate::auth::{Agent, Operations};
use crate::device::notice::{GIVEN_ID_BYTES_MAX, Notice, TriggerId};
use crate::mail::Mail;
use crate::metrics::TriggerOutcome;
use crate::shard::{Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::EventKind;
use crate::wall::Rfc3339;
use codec::json::{Kind, Malformed, Raw, encode_str, members};
use engine::Key;
use std::io::Write;
use transports::mqtt::Arrival;

/// Longest trigger name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A trigger as it was read.
struct Trigger<'b> {
    name: Raw<'b>,
    payload: Option<Raw<'b>>,
    given_id: Option<Box<str>>,
}

impl Shard {
    /// A `trigger` of the device.
    pub(crate) fn trigger_published(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        arrival: &Arrival<'_>,
    ) {
        let trigger = match read(arrival.payload, self.facts.limits.payload_bytes_max) {
            Ok(trigger) => trigger,
            Err(fault) => {
                let message = "a trigger is a JSON object with triggerName and at most 1 MB of payload";
                self.counters.trigger(TriggerOutcome::Invalid);
                self.acknowledge(cx, conn, arrival.receipt);
                return self.notify(cx, device, Notice::unread(fault, "INVALID_TRIGGER", message));
            }
        };
        let hash = self.facts.home.of_bytes(&[arrival.topic.as_bytes(), arrival.payload]);
        let given = trigger.given_id.as_ref().map(|given| self.facts.home.of_bytes(&[given.as_bytes()]));
        let known = self.find_repeat(device, arrival, hash, given);
        let repeat = known.is_some();
        // A repeat is acknowledged under the name of the first: the one that the agent's event has.
        #[cfg(planted)]
        let known = known.filter(|_| !engine::planted::is("repeat-renamed"));
        let ours = known.unwrap_or_else(|| u128::from(cx.random_u64()) << 64 | u128::from(cx.random_u64()));
        let id = match &trigger.given_id {
            Some(given) => TriggerId::Given(given.clone()),
            None => TriggerId::Ours(ours),
        };
        if !repeat && let Err((outcome, code)) = self.may_trigger(cx, device) {
            self.counters.trigger(outcome);
            self.queue_notice(device, Notice::TriggerRefused(id, code));
            if outcome == TriggerOutcome::Forbidden {
                let message = "the trigger is refused: this device's key lacks the operation \"triggers\"";
                self.queue_notice(device, Notice::Error(code, message.into()));
            }
            self.acknowledge(cx, conn, arrival.receipt);
            return self.speak(cx, device);
        }
        if let (false, Some(row)) = (repeat, self.devices.get_mut(device)) {
            row.recent.get_or_insert_default().insert(arrival.id, hash, given, ours);
        }
        self.keep(cx, conn, device, arrival, &trigger, id, repeat);
    }

    /// Whether this came before, and under which name of ours (of no meaning when the device named it).
    fn find_repeat(
        &mut self,
        device: Key,
        arrival: &Arrival<'_>,
        hash: u64,
        given: Option<u64>,
    ) -> Option<u128> {
        let recent = self.devices.get_mut(device)?.recent.as_mut()?;
        #[cfg(planted)]
        if engine::planted::is("repeat-delivered-again") {
            return None;
        }
        let again = arrival.id.filter(|_| arrival.dup).and_then(|id| recent.find(id, hash));
        again.or_else(|| given.filter(|&given| recent.contains_given(given)).map(|_| 0))
    }

    fn may_trigger(&self, cx: &Cx<'_>, device: Key) -> Result<(), (TriggerOutcome, &'static str)> {
        let row = self.devices.get(device);
        let Some((row, seat)) = row.and_then(|row| Some((row, row.seat.as_ref()?))) else {
            return Err((TriggerOutcome::Forbidden, "OPERATION_FORBIDDEN"));
        };
        if !seat.grant.allows(Operations::TRIGGERS) {
            return Err((TriggerOutcome::Forbidden, "OPERATION_FORBIDDEN"));
        }
        self.take_trigger(cx, &row.agent)
    }

    /// Takes one of the agent's triggers of this second.
    pub(super) fn take_trigger(
        &self,
        cx: &Cx<'_>,
        agent: &Agent,
    ) -> Result<(), (TriggerOutcome, &'static str)> {
        let elapsed_ms = cx.now().saturating_duration_since(self.facts.started_at).as_millis() as u64;
        agent
            .try_trigger(elapsed_ms, self.facts.limits.triggers_per_second_per_agent)
            .map_err(|_| (TriggerOutcome::RateLimited, "RATE_LIMITED"))
    }

    /// Hands the trigger to the store writer. A repeat is handed over without words: it is answered when everything before it
    /// is kept, the original included.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call, and every argument is a fact of this one trigger"
    )]
    fn keep(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        arrival: &Arrival<'_>,
        trigger: &Trigger<'_>,
        id: TriggerId,
        repeat: bool,
    ) {
        let mut json = self.buffers.lend();
        if let Some(talk) = self.devices.talk(device) {
            talk.held += 1;
        }
        let Some(row) = self.devices.get(device) else { return };
        if !repeat {
            let payload = trigger.payload.map(|payload| payload.as_bytes());
            write_event(&mut json, trigger.name.as_bytes(), payload, &id, &row.name, cx.wall_ms());
        }
        let agent = row.agent.name_shared().clone();
        let origin = Origin::Device { conn, receipt: arrival.receipt, repeat };
        let ticket = self.held.insert(Held { device, id, origin });
        let keep = ToStore::Keep { agent, kind: EventKind::Trigger, json, answer: Some((cx.core(), ticket)) };
        cx.post(self.facts.store, Mail::Store(keep));
        #[cfg(planted)]
        if engine::planted::is("puback-before-kept") {
            self.acknowledge(cx, conn, arrival.receipt);
        }
    }

    /// Queues a notice that is said behind the acknowledgement that comes next.
    pub(crate) fn queue_notice(&mut self, device: Key, notice: Notice) {
        if let Some(talk) = self.devices.talk(device) {
            talk.push_notice(notice);
        }
    }
}

/// A trigger, or what is wrong with it; one that is JSON and not a trigger is no object of this kind.
fn read(payload: &[u8], payload_bytes_max: usize) -> Result<Trigger<'_>, Malformed> {
    let found = members(payload, ["triggerName", "payload", "triggerId"])?;
    read_members(found, payload_bytes_max).ok_or(Malformed::NotAnObject)
}

fn read_members([name, body, given]: [Option<Raw<'_>>; 3], payload_bytes_max: usize) -> Option<Trigger<'_>> {
    let name = name?;
    let mut unescaped = String::new();
    let text = name.text(&mut unescaped)?;
    if !is_trigger_name(text) {
        return None;
    }
    let payload = body.filter(|body| body.kind() != Kind::Null);
    if payload.is_some_and(|payload| payload.as_bytes().len() > payload_bytes_max) {
        return None;
    }
    let given_id = match given.filter(|given| given.kind() != Kind::Null) {
        Some(given) => {
            Some(given.text(&mut unescaped).filter(|id| (1..=GIVEN_ID_BYTES_MAX).contains(&id.len()))?.into())
        }
        None => None,
    };
    Some(Trigger { name, payload, given_id })
}

/// Whether a trigger may have this name. The device's own convention is narrower, and only a convention.
pub(super) fn is_trigger_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Writes the event as the agent will read it; `name` and `payload` are JSON.
pub(super) fn write_event(
    json: &mut Vec<u8>,
    name: &[u8],
    payload: Option<&[u8]>,
    id: &TriggerId,
    device: &str,
    wall_ms: u64,
) {
    json.extend_from_slice(b"{\"triggerId\":");
    id.write(json);
    json.extend_from_slice(b",\"triggerName\":");
    json.extend_from_slice(name);
    json.extend_from_slice(b",\"deviceName\":");
    encode_str(json, device);
    json.extend_from_slice(b",\"payload\":");
    json.extend_from_slice(payload.unwrap_or(b"{}"));
    write!(json, ",\"receivedAt\":\"{}\"}}", Rfc3339(wall_ms)).expect("writing to a Vec cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_event_with_the_bytes_the_device_sent() {
        let sent = br#"{"payload":{"v": 1.50e1},"triggerName":"too_hot"}"#;
        let trigger = read(sent, 1024).expect("readable");
        let mut json = Vec::new();
        let payload = trigger.payload.map(|payload| payload.as_bytes());
        write_event(&mut json, trigger.name.as_bytes(), payload, &TriggerId::Given("t1".into()), "pico", 0);
        assert_eq!(
            String::from_utf8_lossy(&json),
            r#"{"triggerId":"t1","triggerName":"too_hot","deviceName":"pico","payload":{"v": 1.50e1},"receivedAt":"1970-01-01T00:00:00.000Z"}"#
        );
    }

    #[test]
    fn reads_a_trigger_without_payload_as_an_empty_object() {
        for sent in [&br#"{"triggerName":"a"}"#[..], br#"{"triggerName":"a","payload":null}"#] {
            assert!(read(sent, 10).expect("readable").payload.is_none());
        }
    }

    #[test]
    fn refuses_what_is_not_a_trigger() {
        let bad: [&[u8]; 7] = [
            b"",
            b"[]",
            br#"{"payload":{}}"#,
            br#"{"triggerName":""}"#,
            br#"{"triggerName":7}"#,
            br#"{"triggerName":"a\u0000"}"#,
            br#"{"triggerName":"a","payload":"12345678901"}"#,
        ];
        for sent in bad {
            assert!(read(sent, 10).is_err(), "{}", String::from_utf8_lossy(sent));
        }
    }
}
