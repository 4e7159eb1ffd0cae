//! Packets that we write.
//!
//! It owns how a packet is put together from parts that are JSON already, so that a payload passes without being read.
//! It never checks a payload: what is given as JSON must be JSON.

use super::packet::MAIN;
use crate::json::encode_str;
use crate::limits::{SOCKETIO_ACK_ID_MAX, SOCKETIO_ATTACHMENTS_MAX};
use std::io::Write;

/// Where a packet goes and what comes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head<'a> {
    /// The namespace, with its slash and without a comma.
    pub namespace: &'a str,
    /// How many binary messages will follow; not none makes the packet a binary one.
    pub attachments: u8,
}

impl<'a> Head<'a> {
    /// The head of a packet without attachments.
    pub fn plain(namespace: &'a str) -> Self {
        Self { namespace, attachments: 0 }
    }

    fn write(&self, text: u8, binary: u8, id: Option<u64>, out: &mut Vec<u8>) {
        debug_assert!(self.namespace.starts_with('/') && !self.namespace.contains(','));
        debug_assert!(self.attachments <= SOCKETIO_ATTACHMENTS_MAX);
        debug_assert!(id.is_none_or(|id| id <= SOCKETIO_ACK_ID_MAX));
        let number = |out: &mut Vec<u8>, number: u64, end: &str| {
            let written = write!(out, "{number}{end}");
            debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
        };
        if self.attachments == 0 {
            out.push(text);
        } else {
            out.push(binary);
            number(out, u64::from(self.attachments), "-");
        }
        if self.namespace != MAIN {
            out.extend_from_slice(self.namespace.as_bytes());
            out.push(b',');
        }
        if let Some(id) = id {
            number(out, id, "");
        }
    }
}

/// Appends an EVENT, or a BINARY_EVENT. The parts, one behind the other, are the arguments with the commas between them.
///
/// ```
/// use codec::socketio::{Head, encode_event};
///
/// let mut out = Vec::new();
/// encode_event(&mut out, Head::plain("/devices"), Some(7), "command", &[br#"{"id":"#, b"1", b"}"]);
/// assert_eq!(out, br#"2/devices,7["command",{"id":1}]"#);
/// ```
pub fn encode_event(out: &mut Vec<u8>, head: Head<'_>, id: Option<u64>, name: &str, parts: &[&[u8]]) {
    head.write(b'2', b'5', id, out);
    out.push(b'[');
    encode_str(out, name);
    if parts.iter().any(|part| !part.is_empty()) {
        out.push(b',');
    }
    close(out, parts);
}

/// Appends an ACK, or a BINARY_ACK. The parts are the arguments.
///
/// ```
/// use codec::socketio::{Head, encode_ack};
///
/// let mut out = Vec::new();
/// encode_ack(&mut out, Head { namespace: "/", attachments: 2 }, 9, &[b"1,2"]);
/// assert_eq!(out, b"62-9[1,2]");
/// ```
pub fn encode_ack(out: &mut Vec<u8>, head: Head<'_>, id: u64, parts: &[&[u8]]) {
    head.write(b'3', b'6', Some(id), out);
    out.push(b'[');
    close(out, parts);
}

/// Appends a CONNECT. The parts, if there are any, are one JSON object.
pub fn encode_connect(out: &mut Vec<u8>, namespace: &str, parts: &[&[u8]]) {
    Head::plain(namespace).write(b'0', b'0', None, out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends a CONNECT_ERROR. The parts are one JSON object or string.
pub fn encode_connect_error(out: &mut Vec<u8>, namespace: &str, parts: &[&[u8]]) {
    Head::plain(namespace).write(b'4', b'4', None, out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends a DISCONNECT.
///
/// ```
/// let mut out = Vec::new();
/// codec::socketio::encode_disconnect(&mut out, "/devices");
/// assert_eq!(out, b"1/devices,");
/// ```
pub fn encode_disconnect(out: &mut Vec<u8>, namespace: &str) {
    Head::plain(namespace).write(b'1', b'1', None, out);
}

fn close(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.push(b']');
}
