//! The unmodified `lua-cli`, in a folder and a terminal of its own, against a running gateway; seen from both sides.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::agent::Agent;
use support::device::{Device, Order, Word};
use support::scene::Echo;
use support::{Gateway, SOON, client_file, wait_for};

/// The longest one run of the program may take: four tries of 30 s each, and the pauses between them.
const RUN_S: &str = "150";

/// An agent's project, with the program that is to be run in it.
struct Project {
    gateway: Gateway,
    folder: tempfile::TempDir,
    agent_key: String,
    device_key: String,
    alpha: Agent,
}

/// What a run has shown.
struct Shown {
    text: String,
    code: Option<i32>,
}

impl Project {
    fn start() -> Self {
        lua_cli();
        let gateway = Gateway::start(2, "");
        let (device_key, agent_key) =
            (gateway.add_key("alpha", "commands,triggers"), gateway.add_key("alpha", "agent"));
        let alpha = Agent::new(gateway.http, "alpha", &agent_key);
        wait_for("the running gateway knows the keys", SOON, || {
            (alpha.get("/devices").status == 200).then_some(())
        });
        let folder = tempfile::tempdir().expect("a folder");
        let yaml = "agent:\n  agentId: alpha\n  orgId: nobody\n";
        std::fs::write(folder.path().join("lua.skill.yaml"), yaml).expect("a file");
        let home = folder.path().join(".lua-cli");
        std::fs::create_dir(&home).expect("a folder");
        let checked_at =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let check = json!({"latestVersion": "3.37.0", "checkedAt": checked_at.as_millis() as u64});
        std::fs::write(home.join("version-check.json"), check.to_string()).expect("a file");
        Self { gateway, folder, agent_key, device_key, alpha }
    }

    /// Runs `lua devices …` in a terminal, and answers its one prompt if it has one.
    fn run(&self, words: &[&str], answer: Option<&str>) -> Shown {
        let mut command = Command::new("python3");
        command.arg(client_file("pty_run.py")).arg(RUN_S).args(answer).arg("--").arg(lua_cli());
        command.arg("devices").args(words);
        let command = command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("LUA_TELEMETRY", "false")
            .env("LUA_API_URL", format!("http://{}", self.gateway.http))
            .env("LUA_API_KEY", &self.agent_key);
        let output = command.output().expect("Python 3.11 and Node 20 are here");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Shown { text, code: output.status.code() }
    }

    fn must_show(&self, words: &[&str], answer: Option<&str>, expected: &str) {
        let shown = self.run(words, answer);
        assert!(shown.text.contains(expected), "{words:?} shows {expected:?}: {}", shown.text);
        assert_eq!(shown.code, Some(0), "{words:?}: {}", shown.text);
    }
}

/// The program, installed under `target/` by the first test that needs it.
fn lua_cli() -> PathBuf {
    let wanted = std::fs::read_to_string(client_file("lua-cli/package.json")).expect("the list of packages");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-clients/lua-cli");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let folder = folder.canonicalize().expect("it exists");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        std::fs::write(folder.join("package.json"), &wanted).expect("target can be written");
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder);
        let output =
            npm.output().unwrap_or_else(|error| panic!("{npm:?}: {error}; Node 20 with npm is needed"));
        assert!(output.status.success(), "{npm:?}\n{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    folder.join("node_modules/.bin/lua")
}

#[test]
fn lua_cli_lists_asks_disables_enables_tests_and_removes() {
    let project = Project::start();
    let alpha = &project.alpha;
    project.must_show(&["list", "--ci"], None, "No devices registered");
    let pico = Echo::connect(project.gateway.mqtt, "pico", &project.device_key);
    project.must_show(&["list", "--ci"], None, "pico");
    project.must_show(&["status", "--device-name", "pico", "--ci"], None, "is online");

    let asked = ["test", "--device-name", "pico", "--payload", r#"{"n":41}"#];
    project.must_show(&asked, Some("Command name=echo"), "\"n\": 41");
    let commands = alpha.get("/commands?device=pico").json;
    assert_eq!(
        (&commands["commands"][0]["command"], &commands["commands"][0]["status"]),
        (&json!("echo"), &json!("done"))
    );

    let events = alpha.events(None);
    let fired = ["test-trigger", "--device-name", "pico", "--payload", r#"{"v":7}"#];
    project.must_show(&fired, Some("Trigger name=too_hot"), "Trigger sent successfully");
    let trigger = events.wait("trigger").data;
    assert_eq!((&trigger["triggerName"], &trigger["payload"]), (&json!("too_hot"), &json!({"v": 7})));
    assert_eq!(trigger["deviceName"], "pico");

    project.must_show(&["disable", "--device-name", "pico", "--ci"], None, "disabled");
    wait_for("the device is kicked", SOON, || pico.is_gone().then_some(()));
    assert_eq!(alpha.status("pico"), "disabled");
    project.must_show(&asked, Some("Command name=echo"), "Device 'pico' is offline");
    project.must_show(&["enable", "--device-name", "pico", "--ci"], None, "enabled");
    assert_eq!(alpha.status("pico"), "offline");
    let _pico = Echo::connect(project.gateway.mqtt, "pico", &project.device_key);
    project.must_show(&["remove", "--device-name", "pico", "--force", "--ci"], None, "removed");
    assert_eq!(alpha.status("pico"), "unknown");
    let gone = project.run(&["status", "--device-name", "pico", "--ci"], None);
    assert!(gone.text.contains("has never connected"), "{}", gone.text);
    assert_eq!(gone.code, Some(1));
}

/// The program gives up on each of its requests after 30 s and sends the same again: the command runs once all the same, and the
/// last request is told its answer.
#[test]
fn a_slow_command_that_lua_cli_asks_for_again_and_again_runs_once() {
    let project = Project::start();
    let mut device = Device::connect(project.gateway.mqtt, "alpha", "slow", &project.device_key, true);
    device.describe(&project.device_key, &json!([{"name": "think", "description": "Takes 35 s"}]), 1);
    device.settle_in();
    let mut runs = 0;
    let words = ["test", "--device-name", "slow", "--payload", "{}", "--timeout", "60000"];
    std::thread::scope(|scope| {
        let shown = scope.spawn(|| project.run(&words, Some("Command name=think")));
        let order = first_order(&mut device);
        runs += 1;
        let answers_at = Instant::now() + Duration::from_secs(35);
        runs += orders_until(&mut device, answers_at);
        device.answer(&order, true, &json!({"thought": 42}));
        while !shown.is_finished() {
            runs += orders_until(&mut device, Instant::now() + Duration::from_millis(200));
        }
        let shown = shown.join().expect("it ran");
        assert!(shown.text.contains("\"thought\": 42"), "{}", shown.text);
        assert_eq!(shown.code, Some(0));
    });
    assert_eq!(runs, 1, "the device was asked once");
    let commands = project.alpha.get("/commands?device=slow").json;
    assert_eq!(commands["commands"].as_array().map(Vec::len), Some(1), "{commands}");
}

/// Waits for the first command; the program takes its time to start.
fn first_order(device: &mut Device) -> Order {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        device.raw(&[0xc0, 0]);
        match device.hear(Duration::from_secs(5)) {
            Some(Word::Message { suffix, json, id, dup }) if suffix == "command" => {
                return Order { json, id, dup };
            }
            Some(Word::Closed) => panic!("the device was hung up on"),
            Some(_) | None => assert!(Instant::now() < deadline, "no command came"),
        }
    }
}

/// How many more commands come until then; the device pings, so that it is not taken for dead.
fn orders_until(device: &mut Device, until: Instant) -> u32 {
    let (mut orders, mut ping_at) = (0, Instant::now());
    while Instant::now() < until {
        if Instant::now() >= ping_at {
            device.raw(&[0xc0, 0]);
            ping_at = Instant::now() + Duration::from_secs(5);
        }
        match device.hear(Duration::from_millis(100)) {
            Some(Word::Message { suffix, .. }) if suffix == "command" => orders += 1,
            Some(Word::Closed) => panic!("the device was hung up on"),
            Some(_) | None => {}
        }
    }
    orders
}
