//! Words of the auth service that come too late: whoever asks next on the same connection is not given them.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use support::agent::Agent;
use support::device::Device;
use support::raw::Raw;
use support::scene::metric;
use support::service::{Reply, Service};
use support::{Gateway, SOON, wait_for};

/// A gateway of one core that lets a question wait for `wait_ms` and makes one call at a time, which may take long.
fn gateway(service: &Service, wait_ms: u64) -> Gateway {
    let limits = format!("auth_calls_max = 1\nauth_wait_ms = {wait_ms}");
    let auth = service.config().replace("timeout_ms = 1000", "timeout_ms = 10000");
    Gateway::start(1, &format!("{limits}\n{auth}"))
}

/// A key of the key file, known by now.
fn file_key(gateway: &Gateway, agent: &str, operations: &str) -> String {
    let key = gateway.add_key(agent, operations);
    wait_for("the key counts", SOON, || gateway.log().contains("the keys have changed").then_some(()));
    key
}

fn yes(ttl_ms: u64) -> Reply {
    Reply::Json(200, json!({"allowed": true, "operations": ["agent"], "ttlMs": ttl_ms}))
}

/// A gate in front of answers: each that comes to it waits until it is let through.
fn gate() -> (Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (open, closed) = channel();
    (open, Arc::new(Mutex::new(closed)))
}

fn list_devices(key: &str) -> Vec<u8> {
    format!("GET /v1/agents/alpha/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n").into()
}

/// The status of the next answer, whose body is taken away with it.
fn status(raw: &mut Raw) -> u16 {
    let whole = |heard: &[u8]| {
        let text = std::str::from_utf8(heard).ok()?;
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let bytes = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let bytes: usize = bytes.unwrap_or(0);
        (rest.len() >= bytes).then(|| (head[9..12].parse().expect("a status"), head.len() + 4 + bytes))
    };
    let (status, bytes) = raw.hear(SOON, whole).unwrap_or_else(|| panic!("no answer: {:?}", raw.received));
    raw.received.drain(..bytes);
    status
}

#[test]
fn a_request_is_not_refused_for_an_earlier_one_that_expired_on_its_way() {
    let (open, closed) = gate();
    let service = Service::start(move |question: &Value| {
        if question["apiKey"] == "slow" {
            closed.lock().expect("no panic").recv().expect("the test goes on");
        }
        yes(60_000)
    });
    let gateway = gateway(&service, 2000);
    let operator = Agent::new(gateway.http, "ops", &file_key(&gateway, "ops", "operator"));
    let waiting = |wanted: f64| {
        wait_for("so many questions wait", SOON, || {
            (metric(&operator.text("/metrics"), "gateway_auth_waiting") == wanted).then_some(())
        });
    };
    let mut slow = Raw::sending(gateway.http, &list_devices("slow"));
    waiting(1.0);
    let mut honest = Raw::sending(gateway.http, &list_devices("honest"));
    assert_eq!((status(&mut slow), status(&mut honest)), (503, 503));
    // The first question is still there; nobody waits for it.
    honest.send(&list_devices("honest"));
    waiting(3.0);
    open.send(()).expect("the service waits");
    assert_eq!(status(&mut honest), 200, "refused with the word on the request before");
}

#[test]
fn what_is_said_of_one_key_ends_nothing_that_another_asked_for() {
    let (open, closed) = gate();
    let asked = Mutex::new(0);
    let service = Service::start(move |_| {
        let mut asked = asked.lock().expect("no panic");
        *asked += 1;
        if *asked == 1 {
            return yes(1000);
        }
        closed.lock().expect("no panic").recv().expect("the test goes on");
        Reply::no()
    });
    let gateway = gateway(&service, 20_000);
    let file_key = file_key(&gateway, "alpha", "commands,triggers,agent");
    let mut device = Device::connect(gateway.mqtt, "alpha", "pump", &file_key, true);
    device.describe(&file_key, &json!([{"name": "spin"}]), 1);
    device.settle_in();
    let spin = |key: &str| {
        let body = json!({"command": "spin", "timeoutMs": 15_000}).to_string();
        format!(
            "POST /v1/agents/alpha/devices/pump/commands HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut agent = Raw::sending(gateway.http, spin("vouched").as_bytes());
    let order = device.next_command();
    wait_for("the service is asked again", SOON, || (service.questions().len() == 2).then_some(()));
    device.answer(&order, true, &json!(1));
    assert_eq!(status(&mut agent), 200);

    agent.send(spin(&file_key).as_bytes());
    let order = device.next_command();
    open.send(()).expect("the service waits");
    agent.must_stay_open("nothing was said of this key", std::time::Duration::from_millis(500));
    device.answer(&order, true, &json!(2));
    assert_eq!(status(&mut agent), 200, "dismissed with the word on the key before");
}
