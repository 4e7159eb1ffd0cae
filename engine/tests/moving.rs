//! The rules of moving: everything travels, nothing is lost on the way, and who dies there is reported at the new home.

mod house;

use std::time::Duration;

use engine::net::fake::{ClientRead, Faults};
use engine::{Close, Key, Verdict};
use house::{Call, House, read_all};

/// Core 0 moves every connection to `to` at its first byte.
fn moving(cores: usize, to: usize) -> House {
    let mut house = House::new(cores);
    house.on_received(move |cx, key, _| {
        if let Some(out) = cx.out(key) {
            out.extend_from_slice(b"wait ");
        }
        Verdict::Move { to, consumed: 1, baggage: "a suitcase" }
    });
    house
}

fn home(house: &House, core: usize) -> Vec<Call> {
    house.cores[core].service.calls.clone()
}

#[test]
fn a_connection_arrives_with_its_rest_and_its_baggage() {
    let mut house = moving(2, 1);
    let (client, key) = house.client();
    client.write(b"!rest");
    house.settle();
    assert_eq!(
        home(&house, 0),
        [Call::Opened(key), Call::Received(key, b"!rest".to_vec())],
        "no close is told here"
    );
    let there = Key { index: 0, generation: 0 };
    assert_eq!(
        home(&house, 1),
        [Call::Adopted(there, "a suitcase"), Call::Received(there, b"rest".to_vec())]
    );
    assert_eq!(
        read_all(&client),
        (b"wait ".to_vec(), ClientRead::Nothing),
        "what it was told before is written from there"
    );
    assert_eq!((house.cores[0].stats().handed_over_out, house.cores[1].stats().handed_over_in), (1, 1));
    assert_eq!((house.cores[0].connections(), house.cores[1].connections()), (0, 1));
    client.write(b"more");
    house.settle();
    assert_eq!(home(&house, 1).last(), Some(&Call::Received(there, b"more".to_vec())));
}

#[test]
fn bytes_that_arrive_at_any_moment_of_a_move_are_read() {
    for moment in 0..4 {
        let mut house = moving(2, 1);
        let (client, _) = house.client();
        client.write(b"!");
        for turn in 0..6 {
            if turn == moment {
                client.write(b"late");
            }
            house.cores[turn % 2].turn();
        }
        house.settle();
        assert_eq!(house.cores[1].service.bytes(), b"late", "moment {moment}");
    }
}

#[test]
fn unsent_output_moves_in_order_and_what_is_said_at_home_follows() {
    let mut house = moving(2, 1);
    house.kernel.set_pipe_bytes(7);
    let (client, key) = house.client();
    house.say(key, b"0123456789abcdef ");
    house.settle();
    client.write(b"!");
    house.cores[1].service.on_call = Box::new(|cx, call| {
        if let Call::Adopted(key, _) = call {
            cx.out(*key).expect("open").extend_from_slice(b"welcome");
        }
    });
    let mut heard = Vec::new();
    for _ in 0..10 {
        house.settle();
        heard.extend(read_all(&client).0);
    }
    assert_eq!(heard, b"0123456789abcdef wait welcome");
    assert_eq!(house.cores[0].connections_with_buffers() + house.cores[1].connections_with_buffers(), 0);
}

#[test]
fn a_connection_that_dies_on_its_way_is_reported_at_its_new_home() {
    let mut house = moving(2, 1);
    let (client, _) = house.client();
    client.write(b"!");
    house.cores[0].turn();
    client.reset();
    house.settle();
    let there = Key { index: 0, generation: 0 };
    assert_eq!(home(&house, 1), [Call::Adopted(there, "a suitcase"), Call::Closed(there, Close::Reset)]);
    assert!(house.probe().closes().is_empty());
    assert_eq!(house.kernel.open_sockets(), 0);
}

#[test]
fn a_fin_on_the_way_is_heard_at_the_new_home() {
    let mut house = moving(2, 1);
    let (client, _) = house.client();
    client.write(b"!bye");
    client.half_close();
    house.settle();
    assert_eq!(house.cores[1].service.bytes(), b"bye");
    assert_eq!(house.cores[1].service.closes().len(), 1);
    assert_eq!(read_all(&client), (b"wait ".to_vec(), ClientRead::Finished));
}

#[test]
fn a_move_to_where_it_is_adopts_it_in_place() {
    let mut house = moving(1, 0);
    let (client, key) = house.client();
    client.write(b"!rest");
    house.turn();
    house.on_received(|_, _, bytes| Verdict::Continue { consumed: bytes.len() });
    house.settle();
    assert_eq!(
        house.probe().calls[2..],
        [Call::Adopted(key, "a suitcase"), Call::Received(key, b"rest".to_vec())]
    );
    assert_eq!(house.cores[0].stats().handed_over_out, 0);
}

#[test]
fn another_connection_than_the_one_served_can_be_moved_and_is_gone_at_once() {
    let mut house = House::new(2);
    let (client, key) = house.client();
    house.on_received(|_, _, bytes| Verdict::Pause { consumed: bytes.len() });
    client.write(b"x");
    house.settle();
    client.write(b"unread");
    house.settle();
    house.cores[0].outside(|_, cx| {
        cx.move_to(key, 1, "from afar");
        assert!(!cx.is_open(key) && cx.out(key).is_none());
        cx.hang_up(key);
    });
    house.settle();
    let there = Key { index: 0, generation: 0 };
    assert_eq!(
        home(&house, 1),
        [Call::Adopted(there, "from afar"), Call::Received(there, b"unread".to_vec())],
        "it is not paused there, and what came meanwhile is offered"
    );
    assert!(house.probe().closes().is_empty());
}

#[test]
fn who_is_being_closed_does_not_move() {
    let mut house = House::new(2);
    let (_client, key) = house.client();
    house.cores[0].outside(|_, cx| {
        cx.hang_up(key);
        cx.move_to(key, 1, "too late");
    });
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::Asked)]);
    assert!(home(&house, 1).is_empty());
}

#[test]
fn a_deadline_does_not_travel() {
    let mut house = moving(2, 1);
    let (client, key) = house.client();
    house.cores[0].outside(|_, cx| cx.set_deadline(key, Some(cx.now() + Duration::from_secs(1))));
    client.write(b"!");
    house.pass(Duration::from_secs(3));
    let rings = |core| home(&house, core).iter().filter(|call| matches!(call, Call::Due(_))).count();
    assert_eq!((rings(0), rings(1)), (0, 0));
}

#[test]
fn a_deadline_left_behind_is_not_the_next_tenants() {
    let mut house = moving(2, 1);
    let (client, key) = house.client();
    house.cores[0].outside(|_, cx| cx.set_deadline(key, Some(cx.now() + Duration::from_secs(1))));
    client.write(b"!");
    house.settle();
    let (_next, next_key) = house.client();
    assert_eq!(next_key.index, key.index, "the row is reused");
    house.pass(Duration::from_secs(3));
    assert!(!home(&house, 0).contains(&Call::Due(next_key)));
}

#[test]
fn those_who_move_in_one_turn_arrive_in_their_order() {
    let mut house = moving(2, 1);
    let clients: Vec<_> = (0..5).map(|_| house.client().0).collect();
    house.settle();
    for (n, client) in clients.iter().enumerate() {
        client.write(&[b'!', b'0' + n as u8]);
    }
    house.settle();
    assert_eq!(house.cores[1].service.bytes(), b"01234");
}

#[test]
fn a_large_partial_message_moves_whole() {
    let mut house = House::new(2);
    house.kernel.set_pipe_bytes(1 << 20);
    let (client, _) = house.client();
    house.on_received(|_, _, bytes| match bytes.len() {
        300_000.. => Verdict::Move { to: 1, consumed: 5, baggage: "" },
        _ => Verdict::Continue { consumed: 0 },
    });
    let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 249) as u8).collect();
    client.write(&sent);
    house.settle();
    assert_eq!(house.cores[1].service.bytes(), sent[5..]);
    assert_eq!(house.cores[0].connections_with_buffers() + house.cores[1].connections_with_buffers(), 0);
}

#[test]
fn a_ring_around_the_cores_keeps_every_byte() {
    let mut house = House::new(3);
    for core in 0..3 {
        house.cores[core].service.on_received =
            Box::new(move |_, _, _| Verdict::Move { to: (core + 1) % 3, consumed: 1, baggage: "" });
    }
    house.kernel.set_faults(Faults { short_read: 500, would_block: 300, delay: 300, ..Faults::NONE });
    let client = house.kernel.connect_at(0, 0);
    client.write(b"abcdefghijklmnopqrstuvwxyz");
    for _ in 0..600 {
        house.turn();
    }
    let moves: u64 = house.cores.iter().map(|core| core.stats().handed_over_in).sum();
    assert_eq!(moves, 26);
    let firsts = |core: usize| {
        let first = |call: &Call| if let Call::Received(_, bytes) = call { Some(bytes[0]) } else { None };
        house.cores[core].service.calls.iter().filter_map(first).collect::<Vec<u8>>()
    };
    assert_eq!((firsts(0), firsts(1)), (b"adgjmpsvy".to_vec(), b"behknqtwz".to_vec()));
}
