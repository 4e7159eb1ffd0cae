//! A command's whole life, seen from both sides: states, retries, cancelling, waiting for a device that is away, deadlines,
//! late answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::agent::Answer;
use support::device::{Device, Order, Word};
use support::scene::Scene;
use support::{SOON, wait_for};

const QUIET: Duration = Duration::from_millis(700);

fn persistent(scene: &Scene, name: &str, commands: &Value) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, false);
    device.describe(&scene.key, commands, 1);
    device.settle_in();
    device
}

fn plain() -> Value {
    json!([{"name": "run", "description": "Runs"}])
}

fn retried(attempts: u32, backoff_ms: u32) -> Value {
    json!([{"name": "run", "retry": {"maxAttempts": attempts, "backoffMs": backoff_ms}}])
}

/// Asks for `run` without waiting for its end, and gives its id.
fn ask(scene: &Scene, device: &str, more: &Value) -> String {
    let answer = post(scene, device, more, &[("Prefer", "respond-async")]);
    assert_eq!(answer.status, 202, "{}", answer.json);
    answer.json["commandId"].as_str().expect("an id").to_owned()
}

fn post(scene: &Scene, device: &str, more: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut body = json!({"command": "run"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    scene.alpha.post(&format!("/devices/{device}/commands"), &body, headers)
}

/// Waits until a command is in a state.
fn wait_state(scene: &Scene, id: &str, state: &str) -> Value {
    wait_for(state, SOON, || {
        let answer = scene.alpha.command(id);
        assert_eq!(answer.status, 200, "{}", answer.json);
        (answer.json["status"] == state).then_some(answer.json)
    })
}

/// Asserts that no command comes for a while.
fn hears_no_command(device: &mut Device) {
    let until = Instant::now() + QUIET;
    while Instant::now() < until {
        if let Some(Word::Message { suffix, json, .. }) = device.hear(Duration::from_millis(50)) {
            assert_ne!(suffix, "command", "{json}");
        }
    }
}

fn ms_between(story: &Value, from: &str, to: &str) -> i64 {
    let ms = |name: &str| {
        let text = story[name].as_str().unwrap_or_else(|| panic!("{name} in {story}"));
        let digits: String = text[11..23].chars().filter(char::is_ascii_digit).collect();
        let number: i64 = digits.parse().expect("digits");
        let (ms, s, m, h) = (number % 1000, number / 1000 % 100, number / 100_000 % 100, number / 10_000_000);
        ((h * 60 + m) * 60 + s) * 1000 + ms
    };
    ms(to) - ms(from)
}

#[test]
fn a_request_that_does_not_wait_is_told_where_to_ask() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut device = persistent(&scene, "d", &plain());
    let answer = post(&scene, "d", &json!({"payload": {"n": 1}}), &[("Prefer", "respond-async, wait=5")]);
    assert_eq!((answer.status, &answer.json["status"]), (202, &json!("queued")));
    assert_eq!(answer.header("preference-applied"), "respond-async");
    let id = answer.json["commandId"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("location"), format!("/v1/agents/alpha/commands/{id}"));

    let order = device.next_command();
    assert_eq!((&order.json["commandId"], &order.json["payload"]["n"]), (&json!(id), &json!(1)));
    let story = wait_state(&scene, &id, "sent");
    assert_eq!(
        (&story["deviceName"], &story["command"], &story["attempts"]),
        (&json!("d"), &json!("run"), &json!(1))
    );
    device.puback(order.id.expect("QoS 1"));
    device.flush();
    wait_state(&scene, &id, "delivered");
    device.respond(&id, true, &json!({"ok": [1.50]}));

    let event = events.wait("command").data;
    assert_eq!(
        (&event["commandId"], &event["status"], &event["data"]),
        (&json!(id), &json!("done"), &json!({"ok": [1.5]}))
    );
    let story = wait_state(&scene, &id, "done");
    assert_eq!((&story["outcome"], &story["data"]), (&json!("done"), &json!({"ok": [1.5]})));
    for moment in ["createdAt", "sentAt", "deliveredAt", "finishedAt"] {
        assert!(story[moment].is_string(), "{moment}: {story}");
    }
}

#[test]
fn a_command_is_its_agents_alone_and_unknown_ids_are_404() {
    let scene = Scene::start("");
    let beta_key = scene.gateway.add_key("beta", "agent");
    let beta = support::agent::Agent::new(scene.gateway.http, "beta", &beta_key);
    wait_for("the key counts", SOON, || (beta.get("/devices").status == 200).then_some(()));
    let mut device = persistent(&scene, "d", &plain());
    let id = ask(&scene, "d", &json!({}));
    for answer in [beta.command(&id), beta.delete(&format!("/commands/{id}"))] {
        assert_eq!((answer.status, &answer.json["code"]), (404, &json!("command-unknown")));
    }
    assert_eq!(beta.get("/commands").json["commands"], json!([]));
    let order = device.next_command();
    device.answer(&order, true, &json!(7));
    wait_state(&scene, &id, "done");
    assert_eq!(beta.command(&id).status, 404, "also when it has ended");
    let forged = format!("{}0", &id[..id.len() - 1]);
    for unknown in ["x", "c-", &id[..20], &forged, &format!("{id}~2")] {
        assert!(unknown == id || scene.alpha.command(unknown).status == 404, "{unknown}");
    }
}

#[test]
fn a_refusal_is_asked_again_under_a_new_attempt_id() {
    let scene = Scene::start("");
    let mut device = persistent(&scene, "d", &retried(3, 200));
    let id = ask(&scene, "d", &json!({}));
    let mut before = Instant::now();
    for (attempt, success) in [(1, false), (2, false), (3, true)] {
        let order = device.next_command();
        let expected = if attempt == 1 { id.clone() } else { format!("{id}~{attempt}") };
        assert_eq!(order.json["commandId"], expected);
        if attempt > 1 {
            let pause = Duration::from_millis(200 << (attempt - 2));
            assert!(before.elapsed() >= pause, "attempt {attempt} after {:?}", before.elapsed());
            device.respond(&id, true, &json!("of an attempt that is over"));
        }
        before = Instant::now();
        device.answer(&order, success, &json!(format!("answer {attempt}")));
    }
    let story = wait_state(&scene, &id, "done");
    assert_eq!((&story["data"], &story["attempts"]), (&json!("answer 3"), &json!(3)));
    assert!(scene.metric("gateway_commands_again_total") >= 2.0);

    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| post(&scene, "d", &json!({}), &[]));
        for _ in 0..3 {
            let order = device.next_command();
            device.answer(&order, false, &json!("no"));
        }
        waiting.join().expect("an answer")
    });
    assert_eq!(
        (waiting.status, &waiting.json["code"], &waiting.json["detail"]),
        (502, &json!("device-error"), &json!("no"))
    );
    let id = waiting.json["commandId"].as_str().expect("an id");
    assert!(!id.contains('~'), "the agent knows one id");
    hears_no_command(&mut device);
}

#[test]
fn silence_is_asked_again_under_the_same_id_and_never_past_the_deadline() {
    let scene = Scene::start("command_grace_ms = 500");
    let mut device = persistent(&scene, "d", &retried(4, 300));
    let id = ask(&scene, "d", &json!({"timeoutMs": 2000}));
    let mut times = 0;
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_millis(3200) {
        if let Some(Word::Message { suffix, json, id: packet, .. }) = device.hear(Duration::from_millis(50))
            && suffix == "command"
        {
            times += 1;
            assert_eq!(json["commandId"], id, "the same id: the device may answer from its memory");
            assert!(asked.elapsed() < Duration::from_millis(2100), "past the deadline");
            assert!(json["timeout"].as_u64().is_some_and(|ms| ms <= 2000));
            device.puback(packet.expect("QoS 1"));
        }
    }
    let story = wait_state(&scene, &id, "timed_out");
    assert!(times >= 2, "asked {times} times");
    assert_eq!((&story["attempts"], &story["outcome"]), (&json!(times), &json!("unknown")));

    let id = ask(&scene, "d", &json!({"timeoutMs": 2000}));
    let first = device.next_command();
    device.puback(first.id.expect("QoS 1"));
    let second = device.next_command();
    assert_eq!(second.json["commandId"], id);
    device.answer(&second, true, &json!("from memory"));
    assert_eq!(wait_state(&scene, &id, "done")["data"], "from memory");
}

#[test]
fn without_retry_nothing_is_asked_twice() {
    let scene = Scene::start("");
    let mut device = persistent(&scene, "d", &plain());
    let id = ask(&scene, "d", &json!({}));
    let order = device.next_command();
    device.answer(&order, false, &json!("no"));
    let story = wait_state(&scene, &id, "failed");
    assert_eq!((&story["error"]["code"], &story["error"]["detail"]), (&json!("device-error"), &json!("no")));
    hears_no_command(&mut device);
}

#[test]
fn a_command_is_taken_back_while_it_waits_and_after_it_was_sent() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut device = persistent(&scene, "d", &plain());
    let sent = ask(&scene, "d", &json!({}));
    let order = device.next_command();
    let (waiting, told) = std::thread::scope(|scope| {
        let asker = scope.spawn(|| post(&scene, "d", &json!({}), &[]));
        let waiting = wait_for("the second command waits", SOON, || {
            let queued = scene.alpha.get("/commands?status=queued&device=d").json;
            queued["commands"][0]["commandId"].as_str().map(str::to_owned)
        });
        let cancelled = scene.alpha.delete(&format!("/commands/{waiting}"));
        assert_eq!((cancelled.status, &cancelled.json["status"]), (200, &json!("cancelled")));
        (waiting, asker.join().expect("an answer"))
    });
    assert_eq!((told.status, &told.json["code"]), (409, &json!("command-cancelled")));
    assert_eq!((&told.json["outcome"], &told.json["commandId"]), (&json!("not_sent"), &json!(waiting)));
    assert_eq!(scene.alpha.delete(&format!("/commands/{waiting}")).status, 200, "taking back twice is once");

    let cancelled = scene.alpha.delete(&format!("/commands/{sent}"));
    assert_eq!(
        (&cancelled.json["status"], &cancelled.json["outcome"]),
        (&json!("cancelled"), &json!("unknown"))
    );
    assert_eq!(events.wait("command").data["status"], "cancelled");
    device.answer(&order, true, &json!("too late"));
    let late = events.wait("command").data;
    assert_eq!(late["lateAnswer"], json!({"success": true, "data": "too late"}));
    assert_eq!((&late["commandId"], &late["status"]), (&json!(sent), &json!("cancelled")));
    hears_no_command(&mut device);

    let done = ask(&scene, "d", &json!({}));
    let order = device.next_command();
    device.answer(&order, true, &json!(1));
    wait_state(&scene, &done, "done");
    let refused = scene.alpha.delete(&format!("/commands/{done}"));
    assert_eq!((refused.status, &refused.json["code"]), (409, &json!("command-finished")));
}

#[test]
fn a_command_waits_for_a_device_with_a_persistent_session() {
    let scene = Scene::start("");
    let device = persistent(&scene, "d", &plain());
    let queue = json!({"offline": "queue"});
    drop(device);
    wait_for("it is offline", SOON, || (scene.alpha.status("d") == "offline").then_some(()));
    let refused = post(&scene, "d", &json!({}), &[]);
    assert_eq!((refused.status, &refused.json["outcome"]), (503, &json!("not_sent")));
    let ids: Vec<String> = (0..3)
        .map(|_| {
            let answer = post(&scene, "d", &queue, &[]);
            assert_eq!(answer.status, 202, "{}", answer.json);
            assert_eq!(answer.header("preference-applied"), "", "the request did not say Prefer");
            answer.json["commandId"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(scene.alpha.command(&ids[0]).json["status"], "queued");

    // It comes back: what waited is said right after CONNACK, in order, before it has subscribed again.
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, false);
    for id in &ids {
        let order = device.next_command();
        assert_eq!(order.json["commandId"], *id);
        device.answer(&order, true, &json!("at last"));
        wait_state(&scene, id, "done");
    }
}

#[test]
fn a_queued_command_that_was_sent_survives_a_lost_connection() {
    let scene = Scene::start("");
    let mut device = persistent(&scene, "d", &plain());
    let answer = post(&scene, "d", &json!({"offline": "queue"}), &[]);
    let id = answer.json["commandId"].as_str().expect("an id").to_owned();
    device.next_command();
    drop(device);
    wait_for("it is offline", SOON, || (scene.alpha.status("d") == "offline").then_some(()));
    assert_eq!(scene.alpha.command(&id).json["status"], "sent");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, false);
    let again = device.next_command();
    assert!(again.dup, "it was not acknowledged, so it is the same message again");
    assert_eq!(again.json["commandId"], id);
    device.answer(&again, true, &json!(1));
    assert_eq!(wait_state(&scene, &id, "done")["attempts"], 1);
}

#[test]
fn there_is_nowhere_to_wait_without_a_session() {
    let scene = Scene::start("");
    let mut clean = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    clean.describe(&scene.key, &plain(), 1);
    clean.settle_in();
    drop(clean);
    wait_for("it is offline", SOON, || (scene.alpha.status("d") == "offline").then_some(()));
    let refused = post(&scene, "d", &json!({"offline": "queue"}), &[]);
    assert_eq!((refused.status, &refused.json["code"]), (409, &json!("queueing-not-possible")));
    assert_eq!(refused.json["outcome"], "not_sent");
    let unknown = post(&scene, "nobody", &json!({"offline": "queue"}), &[]);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("device-unknown")));
    let wrong = post(&scene, "d", &json!({"offline": "perhaps"}), &[]);
    assert_eq!(wrong.status, 400);
}

#[test]
fn a_clean_session_drops_what_waited_for_the_old_one() {
    let scene = Scene::start("");
    drop(persistent(&scene, "d", &plain()));
    wait_for("it is offline", SOON, || (scene.alpha.status("d") == "offline").then_some(()));
    let answer = post(&scene, "d", &json!({"offline": "queue"}), &[]);
    let id = answer.json["commandId"].as_str().expect("an id");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.describe(&scene.key, &plain(), 1);
    device.settle_in();
    let story = wait_state(&scene, id, "failed");
    assert_eq!((&story["outcome"], &story["error"]["code"]), (&json!("not_sent"), &json!("device-offline")));
    hears_no_command(&mut device);
}

#[test]
fn what_waits_behind_another_is_over_at_its_own_deadline() {
    let scene = Scene::start("");
    let mut device = persistent(&scene, "d", &plain());
    let slow = ask(&scene, "d", &json!({}));
    let order = device.next_command();
    let asked = Instant::now();
    let answer = post(&scene, "d", &json!({"timeoutMs": 1000}), &[]);
    let took = asked.elapsed();
    assert_eq!((answer.status, &answer.json["code"]), (504, &json!("device-timeout")));
    assert_eq!(answer.json["outcome"], "not_sent");
    assert!((Duration::from_millis(1000)..Duration::from_millis(1900)).contains(&took), "{took:?}: no grace");
    let id = answer.json["commandId"].as_str().expect("an id");
    assert_eq!(scene.alpha.command(id).json["status"], "expired");
    device.answer(&order, true, &json!(1));
    wait_state(&scene, &slow, "done");
    hears_no_command(&mut device);
}

#[test]
fn what_was_sent_has_its_time_and_a_grace() {
    let scene = Scene::start("command_grace_ms = 600");
    let mut device = persistent(&scene, "d", &plain());
    let id = ask(&scene, "d", &json!({"timeoutMs": 1000}));
    let order = device.next_command();
    let timeout = order.json["timeout"].as_u64().expect("a number");
    assert!((900..=1000).contains(&timeout), "what is left: {timeout}");
    let story = wait_state(&scene, &id, "timed_out");
    let took = ms_between(&story, "createdAt", "finishedAt");
    assert!((1600..2300).contains(&took), "{took} ms");
    assert_eq!((&story["outcome"], &story["error"]["code"]), (&json!("unknown"), &json!("device-timeout")));
    let within_grace = ask(&scene, "d", &json!({"timeoutMs": 1000}));
    device.puback(order.id.expect("QoS 1"));
    let order = device.next_command();
    std::thread::park_timeout(Duration::from_millis(1150));
    device.answer(&order, true, &json!("just in time"));
    assert_eq!(wait_state(&scene, &within_grace, "done")["data"], "just in time");
}

#[test]
fn a_device_that_does_not_listen_is_waited_for() {
    let scene = Scene::start("");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "deaf", &scene.key, true);
    let status = json!({"status": "online", "apiKey": scene.key, "group": null, "commands": plain()});
    device.publish("status", &status, Some(1), false);
    device.wait("the PUBACK", |word| matches!(word, Word::Puback(_)).then_some(()));
    let answer = post(&scene, "deaf", &json!({"timeoutMs": 1000}), &[]);
    assert_eq!((answer.status, &answer.json["code"]), (503, &json!("device-offline")));
    assert_eq!(answer.json["outcome"], "not_sent");
    let id = ask(&scene, "deaf", &json!({}));
    assert_eq!(scene.alpha.command(&id).json["status"], "queued");
    device.listen(2);
    let order = device.next_command();
    device.answer(&order, true, &json!(1));
    wait_state(&scene, &id, "done");
}

#[test]
fn a_time_limit_lies_within_bounds() {
    let scene = Scene::start("");
    let mut device = persistent(&scene, "d", &json!([{"name": "run", "timeoutMs": 5000}]));
    for outside in
        [json!(0), json!(999), json!(600_001), json!(-1), json!(1000.5), json!("1000"), json!(1e300)]
    {
        let answer = post(&scene, "d", &json!({"timeoutMs": outside}), &[]);
        assert_eq!((answer.status, &answer.json["code"]), (422, &json!("invalid-timeout")), "{outside}");
        assert_eq!(answer.json["outcome"], "not_sent");
    }
    for (asked, at_most) in [(json!(null), 5000), (json!(1000), 1000), (json!(600_000), 600_000)] {
        let id = ask(&scene, "d", &json!({"timeoutMs": asked}));
        let order = device.next_command();
        let timeout = order.json["timeout"].as_u64().expect("a number");
        assert!((at_most - 500..=at_most).contains(&timeout), "{asked}: {timeout}");
        device.answer(&order, true, &json!(1));
        wait_state(&scene, &id, "done");
    }
}

#[test]
fn a_repeat_of_a_request_that_does_not_wait_is_told_the_same_id() {
    let scene = Scene::start("");
    let mut device = persistent(&scene, "d", &plain());
    let headers = [("Prefer", "respond-async"), ("Idempotency-Key", "once")];
    let first = post(&scene, "d", &json!({}), &headers);
    let second = post(&scene, "d", &json!({}), &headers);
    assert_eq!((second.status, &second.json), (202, &first.json));
    let order = device.next_command();
    device.answer(&order, true, &json!(1));
    wait_state(&scene, first.json["commandId"].as_str().expect("an id"), "done");
    assert_eq!(post(&scene, "d", &json!({}), &headers).json, first.json);
    let waiting = post(&scene, "d", &json!({}), &headers[1..]);
    assert_eq!((waiting.status, &waiting.json["data"]), (200, &json!(1)), "who waits is told the end");
    hears_no_command(&mut device);
}

#[test]
fn commands_are_listed_the_newest_first() {
    let scene = Scene::on_cores(2, "commands_in_flight_per_agent = 1000");
    let mut devices = ["a", "b", "c"].map(|name| persistent(&scene, name, &plain()));
    let mut asked = Vec::new();
    for _ in 0..4 {
        for (name, device) in ["a", "b", "c"].iter().zip(&mut devices) {
            asked.push(ask(&scene, name, &json!({})));
            let order: Order = device.next_command();
            device.answer(&order, true, &json!(1));
        }
    }
    let last = ask(&scene, "a", &json!({}));
    let id = |command: &Value| command["commandId"].as_str().expect("an id").to_owned();
    let list = |query: &str| {
        let answer = scene.alpha.get(&format!("/commands?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json
    };
    asked.iter().for_each(|id| drop(wait_state(&scene, id, "done")));
    let own = list("device=a");
    assert_eq!(own["commands"].as_array().expect("a list").len(), 5);
    assert_eq!(id(&own["commands"][0]), last);
    assert_eq!(list("device=a&status=done")["commands"].as_array().expect("a list").len(), 4);
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            list(&if cursor.is_empty() { "limit=5".to_owned() } else { format!("limit=5&cursor={cursor}") });
        pages.extend(page["commands"].as_array().expect("a list").iter().map(id));
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert!(asked.iter().chain([&last]).all(|id| pages.contains(id)), "every page together is all");
    let mut unique = pages.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), pages.len(), "none twice");
    for bad in ["limit=0", "limit=x", "status=nope", "cursor=zz"] {
        assert_eq!(scene.alpha.get(&format!("/commands?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn an_agent_fires_a_trigger_in_its_devices_name() {
    let scene = Scene::start("triggers_per_second_per_agent = 2");
    let events = scene.alpha.events(None);
    let mut device = persistent(&scene, "d", &plain());
    let body = json!({"command": "__test_trigger__too_hot", "payload": {"t": 1.50}});
    let fire = |headers: &[(&str, &str)]| scene.alpha.post("/devices/d/commands", &body, headers);
    let answer = fire(&[("Idempotency-Key", "k")]);
    assert_eq!((answer.status, &answer.json["status"]), (200, &json!("done")), "{}", answer.json);
    assert_eq!(answer.json["data"]["triggerName"], "too_hot");
    let event = events.wait("trigger").data;
    assert_eq!(event["triggerId"], answer.json["data"]["triggerId"]);
    assert_eq!((&event["deviceName"], &event["payload"]), (&json!("d"), &json!({"t": 1.5})));
    assert_eq!(fire(&[("Idempotency-Key", "k")]).json["data"], answer.json["data"], "a repeat fires nothing");
    hears_no_command(&mut device);
    let statuses: Vec<u16> = (0..4).map(|_| fire(&[]).status).collect();
    assert!(statuses.contains(&429) && statuses.contains(&200), "{statuses:?}: the agent's share holds");
    let unknown = scene.alpha.post("/devices/nobody/commands", &body, &[]);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("device-unknown")));
    let nameless = scene.alpha.post("/devices/d/commands", &json!({"command": "__test_trigger__"}), &[]);
    assert_eq!((nameless.status, &nameless.json["code"]), (422, &json!("invalid-arguments")));
}
