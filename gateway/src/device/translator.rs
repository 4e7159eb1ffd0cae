//! Socket.IO as a wire below a device's conversation: what a device says over it becomes the MQTT that it would have said, and
//! what it is told becomes events.
//!
//! Owns the names of the contract's section 4 in both directions. The conversation above, admission, manifests, commands and
//! triggers are the same code for every transport, so no device is treated otherwise because of how it speaks. Payloads pass
//! as they were spelled. Never decides who may connect, and keeps nothing but what is under way (`work`). What a device is
//! told is in `told`.
//!
//! ```text
//!   0/devices,{apiKey, agentId, ..} --> CONNECT, SUBSCRIBE, PUBLISH status     CONNACK 0 --> 0/devices,{sid}
//!   2/devices,["response", {..}] -----> PUBLISH response                       CONNACK 5 --> 4/devices,{message, data}
//!   2/devices,7["trigger", {..}] -----> PUBLISH trigger, QoS 1                 PUBACK -----> 3/devices,7[]
//!   2/devices,["heartbeat"] ----------> PUBLISH heartbeat                      PUBLISH x --> 2/devices,["x", {..}]
//!   a pong ---------------------------> PINGREQ
//!   1/devices, -----------------------> DISCONNECT
//! ```

mod told;
mod work;

pub use work::Spare;

use super::held::{Inbox, Post};
use super::topic::{self, Outbound};
use super::word::{BINARY, MISSING_AUTH};
use codec::engineio::Payload;
use codec::json::{Kind, Raw, members};
use codec::mqtt::{self, PacketId, PublishHead, QoS, encode_publish, encode_subscribe};
use std::time::Instant;
use transports::engineio::{self, Voice};
use transports::input::Input;
#[cfg(planted)]
use transports::socketio::Head;
use transports::socketio::{self, Happening};
use transports::ws;
use work::Work;
use zeroize::Zeroizing;

/// The only namespace.
pub const NAMESPACE: &str = "/devices";

/// One Socket.IO client, as seen from above.
#[derive(Debug)]
pub struct Translator {
    below: engineio::Session,
    above: socketio::Session,
    /// The frames, once a WebSocket carries the session.
    socket: Option<ws::Session>,
    /// What is under way; an idle client has nothing.
    work: Option<Box<Work>>,
    /// It stands in the queue of those whose words wait.
    pub(super) is_queued: bool,
}

/// Room for a CONNECT, a SUBSCRIBE and a status beside its commands: a buffer that grows leaves a key behind.
const LOGIN_BYTES: usize = 8 * 1024;

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
        Self { below, above, socket, work: Some(Work::of_login(sid)), is_queued: false }
    }

    /// Takes the next message out of what was received, and writes down what it means.
    pub fn hear(
        &mut self,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
        spare: &mut Spare,
        now: Instant,
    ) -> Heard {
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
        self.judge(heard, out, spare)
    }

    /// The body of a POST: its packets are heard one by one.
    pub fn take_post(&mut self, body: Vec<u8>) -> Heard {
        match Post::new(body, self.login().is_some()) {
            Ok(post) => {
                let work = self.work.get_or_insert_default();
                debug_assert!(work.post.is_none(), "a client has one POST under way");
                work.post = Some(post);
                Heard::Message
            }
            Err(malformed) => Heard::Broken(self.below.fail(malformed.into()).name()),
        }
    }

    /// The same as [`Translator::hear`] for the next packet of the POST.
    pub fn hear_posted(&mut self, out: &mut Vec<u8>, spare: &mut Spare, now: Instant) -> Heard {
        let Some(mut post) = self.work.as_mut().and_then(|work| work.post.take()) else {
            return Heard::Nothing;
        };
        let mut packets = Payload::of(post.rest());
        let heard = match packets.next() {
            Some(Ok(packet)) => self.below.hear(packet, now),
            Some(Err(malformed)) => Err(self.below.fail(malformed.into())),
            None => return Heard::Nothing,
        };
        let (heard, rest) = (self.judge(heard, out, spare), packets.rest().map(str::len));
        if let (Heard::Message, Some(rest_bytes)) = (heard, rest) {
            post.keep(rest_bytes);
            self.work.get_or_insert_default().post = Some(post);
        }
        heard
    }

    fn judge(
        &mut self,
        heard: Result<Option<engineio::Event<'_>>, engineio::Violation>,
        out: &mut Vec<u8>,
        spare: &mut Spare,
    ) -> Heard {
        // Whatever it means is written down there.
        self.work.get_or_insert_with(|| spare.lend());
        match heard {
            Ok(Some(engineio::Event::Closed)) => Heard::Closed,
            Ok(Some(event)) => match self.heard(event, out) {
                Ok(()) => Heard::Message,
                Err(violation) => Heard::Broken(violation.name()),
            },
            Ok(None) => {
                if self.above.is_connected(NAMESPACE) {
                    mqtt::encode_pingreq(self.inbox());
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
                    let sid = self.login().map(|login| login.sid.clone()).unwrap_or_default();
                    let mut voice = Voice { session: &mut self.below, out };
                    self.above.accept(NAMESPACE, &sid, &mut voice);
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
            Some(socketio::Event::Disconnect { .. }) => mqtt::encode_disconnect(self.inbox()),
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
        let (mut unescaped, mut scratch) = (Zeroizing::new(String::new()), [String::new(), String::new()]);
        let [second, third] = &mut scratch;
        let (Some(secret), Some(agent), Some(device)) = (
            key.text(&mut unescaped),
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
        let from = self.inbox().len();
        let more_bytes = commands.map_or(0, |commands| commands.as_bytes().len()) + LOGIN_BYTES;
        self.work.get_or_insert_default().inbox.expect_key(more_bytes);
        let topics = Outbound::ALL.map(|topic| topic::parts(agent, device, topic).concat());
        let filters = topics.each_ref().map(|topic| (topic.as_str(), QoS::AtMostOnce));
        let written = connect.encode(self.inbox()).is_ok()
            && encode_subscribe(self.inbox(), PacketId::MIN, &filters).is_ok()
            && self.describe(key, commands, group);
        if !written {
            // A name that no topic can hold is no device's.
            self.inbox().truncate(from);
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
            None => self.work.get_or_insert_default().unknown += 1,
        }
    }

    fn publish(&mut self, suffix: &str, payload: &[&[u8]], ack: Option<u64>) -> bool {
        let work = self.work.get_or_insert_default();
        let id = ack.map(|ack| work.expect_ack(ack));
        let qos = if id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let head = PublishHead { qos, dup: false, retain: false, id };
        // Its topics are its own, and bare: nobody else is on this wire.
        encode_publish(&mut work.inbox, head, &[suffix], payload).is_ok()
    }

    fn inbox(&mut self) -> &mut Vec<u8> {
        &mut self.work.get_or_insert_default().inbox
    }

    /// MQTT that the conversation is to take; it goes back by [`Translator::keep`].
    pub fn take_inbox(&mut self) -> Inbox {
        self.work.as_mut().map(|work| std::mem::take(&mut work.inbox)).unwrap_or_default()
    }

    /// What the conversation has not taken stays. If nothing is under way then, an idle client owns nothing.
    pub fn keep(&mut self, inbox: Inbox, taken: usize, spare: &mut Spare) {
        if inbox.capacity() > 0 {
            let work = self.work.get_or_insert_with(|| spare.lend());
            work.inbox.put_back(inbox, taken);
        }
        self.rest(spare);
    }

    /// Gives back what it does not need.
    fn rest(&mut self, spare: &mut Spare) {
        if let Some(work) = self.work.take_if(|work| work.is_done()) {
            spare.give_back(work);
        }
    }

    /// Whether something waits for the conversation.
    pub fn has_words(&self) -> bool {
        self.work.as_ref().is_some_and(|work| !work.inbox.is_empty() || work.post.is_some())
    }

    /// How many bytes wait here.
    pub fn held_bytes(&self) -> usize {
        let Some(work) = &self.work else { return 0 };
        work.inbox.len() + work.post.as_ref().map_or(0, |post| post.bytes())
    }

    /// Events that nobody knows, since this was asked last.
    pub fn take_unknown(&mut self) -> u32 {
        self.work.as_mut().map_or(0, |work| std::mem::take(&mut work.unknown))
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
