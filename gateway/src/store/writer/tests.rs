//! The writer's promises one by one, and then all of them against a model under random mail.

use super::*;
use crate::store::record::{Event, Gap};
use std::collections::VecDeque;
use std::time::Duration;

/// Any instant; the tests count from it.
#[allow(clippy::disallowed_methods)]
fn some_instant() -> Instant {
    Instant::now()
}

fn key(index: u32) -> Key {
    Key { index, generation: 0 }
}

fn keep(agent: &str, json: &str, ticket: Option<u32>) -> ToStore {
    let answer = ticket.map(|index| (0, key(index)));
    ToStore::Keep { agent: agent.into(), kind: EventKind::Trigger, json: json.into(), answer }
}

fn fetch(agent: &str, reader: u32, after: u64) -> ToStore {
    ToStore::Fetch {
        core: 1,
        reader: key(reader),
        agent: agent.into(),
        after,
        events_max: 100,
        bytes_max: 1000,
    }
}

/// Turns the writer until the mail is taken; returns the answers as short sentences.
fn turn(writer: &mut Writer, mail: Vec<ToStore>) -> Vec<String> {
    let mut mail = VecDeque::from(mail);
    let mut answers = Vec::new();
    let now = some_instant();
    while writer.turn(|| now, || mail.pop_front(), |core, answer| answers.push(sentence(core, answer))) > 0 {}
    answers
}

fn sentence(core: usize, answer: FromStore) -> String {
    match answer {
        FromStore::Kept { ticket, buffer, cursor } => {
            assert!(buffer.is_empty());
            format!("{core} kept {} as {cursor}", ticket.index)
        }
        FromStore::Fetched { reader, events, gap, next } => {
            let cursors: Vec<u64> = events.iter().map(|event| event.cursor).collect();
            let gap = gap.map(|Gap { from, to }| format!(" without {from}-{to}")).unwrap_or_default();
            format!("{core} fetched {} {cursors:?}{gap} next {next}", reader.index)
        }
        FromStore::Newest { reader, cursor } => format!("{core} newest of {} is {cursor}", reader.index),
        FromStore::Counted { reader, counters } => {
            format!("{core} counted {} kept {}", reader.index, counters.kept)
        }
    }
}

#[test]
fn answers_nothing_before_all_of_the_batch_is_taken() {
    let mut writer = Writer::new(WriterLimits::default());
    let mut mail = VecDeque::from([keep("a", "1", Some(1)), keep("a", "2", None), keep("b", "3", Some(3))]);
    let left = std::cell::Cell::new(mail.len());
    let mut answers = Vec::new();
    let taken = writer.turn(
        some_instant,
        || {
            left.set(left.get().saturating_sub(1));
            mail.pop_front()
        },
        |core, answer| {
            assert_eq!(left.get(), 0, "answered while mail was left");
            answers.push(sentence(core, answer));
        },
    );
    assert_eq!(taken, 3);
    assert_eq!(answers, ["0 kept 1 as 1", "0 kept 3 as 1"]);
}

#[test]
fn a_barrier_is_answered_in_order_and_appends_nothing() {
    let mut writer = Writer::new(WriterLimits::default());
    let answers =
        turn(&mut writer, vec![keep("a", "1", None), keep("a", "", Some(7)), keep("a", "2", Some(8))]);
    assert_eq!(answers, ["0 kept 7 as 1", "0 kept 8 as 2"]);
    assert_eq!(turn(&mut writer, vec![keep("b", "", Some(9))]), ["0 kept 9 as 0"]);
    assert_eq!(writer.counters().kept, 2);
}

#[test]
fn a_reader_with_nothing_to_read_waits_for_the_next_event() {
    let mut writer = Writer::new(WriterLimits::default());
    assert!(turn(&mut writer, vec![fetch("a", 1, 0), fetch("b", 2, 0)]).is_empty());
    assert_eq!(writer.counters().parked, 2);
    assert_eq!(
        turn(&mut writer, vec![keep("a", "1", Some(5)), keep("a", "2", None)]),
        ["0 kept 5 as 1", "1 fetched 1 [1, 2] next 2"]
    );
    assert_eq!(writer.counters().parked, 1);
}

#[test]
fn what_is_newest_is_decided_by_the_place_of_the_question_among_the_mail() {
    let mut writer = Writer::new(WriterLimits::default());
    let newest = |agent: &str| ToStore::Newest { core: 1, reader: key(1), agent: agent.into() };
    let mail = vec![newest("a"), keep("a", "1", None), newest("a"), keep("a", "2", None), newest("b")];
    assert_eq!(turn(&mut writer, mail), ["1 newest of 1 is 0", "1 newest of 1 is 1", "1 newest of 1 is 0"]);
    assert_eq!(turn(&mut writer, vec![fetch("a", 1, 1)]), ["1 fetched 1 [2] next 2"]);
}

#[test]
fn a_reader_who_left_is_not_answered() {
    let mut writer = Writer::new(WriterLimits::default());
    turn(&mut writer, vec![fetch("a", 1, 0)]);
    let gone = ToStore::Unfetch { core: 1, reader: key(1), agent: "a".into() };
    assert!(turn(&mut writer, vec![gone, keep("a", "1", None)]).is_empty());
}

#[test]
fn a_reader_without_room_to_wait_is_answered_empty() {
    let mut writer = Writer::new(WriterLimits { parked_max: 1, ..WriterLimits::default() });
    turn(&mut writer, vec![keep("a", "1", None)]);
    let answers = turn(&mut writer, vec![fetch("a", 1, 1), fetch("a", 2, 1)]);
    assert_eq!(answers, ["1 fetched 2 [] next 1"]);
    assert_eq!(writer.counters().parking_refused, 1);
}

#[test]
fn takes_no_more_mail_than_a_turn_may() {
    let mut writer = Writer::new(WriterLimits { mails_per_turn_max: 2, ..WriterLimits::default() });
    let mut left = 5;
    let mut turns = Vec::new();
    loop {
        let taken = writer.turn(
            some_instant,
            || {
                left -= i32::from(left > 0);
                (left > 0).then(|| keep("a", "1", None))
            },
            |_, _| {},
        );
        turns.push(taken);
        if taken == 0 {
            break;
        }
    }
    assert_eq!(turns, [2, 2, 0]);
}

#[test]
fn times_each_batch_that_kept_something() {
    let mut writer = Writer::new(WriterLimits::default());
    let start = some_instant();
    let mut ticks = 0;
    let mut clock = || {
        ticks += 1;
        start + Duration::from_millis(4 * ticks)
    };
    let mut mail = VecDeque::from([keep("a", "1", None), keep("a", "2", None)]);
    writer.turn(&mut clock, || mail.pop_front(), |_, _| {});
    let mut mail = VecDeque::from([fetch("a", 1, 0)]);
    writer.turn(&mut clock, || mail.pop_front(), |_, _| {});
    let histogram = writer.counters().commit_seconds;
    assert_eq!(histogram.count(), 1);
    assert!((histogram.sum_s - 0.004).abs() < 1e-9);
}

#[test]
fn tells_its_counters_to_who_asks() {
    let mut writer = Writer::new(WriterLimits::default());
    let mail = vec![keep("a", "1", None), ToStore::Count { core: 3, reader: key(4) }];
    assert_eq!(turn(&mut writer, mail), ["3 counted 4 kept 1"]);
}

/// SplitMix64: a seed is a whole test run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

const AGENTS: [&str; 3] = ["a", "b", "c"];
const EVENTS_MAX: usize = 6;
const BYTES_MAX: usize = 5 * 96 + 60;

/// A reader as the model sees it: what it has read, and whether its question is open.
#[derive(Default)]
struct ModelReader {
    agent: usize,
    after: u64,
    asked: Option<(usize, usize)>,
    /// It said something in this batch; what it says next depends on the answer.
    spoke: bool,
    seen: Vec<u64>,
    missed: Vec<u64>,
}

/// Everything that was ever kept, and who waits for what.
#[derive(Default)]
struct Model {
    logs: [Vec<String>; AGENTS.len()],
    readers: Vec<ModelReader>,
    tickets: VecDeque<(u32, u64)>,
    next_ticket: u32,
}

impl Model {
    /// The oldest cursor that the ceilings leave, computed from the whole history.
    fn first_kept(&self, agent: usize) -> u64 {
        let log = &self.logs[agent];
        let mut first = log.len();
        let mut bytes = 0;
        while first > 0 && log.len() - first < EVENTS_MAX {
            bytes += log[first - 1].len() + 96;
            if bytes > BYTES_MAX && first < log.len() {
                break;
            }
            first -= 1;
        }
        first as u64 + 1
    }

    fn some_mail(&mut self, dice: &mut Dice) -> ToStore {
        match dice.roll(8) {
            0..=3 => {
                let agent = dice.roll(AGENTS.len() as u64) as usize;
                let pad = " ".repeat(dice.roll(120) as usize);
                let json = format!("\"{agent}-{}\"{pad}", self.logs[agent].len());
                self.logs[agent].push(json.clone());
                let cursor = self.logs[agent].len() as u64;
                keep(AGENTS[agent], &json, self.ticket(dice, cursor))
            }
            4 => {
                let agent = dice.roll(AGENTS.len() as u64) as usize;
                let cursor = self.logs[agent].len() as u64;
                self.next_ticket += 1;
                self.tickets.push_back((self.next_ticket, cursor));
                keep(AGENTS[agent], "", Some(self.next_ticket))
            }
            _ => {
                let index = dice.roll(self.readers.len() as u64) as usize;
                if self.readers[index].spoke {
                    return self.some_mail(dice);
                }
                if dice.roll(4) == 0 {
                    return self.leave(index);
                }
                self.question(index, 1 + dice.roll(4) as usize, dice.roll(200) as usize)
            }
        }
    }

    fn leave(&mut self, index: usize) -> ToStore {
        let reader = &mut self.readers[index];
        reader.asked = None;
        reader.spoke = true;
        ToStore::Unfetch { core: 1, reader: key(index as u32), agent: AGENTS[reader.agent].into() }
    }

    fn ticket(&mut self, dice: &mut Dice, cursor: u64) -> Option<u32> {
        (dice.roll(2) == 0).then(|| {
            self.next_ticket += 1;
            self.tickets.push_back((self.next_ticket, cursor));
            self.next_ticket
        })
    }

    fn question(&mut self, index: usize, events_max: usize, bytes_max: usize) -> ToStore {
        let reader = &mut self.readers[index];
        reader.asked = Some((events_max, bytes_max));
        reader.spoke = true;
        ToStore::Fetch {
            core: 1,
            reader: key(index as u32),
            agent: AGENTS[reader.agent].into(),
            after: reader.after,
            events_max: events_max as u32,
            bytes_max: bytes_max as u32,
        }
    }

    fn check_answer(&mut self, core: usize, answer: FromStore) {
        match answer {
            FromStore::Kept { ticket, cursor, .. } => {
                assert_eq!(core, 0);
                assert_eq!(self.tickets.pop_front(), Some((ticket.index, cursor)), "answers in order");
            }
            FromStore::Fetched { reader, events, gap, next } => {
                assert_eq!(core, 1);
                self.check_fetched(reader.index as usize, &events, gap, next);
            }
            FromStore::Newest { .. } | FromStore::Counted { .. } => panic!("nobody asked"),
        }
    }

    fn check_fetched(&mut self, index: usize, events: &[Arc<Event>], gap: Option<Gap>, next: u64) {
        let reader = &self.readers[index];
        let (events_max, bytes_max) = reader.asked.expect("answered once, and only who asked");
        let first = self.first_kept(reader.agent);
        let expected_gap = (reader.after + 1 < first).then(|| Gap { from: reader.after + 1, to: first - 1 });
        assert_eq!(gap, expected_gap, "a gap exactly where the oldest were dropped");
        assert!(!events.is_empty() && events.len() <= events_max);
        let bytes: usize = events.iter().map(|event| event.json.len()).sum();
        assert!(bytes <= bytes_max || events.len() == 1);
        let start = gap.map_or(reader.after, |gap| gap.to);
        let log = &self.logs[reader.agent];
        for (event, cursor) in events.iter().zip(start + 1..) {
            assert_eq!(event.cursor, cursor, "no event lost, doubled or out of order");
            assert_eq!(
                &*event.json,
                log[cursor as usize - 1].as_bytes(),
                "an event of this agent, unchanged"
            );
        }
        let end = start as usize + events.len();
        let is_more = end < log.len();
        let next_fits = is_more && events.len() < events_max && bytes + log[end].len() <= bytes_max;
        assert!(!next_fits, "no event is held back");
        assert_eq!(next, end as u64);
        let reader = &mut self.readers[index];
        reader.missed.extend(reader.after + 1..=start);
        reader.seen.extend(start + 1..=next);
        reader.after = next;
        reader.asked = None;
    }

    /// After a turn: whoever still waits has nothing to read, and no ticket is left.
    fn check_rest(&self) {
        assert!(self.tickets.is_empty(), "every ticket answered");
        for reader in self.readers.iter().filter(|reader| reader.asked.is_some()) {
            assert_eq!(reader.after, self.logs[reader.agent].len() as u64, "waits though there is news");
        }
    }
}

fn limits() -> WriterLimits {
    let journal = JournalLimits {
        events_per_agent_max: EVENTS_MAX,
        bytes_per_agent_max: BYTES_MAX,
        ..JournalLimits::default()
    };
    WriterLimits { journal, ..WriterLimits::default() }
}

fn play(writer: &mut Writer, model: &mut Model, mut mail: VecDeque<ToStore>) {
    let now = some_instant();
    writer.turn(|| now, || mail.pop_front(), |core, answer| model.check_answer(core, answer));
    assert!(mail.is_empty());
    model.check_rest();
    model.readers.iter_mut().for_each(|reader| reader.spoke = false);
}

#[test]
fn no_event_is_lost_doubled_or_shown_to_a_stranger_whatever_the_mail() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut writer = Writer::new(limits());
        let mut model = Model::default();
        model.readers.extend((0..7).map(|agent| ModelReader { agent: agent % 3, ..ModelReader::default() }));
        for _ in 0..60 {
            let mail = (0..1 + dice.roll(12)).map(|_| model.some_mail(&mut dice)).collect();
            play(&mut writer, &mut model, mail);
        }
        // Calm: everybody reads to the end, and each reader has seen or been told of every event exactly once.
        for _ in 0..=EVENTS_MAX {
            let mail = (0..model.readers.len()).map(|index| model.question(index, 100, 1000)).collect();
            play(&mut writer, &mut model, mail);
        }
        for reader in &model.readers {
            let mut all: Vec<u64> = reader.seen.iter().chain(&reader.missed).copied().collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(1..=model.logs[reader.agent].len() as u64), "seed {seed}");
        }
        assert_eq!(writer.counters().parked, model.readers.len() as u64);
    }
}

#[test]
fn a_reader_that_keeps_up_misses_nothing() {
    for seed in 0..100 {
        let mut dice = Dice(1_000_000 + seed);
        let mut writer = Writer::new(limits());
        let mut model = Model::default();
        model.readers.push(ModelReader::default());
        for _ in 0..200 {
            let mut mail = VecDeque::new();
            if model.readers[0].asked.is_none() {
                mail.push_back(model.question(0, 100, 10_000));
            }
            for _ in 0..dice.roll(3) {
                let json = format!("{}", model.logs[0].len());
                model.logs[0].push(json.clone());
                mail.push_back(keep("a", &json, None));
            }
            play(&mut writer, &mut model, mail);
        }
        assert!(model.readers[0].missed.is_empty(), "seed {seed}");
        assert!(model.readers[0].seen.len() + 2 >= model.logs[0].len());
    }
}
