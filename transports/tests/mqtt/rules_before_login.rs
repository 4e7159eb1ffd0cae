//! What holds until a client is accepted.
//!
//! Owns one test for every rule of that time. It never gets past CONNACK.

use crate::kit::*;
use codec::mqtt::{Connect, ConnectCode, Malformed, QoS};
use std::time::Duration;
use transports::mqtt::{Limits, Violation};

#[test]
fn refuses_any_first_byte_but_connect_at_once_and_without_an_answer() {
    for first in (0..=255).filter(|&first| first != 0x10) {
        let mut bench = Bench::new();
        assert_eq!(bench.receive(&[first]), Err(Violation::ConnectMissing), "{first:#04x}");
        assert!(bench.out.is_empty());
    }
}

#[test]
fn refuses_publish_before_connect() {
    let mut bench = Bench::new();
    assert_eq!(bench.receive(&publish(QoS::AtMostOnce, 0)), Err(Violation::ConnectMissing));
    assert_eq!(bench.receive(&connect()), Ok(vec![]), "what comes afterwards is not taken");
}

#[test]
fn refuses_a_size_before_login_at_the_header_that_declares_it() {
    for header in [&[0x10, 0xff, 0xff, 0xff, 0x7f][..], &[0x10, 0x81, 0x80, 0x01]] {
        let mut bench = Bench::new();
        assert_eq!(bench.receive(header), Err(Violation::ConnectTooLarge));
        assert!(bench.out.is_empty());
    }
    let mut bench = Bench::new();
    assert_eq!(bench.receive(&[0x10, 0x80, 0x80, 0x01]), Ok(vec![]), "16 KiB are allowed");
}

#[test]
fn accepts_the_largest_connect() {
    let around = connect_as(Connect { password: Some(b""), ..GREETING }).len() - 2;
    let password = vec![7; 16 * 1024 - around];
    let bytes = connect_as(Connect { password: Some(&password), ..GREETING });
    assert_eq!(bytes[..4], [0x10, 0x80, 0x80, 0x01]);
    assert_eq!(Bench::new().receive(&bytes).unwrap().len(), 1);
}

#[test]
fn refuses_a_length_of_five_bytes_without_an_answer() {
    let mut bench = Bench::new();
    let overlong = bench.receive(&[0x10, 0x80, 0x80, 0x80, 0x80]);
    assert_eq!(overlong, Err(Violation::Malformed(Malformed::RemainingLength)));
    assert!(bench.out.is_empty());
}

#[test]
fn answers_a_foreign_protocol_level_with_code_1() {
    for level in [0, 3, 5, 9, 0x84, 255] {
        let mut bytes = connect();
        bytes[8] = level;
        let mut bench = Bench::new();
        let violation = bench.receive(&bytes).unwrap_err();
        assert_eq!(violation, Violation::ProtocolLevel(level));
        assert_eq!(violation.connack(), Some(ConnectCode::UnacceptableProtocol));
        assert_eq!(bench.written(), [0x20, 2, 0, 1]);
    }
}

#[test]
fn closes_on_a_wrong_protocol_name_without_an_answer() {
    let mut bytes = connect();
    bytes[7] = b'X';
    let mut bench = Bench::new();
    assert_eq!(bench.receive(&bytes), Err(Violation::Malformed(Malformed::ProtocolName)));
    assert!(bench.out.is_empty());
}

#[test]
fn closes_on_surplus_bytes_in_connect_without_an_answer() {
    let mut bytes = connect();
    bytes.extend_from_slice(&[0, 3, b'a', b'b', b'c']);
    bytes[1] += 5;
    let mut bench = Bench::new();
    assert_eq!(bench.receive(&bytes), Err(Violation::Malformed(Malformed::Surplus)));
    assert!(bench.out.is_empty());
}

#[test]
fn answers_an_empty_client_id_of_a_persistent_session_with_code_2() {
    let mut bench = Bench::new();
    let violation = bench.receive(&connect_as(Connect { client_id: "", ..GREETING })).unwrap_err();
    assert_eq!(violation, Violation::ClientIdMissing);
    assert_eq!(violation.connack(), Some(ConnectCode::IdentifierRejected));
    assert_eq!(bench.written(), [0x20, 2, 0, 2]);
}

#[test]
fn leaves_an_empty_client_id_of_a_clean_session_to_the_tenant() {
    let mut bench = Bench::new();
    let told = bench.receive(&connect_as(Connect { client_id: "", clean_session: true, ..GREETING }));
    assert!(matches!(&told.unwrap()[..], [Told::Connect { client_id, .. }] if client_id.is_empty()));
}

#[test]
fn hangs_up_when_connect_is_late_however_it_dribbles() {
    let mut bench = Bench::new();
    let bytes = connect();
    for byte in bytes.iter().take(19) {
        bench.receive(&[*byte]).unwrap();
        assert_eq!(bench.pass(Duration::from_secs(1)), Ok(()));
    }
    assert_eq!(bench.session.next_timeout(), bench.now + Duration::from_secs(1));
    assert_eq!(bench.pass(Duration::from_millis(999)), Ok(()));
    assert_eq!(bench.pass(Duration::from_millis(1)), Err(Violation::ConnectTimeout));
    assert_eq!(bench.receive(&bytes[19..]), Ok(vec![]));
    assert!(bench.out.is_empty());
}

#[test]
fn takes_nothing_until_the_verdict() {
    let mut bench = Bench::new();
    let mut bytes = connect();
    bytes.extend_from_slice(&PINGREQ);
    assert_eq!(bench.receive(&bytes).unwrap().len(), 1);
    assert_eq!((bench.carry.len(), bench.out.len()), (2, 0));
    bench.session.accept(None, false, &mut bench.out, bench.now);
    assert_eq!(bench.receive(&[]), Ok(vec![Told::Ping]));
    assert_eq!(bench.written(), [0x20, 2, 0, 0, 0xd0, 0]);
}

#[test]
fn does_not_blame_a_client_for_a_slow_verdict() {
    let mut bench = Bench::new();
    bench.receive(&connect_as(Connect { keep_alive_s: 1, ..GREETING })).unwrap();
    assert_eq!(bench.pass(Duration::from_secs(3600)), Ok(()));
    assert!(bench.session.next_timeout() > bench.now);
    bench.session.accept(None, false, &mut bench.out, bench.now);
    assert_eq!(bench.pass(Duration::from_millis(1499)), Ok(()));
    assert_eq!(bench.pass(Duration::from_millis(1)), Err(Violation::KeepAliveExpired));
}

#[test]
fn keep_alive_counts_from_the_verdict() {
    let mut bench = Bench::new();
    bench.receive(&connect()).unwrap();
    bench.pass(Duration::from_secs(5)).unwrap();
    bench.session.accept(None, false, &mut bench.out, bench.now);
    assert_eq!(bench.session.next_timeout(), bench.now + Duration::from_secs(90));
}

#[test]
fn takes_nothing_after_a_refusal() {
    for (code, number) in [
        (ConnectCode::UnacceptableProtocol, 1),
        (ConnectCode::IdentifierRejected, 2),
        (ConnectCode::ServerUnavailable, 3),
        (ConnectCode::BadCredentials, 4),
        (ConnectCode::NotAuthorized, 5),
    ] {
        let mut bench = Bench::new();
        let bytes = [connect(), subscribe(1, 1), publish(QoS::AtLeastOnce, 2)].concat();
        bench.receive(&bytes).unwrap();
        let waiting = bench.carry.len();
        bench.session.refuse(code, &mut bench.out);
        assert_eq!(bench.receive(&PINGREQ), Ok(vec![]));
        assert_eq!((bench.written(), bench.carry.len()), (vec![0x20, 2, 0, number], waiting + 2));
    }
}

#[test]
fn only_the_first_verdict_counts() {
    let mut bench = Bench::new();
    bench.session.accept(None, false, &mut bench.out, bench.now);
    bench.session.refuse(ConnectCode::NotAuthorized, &mut bench.out);
    assert!(bench.out.is_empty(), "nothing was asked");
    bench.receive(&connect()).unwrap();
    bench.session.refuse(ConnectCode::NotAuthorized, &mut bench.out);
    bench.session.accept(None, false, &mut bench.out, bench.now);
    bench.session.refuse(ConnectCode::ServerUnavailable, &mut bench.out);
    assert_eq!(bench.written(), [0x20, 2, 0, 5]);
    assert_eq!(bench.receive(&PINGREQ), Ok(vec![]));
}

#[test]
fn never_tells_a_clean_session_that_one_was_present() {
    for (clean_session, tenant_has_state, said) in
        [(true, true, 0), (true, false, 0), (false, true, 1), (false, false, 0)]
    {
        let mut bench = Bench::new();
        bench.receive(&connect_as(Connect { clean_session, ..GREETING })).unwrap();
        bench.session.accept(None, tenant_has_state, &mut bench.out, bench.now);
        assert_eq!(bench.written(), [0x20, 2, said, 0]);
    }
}

#[test]
fn tells_who_is_there() {
    let will = codec::mqtt::Will { topic: "status", payload: b"gone", qos: QoS::AtLeastOnce, retain: true };
    let told = Bench::new().receive(&connect_as(Connect { will: Some(will), ..GREETING }));
    let expected = Told::Connect {
        client_id: "lua-agent-lamp".to_owned(),
        clean_session: false,
        username: Some("agent:lamp".to_owned()),
        will_topic: Some("status".to_owned()),
    };
    assert_eq!(told, Ok(vec![expected]));
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<transports::mqtt::Session>() <= 96, "{}", size_of::<transports::mqtt::Session>());
    assert!(size_of::<transports::mqtt::Resumed>() <= 48, "{}", size_of::<transports::mqtt::Resumed>());
}

#[test]
fn a_session_can_move_to_another_core() {
    fn moves<T: Send + 'static>() {}
    moves::<transports::mqtt::Session>();
    moves::<transports::mqtt::Resumed>();
}

#[test]
fn defaults_are_those_of_the_wire_contract() {
    let limits = Limits::default();
    assert_eq!((limits.connect_bytes_max, limits.packet_bytes_max), (16_384, 1_114_112));
    assert_eq!((limits.owed_max, limits.inflight_max, limits.qos2_open_max), (64, 1, 64));
    assert_eq!(limits.filters_per_subscribe_max, 16);
    assert_eq!((limits.connect_timeout.as_secs(), limits.keepalive_max.as_secs()), (20, 900));
}
