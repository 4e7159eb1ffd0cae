//! The hash that stands for a secret, from the moment the secret has been read.
//!
//! Owns hashing, hex and the comparison, which takes the same time for every pair. A digest may travel between cores and
//! lie in a file; the secret never does. There is no ordinary `==`, so that none is used by accident.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// SHA-256 of a secret.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest that no secret is known for.
    pub(super) const NOBODY: Self = Self([0; 32]);

    /// The digest of a secret. One round is enough, because secrets are long and random.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether both are the same, in constant time.
    pub fn same(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }

    /// The first eight bytes, to sort by.
    pub(super) fn head(&self) -> u64 {
        self.0.iter().take(8).fold(0, |head, byte| head << 8 | u64::from(*byte))
    }

    /// The first sixteen bytes, to find things by.
    pub(super) fn name(&self) -> u128 {
        self.0.iter().take(16).fold(0, |name, byte| name << 8 | u128::from(*byte))
    }

    /// All of it, to be hashed with what belongs to it.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Lower-case hex.
    pub(super) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads 64 hex digits, of either case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, digit) in text.chars().enumerate() {
            let byte = bytes.get_mut(index / 2)?;
            *byte = *byte << 4 | u8::try_from(digit.to_digit(16)?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_and_nothing_else_is() {
        let known = Digest::of(b"abc");
        assert_eq!(known.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Digest::parse(&known.hex()).unwrap().same(&known));
        assert!(Digest::parse(&known.hex().to_uppercase()).unwrap().same(&known));
        let short = &known.hex()[..62];
        for text in ["", short, &format!("{short}0g"), &format!("{short}000"), &format!("{short}é")] {
            assert!(Digest::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn differs_in_every_bit_that_differs() {
        let known = Digest::of(b"abc");
        for bit in 0..256 {
            let mut other = known;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!other.same(&known));
        }
    }

    #[test]
    fn shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", Digest::of(b"abc")), "Digest(..)");
    }
}
