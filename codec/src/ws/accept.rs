//! The key of a handshake and its answer (RFC 6455, 1.3, 4.2.1, 4.2.2).
//!
//! It owns what a key looks like; the hash is the `tungstenite` crate's. It never looks at other header fields.

use super::Malformed;
use crate::limits::WS_NONCE_BYTES;
use tungstenite::handshake::derive_accept_key;

/// Digits of base64 that say a nonce; padding fills the last group of four.
const DIGITS: usize = (WS_NONCE_BYTES * 8).div_ceil(6);

/// The value of `Sec-WebSocket-Accept` for this value of `Sec-WebSocket-Key`.
///
/// Bits of the last digit that say nothing are not looked at, as RFC 4648, 3.5 allows.
///
/// # Errors
///
/// [`Malformed::Key`].
///
/// # Example
///
/// ```
/// use codec::ws::accept_key;
///
/// assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")); // 1.3
/// ```
pub fn accept_key(key: &[u8]) -> Result<String, Malformed> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.split_at_checked(DIGITS) {
        Some((digits, b"==")) if digits.iter().all(is_digit) => Ok(derive_accept_key(key)),
        Some(_) | None => Err(Malformed::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_keys_that_are_not_sixteen_bytes_in_base64() {
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZWE=",
            "dGhlIHNhbXBsZSBub25jZWFh",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25j ZQ==",
            "dGhlIHNhbXBsZSBub25jZ-==",
            "dGhlIHNhbXBsZSBub25j\u{e9}==",
            "========================",
        ] {
            assert_eq!(accept_key(key.as_bytes()), Err(Malformed::Key), "{key}");
        }
    }
}
