//! Presence: what the API shows of devices is what is true of their connections, and tools exist exactly while the device
//! that described them is connected.
//!
//! Owns the comparison. A list is a picture taken between its request and its answer: only what was certain all that time
//! is judged.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::{Ledger, TENANTS};
use std::fmt::Display;

/// One device as the API showed it.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// `online`, `late` or `offline`.
    pub status: String,
    /// Its group, by which devices of one name and different tenants can be told apart.
    pub group: Option<String>,
}

impl Ledger {
    /// An agent of `tenant` asked for its devices at step `since` and was shown these.
    pub fn judge_devices(&mut self, tenant: usize, since: u64, shown: &[Shown], peer: &dyn Display) {
        for device in shown {
            self.judge_shown(tenant, device, peer);
            if shown.iter().filter(|other| other.name == device.name).count() > 1 {
                self.fail(Oracle::Presence, peer, format!("{} is listed twice", device.name));
            }
        }
        for identity in self.of_tenant(tenant) {
            let name = self.identities[identity].name;
            let shown = shown.iter().find(|device| device.name == name);
            self.judge_status(identity, since, shown.map(|device| device.status.as_str()), peer);
        }
    }

    /// The same for one device that was asked for; `None`: unknown.
    pub fn judge_device(&mut self, identity: usize, since: u64, shown: Option<&Shown>, peer: &dyn Display) {
        if let Some(shown) = shown {
            self.judge_shown(self.identities[identity].tenant, shown, peer);
        }
        self.judge_status(identity, since, shown.map(|device| device.status.as_str()), peer);
    }

    /// An agent of `tenant` asked for its tools at step `since` and was shown these names.
    pub fn judge_tools(&mut self, tenant: usize, since: u64, tools: &[String], peer: &dyn Display) {
        for identity in self.of_tenant(tenant) {
            let name = self.identities[identity].name;
            let commands: Vec<&str> = tools
                .iter()
                .filter_map(|tool| tool.strip_prefix("device__")?.strip_prefix(name)?.strip_prefix("__"))
                .filter(|command| *command != "is_online")
                .collect();
            self.judge_tools_decision(identity, since, &commands, peer);
            if self.certainly_gone(identity, since) && !commands.is_empty() {
                let message =
                    format!("{name} was gone before the request, and its tools {commands:?} are shown");
                self.fail(Oracle::Presence, peer, message);
            }
            let Some(link) = self.certainly_here(identity, since) else { continue };
            if let Some((step, what)) = self.links[link].described
                && step < since
            {
                let shows = (commands.contains(&"echo"), commands.contains(&"set"));
                let has = (what.has_echo(), what == crate::ledger::Describes::Both);
                self.check(shows == has, Oracle::Presence, peer, || {
                    format!("{name} described {what:?} on link {link}, and {commands:?} are shown")
                });
            }
        }
    }

    fn of_tenant(&self, tenant: usize) -> Vec<usize> {
        (0..self.identities.len()).filter(|&identity| self.identities[identity].tenant == tenant).collect()
    }

    fn judge_status(&mut self, identity: usize, since: u64, status: Option<&str>, peer: &dyn Display) {
        let here = matches!(status, Some("online" | "late"));
        self.judge_shown_decision(identity, since, status, peer);
        if status == Some("late") {
            self.saw(Seen::ShownLate);
        }
        let who = self.who(identity);
        if self.certainly_here(identity, since).is_some() {
            self.saw(Seen::CertainlyHere);
            self.check(here, Oracle::Presence, peer, || {
                format!("{who} is connected, and shown as {status:?}")
            });
        } else if self.certainly_gone(identity, since) {
            self.saw(Seen::CertainlyGone);
            self.check(!here, Oracle::Presence, peer, || format!("{who} is gone, and shown as {status:?}"));
        }
        let known = self.identities[identity].known_step.is_some_and(|step| step < since);
        self.check(!known || status.is_some(), Oracle::Presence, peer, || {
            format!("{who} was here, and is forgotten")
        });
    }

    /// Nothing of another tenant is shown.
    fn judge_shown(&mut self, tenant: usize, device: &Shown, peer: &dyn Display) {
        let own =
            self.of_tenant(tenant).iter().any(|&identity| self.identities[identity].name == device.name);
        self.check(own, Oracle::Isolation, peer, || format!("{} is not a device of its", device.name));
        let group = device.group.as_deref();
        let foreign = group.is_some_and(|group| group != TENANTS[tenant]);
        self.check(!foreign, Oracle::Isolation, peer, || {
            format!("{} is of the group {group:?}", device.name)
        });
    }
}
