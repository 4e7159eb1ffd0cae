//! Socket.IO as a wire below a device's conversation: what a device says over it becomes the MQTT that it would have said, and
//! what it is told becomes events.
//!
//! Owns the names of the contract's section 4 in both directions. The conversation above, admission, manifests, commands and
//! triggers are the same code for every transport, so no device is treated otherwise because of how it speaks. Payloads pass
//! as they were spelled. Never decides who may connect, and keeps nothing but what was not taken yet.
//!
//! ```text
//!   0/devices,{apiKey, agentId, ..} --> CONNECT, SUBSCRIBE, PUBLISH status     CONNACK 0 --> 0/devices,{sid}
//!   2/devices,["response", {..}] -----> PUBLISH response                       CONNACK 5 --> 4/devices,{message, data}
//!   2/devices,7["trigger", {..}] -----> PUBLISH trigger, QoS 1                 PUBACK -----> 3/devices,7[]
//!   2/devices,["heartbeat"] ----------> PUBLISH heartbeat                      PUBLISH x --> 2/devices,["x", {..}]
//!   a pong ---------------------------> PINGREQ
//!   1/devices, -----------------------> DISCONNECT
//! ```

use super::status::Reason;
use super::topic::{self, Outbound};
use super::word::{
    AGENT_FORBIDDEN, AUTH_FAILED, BINARY, DEVICE_DISABLED, MISSING_AUTH, RATE_LIMITED, TAKEN_OVER, Word,
};
use crate::metrics::AuthOutcome;
use codec::engineio::{Malformed, Payload};
use codec::json::{Kind, Raw, encode_str, members};
use codec::mqtt::{
    self, ConnAck, ConnectCode, Packet, PacketId, PublishHead, QoS, encode_publish, encode_subscribe,
};
use std::time::{Duration, Instant};
use transports::engineio::{self, Voice};
use transports::input::Input;
use transports::socketio::{self, Happening, Head};
use transports::ws::{self, CloseCode};

/// The only namespace.
pub const NAMESPACE: &str = "/devices";

/// One Socket.IO client, as seen from above.
#[derive(Debug)]
pub struct Translator {
    below: engineio::Session,
    above: socketio::Session,
    /// The frames, once a WebSocket carries the session.
    socket: Option<ws::Session>,
    /// MQTT that the conversation has not taken yet.
    inbox: Vec<u8>,
    /// The body of a POST of which not all was heard: most have none.
    post: Option<Box<Post>>,
    /// It stands in the queue of those whose words wait.
    pub(super) is_queued: bool,
    /// What matters until it is accepted: an idle device has none of it.
    login: Option<Box<LogIn>>,
    /// Events that want an acknowledgement; absent until there was one.
    acks: Option<Box<Acks>>,
    last_id: u16,
    /// Events that nobody knows.
    unknown: u32,
}

/// A body, and how much of it was heard.
#[derive(Debug)]
struct Post {
    text: String,
    heard_bytes: usize,
}

/// What is known of a client before it is accepted.
#[derive(Debug)]
struct LogIn {
    sid: Box<str>,
    /// Why it is refused, when it is.
    refusal: Option<AuthOutcome>,
    /// When it may try again, where that is known.
    retry_after_ms: u32,
}

/// Events that want an acknowledgement, by the identifier that their PUBLISH has.
#[derive(Debug, Default)]
struct Acks(Vec<(PacketId, u64)>);

/// What a look at the received bytes has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A message; there may be more.
    Message,
    /// Nothing that is whole.
    Nothing,
    /// The client said goodbye below the conversation.
    Closed,
    /// A rule of the layers below was broken; its name.
    Broken(&'static str),
}

impl Translator {
    /// A client over a WebSocket, or one that polls.
    pub fn new(
        below: engineio::Session,
        above: socketio::Session,
        socket: Option<ws::Session>,
        sid: Box<str>,
    ) -> Self {
        let login = LogIn { sid, refusal: None, retry_after_ms: 0 };
        Self {
            below,
            above,
            socket,
            inbox: Vec::new(),
            post: None,
            is_queued: false,
            login: Some(Box::new(login)),
            acks: None,
            last_id: 1,
            unknown: 0,
        }
    }

    /// Takes the next message out of what was received, and writes down what it means.
    pub fn hear(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>, now: Instant) -> Heard {
        let Some(socket) = &mut self.socket else { return Heard::Nothing };
        let message = match socket.next(input, out, now) {
            Ok(None) => return Heard::Nothing,
            Ok(Some(message)) => message,
            Err(violation) => {
                violation.answer(out);
                return Heard::Broken(violation.name());
            }
        };
        let heard = match message {
            ws::Event::Text(text) => self.below.hear_text(text.as_bytes(), now),
            ws::Event::Binary(bytes) => self.below.hear_binary(bytes),
            ws::Event::Closed(_) => return Heard::Closed,
        };
        self.judge(heard, out)
    }

    /// The body of a POST: its packets are heard one by one.
    pub fn take_post(&mut self, body: Vec<u8>) -> Heard {
        debug_assert!(self.post.is_none(), "a client has one POST under way");
        match String::from_utf8(body) {
            Ok(text) => {
                self.post = Some(Box::new(Post { text, heard_bytes: 0 }));
                Heard::Message
            }
            Err(_) => Heard::Broken(self.below.fail(Malformed::IllFormedUtf8.into()).name()),
        }
    }

    /// The same as [`Translator::hear`] for the next packet of the POST.
    pub fn hear_posted(&mut self, out: &mut Vec<u8>, now: Instant) -> Heard {
        let Some(mut post) = self.post.take() else { return Heard::Nothing };
        let mut packets = Payload::of(post.text.get(post.heard_bytes..).unwrap_or_default());
        let heard = match packets.next() {
            Some(Ok(packet)) => self.below.hear(packet, now),
            Some(Err(malformed)) => Err(self.below.fail(malformed.into())),
            None => return Heard::Nothing,
        };
        let heard = self.judge(heard, out);
        if let (Heard::Message, Some(rest)) = (heard, packets.rest()) {
            post.heard_bytes = post.text.len() - rest.len();
            self.post = Some(post);
        }
        heard
    }

    fn judge(
        &mut self,
        heard: Result<Option<engineio::Event<'_>>, engineio::Violation>,
        out: &mut Vec<u8>,
    ) -> Heard {
        match heard {
            Ok(Some(engineio::Event::Closed)) => Heard::Closed,
            Ok(Some(event)) => match self.heard(event, out) {
                Ok(()) => Heard::Message,
                Err(violation) => Heard::Broken(violation.name()),
            },
            Ok(None) => {
                if self.above.is_connected(NAMESPACE) {
                    mqtt::encode_pingreq(&mut self.inbox);
                }
                Heard::Message
            }
            Err(violation) => Heard::Broken(violation.name()),
        }
    }

    fn heard(&mut self, event: engineio::Event<'_>, out: &mut Vec<u8>) -> Result<(), socketio::Violation> {
        let mut voice = Voice { session: &mut self.below, out };
        let event = match event {
            engineio::Event::Text(text) => self.above.hear_text(text, &mut voice)?,
            engineio::Event::Binary(binary) => self.above.hear_binary(binary)?,
            engineio::Event::Upgraded | engineio::Event::Closed => None,
        };
        match event {
            Some(socketio::Event::Connect { auth, .. }) => {
                if !self.claim(auth) {
                    self.refuse(&MISSING_AUTH, out);
                }
                #[cfg(planted)]
                if engine::planted::is("namespace-connected-at-once") {
                    let sid = self.login.as_ref().map_or("", |login| &*login.sid);
                    let mut voice = Voice { session: &mut self.below, out };
                    self.above.accept(NAMESPACE, sid, &mut voice);
                }
            }
            Some(socketio::Event::Event(event)) => {
                #[cfg(planted)]
                if let Some(id) = event.id
                    && engine::planted::is("callback-before-kept")
                {
                    let mut voice = Voice { session: &mut self.below, out };
                    self.above.acknowledge(Head::plain(NAMESPACE), id, &[], &mut voice);
                }
                self.happened(&event);
            }
            Some(socketio::Event::Assembled(_)) => self.scold(&BINARY, out),
            Some(socketio::Event::Disconnect { .. }) => mqtt::encode_disconnect(&mut self.inbox),
            Some(socketio::Event::Ack(_)) | None => {}
        }
        Ok(())
    }

    /// Who the client says it is, and what it can do. `false`: it does not say.
    fn claim(&mut self, auth: Option<Raw<'_>>) -> bool {
        const NAMES: [&str; 6] = ["apiKey", "deviceCredential", "agentId", "deviceName", "commands", "group"];
        let found = auth.and_then(|auth| members(auth.as_bytes(), NAMES).ok());
        let Some([api_key, credential, agent, device, commands, group]) = found else { return false };
        let is_text = |value: &Raw<'_>| value.kind() == Kind::String;
        let Some(key) = api_key.filter(is_text).or(credential.filter(is_text)) else { return false };
        let mut scratch = [String::new(), String::new(), String::new()];
        let [first, second, third] = &mut scratch;
        let (Some(secret), Some(agent), Some(device)) = (
            key.text(first),
            agent.as_ref().and_then(|agent| agent.text(second)),
            device.as_ref().and_then(|device| device.text(third)),
        ) else {
            return false;
        };
        let (client_id, username) = (format!("lua-{agent}-{device}"), format!("{agent}:{device}"));
        let connect = mqtt::Connect {
            client_id: &client_id,
            clean_session: true,
            // The heartbeat below is stricter than any keep-alive.
            keep_alive_s: 0,
            will: None,
            username: Some(&username),
            password: Some(secret.as_bytes()),
        };
        let from = self.inbox.len();
        let topics = Outbound::ALL.map(|topic| topic::parts(agent, device, topic).concat());
        let filters = topics.each_ref().map(|topic| (topic.as_str(), QoS::AtMostOnce));
        let written = connect.encode(&mut self.inbox).is_ok()
            && encode_subscribe(&mut self.inbox, PacketId::MIN, &filters).is_ok()
            && self.describe(key, commands, group);
        if !written {
            // A name that no topic can hold is no device's.
            self.inbox.truncate(from);
        }
        written
    }

    /// What MQTT devices say in their second status.
    fn describe(&mut self, key: Raw<'_>, commands: Option<Raw<'_>>, group: Option<Raw<'_>>) -> bool {
        let value = |value: Option<Raw<'_>>, otherwise: &'static [u8]| -> Vec<u8> {
            value.map_or(otherwise, |value| value.as_bytes()).to_vec()
        };
        let (commands, group) = (value(commands, b"[]"), value(group, b"null"));
        let parts: [&[u8]; 7] = [
            b"{\"status\":\"online\",\"apiKey\":",
            key.as_bytes(),
            b",\"group\":",
            &group,
            b",\"commands\":",
            &commands,
            b"}",
        ];
        self.publish("status", &parts, None)
    }

    /// An event of the device.
    fn happened(&mut self, event: &Happening<'_>) {
        let (name, argument) = (event.call.name(), event.call.first());
        let payload = argument.map_or(&b""[..], |argument| argument.as_bytes());
        let known = ["response", "trigger", "heartbeat"].into_iter().find(|known| name.is_text(known));
        match known {
            Some("heartbeat") => _ = self.publish("heartbeat", &[], event.id),
            Some(known) => _ = self.publish(known, &[payload], event.id),
            None => self.unknown += 1,
        }
    }

    fn publish(&mut self, suffix: &str, payload: &[&[u8]], ack: Option<u64>) -> bool {
        let id = ack.map(|_| self.new_id());
        let qos = if id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let head = PublishHead { qos, dup: false, retain: false, id };
        if let Some(waiting) = id.zip(ack) {
            self.acks.get_or_insert_default().0.push(waiting);
        }
        // Its topics are its own, and bare: nobody else is on this wire.
        encode_publish(&mut self.inbox, head, &[suffix], payload).is_ok()
    }

    fn new_id(&mut self) -> PacketId {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        PacketId::new(self.last_id).unwrap_or(PacketId::MIN)
    }

    /// MQTT that the conversation is to take; what it leaves goes back by [`Translator::keep`].
    pub fn take_inbox(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbox)
    }

    /// What the conversation has not taken. An inbox that was taken whole is freed: an idle device owns no buffer.
    pub fn keep(&mut self, mut inbox: Vec<u8>, taken: usize) {
        if taken < inbox.len() {
            inbox.drain(..taken);
            inbox.append(&mut self.inbox);
            self.inbox = inbox;
        }
    }

    /// Whether something waits for the conversation.
    pub fn has_words(&self) -> bool {
        !self.inbox.is_empty() || self.post.is_some()
    }

    /// How many bytes wait here.
    pub fn held_bytes(&self) -> usize {
        self.inbox.len() + self.post.as_ref().map_or(0, |post| post.text.len())
    }

    /// Events that nobody knows, since this was asked last.
    pub fn take_unknown(&mut self) -> u32 {
        std::mem::take(&mut self.unknown)
    }

    /// Why the CONNACK that comes next refuses.
    pub fn refused(&mut self, outcome: AuthOutcome) {
        if let Some(login) = &mut self.login {
            login.refusal = Some(outcome);
        }
    }

    /// The refusal that comes next is for a lock-out that lasts so long still.
    pub fn locked_out_for(&mut self, left: Duration) {
        if let Some(login) = &mut self.login {
            login.retry_after_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        }
    }

    /// The layer that carries it, for those who bring its requests.
    pub fn below(&mut self) -> &mut engineio::Session {
        &mut self.below
    }

    /// A WebSocket carries it from now on.
    pub fn carried_by(&mut self, mut socket: ws::Session, admitted: bool) {
        if admitted {
            socket.admit();
        }
        self.socket = Some(socket);
    }

    /// It is no stranger any more.
    pub fn admit(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.admit();
        }
    }

    /// Puts what the conversation said, from the byte `from` on, into the words of Socket.IO.
    pub fn translate(&mut self, out: &mut Vec<u8>, from: usize) {
        if out.len() == from {
            return;
        }
        let said = out.split_off(from);
        let mut rest = &said[..];
        while let Ok(Some((packet, bytes))) = mqtt::decode(rest) {
            self.tell(&packet, out);
            rest = &rest[bytes..];
        }
        debug_assert!(rest.is_empty(), "the conversation writes whole packets");
    }

    fn tell(&mut self, packet: &Packet<'_>, out: &mut Vec<u8>) {
        match packet {
            Packet::ConnAck(ConnAck { code: ConnectCode::Accepted, .. }) => {
                let Some(login) = self.login.take() else { return };
                let mut voice = Voice { session: &mut self.below, out };
                self.above.accept(NAMESPACE, &login.sid, &mut voice);
            }
            // It may try again, which a refusal would forbid: the connection just ends.
            Packet::ConnAck(ConnAck { code: ConnectCode::ServerUnavailable, .. }) => {}
            Packet::ConnAck(_) => {
                let word = match self.login.as_ref().and_then(|login| login.refusal) {
                    Some(AuthOutcome::OtherBinding) => &AGENT_FORBIDDEN,
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
                let Some(acks) = &mut self.acks else { return };
                let Some(at) = acks.0.iter().position(|(waiting, _)| waiting == id) else { return };
                let (_, ack) = acks.0.remove(at);
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

    fn scold(&mut self, word: &Word, out: &mut Vec<u8>) {
        let mut json = Vec::new();
        word.write(&mut json);
        self.emit("error", &[&json], out);
    }

    fn refuse(&mut self, word: &Word, out: &mut Vec<u8>) {
        let (mut message, mut data) = (Vec::new(), Vec::new());
        encode_str(&mut message, word.1);
        word.write_with(&mut data, self.login.as_ref().map_or(0, |login| login.retry_after_ms));
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

    /// Words of the client wait unread: its silence is not its fault.
    pub fn excuse_silence(&mut self, now: Instant) {
        self.below.excuse_silence(now);
    }

    /// Tells that time has passed. A ping may be in `out`.
    ///
    /// # Errors
    ///
    /// The name of the rule that was broken: hang up.
    pub fn handle_timeout(&mut self, out: &mut Vec<u8>, now: Instant) -> Result<(), &'static str> {
        self.below.handle_timeout(out, now).map_err(|violation| violation.name())?;
        let closing = self.socket.as_mut().map_or(Ok(()), |socket| socket.handle_timeout(now));
        closing.map_err(|violation| violation.name())
    }

    /// When [`Translator::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let closing = self.socket.as_ref().and_then(ws::Session::next_timeout);
        [self.below.next_timeout(), closing].into_iter().flatten().min()
    }
}
