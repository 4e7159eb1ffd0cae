//! What holds between CONNACK and the end.
//!
//! Owns one test for every rule of that time.

use crate::kit::*;
use codec::mqtt::{Connect, Kind, Malformed, Packet, PublishHead, QoS, encode_unsubscribe};
use std::time::Duration;
use transports::mqtt::{Limits, Misuse, Violation};

use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

#[test]
fn refuses_a_second_connect_at_its_header() {
    let mut bench = Bench::live();
    assert_eq!(bench.receive(&connect()[..2]), Err(Violation::ConnectTwice));
    assert!(bench.out.is_empty());
}

#[test]
fn refuses_packets_that_only_a_server_sends() {
    for (bytes, kind) in [
        (&[0x20, 2, 0, 0][..], Kind::ConnAck),
        (&[0x90, 3, 0, 1, 0], Kind::SubAck),
        (&[0xb0, 2, 0, 1], Kind::UnsubAck),
        (&[0xd0, 0], Kind::PingResp),
    ] {
        let mut bench = Bench::live();
        assert_eq!(bench.receive(&bytes[..2]), Err(Violation::ServerPacket(kind)));
        assert!(bench.out.is_empty());
    }
}

#[test]
fn refuses_malformed_packets_without_an_answer() {
    for (bytes, malformed) in [
        (&[0x00, 0][..], Malformed::Kind),
        (&[0xc1, 0], Malformed::HeaderFlags),
        (&[0x36], Malformed::PublishQos),
        (&[0x38], Malformed::DupAtMostOnce),
        (&[0x32, 5, 0, 1, b't', 0, 0], Malformed::PacketIdZero),
        (&[0x32, 5, 0, 0, 0, 1, b'x'], Malformed::TopicEmpty),
        (&[0x82, 2, 0, 1], Malformed::SubscribeWithoutFilter),
    ] {
        let mut bench = Bench::live();
        assert_eq!(bench.receive(bytes), Err(Violation::Malformed(malformed)));
        assert!(bench.out.is_empty());
    }
}

#[test]
fn refuses_a_size_after_login_at_the_header_that_declares_it() {
    let mut bench = Bench::live();
    assert_eq!(bench.receive(&[0x30, 0xff, 0xff, 0xff, 0x7f]), Err(Violation::PacketTooLarge));
    let mut bench = Bench::live_with(Limits { packet_bytes_max: 4, ..Limits::default() });
    assert_eq!(bench.receive(&[0x30, 4, 0, 1, b't', 1]).unwrap().len(), 1);
    assert_eq!(bench.receive(&[0x30, 5]), Err(Violation::PacketTooLarge));
}

#[test]
fn takes_nothing_after_a_violation() {
    let mut bench = Bench::live();
    let receipt = bench.receive(&publish(AtLeastOnce, 1)).unwrap()[0].receipt();
    bench.receive(&[0xd0, 0]).unwrap_err();
    assert_eq!(bench.receive(&publish(AtMostOnce, 0)), Ok(vec![]));
    bench.acknowledge(receipt);
    bench.session.suback(id(1), &GRANTED, &mut bench.out);
    bench.session.unsuback(id(1), &mut bench.out);
    let refused = bench.session.publish(&["t"], &[], AtMostOnce, &mut bench.out);
    assert_eq!(refused, Err(Misuse::NotLive));
    assert_eq!((bench.session.owes(), bench.session.may_publish(), bench.out.len()), (0, false, 0));
    assert_eq!(bench.pass(Duration::from_secs(10_000)), Ok(()), "the end is told once");
}

#[test]
fn refuses_a_subscribe_with_too_many_filters() {
    let mut bench = Bench::live();
    let told = bench.receive(&subscribe(1, 16)).unwrap();
    assert!(matches!(&told[..], [Told::Subscribe { filters, .. }] if filters.len() == 16));
    assert_eq!(bench.receive(&subscribe(2, 17)), Err(Violation::SubscribeTooLong));
    assert!(bench.out.is_empty());
}

#[test]
fn refuses_an_unsubscribe_with_too_many_filters() {
    let mut bench = Bench::live();
    let unsubscribe = |filters: usize| {
        let mut bytes = Vec::new();
        encode_unsubscribe(&mut bytes, id(1), &vec!["a/b"; filters]).unwrap();
        bytes
    };
    let told = bench.receive(&unsubscribe(16)).unwrap();
    assert!(matches!(&told[..], [Told::Unsubscribe { filters, .. }] if filters.len() == 16));
    assert_eq!(bench.receive(&unsubscribe(17)), Err(Violation::SubscribeTooLong));
    assert!(bench.out.is_empty());
}

#[test]
fn refuses_a_topic_and_a_filter_longer_than_any_device_needs() {
    let most = Limits::default().topic_bytes_max;
    for (length, verdict) in [(most, Ok(())), (most + 1, Err(Violation::TopicTooLong))] {
        let topic = "t".repeat(length);
        let (mut published, mut subscribed, mut unsubscribed) = (Vec::new(), Vec::new(), Vec::new());
        let head = PublishHead { qos: AtMostOnce, dup: false, retain: false, id: None };
        codec::mqtt::encode_publish(&mut published, head, &[&topic], &[]).unwrap();
        codec::mqtt::encode_subscribe(&mut subscribed, id(1), &[(&topic, AtLeastOnce)]).unwrap();
        encode_unsubscribe(&mut unsubscribed, id(2), &[&topic]).unwrap();
        for packet in [published, subscribed, unsubscribed] {
            assert_eq!(Bench::live().receive(&packet).map(drop), verdict, "{length} bytes");
        }
    }
}

#[test]
fn answers_subscribe_and_unsubscribe_as_the_tenant_says() {
    let mut bench = Bench::live();
    assert_eq!(
        bench.receive(&subscribe(7, 1)),
        Ok(vec![Told::Subscribe { id: id(7), filters: vec![("a/b".to_owned(), AtLeastOnce)] }])
    );
    let mut bytes = Vec::new();
    encode_unsubscribe(&mut bytes, id(8), &["a/b", "#"]).unwrap();
    let filters = vec!["a/b".to_owned(), "#".to_owned()];
    assert_eq!(bench.receive(&bytes), Ok(vec![Told::Unsubscribe { id: id(8), filters }]));
    assert!(bench.out.is_empty());
    bench.session.suback(id(7), &GRANTED, &mut bench.out);
    bench.session.unsuback(id(8), &mut bench.out);
    assert_eq!(bench.written(), [0x90, 3, 0, 7, 1, 0xb0, 2, 0, 8]);
}

#[test]
fn answers_a_ping_and_tells_it() {
    let mut bench = Bench::live();
    assert_eq!(bench.receive(&[PINGREQ, PINGREQ].concat()), Ok(vec![Told::Ping, Told::Ping]));
    assert_eq!(bench.written(), [PINGRESP, PINGRESP].concat());
}

#[test]
fn takes_nothing_after_disconnect() {
    let mut bench = Bench::live();
    let bytes = [&DISCONNECT[..], &publish(AtLeastOnce, 1), &[0xff; 9]].concat();
    assert_eq!(bench.receive(&bytes), Ok(vec![Told::Disconnect]));
    assert_eq!((bench.carry.len(), bench.out.len()), (bytes.len() - 2, 0));
}

#[test]
fn hangs_up_after_one_and_a_half_keep_alives_of_silence() {
    for (keep_alive_s, waits_ms) in [(2, 3_000), (60, 90_000), (600, 900_000), (601, 900_000), (0, 900_000)] {
        let mut bench = Bench::new();
        bench.receive(&connect_as(Connect { keep_alive_s, ..GREETING })).unwrap();
        bench.session.accept(None, false, &mut bench.out, bench.now);
        assert_eq!(bench.session.next_timeout(), bench.now + Duration::from_millis(waits_ms));
        assert_eq!(bench.pass(Duration::from_millis(waits_ms - 1)), Ok(()));
        assert_eq!(bench.pass(Duration::from_millis(1)), Err(Violation::KeepAliveExpired));
    }
}

#[test]
fn any_whole_packet_is_life_and_half_of_one_is_not() {
    let mut bench = Bench::live();
    for bytes in [&PINGREQ[..], &publish(AtMostOnce, 0), &puback(9), &pubrel(9)] {
        assert_eq!(bench.pass(Duration::from_secs(89)), Ok(()));
        bench.receive(bytes).unwrap();
        assert_eq!(bench.session.next_timeout(), bench.now + Duration::from_secs(90));
    }
    bench.pass(Duration::from_secs(89)).unwrap();
    bench.receive(&publish(AtLeastOnce, 1)[..3]).unwrap();
    assert_eq!(bench.pass(Duration::from_secs(1)), Err(Violation::KeepAliveExpired));
}

#[test]
fn what_the_gateway_sends_is_no_life_of_the_client() {
    let mut bench = Bench::live();
    bench.pass(Duration::from_secs(89)).unwrap();
    bench.publish(AtLeastOnce);
    assert_eq!(bench.pass(Duration::from_secs(1)), Err(Violation::KeepAliveExpired));
}

#[test]
fn owes_nothing_for_qos_0() {
    let mut bench = Bench::live();
    let told = bench.receive(&publish(AtMostOnce, 0)).unwrap();
    assert!(matches!(told[..], [Told::Publish { receipt: None, .. }]));
    assert_eq!((bench.session.owes(), bench.out.len()), (0, 0));
}

#[test]
fn acknowledges_only_when_told_and_in_the_order_of_arrival() {
    let mut bench = Bench::live();
    let bytes = [publish(AtLeastOnce, 5), publish(ExactlyOnce, 4), publish(AtLeastOnce, 6)].concat();
    let told = bench.receive(&bytes).unwrap();
    assert_eq!((bench.session.owes(), bench.out.len()), (3, 0));
    bench.acknowledge(told[2].receipt());
    bench.acknowledge(told[1].receipt());
    assert_eq!((bench.session.owes(), bench.out.len()), (3, 0));
    bench.acknowledge(told[0].receipt());
    assert_eq!(bench.session.owes(), 0);
    assert_eq!(
        packets(&bench.written()),
        [Packet::PubAck(id(5)), Packet::PubRec(id(4)), Packet::PubAck(id(6))]
    );
}

#[test]
fn a_repeated_message_of_qos_1_is_told_again_with_its_own_receipt() {
    let mut bench = Bench::live();
    let again = publish_as(PublishHead { qos: AtLeastOnce, dup: true, retain: true, id: Some(id(3)) });
    let told = bench.receive(&[publish(AtLeastOnce, 3), again].concat()).unwrap();
    assert!(matches!(
        told[..],
        [Told::Publish { dup: false, .. }, Told::Publish { dup: true, retain: true, .. }]
    ));
    assert_ne!(told[0].receipt(), told[1].receipt());
    bench.acknowledge(told[1].receipt());
    assert!(bench.out.is_empty());
    bench.acknowledge(told[0].receipt());
    assert_eq!(bench.written(), [puback(3), puback(3)].concat());
}

#[test]
fn stops_listening_while_too_much_is_owed_and_goes_on_afterwards() {
    let mut bench = Bench::live_with(Limits { owed_max: 2, ..Limits::default() });
    let bytes = [publish(AtLeastOnce, 1), publish(AtLeastOnce, 2), publish(AtLeastOnce, 3), PINGREQ.into()];
    let told = bench.receive(&bytes.concat()).unwrap();
    assert_eq!((told.len(), bench.carry.len()), (2, bytes[2].len() + 2));
    assert!(bench.session.is_full());
    bench.acknowledge(told[1].receipt());
    assert!(bench.session.is_full(), "the second waits for the first");
    bench.acknowledge(told[0].receipt());
    assert!(!bench.session.is_full());
    assert_eq!(bench.receive(&[]).unwrap().len(), 2);
    assert_eq!(bench.written(), [puback(1), puback(2), PINGRESP.into()].concat());
}

#[test]
fn does_not_blame_a_client_for_silence_while_it_is_not_listened_to() {
    let mut bench = Bench::live_with(Limits { owed_max: 1, ..Limits::default() });
    let receipt = bench.receive(&publish(AtLeastOnce, 1)).unwrap()[0].receipt();
    assert_eq!(bench.pass(Duration::from_secs(90)), Ok(()));
    assert_eq!(bench.session.next_timeout(), bench.now + Duration::from_secs(90));
    bench.acknowledge(receipt);
    assert_eq!(bench.pass(Duration::from_secs(89)), Ok(()));
    assert_eq!(bench.pass(Duration::from_secs(1)), Err(Violation::KeepAliveExpired));
}

#[test]
fn a_message_of_qos_2_is_told_once_until_it_is_released() {
    let mut bench = Bench::live();
    let message = publish(ExactlyOnce, 7);
    let told = bench.receive(&[&message[..], &message].concat()).unwrap();
    assert_eq!(told.len(), 1);
    bench.acknowledge(told[0].receipt());
    assert_eq!(bench.written(), pubrec(7), "one message, one PUBREC");
    assert_eq!(bench.receive(&message), Ok(vec![]));
    assert_eq!(bench.written(), pubrec(7));
    assert_eq!(bench.receive(&[pubrel(7), pubrel(7)].concat()), Ok(vec![]));
    assert_eq!(bench.written(), [pubcomp(7), pubcomp(7)].concat());
    assert_eq!(bench.receive(&message).unwrap().len(), 1);
}

#[test]
fn a_repeated_pubrec_waits_for_its_turn() {
    let mut bench = Bench::live();
    let told = bench.receive(&publish(ExactlyOnce, 1)).unwrap();
    bench.acknowledge(told[0].receipt());
    let told = bench.receive(&[publish(AtLeastOnce, 2), publish(ExactlyOnce, 1)].concat()).unwrap();
    assert_eq!((told.len(), bench.written()), (1, pubrec(1)));
    bench.acknowledge(told[0].receipt());
    assert_eq!(bench.written(), [puback(2), pubrec(1)].concat());
}

#[test]
fn refuses_one_open_message_of_qos_2_too_many() {
    let mut bench = Bench::live();
    for number in 1..=64 {
        let told = bench.receive(&publish(ExactlyOnce, number)).unwrap();
        bench.acknowledge(told[0].receipt());
    }
    bench.receive(&pubrel(30)).unwrap();
    bench.receive(&publish(ExactlyOnce, 65)).unwrap();
    assert_eq!(bench.receive(&publish(ExactlyOnce, 66)), Err(Violation::Qos2TooManyOpen));
}

#[test]
fn refuses_pubrel_for_a_message_that_was_not_acknowledged() {
    let mut bench = Bench::live();
    bench.receive(&publish(ExactlyOnce, 7)).unwrap();
    assert_eq!(bench.receive(&pubrel(7)), Err(Violation::PubRelTooEarly));
    assert!(bench.out.is_empty());
}

#[test]
fn tells_the_acknowledgement_of_our_message_once() {
    let mut bench = Bench::live();
    let sent = bench.publish(AtLeastOnce);
    assert_eq!(bench.written(), b"\x32\x14\x00\x09to/device\x00\x01payload");
    assert_eq!(bench.receive(&puback(sent.value())), Ok(vec![Told::Acked(1)]));
    assert_eq!(bench.receive(&puback(sent.value())), Ok(vec![]), "the second is late, not wrong");
    assert_eq!(bench.publish(AtLeastOnce), id(2));
}

#[test]
fn leads_our_own_qos_2_through_its_four_steps() {
    let mut bench = Bench::live();
    let sent = bench.publish(ExactlyOnce).value();
    bench.written();
    assert_eq!(bench.receive(&pubrec(sent)), Ok(vec![]));
    assert_eq!(bench.receive(&pubrec(sent)), Ok(vec![]));
    assert_eq!(bench.written(), [pubrel(sent), pubrel(sent)].concat());
    assert!(!bench.session.may_publish());
    assert_eq!(bench.receive(&pubcomp(sent)), Ok(vec![Told::Acked(sent)]));
    assert!(bench.session.may_publish());
}

#[test]
fn refuses_an_acknowledgement_of_another_kind_than_the_message_has() {
    for (qos, came, kind) in [
        (AtLeastOnce, pubrec(1), Kind::PubRec),
        (AtLeastOnce, pubcomp(1), Kind::PubComp),
        (ExactlyOnce, puback(1), Kind::PubAck),
        (ExactlyOnce, pubcomp(1), Kind::PubComp),
    ] {
        let mut bench = Bench::live();
        bench.publish(qos);
        bench.written();
        assert_eq!(bench.receive(&came), Err(Violation::AcknowledgementMismatch(kind)));
        assert!(bench.out.is_empty());
    }
}

#[test]
fn ignores_acknowledgements_of_what_was_never_sent() {
    let mut bench = Bench::live();
    assert_eq!(bench.receive(&[puback(9), pubcomp(9)].concat()), Ok(vec![]));
    assert!(bench.out.is_empty());
    assert_eq!(bench.receive(&pubrec(9)), Ok(vec![]));
    assert_eq!(bench.written(), pubrel(9), "so that the client can forget it");
}

#[test]
fn sends_one_message_at_a_time_and_none_while_an_acknowledgement_is_owed() {
    let mut bench = Bench::live();
    assert!(bench.session.may_publish());
    bench.publish(AtLeastOnce);
    assert!(!bench.session.may_publish());
    bench.written();
    let refused = bench.session.publish(&["t"], &[], AtLeastOnce, &mut bench.out);
    assert_eq!((refused, bench.out.len()), (Err(Misuse::Busy), 0));
    bench.receive(&puback(1)).unwrap();
    let receipt = bench.receive(&publish(AtLeastOnce, 1)).unwrap()[0].receipt();
    assert!(!bench.session.may_publish());
    assert_eq!(bench.session.publish(&["t"], &[], ExactlyOnce, &mut bench.out), Err(Misuse::Busy));
    assert_eq!(bench.session.publish(&["t"], &[], AtMostOnce, &mut bench.out), Ok(None));
    bench.acknowledge(receipt);
    assert!(bench.session.may_publish());
}

#[test]
fn a_message_that_cannot_be_written_takes_no_packet_id() {
    let mut bench = Bench::live();
    let topic = "t".repeat(65_536);
    let refused = bench.session.publish(&[&topic], &[], AtLeastOnce, &mut bench.out);
    assert!(matches!(refused, Err(Misuse::Unspeakable(_))));
    assert_eq!((bench.out.len(), bench.session.may_publish()), (0, true));
    assert_eq!(bench.publish(AtLeastOnce), id(1));
}

#[test]
fn a_forgotten_message_makes_room_but_keeps_its_id_until_the_late_acknowledgement() {
    let mut bench = Bench::live();
    let forgotten = bench.publish(AtLeastOnce);
    bench.session.forget(forgotten);
    assert!(bench.session.may_publish());
    for _ in 0..65_534 {
        let sent = bench.publish(AtLeastOnce);
        assert_ne!(sent, forgotten);
        assert_eq!(bench.receive(&puback(sent.value())).unwrap().len(), 1);
        bench.out.clear();
    }
    assert_eq!(bench.publish(AtLeastOnce), id(2), "1 is skipped");
    assert_eq!(bench.receive(&[puback(1), puback(2)].concat()), Ok(vec![Told::Acked(2)]));
}

#[test]
fn publishing_says_no_before_the_client_is_accepted() {
    let mut bench = Bench::new();
    assert!(!bench.session.may_publish());
    let refused = bench.session.publish(&["t"], &[], AtMostOnce, &mut bench.out);
    assert_eq!((refused, bench.out.len()), (Err(Misuse::NotLive), 0));
}
