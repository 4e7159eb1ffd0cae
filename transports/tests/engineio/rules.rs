//! Each rule, broken once.

use crate::{INTERVAL, TIMEOUT, polling, post, websocket};
use codec::engineio::Malformed;
use std::time::Instant;
use transports::engineio::{Violation, Voice};

#[test]
fn a_second_poll_ends_the_session_and_the_first_is_told() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    assert_eq!(session.poll(now), Err(Violation::PollTwice));
    assert_eq!(session.take_answer().unwrap(), b"1");
    assert!(session.is_over());
    assert_eq!(session.poll(now), Err(Violation::Unexpected));
}

#[test]
fn a_poll_given_up_ends_the_session() {
    let now = Instant::now();
    let mut session = polling(now);
    assert_eq!(session.poll_aborted(), Ok(()), "none waits");
    session.poll(now).unwrap();
    assert_eq!(session.poll_aborted(), Err(Violation::PollAborted));
    assert!(session.is_over());
}

#[test]
fn an_answer_that_could_not_be_given_ends_the_session() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    Voice { session: &mut session, out: &mut Vec::new() }.text(|out| out.extend_from_slice(b"lost"));
    assert_eq!(session.take_answer(), Some(b"4lost".to_vec()));
    assert_eq!(session.poll_aborted(), Ok(()), "the poll does not wait any more");
    assert_eq!(session.answer_lost(), Err(Violation::PollAborted));
    assert!(session.is_over());

    let mut session = polling(now);
    let mut out = Vec::new();
    assert!(session.begin_probe(now));
    session.hear_probe(b"2probe", &mut out, now).unwrap();
    session.hear_probe(b"5", &mut out, now).unwrap();
    assert_eq!(session.answer_lost(), Ok(()), "it has its WebSocket, and needs no poll");
    assert!(session.is_websocket());
}

#[test]
fn malformed_packets_end_the_session() {
    let now = Instant::now();
    for (body, malformed) in [
        (&b"abc"[..], Malformed::Kind),
        (b"", Malformed::Empty),
        (b"4a\x1e", Malformed::Empty),
        (b"bA", Malformed::Base64),
        (b"1x", Malformed::Surplus),
        (b"4\xff", Malformed::IllFormedUtf8),
    ] {
        let mut session = polling(now);
        assert_eq!(post(&mut session, body, now), Err(Violation::Malformed(malformed)));
        assert!(session.is_over());
    }
    let mut session = websocket(now);
    assert_eq!(session.hear_text(b"abc", now), Err(Violation::Malformed(Malformed::Kind)));
    assert!(session.is_over());
    assert_eq!(session.hear_binary(b"x"), Err(Violation::Unexpected));
}

#[test]
fn a_client_does_not_ping() {
    let now = Instant::now();
    assert_eq!(websocket(now).hear_text(b"2", now), Err(Violation::HeartbeatDirection));
    assert_eq!(post(&mut polling(now), b"2probe", now), Err(Violation::HeartbeatDirection));
}

#[test]
fn a_client_does_not_open_and_upgrades_only_by_a_probe() {
    let now = Instant::now();
    for packet in [&b"0{}"[..], b"5"] {
        assert_eq!(websocket(now).hear_text(packet, now), Err(Violation::Unexpected));
        assert_eq!(post(&mut polling(now), packet, now), Err(Violation::Unexpected));
    }
}

#[test]
fn a_pong_must_come_in_time() {
    let now = Instant::now();
    let (mut session, mut out) = (websocket(now), Vec::new());
    session.handle_timeout(&mut out, now + INTERVAL).unwrap();
    assert_eq!(session.handle_timeout(&mut out, now + INTERVAL + TIMEOUT), Err(Violation::PingTimeout));
    let mut session = polling(now);
    session.poll(now).unwrap();
    assert_eq!(session.handle_timeout(&mut out, now + INTERVAL + TIMEOUT), Err(Violation::PingTimeout));
    assert_eq!(session.take_answer().unwrap(), b"1", "the poll that waited is ended");
    assert!(session.is_over());
}

#[test]
fn nonsense_from_a_probe_costs_the_probe_alone() {
    let now = Instant::now();
    for message in [&b"5"[..], b"4hello", b"2", b"abc", b"3probe", b"2probe2"] {
        let (mut session, mut out) = (polling(now), Vec::new());
        assert!(session.begin_probe(now));
        assert!(session.hear_probe(message, &mut out, now).is_err(), "{message:?}");
        assert!(out.is_empty() && !session.is_over());
        session.probe_gone(now);
        assert!(session.begin_probe(now), "another may try");
    }
}
