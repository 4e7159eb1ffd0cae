//! Triggers: acknowledged only when they are in the journal, in it once and in order, and in the right one.
//!
//! Owns the look at every event the moment it is kept, and at every acknowledgement the moment a device reads it.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Journal, Ledger, TENANTS};
use codec::json::{Raw, members};
use gateway::store::{Event, EventKind};
use std::fmt::Display;
use std::sync::Arc;

impl Ledger {
    /// The store has kept an event of a tenant.
    pub fn judge_event(&mut self, tenant: usize, event: Arc<Event>) {
        let peer = TENANTS[tenant];
        self.say(|| format!("kept {peer} {} {}", event.cursor, String::from_utf8_lossy(&event.json)));
        let next = self.journals[tenant].last() + 1;
        self.check(event.cursor == next, Oracle::Delivered, &peer, || {
            format!("the journal went from {} to {}", next - 1, event.cursor)
        });
        match event.kind {
            EventKind::Trigger => self.judge_kept_trigger(tenant, &event),
            EventKind::DeviceConnected => self.judge_presence_event(tenant, &event, true),
            EventKind::DeviceDisconnected => self.judge_presence_event(tenant, &event, false),
            EventKind::Command => self.judge_end_event(tenant, &event.json),
            EventKind::Manifest | EventKind::DeviceConflict => {}
        }
        self.journals[tenant].events.push(event);
    }

    fn judge_kept_trigger(&mut self, tenant: usize, event: &Event) {
        let peer = TENANTS[tenant];
        let shown = String::from_utf8_lossy(&event.json).into_owned();
        let Some((n, payload, device)) = read_trigger(&event.json) else {
            return self.fail(Oracle::Kept, peer, format!("this is no trigger that was fired: {shown}"));
        };
        let Some(fired) = self.triggers.get(n) else {
            return self.fail(Oracle::Kept, peer, format!("nobody fired {shown}"));
        };
        let identity = &self.identities[fired.identity];
        let right = identity.tenant == tenant && identity.name == device;
        let whose = self.who(self.triggers[n].identity);
        self.check(right, Oracle::Isolation, &peer, || {
            format!("a trigger of {whose} is kept as {device}'s of {peer}")
        });
        let same = self.triggers[n].payload.as_bytes() == payload;
        self.check(same, Oracle::Kept, &peer, || format!("trigger {n} was changed on its way: {shown}"));
        let cut = self.triggers[n].tried.iter().all(|tried| tried.cut);
        self.check(!cut, Oracle::Obedience, &peer, || {
            format!("trigger {n} is kept, though its device had been sent away when it was fired")
        });
        self.judge_once(n, &peer);
        self.judge_trigger_order(n, &peer);
        self.triggers[n].kept.push(event.cursor);
    }

    fn judge_once(&mut self, n: usize, peer: &dyn Display) {
        let fired = &self.triggers[n];
        let (again, may, late) =
            (!fired.kept.is_empty(), fired.may_repeat, fired.owed_a_refusal || fired.refused);
        let tried = fired.tried.clone();
        self.check(!again || may, Oracle::Kept, peer, || {
            format!("trigger {n}, tried {tried:?}, is in the journal twice, though every repeat could be recognised")
        });
        // A repeat that cannot be known as one is judged by itself: it may be refused while the first is on its way.
        self.check(again || may || !late, Oracle::Kept, peer, || {
            format!("trigger {n} was acknowledged before it was kept")
        });
    }

    /// First appearances are in the order in which the device spoke, as long as there was one order.
    fn judge_trigger_order(&mut self, n: usize, peer: &dyn Display) {
        let Self { triggers, .. } = &*self;
        let (actor, identity, disorder) = (triggers[n].actor, triggers[n].identity, triggers[n].disorder);
        if !triggers[n].kept.is_empty() || !self.is_orderly(identity, disorder) {
            return;
        }
        let later = triggers
            .iter()
            .skip(n + 1)
            .position(|other| other.actor == actor && other.disorder == disorder && !other.kept.is_empty());
        if let Some(later) = later {
            self.fail(
                Oracle::Kept,
                peer,
                format!("trigger {n} is kept behind {}, which was fired later", n + 1 + later),
            );
        }
    }

    /// A device reads the PUBACK of a trigger.
    pub fn judge_trigger_puback(&mut self, n: usize, peer: &dyn Display) {
        if !self.triggers[n].kept.is_empty() {
            return self.saw(Seen::TriggerKept);
        }
        let may_refuse = self.may_refuse(n);
        self.check(may_refuse, Oracle::Kept, peer, || {
            format!("trigger {n} was acknowledged and is not in the journal")
        });
        self.triggers[n].owed_a_refusal = true;
    }

    /// A device reads a `trigger_ack`.
    pub fn judge_trigger_ack(&mut self, n: usize, link: usize, received: bool, peer: &dyn Display) {
        let fired = &self.triggers[n];
        let (sent_here, kept) = (fired.tried.iter().any(|tried| tried.link == link), !fired.kept.is_empty());
        self.check(sent_here, Oracle::Wire, peer, || {
            format!("a trigger_ack for trigger {n}, which this link never sent")
        });
        self.saw(if received { Seen::TriggerKept } else { Seen::TriggerRefused });
        if received {
            self.check(kept, Oracle::Kept, peer, || format!("trigger {n}: received, and not in the journal"));
            return;
        }
        let may_refuse = self.may_refuse(n);
        self.check(may_refuse, Oracle::Kept, peer, || format!("trigger {n} was refused without a reason"));
        self.triggers[n].refused = true;
        self.triggers[n].owed_a_refusal = false;
    }

    /// The number of the trigger that the gateway gave this id.
    pub fn trigger_of_id(&self, tenant: usize, id: &str) -> Option<usize> {
        if let Some(n) = id.strip_prefix("given-") {
            return n.parse().ok().filter(|&n: &usize| n < self.triggers.len());
        }
        let named =
            |event: &&Arc<Event>| event.kind == EventKind::Trigger && read_id(&event.json) == Some(id);
        let event = self.journals[tenant].events.iter().rev().find(named)?;
        read_trigger(&event.json).map(|(n, _, _)| n)
    }

    fn may_refuse(&self, n: usize) -> bool {
        let limited = self.limits.triggers_per_second_per_agent < 1000;
        limited || !self.triggers[n].allowed
    }

    /// Comings and goings alternate, and begin with a coming.
    fn judge_presence_event(&mut self, tenant: usize, event: &Event, here: bool) {
        let peer = TENANTS[tenant];
        let Some(device) = read_device(&event.json) else {
            return self.fail(
                Oracle::Presence,
                peer,
                format!("unreadable: {}", String::from_utf8_lossy(&event.json)),
            );
        };
        let own = self.identities.iter().any(|identity| identity.tenant == tenant && identity.name == device);
        self.check(own, Oracle::Isolation, &peer, || format!("{device} is not a device of {peer}"));
        let was = was_here(&self.journals[tenant], device);
        self.check(was != here, Oracle::Presence, &peer, || {
            format!("{device} came or went twice: here again is {here}")
        });
    }

    /// What the journal last said of a device.
    pub fn last_said_here(&self, identity: usize) -> bool {
        was_here(&self.journals[self.identities[identity].tenant], self.identities[identity].name)
    }
}

fn was_here(journal: &Journal, device: &str) -> bool {
    let about = |event: &&Arc<Event>| {
        matches!(event.kind, EventKind::DeviceConnected | EventKind::DeviceDisconnected)
            && read_device(&event.json) == Some(device)
    };
    journal.events.iter().rev().find(about).is_some_and(|event| event.kind == EventKind::DeviceConnected)
}

fn read_id(json: &[u8]) -> Option<&str> {
    let [id] = members(json, ["triggerId"]).ok()?;
    id?.plain_str()
}

fn read_device(json: &[u8]) -> Option<&str> {
    let [device] = members(json, ["deviceName"]).ok()?;
    device?.plain_str()
}

/// The number, the payload and the device of a trigger event.
fn read_trigger(json: &[u8]) -> Option<(usize, &[u8], &str)> {
    let [payload, device] = members(json, ["payload", "deviceName"]).ok()?;
    let [n] = members(payload?.as_bytes(), ["n"]).ok()?;
    let n = usize::try_from(n.as_ref().and_then(Raw::as_u64)?).ok()?;
    Some((n, payload?.as_bytes(), device?.plain_str()?))
}
