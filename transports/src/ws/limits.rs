//! What a WebSocket peer may cost us, beyond what the grammar allows.
//!
//! Owns the ceilings, their units and their defaults. It never applies one: the rules are in `joint`.

use std::time::Duration;

/// Ceilings of one listener's sessions; shared by all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest message of a [`Session`](super::Session), longest frame of a [`Stream`](super::Stream), in bytes.
    /// Default 1 MiB + 64 KiB: a payload of a megabyte and what is around it. At most 4 GiB.
    pub message_bytes_max: usize,
    /// The same until the tenant has called `admit`, in bytes. Default 16 KiB: a stranger is worth no more.
    pub unadmitted_bytes_max: usize,
    /// Frames in which one message of a [`Session`](super::Session) may come. Default 1024. A stream keeps nothing of
    /// a frame, and does not count them.
    pub fragments_max: u32,
    /// Pings, pongs and closes that may come in one second. Default 50.
    pub controls_per_s_max: u16,
    /// How long a [`Session`](super::Session) that has said goodbye waits for the peer's. Default 1 s.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 1024 * 1024 + 64 * 1024,
            unadmitted_bytes_max: 16 * 1024,
            fragments_max: 1024,
            controls_per_s_max: 50,
            close_timeout: Duration::from_secs(1),
        }
    }
}
