//! What a core remembers about one connection while nothing happens: 28 bytes, and no buffer.
//!
//! The socket, the deadline and the links of the ready list lie in tables beside it, aligned by the index of the key. What a
//! connection has in hand (bytes read and not consumed, bytes to write) lies on a desk that it borrows for as
//! long as there is any; see [`desk`](super::desk).
//!
//! ```text
//!  accept, letter                      Verdict::Move, move_to
//!  ----------------> [open] ----------------------------------> [leaving] -> letter -> another core
//!                      |  FIN, reset, verdict, hang_up, stalled, deadline
//!                      v
//!                   [doomed: why]  the rest of the turn
//!                      |  Service::closed
//!                      v
//!                   [closed]  output is still written, input thrown away, at most a second
//!                      |
//!                      v  socket closed, row free
//! ```

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::service::{Close, Opened};

/// Listeners of a house: a connection remembers its own in one byte.
pub const LISTENERS_MAX: usize = u8::MAX as usize + 1;

/// A connection's row.
pub(crate) struct Conn {
    peer: [u8; 16],
    port: u16,
    listener: u8,
    /// Why it ends, once that is decided.
    pub(crate) close: Option<Close>,
    flags: u16,
    /// Its desk, [`NO_DESK`] when it has nothing in hand.
    pub(crate) desk: u32,
}

/// The desk of a connection that has none.
pub(crate) const NO_DESK: u32 = u32::MAX;

/// One remembered bit of a connection.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Flag {
    /// The kernel may have bytes, or an end, that were not read yet.
    Readable = 1 << 0,
    /// The kernel has not refused bytes since it last said that it takes some.
    Writable = 1 << 1,
    /// The tenant wants nothing offered until it resumes.
    Paused = 1 << 2,
    /// The tenant found the connection choked and is owed a `drained`.
    Choked = 1 << 3,
    /// The kernel announced the peer's FIN: a short read does not prove that all is read.
    FinAhead = 1 << 4,
    /// The peer's FIN was read.
    Finished = 1 << 5,
    /// The kernel announced that the connection is broken: what is readable is read, then it is closed.
    Broken = 1 << 6,
    /// The carry is to be offered even if no byte comes.
    Offer = 1 << 7,
    /// The tenant gave it away; it leaves at the end of the turn.
    Leaving = 1 << 8,
    /// The tenant was told that it is closed; only output and the peer's FIN are waited for.
    Closed = 1 << 9,
    /// An alarm watches over the progress of its output.
    Watched = 1 << 10,
    /// It counts as lingering and an alarm ends that.
    Lingering = 1 << 11,
    /// Our FIN was sent.
    ShutDown = 1 << 12,
    /// TLS lies between the socket and the tenant.
    Sealed = 1 << 13,
}

impl Conn {
    /// A connection as it is when it is seated: perhaps readable, perhaps writable, nothing in hand.
    pub(crate) fn new(opened: Opened) -> Conn {
        let ip = match opened.peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        debug_assert!(opened.listener < LISTENERS_MAX);
        Conn {
            peer: ip.octets(),
            port: opened.peer.port(),
            listener: opened.listener as u8,
            close: None,
            flags: Flag::Writable as u16,
            desk: NO_DESK,
        }
    }

    pub(crate) fn opened(&self) -> Opened {
        let ip = Ipv6Addr::from(self.peer).to_canonical();
        Opened { listener: usize::from(self.listener), peer: SocketAddr::new(ip, self.port) }
    }

    pub(crate) fn is(&self, flag: Flag) -> bool {
        self.flags & flag as u16 != 0
    }

    pub(crate) fn set(&mut self, flag: Flag) {
        self.flags |= flag as u16;
    }

    pub(crate) fn clear(&mut self, flag: Flag) {
        self.flags &= !(flag as u16);
    }

    pub(crate) fn put(&mut self, flag: Flag, value: bool) {
        if value { self.set(flag) } else { self.clear(flag) }
    }

    /// Clears a flag and says whether it was set.
    pub(crate) fn take(&mut self, flag: Flag) -> bool {
        let was = self.is(flag);
        self.clear(flag);
        was
    }

    /// Whether the tenant may still use it.
    pub(crate) fn open(&self) -> bool {
        !self.is(Flag::Closed) && !self.is(Flag::Leaving)
    }

    /// Whether its messages are to be served: open, and no end decided.
    pub(crate) fn serving(&self) -> bool {
        self.open() && self.close.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small_and_holds_no_buffer() {
        assert_eq!(size_of::<Conn>(), 28);
        assert_eq!(size_of::<Option<Conn>>(), 28);
    }

    #[test]
    fn remembers_the_peer_and_tells_ipv4_as_ipv4() {
        for (address, told) in [
            ("127.0.0.1:7", "127.0.0.1:7"),
            ("[::ffff:10.1.2.3]:80", "10.1.2.3:80"),
            ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
            ("[::1]:1", "[::1]:1"),
        ] {
            let conn = Conn::new(Opened { listener: 3, peer: address.parse().unwrap() });
            assert_eq!(conn.opened(), Opened { listener: 3, peer: told.parse().unwrap() });
        }
    }

    #[test]
    fn flags_do_not_touch_each_other() {
        let mut conn = Conn::new(Opened { listener: 0, peer: "127.0.0.1:1".parse().unwrap() });
        assert!(conn.is(Flag::Writable) && !conn.is(Flag::Readable));
        conn.set(Flag::Readable);
        conn.put(Flag::Writable, false);
        assert!(conn.take(Flag::Readable) && !conn.take(Flag::Readable));
        assert!(!conn.is(Flag::Writable) && conn.serving());
    }
}
