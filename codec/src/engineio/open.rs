//! The data of the open packet ("Handshake").
//!
//! It owns the five members and their spelling. It never chooses a value.

use super::Malformed;
use crate::json::{self, Kind};
use std::io::Write;

/// What a server tells a client in its first packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open<'a> {
    /// The session's name. Letters, digits, `-` and `_` only.
    pub sid: &'a str,
    /// Whether the client may move the session to a WebSocket.
    pub may_upgrade: bool,
    /// From a pong, or the beginning, until the next ping, in milliseconds.
    pub ping_interval_ms: u32,
    /// From a ping until its pong is missed, in milliseconds.
    pub ping_timeout_ms: u32,
    /// Longest payload and longest message that the server takes, in bytes.
    pub payload_bytes_max: u32,
}

impl Open<'_> {
    /// Appends the packet, its type included.
    ///
    /// ```
    /// use codec::engineio::Open;
    ///
    /// let open = Open {
    ///     sid: "lv_VI97HAXpY6yYWAAAC",
    ///     may_upgrade: true,
    ///     ping_interval_ms: 25_000,
    ///     ping_timeout_ms: 20_000,
    ///     payload_bytes_max: 1_000_000,
    /// };
    /// let mut out = Vec::new();
    /// open.encode(&mut out);
    /// let text = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    /// assert_eq!(out, text.as_bytes());
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!(self.sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let upgrades = if self.may_upgrade { "\"websocket\"" } else { "" };
        let written = write!(
            out,
            "0{{\"sid\":\"{}\",\"upgrades\":[{upgrades}],\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            self.sid, self.ping_interval_ms, self.ping_timeout_ms, self.payload_bytes_max
        );
        debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
    }
}

/// Reads the data of an open packet, as a client does.
///
/// # Errors
///
/// [`Malformed::Open`].
pub fn decode_open(data: &str) -> Result<Open<'_>, Malformed> {
    const NAMES: [&str; 5] = ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"];
    let found = json::members(data.as_bytes(), NAMES).map_err(|_| Malformed::Open)?;
    let [Some(sid), Some(upgrades), Some(interval), Some(timeout), Some(payload)] = found else {
        return Err(Malformed::Open);
    };
    let number = |value: json::Raw<'_>| {
        value.as_u64().and_then(|value| u32::try_from(value).ok()).ok_or(Malformed::Open)
    };
    if upgrades.kind() != Kind::Array {
        return Err(Malformed::Open);
    }
    Ok(Open {
        sid: sid.plain_str().ok_or(Malformed::Open)?,
        may_upgrade: upgrades.elements().any(|name| name.is_text("websocket")),
        ping_interval_ms: number(interval)?,
        ping_timeout_ms: number(timeout)?,
        payload_bytes_max: number(payload)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let open = Open {
            sid: "a-_9",
            may_upgrade: false,
            ping_interval_ms: 300,
            ping_timeout_ms: 200,
            payload_bytes_max: u32::MAX,
        };
        let mut out = Vec::new();
        open.encode(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(decode_open(&text[1..]), Ok(open));
        for data in
            ["", "{}", "[]", r#"{"sid":1}"#, &text[1..].replace("[]", "0"), &text[1..].replace("300", "-1")]
        {
            assert_eq!(decode_open(data), Err(Malformed::Open), "{data}");
        }
    }
}
