//! What a Socket.IO device is told when it is refused or hung up on: codes that its client knows, and sentences for people.
//!
//! Owns their spelling. Never decides which of them is said.

use codec::json::encode_str;

/// A code and a sentence for a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(&'static str, pub(super) &'static str);

pub(super) const MISSING_AUTH: Word =
    Word("MISSING_AUTH", "agentId, deviceName and apiKey (or deviceCredential) are needed, each as a text");
pub(super) const AUTH_FAILED: Word = Word("AUTH_FAILED", "the key is not valid here");
/// The sentence is the platform's own: operators look for it.
pub(super) const NO_DEVICE: Word =
    Word("AUTH_FAILED", "Typed API keys require an explicitly scoped gateway policy");
pub(super) const RATE_LIMITED: Word =
    Word("RATE_LIMITED", "too many wrong keys came from this address; a right one is never locked out");
pub(super) const AGENT_FORBIDDEN: Word =
    Word("AGENT_FORBIDDEN", "the key belongs to another agent or device");
pub(super) const DEVICE_DISABLED: Word = Word("DEVICE_DISABLED", "the device is disabled by its agent");
pub(super) const TAKEN_OVER: Word = Word("TAKEN_OVER", "a newer connection of this device took its place");
pub(super) const BINARY: Word = Word("BINARY_UNSUPPORTED", "binary attachments are not carried: send JSON");

impl Word {
    /// Writes it as an object.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_with(out, 0);
    }

    /// With the time after which it helps to try again; 0 where nobody knows one.
    pub(super) fn write_with(&self, out: &mut Vec<u8>, retry_after_ms: u32) {
        out.extend_from_slice(b"{\"code\":");
        encode_str(out, self.0);
        out.extend_from_slice(b",\"message\":");
        encode_str(out, self.1);
        if retry_after_ms > 0 {
            out.extend_from_slice(b",\"retryAfterMs\":");
            out.extend_from_slice(retry_after_ms.to_string().as_bytes());
        }
        out.push(b'}');
    }
}
