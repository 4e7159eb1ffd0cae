//! What a message costs on the cores that handle it: nanoseconds and allocations of whole turns of the real cores.
//!
//! It owns the scripts (one device, one agent), prints a table before criterion's times, and fails when the device's core
//! allocates for a heartbeat, a PINGREQ, a trigger or a response in the steady state, over MQTT or Socket.IO. A command with a
//! schema is the exception: its arguments are parsed. Each message is alone in its turns, so a turn's own cost is in every
//! figure.
//!
//! ```text
//!   heartbeat, PINGREQ   device's core
//!   trigger              device's core (Keep) -> store writer (Kept) -> device's core (PUBACK, trigger_ack)
//!   command              agent's core (Ask) -> device's core (PUBLISH) ~ device ~ device's core (Settled) -> agent's core (200)
//! ```

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod house;
mod peers;
mod socketio;

use std::time::Duration;

use benches::counting::Counting;
use criterion::{Criterion, criterion_group, criterion_main};

use house::{Cost, House, Share, measure};
use peers::{Agent, Device};
use socketio::SocketIoDevice;

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
    SocketIoHeartbeat,
    SocketIoTrigger,
    SocketIoCommand,
}

impl Deed {
    const ALL: [Self; 9] = [
        Self::Heartbeat,
        Self::HeartbeatWithPong,
        Self::PingReq,
        Self::Trigger,
        Self::Command,
        Self::CommandWithSchema,
        Self::SocketIoHeartbeat,
        Self::SocketIoTrigger,
        Self::SocketIoCommand,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatWithPong => "heartbeat_pong",
            Self::PingReq => "pingreq",
            Self::Trigger => "trigger_qos1",
            Self::Command => "command",
            Self::CommandWithSchema => "command_with_schema",
            Self::SocketIoHeartbeat => "socketio_heartbeat",
            Self::SocketIoTrigger => "socketio_trigger_ack",
            Self::SocketIoCommand => "socketio_command",
        }
    }
}

/// A house in its steady state, and the two who keep it busy.
struct Scene {
    deed: Deed,
    house: House,
    device: Peer,
    agent: Agent,
}

/// The device, as it speaks.
enum Peer {
    Mqtt(Device),
    SocketIo(SocketIoDevice),
}

impl Scene {
    fn new(deed: Deed, cores: usize) -> Self {
        let mut house = House::new(cores);
        let device = match deed {
            Deed::SocketIoHeartbeat | Deed::SocketIoTrigger | Deed::SocketIoCommand => {
                Peer::SocketIo(SocketIoDevice::join(&mut house))
            }
            _ => Peer::Mqtt(Device::join(&mut house, deed == Deed::HeartbeatWithPong)),
        };
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
        let Self { deed, house, device, agent } = self;
        match device {
            Peer::Mqtt(device) => match deed {
                Deed::Heartbeat => beat(house, device, &[]),
                Deed::HeartbeatWithPong => beat(house, device, &["pong"]),
                Deed::PingReq => {
                    device.ping();
                    house.turn_home(Share::Device);
                    assert_eq!(device.hear(), ["pingresp"]);
                }
                Deed::Trigger => fire(house, device),
                Deed::Command => command(house, device, agent, "blink", "null"),
                Deed::CommandWithSchema => {
                    command(house, device, agent, "read_temperature", r#"{"unit":"c"}"#);
                }
                Deed::SocketIoHeartbeat | Deed::SocketIoTrigger | Deed::SocketIoCommand => {
                    unreachable!("a deed of another device")
                }
            },
            Peer::SocketIo(device) => socketio_once(*deed, house, device, agent),
        }
    }
}

fn beat(house: &mut House, device: &mut Device, heard: &[&str]) {
    device.beat();
    house.turn_home(Share::Device);
    assert_eq!(device.hear(), heard);
}

fn fire(house: &mut House, device: &mut Device) {
    device.fire();
    house.turn_home(Share::Device);
    assert!(device.hear().is_empty(), "nothing is acknowledged before it is kept");
    house.turn_store();
    house.turn_home(Share::Device);
    assert_eq!(device.hear(), ["puback", "trigger_ack"]);
}

fn command(house: &mut House, device: &mut Device, agent: &mut Agent, name: &str, payload: &str) {
    agent.ask(name, payload);
    house.turn_away();
    house.turn_home(Share::Ask);
    device.answer();
    house.turn_home(Share::Device);
    assert_eq!(device.hear(), ["puback"]);
    house.turn_away();
    agent.hear_done();
}

fn socketio_once(deed: Deed, house: &mut House, device: &mut SocketIoDevice, agent: &mut Agent) {
    match deed {
        Deed::SocketIoTrigger => {
            device.fire();
            house.turn_home(Share::Device);
            assert!(device.hear().is_empty(), "nothing is acknowledged before it is kept");
            house.turn_store();
            house.turn_home(Share::Device);
            let heard = device.hear();
            assert!(heard.len() == 2 && heard[0].starts_with("43/devices,7["), "{heard:?}");
        }
        Deed::SocketIoCommand => {
            agent.ask("blink", "null");
            house.turn_away();
            house.turn_home(Share::Ask);
            device.answer();
            house.turn_home(Share::Device);
            house.turn_away();
            agent.hear_done();
        }
        _ => {
            device.beat();
            house.turn_home(Share::Device);
            let heard = device.hear();
            assert!(heard.len() == 1 && heard[0].starts_with(r#"42/devices,["pong""#), "{heard:?}");
        }
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
                    Share::Ask => matches!(deed, Deed::Command | Deed::SocketIoCommand),
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
