//! Who may be here: keys that are taken back, wrong keys, keys that lack an operation. The real process, seen from outside.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use codec::mqtt::ConnectCode;
use serde_json::json;
use std::time::{Duration, Instant};
use support::agent::Agent;
use support::device::{Device, Word};
use support::raw::{Hello, Raw};
use support::scene::Scene;
use support::{Gateway, SOON, signal, wait_for};

const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];

/// The id of the key with this secret.
fn id_of(secret: &str) -> &str {
    let (id, _) = secret.strip_prefix("api_").and_then(|rest| rest.split_once('.')).expect("a secret's form");
    id
}

fn keys(gateway: &Gateway, words: &[&str]) -> String {
    let data = gateway.data_dir();
    let output =
        support::gateway().arg("keys").args(words).arg("--data").arg(&data).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// CONNECT, and the code of the answer; none when the connection was closed without one.
fn log_in(device: &mut Device) -> Option<ConnectCode> {
    match device.hear(SOON) {
        Some(Word::Connack { code, .. }) => Some(code),
        Some(Word::Closed) => None,
        other => panic!("instead of CONNACK: {other:?}"),
    }
}

fn connect(scene: &Scene, name: &str, key: &str) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, key, true);
    assert_eq!(log_in(&mut device), Some(ConnectCode::Accepted));
    device
}

fn error_code(device: &mut Device) -> String {
    device.wait("an error", |word| match word {
        Word::Message { suffix, json, .. } if suffix == "error" => {
            Some(json["code"].as_str().expect("a code").to_owned())
        }
        _ => None,
    })
}

#[test]
fn b4_a_revoked_key_ends_devices_streams_and_waiting_requests_within_a_second() {
    let scene = Scene::on_cores(2, "");
    let device_key = scene.gateway.add_key("alpha", "commands,triggers");
    let agent_key = scene.gateway.add_key("alpha", "agent");
    let agent = Agent::new(scene.gateway.http, "alpha", &agent_key);
    wait_for("the keys are known", SOON, || (agent.get("/devices").status == 200).then_some(()));

    let mut device = connect(&scene, "mute", &device_key);
    device.describe(&device_key, &json!([{"name": "wait"}]), 1);
    assert!(device.flush());
    wait_for("its tool", SOON, || agent.tools().contains(&"device__mute__wait".to_owned()).then_some(()));
    let mut stream = Raw::sending(
        scene.gateway.http,
        format!(
            "GET /v1/agents/alpha/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {agent_key}\r\n\r\n"
        )
        .as_bytes(),
    );
    assert!(
        stream.hear(SOON, |heard| heard.windows(4).any(|four| four == b"\r\n\r\n").then_some(())).is_some()
    );
    let waiting = std::thread::spawn(move || {
        let answer = agent.call("mute", "wait", &json!({}));
        (answer, Instant::now())
    });
    device.wait("the command", |word| match word {
        Word::Message { suffix, .. } if suffix == "command" => Some(()),
        _ => None,
    });

    keys(&scene.gateway, &["revoke", id_of(&agent_key)]);
    let revoked = Instant::now();
    assert!(stream.closed_within(Duration::from_secs(1)).is_some(), "the stream is still open");
    let (answer, at) = waiting.join().expect("an answer");
    assert_eq!((answer.status, answer.json["code"].as_str()), (401, Some("unauthorized")), "{}", answer.json);
    assert!(at.saturating_duration_since(revoked) < Duration::from_secs(1));

    keys(&scene.gateway, &["revoke", id_of(&device_key)]);
    let revoked = Instant::now();
    device.wait("the end", |word| matches!(word, Word::Closed).then_some(()));
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    let gone = wait_for("its absence", SOON, || {
        let device = scene.alpha.get("/devices/mute").json;
        (device["status"] == "offline").then_some(device)
    });
    assert_eq!(gone["reason"], "auth_failed");
    scene.must_serve("after two keys were revoked");
}

#[test]
fn a_rotated_key_is_another_key_at_once() {
    let scene = Scene::start("");
    let old = scene.gateway.add_key("alpha", "agent");
    let agent = Agent::new(scene.gateway.http, "alpha", &old);
    wait_for("the key is known", SOON, || (agent.get("/devices").status == 200).then_some(()));
    let printed = keys(&scene.gateway, &["rotate", id_of(&old)]);
    let new = printed.lines().last().expect("the secret is the last line");
    assert_eq!(id_of(new), id_of(&old));
    let renewed = Agent::new(scene.gateway.http, "alpha", new);
    wait_for("the new one is known", SOON, || (renewed.get("/devices").status == 200).then_some(()));
    assert_ne!(agent.get("/devices").status, 200);
    assert!(keys(&scene.gateway, &["list"]).contains(id_of(&old)));
}

#[test]
fn c2_unknown_agents_devices_and_wrong_keys_are_answered_alike() {
    let scene = Scene::start("auth_failures_max = 0");
    let exactly = keys(&scene.gateway, &["add", "--agent", "alpha", "--device", "mine"]);
    let exactly = exactly.lines().last().expect("a secret").to_owned();
    wait_for("the key is known", SOON, || {
        let mut device = Device::connect(scene.gateway.mqtt, "alpha", "mine", &exactly, true);
        (log_in(&mut device) == Some(ConnectCode::Accepted)).then_some(())
    });
    let never = format!("api_{}.{}", "00000000-0000-4000-8000-000000000000", "A".repeat(43));
    let wrong = [
        ("alpha", "mine", "wrong"),
        ("alpha", "mine", &never),
        ("alpha", "another", &exactly),
        ("beta", "mine", &exactly),
        ("nobody", "mine", "wrong"),
        ("alpha", "mine", &scene.agent_key),
    ];
    for (agent, device, key) in wrong {
        let hello = Hello::new(agent, device, key).packet();
        Raw::sending(scene.gateway.mqtt, &hello).must_be_closed(device, &NOT_AUTHORIZED);
    }
    let body = |key: &str, agent: &str| {
        let answer = Agent::new(scene.gateway.http, agent, key).get("/devices");
        (answer.status, answer.json.to_string())
    };
    assert_eq!(body("wrong", "alpha"), body("wrong", "nobody"));
    assert_eq!(body("wrong", "alpha"), body(&never, "alpha"));
}

#[test]
fn c8_nothing_behind_a_refused_connect_is_looked_at() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut bytes = Hello::new("alpha", "bad", "wrong").packet();
    bytes.extend(support::raw::subscribe(1, &[("lua/devices/alpha/bad/command", 1)]));
    let trigger = json!({"triggerName": "smuggled", "payload": {}}).to_string();
    bytes.extend(support::raw::publish(0x32, "lua/devices/alpha/bad/trigger", Some(2), trigger.as_bytes()));
    Raw::sending(scene.gateway.mqtt, &bytes).must_be_closed("a wrong key and more", &NOT_AUTHORIZED);
    let good = connect(&scene, "good", &scene.key);
    let event = events.wait("device_connected");
    assert_eq!(event.data["deviceName"], "good", "nothing of the bad one was heard before");
    drop(good);
    assert_eq!(scene.alpha.get("/devices/bad").status, 404);
}

#[test]
fn l15_wrong_keys_are_rate_limited_and_a_right_one_never_is() {
    let scene = Scene::on_cores(2, "auth_lockout_ms = 600000");
    let wrong = Agent::new(scene.gateway.http, "alpha", "wrong");
    let limited = wait_for("the lock", SOON, || {
        let answer = wrong.get("/devices");
        assert!([401, 429].contains(&answer.status), "{}", answer.status);
        (answer.status == 429).then_some(answer)
    });
    assert_eq!(limited.json["code"], "rate-limited");
    let ms = limited.json["retryAfterMs"].as_u64().expect("a number");
    assert!((590_000..=600_000).contains(&ms), "{ms}");

    let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "bad", "wrong").packet());
    let asked = Instant::now();
    raw.must_stay_open("a barred one is answered late", Duration::from_millis(700));
    assert_eq!(raw.closed_within(SOON), Some(NOT_AUTHORIZED.to_vec()));
    assert!(asked.elapsed() >= Duration::from_millis(900));

    let other = Agent::new(scene.gateway.http, "beta", "wrong");
    assert_eq!(other.get("/devices").status, 401, "the lock is of one agent's name");
    assert_eq!(scene.alpha.get("/devices").status, 200);
    scene.must_serve("while its source is locked out");
    let metrics = scene.metrics();
    assert!(metrics.contains("gateway_auth_total{outcome=\"rate_limited\"}"), "{metrics}");
    assert!(scene.metric("gateway_auth_sources") >= 2.0);
}

#[test]
fn l15_five_are_told_so_and_the_sixth_must_wait() {
    let scene = Scene::start("");
    let statuses = |_| Agent::new(scene.gateway.http, "gamma", "wrong").get("/devices").status;
    assert_eq!((0..7).map(statuses).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429, 429]);
    let mut raw = Raw::sending(
        scene.gateway.http,
        b"GET /v1/agents/gamma/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n",
    );
    let found = raw.hear(SOON, |heard| {
        let text = String::from_utf8_lossy(heard).into_owned();
        text.contains("retryAfterMs").then_some(text)
    });
    let text = found.expect("an answer");
    let after = text.lines().find_map(|line| line.strip_prefix("Retry-After: ")).expect("the header");
    assert!((590..=600).contains(&after.trim().parse::<u32>().expect("seconds")), "{text}");
}

#[test]
fn a_key_without_triggers_is_told_operation_forbidden() {
    let scene = Scene::start("");
    let key = scene.gateway.add_key("alpha", "commands");
    let events = scene.alpha.events(None);
    let mut device = wait_for("the key is known", SOON, || {
        let mut device = Device::connect(scene.gateway.mqtt, "alpha", "quiet", &key, true);
        (log_in(&mut device) == Some(ConnectCode::Accepted)).then_some(device)
    });
    device.describe(&key, &json!([{"name": "echo"}]), 1);
    device.publish("trigger", &json!({"triggerName": "x", "payload": {}}), Some(9), false);
    let ack = device.wait("a trigger_ack", |word| match word {
        Word::Message { suffix, json, .. } if suffix == "trigger_ack" => Some(json.clone()),
        _ => None,
    });
    assert_eq!((&ack["received"], &ack["error"]), (&json!(false), &json!("OPERATION_FORBIDDEN")));
    assert_eq!(error_code(&mut device), "OPERATION_FORBIDDEN");
    device.publish("heartbeat", &json!({}), Some(10), false);
    device.wait("it is still served", |word| {
        matches!(word, Word::Puback(id) if *id == support::device::id(10)).then_some(())
    });
    while let Some(event) = events.next(Duration::from_millis(300)) {
        assert_ne!(event.kind, "trigger", "{}", event.data);
    }
}

#[test]
fn a_key_without_commands_declares_none_and_gets_none() {
    let scene = Scene::start("");
    let key = scene.gateway.add_key("alpha", "triggers");
    let mut device = wait_for("the key is known", SOON, || {
        let mut device = Device::connect(scene.gateway.mqtt, "alpha", "sensor", &key, true);
        (log_in(&mut device) == Some(ConnectCode::Accepted)).then_some(device)
    });
    device.describe(&key, &json!([{"name": "open_the_door"}]), 1);
    assert_eq!(error_code(&mut device), "OPERATION_FORBIDDEN");
    device.wait("connected", |word| match word {
        Word::Message { suffix, .. } if suffix == "connected" => Some(()),
        _ => None,
    });
    let answer = scene.alpha.call("sensor", "open_the_door", &json!({}));
    assert_eq!((answer.status, answer.json["code"].as_str()), (404, Some("command-unknown")));
    assert!(!scene.alpha.tools().iter().any(|tool| tool.contains("open_the_door")));
    let page = scene.alpha.get("/devices/sensor").json;
    assert!(page.to_string().contains("OPERATION_FORBIDDEN"), "{page}");
    device.publish("trigger", &json!({"triggerName": "moved", "payload": {}}), Some(9), false);
    device.wait("its trigger is taken", |word| match word {
        Word::Message { suffix, json, .. } if suffix == "trigger_ack" => {
            assert_eq!(json["received"], true);
            Some(())
        }
        _ => None,
    });
}

#[test]
fn c6_a_broken_key_file_changes_nothing() {
    let scene = Scene::start("");
    let file = scene.gateway.data_dir().join("keys.toml");
    let good = std::fs::read(&file).expect("the keys");
    for broken in [&good[..good.len() / 2], b"[[key]]\nid = \"x\"\n", b"\xFF\xFE"] {
        std::fs::write(&file, broken).expect("it can be written");
        signal(scene.gateway.pid(), "HUP");
        scene.must_serve("with a broken key file");
    }
    std::fs::remove_file(&file).expect("it can be removed");
    signal(scene.gateway.pid(), "HUP");
    scene.must_serve("without a key file");
    std::fs::write(&file, b"").expect("it can be written");
    wait_for("an empty file denies everybody", SOON, || {
        (scene.alpha.get("/devices").status != 200).then_some(())
    });
    std::fs::write(&file, &good).expect("it can be written");
    wait_for("the keys count again", SOON, || (scene.alpha.get("/devices").status == 200).then_some(()));
}

/// SIGHUP has the limits read again: what may change does, what needs a restart is named, and a file that cannot be used changes
/// nothing.
#[test]
fn limits_are_read_again_at_sighup() {
    let scene = Scene::start("timeout_ms_min = 5000");
    let file = scene.gateway.data_dir().parent().expect("a folder").join("gateway.toml");
    let rewrite = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&file).expect("the configuration");
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).expect("a file");
        signal(scene.gateway.pid(), "HUP");
    };
    let logs = |words: &str| {
        wait_for(words, SOON, || scene.gateway.log().contains(words).then_some(()));
    };
    let body = json!({"command": "echo", "payload": {"n": 1}, "timeoutMs": 2000});
    let ask = || scene.alpha.call_with("bystander", &body).status;
    assert_eq!(ask(), 422, "too short");
    rewrite("timeout_ms_min = 5000", "timeout_ms_min = 0");
    logs("the configuration cannot be used; the limits stay as they were");
    assert_eq!(ask(), 422, "a file that cannot be used changes nothing");
    rewrite("timeout_ms_min = 0", "timeout_ms_min = 1000\npayload_bytes_max = 70000");
    logs("timeout_ms_min 5000 -> 1000");
    logs("payload_bytes_max 1048576 -> 70000");
    wait_for("the shorter time is allowed", SOON, || (ask() == 200).then_some(()));
    scene.must_serve("after SIGHUP");
}
