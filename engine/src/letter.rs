//! What lies in a mailbox: a tenant's mail, a connection that moves, or the word to stop.
//!
//! A letter owns what it carries: over the real kernel, a letter that is dropped unread closes the socket inside.

use std::time::Instant;

use crate::net::Net;
use crate::service::{Opened, Service};
use crate::tls::{Session, Terms};

/// One letter between neighbours. `K` is the socket of the [`Net`], `M` and `B` are mail and baggage of the [`Service`].
pub enum Letter<K, M, B> {
    /// The tenant's words.
    Mail(M),
    /// A connection on its way to a new home.
    Moved(Box<Moved<K, B>>),
    /// A listener offers these terms from now on: its certificate was renewed.
    Terms {
        /// Index of the listener.
        listener: usize,
        /// What is offered.
        terms: Terms,
    },
    /// A graceful stop: finish until `deadline`.
    Drain {
        /// When what is left is closed.
        deadline: Instant,
    },
}

/// A letter between the neighbours of a house with kernel `N` and tenant `S`.
pub type LetterOf<N, S> = Letter<<N as Net>::Socket, <S as Service>::Mail, <S as Service>::Baggage>;

/// A letter as it lies in the ring: with its sender's index.
pub type Posted<N, S> = (usize, Letter<<N as Net>::Socket, <S as Service>::Mail, <S as Service>::Baggage>);

/// A connection on its way: all that it is, in one box.
pub struct Moved<K, B> {
    /// The socket, registered nowhere.
    pub(crate) socket: K,
    /// Received and not consumed.
    pub(crate) carry: Vec<u8>,
    /// Given by the tenant and not taken by the kernel; ciphertext where there is TLS.
    pub(crate) unsent: Vec<u8>,
    /// The TLS half, if it has one.
    pub(crate) session: Option<Box<Session>>,
    /// Where it came from.
    pub(crate) opened: Opened,
    /// The tenant's part.
    pub(crate) baggage: B,
}
