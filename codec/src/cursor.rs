//! The bounds-checked reader through which every binary format here is decoded.
//!
//! It owns one thing: the bytes of a message that were not read yet. Each step either moves past whole bytes or
//! answers `None` and moves nowhere; the format decides what a missing byte means. It never indexes, never panics,
//! never copies and knows no format.

/// What is still unread of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes one byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Takes a 16-bit integer, most significant byte first.
    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.rest.split_first_chunk::<2>()?;
        self.rest = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    /// Takes the next bytes, of a number that is known beforehand.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// Takes the next `count` bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// All that is unread, without taking it.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything was read.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn reads_big_endian_and_in_order() {
        let mut cursor = Cursor::new(&[1, 0x12, 0x34, 6, 5, 4, 9, 8, 7]);
        assert_eq!(cursor.u8(), Some(1));
        assert_eq!(cursor.u16(), Some(0x1234));
        assert_eq!(cursor.array(), Some([6, 5, 4]));
        assert_eq!(cursor.take(2), Some(&[9, 8][..]));
        assert_eq!(cursor.rest(), &[7]);
        assert!(!cursor.is_empty());
    }

    #[test]
    fn moves_nowhere_when_bytes_are_missing() {
        let mut cursor = Cursor::new(&[5]);
        assert_eq!(cursor.u16(), None);
        assert_eq!(cursor.array::<2>(), None);
        assert_eq!(cursor.take(2), None);
        assert_eq!(cursor.take(usize::MAX), None);
        assert_eq!(cursor.u8(), Some(5));
        assert_eq!(cursor.u8(), None);
        assert_eq!(cursor.take(0), Some(&[][..]));
        assert!(cursor.is_empty());
    }
}
