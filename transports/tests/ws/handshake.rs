//! The opening handshake.

use crate::kit::any_moment;
use std::sync::Arc;
use transports::http::{self, Event};
use transports::input::Input;
use transports::ws::{Handshake, Refusal};

/// As the Python client asks (contract 3.2).
const PYTHON: &str = "GET /mqtt HTTP/1.1\r\nHost: gateway:8083\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Origin: http://gateway:8083\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Websocket-Version: 13\r\n\
    Sec-Websocket-Protocol: mqtt\r\n\r\n";

/// The answer to a request: the 101, or what is wrong with it.
fn shake(request: &str, protocol: Option<&str>) -> Result<String, Refusal> {
    let mut bytes = request.as_bytes().to_vec();
    let (mut input, mut out, now) = (Input::new(&mut bytes), Vec::new(), any_moment());
    let mut session = http::Session::new(Arc::new(http::Limits::default()), now);
    let Ok(Some(Event::Request(request))) = session.next(&mut input, &mut out, now) else {
        panic!("not a whole request: {request}");
    };
    let handshake = Handshake::check(&request)?;
    handshake.accept(protocol.filter(|protocol| handshake.offers(protocol)), &mut out);
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn accepts_what_the_python_client_asks() {
    let answer = shake(PYTHON, Some("mqtt")).unwrap();
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
}

#[test]
fn reads_names_and_tokens_in_any_case_and_in_lists() {
    for (from, to) in [
        ("Upgrade: websocket", "upgrade: h2c, WebSocket"),
        ("Connection: Upgrade", "CONNECTION: keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("Sec-Websocket-Protocol: mqtt", "Sec-WebSocket-Protocol: mqttv3.1, mqtt"),
        ("Sec-Websocket-Protocol: mqtt", "Sec-WebSocket-Protocol: mqttv3.1\r\nSec-WebSocket-Protocol: mqtt"),
        (
            "Origin: http://gateway:8083",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        ),
    ] {
        let answer = shake(&PYTHON.replace(from, to), Some("mqtt")).unwrap();
        assert!(answer.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"), "{to}");
        assert!(!answer.contains("Extensions"), "HOSTILE F8: compression is not negotiated");
    }
}

#[test]
fn f10_chooses_a_protocol_only_when_it_is_spelled_exactly() {
    for offered in ["mqttv3.1", "MQTT", "mqtt2", "xmqtt", ""] {
        let request = PYTHON.replace("Protocol: mqtt", &format!("Protocol: {offered}"));
        assert!(!shake(&request, Some("mqtt")).unwrap().contains("Sec-WebSocket-Protocol"), "{offered}");
    }
    assert!(!shake(PYTHON, None).unwrap().contains("Sec-WebSocket-Protocol"));
}

#[test]
fn f10_refuses_what_is_no_handshake_and_says_what_would_be() {
    for (from, to, refusal, status) in [
        ("GET /mqtt", "POST /mqtt", Refusal::Method, 405),
        ("HTTP/1.1", "HTTP/1.0", Refusal::Version, 400),
        ("Upgrade: websocket", "Upgrade: h2c", Refusal::Upgrade, 426),
        ("Connection: Upgrade", "Connection: keep-alive", Refusal::Connection, 400),
        ("Version: 13", "Version: 12", Refusal::WebSocketVersion, 426),
        ("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8", Refusal::WebSocketVersion, 426),
        ("Sec-Websocket-Version: 13\r\n", "", Refusal::WebSocketVersion, 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", Refusal::Key, 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", Refusal::Key, 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", Refusal::Key, 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", Refusal::Key, 400),
    ] {
        assert_eq!(shake(&PYTHON.replace(from, to), Some("mqtt")), Err(refusal), "{to}");
        assert_eq!(refusal.status(), status);
        let wants = refusal.headers().contains(&("Sec-WebSocket-Version", "13"));
        assert_eq!(wants, status == 426);
        assert!(refusal.detail().ends_with('.'));
    }
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(shake(&PYTHON.replace(key, &key.repeat(2)), None), Err(Refusal::Key), "11.3.1: once");
    let with_body = PYTHON.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n\x01\x02");
    assert_eq!(shake(&with_body, None), Err(Refusal::Body));
}

#[test]
fn knows_who_asks_for_a_websocket_at_all() {
    let asked = |request: &str| {
        let mut bytes = request.as_bytes().to_vec();
        let (mut input, mut out, now) = (Input::new(&mut bytes), Vec::new(), any_moment());
        let mut session = http::Session::new(Arc::new(http::Limits::default()), now);
        match session.next(&mut input, &mut out, now) {
            Ok(Some(Event::Request(request))) => Handshake::is_asked(&request),
            other => panic!("{other:?}"),
        }
    };
    assert!(asked(PYTHON));
    assert!(!asked("GET /mqtt HTTP/1.1\r\nHost: h\r\n\r\n"));
}
