//! The transports that a scripted device knows, and what is special to each on the wire below its conversation.
//!
//! Owns the choice of a transport for each connection, and the look at the frames. What is said over it is not its business.

use super::{Device, Link, Scene, Style};
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::Excuse;
use crate::line::{Cargo, Line};
use crate::swarm::pick;
use engine::net::fake::Dice;

/// A transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tongue {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over WebSocket.
    MqttWs,
    /// Socket.IO over WebSocket.
    SocketIo,
}

/// The transports that a device uses, and the dice that choose among them.
pub struct Tongues {
    dice: Dice,
    known: &'static [Tongue],
    last: Option<Tongue>,
}

impl Default for Tongues {
    fn default() -> Self {
        Self { dice: Dice::new(0), known: &[Tongue::Mqtt], last: None }
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

impl Tongues {
    /// What the devices of one run may know.
    pub fn house(dice: &mut Dice) -> &'static [Tongue] {
        pick(dice, &HOUSES).expect("a list")
    }

    /// What one device of such a run knows: often one of them, else all.
    pub fn draw(dice: &mut Dice, house: &'static [Tongue]) -> Self {
        let one = dice.below(house.len() as u64) as usize;
        let known = if dice.chance(600) { &house[one..=one] } else { house };
        Self { dice: Dice::new(dice.roll()), known, last: None }
    }
}

impl Device {
    /// A fresh connection, over one of the transports that it knows.
    pub(super) fn open_line(&mut self, scene: &mut Scene<'_>) -> Line {
        let tongues = &mut self.tongues;
        let fresh = *pick(&mut tongues.dice, tongues.known).unwrap_or(&Tongue::Mqtt);
        // In the calm, what becomes of a session must be known beforehand.
        let tongue = if scene.calm { tongues.last.unwrap_or(fresh) } else { fresh };
        self.style = if tongue == Tongue::SocketIo { Style::Node } else { self.mqtt_style };
        if tongues.last.replace(tongue).is_some_and(|last| last != tongue) {
            scene.ledger.saw(Seen::ChangedTongue);
        }
        match tongue {
            Tongue::Mqtt => Line::new(scene.kernel.connect(0)),
            Tongue::MqttWs => {
                let dice = Dice::new(tongues.dice.roll());
                Line::framed(scene.kernel.connect(1), Cargo::Packets, "/mqtt", dice)
            }
            Tongue::SocketIo => {
                let dice = Dice::new(tongues.dice.roll());
                let path = "/socket.io/?EIO=4&transport=websocket";
                Line::framed(scene.kernel.connect(1), Cargo::Texts, path, dice)
            }
        }
    }

    /// Whoever was turned away before it was known waits a little, as real clients do: a log-in over HTTP takes several ways,
    /// and those who come at once, again and again, would crowd each other out for ever.
    pub(super) fn back_off(&mut self, scene: &Scene<'_>, link: &Link) {
        let known = scene.ledger.links[link.id].accepted.is_some();
        if !known && self.tongues.last != Some(Tongue::Mqtt) {
            self.backs_off_until_ms = scene.ledger.now_ms + self.tongues.dice.below(40);
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
        let Some(frames) = link.line.frames() else { return };
        let (fault, refused) = (frames.fault.take(), frames.refused);
        if let Some(fault) = fault {
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
    }

    /// Junk below the packets; `false`: there is nothing below them, or it is to be junk of packets.
    pub(super) fn breaks_frames(&mut self, link: &mut Link) -> bool {
        self.tongues.dice.chance(500) && link.line.misframe()
    }

    /// Says goodbye with a close frame; `false`: with a DISCONNECT.
    pub(super) fn closes_frames(&mut self, link: &mut Link) -> bool {
        let closes = link.line.frames().is_some() && self.tongues.dice.chance(400);
        if closes {
            link.line.say_close();
        }
        closes
    }
}
