//! Log-ins in a device's name that were refused, for those who ask why it does not come.
//!
//! Owns, on the device's home core, who was refused lately, why and how often. It is told to the agent whose device was named and to
//! operators, never to the connection that was refused, which hears what everybody hears. Strangers decide what happens
//! here, so it is small: so many names for a core and for an agent, the oldest gives way, and names of agents that there
//! are not leave no trace. It keeps no key, no address, and not whose a good key is that belongs to somebody else.

use super::claim::Claim;
use crate::auth::Known;
use crate::metrics::AuthOutcome;
use crate::shard::{Cx, Shard};
use crate::wall::Rfc3339;
use std::collections::VecDeque;
use std::io::Write;

/// Reasons of names that one core keeps.
const KEPT_MAX: usize = 1024;
/// Of these, those of one agent.
const KEPT_PER_AGENT_MAX: usize = 64;

/// Why a log-in was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The key is not good for this agent.
    WrongKey,
    /// The key is the agent's, but for another device, or for no device at all.
    OtherBinding,
    /// The key is wrong, and its source has been wrong too often.
    LockedOut,
    /// The MQTT client id is not `lua-{agent}-{device}`.
    ForeignClientId,
    /// The will is for another topic than the device's own status.
    ForeignWill,
    /// The key is good, and the device is disabled.
    Disabled,
    /// It could not be checked, or there was no room; it was told to come again.
    Unavailable,
}

impl Why {
    /// The word on the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongKey => "wrong_key",
            Self::OtherBinding => "other_binding",
            Self::LockedOut => "locked_out",
            Self::ForeignClientId => "foreign_client_id",
            Self::ForeignWill => "foreign_will",
            Self::Disabled => "disabled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Refusals of one device for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The reason.
    pub why: Why,
    /// How often.
    pub count: u32,
    /// The last time, in Unix milliseconds.
    pub at_ms: u64,
}

#[derive(Debug)]
struct Entry {
    agent: Box<str>,
    device: Box<str>,
    refused: Refused,
}

/// What one core has refused lately, the latest last.
#[derive(Debug, Default)]
pub struct Refusals {
    kept: VecDeque<Entry>,
}

impl Refusals {
    /// One more.
    pub fn note(&mut self, agent: &str, device: &str, why: Why, at_ms: u64) {
        let same =
            |entry: &Entry| entry.refused.why == why && &*entry.device == device && &*entry.agent == agent;
        let known = self.kept.iter().position(same).and_then(|at| self.kept.remove(at));
        let mut entry = known.unwrap_or_else(|| {
            self.make_room(agent);
            Entry { agent: agent.into(), device: device.into(), refused: Refused { why, count: 0, at_ms } }
        });
        entry.refused = Refused { why, count: entry.refused.count.saturating_add(1), at_ms };
        self.kept.push_back(entry);
    }

    /// Those of one device, the latest last.
    pub fn of(&self, agent: &str, device: &str) -> Vec<Refused> {
        let own = self.kept.iter().filter(|entry| &*entry.device == device && &*entry.agent == agent);
        own.map(|entry| entry.refused).collect()
    }

    fn make_room(&mut self, agent: &str) {
        let own = |entry: &&Entry| &*entry.agent == agent;
        if self.kept.iter().filter(own).count() >= KEPT_PER_AGENT_MAX {
            let oldest = self.kept.iter().position(|entry| own(&entry));
            oldest.and_then(|at| self.kept.remove(at));
        } else if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
    }
}

impl Shard {
    /// Remembers that a claim was refused.
    pub(super) fn note_refusal(&mut self, cx: &Cx<'_>, claim: &Claim, outcome: AuthOutcome) {
        let known =
            self.keys.agent(&claim.agent).is_some() || self.devices.of_agent(&claim.agent).next().is_some();
        if let (true, Some(why)) = (known, self.why(claim, outcome)) {
            self.refusals.note(&claim.agent, &claim.device, why, cx.wall_ms());
        }
    }

    fn why(&self, claim: &Claim, outcome: AuthOutcome) -> Option<Why> {
        Some(match outcome {
            AuthOutcome::Admitted => return None,
            AuthOutcome::UnknownKey => Why::WrongKey,
            AuthOutcome::OtherBinding | AuthOutcome::NoDevice => match self.keys.look_up(&claim.digest) {
                // That it is somebody else's is nobody's business here.
                Known::Live(grant) if grant.agent.name() != &*claim.agent => Why::WrongKey,
                Known::Live(_) | Known::Revoked | Known::Unknown => Why::OtherBinding,
            },
            AuthOutcome::RateLimited => Why::LockedOut,
            AuthOutcome::Malformed => claim.flaw?,
            AuthOutcome::Disabled => Why::Disabled,
            AuthOutcome::Unavailable => Why::Unavailable,
        })
    }
}

/// Writes them as the API shows them.
pub fn write(refused: &[Refused], json: &mut Vec<u8>) {
    json.push(b'[');
    for (n, Refused { why, count, at_ms }) in refused.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let (why, at) = (why.name(), Rfc3339(*at_ms));
        write!(json, "{comma}{{\"reason\":\"{why}\",\"count\":{count},\"at\":\"{at}\"}}")
            .expect("writing to a Vec cannot fail");
    }
    json.push(b']');
}

/// What to say of them to somebody who asks for a device that has never been here.
pub fn sentence(refused: &[Refused]) -> String {
    let Some(last) = refused.last() else { return String::new() };
    let count: u64 = refused.iter().map(|refused| u64::from(refused.count)).sum();
    let (why, at) = (last.why.name().replace('_', " "), Rfc3339(last.at_ms));
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    format!("It has never been here; log-ins in its name were refused {times}, the last at {at}: {why}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_device_and_reason_the_latest_last() {
        let mut refusals = Refusals::default();
        for (device, why, at_ms) in [
            ("d", Why::WrongKey, 1),
            ("d", Why::Disabled, 2),
            ("e", Why::WrongKey, 3),
            ("d", Why::WrongKey, 4),
        ] {
            refusals.note("a", device, why, at_ms);
        }
        refusals.note("b", "d", Why::LockedOut, 5);
        let disabled = Refused { why: Why::Disabled, count: 1, at_ms: 2 };
        assert_eq!(refusals.of("a", "d"), [disabled, Refused { why: Why::WrongKey, count: 2, at_ms: 4 }]);
        assert_eq!(refusals.of("b", "d").len(), 1);
        assert!(refusals.of("b", "e").is_empty());
    }

    #[test]
    fn a_flood_in_one_agents_name_leaves_the_others_theirs() {
        let mut refusals = Refusals::default();
        refusals.note("quiet", "d", Why::WrongKey, 0);
        for n in 0..10_000 {
            refusals.note("loud", &format!("d{n}"), Why::WrongKey, n);
        }
        assert_eq!(refusals.of("quiet", "d").len(), 1);
        assert_eq!(refusals.kept.len(), KEPT_PER_AGENT_MAX + 1);
        assert!(refusals.of("loud", "d0").is_empty() && !refusals.of("loud", "d9999").is_empty());
        for n in 0..2000 {
            refusals.note(&format!("agent-{n}"), "d", Why::WrongKey, n);
        }
        assert_eq!(refusals.kept.len(), KEPT_MAX);
    }
}
