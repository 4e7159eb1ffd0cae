//! Devices and their connections, as they really are.
//!
//! Owns who can be online at a moment and since when: from the kernel's ends and from what devices were told, never from
//! what the gateway shows.

use super::{Decided, Holds, Ledger};
use crate::coverage::Seen;
use crate::line::{Moment, Tie};

/// A device in the product's sense.
#[derive(Debug)]
pub struct Identity {
    /// Whose it is.
    pub tenant: usize,
    /// Its name on the wire.
    pub name: &'static str,
    /// Links that the gateway may have seated: open there, and with a true claim.
    pub possible: Vec<usize>,
    /// When the list above last changed, in steps.
    pub changed_step: u64,
    /// Counts moments at which the order of log-ins was the gateway's to choose.
    pub disorder: u32,
    /// Scripted devices that use the name.
    pub actors: usize,
    /// Its key was taken back.
    pub revoked: bool,
    /// The gateway has accepted it before this step.
    pub known_step: Option<u64>,
    /// What its agent has decided about it.
    pub decided: Decided,
}

/// What a description says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Describes {
    /// `echo` and `set`.
    Both,
    /// `echo` alone, and commands that are refused.
    EchoAndRefused,
    /// No command.
    Nothing,
    /// What cannot be read.
    Nonsense,
}

impl Describes {
    /// Whether `echo` is among the commands.
    pub fn has_echo(self) -> bool {
        matches!(self, Self::Both | Self::EchoAndRefused)
    }

    /// Whether it is a manifest at all.
    pub fn is_manifest(self) -> bool {
        self != Self::Nonsense
    }
}

/// Why the gateway may hang up on a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Excuse {
    /// It said what must not be said.
    Misspoke,
    /// It is not who it says it is.
    Unknown,
    /// It said goodbye.
    Goodbye,
    /// It is silent for too long.
    Silent,
    /// It does not read.
    Deaf,
    /// Its key is no longer good.
    Revoked,
    /// The answer said that the connection ends.
    ToldSo,
    /// Its agent has disabled or removed it, or may have.
    Disabled,
}

/// A connection of a device.
pub struct LinkFacts {
    /// The device it claims to be.
    pub identity: usize,
    /// The script that opened it.
    pub actor: usize,
    tie: Tie,
    /// It asked for a session that dies with it.
    pub clean: bool,
    /// Its claim is true.
    pub claims: bool,
    /// When it was opened, in steps.
    pub opened_step: u64,
    /// When CONNACK 0 was read, in steps.
    pub accepted: Option<u64>,
    /// When it was certain that the gateway had subscribed it to commands, in steps.
    pub listens: Option<u64>,
    /// What its accepted description says, and since which step that is certain. None while that is open.
    pub described: Option<(u64, Describes)>,
    /// Why the gateway may hang up.
    pub excuse: Option<Excuse>,
    /// When the gateway had let it go: step and milliseconds.
    pub gone: Option<(u64, u64)>,
    /// Another link of the same device overlapped with it.
    pub rivalled: bool,
    /// When it has said CONNECT, in steps.
    greeted: Option<u64>,
    /// It may be hung up on and refused because of what its agent has decided.
    pub barred: bool,
    /// Its device was certainly sent away from it, since this step.
    pub cut_step: Option<u64>,
    /// From here on its pong may be missed, in milliseconds; never, where nobody pings.
    pub pong_missed_ms: u64,
    /// From here on its heartbeats may be missed, in milliseconds; where words wait for a POST, these do, too.
    pub beat_missed_ms: u64,
    /// A rival logs in after it, or may have: the seat may be the other's, whatever becomes of that one.
    pub superseded: bool,
}

impl Identity {
    pub(super) fn new(tenant: usize, name: &'static str) -> Self {
        Self {
            tenant,
            name,
            possible: Vec::new(),
            changed_step: 0,
            disorder: 0,
            actors: 0,
            revoked: false,
            known_step: None,
            decided: Decided::default(),
        }
    }
}

impl LinkFacts {
    /// When it has said CONNECT, in steps; 0 as long as it has not.
    pub fn greeted_step(&self) -> u64 {
        self.greeted.unwrap_or(0)
    }

    /// Whether both ends are open and the network has done nothing to it.
    pub fn is_intact(&self) -> bool {
        self.tie.is_intact()
    }
}

impl Ledger {
    /// A device opens a connection.
    pub fn open_link(&mut self, identity: usize, actor: usize, tie: Tie, clean: bool, claims: bool) -> usize {
        let link = self.links.len();
        let rivals: Vec<usize> = if claims { self.identities[identity].possible.clone() } else { Vec::new() };
        for &rival in &rivals {
            self.links[rival].rivalled = true;
        }
        if rivals.iter().any(|&rival| self.links[rival].accepted.is_none()) {
            self.identities[identity].disorder += 1;
        }
        self.links.push(LinkFacts {
            identity,
            actor,
            tie,
            clean,
            claims,
            opened_step: self.step,
            accepted: None,
            listens: None,
            described: None,
            excuse: None,
            gone: None,
            rivalled: !rivals.is_empty(),
            greeted: None,
            barred: false,
            cut_step: None,
            pong_missed_ms: u64::MAX,
            beat_missed_ms: u64::MAX,
            superseded: false,
        });
        self.held.push(link);
        let decided = &self.identities[identity].decided;
        if decided.is_open() || decided.holds == Holds::Disabled {
            self.bar(link);
        }
        if claims {
            self.identities[identity].possible.push(link);
            self.identities[identity].changed_step = self.step;
        }
        link
    }

    /// A device says CONNECT. Whoever is seated will be replaced; whoever logs in at the same time may come after it.
    pub fn link_greets(&mut self, link: usize) {
        self.links[link].greeted = Some(self.step);
        if !self.links[link].claims {
            return;
        }
        let rivals = self.identities[self.links[link].identity].possible.clone();
        for rival in rivals.into_iter().filter(|&rival| rival != link) {
            self.links[rival].superseded = true;
            self.links[link].superseded |=
                self.links[rival].greeted.is_some() && self.links[rival].accepted.is_none();
        }
    }

    /// Nobody has logged in for longer than a replaced connection lingers: the links that still stand have their seats.
    pub fn survivors_are_seated(&mut self) {
        for &link in &self.held {
            self.links[link].superseded = false;
        }
    }

    /// A device reads CONNACK 0.
    pub fn link_accepted(&mut self, link: usize) {
        let step = self.step;
        self.relieve_sessions(link);
        let peer = self.who(self.links[link].identity);
        self.judge_obedience(link, &peer);
        self.unbar(link);
        let facts = &mut self.links[link];
        facts.accepted = Some(step);
        let identity = &mut self.identities[facts.identity];
        // CONNACK may be read long after it was said, also from a connection that has been replaced: a removal that came after
        // CONNECT may have come after both.
        if !facts.barred && facts.greeted_step() >= identity.decided.said_step {
            identity.known_step.get_or_insert(step);
        }
        if identity.possible.len() > 1 {
            identity.disorder += 1;
        }
    }

    /// A session that had its seat before a newer link asked for it has lost it for ever when that one is accepted; nobody else
    /// can tell, for it has no connection.
    fn relieve_sessions(&mut self, link: usize) {
        let (newer, now) = (self.links[link].greeted, (self.step, self.now_ms));
        for rival in self.identities[self.links[link].identity].possible.clone() {
            let facts = &self.links[rival];
            if rival != link && facts.tie.polls() && facts.accepted < newer && facts.accepted.is_some() {
                self.saw(Seen::TookOverPolling);
                self.held.retain(|&held| held != rival);
                self.let_go(rival, now);
            }
        }
    }

    fn let_go(&mut self, link: usize, (step, now_ms): (u64, u64)) {
        let facts = &mut self.links[link];
        facts.gone = Some((step, now_ms));
        if !facts.claims {
            return;
        }
        let identity = &mut self.identities[facts.identity];
        if facts.accepted.is_none() && identity.possible.len() > 1 {
            identity.disorder += 1;
        }
        identity.possible.retain(|&possible| possible != link);
        identity.changed_step = step;
    }

    /// From now on the gateway may hang up; the first reason stands.
    pub fn excuse(&mut self, link: usize, why: Excuse) {
        let excuse = &mut self.links[link].excuse;
        // A decision may be taken back; what the device did cannot.
        *excuse = excuse.filter(|before| *before != Excuse::Disabled).or(Some(why));
    }

    /// Looks which links the gateway has let go since the last look; every core has had so many turns.
    pub fn watch_links(&mut self, turns: u64) {
        let (step, now_ms) = (self.step, self.now_ms);
        let now = Moment { ms: now_ms, turns };
        let mut held = std::mem::take(&mut self.held);
        held.retain(|&link| {
            let is_held = self.links[link].tie.is_held(now);
            if !is_held {
                self.let_go(link, (step, now_ms));
            }
            is_held
        });
        self.held = held;
    }

    /// The link of a device that was certainly online from before `since` until now: the only one, accepted, untouched.
    pub fn certainly_here(&self, identity: usize, since: u64) -> Option<usize> {
        let &[link] = self.identities[identity].possible.as_slice() else { return None };
        let facts = &self.links[link];
        let accepted = facts.accepted.is_some_and(|step| step < since);
        let untouched = self.identities[identity].changed_step < since
            && !facts.superseded
            && self.now_ms < facts.pong_missed_ms.min(facts.beat_missed_ms)
            && facts.excuse.is_none()
            && facts.is_intact();
        (accepted && untouched && !self.stopping).then_some(link)
    }

    /// Whether no connection of the device was open at the gateway from before `since` until now.
    pub fn certainly_gone(&self, identity: usize, since: u64) -> bool {
        let identity = &self.identities[identity];
        identity.possible.is_empty() && identity.changed_step <= since
    }

    /// Whether the order of a device's log-ins is certain now, and has been since `disorder` was read.
    pub fn is_orderly(&self, identity: usize, disorder: u32) -> bool {
        let Identity { possible, disorder: now, .. } = &self.identities[identity];
        let unsettled =
            possible.len() > 1 && possible.iter().any(|&link| self.links[link].accepted.is_none());
        *now == disorder && !unsettled && !self.identities[identity].decided.is_open()
    }

    /// Links that the gateway still holds.
    pub fn held_links(&self) -> &[usize] {
        &self.held
    }
}
