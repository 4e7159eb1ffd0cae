//! What an idle device costs: resident bytes of a real gateway process for each connected, registered and described device.
//!
//! It owns the fleets, one for each way to connect: real sockets that say what the Python client or `socket.io-client` says and
//! then are silent. The bench is the gateway too: it starts itself again as `gateway serve` on one core, so that nothing but the
//! product is in the process that is weighed. The figure is a slope, between a fleet of a tenth and the whole, so pools and the
//! shared manifest are in neither. It fails when a device on bare TCP costs more than it must not cost, or one on a WebSocket
//! 300 bytes more than that one; that it is over its own must is said. CPU time per log-in is printed and never judged.
//!
//! ```text
//! cargo bench -p benches --bench idle [-- --quick] [-- --devices 9000]
//! ```

#![allow(clippy::disallowed_methods, reason = "a bench lives in real time")]

mod fleet;
mod process;

use std::process::ExitCode;

use fleet::{Fleet, Way};
use process::{Gateway, Weight};

/// The first word of a command line that makes this program the gateway.
const SERVE: &str = "serve";
/// A whole fleet; with both ends on one machine well below 20,000 descriptors.
const DEVICES: usize = 9000;
/// The fleet of a quick run. The slope is the same, but for noise of a few bytes.
const DEVICES_QUICK: usize = 3000;

/// One way to connect, and what it may cost.
struct Kind {
    way: Way,
    name: &'static str,
    /// Bytes that an idle device must not exceed, and what is aimed at.
    must: f64,
    aim: f64,
}

/// What a device on a WebSocket may cost more than one on bare TCP.
const MORE_BYTES_MAX: f64 = 300.0;

const KINDS: [Kind; 3] = [
    Kind { way: Way::Mqtt, name: "mqtt/tcp", must: 512.0, aim: 256.0 },
    Kind { way: Way::MqttWs, name: "mqtt/ws", must: 560.0, aim: 272.0 },
    Kind { way: Way::SocketIo, name: "socketio", must: 640.0, aim: 320.0 },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == SERVE) {
        return gateway::cli::run(std::env::args_os());
    }
    if let Some(code) = process::with_all_descriptors(&words) {
        return code;
    }
    let quick = words.iter().any(|word| word == "--quick" || word == "--test");
    let asked =
        words.iter().position(|word| word == "--devices").and_then(|at| words.get(at + 1)?.parse().ok());
    let devices = asked.unwrap_or(if quick { DEVICES_QUICK } else { DEVICES });
    println!(
        "{:<10} {:>8} {:>14} {:>6} {:>6} {:>22}",
        "", "devices", "bytes/device", "must", "aim", "CPU us/connect"
    );
    let (mut too_heavy, mut plain_bytes) = (false, None);
    for Kind { way, name, must, aim } in KINDS {
        let (bytes, cpu_us) = weigh(way, devices);
        let over = if bytes > must { "  over its must" } else { "" };
        println!("{name:<10} {devices:>8} {bytes:>14.0} {must:>6.0} {aim:>6.0} {cpu_us:>22.1}{over}");
        // The first of them is the measure of the others.
        let most = plain_bytes.map_or(must, |plain: f64| plain + MORE_BYTES_MAX);
        plain_bytes.get_or_insert(bytes);
        too_heavy |= bytes > most;
    }
    if too_heavy { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Bytes and microseconds of CPU per device.
fn weigh(way: Way, devices: usize) -> (f64, f64) {
    let gateway = Gateway::start();
    let mut fleet = Fleet::new(way, if way == Way::Mqtt { gateway.mqtt } else { gateway.http });
    fleet.grow_to(devices / 10);
    let light = gateway.weight();
    fleet.grow_to(devices);
    let heavy = gateway.weight();
    assert_eq!(gateway.devices_online(), devices, "every device is registered");
    let more = (devices - devices / 10) as f64;
    let Weight { resident_bytes, cpu } = light;
    let bytes = (heavy.resident_bytes as f64 - resident_bytes as f64) / more;
    (bytes, (heavy.cpu - cpu).as_secs_f64() * 1e6 / more)
}
