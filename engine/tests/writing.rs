//! The rules of writing: one write per connection and turn, the backlog, both water marks, the stall.

mod house;

use std::time::Duration;

use engine::net::fake::{ClientRead, Faults};
use engine::{Close, Limits, Verdict};
use house::{Call, House, read_all};

const HIGH: usize = 1024 * 1024;
const LOW: usize = 64 * 1024;

/// A house whose only client reads nothing and has room for `room` bytes.
fn slow(room: usize) -> (House, engine::net::fake::Client, engine::Key) {
    let mut house = House::new(1);
    house.kernel.set_pipe_bytes(room);
    let (client, key) = house.client();
    (house, client, key)
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 253) as u8).collect()
}

#[test]
fn all_that_is_said_in_a_turn_leaves_in_one_write() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    house.on_received(|cx, key, bytes| {
        cx.out(key).expect("open").extend_from_slice(b"one ");
        cx.out(key).expect("open").extend_from_slice(b"two");
        Verdict::Continue { consumed: bytes.len() }
    });
    let before = house.cores[0].stats().writes;
    client.write(b"?");
    house.settle();
    assert_eq!(house.cores[0].stats().writes, before + 1);
    assert_eq!(read_all(&client).0, b"one two");
}

#[test]
fn what_the_kernel_refuses_follows_in_order_when_there_is_room() {
    let (mut house, client, key) = slow(10_000);
    let said = pattern(100_000);
    house.say(key, &said[..60_000]);
    house.settle();
    house.say(key, &said[60_000..]);
    house.settle();
    let mut heard = Vec::new();
    while heard.len() < said.len() {
        heard.extend(read_all(&client).0);
        house.settle();
    }
    assert_eq!(heard, said);
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
}

#[test]
fn a_blocked_connection_is_not_written_to_until_the_kernel_says_so() {
    let (mut house, client, key) = slow(10);
    house.say(key, &pattern(30));
    house.settle();
    let blocked = house.cores[0].stats().writes;
    for n in 0..5 {
        house.say(key, &[n]);
        house.settle();
    }
    assert_eq!(house.cores[0].stats().writes, blocked);
    read_all(&client);
    house.settle();
    assert_eq!(house.cores[0].stats().writes, blocked + 1);
}

#[test]
fn a_long_backlog_goes_out_although_one_write_cannot_show_it_all() {
    let (mut house, client, key) = slow(16);
    house.say(key, &pattern(900_000));
    house.settle();
    client.set_pipe_bytes(2 << 20);
    house.settle();
    assert_eq!(read_all(&client).0, pattern(900_000));
}

#[test]
fn above_the_high_mark_nothing_more_is_taken_and_below_the_low_mark_the_tenant_is_told() {
    let (mut house, client, key) = slow(1000);
    house.say(key, &vec![1; HIGH + 1000]);
    house.settle();
    house.cores[0].outside(|_, cx| {
        assert!(cx.out(key).is_none(), "choked");
        assert!(cx.is_open(key));
        assert_eq!(cx.backlog_bytes(key), HIGH);
    });
    let mut heard = 0;
    while heard + 1000 < HIGH + 1000 - LOW {
        assert!(!house.probe().calls.contains(&Call::Drained(key)));
        heard += read_all(&client).0.len();
        house.settle();
    }
    heard += read_all(&client).0.len();
    house.settle();
    assert_eq!(house.probe().calls.iter().filter(|call| **call == Call::Drained(key)).count(), 1);
    house.say(key, b"end");
    while heard < HIGH + 1003 {
        house.settle();
        heard += read_all(&client).0.len();
    }
    assert_eq!(
        house.probe().calls.iter().filter(|call| **call == Call::Drained(key)).count(),
        1,
        "told once"
    );
}

#[test]
fn who_was_not_refused_is_not_told() {
    let (mut house, client, key) = slow(1000);
    house.say(key, &vec![1; HIGH + 1000]);
    house.settle();
    client.set_pipe_bytes(2 << 20);
    house.settle();
    assert_eq!(house.probe().calls, [Call::Opened(key)]);
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    let (mut house, client, key) = slow(1000);
    house.say(key, &vec![1; LOW + 2000]);
    house.settle();
    client.write(b"and another thing");
    house.settle();
    assert_eq!(house.probe().bytes(), b"", "its output waits above the low mark");
    read_all(&client);
    house.settle();
    assert_eq!(house.probe().bytes(), b"and another thing", "and is read again at the mark");
}

#[test]
fn a_yield_on_a_choked_connection_is_offered_again_when_it_reads() {
    let (mut house, client, key) = slow(1000);
    house.on_received(|cx, key, bytes| match cx.out(key) {
        Some(out) => {
            out.resize(out.len() + HIGH + 5000, b'.');
            Verdict::Yield { consumed: 1 }
        }
        None => panic!("nothing is offered to it while it is choked: {bytes:?}"),
    });
    client.write(b"ab");
    house.settle();
    assert_eq!(house.probe().calls.len(), 2);
    client.set_pipe_bytes(4 << 20);
    house.settle();
    assert_eq!(
        house.probe().calls[1..],
        [Call::Received(key, b"ab".to_vec()), Call::Received(key, b"b".to_vec())]
    );
}

#[test]
fn ten_seconds_without_progress_close_it() {
    let (mut house, client, key) = slow(100);
    house.say(key, &pattern(1000));
    house.settle();
    house.pass(Duration::from_secs(6));
    client.read(&mut Vec::new(), 1);
    house.pass(Duration::from_secs(9));
    assert!(house.probe().closes().is_empty(), "a byte is progress");
    house.pass(Duration::from_secs(2));
    assert_eq!(house.probe().closes(), [(key, Close::Stalled)]);
    assert_eq!((house.cores[0].connections(), house.kernel.open_sockets()), (0, 0));
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
}

#[test]
fn a_stall_is_forgotten_when_all_is_written() {
    let (mut house, client, key) = slow(100);
    house.say(key, &pattern(150));
    house.settle();
    house.pass(Duration::from_secs(9));
    read_all(&client);
    house.settle();
    house.pass(Duration::from_secs(30));
    house.say(key, &pattern(150));
    house.settle();
    house.pass(Duration::from_secs(9));
    assert!(house.probe().closes().is_empty(), "the time of the second wait counts alone");
    house.pass(Duration::from_secs(2));
    assert_eq!(house.probe().closes(), [(key, Close::Stalled)]);
}

#[test]
fn a_fin_waits_for_what_is_still_to_be_said() {
    let (mut house, client, key) = slow(100);
    house.on_received(|cx, key, bytes| {
        cx.out(key).expect("open").extend_from_slice(&pattern(5000));
        Verdict::Continue { consumed: bytes.len() }
    });
    client.write(b"GET");
    client.half_close();
    let mut heard = Vec::new();
    while heard.len() < 5000 {
        house.settle();
        assert!(heard.len() + 100 >= 5000 || house.probe().closes().is_empty());
        heard.extend(read_all(&client).0);
    }
    house.settle();
    assert_eq!(heard, pattern(5000));
    assert_eq!(house.probe().closes(), [(key, Close::Finished)]);
    assert_eq!(read_all(&client).1, ClientRead::Finished);
}

#[test]
fn a_write_into_a_reset_connection_ends_it() {
    let (mut house, client, key) = slow(100);
    client.reset();
    house.say(key, b"hello?");
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::Reset)]);
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
}

#[test]
fn short_writes_and_storms_lose_nothing() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.kernel.set_faults(Faults { short_write: 700, would_block: 500, delay: 300, ..Faults::NONE });
    let said = pattern(200_000);
    let mut heard = Vec::new();
    for chunk in said.chunks(3000) {
        house.say(key, chunk);
        house.turn();
        heard.extend(read_all(&client).0);
    }
    house.kernel.set_faults(Faults::NONE);
    while heard.len() < said.len() {
        house.settle();
        heard.extend(read_all(&client).0);
    }
    assert_eq!(heard, said);
}

#[test]
fn choked_output_is_bounded_by_the_mark_and_one_message() {
    let limits = Limits::default();
    let (mut house, _client, key) = slow(1);
    let mut refused = 0;
    for _ in 0..100 {
        house.cores[0].outside(|_, cx| match cx.out(key) {
            Some(out) => out.extend_from_slice(&[0; 50_000]),
            None => refused += 1,
        });
        house.turn();
    }
    assert!(refused > 70);
    house.cores[0].outside(|_, cx| assert!(cx.backlog_bytes(key) <= limits.marks.high_bytes + 50_000));
}

#[test]
fn a_tenant_is_told_when_it_should_answer_no_more() {
    let (mut house, client, key) = slow(1000);
    let answer = pattern(10_000);
    let said = answer.clone();
    house.on_received(move |cx, key, bytes| {
        for n in 0..bytes.len() {
            if cx.is_behind(key) {
                return Verdict::Yield { consumed: n };
            }
            cx.out(key).expect("open").extend_from_slice(&said);
        }
        Verdict::Continue { consumed: bytes.len() }
    });
    client.write(&[0; 100]);
    house.settle();
    house.cores[0].outside(|_, cx| assert!(cx.is_behind(key) && cx.backlog_bytes(key) <= LOW + answer.len()));
    let mut heard = Vec::new();
    while heard.len() < 100 * answer.len() {
        heard.extend(read_all(&client).0);
        house.settle();
    }
    assert_eq!(heard, answer.repeat(100), "none of them was forgotten");
}
