//! The MicroPython client, unmodified, under the real interpreter, over `wss://`: it sends one packet in several frames, loses a
//! frame that is cut in time, and waits for each acknowledgement inside its one loop.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use std::path::Path;
use support::micropython::Board;
use support::scene::Scene;
use support::{SOON, wait_for};

const ROUNDS: u64 = 100;
/// What it says of its heartbeats: messages that come while nothing else is said.
const HEARD: &str = "gateway_messages_total{direction=\"in\",transport=\"mqtt_ws\"}";

#[test]
fn a_board_fires_triggers_while_commands_are_posted() {
    let scene = Scene::on_cores(2, "triggers_per_second_per_agent = 1000\n");
    let mut board = Board::start(scene.gateway.https, &scene.key, "board");
    board.wait("Server confirmed connection: connected");
    let shown = scene.alpha.get("/devices/board").json;
    assert_eq!(
        (&shown["status"], &shown["transport"], &shown["group"]),
        (&json!("online"), &json!("mqtt_ws"), &json!("boards"))
    );

    let events = scene.alpha.events(None);
    for n in 0..ROUNDS {
        // One command whose handler fires a trigger, and two beside it, in whatever order they get there.
        std::thread::scope(|scope| {
            for command in ["read", "fire", "read"] {
                let alpha = &scene.alpha;
                scope.spawn(move || {
                    let answer = alpha.call("board", command, &json!({"n": n}));
                    assert_eq!(answer.status, 200, "{command} {n}: {}", answer.json);
                    let data =
                        if command == "read" { json!({"n": n, "t": 22.5}) } else { json!({"fired": n}) };
                    assert_eq!(answer.json["data"], data);
                });
            }
        });
        board.wait(&format!("saw puback {n}"));
        let event = events.wait("trigger").data;
        assert_eq!((&event["triggerName"], &event["payload"]), (&json!("hot"), &json!({"n": n})));
    }
    let before = scene.metric(HEARD);
    wait_for("three heartbeats follow", SOON, || (scene.metric(HEARD) >= before + 3.0).then_some(()));
    assert_eq!(scene.alpha.status("board"), "online");
    let lost: Vec<_> = board.printed.iter().filter(|line| line.contains("Connection lost")).collect();
    assert!(lost.is_empty(), "{lost:?}");

    large_payloads_come_in_one_piece(&scene);
    the_key_appears_nowhere(&scene);
}

/// 40,000 bytes there and nothing lost: the frame is not cut in time.
fn large_payloads_come_in_one_piece(scene: &Scene) {
    let answer = scene.alpha.call("board", "read", &json!({"n": "x".repeat(40_000)}));
    assert_eq!(answer.status, 200, "{}", answer.json["code"]);
    assert_eq!(answer.json["data"]["n"].as_str().map(str::len), Some(40_000));
}

/// The second status carries the device's key; nobody ever sees it again.
fn the_key_appears_nowhere(scene: &Scene) {
    let all = scene.alpha.events(Some("0"));
    let mut seen = 0;
    while let Some(event) = all.next(std::time::Duration::from_millis(500)) {
        assert!(!event.data.to_string().contains(&scene.key), "an event of {}", event.kind);
        seen += 1;
    }
    assert!(seen >= ROUNDS, "{seen} events were read");
    for path in ["/devices", "/devices/board", "/tools"] {
        let text = scene.alpha.get(path).json.to_string();
        assert!(text.contains("board") && !text.contains(&scene.key), "{path}");
    }
    assert!(!scene.metrics().contains(&scene.key), "the metrics");
    assert!(!scene.gateway.log().contains(&scene.key), "the log");
    assert!(!folder_contains(&scene.gateway.data_dir(), scene.key.as_bytes()), "the data folder");
}

fn folder_contains(folder: &Path, secret: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return folder_contains(&path, secret);
        }
        let bytes = std::fs::read(&path).expect("a file");
        bytes.windows(secret.len()).any(|window| window == secret)
    })
}
