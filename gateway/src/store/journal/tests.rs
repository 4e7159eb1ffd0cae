//! The journal: one numbering, two rings, every ceiling, and a gap for whatever was dropped.

use super::*;

const COST: usize = EVENT_OVERHEAD_BYTES + 2;

fn journal(events: usize, bytes: usize, agents: usize, total: usize) -> Journal {
    Journal::new(JournalLimits {
        events_per_agent_max: events,
        bytes_per_agent_max: bytes,
        agents_max: agents,
        bytes_total_max: total,
    })
}

fn fill(journal: &mut Journal, agent: &str, events: usize) {
    let agent: Arc<str> = agent.into();
    for _ in 0..events {
        journal.append(&agent, EventKind::Trigger, b"{}");
    }
}

fn cursors(batch: &Batch) -> Vec<u64> {
    batch.events.iter().map(|event| event.cursor).collect()
}

#[test]
fn numbers_each_agents_events_from_one() {
    let mut journal = Journal::new(JournalLimits::default());
    fill(&mut journal, "a", 3);
    fill(&mut journal, "b", 1);
    assert_eq!((journal.last("a"), journal.last("b"), journal.last("c")), (3, 1, 0));
    let batch = journal.read("a", 1, 100, 1000);
    assert_eq!((cursors(&batch), batch.gap, batch.next), (vec![2, 3], None, 3));
}

#[test]
fn reads_no_more_than_asked_but_always_one() {
    let mut journal = Journal::new(JournalLimits::default());
    fill(&mut journal, "a", 9);
    assert_eq!(cursors(&journal.read("a", 0, 4, 1000)), [1, 2, 3, 4]);
    assert_eq!(cursors(&journal.read("a", 0, 100, 6)), [1, 2, 3]);
    assert_eq!(cursors(&journal.read("a", 0, 0, 0)), [1]);
}

#[test]
fn reports_what_the_event_ceiling_dropped_as_a_gap() {
    let mut journal = journal(3, usize::MAX, 9, usize::MAX);
    fill(&mut journal, "a", 5);
    let batch = journal.read("a", 0, 100, 1000);
    assert_eq!((cursors(&batch), batch.gap), (vec![3, 4, 5], Some(Gap { from: 1, to: 2 })));
    assert_eq!(journal.read("a", 2, 100, 1000).gap, None);
    assert_eq!(journal.dropped(), 2);
}

#[test]
fn keeps_the_newest_event_though_it_is_larger_than_the_byte_ceiling() {
    let mut journal = journal(10, 200, 9, usize::MAX);
    fill(&mut journal, "a", 2);
    journal.append(&"a".into(), EventKind::Trigger, &[b' '; 500]);
    let batch = journal.read("a", 0, 100, 10);
    assert_eq!((cursors(&batch), batch.gap), (vec![3], Some(Gap { from: 1, to: 2 })));
    assert_eq!(journal.bytes(), 500 + EVENT_OVERHEAD_BYTES);
}

#[test]
fn starts_a_reader_with_a_strange_cursor_at_the_oldest_event() {
    let mut journal = Journal::new(JournalLimits::default());
    let empty = journal.read("a", 7, 10, 1000);
    assert_eq!((empty.gap, empty.next), (Some(Gap { from: 1, to: 7 }), 0));
    fill(&mut journal, "a", 2);
    let batch = journal.read("a", u64::MAX, 10, 1000);
    assert_eq!(cursors(&batch), [1, 2]);
    assert_eq!((batch.gap, batch.next), (Some(Gap { from: 3, to: u64::MAX }), 2));
}

#[test]
fn one_agent_more_than_allowed_drops_the_log_longest_without_an_event() {
    let mut journal = journal(10, usize::MAX, 2, usize::MAX);
    fill(&mut journal, "a", 3);
    fill(&mut journal, "b", 1);
    fill(&mut journal, "a", 1);
    fill(&mut journal, "c", 1);
    assert_eq!(journal.agents(), 2);
    assert_eq!(cursors(&journal.read("a", 0, 10, 1000)), [1, 2, 3, 4]);
    let lost = journal.read("b", 0, 10, 1000);
    assert_eq!((lost.gap, lost.next), (Some(Gap { from: 1, to: 1 }), 1));
}

#[test]
fn a_log_that_comes_back_never_repeats_a_number() {
    let mut journal = journal(10, usize::MAX, 1, usize::MAX);
    fill(&mut journal, "a", 5);
    fill(&mut journal, "b", 1);
    fill(&mut journal, "a", 1);
    let batch = journal.read("a", 5, 10, 1000);
    assert!(batch.events[0].cursor > 5);
    assert_eq!(batch.gap.map(|gap| gap.from), (batch.events[0].cursor > 6).then_some(6));
}

#[test]
fn the_ceiling_on_all_bytes_holds_for_one_agent_alone() {
    let mut journal = journal(usize::MAX, usize::MAX, 9, 16 * COST);
    fill(&mut journal, "a", 16);
    assert_eq!(journal.dropped(), 0);
    fill(&mut journal, "a", 1);
    assert_eq!(
        journal.read("a", 0, 100, 1000).gap,
        Some(Gap { from: 1, to: 3 }),
        "an eighth of 17, rounded up"
    );
}

#[test]
fn too_many_bytes_in_all_are_paid_for_by_the_largest_log() {
    let mut journal = journal(usize::MAX, usize::MAX, 9, 20 * COST);
    fill(&mut journal, "quiet", 4);
    fill(&mut journal, "loud", 100);
    fill(&mut journal, "quiet", 1);
    assert_eq!(cursors(&journal.read("quiet", 0, 100, 1000)), [1, 2, 3, 4, 5]);
    assert!(journal.bytes() <= 20 * COST);
    assert_eq!(journal.last("loud"), 100);
}

#[test]
fn logs_of_one_large_event_each_give_way_longest_unused_first() {
    let mut journal = journal(9, usize::MAX, 9, 2 * COST);
    for agent in ["a", "b", "c"] {
        fill(&mut journal, agent, 1);
    }
    assert_eq!((journal.agents(), journal.last("a")), (2, 1));
    assert!(journal.read("a", 0, 9, 9).events.is_empty());
}

fn tell(journal: &mut Journal, kind: EventKind, events: usize) {
    for _ in 0..events {
        journal.append(&"a".into(), kind, b"{}");
    }
}

/// Reads an agent's events as a stream does: each cursor, or each gap.
fn read_all(journal: &Journal, mut after: u64) -> Vec<Result<u64, Gap>> {
    let mut read = Vec::new();
    loop {
        let batch = journal.read("a", after, 100, 100_000);
        if batch.is_empty() {
            return read;
        }
        read.extend(batch.gap.map(Err));
        read.extend(cursors(&batch).into_iter().map(Ok));
        after = batch.next;
    }
}

#[test]
fn what_else_happens_never_pushes_a_trigger_out() {
    let mut journal = journal(3, 1000 * COST, 9, usize::MAX);
    tell(&mut journal, EventKind::Trigger, 2);
    for kind in EventKind::ALL.into_iter().filter(|&kind| kind != EventKind::Trigger) {
        tell(&mut journal, kind, 100);
    }
    tell(&mut journal, EventKind::Trigger, 1);
    let kept: Vec<_> = vec![Ok(1), Ok(2), Err(Gap { from: 3, to: 499 }), Ok(500), Ok(501), Ok(502), Ok(503)];
    assert_eq!(read_all(&journal, 0), kept);
    tell(&mut journal, EventKind::Trigger, 1);
    assert_eq!(journal.read("a", 0, 9, 999).gap, Some(Gap { from: 1, to: 1 }), "a trigger does");
}

#[test]
fn a_trigger_that_goes_takes_along_what_is_older_than_the_next_one() {
    let mut journal = journal(3, usize::MAX, 9, usize::MAX);
    for _ in 0..4 {
        tell(&mut journal, EventKind::DeviceConnected, 1);
        tell(&mut journal, EventKind::Trigger, 1);
    }
    assert_eq!(journal.dropped(), 3, "1 for the fourth of its kind, 2 for the fourth trigger, and 3 with it");
    let kept = [Err(Gap { from: 1, to: 3 }), Ok(4), Ok(5), Ok(6), Ok(7), Ok(8)];
    assert_eq!(read_all(&journal, 0), kept);
    assert_eq!(read_all(&journal, 2)[..2], [Err(Gap { from: 3, to: 3 }), Ok(4)]);
    assert_eq!(read_all(&journal, 7), [Ok(8)]);
}

#[test]
fn every_number_is_read_or_told_as_a_gap_once_and_in_order() {
    let mut journal = journal(5, 12 * COST, 9, usize::MAX);
    let mut dice = 7_u64;
    for n in 1..500 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let kind = EventKind::ALL[(dice >> 33) as usize % EventKind::ALL.len()];
        tell(&mut journal, kind, 1);
        for start in [0, n / 2, n - 1] {
            let next = read_all(&journal, start).into_iter().fold(start + 1, |next, read| {
                let (from, to) = read.map_or_else(|gap| (gap.from, gap.to), |cursor| (cursor, cursor));
                assert!(from == next && to >= from, "{from} to {to} where {next} comes next");
                to + 1
            });
            assert_eq!(next, n + 1);
        }
    }
}

#[test]
fn other_events_take_a_quarter_of_the_bytes() {
    let mut journal = journal(usize::MAX, 16 * COST, 9, usize::MAX);
    tell(&mut journal, EventKind::Trigger, 100);
    tell(&mut journal, EventKind::Command, 100);
    assert_eq!(journal.bytes(), (16 + 4) * COST);
    assert_eq!(
        read_all(&journal, 100),
        [Err(Gap { from: 101, to: 196 }), Ok(197), Ok(198), Ok(199), Ok(200)]
    );
}

#[test]
fn too_many_bytes_in_all_cost_the_larger_ring_first_and_never_the_newest_event() {
    let mut journal = journal(usize::MAX, usize::MAX, 9, 20 * COST);
    tell(&mut journal, EventKind::Trigger, 5);
    tell(&mut journal, EventKind::DeviceConnected, 100);
    let read = read_all(&journal, 0);
    assert_eq!(read[..5], [1, 2, 3, 4, 5].map(Ok));
    assert_eq!(read.last(), Some(&Ok(105)));
    tell(&mut journal, EventKind::Trigger, 1);
    assert_eq!(read_all(&journal, 105), [Ok(106)]);
}
