//! Output, queues, commands and triggers under attack: the rows E1 to E8 of the list of attacks that concern what there is
//! (E4, poison messages, needs handlers). Each test checks what the bad peer sees, that a new correct client is served, and
//! that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::device::{Device, Word};
use support::raw::{Hello, Raw, mqtt, publish, subscribe};
use support::scene::Scene;
use support::{SOON, wait_for};

const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const RESIDENT: &str = "gateway_memory_bytes{kind=\"resident\"}";

fn described(scene: &Scene, name: &str, clean_session: bool) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, clean_session);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    device
}

fn ask(scene: &Scene, device: &str, more: &Value) -> String {
    let mut body = json!({"command": "run"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let answer =
        scene.alpha.post(&format!("/devices/{device}/commands"), &body, &[("Prefer", "respond-async")]);
    assert_eq!(answer.status, 202, "{}", answer.json);
    answer.json["commandId"].as_str().expect("an id").to_owned()
}

fn wait_state(scene: &Scene, id: &str, state: &str) -> Value {
    wait_for(state, SOON, || {
        let story = scene.alpha.command(id).json;
        (story["status"] == state).then_some(story)
    })
}

/// A client that says what it must and then never reads again.
fn deaf(scene: &Scene, device: &str, in_flight: &[u8]) -> Raw {
    let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", device, &scene.key).packet());
    assert_eq!(raw.take(4), ACCEPTED);
    raw.send(&subscribe(1, &[(&format!("lua/devices/alpha/{device}/command"), 0)]));
    raw.take(5);
    let status = json!({"status": "online", "apiKey": scene.key, "commands": [{"name": "run"}]}).to_string();
    raw.send(&publish(0x32, &format!("lua/devices/alpha/{device}/status"), Some(2), status.as_bytes()));
    assert_eq!(raw.take(4), [0x40, 2, 0, 2]);
    raw.send(in_flight);
    raw
}

#[test]
fn e01_a_device_that_does_not_read_costs_its_own_connection() {
    let scene = Scene::start("");
    let before = scene.metric(RESIDENT);
    // At QoS 0, so that nothing but the socket holds the commands back.
    let raw = deaf(&scene, "deaf", &[]);
    let (mut accepted, mut statuses) = (0usize, BTreeSet::new());
    let payload = json!({"pad": "x".repeat(1_000_000)});
    let body = json!({"command": "run", "payload": payload, "timeoutMs": 1000});
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(30) && scene.alpha.status("deaf") == "online" {
        let answer = scene.alpha.post("/devices/deaf/commands", &body, &[("Prefer", "respond-async")]);
        statuses.insert(answer.status);
        accepted += usize::from(answer.status == 202);
        scene.must_serve("while a device does not read");
    }
    assert_eq!(scene.alpha.status("deaf"), "offline", "{accepted} megabytes were accepted, {statuses:?}");
    assert_eq!(scene.alpha.get("/devices/deaf").json["reason"], "slow_reader");
    assert!(statuses.iter().all(|status| [202, 429, 503].contains(status)), "{statuses:?}");
    let grown = scene.metric(RESIDENT) - before;
    assert!(grown < 64e6, "{grown} bytes for a device that does not read");
    drop(raw);
    scene.must_serve("after E1");
}

#[test]
fn e02_floods_that_make_output_starve_nobody() {
    let scene = Scene::start("");
    let before = scene.metric(RESIDENT);
    let mut flood = TcpStream::connect(scene.gateway.mqtt).expect("the gateway listens");
    flood.write_all(&Hello::new("alpha", "flood", &scene.key).packet()).expect("written");
    let pings = [0xc0u8, 0].repeat(10_000);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            // A million pings, never reading the answers: the gateway stops reading before that, or hangs up.
            flood.set_write_timeout(Some(Duration::from_secs(3))).expect("a socket");
            (0..100).take_while(|_| flood.write_all(&pings).is_ok()).count()
        });
        for round in 0..10 {
            scene.must_serve(&format!("during a flood of PINGREQ, round {round}"));
        }
        let written = writer.join().expect("it ends");
        assert!(written <= 100);
    });
    let grown = scene.metric(RESIDENT) - before;
    assert!(grown < 32e6, "{grown} bytes for a flood");
    let mut polite = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "polite", &scene.key).packet());
    assert_eq!(polite.take(4), ACCEPTED);
    polite.send(&[0xc0, 0].repeat(5000));
    assert_eq!(polite.take(10_000), [0xd0, 0].repeat(5000), "who reads is answered, each time");
    scene.must_serve("after E2");
}

#[test]
fn e03_a_stalled_stream_is_told_of_its_gap() {
    let scene = Scene::start("events_kept_per_agent = 50\ntriggers_per_second_per_agent = 1000000");
    let mut stalled = TcpStream::connect(scene.gateway.http).expect("the gateway listens");
    let request = format!(
        "GET /v1/agents/alpha/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        scene.agent_key
    );
    stalled.write_all(request.as_bytes()).expect("written");
    let mut device = described(&scene, "noisy", true);
    let before = scene.metric(RESIDENT);
    let payload = json!({"pad": "x".repeat(100_000)});
    for n in 0..400u16 {
        let trigger = json!({"triggerName": "noise", "payload": payload, "n": n});
        device.publish("trigger", &trigger, Some(100 + n), false);
        device.flush();
        device.wait("its PUBACK", |word| matches!(word, Word::Puback(_)).then_some(()));
    }
    scene.must_serve("while a stream is stalled");
    let grown = scene.metric(RESIDENT) - before;
    assert!(grown < 64e6, "{grown} bytes for a stream that does not read");
    let late = scene.alpha.events(Some("0"));
    let first = late.next(SOON).expect("an event");
    assert_eq!(first.kind, "gap", "what was let go is said: {first:?}");
    assert!(first.data["from"].is_string() && first.data["to"].is_string());
    let mut text = Vec::new();
    stalled.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
    let mut buffer = vec![0; 1 << 20];
    while let Ok(bytes @ 1..) = std::io::Read::read(&mut stalled, &mut buffer) {
        text.extend_from_slice(&buffer[..bytes]);
    }
    let text = String::from_utf8_lossy(&text);
    assert_eq!(text.matches("event: gap").count(), 1, "one gap for all that was missed");
}

#[test]
fn e06_requests_that_gave_up_take_no_place_from_who_waits() {
    let scene = Scene::start("");
    let mut device = described(&scene, "d", true);
    let body = r#"{"command":"run"}"#;
    let request = format!(
        "POST /v1/agents/alpha/devices/d/commands HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        scene.agent_key,
        body.len()
    );
    let repeated = "gateway_commands_total{outcome=\"repeated\"}";
    let knock = || {
        let mut asking = TcpStream::connect(scene.gateway.http).expect("the gateway listens");
        asking.write_all(request.as_bytes()).expect("written");
        asking
    };
    let first = knock();
    let order = device.next_command();
    drop(first);
    for n in 1..=70 {
        let repeat = knock();
        wait_for(&format!("repeat {n}"), SOON, || (scene.metric(repeated) >= f64::from(n)).then_some(()));
        drop(repeat);
    }
    let (agent, path) = (&scene.alpha, "/devices/d/commands");
    std::thread::scope(|scope| {
        let patient =
            scope.spawn(|| agent.post(path, &json!({"command": "run"}), &[("Idempotency-Key", "k")]));
        wait_for("it waits, too", SOON, || (scene.metric(repeated) >= 71.0).then_some(()));
        device.answer(&order, true, &json!(7));
        let answer = patient.join().expect("an answer");
        assert_eq!((answer.status, &answer.json["data"]), (200, &json!(7)));
    });
    scene.must_serve("after many have given up");
}

#[test]
fn e05_the_first_answer_counts_and_nobody_elses() {
    let scene = Scene::start("command_grace_ms = 200");
    let events = scene.alpha.events(None);
    let late_total = "gateway_dropped_total{reason=\"late_response\"}";
    let unexpected = "gateway_dropped_total{reason=\"unexpected_response\"}";
    let mut device = described(&scene, "d", false);
    let mut foreign = described(&scene, "foreign", false);
    // Two answers, the second one contradicting.
    let id = ask(&scene, "d", &json!({}));
    let order = device.next_command();
    device.respond(&id, true, &json!("first"));
    device.answer(&order, false, &json!("second"));
    assert_eq!(wait_state(&scene, &id, "done")["data"], "first");
    // Another device's, one to a guessed id, one to nothing.
    let id = ask(&scene, "d", &json!({}));
    let order = device.next_command();
    foreign.respond(&id, true, &json!("forged"));
    let guessed = format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
    for wrong in [guessed.as_str(), "c-0", "", "x", &format!("{id}~2")] {
        device.respond(wrong, true, &json!("guessed"));
    }
    wait_for("they are dropped and counted", SOON, || (scene.metric(unexpected) >= 7.0).then_some(()));
    assert_eq!(scene.alpha.command(&id).json["status"], "sent", "nothing has moved it");
    device.answer(&order, true, &json!("right"));
    assert_eq!(wait_state(&scene, &id, "done")["data"], "right");
    // After the end: history and an event, and the answer stays.
    let id = ask(&scene, "d", &json!({"timeoutMs": 1000}));
    let order = device.next_command();
    let timed_out = wait_state(&scene, &id, "timed_out");
    let told = wait_for("the end is told", SOON, || {
        let event = events.wait("command").data;
        (event["commandId"] == *id).then_some(event)
    });
    assert_eq!(told["status"], "timed_out");
    device.respond(&id, true, &json!("late"));
    device.answer(&order, true, &json!("later"));
    let late = events.wait("command").data;
    assert_eq!((&late["commandId"], &late["lateAnswer"]["data"]), (&json!(id), &json!("late")));
    let story = scene.alpha.command(&id).json;
    assert_eq!((&story["status"], &story["outcome"]), (&timed_out["status"], &timed_out["outcome"]));
    assert!(story["lateAnswerAt"].is_string());
    assert_eq!(scene.metric(late_total), 1.0, "one late answer, and a repetition of it");
    scene.must_serve("after E5");
}

#[test]
fn e06_one_key_runs_one_command() {
    let scene = Scene::on_cores(2, "commands_in_flight_per_agent = 1");
    let mut device = described(&scene, "d", false);
    let body = json!({"command": "run", "payload": {"n": 1}});
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let asking: Vec<_> =
            (0..4).map(|_| scope.spawn(|| scene.alpha.repeat("d", &body, "the-same"))).collect();
        let order = device.next_command();
        // All four are there, and only one took the agent's only place.
        wait_for("the others have joined", SOON, || {
            (scene.metric("gateway_commands_total{outcome=\"repeated\"}") == 3.0).then_some(())
        });
        device.answer(&order, true, &json!("once"));
        asking
            .into_iter()
            .map(|one| one.join().expect("an answer"))
            .map(|one| (one.status, one.json))
            .collect()
    });
    for (status, json) in &answers {
        assert_eq!(
            (*status, &json["data"], &json["commandId"]),
            (200, &json!("once"), &answers[0].1["commandId"])
        );
    }
    let again = scene.alpha.repeat("d", &body, "the-same");
    assert_eq!((again.status, &again.json["commandId"]), (200, &answers[0].1["commandId"]));
    let other = scene.alpha.repeat("d", &json!({"command": "run", "payload": {"n": 2}}), "the-same");
    assert_eq!((other.status, &other.json["code"]), (422, &json!("idempotency-key-reused")));
    let word = device.hear(Duration::from_millis(500));
    assert!(!matches!(word, Some(Word::Message { .. })), "{word:?}");
    scene.must_serve("after E6");
}

#[test]
fn e07_nothing_stale_is_ever_said() {
    let scene = Scene::start("");
    let mut device = described(&scene, "d", false);
    // A trigger whose acknowledgement has nobody to go to.
    device.publish("trigger", &json!({"triggerName": "t"}), Some(60), false);
    device.flush();
    drop(device);
    wait_for("it is offline", SOON, || (scene.alpha.status("d") == "offline").then_some(()));
    let queued = scene.alpha.post(
        "/devices/d/commands",
        &json!({"command": "run", "offline": "queue", "timeoutMs": 1000}),
        &[],
    );
    assert_eq!(queued.status, 202, "{}", queued.json);
    let id = queued.json["commandId"].as_str().expect("an id");
    let story = wait_state(&scene, id, "expired");
    assert_eq!(story["outcome"], "not_sent");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, false);
    let mut present = false;
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        match device.hear(Duration::from_millis(50)) {
            Some(Word::Connack { session_present, .. }) => present = session_present,
            Some(Word::Message { suffix, json, .. }) => panic!("stale: {suffix} {json}"),
            _ => {}
        }
    }
    assert!(present, "the session was kept, and what was stale in it was not");
    scene.must_serve("after E7");
}

#[test]
fn e08_a_flood_of_triggers_is_answered_and_acknowledged() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut device = described(&scene, "d", false);
    for id in 100..200u16 {
        device.publish("trigger", &json!({"triggerName": "flood", "payload": {"n": id}}), Some(id), false);
    }
    let (mut pubacks, mut taken, mut refused) = (0, 0, 0);
    while pubacks < 100 || taken + refused < 100 {
        match device.hear(SOON).expect("each is answered") {
            Word::Puback(_) => pubacks += 1,
            Word::Message { suffix, json, .. } if suffix == "trigger_ack" => match json["received"].as_bool()
            {
                Some(true) => taken += 1,
                _ => {
                    assert_eq!(json["error"], "RATE_LIMITED");
                    refused += 1;
                }
            },
            other => panic!("{other:?}"),
        }
    }
    assert!((10..=30).contains(&taken), "{taken} of 100 within about a second, 10 may");
    let mut kept = 0;
    while let Some(event) = events.next(Duration::from_millis(500)) {
        kept += u32::from(event.kind == "trigger");
    }
    assert_eq!(kept, taken, "what was acknowledged is delivered, and nothing else");
    scene.must_serve("after E8");
}

#[test]
fn triggers_keep_their_limits() {
    let scene = Scene::start("triggers_per_second_per_agent = 1000");
    let events = scene.alpha.events(None);
    let mut device = described(&scene, "d", false);
    let topic = "lua/devices/alpha/d/trigger";
    let pad = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let fired = |payload: &str| format!("{{\"triggerName\":\"t\",\"payload\":{payload}}}");
    let refused: Vec<(&str, String)> = vec![
        ("a payload over 1 MiB", fired(&pad(1_048_577))),
        ("no name", "{\"payload\":{}}".into()),
        ("an empty name", "{\"triggerName\":\"\"}".into()),
        ("a name of 129 bytes", format!("{{\"triggerName\":\"{}\"}}", "n".repeat(129))),
        ("a control character", "{\"triggerName\":\"a\\u0007\"}".into()),
        (
            "a given id of 129 bytes",
            format!("{{\"triggerName\":\"t\",\"triggerId\":\"{}\"}}", "i".repeat(129)),
        ),
        ("a list", "[]".into()),
        ("no JSON", "{".into()),
        ("a key twice", "{\"triggerName\":\"a\",\"triggerName\":\"b\"}".into()),
        ("a lone surrogate", fired("\"\\ud800\"")),
        ("65 levels", fired(&format!("{}{}", "[".repeat(65), "]".repeat(65)))),
    ];
    for (id, (what, text)) in (200..).zip(&refused) {
        device.raw(&publish(0x32, topic, Some(id), text.as_bytes()));
        device.wait(what, |word| matches!(word, Word::Puback(got) if got.value() == id).then_some(()));
        let error = device.wait(what, |word| match word {
            Word::Message { suffix, json, .. } if suffix == "error" => Some(json.clone()),
            _ => None,
        });
        let unread = ["no JSON", "a key twice", "a lone surrogate", "65 levels"].contains(what);
        assert_eq!(error["code"], if unread { "INVALID_JSON" } else { "INVALID_TRIGGER" }, "{what}");
    }
    device.raw(&publish(0x32, topic, Some(300), fired(&pad(1_048_576)).as_bytes()));
    device.flush();
    let event = events.wait("trigger").data;
    assert_eq!(event["payload"].as_str().expect("text").len(), 1_048_574, "exactly 1 MiB of JSON passes");
    // A device's own name for a trigger: echoed, and known again, whatever the packet says.
    let named = "{\"triggerName\":\"named\",\"triggerId\":\"mine-1\"}";
    for (first, id) in [(0x32, Some(301)), (0x32, Some(302)), (0x30, None)] {
        device.raw(&publish(first, topic, id, named.as_bytes()));
        let ack = device.wait("its ack", |word| match word {
            Word::Message { suffix, json, .. }
                if suffix == "trigger_ack" && json["triggerId"] == "mine-1" =>
            {
                Some(json.clone())
            }
            _ => None,
        });
        assert_eq!(ack, json!({"triggerId": "mine-1", "received": true}));
    }
    assert_eq!(events.wait("trigger").data["triggerId"], "mine-1");
    while let Some(event) = events.next(Duration::from_millis(300)) {
        assert!(event.kind != "trigger", "delivered twice: {event:?}");
    }
    assert_eq!(scene.metric("gateway_triggers_total{outcome=\"duplicate\"}"), 2.0);
}

#[test]
fn a_trigger_in_the_segment_of_connect_waits_for_admission() {
    let scene = Scene::on_cores(3, "");
    let events = scene.alpha.events(None);
    for n in 0..6 {
        let name = format!("hasty-{n}");
        let topic = |suffix: &str| format!("lua/devices/alpha/{name}/{suffix}");
        let mut bytes = Hello::new("alpha", &name, &scene.key).packet();
        bytes.extend(publish(0x32, &topic("trigger"), Some(1), b"{\"triggerName\":\"hasty\"}"));
        bytes.extend(mqtt(0xe0, &[]));
        let mut raw = Raw::sending(scene.gateway.mqtt, &bytes);
        assert_eq!(raw.take(4), ACCEPTED);
        let event = events.wait("trigger").data;
        assert_eq!(event["deviceName"], *name);
    }
    let mut bytes = Hello::new("alpha", "liar", "api_wrong").packet();
    bytes.extend(publish(0x32, "lua/devices/alpha/liar/trigger", Some(1), b"{\"triggerName\":\"never\"}"));
    Raw::sending(scene.gateway.mqtt, &bytes).must_be_closed("a wrong key", &[0x20, 2, 0, 5]);
    while let Some(event) = events.next(Duration::from_millis(300)) {
        assert!(event.kind != "trigger", "{event:?}");
    }
    scene.must_serve("after C8");
}

#[test]
fn a_command_that_will_be_asked_again_keeps_its_place_in_the_queue() {
    let scene = Scene::start("commands_waiting_per_device = 2");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "no", &scene.key, true);
    let patient = json!([{"name": "run", "retry": {"maxAttempts": 3, "backoffMs": 20_000}}]);
    device.describe(&scene.key, &patient, 1);
    device.settle_in();
    for _ in 0..2 {
        let id = ask(&scene, "no", &json!({"timeoutMs": 60_000}));
        let order = device.next_command();
        device.answer(&order, false, &json!("not now"));
        wait_state(&scene, &id, "queued");
    }
    let answer = scene.alpha.post("/devices/no/commands", &json!({"command": "run"}), &[]);
    assert_eq!((answer.status, &answer.json["code"]), (503, &json!("device-busy")));
}
