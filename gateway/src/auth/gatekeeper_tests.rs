//! The gatekeeper by hand: letters in, answers and calls out.

use super::super::answer::Allowed;
use super::super::verdicts::tests::{now, question};
use super::super::{DevicePattern, Operations};
use super::*;

const S: Duration = Duration::from_secs(1);

fn keeper(asks: bool) -> Gatekeeper {
    let lockout = LockoutRules { failures_max: 5, window: 60 * S, locked_for: 600 * S, entries_max: 100 };
    let verdicts = VerdictRules { yes: 60 * S, no: 5 * S, outage: 900 * S, entries_max: 100 };
    let flights = FlightRules { calls_max: 64, waiting_max: 100 };
    let rules = GatekeeperRules { lockout, service: asks.then_some((verdicts, flights)) };
    Gatekeeper::new(rules, HomeHash::new((1, 2)), Arc::default())
}

fn judge(keeper: &mut Gatekeeper, question: Question, now: Instant) {
    keeper.take(ToGatekeeper::Judge(Box::new(question)), now);
}

fn hear(keeper: &mut Gatekeeper, call: &Call, answer: Answer, now: Instant) {
    keeper.take(ToGatekeeper::Heard { flight: call.flight, answer }, now);
}

fn yes(devices: Option<&str>) -> Answer {
    let devices = devices.map(|devices| DevicePattern::parse(devices).unwrap());
    Answer::Allowed(Allowed { operations: Operations::DEVICE, devices, ttl_ms: None })
}

/// Everything that the gatekeeper has to say, as words.
fn answers(keeper: &mut Gatekeeper) -> Vec<&'static str> {
    let word = |answer| match answer {
        FromGatekeeper::Judged(Judged { verdict: Verdict::Yes(_), .. }) => "yes",
        FromGatekeeper::Judged(Judged { verdict: Verdict::No { locked: None }, .. }) => "no",
        FromGatekeeper::Judged(Judged { verdict: Verdict::No { locked: Some(_) }, .. }) => "locked out",
        FromGatekeeper::Judged(Judged { verdict: Verdict::Unavailable, .. }) => "later",
        FromGatekeeper::Judged(Judged { verdict: Verdict::Known(_), .. }) => "an agent",
        FromGatekeeper::Counted { .. } => "counters",
    };
    std::iter::from_fn(|| keeper.next_answer()).map(|(_, answer)| word(answer)).collect()
}

#[test]
fn without_a_service_every_question_is_a_failure() {
    let (mut keeper, now) = (keeper(false), now());
    for _ in 0..5 {
        judge(&mut keeper, question("wrong", Some("d"), now), now);
    }
    assert_eq!(answers(&mut keeper), ["no"; 5]);
    judge(&mut keeper, question("wrong", Some("d"), now), now);
    assert_eq!(answers(&mut keeper), ["locked out"]);
    assert!(keeper.next_call(now).is_none());
}

#[test]
fn a_changed_key_file_forgives_what_was_wrong_before() {
    let (mut keeper, now) = (keeper(false), now());
    for _ in 0..6 {
        judge(&mut keeper, question("wrong", Some("d"), now), now);
    }
    keeper.take(ToGatekeeper::Forgive, now);
    judge(&mut keeper, question("wrong", Some("d"), now), now);
    assert_eq!(answers(&mut keeper), ["no", "no", "no", "no", "no", "locked out", "no"]);
}

#[test]
fn c5_fifty_connections_with_one_key_are_one_call() {
    let (mut keeper, now) = (keeper(true), now());
    for _ in 0..50 {
        judge(&mut keeper, question("s", Some("d"), now), now);
    }
    let call = keeper.next_call(now).unwrap();
    assert_eq!((call.secret.reveal(), &*call.agent, call.device.as_deref()), ("s", "a", Some("d")));
    assert!(keeper.next_call(now).is_none() && answers(&mut keeper).is_empty());
    hear(&mut keeper, &call, yes(None), now);
    assert_eq!(answers(&mut keeper), ["yes"; 50]);
    judge(&mut keeper, question("s", Some("d"), now), now + S);
    assert_eq!(answers(&mut keeper), ["yes"], "remembered");
    assert!(keeper.next_call(now + S).is_none());
}

#[test]
fn c5_fifty_devices_with_one_key_are_one_call_if_the_service_says_that_it_speaks_of_all() {
    let (mut keeper, now) = (keeper(true), now());
    for n in 0..50 {
        judge(&mut keeper, question("fleet", Some(&format!("d-{n}")), now), now);
    }
    let call = keeper.next_call(now).unwrap();
    hear(&mut keeper, &call, yes(Some("*")), now);
    assert_eq!(answers(&mut keeper), ["yes"; 50]);
    assert!(keeper.next_call(now).is_none());
}

#[test]
fn a_yes_for_one_device_admits_no_other_and_one_call_follows_the_other() {
    let (mut keeper, now) = (keeper(true), now());
    judge(&mut keeper, question("s", Some("mine"), now), now);
    judge(&mut keeper, question("s", Some("another's"), now), now);
    let call = keeper.next_call(now).unwrap();
    assert!(keeper.next_call(now).is_none(), "one per key at a time");
    hear(&mut keeper, &call, yes(None), now);
    assert_eq!(answers(&mut keeper), ["yes"]);
    let call = keeper.next_call(now).unwrap();
    assert_eq!(call.device.as_deref(), Some("another's"));
    hear(&mut keeper, &call, Answer::Refused, now);
    assert_eq!(answers(&mut keeper), ["no"]);
}

#[test]
fn c4_while_the_service_fails_the_known_are_admitted_and_the_unknown_may_try_again() {
    let (mut keeper, now) = (keeper(true), now());
    judge(&mut keeper, question("known", Some("d"), now), now);
    let call = keeper.next_call(now).unwrap();
    hear(&mut keeper, &call, yes(None), now);
    assert_eq!(answers(&mut keeper), ["yes"]);

    let later = now + 800 * S;
    for secret in ["known", "unknown"] {
        judge(&mut keeper, question(secret, Some("d"), later), later);
        let call = keeper.next_call(later).unwrap();
        hear(&mut keeper, &call, Answer::Failed(Fault::TimedOut), later);
    }
    assert_eq!(answers(&mut keeper), ["yes", "later"]);
    judge(&mut keeper, question("known", Some("d"), later), later + S);
    assert_eq!(answers(&mut keeper), ["yes"], "at once, not after one more call that fails");

    let too_late = now + 901 * S;
    judge(&mut keeper, question("known", Some("d"), too_late), too_late);
    let call = keeper.next_call(too_late).unwrap();
    hear(&mut keeper, &call, Answer::Failed(Fault::TimedOut), too_late);
    assert_eq!(answers(&mut keeper), ["later"]);
}

#[test]
fn c4_an_outage_is_no_failure_of_the_key() {
    let (mut keeper, now) = (keeper(true), now());
    for n in 0..20 {
        judge(&mut keeper, question(&format!("s-{n}"), Some("d"), now), now);
        let call = keeper.next_call(now).unwrap();
        hear(&mut keeper, &call, Answer::Failed(Fault::Status(500)), now);
    }
    assert_eq!(answers(&mut keeper), ["later"; 20]);
    assert_eq!(keeper.lockout.len(), 0);
}

#[test]
fn c3_a_right_key_is_admitted_from_a_source_that_is_locked_out() {
    let (mut keeper, now) = (keeper(true), now());
    for n in 0..7 {
        judge(&mut keeper, question(&format!("wrong-{n}"), Some("d"), now), now);
        let call = keeper.next_call(now).unwrap();
        hear(&mut keeper, &call, Answer::Refused, now);
    }
    assert_eq!(answers(&mut keeper), ["no", "no", "no", "no", "no", "locked out", "locked out"]);
    judge(&mut keeper, question("right", Some("d"), now), now);
    let call = keeper.next_call(now).unwrap();
    hear(&mut keeper, &call, yes(None), now);
    assert_eq!(answers(&mut keeper), ["yes"]);
}

#[test]
fn a_no_is_remembered_and_still_counts_as_a_failure_each_time() {
    let (mut keeper, now) = (keeper(true), now());
    judge(&mut keeper, question("wrong", Some("d"), now), now);
    let call = keeper.next_call(now).unwrap();
    hear(&mut keeper, &call, Answer::Refused, now);
    for _ in 0..5 {
        judge(&mut keeper, question("wrong", Some("d"), now), now + S);
    }
    assert!(keeper.next_call(now + S).is_none());
    assert_eq!(answers(&mut keeper), ["no", "no", "no", "no", "no", "locked out"]);
}

#[test]
fn asking_again_about_an_open_connection_is_no_failure() {
    let (mut keeper, now) = (keeper(true), now());
    for n in 0..10 {
        let again = Question { again: true, ..question(&format!("s-{n}"), Some("d"), now) };
        judge(&mut keeper, again, now);
        let call = keeper.next_call(now).unwrap();
        hear(&mut keeper, &call, Answer::Refused, now);
    }
    assert_eq!(answers(&mut keeper), ["no"; 10]);
    assert_eq!(keeper.lockout.len(), 0);
}

#[test]
fn every_question_is_answered_once_however_long_the_queue() {
    let (mut keeper, now) = (keeper(true), now());
    for n in 0..150 {
        judge(&mut keeper, question(&format!("s-{n}"), Some("d"), now), now);
    }
    assert_eq!(answers(&mut keeper), ["later"; 50], "the queue has an end");
    let calls: Vec<Call> = std::iter::from_fn(|| keeper.next_call(now)).collect();
    assert_eq!(calls.len(), 64);
    let later = now + 6 * S;
    for call in &calls {
        hear(&mut keeper, call, yes(None), later);
    }
    assert_eq!(answers(&mut keeper), ["yes"; 64]);
    assert!(keeper.next_call(later).is_none());
    assert_eq!(answers(&mut keeper), ["later"; 36], "nobody waits for them any more");
}

#[test]
fn counts_calls_and_what_waits() {
    let (mut keeper, now) = (keeper(true), now());
    for secret in ["s", "t"] {
        judge(&mut keeper, question(secret, Some("d"), now), now);
    }
    let call = keeper.next_call(now).unwrap();
    hear(&mut keeper, &call, yes(None), now);
    let _running = keeper.next_call(now).unwrap();
    answers(&mut keeper);
    keeper.take(ToGatekeeper::Count { core: 3, ticket: Key { index: 0, generation: 0 } }, now);
    let Some((3, FromGatekeeper::Counted { counters, .. })) = keeper.next_answer() else {
        panic!("counters")
    };
    let expected = GatekeeperCounters {
        calls_allowed: 1,
        calls_now: 1,
        waiting_now: 1,
        verdicts_now: 1,
        ..GatekeeperCounters::default()
    };
    assert_eq!(counters, expected);
}
