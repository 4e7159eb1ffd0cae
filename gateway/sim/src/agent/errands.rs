//! What agents came to want later: by dice of their own, so that no run without it changes.
//!
//! Owns the choice. What the answers must be is the oracles' business.

use super::{Agent, Request};
use crate::device::Scene;
use crate::ledger::{Decision, Holds};
use crate::swarm::pick;
use engine::net::fake::Dice;

impl Agent {
    /// One with dice for its errands.
    #[must_use]
    pub fn with_errands(self, errands: Dice) -> Self {
        Self { errands, ..self }
    }

    /// Now and then, decides about a device, one thing at a time.
    pub(super) fn decide_something(&mut self, scene: &mut Scene<'_>) {
        if !scene.swarm.controls || !self.errands.chance(35) {
            return;
        }
        let own: Vec<usize> = (0..scene.ledger.identities.len())
            .filter(|&identity| {
                let identity = &scene.ledger.identities[identity];
                identity.tenant == self.tenant && !identity.decided.is_open()
            })
            .collect();
        let Some(&identity) = pick(&mut self.errands, &own) else { return };
        let disabled = scene.ledger.identities[identity].decided.holds == Holds::Disabled;
        let decision = match self.errands.below(10) {
            0..7 if disabled => Decision::Enable,
            0..4 => Decision::Disable,
            4..7 => Decision::Remove,
            7 | 8 => Decision::Register,
            _ => Decision::Enable,
        };
        self.ask(scene, Request::Control { identity, decision });
    }

    /// A new command may be one that waits for its device, where such are wanted.
    pub(super) fn consider_queueing(&mut self, scene: &mut Scene<'_>, n: usize) {
        if scene.swarm.queues && !scene.ledger.questions[n].keyed && self.errands.chance(350) {
            scene.ledger.questions[n].queues = true;
            scene.ledger.questions[n].hasty = true;
        }
    }
}
