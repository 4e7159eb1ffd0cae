//! A world: the house, the network, everybody who uses them, and the dice that decide who moves next.
//!
//! Owns the scheduler and the storm, in which nothing wrong may happen however the dice fall. What follows the storm is in
//! `calm`. Everything random comes from the seed.
//!
//! ```text
//!   seed -> swarm (what exists) -> storm (faults, mischief) -> calm: settle, look, order, take over, leave -> the end
//! ```

mod calm;

use crate::agent::{Agent, draw_manners};
use crate::coverage::{Coverage, Seen};
use crate::device::{Device, Scene, Tongues, Way};
use crate::failure::Failure;
use crate::house::House;
use crate::ledger::{Excuse, Ledger, TENANTS};
use crate::oracles::{check_ceilings, judge_mail, look_at_mail};
use crate::secrets;
use crate::service::Service;
use crate::swarm::{Quirk, Quirks, Swarm};
use engine::net::fake::{Dice, Kernel};
use std::time::Duration;

/// Steps of the storm when nobody says otherwise.
pub const STEPS: u64 = 2500;
/// Ceilings and invariants are looked at after so many turns.
const LOOK_EVERY: u64 = 8;
/// A jump of the clock, in milliseconds.
const JUMP_MS: u64 = 1000;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first broken rule.
    pub failure: Option<Failure>,
    /// A hash over every byte, event and answer.
    pub hash: u64,
    /// What happened how often.
    pub seen: Coverage,
}

/// Everything.
pub struct World {
    swarm: Swarm,
    dice: Dice,
    kernel: Kernel,
    house: House,
    service: Option<Service>,
    ledger: Ledger,
    devices: Vec<Device>,
    agents: Vec<Agent>,
    calm: bool,
    /// Of each core.
    turns: Vec<u64>,
}

impl World {
    /// A world as the seed wants it.
    pub fn new(seed: u64, trace: bool) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EED);
        let mut swarm = Swarm::draw(&mut dice);
        // Dice of their own, so that what came later changes no run without it.
        let mut others = Dice::new(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x70_4E);
        let house_tongues = Tongues::house(&mut others);
        swarm.limit_more(&mut others);
        swarm.draw_later(seed);
        let inquisitive = others.chance(500);
        // And dice of those who poll.
        let mut pollers = Dice::new(seed.wrapping_mul(0xA24B_AED4_963E_E407) ^ 0x601);
        let house_ways = Way::house(&mut pollers);
        let kernel = Kernel::new(dice.roll(), swarm.cores, 2);
        kernel.set_pipe_bytes(swarm.pipe_bytes);
        kernel.set_faults(swarm.faults);
        let house = House::new(&swarm, &kernel, &mut dice);
        let turns = vec![0; swarm.cores];
        let mut ledger = Ledger::new(seed, &swarm, trace);
        ledger.say(|| format!("{swarm:#?}"));
        ledger.settle_homes(|agent, device| house.home(agent, device));
        let devices = populate(&swarm, &mut ledger, &mut dice)
            .into_iter()
            .map(|device| {
                let tongues = Tongues::draw(&mut others, house_tongues);
                device.with_tongues(tongues.with_ways(house_ways, Dice::new(pollers.roll())))
            })
            .collect();
        // And dice of the auth service.
        let mut vouchers = Dice::new(seed.wrapping_mul(0x94D0_49BB_1331_11EB) ^ 0xA071);
        let service = swarm.auth_service.map(|rules| Service::new(rules, Dice::new(vouchers.roll())));
        let devices = vouch(&swarm, &ledger, devices, &mut vouchers);
        // Where few strangers may be, a request that waits for the service gives way to the next, and nothing can be asked for sure.
        let vouches_for_agents = swarm.auth_service.is_some() && swarm.limits.unidentified_per_core >= 64;
        let agents = (0..swarm.agents.max(swarm.tenants))
            .map(|actor| Agent::new(actor, actor % swarm.tenants, draw_manners(&mut dice, swarm.manners)))
            .map(|agent| {
                let seed = seed.wrapping_mul(0xC2B2_AE3D_27D4_EB4F) ^ agent.actor as u64;
                let agent = agent.with_errands(Dice::new(seed));
                let inquires = inquisitive && others.chance(600);
                agent.with_inquiries(inquires.then(|| Dice::new(others.roll())))
            })
            .map(|agent| agent.with_vouched_key(vouches_for_agents && vouchers.chance(400)))
            .collect();
        Self { swarm, dice, kernel, house, service, ledger, devices, agents, calm: false, turns }
    }

    /// The storm and what follows.
    pub fn run(&mut self, steps: u64) -> Outcome {
        self.storm(steps);
        self.calm();
        self.kernel.note(self.ledger.questions.len() as u64);
        self.kernel.note(self.ledger.triggers.len() as u64);
        Outcome {
            failure: self.ledger.failure.clone(),
            hash: self.kernel.hash(),
            seen: self.ledger.seen.clone(),
        }
    }

    /// How far it has come: steps and milliseconds.
    pub fn progress(&self) -> (u64, u64) {
        (self.ledger.step, self.ledger.now_ms)
    }

    fn is_broken(&self) -> bool {
        self.ledger.failure.is_some()
    }

    fn storm(&mut self, steps: u64) {
        for _ in 0..steps {
            if self.is_broken() {
                return;
            }
            self.step();
        }
    }

    /// One step of the storm: somebody moves.
    fn step(&mut self) {
        let pace = &self.swarm.pace;
        let cores: u64 = pace.cores.iter().sum();
        let all = [cores, pace.writer, pace.worker, pace.peers, pace.clock];
        let mut roll = self.dice.below(all.iter().sum());
        let mut who = 0;
        while roll >= all[who] {
            roll -= all[who];
            who += 1;
        }
        match who {
            0 => self.turn_some_core(roll),
            1 => self.turn_writer(),
            2 => self.turn_worker(),
            3 => self.step_some_peer(),
            _ => self.step_clock(),
        }
    }

    fn turn_some_core(&mut self, mut roll: u64) {
        let mut core = 0;
        while roll >= self.swarm.pace.cores[core] {
            roll -= self.swarm.pace.cores[core];
            core += 1;
        }
        self.turn_core(core);
    }

    fn turn_core(&mut self, core: usize) {
        self.ledger.step += 1;
        let mail = look_at_mail(&mut self.house, core, &self.kernel, &self.ledger);
        self.house.turn_core(core);
        if let Some(mail) = mail {
            judge_mail(&mut self.house, core, &mail, &mut self.ledger);
        }
        self.turns[core] += 1;
        self.ledger.watch_links(self.turns.iter().copied().min().unwrap_or(0));
        if self.turns[core].is_multiple_of(LOOK_EVERY) {
            let high_bytes = self.swarm.engine.marks.high_bytes;
            check_ceilings(&mut self.house, core, high_bytes, &mut self.ledger);
        }
    }

    /// The writer's turn, and a look at what it has kept.
    fn turn_writer(&mut self) {
        self.ledger.step += 1;
        self.house.turn_writer(&self.kernel);
        for (tenant, name) in TENANTS.iter().enumerate().take(self.swarm.tenants) {
            let last = self.ledger.journals[tenant].last();
            if self.house.writer.journal().last(name) > last {
                let batch = self.house.writer.journal().read(name, last, usize::MAX, usize::MAX);
                for event in batch.events {
                    self.ledger.judge_event(tenant, event);
                }
            }
        }
    }

    fn step_some_peer(&mut self) {
        if self.dice.chance(2) {
            self.revoke_something();
        }
        let peer = self.dice.below((self.devices.len() + self.agents.len()) as u64) as usize;
        self.step_peer(peer);
    }

    fn step_peer(&mut self, peer: usize) {
        // Every move has a number of its own: the oracles order what was seen by it.
        self.ledger.step += 1;
        let Self { devices, agents, kernel, ledger, dice, swarm, calm, .. } = self;
        let mut scene = Scene { kernel, ledger, dice, swarm, calm: *calm };
        match devices.get_mut(peer) {
            Some(device) => device.step(&mut scene),
            None => agents[peer - devices.len()].step(&mut scene),
        }
    }

    fn step_clock(&mut self) {
        let ms = self.dice.below(self.swarm.pace.step_ms);
        if self.dice.chance(self.swarm.pace.jumps) {
            // Nobody is to be punished for a second in which he had no turn.
            self.ledger.saw(Seen::ClockJump);
            self.everybody_moves();
            self.pass(JUMP_MS);
            self.everybody_moves();
        }
        if self.swarm.wall_steps && self.dice.chance(20) {
            self.ledger.saw(Seen::WallClockStep);
            let by_ms = self.dice.below(7_200_000) as i64 - 3_600_000;
            self.kernel.step_wall_clock(by_ms);
        }
        self.pass(ms);
    }

    fn pass(&mut self, ms: u64) {
        self.kernel.advance(Duration::from_millis(ms));
        self.ledger.now_ms = self.kernel.elapsed().as_millis() as u64;
    }

    /// A turn for each neighbour and a step for each peer.
    fn everybody_moves(&mut self) {
        for peer in 0..self.devices.len() + self.agents.len() {
            self.step_peer(peer);
        }
        for _ in 0..2 {
            for core in 0..self.house.cores.len() {
                self.turn_core(core);
            }
            self.turn_writer();
            self.turn_worker();
        }
    }

    /// A turn of the neighbours that do little: the worker and the gatekeeper.
    fn turn_worker(&mut self) {
        self.house.turn_worker();
        let Self { house, kernel, service, calm, ledger, .. } = self;
        match service {
            Some(service) => house.turn_gatekeeper_asking(kernel, service, *calm, ledger),
            None => house.turn_gatekeeper(kernel),
        }
    }

    /// Takes back the key of a device that has one of its own.
    fn revoke_something(&mut self) {
        let with_own = |device: &&Device| device.loses_its_key();
        let Some(device) = self.devices.iter().find(with_own) else { return };
        let (identity, secret) = (device.identity, device.secret().to_owned());
        self.revoke(identity, secret);
    }

    fn revoke(&mut self, identity: usize, secret: String) {
        if self.ledger.identities[identity].revoked {
            return;
        }
        self.ledger.identities[identity].revoked = true;
        for link in self.ledger.identities[identity].possible.clone() {
            self.ledger.excuse(link, Excuse::Revoked);
        }
        self.ledger.say(|| format!("revoked {secret}"));
        match self.service.as_mut().filter(|_| secrets::is_vouched(&secret)) {
            Some(service) => service.take_back(secret),
            None => self.house.revoke(self.swarm.tenants, &[secret]),
        }
    }
}

/// Where there is an auth service, it knows the keys of some devices, and the key file does not.
fn vouch(swarm: &Swarm, ledger: &Ledger, devices: Vec<Device>, dice: &mut Dice) -> Vec<Device> {
    let vouch = |device: Device| {
        let vouched = swarm.auth_service.is_some() && dice.chance(600);
        let own = device.loses_its_key() || dice.chance(500);
        let alone = ledger.identities[device.identity].actors == 1;
        if vouched && device.may_trigger() { device.with_vouched_key(own && alone) } else { device }
    };
    devices.into_iter().map(vouch).collect()
}

/// The devices, and rivals for some of their names.
fn populate(swarm: &Swarm, ledger: &mut Ledger, dice: &mut Dice) -> Vec<Device> {
    let mut devices = Vec::new();
    let mut own_keys = 0;
    for identity in 0..swarm.devices {
        let mut quirks = swarm.quirks.few(dice, 4);
        let rival = quirks.has(Quirk::HasRival);
        if quirks.has(Quirk::LosesItsKey) && (rival || own_keys > 0) {
            quirks = Quirks::NONE;
        }
        own_keys += usize::from(quirks.has(Quirk::LosesItsKey));
        devices.push(Device::new(devices.len(), identity, quirks, false, ledger, dice));
        if rival {
            let quirks = swarm.quirks.few(dice, 2).without(Quirk::LosesItsKey);
            devices.push(Device::new(devices.len(), identity, quirks, true, ledger, dice));
        }
    }
    devices
}
