//! What an Engine.IO session may cost us, and how long it may be silent.
//!
//! Owns the ceilings, their units and their defaults. It never applies one: the rules are in `session`.

use std::time::Duration;

/// Ceilings and times of one listener's sessions; shared by all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// From a pong, or the beginning, until the next ping. Default 25 s. Told to the client.
    pub ping_interval: Duration,
    /// From a ping until its pong is missed. Default 20 s. Told to the client.
    pub ping_timeout: Duration,
    /// How long a WebSocket may take to become the session's transport; the session lives on without it. Default 10 s.
    pub upgrade_timeout: Duration,
    /// How long what was said last may wait for a poll that fetches it, when we have ended a session. Default 10 s.
    pub close_timeout: Duration,
    /// Longest body of a POST and longest message over a WebSocket, in bytes; whoever reads them applies it. Default 1 MiB
    /// + 64 KiB. Told to the client.
    pub payload_bytes_max: u32,
    /// What may wait for a poll, in bytes; one message more is taken, then [`Session::is_choked`](super::Session::is_choked).
    /// Default 1 MiB.
    pub queue_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            payload_bytes_max: 1024 * 1024 + 64 * 1024,
            queue_bytes_max: 1024 * 1024,
        }
    }
}
