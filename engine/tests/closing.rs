//! The rules of ending: told once, last words, lingering and its bounds, the graceful stop.

mod house;

use std::time::Duration;

use engine::net::fake::{ClientRead, ServerEnd};
use engine::{Close, Limits, Turn, Verdict};
use house::{Call, House, read_all};

#[test]
fn a_verdict_of_close_says_its_last_words_and_then_fin() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|cx, key, _| {
        cx.out(key).expect("open").extend_from_slice(b"no");
        Verdict::Close
    });
    client.write(b"junk");
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::Asked)]);
    assert_eq!(read_all(&client), (b"no".to_vec(), ClientRead::Finished));
    assert_eq!(client.server_end(), ServerEnd::ShutDown, "it waits for the peer's FIN");
    client.half_close();
    house.settle();
    assert_eq!((client.server_end(), house.cores[0].connections()), (ServerEnd::Closed, 0));
}

#[test]
fn last_words_survive_a_peer_that_goes_on_sending() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    house.on_received(|cx, key, _| {
        cx.out(key).expect("open").extend_from_slice(b"413");
        Verdict::Close
    });
    for _ in 0..20 {
        client.write(&[0; 1000]);
        house.turn();
    }
    assert_eq!(read_all(&client), (b"413".to_vec(), ClientRead::Finished), "no reset destroyed it");
    assert_eq!(house.probe().closes().len(), 1);
}

#[test]
fn lingering_ends_after_a_second() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.cores[0].outside(|_, cx| cx.hang_up(key));
    house.settle();
    assert_eq!(house.probe().closes(), [(key, Close::Asked)]);
    house.pass(Duration::from_millis(900));
    assert_eq!(house.kernel.open_sockets(), 1);
    house.pass(Duration::from_millis(300));
    assert_eq!((house.kernel.open_sockets(), house.cores[0].connections()), (0, 0));
    assert_eq!(client.server_end(), ServerEnd::Closed);
}

#[test]
fn a_peer_that_pours_while_it_lingers_is_cut_off() {
    let mut house = House::new(1);
    house.kernel.set_pipe_bytes(1 << 20);
    let (client, key) = house.client();
    house.cores[0].outside(|_, cx| cx.hang_up(key));
    house.settle();
    for _ in 0..20 {
        client.write(&[0; 50_000]);
        house.turn();
    }
    assert_eq!(house.kernel.open_sockets(), 0);
}

#[test]
fn only_so_many_linger_at_once() {
    let mut house = House::with_limits(1, Limits { lingering_max: 3, ..Limits::default() });
    let clients: Vec<_> = (0..10).map(|_| house.client()).collect();
    house.cores[0].outside(|_, cx| clients.iter().for_each(|(_, key)| cx.hang_up(*key)));
    house.settle();
    assert_eq!((house.kernel.open_sockets(), house.probe().closes().len()), (3, 10));
    house.pass(Duration::from_millis(1200));
    assert_eq!(house.cores[0].connections(), 0);
    let (_, key) = house.client();
    house.cores[0].outside(|_, cx| cx.hang_up(key));
    house.settle();
    assert_eq!(house.kernel.open_sockets(), 1, "the places are free again");
}

#[test]
fn output_that_waits_at_the_close_is_written_within_the_second() {
    let mut house = House::new(1);
    house.kernel.set_pipe_bytes(100);
    let (client, key) = house.client();
    house.say(key, &[7; 350]);
    house.cores[0].outside(|_, cx| cx.hang_up(key));
    let mut heard = Vec::new();
    for _ in 0..8 {
        house.pass(Duration::from_millis(50));
        heard.extend(read_all(&client).0);
    }
    assert_eq!(heard, [7; 350]);
    assert_eq!(read_all(&client).1, ClientRead::Finished);
}

#[test]
fn output_that_nobody_takes_is_given_up_after_the_second() {
    let mut house = House::new(1);
    house.kernel.set_pipe_bytes(100);
    let (_client, key) = house.client();
    house.say(key, &[7; 350]);
    house.cores[0].outside(|_, cx| cx.hang_up(key));
    house.pass(Duration::from_millis(1200));
    assert_eq!((house.kernel.open_sockets(), house.cores[0].connections_with_buffers()), (0, 0));
}

#[test]
fn closed_is_called_once_whatever_comes_together() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.on_received(|cx, key, _| {
        cx.hang_up(key);
        cx.hang_up(key);
        Verdict::Close
    });
    client.write(b"x");
    client.reset();
    house.settle();
    house.cores[0].outside(|_, cx| cx.hang_up(key));
    house.pass(Duration::from_secs(2));
    assert_eq!(house.probe().closes().len(), 1);
}

#[test]
fn a_callback_may_hang_up_others_and_they_end_in_the_same_turn() {
    let mut house = House::new(1);
    let (client, first) = house.client();
    let (_other, second) = house.client();
    house.on_call(move |cx, call| {
        if matches!(call, Call::Closed(key, _) if *key == first) {
            cx.hang_up(second);
        }
    });
    client.reset();
    house.turn();
    assert_eq!(house.probe().closes(), [(first, Close::Reset), (second, Close::Asked)]);
}

#[test]
fn a_stale_key_finds_nobody() {
    let mut house = House::new(1);
    let (client, old) = house.client();
    client.reset();
    house.settle();
    let (_client, new) = house.client();
    assert_eq!(old.index, new.index, "the row is reused");
    house.cores[0].outside(|_, cx| {
        assert!(cx.out(old).is_none() && !cx.is_open(old) && cx.backlog_bytes(old) == 0);
        cx.hang_up(old);
        cx.set_deadline(old, Some(cx.now()));
        cx.resume(old);
    });
    house.pass(Duration::from_secs(2));
    assert_eq!(house.probe().closes(), [(old, Close::Reset)]);
    assert!(!house.probe().calls.contains(&Call::Due(new)));
}

#[test]
fn a_deadline_dies_with_its_connection() {
    let mut house = House::new(1);
    let (client, old) = house.client();
    house.cores[0].outside(|_, cx| cx.set_deadline(old, Some(cx.now() + Duration::from_secs(1))));
    client.reset();
    house.settle();
    let (_client, new) = house.client();
    house.pass(Duration::from_secs(3));
    assert!(!house.probe().calls.contains(&Call::Due(new)));
}

#[test]
fn a_graceful_stop_ends_when_the_last_connection_is_gone() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    let deadline = house.now() + Duration::from_secs(25);
    house.outside.drain(0, deadline);
    house.outside.drain(0, deadline);
    house.settle();
    assert_eq!(house.probe().calls.iter().filter(|call| **call == Call::Drain).count(), 1);
    assert_eq!(house.turn(), [Turn::Running]);
    house.cores[0].outside(|_, cx| {
        assert!(cx.draining());
        cx.hang_up(key);
    });
    house.settle();
    client.half_close();
    house.settle();
    assert_eq!(house.turn(), [Turn::Stopped]);
    assert_eq!(house.probe().closes(), [(key, Close::Asked)]);
}

#[test]
fn a_graceful_stop_waits_for_a_tenant_without_connections() {
    let mut house = House::new(1);
    let now = house.now();
    house.probe().waits_until = Some(now + Duration::from_secs(1));
    house.outside.drain(0, now + Duration::from_secs(25));
    house.settle();
    assert_eq!((house.turn(), house.cores[0].connections()), (vec![Turn::Running], 0));
    house.pass(Duration::from_secs(1));
    assert_eq!(house.turn(), [Turn::Stopped]);
}

#[test]
fn a_graceful_stop_waits_for_no_tenant_beyond_its_deadline() {
    let mut house = House::new(1);
    let now = house.now();
    house.probe().waits_until = Some(now + Duration::from_secs(60));
    house.outside.drain(0, now + Duration::from_secs(25));
    house.pass(Duration::from_secs(24));
    assert_eq!(house.turn(), [Turn::Running]);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.turn(), [Turn::Stopped]);
}

#[test]
fn a_graceful_stop_closes_the_rest_at_its_deadline() {
    let mut house = House::new(1);
    let (client, key) = house.client();
    house.say(key, b"last");
    house.outside.drain(0, house.kernel.now() + Duration::from_secs(25));
    house.pass(Duration::from_secs(24));
    assert_eq!(house.turn(), [Turn::Running]);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.turn(), [Turn::Stopped]);
    assert_eq!(house.probe().closes(), [(key, Close::Drained)]);
    assert_eq!((house.kernel.open_sockets(), house.cores[0].connections()), (0, 0));
    assert_eq!(read_all(&client), (b"last".to_vec(), ClientRead::Finished));
}

#[test]
fn a_graceful_stop_lets_in_who_waits_and_then_closes_the_door() {
    let mut house = House::new(1);
    let early: Vec<_> = (0..200).map(|_| house.kernel.connect_at(0, 0)).collect();
    house.on_call(|cx, call| {
        if let (Call::Opened(key), true) = (call, cx.draining()) {
            cx.out(*key).expect("open").extend_from_slice(b"bye");
            cx.hang_up(*key);
        }
    });
    let deadline = house.now() + Duration::from_secs(25);
    house.outside.drain(0, deadline);
    house.settle();
    assert_eq!(house.probe().conns().len(), 200, "far more than one turn's budget");
    let late = house.kernel.connect_at(0, 0);
    house.settle();
    assert_eq!(read_all(&late).1, ClientRead::Reset);
    assert!(early[150..].iter().all(|client| read_all(client) == (b"bye".to_vec(), ClientRead::Finished)));
}

#[test]
fn a_second_stop_can_only_shorten_the_first() {
    let mut house = House::new(1);
    let (_client, key) = house.client();
    let now = house.now();
    house.outside.drain(0, now + Duration::from_secs(5));
    house.outside.drain(0, now + Duration::from_secs(50));
    house.pass(Duration::from_secs(6));
    assert_eq!(house.probe().closes(), [(key, Close::Drained)]);
}
