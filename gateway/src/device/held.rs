//! What a Socket.IO client said and nobody has heard yet: the body of a POST, and the MQTT that it meant.
//!
//! Owns both until they were heard, and wipes them when a key may be in them. Never knows what is said.

use codec::engineio::Malformed;
use std::ops::{Deref, DerefMut};
use zeroize::Zeroize;

/// MQTT that the conversation has not taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// A key is in it, or was.
    holds_key: bool,
}

impl Inbox {
    /// A key and so much more is going to be written; a buffer that grew behind it would leave it in memory.
    pub(super) fn expect_key(&mut self, more_bytes: usize) {
        self.bytes.reserve(more_bytes);
        self.holds_key = true;
    }

    /// What is not taken of an inbox that was taken out goes in front again. One of which nothing is left keeps its buffer, clean.
    pub(super) fn put_back(&mut self, mut rest: Self, taken: usize) {
        rest.bytes.drain(..taken);
        rest.bytes.append(&mut self.bytes);
        rest.holds_key |= self.holds_key;
        *self = rest;
        if self.bytes.is_empty() {
            self.wipe();
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.holds_key) {
            self.bytes.zeroize();
        }
    }
}

impl Deref for Inbox {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Inbox {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A body, and how much of it was heard.
#[derive(Debug)]
pub(super) struct Post {
    text: String,
    heard_bytes: usize,
    may_hold_key: bool,
}

impl Post {
    /// A body of which nothing was heard.
    pub(super) fn new(body: Vec<u8>, may_hold_key: bool) -> Result<Self, Malformed> {
        let text = String::from_utf8(body).map_err(|_| Malformed::IllFormedUtf8)?;
        Ok(Self { text, heard_bytes: 0, may_hold_key })
    }

    /// What is to be heard.
    pub(super) fn rest(&self) -> &str {
        self.text.get(self.heard_bytes..).unwrap_or_default()
    }

    /// So much is still to be heard.
    pub(super) fn keep(&mut self, rest_bytes: usize) {
        debug_assert!(rest_bytes <= self.text.len() - self.heard_bytes, "what was heard stays heard");
        self.heard_bytes = self.text.len().saturating_sub(rest_bytes);
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if self.may_hold_key {
            self.text.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_stays_in_front_and_a_key_is_not_forgotten() {
        let mut inbox = Inbox::default();
        inbox.expect_key(100);
        inbox.extend_from_slice(b"CONNECT status");
        let taken = std::mem::take(&mut inbox);
        assert!(inbox.is_empty() && !inbox.holds_key);
        inbox.extend_from_slice(b" ping");
        inbox.put_back(taken, 8);
        assert_eq!(**inbox, *b"status ping");
        assert!(inbox.holds_key);
        let taken = std::mem::take(&mut inbox);
        inbox.put_back(taken, 11);
        assert!(inbox.is_empty() && !inbox.holds_key && inbox.capacity() > 0, "its buffer may be lent again");
    }

    #[test]
    fn a_body_is_heard_to_its_end() {
        let mut post = Post::new(b"4a\x1e4b".to_vec(), true).expect("text");
        post.keep(2);
        assert_eq!((post.rest(), post.bytes()), ("4b", 5));
        assert!(Post::new(vec![0xff], true).is_err());
    }
}
