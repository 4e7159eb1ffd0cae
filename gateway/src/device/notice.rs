//! Short messages from the gateway to a device that belong to this connection and die with it.
//!
//! Owns their form on the wire. Notices go at QoS 0, so that they neither wait behind a long command nor survive a
//! connection (a stale `trigger_ack` would answer the next trigger). Never carries a payload of an agent: that is a command.

use super::topic::Outbound;
use crate::command::id::write_hex;
use codec::json::{Malformed, encode_str};

/// Something the gateway has to tell a device.
#[derive(Debug)]
pub enum Notice {
    /// The status was accepted; the device's tools exist.
    Connected,
    /// The answer to a heartbeat.
    Pong,
    /// A trigger was stored.
    TriggerKept(TriggerId),
    /// A trigger was not stored, and why.
    TriggerRefused(TriggerId, &'static str),
    /// Something was wrong: a code and a sentence.
    Error(&'static str, Box<str>),
}

/// The name of a trigger: ours, or the one its device gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TriggerId {
    /// 128 random bits.
    Ours(u128),
    /// As the device wrote it.
    Given(Box<str>),
}

/// Longest trigger id a device may give, in bytes.
pub const GIVEN_ID_BYTES_MAX: usize = 128;

impl TriggerId {
    /// Writes the id as a JSON string.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ours(value) => {
                let mut text = *b"\"t-00000000000000000000000000000000\"";
                write_hex(&mut text[3..19], (value >> 64) as u64);
                write_hex(&mut text[19..35], *value as u64);
                out.extend_from_slice(&text);
            }
            Self::Given(text) => encode_str(out, text),
        }
    }
}

impl Notice {
    /// What a device said cannot be read: its JSON, or it is JSON and not what belongs there, which `code` and `message` say.
    pub fn unread(fault: Malformed, code: &'static str, message: &'static str) -> Self {
        match fault {
            Malformed::NotAnObject => Self::Error(code, message.into()),
            _ => Self::Error("INVALID_JSON", fault.to_string().into()),
        }
    }

    /// The topic it goes to.
    pub fn topic(&self) -> Outbound {
        match self {
            Self::Connected => Outbound::Connected,
            Self::Pong => Outbound::Pong,
            Self::TriggerKept(_) | Self::TriggerRefused(..) => Outbound::TriggerAck,
            Self::Error(..) => Outbound::Error,
        }
    }

    /// Writes the JSON of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Connected => out.extend_from_slice(b"{\"message\":\"connected\"}"),
            Self::Pong => out.extend_from_slice(b"{}"),
            Self::TriggerKept(id) => {
                out.extend_from_slice(b"{\"triggerId\":");
                id.write(out);
                out.extend_from_slice(b",\"received\":true}");
            }
            Self::TriggerRefused(id, code) => {
                out.extend_from_slice(b"{\"triggerId\":");
                id.write(out);
                out.extend_from_slice(b",\"received\":false,\"error\":");
                encode_str(out, code);
                out.push(b'}');
            }
            Self::Error(code, message) => {
                out.extend_from_slice(b"{\"code\":");
                encode_str(out, code);
                out.extend_from_slice(b",\"message\":");
                encode_str(out, message);
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(notice: &Notice) -> String {
        let mut out = Vec::new();
        notice.write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn writes_what_the_clients_expect() {
        assert_eq!(text(&Notice::Connected), r#"{"message":"connected"}"#);
        let id = TriggerId::Ours(0xabc);
        assert_eq!(
            text(&Notice::TriggerKept(id)),
            r#"{"triggerId":"t-00000000000000000000000000000abc","received":true}"#
        );
        assert_eq!(
            text(&Notice::TriggerRefused(TriggerId::Given("mine\"".into()), "RATE_LIMITED")),
            r#"{"triggerId":"mine\"","received":false,"error":"RATE_LIMITED"}"#
        );
        assert_eq!(
            text(&Notice::Error("AUTH_FAILED", "the key is not valid".into())),
            r#"{"code":"AUTH_FAILED","message":"the key is not valid"}"#
        );
    }
}
