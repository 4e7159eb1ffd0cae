//! B11 and B12: every route of the table and every topic of a device, with every kind of key. What is foreign is answered
//! exactly like what does not exist. A route that is added to the table is walked by itself.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use gateway::agent::routes::{Access, ROUTES, Route};
use gateway::device::topic::{Inbound, Outbound};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;
use support::agent::Agent;
use support::raw::{Hello, Raw, publish, subscribe};
use support::scene::{Echo, Scene};
use support::{Gateway, SOON, wait_for};

/// What only beta may ever see.
const MARK: &str = "only-of-beta";
const PUBACK: u8 = 0x40;

/// Every kind of key.
struct Keys {
    own: String,
    foreign: String,
    device: String,
    operator: String,
    revoked: String,
}

impl Keys {
    fn make(gateway: &Gateway) -> Self {
        let keys = Self {
            own: gateway.add_key("alpha", "agent"),
            foreign: gateway.add_key("beta", "agent"),
            device: gateway.add_key("alpha", "commands,triggers"),
            operator: gateway.add_key("ops", "operator"),
            revoked: gateway.add_key("alpha", "agent,commands,triggers,operator"),
        };
        let (id, _) =
            keys.revoked.strip_prefix("api_").and_then(|rest| rest.split_once('.')).expect("a form");
        let data = gateway.data_dir();
        let done = support::gateway().args(["keys", "revoke", id, "--data"]).arg(&data).status();
        assert!(done.is_ok_and(|status| status.success()));
        let agent = Agent::new(gateway.http, "alpha", &keys.revoked);
        wait_for("the keys are known", SOON, || {
            let operator = Agent::new(gateway.http, "alpha", &keys.operator).get("/devices").status;
            (operator == 200 && agent.get("/devices").status == 401).then_some(())
        });
        keys
    }

    /// Those that are no key: revoked, never made, malformed, none at all.
    fn worthless(&self) -> [Option<String>; 4] {
        let never = format!("api_00000000-0000-4000-8000-000000000000.{}", "A".repeat(43));
        [Some(self.revoked.clone()), Some(never), Some("garbage \u{e9}".into()), None]
    }
}

/// A status and a body.
type Answer = (u16, String);

fn ask(gateway: &Gateway, route: &Route, agent: &str, name: &str, key: Option<&str>) -> Answer {
    let places = route.pattern.replace("{agent}", agent);
    let path = match places.split_once('{') {
        Some((before, rest)) => {
            let (_, after) = rest.split_once('}').expect("a place ends");
            assert!(!after.contains('{'), "{}: this walk knows two places", route.pattern);
            format!("{before}{name}{after}")
        }
        None => places,
    };
    let method = format!("{:?}", route.method).to_uppercase();
    let body = if ["POST", "PATCH", "PUT"].contains(&method.as_str()) {
        json!({"command": "echo", "name": name, "payload": {}}).to_string()
    } else {
        String::new()
    };
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    if let Some(key) = key {
        write!(request, "Authorization: Bearer {key}\r\n").expect("a String");
    }
    write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("a String");
    let mut raw = Raw::sending(gateway.http, request.as_bytes());
    let whole = |heard: &[u8]| {
        let text = String::from_utf8_lossy(heard).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let bytes =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        let whole = head.contains("text/event-stream") || body.len() >= bytes.unwrap_or(0);
        let status = head.get(9..12)?.parse().ok()?;
        whole.then(|| (status, body.to_owned()))
    };
    raw.hear(SOON, whole).unwrap_or_else(|| panic!("{method} {path}: no answer"))
}

#[test]
fn b11_every_route_with_every_kind_of_key() {
    let scene = Scene::on_cores(2, "auth_failures_max = 0");
    let gateway = &scene.gateway;
    let keys = Keys::make(gateway);
    let beta_key = gateway.add_key("beta", "commands,triggers");
    let device = wait_for("beta's key is known", SOON, || {
        let mut raw = Raw::sending(gateway.mqtt, &Hello::new("beta", MARK, &beta_key).packet());
        raw.hear(SOON, |heard| (heard.len() >= 4).then(|| heard[3] == 0)).unwrap_or(false).then_some(raw)
    });
    for route in ROUTES {
        let Route { pattern, method, .. } = route;
        let what = format!("{method:?} {pattern}");
        match route.access {
            Access::Open => open_to_all(gateway, route, &what, &keys),
            Access::AnyKey | Access::Operator => needs_a_key(gateway, route, &what, &keys),
            Access::OwnAgent => is_of_one_agent(gateway, route, &what, &keys),
        }
    }
    // Nothing that was asked with a wrong key has done anything.
    scene.must_serve("after every route was walked with every wrong key");
    let beta = Agent::new(gateway.http, "beta", &keys.foreign);
    assert_eq!(beta.status(MARK), "online");
    drop(device);
    for route in ROUTES.iter().filter(|route| route.access == Access::OwnAgent) {
        for key in [&keys.own, &keys.operator] {
            let (status, body) = ask(gateway, route, "alpha", "bystander", Some(key));
            assert!(![401, 403].contains(&status), "{}: {status} {body}", route.pattern);
            assert!(!body.contains(MARK), "{}: {body}", route.pattern);
        }
    }
}

fn open_to_all(gateway: &Gateway, route: &Route, what: &str, keys: &Keys) {
    let nobody = ask(gateway, route, "alpha", "bystander", None);
    assert!(![401, 403].contains(&nobody.0), "{what}: {nobody:?}");
    for key in [&keys.own, &keys.foreign, &keys.device, &keys.operator, &keys.revoked] {
        assert_eq!(ask(gateway, route, "alpha", "bystander", Some(key)), nobody, "{what}");
    }
    assert!(!nobody.1.contains(MARK) && !nobody.1.contains("bystander"), "{what}: {nobody:?}");
}

fn needs_a_key(gateway: &Gateway, route: &Route, what: &str, keys: &Keys) {
    for key in keys.worthless() {
        assert_eq!(ask(gateway, route, "", "", key.as_deref()).0, 401, "{what}");
    }
    let others = if route.access == Access::Operator { 403 } else { 200 };
    for key in [&keys.own, &keys.foreign, &keys.device] {
        let (status, body) = ask(gateway, route, "", "", Some(key));
        assert_eq!(status, others, "{what}: {body}");
        assert!(!body.contains(MARK), "{what}: {body}");
    }
    let (status, body) = ask(gateway, route, "", "", Some(&keys.operator));
    assert_eq!(status, 200, "{what}: {body}");
    assert!(!body.contains(MARK), "no label names a device: {body}");
}

fn is_of_one_agent(gateway: &Gateway, route: &Route, what: &str, keys: &Keys) {
    let answer = |agent: &str, name: &str, key: Option<&str>| ask(gateway, route, agent, name, key);
    for name in ["bystander", "never-seen"] {
        let unknown = answer("nobody", name, Some(&keys.foreign));
        assert_eq!(unknown.0, 404, "{what}: {unknown:?}");
        assert_eq!(answer("alpha", name, Some(&keys.foreign)), unknown, "{what}: foreign is not unknown");
        assert_eq!(answer("beta", name, Some(&keys.own)), unknown, "{what}: foreign is not unknown");
        assert_eq!(answer("alpha", name, Some(&keys.device)).0, 403, "{what}: a device's key");
        assert_eq!(answer("beta", name, Some(&keys.device)), unknown, "{what}: a foreign device's key");
        assert_eq!(answer("nobody", name, Some(&keys.operator)), unknown, "{what}: an operator");
        for key in keys.worthless() {
            let at_alpha = answer("alpha", name, key.as_deref());
            assert_eq!(at_alpha.0, 401, "{what}: {key:?}");
            assert_eq!(answer("nobody", name, key.as_deref()), at_alpha, "{what}: {key:?}");
        }
    }
    let foreign = answer("beta", MARK, Some(&keys.own));
    assert_eq!(foreign, answer("nobody", MARK, Some(&keys.own)), "{what}");
    assert!(!foreign.1.contains(MARK), "{what}: {foreign:?}");
}

#[test]
fn b11_every_kind_of_key_as_a_device() {
    let scene = Scene::on_cores(2, "auth_failures_max = 0");
    let keys = Keys::make(&scene.gateway);
    let code = |agent: &str, key: &str| {
        let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new(agent, "d", key).packet());
        raw.hear(SOON, |heard| heard.get(3).copied()).expect("CONNACK")
    };
    assert_eq!(code("alpha", &keys.device), 0);
    for agent in ["beta", "ops", "nobody"] {
        assert_eq!(code(agent, &keys.device), 5, "{agent}");
    }
    for key in [keys.own.clone(), keys.foreign.clone(), keys.operator.clone()] {
        assert_eq!(code("alpha", &key), 5);
    }
    for key in keys.worthless().into_iter().flatten() {
        assert_eq!(code("alpha", &key), 5);
    }
    let nameless = [
        0x10, 0x13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 7, b'l', b'u', b'a', b'-', b'a', b'-', b'd',
    ];
    let mut raw = Raw::sending(scene.gateway.mqtt, &nameless);
    assert_eq!(raw.hear(SOON, |heard| heard.get(3).copied()), Some(5), "no key at all");
}

#[test]
fn b11_every_topic_of_somebody_else() {
    let scene = Scene::on_cores(2, "");
    let gateway = &scene.gateway;
    let beta_key = gateway.add_key("beta", "commands,triggers");
    let beta = Agent::new(gateway.http, "beta", &gateway.add_key("beta", "agent"));
    wait_for("the keys are known", SOON, || (beta.get("/devices").status == 200).then_some(()));
    let events = beta.events(None);
    let mut victim = Raw::sending(gateway.mqtt, &Hello::new("beta", "victim", &beta_key).packet());
    victim.take(4);
    let neighbour = Echo::connect(gateway.mqtt, "neighbour", &scene.key);
    let mut spy = Raw::sending(gateway.mqtt, &Hello::new("alpha", "spy", &scene.key).packet());
    spy.take(4);

    let inbound = ["status", "response", "trigger", "heartbeat"];
    assert!(inbound.iter().all(|suffix| Inbound::parse(suffix).is_some()));
    let outbound = Outbound::ALL.map(Outbound::suffix);
    let mut id = 0;
    for owner in ["beta/victim", "alpha/neighbour", "alpha/bystander", "nobody/nothing"] {
        for suffix in outbound.iter().chain(&inbound) {
            id += 1;
            let topic = format!("lua/devices/{owner}/{suffix}");
            spy.send(&subscribe(id, &[(&topic, 1)]));
            assert_eq!(spy.packet(), [0x90, 3, 0, id as u8, 0x80], "{topic}");
            id += 1;
            let payload =
                json!({"triggerName": "forged", "apiKey": scene.key, "commands": [], "success": true});
            spy.send(&publish(0x32, &topic, Some(id), payload.to_string().as_bytes()));
            let puback = wait_for("its PUBACK", SOON, || {
                let packet = spy.packet();
                (packet[0] == PUBACK).then_some(packet)
            });
            assert_eq!(puback, [PUBACK, 2, 0, id as u8], "{topic}: acknowledged and dropped");
        }
    }
    for suffix in outbound {
        id += 1;
        spy.send(&subscribe(id, &[(&format!("lua/devices/alpha/spy/{suffix}"), 1)]));
        assert_eq!(spy.packet()[4], 1, "its own {suffix}");
    }
    scene.must_serve("while somebody publishes for others");
    while let Some(event) = events.next(Duration::from_millis(300)) {
        assert_eq!(event.data["deviceName"], "victim", "{}", event.data);
        assert_eq!(event.kind, "device_connected", "{}", event.data);
    }
    victim.must_stay_open("the victim", Duration::from_millis(100));
    assert!(!neighbour.is_gone());
}

#[test]
fn b12_a_cursor_of_another_agent_shows_nothing_of_his() {
    let scene = Scene::on_cores(2, "");
    let gateway = &scene.gateway;
    let beta_key = gateway.add_key("beta", "commands,triggers");
    let beta = Agent::new(gateway.http, "beta", &gateway.add_key("beta", "agent"));
    wait_for("the keys are known", SOON, || (beta.get("/devices").status == 200).then_some(()));
    let events = beta.events(None);
    for n in 0..5 {
        let mut raw =
            Raw::sending(gateway.mqtt, &Hello::new("beta", &format!("{MARK}-{n}"), &beta_key).packet());
        raw.take(4);
    }
    let cursors: Vec<String> = (0..5).map(|_| events.wait("device_connected").id).collect();
    for cursor in cursors.iter().map(String::as_str).chain(["0"]) {
        let seen = scene.alpha.events(Some(cursor));
        while let Some(event) = seen.next(Duration::from_millis(200)) {
            let text = event.data.to_string();
            assert!(!text.contains(MARK), "{cursor}: {text}");
        }
    }
    assert_ne!(beta.get("/devices").json, Value::Null);
}
