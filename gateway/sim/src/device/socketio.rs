//! A scripted device that speaks Socket.IO, as the Node client does.
//!
//! Owns the client's side of Engine.IO and Socket.IO: who says what first, pongs, callbacks, and the events of the contract.
//! What an event means is understood where MQTT's messages are, and judged by the same oracles. A message at the gateway that
//! wants a callback has one as MQTT's has a PUBACK.
//!
//! ```text
//!   0{sid} --> Strange --> 40/devices,{auth} --> Greeted -- 40 --> Live      Live: 42 events, 43 callbacks, 2 pings
//!                                                   \------ 44 --> refused, and the end
//! ```

use super::link::{Held, Owed, Todo};
use super::{Device, Link, Said, Scene, Stage, Unacked, Wish};
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Describes, Excuse, TENANTS};
use crate::line::Leaving;
use crate::secrets;
use crate::swarm::{Quirk, Retry};
use codec::engineio::{Packet as Frame, decode as decode_frame, decode_open};
use codec::json::{Kind, Raw, members};
use codec::socketio::{Event, Head, Packet, decode, encode_connect, encode_event};

/// The only namespace.
const NAMESPACE: &str = "/devices";

/// What a Socket.IO connection knows of itself.
#[derive(Debug)]
pub struct Socket {
    /// The session's name, once it was told.
    pub sid: Option<String>,
    /// Every ping is answered within this, and comes within it.
    pub patience_ms: u64,
    /// When the last pong was out, or when it began.
    pub ponged_ms: u64,
    /// The same for the pong before.
    pub ponged_before_ms: u64,
    /// A pong is on its way out.
    pub pongs: bool,
    /// It was told `connected`.
    pub connected: bool,
    /// It was told DISCONNECT, or refused: nothing more may come.
    pub dismissed: bool,
    /// What it was told before that.
    pub last_error: Option<String>,
}

impl Socket {
    /// One that has heard nothing.
    pub fn new(now_ms: u64) -> Self {
        Self {
            sid: None,
            patience_ms: 0,
            ponged_ms: now_ms,
            ponged_before_ms: now_ms,
            pongs: false,
            connected: false,
            dismissed: false,
            last_error: None,
        }
    }
}

/// How a claim is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lie {
    /// A key that nobody has.
    Key,
    /// Another agent's name.
    Agent,
    /// No key at all.
    NoKey,
}

impl Device {
    /// CONNECT with who it is and what it can do, once the session is open.
    pub(super) fn greet_namespace(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.socket.as_ref().is_none_or(|socket| socket.sid.is_none()) || link.mute {
            return;
        }
        let lie = (!scene.ledger.links[link.id].claims).then(|| self.choose_lie());
        link.lie = lie;
        let describes = scene.calm || !self.quirks.has(Quirk::NeverDescribes);
        let what = if describes { self.choose_description(scene) } else { Describes::Nothing };
        let agent = self.claimed_agent(lie);
        let secret = if lie == Some(Lie::Key) { secrets::WRONG } else { self.secret.as_str() }.to_owned();
        let auth = self.auth((&secret, agent), lie, describes.then_some(what), scene.swarm.retry);
        scene.ledger.say(|| format!("link {} asks for {NAMESPACE} with {auth}", link.id));
        let place = link.say(|out| {
            out.push(b'4');
            encode_connect(out, NAMESPACE, &[auth.as_bytes()]);
        });
        link.describes(place, what, scene.ledger.step);
        link.subscribed = 0x3F;
        link.stage = Stage::Greeted;
        scene.ledger.link_greets(link.id);
        if lie != Some(Lie::NoKey) {
            self.show_key(scene, link, &secret, agent);
        }
        if lie.is_some() || scene.ledger.identities[self.identity].revoked {
            scene.ledger.wrong_keys += 1;
        }
        link.todo.push_back(Todo::Fence);
    }

    fn choose_lie(&mut self) -> Lie {
        let foreign = self.quirks.has(Quirk::ForeignIdFirst) && self.roll(2) == 0;
        match (foreign, self.roll(3)) {
            (true, _) => Lie::Agent,
            (false, 0) => Lie::NoKey,
            (false, _) => Lie::Key,
        }
    }

    /// In whose name it comes.
    fn claimed_agent(&self, lie: Option<Lie>) -> &'static str {
        match lie {
            Some(Lie::Agent) => TENANTS.iter().find(|other| **other != self.agent).unwrap_or(&"ann"),
            _ => self.agent,
        }
    }

    fn auth(
        &mut self,
        (secret, agent): (&str, &str),
        lie: Option<Lie>,
        describes: Option<Describes>,
        retry: Option<Retry>,
    ) -> String {
        let field = if self.roll(3) == 0 { "deviceCredential" } else { "apiKey" };
        let key = match lie {
            Some(Lie::NoKey) => String::new(),
            _ => format!(r#""{field}":"{secret}","#),
        };
        let commands = describes.map_or(String::new(), |what| {
            format!(r#","commands":{}"#, super::speech::commands(self.agent, what, retry))
        });
        let (name, group) = (self.name, self.agent);
        format!(r#"{{{key}"agentId":"{agent}","deviceName":"{name}","group":"{group}"{commands}}}"#)
    }

    /// Emits an event; with a callback, if it is one that may have one and the dice want it.
    pub(super) fn emit(&mut self, link: &mut Link, name: &'static str, payload: Vec<u8>, what: Said) {
        let calls_back = match what {
            Said::Fence => true,
            Said::Trigger(_) => self.roll(10) < 6,
            // Every answer to a question, or none: what was read first must be known.
            Said::Reply(question, _) => (question + link.id) % 10 < 6,
            Said::Status | Said::Description(_) | Said::Noise => false,
        };
        let id = calls_back.then(|| self.free_packet(link));
        // What is no JSON cannot be said here.
        let fits = payload.is_empty() || codec::json::value(&payload).is_ok();
        let argument = if fits { payload.as_slice() } else { b"null" };
        let said = link.say(|out| {
            out.push(b'4');
            encode_event(out, Head::plain(NAMESPACE), id.map(u64::from), name, &[argument]);
        });
        let Some(packet) = id else { return };
        link.owed.push_back(Owed { packet, said, what });
        self.outbox.push(Unacked { packet, suffix: name, payload, what, retain: false });
    }

    /// Whatever came since the last time.
    pub(super) fn hear_socketio(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        while scene.ledger.failure.is_none() {
            let Some(message) = link.line.next_message() else { return };
            self.heard_frame(scene, link, &message);
        }
    }

    /// One packet of Engine.IO.
    fn heard_frame(&mut self, scene: &mut Scene<'_>, link: &mut Link, message: &[u8]) {
        let peer = self.peer_on(link);
        scene.ledger.say(|| format!("link {} hears {}", link.id, String::from_utf8_lossy(message)));
        let Some(socket) = link.socket.as_mut() else { return };
        if socket.dismissed && !matches!(decode_frame(message), Ok(Frame::Close)) {
            let text = String::from_utf8_lossy(message).into_owned();
            return scene.ledger.fail(Oracle::Wire, peer, format!("{text} behind the last word"));
        }
        match decode_frame(message) {
            Ok(Frame::Open(data)) if socket.sid.is_none() => {
                let limits = &scene.ledger.limits;
                let open = decode_open(data).ok().filter(|open| {
                    u64::from(open.ping_interval_ms) == limits.socketio_ping_interval_ms
                        && u64::from(open.ping_timeout_ms) == limits.socketio_ping_timeout_ms
                });
                let Some(open) = open else {
                    return scene.ledger.fail(Oracle::Wire, peer, format!("it was opened with {data}"));
                };
                socket.sid = Some(open.sid.to_owned());
                socket.patience_ms = u64::from(open.ping_interval_ms) + u64::from(open.ping_timeout_ms);
                scene.ledger.links[link.id].pong_missed_ms = socket.ponged_ms + socket.patience_ms;
            }
            Ok(Frame::Ping("")) if socket.sid.is_some() => {
                scene.ledger.saw(Seen::EnginePing);
                if !link.mute {
                    socket.pongs = true;
                    link.line.say(|out| out.push(b'3'));
                }
            }
            Ok(Frame::Message(text)) => match decode(text.as_bytes()) {
                Ok(packet) => self.heard_packet(scene, link, packet),
                Err(malformed) => {
                    scene.ledger.fail(Oracle::Wire, peer, format!("{text} is no packet: {malformed:?}"));
                }
            },
            Ok(Frame::Close) => socket.dismissed = true,
            other => scene.ledger.fail(Oracle::Wire, peer, format!("unexpected {other:?}")),
        }
    }

    /// One packet of Socket.IO.
    fn heard_packet(&mut self, scene: &mut Scene<'_>, link: &mut Link, packet: Packet<'_>) {
        let peer = self.peer_on(link);
        match (packet, link.stage) {
            (Packet::Connect { namespace: NAMESPACE, data: Some(_) }, Stage::Greeted) => {
                self.heard_accepted(scene, link);
            }
            (Packet::ConnectError { namespace: NAMESPACE, data }, Stage::Greeted) => {
                self.heard_refusal(scene, link, data);
            }
            (Packet::Event(event), Stage::Live) => self.heard_event(scene, link, &event),
            (Packet::Ack(ack), Stage::Live) => match u16::try_from(ack.id) {
                Ok(id) => {
                    scene.ledger.saw(Seen::CalledBack);
                    self.heard_puback(scene, link, id);
                }
                Err(_) => scene.ledger.fail(Oracle::Wire, peer, format!("{ack:?} answers nothing")),
            },
            (Packet::Disconnect { namespace: NAMESPACE }, Stage::Live) => {
                let socket = link.socket.as_mut().expect("it speaks Socket.IO");
                socket.dismissed = true;
                let told = socket.last_error.clone();
                scene.ledger.saw(Seen::Dismissed);
                let known = ["TAKEN_OVER", "AUTH_FAILED", "DEVICE_DISABLED"];
                let why = told.as_deref().is_some_and(|told| known.contains(&told));
                scene.ledger.check(why, Oracle::Wire, &peer, || {
                    format!("DISCONNECT without a word why; the last was {told:?}")
                });
            }
            (other, stage) => {
                scene.ledger.fail(Oracle::Wire, peer, format!("unexpected {other:?} when {stage:?}"));
            }
        }
    }

    fn heard_accepted(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let claims = scene.ledger.links[link.id].claims;
        scene
            .ledger
            .check(claims, Oracle::Isolation, &self.peer_on(link), || "a false claim was accepted".into());
        self.judge_admission(scene, link);
        scene.ledger.saw(Seen::NamespaceConnected);
        if scene.ledger.links[link.id].rivalled {
            scene.ledger.saw(Seen::TookOverClean);
        }
        scene.ledger.link_accepted(link.id);
        link.stage = Stage::Live;
    }

    /// The refusal says what is wrong, and no more.
    fn heard_refusal(&mut self, scene: &mut Scene<'_>, link: &mut Link, data: Raw<'_>) {
        let (claims, peer) = (scene.ledger.links[link.id].claims, self.peer_on(link));
        let code = members(data.as_bytes(), ["message", "data"]).ok().and_then(|[message, data]| {
            let [code] = members(data?.as_bytes(), ["code"]).ok()?;
            message.filter(|message| message.kind() == Kind::String)?;
            Some(code?.plain_str()?.to_owned())
        });
        let Some(code) = code else {
            return scene.ledger.fail(
                Oracle::Wire,
                peer,
                format!("an unreadable refusal: {}", data.as_str()),
            );
        };
        let revoked = scene.ledger.identities[self.identity].revoked;
        let (barred, disabled) = scene.ledger.note_refused_by_decision(link.id);
        let disowned = self.may_be_disowned(scene, link);
        let right = !disabled || !claims || revoked || disowned || code == "DEVICE_DISABLED";
        scene.ledger.check(right, Oracle::Wire, &peer, || format!("it is disabled, and told {code}"));
        scene.ledger.check(
            !claims || revoked || scene.ledger.stopping || barred || disowned,
            Oracle::Blame,
            &peer,
            || format!("a true claim was refused: {code}"),
        );
        let fits = revoked
            || match link.lie {
                Some(Lie::Key) => matches!(code.as_str(), "AUTH_FAILED" | "RATE_LIMITED"),
                // What the file does not know is wrong there, whatever it is elsewhere.
                Some(Lie::Agent) if secrets::is_vouched(&self.secret) => {
                    matches!(code.as_str(), "AUTH_FAILED" | "RATE_LIMITED")
                }
                Some(Lie::Agent) => matches!(code.as_str(), "AGENT_FORBIDDEN" | "RATE_LIMITED"),
                Some(Lie::NoKey) => code == "MISSING_AUTH",
                None => true,
            };
        scene.ledger.check(fits, Oracle::Wire, &peer, || format!("{:?} was refused as {code}", link.lie));
        scene.ledger.saw(Seen::NamespaceRefused);
        scene.ledger.excuse(link.id, Excuse::Unknown);
        link.mute = true;
        if link.lie == Some(Lie::NoKey) {
            // It may ask again; this one does not.
            link.line.leave(Leaving::Close);
        }
    }

    fn heard_event(&mut self, scene: &mut Scene<'_>, link: &mut Link, event: &Event<'_>) {
        let peer = self.peer_on(link);
        let name = event.call.name().plain_str().unwrap_or_default().to_owned();
        let argument = event.call.first();
        let payload = argument.map_or(&b""[..], |argument| argument.as_bytes());
        let plain = event.id.is_none() && event.attachments == 0 && event.call.iter().count() <= 1;
        scene.ledger.check(plain, Oracle::Wire, &peer, || format!("{event:?} has more than an argument"));
        match name.as_str() {
            "command" => {
                let told = scene.ledger.judge_command(self.identity, link.id, payload, false, &peer);
                let Some((question, id)) = told else { return };
                scene.ledger.overheard.push((self.identity, id.clone()));
                link.held.push(Held { question, id, packet: None });
                if !matches!(self.wish, Wish::Mute | Wish::Silent) && !link.mute {
                    self.consider_answering(scene, link);
                }
            }
            "trigger_ack" => self.heard_trigger_ack(scene, link, payload),
            "connected" => self.heard_connected(scene, link, payload),
            "pong" => {
                if let Some(place) = link.beats.pop_front() {
                    link.answered(place);
                }
            }
            "error" | "trigger_error" => {
                self.heard_error(scene, link, payload);
                let read = members(payload, ["code", "message"]).ok();
                let code = read
                    .and_then(|[code, message]| message.and_then(|_| Some(code?.plain_str()?.to_owned())));
                if code.is_none() {
                    scene.ledger.fail(Oracle::Wire, peer, format!("an unreadable {name}"));
                }
                if let Some(socket) = link.socket.as_mut().filter(|_| name == "error") {
                    socket.last_error = code;
                }
            }
            _ => scene.ledger.fail(Oracle::Wire, peer, format!("an event {name}")),
        }
    }

    /// Said once, when what the device can do is known.
    fn heard_connected(&mut self, scene: &mut Scene<'_>, link: &mut Link, payload: &[u8]) {
        let peer = self.peer_on(link);
        let again = link.socket.as_mut().is_some_and(|socket| std::mem::replace(&mut socket.connected, true));
        scene.ledger.check(!again && payload == b"{}", Oracle::Wire, &peer, || {
            format!("connected {}, again is {again}", String::from_utf8_lossy(payload))
        });
    }

    /// What was said before the fence was read, and judged.
    pub(super) fn heard_fence(&self, scene: &mut Scene<'_>, link: &mut Link, place: u64) {
        while let Some(&(said, what)) = link.describing.front()
            && said < place
        {
            self.description_accepted(scene, link, what);
        }
        scene.ledger.links[link.id].listens.get_or_insert(scene.ledger.step);
    }

    /// Everything that was said is out.
    pub(super) fn is_out(&self, scene: &mut Scene<'_>, link: &mut Link) {
        if let Some(socket) = link.socket.as_mut().filter(|socket| socket.pongs) {
            socket.pongs = false;
            socket.ponged_before_ms = std::mem::replace(&mut socket.ponged_ms, scene.ledger.now_ms);
            // What is out may still be on its way.
            let before_ms = link.line.ponged_before_ms().unwrap_or(socket.ponged_before_ms);
            scene.ledger.links[link.id].pong_missed_ms = before_ms + self.patience_ms(scene, link);
        }
    }

    /// So long after a pong the next one may be missed.
    fn patience_ms(&self, scene: &Scene<'_>, link: &Link) -> u64 {
        match link.line.broke_off() {
            true => scene.ledger.limits.socketio_ping_timeout_ms,
            false => link.socket.as_ref().map_or(0, |socket| socket.patience_ms),
        }
    }

    /// Whether the gateway may have missed a pong: it was not said, or is still on its way where the network is slow.
    pub(super) fn ponged_too_late(
        &self,
        scene: &Scene<'_>,
        link: &Link,
        gone_ms: u64,
        slow_network: bool,
    ) -> bool {
        let patience_ms = self.patience_ms(scene, link);
        link.socket.as_ref().is_some_and(|socket| {
            // A pong that was late itself, because its ping was read late, saves nobody.
            let was_late = socket.ponged_ms - socket.ponged_before_ms >= socket.patience_ms;
            let last_ms = if slow_network || was_late { socket.ponged_before_ms } else { socket.ponged_ms };
            let last_ms = link.line.ponged_before_ms().unwrap_or(last_ms);
            socket.patience_ms > 0 && gone_ms.saturating_sub(last_ms) >= patience_ms
        })
    }

    /// Says what no client of Socket.IO may say.
    pub(super) fn say_nonsense(&mut self, link: &mut Link) {
        const JUNK: [&[u8]; 8] =
            [b"9", b"4", b"4x", b"42/devices,", b"42/devices,{}", b"0{}", b"2", b"43/devices,[]"];
        let junk = JUNK[self.roll(JUNK.len() as u64) as usize];
        link.say(|out| out.extend_from_slice(junk));
    }

    /// One of the ways in which a client says goodbye.
    pub(super) fn say_disconnect(&mut self, link: &mut Link) {
        let word: &[u8] = if self.roll(2) == 0 { b"41/devices," } else { b"1" };
        link.say(|out| out.extend_from_slice(word));
    }
}
