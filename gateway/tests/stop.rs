//! The graceful stop, seen from outside: nobody new is let in, what is under way is finished, and the exit code says that all is well.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::device::{Device, Word};
use support::raw::Raw;
use support::scene::Scene;
use support::{SOON, signal, wait_for};

/// A request of which the last line is still to come.
fn half(scene: &Scene, request: &str, body: &str) -> Raw {
    let head = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n",
        scene.agent_key,
        body.len()
    );
    Raw::sending(scene.gateway.http, head.as_bytes())
}

/// Sends the rest of it, and gives the answer to its end.
fn whole(mut raw: Raw, body: &str) -> String {
    raw.send(format!("\r\n{body}").as_bytes());
    String::from_utf8(raw.closed_within(SOON).expect("the connection ends with the answer")).expect("text")
}

fn stops_gracefully(word: &str) {
    let mut scene = Scene::on_cores(2, "");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    let body = r#"{"command":"run"}"#;
    let ready = half(&scene, "GET /readyz", "");
    let command = half(&scene, "POST /v1/agents/alpha/devices/d/commands", body);
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| scene.alpha.call("d", "run", &json!(1)));
        let order = device.next_command();
        signal(scene.gateway.pid(), word);
        wait_for("nobody is let in any more", SOON, || {
            [scene.gateway.http, scene.gateway.mqtt]
                .iter()
                .all(|at| TcpStream::connect(at).is_err())
                .then_some(())
        });
        let said = whole(ready, "");
        assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("\"code\":\"not-ready\""), "{said}");
        let said = whole(command, body);
        assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("\"code\":\"shutting-down\""), "{said}");
        assert!(said.contains("\"outcome\":\"not_sent\"") && said.contains("\r\nRetry-After: "), "{said}");
        device.answer(&order, true, &json!("in time"));
        asked.join().expect("an answer")
    });
    assert_eq!((answer.status, &answer.json["data"]), (200, &json!("in time")), "{}", answer.json);
    device.wait("the end", |word| matches!(word, Word::Closed).then_some(()));
    assert_eq!(scene.gateway.wait(), Some(0));
}

#[test]
fn what_is_under_way_is_finished_after_sigterm() {
    stops_gracefully("TERM");
}

#[test]
fn what_is_under_way_is_finished_after_sigint() {
    stops_gracefully("INT");
}

/// K6: a second signal means now, whoever is still busy.
#[test]
fn a_second_signal_does_not_wait() {
    let mut scene = Scene::start("");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    let asked = json!({"command": "run", "timeoutMs": 600_000});
    let answer = scene.alpha.post("/devices/d/commands", &asked, &[("Prefer", "respond-async")]);
    assert_eq!(answer.status, 202, "{}", answer.json);
    device.next_command();
    signal(scene.gateway.pid(), "TERM");
    wait_for("nobody is let in any more", SOON, || {
        TcpStream::connect(scene.gateway.mqtt).is_err().then_some(())
    });
    let since = Instant::now();
    signal(scene.gateway.pid(), "TERM");
    assert_eq!(scene.gateway.wait(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}, and a stop may take 25 s", since.elapsed());
}
