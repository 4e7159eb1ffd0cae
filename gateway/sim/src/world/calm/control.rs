//! Decisions about devices, in the calm: each holds at once, and what was under way is reported.
//!
//! Owns two things: nobody stays disabled when the storm is over, and the experiment with one device that is disabled,
//! enabled, removed and made known.

use super::World;
use crate::agent::Request;
use crate::device::Wish;
use crate::failure::Oracle;
use crate::ledger::{Decision, Holds};

impl World {
    /// What was decided in the storm has arrived by now. Whoever may be disabled is enabled.
    pub(super) fn pardon(&mut self) {
        if !self.swarm.controls {
            return;
        }
        self.rest();
        let decisions_end = |world: &Self| {
            world.ledger.identities.iter().all(|identity| identity.decided.under_way.is_none())
        };
        self.until("decisions are answered", super::SETTLE_MS, true, decisions_end);
        self.ledger.decisions_arrived();
        for identity in 0..self.ledger.identities.len() {
            if self.ledger.identities[identity].decided.said_step > 0 {
                self.decide(identity, Decision::Enable);
            }
        }
        self.until("devices are enabled", super::SETTLE_MS, true, decisions_end);
    }

    pub(super) fn control(&mut self) {
        if !self.swarm.controls {
            return;
        }
        let Some(&device) = self.ready_devices().first() else { return };
        let identity = self.devices[device].identity;
        for decision in [Decision::Disable, Decision::Remove] {
            let Some(n) = self.burden(device) else { return };
            let link = self.devices[device].link.as_ref().map_or(0, |link| link.id);
            self.decide(identity, decision);
            self.until("a decision is carried out", super::PROMPT_MS, false, |world| {
                let decided = &world.ledger.identities[identity].decided;
                decided.under_way.is_none() && world.ledger.questions[n].ended.is_some()
            });
            self.must_end(n, 503, "the device was sent away");
            self.until("a device is hung up on", 2 * super::PROMPT_MS, true, |world| {
                world.ledger.links[link].gone.is_some()
            });
            self.look_at_device(identity);
            if decision == Decision::Disable {
                self.stays_away(device);
            }
            self.devices[device].wish = Wish::Ready;
            self.until("the device comes back", super::SETTLE_MS, true, |world| world.is_content());
            self.look_at_device(identity);
        }
        self.decide(identity, Decision::Register);
        self.until("a device that is here is made known", super::PROMPT_MS, false, |world| {
            world.is_content()
        });
        self.check_journal_tells_presence();
    }

    /// It is refused as often as it comes, and asked in vain.
    fn stays_away(&mut self, device: usize) {
        let identity = self.devices[device].identity;
        let from_ms = self.ledger.now_ms;
        self.until("a disabled device stays away", 2 * super::PROMPT_MS, true, |world| {
            world.ledger.now_ms > from_ms + super::PROMPT_MS / 2
        });
        let n = self.command(identity);
        self.until("a disabled device is asked", super::PROMPT_MS, false, |world| {
            world.ledger.questions[n].ended.is_some()
        });
        self.must_end(n, 503, "the device is disabled");
        let holds = self.ledger.identities[identity].decided.holds;
        let peer = self.ledger.who(identity);
        self.ledger.check(holds == Holds::Disabled, Oracle::Obedience, &peer, || format!("it is {holds:?}"));
        self.decide(identity, Decision::Enable);
        self.until("a device is enabled", super::PROMPT_MS, false, |world| {
            world.ledger.identities[identity].decided.under_way.is_none()
        });
    }

    fn look_at_device(&mut self, identity: usize) {
        let tenant = self.ledger.identities[identity].tenant;
        for request in [Request::Device(identity), Request::Devices, Request::Tools { known: None }] {
            self.ask(tenant, request);
        }
        self.until("lists are answered about one device", super::PROMPT_MS, false, |world| {
            world.agents.iter().all(crate::agent::Agent::is_content)
        });
    }

    fn decide(&mut self, identity: usize, decision: Decision) {
        self.ask(self.ledger.identities[identity].tenant, Request::Control { identity, decision });
    }
}
