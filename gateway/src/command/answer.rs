//! A device's answer finds its command.
//!
//! Owns the reading of `response`: members found without building a tree, the command found by its id without a
//! search, `data` handed on as the bytes the device sent. An answer from any other device than the one that was asked, a
//! second answer, and an answer after the end are dropped and counted; the first one stands.

use super::id::CommandId;
use super::outcome::Outcome;
use super::pending::Pending;
use crate::device::notice::Notice;
use crate::shard::{Cx, Shard};
use codec::json::{Raw, members};
use engine::Key;

/// What a device says when it fails without a word.
const NO_REASON: &str = "the device gave no reason";

impl Shard {
    /// A `response` of the device.
    pub(crate) fn answered(&mut self, cx: &mut Cx<'_>, device: Key, payload: &[u8]) {
        let Ok([Some(id), success, data, error]) =
            members(payload, ["commandId", "success", "data", "error"])
        else {
            self.counters.unread_response();
            let message = "a response is a JSON object with commandId and success";
            return self.notify(cx, device, Notice::Error("INVALID_RESPONSE", message.into()));
        };
        let key = id.plain_str().and_then(CommandId::parse).and_then(|id| self.find_asked(cx, id, device));
        let Some(key) = key else {
            // Late, repeated, foreign or made up: the answer that came first, or the deadline, stands.
            return self.counters.unexpected_response();
        };
        match success.and_then(|success| success.as_bool()) {
            Some(true) => self.settle_done(cx, key, data),
            _ => self.settle_failed(cx, key, error),
        }
        self.speak(cx, device);
    }

    /// The pending entry of an id, if it is one of ours, still pending, and asked of this very device.
    fn find_asked(&self, cx: &Cx<'_>, id: CommandId, device: Key) -> Option<Key> {
        let pending: &Pending = self.pending.get(id.entry)?;
        (pending.device == device && pending.id(id.entry, cx.core(), self.facts.epoch) == id)
            .then_some(id.entry)
    }

    fn settle_done(&mut self, cx: &mut Cx<'_>, key: Key, data: Option<Raw<'_>>) {
        let data = data.map_or(&b"null"[..], |data| data.as_bytes());
        if data.len() > self.facts.limits.payload_bytes_max {
            return self.settle(cx, key, Outcome::DeviceError, b"the device's data is larger than allowed");
        }
        self.settle(cx, key, Outcome::Done, data);
    }

    fn settle_failed(&mut self, cx: &mut Cx<'_>, key: Key, error: Option<Raw<'_>>) {
        let mut unescaped = String::new();
        let reason = error.and_then(|error| error.text(&mut unescaped)).unwrap_or(NO_REASON);
        let cut = reason.floor_char_boundary(self.facts.limits.response_error_bytes_max);
        self.settle(cx, key, Outcome::DeviceError, &reason.as_bytes()[..cut]);
    }
}
