//! The rules of reading: carry, scratch, budgets, pause, the edge, and what an idle connection owns.

mod house;

use std::time::Duration;

use engine::net::fake::{ClientRead, Faults, ServerEnd};
use engine::{Close, Limits, Verdict};
use house::{Call, House, read_all};

#[test]
fn offers_the_unconsumed_rest_with_what_is_new_behind_it() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|_, _, bytes| Verdict::Continue { consumed: bytes.len() / 3 * 3 });
    client.write(b"abcd");
    house.settle();
    client.write(b"ef");
    house.settle();
    assert_eq!(
        house.probe().calls[1..],
        [Call::Received(key, b"abcd".to_vec()), Call::Received(key, b"def".to_vec())]
    );
    assert_eq!(house.cores[0].connections_with_buffers(), 0, "all was consumed");
}

#[test]
fn an_idle_connection_owns_no_buffer() {
    let mut house = House::new(1);
    let clients: Vec<_> = (0..100).map(|_| house.client().0).collect();
    house.on_received(|cx, key, bytes| {
        cx.out(key).expect("open").extend_from_slice(bytes);
        Verdict::Continue { consumed: bytes.len() & !1 }
    });
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
    for client in &clients {
        client.write(b"odd");
    }
    house.settle();
    assert_eq!(house.cores[0].connections_with_buffers(), 100, "a partial message is kept");
    for client in &clients {
        client.write(b"!");
    }
    house.settle();
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
    assert!(clients.iter().all(|client| read_all(client).0 == b"oddd!"));
}

#[test]
fn a_short_read_needs_no_second_one() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    house.settle();
    let before = house.cores[0].stats().reads;
    client.write(b"hello");
    house.settle();
    assert_eq!(house.cores[0].stats().reads, before + 1);
}

#[test]
fn a_full_read_is_read_on_without_a_second_event() {
    let limits = Limits { scratch_bytes: 64, read_bytes_per_turn: 128, ..Limits::default() };
    let mut house = House::with_limits(1, limits);
    let (client, _) = house.client();
    let sent: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
    client.write(&sent);
    house.turn();
    assert_eq!(house.probe().bytes().len(), 128, "the budget of one turn");
    house.turn();
    assert_eq!(house.kernel.asked_to_sleep(0), Some(Duration::ZERO), "there is more, so it does not sleep");
    house.settle();
    assert_eq!(house.probe().bytes(), sent);
}

#[test]
fn one_that_floods_does_not_starve_the_others() {
    let mut house = House::new(1);
    house.kernel.set_pipe_bytes(10 << 20);
    let (flood, _) = house.client();
    let (quiet, quiet_key) = house.client();
    flood.write(&vec![b'x'; 8 << 20]);
    quiet.write(b"me too");
    house.turn();
    assert!(house.probe().calls.contains(&Call::Received(quiet_key, b"me too".to_vec())));
}

#[test]
fn a_message_larger_than_the_scratch_grows_its_own_buffer_and_frees_it() {
    let mut house = House::new(1);
    house.kernel.set_pipe_bytes(2 << 20);
    let (client, _) = house.client();
    let message: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let (expected, size) = (message.clone(), message.len());
    house.on_received(move |_, _, bytes| {
        let whole = bytes.len() >= size;
        assert!(!whole || bytes == expected);
        Verdict::Continue { consumed: if whole { size } else { 0 } }
    });
    client.write(&message[..size - 1]);
    house.settle();
    assert_eq!(house.cores[0].connections_with_buffers(), 1);
    client.write(&message[size - 1..]);
    house.settle();
    assert_eq!(
        house.probe().calls.last().map(|call| matches!(call, Call::Received(_, all) if *all == message)),
        Some(true)
    );
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
}

#[test]
fn a_message_beyond_the_ceiling_closes_its_connection() {
    let limits = Limits { carry_bytes_max: 200_000, ..Limits::default() };
    let mut house = House::with_limits(1, limits);
    house.kernel.set_pipe_bytes(1 << 20);
    let (client, key) = house.client();
    let (witness, witness_key) = house.client();
    house.on_received(move |_, key, bytes| Verdict::Continue {
        consumed: if key == witness_key { bytes.len() } else { 0 },
    });
    client.write(&vec![0; 300_000]);
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::CarryOverflow)]);
    witness.write(b"still here");
    house.settle();
    assert_eq!(house.probe().calls.last(), Some(&Call::Received(witness_key, b"still here".to_vec())));
}

#[test]
fn a_yield_is_offered_again_next_turn_without_new_bytes() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    house.on_received(|_, _, _| Verdict::Yield { consumed: 1 });
    client.write(b"abc");
    house.turn();
    assert_eq!(house.probe().bytes(), b"abc");
    house.turn();
    assert_eq!(house.probe().bytes(), b"abcbc");
    house.settle();
    assert_eq!(house.probe().bytes(), b"abcbcc");
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
}

#[test]
fn a_pause_holds_bytes_back_until_the_resume() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|_, _, _| Verdict::Pause { consumed: 2 });
    client.write(b"abcd");
    house.settle();
    client.write(b"ef");
    house.settle();
    assert_eq!(house.probe().bytes(), b"abcd", "nothing is offered while it pauses");
    house.on_received(|_, _, bytes| Verdict::Continue { consumed: bytes.len() });
    house.cores[0].outside(|_, cx| cx.resume(key));
    house.settle();
    assert_eq!(house.probe().bytes(), b"abcdcdef", "first what was kept, then what came");
}

#[test]
fn a_fin_during_a_pause_is_acted_on_after_the_resume() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|_, _, bytes| Verdict::Pause { consumed: bytes.len() });
    client.write(b"GET");
    client.half_close();
    house.settle();
    house.pass(Duration::from_secs(5));
    assert!(house.probe().closes().is_empty());
    house.say(key, b"200");
    house.cores[0].outside(|_, cx| cx.resume(key));
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::Finished)]);
    assert_eq!(read_all(&client), (b"200".to_vec(), ClientRead::Finished));
    assert_eq!(client.server_end(), ServerEnd::Closed);
}

#[test]
fn a_reset_during_a_pause_closes_at_once() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|_, _, bytes| Verdict::Pause { consumed: bytes.len() });
    client.write(b"GET");
    house.settle();
    client.reset();
    house.turn();
    assert_eq!(house.probe().closes(), [(key, Close::Reset)]);
    assert_eq!(house.kernel.open_sockets(), 0);
}

#[test]
fn a_resume_without_a_pause_is_harmless() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.cores[0].outside(|_, cx| cx.resume(key));
    client.write(b"x");
    house.settle();
    assert_eq!(house.probe().bytes(), b"x");
}

#[test]
fn bytes_before_a_fin_in_the_same_event_are_read_and_then_the_fin() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    client.write(b"bye");
    client.half_close();
    house.settle();
    assert_eq!(
        house.probe().calls[1..],
        [Call::Received(key, b"bye".to_vec()), Call::Closed(key, Close::Finished)]
    );
    assert_eq!((house.cores[0].connections(), house.kernel.open_sockets()), (0, 0));
}

#[test]
fn a_partial_message_before_a_fin_is_dropped_with_its_buffer() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|_, _, _| Verdict::Continue { consumed: 0 });
    client.write(b"half a mess");
    client.half_close();
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::Finished)]);
    assert_eq!((house.cores[0].connections(), house.cores[0].connections_with_buffers()), (0, 0));
}

#[test]
fn spurious_readiness_and_would_block_storms_change_nothing() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    house.kernel.set_faults(Faults {
        spurious: 1000,
        would_block: 600,
        short_read: 600,
        delay: 500,
        ..Faults::NONE
    });
    let sent: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
    for chunk in sent.chunks(700) {
        client.write(chunk);
        for _ in 0..50 {
            house.turn();
        }
    }
    house.kernel.set_faults(Faults::NONE);
    house.settle();
    assert_eq!(house.probe().bytes(), sent);
    assert!(house.probe().closes().is_empty());
}
