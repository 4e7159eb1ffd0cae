//! Bad Socket.IO peers, and moments that are bad for good ones, against the real gateway: the rows G1 to G12 of the list of
//! attacks, and what E1, F6, L3 and L9 say of Socket.IO. Each test checks what the peer sees, that a new correct client is
//! served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::raw::{AT_ONCE, Raw};
use support::scene::Scene;
use support::service::{Reply, Service};
use support::socket_io::{UPGRADE, get, opened};
use support::web_socket::{BINARY, CONTINUE, TEXT, ask, frame, must_be_told, next_frame, part};
use support::{SOON, wait_for};

/// A device that is connected and described.
fn accepted(scene: &Scene, device: &str) -> Raw {
    described(scene, device, &json!([]))
}

fn described(scene: &Scene, device: &str, commands: &Value) -> Raw {
    let mut raw = opened(scene.gateway.http);
    raw.send(&frame(TEXT, connect(scene, device, commands).as_bytes()));
    let (_, connected) = next_frame(&mut raw);
    assert!(connected.starts_with(b"40/devices,{\"sid\":"), "{}", String::from_utf8_lossy(&connected));
    assert_eq!(next_frame(&mut raw).1, br#"42/devices,["connected",{}]"#);
    raw
}

/// These messages end the connection of an accepted device at once.
#[track_caller]
fn must_end(scene: &Scene, what: &str, messages: &[(&[u8], bool)]) {
    let mut raw = accepted(scene, "bad");
    for (message, is_text) in messages {
        raw.send(&frame(if *is_text { TEXT } else { BINARY }, message));
    }
    assert!(raw.closed_within(AT_ONCE).is_some(), "{what}: it was to be closed");
}

/// Opens a session that polls and gives its sid.
fn polling(address: SocketAddr) -> String {
    let (status, open) = exchange(address, &get("EIO=4&transport=polling", "Connection: close\r\n"));
    assert_eq!(status, "200", "an honest one is let in however many there are: {open}");
    let (_, sid) = open.split_once("\"sid\":\"").expect("an open packet");
    sid.split('"').next().expect("a sid").to_owned()
}

fn post(address: SocketAddr, sid: &str, body: &str) -> String {
    status(address, &posting(sid, body))
}

fn posting(sid: &str, body: &str) -> String {
    let head = format!("POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: gateway\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn poll(address: SocketAddr, sid: &str) -> (String, String) {
    exchange(address, &get(&format!("EIO=4&transport=polling&sid={sid}"), "Connection: close\r\n"))
}

/// A request that asks for the end of the connection: the status and the body of its answer.
fn exchange(address: SocketAddr, request: &str) -> (String, String) {
    let (mut raw, head) = ask(address, request);
    let body = raw.closed_within(SOON).expect("it was asked to close");
    (head.split(' ').nth(1).unwrap_or_default().to_owned(), String::from_utf8_lossy(&body).into_owned())
}

/// A WebSocket for a session that polls.
fn probing(address: SocketAddr, sid: &str) -> Raw {
    let (raw, head) = ask(address, &get(&format!("EIO=4&transport=websocket&sid={sid}"), UPGRADE));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    raw
}

/// What a device says first.
fn connect(scene: &Scene, device: &str, commands: &Value) -> String {
    let auth = json!({"apiKey": scene.key, "agentId": "alpha", "deviceName": device, "commands": commands});
    format!("40/devices,{auth}")
}

fn status(address: SocketAddr, request: &str) -> String {
    ask(address, request).1.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn g01_upgrades_that_are_reset() {
    let scene = Scene::start("");
    for _ in 0..20 {
        let (raw, _) = ask(scene.gateway.http, &get("EIO=4&transport=websocket", UPGRADE));
        raw.reset();
        Raw::sending(scene.gateway.http, get("EIO=4&transport=websocket&sid=x", UPGRADE).as_bytes()).reset();
        let sid = polling(scene.gateway.http);
        let mut half = probing(scene.gateway.http, &sid);
        half.send(&frame(TEXT, b"2probe"));
        assert_eq!(next_frame(&mut half).1, b"3probe");
        half.reset();
        let said = post(scene.gateway.http, &sid, "40/random");
        assert_eq!(said, "200", "the session lives on without the WebSocket");
    }
    scene.must_serve("after G1");
}

#[test]
fn g02_queries_that_make_no_sense() {
    let scene = Scene::start("");
    for query in [
        "EIO=4&transport=constructor",
        "EIO=4&transport=__proto__",
        "EIO=4&transport=polling&transport=polling",
        "EIO=4&EIO=4&transport=polling",
        "EIO=4&transport=polling&sid=a&sid=b",
        "transport=polling",
        "",
    ] {
        assert_eq!(status(scene.gateway.http, &get(query, "")), "400", "{query}");
    }
    scene.must_serve("after G2");
}

#[test]
fn g03_to_g06_and_g08_packets_that_break_a_rule() {
    let scene = Scene::start("");
    for bad in [
        r#"451-/devices,["trigger",{"_placeholder":true,"num":7}]"#,
        r#"451-/devices,["trigger",{"_placeholder":true,"num":-1}]"#,
        r#"451-/devices,["trigger",{"_placeholder":true,"num":"splice"}]"#,
        r#"42/devices,[{"toString":"foo"}]"#,
        "42/devices,[null]",
        r#"42/devices,["connect"]"#,
        r#"42/devices,["disconnect"]"#,
        r#"45999999999-/devices,["x"]"#,
        r#"4511-/devices,["x"]"#,
        "42/devices,",
        "43/devices,1",
        "42",
        "431",
        "42/devices,{}",
        r#"42/devices,99999999999999999999["trigger"]"#,
        r#"42["trigger"]"#,
        "44/devices,{}",
        "4abc",
        "abc",
        "2",
        "5",
    ] {
        must_end(&scene, bad, &[(bad.as_bytes(), true)]);
    }
    must_end(&scene, "binary that is no attachment", &[(&[1, 2, 3], false)]);
    let deep = format!(r#"42/devices,["trigger",{}{}]"#, "[".repeat(100), "]".repeat(100));
    must_end(&scene, "deep JSON", &[(deep.as_bytes(), true)]);
    scene.must_serve("after G3 to G8");
}

#[test]
fn g05_names_that_are_only_unusual_are_ignored() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "odd");
    for name in ["error", "__proto__", "constructor", ""] {
        raw.send(&frame(TEXT, format!("42/devices,[{}]", json!(name)).as_bytes()));
    }
    raw.send(&frame(TEXT, br#"42/devices,["heartbeat"]"#));
    assert_eq!(next_frame(&mut raw).1, br#"42/devices,["pong",{}]"#, "it is served");
    scene.must_serve("after G5");
}

#[test]
fn g07_messages_and_bodies_that_are_too_large() {
    let scene = Scene::start("");
    let mut raw = opened(scene.gateway.http);
    raw.send(&frame(TEXT, &[b'4'; 800 * 1024])[..64]);
    let told = raw.closed_within(SOON).expect("it is closed at the header");
    assert_eq!(told, [0x88, 2, 0x03, 0xf1], "1009 before a log-in");
    let mut raw = accepted(&scene, "large");
    raw.send(&frame(TEXT, &vec![b'4'; 1_200_000])[..64]);
    assert_eq!(raw.closed_within(SOON).expect("it is closed"), [0x88, 2, 0x03, 0xf1]);
    let post = "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: gateway\r\nContent-Length: 4194304\r\n\r\n";
    assert_eq!(status(scene.gateway.http, post), "413");
    scene.must_serve("after G7");
}

#[test]
fn g08_a_second_socket_for_a_session_is_closed_alone() {
    let scene = Scene::start("");
    let address = scene.gateway.http;
    let sid = polling(address);
    let mut first = probing(address, &sid);
    let mut second = probing(address, &sid);
    assert!(second.closed_within(AT_ONCE).is_some(), "one is probing already");
    first.send(&frame(TEXT, b"2probe"));
    assert_eq!(next_frame(&mut first).1, b"3probe");
    first.send(&frame(TEXT, b"5"));
    first.send(&frame(TEXT, connect(&scene, "upgraded", &json!([])).as_bytes()));
    assert!(next_frame(&mut first).1.starts_with(b"40/devices,{\"sid\":"));
    assert_eq!(next_frame(&mut first).1, br#"42/devices,["connected",{}]"#);
    let mut third = probing(address, &sid);
    assert!(third.closed_within(AT_ONCE).is_some(), "it has its WebSocket");
    first.send(&frame(TEXT, br#"42/devices,["heartbeat"]"#));
    assert_eq!(next_frame(&mut first).1, br#"42/devices,["pong",{}]"#, "the session lives");
    scene.must_serve("after G8");
}

/// What is left of the upgrade keeps the session for 10 s, and not its device.
#[test]
fn who_says_goodbye_in_the_middle_of_an_upgrade_is_gone_at_once() {
    let scene = Scene::start("");
    let address = scene.gateway.http;
    let shown = |status| (scene.alpha.status("leaver") == status).then_some(());
    let sid = polling(address);
    assert_eq!(post(address, &sid, &connect(&scene, "leaver", &json!([]))), "200");
    wait_for("the log-in", SOON, || shown("online"));
    let mut half = probing(address, &sid);
    half.send(&frame(TEXT, b"2probe"));
    assert_eq!(next_frame(&mut half).1, b"3probe");
    assert_eq!(post(address, &sid, "41/devices,"), "200");
    wait_for("the goodbye", Duration::from_secs(5), || shown("offline"));
    scene.must_serve("after a goodbye in the middle of an upgrade");
}

#[test]
fn g09_who_never_connects_is_let_go() {
    let scene = Scene::start("connect_timeout_ms = 500");
    let mut raw = opened(scene.gateway.http);
    assert!(raw.closed_within(SOON).is_some());
    let sid = polling(scene.gateway.http);
    let (status, body) = poll(scene.gateway.http, &sid);
    assert_eq!((status.as_str(), body.as_str()), ("400", r#"{"code":1,"message":"Session ID unknown"}"#));
    // However much they say, as long as it is not who they are.
    let sid = polling(scene.gateway.http);
    wait_for("one that posts is let go", SOON, || {
        (post(scene.gateway.http, &sid, "6") != "200").then_some(())
    });
    let mut raw = opened(scene.gateway.http);
    wait_for("one that talks is let go", SOON, || {
        raw.send(&frame(TEXT, b"6"));
        raw.closed_within(Duration::from_millis(10)).map(drop)
    });
    scene.must_serve("after G9");
}

/// Half upgrades are let go after 10 s, and nothing but they: their sessions poll on.
#[test]
fn g11_upgrades_that_never_end() {
    let scene = Scene::start("connect_timeout_ms = 60000");
    let address = scene.gateway.http;
    let sids: Vec<String> = (0..60).map(|_| polling(address)).collect();
    let began = Instant::now();
    let mut halves: Vec<Raw> = sids.iter().map(|sid| probing(address, sid)).collect();
    for half in halves.iter_mut().step_by(2) {
        half.send(&frame(TEXT, b"2probe"));
        assert_eq!(next_frame(half).1, b"3probe");
    }
    for half in &mut halves {
        assert!(half.closed_within(SOON).is_some(), "it is let go");
    }
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "{took:?}");
    for sid in &sids {
        assert_eq!(post(address, sid, "40/random"), "200");
        assert!(poll(address, sid).1.starts_with("44/random,"), "the session lives");
    }
    scene.must_serve("after G11");
}

/// F6 for messages that are kept until they are whole.
#[test]
fn f06_a_message_in_too_many_fragments() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "bits");
    let mut bytes = part(false, TEXT, b"4");
    for _ in 0..1024 {
        bytes.extend(part(false, CONTINUE, b"2"));
    }
    raw.send(&bytes);
    must_be_told(&mut raw, "1025 fragments", 1008);
    scene.must_serve("after F6");
}

/// E2 for a body of very many packets that say nothing: whoever else is on the core is served meanwhile, and the POST is answered when
/// all of it was heard.
#[test]
fn e02_bodies_of_very_many_empty_packets() {
    let scene = Scene::start("");
    let address = scene.gateway.http;
    let posts: Vec<_> = (0..2)
        .map(|n| {
            let sid = polling(address);
            assert_eq!(post(address, &sid, &connect(&scene, &format!("many-{n}"), &json!([]))), "200");
            let body = format!("{}42/devices,[\"heartbeat\"]", "6\u{1e}".repeat(150_000));
            std::thread::spawn(move || (post(address, &sid, &body), sid))
        })
        .collect();
    for _ in 0..3 {
        scene.must_serve("during E2");
    }
    for post in posts {
        let (status, sid) = post.join().expect("a client");
        assert_eq!(status, "200");
        let said = poll(address, &sid).1;
        assert!(said.ends_with(r#"42/devices,["pong",{}]"#), "what stands behind them is heard: {said}");
    }
}

/// E1 for a device that has no connection to be slow on: what it does not fetch waits up to a ceiling, and it is gone with its
/// pong.
#[test]
fn e01_a_device_that_does_not_poll() {
    let scene = Scene::start("socketio_ping_interval_ms = 1500\nsocketio_ping_timeout_ms = 1500");
    let sid = polling(scene.gateway.http);
    let said = connect(&scene, "mute", &json!([{"name": "work", "description": "Works"}]));
    assert_eq!(post(scene.gateway.http, &sid, &said), "200");
    let body = json!({"command": "work", "payload": {"text": "x".repeat(900_000)}});
    let asked: Vec<Value> = (0..6)
        .map(|n| {
            let answer = scene.alpha.post("/devices/mute/commands", &body, &[("Prefer", "respond-async")]);
            assert_eq!(answer.status, 202, "{n}: {}", answer.json);
            answer.json["commandId"].clone()
        })
        .collect();
    wait_for("it is gone", SOON, || (scene.alpha.status("mute") == "offline").then_some(()));
    let outcomes: Vec<Value> = asked
        .iter()
        .map(|id| scene.alpha.command(id.as_str().expect("an id")).json["outcome"].clone())
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "unknown").count(), 2, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "not_sent").count(), 4, "{outcomes:?}");
    scene.must_serve("after E1");
}

#[test]
fn g10_sids_cannot_be_guessed() {
    let scene = Scene::start("");
    for sid in
        ["x", "0", "0-", "0-00000000000000000000000000000000", "9-00000000000000000000000000000000", "-1-0"]
    {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        assert_eq!(status(scene.gateway.http, &get(&query, "")), "400", "{sid}");
        let query = format!("EIO=4&transport=websocket&sid={sid}");
        assert_eq!(status(scene.gateway.http, &get(&query, UPGRADE)), "400", "{sid}");
    }
    scene.must_serve("after G10");
}

/// A command that the device has just been sent.
fn next_command(raw: &mut Raw) -> Value {
    let (_, message) = next_frame(raw);
    let event = message.strip_prefix(b"42/devices,").expect("an event");
    let event: Value = serde_json::from_slice(event).expect("JSON");
    assert_eq!(event[0], "command");
    event[1].clone()
}

/// L9: the 33rd waits at the gateway, in order, until one of those before it is answered; one for which there is no room to wait
/// is refused.
#[test]
fn l09_at_most_32_commands_are_unanswered() {
    let scene = Scene::start("");
    let mut raw = described(&scene, "slow", &json!([{"name": "work", "description": "Works"}]));
    let ask = |n: usize| {
        let body = json!({"command": "work", "payload": {"n": n}});
        scene.alpha.post("/devices/slow/commands", &body, &[("Prefer", "respond-async")])
    };
    for n in 0..32 + 64 {
        assert_eq!(ask(n).status, 202, "{n}");
    }
    let busy = ask(96);
    assert_eq!((busy.status, &busy.json["code"]), (503, &json!("device-busy")));
    let sent: Vec<Value> = (0..32).map(|_| next_command(&mut raw)).collect();
    raw.must_stay_open("32 commands are unanswered", Duration::from_millis(200));
    for (n, command) in sent.iter().enumerate() {
        assert_eq!(command["payload"]["n"], n, "in order");
        let answer = json!(["response", {"commandId": command["commandId"], "success": true}]);
        raw.send(&frame(TEXT, format!("42/devices,{answer}").as_bytes()));
        assert_eq!(next_command(&mut raw)["payload"]["n"], 32 + n, "one answered, one more sent");
    }
    scene.must_serve("after L9");
}

/// A client that has stopped polling for an upgrade hears on its WebSocket why it must go.
#[test]
fn who_is_disabled_in_the_middle_of_an_upgrade_hears_it() {
    let scene = Scene::on_cores(2, "");
    let address = scene.gateway.http;
    for n in 0..8 {
        let name = format!("upgrading-{n}");
        let sid = polling(address);
        assert_eq!(post(address, &sid, &connect(&scene, &name, &json!([]))), "200");
        let hello = poll(address, &sid).1;
        assert!(hello.starts_with("40/devices,"), "{hello}");
        let mut raw = probing(address, &sid);
        raw.send(&frame(TEXT, b"2probe"));
        assert_eq!(next_frame(&mut raw).1, b"3probe");
        assert_eq!(scene.alpha.post(&format!("/devices/{name}/disable"), &json!({}), &[]).status, 200);
        assert_eq!(scene.alpha.status(&name), "disabled", "it is gone for everybody else at once");
        raw.send(&frame(TEXT, b"5"));
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &String| last != "41/devices,") {
            heard.push(String::from_utf8(next_frame(&mut raw).1).expect("text"));
        }
        assert!(heard.iter().any(|word| word.contains("DEVICE_DISABLED")), "{heard:?}");
        assert!(raw.closed_within(SOON).is_some());
        let (status, body) = poll(address, &sid);
        assert_eq!(status, "400", "the session is over: {body}");
    }
    scene.must_serve("after upgrades that were cut short");
}

/// A stop does not wait for a client that polls: no door is open for what it would say. Its poll, at whatever core it is, is
/// answered, and whoever asked it is told that the command may have run.
#[test]
fn a_stop_ends_sessions_that_poll() {
    let scene = Scene::on_cores(3, "");
    let address = scene.gateway.http;
    let work = json!([{"name": "work", "description": "Works"}]);
    let mut polls = Vec::new();
    std::thread::scope(|scope| {
        let mut asked = Vec::new();
        for n in 0..6 {
            let name = format!("poller-{n}");
            let sid = polling(address);
            assert_eq!(post(address, &sid, &connect(&scene, &name, &work)), "200");
            let mut heard = String::new();
            while !heard.contains("connected") {
                heard = poll(address, &sid).1;
            }
            let alpha = &scene.alpha;
            asked.push(scope.spawn(move || alpha.call(&name, "work", &json!({}))));
            heard.clear();
            while !heard.contains("\"command\"") {
                heard = poll(address, &sid).1;
            }
            let query = format!("EIO=4&transport=polling&sid={sid}");
            let mut waits = Raw::sending(address, get(&query, "").as_bytes());
            waits.must_stay_open("nothing is to be said", Duration::from_millis(20));
            polls.push(waits);
        }
        let began = Instant::now();
        support::signal(scene.gateway.pid(), "TERM");
        for waits in &mut polls {
            assert!(waits.closed_within(SOON).is_some());
        }
        for answer in asked.into_iter().map(|asked| asked.join().expect("it asks")) {
            assert_eq!((answer.status, &answer.json["outcome"]), (503, &json!("unknown")), "{}", answer.json);
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}, and the stop may take 25 s");
    });
}

/// L3: of strangers that have begun a large CONNECT, and of those that have begun a large POST, 16 MiB are kept; the oldest go.
#[test]
fn l03_half_messages_of_strangers_have_a_ceiling_together() {
    let scene = Scene::start("");
    let manifest = json!([{"name": "work", "description": "x".repeat(700_000)}]);
    let whole = frame(TEXT, connect(&scene, "heavy", &manifest).as_bytes());
    let (half, rest) = whole.split_at(whole.len() - 1);
    let head = "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000000\r\n\r\n";
    let post = [head.as_bytes(), &[b'4'; 900_000]].concat();
    let evicted = || scene.metric("gateway_strangers_evicted_total");
    let mut held: Vec<Raw> = (0..30)
        .map(|n| {
            let mut raw =
                if n % 2 == 0 { opened(scene.gateway.http) } else { Raw::connect(scene.gateway.http) };
            raw.send(if n % 2 == 0 { half } else { &post });
            raw
        })
        .collect();
    // 15 x 0.7 MB and 15 x 0.9 MB are 24 MB: at least nine must go.
    wait_for("the oldest go", SOON, || (evicted() >= 9.0).then_some(()));
    for raw in &mut held[..4] {
        assert!(raw.closed_within(SOON).is_some());
    }
    let mut newest = held.remove(28);
    newest.send(rest);
    assert!(next_frame(&mut newest).1.starts_with(b"40/devices,{\"sid\":"), "the newest is served");
    scene.must_serve("after L3");
}

/// L3 for what was heard of strangers and waits for the word of the auth service.
#[test]
fn l03_what_waits_of_sessions_of_nobody_has_a_ceiling_together() {
    let service = Service::start(|_| Reply::After(Duration::from_secs(20), Box::new(Reply::no())));
    let limits = format!("unidentified_bytes_per_core = 1200000\n{}", service.config());
    let scene = Scene::start(&limits);
    let manifest = json!([{"name": "work", "description": "x".repeat(700_000)}]);
    let waiting: Vec<Raw> = (0..8)
        .map(|n| {
            let sid = polling(scene.gateway.http);
            let auth = json!({"apiKey": "nobody's", "agentId": "alpha", "deviceName": format!("heavy-{n}"), "commands": manifest});
            Raw::sending(scene.gateway.http, posting(&sid, &format!("40/devices,{auth}")).as_bytes())
        })
        .collect();
    wait_for("all but the newest go", SOON, || {
        (scene.metric("gateway_strangers_evicted_total") >= 7.0).then_some(())
    });
    drop(waiting);
    scene.must_serve("after L3");
}

/// A session that polls needs no connection, so the ceiling of strangers must hold for it, too.
#[test]
fn sessions_of_nobody_give_way_to_newer_ones() {
    let scene = Scene::start("unidentified_per_core = 8");
    let sids: Vec<String> = (0..40).map(|_| polling(scene.gateway.http)).collect();
    let connect = |sid: &str| post(scene.gateway.http, sid, &connect(&scene, "poller", &json!([])));
    assert_eq!(connect(&sids[0]), "400", "the oldest is gone");
    assert_eq!(connect(sids.last().expect("forty")), "200", "the newest lives");
    scene.must_serve("after a flood of sessions");
}

/// L4 for devices that poll without keep-alive: whoever polls for a device is no stranger while it waits, however many do so
/// from one address; strangers of that address still give way.
#[test]
fn l04_polls_of_devices_give_way_to_nobody() {
    for cores in [1, 2] {
        let scene = Scene::on_cores(cores, "unidentified_per_address = 8");
        let fleet: Vec<(String, String)> = (0..40)
            .map(|n| {
                let (name, sid) = (format!("poller-{n}"), polling(scene.gateway.http));
                let commands = json!([{"name": "work", "description": "Works"}]);
                assert_eq!(post(scene.gateway.http, &sid, &connect(&scene, &name, &commands)), "200");
                let said = poll(scene.gateway.http, &sid).1;
                assert!(said.ends_with(r#"42/devices,["connected",{}]"#), "{name}: {said}");
                (name, sid)
            })
            .collect();
        let mut polls: Vec<Raw> = fleet
            .iter()
            .map(|(name, sid)| {
                let request = get(&format!("EIO=4&transport=polling&sid={sid}"), "Connection: close\r\n");
                let waits = Raw::sending(scene.gateway.http, request.as_bytes());
                // Until its request is read it is a stranger, and no more than eight may come at once.
                assert_eq!(scene.alpha.status(name), "online");
                waits
            })
            .collect();
        let evicted = || scene.metric("gateway_strangers_evicted_total");
        assert_eq!(evicted(), 0.0, "{cores}: all are devices");
        let crowd: Vec<Raw> = (0..40).map(|_| Raw::connect(scene.gateway.mqtt)).collect();
        let too_many = (crowd.len() - 8 * cores) as f64;
        wait_for("strangers give way", SOON, || (evicted() >= too_many).then_some(()));
        for ((name, _), waits) in fleet.iter().zip(&mut polls) {
            let body = json!({"command": "work", "payload": {"for": name}});
            let answer =
                scene.alpha.post(&format!("/devices/{name}/commands"), &body, &[("Prefer", "respond-async")]);
            assert_eq!(answer.status, 202, "{cores}: {name}: {}", answer.json);
            let heard = waits.closed_within(SOON).expect("its poll is answered");
            let heard = String::from_utf8_lossy(&heard);
            assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains(name), "{cores}: {name}: {heard}");
        }
        scene.must_serve("after L4");
    }
}

#[test]
fn g12_a_flood_of_namespaces() {
    let scene = Scene::start("");
    let mut raw = opened(scene.gateway.http);
    for _ in 0..2000 {
        if !raw.send(&frame(TEXT, b"40/random")) {
            break;
        }
    }
    for _ in 0..4 {
        assert_eq!(next_frame(&mut raw).1, br#"44/random,{"message":"Invalid namespace"}"#);
    }
    assert!(raw.closed_within(SOON).is_some(), "the fifth closes");
    scene.must_serve("after G12");
}
