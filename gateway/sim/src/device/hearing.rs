//! What a scripted device hears, and what it makes of it.
//!
//! Owns the client's side of MQTT: matching acknowledgements, taking commands. Every word is first judged by the oracles of
//! the wire.

use super::link::Held;
use super::speech::TOPICS;
use super::{Device, Link, Said, Scene, Stage, Style, Wish};
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Describes, Excuse};
use crate::swarm::Quirk;
use codec::json::{Raw, members};
use codec::mqtt::{ConnAck, ConnectCode, Packet, Publish, QoS, SubscribeCode, decode};

impl Device {
    /// Understands every whole packet.
    pub(super) fn hear(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if self.style == Style::Node {
            return self.hear_socketio(scene, link);
        }
        let Some(ear) = link.line.ear().map(std::mem::take) else { return };
        let mut rest = &ear[..];
        while scene.ledger.failure.is_none() {
            match decode(rest) {
                Ok(Some((packet, bytes))) => {
                    self.heard(scene, link, packet);
                    rest = &rest[bytes..];
                }
                Ok(None) => break,
                Err(malformed) => {
                    let message = format!("the gateway sent what is no packet: {malformed:?}");
                    scene.ledger.fail(Oracle::Wire, self.peer_on(link), message);
                }
            }
        }
        if let Some(ear) = link.line.ear() {
            *ear = rest.to_vec();
        }
    }

    pub(super) fn peer_on(&self, link: &Link) -> String {
        format!("{}/{}#{} on link {}", self.agent, self.name, self.actor, link.id)
    }

    fn heard(&mut self, scene: &mut Scene<'_>, link: &mut Link, packet: Packet<'_>) {
        scene.ledger.say(|| format!("link {} hears {packet:?}", link.id));
        if link.stage == Stage::Greeted {
            return match packet {
                Packet::ConnAck(connack) => self.heard_connack(scene, link, connack),
                _ => {
                    scene.ledger.fail(Oracle::Wire, self.peer_on(link), format!("{packet:?} before CONNACK"))
                }
            };
        }
        match packet {
            Packet::PubAck(id) => self.heard_puback(scene, link, id.value()),
            Packet::SubAck(suback) => {
                let granted = suback.codes().all(|code| matches!(code, SubscribeCode::Granted(_)));
                self.heard_suback(scene, link, suback.id.value(), granted);
            }
            Packet::PingResp => match link.pings.pop_front() {
                Some(place) => {
                    link.answered(place);
                    self.descriptions_read(scene, link, place);
                }
                None => scene.ledger.fail(Oracle::Wire, self.peer_on(link), "PINGRESP without a PINGREQ"),
            },
            Packet::Publish(publish) => self.heard_publish(scene, link, &publish),
            other => scene.ledger.fail(Oracle::Wire, self.peer_on(link), format!("unexpected {other:?}")),
        }
    }

    fn heard_connack(&mut self, scene: &mut Scene<'_>, link: &mut Link, connack: ConnAck) {
        let (claims, peer) = (scene.ledger.links[link.id].claims, self.peer_on(link));
        if connack.code == ConnectCode::Accepted {
            scene.ledger.check(claims, Oracle::Isolation, &peer, || "a false claim was accepted".into());
            let wrong = connack.session_present && link.clean;
            scene.ledger.check(!wrong, Oracle::Wire, &peer, || "a clean session cannot be present".into());
            self.judge_admission(scene, link);
            if connack.session_present {
                scene.ledger.saw(Seen::SessionPresent);
            }
            if scene.ledger.links[link.id].rivalled {
                scene.ledger.saw(if link.clean { Seen::TookOverClean } else { Seen::TookOverPersistent });
            }
            scene.ledger.link_accepted(link.id);
            link.present = connack.session_present;
            link.stage = Stage::Live;
            return;
        }
        scene.ledger.excuse(link.id, Excuse::Unknown);
        link.mute = true;
        if connack.code == ConnectCode::ServerUnavailable {
            return self.judge_put_off(scene, link);
        }
        let revoked = scene.ledger.identities[self.identity].revoked;
        let (barred, disabled) = scene.ledger.note_refused_by_decision(link.id);
        let right = !disabled || connack.code == ConnectCode::NotAuthorized;
        scene
            .ledger
            .check(right, Oracle::Wire, &peer, || format!("it is disabled, and told {:?}", connack.code));
        let disowned = self.may_be_disowned(scene, link);
        let may = !claims || revoked || scene.ledger.stopping || barred || disowned;
        scene
            .ledger
            .check(may, Oracle::Blame, &peer, || format!("a true claim was refused: {:?}", connack.code));
        if !claims {
            let foreign = self.quirks.has(Quirk::ForeignIdFirst);
            scene.ledger.saw(if foreign { Seen::ForeignClientId } else { Seen::WrongKey });
        }
        if disowned {
            scene.ledger.saw(Seen::Disowned);
        }
    }

    pub(super) fn heard_puback(&mut self, scene: &mut Scene<'_>, link: &mut Link, packet: u16) {
        let peer = self.peer_on(link);
        let Some(owed) = link.owed.pop_front().filter(|owed| owed.packet == packet) else {
            return scene.ledger.fail(
                Oracle::Wire,
                peer,
                format!("PUBACK {packet} is not the next in order"),
            );
        };
        link.answered(owed.said);
        self.outbox.retain(|old| old.packet != packet);
        match owed.what {
            Said::Status | Said::Noise => {}
            Said::Description(what) => self.description_accepted(scene, link, what),
            Said::Fence => self.heard_fence(scene, link, owed.said),
            Said::Trigger(n) => scene.ledger.judge_trigger_puback(n, &peer),
            Said::Reply(question, copy) => {
                scene.ledger.reply_read(question, link.id, copy);
                let due = link.acknowledge_after.iter().position(|&(after, _)| after == question);
                if let Some(place) = due {
                    let (_, packet) = link.acknowledge_after.remove(place);
                    self.acknowledge(link, packet);
                }
            }
        }
    }

    /// At QoS 0 nothing acknowledges a description; but the gateway reads on only when it has judged it, so the answer to a
    /// later PINGREQ proves as much.
    fn descriptions_read(&self, scene: &mut Scene<'_>, link: &mut Link, place: u64) {
        while self.style == Style::Pico
            && let Some(&(said, what)) = link.describing.front()
            && said < place
        {
            self.description_accepted(scene, link, what);
        }
    }

    /// A description was acknowledged: from now on it is certain what the device can do.
    pub(super) fn description_accepted(&self, scene: &mut Scene<'_>, link: &mut Link, what: Describes) {
        link.describing.pop_front();
        if what.is_manifest() {
            link.described = Some(what);
        }
        // Where too much waited for the worker, it may have been left unread: it is to be said again.
        if scene.ledger.congestion.towards_worker(link.describes_since) {
            link.described = None;
        }
        if what != Describes::Both && what != Describes::Nothing {
            scene.ledger.saw(Seen::RefusedManifest);
        }
        // An excuse says that the gateway may hang up, not that it has forgotten: as long as it has not, this is true.
        if let (Some(what), true) = (link.described, link.describing.is_empty()) {
            scene.ledger.links[link.id].described = Some((scene.ledger.step, what));
        }
    }

    fn heard_suback(&mut self, scene: &mut Scene<'_>, link: &mut Link, packet: u16, granted: bool) {
        let peer = self.peer_on(link);
        let Some((_, place, command)) = link.subscribes.pop_front().filter(|subscribe| subscribe.0 == packet)
        else {
            return scene.ledger.fail(Oracle::Wire, peer, format!("SUBACK {packet} answers nothing"));
        };
        scene.ledger.check(granted, Oracle::Wire, &peer, || "a device's own topic was not granted".into());
        link.answered(place);
        if command {
            scene.ledger.links[link.id].listens.get_or_insert(scene.ledger.step);
        }
    }

    fn heard_publish(&mut self, scene: &mut Scene<'_>, link: &mut Link, publish: &Publish<'_>) {
        let peer = self.peer_on(link);
        let Some(suffix) = publish.topic.strip_prefix(&self.prefix) else {
            return scene.ledger.fail(Oracle::Isolation, peer, format!("a message to {}", publish.topic));
        };
        let Some(topic) = TOPICS.iter().position(|topic| *topic == suffix) else {
            return scene.ledger.fail(Oracle::Wire, peer, format!("a message to {suffix}"));
        };
        let subscribed = link.present || link.subscribed & 1 << topic != 0;
        scene.ledger.check(subscribed, Oracle::Wire, &peer, || format!("{suffix} was never subscribed to"));
        if suffix == "pong"
            && let Some(place) = link.beats.pop_front()
        {
            link.answered(place);
        }
        let owed = link.is_owed().copied();
        scene.ledger.check(owed.is_none(), Oracle::Wire, &peer, || {
            format!("{suffix} came while a PUBACK was owed: {owed:?} was read, as a later answer shows")
        });
        let command_qos = if self.style == Style::Pico { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let qos = if suffix == "command" { command_qos } else { QoS::AtMostOnce };
        let resumed = link.present && link.subscribed & 1 == 0;
        let right = publish.qos == qos || (suffix == "command" && resumed);
        scene.ledger.check(right, Oracle::Wire, &peer, || format!("{suffix} came at {:?}", publish.qos));
        match suffix {
            "command" => self.heard_command(scene, link, publish),
            "trigger_ack" => self.heard_trigger_ack(scene, link, publish.payload),
            "error" => self.heard_error(scene, link, publish.payload),
            _ => {}
        }
    }

    /// What the gateway complains of; it may ask for the description once more.
    pub(super) fn heard_error(&self, scene: &mut Scene<'_>, link: &mut Link, payload: &[u8]) {
        if String::from_utf8_lossy(payload).contains("TOO_MUCH_WAITS") {
            link.described = None;
            scene.ledger.links[link.id].described = None;
            scene.ledger.judge_unread_description(link.describes_since, &self.peer_on(link));
        }
    }

    fn heard_command(&mut self, scene: &mut Scene<'_>, link: &mut Link, publish: &Publish<'_>) {
        let packet = publish.id.map(|id| id.value());
        if let Some(packet) = packet {
            scene.ledger.judge_in_flight(link, packet, publish.dup, &self.peer_on(link));
            link.in_flight.push(packet);
        }
        let Some((question, id)) = scene.ledger.judge_command(
            self.identity,
            link.id,
            publish.payload,
            publish.dup,
            &self.peer_on(link),
        ) else {
            return;
        };
        scene.ledger.overheard.push((self.identity, id.clone()));
        link.held.push(Held { question, id, packet });
        if matches!(self.wish, Wish::Mute | Wish::Silent) || link.mute {
            return;
        }
        self.consider_answering(scene, link);
    }

    /// Acknowledge now or later, answer now or later, or not at all.
    pub(super) fn consider_answering(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let place = link.held.len() - 1;
        let never = self.quirks.has(Quirk::NeverAnswers) && !scene.calm;
        let late = self.quirks.has(Quirk::AnswersLate) && !scene.calm;
        let acknowledges =
            self.style == Style::Python && scene.dice.chance(700) || (never && scene.dice.chance(700));
        if acknowledges && let Some(packet) = link.held[place].packet.take() {
            self.acknowledge(link, packet);
        }
        if never {
            return scene.ledger.saw(Seen::NeverAnswered);
        }
        if late {
            scene.ledger.saw(Seen::AnsweredLate);
        } else if scene.calm || scene.dice.chance(500) {
            self.answer(scene, link, place);
        }
    }

    pub(super) fn heard_trigger_ack(&mut self, scene: &mut Scene<'_>, link: &Link, payload: &[u8]) {
        let peer = self.peer_on(link);
        let read = members(payload, ["triggerId", "received"])
            .ok()
            .and_then(|[id, received]| Some((id?.plain_str()?, received.as_ref().and_then(Raw::as_bool)?)));
        let Some((id, received)) = read else {
            return scene.ledger.fail(Oracle::Wire, peer, "an unreadable trigger_ack");
        };
        let tenant = scene.ledger.identities[self.identity].tenant;
        let Some(n) = scene.ledger.trigger_of_id(tenant, id) else {
            let known = !received;
            return scene
                .ledger
                .check(known, Oracle::Kept, &peer, || format!("received, and not in the journal: {id}"));
        };
        let owed = link.owed.iter().any(|owed| owed.what == Said::Trigger(n));
        scene.ledger.check(!owed, Oracle::Wire, &peer, || format!("trigger_ack for {n} before its PUBACK"));
        scene.ledger.judge_trigger_ack(n, link.id, received, &peer);
    }

    /// The connection ended, by whose will?
    pub(super) fn notice_the_end(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.line.is_closed() {
            link.stage = Stage::Over;
            return;
        }
        let Some(end) = link.line.end() else { return };
        if link.line.is_open() && !link.line.was_cut() {
            self.blame(scene, link, &format!("{end:?}"));
        }
        link.stage = Stage::Over;
    }

    fn blame(&mut self, scene: &mut Scene<'_>, link: &Link, end: &str) {
        let now_ms = scene.ledger.now_ms;
        let gone_ms = scene.ledger.links[link.id].gone.map_or(now_ms, |(_, gone_ms)| gone_ms);
        let silent_ms = gone_ms.saturating_sub(link.whole_ms);
        let keep_alive_ms = u64::from(self.keep_alive_s) * 1000;
        let live = link.stage == Stage::Live;
        let slow = scene.swarm.faults.delay > 0 || scene.swarm.faults.would_block > 0;
        let keeps_alive = self.keep_alive_s > 0 && self.style != Style::Node;
        // A POST goes by mail from core to core, and a core that has few turns holds the pong in it up.
        let held_up = slow || link.line.is_session();
        let too_silent = keeps_alive && silent_ms * 10 > keep_alive_ms * 6
            || self.ponged_too_late(scene, link, gone_ms, held_up);
        // Two jumps of the clock and one packet that a slow network holds up make three seconds: what is out may have been on its
        // way all that time, and a device lives by whole packets.
        let offline_ms = scene.ledger.limits.heartbeat_offline_ms;
        // So can a packet that is larger than what a core with few turns reads in one of them.
        let jumps = scene.swarm.pace.jumps > 0;
        let cores = &scene.swarm.pace.cores;
        let few_turns =
            cores.iter().min() != cores.iter().max() && scene.swarm.engine.read_bytes_per_turn < 2_048;
        let on_its_way = slow && (jumps || few_turns) && offline_ms <= 3_000;
        let too_seldom = link.beaten && (on_its_way || silent_ms * 3 > offline_ms);
        let too_late = !live && gone_ms - link.opened_ms > 8_000;
        let crowded = (!live || link.line.is_session()) && self.is_crowded(scene);
        let excuse = scene.ledger.links[link.id].excuse;
        match excuse {
            Some(Excuse::Deaf) => scene.ledger.saw(Seen::Stalled),
            Some(Excuse::Silent) if live && link.line.is_session() => scene.ledger.saw(Seen::SessionSilenced),
            Some(Excuse::Silent) if link.beaten => scene.ledger.saw(Seen::HeartbeatOver),
            Some(Excuse::Silent) if live => scene.ledger.saw(Seen::KeepAliveOver),
            Some(Excuse::Revoked) => scene.ledger.saw(Seen::Revoked),
            Some(Excuse::Disabled) if live => scene.ledger.saw(Seen::SentAway),
            _ => {}
        }
        if crowded && excuse.is_none() {
            scene.ledger.saw(Seen::StrangerEvicted);
        }
        // A Socket.IO client that is put off is told nothing: it would not come again by itself. Others are, but where the network
        // holds the word up for longer than the gateway lingers, they see only the end.
        let untold = self.style == Style::Node || slow && jumps;
        let put_off = !live && untold && self.may_be_put_off(scene, link);
        if put_off && excuse.is_none() {
            scene.ledger.saw(Seen::LogInPutOff);
        }
        let rivalled = scene.ledger.links[link.id].rivalled;
        let may =
            put_off || excuse.is_some() || rivalled || scene.ledger.stopping || too_silent || too_seldom;
        let peer = self.peer_on(link);
        scene.ledger.check(may || too_late || crowded, Oracle::Blame, &peer, || {
            format!("{end}, though it did nothing wrong (silent for {silent_ms} ms)")
        });
    }
}
