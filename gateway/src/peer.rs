//! The peers of one core: what the gateway knows of each connection, beside what the engine knows.
//!
//! Owns the table from connection to conversation. Never a socket, never a byte.

use crate::agent::http::{HttpPeer, Waits};
use crate::device::conversation::{MqttPeer, Standing};
use crate::device::lines::Lines;
use crate::device::probe::Probe;
use crate::metrics::{Closed, Transport};
use engine::Key;

/// The other end of a connection. Boxed, so that the table costs the same for every kind.
#[derive(Debug)]
pub enum Peer {
    /// A device, or somebody who says so.
    Mqtt(Box<MqttPeer>),
    /// An agent, an operator, or a stranger.
    Http(Box<HttpPeer>),
    /// A WebSocket that wants to carry a session that polls.
    Probe(Box<Probe>),
    /// A WebSocket that carries the session with this key.
    Carrier(Key),
    /// Nobody any more: its conversation is over, and it is being hung up on.
    Gone(Closed),
}

impl Peer {
    /// How it speaks to us; none for what only carries another.
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Self::Mqtt(peer) => Some(peer.transport()),
            Self::Http(_) => Some(Transport::Http),
            // It is counted with its session.
            Self::Probe(_) | Self::Carrier(_) | Self::Gone(_) => None,
        }
    }
}

/// Peers by connection. Aligned with the engine's slots; a stale key finds nothing.
#[derive(Debug, Default)]
pub struct Peers {
    rows: Vec<Option<(u32, Peer)>>,
    /// The same for sessions that were born polling.
    sessions: Vec<Option<(u32, Peer)>>,
}

impl Peers {
    /// Seats a peer at a connection that has none.
    pub fn insert(&mut self, conn: Key, peer: Peer) {
        let (rows, index) = self.table(conn);
        if rows.len() <= index {
            rows.resize_with(index + 1, || None);
        }
        debug_assert!(rows[index].is_none(), "a connection has one peer");
        rows[index] = Some((conn.generation, peer));
    }

    fn table(&mut self, conn: Key) -> (&mut Vec<Option<(u32, Peer)>>, usize) {
        let rows = if Lines::is_virtual(conn) { &mut self.sessions } else { &mut self.rows };
        (rows, Lines::place(conn))
    }

    /// The peer of a connection.
    pub fn get_mut(&mut self, conn: Key) -> Option<&mut Peer> {
        let (rows, index) = self.table(conn);
        match rows.get_mut(index)? {
            Some((generation, peer)) if *generation == conn.generation => Some(peer),
            _ => None,
        }
    }

    /// The MQTT peer of a connection.
    pub fn mqtt_mut(&mut self, conn: Key) -> Option<&mut MqttPeer> {
        match self.get_mut(conn)? {
            Peer::Mqtt(peer) => Some(peer),
            Peer::Http(_) | Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_) => None,
        }
    }

    /// Whether the connection is a device's that waits for its seat.
    pub fn is_held(&mut self, conn: Key) -> bool {
        self.mqtt_mut(conn).is_some_and(|peer| matches!(peer.standing, Standing::Held(_)))
    }

    /// The HTTP peer of a connection.
    pub fn http_mut(&mut self, conn: Key) -> Option<&mut HttpPeer> {
        match self.get_mut(conn)? {
            Peer::Http(peer) => Some(peer),
            Peer::Mqtt(_) | Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_) => None,
        }
    }

    /// Whether the connection is one that waits for this ticket; for invariant checks.
    pub fn waits_for(&self, conn: Key, ticket: Key) -> bool {
        match self.rows.get(conn.index as usize) {
            Some(Some((generation, Peer::Http(peer)))) if *generation == conn.generation => {
                matches!(peer.waits, Waits::Ticket(waiting) if waiting == ticket)
            }
            _ => false,
        }
    }

    /// Takes the peer out: the connection moved, ended, or was superseded.
    pub fn remove(&mut self, conn: Key) -> Option<Peer> {
        self.get_mut(conn)?;
        let (rows, index) = self.table(conn);
        rows[index].take().map(|(_, peer)| peer)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.iter().chain(&self.sessions).flatten().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many speak to us in this way.
    pub fn count(&self, transport: Transport) -> usize {
        let all = self.rows.iter().chain(&self.sessions).flatten();
        all.filter(|(_, peer)| peer.transport() == Some(transport)).count()
    }

    /// Every connection and its peer.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut Peer)> {
        let connections = self.rows.iter_mut().enumerate().map(|(index, row)| (index as u32, row));
        let sessions = self.sessions.iter_mut().enumerate().map(|(index, row)| (Lines::index(index), row));
        connections.chain(sessions).filter_map(|(index, row)| {
            let (generation, peer) = row.as_mut()?;
            Some((Key { index, generation: *generation }, peer))
        })
    }
}
