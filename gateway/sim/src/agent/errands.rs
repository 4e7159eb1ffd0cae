//! What agents came to want later: by dice of their own, so that no run without it changes.
//!
//! Owns the choice. What the answers must be is the oracles' business.

use super::Agent;
use crate::device::Scene;
use engine::net::fake::Dice;

impl Agent {
    /// One with dice for its errands.
    #[must_use]
    pub fn with_errands(self, errands: Dice) -> Self {
        Self { errands, ..self }
    }

    /// A new command may be one that waits for its device, where such are wanted.
    pub(super) fn consider_queueing(&mut self, scene: &mut Scene<'_>, n: usize) {
        if scene.swarm.queues && !scene.ledger.questions[n].keyed && self.errands.chance(350) {
            scene.ledger.questions[n].queues = true;
            scene.ledger.questions[n].hasty = true;
        }
    }
}
