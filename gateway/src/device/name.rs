//! Names that a device says on the wire, and the home core that follows from them.
//!
//! Owns how a user name and a client id are made of an agent and a device, and the hash that seats them. Never looks anything up: that a name is well-formed says nothing
//! about whether its bearer may use it ([`crate::auth`] does).

use crate::auth::{is_agent_name, is_device_name};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Splits the MQTT user name `{agent}:{device}` at its first colon and checks both halves.
pub fn split_username(username: &str) -> Option<(&str, &str)> {
    let (agent, device) = username.split_once(':')?;
    (is_agent_name(agent) && is_device_name(device)).then_some((agent, device))
}

/// Whether `client_id` is `lua-{agent}-{device}`, compared without building it.
pub fn is_client_id(client_id: &str, agent: &str, device: &str) -> bool {
    client_id
        .strip_prefix("lua-")
        .and_then(|rest| rest.strip_prefix(agent))
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| rest == device)
}

/// The keyed hash that seats devices on cores. The key is random for each process, so that nobody can choose names
/// which all live on one core.
#[derive(Clone, Copy, Debug)]
pub struct HomeHash {
    key: (u64, u64),
}

impl HomeHash {
    /// A hash with this key; every core of a process must have the same.
    pub fn new(key: (u64, u64)) -> Self {
        Self { key }
    }

    /// The hash of the pair; a registry finds its rows by it.
    pub fn of(&self, agent: &str, device: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write_usize(agent.len());
        hasher.write(agent.as_bytes());
        hasher.write(device.as_bytes());
        hasher.finish()
    }

    /// The core on which the device with this hash lives, of `cores`. Uses the high half: the registry's table uses
    /// the low one.
    pub fn home(hash: u64, cores: usize) -> usize {
        debug_assert!(cores > 0);
        (((hash >> 32) * cores as u64) >> 32) as usize
    }

    /// What stands for an idempotency key of an agent for a device.
    pub fn of_repeat(&self, agent: &str, device: &str, key: &str) -> u128 {
        let [agent, device, key] = [agent, device, key].map(str::as_bytes);
        let half = |salt: &[u8]| u128::from(self.of_bytes(&[salt, agent, device, key]));
        half(b"1") << 64 | half(b"2")
    }

    /// A keyed hash of any bytes, to recognise a repeat.
    pub fn of_bytes(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.1, self.key.0);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_the_user_name_at_the_first_colon() {
        assert_eq!(split_username("agent:a:b"), Some(("agent", "a:b")));
        assert_eq!(split_username("agent"), None);
        assert_eq!(split_username(":device"), None);
        assert_eq!(split_username("agent:"), None);
    }

    #[test]
    fn compares_the_client_id_with_the_pair() {
        assert!(is_client_id("lua-a-b-c", "a-b", "c"));
        assert!(is_client_id("lua-a-b-c", "a", "b-c"));
        assert!(!is_client_id("lua-a-b-c", "a", "c"));
        assert!(!is_client_id("lua-a-b", "a", "b-c"));
    }

    #[test]
    fn spreads_homes_over_all_cores() {
        let hash = HomeHash::new((1, 2));
        let mut seen = [0usize; 3];
        for n in 0..3000 {
            seen[HomeHash::home(hash.of("agent", &format!("device-{n}")), 3)] += 1;
        }
        assert!(seen.iter().all(|&n| (900..1100).contains(&n)), "{seen:?}");
    }
}
