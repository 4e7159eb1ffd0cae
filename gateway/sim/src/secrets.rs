//! The keys that there are: by their secrets, which say whose they are.
//!
//! Owns the names alone. Those that begin with `vouched` are not in the key file: the auth service knows them.

/// Nobody's.
pub const WRONG: &str = "wrong";
/// The operator's.
pub const OPERATOR: &str = "operator";

/// Of every device of an agent.
pub fn of_devices(agent: &str) -> String {
    format!("device-{agent}")
}

/// Of devices that may not fire triggers.
pub fn of_commands(agent: &str) -> String {
    format!("commands-{agent}")
}

/// A device's own.
pub fn own(agent: &str, device: &str) -> String {
    format!("own-{agent}-{device}")
}

/// An agent's.
pub fn of_agent(agent: &str) -> String {
    format!("agent-{agent}")
}

/// Of every device of an agent, known to the service.
pub fn vouched(agent: &str) -> String {
    format!("vouched-{agent}")
}

/// A device's own, known to the service.
pub fn vouched_own(agent: &str, device: &str) -> String {
    format!("vouched-own-{agent}-{device}")
}

/// An agent's, known to the service.
pub fn vouched_agent(agent: &str) -> String {
    format!("vouched-agent-{agent}")
}

/// Whether the service is asked about a key that somebody has.
pub fn is_vouched(secret: &str) -> bool {
    secret.starts_with("vouched")
}
