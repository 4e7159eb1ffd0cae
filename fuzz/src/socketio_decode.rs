//! Socket.IO: whatever is accepted is within the limits, says the same when it is written again, and its payload is JSON to
//! serde_json too, with no placeholder that names no attachment.

use codec::limits::{SOCKETIO_ACK_ID_MAX, SOCKETIO_ATTACHMENTS_MAX, SOCKETIO_NAMESPACE_BYTES_MAX};
use codec::socketio::{
    Head, Packet, decode, encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event,
};
use serde_json::Value;

/// Reads the bytes as a message.
pub fn check(bytes: &[u8]) {
    let Ok(packet) = decode(bytes) else { return };
    let mut again = Vec::new();
    match packet {
        Packet::Connect { namespace, data } => {
            check_namespace(namespace);
            assert!(data.is_none_or(|data| data.as_str().starts_with('{')));
            encode_connect(&mut again, namespace, &[data.map_or(&[][..], |data| data.as_bytes())]);
        }
        Packet::Disconnect { namespace } => {
            check_namespace(namespace);
            encode_disconnect(&mut again, namespace);
        }
        Packet::ConnectError { namespace, data } => {
            check_namespace(namespace);
            encode_connect_error(&mut again, namespace, &[data.as_bytes()]);
        }
        Packet::Event(event) => {
            check_namespace(event.namespace);
            check_payload(event.call.list(), event.attachments, event.call.iter().count());
            assert!(event.id.is_none_or(|id| id <= SOCKETIO_ACK_ID_MAX));
            let mut scratch = String::new();
            let name = event.call.name();
            let name = name.text(&mut scratch).expect("the name of an event is a string");
            assert!(!["connect", "disconnect", "connect_error"].contains(&name));
            let head = Head { namespace: event.namespace, attachments: event.attachments };
            encode_event(&mut again, head, event.id, name, &[event.call.list().as_bytes()]);
        }
        Packet::Ack(ack) => {
            check_namespace(ack.namespace);
            check_payload(ack.arguments.list(), ack.attachments, ack.arguments.iter().count());
            assert!(ack.id <= SOCKETIO_ACK_ID_MAX);
            let head = Head { namespace: ack.namespace, attachments: ack.attachments };
            encode_ack(&mut again, head, ack.id, &[ack.arguments.list().as_bytes()]);
        }
    }
    let reread = decode(&again).expect("we read what we write");
    assert_eq!(std::mem::discriminant(&reread), std::mem::discriminant(&packet));
    if let (Packet::Event(one), Packet::Event(other)) = (packet, reread) {
        assert_eq!((one.namespace, one.id, one.attachments), (other.namespace, other.id, other.attachments));
        assert_eq!(one.call.list(), other.call.list());
    }
}

fn check_namespace(namespace: &str) {
    assert!(namespace.starts_with('/') && !namespace.contains(','));
    assert!(namespace.len() <= SOCKETIO_NAMESPACE_BYTES_MAX);
}

fn check_payload(list: &str, attachments: u8, count: usize) {
    assert!(attachments <= SOCKETIO_ATTACHMENTS_MAX);
    let Ok(values) = serde_json::from_str::<Vec<Value>>(&format!("[{list}]")) else {
        // Numbers beyond a double are JSON, and no value of serde_json's.
        assert!(list.contains(['e', 'E']) || list.len() > 300, "serde_json refuses {list}");
        return;
    };
    assert_eq!(values.len(), count);
    if attachments > 0 {
        values.iter().for_each(|value| check_placeholders(value, attachments));
    }
}

fn check_placeholders(value: &Value, attachments: u8) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| check_placeholders(value, attachments)),
        Value::Object(members) => {
            if members.get("_placeholder") == Some(&Value::Bool(true)) {
                let num = members.get("num").and_then(Value::as_u64).expect("a placeholder has a number");
                assert!(num < u64::from(attachments));
            }
            members.values().for_each(|value| check_placeholders(value, attachments));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
