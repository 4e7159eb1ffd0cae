//! Wills, retained messages, sessions and tenants: the rows B1 to B10 of the list of attacks, against the real gateway. Each
//! test checks what the bad peer sees, that a new correct client is served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::agent::Agent;
use support::device::{Device, Word};
use support::raw::{AT_ONCE, Hello, Raw, publish, subscribe};
use support::scene::Scene;
use support::{SOON, gateway, wait_for};

const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];
const QUIET: Duration = Duration::from_millis(500);

fn accepted(scene: &Scene, device: &str) -> Raw {
    let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", device, &scene.key).packet());
    assert_eq!(raw.take(4), ACCEPTED);
    raw
}

/// A second tenant: an agent, and a device's key.
fn beta(scene: &Scene) -> (Agent, String) {
    let (agent_key, key) =
        (scene.gateway.add_key("beta", "agent"), scene.gateway.add_key("beta", "commands,triggers"));
    let beta = Agent::new(scene.gateway.http, "beta", &agent_key);
    wait_for("the keys count", SOON, || (beta.get("/devices").status == 200).then_some(()));
    wait_for("both keys count", SOON, || {
        let raw = Raw::sending(scene.gateway.mqtt, &Hello::new("beta", "probe", &key).packet());
        let mut raw = raw;
        (raw.take(4) == ACCEPTED).then_some(())
    });
    (beta, key)
}

fn described(scene: &Scene, name: &str) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, false);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    device
}

/// Asserts that a device is told nothing for a while.
fn hears_nothing(device: &mut Device) {
    let until = Instant::now() + QUIET;
    while Instant::now() < until {
        let word = device.hear(Duration::from_millis(50));
        assert!(matches!(word, None | Some(Word::Other | Word::Puback(_))), "{word:?}");
    }
}

#[test]
fn b01_a_will_on_a_foreign_topic_is_refused_and_an_own_one_means_nothing() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut victim = described(&scene, "victim");
    let command = r#"{"commandId":"c","command":"run"}"#;
    let topics = [
        "lua/devices/alpha/victim/command",
        "lua/devices/alpha/victim/status",
        "lua/devices/alpha/bad/command",
        "lua/devices/alpha/bad/trigger",
        "lua/devices/beta/bad/status",
        "$CONTROL/x",
        "$SYS/x",
        "x",
    ];
    for topic in topics {
        let hello = Hello::new("alpha", "bad", &scene.key).with_will(topic, command);
        Raw::sending(scene.gateway.mqtt, &hello.packet()).must_be_closed(topic, &NOT_AUTHORIZED);
    }
    let hello = Hello::new("alpha", "bad", &scene.key).with_will(
        "lua/devices/alpha/bad/status",
        r#"{"status":"online","apiKey":"x","commands":[{"name":"evil"}]}"#,
    );
    let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
    assert_eq!(raw.take(4), ACCEPTED);
    raw.reset();
    let gone = wait_for("the device is gone", SOON, || {
        let event = events.wait("device_disconnected").data;
        (event["deviceName"] == "bad").then_some(event)
    });
    assert_eq!(gone["reason"], "connection_lost");
    assert_eq!(scene.alpha.status("bad"), "offline", "what a will says is not asked");
    assert_eq!(scene.alpha.get("/devices/bad").json["commands"], json!([]));
    hears_nothing(&mut victim);
    scene.must_serve("after B1");
}

#[test]
fn b02_nothing_is_retained() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "bad");
    for (id, payload) in [(1, r#"{"status":"offline"}"#), (2, r#"{"status":"online","group":"kept"}"#)] {
        raw.send(&publish(0x33, "lua/devices/alpha/bad/status", Some(id), payload.as_bytes()));
        assert_eq!(raw.take(4), [0x40, 2, 0, id as u8]);
        assert_eq!(scene.alpha.status("bad"), "online", "presence is the connection, whatever is retained");
    }
    let foreign = publish(0x33, "lua/devices/alpha/bystander/command", Some(3), b"{}");
    raw.send(&foreign);
    assert_eq!(raw.take(4), [0x40, 2, 0, 3]);
    drop(raw);
    let mut again = accepted(&scene, "bad");
    again.send(&subscribe(1, &[("lua/devices/alpha/bad/status", 1), ("lua/devices/alpha/bad/command", 1)]));
    assert_eq!(again.take(6), [0x90, 4, 0, 1, 0x80, 1], "its own status is not to be listened to");
    again.must_stay_open("a new subscriber", QUIET);
    scene.must_serve("after B2");
}

#[test]
fn b03_a_secret_in_a_status_is_seen_nowhere() {
    let scene = Scene::start("");
    let events = scene.alpha.events(Some("0"));
    let mut raw = accepted(&scene, "bad");
    let status =
        json!({"status": "online", "apiKey": scene.key, "group": "g", "commands": [{"name": "run"}]});
    raw.send(&publish(0x33, "lua/devices/alpha/bad/status", Some(1), status.to_string().as_bytes()));
    assert_eq!(raw.take(4), [0x40, 2, 0, 1]);
    let mut wrong = accepted(&scene, "worse");
    let typo = "api_wrong-but-still-secret";
    let status = json!({"status": "online", "apiKey": typo, "commands": []});
    wrong.send(&publish(0x33, "lua/devices/alpha/worse/status", Some(1), status.to_string().as_bytes()));
    wrong.must_be_closed("a status with a wrong key", &[0x40, 2, 0, 1]);
    let trigger = publish(0x32, "lua/devices/alpha/bad/trigger", Some(2), b"{\"triggerName\":\"t\"}");
    raw.send(&trigger);
    let mut seen = String::new();
    loop {
        let event = events.next(SOON).expect("the trigger comes");
        seen.push_str(&event.data.to_string());
        if event.kind == "trigger" {
            break;
        }
    }
    for path in ["/devices", "/devices/bad", "/devices/worse", "/tools", "/commands"] {
        seen.push_str(&scene.alpha.get(path).json.to_string());
    }
    seen.push_str(&scene.metrics());
    seen.push_str(&scene.gateway.log());
    assert!(seen.contains("\"bad\"") && seen.contains("gateway_connections_total"));
    for secret in [scene.key.as_str(), &scene.key[scene.key.len() - 20..], typo] {
        assert!(!seen.contains(secret), "a secret is somewhere");
    }
    scene.must_serve("after B3");
}

#[test]
fn b04_a_revoked_key_ends_its_connections_and_what_waits_for_them() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let key = scene.gateway.add_key("alpha", "commands,triggers");
    let connect = |name: &str| {
        let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &key, false);
        device.describe(&key, &json!([{"name": "run"}]), 1);
        device.settle_in();
        device
    };
    wait_for("the key counts", SOON, || {
        let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "probe", &key).packet());
        (raw.take(4) == ACCEPTED).then_some(())
    });
    let mut here = connect("here");
    drop(connect("away"));
    wait_for("it is away", SOON, || (scene.alpha.status("away") == "offline").then_some(()));
    let body = json!({"command": "run", "offline": "queue"});
    let queued = scene.alpha.post("/devices/away/commands", &body, &[]);
    assert_eq!(queued.status, 202, "{}", queued.json);
    let id = queued.json["commandId"].as_str().expect("an id").to_owned();

    let data = scene.gateway.data_dir();
    let list = gateway().args(["keys", "list", "--data"]).arg(&data).output().expect("keys list runs");
    let list = String::from_utf8(list.stdout).expect("text");
    let newest = list.lines().last().and_then(|line| line.split_whitespace().next()).expect("an id");
    let revoked =
        gateway().args(["keys", "revoke", newest, "--data"]).arg(&data).status().expect("keys revoke runs");
    assert!(revoked.success(), "{list}");
    let since = Instant::now();
    here.wait("the end", |word| matches!(word, Word::Closed).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let gone = wait_for("the agent is told", SOON, || {
        let event = events.wait("device_disconnected").data;
        (event["deviceName"] == "here").then_some(event)
    });
    assert_eq!(gone["reason"], "auth_failed");
    let story = wait_for("what waited is over", SOON, || {
        let story = scene.alpha.command(&id).json;
        (story["status"] == "failed").then_some(story)
    });
    assert_eq!((&story["outcome"], &story["error"]["code"]), (&json!("not_sent"), &json!("device-offline")));
    let hello = Hello::new("alpha", "here", &key);
    Raw::sending(scene.gateway.mqtt, &hello.packet()).must_be_closed("the revoked key", &NOT_AUTHORIZED);
    scene.must_serve("after B4");
}

#[test]
fn b05_a_session_belongs_to_the_pair_and_not_to_the_client_id() {
    let scene = Scene::start("");
    let (beta, beta_key) = beta(&scene);
    let mut victim = described(&scene, "victim");
    for flags in [0xc2, 0xc0] {
        let stolen = Hello {
            client_id: b"lua-alpha-victim".to_vec(),
            flags,
            ..Hello::new("beta", "thief", &beta_key)
        };
        Raw::sending(scene.gateway.mqtt, &stolen.packet())
            .must_be_closed("a client id of another", &NOT_AUTHORIZED);
        let stolen = Hello { flags, ..Hello::new("alpha", "victim", &beta_key) };
        Raw::sending(scene.gateway.mqtt, &stolen.packet())
            .must_be_closed("a name of another", &NOT_AUTHORIZED);
    }
    // One client id, two pairs: (beta, x-y) and (beta-x, y). Both live, apart from each other.
    let twin_key = scene.gateway.add_key("beta-x", "commands,triggers");
    wait_for("the key counts", SOON, || {
        let hello = Hello::new("beta-x", "y", &twin_key);
        (Raw::sending(scene.gateway.mqtt, &hello.packet()).take(4) == ACCEPTED).then_some(())
    });
    let mut first = Raw::sending(scene.gateway.mqtt, &Hello::new("beta", "x-y", &beta_key).packet());
    assert_eq!(first.take(4), ACCEPTED);
    let mut second = Raw::sending(scene.gateway.mqtt, &Hello::new("beta-x", "y", &twin_key).packet());
    assert_eq!(second.take(4), ACCEPTED);
    first.must_stay_open("the first of two with one client id", QUIET);
    assert_eq!(beta.status("x-y"), "online");
    hears_nothing(&mut victim);
    assert_eq!(scene.alpha.status("victim"), "online");
    scene.must_serve("after B5");
}

#[test]
fn b06_only_the_six_own_topics_are_listened_to() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "bad");
    let foreign = [
        "#",
        "+/#",
        "lua/devices/+/+/status",
        "lua/devices/alpha/bad/#",
        "lua/devices/alpha/+/command",
        "lua/devices/alpha/bystander/command",
        "lua/devices/beta/bad/command",
        "/lua/devices/alpha/bad/command",
        "lua/devices/alpha/bad/command/",
        "lua/devices/alpha/bad/response",
    ];
    for filter in foreign {
        raw.send(&subscribe(7, &[(filter, 1)]));
        assert_eq!(raw.take(5), [0x90, 3, 0, 7, 0x80], "{filter}");
    }
    let own = ["command", "connected", "trigger_ack", "trigger_result", "error", "pong"];
    let own = own.map(|suffix| format!("lua/devices/alpha/bad/{suffix}"));
    for (filter, qos) in own.iter().flat_map(|filter| [(filter, 0), (filter, 1), (filter, 2)]) {
        raw.send(&subscribe(7, &[(filter, qos)]));
        assert_eq!(raw.take(5), [0x90, 3, 0, 7, qos.min(1)], "{filter} at {qos}");
    }
    scene.must_serve("after B6");
    raw.must_stay_open("others were busy", QUIET);
}

#[test]
fn b07_shares_and_prefixes_are_refused() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "bad");
    let own = "lua/devices/alpha/bad/command";
    for filter in ["$share/g/#", "$share//x", "$queue/x", "$share/g/lua/devices/alpha/bad/command", "$MQTT/x"]
    {
        raw.send(&subscribe(7, &[(filter, 1), (own, 1)]));
        assert_eq!(raw.take(6), [0x90, 4, 0, 7, 0x80, 1], "{filter}");
    }
    scene.must_serve("after B7");
}

#[test]
fn b08_dollar_topics_do_not_exist() {
    let scene = Scene::start("");
    let dropped = "gateway_dropped_total{reason=\"closed_topic\"}";
    let before = scene.metric(dropped);
    let mut raw = accepted(&scene, "bad");
    let topics = ["$SYS/x", "$x", "$", "$SYS/broker/uptime"];
    for topic in topics {
        raw.send(&publish(0x32, topic, Some(5), b"x"));
        assert_eq!(raw.take(4), [0x40, 2, 0, 5], "{topic}");
    }
    raw.send(&subscribe(7, &[("$SYS/#", 1)]));
    assert_eq!(raw.take(5), [0x90, 3, 0, 7, 0x80]);
    assert_eq!(scene.metric(dropped) - before, topics.len() as f64, "dropped and counted");
    scene.must_serve("after B8");
}

#[test]
fn b09_publishing_for_others_is_dropped_and_said_once_a_minute() {
    let scene = Scene::start("");
    let (beta, beta_key) = beta(&scene);
    let alphas = scene.alpha.events(None);
    let betas = beta.events(None);
    let mut victim = described(&scene, "victim");
    let mut bad = Device::connect(scene.gateway.mqtt, "beta", "bad", &beta_key, true);
    bad.describe(&beta_key, &json!([]), 1);
    bad.settle_in();
    betas.wait("manifest");
    let trigger = r#"{"triggerName":"forged","payload":{}}"#;
    for (id, topic) in (20..).zip([
        "lua/devices/alpha/victim/trigger",
        "lua/devices/alpha/victim/status",
        "lua/devices/alpha/victim/command",
        "lua/devices/alpha/victim/response",
        "lua/devices/beta/other/trigger",
        "lua/devices/beta/bad/trigger/x",
        "lua/devices/beta/bad/command",
        "lua/devices/beta/bad/trigger_ack",
    ]) {
        bad.raw(&publish(0x32, topic, Some(id), trigger.as_bytes()));
    }
    let (mut acknowledged, mut errors) = (0, Vec::new());
    while acknowledged < 8 || errors.is_empty() {
        match bad.hear(SOON).expect("each is acknowledged") {
            Word::Puback(_) => acknowledged += 1,
            Word::Message { suffix, json, .. } if suffix == "error" => errors.push(json),
            other => panic!("{other:?}"),
        }
    }
    hears_nothing(&mut bad);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["code"], "TOPIC_FORBIDDEN");
    hears_nothing(&mut victim);
    for events in [&alphas, &betas] {
        while let Some(event) = events.next(Duration::from_millis(300)) {
            assert!(event.kind != "trigger", "{event:?}");
        }
    }
    scene.must_serve("after B9");
}

#[test]
fn b10_a_device_disabled_meanwhile_is_not_seated() {
    let scene = Scene::start("takeovers_per_minute = 1\ntakeover_hold_ms = 1500");
    let mut fighters = [accepted(&scene, "twin"), accepted(&scene, "twin")];
    let mut newcomer = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "twin", &scene.key).packet());
    wait_for("it is held back", SOON, || {
        (scene.metric("gateway_connections_held_total") == 1.0).then_some(())
    });
    let disabled = scene.alpha.post("/devices/twin/disable", &json!({}), &[]);
    assert_eq!(disabled.status, 200, "{}", disabled.json);
    fighters[1].must_be_closed("the seated one", &[]);
    let heard = newcomer.closed_within(Duration::from_secs(4)).expect("the other is turned away");
    assert_eq!(heard, NOT_AUTHORIZED);
    assert_eq!(scene.alpha.status("twin"), "disabled");
    scene.must_serve("after a device was disabled");
}

#[test]
fn b10_two_devices_of_one_identity_are_slowed_down() {
    let scene = Scene::start("takeover_hold_ms = 1000");
    let events = scene.alpha.events(None);
    let mut fighters: Vec<Raw> = Vec::new();
    for round in 0..6 {
        // The first takes an empty seat, the next five take it over.
        let since = Instant::now();
        fighters.push(accepted(&scene, "twin"));
        assert!(since.elapsed() < Duration::from_millis(900), "round {round} took {:?}", since.elapsed());
        assert_eq!(scene.alpha.status("twin"), "online");
    }
    for loser in &mut fighters[..5] {
        loser.must_be_closed("a loser", &[]);
    }
    let since = Instant::now();
    let mut newcomer = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "twin", &scene.key).packet());
    let conflict = events.wait("device_conflict").data;
    assert_eq!((&conflict["deviceName"], &conflict["takeovers"]), (&json!("twin"), &json!(5)));
    scene.must_serve("while a newcomer is held back");
    assert_eq!(newcomer.take(4), ACCEPTED);
    assert!(since.elapsed() >= Duration::from_millis(990), "held for {:?}", since.elapsed());
    fighters[5].must_be_closed("the one it replaces", &[]);
    let since = Instant::now();
    let mut last = accepted(&scene, "twin");
    assert!(since.elapsed() >= Duration::from_millis(1990), "held longer: {:?}", since.elapsed());
    newcomer.must_be_closed("the one before", &[]);
    last.must_stay_open("the newest wins", QUIET);
    // The one that is seated goes while another is held back: that one sits down at once.
    let since = Instant::now();
    let mut heir = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "twin", &scene.key).packet());
    wait_for("it is held back", SOON, || {
        (scene.metric("gateway_connections_held_total") == 3.0).then_some(())
    });
    drop(last);
    assert_eq!(heir.take(4), ACCEPTED);
    assert!(since.elapsed() < Duration::from_millis(2900), "the fight is over: {:?}", since.elapsed());
    assert_eq!(scene.alpha.status("twin"), "online");
    let mut kinds: Vec<Value> = Vec::new();
    while let Some(event) = events.next(Duration::from_millis(300)) {
        if event.data["deviceName"] == "twin" {
            kinds.push(json!(event.kind));
        }
    }
    assert!(!kinds.contains(&json!("device_disconnected")), "never shown offline: {kinds:?}");
    assert_eq!(scene.metric("gateway_connections_held_total"), 3.0);
    let log = scene.gateway.log();
    assert!(log.contains("two connections fight for one device"), "{log}");
    drop(heir);
    wait_for("it is gone", AT_ONCE * 5, || (scene.alpha.status("twin") == "offline").then_some(()));
}
