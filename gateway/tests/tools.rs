//! The list of tools and its `ETag`: a 304 is told without asking the cores when nothing has changed, and never when
//! something has.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::agent::Agent;
use support::device::{Device, Word};
use support::scene::Scene;
use support::{SOON, wait_for};

/// How an answer to a request for the tools came about, as the metrics count it.
fn counted(scene: &Scene) -> [f64; 3] {
    ["unchanged", "same", "sent"]
        .map(|outcome| scene.metric(&format!("gateway_tool_lists_total{{outcome=\"{outcome}\"}}")))
}

/// The list for one format, and its tag.
struct List {
    path: &'static str,
    tag: String,
    words: String,
}

impl List {
    fn fetch(agent: &Agent, path: &'static str) -> Self {
        let answer = agent.get(path);
        assert_eq!(answer.status, 200);
        Self { path, tag: answer.header("etag").to_owned(), words: answer.json.to_string() }
    }

    /// Asks again with the tag: `true` when the list is another now. A 304 is held against a list asked for without a tag.
    fn has_changed(&mut self, agent: &Agent) -> bool {
        let now = agent.get(self.path).json.to_string();
        let answer = agent.get_with(self.path, &[("If-None-Match", &self.tag)]);
        match answer.status {
            304 => {
                assert_eq!(self.words, now, "a 304 is told only of the list that is known");
                assert_eq!(answer.json, Value::Null);
                answer.header("etag").clone_into(&mut self.tag);
                false
            }
            200 => {
                assert_eq!(answer.json.to_string(), now);
                assert_ne!(self.words, now, "the same list is not sent twice");
                *self = Self { path: self.path, tag: answer.header("etag").to_owned(), words: now };
                true
            }
            other => panic!("{other}: {}", answer.json),
        }
    }
}

fn device(scene: &Scene, name: &str, commands: &Value) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, true);
    device.describe(&scene.key, commands, 1);
    device.settle_in();
    device
}

#[test]
fn a_304_is_never_told_of_a_list_that_changed() {
    let scene = Scene::on_cores(3, "");
    let (agent, path) = (&scene.alpha, "/devices/lamp");
    let mut lists = [List::fetch(agent, "/tools"), List::fetch(agent, "/tools?format=mcp")];
    let mut expect = |changed: bool, when: &str| {
        for list in &mut lists {
            assert_eq!(list.has_changed(agent), changed, "{when}");
            assert!(!list.has_changed(agent), "{when}, asked again");
        }
    };
    expect(false, "nothing happened");
    let lamp = device(&scene, "lamp", &json!([{"name": "on"}]));
    expect(true, "a device described itself");
    drop(lamp);
    let gone = || (agent.status("lamp") == "offline").then_some(());
    wait_for("it is gone", SOON, gone);
    expect(true, "it went");
    let lamp = device(&scene, "lamp", &json!([{"name": "on"}, {"name": "off"}]));
    expect(true, "it came back with another manifest");
    let mut second = device(&scene, "lamp", &json!([{"name": "dim"}]));
    expect(true, "it was taken over by one with another manifest");
    drop(lamp);
    second.describe(&scene.key, &json!([{"name": "blink"}]), 50);
    second.settle_in();
    expect(true, "it described itself again");
    assert_eq!(agent.send("POST", &format!("/v1/agents/alpha{path}/disable"), "").status, 200);
    expect(true, "it was disabled");
    assert_eq!(agent.send("POST", &format!("/v1/agents/alpha{path}/enable"), "").status, 200);
    expect(false, "it was enabled and has not come back");
    assert!((200..300).contains(&agent.delete(path).status));
    expect(true, "it was removed");
    let register = json!({"name": "lamp", "description": "a lamp"}).to_string();
    assert!((200..300).contains(&agent.send("POST", "/developer/devices/alpha", &register).status));
    expect(true, "it was made known");
    scene.must_serve("after all of it");
}

#[test]
fn what_nothing_has_changed_is_told_without_asking_a_core() {
    let scene = Scene::on_cores(3, "");
    let agent = &scene.alpha;
    let mut lamp = device(&scene, "lamp", &json!([{"name": "on"}]));
    let mut list = List::fetch(agent, "/tools?format=openai");
    let before = counted(&scene);
    for _ in 0..10 {
        lamp.publish("heartbeat", &json!(null), None, false);
        lamp.flush();
        let answer = agent.get_with(list.path, &[("If-None-Match", &list.tag)]);
        assert_eq!((answer.status, answer.header("etag")), (304, &*list.tag));
    }
    let after = counted(&scene);
    assert_eq!([0, 1, 2].map(|n| after[n] - before[n]), [10.0, 0.0, 0.0], "no core was asked");
    // It goes and comes back as it was: the cores are asked, the list is not sent, and the new tag spares the next question.
    drop(lamp);
    wait_for("it is gone", SOON, || (agent.status("lamp") == "offline").then_some(()));
    let mut lamp = device(&scene, "lamp", &json!([{"name": "on"}]));
    let old = list.tag.clone();
    let answer = agent.get_with(list.path, &[("If-None-Match", &old)]);
    assert_eq!(answer.status, 304);
    assert_ne!(answer.header("etag"), old);
    answer.header("etag").clone_into(&mut list.tag);
    assert_eq!(agent.get_with(list.path, &[("If-None-Match", &list.tag)]).status, 304);
    let last = counted(&scene);
    assert_eq!([0, 1, 2].map(|n| last[n] - after[n]), [1.0, 1.0, 0.0]);
    // A tag of another format, or of another agent, stands for nothing here.
    assert_eq!(agent.get_with("/tools?format=mcp", &[("If-None-Match", &list.tag)]).status, 200);
    let key = scene.gateway.add_key("beta", "agent");
    let beta = Agent::new(scene.gateway.http, "beta", &key);
    wait_for("the key counts", SOON, || (beta.get("/devices").status == 200).then_some(()));
    assert_eq!(beta.get_with(list.path, &[("If-None-Match", &list.tag)]).status, 200);
    assert!(!matches!(lamp.hear(Duration::from_millis(1)), Some(Word::Closed)));
}

#[test]
fn a_name_is_resolved_anew_after_each_change() {
    let scene = Scene::on_cores(3, "");
    let agent = &scene.alpha;
    let blink = json!([{"name": "blink"}]);
    // Twice each: the second answer comes of what the first has found.
    let must_be_unknown = |tool: &str| {
        for _ in 0..2 {
            let answer = agent.tool(tool, &Value::Null);
            assert_eq!((answer.status, &answer.json["code"]), (404, &json!("tool-unknown")), "{tool}");
        }
    };
    let must_run = |device: &mut Device| {
        for n in 0..2 {
            std::thread::scope(|scope| {
                let call = scope.spawn(move || agent.tool("device__a_b__blink", &json!({"n": n})));
                let order = device.next_command();
                assert_eq!(
                    (&order.json["command"], &order.json["payload"]["n"]),
                    (&json!("blink"), &json!(n))
                );
                device.answer(&order, true, &json!(n));
                assert_eq!(call.join().expect("an answer").json["data"], json!(n));
            });
        }
    };
    let is_online = || agent.tool("device__a_b__is_online", &Value::Null).json["data"]["status"].clone();
    must_be_unknown("device__a_b__blink");
    let mut dash = device(&scene, "a-b", &blink);
    must_run(&mut dash);
    assert_eq!([is_online(), is_online()], ["online", "online"]);
    let low = device(&scene, "a_b", &blink);
    must_be_unknown("device__a_b__blink");
    must_be_unknown("device__a_b__is_online");
    drop(low);
    assert!((200..300).contains(&agent.delete("/devices/a_b").status));
    must_run(&mut dash);
    dash.describe(&scene.key, &json!([{"name": "dim"}]), 50);
    dash.settle_in();
    must_be_unknown("device__a_b__blink");
    drop(dash);
    wait_for("it is gone", SOON, || (agent.status("a-b") == "offline").then_some(()));
    assert_eq!(is_online(), "offline");
    let answer = agent.tool("device__a_b__dim", &Value::Null);
    assert_eq!((answer.status, &answer.json["code"]), (503, &json!("device-offline")));
    assert!((200..300).contains(&agent.delete("/devices/a-b").status));
    must_be_unknown("device__a_b__is_online");
}
