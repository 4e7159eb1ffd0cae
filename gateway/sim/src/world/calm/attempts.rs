//! Attempts, in the calm: where nothing is late, a command is tried exactly as often as its manifest says.
//!
//! Owns two experiments: a device that says no each time, and one that says nothing until its last chance.

use super::World;
use crate::device::Wish;
use crate::failure::Oracle;
use crate::ledger::attempt_of;

/// All attempts at one command are over within this time.
const ATTEMPTS_MS: u64 = super::PATIENCE_MS + 1_000;

impl World {
    pub(super) fn try_again(&mut self) {
        let (Some(retry), Some(&device)) = (self.swarm.retry, self.ready_devices().first()) else { return };
        let all: Vec<u32> = (1..=retry.max_attempts).collect();
        self.devices[device].wish = Wish::Refuse;
        let n = self.command(self.devices[device].identity);
        self.until("a refused command is tried again", ATTEMPTS_MS, true, |world| world.is_content());
        self.must_end(n, 502, "the device said no each time");
        self.must_be_tried(n, &all, "each no asks for a new attempt");
        self.devices[device].wish = Wish::Silent;
        let n = self.command(self.devices[device].identity);
        self.until("an unanswered command is tried again", ATTEMPTS_MS, true, |world| {
            world.ledger.questions[n].deliveries.len() == all.len()
        });
        self.devices[device].wish = Wish::Ready;
        self.until("the last attempt is answered", super::PROMPT_MS, false, |world| world.is_content());
        self.must_end(n, 200, "the device answered its last attempt");
        self.must_be_tried(n, &vec![1; all.len()], "no answer asks again under the same id");
    }

    fn must_be_tried(&mut self, n: usize, attempts: &[u32], why: &str) {
        let question = &self.ledger.questions[n];
        let tried: Vec<u32> = question.deliveries.iter().map(|given| attempt_of(&given.id)).collect();
        let peer = self.ledger.who(question.identity.unwrap_or_default());
        self.ledger.check(tried == attempts, Oracle::Attempts, &peer, || {
            format!("q{n} was tried as {tried:?} instead of {attempts:?}: {why}")
        });
    }
}
