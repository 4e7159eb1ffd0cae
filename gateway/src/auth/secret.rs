//! A fresh secret: `api_<uuid>.<43 characters>`, made from the kernel's randomness.
//!
//! Owns the form of a secret and nothing of its life: it is printed once by whoever asked for it, and kept as a hash. The
//! random part has 256 bits, so one SHA-256 is enough to keep it.

use std::fmt;

use zeroize::Zeroizing;

/// A secret in clear, for the moment between its making and its printing. It has no `Debug` on purpose.
pub struct Secret {
    id: String,
    text: Zeroizing<String>,
}

/// The digits of base64 for URLs, RFC 4648 section 5.
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Secret {
    /// A fresh secret for the key `id`, or for a fresh id.
    pub(super) fn fresh(id: Option<&str>) -> Self {
        let id = id.map_or_else(|| uuid_v4(random()), str::to_owned);
        let random = Zeroizing::new(base64_url(&*Zeroizing::new(random::<32>())));
        let text = Zeroizing::new(format!("api_{id}.{}", *random));
        Self { id, text }
    }

    /// The id of its key, which is not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a secret)")
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives randomness once it has booted");
    bytes
}

/// A random UUID, RFC 9562 section 5.4.
fn uuid_v4(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// Base64 for URLs without padding.
fn base64_url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, at| word << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        for place in 0..=group.len() {
            let digit = word >> (18 - 6 * place) & 63;
            text.push(char::from(BASE64_URL[digit as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_form_that_clients_know() {
        for _ in 0..100 {
            let secret = Secret::fresh(None);
            let (id, random) = secret.reveal().strip_prefix("api_").unwrap().split_once('.').unwrap();
            assert_eq!(id, secret.id());
            let groups: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12]);
            assert_eq!(&id[14..15], "4");
            assert!("89ab".contains(&id[19..20]));
            assert!(id.chars().all(|c| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c)));
            assert_eq!(random.len(), 43);
            assert!(random.bytes().all(|byte| BASE64_URL.contains(&byte)));
        }
    }

    #[test]
    fn two_secrets_share_nothing_but_a_wished_id() {
        let (one, two) = (Secret::fresh(Some("x")), Secret::fresh(Some("x")));
        assert_eq!(one.id(), two.id());
        assert_ne!(one.reveal(), two.reveal());
        assert_ne!(Secret::fresh(None).id(), Secret::fresh(None).id());
        assert!(!one.to_string().contains("api_"));
    }

    #[test]
    fn encodes_base64_as_the_rfc_does() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64_url(bytes.as_bytes()), text);
        }
        assert_eq!(base64_url(&[0xFB, 0xFF]), "-_8");
    }
}
