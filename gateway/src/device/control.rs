//! What an agent decides about a device: whether it may connect, and whether it is known at all.
//!
//! Owns disable, enable, remove and register, on the device's home core. What is decided holds at once: the connection is
//! unseated before the answer leaves, what was under way is settled, and a new CONNECT is refused by the same row. It lives as
//! long as the process: after a restart every device is known again when it connects, and none is disabled.

use super::row::Row;
use super::status::{Reason, Status};
use crate::agent::gather::View;
use crate::auth::Agent;
use crate::auth::is_device_name;
use crate::mail::Mail;
use crate::metrics::Closed;
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use crate::store::record::EventKind;
use engine::Key;
use std::sync::Arc;

/// An agent's wish, on its way to the device's home core.
#[derive(Debug)]
pub struct Control {
    /// The core that asks.
    pub from: usize,
    /// The waiting request there.
    pub ticket: Key,
    /// Whose device.
    pub agent: Arc<Agent>,
    /// The device's name.
    pub device: Box<str>,
    /// What is wanted.
    pub wish: Wish,
}

/// What an agent may want of a device.
#[derive(Debug)]
pub enum Wish {
    /// It is hung up on and refused until it is enabled.
    Disable,
    /// It may connect again.
    Enable,
    /// It is forgotten; a device that connects again is a new one.
    Remove,
    /// It is known from now on, connected or not.
    Register {
        /// What it is.
        description: Option<Box<str>>,
        /// Where it belongs.
        group: Option<Box<str>>,
    },
}

/// What became of a wish.
#[derive(Debug)]
pub struct Controlled {
    /// The waiting request.
    pub ticket: Key,
    /// How it went.
    pub done: Done,
}

/// How a wish went.
#[derive(Debug)]
pub enum Done {
    /// The device is so now.
    Is(Box<View>),
    /// The device was made known just now.
    New(Box<View>),
    /// The device is forgotten.
    Gone,
    /// The agent has no such device.
    Unknown,
    /// This core takes no more devices.
    Full,
}

impl Shard {
    /// An agent's core has a wish about a device of this one.
    pub(crate) fn control(&mut self, cx: &mut Cx<'_>, control: Control) {
        let Control { from, ticket, agent, device: name, wish } = control;
        let hash = self.facts.home.of(agent.name(), &name);
        let found = self.devices.find(hash, agent.name(), &name);
        let done = match (wish, found) {
            (Wish::Disable, Some(device)) => self.disable(cx, device),
            (Wish::Enable, Some(device)) => self.enable(cx, device),
            (Wish::Remove, Some(device)) => self.remove_device(cx, device),
            (Wish::Disable | Wish::Enable | Wish::Remove, None) => Done::Unknown,
            (Wish::Register { description, group }, found) => {
                self.register(cx, &agent, &name, found, description, group)
            }
        };
        cx.post(from, Mail::Controlled(Controlled { ticket, done }));
    }

    fn disable(&mut self, cx: &mut Cx<'_>, device: Key) -> Done {
        self.unseat(cx, device, Status::Disabled, Reason::Disabled);
        self.seen(device)
    }

    fn enable(&mut self, cx: &mut Cx<'_>, device: Key) -> Done {
        if let Some(row) = self.devices.get_mut(device)
            && row.status == Status::Disabled
        {
            let status = if row.epoch == 0 { Status::Registered } else { Status::Offline };
            row.set_status(status, Reason::Enabled, cx.wall_ms());
        }
        self.seen(device)
    }

    fn remove_device(&mut self, cx: &mut Cx<'_>, device: Key) -> Done {
        self.unseat(cx, device, Status::Offline, Reason::Removed);
        #[cfg(planted)]
        if engine::planted::is("removed-is-kept") {
            return Done::Gone;
        }
        if let Some(row) = self.devices.remove(device)
            && let Some(manifest) = row.manifest
        {
            self.manifests.leave(row.agent.name(), &manifest);
        }
        Done::Gone
    }

    fn register(
        &mut self,
        cx: &mut Cx<'_>,
        agent: &Arc<Agent>,
        name: &str,
        found: Option<Key>,
        description: Option<Box<str>>,
        group: Option<Box<str>>,
    ) -> Done {
        debug_assert!(is_device_name(name), "the agent's core has looked at the name");
        if found.is_none() && !self.has_room(agent.name()) {
            return Done::Full;
        }
        let device = match found {
            Some(device) => device,
            None => {
                let device = self.devices.insert(self.facts.home.of(agent.name(), name), agent, name);
                if let Some(row) = self.devices.get_mut(device) {
                    row.set_status(Status::Registered, Reason::Registered, cx.wall_ms());
                }
                device
            }
        };
        self.devices.declare(device, description, group);
        match (self.seen(device), found) {
            (Done::Is(view), None) => Done::New(view),
            (done, _) => done,
        }
    }

    /// The device's connection and session end now, and what was under way with them. The connection's own end, when it
    /// comes, finds nothing left to do.
    fn unseat(&mut self, cx: &mut Cx<'_>, device: Key, status: Status, reason: Reason) {
        let Some(row) = self.devices.get_mut(device) else { return };
        let seat = row.unseat();
        row.kept = None;
        row.set_status(status, reason, cx.wall_ms());
        if let Some(talk) = row.talk.as_mut() {
            talk.notices.clear();
        }
        #[cfg(planted)]
        let seat = seat.filter(|_| !engine::planted::is("disabled-stays"));
        if let Some(seat) = &seat {
            row.remember_end(reason, cx.wall_ms(), self.facts.limits.closes_kept_per_device as usize);
            self.part(cx, seat.conn, reason);
            if let Some(Peer::Mqtt(peer)) = self.peers.remove(seat.conn) {
                self.put_away(seat.conn, peer);
                self.leave_behind(cx, seat.conn, Closed::Disabled);
            }
        }
        #[cfg(planted)]
        let waits = engine::planted::is("disabled-commands-wait");
        #[cfg(not(planted))]
        let waits = false;
        self.settle_all(cx, device, |_| !waits);
        if seat.is_some() {
            self.tell(cx, device, EventKind::DeviceDisconnected);
        }
    }

    fn seen(&self, device: Key) -> Done {
        let view = |row: &Row| View::of(row, self.devices.description(device), false);
        self.devices.get(device).map_or(Done::Unknown, |row| Done::Is(Box::new(view(row))))
    }
}
