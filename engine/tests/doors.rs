//! The rules of accepting: the budget, failures, and running out of descriptors.

mod house;

use std::time::Duration;

use engine::net::fake::{ClientRead, Faults, ServerEnd};
use engine::{Close, Limits};
use house::{Call, House, read_all};

#[test]
fn a_turn_accepts_no_more_than_its_budget_and_forgets_nobody() {
    let mut house = House::with_limits(1, Limits { accepts_per_turn: 10, ..Limits::default() });
    let _clients: Vec<_> = (0..35).map(|_| house.kernel.connect_at(0, 0)).collect();
    house.turn();
    assert_eq!(house.probe().conns().len(), 10);
    house.turn();
    assert_eq!(house.kernel.asked_to_sleep(0), Some(Duration::ZERO));
    house.settle();
    assert_eq!(house.probe().conns().len(), 35);
}

#[test]
fn a_failed_accept_is_counted_and_the_next_one_tried() {
    let mut house = House::new(1);
    house.kernel.set_faults(Faults { accept_fails: 500, ..Faults::NONE });
    let _clients: Vec<_> = (0..50).map(|_| house.kernel.connect_at(0, 0)).collect();
    house.settle();
    assert_eq!(house.probe().conns().len(), 50);
    assert!(house.cores[0].stats().accept_errors > 0);
}

#[test]
fn without_descriptors_the_door_turns_away_and_rests() {
    let mut house = House::new(1);
    house.kernel.set_sockets_max(Some(5));
    let clients: Vec<_> = (0..20).map(|_| house.kernel.connect_at(0, 0)).collect();
    house.settle();
    assert_eq!(house.probe().conns().len(), 5);
    assert_eq!(house.cores[0].stats().turned_away, 15);
    assert!(clients[5..].iter().all(|client| client.server_end() == ServerEnd::Closed));
    assert_eq!(read_all(&clients[10]).1, ClientRead::Finished, "it is told, not left waiting");
}

#[test]
fn a_door_that_rests_costs_nothing_and_opens_again() {
    let mut house = House::new(1);
    house.kernel.set_sockets_max(Some(1));
    let (served, _) = house.client();
    for n in 0..12 {
        let _late = house.kernel.connect_at(0, 0);
        house.settle();
        let asked = house.kernel.asked_to_sleep(0).expect("it wants to look again");
        assert!(asked >= Duration::from_millis(5) && asked <= Duration::from_secs(1), "turn {n}: {asked:?}");
        house.kernel.advance(asked);
    }
    assert!(
        house.kernel.asked_to_sleep(0).is_some_and(|asked| asked >= Duration::from_millis(500)),
        "it backed off"
    );
    served.write(b"served all the while");
    house.settle();
    assert_eq!(house.probe().bytes(), b"served all the while");
    house.kernel.set_sockets_max(None);
    let _next = house.kernel.connect_at(0, 0);
    house.pass(Duration::from_millis(1100));
    assert_eq!(house.probe().conns().len(), 2, "within a second of room");
}

#[test]
fn delayed_and_repeated_knocks_lose_nobody() {
    let mut house = House::new(1);
    house.kernel.set_faults(Faults { delay: 800, spurious: 500, accept_fails: 300, ..Faults::NONE });
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(house.kernel.connect_at(0, 0));
        house.turn();
    }
    for _ in 0..100 {
        house.turn();
    }
    assert_eq!(house.probe().conns().len(), 60);
}

#[test]
fn churn_leaves_nothing_behind() {
    let mut house = House::new(1);
    for round in 0..300 {
        let client = house.kernel.connect_at(0, 0);
        client.write(b"\x10\x20junk");
        if round % 3 == 0 {
            house.turn();
        }
        client.reset();
        house.turn();
    }
    house.settle();
    assert_eq!((house.cores[0].connections(), house.kernel.open_sockets()), (0, 0));
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
    assert_eq!(house.probe().closes().len(), house.probe().conns().len());
    assert_eq!(house.cores[0].stats().accepted, 300);
}

#[test]
fn a_socket_that_cannot_be_watched_is_opened_and_closed() {
    let mut house = House::new(2);
    house.kernel.refuse_to_watch(true);
    let client = house.kernel.connect_at(0, 0);
    house.settle();
    let key = house.probe().conns()[0];
    assert_eq!(house.probe().calls, [Call::Opened(key), Call::Closed(key, Close::Reset)]);
    assert_eq!((house.kernel.open_sockets(), client.server_end()), (0, ServerEnd::Closed));
}

#[test]
fn a_socket_that_cannot_be_watched_at_its_new_home_is_adopted_and_closed() {
    let mut house = House::new(2);
    let (client, _) = house.client();
    house.on_received(|_, _, _| engine::Verdict::Move { to: 1, consumed: 1, baggage: "" });
    client.write(b"!");
    house.cores[0].turn();
    house.kernel.refuse_to_watch(true);
    house.settle();
    let there = house.cores[1].service.conns()[0];
    assert_eq!(house.cores[1].service.calls, [Call::Adopted(there, ""), Call::Closed(there, Close::Reset)]);
    assert_eq!(house.kernel.open_sockets(), 0);
}

#[test]
fn a_crash_resets_everyone_and_the_next_house_starts_afresh() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    let waiting = house.kernel.connect_at(0, 0);
    house.kernel.crash();
    assert_eq!((read_all(&client).1, read_all(&waiting).1), (ClientRead::Reset, ClientRead::Reset));
    assert_eq!(house.kernel.open_sockets(), 0);
    let mut next = House::on(house.kernel.clone(), 1);
    let (client, key) = next.client();
    client.write(b"hello again");
    next.settle();
    assert_eq!(next.probe().calls, [Call::Opened(key), Call::Received(key, b"hello again".to_vec())]);
}

#[test]
fn a_congested_core_accepts_nobody_until_its_mail_has_left() {
    let mut house = House::new(2);
    house.cores[0].outside(|_, cx| (0..6000).for_each(|n| cx.post(1, n)));
    house.cores[0].turn();
    let _clients: Vec<_> = (0..3).map(|_| house.kernel.connect_at(0, 0)).collect();
    for _ in 0..3 {
        house.cores[0].turn();
        let asked = house.kernel.asked_to_sleep(0).expect("it looks after its mail");
        assert!(!asked.is_zero(), "it does not spin");
    }
    assert_eq!(house.probe().conns().len(), 0);
    for _ in 0..200 {
        house.turn();
    }
    assert_eq!(house.probe().conns().len(), 3, "nobody is forgotten");
}

#[test]
fn a_congested_core_lets_in_who_waits_when_it_stops() {
    let mut house = House::new(2);
    house.cores[0].outside(|_, cx| (0..6000).for_each(|n| cx.post(1, n)));
    house.cores[0].turn();
    let _clients: Vec<_> = (0..3).map(|_| house.kernel.connect_at(0, 0)).collect();
    let deadline = house.now() + Duration::from_secs(1);
    house.outside.drain(0, deadline);
    house.cores[0].turn();
    house.cores[0].turn();
    assert_eq!(house.probe().conns().len(), 3);
}
