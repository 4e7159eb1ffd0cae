//! JSON and JSON Schema: the rows J1 to J7 of the list of attacks, against the real gateway, as a body of the API, as a
//! device's message and as a manifest. Each test checks what the bad peer sees, that a new correct client is served, and that
//! one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::device::{Device, Word};
use support::raw::{Hello, Raw, publish, subscribe};
use support::scene::Scene;
use support::{SOON, wait_for};

const COMMANDS: &str = "/v1/agents/alpha/devices/bystander/commands";

/// Runs `echo` on the bystander with this payload, as it is spelled.
fn echo(scene: &Scene, payload: &str) -> (u16, Value) {
    let answer =
        scene.alpha.send("POST", COMMANDS, &format!("{{\"command\":\"echo\",\"payload\":{payload}}}"));
    (answer.status, answer.json)
}

/// A device that describes itself by commands of these schemas, and what of them was refused, by reason.
fn describe(scene: &Scene, name: &str, schemas: &[(&str, Value)]) -> (Device, Vec<String>) {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, true);
    let commands: Vec<Value> =
        schemas.iter().map(|(name, schema)| json!({"name": name, "inputSchema": schema})).collect();
    device.describe(&scene.key, &json!(commands), 1);
    device.settle_in();
    let shown = scene.alpha.get(&format!("/devices/{name}")).json;
    let refused = shown["manifest"]["refused"].as_array().expect("a list").clone();
    (device, refused.iter().map(|one| one["command"].as_str().expect("a name").to_owned()).collect())
}

#[test]
fn j1_depth_is_counted_and_never_recursed_into() {
    let scene = Scene::start("");
    for opening in ["[", "{\"a\":"] {
        let deep = opening.repeat(100_000);
        let (status, refused) = echo(&scene, &deep);
        assert_eq!((status, &refused["code"]), (400, &json!("invalid-json")));
        assert_eq!(scene.alpha.send("POST", COMMANDS, &deep).status, 400);
        let mut device = Device::connect(scene.gateway.mqtt, "alpha", "deep", &scene.key, true);
        device.describe(&scene.key, &json!([]), 1);
        device.settle_in();
        device.raw(&publish(
            0x32,
            "lua/devices/alpha/deep/trigger",
            Some(9),
            format!("{{\"triggerName\":\"t\",\"payload\":{deep}}}").as_bytes(),
        ));
        let acked = device.wait("an acknowledgement", |word| match word {
            Word::Puback(_) => Some(true),
            Word::Closed => Some(false),
            _ => None,
        });
        assert!(acked, "what is refused is acknowledged all the same");
        let told = device.wait("why", |word| match word {
            Word::Message { suffix, json, .. } if suffix == "error" => Some(json["code"].clone()),
            _ => None,
        });
        assert_eq!(told, "INVALID_JSON");
    }
    let fits = format!("{}{}", "[".repeat(50), "]".repeat(50));
    assert_eq!(echo(&scene, &fits).0, 200);
    let (events, deep) = (scene.alpha.events(Some("0")), "t");
    while let Some(event) = events.next(Duration::from_millis(300)) {
        assert_ne!(event.data["triggerName"], deep, "nothing of it was kept");
    }
    scene.must_serve("after J1");
}

#[test]
fn j2_a_payload_may_end_anywhere() {
    let scene = Scene::start("");
    for length in (4080..4112).chain(16_370..16_390).chain(65_530..65_540) {
        let text = "x".repeat(length);
        let (status, json) = echo(&scene, &format!("\"{text}\""));
        assert_eq!((status, json["data"].as_str().map(str::len)), (200, Some(length)));
    }
    scene.must_serve("after J2");
}

/// A number that no machine holds reaches the device letter by letter, and its answer the agent.
fn passes_as_it_is_spelled(scene: &Scene, number: &str) {
    let topic = |suffix: &str| format!("lua/devices/alpha/literal/{suffix}");
    let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "literal", &scene.key).packet());
    let status = json!({"status": "online", "apiKey": scene.key, "commands": [{"name": "say"}]}).to_string();
    raw.send(&subscribe(1, &[(&topic("command"), 0)]));
    raw.send(&publish(0x32, &topic("status"), Some(2), status.as_bytes()));
    let described = || scene.alpha.tools().contains(&"device__literal__say".to_owned()).then_some(());
    wait_for("it is described", SOON, described);
    std::thread::scope(|scope| {
        let path = "/v1/agents/alpha/devices/literal/commands";
        let body = format!("{{\"command\":\"say\",\"payload\":[{number}]}}");
        let call = scope.spawn(move || scene.alpha.text_of("POST", path, &body));
        let wanted = format!("\"payload\":[{number}]");
        let id = raw.hear(SOON, |heard| {
            let text = String::from_utf8_lossy(heard);
            let (_, id) = text.split_once("\"commandId\":\"")?;
            text.contains(&wanted).then(|| id[..46].to_owned())
        });
        let id = id.expect("the number came as it was spelled");
        let answer = format!("{{\"commandId\":\"{id}\",\"success\":true,\"data\":[{number}]}}");
        raw.send(&publish(0x30, &topic("response"), None, answer.as_bytes()));
        let answered = call.join().expect("an answer");
        assert!(answered.contains(&format!("\"data\":[{number}]")), "it went back as it was spelled");
    });
}

#[test]
fn j3_what_two_readers_could_read_differently_is_refused() {
    let scene = Scene::start("");
    let body = |body: &[u8]| {
        let head = format!(
            "POST {COMMANDS} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            scene.agent_key,
            body.len()
        );
        let mut raw = Raw::sending(scene.gateway.http, &[head.as_bytes(), body].concat());
        let heard = raw.closed_within(SOON).expect("it is closed");
        String::from_utf8_lossy(&heard)[9..12].parse::<u16>().expect("a status")
    };
    assert_eq!(body(br#"{"command":"echo","command":"echo"}"#), 400, "a member twice");
    assert_eq!(body(br#"{"command":"echo","comman\u0064":"echo"}"#), 400, "twice, in two spellings");
    assert_eq!(body(b"\xef\xbb\xbf{\"command\":\"echo\"}"), 400, "a byte order mark");
    assert_eq!(body(b"{\"command\":\"echo\",\"payload\":\"\xff\"}"), 400, "no UTF-8");
    assert_eq!(body(b"{\"command\":\"echo\",\"payload\":\"\xed\xa0\x80\"}"), 400, "a surrogate in UTF-8");
    for payload in
        [r#""\ud800""#, "NaN", "Infinity", "+1", "01", ".5", "1.", "'a'", "tru", "\"\u{1}\"", "1 2", "/**/1"]
    {
        assert_eq!(echo(&scene, payload).0, 400, "{payload}");
    }
    let number = "1.000000000000000000000000000000000000000000000000001";
    let answer = scene.alpha.send(
        "POST",
        COMMANDS,
        &format!("{{\"command\":\"echo\",\"payload\":{{\"n\":{number}}}}}"),
    );
    assert_eq!(answer.status, 200);
    assert!(matches!(echo(&scene, r#"{"a":1,"a":2}"#).0, 200 | 400), "it is passed on as it is, or refused");
    for number in ["1e400".to_owned(), "9".repeat(100_000)] {
        passes_as_it_is_spelled(&scene, &number);
    }
    scene.must_serve("after J3");
}

#[test]
fn j4_a_schema_makes_the_gateway_fetch_nothing() {
    let scene = Scene::start("");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/schema.json", listener.local_addr().expect("an address"));
    let schemas = [
        ("ref_http", json!({"type": "object", "$ref": url})),
        ("ref_file", json!({"type": "object", "$ref": "file:///etc/passwd"})),
        ("dynamic", json!({"type": "object", "properties": {"a": {"$dynamicRef": url}}})),
        ("id_and_ref", json!({"type": "object", "$id": url, "properties": {"a": {"$ref": "other.json"}}})),
        ("meta", json!({"type": "object", "$schema": url})),
        ("good", json!({"type": "object"})),
    ];
    let (_device, refused) = describe(&scene, "fetcher", &schemas);
    for name in ["ref_http", "ref_file", "id_and_ref"] {
        assert!(refused.iter().any(|one| one == name), "{name} is refused: {refused:?}");
    }
    assert!(!refused.iter().any(|one| one == "good"));
    assert!(listener.accept().is_err(), "nobody came to fetch");
    scene.must_serve("after J4");
}

#[test]
fn j5_a_pattern_costs_what_its_text_is_long() {
    let scene = Scene::start("");
    let pattern = |pattern: &str| json!({"type": "object", "properties": {"s": {"type": "string", "pattern": pattern}}});
    let schemas = [
        ("nested", pattern("^(a+)+$")),
        ("bomb", pattern("((((a{100}){100}){100}){100})")),
        ("ahead", pattern("a(?=b)")),
        ("behind", pattern("(?<=a)b")),
        ("back", pattern("(a)\\1")),
    ];
    let (mut device, refused) = describe(&scene, "patterns", &schemas);
    for name in ["bomb", "ahead", "behind", "back"] {
        assert!(refused.iter().any(|one| one == name), "{name} is refused: {refused:?}");
    }
    let asked = Instant::now();
    let text = format!("{}!", "a".repeat(100_000));
    let answer = scene.alpha.call("patterns", "nested", &json!({"s": text}));
    assert_eq!((answer.status, &answer.json["code"]), (422, &json!("invalid-arguments")));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(device.hear(Duration::from_millis(100)).is_none(), "the device heard nothing of it");
    scene.must_serve("after J5");
}

#[test]
fn j6_a_schema_that_leads_to_itself_ends() {
    let scene = Scene::start("");
    let schemas = [
        ("itself", json!({"type": "object", "allOf": [{"$ref": "#"}]})),
        (
            "circle",
            json!({"type": "object", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}},
            "allOf": [{"$ref": "#/definitions/a"}]}),
        ),
        ("good", json!({"type": "object"})),
    ];
    let (_device, refused) = describe(&scene, "circles", &schemas);
    for name in ["itself", "circle"] {
        assert!(refused.iter().any(|one| one == name), "{name} is refused: {refused:?}");
    }
    assert!(!refused.iter().any(|one| one == "good"));
    let deep = format!("{}true{}", "{\"not\":".repeat(5000), "}".repeat(5000));
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "deep", &scene.key, true);
    device.listen(1);
    let status = format!(
        r#"{{"status":"online","apiKey":"{}","commands":[{{"name":"x","inputSchema":{deep}}}]}}"#,
        scene.key
    );
    device.raw(&publish(0x32, "lua/devices/alpha/deep/status", Some(2), status.as_bytes()));
    let ended = |word: &Word| matches!(word, Word::Puback(_) | Word::Closed).then_some(());
    while device.hear(SOON).as_ref().and_then(ended).is_none() {}
    assert_eq!(scene.alpha.get("/devices/deep").json["commands"], json!([]), "nothing of it is a tool");
    scene.must_serve("after J6");
}

#[test]
fn j7_a_check_that_would_cost_too_much_is_not_made() {
    let scene = Scene::start("");
    let branches: Vec<Value> = (0..40).map(|n| json!({"minimum": n})).collect();
    let schema = json!({"type": "object", "properties": {"list": {"type": "array",
        "items": {"anyOf": branches.clone(), "allOf": [{"anyOf": branches}]}}}});
    let (mut device, refused) = describe(&scene, "costly", &[("weigh", schema)]);
    let asked = Instant::now();
    let list: Vec<i32> = vec![-1; 300_000];
    let answer = scene.alpha.call("costly", "weigh", &json!({"list": list}));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    match refused.as_slice() {
        [] => {
            assert_eq!(answer.status, 422, "{}", answer.json["code"]);
            let detail = answer.json["errors"][0]["detail"].as_str().unwrap_or_default().to_owned();
            assert!(detail.contains("SCHEMA_TOO_COSTLY"), "{detail}");
        }
        _ => assert_eq!(answer.json["code"], "command-unknown", "refused with the manifest"),
    }
    assert!(device.hear(Duration::from_millis(100)).is_none(), "the device heard nothing of it");
    scene.must_serve("after J7");
}
