//! The API of agents, request by request: lists and their pages, event streams and their cursors, shares that are used up, keys of
//! idempotency, and which part of it a listener serves.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use support::agent::Agent;
use support::device::Device;
use support::raw::{Hello, Raw};
use support::scene::{Echo, Scene};
use support::{SOON, wait_for};

/// The members of an object, in alphabetical order.
fn members(json: &Value) -> Vec<&str> {
    json.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn described(scene: &Scene, name: &str) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, true);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    device
}

fn names(page: &Value) -> Vec<&str> {
    let devices = page["devices"].as_array().unwrap_or_else(|| panic!("devices: {page}"));
    devices.iter().map(|device| device["name"].as_str().expect("a name")).collect()
}

#[test]
fn devices_are_listed_by_group_and_status_page_by_page() {
    let scene = Scene::on_cores(3, "");
    let _pico = Echo::connect(scene.gateway.mqtt, "pico", &scene.key);
    for n in 0..5 {
        let body = json!({"name": format!("lamp-{n}"), "group": "the yard"}).to_string();
        assert_eq!(scene.alpha.send("POST", "/developer/devices/alpha", &body).status, 201);
    }
    let all = scene.alpha.get("/devices").json;
    let lamps = ["lamp-0", "lamp-1", "lamp-2", "lamp-3", "lamp-4"];
    assert_eq!(names(&all), [&["bystander"][..], &lamps, &["pico"]].concat());
    assert_eq!(members(&all), ["devices"], "what is whole has no cursor");
    let expected =
        ["commands", "epoch", "group", "lastSeen", "name", "reason", "since", "status", "transport"];
    assert!(
        all["devices"].as_array().expect("a list").iter().all(|device| members(device) == expected),
        "{all}"
    );
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = scene.alpha.get(&format!("/devices?limit=3{cursor}")).json;
        pages.push(names(&page).join(" "));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, ["bystander lamp-0 lamp-1", "lamp-2 lamp-3 lamp-4", "pico"]);
    for (query, expected) in [
        ("group=the%20yard", &lamps[..]),
        ("group=nobody", &[]),
        ("status=online", &["bystander", "pico"]),
        ("status=registered&group=the%20yard&limit=1&cursor=lamp-3", &["lamp-4"]),
    ] {
        assert_eq!(names(&scene.alpha.get(&format!("/devices?{query}")).json), expected, "{query}");
    }
    for query in ["limit=0", "limit=10001", "limit=many", "status=asleep"] {
        let refused = scene.alpha.get(&format!("/devices?{query}"));
        assert_eq!((refused.status, &refused.json["code"]), (400, &json!("invalid-request")), "{query}");
    }
    let page = scene.alpha.get("/devices/lamp-0").json;
    let more = ["closes", "manifest", "refusals"];
    assert!(more.iter().all(|member| page.get(member).is_some()), "{page}");
    assert_eq!((&page["status"], &page["manifest"]), (&json!("registered"), &Value::Null));
    let unknown = scene.alpha.get("/tools?format=yaml");
    assert_eq!((unknown.status, &unknown.json["code"]), (400, &json!("invalid-request")));
}

/// An event stream, as its bytes come.
struct Stream(Raw);

impl Stream {
    fn open(address: SocketAddr, key: &str, query: &str, fields: &str) -> Self {
        let request = format!(
            "GET /v1/agents/alpha/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{fields}\r\n"
        );
        let mut raw = Raw::sending(address, request.as_bytes());
        let head = support::web_socket::head(&mut raw);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        Self(raw)
    }

    /// The next block of lines, up to the empty one.
    fn block(&mut self) -> String {
        let end = |heard: &[u8]| heard.windows(2).position(|two| two == b"\n\n");
        let end = self.0.hear(SOON, end).unwrap_or_else(|| panic!("nothing but {:?}", self.0.received));
        String::from_utf8(self.0.take(end + 2)).expect("text")
    }

    /// The next event: its id, its name and its data.
    fn event(&mut self) -> (String, String, Value) {
        loop {
            let block = self.block();
            if block.starts_with(':') {
                continue;
            }
            let lines: Vec<&str> = block.trim_end().lines().collect();
            let [id, name, data] = lines[..] else { panic!("{block}") };
            let word = |line: &str, name: &str| line.strip_prefix(name).expect("its field").to_owned();
            let data = serde_json::from_str(&word(data, "data: ")).expect("JSON in one line");
            return (word(id, "id: "), word(name, "event: "), data);
        }
    }
}

#[test]
fn a_stream_goes_on_where_it_was_left() {
    let mut scene = Scene::start("sse_comment_ms = 100\ntriggers_per_second_per_agent = 1000");
    let mut device = described(&scene, "d");
    let open = |scene: &Scene, query: &str, fields: &str| {
        Stream::open(scene.gateway.http, &scene.agent_key, query, fields)
    };
    let mut stream = open(&scene, "", "");
    assert!(stream.block().starts_with(':'), "a comment keeps an idle stream alive; it began now");
    for n in 0..3 {
        device.publish("trigger", &json!({"triggerName": "t", "payload": {"n": n}}), Some(50 + n), false);
    }
    device.flush();
    let fired: Vec<_> = (0..3).map(|_| stream.event()).collect();
    for (n, (_, name, data)) in fired.iter().enumerate() {
        assert_eq!((&**name, &data["payload"]["n"]), ("trigger", &json!(n)));
        let expected = ["deviceName", "payload", "receivedAt", "triggerId", "triggerName"];
        assert_eq!(members(data), expected);
    }
    let cursor = &fired[0].0;
    for (query, fields) in
        [(format!("?after={cursor}"), String::new()), (String::new(), format!("Last-Event-ID: {cursor}\r\n"))]
    {
        let mut again = open(&scene, &query, &fields);
        assert_eq!([again.event(), again.event()], fired[1..], "behind its cursor, and nothing twice");
    }
    let mut oldest = open(&scene, "?after=0", "");
    assert_eq!(oldest.event().1, "device_connected");
    for query in ["after=", "after=x", "after=-1", "after=1-zz", "consumer=me"] {
        assert_eq!(scene.alpha.get(&format!("/events?{query}")).status, 400, "{query}");
    }
    // A cursor of before a restart is good for one thing: to be told that there is a gap.
    scene.gateway.restart();
    let mut after = open(&scene, &format!("?after={cursor}"), "");
    let (_, name, data) = after.event();
    assert_eq!((&*name, &data["reason"]), ("gap", &json!("restarted")));
    drop(Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "late", &scene.key).packet()));
    let (_, name, data) = after.event();
    assert_eq!((&*name, &data["deviceName"]), ("device_connected", &json!("late")));
}

#[test]
fn what_is_over_the_share_is_told_to_come_back() {
    let scene = Scene::start("commands_in_flight_per_agent = 2\nevent_streams_per_agent = 1");
    let mut device = described(&scene, "d");
    let path = "/devices/d/commands";
    let ask = || scene.alpha.post(path, &json!({"command": "run"}), &[("Prefer", "respond-async")]);
    assert_eq!([ask().status, ask().status], [202, 202]);
    let refused = ask();
    assert_eq!((refused.status, &refused.json["code"]), (429, &json!("too-many-commands")));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    let expected = ["code", "detail", "outcome", "retryable", "status", "title", "type"];
    assert_eq!(members(&refused.json), expected);
    assert_eq!((&refused.json["outcome"], &refused.json["retryable"]), (&json!("not_sent"), &json!(true)));
    let tool = scene.alpha.tool("device__d__run", &Value::Null);
    assert_eq!((tool.status, &tool.json["code"]), (429, &json!("too-many-commands")));
    assert_eq!(
        scene.alpha.tool("device__d__is_online", &Value::Null).status,
        200,
        "the gateway answers that"
    );
    let order = device.next_command();
    device.answer(&order, true, &Value::Null);
    wait_for("a place is free", SOON, || (ask().status == 202).then_some(()));
    let _stream = scene.alpha.events(None);
    let refused = scene.alpha.get("/events");
    assert_eq!((refused.status, &refused.json["code"]), (429, &json!("too-many-streams")));
}

#[test]
fn an_idempotency_key_is_of_one_body() {
    let scene = Scene::start("");
    let mut device = described(&scene, "d");
    let body = json!({"command": "run", "payload": {"n": 1}, "timeoutMs": 20_000});
    let ask = |name: &str, body: &Value| scene.alpha.post("/devices/d/commands", body, &[(name, "once")]);
    let first = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask("X-Idempotency-Key", &body));
        let order = device.next_command();
        device.answer(&order, true, &json!("done"));
        asked.join().expect("an answer")
    });
    assert_eq!((first.status, &first.json["data"]), (200, &json!("done")));
    let again = ask("Idempotency-Key", &body);
    assert_eq!((again.status, &again.json), (200, &first.json), "either header, one key, the same answer");
    let member = |name: &str, value: Value| {
        let mut other = body.clone();
        other[name] = value;
        other
    };
    for other in [
        member("command", json!("runs")),
        member("payload", json!({"n": 2})),
        member("payload", Value::Null),
        member("timeoutMs", json!(20_001)),
        member("timeoutMs", Value::Null),
        member("offline", json!("queue")),
    ] {
        let refused = ask("Idempotency-Key", &other);
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (422, &json!("idempotency-key-reused")),
            "{other}"
        );
        assert_eq!(refused.json["outcome"], "not_sent");
    }
    // The key is of one agent's, too.
    let beta_key = scene.gateway.add_key("beta", "commands,triggers");
    let beta = Agent::new(scene.gateway.http, "beta", &scene.gateway.add_key("beta", "agent"));
    wait_for("the keys count", SOON, || (beta.get("/devices").status == 200).then_some(()));
    let mut other = Device::connect(scene.gateway.mqtt, "beta", "d", &beta_key, true);
    other.describe(&beta_key, &json!([{"name": "run"}]), 1);
    other.settle_in();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| beta.post("/devices/d/commands", &body, &[("Idempotency-Key", "once")]));
        let order = other.next_command();
        other.answer(&order, true, &json!("beta's"));
        assert_eq!(asked.join().expect("an answer").json["data"], "beta's");
    });
    // It is of one device; and one that led nowhere is of nothing.
    let elsewhere = scene.alpha.post("/devices/nobody/commands", &body, &[("Idempotency-Key", "once")]);
    assert_eq!((elsewhere.status, &elsewhere.json["code"]), (404, &json!("device-unknown")));
    let mut late = described(&scene, "nobody");
    std::thread::scope(|scope| {
        let asked = scope
            .spawn(|| scene.alpha.post("/devices/nobody/commands", &body, &[("Idempotency-Key", "once")]));
        let order = late.next_command();
        late.answer(&order, true, &json!("now"));
        assert_eq!(asked.join().expect("an answer").json["data"], "now");
    });
    let long = "k".repeat(256);
    for key in ["", &long] {
        let refused = scene.alpha.post("/devices/d/commands", &body, &[("Idempotency-Key", key)]);
        assert_eq!((refused.status, &refused.json["code"]), (400, &json!("invalid-request")));
    }
    scene.must_serve("after repeats");
}

#[test]
fn a_listener_serves_its_parts_and_no_other() {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let parts = ["devices", "agents", "operator"].map(|part| (part, free()));
    let listeners: String = parts
        .iter()
        .map(|(part, address)| {
            format!("[[listen]]\nprotocol = \"http\"\naddress = \"{address}\"\nserves = [\"{part}\"]\n")
        })
        .collect();
    let scene = Scene::start(&listeners);
    let paths = [
        ("devices", "/mqtt"),
        ("devices", "/socket.io/?EIO=4&transport=polling"),
        ("agents", "/v1/key"),
        ("agents", "/v1/agents/alpha/devices"),
        ("agents", "/developer/devices/alpha"),
        ("agents", "/openapi.json"),
        ("operator", "/healthz"),
        ("operator", "/readyz"),
        ("operator", "/metrics"),
    ];
    for (part, address) in parts {
        let agent = Agent::new(address, "alpha", &scene.agent_key);
        for (of, path) in paths {
            let text = format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
                scene.agent_key
            );
            let (_, head) = support::web_socket::ask(address, &text);
            assert_eq!(
                head.starts_with("HTTP/1.1 404 "),
                of != part,
                "{path} where {part} are served: {head}"
            );
        }
        if part == "operator" {
            assert_eq!(agent.get_path("/readyz").json, json!({"status": "ready"}));
        }
    }
    scene.must_serve("over the listener for everybody");
}

#[test]
fn lua_cli_reads_the_same_words_in_every_error() {
    let scene = Scene::start("");
    let device_key = &scene.key;
    let lua = |key: &str, method: &str, path: &str, body: &str| {
        let agent = Agent::new(scene.gateway.http, "alpha", key);
        agent.send(method, &format!("/developer/devices/alpha{path}"), body)
    };
    let key = &scene.agent_key;
    let run = r#"{"command":"echo","timeout":30000}"#;
    let cases = [
        (lua(key, "POST", "/nobody/command", run), 404, "DEVICE_UNKNOWN"),
        (
            lua(key, "POST", "/bystander/command", r#"{"command":"echo","timeout":999}"#),
            422,
            "INVALID_TIMEOUT",
        ),
        (lua(key, "GET", "/nobody/status", ""), 404, "DEVICE_UNKNOWN"),
        (lua(key, "PATCH", "/nobody/enable", "{}"), 404, "DEVICE_UNKNOWN"),
        (lua(key, "PATCH", "/nobody/disable", "{}"), 404, "DEVICE_UNKNOWN"),
        (lua(key, "DELETE", "/nobody", ""), 404, "DEVICE_UNKNOWN"),
        (lua(device_key, "GET", "", ""), 403, "FORBIDDEN"),
        (lua(device_key, "POST", "/bystander/command", run), 403, "FORBIDDEN"),
        (lua("api_wrong", "GET", "", ""), 401, "UNAUTHORIZED"),
        (lua(key, "POST", "", r#"{"name":"a b"}"#), 400, "INVALID_REQUEST"),
        (lua(key, "POST", "/bystander/version", "{}"), 404, "NOT_FOUND"),
    ];
    for (answer, status, code) in cases {
        assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{}", answer.json);
        assert_eq!(answer.json["statusCode"], status);
        assert!(answer.json["message"].is_string() && answer.json["error"].is_string(), "{}", answer.json);
    }
    assert_eq!(lua("api_wrong", "GET", "", "").json["message"], "Unauthorized");
    let registered = lua(key, "POST", "", r#"{"name":"pi\u00e9"}"#);
    assert_eq!((registered.status, &registered.json["data"]["id"]), (201, &json!("pi\u{e9}")));
    let offline = lua(key, "POST", "/pi%C3%A9/command", run);
    assert_eq!((offline.status, &offline.json["code"]), (404, &json!("DEVICE_OFFLINE")));
    assert!(offline.json["message"].as_str().is_some_and(|message| message.contains("offline")));
    let done = lua(key, "POST", "/bystander/command", r#"{"command":"echo","payload":0}"#);
    assert_eq!(members(&done.json), ["data", "success"]);
    let data = &done.json["data"];
    assert_eq!((&data["success"], &data["data"]), (&json!(true), &json!(0)), "{data}");
    wait_for("nothing of it is left", Duration::from_secs(5), || {
        (scene.metric("gateway_commands_pending") == 0.0).then_some(())
    });
}
