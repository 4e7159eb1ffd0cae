//! The auth service, as a real HTTP server that may be slow, wrong or away: who is admitted, how often it is asked, and what
//! everybody is told. The rows C4, C5 and X5 of the list of attacks, in small.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use codec::mqtt::ConnectCode;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::agent::Agent;
use support::device::{Device, Word};
use support::raw::{Hello, Raw};
use support::scene::metric;
use support::service::{Reply, Service};
use support::way::{TRANSPORTS, Way};
use support::{Gateway, SOON, wait_for};

const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const UNAVAILABLE: [u8; 4] = [0x20, 2, 0, 3];
const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];
const DEVICE: [&str; 2] = ["commands", "triggers"];

/// A gateway of two cores that asks this service.
fn gateway(service: &Service, limits: &str) -> Gateway {
    Gateway::start(2, &format!("{limits}\n{}", service.config()))
}

/// Keys that begin with `good` are good for everything a service may allow.
fn honest(question: &Value) -> Reply {
    match question["apiKey"].as_str() {
        Some(key) if key.starts_with("good") => Reply::yes(&["commands", "triggers", "agent"]),
        _ => Reply::no(),
    }
}

/// Connects and gives the answer to CONNECT; none when there was none.
fn log_in(gateway: &Gateway, device: &str, key: &str) -> (Raw, Option<Vec<u8>>) {
    let mut raw = Raw::sending(gateway.mqtt, &Hello::new("alpha", device, key).packet());
    let code = raw.hear(SOON, |heard| heard.get(..4).map(<[u8]>::to_vec));
    raw.received.clear();
    (raw, code)
}

fn must_log_in(gateway: &Gateway, device: &str, key: &str) -> Raw {
    let (raw, code) = log_in(gateway, device, key);
    assert_eq!(code.as_deref(), Some(&ACCEPTED[..]), "{device} with {key}");
    raw
}

fn operator(gateway: &Gateway) -> Agent {
    let operator = Agent::new(gateway.http, "ops", &gateway.add_key("ops", "operator,agent"));
    wait_for("the operator's key is known", SOON, || (operator.get("/devices").status == 200).then_some(()));
    operator
}

#[test]
fn devices_and_agents_are_admitted_by_the_service_and_the_file_is_asked_first() {
    let service = Service::start(honest);
    let gateway = gateway(&service, "");
    let file_key = gateway.add_key("alpha", "commands,triggers");
    let ops = operator(&gateway);
    let before = service.questions().len();
    let _file = must_log_in(&gateway, "of-the-file", &file_key);
    assert_eq!(service.questions().len(), before, "the service was asked about a key of the file");

    let mut device = Device::connect(gateway.mqtt, "alpha", "pump", "good-device", true);
    device.wait("CONNACK", |word| match word {
        Word::Connack { code: ConnectCode::Accepted, .. } => Some(()),
        _ => None,
    });
    device.describe("good-device", &json!([{"name": "spin"}]), 1);
    device.wait("connected", |word| match word {
        Word::Message { suffix, .. } if suffix == "connected" => Some(()),
        _ => None,
    });
    let asked = service.questions().pop().expect("a question");
    let expected =
        json!({"apiKey": "good-device", "agentId": "alpha", "deviceName": "pump", "transport": "mqtt"});
    assert_eq!(asked, expected);

    let agent = Agent::new(gateway.http, "alpha", "good-agent");
    assert!(agent.tools().contains(&"device__pump__spin".to_owned()));
    let asked = service.questions().pop().expect("a question");
    let expected =
        json!({"apiKey": "good-agent", "agentId": "alpha", "deviceName": null, "transport": "http"});
    assert_eq!(asked, expected);
    assert_eq!(Agent::new(gateway.http, "alpha", "bad-agent").get("/devices").status, 401);
    assert_eq!(agent.get_path("/metrics").status, 401, "an operator is of the file alone");

    let (_, code) = log_in(&gateway, "pump", "bad-device");
    assert_eq!(code.as_deref(), Some(&NOT_AUTHORIZED[..]));
    let page = ops.text("/metrics");
    assert!(metric(&page, "gateway_auth_calls_total{outcome=\"allowed\"}") >= 2.0, "{page}");
    assert!(metric(&page, "gateway_auth_calls_total{outcome=\"refused\"}") >= 2.0, "{page}");
}

#[test]
fn c5_fifty_connections_with_one_key_at_once_are_one_call_and_then_none() {
    let service = Service::start(|question| {
        Reply::After(
            Duration::from_millis(300),
            Box::new(match question["apiKey"].as_str() {
                Some("good-fleet") => Reply::Json(
                    200,
                    json!({"allowed": true, "operations": DEVICE, "ttlMs": 60_000, "device": "*"}),
                ),
                _ => honest(question),
            }),
        )
    });
    let gateway = gateway(&service, "");
    let hello = |device: &str| Hello::new("alpha", device, "good-fleet").packet();
    let mut fleet: Vec<Raw> =
        (0..50).map(|n| Raw::sending(gateway.mqtt, &hello(&format!("fleet-{n}")))).collect();
    for raw in &mut fleet {
        assert_eq!(raw.take(4), ACCEPTED);
    }
    assert_eq!(service.questions().len(), 1, "{:?}", service.questions());
    for n in 50..60 {
        must_log_in(&gateway, &format!("fleet-{n}"), "good-fleet");
    }
    assert_eq!(service.questions().len(), 1);

    let agents: Vec<_> = (0..50)
        .map(|_| {
            let address = gateway.http;
            std::thread::spawn(move || Agent::new(address, "alpha", "good-agent").get("/devices").status)
        })
        .collect();
    assert!(agents.into_iter().all(|agent| agent.join().expect("an answer") == 200));
    assert_eq!(service.questions().len(), 2);
}

#[test]
fn c5_many_keys_at_once_are_never_more_calls_than_may_be() {
    let service =
        Service::start(|question| Reply::After(Duration::from_millis(50), Box::new(honest(question))));
    let gateway = gateway(&service, "auth_calls_max = 8");
    let mut fleet: Vec<Raw> = (0..100)
        .map(|n| {
            let hello = Hello::new("alpha", &format!("d-{n}"), &format!("good-{n}"));
            Raw::sending(gateway.mqtt, &hello.packet())
        })
        .collect();
    for raw in &mut fleet {
        assert_eq!(raw.take(4), ACCEPTED);
    }
    assert_eq!(service.questions().len(), 100);
    assert!((2..=8).contains(&service.at_once_peak()), "{}", service.at_once_peak());
}

#[test]
fn c4_x5_a_service_that_is_away_or_wrong_admits_nobody_new_and_ends_nothing() {
    let service = Service::start(honest);
    let gateway = gateway(&service, "auth_wait_ms = 3000");
    let ops = operator(&gateway);
    let mut open = must_log_in(&gateway, "open", "good-open");
    must_log_in(&gateway, "known", "good-known");
    let known_agent = Agent::new(gateway.http, "alpha", "good-agent");
    assert_eq!(known_agent.get("/devices").status, 200);

    let redirect = b"HTTP/1.1 302 Found\r\nLocation: /yes\r\nContent-Length: 0\r\n\r\n".to_vec();
    let huge = {
        let mut huge = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n{\"allowed\":true,".to_vec();
        huge.extend(std::iter::repeat_n(b' ', 1_000_000));
        huge
    };
    let wrong: [(&str, Reply); 8] = [
        ("hangs up", Reply::HangUp),
        ("is silent", Reply::Silence),
        ("500", Reply::Json(500, json!({"allowed": true, "operations": DEVICE}))),
        ("no JSON", Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes".to_vec())),
        ("no HTTP", Reply::Bytes(vec![0xFF; 100])),
        ("a redirect", Reply::Bytes(redirect)),
        ("a huge body", Reply::Bytes(huge)),
        ("no operations", Reply::Json(200, json!({"allowed": true}))),
    ];
    for (n, (what, reply)) in wrong.into_iter().enumerate() {
        service.set(move |_| reply.clone());
        let (_, code) = log_in(&gateway, "new", &format!("good-new-{n}"));
        assert_eq!(code.as_deref(), Some(&UNAVAILABLE[..]), "{what}");
        let mut raw = Raw::sending(
            gateway.http,
            format!("GET /v1/agents/alpha/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good-new-{n}\r\n\r\n")
                .as_bytes(),
        );
        let answer = raw.hear(SOON, |heard| {
            let text = String::from_utf8_lossy(heard).into_owned();
            text.contains("retryable").then_some(text)
        });
        let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(answer.starts_with("HTTP/1.1 503 "), "{what}: {answer}");
        assert!(
            answer.contains("Retry-After: ") && answer.contains("\"code\":\"auth-unavailable\""),
            "{answer}"
        );
        must_log_in(&gateway, "known", "good-known");
        assert_eq!(known_agent.get("/devices").status, 200, "{what}");
    }
    open.send(&[0xc0, 0]);
    assert_eq!(open.take(2), [0xd0, 0]);
    let page = ops.text("/metrics");
    assert!(metric(&page, "gateway_auth_calls_total{outcome=\"failed\"}") >= 8.0, "{page}");

    service.set(honest);
    must_log_in(&gateway, "new", "good-new-0");
    assert_eq!(log_in(&gateway, "new", "bad").1.as_deref(), Some(&NOT_AUTHORIZED[..]));
}

/// Clients of Socket.IO that are refused stay away, so they are not refused while nobody can say: they come back by themselves.
#[test]
fn c4_a_socketio_device_returns_until_the_service_can_say() {
    let service = Service::start(|_| Reply::HangUp);
    let gateway = gateway(&service, "");
    let mut fleet: Vec<_> = TRANSPORTS
        .map(Way::socketio)
        .into_iter()
        .map(|way| {
            let mut devices = way.start(&gateway, "alpha", &format!("good-{way}"));
            devices.order(&json!({"do": "connect", "name": way.name()}));
            (way, devices)
        })
        .collect();
    for (way, devices) in &mut fleet {
        wait_for(&format!("the second question of {way}"), SOON, || {
            let asked = service.questions();
            (asked.iter().filter(|question| question["deviceName"] == way.name()).count() > 1).then_some(())
        });
        assert!(devices.others("connected").is_empty(), "{way}");
    }
    service.set(honest);
    for (way, devices) in &mut fleet {
        devices.wait("connected", &way.name());
        let refused = devices.others("refused");
        assert!(
            refused.iter().all(|word| word["data"].is_null()),
            "{way} was told to stay away: {refused:?}"
        );
    }
}

#[test]
fn a_service_that_nobody_runs_is_one_that_is_away() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let auth = format!("[auth]\nmode = \"http\"\nurl = \"http://{address}/\"\ntimeout_ms = 1000\n");
    let gateway = Gateway::start(1, &auth);
    assert_eq!(log_in(&gateway, "d", "good").1.as_deref(), Some(&UNAVAILABLE[..]));
    must_log_in(&gateway, "d", &{
        let key = gateway.add_key("alpha", "commands");
        wait_for("the key of the file is known", SOON, || {
            (log_in(&gateway, "d", &key).1.as_deref() == Some(&ACCEPTED[..])).then_some(())
        });
        key
    });
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn b4_an_open_connection_is_asked_about_again_and_a_no_ends_it() {
    let short = |question: &Value| match honest(question) {
        Reply::Json(200, mut json) => {
            json["ttlMs"] = json!(1000);
            Reply::Json(200, json)
        }
        other => other,
    };
    let service = Service::start(short);
    let gateway = gateway(&service, "");
    let mut device = must_log_in(&gateway, "d", "good-device");
    let mut stream = Raw::sending(
        gateway.http,
        b"GET /v1/agents/alpha/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good-agent\r\n\r\n",
    );
    let begun = |heard: &[u8]| heard.windows(4).any(|four| four == b"\r\n\r\n").then_some(());
    assert!(stream.hear(SOON, begun).is_some());
    wait_for("both were asked about again", SOON, || (service.questions().len() >= 6).then_some(()));

    service.set(|_| Reply::Json(503, json!({})));
    let before = service.questions().len();
    wait_for("the service was asked in vain", SOON, || {
        (service.questions().len() >= before + 2).then_some(())
    });
    device.send(&[0xc0, 0]);
    assert_eq!(device.take(2), [0xd0, 0], "an outage ends nothing");
    let silent = |heard: &[u8]| heard.is_empty().then_some(());
    stream.received.clear();
    assert!(stream.hear(Duration::from_millis(100), silent).is_some());

    service.set(|_| Reply::no());
    assert!(device.closed_within(SOON).is_some(), "the device is still there");
    assert!(stream.closed_within(SOON).is_some(), "the stream is still there");
}

#[test]
fn c8_nothing_behind_connect_is_looked_at_until_the_service_has_spoken() {
    let service =
        Service::start(|question| Reply::After(Duration::from_millis(700), Box::new(honest(question))));
    let gateway = gateway(&service, "");
    for (key, code) in [("good", ACCEPTED), ("bad", NOT_AUTHORIZED)] {
        let mut bytes = Hello::new("alpha", "d", key).packet();
        bytes.extend([0xc0, 0]);
        let asked = Instant::now();
        let mut raw = Raw::sending(gateway.mqtt, &bytes);
        raw.must_stay_open("nobody has spoken", Duration::from_millis(500));
        let heard = raw.take(4);
        assert!(asked.elapsed() >= Duration::from_millis(700));
        assert_eq!(heard, code);
        if key == "good" {
            assert_eq!(raw.take(2), [0xd0, 0], "what waited is answered now");
        } else {
            assert_eq!(raw.closed_within(SOON), Some(Vec::new()));
        }
    }
    // Whoever leaves while he waits is forgotten.
    drop(Raw::sending(gateway.mqtt, &Hello::new("alpha", "brief", "good-brief").packet()));
    let mut long = Hello::new("alpha", "d", "good-long").packet();
    long.extend(std::iter::repeat_n(0xc0, 1));
    let mut raw = Raw::sending(gateway.mqtt, &long);
    assert_eq!(raw.take(4), ACCEPTED);
}

#[test]
fn the_newest_claim_wins_whatever_the_service_is_slow_about() {
    let service = Service::start(|question| match question["apiKey"].as_str() {
        Some("good-slow" | "good-slower") => {
            Reply::After(Duration::from_millis(900), Box::new(honest(question)))
        }
        _ => honest(question),
    });
    let gateway = gateway(&service, "");
    let mut elder = Raw::sending(gateway.mqtt, &Hello::new("alpha", "d", "good-slow").packet());
    wait_for("the service is asked about the elder", SOON, || {
        (!service.questions().is_empty()).then_some(())
    });
    let mut younger = must_log_in(&gateway, "d", "good-quick");
    let heard = elder.closed_within(Duration::from_millis(500));
    assert_eq!(heard, Some(Vec::new()), "history, and never told that it is connected");
    younger.must_stay_open("the newest", Duration::from_millis(1200));
    younger.send(&[0xc0, 0]);
    assert_eq!(younger.take(2), [0xd0, 0]);

    // A younger claim that is wrong does not harm the elder one, which is surely there when the service has been asked for it.
    let asked = service.questions().len();
    let mut elder = Raw::sending(gateway.mqtt, &Hello::new("alpha", "d", "good-slower").packet());
    wait_for("the service is asked about the next elder", SOON, || {
        (service.questions().len() > asked).then_some(())
    });
    let (_, code) = log_in(&gateway, "d", "bad");
    assert_eq!(code.as_deref(), Some(&NOT_AUTHORIZED[..]));
    assert_eq!(elder.take(4), ACCEPTED);
}

#[test]
fn a_large_body_waits_for_the_service_too() {
    let service =
        Service::start(|question| Reply::After(Duration::from_millis(200), Box::new(honest(question))));
    let gateway = gateway(&service, "");
    let text = "x".repeat(300_000);
    let body = json!({"command": "spin", "payload": {"text": text}});
    for (key, status) in [("good-agent", 404), ("bad-agent", 401), ("good-agent", 404)] {
        let mut raw = Raw::sending(
            gateway.http,
            format!(
                "POST /v1/agents/alpha/devices/d/commands HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
                 Content-Length: {}\r\n\r\n",
                body.to_string().len()
            )
            .as_bytes(),
        );
        raw.send(body.to_string().as_bytes());
        let answer = raw.hear(SOON, |heard| heard.get(9..12).map(<[u8]>::to_vec)).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer), status.to_string(), "{key}");
    }
}

#[test]
fn c3_a_right_key_that_was_never_seen_passes_a_lock() {
    let service = Service::start(honest);
    let gateway = gateway(&service, "");
    for n in 0..5 {
        assert_eq!(log_in(&gateway, "d", &format!("bad-{n}")).1.as_deref(), Some(&NOT_AUTHORIZED[..]));
    }
    let asked = Instant::now();
    assert_eq!(log_in(&gateway, "d", "bad-6").1.as_deref(), Some(&NOT_AUTHORIZED[..]));
    assert!(asked.elapsed() >= Duration::from_millis(900), "a locked-out source is answered late");
    must_log_in(&gateway, "d", "good-never-seen");
    assert_eq!(Agent::new(gateway.http, "alpha", "bad-7").get("/devices").status, 429);
    assert_eq!(Agent::new(gateway.http, "alpha", "good-agent").get("/devices").status, 200);
}

/// A server with a certificate that nobody trusts; the flag says whether a client shook hands all the same.
fn untrusted() -> (std::net::SocketAddr, Arc<AtomicBool>) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a key that fits");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let told = Arc::new(AtomicBool::new(false));
    std::thread::spawn({
        let told = Arc::clone(&told);
        move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
                while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok_and(|(read, _)| read > 0) {}
                if !tls.is_handshaking() {
                    told.store(true, Ordering::SeqCst);
                }
            }
        }
    });
    (address, told)
}

#[test]
fn c7_a_service_that_cannot_be_verified_is_told_no_key() {
    let (address, told) = untrusted();
    let plain = Service::start(honest);
    for address in [address, plain.address] {
        let auth = format!("[auth]\nmode = \"http\"\nurl = \"https://{address}/\"\ntimeout_ms = 2000\n");
        let gateway = Gateway::start(1, &auth);
        assert_eq!(log_in(&gateway, "d", "good").1.as_deref(), Some(&UNAVAILABLE[..]));
        assert_eq!(gateway.stop(), Some(0));
    }
    assert!(!told.load(Ordering::SeqCst), "it shook hands with an unverified server");
    assert!(plain.questions().is_empty());
}

#[test]
fn c7_a_private_authority_vouches_for_the_service_if_its_file_is_named_and_only_then() {
    let papers = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let tls = papers
        .each_ref()
        .map(|folder| gateway::dev::papers::make(folder.path(), support::unix_s()).expect("a certificate"));
    let [own, other] = papers.each_ref().map(|folder| gateway::dev::papers::authority_path(folder.path()));
    let service = Service::start_tls(honest, &tls[0]);
    let both = papers[1].path().join("both.pem");
    let text = [&other, &own].map(|file| std::fs::read_to_string(file).expect("PEM")).concat();
    std::fs::write(&both, text).expect("a file");
    for (ca, answer) in
        [(None, UNAVAILABLE), (Some(&other), UNAVAILABLE), (Some(&own), ACCEPTED), (Some(&both), ACCEPTED)]
    {
        let before = service.questions().len();
        let ca = ca.map_or(String::new(), |ca| format!("ca = {ca:?}\n"));
        let gateway = Gateway::start(1, &format!("{}{ca}", service.config()));
        assert_eq!(log_in(&gateway, "d", "good").1.as_deref(), Some(&answer[..]), "{ca}");
        assert_eq!(
            service.questions().len() > before,
            answer == ACCEPTED,
            "a key is told to the right one only"
        );
        let is_told = || gateway.log().contains("certificate").then_some(());
        if answer == UNAVAILABLE {
            wait_for("the log says why", SOON, is_told);
        } else {
            assert_eq!(is_told(), None, "{}", gateway.log());
        }
        assert_eq!(gateway.stop(), Some(0));
    }
}

#[test]
fn an_authority_that_cannot_be_read_is_found_before_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let [config, ca] = ["gateway.toml", "ca.pem"].map(|name| folder.path().join(name));
    let text = format!("[auth]\nmode = \"http\"\nurl = \"https://localhost/\"\nca = {ca:?}\n");
    std::fs::write(&config, text).expect("a file");
    for (pem, sentence) in
        [(None, "it cannot be read"), (Some("nothing"), "there is no certificate in PEM in it")]
    {
        if let Some(pem) = pem {
            std::fs::write(&ca, pem).expect("a file");
        }
        for words in [&["config", "check"][..], &["serve", "--config"]] {
            let output = support::gateway().args(words).arg(&config).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(
                said.contains("auth.ca: ") && said.contains("ca.pem") && said.contains(sentence),
                "{said}"
            );
        }
    }
}

#[test]
fn operators_reach_agents_that_only_the_service_knows() {
    let service = Service::start(honest);
    let gateway = gateway(&service, "");
    let ops = operator(&gateway);
    let devices = |agent: &str| ops.get_path(&format!("/v1/agents/{agent}/devices"));
    assert_eq!(devices("alpha").status, 404, "nobody of that name has been here");
    let mut device = Device::connect(gateway.mqtt, "alpha", "pump", "good-device", true);
    device.describe("good-device", &json!([{"name": "spin"}]), 1);
    device.settle_in();
    for _ in 0..3 {
        let answer = devices("alpha");
        assert_eq!(
            (answer.status, &answer.json["devices"][0]["name"]),
            (200, &json!("pump")),
            "{}",
            answer.json
        );
    }
    let as_ops = Agent::new(gateway.http, "alpha", &gateway.add_key("ops", "operator"));
    wait_for("the key counts", SOON, || (as_ops.get("/devices").status == 200).then_some(()));
    let asked = service.questions().len();
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| as_ops.call("pump", "spin", &json!({})));
        let order = device.next_command();
        device.answer(&order, true, &json!("round"));
        answer.join().expect("no panic")
    });
    assert_eq!((answer.status, &answer.json["data"]), (200, &json!("round")), "{}", answer.json);
    for name in ["nobody", "alph", "alpha2"] {
        assert_eq!(devices(name).status, 404, "{name}");
    }
    assert_eq!(service.questions().len(), asked, "an operator's key is never shown to the service");
    let metrics = ops.text("/metrics");
    assert_eq!(metric(&metrics, "gateway_auth_sources"), 0.0, "and asking is no failed log-in");
    let good = Agent::new(gateway.http, "alpha", "good-agent");
    let answer = good.get_path("/v1/key");
    assert_eq!(answer.status, 401);
    assert!(answer.json["detail"].as_str().expect("a sentence").contains("names no agent"));
    let url = format!("http://{}", gateway.http);
    let cli = |more: &[&str]| {
        let output =
            support::gateway().args(["devices", "--url", &url, "--key", "good-agent"]).args(more).output();
        output.expect("it runs")
    };
    let lost = cli(&[]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&lost.stderr).contains("--agent"), "it says what to add");
    assert!(String::from_utf8_lossy(&cli(&["--agent", "alpha"]).stdout).contains("pump"));
}

/// A stream whose key the service was asked about is read as any other: when its reader leaves, its place is free.
#[test]
fn a_reader_whom_the_service_vouched_for_is_seen_leaving() {
    let service = Service::start(honest);
    let gateway = gateway(&service, "event_streams_per_agent = 1\nsse_comment_ms = 60000");
    let request = b"GET /v1/agents/alpha/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good-agent\r\n\r\n";
    let begins = || {
        let mut reader = Raw::sending(gateway.http, request);
        let status = reader.hear(SOON, |heard| heard.get(9..12).map(<[u8]>::to_vec));
        (status.as_deref() == Some(b"200")).then_some(())
    };
    for _ in 0..3 {
        wait_for("the place of the reader before is free", SOON, begins);
    }
}

/// Who has said who it is and waits for the service is no stranger who gives way for being one of many [L4: until its CONNECT is
/// complete]: a fleet that returns at once is admitted, however slow the service is and however small the place for strangers.
#[test]
fn c5_a_herd_that_waits_for_a_slow_service_is_not_evicted() {
    let slow = |question: &Value| match question["apiKey"].as_str() {
        Some("good-quick") => honest(question),
        _ => Reply::After(Duration::from_millis(700), Box::new(honest(question))),
    };
    let service = Service::start(slow);
    let limits = "unidentified_per_address = 8\nunidentified_per_core = 8";
    let gateway = Gateway::start(1, &format!("{limits}\n{}", service.config()));
    let mut herd: Vec<Raw> = Vec::new();
    for n in 0..48 {
        let hello = Hello::new("alpha", &format!("d-{n}"), &format!("good-{n}")).packet();
        herd.push(Raw::sending(gateway.mqtt, &hello));
        if n % 4 == 3 {
            wait_for("they wait", SOON, || (service.questions().len() == n + 1).then_some(()));
        }
    }
    must_log_in(&gateway, "quick", "good-quick");
    for (n, raw) in herd.iter_mut().enumerate() {
        assert_eq!(raw.take(4), ACCEPTED, "device {n}");
    }
}
