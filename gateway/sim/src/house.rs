//! The product under test: real cores with real shards, the real store writer and worker, on a fake kernel.
//!
//! Owns the composition, which is `gateway::serve`'s without threads, and gives each neighbour its turns. Never changes a
//! rule of the product.

use crate::ledger::{DEVICES, Ledger, TENANTS};
use crate::secrets;
use crate::service::Service;
use crate::swarm::{AuthService, Swarm};
use engine::net::fake::{Dice, FakeNet, Kernel};
use engine::wiring::{Clerk, Outside, Wiring};
use engine::{Core, Turn};
use gateway::auth::mail::ToGatekeeper;
use gateway::auth::{Gatekeeper, Keys};
use gateway::config::{Auth, AuthMode, Protocol, Serves};
use gateway::device::name::HomeHash;
use gateway::mail::Mail;
use gateway::serve::{
    Seeds, facts, gatekeeper_rules, turn_gatekeeper, turn_worker, turn_writer, worker_limits,
};
use gateway::shard::{Door, Shard};
use gateway::store::journal::JournalLimits;
use gateway::store::mail::FromStore;
use gateway::store::writer::{Writer, WriterLimits};
use gateway::worker::Worker;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A gateway without threads.
pub struct House {
    /// The cores.
    pub cores: Vec<Core<FakeNet, Shard>>,
    /// The keys in force.
    pub keys: Arc<Keys>,
    /// The store writer.
    pub writer: Writer,
    /// Cores that have ended.
    pub stopped: Vec<bool>,
    store: Clerk<FakeNet, Shard>,
    worker: Clerk<FakeNet, Shard>,
    compiler: Worker,
    gatekeeper: Clerk<FakeNet, Shard>,
    keeper: Gatekeeper,
    outside: Outside<FakeNet, Shard>,
    home: HomeHash,
    answers: Vec<(usize, FromStore)>,
}

impl House {
    /// A house as the swarm wants it.
    pub fn new(swarm: &Swarm, kernel: &Kernel, dice: &mut Dice) -> Self {
        let mut wiring: Wiring<FakeNet, Shard> = Wiring::unslept(swarm.cores, 3, swarm.letters_max);
        let keys =
            Arc::new(Keys::parse(&key_file(swarm.tenants, &[]), None).expect("the key file is well-formed"));
        let serves = Serves { devices: true, agents: true, operator: true };
        let doors = [Protocol::Mqtt, Protocol::Http].map(|protocol| Door {
            protocol,
            serves,
            inflight_to_device: None,
        });
        let seeds = Seeds { home: (dice.roll(), dice.roll()), epoch: dice.roll() as u32 };
        let mut facts = facts(swarm.limits.clone(), doors.to_vec(), seeds, swarm.cores, kernel.now());
        facts.resident_bytes = || Some(1 << 20);
        facts.asks_service = swarm.auth_service.is_some();
        let facts = Arc::new(facts);
        let core =
            |core| wiring.core(core, swarm.engine, kernel.net(core), Shard::new(facts.clone(), keys.clone()));
        let cores: Vec<_> = (0..swarm.cores).map(core).collect();
        let journal = JournalLimits {
            events_per_agent_max: swarm.limits.events_kept_per_agent as usize,
            ..JournalLimits::default()
        };
        let limits =
            WriterLimits { journal, mails_per_turn_max: swarm.writer_batch, ..WriterLimits::default() };
        Self {
            stopped: vec![false; cores.len()],
            cores,
            writer: Writer::new(limits),
            store: wiring.clerk(0).expect("the first clerk"),
            worker: wiring.clerk(1).expect("the second clerk"),
            compiler: Worker::new(worker_limits(&swarm.limits)),
            gatekeeper: wiring.clerk(2).expect("the third clerk"),
            keeper: Gatekeeper::new(
                gatekeeper_rules(&swarm.limits, &auth(swarm)),
                facts.home,
                keys.roster().clone(),
            ),
            outside: wiring.outside(),
            home: facts.home,
            keys,
            answers: Vec::new(),
        }
    }

    /// The core where a device is at home.
    pub fn home(&self, agent: &str, device: &str) -> usize {
        HomeHash::home(self.home.of(agent, device), self.cores.len())
    }

    /// One turn of a core that has not ended.
    pub fn turn_core(&mut self, core: usize) {
        if !self.stopped[core] {
            self.stopped[core] = self.cores[core].turn() == Turn::Stopped;
        }
    }

    /// One turn of the store writer.
    pub fn turn_writer(&mut self, kernel: &Kernel) {
        turn_writer(&mut self.store, &mut self.writer, || kernel.now(), &mut self.answers);
    }

    /// One piece of the worker's work.
    pub fn turn_worker(&mut self) {
        turn_worker(&mut self.worker, &mut self.compiler);
        self.worker.flush();
        self.outside.flush();
    }

    /// One turn of the gatekeeper, where there is no service to ask.
    pub fn turn_gatekeeper(&mut self, kernel: &Kernel) {
        turn_gatekeeper(&mut self.gatekeeper, &mut self.keeper, kernel.now(), &mut |call| {
            unreachable!("there is no auth service to ask: {call:?}")
        });
    }

    /// The same with a service. What it has to say is heard first, and what it is asked begins behind it.
    pub fn turn_gatekeeper_asking(
        &mut self,
        kernel: &Kernel,
        service: &mut Service,
        calm: bool,
        ledger: &mut Ledger,
    ) {
        while let Some((flight, answer)) = service.next_answer(ledger) {
            kernel.note(flight as u64);
            self.keeper.take(ToGatekeeper::Heard { flight, answer }, kernel.now());
        }
        turn_gatekeeper(&mut self.gatekeeper, &mut self.keeper, kernel.now(), &mut |call| {
            service.ask(call, calm, ledger);
        });
    }

    /// The keys that devices have of their own are taken back.
    pub fn revoke(&mut self, tenants: usize, revoked: &[String]) {
        let keys =
            Keys::parse(&key_file(tenants, revoked), Some(&self.keys)).expect("the key file is well-formed");
        self.keys = Arc::new(keys);
        for core in 0..self.cores.len() {
            self.outside.post(core, Mail::Keys(self.keys.clone()));
        }
    }

    /// Asks every core for a graceful stop.
    pub fn stop(&mut self, now: Instant, within: Duration) {
        for core in 0..self.cores.len() {
            self.outside.drain(core, now + within);
        }
    }

    /// Commands that have not settled.
    pub fn commands_under_way(&self) -> usize {
        self.cores.iter().map(|core| core.service.under_way()[0]).sum()
    }

    /// As [`Shard::visitors`], of all cores.
    pub fn visitors(&self) -> [usize; 4] {
        let of = |sum: [usize; 4], core: &Core<FakeNet, Shard>| {
            let more = core.service.visitors();
            std::array::from_fn(|n| sum[n] + more[n])
        };
        self.cores.iter().fold([0; 4], of)
    }

    /// Letters that no clerk has read yet.
    pub fn letters(&self) -> usize {
        self.store.letters() + self.worker.letters() + self.compiler.waiting() + self.gatekeeper.letters()
    }
}

/// How the gatekeeper is to treat the service, if there is one.
fn auth(swarm: &Swarm) -> Auth {
    let nobody = Auth::default();
    match swarm.auth_service {
        Some(AuthService { cache_ms, timeout_ms, .. }) => {
            Auth { mode: AuthMode::Http, cache_ms, timeout_ms, ..nobody }
        }
        None => nobody,
    }
}

fn key_file(tenants: usize, revoked: &[String]) -> String {
    let mut file = String::new();
    let mut key = |secret: &str, agent: &str, operations: &str| {
        let hash = Sha256::digest(secret.as_bytes())
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let revoked = revoked.iter().any(|other| other == secret);
        write!(
            file,
            "[[key]]\nid = \"{secret}\"\nsha256 = \"{hash}\"\nagent = \"{agent}\"\ndevice = \"*\"\n\
             operations = [{operations}]\nrevoked = {revoked}\n"
        )
        .expect("writing to a String cannot fail");
    };
    for tenant in &TENANTS[..tenants] {
        key(&secrets::of_devices(tenant), tenant, "\"commands\", \"triggers\"");
        key(&secrets::of_commands(tenant), tenant, "\"commands\"");
        key(&secrets::of_agent(tenant), tenant, "\"agent\"");
        for device in DEVICES {
            key(&secrets::own(tenant, device), tenant, "\"commands\", \"triggers\"");
        }
    }
    key(secrets::OPERATOR, "ops", "\"operator\"");
    file
}
