//! What a core has for TLS: the sessions beside the rows, and the buffers through which records pass.
//!
//! The buffers belong to the core, so that an idle connection owns none; they are not there before the first session is.

use std::mem;

use super::session::{Heard, REST_BYTES_MAX, Session};
use crate::scratch::BUFFER_KEPT_BYTES_MAX;
use crate::slots::Key;

/// See the file's head.
pub(crate) struct Sealing {
    /// Aligned with the rows by index; not longer than it must be.
    sessions: Vec<Option<Box<Session>>>,
    /// The rest of a session, and what is read behind it.
    incoming: Vec<u8>,
    /// What handshakes and alerts have to say.
    answers: Vec<u8>,
    /// Where output is sealed into; changes places with the output.
    sealed: Vec<u8>,
    /// Reads of connections in their handshake, this turn.
    pub(crate) shaken: usize,
}

impl Sealing {
    pub(crate) const fn new() -> Sealing {
        Sealing {
            sessions: Vec::new(),
            incoming: Vec::new(),
            answers: Vec::new(),
            sealed: Vec::new(),
            shaken: 0,
        }
    }

    pub(crate) fn insert(&mut self, key: Key, session: Box<Session>) {
        let place = key.index as usize;
        if self.sessions.len() <= place {
            self.sessions.resize_with(place + 1, || None);
        }
        debug_assert!(self.sessions[place].is_none(), "a row has one session");
        self.sessions[place] = Some(session);
    }

    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Session> {
        self.sessions.get_mut(key.index as usize)?.as_deref_mut()
    }

    pub(crate) fn take(&mut self, key: Key) -> Option<Box<Session>> {
        self.sessions.get_mut(key.index as usize)?.take()
    }

    /// Room for `bytes` bytes behind what the session kept.
    pub(crate) fn room(&mut self, key: Key, bytes: usize) -> Option<&mut [u8]> {
        let kept = self.get(key)?.rest_bytes();
        if self.incoming.len() < REST_BYTES_MAX + bytes {
            self.incoming.resize(REST_BYTES_MAX + bytes, 0);
        }
        debug_assert!(kept <= REST_BYTES_MAX);
        self.incoming.get_mut(kept..kept + bytes)
    }

    /// The most plaintext that `read` bytes in the room can become.
    pub(crate) fn plain_bytes_max(&mut self, key: Key, read: usize) -> usize {
        self.get(key).map_or(0, |session| session.rest_bytes() + read)
    }

    /// Opens what was read into the room: `read` bytes. What is to be answered is in the second value.
    pub(crate) fn open(
        &mut self,
        key: Key,
        read: usize,
        fruitless_bytes_max: usize,
        plain: impl FnMut(&[u8]),
    ) -> Option<(Heard, &[u8])> {
        let session = self.sessions.get_mut(key.index as usize)?.as_deref_mut()?;
        let incoming = self.incoming.get_mut(..session.rest_bytes() + read)?;
        self.answers.clear();
        let heard = session.open(incoming, fruitless_bytes_max, &mut self.answers, plain);
        Some((heard, &self.answers))
    }

    /// Seals `out` in place, and with `goodbye` a `close_notify` behind it. In the handshake nothing can be sealed: the session
    /// holds it and `out` is empty. `false`: the connection can send nothing any more.
    pub(crate) fn seal(&mut self, key: Key, out: &mut Vec<u8>, seams: &[u32], goodbye: bool) -> bool {
        let Some(session) = self.sessions.get_mut(key.index as usize).and_then(Option::as_deref_mut) else {
            return false;
        };
        if session.is_handshaking() {
            session.hold(out);
            out.clear();
            return true;
        }
        self.sealed.clear();
        if self.sealed.capacity() > BUFFER_KEPT_BYTES_MAX {
            // One large message must not stay resident.
            self.sealed = Vec::new();
        }
        let sealed = session.seal(out, seams, &mut self.sealed);
        if goodbye && sealed {
            session.say_goodbye(&mut self.sealed);
        }
        mem::swap(out, &mut self.sealed);
        sealed
    }

    /// Whether a flush has something to do that is not in the output: words that waited for the handshake, or a goodbye.
    pub(crate) fn owes(&mut self, key: Key, closed: bool) -> bool {
        self.get(key).is_some_and(|session| {
            !session.is_handshaking() && (session.early_bytes() > 0 || (closed && session.owes_goodbye()))
        })
    }
}
