//! What a scripted device says: the packets of real clients, and some that no client should send.
//!
//! Owns payloads, packet identifiers and the order of a log-in. Reports to the ledger what must follow from each word.

use super::link::{Owed, Todo};
use super::socketio::Socket;
use super::{Device, Link, Said, Scene, Stage, Style, Unacked, Wish};
use crate::coverage::Seen;
use crate::ledger::{Describes, Excuse};
use crate::line::Leaving;
use crate::secrets;
use crate::swarm::{Quirk, Retry, pick};
use codec::mqtt::{
    Connect, PacketId, PublishHead, QoS, Will, encode_disconnect, encode_pingreq, encode_puback,
    encode_publish, encode_subscribe,
};

/// What a device subscribes to; `pong` is the MicroPython client's alone.
pub(super) const TOPICS: [&str; 6] =
    ["command", "connected", "trigger_ack", "trigger_result", "error", "pong"];
const FITS: &str = "a script's packets are small";
/// A device with few packet identifiers has so many.
const FEW_PACKETS: u16 = 8;
/// More than this is not sent before something is acknowledged.
pub(super) const OUTBOX_MAX: usize = 12;

impl Device {
    pub(super) fn connect(&mut self, scene: &mut Scene<'_>) {
        self.attempts += 1;
        let was_node = self.style == Style::Node;
        let line = self.open_line(scene);
        if was_node || self.style != Style::Python {
            // The small clients forget with the connection what was not acknowledged on it.
            self.outbox.clear();
        }
        let first_tries = !scene.calm && self.attempts % 3 == 1;
        let silent = first_tries && self.quirks.has(Quirk::NeverGreets);
        let lies =
            first_tries && (self.quirks.has(Quirk::WrongKeyFirst) || self.quirks.has(Quirk::ForeignIdFirst));
        let claims = !silent && !lies;
        let (clean, now_ms) = (self.style != Style::Python, scene.ledger.now_ms);
        let id = scene.ledger.open_link(self.identity, self.actor, line.tie(), clean, claims);
        if !claims {
            scene.ledger.excuse(id, if silent { Excuse::Silent } else { Excuse::Unknown });
        }
        if scene.ledger.identities[self.identity].revoked {
            scene.ledger.excuse(id, Excuse::Revoked);
        }
        let mut link = Link::new(id, self.attempts, line, clean, now_ms);
        link.mute = silent;
        link.socket = (self.style == Style::Node).then(|| Box::new(Socket::new(now_ms)));
        if silent {
            scene.ledger.saw(Seen::NeverGreeted);
        }
        let late = self.quirks.has(Quirk::SubscribesLate) && !scene.calm;
        link.subscribe_at_ms = if late { now_ms + scene.dice.below(400) } else { 0 };
        self.plan_log_in(scene, &mut link);
        scene.ledger.say(|| format!("{}/{}#{} opens link {id}", self.agent, self.name, self.actor));
        self.link = Some(link);
    }

    fn plan_log_in(&self, scene: &mut Scene<'_>, link: &mut Link) {
        if self.style == Style::Node {
            return scene.ledger.saw(Seen::NodeDevice);
        }
        let describes = scene.calm || !self.quirks.has(Quirk::NeverDescribes);
        if !describes {
            scene.ledger.saw(Seen::NeverDescribed);
        }
        let describe = describes.then_some(Todo::Describe);
        match self.style {
            Style::Python | Style::Pico => link.todo.push_back(Todo::SubscribeAll),
            Style::Micro => link.todo.extend((0..TOPICS.len()).map(Todo::SubscribeOne)),
            Style::Node => {}
        }
        link.todo.push_back(Todo::Status);
        link.todo.extend(describe);
        link.todo.push_back(if self.style == Style::Micro { Todo::Beat } else { Todo::Resend });
        scene.ledger.saw(match self.style {
            Style::Python => Seen::PythonDevice,
            Style::Micro => Seen::MicroDevice,
            Style::Pico => Seen::PicoDevice,
            Style::Node => Seen::NodeDevice,
        });
    }

    /// CONNECT, and all the rest at once when it cannot wait.
    pub(super) fn greet(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute {
            if scene.calm || scene.dice.chance(20) {
                link.line.leave(Leaving::Close);
            }
            return;
        }
        let lies = !scene.ledger.links[link.id].claims;
        let foreign_id = lies && self.quirks.has(Quirk::ForeignIdFirst);
        let wrong_key = lies && !foreign_id;
        let client_id = format!("lua-{}-{}{}", self.agent, self.name, if foreign_id { "-2" } else { "" });
        let username = format!("{}:{}", self.agent, self.name);
        let will = format!("{}status", self.prefix);
        let secret = if wrong_key { secrets::WRONG } else { self.secret.as_str() };
        let will =
            Will { topic: &will, payload: b"{\"status\":\"offline\"}", qos: QoS::AtLeastOnce, retain: true };
        let connect = Connect {
            client_id: &client_id,
            clean_session: link.clean,
            keep_alive_s: self.keep_alive_s,
            will: Some(will),
            username: Some(&username),
            password: Some(secret.as_bytes()),
        };
        link.say(|out| connect.encode(out).expect(FITS));
        link.stage = Stage::Greeted;
        scene.ledger.link_greets(link.id);
        self.show_key(scene, link, secret, self.agent);
        if wrong_key || scene.ledger.identities[self.identity].revoked {
            scene.ledger.wrong_keys += 1;
        }
        let impatient = self.quirks.has(Quirk::Impatient) && link.subscribe_at_ms == 0 && !scene.calm;
        if impatient && self.style != Style::Micro && !lies {
            scene.ledger.saw(Seen::Impatient);
            self.catch_up(scene, link);
            self.fire(scene, link);
        }
    }

    /// Says what is to be said after a log-in, as far as it may be said now.
    pub(super) fn catch_up(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        while let Some(&todo) = link.todo.front() {
            let patient = self.style == Style::Micro && link.waits();
            let subscribes = matches!(todo, Todo::SubscribeAll | Todo::SubscribeOne(_));
            let early = subscribes && !scene.calm && scene.ledger.now_ms < link.subscribe_at_ms;
            if patient || link.mute || (early && self.style == Style::Micro) {
                return;
            }
            link.todo.pop_front();
            if early {
                // Only the one SUBSCRIBE of the others can be put behind the rest.
                link.todo.push_back(todo);
                scene.ledger.saw(Seen::SubscribedLate);
                if link.todo.iter().all(|todo| matches!(todo, Todo::SubscribeAll)) {
                    return;
                }
                continue;
            }
            self.do_one(scene, link, todo);
        }
    }

    fn do_one(&mut self, scene: &mut Scene<'_>, link: &mut Link, todo: Todo) {
        match todo {
            Todo::SubscribeAll => self.subscribe(link, if self.style == Style::Pico { 6 } else { 5 }, 0),
            Todo::SubscribeOne(place) => self.subscribe(link, place + 1, place),
            Todo::Status => {
                let payload = format!(r#"{{"status":"online","timestamp":"now","group":"{}"}}"#, self.agent);
                self.publish(scene, link, "status", payload.into_bytes(), Said::Status, true);
            }
            Todo::Describe => self.describe_somehow(scene, link),
            Todo::Resend => self.resend(scene, link),
            Todo::Beat => self.beat(scene, link),
            Todo::Fence => {
                link.beaten = true;
                self.emit(link, "heartbeat", Vec::new(), Said::Fence);
            }
        }
    }

    fn subscribe(&mut self, link: &mut Link, to: usize, from: usize) {
        let packet = self.free_packet(link);
        let qos = if self.style == Style::Pico { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let topics: Vec<String> =
            TOPICS[from..to].iter().map(|topic| format!("{}{topic}", self.prefix)).collect();
        let filters: Vec<(&str, QoS)> = topics.iter().map(|topic| (topic.as_str(), qos)).collect();
        let id = PacketId::new(packet).expect("not zero");
        let place = link.say(|out| encode_subscribe(out, id, &filters).expect(FITS));
        link.subscribes.push_back((packet, place, from == 0));
        for topic in from..to {
            link.subscribed |= 1 << topic;
        }
    }

    pub(super) fn choose_description(&self, scene: &mut Scene<'_>) -> Describes {
        let badly = self.quirks.has(Quirk::DescribesBadly) && !scene.calm && scene.dice.chance(500);
        match scene.dice.below(4) {
            0 if badly => Describes::Nonsense,
            1 if badly => Describes::Nothing,
            0 | 1 => Describes::EchoAndRefused,
            _ => Describes::Both,
        }
    }

    fn describe_somehow(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let what = self.choose_description(scene);
        let wrong = self.quirks.has(Quirk::WrongSecondKey) && !scene.calm && scene.dice.chance(500);
        self.describe(scene, link, what, wrong);
    }

    /// The second status.
    pub(super) fn describe(
        &mut self,
        scene: &mut Scene<'_>,
        link: &mut Link,
        what: Describes,
        wrong_key: bool,
    ) {
        let secret = if wrong_key { "another" } else { self.secret.as_str() };
        let (agent, commands) = (self.agent, commands(self.agent, what, scene.swarm.retry));
        let payload =
            format!(r#"{{"status":"online","apiKey":"{secret}","group":"{agent}","commands":{commands}}}"#);
        scene.ledger.links[link.id].described = None;
        if wrong_key {
            scene.ledger.saw(Seen::WrongSecondKey);
            scene.ledger.excuse(link.id, Excuse::Unknown);
        }
        let said = if wrong_key { Said::Noise } else { Said::Description(what) };
        self.publish(scene, link, "status", payload.into_bytes(), said, false);
        match wrong_key {
            true => drop(self.outbox.pop()),
            false => link.describes(link.said - 1, what, scene.ledger.step),
        }
    }

    pub(super) fn redescribe(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.waits() || !link.describing.is_empty() || self.style == Style::Node {
            return;
        }
        scene.ledger.saw(Seen::Redescribed);
        self.describe_somehow(scene, link);
    }

    /// What the connection before left unacknowledged.
    fn resend(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let old: Vec<Unacked> = self
            .outbox
            .iter()
            .filter(|old| !link.owed.iter().any(|owed| owed.packet == old.packet))
            .cloned()
            .collect();
        for Unacked { packet, suffix, payload, what, retain } in old {
            let what = match what {
                Said::Trigger(n) => {
                    scene.ledger.saw(Seen::ResentTrigger);
                    scene.ledger.try_trigger(n, link.id, link.attempt);
                    what
                }
                Said::Reply(..) => {
                    scene.ledger.saw(Seen::ResentResponse);
                    Said::Noise
                }
                Said::Status | Said::Description(_) | Said::Noise | Said::Fence => Said::Noise,
            };
            self.put(link, suffix, &payload, Some((packet, true)), retain, what);
        }
    }

    /// Publishes at the QoS of the style; what is not acknowledged is kept to be sent again.
    pub(super) fn publish(
        &mut self,
        scene: &mut Scene<'_>,
        link: &mut Link,
        suffix: &'static str,
        payload: Vec<u8>,
        what: Said,
        retain: bool,
    ) {
        scene.ledger.say(|| format!("link {} says {suffix} {}", link.id, String::from_utf8_lossy(&payload)));
        if self.style == Style::Node {
            return self.emit(link, suffix, payload, what);
        }
        if self.style == Style::Pico {
            return self.put(link, suffix, &payload, None, retain, what);
        }
        let packet = self.free_packet(link);
        self.put(link, suffix, &payload, Some((packet, false)), retain, what);
        self.outbox.push(Unacked { packet, suffix, payload, what, retain });
    }

    fn put(
        &self,
        link: &mut Link,
        suffix: &str,
        payload: &[u8],
        packet: Option<(u16, bool)>,
        retain: bool,
        what: Said,
    ) {
        let head = PublishHead {
            qos: if packet.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
            dup: packet.is_some_and(|(_, dup)| dup),
            retain,
            id: packet.and_then(|(packet, _)| PacketId::new(packet)),
        };
        let said =
            link.say(|out| encode_publish(out, head, &[&self.prefix, suffix], &[payload]).expect(FITS));
        if let Some((packet, _)) = packet {
            link.owed.push_back(Owed { packet, said, what });
        }
    }

    /// The next identifier that nothing uses.
    pub(super) fn free_packet(&mut self, link: &Link) -> u16 {
        let few = self.quirks.has(Quirk::FewPacketIds);
        loop {
            let packet = self.next_packet;
            let used = self.outbox.iter().any(|old| old.packet == packet)
                || link.owed.iter().any(|owed| owed.packet == packet)
                || link.subscribes.iter().any(|subscribe| subscribe.0 == packet);
            let all_used = self.outbox.len() + link.subscribes.len() >= usize::from(FEW_PACKETS);
            self.next_packet =
                if few && packet >= FEW_PACKETS && !all_used { 1 } else { packet % u16::MAX + 1 };
            if !used {
                return packet;
            }
        }
    }

    pub(super) fn fire(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute || self.outbox.len() >= OUTBOX_MAX || !link.line.is_open() {
            return;
        }
        let n = self.fire_one(scene, link);
        scene.ledger.say(|| format!("link {} fired trigger {n}", link.id));
    }

    /// Fires a trigger; gives its number.
    pub fn fire_one(&mut self, scene: &mut Scene<'_>, link: &mut Link) -> usize {
        let allowed = !self.quirks.has(Quirk::MayNotTrigger) || self.quirks.has(Quirk::LosesItsKey);
        let (gives_id, bulk) = (scene.dice.chance(700), if scene.dice.chance(50) { 1500 } else { 0 });
        let n = scene.ledger.fire(self.identity, self.actor, allowed, gives_id, bulk);
        scene.ledger.try_trigger(n, link.id, link.attempt);
        let fired = &scene.ledger.triggers[n];
        let given = fired.given.as_ref().map_or(String::new(), |id| format!(r#","triggerId":"{id}""#));
        let payload = format!(r#"{{"triggerName":"t{n}","payload":{}{given}}}"#, fired.payload);
        self.publish(scene, link, "trigger", payload.into_bytes(), Said::Trigger(n), false);
        n
    }

    pub(super) fn beat(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute {
            return;
        }
        scene.ledger.say(|| format!("link {} beats", link.id));
        link.beaten = true;
        if self.style == Style::Node {
            self.emit(link, "heartbeat", Vec::new(), Said::Noise);
            return link.beats.push_back(link.said - 1);
        }
        let head = PublishHead { qos: QoS::AtMostOnce, dup: false, retain: false, id: None };
        let prefix = &self.prefix;
        let place = link.say(|out| encode_publish(out, head, &[prefix, "heartbeat"], &[]).expect(FITS));
        if link.subscribed & 1 << 5 != 0 {
            link.beats.push_back(place);
        }
    }

    pub(super) fn ping(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute || link.pings.len() > 3 {
            return;
        }
        scene.ledger.say(|| format!("link {} pings", link.id));
        let place = link.say(encode_pingreq);
        link.pings.push_back(place);
    }

    /// Something in time, whatever it is.
    pub(super) fn keep_alive(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let mut every_ms =
            if self.keep_alive_s == 0 { u64::MAX } else { u64::from(self.keep_alive_s) * 1000 / 3 };
        let node = self.style == Style::Node;
        if node {
            every_ms = u64::MAX;
        }
        if link.beaten {
            every_ms = every_ms.min(scene.ledger.limits.heartbeat_late_ms / 3);
        }
        if link.line.is_silent() && scene.ledger.now_ms - link.whole_ms >= every_ms {
            match node || link.beaten && scene.dice.chance(500) {
                true => self.beat(scene, link),
                false => self.ping(scene, link),
            }
        }
    }

    /// Without mischief: describe well, answer everything, and be quiet.
    pub(super) fn settle_down(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        link.mute = false;
        if !link.line.is_open() {
            return;
        }
        let able = link.described.is_some_and(Describes::has_echo) || !link.describing.is_empty();
        if !able && link.todo.is_empty() && !link.waits() && self.style == Style::Node {
            // To say something else it has to come again.
            return link.line.leave(Leaving::Close);
        }
        if !able && link.todo.is_empty() && !link.waits() {
            self.describe(scene, link, Describes::Both, false);
        }
        if self.style == Style::Pico && !link.describing.is_empty() && link.pings.is_empty() {
            self.ping(scene, link);
        }
        if self.wish == Wish::Silent {
            let taken: Vec<u16> = link.held.iter_mut().filter_map(|held| held.packet.take()).collect();
            taken.into_iter().for_each(|packet| self.acknowledge(link, packet));
        } else if self.wish != Wish::Mute {
            while !link.held.is_empty() {
                self.answer(scene, link, 0);
            }
            for packet in link.in_flight.clone() {
                let waits = link.acknowledge_after.iter().any(|&(_, later)| later == packet);
                if !waits {
                    self.acknowledge(link, packet);
                }
            }
        }
    }

    pub(super) fn publish_foreign(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute || self.outbox.len() >= OUTBOX_MAX {
            return;
        }
        scene.ledger.saw(Seen::ForeignTopic);
        self.publish(scene, link, "command", b"{}".to_vec(), Said::Noise, false);
    }

    pub(super) fn send_junk(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if !link.line.is_open() {
            return;
        }
        scene.ledger.saw(Seen::Junk);
        scene.ledger.excuse(link.id, Excuse::Misspoke);
        link.mute = true;
        if self.breaks_frames(link) {
            return;
        }
        if self.style == Style::Node {
            return self.say_nonsense(link);
        }
        let junk: &[u8] = pick(
            scene.dice,
            &[&b"\x00\x00"[..], b"GET / HTTP/1.1\r\n\r\n", b"\xf0\x00", b"\x30\xff\xff\xff\xff\xff"],
        )
        .expect("a list");
        link.line.say(|out| out.extend_from_slice(junk));
    }

    pub(super) fn goodbye(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute {
            return;
        }
        scene.ledger.saw(Seen::SaidGoodbye);
        scene.ledger.excuse(link.id, Excuse::Goodbye);
        match (self.closes_frames(link), self.style) {
            (true, _) => {}
            (false, Style::Node) => self.say_disconnect(link),
            (false, _) => _ = link.say(encode_disconnect),
        }
        link.mute = true;
    }

    pub(super) fn say_goodbye(&mut self, scene: &mut Scene<'_>) {
        if let Some(mut link) = self.link.take() {
            link.mute = false;
            self.goodbye(scene, &mut link);
            self.link = Some(link);
        }
    }

    /// PUBACK.
    pub(super) fn acknowledge(&self, link: &mut Link, packet: u16) {
        link.in_flight.retain(|&other| other != packet);
        let id = PacketId::new(packet).expect("not zero");
        link.say(|out| encode_puback(out, id));
    }
}

/// The JSON of a manifest.
pub(super) fn commands(agent: &str, what: Describes, retry: Option<Retry>) -> String {
    let retry = retry.map_or(String::new(), |Retry { max_attempts, backoff_ms }| {
        format!(r#","retry":{{"maxAttempts":{max_attempts},"backoffMs":{backoff_ms}}}"#)
    });
    let echo = format!(r#"{{"name":"echo","description":"Echo of {agent}"{retry}}}"#);
    let schema = r#"{"type":"object","properties":{"value":{"type":"number"}},"required":["value"]}"#;
    let set = format!(r#"{{"name":"set","description":"Set of {agent}","inputSchema":{schema}}}"#);
    match what {
        Describes::Both => format!("[{echo},{set}]"),
        Describes::EchoAndRefused => format!(r#"[{echo},{{"name":"Bad Name","description":"x"}}]"#),
        Describes::Nothing => "[]".into(),
        Describes::Nonsense => "\"none\"".into(),
    }
}
