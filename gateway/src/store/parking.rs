//! Readers that wait for an event of their agent.
//!
//! Owns the ceilings on how many may wait and the rule that a reader waits once. It never reads the journal and never
//! answers anyone.

use engine::slots::Key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who asked: the core, and the reader there.
pub(super) type Reader = (usize, Key);

/// An open question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Question {
    /// The last cursor the reader has seen.
    pub(super) after: u64,
    /// At most so many events in the answer.
    pub(super) events_max: usize,
    /// At most so many bytes of JSON in the answer.
    pub(super) bytes_max: usize,
}

/// The waiting readers, by agent. Ordered maps, so that a run is repeatable.
#[derive(Debug)]
pub(super) struct Parking {
    by_agent: BTreeMap<Arc<str>, BTreeMap<Reader, Question>>,
    count: usize,
    total_max: usize,
    per_agent_max: usize,
}

impl Parking {
    pub(super) fn new(total_max: usize, per_agent_max: usize) -> Parking {
        Parking { by_agent: BTreeMap::new(), count: 0, total_max, per_agent_max }
    }

    /// Lets the reader wait; false: there is no room. A reader who waits already is given the new question.
    #[must_use]
    pub(super) fn park(&mut self, agent: &Arc<str>, reader: Reader, question: Question) -> bool {
        let waiting = self.by_agent.get(agent).map_or(0, BTreeMap::len);
        let known = self.by_agent.get(agent).is_some_and(|readers| readers.contains_key(&reader));
        if !known && (self.count >= self.total_max || waiting >= self.per_agent_max) {
            return false;
        }
        self.by_agent.entry(Arc::clone(agent)).or_default().insert(reader, question);
        self.count += usize::from(!known);
        true
    }

    /// Forgets the reader.
    pub(super) fn unpark(&mut self, agent: &str, reader: Reader) {
        let Some(readers) = self.by_agent.get_mut(agent) else {
            return;
        };
        if readers.remove(&reader).is_some() {
            self.count -= 1;
        }
        if readers.is_empty() {
            self.by_agent.remove(agent);
        }
    }

    /// Takes out everyone who waits for the agent; who is to wait on has to be parked again.
    pub(super) fn take(&mut self, agent: &str) -> BTreeMap<Reader, Question> {
        let readers = self.by_agent.remove(agent).unwrap_or_default();
        self.count -= readers.len();
        readers
    }

    /// How many readers wait.
    pub(super) fn count(&self) -> usize {
        debug_assert_eq!(self.count, self.by_agent.values().map(BTreeMap::len).sum::<usize>());
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question { after: 1, events_max: 2, bytes_max: 3 };

    fn reader(index: u32) -> Reader {
        (0, Key { index, generation: 0 })
    }

    #[test]
    fn refuses_one_reader_more_than_there_is_room_for() {
        let mut parking = Parking::new(3, 2);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert!(parking.park(&a, reader(1), QUESTION) && parking.park(&a, reader(2), QUESTION));
        assert!(!parking.park(&a, reader(3), QUESTION), "two of one agent");
        assert!(parking.park(&b, reader(4), QUESTION));
        assert!(!parking.park(&b, reader(5), QUESTION), "three in all");
        parking.unpark("a", reader(1));
        assert!(parking.park(&b, reader(5), QUESTION));
        assert_eq!(parking.count(), 3);
    }

    #[test]
    fn a_second_question_takes_the_place_of_the_first() {
        let mut parking = Parking::new(1, 1);
        let agent: Arc<str> = "a".into();
        assert!(parking.park(&agent, reader(1), QUESTION));
        assert!(parking.park(&agent, reader(1), Question { after: 9, ..QUESTION }));
        assert_eq!(parking.count(), 1);
        assert_eq!(parking.take("a")[&reader(1)].after, 9);
        assert_eq!(parking.count(), 0);
    }

    #[test]
    fn forgetting_a_stranger_changes_nothing() {
        let mut parking = Parking::new(1, 1);
        parking.unpark("a", reader(1));
        assert!(parking.park(&"a".into(), reader(1), QUESTION));
        parking.unpark("a", reader(2));
        assert_eq!(parking.count(), 1);
    }
}
