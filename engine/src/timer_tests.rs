//! What the wheel promises: against a map of deadlines, under jumps of the clock, and row by row.
#![allow(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

use super::*;
use std::collections::BTreeMap;

fn due(wheel: &mut Wheel, now_tick: u32) -> Vec<u32> {
    let mut rows = Vec::new();
    wheel.advance(now_tick, &mut |row| rows.push(row));
    rows
}

/// Whether every ring is closed in both directions and the map of buckets tells the truth.
fn check_invariants(wheel: &Wheel) {
    let mut hung = 0;
    for bucket in 0..=BUCKETS {
        let first = wheel.heads[bucket as usize];
        if bucket < BUCKETS {
            let bit = wheel.occupied.words[bucket as usize / 64] >> (bucket % 64) & 1;
            assert_eq!(bit == 1, first != NONE);
        }
        let mut row = first;
        while row != NONE {
            let entry = wheel.entries[row as usize];
            assert_eq!(entry.bucket, bucket);
            assert_eq!(wheel.entries[entry.next as usize].prev, row);
            hung += 1;
            row = if entry.next == first { NONE } else { entry.next };
        }
    }
    for (word, bits) in wheel.occupied.words.iter().enumerate() {
        assert_eq!(wheel.occupied.summary >> word & 1 == 1, *bits != 0);
    }
    assert_eq!(hung, wheel.entries.iter().filter(|entry| entry.bucket != NONE).count());
    assert!(wheel.entries.iter().all(|entry| entry.deadline == NONE || entry.bucket != NONE));
}

#[test]
fn rings_at_its_tick_and_not_before() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.set(3, 10);
    assert_eq!(due(&mut wheel, 9), []);
    assert_eq!(wheel.deadline(3), Some(10));
    assert_eq!(due(&mut wheel, 10), [3]);
    assert_eq!(wheel.deadline(3), None);
    assert_eq!(due(&mut wheel, 20_000), []);
}

#[test]
fn re_arming_later_moves_nothing_until_its_bucket_comes_by() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.set(0, 10);
    wheel.set(0, 5_000);
    assert_eq!(wheel.entries[0].bucket, 10, "one store, no relinking");
    assert_eq!(due(&mut wheel, 4_999), []);
    assert_eq!(wheel.entries[0].bucket, 5_000 % BUCKETS);
    assert_eq!(due(&mut wheel, 5_000), [0]);
}

#[test]
fn re_arming_sooner_rings_sooner() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.set(0, 5_000);
    wheel.set(0, 20);
    assert_eq!(due(&mut wheel, 19), []);
    assert_eq!(due(&mut wheel, 20), [0]);
}

#[test]
fn a_deadline_that_has_passed_is_due_at_the_next_tick() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.sweep(100);
    wheel.set(7, 5);
    assert_eq!(due(&mut wheel, 100), []);
    assert_eq!(due(&mut wheel, 101), [7]);
}

#[test]
fn a_cleared_row_stays_silent_and_its_successor_is_heard() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.set(1, 10);
    wheel.clear(1);
    wheel.clear(99);
    assert_eq!(due(&mut wheel, 10), []);
    wheel.set(1, 30);
    wheel.clear(1);
    wheel.set(1, 40);
    assert_eq!(due(&mut wheel, 39), []);
    assert_eq!(due(&mut wheel, 40), [1]);
}

#[test]
fn a_row_that_waits_to_be_handed_out_can_still_be_cleared_or_put_off() {
    let mut wheel = Wheel::new(Instant::now());
    for row in 0..4 {
        wheel.set(row, 5);
    }
    wheel.sweep(5);
    assert_eq!(wheel.pop_due(), Some(0));
    wheel.clear(1);
    wheel.set(2, 50);
    wheel.set(0, 6);
    assert_eq!(wheel.pop_due(), Some(3));
    assert_eq!(wheel.pop_due(), None);
    assert_eq!(due(&mut wheel, 6), [0]);
    assert_eq!(due(&mut wheel, 50), [2]);
}

#[test]
fn rings_in_the_order_of_the_ticks() {
    let mut wheel = Wheel::new(Instant::now());
    for (row, tick) in [(0, 40), (1, 4_097), (2, 3), (3, 40), (4, 4_000)] {
        wheel.set(row, tick);
    }
    assert_eq!(due(&mut wheel, 4_095), [2, 0, 3, 4]);
    assert_eq!(due(&mut wheel, 4_096), []);
    assert_eq!(due(&mut wheel, 4_097), [1]);
}

#[test]
fn a_clock_that_jumps_many_revolutions_misses_nothing() {
    let mut wheel = Wheel::new(Instant::now());
    for row in 0..10_000 {
        wheel.set(row, row * 7 + 1);
    }
    let mut rows = due(&mut wheel, 50_000);
    rows.sort_unstable();
    assert_eq!(rows, (0..=7_142).collect::<Vec<u32>>());
    check_invariants(&wheel);
    assert_eq!(due(&mut wheel, u32::MAX).len(), 10_000 - rows.len());
    check_invariants(&wheel);
}

#[test]
fn the_end_of_time_does_not_overflow() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.set(0, u32::MAX);
    assert_eq!(due(&mut wheel, u32::MAX), []);
    wheel.set(1, 0);
    assert_eq!(due(&mut wheel, u32::MAX), []);
    assert!(wheel.next_due().is_some());
}

#[test]
fn a_clock_that_stands_still_or_goes_back_does_nothing() {
    let mut wheel = Wheel::new(Instant::now());
    wheel.sweep(50);
    wheel.set(0, 60);
    wheel.sweep(50);
    wheel.sweep(3);
    assert_eq!(due(&mut wheel, 59), []);
    assert_eq!(due(&mut wheel, 60), [0]);
}

#[test]
fn tells_when_to_look_again() {
    let base = Instant::now();
    let at = |tick: u32| Some(base + TICK * tick);
    let mut wheel = Wheel::new(base);
    assert_eq!(wheel.next_due(), None);
    wheel.set(0, 4_200);
    wheel.set(1, 70);
    assert_eq!(wheel.next_due(), at(70));
    wheel.sweep(70);
    assert_eq!(wheel.next_due(), at(70), "due now");
    assert_eq!(wheel.pop_due(), Some(1));
    assert_eq!(wheel.next_due(), at(104), "one revolution early: row 0 hangs at 4200 % 4096");
    wheel.sweep(104);
    assert_eq!(wheel.next_due(), at(4_200));
    wheel.take_down(0);
    assert_eq!(wheel.next_due(), None);
}

#[test]
fn the_map_of_buckets_finds_the_next_from_everywhere() {
    for bucket in [0, 1, 63, 64, 2_047, 4_032, 4_095] {
        let mut occupied = Occupied::default();
        occupied.add(bucket);
        for start in 0..BUCKETS {
            assert_eq!(occupied.first_from(start), Some(bucket));
        }
        occupied.remove(bucket);
        assert_eq!(occupied.first_from(0), None);
    }
}

#[test]
fn ticks_round_deadlines_up_and_the_present_down() {
    let base = Instant::now();
    let ticks = Ticks::new(base);
    let ns = Duration::from_nanos(1);
    assert_eq!(ticks.deadline(base), 0);
    assert_eq!(ticks.deadline(base + ns), 1);
    assert_eq!(ticks.deadline(base + TICK), 1);
    assert_eq!(ticks.deadline(base + TICK + ns), 2);
    assert_eq!(ticks.running(base + TICK - ns), 0);
    assert_eq!(ticks.running(base + TICK), 1);
    assert_eq!(ticks.deadline(base + Duration::from_secs(1 << 40)), LAST_TICK);
    assert_eq!(ticks.start_of(3), base + 3 * TICK);
    if let Some(before) = base.checked_sub(TICK) {
        assert_eq!((ticks.deadline(before), ticks.running(before)), (0, 0));
    }
}

#[test]
fn an_alarm_is_eight_bytes_and_rings_once_at_most_a_tick_late() {
    assert_eq!(size_of::<Alarm>(), 8);
    let base = Instant::now();
    let mut alarms = Alarms::new(base);
    let at = base + Duration::from_millis(250);
    let alarm = alarms.arm(at, "tea");
    assert_eq!(alarms.next_due(), Some(base + Duration::from_millis(300)));
    alarms.sweep(at);
    assert_eq!(alarms.pop_due(), None);
    alarms.sweep(at + TICK);
    assert_eq!(alarms.pop_due(), Some("tea"));
    assert_eq!(alarms.pop_due(), None);
    assert!(!alarms.disarm(alarm));
    assert!(alarms.is_empty());
}

#[test]
fn a_disarmed_alarm_leaves_nothing_behind() {
    let base = Instant::now();
    let mut alarms = Alarms::new(base);
    let first = alarms.arm(base + TICK, 1);
    assert!(alarms.disarm(first));
    assert_eq!(alarms.next_due(), None);
    let second = alarms.arm(base + TICK, 2);
    assert!(!alarms.disarm(first), "the row is the second alarm's now");
    assert_eq!(alarms.len(), 1);
    alarms.sweep(base + 2 * TICK);
    assert!(alarms.disarm(second), "even while it waits to be handed out");
    assert_eq!(alarms.pop_due(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u32, u32),
    Clear(u32),
    TakeDown(u32),
    Advance(u32),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let ahead = prop_oneof![4 => 0..30u32, 2 => 0..5_000u32, 1 => 0..40_000u32];
    let row = 0..40u32;
    let step = prop_oneof![
        6 => (row.clone(), ahead.clone()).prop_map(|(row, ahead)| Step::Set(row, ahead)),
        1 => row.clone().prop_map(Step::Clear),
        1 => row.prop_map(Step::TakeDown),
        4 => ahead.prop_map(Step::Advance),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_map_of_deadlines(steps in steps()) {
        let base = Instant::now();
        let mut wheel = Wheel::new(base);
        let mut model: BTreeMap<u32, u32> = BTreeMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Set(row, ahead) => {
                    // Some deadlines lie in the past.
                    let tick = (now + ahead).saturating_sub(3);
                    wheel.set(row, tick);
                    model.insert(row, tick.max(now + 1));
                }
                Step::Clear(row) => {
                    wheel.clear(row);
                    model.remove(&row);
                }
                Step::TakeDown(row) => {
                    wheel.take_down(row);
                    model.remove(&row);
                }
                Step::Advance(ahead) => {
                    now += ahead;
                    let mut expected: Vec<u32> = model.extract_if(.., |_, tick| *tick <= now).map(|(row, _)| row).collect();
                    let mut seen = due(&mut wheel, now);
                    expected.sort_unstable();
                    seen.sort_unstable();
                    assert_eq!(seen, expected);
                }
            }
            if let Some(first) = model.values().min() {
                let look = wheel.next_due();
                assert!(look.is_some_and(|look| look <= base + TICK * *first && look > base + TICK * now));
            }
        }
        check_invariants(&wheel);
    }
}
