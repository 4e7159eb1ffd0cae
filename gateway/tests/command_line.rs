//! The program as somebody types it: `dev` with its demo device, what finds it, and how `serve` speaks to whoever has started it.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{SOON, find_address, gateway, read_banner, signal, wait_for, wait_for_exit};

/// Types a line that ends by itself.
fn type_in(words: &[&str]) -> Output {
    gateway().args(words).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn dev_has_a_demo_device_that_answers_whoever_finds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of ours");
    let mut command = gateway();
    command.args(["dev", "--data", data]);
    for listener in ["--http", "--https", "--mqtt", "--mqtts"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    let mut dev = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let banner = read_banner(&mut dev);
    let key = std::fs::read_to_string(Path::new(data).join("dev-key")).expect("the demo key");
    assert!(banner.iter().any(|line| line.contains(key.trim())), "{banner:?}");
    wait_for("the demo device", SOON, || {
        let devices = stdout(&type_in(&["devices", "--data", data]));
        let page: Value = serde_json::from_str(devices.lines().next()?).ok()?;
        let device = &page["devices"][0];
        (device["name"] == "thermostat" && device["status"] == "online" && device["commands"][0].is_string())
            .then_some(())
    });
    let asked = type_in(&["call", "--data", data, "thermostat", "read_temperature"]);
    let answer: Value = serde_json::from_str(&stdout(&asked)).expect("JSON");
    assert_eq!((asked.status.code(), &answer["status"]), (Some(0), &json!("done")), "{answer}");
    // Where it is, and the key, may come from the environment; what is typed wins over it.
    let url = format!("http://{}", find_address(&banner, "http://"));
    let mut away = gateway();
    away.args(["why", "thermostat"]).current_dir(folder.path());
    let away = away.env("GATEWAY_URL", &url).env("GATEWAY_KEY", key.trim());
    let said = away.output().expect("it runs");
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(stdout(&said).contains("\"online\""), "{}", stdout(&said));
    let refused = away.args(["--key", "api_wrong"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"));
    signal(dev.id(), "INT");
    assert_eq!(wait_for_exit(&mut dev), Some(0));
}

/// A configuration of one listener, in a folder of its own.
fn configured(folder: &Path, address: &str) -> String {
    let file = folder.join("gateway.toml");
    let data = folder.join("data");
    let text = format!("data_dir = {data:?}\n[[listen]]\nprotocol = \"mqtt\"\naddress = \"{address}\"\n");
    std::fs::write(&file, text).expect("a file");
    file.to_str().expect("a path of ours").to_owned()
}

/// Starts `serve`, stops it when it is ready, and gives its log.
fn serve(level: &str, notify: &Path) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configured(folder.path(), "127.0.0.1:0");
    let log = folder.path().join("log");
    let mut serve: Command = gateway();
    serve.args(["--log", level, "serve", "--config", &config]).env("NOTIFY_SOCKET", notify);
    serve.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).expect("a file"));
    let mut serve = serve.spawn().expect("it starts");
    let banner = read_banner(&mut serve);
    assert!(banner.iter().any(|line| line.contains("mqtt://127.0.0.1:")), "{banner:?}");
    signal(serve.id(), "TERM");
    assert_eq!(wait_for_exit(&mut serve), Some(0));
    std::fs::read_to_string(log).expect("text")
}

#[test]
fn serve_tells_its_manager_and_logs_as_much_as_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(SOON)).expect("a socket");
    let mut logs = ["info", "error"].map(|level| {
        let log = serve(level, &path);
        for expected in ["READY=1", "STOPPING=1"] {
            let mut word = [0; 64];
            let bytes = manager.recv(&mut word).expect("it tells");
            assert_eq!(String::from_utf8_lossy(&word[..bytes]), expected);
        }
        log
    });
    assert_eq!(std::mem::take(&mut logs[1]), "", "nothing was wrong");
    for line in logs[0].lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON, line by line: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(logs[0].contains("nobody can log in"), "that there is no key is worth a line: {}", logs[0]);
}

/// 1 is for what may be another time, 2 for what will not be better at the next start.
#[test]
fn exit_codes_tell_whether_to_start_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let config = configured(folder.path(), &address);
    let refused = type_in(&["serve", "--config", &config]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&address));
    std::fs::write(folder.path().join("broken.toml"), "cores = 0\n").expect("a file");
    let broken = folder.path().join("broken.toml");
    let broken = broken.to_str().expect("a path of ours");
    for words in [
        &["serve", "--config", broken][..],
        &["config", "check", broken],
        &["serve", "--config", "/none"],
        &["fly"],
    ] {
        assert_eq!(type_in(words).status.code(), Some(2), "{words:?}");
    }
    for words in [
        &["--version"][..],
        &["--help"],
        &["config", "check", &config],
        &["config", "print", &config],
        &["config", "print"],
        &["config", "default"],
        &["completions", "fish"],
    ] {
        assert_eq!(type_in(words).status.code(), Some(0), "{words:?}");
    }
    assert!(stdout(&type_in(&["--version"])).starts_with("gateway "));
}
