//! Agents that do not wait: commands that are only taken (`Prefer: respond-async`), questions of how one goes, and commands
//! that are taken back.
//!
//! Owns the choice among the commands whose id an agent can know. By dice of their own, so that no run without them changes.
//! What the answers must be is the oracles' business.

use super::{Agent, Request};
use crate::device::Scene;
use crate::swarm::pick;
use engine::net::fake::Dice;

/// Among so many of the last commands one is asked for.
const RECENT: usize = 16;

impl Agent {
    /// One that also asks how its commands go, and takes some back.
    #[must_use]
    pub fn with_inquiries(self, inquiries: Option<Dice>) -> Self {
        Self { inquiries, ..self }
    }

    /// Now and then, asks about a command instead of anything else.
    pub(super) fn inquire(&mut self, scene: &mut Scene<'_>) {
        let Some(dice) = &mut self.inquiries else { return };
        if !dice.chance(60) {
            return;
        }
        let known: Vec<(usize, String)> = scene.ledger.inquirable(self.tenant, RECENT);
        let Some((question, id)) = pick(dice, &known).cloned() else { return };
        let takes_back = dice.chance(400);
        if takes_back {
            scene.ledger.questions[question].taking_back = true;
        }
        self.ask(scene, Request::Inquiry { question, id, takes_back });
    }

    /// Whether a new command is only to be taken.
    pub(super) fn is_hasty(&mut self) -> bool {
        self.inquiries.as_mut().is_some_and(|dice| dice.chance(250))
    }
}
