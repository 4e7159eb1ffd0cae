//! Who may do what: keys, the agents they speak for, and the devices and operations they are bound to.
//!
//! Owns the key file of the data folder (read, watched, edited), the immutable snapshot [`Keys`] that cores check secrets
//! against, and the quotas of an [`Agent`], the only state that cores share. It never sees a socket or a request, keeps no
//! secret (only hashes), and writes none to a log. Everything fails closed: a broken file changes nothing, an empty one
//! denies everybody.

mod agent;
mod digest;
pub mod edit;
mod grant;
mod key_file;
mod keys;
mod operations;
mod secret;
mod watch;

pub use agent::{Agent, InFlight, OpenStream, RetryAfterMs};
pub use digest::Digest;
pub use grant::{DevicePattern, Grant};
pub use keys::{Keys, KeysError};
pub use operations::Operations;
pub use secret::Secret;
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
