//! What a message costs on the cores that handle it: nanoseconds and allocations of whole turns of the real cores.
//!
//! It owns the scripts (one device, one agent), prints a table before criterion's times, and fails when the device's core
//! allocates for a heartbeat, a PINGREQ, a trigger or a response in the steady state. A command with a schema is the
//! exception: its arguments are parsed. Each message is alone in its turns, so a turn's own cost is in every figure.
//!
//! ```text
//!   heartbeat, PINGREQ   device's core
//!   trigger              device's core (Keep) -> store writer (Kept) -> device's core (PUBACK, trigger_ack)
//!   command              agent's core (Ask) -> device's core (PUBLISH) ~ device ~ device's core (Settled) -> agent's core (200)
//! ```

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod house;
mod peers;

use std::time::Duration;

use benches::counting::Counting;
use criterion::{Criterion, criterion_group, criterion_main};

use house::{Cost, House, Share, measure};
use peers::{Agent, Device};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Messages before anything is counted: pools and lists have reached their size.
const WARM_UP: u64 = 2000;
/// Messages whose mean is one reading of the clock.
const BATCH: u64 = 256;

/// What is done over and over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Heartbeat,
    HeartbeatWithPong,
    PingReq,
    Trigger,
    Command,
    CommandWithSchema,
}

impl Deed {
    const ALL: [Self; 6] = [
        Self::Heartbeat,
        Self::HeartbeatWithPong,
        Self::PingReq,
        Self::Trigger,
        Self::Command,
        Self::CommandWithSchema,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatWithPong => "heartbeat_pong",
            Self::PingReq => "pingreq",
            Self::Trigger => "trigger_qos1",
            Self::Command => "command",
            Self::CommandWithSchema => "command_with_schema",
        }
    }
}

/// A house in its steady state, and the two who keep it busy.
struct Scene {
    deed: Deed,
    house: House,
    device: Device,
    agent: Agent,
}

impl Scene {
    fn new(deed: Deed, cores: usize) -> Self {
        let mut house = House::new(cores);
        let device = Device::join(&mut house, deed == Deed::HeartbeatWithPong);
        let agent = Agent::join(&mut house);
        let mut scene = Self { deed, house, device, agent };
        scene.repeat(WARM_UP);
        scene
    }

    /// Does the deed so many times on a new account.
    fn repeat(&mut self, times: u64) {
        self.house.open_account();
        for _ in 0..times {
            self.house.pass();
            self.once();
        }
    }

    fn once(&mut self) {
        match self.deed {
            Deed::Heartbeat => self.beat(&[]),
            Deed::HeartbeatWithPong => self.beat(&["pong"]),
            Deed::PingReq => {
                self.device.ping();
                self.house.turn_home(Share::Device);
                assert_eq!(self.device.hear(), ["pingresp"]);
            }
            Deed::Trigger => self.fire(),
            Deed::Command => self.command("blink", "null"),
            Deed::CommandWithSchema => self.command("read_temperature", r#"{"unit":"c"}"#),
        }
    }

    fn beat(&mut self, heard: &[&str]) {
        self.device.beat();
        self.house.turn_home(Share::Device);
        assert_eq!(self.device.hear(), heard);
    }

    fn fire(&mut self) {
        self.device.fire();
        self.house.turn_home(Share::Device);
        assert!(self.device.hear().is_empty(), "nothing is acknowledged before it is kept");
        self.house.turn_store();
        self.house.turn_home(Share::Device);
        assert_eq!(self.device.hear(), ["puback", "trigger_ack"]);
    }

    fn command(&mut self, name: &str, payload: &str) {
        self.agent.ask(name, payload);
        self.house.turn_away();
        self.house.turn_home(Share::Ask);
        self.device.answer();
        self.house.turn_home(Share::Device);
        assert_eq!(self.device.hear(), ["puback"]);
        self.house.turn_away();
        self.agent.hear_done();
    }
}

/// The mean of a share over a batch.
#[derive(Clone, Copy, Debug)]
struct Mean {
    turns: f64,
    ns: f64,
    blocks: f64,
    bytes: f64,
}

/// Every share's quietest of many batches: other work on the machine makes a batch slower, never faster. What it allocated is
/// that of the batch which allocated most.
fn quietest(scene: &mut Scene, batches: u32, clock_ns: f64) -> Vec<(Share, Mean)> {
    let mut best: Vec<(Share, Mean)> = Vec::new();
    for batch in 0..batches {
        scene.repeat(BATCH);
        let means = Share::ALL.map(|share| (share, Mean::of(scene.house.cost(share), clock_ns)));
        let taken = means.into_iter().filter(|(_, mean)| mean.turns > 0.0);
        if batch == 0 {
            best.extend(taken);
        } else {
            best.iter_mut().zip(taken).for_each(|((_, best), (_, mean))| best.better(mean));
        }
    }
    best
}

impl Mean {
    fn of(sum: Cost, clock_ns: f64) -> Self {
        let [turns, blocks, bytes] = [sum.turns, sum.blocks, sum.bytes].map(|sum| sum as f64 / BATCH as f64);
        Self { turns, ns: sum.time.as_nanos() as f64 / BATCH as f64 - turns * clock_ns, blocks, bytes }
    }

    fn better(&mut self, other: Self) {
        self.ns = self.ns.min(other.ns);
        self.blocks = self.blocks.max(other.blocks);
        self.bytes = self.bytes.max(other.bytes);
    }
}

/// What reading the clock adds to the time of a turn.
fn clock_ns() -> f64 {
    let mean = || (0..BATCH).map(|_| measure(|| ()).time.as_nanos() as f64).sum::<f64>() / BATCH as f64;
    (0..64).map(|_| mean()).fold(f64::MAX, f64::min)
}

/// Prints the table, and fails when a core allocates where it must not.
fn table(batches: u32) {
    let clock_ns = clock_ns();
    println!(
        "one message at a time; the quietest of {batches} batches of {BATCH}; clock {clock_ns:.0} ns a turn, taken off"
    );
    println!(
        "{:<20} {:>5}  {:<14} {:>5} {:>8} {:>7} {:>7}",
        "", "cores", "share", "turns", "ns", "blocks", "bytes"
    );
    for cores in [1, 2] {
        for deed in Deed::ALL {
            let mut scene = Scene::new(deed, cores);
            for (share, Mean { turns, ns, blocks, bytes }) in quietest(&mut scene, batches, clock_ns) {
                let (name, share_name) = (deed.name(), format!("{share:?}").to_lowercase());
                println!(
                    "{name:<20} {cores:>5}  {share_name:<14} {turns:>5.0} {ns:>8.0} {blocks:>7.2} {bytes:>7.0}"
                );
                let free = match share {
                    Share::Device | Share::Agent => true,
                    Share::Ask => deed == Deed::Command,
                    Share::Store => false,
                };
                assert!(!free || blocks == 0.0, "{name}: a core allocates ({share_name}, {cores} cores)");
            }
        }
    }
}

fn turns(criterion: &mut Criterion) {
    let quick = std::env::args().any(|argument| argument == "--quick");
    table(if quick { 8 } else { 200 });
    for cores in [1, 2] {
        for deed in Deed::ALL {
            let mut scene = Scene::new(deed, cores);
            criterion.bench_function(&format!("turn/{}/{cores}_cores", deed.name()), |bencher| {
                bencher.iter_custom(|times| {
                    scene.repeat(times);
                    [Share::Device, Share::Ask]
                        .map(|share| scene.house.cost(share).time)
                        .iter()
                        .sum::<Duration>()
                });
            });
        }
    }
}

criterion_group!(benches, turns);
criterion_main!(benches);
