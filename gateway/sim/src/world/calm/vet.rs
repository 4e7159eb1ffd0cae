//! The auth service, in the calm: while it fails whoever is known stays and may come back, and a key that it takes back is worth
//! nothing when the time of its last yes is over.
//!
//! Owns the two experiments. Before them, keys that were taken back in the storm have run out.

use super::World;
use crate::agent::Agent;
use crate::coverage::Seen;
use crate::device::{Device, Wish};
use crate::ledger::stretched;
use crate::secrets;
use crate::service::Service;

/// A connection that could not be judged is looked at again within this, in milliseconds.
const RECHECK_MS: u64 = 60_000;
/// An outage is worth playing where an old yes counts for so long, in milliseconds.
const OUTAGE_MS_MIN: u64 = 600_000;

impl World {
    /// Calls that began in the storm may still fail. From then on every one is answered at once.
    pub(super) fn hear_service_out(&mut self) {
        if self.service.is_none() {
            return;
        }
        self.until("the storm's calls end", super::SETTLE_MS, true, |world| {
            let calls = world.service.as_ref().map_or(0, Service::calls);
            calls == 0 && world.agents.iter().all(Agent::is_content)
        });
    }

    pub(super) fn vet(&mut self) {
        let Some(service) = self.swarm.auth_service else { return };
        let fresh_ms = stretched(service.cache_ms.max(1_000));
        self.until_keys_are_worth_nothing(fresh_ms);
        if self.swarm.limits.auth_outage_ms >= OUTAGE_MS_MIN {
            self.outage(fresh_ms);
        }
        self.take_a_key_back(fresh_ms);
    }

    /// The service fails for longer than a yes is fresh. Everybody stays, and one who leaves may come back.
    fn outage(&mut self, fresh_ms: u64) {
        let vouched = |&device: &usize| secrets::is_vouched(self.devices[device].secret());
        let Some(device) =
            self.ready_devices().into_iter().filter(vouched).find(|&device| self.is_plain(device))
        else {
            return;
        };
        self.make_service_fail(true);
        let stale_ms = self.ledger.now_ms + fresh_ms;
        let within_ms = super::SETTLE_MS + fresh_ms;
        self.until("every yes is stale", within_ms, true, |world| world.ledger.now_ms >= stale_ms);
        self.with_device(device, Device::leave);
        self.until("a leaver is known to be gone", self.settle_ms(), true, Self::is_rid_of_leavers);
        self.devices[device].wish = Wish::Ready;
        self.until("a known device comes back in an outage", super::PROMPT_MS, true, |world| {
            world.is_content()
        });
        self.make_service_fail(false);
    }

    fn take_a_key_back(&mut self, fresh_ms: u64) {
        let own = |device: &usize| {
            let device = &self.devices[*device];
            device.has_own_vouched_key() && !self.ledger.identities[device.identity].revoked
        };
        let Some(device) = self.ready_devices().into_iter().find(own) else { return };
        self.revoke(self.devices[device].identity, self.devices[device].secret().to_owned());
        let speaks_mqtt = self.devices[device].speaks_mqtt();
        self.until_keys_are_worth_nothing(fresh_ms);
        self.ledger.saw(Seen::TakenBackByService);
        if speaks_mqtt && !self.is_broken() {
            self.show_it_again(device);
        }
    }

    /// The service says no, and then it fails: what it had said before the no counts no more, and the key opens nothing.
    fn show_it_again(&mut self, device: usize) {
        self.insist(device);
        self.make_service_fail(true);
        let forgotten_ms = self.ledger.now_ms + stretched(self.swarm.limits.auth_no_ms);
        self.until("the no is forgotten", super::SETTLE_MS, true, |world| world.ledger.now_ms > forgotten_ms);
        self.insist(device);
        self.make_service_fail(false);
        // Whoever was asked about meanwhile is asked about again.
        self.until("everybody is content again", super::SETTLE_MS, true, |world| world.is_content());
    }

    /// A device comes though its key was taken back, and is turned away.
    fn insist(&mut self, device: usize) {
        let tried = self.ledger.links.len();
        self.devices[device].wish = Wish::Ready;
        self.devices[device].insists = true;
        self.until("a key that was taken back is turned away", super::SETTLE_MS, true, |world| {
            world.ledger.links.get(tried).is_some_and(|link| link.gone.is_some())
        });
        self.devices[device].insists = false;
        self.with_device(device, Device::leave);
        self.until("who was turned away is gone", self.settle_ms(), true, Self::is_rid_of_leavers);
        self.devices[device].wish = Wish::Ready;
    }

    /// Nobody is here any more whose key was taken back.
    fn until_keys_are_worth_nothing(&mut self, fresh_ms: u64) {
        let within_ms = fresh_ms + RECHECK_MS + self.swarm.limits.auth_wait_ms + self.settle_ms();
        self.until("keys that were taken back run out", within_ms, true, |world| {
            let mut identities = world.ledger.identities.iter().filter(|identity| identity.revoked);
            world.is_content() && identities.all(|identity| identity.possible.is_empty())
        });
    }

    fn is_plain(&self, device: usize) -> bool {
        self.devices[device].link.as_ref().is_some_and(|link| link.is_connected() && !link.line.is_session())
    }

    fn make_service_fail(&mut self, fails: bool) {
        if let Some(service) = self.service.as_mut() {
            service.fail(fails);
        }
    }
}
