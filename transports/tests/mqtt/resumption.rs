//! What is left of one connection for the next.
//!
//! Owns the tests of a persistent session (3.1.2.4, 4.4).

use crate::kit::*;
use codec::mqtt::{Connect, Packet, QoS};
use transports::mqtt::{Limits, Session};

use QoS::{AtLeastOnce, ExactlyOnce};

fn many() -> Limits {
    Limits { inflight_max: 8, ..Limits::default() }
}

/// The next connection of the same client.
fn resume(session: Session) -> Bench {
    Bench::resumed(many(), Some(session.suspend()))
}

#[test]
fn repeats_an_unacknowledged_message_under_its_own_id() {
    let mut bench = Bench::live_with(many());
    let (first, second) = (bench.publish(AtLeastOnce), bench.publish(ExactlyOnce));
    let left = bench.session.suspend();
    assert_eq!(left.in_flight().collect::<Vec<_>>(), [first, second]);
    let mut bench = Bench::resumed(many(), Some(left));
    bench.session.republish(first, &["a"], &[b"1"], &mut bench.out);
    bench.session.republish(second, &["b"], &[b"2"], &mut bench.out);
    assert_eq!(bench.written(), b"\x3a\x06\x00\x01a\x00\x011\x3c\x06\x00\x01b\x00\x022");
    assert_eq!(bench.receive(&puback(1)), Ok(vec![Told::Acked(1)]));
    assert_eq!(bench.publish(AtLeastOnce), id(3), "ids go on where they were");
}

#[test]
fn repeats_nothing_that_is_not_in_flight() {
    let mut bench = Bench::live_with(many());
    bench.session.republish(id(1), &["a"], &[], &mut bench.out);
    assert!(bench.out.is_empty());
}

#[test]
fn releases_again_what_the_client_had_received() {
    let mut bench = Bench::live_with(many());
    let sent = bench.publish(ExactlyOnce);
    bench.receive(&pubrec(sent.value())).unwrap();
    let mut bench = resume(bench.session);
    assert_eq!(bench.out, pubrel(1), "right behind CONNACK");
    bench.session.republish(sent, &["a"], &[], &mut bench.out);
    assert_eq!(packets(&bench.written()), [Packet::PubRel(sent)], "the message itself is never repeated");
    assert_eq!(bench.receive(&pubcomp(1)), Ok(vec![Told::Acked(1)]));
}

#[test]
fn a_disconnect_or_a_violation_leaves_the_same_behind() {
    for last_words in [&DISCONNECT[..], &[0xff]] {
        let mut bench = Bench::live();
        let sent = bench.publish(AtLeastOnce);
        let _ = bench.receive(last_words);
        assert!(bench.session.suspend().in_flight().eq([sent]));
    }
}

#[test]
fn an_unacknowledged_arrival_is_told_again_and_an_acknowledged_one_is_not() {
    let mut bench = Bench::live();
    let bytes = [publish(ExactlyOnce, 1), publish(ExactlyOnce, 2), publish(AtLeastOnce, 3)].concat();
    let told = bench.receive(&bytes).unwrap();
    bench.acknowledge(told[1].receipt());
    assert!(bench.out.is_empty(), "its PUBREC waits for the first and never goes out");
    let mut bench = resume(bench.session);
    assert_eq!(bench.session.owes(), 0);
    let told = bench.receive(&publish(ExactlyOnce, 2)).unwrap();
    assert_eq!((told.len(), bench.written()), (0, pubrec(2)));
    assert_eq!(bench.receive(&publish(ExactlyOnce, 1)).unwrap().len(), 1);
}

#[test]
fn a_receipt_of_the_old_connection_says_nothing_on_the_new_one() {
    let mut bench = Bench::live();
    let old = bench.receive(&publish(AtLeastOnce, 1)).unwrap()[0].receipt();
    let mut bench = resume(bench.session);
    bench.receive(&publish(AtLeastOnce, 2)).unwrap();
    bench.acknowledge(old);
    assert_eq!((bench.session.owes(), bench.out.len()), (1, 0));
}

#[test]
fn a_clean_session_leaves_nothing_and_takes_up_nothing() {
    let clean = connect_as(Connect { clean_session: true, ..GREETING });
    let mut bench = Bench::live();
    bench.publish(AtLeastOnce);
    let left = bench.session.suspend();
    let mut bench = Bench::new();
    bench.receive(&clean).unwrap();
    bench.session.accept(Some(left), true, &mut bench.out, bench.now);
    assert_eq!(bench.written(), [0x20, 2, 0, 0]);
    assert_eq!(bench.publish(AtLeastOnce), id(1));
    assert_eq!(bench.session.suspend().in_flight().count(), 0);
}

#[test]
fn what_the_client_is_told_not_to_exist_is_not_taken_up() {
    let mut bench = Bench::live();
    bench.publish(AtLeastOnce);
    let left = bench.session.suspend();
    let mut bench = Bench::new();
    bench.receive(&connect()).unwrap();
    bench.session.accept(Some(left), false, &mut bench.out, bench.now);
    assert_eq!(bench.written(), [0x20, 2, 0, 0]);
    assert!(bench.session.may_publish());
}

#[test]
fn a_message_can_be_forgotten_while_nobody_is_connected() {
    let mut bench = Bench::live_with(many());
    let (first, second) = (bench.publish(AtLeastOnce), bench.publish(AtLeastOnce));
    bench.receive(&DISCONNECT).unwrap();
    bench.session.forget(first);
    let mut left = bench.session.suspend();
    assert!(left.in_flight().eq([second]));
    left.forget(second);
    left.forget(id(9));
    let bench = Bench::resumed(many(), Some(left));
    assert!(bench.out.is_empty(), "nothing of them is repeated or released");
    assert!(bench.session.suspend().in_flight().eq([]));
}

#[test]
fn nothing_is_left_of_a_connection_that_was_never_accepted() {
    assert_eq!(Bench::new().session.suspend().in_flight().count(), 0);
    let mut bench = Bench::new();
    bench.receive(&connect()).unwrap();
    assert_eq!(bench.session.suspend().in_flight().count(), 0);
}
