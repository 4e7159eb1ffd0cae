//! Who may do what: keys, the agents they speak for, and the devices and operations they are bound to.
//!
//! Owns the key file of the data folder (read, watched, edited), the immutable snapshot [`Keys`] that cores check secrets
//! against, the quotas of an [`Agent`], the only state that cores share, and the [`Gatekeeper`], who is asked about every key
//! that is not in the file: he counts the failures of a source, and knows the auth service where there is one. It never sees a
//! socket or a request of a peer, writes no secret to a file or a log, and keeps one in memory ([`Sealed`]) only while the
//! service may have to be asked about it. Everything fails closed: a broken file changes nothing, an empty one denies
//! everybody, and an answer that cannot be read admits nobody.

mod agent;
mod answer;
mod bounded;
pub mod callers;
mod digest;
pub mod edit;
mod flights;
mod gatekeeper;
mod grant;
mod key_file;
mod keys;
mod lockout;
pub mod mail;
mod operations;
mod roster;
mod sealed;
mod secret;
mod verdicts;
mod watch;

pub use agent::{Agent, InFlight, OpenStream, RetryAfterMs};
pub use answer::{Allowed, Answer, Fault};
pub use digest::Digest;
pub use flights::FlightRules;
pub use gatekeeper::{Call, Gatekeeper, GatekeeperCounters, GatekeeperRules};
pub use grant::{DevicePattern, Grant};
pub use keys::{Keys, KeysError, Known};
pub use lockout::LockoutRules;
pub use operations::Operations;
pub use roster::Roster;
pub use sealed::{SECRET_BYTES_MAX, Sealed};
pub use secret::Secret;
pub use verdicts::VerdictRules;
pub use watch::Watch;

/// Longest agent id, in characters.
pub const AGENT_NAME_CHARS_MAX: usize = 256;
/// Longest device name, in characters.
pub const DEVICE_NAME_CHARS_MAX: usize = 200;

/// Whether `name` can be an agent id: 1 to 256 characters, none of them white space, control, `/`, `+`, `#`, or the `:`
/// that ends the agent id in an MQTT user name.
pub fn is_agent_name(name: &str) -> bool {
    is_name(name, AGENT_NAME_CHARS_MAX) && !name.contains(':')
}

/// Whether `name` can be a device name: 1 to 200 characters, none of them white space, control, `/`, `+` or `#`.
pub fn is_device_name(name: &str) -> bool {
    is_name(name, DEVICE_NAME_CHARS_MAX)
}

fn is_name(name: &str, chars_max: usize) -> bool {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '+' | '#');
    !name.is_empty() && name.chars().count() <= chars_max && !name.contains(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_topic_level_can_carry() {
        assert!(is_agent_name("baseAgent_agent_abc123") && is_device_name("shop-floor:7"));
        for name in ["", "a/b", "+", "#", "a b", "a\tb", "a\nb", "a\u{2028}b", "a\u{0}b", &"x".repeat(257)] {
            assert!(!is_agent_name(name) && !is_device_name(name), "{name:?}");
        }
        assert!(!is_agent_name("a:b"), "the user name is split at its first colon");
        assert!(is_device_name(&"é".repeat(200)) && !is_device_name(&"é".repeat(201)));
    }
}
