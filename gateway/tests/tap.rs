//! `tap` and `why`: an operator looks at what a device and the gateway say to each other, over the API and by the command line.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::agent::Event;
use support::scene::{Echo, Scene};
use support::{SOON, gateway, wait_for};

/// Waits for a message on this topic.
fn wait_for_topic(tap: &support::agent::Events, topic: &str) -> Event {
    loop {
        let event = tap.wait("message");
        if event.data["topic"] == topic {
            return event;
        }
    }
}

fn ask(scene: &Scene, words: &[&str]) -> Command {
    let mut command = gateway();
    command.args(words);
    command.args(["--url", &format!("http://{}", scene.gateway.http), "--key", &scene.agent_key]);
    command
}

#[test]
fn a_tap_shows_what_is_said_and_never_the_key() {
    let scene = Scene::on_cores(3, "");
    let tap = scene.alpha.stream("/devices/pico/tap?payloads=true");
    let all = scene.alpha.stream("/tap");
    let _pico = Echo::connect(scene.gateway.mqtt, "pico", &scene.key);
    let status = wait_for_topic(&tap, "status");
    assert_eq!((&status.data["deviceName"], &status.data["direction"]), (&json!("pico"), &json!("in")));
    let described = wait_for_topic(&tap, "status").data;
    assert_eq!(described["payload"]["commands"][0]["name"], "echo", "{described}");
    assert!(!described.to_string().contains(&scene.key) && described["payload"].get("apiKey").is_none());
    assert_eq!(scene.alpha.call("pico", "echo", &json!({"n": 7})).status, 200);
    let command = wait_for_topic(&tap, "command").data;
    assert_eq!((&command["direction"], &command["payload"]["payload"]["n"]), (&json!("out"), &json!(7)));
    assert_eq!(wait_for_topic(&tap, "response").data["payload"]["data"]["n"], 7);

    let seen = wait_for_topic(&all, "response").data;
    assert!(seen.get("payload").is_none() && seen["bytes"].as_u64() > Some(10), "only on request: {seen}");
    assert_eq!(scene.alpha.get("/tap?payloads=perhaps").status, 400);
}

#[test]
fn another_agents_devices_are_not_seen() {
    let scene = Scene::on_cores(3, "");
    let beta =
        support::agent::Agent::new(scene.gateway.http, "beta", &scene.gateway.add_key("beta", "agent"));
    wait_for("the key counts", SOON, || (beta.get("/devices").status == 200).then_some(()));
    let (own, foreign) = (beta.stream("/tap"), beta.stream("/devices/bystander/tap"));
    assert_eq!(scene.alpha.call("bystander", "echo", &json!(1)).status, 200);
    for tap in [own, foreign] {
        assert!(tap.next(std::time::Duration::from_millis(300)).is_none());
    }
    assert_eq!(beta.get_path("/v1/agents/alpha/tap").status, 404);
}

#[test]
fn a_reader_that_has_gone_costs_nothing_and_frees_its_place() {
    let scene = Scene::start("event_streams_per_agent = 1");
    let opened = || scene.alpha.get("/tap?payloads=perhaps").status;
    let child = ask(&scene, &["tap", "bystander"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("it starts");
    wait_for("the place is taken", SOON, || {
        let second = scene.alpha.get("/events?after=0-broken");
        (second.status == 400 && opened() == 400).then_some(())
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    wait_for("the place is free again", SOON, || {
        let output = ask(&scene, &["tap", "bystander", "--count", "1"]).stdout(Stdio::piped()).spawn();
        let mut child = output.expect("it starts");
        let ended = wait_for("a message or a refusal", SOON, || {
            scene.alpha.call("bystander", "echo", &json!(1));
            child.try_wait().expect("a child of ours")
        });
        ended.success().then_some(())
    });
    scene.must_serve("after the taps");
}

#[test]
fn the_command_line_taps_and_says_why() {
    let scene = Scene::start("");
    let child = ask(&scene, &["tap", "bystander", "--count", "2"]).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("it starts");
    wait_for("two messages", SOON, || {
        assert_eq!(scene.alpha.call("bystander", "echo", &json!({"n": 1})).status, 200);
        child.try_wait().expect("a child of ours")
    });
    let output = child.wait_with_output().expect("it has ended");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines.iter().all(|line| line["deviceName"] == "bystander" && line.get("payload").is_none()));

    let gone = Echo::connect(scene.gateway.mqtt, "gone", &scene.key);
    assert_eq!(scene.alpha.post("/devices/gone/disable", &Value::Null, &[]).status, 200);
    wait_for("it is kicked", SOON, || gone.is_gone().then_some(()));
    let why = ask(&scene, &["why", "gone"]).output().expect("it runs");
    let text = String::from_utf8(why.stdout).expect("text");
    let device: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&device["status"], &device["closes"][0]["reason"]), (&json!("disabled"), &json!("disabled")));

    let unknown = ask(&scene, &["why", "nobody"]).output().expect("it runs");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no such device"));
    let refused = ask(&scene, &["tap", "bystander", "--count", "many"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "usage");
}
