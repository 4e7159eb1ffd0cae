//! Taps: somebody looks at what a device and the gateway say to each other, while they say it.
//!
//! Owns, on the device's home core, who looks and how much they may be shown before they have taken it. Nothing is shown that is
//! secret: of a status only what describes the device, and payloads only to whoever asked for them. A tap that does not keep up
//! misses messages, and is told how many; nobody waits for it. Without a tap all this costs one look at an empty list.

use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use crate::wall::Rfc3339;
use codec::json::{encode_str, members, validate};
use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;
use std::io::Write;
use std::sync::Arc;

/// Messages that may be on their way to one tap from one core.
const UNTAKEN_MAX: u32 = 256;
/// Longest payload that is shown.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
const VEC: &str = "writing to a Vec cannot fail";

/// Who looks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reader {
    /// The core of the agent's connection.
    pub core: usize,
    /// The connection.
    pub conn: Key,
}

/// An agent's core says who wants to look, who has taken what it was shown, and who has gone.
#[derive(Debug)]
pub enum TapWish {
    /// Show what is said from now on.
    Open {
        /// Whose devices.
        agent: Arc<str>,
        /// Only this one.
        device: Option<Box<str>>,
        /// With what is said, not only that something is.
        payloads: bool,
    },
    /// One message was taken.
    Taken,
    /// No more.
    Close,
}

/// A message, as a tap sees it.
#[derive(Debug)]
pub struct Tapped {
    /// The agent's connection.
    pub conn: Key,
    /// JSON.
    pub json: Vec<u8>,
    /// Messages before it that were not shown.
    pub missed: u64,
}

/// Which way a message goes, seen from the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// The taps on one core's devices, by agent: those of one cost the devices of another nothing. How many an agent may have is
/// bounded where it asks for one, as one of its event streams.
#[derive(Debug, Default)]
pub struct Taps {
    by_agent: HashMap<Arc<str>, Vec<Tap>, BuildHasherDefault<SipHasher13>>,
    agents: HashMap<Reader, Arc<str>, BuildHasherDefault<SipHasher13>>,
}

#[derive(Debug)]
struct Tap {
    reader: Reader,
    device: Option<Box<str>>,
    payloads: bool,
    untaken: u32,
    missed: u64,
}

impl Taps {
    fn obey(&mut self, reader: Reader, wish: TapWish) {
        match wish {
            TapWish::Open { agent, device, payloads } => {
                let tap = Tap { reader, device, payloads, untaken: 0, missed: 0 };
                self.by_agent.entry(agent.clone()).or_default().push(tap);
                self.agents.insert(reader, agent);
            }
            TapWish::Taken => {
                let taps = self.agents.get(&reader).and_then(|agent| self.by_agent.get_mut(agent));
                if let Some(tap) = taps.and_then(|taps| taps.iter_mut().find(|tap| tap.reader == reader)) {
                    tap.untaken = tap.untaken.saturating_sub(1);
                }
            }
            TapWish::Close => self.close(reader),
        }
    }

    fn close(&mut self, reader: Reader) {
        let Some(agent) = self.agents.remove(&reader) else { return };
        if let Some(taps) = self.by_agent.get_mut(&agent) {
            taps.retain(|tap| tap.reader != reader);
            if taps.is_empty() {
                self.by_agent.remove(&agent);
            }
        }
    }

    /// Shows a message to whoever looks at this device of (agent, name).
    pub(super) fn show(
        &mut self,
        cx: &mut Cx<'_>,
        device: (&str, &str),
        way: Way,
        topic: &str,
        parts: &[&[u8]],
    ) {
        if self.by_agent.is_empty() {
            return;
        }
        let Some(taps) = self.by_agent.get_mut(device.0) else { return };
        for tap in taps.iter_mut().filter(|tap| tap.wants(device.1)) {
            if tap.untaken >= UNTAKEN_MAX {
                tap.missed += 1;
                continue;
            }
            tap.untaken += 1;
            let json = write(cx.wall_ms(), device.1, way, topic, parts, tap.payloads);
            let tapped = Tapped { conn: tap.reader.conn, json, missed: std::mem::take(&mut tap.missed) };
            cx.post(tap.reader.core, Mail::Tapped(Box::new(tapped)));
        }
    }
}

impl Tap {
    fn wants(&self, device: &str) -> bool {
        self.device.as_deref().is_none_or(|name| name == device)
    }
}

impl Shard {
    /// An agent's core has a wish about a tap.
    pub(crate) fn tap(&mut self, cx: &mut Cx<'_>, reader: Reader, wish: TapWish) {
        let opens = matches!(wish, TapWish::Open { .. });
        self.taps.obey(reader, wish);
        if opens {
            cx.post(reader.core, Mail::TapOpened(reader.conn));
        }
    }
}

/// A message as JSON.
fn write(wall_ms: u64, device: &str, way: Way, topic: &str, parts: &[&[u8]], payloads: bool) -> Vec<u8> {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    let mut json = Vec::with_capacity(128);
    write!(json, "{{\"at\":\"{}\",\"deviceName\":", Rfc3339(wall_ms)).expect(VEC);
    encode_str(&mut json, device);
    let direction = match way {
        Way::In => "in",
        Way::Out => "out",
    };
    write!(json, ",\"direction\":\"{direction}\",\"topic\":\"{topic}\",\"bytes\":{bytes}").expect(VEC);
    if payloads && bytes > 0 {
        write_payload(&mut json, way, topic, parts, bytes);
    }
    json.push(b'}');
    json
}

fn write_payload(json: &mut Vec<u8>, way: Way, topic: &str, parts: &[&[u8]], bytes: usize) {
    if bytes > PAYLOAD_BYTES_MAX {
        return json.extend_from_slice(b",\"omitted\":\"it is too long to be shown\"");
    }
    let payload = parts.concat();
    if validate(&payload).is_err() {
        return json.extend_from_slice(b",\"omitted\":\"it is not JSON\"");
    }
    json.extend_from_slice(b",\"payload\":");
    match (way, topic) {
        (Way::In, "status") => write_status(json, &payload),
        _ => json.extend_from_slice(&payload),
    }
}

/// A status carries the device's key: nothing of it is shown but what describes the device.
fn write_status(json: &mut Vec<u8>, payload: &[u8]) {
    const SHOWN: [&str; 4] = ["status", "timestamp", "group", "commands"];
    let found = members(payload, SHOWN).unwrap_or_default();
    json.push(b'{');
    let mut comma = "";
    for (name, value) in SHOWN.iter().zip(found) {
        if let Some(value) = value {
            write!(json, "{comma}\"{name}\":").expect(VEC);
            json.extend_from_slice(value.as_bytes());
            comma = ",";
        }
    }
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn seen(way: Way, topic: &str, payload: &str, payloads: bool) -> Value {
        let json = write(0, "pi\"co", way, topic, &[payload.as_bytes()], payloads);
        serde_json::from_slice(&json).expect("JSON")
    }

    #[test]
    fn a_tap_that_is_closed_leaves_nothing_behind() {
        let mut taps = Taps::default();
        let reader = |index| Reader { core: 0, conn: Key { index, generation: 0 } };
        for index in 0..6 {
            let agent = if index % 2 == 0 { "alpha" } else { "beta" }.into();
            taps.obey(reader(index), TapWish::Open { agent, device: None, payloads: false });
        }
        taps.obey(reader(9), TapWish::Taken);
        assert_eq!((taps.by_agent["alpha"].len(), taps.by_agent["beta"].len()), (3, 3));
        for index in (0..6).chain(0..6) {
            taps.obey(reader(index), TapWish::Close);
        }
        assert!(taps.by_agent.is_empty() && taps.agents.is_empty());
    }

    #[test]
    fn shows_payloads_only_to_whoever_asked() {
        let json = seen(Way::In, "response", r#"{"commandId":"c","success":true}"#, false);
        assert_eq!((&json["topic"], &json["bytes"]), (&"response".into(), &32.into()));
        assert!(json.get("payload").is_none());
        assert_eq!(seen(Way::Out, "command", r#"{"n":1}"#, true)["payload"]["n"], 1);
    }

    #[test]
    fn never_shows_the_key_of_a_status() {
        let status = r#"{"api\u004bey":"s3cret","status":"online","group":null,"commands":[]}"#;
        let json = seen(Way::In, "status", status, true);
        assert_eq!(json["payload"]["status"], "online");
        assert!(!json.to_string().contains("s3cret"), "{json}");
        let twice = r#"{"status":"online","apiKey":"s3cret","apiKey":"s3cret"}"#;
        assert!(!seen(Way::In, "status", twice, true).to_string().contains("s3cret"));
    }

    #[test]
    fn says_what_it_does_not_show() {
        assert_eq!(seen(Way::In, "trigger", "{", true)["omitted"], "it is not JSON");
        let long = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX));
        assert_eq!(seen(Way::In, "trigger", &long, true)["omitted"], "it is too long to be shown");
    }
}
