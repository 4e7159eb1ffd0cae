//! What an HTTP peer may cost us: bytes and seconds, each with its unit and its reason.
//!
//! Owns the numbers and how they relate. Never what happens when one is passed: that is [`super::Violation`].

use codec::limits::{HTTP_CHUNK_LINE_BYTES_MAX, HTTP_CHUNK_OVERHEAD_BYTES_MAX, HTTP_HEAD_BYTES_MAX};
use std::time::Duration;

/// The ceilings of a conversation. One value is shared by all sessions of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request head, in bytes (RFC 6585, 5). Default 16 KiB, which is also the most that the codec reads
    /// ([`HTTP_HEAD_BYTES_MAX`]); the ceilings of its lines are the codec's.
    pub head_bytes_max: usize,
    /// Longest body, in bytes, chunks joined. Default 1 MiB + 64 KiB: a payload of a megabyte and what is around it.
    pub body_bytes_max: usize,
    /// Longest incomplete request that is kept before the tenant has admitted its head, in bytes. Default 16 KiB: a
    /// stranger is worth no more.
    pub unadmitted_bytes_max: usize,
    /// What a peer may send into a connection that streams to it, in bytes. Default 16 KiB: a reader has nothing to
    /// say, but may have sent a request too many before it knew.
    pub stream_input_bytes_max: usize,
    /// From the first byte of a head to its last; a new connection has as long for its first byte. Default 10 s.
    pub head_timeout: Duration,
    /// From the end of a head to the end of its body. Default 30 s.
    pub body_timeout: Duration,
    /// So long a body may be as slow as it likes. Default 10 s.
    pub body_grace: Duration,
    /// After [`Limits::body_grace`]: least mean rate of a body since its head, in bytes per second. Default 16 KiB/s.
    pub body_bytes_per_s_min: usize,
    /// Longest silence between an answer and the next request. Default 75 s.
    pub idle_timeout: Duration,
}

impl Limits {
    /// Most bytes of one request that a session leaves in its input while it waits for the rest. A carry that holds
    /// this many never overflows before the session has refused.
    pub fn request_bytes_max(&self) -> usize {
        let line_bytes_max = HTTP_CHUNK_LINE_BYTES_MAX + 2 * "\r\n".len();
        self.head_bytes_max + self.body_bytes_max + HTTP_CHUNK_OVERHEAD_BYTES_MAX + line_bytes_max
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: HTTP_HEAD_BYTES_MAX,
            body_bytes_max: 1024 * 1024 + 64 * 1024,
            unadmitted_bytes_max: 16 * 1024,
            stream_input_bytes_max: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_grace: Duration::from_secs(10),
            body_bytes_per_s_min: 16 * 1024,
            idle_timeout: Duration::from_secs(75),
        }
    }
}
