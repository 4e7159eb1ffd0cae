//! A core's pool of payload buffers for mail.
//!
//! Owns empty byte vectors that have grown to the size of ordinary messages; lends them out and takes them back, so
//! that a steady stream of commands and triggers allocates nothing. Never keeps a buffer that one large message made
//! big, and never more than [`POOLED_MAX`] of them.

/// Buffers kept by a core; more than this are returned to the allocator.
pub const POOLED_MAX: usize = 1024;
/// A buffer of more bytes than this is not kept, so that one large payload does not stay resident.
pub const POOLED_BYTES_MAX: usize = 16 * 1024;

/// Empty buffers, ready to be filled.
#[derive(Debug, Default)]
pub struct Buffers {
    idle: Vec<Vec<u8>>,
}

impl Buffers {
    /// An empty buffer: a used one where there is one.
    pub fn lend(&mut self) -> Vec<u8> {
        self.idle.pop().unwrap_or_default()
    }

    /// Takes a buffer back; its contents are forgotten.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > POOLED_BYTES_MAX || self.idle.len() >= POOLED_MAX {
            return;
        }
        buffer.clear();
        self.idle.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_again_what_came_back_and_forgets_its_contents() {
        let mut buffers = Buffers::default();
        let mut first = buffers.lend();
        first.extend_from_slice(b"secret");
        let address = first.as_ptr();
        buffers.give_back(first);
        let second = buffers.lend();
        assert!(second.is_empty());
        assert_eq!(second.as_ptr(), address);
    }

    #[test]
    fn does_not_keep_a_buffer_that_one_large_message_made_big() {
        let mut buffers = Buffers::default();
        buffers.give_back(Vec::with_capacity(POOLED_BYTES_MAX + 1));
        assert_eq!(buffers.lend().capacity(), 0);
    }
}
