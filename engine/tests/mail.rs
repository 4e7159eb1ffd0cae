//! The rules of mail, timers and the poll's sleep.

mod house;

use std::time::Duration;

use engine::{Close, Limits, Verdict, Wiring};
use house::{Call, House, Probe};

#[test]
fn mail_reaches_its_neighbour_with_the_senders_name() {
    let mut house = House::new(2);
    house.cores[1].outside(|_, cx| cx.post(0, 42));
    house.settle();
    assert_eq!(house.probe().calls, [Call::Mail(1, 42)]);
    assert_eq!((house.cores[1].stats().mail_posted, house.cores[0].stats().mail_received), (1, 1));
}

#[test]
fn mail_to_oneself_comes_in_a_later_turn() {
    let mut house = House::new(1);
    house.on_call(|cx, call| {
        if let Call::Mail(_, n @ 1..) = call {
            cx.post(0, n - 1);
        }
    });
    house.cores[0].outside(|_, cx| cx.post(0, 3));
    house.turn();
    assert!(house.probe().calls.is_empty(), "posted at the end of this turn");
    house.turn();
    assert_eq!(house.probe().calls, [Call::Mail(0, 3)], "one turn, one step");
    house.settle();
    assert_eq!(house.probe().calls.len(), 4);
}

#[test]
fn mail_to_oneself_keeps_its_order() {
    let mut house = House::new(1);
    house.cores[0].outside(|_, cx| (0..5).for_each(|n| cx.post(0, n)));
    house.settle();
    assert_eq!(house.probe().calls, [0, 1, 2, 3, 4].map(|n| Call::Mail(0, n)));
}

#[test]
fn mail_from_outside_has_the_index_behind_all_neighbours() {
    let mut house = House::new(2);
    assert!(house.outside.post(0, 7));
    house.settle();
    assert_eq!(house.probe().calls, [Call::Mail(2, 7)]);
}

#[test]
fn a_clerk_is_a_neighbour_like_any_other() {
    let kernel = engine::net::fake::Kernel::new(1, 1, 0);
    let mut wiring: Wiring<_, Probe> = Wiring::unslept(1, 2, 16);
    let mut core = wiring.core(0, Limits::default(), kernel.net(0), Probe::default());
    let (mut writer, mut worker) = (wiring.clerk(0).unwrap(), wiring.clerk(1).unwrap());
    assert!(wiring.clerk(0).is_none(), "each is handed out once");
    core.outside(|_, cx| {
        cx.post(1, 10);
        cx.post(2, 20);
    });
    core.turn();
    assert_eq!((writer.take(), writer.take()), (Some((0, 10)), None));
    assert_eq!(worker.take(), Some((0, 20)));
    writer.post(0, 11);
    writer.post(2, 12);
    writer.flush();
    core.turn();
    assert_eq!(core.service.calls, [Call::Mail(1, 11)]);
    assert_eq!(worker.take(), Some((1, 12)));
    assert!(!writer.draining());
    wiring.outside().drain(1, kernel.now());
    assert_eq!(writer.take(), None);
    assert!(writer.draining());
}

#[test]
fn full_boxes_delay_letters_and_keep_their_order() {
    let kernel = engine::net::fake::Kernel::new(1, 2, 0);
    let wiring: Wiring<_, Probe> = Wiring::unslept(2, 0, 2);
    let mut cores: Vec<_> =
        (0..2).map(|core| wiring.core(core, Limits::default(), kernel.net(core), Probe::default())).collect();
    cores[0].outside(|_, cx| (0..50).for_each(|n| cx.post(1, n)));
    cores[0].turn();
    assert_eq!(cores[0].stats().mail_overflow_peak, 48);
    cores[0].turn();
    assert!(
        kernel.asked_to_sleep(0).is_some_and(|sleep| sleep <= Duration::from_millis(1)),
        "it tries again soon"
    );
    for _ in 0..40 {
        cores[1].turn();
        cores[0].turn();
    }
    let expected: Vec<Call> = (0..50).map(|n| Call::Mail(0, n)).collect();
    assert_eq!(cores[1].service.calls, expected);
}

#[test]
fn a_sender_with_too_much_unposted_mail_is_congested() {
    let mut house = House::new(2);
    house.cores[0].outside(|_, cx| {
        (0..6000).for_each(|n| cx.post(1, n));
        assert!(cx.congested() && cx.congested_to(1));
        assert!(!cx.congested_to(0), "and only towards whom it waits for");
    });
    house.cores[0].turn();
    house.cores[0].outside(|_, cx| assert!(cx.congested() && cx.congested_to(1) && !cx.congested_to(0)));
    for _ in 0..200 {
        house.turn();
    }
    house.cores[0].outside(|_, cx| assert!(!cx.congested()));
    assert_eq!(house.cores[1].service.calls.len(), 6000);
}

#[test]
fn the_mark_counts_the_mail_of_a_turn_and_what_waits_for_one_neighbour() {
    let mut house = House::with_limits(2, Limits { unposted_letters_mark: 3, ..Limits::default() });
    house.cores[0].outside(|_, cx| {
        (0..2).for_each(|n| cx.post(1, n));
        assert!(!cx.congested());
        cx.post(0, 2);
        assert!(!cx.congested(), "it is for another");
        cx.post(1, 3);
        assert!(cx.congested_to(1) && !cx.congested_to(0));
        cx.post(1, 4);
    });
    house.cores[0].turn();
    house.cores[0].outside(|_, cx| assert!(!cx.congested(), "all of it has found room"));
    let core = &house.cores[0];
    assert_eq!((core.congestions(0), core.congestions(1)), (0, 1), "it came to that once");
}

#[test]
fn a_turn_takes_no_more_letters_than_its_budget() {
    let mut house = House::with_limits(1, Limits { letters_per_turn: 5, ..Limits::default() });
    for n in 0..12 {
        house.outside.post(0, n);
    }
    house.turn();
    assert_eq!(house.probe().calls.len(), 5);
    house.turn();
    assert_eq!(house.kernel.asked_to_sleep(0), Some(Duration::ZERO));
    house.settle();
    assert_eq!(house.probe().calls.len(), 12);
}

#[test]
fn an_alarm_rings_once_and_never_early() {
    let mut house = House::new(1);
    let at = house.now() + Duration::from_millis(250);
    house.cores[0].outside(|_, cx| _ = cx.arm(at, 9));
    house.pass(Duration::from_millis(200));
    assert!(house.probe().calls.is_empty());
    house.pass(Duration::from_secs(1));
    assert_eq!(house.probe().calls, [Call::Rang(9)]);
}

#[test]
fn a_disarmed_alarm_is_silent() {
    let mut house = House::new(1);
    house.cores[0].outside(|_, cx| {
        let alarm = cx.arm(cx.now() + Duration::from_secs(1), 1);
        assert!(cx.disarm(alarm));
        assert!(!cx.disarm(alarm));
    });
    house.pass(Duration::from_secs(3));
    assert!(house.probe().calls.is_empty());
}

#[test]
fn a_deadline_is_due_once_and_may_be_moved() {
    let mut house = House::new(1);
    let (_client, key) = house.client();
    let start = house.now();
    let after = move |ms| Some(start + Duration::from_millis(ms));
    house.cores[0].outside(|_, cx| {
        cx.set_deadline(key, after(1000));
        cx.set_deadline(key, after(3000));
    });
    house.pass(Duration::from_millis(2500));
    assert!(!house.probe().calls.contains(&Call::Due(key)));
    house.pass(Duration::from_secs(10));
    assert_eq!(house.probe().calls[1..], [Call::Due(key)]);
    house.cores[0].outside(|_, cx| cx.set_deadline(key, after(20_000)));
    house.cores[0].outside(|_, cx| cx.set_deadline(key, None));
    house.pass(Duration::from_secs(30));
    assert_eq!(house.probe().calls.len(), 2);
}

#[test]
fn a_connection_hung_up_by_an_earlier_alarm_is_not_due() {
    let mut house = House::new(1);
    let (_client, key) = house.client();
    let at = house.now() + Duration::from_secs(1);
    house.cores[0].outside(|_, cx| {
        cx.set_deadline(key, Some(at));
        cx.arm(at, 1);
    });
    house.on_call(move |cx, call| {
        if *call == Call::Rang(1) {
            cx.hang_up(key);
        }
    });
    house.pass(Duration::from_secs(2));
    assert_eq!(house.probe().calls[1..], [Call::Rang(1), Call::Closed(key, Close::Asked)]);
}

#[test]
fn a_core_with_nothing_to_do_sleeps_until_its_next_timer_or_for_ever() {
    let mut house = House::new(1);
    house.settle();
    assert_eq!(house.kernel.asked_to_sleep(0), None);
    let at = house.now() + Duration::from_secs(5);
    house.cores[0].outside(|_, cx| _ = cx.arm(at, 1));
    house.turn();
    assert_eq!(house.kernel.asked_to_sleep(0), Some(Duration::from_secs(5)));
}

#[test]
fn time_is_the_same_during_a_turn_and_the_wall_clock_may_jump() {
    let mut house = House::new(1);
    let kernel = house.kernel.clone();
    house.on_call(move |cx, _| {
        let (now, wall_ms) = (cx.now(), cx.wall_ms());
        kernel.advance(Duration::from_secs(1));
        assert_eq!((cx.now(), cx.wall_ms()), (now, wall_ms));
    });
    let before = house.kernel.wall_ms();
    house.kernel.step_wall_clock(-3_600_000);
    let (_client, _) = house.client();
    house.settle();
    house.cores[0].outside(|_, cx| assert_eq!(cx.wall_ms(), before - 3_600_000 + 1000));
}

#[test]
fn randomness_comes_from_the_kernels_seed() {
    let mut draws = Vec::new();
    for _ in 0..2 {
        let mut house = House::new(2);
        for core in 0..2 {
            house.cores[core].outside(|_, cx| {
                let mut bytes = [0; 16];
                cx.fill_random(&mut bytes);
                draws.push((cx.random_u64(), bytes));
            });
        }
    }
    assert_eq!(draws[..2], draws[2..]);
    assert_ne!(draws[0], draws[1], "two cores draw differently");
}

#[test]
fn the_counters_tell_what_happened() {
    let mut house = House::new(1);
    let (client, _) = house.client();
    house.on_received(|cx, key, bytes| {
        cx.out(key).expect("open").extend_from_slice(b"four");
        Verdict::Continue { consumed: bytes.len() }
    });
    client.write(b"seven77");
    house.settle();
    client.reset();
    house.settle();
    let stats = house.cores[0].stats();
    assert_eq!((stats.accepted, stats.bytes_in, stats.bytes_out), (1, 7, 4));
    assert_eq!((stats.closed(Close::Reset), stats.closed.iter().sum::<u64>()), (1, 1));
    assert_eq!(stats.lag.count(), stats.turns);
    assert!(stats.wakeups > 0 && stats.wakeups <= stats.turns);
}
