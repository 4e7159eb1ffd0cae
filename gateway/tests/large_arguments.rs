//! Arguments over 64 KiB, and those whose check may take long, are checked off the cores' loops: the core serves others meanwhile, the order of a device's commands
//! is kept, and deadline, cancellation and idempotency key hold while the check runs.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use support::agent::{Agent, Answer};
use support::device::{Device, Word};
use support::scene::Scene;
use support::{SOON, wait_for};

/// Numbers in a large payload: about 700 KiB, which takes the worker of a debug build a good part of a second.
const NUMBERS: usize = 80_000;

fn large() -> Value {
    json!({"numbers": (0..NUMBERS).map(|n| 10_000_000 + n).collect::<Vec<_>>()})
}

fn commands() -> Value {
    let numbers = json!({"type": "array", "items": {"type": "integer", "minimum": 0}});
    json!([
        {"name": "add", "inputSchema": {"type": "object", "properties": {"numbers": numbers}}},
        {"name": "ping"}
    ])
}

fn adder(scene: &Scene, name: &str) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, true);
    device.describe(&scene.key, &commands(), 1);
    device.settle_in();
    device
}

/// An agent's request that runs meanwhile.
fn meanwhile(scene: &Scene, ask: impl FnOnce(&Agent) -> Answer + Send + 'static) -> Receiver<Answer> {
    let agent = Agent::new(scene.gateway.http, "alpha", &scene.agent_key);
    let (tell, answered) = channel();
    std::thread::spawn(move || tell.send(ask(&agent)));
    answered
}

fn add(device: &str) -> impl FnOnce(&Agent) -> Answer + Send + 'static {
    let path = format!("/devices/{device}/commands");
    move |agent| agent.post(&path, &json!({"command": "add", "payload": large()}), &[])
}

/// The id of a command that is queued, as soon as there is one.
fn queued(scene: &Scene, device: &str) -> String {
    let path = format!("/commands?device={device}&status=queued");
    wait_for("the command is pending", SOON, || {
        let list = scene.alpha.get(&path).json;
        list["commands"][0]["commandId"].as_str().map(str::to_owned)
    })
}

fn answer_next(device: &mut Device, command: &str) -> Value {
    let order = device.next_command();
    assert_eq!(order.json["command"], command);
    device.answer(&order, true, &json!(command));
    order.json
}

fn must_be_asked_no_more(device: &mut Device) {
    while let Some(word) = device.hear(Duration::from_millis(100)) {
        assert!(!matches!(&word, Word::Message { suffix, .. } if suffix == "command"), "{word:?}");
    }
}

#[test]
fn a_large_check_holds_up_nobody_else_and_nothing_overtakes_it() {
    let scene = Scene::start("");
    let mut device = adder(&scene, "adder");
    let asked = Instant::now();
    let first = meanwhile(&scene, add("adder"));
    queued(&scene, "adder");
    let second = meanwhile(&scene, |agent| agent.call("adder", "ping", &json!({})));
    scene.must_serve("while arguments are checked");
    let order = answer_next(&mut device, "add");
    println!("{} bytes checked and sent after {:?}", large().to_string().len(), asked.elapsed());
    assert_eq!(order["payload"], large(), "the payload is as it was sent");
    answer_next(&mut device, "ping");
    for answer in [first, second] {
        assert_eq!(answer.recv_timeout(SOON).expect("it is answered").status, 200);
    }
}

#[test]
fn large_arguments_that_do_not_fit_never_reach_the_device() {
    let scene = Scene::start("");
    let mut device = adder(&scene, "adder");
    let mut wrong = large();
    wrong["numbers"][NUMBERS - 1] = json!("eight");
    let body = json!({"command": "add", "payload": wrong});
    for headers in
        [&[][..], &[("Idempotency-Key", "k")], &[("Idempotency-Key", "k"), ("Prefer", "respond-async")]]
    {
        let answer = scene.alpha.post("/devices/adder/commands", &body, headers);
        assert_eq!((answer.status, &answer.json["code"]), (422, &json!("invalid-arguments")));
        assert_eq!(answer.json["outcome"], "not_sent");
    }
    let last = json!({"command": "add", "payload": large()});
    let reused = meanwhile(&scene, move |agent| {
        agent.post("/devices/adder/commands", &last, &[("Idempotency-Key", "k")])
    });
    answer_next(&mut device, "add");
    assert_eq!(
        reused.recv_timeout(SOON).expect("it is answered").status,
        200,
        "a refused one leaves its key free"
    );
}

#[test]
fn a_command_can_end_while_its_arguments_are_checked() {
    let scene = Scene::start("timeout_ms_min = 1\ncommands_waiting_per_device = 100");
    let (mut device, mut other) = (adder(&scene, "adder"), adder(&scene, "other"));
    // The worker has enough to do before it comes to what this test is about.
    let busy: Vec<_> = (0..4).map(|_| meanwhile(&scene, add("other"))).collect();
    queued(&scene, "other");
    let cancelled = meanwhile(&scene, add("adder"));
    let id = queued(&scene, "adder");
    let told = scene.alpha.delete(&format!("/commands/{id}"));
    assert_eq!((told.status, &told.json["status"]), (200, &json!("cancelled")), "{}", told.json);
    let answer = cancelled.recv_timeout(SOON).expect("it is answered");
    assert_eq!((answer.status, &answer.json["outcome"]), (409, &json!("not_sent")), "{}", answer.json);
    let late = json!({"command": "add", "payload": large(), "timeoutMs": 1});
    let answer = scene.alpha.call_with("adder", &late);
    assert_eq!((answer.status, &answer.json["code"]), (504, &json!("device-timeout")), "{}", answer.json);
    assert_eq!(answer.json["outcome"], "not_sent");
    for _ in 0..busy.len() {
        answer_next(&mut other, "add");
    }
    for answer in busy {
        assert_eq!(answer.recv_timeout(SOON).expect("it is answered").status, 200);
    }
    let next = meanwhile(&scene, |agent| agent.call("adder", "ping", &json!({})));
    answer_next(&mut device, "ping");
    assert_eq!(next.recv_timeout(SOON).expect("it is answered").status, 200);
    must_be_asked_no_more(&mut device);
    drop(device);
    wait_for("it is gone", SOON, || (scene.alpha.status("adder") == "offline").then_some(()));
}

#[test]
fn a_device_that_leaves_during_the_check_leaves_nobody_waiting() {
    let scene = Scene::start("");
    let device = adder(&scene, "adder");
    let asked = meanwhile(&scene, add("adder"));
    queued(&scene, "adder");
    drop(device);
    let answer = asked.recv_timeout(SOON).expect("it is answered");
    assert_eq!((answer.status, &answer.json["outcome"]), (503, &json!("not_sent")), "{}", answer.json);
    scene.must_serve("after the device has left");
}

#[test]
fn repeats_join_while_arguments_are_checked() {
    let scene = Scene::start("");
    let mut device = adder(&scene, "adder");
    let ask = |headers: &'static [(&str, &str)]| {
        let body = json!({"command": "add", "payload": large()});
        meanwhile(&scene, move |agent| agent.post("/devices/adder/commands", &body, headers))
    };
    let first = ask(&[("Idempotency-Key", "once"), ("Prefer", "respond-async")]);
    let id = queued(&scene, "adder");
    let (waits, leaves) = (
        ask(&[("Idempotency-Key", "once")]),
        ask(&[("Idempotency-Key", "once"), ("Prefer", "respond-async")]),
    );
    for taken in [first, leaves] {
        let taken = taken.recv_timeout(SOON).expect("it is answered");
        assert_eq!((taken.status, &taken.json["commandId"]), (202, &json!(id)));
    }
    answer_next(&mut device, "add");
    let answer = waits.recv_timeout(SOON).expect("it is answered");
    assert_eq!((answer.status, &answer.json["data"]), (200, &json!("add")));
    must_be_asked_no_more(&mut device);
}

#[test]
fn small_arguments_that_may_take_long_are_checked_there_too() {
    let scene = Scene::start("arguments_inline_steps_max = 0");
    let mut device = adder(&scene, "adder");
    let small = |numbers: Value| {
        meanwhile(&scene, move |agent| agent.call("adder", "add", &json!({"numbers": numbers})))
    };
    let refused = small(json!([1, "two"])).recv_timeout(SOON).expect("an answer");
    assert_eq!((refused.status, &refused.json["errors"][0]["pointer"]), (422, &json!("/numbers/1")));
    let done = small(json!([1, 2]));
    assert_eq!(answer_next(&mut device, "add")["payload"], json!({"numbers": [1, 2]}));
    assert_eq!(done.recv_timeout(SOON).expect("an answer").status, 200);
}
