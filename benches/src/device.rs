//! What a device of the fleet says when it connects, as the Python client says it.
//!
//! Owns the names of the sample tenant, its keys, and the bytes of an introduction: CONNECT with a will, SUBSCRIBE to its own
//! topics, the retained status and the status that describes it. It never opens a connection and never judges an answer.

use codec::mqtt::{Connect, Misuse, PacketId, PublishHead, QoS, Will, encode_publish, encode_subscribe};

use crate::manifest::FOUR_COMMANDS;

/// The tenant.
pub const AGENT: &str = "agent-0001";
/// The key of every device of the tenant.
pub const DEVICE_SECRET: &str = "device-secret";
/// The tenant's own key.
pub const AGENT_SECRET: &str = "agent-secret";

/// Both keys, by the SHA-256 of their secrets, as `keys.toml` has them.
pub const KEYS: &str = r#"
[[key]]
id = "device"
sha256 = "13dfe07f0da5e88e4e122b2343005c77c4c02a03a52c0a3c4f8dadb533c5b350"
agent = "agent-0001"
device = "*"
operations = ["commands", "triggers"]
[[key]]
id = "agent"
sha256 = "cc000e626ba67bed4834794d42288b228f012823877440d2bc5a3787cc6ffce9"
agent = "agent-0001"
device = "*"
operations = ["agent", "operator"]
"#;

/// The topics that a device listens to; the last one only by the MicroPython client.
const SUFFIXES: [&str; 6] = ["command", "connected", "trigger_ack", "trigger_result", "error", "pong"];

/// What all topics of a device begin with.
pub fn topic_prefix(name: &str) -> String {
    format!("lua/devices/{AGENT}/{name}/")
}

/// Appends an introduction: four packets, the publishes with the identifiers 1 and 2. The answers are CONNACK, SUBACK, two
/// PUBACKs and the message `connected`.
///
/// # Errors
///
/// When the name is too long for MQTT.
pub fn introduce(name: &str, hears_pong: bool, out: &mut Vec<u8>) -> Result<(), Misuse> {
    let prefix = topic_prefix(name);
    let (client_id, username) = (format!("lua-{AGENT}-{name}"), format!("{AGENT}:{name}"));
    let topic = format!("{prefix}status");
    let will =
        Will { topic: &topic, payload: br#"{"status":"offline"}"#, qos: QoS::AtLeastOnce, retain: true };
    let connect = Connect {
        client_id: &client_id,
        clean_session: false,
        keep_alive_s: 60,
        will: Some(will),
        username: Some(&username),
        password: Some(DEVICE_SECRET.as_bytes()),
    };
    connect.encode(out)?;
    let topics = SUFFIXES.map(|suffix| format!("{prefix}{suffix}"));
    let filters = topics.each_ref().map(|topic| (topic.as_str(), QoS::AtLeastOnce));
    encode_subscribe(out, PacketId::MIN, if hears_pong { &filters } else { &filters[..5] })?;
    let online = r#"{"status":"online","timestamp":"2026-01-01T00:00:00+00:00"}"#;
    let described = format!(
        r#"{{"status":"online","apiKey":"{DEVICE_SECRET}","group":null,"commands":{FOUR_COMMANDS}}}"#
    );
    let ids = [PacketId::MIN, PacketId::MIN.next()];
    for (id, payload) in ids.into_iter().zip([online, &described]) {
        let head = PublishHead { qos: QoS::AtLeastOnce, dup: false, retain: false, id: Some(id) };
        encode_publish(out, head, &[&topic], &[payload.as_bytes()])?;
    }
    Ok(())
}

/// The same for a device over Socket.IO, as one message of Engine.IO. The answers are the open packet, the connected namespace and the
/// event `connected`.
pub fn introduce_over_socketio(name: &str, out: &mut Vec<u8>) {
    let auth = format!(
        r#"40/devices,{{"apiKey":"{DEVICE_SECRET}","agentId":"{AGENT}","deviceName":"{name}","commands":{FOUR_COMMANDS}}}"#
    );
    out.extend_from_slice(auth.as_bytes());
}
