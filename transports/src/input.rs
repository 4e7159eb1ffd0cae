//! Received bytes, taken from the front.
//!
//! Owns the rule by which a session lends out what it was given: a taken piece lives as long as the *buffer* (`'b`),
//! not as long as the borrow of the [`Input`], so that an event may outlive the call which made it. It never copies,
//! never grows, and never gives the same byte twice.
//!
//! ```text
//!        taken            still to be seen
//!   |---------------|-------------------------|
//!    lent for 'b     peek() / peek_mut()
//! ```

/// The bytes of one turn, in the order in which the peer sent them.
///
/// Pieces are mutable because some formats are decoded in place: WebSocket payloads are unmasked, chunked bodies are
/// joined, without a copy.
///
/// ```
/// use transports::input::Input;
///
/// let mut bytes = *b"headbody";
/// let mut input = Input::new(&mut bytes);
/// let head = input.take(4);
/// let body = input.take(4);        // `head` is still usable: it borrows from the buffer
/// assert_eq!((&*head, &*body), (&b"head"[..], &b"body"[..]));
/// assert_eq!(input.taken(), 8);    // what the tenant reports as consumed
/// assert!(input.is_empty());
/// ```
#[derive(Debug)]
pub struct Input<'b> {
    rest: &'b mut [u8],
    taken: usize,
}

impl<'b> Input<'b> {
    /// Begins with nothing taken.
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { rest: bytes, taken: 0 }
    }

    /// What has not been taken yet.
    pub fn peek(&self) -> &[u8] {
        self.rest
    }

    /// What has not been taken yet, for formats that are decoded in place over several turns.
    pub fn peek_mut(&mut self) -> &mut [u8] {
        self.rest
    }

    /// Bytes taken since `new`.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Bytes not taken yet.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next `bytes` bytes.
    ///
    /// # Panics
    ///
    /// When `bytes` exceeds [`Input::len`]: a session takes what it has seen to be there.
    pub fn take(&mut self, bytes: usize) -> &'b mut [u8] {
        let (head, rest) = std::mem::take(&mut self.rest).split_at_mut(bytes);
        self.rest = rest;
        self.taken += bytes;
        head
    }
}

#[cfg(test)]
mod tests {
    use super::Input;

    #[test]
    fn lends_each_byte_once_and_in_order() {
        let mut bytes = [1, 2, 3, 4, 5];
        let mut input = Input::new(&mut bytes);
        let first = input.take(2);
        let none = input.take(0);
        let second = input.take(1);
        assert_eq!((&*first, &*none, &*second), (&[1, 2][..], &[][..], &[3][..]));
        assert_eq!((input.taken(), input.len(), input.peek()), (3, 2, &[4, 5][..]));
        assert!(!input.is_empty());
    }

    #[test]
    fn what_is_changed_in_place_is_what_is_taken() {
        let mut bytes = *b"abc";
        let mut input = Input::new(&mut bytes);
        for byte in input.peek_mut() {
            byte.make_ascii_uppercase();
        }
        assert_eq!(input.take(3), b"ABC");
    }

    #[test]
    #[should_panic(expected = "mid > len")]
    fn refuses_to_take_what_has_not_come() {
        Input::new(&mut [0]).take(2);
    }
}
