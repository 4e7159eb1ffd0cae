//! Queueing, in the calm: a command waits for a device with a session that outlives its connection, and for no other.
//!
//! Owns the experiment: a device leaves, is asked, and comes back.

use super::World;
use crate::agent::Request;
use crate::device::{Device, Wish};
use crate::failure::Oracle;
use crate::ledger::Asked;

/// The time of a command that is to expire in the queue.
const SHORT_MS: u64 = 300;

impl World {
    pub(super) fn queue(&mut self) {
        if !self.swarm.queues {
            return;
        }
        let clean = |device: &usize| self.devices[*device].link.as_ref().is_some_and(|link| link.clean);
        let (clean, persistent): (Vec<usize>, Vec<usize>) = self.ready_devices().into_iter().partition(clean);
        if let Some(&device) = clean.first() {
            self.queue_for_clean(device);
        }
        if let Some(&device) = persistent.first() {
            self.queue_for_persistent(device);
        }
        self.until("devices come back for what waits", super::PROMPT_MS, true, |world| world.is_content());
    }

    fn queue_for_clean(&mut self, device: usize) {
        self.with_device(device, Device::leave);
        self.until("a device leaves", super::PROMPT_MS, true, |world| world.is_content());
        let n = self.ask_to_queue(device, super::PATIENCE_MS);
        self.until("queueing is refused", super::PROMPT_MS, false, |world| world.is_content());
        self.must_end(n, 409, "no session outlived the connection");
        self.devices[device].wish = Wish::Ready;
    }

    /// Two commands wait and are delivered in order; one expires, and never comes; one more than may wait is refused.
    fn queue_for_persistent(&mut self, device: usize) {
        self.with_device(device, Device::leave);
        self.until("a device leaves", super::PROMPT_MS, true, |world| world.is_content());
        let short = self.ask_to_queue(device, SHORT_MS);
        let expired_ms = self.ledger.now_ms + SHORT_MS + super::PROMPT_MS;
        self.until("a command expires in the queue", SHORT_MS + 2 * super::PROMPT_MS, true, |world| {
            world.ledger.now_ms > expired_ms
        });
        self.must_end(short, 503, "its time passed while the device was away");
        let waiting: Vec<usize> = (0..2).map(|_| self.ask_to_queue_now(device)).collect();
        if self.swarm.limits.commands_waiting_per_device == 2 {
            let n = self.ask_to_queue_now(device);
            self.must_end(n, 503, "the queue is full");
        }
        self.devices[device].wish = Wish::Ready;
        let all = waiting.clone();
        self.until("what waited is delivered", super::PROMPT_MS, true, |world| {
            world.is_content() && all.iter().all(|&n| world.ledger.questions[n].ended.is_some())
        });
        for &n in &waiting {
            self.must_end(n, 200, "the device came back in time");
        }
        let came: Vec<usize> = self.ledger.delivered.iter().copied().filter(|n| *n >= short).collect();
        let peer = self.ledger.who(self.devices[device].identity);
        self.ledger.check(came == waiting, Oracle::CommandOrder, &peer, || {
            format!("{waiting:?} waited, and {came:?} came")
        });
    }

    fn ask_to_queue_now(&mut self, device: usize) -> usize {
        let n = self.ask_to_queue(device, super::PATIENCE_MS);
        self.until("a command is taken for later", super::PROMPT_MS, false, |world| world.is_content());
        n
    }

    fn ask_to_queue(&mut self, device: usize, timeout_ms: u64) -> usize {
        self.let_mail_pass();
        let identity = self.devices[device].identity;
        let tenant = self.ledger.identities[identity].tenant;
        let n = self.ledger.ask(tenant, Some(identity), Asked::Well, timeout_ms, 0);
        self.ledger.questions[n].make_plain(n);
        self.ledger.questions[n].queues = true;
        self.ledger.questions[n].hasty = true;
        self.ask(tenant, Request::Command { question: n, given: true, again: false });
        n
    }
}
