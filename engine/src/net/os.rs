//! The real kernel, by mio: epoll, sockets, clocks and the random source.
//!
//! The only file of the crate that reads a clock, asks for randomness or sees an `io::Error`: errors become the few words
//! of [`Net`] here and go no further. It never decides what to do about them.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::event::Event as Readiness;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use super::{Accepted, Event, Net, Read, Written};
use crate::slots::{GENERATION_RESERVED, Key};

/// Events taken from the kernel at once.
const EVENTS_PER_POLL: usize = 1024;

/// Connections that may wait to be accepted, per listener and core.
const LISTEN_QUEUE: i32 = 4096;

/// Silence before the first TCP keep-alive probe, seconds between probes, and probes until the peer is given up.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// How long sent bytes may stay unacknowledged before the peer is given up (TCP_USER_TIMEOUT).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// Tokens below belong to sockets: no key has the reserved generation.
const TOKEN_LISTENER_0: usize = (GENERATION_RESERVED as usize) << 32;
const TOKEN_WAKER: usize = usize::MAX;

/// A core's share of the kernel: its epoll instance and its listeners.
pub struct OsNet {
    poll: Poll,
    batch: Events,
    listeners: Vec<Option<mio::net::TcpListener>>,
    waker: Arc<Waker>,
    /// Held open so that a connection can be turned away when descriptors run out.
    spare: Option<File>,
}

impl OsNet {
    /// Takes listeners bound by [`bind`] and begins to watch them.
    ///
    /// # Errors
    /// When the kernel refuses an epoll instance, an eventfd, a spare descriptor or a registration.
    pub fn new(listeners: Vec<TcpListener>) -> io::Result<OsNet> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(TOKEN_WAKER))?);
        let mut watched = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            let mut listener = mio::net::TcpListener::from_std(listener);
            poll.registry().register(&mut listener, Token(TOKEN_LISTENER_0 + index), Interest::READABLE)?;
            watched.push(Some(listener));
        }
        let spare = Some(spare_descriptor()?);
        Ok(OsNet { poll, batch: Events::with_capacity(EVENTS_PER_POLL), listeners: watched, waker, spare })
    }

    /// Wakes this core's [`Net::poll`] from any thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }
}

/// Binds one address once per core with SO_REUSEPORT, so that the kernel spreads connections over the cores; port 0 is
/// chosen for the first core and followed by the others.
///
/// # Errors
/// When the address cannot be bound; in particular [`ErrorKind::AddrInUse`] when another process listens there, also if
/// that one allows to share the port.
pub fn bind(address: SocketAddr, cores: usize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        drop(unbound(address)?.bind_to(address)?);
    }
    let mut chosen = address;
    let mut listeners = Vec::with_capacity(cores);
    for _ in 0..cores {
        let socket = unbound(chosen)?;
        socket.set_reuse_port(true)?;
        socket.set_tcp_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
        let socket = socket.bind_to(chosen)?;
        socket.listen(LISTEN_QUEUE)?;
        let listener = TcpListener::from(socket);
        chosen = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

trait BindTo: Sized {
    fn bind_to(self, address: SocketAddr) -> io::Result<Self>;
}

impl BindTo for Socket {
    /// Binds, and says which address it was that failed.
    fn bind_to(self, address: SocketAddr) -> io::Result<Self> {
        match self.bind(&SockAddr::from(address)) {
            Ok(()) => Ok(self),
            Err(error) => Err(io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))),
        }
    }
}

/// The monotonic clock, for those outside the cores: when a stop is asked for, and where a fake kernel's time starts.
#[allow(clippy::disallowed_methods, reason = "the one place where time enters")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

fn spare_descriptor() -> io::Result<File> {
    File::open("/dev/null")
}

impl Net for OsNet {
    type Socket = TcpStream;

    fn now(&mut self) -> Instant {
        clock()
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where time enters")]
    fn wall_ms(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the kernel has randomness");
        seed
    }

    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) {
        match self.poll.poll(&mut self.batch, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            Err(error) => panic!("epoll_wait failed: {error}"),
        }
        events.extend(self.batch.iter().filter_map(translate));
    }

    fn listeners(&self) -> usize {
        self.listeners.len()
    }

    fn accept(&mut self, listener: usize) -> Accepted<TcpStream> {
        let Some(Some(listener)) = self.listeners.get(listener) else {
            return Accepted::Empty;
        };
        match listener.accept() {
            Ok((socket, peer)) => Accepted::Socket(socket, peer),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Accepted::Empty,
                _ if out_of_descriptors(&error) => Accepted::Exhausted,
                _ => Accepted::Failed,
            },
        }
    }

    fn turn_away(&mut self, listener: usize) -> bool {
        if self.spare.take().is_none() {
            self.spare = spare_descriptor().ok();
            return false;
        }
        let turned_away = matches!(self.accept(listener), Accepted::Socket(..));
        self.spare = spare_descriptor().ok();
        turned_away
    }

    fn close_listener(&mut self, listener: usize) {
        if let Some(slot) = self.listeners.get_mut(listener) {
            *slot = None;
        }
    }

    fn register(&mut self, socket: &mut TcpStream, key: Key) -> bool {
        self.poll.registry().register(socket, Token(key.to_token()), Interest::READABLE).is_ok()
    }

    fn deregister(&mut self, socket: &mut TcpStream) {
        // It fails only when it was not registered, which is what is wanted.
        let _ = self.poll.registry().deregister(socket);
    }

    fn read(&mut self, socket: &mut TcpStream, into: &mut [u8]) -> Read {
        debug_assert!(!into.is_empty());
        loop {
            match socket.read(into) {
                Ok(0) => return Read::Finished,
                Ok(read) => return Read::Bytes(read),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Read::WouldBlock,
                    _ => return Read::Broken,
                },
            }
        }
    }

    fn write(&mut self, socket: &mut TcpStream, slices: &[IoSlice<'_>]) -> Written {
        loop {
            let written = match slices {
                [one] => socket.write(one),
                _ => socket.write_vectored(slices),
            };
            match written {
                Ok(0) => return Written::WouldBlock,
                Ok(written) => return Written::Bytes(written),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Written::WouldBlock,
                    _ => return Written::Broken,
                },
            }
        }
    }

    fn want_room(&mut self, socket: &mut TcpStream, key: Key) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        // It fails only when the connection was not registered: then it is broken, and known to be.
        let _ = self.poll.registry().reregister(socket, Token(key.to_token()), interest);
    }

    fn shutdown_write(&mut self, socket: &mut TcpStream) {
        // It fails only when the connection is gone already.
        let _ = socket.shutdown(std::net::Shutdown::Write);
    }

    fn close(&mut self, socket: TcpStream) {
        drop(socket);
    }
}

/// mio's words for readiness into ours; the waker needs none, waking was its purpose.
fn translate(readiness: &Readiness) -> Option<Event> {
    match readiness.token().0 {
        TOKEN_WAKER => None,
        token if token >= TOKEN_LISTENER_0 => Some(Event::Listener(token - TOKEN_LISTENER_0)),
        token => Some(Event::Socket {
            key: Key::from_token(token),
            readable: readiness.is_readable(),
            writable: readiness.is_writable(),
            finished: readiness.is_read_closed(),
            broken: readiness.is_error() || readiness.is_write_closed(),
        }),
    }
}

/// EMFILE, ENFILE, and the two errors by which the kernel says that it has no memory for one more.
fn out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::net::TcpStream as StdStream;

    /// Polls until a client has been accepted.
    fn accepted(net: &mut OsNet) -> TcpStream {
        let mut events = Vec::new();
        loop {
            match net.accept(0) {
                Accepted::Socket(socket, _) => return socket,
                Accepted::Empty => net.poll(&mut events, Some(Duration::from_secs(10))),
                other => panic!("{other:?}"),
            }
        }
    }

    fn local() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn an_accepted_socket_has_its_options_from_the_listener() {
        let listeners = bind(local(), 1).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let mut net = OsNet::new(listeners).unwrap();
        let _client = StdStream::connect(address).unwrap();
        let socket = accepted(&mut net);
        let options = SockRef::from(&socket);
        assert!(options.tcp_nodelay().unwrap() && options.keepalive().unwrap());
        assert_eq!(options.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(options.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(options.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED_MAX));
        assert!(options.nonblocking().unwrap());
    }

    #[test]
    fn a_chosen_port_is_followed_by_all_cores_and_refused_to_others() {
        let listeners = bind(local(), 3).unwrap();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert!(addresses[0].port() != 0 && addresses.iter().all(|address| *address == addresses[0]));
        let error = bind(addresses[0], 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_poll_and_reports_nothing() {
        let mut net = OsNet::new(Vec::new()).unwrap();
        let waker = net.waker();
        #[allow(clippy::disallowed_methods, reason = "a test's own thread")]
        let other = std::thread::spawn(move || waker.wake());
        let mut events = Vec::new();
        net.poll(&mut events, None);
        other.join().unwrap().unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn the_peers_end_and_reset_are_told_apart() {
        let listeners = bind(local(), 1).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let mut net = OsNet::new(listeners).unwrap();
        let key = Key { index: 5, generation: 6 };
        for (abort, read, broken) in [(false, Read::Finished, false), (true, Read::Broken, true)] {
            let client = StdStream::connect(address).unwrap();
            let mut socket = accepted(&mut net);
            if abort {
                SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(client);
            assert!(net.register(&mut socket, key));
            let mut events = Vec::new();
            let ended = |event: &Event| matches!(event, Event::Socket { finished: true, .. });
            while !events.iter().any(ended) {
                net.poll(&mut events, Some(Duration::from_secs(10)));
            }
            let told = events
                .iter()
                .any(|event| matches!(event, Event::Socket { broken: true, key: told, .. } if *told == key));
            assert_eq!(told, broken);
            assert_eq!(net.read(&mut socket, &mut [0; 8]), read);
            net.close(socket);
        }
    }
}
