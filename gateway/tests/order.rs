//! Ten thousand numbered commands and ten thousand numbered triggers of one device whose connection is cut again and again:
//! in order, none lost, none settled twice.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use codec::mqtt::PacketId;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::agent::{Agent, Events};
use support::device::{Device, Word};
use support::{Gateway, SOON, wait_for};

const COMMANDS: u64 = 10_000;
const TRIGGERS: u64 = 10_000;
/// Connections that are cut without a word.
const CUTS: u64 = 25;
/// Triggers that are sent and not acknowledged at the moment of a cut; each is sent again with DUP.
const WINDOW: usize = 16;
const STATUS_IDS: u16 = 60_000;
const RESPONSE_ID: u16 = 40_000;

#[test]
fn commands_and_triggers_keep_their_order_over_cut_connections() {
    for cores in [1, 3] {
        let gateway = Gateway::start(
            cores,
            "triggers_per_second_per_agent = 1000000\nevents_kept_per_agent = 100000\ntakeovers_per_minute = 1000",
        );
        let key = gateway.add_key("alpha", "commands,triggers");
        let alpha = Agent::new(gateway.http, "alpha", &gateway.add_key("alpha", "agent,operator"));
        wait_for("the running gateway knows the keys", SOON, || {
            (alpha.get("/devices").status == 200).then_some(())
        });
        let events = alpha.events(Some("0"));

        let done = Arc::new(AtomicBool::new(false));
        let address = gateway.mqtt;
        let device = std::thread::spawn({
            let done = done.clone();
            move || Script::new(address, key).run(&done)
        });
        let reader = std::thread::spawn(move || hear_triggers(&events));
        let posts = send_commands(&alpha);
        reader.join().expect("every trigger came, in order");
        done.store(true, Ordering::Relaxed);
        let seen = device.join().expect("the device saw every command, in order");

        assert!(seen.cuts >= CUTS, "{} cuts", seen.cuts);
        assert!(seen.dups >= 200, "{} DUPs", seen.dups);
        let settled = settled_total(&alpha.text("/metrics"));
        assert_eq!(settled, posts, "each request settled once");
        assert_eq!(gateway.stop(), Some(0));
        println!(
            "cores {cores}: {posts} posts, {} cuts, {} DUPs, {} repeats",
            seen.cuts, seen.dups, seen.repeats
        );
    }
}

/// The agent: one command after the other; what the device may not have run is asked again. Gives the number of requests.
fn send_commands(alpha: &Agent) -> u64 {
    let mut posts = 0;
    for n in 0..COMMANDS {
        wait_for("the command to be done", SOON, || {
            posts += 1;
            let answer = alpha.call("counter", "count", &json!({ "n": n }));
            match answer.status {
                200 => {
                    assert_eq!(answer.json["data"], json!({ "n": n }), "the answer belongs to the question");
                    Some(())
                }
                // Away, or not known or described yet: it is about to be back.
                404 | 503 => None,
                _ => panic!("{}", answer.json),
            }
        });
    }
    posts
}

/// The agent's other ear: every trigger once, in order.
fn hear_triggers(events: &Events) {
    for n in 0..TRIGGERS {
        let event = events.wait("trigger");
        assert_eq!(event.data["payload"]["n"], json!(n), "triggers come in order, none lost, none twice");
    }
}

/// Every command that ever settled, by the metrics.
fn settled_total(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("gateway_commands_total{"));
    lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("a number") as u64).sum()
}

/// What the device did and saw.
struct Seen {
    cuts: u64,
    dups: u64,
    repeats: u64,
}

/// The device.
struct Script {
    address: SocketAddr,
    key: String,
    seen: Seen,
    /// The number of the next trigger.
    next_trigger: u64,
    next_packet: u16,
    /// Triggers without a PUBACK.
    unacked: VecDeque<(u16, u64)>,
    /// The number of the last command that was run, and its answer's id.
    last_command: Option<u64>,
}

impl Script {
    fn new(address: SocketAddr, key: String) -> Self {
        Self {
            address,
            key,
            seen: Seen { cuts: 0, dups: 0, repeats: 0 },
            next_trigger: 0,
            next_packet: 1,
            unacked: VecDeque::new(),
            last_command: None,
        }
    }

    fn run(mut self, done: &AtomicBool) -> Seen {
        while !done.load(Ordering::Relaxed) {
            let mut device = self.connect();
            self.live(&mut device, done);
        }
        assert_eq!(self.last_command, Some(COMMANDS - 1));
        self.seen
    }

    /// A new connection: first the new status, then what was not acknowledged, as paho does.
    fn connect(&mut self) -> Device {
        let mut device = Device::connect(self.address, "alpha", "counter", &self.key, false);
        device.describe(&self.key, &json!([{"name": "count", "description": "Counts"}]), STATUS_IDS);
        for &(packet, n) in &self.unacked {
            device.publish("trigger", &trigger(n), Some(packet), true);
            self.seen.dups += 1;
        }
        device
    }

    /// Lives until the next cut.
    fn live(&mut self, device: &mut Device, done: &AtomicBool) {
        let cut_at = (self.seen.cuts + 1) * (COMMANDS / (CUTS + 1));
        loop {
            // Triggers keep pace with commands, so that both are under way at every cut; before a cut the window is filled.
            let commands_run = self.last_command.map_or(0, |last| last + 1);
            let due = self.seen.cuts < CUTS && commands_run >= cut_at;
            let pace = if due || commands_run == COMMANDS { TRIGGERS } else { commands_run };
            while self.unacked.len() < WINDOW && self.next_trigger < pace.min(TRIGGERS) {
                self.fire(device);
            }
            let cut_now = due && self.unacked.len() == WINDOW;
            if cut_now && self.seen.cuts.is_multiple_of(2) {
                // The window is full and written, nothing of it has been read back: cut.
                device.flush();
                self.seen.cuts += 1;
                return;
            }
            match device.hear(Duration::from_millis(100)) {
                Some(Word::Message { suffix, json, id, .. }) if cut_now && suffix == "command" => {
                    // The command was run, and its answer never leaves: cut.
                    self.run_command(device, &json, id);
                    self.seen.cuts += 1;
                    return;
                }
                Some(word) if !self.heard(device, &word) => return,
                Some(_) => {}
                None if done.load(Ordering::Relaxed) => return,
                None => {}
            }
        }
    }

    fn fire(&mut self, device: &mut Device) {
        device.publish("trigger", &trigger(self.next_trigger), Some(self.next_packet), false);
        self.unacked.push_back((self.next_packet, self.next_trigger));
        self.next_trigger += 1;
        self.next_packet = self.next_packet % 30_000 + 1;
    }

    fn heard(&mut self, device: &mut Device, word: &Word) -> bool {
        match word {
            Word::Closed => return false,
            Word::Puback(id) if id.value() < RESPONSE_ID => self.puback(*id),
            Word::Message { suffix, json, id, .. } if suffix == "command" => {
                self.run_command(device, json, *id)
            }
            Word::Message { suffix, json, .. } if suffix == "error" => panic!("{json}"),
            Word::Connack { .. } | Word::Message { .. } | Word::Puback(_) | Word::Other => {}
        }
        true
    }

    fn puback(&mut self, id: PacketId) {
        let (oldest, _) = self.unacked.pop_front().expect("only what is unacknowledged is acknowledged");
        assert_eq!(oldest, id.value(), "PUBACKs come in the order of the PUBLISHes [MQTT-4.6.0-2]");
    }

    fn run_command(&mut self, device: &mut Device, command: &Value, id: Option<PacketId>) {
        let n = command["payload"]["n"].as_u64().expect("a number");
        if self.last_command == Some(n) {
            self.seen.repeats += 1;
        } else {
            assert_eq!(n, self.last_command.map_or(0, |last| last + 1), "commands come in order, none lost");
            self.last_command = Some(n);
        }
        let answer = json!({"commandId": command["commandId"], "success": true, "data": {"n": n}});
        device.publish("response", &answer, Some(RESPONSE_ID), false);
        device.puback(id.expect("commands come at QoS 1"));
    }
}

fn trigger(n: u64) -> Value {
    json!({"triggerName": "counted", "payload": {"n": n}})
}
