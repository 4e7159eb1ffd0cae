//! The product on a fake kernel, turned by hand: real cores with real shards, the store writer and the worker.
//!
//! Owns the composition, which is that of `gateway::serve` without threads, and the account of what each share of the work
//! cost. Only turns are on the account: what the scripts at the other end of a wire do is never measured. The fake kernel
//! is, because a core calls it; it allocates nothing once its pipes have grown, so a zero means zero for both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::counting::count;
use benches::device::{AGENT, KEYS};
use engine::net::fake::{Client, FakeNet, Kernel};
use engine::wiring::{Clerk, Wiring};
use engine::{Core, Limits as CoreLimits};
use gateway::auth::{Gatekeeper, Keys};
use gateway::config::{Auth, Protocol, Serves};
use gateway::device::name::HomeHash;
use gateway::limits::Limits;
use gateway::serve::{
    Seeds, facts, gatekeeper_rules, turn_gatekeeper, turn_worker, turn_writer, worker_limits, writer,
};
use gateway::shard::{Door, Shard};
use gateway::store::mail::FromStore;
use gateway::store::writer::Writer;
use gateway::worker::Worker;

/// The device that is kept busy.
pub(crate) const DEVICE: &str = "lamp-0007";

const SEEDS: Seeds = Seeds { home: (1, 2), epoch: 3 };
const MQTT_DOOR: usize = 0;
const HTTP_DOOR: usize = 1;
/// Turns in which a house must come to rest.
const TURNS_TO_REST: usize = 1000;
/// Turns without work after which a house rests: one accepts a connection, the next hears that there is something to read,
/// and both had asked to sleep.
const TURNS_AT_REST: usize = 4;

/// Whose work a turn is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Share {
    /// The device's core, while it listens to the device or answers it.
    Device,
    /// The device's core, while it judges a command and passes it on.
    Ask,
    /// The agent's core.
    Agent,
    /// The store writer.
    Store,
}

impl Share {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Device, Self::Ask, Self::Agent, Self::Store];
}

/// What a share of the work cost since the account was opened.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cost {
    /// Turns taken.
    pub(crate) turns: u64,
    /// Time in them, the reading of the clock included.
    pub(crate) time: Duration,
    /// Blocks allocated or grown.
    pub(crate) blocks: u64,
    /// Bytes asked for in them.
    pub(crate) bytes: u64,
}

/// A gateway without threads.
pub(crate) struct House {
    kernel: Kernel,
    cores: Vec<Core<FakeNet, Shard>>,
    store: Clerk<FakeNet, Shard>,
    writer: Writer,
    answers: Vec<(usize, FromStore)>,
    worker: Clerk<FakeNet, Shard>,
    compiler: Worker,
    gatekeeper: Clerk<FakeNet, Shard>,
    keeper: Gatekeeper,
    costs: [Cost; 4],
}

impl House {
    /// A house of so many cores in which nobody has connected.
    pub(crate) fn new(cores: usize) -> Self {
        let kernel = Kernel::new(7, cores, 2);
        let mut wiring: Wiring<FakeNet, Shard> = Wiring::unslept(cores, 3, 4096);
        let limits = Limits {
            triggers_per_second_per_agent: 1_000_000,
            events_kept_per_agent: 1000,
            ..Limits::default()
        };
        let doors = [Protocol::Mqtt, Protocol::Http].map(|protocol| Door {
            protocol,
            serves: Serves::EVERYBODY,
            inflight_to_device: None,
        });
        let facts = Arc::new(facts(limits.clone(), doors.to_vec(), SEEDS, cores, kernel.now()));
        let keys = Arc::new(Keys::parse(KEYS, None).expect("two well-formed keys"));
        let build = |core| {
            let shard = Shard::new(Arc::clone(&facts), Arc::clone(&keys));
            wiring.core(core, CoreLimits::default(), kernel.net(core), shard)
        };
        Self {
            cores: (0..cores).map(build).collect(),
            store: wiring.clerk(0).expect("the first clerk"),
            worker: wiring.clerk(1).expect("the second clerk"),
            gatekeeper: wiring.clerk(2).expect("the third clerk"),
            keeper: Gatekeeper::new(
                gatekeeper_rules(&limits, &Auth::default()),
                facts.home,
                Arc::clone(keys.roster()),
            ),
            writer: writer(&limits),
            compiler: Worker::new(worker_limits(&limits)),
            answers: Vec::new(),
            costs: Default::default(),
            kernel,
        }
    }

    /// Where the device lives.
    pub(crate) fn home(&self) -> usize {
        HomeHash::home(HomeHash::new(SEEDS.home).of(AGENT, DEVICE), self.cores.len())
    }

    /// Where the agent's connection is: on another core, if there is one.
    pub(crate) fn away(&self) -> usize {
        (self.home() + 1) % self.cores.len()
    }

    /// A device's connection, accepted at home.
    pub(crate) fn connect_device(&self) -> Client {
        self.kernel.connect_at(MQTT_DOOR, self.home())
    }

    /// The same for one that comes by HTTP.
    pub(crate) fn connect_web_device(&self) -> Client {
        self.kernel.connect_at(HTTP_DOOR, self.home())
    }

    /// An agent's connection.
    pub(crate) fn connect_agent(&self) -> Client {
        self.kernel.connect_at(HTTP_DOOR, self.away())
    }

    /// Turns everybody until nothing moves any more. Not on the account.
    pub(crate) fn rest(&mut self) {
        let account = self.costs;
        let mut quiet = 0;
        for _ in 0..TURNS_TO_REST {
            for core in 0..self.cores.len() {
                self.cores[core].turn();
            }
            self.turn_store();
            let compiled = turn_worker(&mut self.worker, &mut self.compiler);
            // Every key is of the key file, so that there is nothing to call for.
            turn_gatekeeper(&mut self.gatekeeper, &mut self.keeper, self.kernel.now(), &mut drop);
            let asleep = |core| self.kernel.asked_to_sleep(core) != Some(Duration::ZERO);
            let rests = !compiled && self.store.letters() == 0 && (0..self.cores.len()).all(asleep);
            quiet = if rests { quiet + 1 } else { 0 };
            if quiet == TURNS_AT_REST {
                self.costs = account;
                return;
            }
        }
        panic!("the house does not come to rest");
    }

    /// One turn of the device's core.
    pub(crate) fn turn_home(&mut self, share: Share) {
        self.turn_core(self.home(), share);
    }

    /// One turn of the agent's core.
    pub(crate) fn turn_away(&mut self) {
        self.turn_core(self.away(), Share::Agent);
    }

    /// One turn of the store writer.
    pub(crate) fn turn_store(&mut self) {
        let now = self.kernel.now();
        let Self { store, writer, answers, .. } = self;
        let cost = measure(|| {
            turn_writer(store, writer, || now, answers);
        });
        self.pay(Share::Store, cost);
    }

    /// Lets a millisecond pass for the cores.
    pub(crate) fn pass(&self) {
        self.kernel.advance(Duration::from_millis(1));
    }

    /// What a share has cost.
    pub(crate) fn cost(&self, share: Share) -> Cost {
        self.costs[share as usize]
    }

    /// Opens a new account.
    pub(crate) fn open_account(&mut self) {
        self.costs = Default::default();
    }

    fn turn_core(&mut self, core: usize, share: Share) {
        let core = &mut self.cores[core];
        let cost = measure(|| {
            core.turn();
        });
        self.pay(share, cost);
    }

    fn pay(&mut self, share: Share, cost: Cost) {
        let sum = &mut self.costs[share as usize];
        sum.turns += cost.turns;
        sum.time += cost.time;
        sum.blocks += cost.blocks;
        sum.bytes += cost.bytes;
    }
}

/// The cost of one turn.
pub(crate) fn measure(turn: impl FnOnce()) -> Cost {
    let (time, allocated) = count(|| {
        let start = Instant::now();
        turn();
        start.elapsed()
    });
    Cost { turns: 1, time, blocks: allocated.blocks, bytes: allocated.bytes }
}
