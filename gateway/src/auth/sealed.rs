//! A secret in clear, for as long as somebody has to be asked about it.
//!
//! Owns the bytes and wipes them on drop. It exists only where an auth service is configured: without one a secret is
//! hashed where it arrives. It is never shown, compared, written or counted; only the call to the service reveals it.

use std::fmt;

use zeroize::Zeroizing;

/// Longest secret that a service is asked about, in bytes; a longer one is no key.
pub const SECRET_BYTES_MAX: usize = 1024;

/// A secret in clear.
#[derive(Clone)]
pub struct Sealed(Zeroizing<Box<str>>);

impl Sealed {
    /// Keeps a secret. `None` for one that cannot be a key: too long, empty, or no text.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(secret).ok()?;
        (1..=SECRET_BYTES_MAX).contains(&text.len()).then(|| Self(Zeroizing::new(text.into())))
    }

    /// The secret itself, for the question to the service.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_and_takes_no_impossible_key() {
        assert_eq!(format!("{:?}", Sealed::new(b"api_secret").unwrap()), "Sealed(..)");
        for secret in [&b""[..], b"\xFF\xFE", &[b'a'; SECRET_BYTES_MAX + 1]] {
            assert!(Sealed::new(secret).is_none());
        }
        assert_eq!(Sealed::new("ключ".as_bytes()).unwrap().reveal(), "ключ");
    }
}
