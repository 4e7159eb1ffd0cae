//! A scripted device: an MQTT client with a style, quirks, and a memory that outlives its connections.
//!
//! Owns what a device wants to do next. What it says is put together in `speech`, what it hears is understood in
//! `hearing`; whether the gateway did right is the oracles' business. Never looks into the gateway.

mod answering;
mod hearing;
mod link;
mod socketio;
mod speech;
mod tongue;
mod vetting;

pub use link::{Link, Stage};
pub use tongue::{Tongue, Tongues, Way};

use crate::coverage::Seen;
use crate::ledger::{Describes, Excuse, Ledger, TENANTS};
use crate::line::Leaving;
use crate::secrets;
use crate::swarm::{Quirk, Quirks, Swarm};
use engine::net::fake::{Dice, Kernel};

/// What a script may use in its step.
pub struct Scene<'a> {
    /// The network.
    pub kernel: &'a Kernel,
    /// The observer.
    pub ledger: &'a mut Ledger,
    /// The run's dice.
    pub dice: &'a mut Dice,
    /// What exists.
    pub swarm: &'a Swarm,
    /// No more mischief: finish what was begun.
    pub calm: bool,
}

/// The client libraries that are imitated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// `lua-device-client`: a persistent session, QoS 1, one SUBSCRIBE, everything sent again after a cut.
    Python,
    /// The MicroPython client: a clean session, six SUBSCRIBEs, a command acknowledged after its answer was.
    Micro,
    /// A hand-written device: QoS 0 throughout, a clean session.
    Pico,
    /// The Node client over Socket.IO: callbacks instead of acknowledgements, one description for each connection.
    Node,
}

/// What a device is up to, as the world wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Lives its life.
    Live,
    /// Is connected and ready, and does nothing by itself.
    Ready,
    /// As above, and takes commands without a word.
    Mute,
    /// As above, but acknowledges them.
    Silent,
    /// As the first, and says no to every command.
    Refuse,
    /// Is gone.
    Away,
}

/// A QoS 1 message that was not acknowledged yet, to be sent again after a cut.
#[derive(Clone, Debug)]
pub struct Unacked {
    /// Its packet identifier.
    pub packet: u16,
    /// The topic's last level.
    pub suffix: &'static str,
    /// The payload.
    pub payload: Vec<u8>,
    /// What it is.
    pub what: Said,
    /// The retain flag it was sent with.
    pub retain: bool,
}

/// What a message of a device was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// The first status, or the last.
    Status,
    /// The second status.
    Description(Describes),
    /// The answer to a question: its number and the how manieth on this link.
    Reply(usize, usize),
    /// A trigger, by its number.
    Trigger(usize),
    /// Something that has no effect.
    Noise,
    /// Something that has no effect and whose callback shows that all before it was judged.
    Fence,
}

/// A device.
pub struct Device {
    /// Its number among the scripts.
    pub actor: usize,
    /// Who it is.
    pub identity: usize,
    /// What the world wants of it.
    pub wish: Wish,
    /// A second user of a name, which leaves when the storm is over.
    pub is_rival: bool,
    /// Its connection.
    pub link: Option<Link>,
    /// It comes though its key was taken back.
    pub insists: bool,
    /// Connections that it has forgotten without closing them.
    pub ghosts: Vec<Link>,
    style: Style,
    /// Its style when it speaks MQTT.
    mqtt_style: Style,
    quirks: Quirks,
    agent: &'static str,
    name: &'static str,
    prefix: String,
    secret: String,
    keep_alive_s: u16,
    attempts: u32,
    next_packet: u16,
    outbox: Vec<Unacked>,
    rest_until_ms: u64,
    backs_off_until_ms: u64,
    tongues: Tongues,
}

impl Device {
    /// A device with some of the quirks that exist.
    pub fn new(
        actor: usize,
        identity: usize,
        quirks: Quirks,
        is_rival: bool,
        ledger: &mut Ledger,
        dice: &mut Dice,
    ) -> Self {
        let (tenant, name) = (ledger.identities[identity].tenant, ledger.identities[identity].name);
        let agent = TENANTS[tenant];
        ledger.identities[identity].actors += 1;
        let style = [Style::Python, Style::Micro, Style::Pico][dice.below(3) as usize];
        let secret = match (quirks.has(Quirk::LosesItsKey), quirks.has(Quirk::MayNotTrigger)) {
            (true, _) => secrets::own(agent, name),
            (false, true) => secrets::of_commands(agent),
            (false, false) => secrets::of_devices(agent),
        };
        Self {
            actor,
            identity,
            wish: Wish::Live,
            is_rival,
            link: None,
            insists: false,
            ghosts: Vec::new(),
            style,
            mqtt_style: style,
            quirks,
            agent,
            name,
            prefix: format!("lua/devices/{agent}/{name}/"),
            secret,
            keep_alive_s: [0, 4, 60][dice.below(3) as usize],
            attempts: 0,
            next_packet: 1,
            outbox: Vec::new(),
            rest_until_ms: dice.below(40),
            backs_off_until_ms: 0,
            tongues: Tongues::default(),
        }
    }

    /// The transports that it knows; without this it speaks MQTT over TCP.
    #[must_use]
    pub fn with_tongues(self, tongues: Tongues) -> Self {
        Self { tongues, ..self }
    }

    /// Its key is one that the auth service knows, and not the key file: its own, or that of all its agent's devices.
    #[must_use]
    pub fn with_vouched_key(self, own: bool) -> Self {
        let secret =
            if own { secrets::vouched_own(self.agent, self.name) } else { secrets::vouched(self.agent) };
        Self { secret, ..self }
    }

    /// Its key.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// `tenant/device#actor`.
    pub fn peer(&self) -> String {
        let link = self.link.as_ref().map_or(String::from("away"), |link| format!("link {}", link.id));
        format!("{}/{}#{} on {link}", self.agent, self.name, self.actor)
    }

    /// One step of its life.
    pub fn step(&mut self, scene: &mut Scene<'_>) {
        self.tend_ghosts(scene);
        let Some(mut link) = self.link.take() else { return self.consider_connecting(scene) };
        self.breathe(scene, &mut link);
        self.hear(scene, &mut link);
        self.notice_the_end(scene, &mut link);
        if link.stage == Stage::Over {
            self.after_the_end(scene, link);
        } else {
            self.act(scene, &mut link);
            match link.abandoned {
                true => self.forget(link),
                false => self.link = Some(link),
            }
        }
    }

    /// Whether its key is its own, and may be taken back.
    pub fn loses_its_key(&self) -> bool {
        self.quirks.has(Quirk::LosesItsKey)
    }

    /// Whether its key is its own, and known to the auth service.
    pub fn has_own_vouched_key(&self) -> bool {
        self.secret == secrets::vouched_own(self.agent, self.name)
    }

    /// Whether it speaks MQTT now, and so will in the calm.
    pub fn speaks_mqtt(&self) -> bool {
        self.style != Style::Node
    }

    /// Whether its key allows triggers.
    pub fn may_trigger(&self) -> bool {
        self.loses_its_key() || !self.quirks.has(Quirk::MayNotTrigger)
    }

    /// Fires a trigger, if it is connected.
    pub fn fire_now(&mut self, scene: &mut Scene<'_>) {
        if let Some(mut link) = self.link.take() {
            self.fire_one(scene, &mut link);
            self.link = Some(link);
        }
    }

    /// Whether it is as the world wants it, and nothing is left to say.
    pub fn is_content(&self, ledger: &Ledger) -> bool {
        let alone = self.ghosts.is_empty();
        match (self.wish, &self.link) {
            (Wish::Away, link) => link.is_none() && alone,
            (Wish::Live, _) => true,
            (_, None) => ledger.identities[self.identity].revoked,
            (_, Some(link)) => {
                let held = matches!(self.wish, Wish::Mute | Wish::Silent) || link.held.is_empty();
                alone && link.is_settled(ledger) && held && self.outbox.is_empty()
            }
        }
    }

    /// What it still waits for, for a report.
    pub fn wants(&self, ledger: &Ledger) -> String {
        let link = self.link.as_ref().map_or(String::from("no link"), |link| link.wants(ledger));
        format!(
            "{}: {:?}, {} ghosts, {} unacknowledged, {link}",
            self.peer(),
            self.wish,
            self.ghosts.len(),
            self.outbox.len()
        )
    }

    /// Forgets its connection without closing it.
    pub fn abandon(&mut self) {
        if let Some(link) = self.link.take() {
            self.forget(link);
        }
    }

    fn forget(&mut self, mut link: Link) {
        link.line.forget();
        self.ghosts.push(link);
    }

    /// Breaks off, in one of the ways in which devices do.
    pub fn leave(&mut self, scene: &mut Scene<'_>) {
        self.wish = Wish::Away;
        let Some(link) = self.link.as_mut() else { return };
        match scene.dice.below(4) {
            0 if link.stage == Stage::Live => self.say_goodbye(scene),
            0 | 1 => link.line.leave(Leaving::Close),
            2 => link.line.leave(Leaving::HalfClose),
            _ => link.line.leave(Leaving::Reset),
        }
    }

    fn breathe(&self, scene: &mut Scene<'_>, link: &mut Link) {
        if scene.calm {
            link.line.calm_down();
        }
        let was_silent = link.line.is_silent();
        let dribbles = self.quirks.has(Quirk::Dribbles) && !scene.calm;
        if dribbles {
            scene.ledger.saw(Seen::Dribble);
        }
        link.line.breathe_out(if dribbles { 1 + scene.dice.below(12) as usize } else { usize::MAX });
        if !was_silent && link.line.is_silent() {
            link.whole_ms = scene.ledger.now_ms;
            self.is_out(scene, link);
        }
        if link.beaten && link.line.is_session() {
            let within_ms = scene.ledger.limits.heartbeat_offline_ms / 3;
            // A silence that was long enough may have been the end of it: what is said later revives nobody.
            let missed_ms = &mut scene.ledger.links[link.id].beat_missed_ms;
            if *missed_ms == u64::MAX || link.whole_ms < *missed_ms {
                *missed_ms = link.whole_ms + within_ms;
            }
        }
        let deaf = link.deaf && !scene.calm;
        link.line.breathe_in(match (deaf, scene.calm) {
            (true, _) => 0,
            (false, true) => usize::MAX,
            (false, false) => 1 + scene.dice.below(800) as usize,
        });
        self.look_at_frames(scene, link);
    }

    fn consider_connecting(&mut self, scene: &mut Scene<'_>) {
        let identity = &scene.ledger.identities[self.identity];
        let disowned = identity.revoked && scene.calm && !self.insists;
        let stays_away = self.wish == Wish::Away || disowned || scene.ledger.stopping;
        let rests =
            scene.ledger.now_ms < if scene.calm { self.backs_off_until_ms } else { self.rest_until_ms };
        if !stays_away && !rests {
            self.connect(scene);
        }
    }

    /// What it does without being asked.
    fn act(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        match link.stage {
            Stage::Strange if self.style == Style::Node => self.greet_namespace(scene, link),
            Stage::Strange => self.greet(scene, link),
            Stage::Greeted | Stage::Over => {}
            Stage::Live => self.live(scene, link),
        }
        if !scene.calm {
            self.misbehave(scene, link);
        }
    }

    /// A live connection: keep it alive, say what is due, and now and then something by itself.
    fn live(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        self.keep_alive(scene, link);
        self.catch_up(scene, link);
        if scene.calm || self.wish != Wish::Live {
            return self.settle_down(scene, link);
        }
        match scene.dice.below(100) {
            0..8 => self.fire(scene, link),
            8..12 => self.beat(scene, link),
            12..15 if self.style == Style::Node => self.beat(scene, link),
            12..15 => self.ping(scene, link),
            15..30 => self.answer_held(scene, link),
            30 if self.quirks.has(Quirk::ForeignTopics) => self.publish_foreign(scene, link),
            31..33 if self.quirks.has(Quirk::AnswersForeign) => self.answer_foreign(scene, link),
            33 if self.quirks.has(Quirk::AnswersNonsense) => self.answer_nonsense(scene, link),
            34 if self.quirks.has(Quirk::Redescribes) => self.redescribe(scene, link),
            _ => {}
        }
    }

    /// Ends, junk, silence: what a connection may not survive.
    fn misbehave(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let roll = scene.dice.below(1000);
        let live = link.stage == Stage::Live;
        match roll {
            0..6 if self.quirks.has(Quirk::Vanishes) => self.vanish(scene, link),
            6..8 if self.quirks.has(Quirk::SendsJunk) => self.send_junk(scene, link),
            8..12 if live && self.quirks.has(Quirk::Abandons) => {
                scene.ledger.saw(Seen::Abandoned);
                scene.ledger.excuse(link.id, Excuse::Silent);
                link.abandoned = true;
            }
            12..14 if live && self.quirks.has(Quirk::StopsReading) => {
                scene.ledger.saw(Seen::StoppedReading);
                scene.ledger.excuse(link.id, Excuse::Deaf);
                link.deaf = true;
            }
            14..16 if live && self.may_fall_silent(link) => {
                scene.ledger.excuse(link.id, Excuse::Silent);
                scene.ledger.saw(Seen::FellSilent);
                link.mute = true;
            }
            16..18 if live => self.goodbye(scene, link),
            18..20 if self.quirks.has(Quirk::Restarts) => {
                scene.ledger.saw(Seen::Restarted);
                self.outbox.clear();
                self.next_packet = 1;
                self.vanish(scene, link);
            }
            _ => {}
        }
    }

    /// Its silence will be noticed: by its heartbeats, or by its keep alive.
    fn may_fall_silent(&self, link: &Link) -> bool {
        self.quirks.has(Quirk::FallsSilent)
            && (link.beaten || self.style == Style::Node || self.keep_alive_s > 0)
    }

    fn vanish(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        scene.ledger.saw(Seen::DeviceVanished);
        link.line.leave(match scene.dice.below(3) {
            0 => Leaving::Close,
            1 => Leaving::HalfClose,
            _ => Leaving::Reset,
        });
    }

    /// Forgotten connections still hear, and learn that they are over.
    fn tend_ghosts(&mut self, scene: &mut Scene<'_>) {
        let mut ghosts = std::mem::take(&mut self.ghosts);
        ghosts.retain_mut(|ghost| {
            ghost.line.breathe_out(usize::MAX);
            ghost.line.breathe_in(usize::MAX);
            ghost.line.end().is_none() && (!scene.calm || ghost.line.still_hears())
        });
        self.ghosts = ghosts;
    }

    fn after_the_end(&mut self, scene: &mut Scene<'_>, link: Link) {
        link.prove_all(scene.ledger);
        self.back_off(scene, &link);
        let rest_ms = if scene.dice.chance(500) { 5 } else { 300 };
        self.rest_until_ms = scene.ledger.now_ms + scene.dice.below(rest_ms);
    }
}
