//! TLS seen from outside: real clients of both versions on both kinds of listener, the attacks that HOSTILE names D1 to D9, and
//! certificates that are renewed while everybody goes on.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use rustls::{HandshakeKind, version};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::raw::{AT_ONCE, Raw};
use support::scene::Scene;
use support::tls::{self, VERSIONS};
use support::{Gateway, SOON, gateway, read_banner, signal, wait_for};

const CONNECT: &[u8] = b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04name";
const ALERT: u8 = 21;

/// GET over an open connection: status line and body.
fn get(stream: &mut tls::Stream, path: &str, key: &str) -> (String, String) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length =
                length.or_else(|| head.lines().find_map(|line| line.strip_prefix("content-length: ")));
            let length: usize = length.expect("a length").parse().expect("a number");
            if body.len() >= length {
                return (head.lines().next().unwrap_or_default().to_owned(), body.to_owned());
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "{text}");
        received.extend_from_slice(&buffer[..read]);
    }
}

fn metric(scene: &Scene, series: &str) -> u64 {
    let text = scene.alpha.text("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in {text}")).parse::<f64>().expect("a number") as u64
}

fn handshakes(scene: &Scene, outcome: &str) -> u64 {
    metric(scene, &format!("gateway_tls_handshakes_total{{outcome=\"{outcome}\"}}"))
}

fn awaits(what: &str, holds: impl Fn() -> bool) {
    wait_for(what, SOON, || holds().then_some(()));
}

#[test]
fn both_versions_are_served_on_both_listeners() {
    let scene = Scene::start("");
    for version in VERSIONS {
        let config = tls::config(&scene.gateway.authority(), version, false);
        let mut https = tls::connect(scene.gateway.https, &config).expect("a handshake");
        let (status, _) = get(&mut https, "/healthz", "");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        let (status, body) = get(&mut https, "/v1/agents/alpha/devices", &scene.agent_key);
        assert!(status.starts_with("HTTP/1.1 200") && body.contains("bystander"), "{status} {body}");

        let mut mqtts = tls::connect(scene.gateway.mqtts, &config).expect("a handshake");
        mqtts.write_all(CONNECT).expect("a CONNECT");
        let mut answer = Vec::new();
        mqtts.read_to_end(&mut answer).expect("a CONNACK, a goodbye and the end");
        assert_eq!(answer[..2], [0x20, 2], "it was understood: {answer:02x?}");
    }
    assert_eq!(handshakes(&scene, "full"), 4);
}

#[test]
fn protocols_are_agreed_on_http_listeners_and_never_refused_on_mqtt_listeners() {
    let scene = Scene::start("");
    let agreed = |address, offered: &[&[u8]]| {
        let mut config = tls::config(&scene.gateway.authority(), &version::TLS13, false);
        let offer = Arc::get_mut(&mut config).expect("nobody else has it");
        offer.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        tls::connect(address, &config).map(|stream| stream.conn.alpn_protocol().map(<[u8]>::to_vec)).ok()
    };
    let (https, mqtts) = (scene.gateway.https, scene.gateway.mqtts);
    assert_eq!(agreed(https, &[b"h2", b"http/1.1"]), Some(Some(b"http/1.1".to_vec())));
    assert_eq!(agreed(https, &[b"h2"]), None, "H3: nothing else is spoken");
    for offered in [&[&b"mqtt"[..]][..], &[b"x-private"], &[]] {
        assert!(agreed(mqtts, offered).is_some(), "{offered:?}");
    }
}

#[test]
fn d8_a_ticket_is_good_on_every_core_and_says_nothing_of_rights() {
    // Sixteen wrong keys of one source: the lock-out would answer the later ones 429.
    let scene = Scene::on_cores(3, "auth_failures_max = 0");
    let authority = scene.gateway.authority();
    for version in VERSIONS {
        let config = tls::config(&authority, version, true);
        let kinds: Vec<_> = (0..8)
            .map(|_| {
                let mut stream = tls::connect(scene.gateway.https, &config).expect("a handshake");
                let (status, _) = get(&mut stream, "/v1/agents/alpha/devices", "api_wrong");
                assert!(status.starts_with("HTTP/1.1 401"), "D8: {status}");
                stream.conn.handshake_kind()
            })
            .collect();
        assert_eq!(kinds[0], Some(HandshakeKind::Full));
        assert!(kinds[1..].iter().all(|kind| *kind == Some(HandshakeKind::Resumed)), "{kinds:?}");
    }
    assert_eq!((handshakes(&scene, "full"), handshakes(&scene, "resumed")), (2, 14));
}

#[test]
fn d1_half_a_client_hello_is_closed_in_time() {
    let scene = Scene::start("tls_handshake_ms = 3000");
    for address in [scene.gateway.mqtts, scene.gateway.https] {
        let begun = Instant::now();
        let mut silent = Raw::connect(address);
        let mut half = Raw::sending(address, b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03half of it");
        let mut dripping = Raw::sending(address, b"\x16\x03\x01\x00\xf8");
        while begun.elapsed() < Duration::from_millis(1200) {
            assert!(dripping.send(b"\x01"), "a byte at a time is allowed for a while");
            std::thread::park_timeout(Duration::from_millis(100));
        }
        for raw in [&mut silent, &mut half, &mut dripping] {
            let answer = raw.closed_within(Duration::from_secs(4)).expect("it is closed in time");
            assert!(answer.is_empty());
        }
        assert!(begun.elapsed() >= Duration::from_millis(2900), "but not before");
    }
    awaits("they are counted", || handshakes(&scene, "late") == 6);
    scene.must_serve("D1");
}

#[test]
fn d4_clients_that_close_in_the_middle_leave_nothing_behind() {
    let scene = Scene::start("");
    let config = tls::config(&scene.gateway.authority(), &version::TLS13, false);
    for round in 0..60 {
        let mut client =
            rustls::ClientConnection::new(Arc::clone(&config), "localhost".try_into().expect("a name"))
                .expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("a ClientHello");
        let mut raw = Raw::sending(scene.gateway.https, &hello[..hello.len() * (round % 6 + 1) / 6]);
        match round % 3 {
            0 => raw.finish(),
            1 => raw.reset(),
            _ => drop(raw),
        }
    }
    for _ in 0..10 {
        let mut stream = tls::connect(scene.gateway.https, &config).expect("a handshake");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ").expect("a head");
        stream.conn.send_close_notify();
        stream.flush().expect("a goodbye");
    }
    awaits("all of them are counted", || handshakes(&scene, "left") >= 40);
    scene.must_serve("D4");
}

#[test]
fn d5_records_against_the_rules_get_an_alert() {
    let scene = Scene::start("");
    let old = |version: u8| {
        let hello = [&[1, 0, 0, 41, 3, version][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
        [&[22, 3, 1, 0, hello.len() as u8][..], &hello].concat()
    };
    let fragments: Vec<u8> = (0..40_000).flat_map(|_| [22, 3, 1, 0, 1, 1]).collect();
    for (what, bytes) in [
        ("an oversized record", [&b"\x16\x03\x01\x48\x01\x01\x00"[..], &[0; 40]].concat()),
        ("application data first", b"\x17\x03\x03\x00\x01x".to_vec()),
        ("an empty handshake record", b"\x16\x03\x01\x00\x00".to_vec()),
        ("a hello of a mebibyte in crumbs", fragments),
        ("D7: TLS 1.0", old(1)),
        ("D7: TLS 1.1", old(2)),
        ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10".to_vec()),
        ("MQTT", CONNECT.to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    ] {
        for address in [scene.gateway.mqtts, scene.gateway.https] {
            let mut raw = Raw::sending(address, &bytes);
            let answer = raw.closed_within(2 * AT_ONCE).unwrap_or_else(|| panic!("{what} is closed"));
            // A reset may overtake the alert when more is on its way.
            assert!(answer.is_empty() || (answer[0] == ALERT && answer[5] == 2), "{what}: {answer:02x?}");
        }
    }
    let tls_on_plain = Raw::sending(scene.gateway.mqtt, &old(3)).closed_within(AT_ONCE);
    assert_eq!(tls_on_plain.as_deref(), Some(&[][..]), "A3: TLS on the plain port: closed, and no byte sent");
    scene.must_serve("D5");
}

#[test]
fn d6_key_updates_without_end_end_the_connection() {
    let scene = Scene::start("");
    let config = tls::config(&scene.gateway.authority(), &version::TLS13, false);
    let mut stream = tls::connect(scene.gateway.mqtts, &config).expect("a handshake");
    let mut sent = 0;
    let refused = loop {
        assert!(sent < 100_000, "it is never enough");
        stream.conn.refresh_traffic_keys().expect("TLS 1.3");
        if stream.flush().is_err() {
            break true;
        }
        sent += 1;
        if sent % 50 == 0 && matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)) {
            break true;
        }
    };
    assert!(refused);
    awaits("it is counted", || metric(&scene, "gateway_ended_total{how=\"tls\"}") == 1);
    scene.must_serve("D6");
}

#[test]
fn d7_early_data_is_not_offered() {
    let scene = Scene::start("");
    let mut config = tls::config(&scene.gateway.authority(), &version::TLS13, true);
    Arc::get_mut(&mut config).expect("nobody else has it").enable_early_data = true;
    for _ in 0..2 {
        let mut stream = tls::connect(scene.gateway.https, &config).expect("a handshake");
        get(&mut stream, "/healthz", "");
    }
    let name = "localhost".try_into().expect("a name");
    let mut client = rustls::ClientConnection::new(config, name).expect("a client");
    assert!(client.early_data().is_none(), "the ticket does not allow any");
}

#[test]
fn d9_a_renewed_certificate_is_shown_and_a_bad_one_is_not() {
    let scene = Scene::on_cores(2, "");
    let folder = scene.gateway.authority().parent().expect("a folder").to_owned();
    let shown = || -> Vec<u8> {
        let config = tls::config(&scene.gateway.authority(), &version::TLS13, false);
        let stream = tls::connect(scene.gateway.https, &config).expect("a handshake");
        stream.conn.peer_certificates().expect("some")[0].to_vec()
    };
    let config = tls::config(&scene.gateway.authority(), &version::TLS13, false);
    let mut open = tls::connect(scene.gateway.https, &config).expect("a handshake");
    let first = shown();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));

    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
        .expect("a file");
    signal(scene.gateway.pid(), "HUP");
    awaits("the alarm", || metric(&scene, "gateway_certificate_refused") == 1);
    assert_eq!(shown(), first, "the old one stays");
    awaits("the log says so", || {
        scene.gateway.log().contains("the certificate cannot be renewed; the one in force stays")
    });

    std::fs::remove_file(&key).expect("it was there");
    let long_ago = support::unix_s() - 100 * 24 * 3600;
    gateway::dev::papers::make(&folder, long_ago).expect("a pair that has expired");
    signal(scene.gateway.pid(), "HUP");
    awaits("the second refusal", || {
        metric(&scene, "gateway_certificate_reloads_total{outcome=\"refused\"}") == 2
    });
    assert_eq!(shown(), first, "an expired one is worse than the old one");

    std::fs::remove_file(&certificate).expect("it was there");
    gateway::dev::papers::make(&folder, support::unix_s()).expect("a good pair");
    let renewed_at = Instant::now();
    signal(scene.gateway.pid(), "HUP");
    awaits("the new one", || shown() != first);
    assert!(renewed_at.elapsed() < Duration::from_secs(5));
    assert_eq!(metric(&scene, "gateway_certificate_refused"), 0);
    assert_eq!(metric(&scene, "gateway_certificate_reloads_total{outcome=\"renewed\"}"), 1);
    assert!(metric(&scene, "gateway_certificate_expires_seconds") > support::unix_s() + 80 * 24 * 3600);
    let (status, _) = get(&mut open, "/healthz", "");
    assert!(status.starts_with("HTTP/1.1 200"), "who was connected stays so");
    scene.must_serve("D9");
}

#[test]
fn x12_no_handshake_fails_while_certificates_are_renewed() {
    let scene = Scene::on_cores(2, "");
    let folder = scene.gateway.authority().parent().expect("a folder").to_owned();
    let config = tls::config(&scene.gateway.authority(), &version::TLS13, false);
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let came = tls::connect(scene.gateway.mqtts, &config);
                    assert!(came.is_ok(), "{:?}", came.err());
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for renewals in 1..=100 {
            std::fs::remove_file(folder.join("cert.pem")).expect("it was there");
            gateway::dev::papers::make(&folder, support::unix_s()).expect("a pair");
            signal(scene.gateway.pid(), "HUP");
            awaits("it is in force", || {
                metric(&scene, "gateway_certificate_reloads_total{outcome=\"renewed\"}") >= renewals
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(done.load(Ordering::Relaxed) > 100);
    assert_eq!(handshakes(&scene, "broken") + handshakes(&scene, "untrusted"), 0);
}

#[test]
fn a_configuration_without_a_good_pair_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    let check = |text: &str| {
        std::fs::write(&config, text).expect("a file");
        let command = |word: &[&str]| {
            let run = gateway().args(word).arg(&config).stdin(Stdio::null()).output().expect("it runs");
            (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
        };
        let (checked, served) = (command(&["config", "check"]), command(&["serve", "--config"]));
        assert_eq!((checked.0, served.0), (Some(2), Some(2)), "{checked:?} {served:?}");
        checked.1
    };
    let listen = "[[listen]]\nprotocol = \"http\"\naddress = \"127.0.0.1:0\"\ntls = true\n";
    assert!(check(listen).contains("listen 0: tls = true needs [tls] with certificate and key"));
    let said = check(&format!("{listen}[tls]\ncertificate = \"/no/cert.pem\"\nkey = \"/no/key.pem\"\n"));
    assert!(said.contains("tls.certificate: /no/cert.pem: it cannot be read"), "{said}");
}

/// `gateway dev`: its authority, its listeners, its banner, and the command line that trusts it.
#[test]
fn dev_can_be_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let start = || {
        let mut dev = gateway();
        dev.args(["dev", "--no-demo", "--data"]).arg(&data);
        for listener in ["--http", "--https", "--mqtt", "--mqtts"] {
            dev.args([listener, "127.0.0.1:0"]);
        }
        let mut child = dev.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let banner = read_banner(&mut child);
        (child, banner)
    };
    let (mut child, banner) = start();
    let authority = gateway::dev::papers::authority_path(&data);
    let first = std::fs::read(&authority).expect("an authority");
    let [https, mqtts] = ["https://", "mqtts://"].map(|scheme| support::find_address(&banner, scheme));
    let shown = format!("  export SSL_CERT_FILE={}", authority.canonicalize().expect("a path").display());
    assert!(banner.contains(&shown), "{banner:?}");
    for (version, address) in [(VERSIONS[0], https), (VERSIONS[1], mqtts)] {
        tls::connect(address, &tls::config(&authority, version, false)).expect("a handshake");
    }
    let ask = |trust: Option<&Path>, data: &Path, key: &[&str]| {
        let mut command = gateway();
        command.args(["devices", "--url", &format!("https://localhost:{}", https.port()), "--data"]);
        command.arg(data).args(key).env_remove("SSL_CERT_FILE");
        if let Some(trust) = trust {
            command.env("SSL_CERT_FILE", trust);
        }
        let run = command.output().expect("it runs");
        (run.status.success(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    let key = std::fs::read_to_string(data.join("dev-key")).expect("the demo key");
    let key = ["--key", key.trim()];
    assert_eq!(ask(None, &data, &[]), (true, String::new()), "the folder says whom to trust");
    assert_eq!(ask(Some(&authority), folder.path(), &key), (true, String::new()));
    let (trusted, said) = ask(None, folder.path(), &key);
    assert!(!trusted && said.contains("invalid peer certificate"), "{said}");
    end(&mut child);

    let (mut child, _) = start();
    assert_eq!(std::fs::read(&authority).expect("an authority"), first, "who trusted it trusts it still");
    end(&mut child);
}

fn end(child: &mut std::process::Child) {
    signal(child.id(), "TERM");
    assert!(child.wait().expect("a child of ours").success());
}

/// A connection attempt with Python's TLS, which can still speak what is refused here.
#[test]
fn d7_old_versions_are_refused_whoever_speaks_them() {
    let scene = Scene::start("");
    let script = "import socket, ssl, sys\n\
                  context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n\
                  context.set_ciphers('DEFAULT:@SECLEVEL=0')\n\
                  context.load_verify_locations(sys.argv[1])\n\
                  context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, sys.argv[3])\n\
                  raw = socket.create_connection(('127.0.0.1', int(sys.argv[2])))\n\
                  try:\n    print(context.wrap_socket(raw, server_hostname='localhost').version())\n\
                  except (ssl.SSLError, OSError) as error:\n    print('refused', error)\n";
    for (version, outcome) in
        [("TLSv1", "refused"), ("TLSv1_1", "refused"), ("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")]
    {
        let run = Command::new("python3")
            .args(["-W", "ignore", "-c", script])
            .arg(scene.gateway.authority())
            .args([&scene.gateway.https.port().to_string(), version])
            .output()
            .expect("Python runs");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(said.starts_with(outcome), "{version}: {said}{}", String::from_utf8_lossy(&run.stderr));
    }
}

/// What Mozilla calls intermediate: versions, suites, groups, certificate.
#[test]
fn sslyze_is_content_with_both_listeners() {
    let gateway = Gateway::start(1, "");
    for address in [gateway.https, gateway.mqtts] {
        let run = Command::new(support::python::environment("sslyze"))
            .args(["-m", "sslyze", "--mozilla_config", "intermediate", "--certinfo_ca_file"])
            .arg(gateway.authority())
            .arg(format!("localhost:{}{{127.0.0.1}}", address.port()))
            .output()
            .expect("sslyze runs");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success() && said.contains("OK - Compliant"), "{said}");
    }
}

/// An address that nobody listens on any more is no concern of TLS.
#[test]
fn a_reset_in_the_handshake_is_an_error_and_no_hang() {
    let gateway = Gateway::start(1, "tls_handshake_ms = 300");
    let config = tls::config(&gateway.authority(), &version::TLS13, false);
    let dawdle = |address: SocketAddr| -> ErrorKind {
        let mut tls =
            rustls::ClientConnection::new(Arc::clone(&config), "localhost".try_into().expect("a name"))
                .expect("a client");
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.set_read_timeout(Some(SOON)).expect("a socket");
        let read = socket.read(&mut [0]);
        assert!(matches!(read, Ok(0)), "it is closed: {read:?}");
        tls.complete_io(&mut socket).expect_err("too late").kind()
    };
    let kind = dawdle(gateway.mqtts);
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof),
        "{kind:?}"
    );
}
