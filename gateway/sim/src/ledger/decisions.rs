//! What agents decide about devices: disabled, enabled, removed, made known.
//!
//! Owns what is certain of it. A decision holds from the moment when its answer was read; between its request and its answer,
//! and for ever when its asker left before the answer, anything may be true.

use super::{Excuse, Ledger};

/// A decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is hung up on and refused.
    Disable,
    /// It may come back.
    Enable,
    /// It is forgotten.
    Remove,
    /// It is known.
    Register,
}

/// What holds for a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Holds {
    /// It may be here.
    #[default]
    Free,
    /// It is disabled.
    Disabled,
    /// It was forgotten, and may be here.
    Removed,
}

/// What was decided about a device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decided {
    /// What holds since the last answer.
    pub holds: Holds,
    /// What is under way.
    pub under_way: Option<Decision>,
    /// Nobody knows whether the last one was carried out.
    pub unsure: bool,
    /// When the last one was said, in steps; 0: there was none.
    pub said_step: u64,
    /// When its answer was read, in steps.
    pub done_step: u64,
    /// The same in milliseconds.
    pub done_ms: u64,
    /// The device had certainly been here when it was said.
    pub was_known: bool,
}

impl Decided {
    /// Whether it is open what holds.
    pub fn is_open(&self) -> bool {
        self.unsure || self.under_way.is_some()
    }

    /// Whether this holds from before `since` until now.
    pub fn certainly(&self, holds: Holds, since: u64) -> bool {
        self.holds == holds && !self.is_open() && self.done_step < since
    }

    /// The last step at which something may have been decided.
    pub fn last_step(&self) -> u64 {
        if self.is_open() { u64::MAX } else { self.done_step }
    }
}

impl Ledger {
    /// An agent says what it has decided about a device.
    pub fn decide(&mut self, identity: usize, decision: Decision) {
        let step = self.step;
        let device = &mut self.identities[identity];
        device.decided.was_known = device.known_step.is_some();
        device.decided.under_way = Some(decision);
        device.decided.said_step = step;
        device.disorder += 1;
        if decision == Decision::Remove {
            device.known_step = None;
        }
        if matches!(decision, Decision::Disable | Decision::Remove) {
            for link in self.links_of(identity) {
                self.bar(link);
            }
        }
    }

    /// The answer to what was decided has come; `found`: there is such a device.
    pub fn decided(&mut self, identity: usize, decision: Decision, found: bool) {
        let (step, now_ms) = (self.step, self.now_ms);
        let decided = &mut self.identities[identity].decided;
        decided.under_way = None;
        decided.done_step = step;
        decided.done_ms = now_ms;
        let said_step = decided.said_step;
        match (decision, found) {
            (Decision::Disable, true) => decided.holds = Holds::Disabled,
            (Decision::Enable, _) | (Decision::Disable | Decision::Register, false) => {
                decided.holds = Holds::Free;
            }
            (Decision::Remove, _) => decided.holds = Holds::Removed,
            (Decision::Register, true) if decided.holds == Holds::Removed => decided.holds = Holds::Free,
            (Decision::Register, true) => {}
        }
        self.identities[identity].disorder += 1;
        if decision == Decision::Register && found {
            self.identities[identity].known_step.get_or_insert(step);
        }
        if matches!(decision, Decision::Disable | Decision::Remove) {
            for link in self.links_of(identity) {
                let seated = self.links[link].accepted.is_some_and(|accepted| accepted < said_step);
                self.links[link].cut_step = seated.then_some(step);
            }
        }
    }

    /// Whoever decided has left before the answer.
    pub fn decision_unheard(&mut self, identity: usize) {
        let decided = &mut self.identities[identity].decided;
        decided.unsure = true;
        decided.under_way = None;
    }

    /// Nothing is under way any more: what is decided next will be certain.
    pub fn decisions_arrived(&mut self) {
        for identity in &mut self.identities {
            identity.decided.unsure = false;
        }
    }

    /// It may be hung up on and refused, whatever it does.
    pub(super) fn bar(&mut self, link: usize) {
        self.links[link].barred = true;
        self.excuse(link, Excuse::Disabled);
    }

    /// A device that was enabled again has connected since: nothing excuses its end.
    pub(super) fn unbar(&mut self, link: usize) {
        let facts = &mut self.links[link];
        let decided = &self.identities[facts.identity].decided;
        if !decided.is_open() && decided.holds != Holds::Disabled && facts.greeted_step() > decided.done_step
        {
            facts.barred = false;
            facts.excuse = facts.excuse.filter(|why| *why != Excuse::Disabled);
        }
    }

    fn links_of(&self, identity: usize) -> Vec<usize> {
        let own = |link: &usize| self.links[*link].identity == identity;
        self.held_links().iter().copied().filter(own).collect()
    }
}
