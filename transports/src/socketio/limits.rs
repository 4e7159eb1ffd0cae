//! What a Socket.IO client may cost us.
//!
//! Owns the ceilings, their units and their defaults, and the list of namespaces. It never applies one: the rules are in
//! `session`.

use std::time::Duration;

/// Most namespaces of a listener.
pub const NAMESPACES_MAX: usize = 8;

/// Ceilings of one listener's clients; shared by all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The namespaces that there are, with their slashes; at most [`NAMESPACES_MAX`]. Any other is refused.
    pub namespaces: Vec<Box<str>>,
    /// CONNECTs in the life of a session, answered or not. Default 4.
    pub connects_max: u8,
    /// How long a client may be connected to no namespace. Default 20 s.
    pub connect_timeout: Duration,
    /// The attachments of one packet and its text together, in bytes. Default 1 MiB + 64 KiB.
    pub assembly_bytes_max: usize,
}

impl Limits {
    /// The defaults, with these namespaces.
    pub fn of(namespaces: &[&str]) -> Self {
        debug_assert!(namespaces.len() <= NAMESPACES_MAX);
        Self {
            namespaces: namespaces.iter().map(|&namespace| namespace.into()).collect(),
            connects_max: 4,
            connect_timeout: Duration::from_secs(20),
            assembly_bytes_max: 1024 * 1024 + 64 * 1024,
        }
    }
}
