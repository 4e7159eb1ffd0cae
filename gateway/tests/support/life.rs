//! The life of a device, scene by scene: what every device does and what its agent sees, however the device connects.
//!
//! Owns the one list of scenes ([`SCENES`]). A scene is written once, looks at both sides (what the device saw, what the agent
//! saw) and knows no transport. What only one transport can show is in a test of that transport.

use super::agent::Agent;
use super::devices::Devices;
use super::scene::metric;
use super::way::Way;
use super::{Gateway, SOON, signal, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Enough devices that at least one is accepted on another core than its home, but for one run in a hundred thousand.
const DEVICES: usize = 10;

/// Silence after which a device that beats is late, and after which it is offline.
const LIMITS: &str =
    "triggers_per_second_per_agent = 100\nheartbeat_late_ms = 5000\nheartbeat_offline_ms = 10000";

/// Time for a device to beat once at least.
const BEATS: Duration = Duration::from_millis(1500);

/// A gateway with two agents, and devices of the first.
pub struct Life {
    gateway: Gateway,
    way: Way,
    key: String,
    agent_key: String,
    alpha: Agent,
    beta: Agent,
    devices: Devices,
    names: Vec<String>,
    handed_over: f64,
}

/// A scene of it.
type Scene = fn(&mut Life);

/// Every scene, in the order of a life. The later ones take devices away.
pub const SCENES: [(&str, Scene); 16] = [
    ("describes itself", describes_itself),
    ("carries commands", carries_commands),
    ("refuses what cannot be run", refuses_what_cannot_be_run),
    ("carries large payloads", carries_large_payloads),
    ("runs once however often it is asked", runs_once_however_often_it_is_asked),
    ("answers late", answers_late),
    ("carries triggers", carries_triggers),
    ("is seen by an operator", is_seen_by_an_operator),
    ("keeps agents apart", keeps_agents_apart),
    ("is missed when its heart stops", is_missed_when_its_heart_stops),
    ("is taken over by a newer one", is_taken_over_by_a_newer_one),
    ("is disabled and enabled", is_disabled_and_enabled),
    ("goes with its key", goes_with_its_key),
    ("comes back after a restart", comes_back_after_a_restart),
    ("comes back after a crash", comes_back_after_a_crash),
    ("goes at once when killed", goes_at_once_when_killed),
];

/// Lives one life over each of these ways at the same time, and gives for each how many connections went home to another core.
pub fn live(cores: usize, ways: &[Way]) -> Vec<f64> {
    std::thread::scope(|scope| {
        let lives: Vec<_> =
            ways.iter().map(|way| scope.spawn(move || Life::begin(cores, *way).live())).collect();
        lives.into_iter().map(|life| life.join().expect("a whole life")).collect()
    })
}

impl Life {
    fn begin(cores: usize, way: Way) -> Self {
        let gateway = Gateway::start(cores, LIMITS);
        let key = gateway.add_key("alpha", "commands,triggers");
        let agent_key = gateway.add_key("alpha", "agent,operator");
        let alpha = Agent::new(gateway.http, "alpha", &agent_key);
        let beta = Agent::new(gateway.http, "beta", &gateway.add_key("beta", "agent"));
        wait_for("the running gateway knows the new keys", SOON, || {
            (beta.get("/devices").status == 200 && alpha.get("/devices").status == 200).then_some(())
        });
        let mut devices = way.start(&gateway, "alpha", &key);
        let names: Vec<String> = (0..DEVICES).map(|n| format!("pico-{n}")).collect();
        for name in &names {
            devices.connect(name);
        }
        Self { gateway, way, key, agent_key, alpha, beta, devices, names, handed_over: 0.0 }
    }

    fn live(mut self) -> f64 {
        for (what, scene) in SCENES {
            let began = Instant::now();
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene(&mut self)));
            println!("{} {what}: {:.1?}", self.way, began.elapsed());
            assert!(told.is_ok(), "over {} a device no longer {what}", self.way);
        }
        self.handed_over += metric(&self.alpha.text("/metrics"), "gateway_handed_over_total");
        assert_eq!(self.gateway.stop(), Some(0));
        self.handed_over
    }

    /// One more device in a process of its own.
    fn lone(&self, key: &str, name: &str) -> Devices {
        let mut devices = self.way.start(&self.gateway, "alpha", key);
        devices.connect(name);
        self.wait_tools(name);
        devices
    }

    fn has_tools(&self, name: &str) -> bool {
        self.alpha.tools().contains(&format!("device__{}__echo", name.replace('-', "_")))
    }

    fn wait_tools(&self, name: &str) {
        wait_for("the device's tools", SOON, || self.has_tools(name).then_some(()));
    }

    fn wait_status(&self, name: &str, status: &str) {
        wait_for(status, SOON, || (self.alpha.status(name) == status).then_some(()));
    }

    fn must_answer(&self, name: &str, words: &str) {
        let answer = self.alpha.call(name, "echo", &json!(words));
        assert_eq!((answer.status, &answer.json["data"]), (200, &json!(words)), "{}", answer.json);
    }

    fn must_be_unreachable(&self, name: &str) {
        let offline = self.alpha.call(name, "echo", &Value::Null);
        assert_eq!((offline.status, &offline.json["code"]), (503, &json!("device-offline")));
        assert_eq!(offline.json["outcome"], "not_sent");
    }
}

fn describes_itself(life: &mut Life) {
    let alpha = &life.alpha;
    let tools = wait_for("every device's tools", SOON, || {
        let tools = alpha.tools();
        (tools.len() == life.names.len() * 5).then_some(tools)
    });
    assert!(tools.contains(&"device__pico_0__read_temp".to_owned()), "{tools:?}");
    assert!(tools.contains(&"device__pico_0__is_online".to_owned()), "{tools:?}");
    let device = alpha.get("/devices/pico-0").json;
    assert_eq!(device["status"], "online");
    assert_eq!(device["group"], "test-group");
    assert_eq!(device["transport"], life.way.transport());
    let connected = format!("gateway_connections{{transport=\"{}\"}} {DEVICES}", life.way.transport());
    assert!(alpha.text("/metrics").contains(&connected), "{connected}");
    assert_eq!(device["commands"], json!(["read_temp", "echo", "fail", "sleep"]));
    assert_eq!(device["manifest"]["commands"][0]["timeoutMs"], 5000);
    let online = alpha.tool("device__pico_0__is_online", &Value::Null);
    assert_eq!(online.json["data"], json!({"status": "online"}));
}

fn carries_commands(life: &mut Life) {
    let alpha = &life.alpha;
    let answer = alpha.call("pico-0", "read_temp", &json!({"unit": "c"}));
    assert_eq!((answer.status, &answer.json["status"]), (200, &json!("done")), "{}", answer.json);
    assert_eq!(answer.json["data"], json!({"t": 22.5, "unit": "c"}));
    let seen = life.devices.wait("command", "pico-0");
    assert_eq!(seen["payload"], json!({"unit": "c"}), "the device saw what the agent sent");

    let called = alpha.tool("device__pico_0__read_temp", &json!({"unit": "f"}));
    assert_eq!((called.status, &called.json["data"]["unit"]), (200, &json!("f")), "{}", called.json);

    let failed = alpha.call("pico-0", "fail", &Value::Null);
    assert_eq!((failed.status, &failed.json["code"]), (502, &json!("device-error")));
    assert_eq!(failed.json["detail"], "the sensor is broken");

    let text = json!({"text": "naïve \u{1f321} \"quoted\" \u{2028} €", "list": [1, 2.5, null, true]});
    assert_eq!(alpha.call("pico-1", "echo", &text).json["data"], text);
}

fn refuses_what_cannot_be_run(life: &mut Life) {
    let alpha = &life.alpha;
    let bad = alpha.call("pico-0", "read_temp", &json!({"unit": "kelvin"}));
    assert_eq!((bad.status, &bad.json["code"]), (422, &json!("invalid-arguments")), "{}", bad.json);
    assert_eq!(bad.json["errors"][0]["pointer"], "/unit");
    assert_eq!(bad.json["outcome"], "not_sent");
    let unknown = alpha.call("pico-0", "no_such", &Value::Null);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("command-unknown")));
    let unknown = alpha.call("nobody", "echo", &Value::Null);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("device-unknown")));
    let unknown = alpha.tool("device__pico_0__no_such", &Value::Null);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("tool-unknown")));
}

fn carries_large_payloads(life: &mut Life) {
    for bytes in [200 * 1024, 1024 * 1024 - 100] {
        let payload = json!({"text": "x".repeat(bytes)});
        let answer = life.alpha.call("pico-1", "echo", &payload);
        assert_eq!(answer.status, 200, "{bytes} bytes");
        assert!(answer.json["data"] == payload, "{bytes} bytes");
    }
    // What the device saw of it is not needed any more.
    life.devices.forget("command");
}

/// Four times the same request with one idempotency key, three of them while the first is running: one run, one answer.
fn runs_once_however_often_it_is_asked(life: &mut Life) {
    let alpha = &life.alpha;
    let body = json!({"command": "sleep", "payload": {"seconds": 0.5}});
    let answers: Vec<_> = std::thread::scope(|scope| {
        let repeats: Vec<_> =
            (0..3).map(|_| scope.spawn(|| alpha.repeat("pico-4", &body, "key-1"))).collect();
        repeats.into_iter().map(|repeat| repeat.join().expect("an answer")).collect()
    });
    let again = alpha.repeat("pico-4", &body, "key-1");
    assert_eq!(again.status, 200, "{}", again.json);
    for answer in &answers {
        assert_eq!(answer.json["commandId"], again.json["commandId"], "one command");
    }
    life.devices.wait("command", "pico-4");
    assert!(life.devices.others("command").iter().all(|seen| seen["name"] != "pico-4"), "it ran once");
    let other = alpha.repeat("pico-4", &json!({"command": "echo", "payload": 1}), "key-1");
    assert_eq!((other.status, &other.json["code"]), (422, &json!("idempotency-key-reused")));
}

/// The agent is told that the time is up; what the device says afterwards is told as an event and changes nothing.
fn answers_late(life: &mut Life) {
    let events = life.alpha.events(None);
    let body = json!({"command": "sleep", "payload": {"seconds": 4}, "timeoutMs": 1000});
    let late = life.alpha.call_with("pico-2", &body);
    assert_eq!((late.status, &late.json["code"]), (504, &json!("device-timeout")));
    assert_eq!(late.json["outcome"], "unknown");
    let told = events.wait("command").data;
    assert_eq!(told["lateAnswer"], json!({"success": true, "data": "awake"}));
    assert_eq!((&told["commandId"], &told["status"]), (&late.json["commandId"], &json!("timed_out")));
}

fn carries_triggers(life: &mut Life) {
    let events = life.alpha.events(None);
    let ack = life.devices.trigger("pico-3", "too_hot", &json!({"v": 1}));
    assert_eq!(ack["received"], true, "{ack}");
    let event = events.wait("trigger");
    assert_eq!(event.data["triggerId"], ack["triggerId"], "one trigger has one name on both sides");
    assert_eq!(event.data["triggerName"], "too_hot");
    assert_eq!(event.data["deviceName"], "pico-3");
    assert_eq!(event.data["payload"], json!({"v": 1}));
    let again = life.alpha.events(Some("0"));
    assert_eq!(again.wait("device_connected").data["metadata"], json!({}));
    assert_eq!(again.wait("trigger").id, event.id, "a later reader reads the same");
}

/// What is said in both directions, by the names of the contract, whatever carries it; the key in its description is not shown.
fn is_seen_by_an_operator(life: &mut Life) {
    let tap = life.alpha.stream("/devices/pico-5/tap?payloads=true");
    let shown = |topic: &str, direction: &str| {
        let seen = std::iter::repeat_with(|| tap.wait("message").data);
        let seen = seen.into_iter().find(|seen| seen["topic"] == topic).expect("they do not end");
        assert_eq!(seen["direction"], direction, "{seen}");
        assert!(!seen.to_string().contains(&life.key), "{seen}");
        seen["payload"].clone()
    };
    life.must_answer("pico-5", "is anybody listening?");
    assert_eq!(shown("command", "out")["payload"], "is anybody listening?");
    assert_eq!(shown("response", "in")["data"], "is anybody listening?");
    assert_eq!(life.devices.trigger("pico-5", "seen", &json!({"by": "you"}))["received"], true);
    assert_eq!(shown("trigger", "in")["payload"], json!({"by": "you"}));
    assert_eq!(shown("trigger_ack", "out")["received"], true);
}

fn keeps_agents_apart(life: &mut Life) {
    let (alpha, beta) = (&life.alpha, &life.beta);
    assert_eq!(beta.get("/devices").json, json!({"devices": []}));
    assert_eq!(beta.tools(), Vec::<String>::new());
    assert_eq!(beta.call("pico-0", "echo", &Value::Null).status, 404);
    let foreign = beta.get_path("/v1/agents/alpha/devices");
    let unknown = beta.get_path("/v1/agents/nobody/devices");
    assert_eq!((foreign.status, &foreign.json), (404, &unknown.json), "foreign is unknown");
    assert!(
        beta.events(Some("0")).next(Duration::from_millis(300)).is_none(),
        "no event of alpha's reaches beta"
    );
    assert_eq!(alpha.get("/devices").status, 200);
    assert!(life.devices.others("error").is_empty(), "{:?}", life.devices.others("error"));
}

/// Its process stands still as if the power were cut, with the connection left open; then it goes on, and comes back by itself.
fn is_missed_when_its_heart_stops(life: &mut Life) {
    let mut lone = life.lone(&life.key, "lone");
    lone.beat("lone");
    let events = life.alpha.events(None);
    assert!(events.next(BEATS).is_none(), "a heart that beats is nothing to tell");
    signal(lone.pid(), "STOP");
    life.wait_status("lone", "late");
    assert!(life.has_tools("lone"), "one that is late keeps its tools");
    life.wait_status("lone", "offline");
    assert!(!life.has_tools("lone"));
    let gone = events.wait("device_disconnected").data;
    assert_eq!((&gone["deviceName"], &gone["reason"]), (&json!("lone"), &json!("heartbeat_timeout")));
    life.must_be_unreachable("lone");
    signal(lone.pid(), "CONT");
    lone.wait("disconnected", "lone");
    life.wait_status("lone", "online");
    life.wait_tools("lone");
    life.must_answer("lone", "I am back");
}

/// A second process comes under the same name while the first stands still, so that they do not fight.
fn is_taken_over_by_a_newer_one(life: &mut Life) {
    let first = life.lone(&life.key, "twin");
    let events = life.alpha.events(None);
    signal(first.pid(), "STOP");
    let epoch = life.alpha.get("/devices/twin").json["epoch"].as_u64();
    let mut second = life.lone(&life.key, "twin");
    let after = life.alpha.get("/devices/twin").json;
    assert_eq!(after["status"], "online");
    assert!(after["epoch"].as_u64() > epoch, "{after}");
    life.must_answer("twin", "which one?");
    second.wait("command", "twin");
    first.kill();
    life.must_answer("twin", "still the second");
    let mut seen = std::iter::from_fn(|| events.next(Duration::from_millis(300)));
    assert!(
        seen.all(|event| event.kind != "device_disconnected"),
        "nobody was told that it was gone, because it was not"
    );
}

fn is_disabled_and_enabled(life: &mut Life) {
    let mut lone = life.lone(&life.key, "switched");
    assert_eq!(life.alpha.post("/devices/switched/disable", &json!({}), &[]).status, 200);
    lone.wait("disconnected", "switched");
    life.wait_status("switched", "disabled");
    assert!(!life.has_tools("switched"));
    life.must_be_unreachable("switched");
    let mut refused = life.way.start(&life.gateway, "alpha", &life.key);
    refused.order(&json!({"do": "connect", "name": "switched"}));
    refused.wait_any(&["refused", "failed"], "switched");
    refused.kill();
    assert_eq!(life.alpha.status("switched"), "disabled");
    assert_eq!(life.alpha.post("/devices/switched/enable", &json!({}), &[]).status, 200);
    if !life.way.insists() {
        lone.connect("switched");
    }
    life.wait_tools("switched");
    life.must_answer("switched", "on again");
}

fn goes_with_its_key(life: &mut Life) {
    let key = life.gateway.add_key("alpha", "commands,triggers");
    let mut guest = wait_for("the new key is known", SOON, || {
        let mut guest = life.way.start(&life.gateway, "alpha", &key);
        guest.order(&json!({"do": "connect", "name": "guest"}));
        let seen = guest.wait_any(&["connected", "refused", "failed"], "guest");
        (seen["saw"] == "connected").then_some(guest)
    });
    life.wait_tools("guest");
    life.gateway.revoke(&key);
    let revoked = Instant::now();
    life.wait_status("guest", "offline");
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    guest.wait("disconnected", "guest");
    let gone = life.alpha.get("/devices/guest").json;
    assert_eq!(
        (&gone["reason"], &gone["closes"][0]["reason"]),
        (&json!("auth_failed"), &json!("auth_failed"))
    );
    assert!(!life.has_tools("guest"));
    life.must_be_unreachable("guest");
}

/// The gateway stops and is started again: every device returns by itself.
fn comes_back_after_a_restart(life: &mut Life) {
    life.handed_over += metric(&life.alpha.text("/metrics"), "gateway_handed_over_total");
    life.gateway.restart();
    come_back(life, "after the restart");
}

/// The same when it had no time to say goodbye.
fn comes_back_after_a_crash(life: &mut Life) {
    life.gateway.crash();
    come_back(life, "after the crash");
}

fn come_back(life: &mut Life, when: &str) {
    life.alpha = Agent::new(life.gateway.http, "alpha", &life.agent_key);
    for name in &life.names {
        life.wait_tools(name);
    }
    life.must_answer("pico-7", when);
}

fn goes_at_once_when_killed(life: &mut Life) {
    // In the middle of an upgrade a client may have no connection at all: then only its silence tells.
    for name in &life.names {
        life.way.wait_carried(name, &mut life.devices);
    }
    let events = life.alpha.events(None);
    let again = life.way.start(&life.gateway, "alpha", &life.key);
    std::mem::replace(&mut life.devices, again).kill();
    wait_for("the tools of the killed devices are gone at once", Duration::from_secs(1), || {
        life.names.iter().all(|name| !life.has_tools(name)).then_some(())
    });
    assert_eq!(life.alpha.status("pico-0"), "offline");
    assert!(
        events.wait("device_disconnected").data["deviceName"].as_str().expect("a name").starts_with("pico-")
    );
    let offline = life.alpha.tool("device__pico_0__is_online", &Value::Null);
    assert_eq!(offline.json["data"], json!({"status": "offline"}));
    life.must_be_unreachable("pico-0");
    life.devices.connect("pico-0");
    life.wait_tools("pico-0");
    life.must_answer("pico-0", "born again");
}
