//! The transports that a scripted device knows, and what is special to each on the wire below its conversation.
//!
//! Owns the choice of a transport for each connection, and the look at the frames. What is said over it is not its business.

use super::{Device, Link, Scene, Style};
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::Excuse;
use crate::line::{Bearer, Cargo, Line, Polls};
use crate::swarm::pick;
use engine::net::fake::Dice;

/// A transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tongue {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over WebSocket.
    MqttWs,
    /// Socket.IO.
    SocketIo,
}

/// How a session of Engine.IO begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Over a WebSocket.
    WebSocket,
    /// By polling, and so it stays.
    Polling,
    /// By polling, until a WebSocket takes over.
    Upgrade,
}

/// The transports that a device uses, and the dice that choose among them.
pub struct Tongues {
    dice: Dice,
    known: &'static [Tongue],
    last: Option<Tongue>,
    /// Dice of its own, so that polling changed no run without it.
    ways_dice: Dice,
    ways: &'static [Way],
}

impl Default for Tongues {
    fn default() -> Self {
        Self {
            dice: Dice::new(0),
            known: &[Tongue::Mqtt],
            last: None,
            ways_dice: Dice::new(0),
            ways: &[Way::WebSocket],
        }
    }
}

/// What the devices of a run may know: two runs in seven have MQTT over TCP alone.
const HOUSES: [&[Tongue]; 7] = [
    &[Tongue::Mqtt],
    &[Tongue::Mqtt],
    &[Tongue::MqttWs],
    &[Tongue::Mqtt, Tongue::MqttWs],
    &[Tongue::SocketIo],
    &[Tongue::Mqtt, Tongue::SocketIo],
    &[Tongue::Mqtt, Tongue::MqttWs, Tongue::SocketIo],
];

/// The ways of the sessions of a run: in one of four everybody comes over WebSocket.
const WAYS: [&[Way]; 4] =
    [&[Way::WebSocket], &[Way::Polling], &[Way::Upgrade], &[Way::WebSocket, Way::Polling, Way::Upgrade]];

impl Way {
    /// The ways of the devices of one run.
    pub fn house(dice: &mut Dice) -> &'static [Way] {
        pick(dice, &WAYS).expect("a list")
    }
}

impl Tongues {
    /// What the devices of one run may know.
    pub fn house(dice: &mut Dice) -> &'static [Tongue] {
        pick(dice, &HOUSES).expect("a list")
    }

    /// What one device of such a run knows: often one of them, else all.
    pub fn draw(dice: &mut Dice, house: &'static [Tongue]) -> Self {
        let one = dice.below(house.len() as u64) as usize;
        let known = if dice.chance(600) { &house[one..=one] } else { house };
        Self { dice: Dice::new(dice.roll()), known, ..Self::default() }
    }

    /// The ways that there are for its sessions.
    #[must_use]
    pub fn with_ways(self, ways: &'static [Way], ways_dice: Dice) -> Self {
        Self { ways, ways_dice, ..self }
    }
}

impl Device {
    /// A fresh connection, over one of the transports that it knows.
    pub(super) fn open_line(&mut self, scene: &mut Scene<'_>) -> Bearer {
        let tongues = &mut self.tongues;
        let fresh = *pick(&mut tongues.dice, tongues.known).unwrap_or(&Tongue::Mqtt);
        // In the calm, what becomes of a session must be known beforehand.
        let tongue = if scene.calm { tongues.last.unwrap_or(fresh) } else { fresh };
        self.style = if tongue == Tongue::SocketIo { Style::Node } else { self.mqtt_style };
        if tongues.last.replace(tongue).is_some_and(|last| last != tongue) {
            scene.ledger.saw(Seen::ChangedTongue);
        }
        match tongue {
            Tongue::Mqtt => Bearer::Line(Line::new(scene.kernel.connect(0))),
            Tongue::MqttWs => {
                let dice = Dice::new(tongues.dice.roll());
                Bearer::Line(Line::framed(scene.kernel.connect(1), Cargo::Packets, "/mqtt", dice))
            }
            Tongue::SocketIo => {
                let dice = Dice::new(tongues.dice.roll());
                match *pick(&mut tongues.ways_dice, tongues.ways).unwrap_or(&Way::WebSocket) {
                    Way::WebSocket => {
                        let path = "/socket.io/?EIO=4&transport=websocket";
                        Bearer::Line(Line::framed(scene.kernel.connect(1), Cargo::Texts, path, dice))
                    }
                    way => {
                        let upgrades = way == Way::Upgrade;
                        // Nothing is said yet, and still something has begun.
                        scene.kernel.note(0x601);
                        Bearer::Polls(Box::new(Polls::new(scene.kernel, scene.swarm.cores, upgrades, dice)))
                    }
                }
            }
        }
    }

    /// Whoever was turned away before it was known waits a little, as real clients do: a log-in over HTTP takes several ways,
    /// and those who come at once, again and again, would crowd each other out for ever.
    pub(super) fn back_off(&mut self, scene: &Scene<'_>, link: &Link) {
        let known = scene.ledger.links[link.id].accepted.is_some();
        if !known && scene.ledger.links[link.id].barred {
            self.backs_off_until_ms = scene.ledger.now_ms + 20 + self.tongues.dice.below(40);
            return;
        }
        // Longer than whoever fights for a name is held up, where few strangers may be.
        let longest_ms = if self.is_crowded(scene) { 400 } else { 40 };
        if !known && (self.tongues.last != Some(Tongue::Mqtt) || self.is_crowded(scene)) {
            self.backs_off_until_ms = scene.ledger.now_ms + self.tongues.dice.below(longest_ms);
        }
    }

    /// How long it still waits so, if it does.
    pub fn rests_ms(&self, now_ms: u64) -> Option<u64> {
        self.backs_off_until_ms.checked_sub(now_ms)
    }

    /// A roll of the dice that its transports have for themselves.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.tongues.dice.below(below)
    }

    /// What the frames below have shown.
    pub(super) fn look_at_frames(&self, scene: &mut Scene<'_>, link: &mut Link) {
        link.line.take_seen().into_iter().for_each(|seen| scene.ledger.saw(seen));
        if scene.ledger.trace {
            link.line
                .take_notes()
                .iter()
                .for_each(|note| scene.ledger.say(|| format!("link {} {note}", link.id)));
        }
        let refused = link.line.refused();
        if let Some(fault) = link.line.take_fault() {
            scene.ledger.fail(Oracle::Wire, self.peer_on(link), fault);
        }
        if let Some(status) = refused
            && scene.ledger.links[link.id].excuse != Some(Excuse::ToldSo)
        {
            let may = scene.ledger.stopping || status == 408;
            scene.ledger.check(may, Oracle::Blame, &self.peer_on(link), || {
                format!("a good handshake was refused with {status}")
            });
            scene.ledger.excuse(link.id, Excuse::ToldSo);
        }
        if let Some(how) = link.line.take_turned_away() {
            let facts = &scene.ledger.links[link.id];
            let may = facts.excuse.is_some() || facts.rivalled || scene.ledger.stopping;
            let may = may
                || self.is_crowded(scene)
                || self.may_be_put_off(scene, link)
                || link.line.end().is_some()
                || link.line.was_cut();
            scene.ledger.check(may, Oracle::Blame, &self.peer_on(link), || {
                format!("a good WebSocket was {how} before it could carry the session")
            });
        }
    }

    /// Connections that are nobody's yet may have to make room, and those of a client that polls are nobody's until they have
    /// brought an answer.
    pub(super) fn is_crowded(&self, scene: &Scene<'_>) -> bool {
        scene.ledger.limits.unidentified_per_core < 64
    }

    /// Junk below the packets; `false`: there is nothing below them, or it is to be junk of packets.
    pub(super) fn breaks_frames(&mut self, link: &mut Link) -> bool {
        self.tongues.dice.chance(500) && link.line.misframe()
    }

    /// Says goodbye with a close frame; `false`: with a DISCONNECT.
    pub(super) fn closes_frames(&mut self, link: &mut Link) -> bool {
        link.line.has_frames() && self.tongues.dice.chance(400) && link.line.say_close()
    }
}
