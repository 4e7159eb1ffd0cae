//! HTTP: the rows H1 to H4, H7 and H8 of the list of attacks, against the real gateway. Each test checks what the bad peer sees,
//! that a new correct client is served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use support::SOON;
use support::device::Device;
use support::raw::{AT_ONCE, Raw};
use support::scene::Scene;

/// Writes, waits for the end and gives the statuses of all answers in what was heard.
fn statuses(scene: &Scene, what: &str, bytes: &[u8]) -> Vec<u16> {
    let mut raw = Raw::sending(scene.gateway.http, bytes);
    let heard = raw.closed_within(SOON).unwrap_or_else(|| panic!("{what}: still open"));
    let text = String::from_utf8_lossy(&heard).into_owned();
    let answers = text.split("HTTP/1.1 ").skip(1);
    answers.map(|answer| answer[..3].parse().unwrap_or_else(|_| panic!("{what}: {answer}"))).collect()
}

/// A request head of an agent, without the empty line that ends it.
fn head(scene: &Scene, method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {}\r\n", scene.agent_key)
}

#[test]
fn h1_a_request_that_could_be_cut_in_two_ways_is_the_last_one() {
    let scene = Scene::start("");
    let post = head(&scene, "POST", "/v1/agents/alpha/devices/bystander/commands");
    let smuggled = format!("{}\r\n", head(&scene, "GET", "/v1/key"));
    let framings = [
        ("CL and TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("TE and CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}"),
        ("a list of lengths", "Content-Length: 2, 4\r\n\r\n{}"),
        ("a length with a sign", "Content-Length: +2\r\n\r\n{}"),
        ("a length below zero", "Content-Length: -1\r\n\r\n{}"),
        ("a length in hexadecimal", "Content-Length: 0x2\r\n\r\n{}"),
        ("a length beyond 64 bits", "Content-Length: 99999999999999999999999\r\n\r\n{}"),
        ("chunked and more", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("more than chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (
            "a chunk size that overflows",
            "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        ),
        ("a chunk size with a sign", "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n"),
        ("a chunk that is longer than it says", "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"),
        ("a space before the colon", "Content-Length : 2\r\n\r\n{}"),
        ("a folded line", "X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}"),
        ("a name that is no token", "Content(Length): 2\r\n\r\n{}"),
        ("a bare CR in a value", "X: a\rb\r\nContent-Length: 2\r\n\r\n{}"),
        ("a NUL in a value", "X: a\0b\r\nContent-Length: 2\r\n\r\n{}"),
    ];
    for (what, framing) in framings {
        let seen = statuses(&scene, what, format!("{post}{framing}{smuggled}").as_bytes());
        assert_eq!(seen.len(), 1, "{what}: the rest is no second request: {seen:?}");
        assert!(matches!(seen[0], 400 | 413 | 501), "{what}: {seen:?}");
    }
    for what in ["GET /v1/key HTTP/1.1\r\n", "GET /v1/key HTTP/1.1\r\nHost: a\r\nHost: b\r\n"] {
        assert_eq!(statuses(&scene, what, format!("{what}\r\n{smuggled}").as_bytes()), [400]);
    }
    scene.must_serve("after H1");
}

#[test]
fn h2_floods_of_headers_and_of_paths_are_cut_off() {
    let scene = Scene::start("");
    let start = "GET /healthz HTTP/1.1\r\nHost: gateway\r\n";
    let long = format!("{start}X: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_eq!(statuses(&scene, "a header of 1 MiB", long.as_bytes()), [431]);
    let many = format!("{start}{}\r\n", "a: b\r\n".repeat(20_000));
    assert_eq!(statuses(&scene, "20 000 headers", many.as_bytes()), [431]);
    let url = format!("GET /{} HTTP/1.1\r\nHost: gateway\r\n\r\n", "x".repeat(100_000));
    assert_eq!(statuses(&scene, "a path of 100 KB", url.as_bytes()), [414]);
    let method = format!("{} / HTTP/1.1\r\nHost: gateway\r\n\r\n", "X".repeat(5000));
    assert!(matches!(statuses(&scene, "a long method", method.as_bytes())[..], [400 | 501]));
    scene.must_serve("after H2");
}

#[test]
fn h3_http_2_is_not_spoken() {
    let scene = Scene::start("");
    let seen = statuses(&scene, "the preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(matches!(seen[..], [400 | 505]), "{seen:?}");
    let upgrade = "GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    assert_eq!(statuses(&scene, "h2c", upgrade.as_bytes()), [200], "an upgrade that is not known is none");
    scene.must_serve("after H3");
}

#[test]
fn h4_a_body_without_limit_is_refused_before_it_comes() {
    let scene = Scene::start("");
    let post = head(&scene, "POST", "/v1/agents/alpha/devices/bystander/commands");
    let long = format!("{post}Content-Length: 10737418240\r\n\r\n");
    let mut raw = Raw::sending(scene.gateway.http, long.as_bytes());
    let heard = raw.closed_within(AT_ONCE).expect("it is hung up on at once");
    assert!(heard.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&heard));
    let expects = format!("{post}Content-Length: 10737418240\r\nExpect: 100-continue\r\n\r\n");
    let mut raw = Raw::sending(scene.gateway.http, expects.as_bytes());
    let heard = raw.closed_within(AT_ONCE).expect("it is hung up on at once");
    assert!(heard.starts_with(b"HTTP/1.1 413 "), "no 100 before it: {}", String::from_utf8_lossy(&heard));
    let odd = format!("{post}Content-Length: 2\r\nExpect: the-unexpected\r\n\r\n{{}}");
    assert_eq!(statuses(&scene, "an odd expectation", odd.as_bytes()), [417]);

    let mut endless =
        Raw::sending(scene.gateway.http, format!("{post}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let sent = (0..64).take_while(|_| endless.send(chunk.as_bytes())).count();
    let heard = endless.closed_within(SOON).expect("it is hung up on");
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&heard));
    assert!(sent < 64 || heard.starts_with(b"HTTP/1.1 413 "), "4 MiB were not taken");
    // A stranger promises a large body: it is not kept for one without a key.
    let stranger = "POST /v1/agents/alpha/devices/bystander/commands HTTP/1.1\r\nHost: gateway\r\nContent-Length: 900000\r\n\r\n";
    let mut raw = Raw::sending(scene.gateway.http, stranger.as_bytes());
    let refused = raw.hear(AT_ONCE, |heard| heard.starts_with(b"HTTP/1.1 401 ").then_some(()));
    assert!(refused.is_some(), "{}", String::from_utf8_lossy(&raw.received));
    scene.must_serve("after H4");
}

#[test]
fn h7_no_answer_and_no_log_line_tells_a_secret() {
    let scene = Scene::start("");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "teller", &scene.key, true);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    let alpha = &scene.alpha;
    let health = alpha.get_path("/healthz");
    assert_eq!(health.json, json!({"status": "ok"}), "no version, no name");
    assert_eq!(health.header("server"), "");
    let paths = [
        "/v1/key",
        "/v1/agents/alpha/devices/teller",
        "/v1/agents/alpha/devices",
        "/v1/agents/alpha/tools",
        "/metrics",
        "/openapi.json",
        "/developer/devices/alpha",
        "/v1/agents/alpha/nowhere",
    ];
    let mut said: String = paths.iter().map(|path| alpha.text(path)).collect();
    let wrong = "api_a-wrong-key-that-nobody-has";
    let stranger = support::agent::Agent::new(scene.gateway.http, "alpha", wrong);
    said.push_str(&stranger.text("/v1/key"));
    said.push_str(&scene.gateway.log());
    for secret in [&scene.key, &scene.agent_key, wrong] {
        assert!(!said.contains(secret), "a secret was told");
    }
    scene.must_serve("after H7");
}

#[test]
fn h8_what_is_expected_to_happen_is_no_server_error_to_lua_cli() {
    let scene = Scene::start("commands_in_flight_per_agent = 1");
    let ask = |device: &str, body: &str| {
        let answer = scene.alpha.send("POST", &format!("/developer/devices/alpha/{device}/command"), body);
        (answer.status, answer.header("retry-after").to_owned(), answer.json)
    };
    let (status, _, away) = ask("nobody", r#"{"command":"run"}"#);
    assert_eq!(status, 404, "{away}");
    assert!(away["message"].as_str().expect("a sentence").contains("offline"));
    for body in ["", "[]", "{", r#"{"command":7}"#, r#"{"command":"run","timeout":"soon"}"#] {
        let (status, _, json) = ask("bystander", body);
        assert!(matches!(status, 400 | 422), "{body}: {json}");
        assert!(json["message"].is_string() && json["statusCode"] == status, "{json}");
    }
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "slow", &scene.key, true);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask("slow", r#"{"command":"run","timeout":1000}"#));
        device.next_command();
        let (status, retry_after, json) = ask("slow", r#"{"command":"run"}"#);
        assert_eq!((status, &json["code"]), (429, &json!("TOO_MANY_REQUESTS")), "{json}");
        assert!(retry_after.parse::<u32>().is_ok(), "{retry_after:?}");
        let (status, _, json) = first.join().expect("an answer");
        assert_eq!(status, 408, "{json}");
        assert!(json["message"].as_str().expect("a sentence").contains("timed out"));
    });
    scene.must_serve("after H8");
}

#[test]
fn what_is_not_built_is_not_there() {
    let scene = Scene::start("");
    for path in ["/mcp", "/console", "/", "/v1", "/developer/device-triggers/alpha"] {
        assert_eq!(scene.alpha.get_path(path).status, 404, "{path}");
    }
    let unknown = scene.alpha.send("PROPFIND", "/v1/agents/alpha/devices", "");
    assert_eq!((unknown.status, unknown.header("allow")), (405, "GET, HEAD"));
    assert_eq!(unknown.json["code"], "method-not-allowed");
    let stranger = support::agent::Agent::new(scene.gateway.http, "alpha", "wrong").get("/devices");
    assert_eq!(stranger.status, 401);
    assert!(stranger.header("www-authenticate").starts_with("Bearer"));
}
