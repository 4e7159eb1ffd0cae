//! The scripted end of a fake connection: what a device's or an agent's socket does, one call at a time.
//!
//! Nothing here is random and nothing blocks: a script decides how much it writes, how slowly it reads, and when it vanishes.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::State;
use super::wire::{ClientEnd, ServerEnd};

/// A client's connection. Dropping the handle changes nothing: the peer is then silent for ever.
pub struct Client {
    state: Rc<RefCell<State>>,
    id: u32,
}

/// What a client's read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientRead {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The server's FIN, after everything it had sent.
    Finished,
    /// The connection was reset; what had not been read is lost.
    Reset,
}

impl Client {
    pub(super) fn new(state: Rc<RefCell<State>>, id: u32) -> Client {
        Client { state, id }
    }

    /// The connection's number in this kernel, from zero.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The address that the server sees.
    pub fn address(&self) -> SocketAddr {
        self.state.borrow().wires[self.id as usize].peer
    }

    /// Sends what there is room for; the number of bytes taken. Nothing can be sent after a FIN or a reset.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.borrow_mut();
        let wire = &mut state.wires[self.id as usize];
        if wire.lost_to_client() || wire.client != ClientEnd::Open {
            return 0;
        }
        if wire.server_closed() {
            // The segment finds nobody and comes back as a reset.
            wire.cut = true;
            wire.to_client.lose();
            return bytes.len();
        }
        let taken = wire.to_server.put(bytes);
        if taken > 0 {
            state.note_bytes(&bytes[..taken]);
            state.ring(self.id);
        }
        taken
    }

    /// Reads at most `at_most` bytes and appends them to `into`.
    pub fn read(&self, into: &mut Vec<u8>, at_most: usize) -> ClientRead {
        let mut state = self.state.borrow_mut();
        let wire = &mut state.wires[self.id as usize];
        if wire.lost_to_client() {
            return ClientRead::Reset;
        }
        let before = into.len();
        let there = wire.to_client.bytes.len().min(at_most);
        into.resize(before + there, 0);
        let read = wire.to_client.pull(&mut into[before..]);
        if read > 0 {
            state.ring_if_room(self.id);
            return ClientRead::Bytes(read);
        }
        if wire.finished_to_client() && wire.to_client.bytes.is_empty() {
            return ClientRead::Finished;
        }
        ClientRead::Nothing
    }

    /// Bytes that could be read now.
    pub fn readable_bytes(&self) -> usize {
        self.state.borrow().wires[self.id as usize].to_client.bytes.len()
    }

    /// Bytes that the server has not read yet.
    pub fn unread_bytes(&self) -> usize {
        self.state.borrow().wires[self.id as usize].to_server.bytes.len()
    }

    /// Sends FIN and goes on reading.
    pub fn half_close(&self) {
        self.end(ClientEnd::HalfClosed);
    }

    /// Closes both directions, as a process that ends does: FIN, and a reset for whoever writes afterwards. Unread bytes make it
    /// a reset at once.
    pub fn close(&self) {
        let unread = self.readable_bytes() > 0;
        self.end(if unread { ClientEnd::Reset } else { ClientEnd::Closed });
    }

    /// Sends RST. Bytes on their way may overtake it or be lost, as the dice will.
    pub fn reset(&self) {
        self.end(ClientEnd::Reset);
    }

    fn end(&self, end: ClientEnd) {
        let mut state = self.state.borrow_mut();
        let wire = &mut state.wires[self.id as usize];
        if wire.broken() || wire.client == end {
            return;
        }
        wire.client = end;
        if end != ClientEnd::HalfClosed {
            wire.to_client.lose();
        }
        state.note(0xCE << 40 | (end as u64) << 32 | u64::from(self.id));
        if end == ClientEnd::Reset && state.dice.chance(500) {
            state.wires[self.id as usize].to_server.lose();
        }
        state.ring(self.id);
    }

    /// Room for the server's bytes from now on: a small one makes a slow reader.
    pub fn set_pipe_bytes(&self, bytes: usize) {
        let mut state = self.state.borrow_mut();
        state.wires[self.id as usize].to_client.capacity = bytes;
        state.ring_if_room(self.id);
    }

    /// How the server's end stands.
    pub fn server_end(&self) -> ServerEnd {
        self.state.borrow().wires[self.id as usize].server
    }

    /// How this end stands.
    pub fn client_end(&self) -> ClientEnd {
        self.state.borrow().wires[self.id as usize].client
    }

    /// Whether a fault of the network cut the connection.
    pub fn was_cut(&self) -> bool {
        self.state.borrow().wires[self.id as usize].cut
    }
}
