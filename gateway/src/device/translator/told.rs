//! What a device is told: the MQTT that the conversation said becomes events, acknowledgements and refusals.
//!
//! Owns their payloads where they are not the conversation's own. Never decides what is said.

use super::super::word::{
    AGENT_FORBIDDEN, AUTH_FAILED, DEVICE_DISABLED, NO_DEVICE, RATE_LIMITED, TAKEN_OVER, Word,
};
use super::work::{LogIn, Spare};
use super::{NAMESPACE, Translator};
use crate::device::status::Reason;
use crate::metrics::AuthOutcome;
use codec::json::{encode_str, members};
use codec::mqtt::{self, ConnAck, ConnectCode, Packet};
use std::time::{Duration, Instant};
use transports::engineio::Voice;
use transports::socketio::Head;
use transports::ws::CloseCode;

impl Translator {
    /// Why the CONNACK that comes next refuses.
    pub fn refused(&mut self, outcome: AuthOutcome) {
        if let Some(login) = self.login_mut() {
            login.refusal = Some(outcome);
        }
    }

    /// The refusal that comes next is for a lock-out that lasts so long still.
    pub fn locked_out_for(&mut self, left: Duration) {
        if let Some(login) = self.login_mut() {
            login.retry_after_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn login(&self) -> Option<&LogIn> {
        self.work.as_ref().and_then(|work| work.login.as_ref())
    }

    fn login_mut(&mut self) -> Option<&mut LogIn> {
        self.work.as_mut().and_then(|work| work.login.as_mut())
    }

    /// Puts what the conversation said, from the byte `from` on, into the words of Socket.IO.
    pub fn translate(&mut self, out: &mut Vec<u8>, from: usize, spare: &mut Spare) {
        if out.len() == from {
            return;
        }
        let said = spare.take_said(out, from);
        let mut rest = &said[..];
        while let Ok(Some((packet, bytes))) = mqtt::decode(rest) {
            self.tell(&packet, out);
            rest = &rest[bytes..];
        }
        debug_assert!(rest.is_empty(), "the conversation writes whole packets");
        spare.put_said(said);
        self.rest(spare);
    }

    fn tell(&mut self, packet: &Packet<'_>, out: &mut Vec<u8>) {
        match packet {
            Packet::ConnAck(ConnAck { code: ConnectCode::Accepted, .. }) => {
                let Some(login) = self.work.as_mut().and_then(|work| work.login.take()) else { return };
                let mut voice = Voice { session: &mut self.below, out };
                self.above.accept(NAMESPACE, &login.sid, &mut voice);
            }
            // It may try again, which a refusal would forbid: the connection just ends.
            Packet::ConnAck(ConnAck { code: ConnectCode::ServerUnavailable, .. }) => {}
            Packet::ConnAck(_) => {
                let word = match self.login().and_then(|login| login.refusal) {
                    Some(AuthOutcome::OtherBinding) => &AGENT_FORBIDDEN,
                    Some(AuthOutcome::NoDevice) => &NO_DEVICE,
                    Some(AuthOutcome::Disabled) => &DEVICE_DISABLED,
                    Some(AuthOutcome::RateLimited) => &RATE_LIMITED,
                    Some(_) | None => &AUTH_FAILED,
                };
                self.refuse(word, out);
            }
            Packet::Publish(publish) => {
                let suffix = publish.topic.rsplit('/').next().unwrap_or_default();
                // The contract's payload of `connected` is an empty object here.
                let payload = if suffix == "connected" { b"{}" } else { publish.payload };
                self.emit(suffix, &[payload], out);
                if suffix == "trigger_ack" {
                    self.tell_trigger_error(payload, out);
                }
            }
            Packet::PubAck(id) => {
                let Some(ack) = self.work.as_mut().and_then(|work| work.take_ack(*id)) else { return };
                let mut voice = Voice { session: &mut self.below, out };
                self.above.acknowledge(Head::plain(NAMESPACE), ack, &[], &mut voice);
            }
            _ => {}
        }
    }

    /// A trigger that was refused is told twice: the Node client looks at `trigger_error`. To try again helps against the limit
    /// only.
    fn tell_trigger_error(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let Ok([Some(error)]) = members(payload, ["error"]) else { return };
        let rest: &[u8] = if error.is_text("RATE_LIMITED") {
            br#","message":"the trigger was not taken; try again later","retryAfterMs":1000}"#
        } else {
            br#","message":"the trigger was not taken"}"#
        };
        let parts: [&[u8]; 3] = [b"{\"code\":", error.as_bytes(), rest];
        self.emit("trigger_error", &parts, out);
    }

    fn emit(&mut self, name: &str, parts: &[&[u8]], out: &mut Vec<u8>) {
        if self.above.is_connected(NAMESPACE) {
            let mut voice = Voice { session: &mut self.below, out };
            self.above.emit(Head::plain(NAMESPACE), None, name, parts, &mut voice);
        }
    }

    pub(super) fn scold(&mut self, word: &Word, out: &mut Vec<u8>) {
        let mut json = Vec::new();
        word.write(&mut json);
        self.emit("error", &[&json], out);
    }

    pub(super) fn refuse(&mut self, word: &Word, out: &mut Vec<u8>) {
        let (mut message, mut data) = (Vec::new(), Vec::new());
        encode_str(&mut message, word.1);
        word.write_with(&mut data, self.login().map_or(0, |login| login.retry_after_ms));
        let parts: [&[u8]; 5] = [b"{\"message\":", &message, b",\"data\":", &data, b"}"];
        let mut voice = Voice { session: &mut self.below, out };
        self.above.refuse(NAMESPACE, &parts, &mut voice);
    }

    /// The last words. Who must not come back at once is told so: a bare close would make a stock client return. Whoever may is
    /// told nothing.
    pub fn goodbye(&mut self, verdict: Option<Reason>, code: CloseCode, out: &mut Vec<u8>, now: Instant) {
        let word = match verdict {
            Some(Reason::TakenOver) => Some(&TAKEN_OVER),
            Some(Reason::AuthFailed) => Some(&AUTH_FAILED),
            Some(Reason::Disabled) => Some(&DEVICE_DISABLED),
            Some(_) | None => None,
        };
        if let Some(word) = word
            && self.above.is_connected(NAMESPACE)
        {
            self.scold(word, out);
            let mut voice = Voice { session: &mut self.below, out };
            self.above.disconnect(NAMESPACE, Some(&mut voice), now);
        }
        // What was said just now may still be fetched; where nothing was, nothing is waited for.
        self.below.lose(now);
        if let Some(socket) = &mut self.socket {
            socket.close(code, "", out, now);
        }
    }
}
