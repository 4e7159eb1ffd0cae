//! Triggers, from the device to the journal, and the journal as it really is.
//!
//! Owns what was fired and sent again on which connection, and a copy of every event that the store has kept, taken when
//! it was appended.

use super::Ledger;
use gateway::store::Event;
use std::sync::Arc;

/// One trigger.
#[derive(Debug)]
pub struct Fired {
    /// The device that fired it.
    pub identity: usize,
    /// The script behind it.
    pub actor: usize,
    /// The key it was fired with allows it.
    pub allowed: bool,
    /// The id it gave, if it gave one.
    pub given: Option<String>,
    /// The payload, byte for byte.
    pub payload: String,
    /// Where it was sent, in order.
    pub tried: Vec<Tried>,
    /// Cursors under which the journal has it.
    pub kept: Vec<u64>,
    /// Acknowledged although the journal did not have it then: it must have been refused.
    pub owed_a_refusal: bool,
    /// It was refused.
    pub refused: bool,
    /// It may be in the journal twice.
    pub may_repeat: bool,
    /// The identity's count of disorder when it was fired.
    pub disorder: u32,
}

/// A trigger was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tried {
    /// On this link.
    pub link: usize,
    /// The how manieth connection of the script that was.
    pub attempt: u32,
    /// The gateway has certainly read it there.
    pub read: bool,
    /// Its device had been sent away from that link before.
    pub cut: bool,
}

/// Where a trigger was sent, to be said when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// The trigger.
    pub trigger: usize,
    /// The link.
    pub link: usize,
}

/// A tenant's events.
#[derive(Default, Debug)]
pub struct Journal {
    /// Everything that was ever kept; the cursor of the first is 1.
    pub events: Vec<Arc<Event>>,
}

impl Journal {
    /// The newest cursor.
    pub fn last(&self) -> u64 {
        self.events.len() as u64
    }

    /// The event with this cursor.
    pub fn at(&self, cursor: u64) -> Option<&Arc<Event>> {
        self.events.get(usize::try_from(cursor).ok()?.checked_sub(1)?)
    }
}

impl Ledger {
    /// A device fires a trigger. Gives its number.
    pub fn fire(
        &mut self,
        identity: usize,
        actor: usize,
        allowed: bool,
        gives_id: bool,
        bulk: usize,
    ) -> usize {
        let n = self.triggers.len();
        let who = self.who(identity);
        let bulk = "y".repeat(bulk);
        self.triggers.push(Fired {
            identity,
            actor,
            allowed,
            given: gives_id.then(|| format!("given-{n}")),
            payload: format!(r#"{{"n": {n}, "who":"{who}","pad":"{bulk}"}}"#),
            tried: Vec::new(),
            kept: Vec::new(),
            owed_a_refusal: false,
            refused: false,
            may_repeat: false,
            disorder: self.identities[identity].disorder,
        });
        n
    }

    /// A trigger is sent on a link, at QoS 1 and with its old packet identifier when it was sent before.
    pub fn try_trigger(&mut self, n: usize, link: usize, attempt: u32) {
        let identity = self.triggers[n].identity;
        let orderly =
            self.is_orderly(identity, self.triggers[n].disorder) && self.identities[identity].actors == 1;
        let cut = self.links[link].cut_step.is_some();
        let fired = &mut self.triggers[n];
        if let Some(last) = fired.tried.last() {
            // It is known as a repeat when it came on the connection before; whether the first attempt of all came does
            // not matter: if it did not, this is the first.
            let adjacent = last.attempt + 1 == attempt && (fired.tried.len() == 1 || last.read);
            fired.may_repeat |= !adjacent || !orderly;
        }
        fired.tried.push(Tried { link, attempt, read: false, cut });
    }

    /// The gateway has certainly read a trigger on a link.
    pub fn trigger_read(&mut self, Sent { trigger, link }: Sent) {
        if let Some(tried) = self.triggers[trigger].tried.iter_mut().find(|tried| tried.link == link) {
            tried.read = true;
        }
    }
}
