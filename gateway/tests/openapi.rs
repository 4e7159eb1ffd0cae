//! `schemathesis` reads `/openapi.json` and asks a running gateway with connected devices everything that it allows and much that
//! it does not.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use std::process::Command;
use support::client_file;
use support::python::environment;
use support::scene::{Echo, Scene};

#[test]
fn schemathesis_finds_nothing() {
    // It shows wrong keys to see them refused as such: the lock-out, which has tests of its own, would answer 429 instead.
    let scene = Scene::on_cores(2, "commands_in_flight_per_agent = 100000\nauth_failures_max = 0");
    let _pico = Echo::connect(scene.gateway.mqtt, "pico", &scene.key);
    let folder = tempfile::tempdir().expect("a folder");
    let python = environment("schemathesis");
    let url = format!("http://{}/openapi.json", scene.gateway.http);
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("--config-file")
        .arg(client_file("schemathesis.toml"))
        .args(["run", &url, "--header", &format!("Authorization: Bearer {}", scene.agent_key)])
        // Streams do not end; a tool of tests for questions and answers would wait for ever.
        .args(["--exclude-path-regex", "/(events|tap)$"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--workers", "1"])
        .args(["--request-timeout", "40", "--warnings", "off", "--generation-database", "none"])
        .current_dir(folder.path())
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("0 selected"), "{said}");
    scene.must_serve("after schemathesis");
}
