//! Why a device does not come: refused log-ins are told to the agent whose device was named, and to nobody else.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use support::agent::Agent;
use support::raw::{Hello, Raw};
use support::scene::Scene;
use support::{SOON, wait_for};

const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];

/// Says this CONNECT, and must be refused as everybody is.
fn refused(scene: &Scene, hello: &Hello) {
    let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
    assert_eq!(raw.closed_within(SOON).as_deref(), Some(&NOT_AUTHORIZED[..]));
}

fn reasons(page: &Value) -> Vec<(String, u64)> {
    let list = page["refusals"].as_array().unwrap_or_else(|| panic!("refusals: {page}"));
    let one = |refused: &Value| {
        (refused["reason"].as_str().expect("a word").to_owned(), refused["count"].as_u64().expect("a count"))
    };
    list.iter().map(one).collect()
}

fn key_for(scene: &Scene, agent: &str, more: &[&str]) -> String {
    let output = support::gateway()
        .args(["keys", "add", "--agent", agent])
        .args(more)
        .arg("--data")
        .arg(scene.gateway.data_dir())
        .output()
        .expect("keys add runs");
    assert!(output.status.success());
    let stdout = String::from_utf8(output.stdout).expect("text");
    stdout.lines().last().expect("the secret is the last line").trim().to_owned()
}

#[test]
fn refused_log_ins_are_told_to_the_agent_and_to_nobody_else() {
    let scene = Scene::on_cores(3, "auth_failures_max = 3");
    let other = key_for(&scene, "alpha", &["--device", "other"]);
    let foreign = key_for(&scene, "beta", &[]);
    let beta_key = key_for(&scene, "beta", &["--operations", "agent"]);
    let beta = Agent::new(scene.gateway.http, "beta", &beta_key);
    let ops_key = key_for(&scene, "ops", &["--operations", "operator"]);
    let ops = Agent::new(scene.gateway.http, "alpha", &ops_key);
    wait_for("the keys count", SOON, || (ops.get("/devices").status == 200).then_some(()));

    let mut hello = Hello::new("alpha", "bystander", &scene.key);
    hello.client_id = b"lua-alpha-somebody".to_vec();
    refused(&scene, &hello);
    refused(
        &scene,
        &Hello::new("alpha", "bystander", &scene.key).with_will("lua/devices/alpha/x/command", "{}"),
    );
    for key in [&other, &foreign, "api_wrong", "api_wrong"] {
        refused(&scene, &Hello::new("alpha", "bystander", key));
    }
    let page = scene.alpha.get("/devices/bystander").json;
    let expected = [
        ("foreign_client_id", 1),
        ("foreign_will", 1),
        ("other_binding", 1),
        // The key of `beta` is called wrong, like any; the fourth wrong one finds its source locked out.
        ("wrong_key", 2),
        ("locked_out", 1),
    ];
    assert_eq!(reasons(&page), expected.map(|(why, count)| (why.to_owned(), count)), "{page}");
    assert_eq!(page["status"], "online", "the device itself was not touched");
    assert_eq!(page["closes"], json!([]), "and a refusal is no end of a connection");
    assert_eq!(ops.get("/devices/bystander").json["refusals"], page["refusals"], "operators see all agents");

    refused(&scene, &Hello::new("alpha", "ghost", "api_wrong"));
    let ghost = scene.alpha.get("/devices/ghost");
    assert_eq!((ghost.status, &ghost.json["code"]), (404, &json!("device-unknown")));
    let detail = ghost.json["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("never been here") && detail.contains("once") && detail.ends_with("locked out."),
        "{detail}"
    );

    // Nobody else hears of it: a foreign agent is answered like everybody, and its own device of that name is clean.
    let unknown = beta.get("/devices/nobody").json["detail"].clone();
    assert_eq!(beta.get("/devices/ghost").json["detail"], unknown);
    assert_eq!(beta.get_path("/v1/agents/alpha/devices/bystander").status, 404);
    refused(&scene, &Hello::new("no-such-agent", "ghost", "api_wrong"));
    assert_eq!(scene.alpha.get("/devices/ghost").json["detail"], ghost.json["detail"]);
    let seen = scene.metrics() + &scene.gateway.log();
    assert!(!seen.contains("api_wrong") && !seen.contains(&*foreign), "no key appears anywhere");

    let url = format!("http://{}", scene.gateway.http);
    let said = support::gateway().args(["why", "ghost", "--url", &url, "--key", &scene.agent_key]).output();
    let said = said.expect("it runs");
    assert_eq!(said.status.code(), Some(1));
    let why = String::from_utf8_lossy(&said.stderr);
    assert!(why.contains("log-ins in its name were refused once"), "{why}");
    scene.must_serve("after the refusals");
}

#[test]
fn a_disabled_device_that_comes_is_shown_to_have_come() {
    let scene = Scene::start("");
    assert_eq!(scene.alpha.post("/devices/bystander/disable", &Value::Null, &[]).status, 200);
    refused(&scene, &Hello::new("alpha", "bystander", &scene.key));
    refused(&scene, &Hello::new("alpha", "bystander", &scene.key));
    let page = scene.alpha.get("/devices/bystander").json;
    assert_eq!(reasons(&page), [("disabled".to_owned(), 2)]);
    assert_eq!(page["closes"][0]["reason"], "disabled");
}
