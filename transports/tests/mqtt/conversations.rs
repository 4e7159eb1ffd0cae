//! Whole conversations, cut in every way a network may cut them.
//!
//! Owns the scripts. The same bytes must give the same events and the same answers, however they arrive.

use crate::kit::*;
use codec::mqtt::{Connect, Packet, PublishHead, QoS, Will, decode, encode_publish, encode_unsubscribe};
use proptest::prelude::*;
use transports::mqtt::{Event, Session};

/// A device as the Python client is one: everything after CONNECT without waiting for an answer.
fn script() -> Vec<u8> {
    let will = Will { topic: "d/status", payload: b"{}", qos: QoS::AtLeastOnce, retain: true };
    let mut bytes = connect_as(Connect { will: Some(will), ..GREETING });
    bytes.extend_from_slice(&subscribe(1, 5));
    let message = |number: u16, qos: QoS, retain: bool, payload: &[u8]| {
        let mut bytes = Vec::new();
        let head = PublishHead { qos, dup: false, retain, id: (number > 0).then(|| id(number)) };
        encode_publish(&mut bytes, head, &["d/", "status"], &[payload]).unwrap();
        bytes
    };
    bytes.extend_from_slice(&message(2, QoS::AtLeastOnce, true, b"{\"status\":\"online\"}"));
    bytes.extend_from_slice(&message(3, QoS::AtLeastOnce, false, &[b'x'; 300]));
    bytes.extend_from_slice(&message(0, QoS::AtMostOnce, false, b""));
    bytes.extend_from_slice(&PINGREQ);
    bytes.extend_from_slice(&puback(1));
    bytes.extend_from_slice(&message(4, QoS::ExactlyOnce, false, b"twice"));
    bytes.extend_from_slice(&message(4, QoS::ExactlyOnce, false, b"twice"));
    bytes.extend_from_slice(&pubrel(4));
    encode_unsubscribe(&mut bytes, id(5), &["d/command"]).unwrap();
    bytes.extend_from_slice(&DISCONNECT);
    bytes.extend_from_slice(b"never looked at");
    bytes
}

/// Answers at once, and sends a command when the device has subscribed.
fn tenant(session: &mut Session, event: Event<'_>, out: &mut Vec<u8>, now: std::time::Instant) {
    match event {
        Event::Connect(_) => session.accept(None, false, out, now),
        Event::Publish(arrival) => {
            if let Some(receipt) = arrival.receipt {
                session.acknowledge(receipt, out);
            }
        }
        Event::Subscribe(subscribe) => {
            session.suback(subscribe.id, &[GRANTED[0]; 5], out);
            session.publish(&["d/command"], &[b"{}"], QoS::AtLeastOnce, out).unwrap();
        }
        Event::Unsubscribe(unsubscribe) => session.unsuback(unsubscribe.id, out),
        Event::Acked(_) | Event::Ping | Event::Disconnect => {}
    }
}

/// What is told and what is written when the script arrives in these pieces.
fn play<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Told>, Vec<u8>) {
    let mut bench = Bench::new();
    let now = bench.now;
    let mut told = Vec::new();
    for piece in pieces {
        bench
            .receive_with(piece, |session, event, out| {
                told.push(event.clone().into());
                tenant(session, event, out, now);
            })
            .unwrap();
    }
    (told, bench.written())
}

#[test]
fn a_python_device_is_served_in_the_order_in_which_it_speaks() {
    let bytes = script();
    let (told, written) = play(std::iter::once(&bytes[..]));
    assert!(matches!(
        &told[..],
        [
            Told::Connect { .. },
            Told::Subscribe { .. },
            Told::Publish { qos: QoS::AtLeastOnce, retain: true, .. },
            Told::Publish { qos: QoS::AtLeastOnce, retain: false, .. },
            Told::Publish { qos: QoS::AtMostOnce, .. },
            Told::Ping,
            Told::Acked(1),
            Told::Publish { qos: QoS::ExactlyOnce, .. },
            Told::Unsubscribe { .. },
            Told::Disconnect,
        ]
    ));
    let answers = packets(&written);
    assert!(matches!(answers[..3], [Packet::ConnAck(_), Packet::SubAck(_), Packet::Publish(_)]));
    assert_eq!(
        answers[3..],
        [
            Packet::PubAck(id(2)),
            Packet::PubAck(id(3)),
            Packet::PingResp,
            Packet::PubRec(id(4)),
            Packet::PubRec(id(4)),
            Packet::PubComp(id(4)),
            Packet::UnsubAck(id(5)),
        ]
    );
}

#[test]
fn byte_by_byte_says_the_same_as_in_one_piece() {
    let bytes = script();
    assert_eq!(play(bytes.chunks(1)), play(std::iter::once(&bytes[..])));
}

#[test]
fn a_micropython_device_that_waits_for_every_answer_is_served() {
    let mut bench = Bench::new();
    let now = bench.now;
    let mut say = |bytes: &[u8], expected: &[u8]| {
        for byte in bytes {
            bench
                .receive_with(&[*byte], |session, event, out| tenant_of_one(session, event, out, now))
                .unwrap();
        }
        assert_eq!(bench.written(), expected);
    };
    say(&connect_as(Connect { clean_session: true, ..GREETING }), &[0x20, 2, 0, 0]);
    for number in 1..=6 {
        say(&subscribe(number, 1), &[0x90, 3, 0, number as u8, 1]);
    }
    say(&publish(QoS::AtLeastOnce, 7), &puback(7));
    say(&publish(QoS::AtLeastOnce, 8), &puback(8));
    say(&publish(QoS::AtMostOnce, 0), &[]);
}

fn tenant_of_one(session: &mut Session, event: Event<'_>, out: &mut Vec<u8>, now: std::time::Instant) {
    match event {
        Event::Subscribe(subscribe) => session.suback(subscribe.id, &GRANTED, out),
        other => tenant(session, other, out, now),
    }
}

/// Cuts `bytes` at the given places.
fn cut(bytes: &[u8], mut places: Vec<usize>) -> Vec<&[u8]> {
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for place in places {
        pieces.push(&bytes[from..place]);
        from = place;
    }
    pieces.push(&bytes[from..]);
    pieces
}

proptest! {
    #[test]
    fn any_cuts_say_the_same_as_one_piece(seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let bytes = script();
        let places = seeds.iter().map(|seed| seed.index(bytes.len())).collect();
        prop_assert_eq!(play(cut(&bytes, places).into_iter()), play(std::iter::once(&bytes[..])));
    }

    #[test]
    fn what_we_publish_a_client_reads_as_it_was_meant(
        topic in prop::collection::vec("[a-z/]{1,9}", 1..4),
        payload in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
        qos in prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
    ) {
        let mut bench = Bench::live();
        let topic_parts: Vec<&str> = topic.iter().map(String::as_str).collect();
        let payload_parts: Vec<&[u8]> = payload.iter().map(Vec::as_slice).collect();
        let sent = bench.session.publish(&topic_parts, &payload_parts, qos, &mut bench.out).unwrap();
        let Ok(Some((Packet::Publish(read), bytes))) = decode(&bench.out) else {
            panic!("no PUBLISH: {:?}", bench.out)
        };
        prop_assert_eq!(bytes, bench.out.len());
        prop_assert_eq!((read.topic, read.payload), (&topic.concat()[..], &payload.concat()[..]));
        prop_assert_eq!((read.qos, read.id, read.dup, read.retain), (qos, sent, false, false));
    }

    #[test]
    fn what_a_client_publishes_is_told_as_it_was_meant(
        topic in "[a-z/]{1,40}",
        payload in prop::collection::vec(any::<u8>(), 0..500),
        number in 1_u16..,
        dup: bool,
        retain: bool,
        qos in prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
    ) {
        let acknowledged = qos != QoS::AtMostOnce;
        let head = PublishHead { qos, dup: dup && acknowledged, retain, id: acknowledged.then(|| id(number)) };
        let mut bytes = Vec::new();
        encode_publish(&mut bytes, head, &[&topic], &[&payload]).unwrap();
        let told = Bench::live().receive(&bytes).unwrap();
        let receipt = acknowledged.then(|| told[0].receipt());
        prop_assert_eq!(receipt.map(|receipt| receipt.id()), head.id);
        let expected = Told::Publish { topic, payload, qos, dup: head.dup, retain, receipt };
        prop_assert_eq!(told, vec![expected]);
    }

    #[test]
    fn any_bytes_end_in_events_or_in_one_violation(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        logged_in: bool,
    ) {
        let mut bench = if logged_in { Bench::live() } else { Bench::new() };
        let mut over = false;
        for piece in bytes.chunks(7) {
            let outcome = bench.receive(piece);
            prop_assert!(!over || outcome == Ok(vec![]), "nothing is taken after the end");
            over |= outcome.is_err();
        }
        bench.written();
    }
}
