//! Repeats: joined, told again, forgotten in their order, and no agent at another's expense.

use super::*;

const LIMITS: RepeatLimits = RepeatLimits { keys_max: 2, bytes_max: 100, kept_for: Duration::from_secs(60) };

fn waiter(index: u32) -> Waiter {
    Waiter { core: 0, ticket: Key { index, generation: 0 } }
}

fn answer(outcome: Outcome, text: &[u8]) -> Answer {
    let id = CommandId { core: 0, entry: Key { index: 0, generation: 0 }, epoch: 0, nonce: 0 };
    Answer { outcome, id: Some(id), text: text.into(), duration_ms: 1 }
}

fn alpha() -> Arc<str> {
    "alpha".into()
}

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn now() -> Instant {
    Instant::now()
}

/// A command of this agent under this key that has settled.
fn settled(repeats: &mut Repeats, agent: &str, name: u128, text: &[u8], now: Instant) {
    let key = repeats.begin(name, &agent.into(), 0, now);
    repeats.settle(key, answer(Outcome::Done, text), now);
}

fn is_kept(repeats: &mut Repeats, name: u128) -> bool {
    matches!(repeats.find(name, 0, waiter(0), true), Found::Settled(_))
}

#[test]
fn a_repeat_joins_and_then_is_told_again() {
    let mut repeats = Repeats::new(LIMITS);
    assert!(matches!(repeats.find(1, 10, waiter(0), true), Found::New));
    let key = repeats.begin(1, &alpha(), 10, now());
    assert!(matches!(repeats.find(1, 10, waiter(1), true), Found::Joined { id: None, .. }));
    assert!(matches!(repeats.find(1, 11, waiter(2), true), Found::Another));
    assert_eq!(repeats.settle(key, answer(Outcome::Done, b"7"), now()), [waiter(1)]);
    assert!(matches!(
        repeats.find(1, 10, waiter(3), true),
        Found::Settled(Answer { outcome: Outcome::Done, .. })
    ));
}

#[test]
fn who_does_not_wait_is_told_when_the_command_is_taken() {
    let mut repeats = Repeats::new(LIMITS);
    let key = repeats.begin(1, &alpha(), 10, now());
    for (n, waits) in [(1, true), (2, false), (3, false)] {
        assert!(matches!(repeats.find(1, 10, waiter(n), waits), Found::Joined { id: None, .. }));
    }
    let id = answer(Outcome::Done, b"").id.expect("it has one");
    assert_eq!(repeats.name(key, id), [waiter(2), waiter(3)]);
    assert!(matches!(repeats.find(1, 10, waiter(4), false), Found::Joined { id: Some(_), .. }));
    assert_eq!(repeats.settle(key, answer(Outcome::Done, b"7"), now()), [waiter(1)], "the others have left");
}

#[test]
fn whoever_leaves_makes_room_for_who_comes() {
    let mut repeats = Repeats::new(LIMITS);
    let key = repeats.begin(1, &alpha(), 10, now());
    for n in 0..10 * WAITERS_MAX as u32 {
        let found = repeats.find(1, 10, waiter(n), true);
        assert!(matches!(found, Found::Joined { gives_way: None, .. }), "{n}");
        repeats.leave(1, waiter(n));
    }
    for n in 0..WAITERS_MAX as u32 {
        let found = repeats.find(1, 10, waiter(n), true);
        assert!(matches!(found, Found::Joined { gives_way: None, .. }), "{n}");
    }
    let Found::Joined { gives_way, .. } = repeats.find(1, 10, waiter(99), true) else { panic!("it joins") };
    assert_eq!(gives_way, Some(waiter(0)), "whoever waits longest");
    repeats.leave(2, waiter(1));
    let told = repeats.settle(key, answer(Outcome::Done, b"7"), now());
    assert_eq!((told.len(), told[0], told[WAITERS_MAX - 1]), (WAITERS_MAX, waiter(1), waiter(99)));
}

#[test]
fn what_never_reached_the_device_may_be_asked_again() {
    let mut repeats = Repeats::new(LIMITS);
    for outcome in [Outcome::DeviceOffline(Reached::NotSent), Outcome::DeviceBusy] {
        let key = repeats.begin(1, &alpha(), 10, now());
        repeats.settle(key, answer(outcome, b""), now());
        assert!(matches!(repeats.find(1, 10, waiter(1), true), Found::New));
    }
    let key = repeats.begin(1, &alpha(), 10, now());
    repeats.settle(key, answer(Outcome::DeviceTimeout(Reached::Unknown), b""), now());
    assert!(matches!(repeats.find(1, 10, waiter(1), true), Found::Settled(_)));
}

#[test]
fn the_oldest_settled_gives_way_and_a_running_one_never() {
    let (mut repeats, now) = (Repeats::new(LIMITS), now());
    let running = repeats.begin(1, &alpha(), 0, now);
    for name in 2..=4 {
        settled(&mut repeats, "alpha", name, b"x", now);
    }
    assert_eq!(repeats.len(), 2, "a running one holds nobody up");
    assert!(is_kept(&mut repeats, 4));
    assert!(matches!(repeats.find(1, 0, waiter(0), true), Found::Joined { id: None, .. }));
    repeats.settle(running, answer(Outcome::Done, b"x"), now);
    repeats.begin(5, &alpha(), 0, now);
    assert_eq!(repeats.len(), 2);
    assert!(!is_kept(&mut repeats, 4) && is_kept(&mut repeats, 1), "the order is that of the ends");
}

#[test]
fn answers_are_bounded_in_bytes_and_time() {
    let (mut repeats, now) = (Repeats::new(LIMITS), now());
    settled(&mut repeats, "alpha", 1, &[0; 200], now);
    assert!(!is_kept(&mut repeats, 1), "too large to be kept");
    let (mut repeats, later) = (Repeats::new(LIMITS), now + LIMITS.kept_for);
    settled(&mut repeats, "alpha", 1, b"x", now);
    repeats.begin(2, &alpha(), 0, later);
    assert!(!is_kept(&mut repeats, 1), "too old");
}

#[test]
fn a_busy_agent_pushes_out_its_own_and_nobody_elses() {
    let limits = RepeatLimits { keys_max: 100, bytes_max: 100_000, ..LIMITS };
    let (mut repeats, now) = (Repeats::new(limits), now());
    for name in 0..20 {
        settled(&mut repeats, "quiet", name, b"what it wants remembered", now);
    }
    for name in 100..10_000 {
        settled(&mut repeats, "busy", name, b"x", now);
    }
    for name in 20_000..20_100 {
        settled(&mut repeats, "wordy", name, &[b'x'; 5000], now);
    }
    assert!((0..20).all(|name| is_kept(&mut repeats, name)));
    assert!(is_kept(&mut repeats, 9_999) && is_kept(&mut repeats, 20_099));
    assert!(repeats.len() <= 100 && repeats.answer_bytes <= 100_000);
    assert!(repeats.order.len() <= 2 * 100 + SPARE_PLACES + 1, "{}", repeats.order.len());
}

#[test]
fn an_agent_of_whom_nothing_is_kept_leaves_nothing_behind() {
    let (mut repeats, now) = (Repeats::new(LIMITS), now());
    for name in 0..1000 {
        settled(&mut repeats, &name.to_string(), name, b"x", now);
    }
    repeats.begin(1000, &alpha(), 0, now + LIMITS.kept_for);
    assert_eq!((repeats.len(), repeats.shares.len(), repeats.answer_bytes), (1, 0, 0));
}
