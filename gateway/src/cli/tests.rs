//! What is typed and what comes out: stdout, the kind of failure, and the requests that a gateway gets.

#![allow(clippy::disallowed_methods, reason = "a played gateway needs a thread")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::Value;

use super::*;
use crate::scratch_folder::ScratchFolder;

/// Types a line; answers what came of it and what stdout said.
fn type_in(args: &[&str], terminal: bool) -> (Result<(), Failure>, String) {
    let cli =
        Cli::try_parse_from([&["gateway"], args].concat()).unwrap_or_else(|refusal| panic!("{refusal}"));
    let mut out = Vec::new();
    let outcome = obey(cli.command, None, &mut Screen::to_buffer(&mut out, terminal));
    (outcome, String::from_utf8(out).unwrap())
}

fn exit_code(failure: &Failure) -> ExitCode {
    failure.report(&mut Vec::new())
}

/// A gateway that is played by the test: it answers each request with the next of `answers` and tells what it was asked.
fn play_gateway(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let played = std::thread::spawn(move || {
        answers.into_iter().map(|(status, body)| answer_one(&listener, status, body)).collect()
    });
    (url, played)
}

fn answer_one(listener: &TcpListener, status: u16, body: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut scratch = [0; 1024];
        let length = stream.read(&mut scratch).unwrap();
        request.extend_from_slice(&scratch[..length]);
    }
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .unwrap();
    String::from_utf8(request).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn refuses_what_it_does_not_know_with_exit_code_2() {
    for line in
        ["", "fly", "serve", "keys add", "call thermostat", "dev --http nowhere", "--log loud devices"]
    {
        let args = std::iter::once("gateway").chain(line.split_whitespace()).map(OsString::from);
        assert_eq!(run(args), ExitCode::from(2), "{line}");
    }
    assert_eq!(run(["gateway", "--version"].map(OsString::from)), ExitCode::SUCCESS);
}

#[test]
fn failures_have_their_exit_codes() {
    let sentence = || "it is so".to_owned();
    for (failure, code) in [(Failure::Error(sentence()), 1), (Failure::Usage(sentence()), 2)] {
        assert_eq!(exit_code(&failure), ExitCode::from(code));
    }
}

#[test]
fn keys_go_their_way_from_add_to_revoke() {
    let folder = ScratchFolder::new();
    let data = folder.path().join("data").display().to_string();
    let (done, text) =
        type_in(&["keys", "add", "--agent", "shop", "--device", "pump-*", "--data", &data], false);
    done.unwrap();
    let secret = text.lines().last().unwrap().to_owned();
    assert!(secret.starts_with("api_") && text.ends_with(&format!("{secret}\n")));
    let id = secret[4..40].to_owned();
    let (_, list) = type_in(&["keys", "list", "--data", &data], false);
    let line = list.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(line.contains("shop") && line.contains("pump-*") && line.contains("commands,triggers"), "{list}");
    assert!(line.ends_with("live") && !list.contains(&secret), "{list}");
    let (_, rotated) = type_in(&["keys", "rotate", &id, "--data", &data], false);
    let fresh = rotated.lines().last().unwrap();
    assert!(fresh.starts_with(&format!("api_{id}.")) && fresh != secret);
    type_in(&["keys", "revoke", &id, "--data", &data], false).0.unwrap();
    let (_, list) = type_in(&["keys", "list", "--data", &data], false);
    assert!(list.lines().any(|line| line.starts_with(&id) && line.ends_with("revoked")), "{list}");
    let (again, _) = type_in(&["keys", "rotate", &id, "--data", &data], false);
    assert_eq!(exit_code(&again.unwrap_err()), ExitCode::from(1));
}

#[test]
fn keys_find_their_folder_in_the_configuration() {
    let folder = ScratchFolder::new();
    let (data, file) = (folder.path().join("d"), folder.path().join("gateway.toml"));
    std::fs::write(&file, format!("data_dir = {:?}\n", data.display().to_string())).unwrap();
    let file = file.display().to_string();
    let line = ["keys", "add", "--agent", "a", "--operations", "agent, operator", "--config", &file];
    type_in(&line, false).0.unwrap();
    assert!(std::fs::read_to_string(data.join("keys.toml")).unwrap().contains("\"operator\""));
}

#[test]
fn refuses_keys_that_cannot_be() {
    for (option, value) in
        [("--agent", "a b"), ("--agent", "a:b"), ("--device", "a*b"), ("--operations", "all")]
    {
        let mut args = vec!["gateway", "keys", "add", option, value];
        if option != "--agent" {
            args.extend(["--agent", "a"]);
        }
        assert!(Cli::try_parse_from(args).is_err(), "{option} {value}");
    }
}

#[test]
fn configurations_are_checked_printed_and_written() {
    let folder = ScratchFolder::new();
    let path = folder.path().join("gateway.toml");
    let file = path.display().to_string();
    let (_, default) = type_in(&["config", "default"], false);
    std::fs::write(&path, default).unwrap();
    assert_eq!(type_in(&["config", "check", &file], false).1, format!("{file}: ok\n"));
    assert!(type_in(&["config", "print", &file], false).1.contains("commands_in_flight_per_agent = 100"));
    std::fs::write(&path, "data_dir = \"d\"\ncolour = 1\n").unwrap();
    let failure = type_in(&["config", "check", &file], false).0.unwrap_err();
    assert_eq!(exit_code(&failure), ExitCode::from(2));
    let Failure::Usage(sentence) = failure else { panic!("{failure:?}") };
    assert!(sentence.contains("line 2") && sentence.contains("colour"), "{sentence}");
}

#[test]
fn does_not_serve_with_a_broken_key_file() {
    let folder = ScratchFolder::new();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, format!("data_dir = {:?}\n", folder.path().display().to_string())).unwrap();
    std::fs::write(folder.path().join("keys.toml"), "[[key").unwrap();
    let failure = type_in(&["serve", "--config", &file.display().to_string()], false).0.unwrap_err();
    assert_eq!(exit_code(&failure), ExitCode::from(2));
}

#[test]
fn devices_are_a_table_for_a_person_and_json_for_a_program() {
    let page = r#"{"devices":[{"name":"pump","status":"online","since":"2026-11-22T08:00:00.000Z","transport":"mqtt","commands":["start","stop"]},{"name":"\u001b[31m","status":"offline","commands":[]}]}"#;
    let key = (200, r#"{"agent":"shop floor"}"#);
    let (url, gateway) = play_gateway(vec![key, (200, page), key, (200, page)]);
    let line = ["devices", "--url", &url, "--key", "k", "--status", "online"];
    let (done, table) = type_in(&line, true);
    done.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["NAME", "STATUS", "SINCE", "TRANSPORT", "COMMANDS"]
    );
    assert!(lines[1].starts_with("pump") && lines[1].ends_with("start, stop"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
    assert_eq!(type_in(&line, false).1, format!("{page}\n"));
    let requests = gateway.join().unwrap();
    assert!(requests[0].starts_with("GET /v1/key HTTP/1.1\r\n"));
    assert!(requests[1].starts_with("GET /v1/agents/shop%20floor/devices?status=online HTTP/1.1\r\n"));
    assert!(requests[1].to_lowercase().contains("authorization: bearer k\r\n"));
}

#[test]
fn devices_are_read_to_the_last_page() {
    let first = r#"{"devices":[{"name":"a"}],"cursor":"x y"}"#;
    let second = r#"{"devices":[{"name":"b"}]}"#;
    let (url, gateway) = play_gateway(vec![(200, first), (200, second)]);
    let (done, text) = type_in(&["devices", "--url", &url, "--key", "k", "--agent", "shop"], false);
    done.unwrap();
    assert_eq!(text, format!("{first}\n{second}\n"));
    assert!(gateway.join().unwrap()[1].starts_with("GET /v1/agents/shop/devices?cursor=x%20y "));
}

#[test]
fn a_call_sends_what_was_typed_and_shows_the_data() {
    let done = r#"{"commandId":"c","status":"done","data":{"b":1.50,"a":[]},"durationMs":12}"#;
    let (url, gateway) = play_gateway(vec![(200, done), (200, done)]);
    let payload = "{\"celsius\": 19.50}";
    let line = [
        "call",
        "a/b",
        "set",
        payload,
        "--url",
        &url,
        "--key",
        "k",
        "--agent",
        "shop",
        "--timeout-ms",
        "5000",
    ];
    assert_eq!(type_in(&line, true).1, "{\n  \"b\": 1.50,\n  \"a\": []\n}\ndone in 12 ms\n");
    assert_eq!(type_in(&line, false).1, format!("{done}\n"));
    let request = &gateway.join().unwrap()[0];
    assert!(request.starts_with("POST /v1/agents/shop/devices/a%2Fb/commands HTTP/1.1\r\n"), "{request}");
    let body = request.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body, "{\"command\":\"set\",\"payload\":{\"celsius\": 19.50},\"timeoutMs\":5000}");
}

#[test]
fn a_refusal_says_what_why_and_what_to_do() {
    let refusal = r#"{"type":"x","title":"Invalid arguments","status":422,"detail":"They do not fit.","code":"invalid-arguments","errors":[{"pointer":"/celsius","detail":"is missing"}]}"#;
    let offline = r#"{"title":"Device offline","status":503,"code":"device-offline"}"#;
    let (url, gateway) = play_gateway(vec![(422, refusal), (503, offline), (500, "?")]);
    let line = ["call", "pump", "start", "--url", &url, "--key", "k", "--agent", "shop"];
    let (failed, text) = type_in(&line, false);
    let Err(Failure::Error(sentence)) = failed else { panic!("{failed:?}") };
    assert_eq!(
        sentence,
        "Invalid arguments (422 invalid-arguments)\nThey do not fit.\n  /celsius: is missing"
    );
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["status"], 422);
    let (failed, text) = type_in(&line, true);
    let Err(Failure::Error(sentence)) = failed else { panic!("{failed:?}") };
    assert!(sentence.ends_with("`gateway devices` shows who is connected."), "{sentence}");
    assert!(text.is_empty());
    let Err(Failure::Error(sentence)) = type_in(&line, true).0 else { panic!("no failure") };
    assert_eq!(sentence, "the gateway refused (500)");
    gateway.join().unwrap();
}

#[test]
fn finds_the_running_dev_gateway_but_sends_its_key_to_nobody_else() {
    let folder = ScratchFolder::new();
    let data = folder.path().display().to_string();
    let (url, gateway) = play_gateway(vec![(200, r#"{"agent":"demo"}"#), (200, r#"{"devices":[]}"#)]);
    std::fs::write(dev::url_path(folder.path()), format!("{url}\n")).unwrap();
    std::fs::write(dev::key_path(folder.path()), "api_dev\n").unwrap();
    let (done, text) = type_in(&["devices", "--data", &data], true);
    done.unwrap();
    assert_eq!(text, "No device has connected yet.\n");
    assert!(gateway.join().unwrap()[1].to_lowercase().contains("bearer api_dev\r\n"));
    let failed = type_in(&["devices", "--data", &data, "--url", "http://gateway.example:80"], true).0;
    let Err(Failure::Usage(sentence)) = failed else { panic!("{failed:?}") };
    assert!(sentence.contains("which key?"), "{sentence}");
}

#[test]
fn says_when_nobody_listens_and_when_it_was_typed_wrong() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    for (line, code, sentence) in [
        (vec!["devices", "--url", &url, "--key", "k"], 1, "nobody listens there"),
        (vec!["devices", "--url", "ftp://x", "--key", "k"], 2, "is not an address such as"),
        (vec!["devices", "--url", "x:80", "--key", "k"], 2, "is not an address"),
        (vec!["call", "a", "b", "{c}", "--url", &url, "--key", "k"], 2, "the payload is not JSON"),
    ] {
        let failure = type_in(&line, true).0.unwrap_err();
        let mut said = Vec::new();
        assert_eq!(failure.report(&mut said), ExitCode::from(code), "{line:?}");
        assert!(
            String::from_utf8_lossy(&said).contains(sentence),
            "{line:?}: {}",
            String::from_utf8_lossy(&said)
        );
    }
}

#[test]
fn writes_completions_for_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let (done, script) = type_in(&["completions", shell], false);
        done.unwrap();
        assert!(script.contains("gateway") && script.contains("rotate"), "{shell}");
    }
}
