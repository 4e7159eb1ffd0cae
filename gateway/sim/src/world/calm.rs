//! The calm after the storm: no faults and no mischief, and everything that was begun must finish in bounded virtual time.
//!
//! Owns the order of the calm: settle, look at everything there is, test what storms test badly (order, take-over, prompt
//! reports), and the end. The rules are the oracles' own; here is only what must happen.

mod attempts;
mod control;
mod queue;
mod vet;

use super::World;
use crate::agent::{Agent, Request};
use crate::coverage::Seen;
use crate::device::{Device, Link, Scene, Stage, Wish};
use crate::failure::Oracle;
use crate::ledger::{Asked, Identity};
use crate::oracles::check_nothing_left;
use engine::net::fake::Faults;
use std::time::Duration;

/// Everything that the storm has begun ends within this time.
const SETTLE_MS: u64 = 40_000;
/// Everything that a calm house is asked ends within this time.
const PROMPT_MS: u64 = 1_000;
/// Time for a question of the calm.
const PATIENCE_MS: u64 = 20_000;
/// The clock jumps at most so far when nothing happens.
const IDLE_MS: u64 = 1_000;

impl World {
    pub(super) fn calm(&mut self) {
        if self.is_broken() {
            return;
        }
        self.kernel.set_faults(Faults::NONE);
        self.calm = true;
        for device in &mut self.devices {
            device.wish = if device.is_rival { Wish::Away } else { Wish::Ready };
        }
        let chapters: [fn(&mut Self); 13] = [
            Self::dismiss_rivals,
            Self::hear_service_out,
            Self::pardon,
            Self::settle,
            Self::vet,
            Self::look,
            Self::order,
            Self::try_again,
            Self::queue,
            Self::control,
            Self::take_over,
            Self::leave,
            Self::finish,
        ];
        for chapter in chapters {
            if !self.is_broken() {
                chapter(self);
            }
        }
    }

    fn dismiss_rivals(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].is_rival {
                self.with_device(device, Device::leave);
            }
        }
    }

    fn settle(&mut self) {
        let settled = |world: &Self| world.is_content() && world.is_rid_of_leavers();
        self.until("the storm's business ends", self.settle_ms(), true, settled);
        // A connection that was replaced may still read our last words to it, and does not know.
        let known_ms = self.ledger.now_ms + self.swarm.engine.linger.as_millis() as u64 + PROMPT_MS;
        self.until("replaced connections end", SETTLE_MS, true, |world| world.ledger.now_ms >= known_ms);
        self.ledger.survivors_are_seated();
        self.until("replaced devices come back", SETTLE_MS, true, settled);
        // Those for which nobody waits, too.
        self.until("the storm's commands end", SETTLE_MS, true, |world| {
            world.house.commands_under_way() == 0
        });
        self.until("everybody is at rest", SETTLE_MS, true, settled);
    }

    /// A session whose client left between two polls is known to be gone when its pong is missed.
    fn settle_ms(&self) -> u64 {
        SETTLE_MS + self.swarm.limits.socketio_ping_interval_ms + self.swarm.limits.socketio_ping_timeout_ms
    }

    /// Whoever left is gone at the gateway, too. A CONNECT that came before its FIN may still be waiting for the end of a
    /// hold, and takes the device over when it ends: until then nobody can say who is here.
    fn is_rid_of_leavers(&self) -> bool {
        let stays =
            |link| self.devices.iter().any(|device| device.link.as_ref().is_some_and(|own| own.id == link));
        self.ledger.held_links().iter().all(|&link| stays(link))
    }

    /// Whoever came with a key that was taken back is gone.
    fn check_revoked(&mut self) {
        for identity in 0..self.ledger.identities.len() {
            let Identity { revoked, possible, .. } = &self.ledger.identities[identity];
            let stays = *revoked && possible.iter().any(|&link| self.ledger.links[link].accepted.is_some());
            let peer = self.ledger.who(identity);
            self.ledger.check(!stays, Oracle::Isolation, &peer, || {
                "its key was revoked, and its connection lives on".into()
            });
        }
    }

    /// Every list, every device, every tool; a command to each device, a trigger from each, and readers for all of it.
    fn look(&mut self) {
        self.check_revoked();
        for tenant in 0..self.swarm.tenants {
            if self
                .agents
                .iter()
                .filter(|agent| agent.tenant == tenant)
                .all(|agent| agent.readers().count() == 0)
            {
                self.with_agent(tenant, Agent::read_events);
            }
            for request in [Request::Devices, Request::Tools { known: None }, Request::Key, Request::Readyz] {
                self.ask(tenant, request);
            }
        }
        self.until("lists are answered", PROMPT_MS, false, |world| world.is_content());
        for device in self.ready_devices() {
            let identity = self.devices[device].identity;
            let n = self.command(identity);
            self.ask(self.ledger.identities[identity].tenant, Request::Device(identity));
            self.with_device(device, Device::fire_now);
            self.until("a command and a trigger are answered", PROMPT_MS, false, |world| world.is_content());
            self.must_end(n, 200, "a ready device was asked");
        }
        self.until("readers have read everything", PROMPT_MS, true, |world| {
            world.agents.iter().all(|agent| agent.has_read_all(&world.ledger))
        });
        self.check_journal_tells_presence();
    }

    /// Three commands, or as many as may wait, each surely there before the next is asked, reach a device that was busy in that order.
    fn order(&mut self) {
        let Some(&device) = self.ready_devices().first() else { return };
        self.devices[device].wish = Wish::Mute;
        let identity = self.devices[device].identity;
        let mut asked = Vec::new();
        // One that may be asked again keeps its place in the queue while the device has it.
        let again = self.swarm.retry.is_some_and(|retry| retry.max_attempts > 1);
        let fit = self.swarm.limits.commands_waiting_per_device as usize + usize::from(!again);
        for _ in 0..fit.min(3) {
            asked.push(self.command(identity));
            self.rest();
        }
        self.devices[device].wish = Wish::Ready;
        self.until("a busy device is asked in turn", PROMPT_MS, false, |world| world.is_content());
        let came: Vec<usize> = self.ledger.delivered.iter().copied().filter(|n| asked.contains(n)).collect();
        let peer = self.ledger.who(identity);
        self.ledger
            .check(came == asked, Oracle::CommandOrder, &peer, || format!("asked {asked:?}, came {came:?}"));
    }

    /// A device comes back without having closed: commands of a clean session are reported, those of a persistent one go
    /// on.
    fn take_over(&mut self) {
        let Some(&device) = self.ready_devices().last() else { return };
        let Some(n) = self.burden(device) else { return };
        let clean = self.devices[device].link.as_ref().is_some_and(|link| link.clean);
        self.devices[device].abandon();
        self.devices[device].wish = Wish::Ready;
        self.until("a take-over settles what was open", PROMPT_MS, false, |world| world.is_content());
        self.must_end(n, if clean { 503 } else { 200 }, "a device connected again without closing");
    }

    /// Devices leave with commands under way: reported at once, tools gone; and they come back.
    fn leave(&mut self) {
        let leaving: Vec<usize> = self.ready_devices().into_iter().step_by(2).collect();
        for &device in &leaving {
            let Some(n) = self.burden(device) else { continue };
            // Who polls has told nobody before its next poll waits.
            self.rest();
            self.with_device(device, Device::leave);
            self.until("a departure is reported", PROMPT_MS, false, |world| world.is_content());
            self.must_end(n, 503, "the device left");
        }
        self.until("leavers are known to be gone", self.settle_ms(), true, Self::is_rid_of_leavers);
        self.look_at_lists();
        self.check_journal_tells_presence();
        for &device in &leaving {
            self.devices[device].wish = Wish::Ready;
        }
        self.until("devices come back", PROMPT_MS, true, |world| world.is_content());
        self.look_at_lists();
    }

    fn look_at_lists(&mut self) {
        for tenant in 0..self.swarm.tenants {
            self.ask(tenant, Request::Devices);
            self.ask(tenant, Request::Tools { known: None });
        }
        self.until("lists are answered again", PROMPT_MS, false, |world| world.is_content());
    }

    /// The end: everybody leaves, or the gateway is stopped under them.
    fn finish(&mut self) {
        if self.swarm.drains {
            self.drain();
        } else {
            self.farewell();
        }
        if !self.is_broken() {
            check_nothing_left(&self.house, &self.kernel, &mut self.ledger);
            self.check_answers();
            self.check_ends();
        }
    }

    fn farewell(&mut self) {
        for agent in &mut self.agents {
            agent.leave();
        }
        for device in 0..self.devices.len() {
            self.with_device(device, Device::leave);
        }
        self.until("everybody's connection is closed", 3 * PROMPT_MS, true, |world| {
            world.kernel.open_sockets() == 0 && world.house.letters() == 0
        });
        self.until("sessions that polled are over", self.settle_ms(), true, Self::is_rid_of_leavers);
        let has_answered = |world: &Self| world.service.as_ref().is_none_or(|service| service.calls() == 0);
        self.until("the service has answered", PROMPT_MS, true, has_answered);
        // A session may have been opened for a client that never heard of it, or whose last poll was lost: its patience ends it.
        let is_empty = |world: &Self| world.house.visitors() == [0; 4];
        self.until("whoever is nobody's device has gone", self.settle_ms(), true, is_empty);
        // What their ends had to tell goes from hand to hand, and no byte on a wire shows it.
        for _ in 0..16 {
            self.round(0);
        }
    }

    /// A graceful stop answers what was asked before it.
    fn drain(&mut self) {
        self.ledger.saw(Seen::Drained);
        // No door is open in a stop, and who polls needs one for whatever it has to say.
        let is_connected =
            |&device: &usize| self.devices[device].link.as_ref().is_some_and(Link::is_connected);
        let burdened = self.ready_devices().into_iter().find(is_connected);
        let asked = burdened.and_then(|device| self.burden(device));
        let within_ms = self.swarm.limits.drain_ms;
        self.house.stop(self.kernel.now(), Duration::from_millis(within_ms));
        self.ledger.stopping = true;
        if let Some(device) = burdened {
            // Whoever asks now is turned away, or finds the door shut.
            self.command(self.devices[device].identity);
        }
        self.rest();
        if let Some(device) = burdened {
            self.devices[device].wish = Wish::Ready;
        }
        self.until("the cores stop", within_ms + PROMPT_MS, true, |world| {
            world.house.stopped.iter().all(|&is| is)
        });
        for _ in 0..4 {
            self.round(0);
        }
        if let Some(n) = asked {
            self.must_end(n, 200, "the device had it before the stop began");
        }
    }

    /// Asks a device that then keeps silent: the question is at the device and stays open.
    fn burden(&mut self, device: usize) -> Option<usize> {
        self.devices[device].wish = Wish::Mute;
        let n = self.command(self.devices[device].identity);
        let came = |world: &Self| !world.ledger.questions[n].deliveries.is_empty();
        self.until("a command reaches its device", PROMPT_MS, false, came);
        (!self.is_broken()).then_some(n)
    }

    /// Asks a device. Where little mail is too much already, it is the only mail.
    fn command(&mut self, identity: usize) -> usize {
        self.let_mail_pass();
        let n = self.command_now(identity);
        self.let_mail_pass();
        n
    }

    fn let_mail_pass(&mut self) {
        if self.ledger.congestion.is_possible {
            // It goes from hand to hand, one letter at a time, and shows on no wire for a while.
            (0..4).for_each(|_| self.rest());
        }
    }

    fn command_now(&mut self, identity: usize) -> usize {
        let tenant = self.ledger.identities[identity].tenant;
        let n = self.ledger.ask(tenant, Some(identity), Asked::Well, PATIENCE_MS, 0);
        self.ledger.questions[n].make_plain(n);
        self.ask(tenant, Request::Command { question: n, given: true, again: false });
        n
    }

    fn ask(&mut self, tenant: usize, request: Request) {
        self.with_agent(tenant, |agent, scene| agent.ask(scene, request));
    }

    fn must_end(&mut self, n: usize, status: u16, why: &str) {
        let ended = self.ledger.questions[n].ended.clone();
        let right = ended.as_ref().is_some_and(|(ended, _)| *ended == status);
        let peer = self.ledger.who(self.ledger.questions[n].identity.unwrap_or_default());
        let oracle = if status == 503 { Oracle::Promptness } else { Oracle::RightAnswer };
        self.ledger.check(right, oracle, &peer, || format!("q{n} ended as {ended:?}: {why}"));
    }

    /// Devices that are connected and described, by their place.
    fn ready_devices(&self) -> Vec<usize> {
        let ready = |device: &Device| {
            let live = device.link.as_ref().is_some_and(|link| link.stage == Stage::Live);
            live && device.wish == Wish::Ready
        };
        (0..self.devices.len()).filter(|&device| ready(&self.devices[device])).collect()
    }

    fn is_content(&self) -> bool {
        self.devices.iter().all(|device| device.is_content(&self.ledger))
            && self.agents.iter().all(Agent::is_content)
    }

    /// What the journal said last of each device is what is true.
    fn check_journal_tells_presence(&mut self) {
        for identity in 0..self.ledger.identities.len() {
            let (said, is) =
                (self.ledger.last_said_here(identity), !self.ledger.identities[identity].possible.is_empty());
            let peer = self.ledger.who(identity);
            self.ledger.check(said == is, Oracle::Presence, &peer, || {
                format!("the last event says that it is here: {said}; true is {is}")
            });
        }
    }

    /// Whatever was taken has ended, and was told as an event.
    fn check_ends(&mut self) {
        for n in 0..self.ledger.questions.len() {
            let question = &self.ledger.questions[n];
            let open = question.taken_as.is_some() && question.ended.is_none() && !self.ledger.stopping;
            let peer = self.ledger.who(question.identity.unwrap_or_default());
            self.ledger.check(!open, Oracle::OneAnswer, &peer, || format!("q{n} was taken, and has no end"));
        }
    }

    /// Every question that was asked on a line which still stands has its answer; the counters know them all.
    fn check_answers(&mut self) {
        for agent in 0..self.agents.len() {
            let waiting: usize = self.agents[agent].lines.iter().map(|line| line.waiting.len()).sum();
            let peer = self.agents[agent].peer();
            let stopping = self.ledger.stopping;
            self.ledger.check(waiting == 0 || stopping, Oracle::OneAnswer, &peer, || {
                format!("{waiting} unanswered")
            });
        }
    }

    /// Turns for everybody until `done`, for at most so much virtual time.
    fn until(&mut self, what: &str, within_ms: u64, may_wait: bool, done: impl Fn(&Self) -> bool) {
        let (started_ms, mut idle) = (self.ledger.now_ms, 0);
        while !self.is_broken() {
            let before = self.kernel.hash();
            self.round(1);
            idle = if self.kernel.hash() == before { idle + 1 } else { 0 };
            if done(self) {
                return;
            }
            if idle > 2 && may_wait {
                self.pass(self.sleep_ms());
            }
            if self.ledger.now_ms - started_ms > within_ms {
                let who = self.discontent();
                self.ledger.fail(Oracle::Progress, who, format!("{what}: not within {within_ms} ms"));
            }
        }
    }

    /// Lets everything that is under way arrive, without waiting for a clock.
    fn rest(&mut self) {
        let mut idle = 0;
        while idle < 3 && !self.is_broken() {
            let before = self.kernel.hash();
            self.round(0);
            idle = if self.kernel.hash() == before { idle + 1 } else { 0 };
        }
    }

    fn round(&mut self, ms: u64) {
        self.everybody_moves();
        self.pass(ms);
    }

    /// How long nobody wants to do anything.
    fn sleep_ms(&self) -> u64 {
        if self.house.letters() > 0 {
            // Mail goes from hand to hand without a byte on any wire: nobody sleeps yet.
            return 1;
        }
        let asked = (0..self.house.cores.len()).filter_map(|core| self.kernel.asked_to_sleep(core)).min();
        let rests = self.devices.iter().filter_map(|device| device.rests_ms(self.ledger.now_ms)).min();
        let rests = rests
            .into_iter()
            .chain(self.service.as_ref().and_then(|service| service.rests_ms(self.ledger.now_ms)))
            .min();
        let asked_ms = asked.map_or(IDLE_MS, |asked| asked.as_millis() as u64);
        asked_ms.min(rests.unwrap_or(IDLE_MS)).clamp(1, IDLE_MS)
    }

    fn discontent(&self) -> String {
        let unsettled = self.devices.iter().filter(|device| !device.is_content(&self.ledger));
        let devices = unsettled.map(|device| device.wants(&self.ledger));
        let behind = |agent: &&Agent| !agent.is_content() || !agent.has_read_all(&self.ledger);
        let agents = self.agents.iter().filter(behind).map(|agent| agent.wants(&self.ledger));
        let all: Vec<String> = devices.chain(agents).collect();
        if all.is_empty() { "the house".into() } else { all.join("; ") }
    }

    fn with_device(&mut self, device: usize, act: impl FnOnce(&mut Device, &mut Scene<'_>)) {
        let Self { devices, kernel, ledger, dice, swarm, calm, .. } = self;
        act(&mut devices[device], &mut Scene { kernel, ledger, dice, swarm, calm: *calm });
    }

    fn with_agent(&mut self, tenant: usize, act: impl FnOnce(&mut Agent, &mut Scene<'_>)) {
        let Self { agents, kernel, ledger, dice, swarm, calm, .. } = self;
        let mut scene = Scene { kernel, ledger, dice, swarm, calm: *calm };
        if let Some(agent) = agents.iter_mut().find(|agent| agent.tenant == tenant) {
            act(agent, &mut scene);
        }
    }
}
