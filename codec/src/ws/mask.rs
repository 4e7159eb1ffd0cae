//! Masking (RFC 6455, 5.3).
//!
//! It owns one loop: octet i of the payload is combined with octet i modulo 4 of the key. It never knows which frame the
//! bytes belong to.

/// Masks or unmasks bytes where they lie; twice is as good as never.
///
/// `offset` is how many bytes of the same payload came before these, so that a frame can be unmasked as it arrives.
///
/// ```
/// use codec::ws::apply_mask;
///
/// let (mut whole, mut pieces) = (*b"in one or in two", *b"in one or in two");
/// apply_mask(&mut whole, [1, 2, 3, 4], 0);
/// let (first, second) = pieces.split_at_mut(5);
/// apply_mask(second, [1, 2, 3, 4], 5);
/// apply_mask(first, [1, 2, 3, 4], 0);
/// assert_eq!(whole, pieces);
/// ```
#[inline]
pub fn apply_mask(bytes: &mut [u8], mut key: [u8; 4], offset: usize) {
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let pattern = [a, b, c, d, a, b, c, d];
    let word = u64::from_ne_bytes(pattern);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(pattern) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::apply_mask;

    #[test]
    fn follows_the_formula_at_every_length_and_offset() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40 {
            for offset in 0..9 {
                let mut bytes: Vec<u8> = (0..length).collect();
                apply_mask(&mut bytes, key, offset);
                let expected: Vec<u8> = (0..length).map(|i| i ^ key[(usize::from(i) + offset) % 4]).collect();
                assert_eq!(bytes, expected, "{length} {offset}");
            }
        }
    }
}
