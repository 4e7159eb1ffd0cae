//! The scene of a test of bad input: a gateway, a device that was there before, and the three checks of every such test:
//! what the bad peer sees, that a *new* correct client is served, and that the one connected *before* still answers within
//! a second.

use super::agent::Agent;
use super::device::{Device, Word};
use super::{Gateway, SOON, wait_for};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// However short a silence a test allows, the bystander does not keep it.
const PING_EVERY: Duration = Duration::from_millis(500);

/// A gateway with one agent, `alpha`, and a bystander.
pub struct Scene {
    pub gateway: Gateway,
    /// A device's key of `alpha`, for any name.
    pub key: String,
    /// An agent's and operator's key of `alpha`.
    pub agent_key: String,
    pub alpha: Agent,
    bystander: Echo,
    newcomers: AtomicU32,
}

impl Scene {
    /// One core; `limits` are lines of the `[limits]` section.
    pub fn start(limits: &str) -> Self {
        Self::on_cores(1, limits)
    }

    /// So many cores.
    pub fn on_cores(cores: usize, limits: &str) -> Self {
        let gateway = Gateway::start(cores, limits);
        let key = gateway.add_key("alpha", "commands,triggers");
        let agent_key = gateway.add_key("alpha", "agent,operator");
        let alpha = Agent::new(gateway.http, "alpha", &agent_key);
        wait_for("the running gateway knows the keys", SOON, || {
            (alpha.get("/devices").status == 200).then_some(())
        });
        let bystander = Echo::connect(gateway.mqtt, "bystander", &key);
        let scene = Self { gateway, key, agent_key, alpha, bystander, newcomers: AtomicU32::new(0) };
        scene.must_answer("bystander");
        scene
    }

    /// The two checks that do not depend on what was bad: whoever was there is served, and whoever comes is.
    pub fn must_serve(&self, what: &str) {
        let asked = Instant::now();
        self.must_answer("bystander");
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1), "{what}: the bystander answered after {took:?}");
        assert!(!self.bystander.is_gone(), "{what}: the bystander was hung up on");
        let name = format!("newcomer-{}", self.newcomers.fetch_add(1, Ordering::Relaxed));
        let newcomer = Echo::connect(self.gateway.mqtt, &name, &self.key);
        self.must_answer(&name);
        drop(newcomer);
    }

    /// Whoever was there is served, over the connections that are there.
    pub fn must_answer_still(&self) {
        self.must_answer("bystander");
        assert!(!self.bystander.is_gone(), "the bystander was hung up on");
    }

    /// The agent's metrics as text.
    pub fn metrics(&self) -> String {
        self.alpha.text("/metrics")
    }

    /// A series of the metrics, by the whole text before its value.
    pub fn metric(&self, series: &str) -> f64 {
        metric(&self.metrics(), series)
    }

    fn must_answer(&self, device: &str) {
        wait_for("the device has described itself", SOON, || {
            let answer = self.alpha.call(device, "echo", &json!({"n": 1}));
            match answer.status {
                200 => {
                    assert_eq!(answer.json["data"], json!({"n": 1}));
                    Some(())
                }
                404 | 503 => None,
                _ => panic!("{}", answer.json),
            }
        });
    }
}

/// A series of a page of metrics, by the whole text before its value; 0 when it is not there.
pub fn metric(page: &str, series: &str) -> f64 {
    let found = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().expect("a number"))
}

/// A correct device in a thread of its own: it answers `echo` with the payload.
pub struct Echo {
    stop: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Connects a device of `alpha` and describes it; when this returns its tools exist.
    pub fn connect(address: SocketAddr, name: &str, key: &str) -> Self {
        let mut device = Device::connect(address, "alpha", name, key, true);
        device.describe(key, &json!([{"name": "echo", "description": "Says it again"}]), 1);
        device.wait("connected", |word| match word {
            Word::Message { suffix, .. } if suffix == "connected" => Some(()),
            _ => None,
        });
        let (stop, gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (stop, gone) = (stop.clone(), gone.clone());
            move || {
                let mut pinged = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    if pinged.elapsed() > PING_EVERY {
                        device.raw(&[0xc0, 0]);
                        pinged = Instant::now();
                    }
                    match device.hear(Duration::from_millis(50)) {
                        Some(Word::Closed) => return gone.store(true, Ordering::Relaxed),
                        Some(Word::Message { suffix, json, id, .. }) if suffix == "command" => {
                            answer(&mut device, &json, id);
                        }
                        Some(_) | None => {}
                    }
                }
            }
        });
        Self { stop, gone, thread: Some(thread) }
    }

    /// Whether the gateway has hung up on it.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answer(device: &mut Device, command: &Value, id: Option<codec::mqtt::PacketId>) {
    let answer = json!({"commandId": command["commandId"], "success": true, "data": command["payload"]});
    device.publish("response", &answer, Some(7), false);
    if let Some(id) = id {
        device.puback(id);
    }
    device.flush();
}
