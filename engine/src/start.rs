//! The house over the real kernel: binds, wires, and runs every core and clerk on a thread of its own.
//!
//! The only file that starts threads. It decides nothing while they run; it ends them in order: the cores together (a
//! core that is done goes on answering mail until all are), then the clerks, who thereby see every letter. A panic on any of
//! these threads ends the process with code 101: half a house is worse than none.
//!
//! ```no_run
//! # use engine::{Service, net::os::OsNet, start::{self, Options}};
//! # fn demo<S>(mut shard: impl FnMut(usize) -> S, write: impl FnOnce(engine::Clerk<OsNet, S>) + Send + 'static)
//! # -> std::io::Result<()> where S: Service + Send + 'static, S::Token: Send {
//! let options = Options::new(2, vec!["127.0.0.1:0".parse().expect("an address")]);
//! let house = start::start(options, vec![start::clerk("store", write)], |core| shard(core))?;
//! println!("listening on {}", house.addresses()[0]);
//! let stopper = house.stopper(); // for the thread that waits for signals
//! # drop(stopper);
//! house.join();
//! # Ok(()) }
//! ```

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::Waker;

use crate::core::conn::LISTENERS_MAX;
use crate::core::{Core, Limits, Turn};
use crate::mailbox::{Bell, RETRY_AFTER, RING_LETTERS};
use crate::net::os::{self, OsNet};
use crate::service::Service;
use crate::tls::Terms;
use crate::wiring::{Clerk, Outside, Wiring};

/// The exit code after a panic, as Rust's own runtime has it for the main thread.
const EXIT_PANICKED: i32 = 101;

/// One address to listen on, by every core.
#[derive(Clone, Debug)]
pub struct ListenSpec {
    /// Port 0 lets the kernel choose one; see [`Running::addresses`].
    pub address: SocketAddr,
    /// What is offered to those who connect, if TLS is spoken there.
    pub tls: Option<Terms>,
}

impl From<SocketAddr> for ListenSpec {
    fn from(address: SocketAddr) -> ListenSpec {
        ListenSpec { address, tls: None }
    }
}

/// How a house is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of cores, at least one.
    pub cores: usize,
    /// What is listened on; a connection is told the index.
    pub listeners: Vec<ListenSpec>,
    /// Ceilings of every core.
    pub limits: Limits,
    /// Letters that fit into each neighbour's box.
    pub letters_max: usize,
}

impl Options {
    /// With ceilings as they are usually.
    pub fn new(cores: usize, listeners: Vec<SocketAddr>) -> Options {
        let listeners = listeners.into_iter().map(ListenSpec::from).collect();
        Options { cores, listeners, limits: Limits::default(), letters_max: RING_LETTERS }
    }
}

/// A clerk's thread to be: its name and what it does until [`Clerk::draining`].
pub struct ClerkThread<S: Service> {
    name: &'static str,
    run: Box<dyn FnOnce(Clerk<OsNet, S>) + Send>,
}

/// A clerk named `name` (at most 15 bytes are shown) that runs `run` on its own thread.
pub fn clerk<S: Service>(
    name: &'static str,
    run: impl FnOnce(Clerk<OsNet, S>) + Send + 'static,
) -> ClerkThread<S> {
    ClerkThread { name, run: Box::new(run) }
}

/// A house that runs. Dropping it lets it run on; [`Running::join`] waits for its end.
pub struct Running<S: Service> {
    addresses: Vec<SocketAddr>,
    wiring: Wiring<OsNet, S>,
    cores: Vec<JoinHandle<()>>,
    clerks: Vec<JoinHandle<()>>,
}

/// Builds and starts a house. `make_service` makes the tenant of each core; clerk `n` is neighbour `cores + n`.
///
/// # Errors
/// When an address cannot be bound ([`io::ErrorKind::AddrInUse`]: another process is there, even one that would share), or
/// the kernel refuses descriptors or threads. Nothing runs then.
pub fn start<S>(
    options: Options,
    clerks: Vec<ClerkThread<S>>,
    mut make_service: impl FnMut(usize) -> S,
) -> io::Result<Running<S>>
where
    S: Service + Send + 'static,
    S::Token: Send,
{
    let Options { cores, listeners, limits, letters_max } = options;
    let (addresses, shares) = bind_all(cores.max(1), &listeners)?;
    let nets = shares.into_iter().map(OsNet::new).collect::<io::Result<Vec<_>>>()?;
    let wakers: Vec<Arc<Waker>> = nets.iter().map(OsNet::waker).collect();
    let wiring = Wiring::new(wakers.iter().map(bell).collect(), clerks.len(), letters_max);
    let mut running = Running { addresses, wiring, cores: Vec::new(), clerks: Vec::new() };
    let curfew = Arc::new(Curfew::new(wakers));
    for (index, ClerkThread { name, run }) in clerks.into_iter().enumerate() {
        let Some(clerk) = running.wiring.clerk(index) else { continue };
        let started = spawn(name.to_owned(), move || run(clerk));
        running.clerks.push(running.or_undo(started)?);
    }
    for (index, net) in nets.into_iter().enumerate() {
        let mut core = running.wiring.core(index, limits, net, make_service(index));
        for (listener, spec) in listeners.iter().enumerate() {
            core.set_terms(listener, spec.tls.clone());
        }
        let curfew = Arc::clone(&curfew);
        let started = spawn(format!("core-{index}"), move || run_core(core, index, &curfew));
        running.cores.push(running.or_undo(started)?);
    }
    Ok(running)
}

impl<S: Service> Running<S> {
    /// What is listened on, in the order of the options, with the ports that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A way in for control mail, to be used from any thread.
    pub fn outside(&self) -> Outside<OsNet, S> {
        self.wiring.outside()
    }

    /// A way to ask for the graceful stop from any thread.
    pub fn stopper(&self) -> Stopper<S> {
        Stopper { outside: self.wiring.outside(), cores: self.cores.len() }
    }

    /// Asks every core for a graceful stop that takes at most `grace`; see [`Service::drain`].
    pub fn stop(&self, grace: Duration) {
        self.stopper().stop(grace);
    }

    /// Waits until the cores have stopped, then stops the clerks and waits for them too.
    pub fn join(self) {
        for core in self.cores {
            // A panic on the thread has ended the process before.
            let _ = core.join();
        }
        let mut outside = self.wiring.outside();
        let now = os::clock();
        for clerk in 0..self.clerks.len() {
            outside.drain(self.wiring.cores() + clerk, now);
        }
        settle(&mut outside);
        for clerk in self.clerks {
            let _ = clerk.join();
        }
    }

    /// Passes on the handle of a thread; if it could not be started, ends those that were.
    fn or_undo(&self, started: io::Result<JoinHandle<()>>) -> io::Result<JoinHandle<()>> {
        if started.is_err() {
            let (mut outside, now) = (self.wiring.outside(), os::clock());
            for neighbour in 0..self.wiring.neighbours() {
                outside.drain(neighbour, now);
            }
        }
        started
    }
}

/// Asks for the graceful stop, from the thread that hears of signals.
pub struct Stopper<S: Service> {
    outside: Outside<OsNet, S>,
    cores: usize,
}

impl<S: Service> Stopper<S> {
    /// Asks every core for a graceful stop that takes at most `grace`. A second call can only shorten it.
    pub fn stop(&mut self, grace: Duration) {
        let deadline = os::clock() + grace;
        for core in 0..self.cores {
            self.outside.drain(core, deadline);
        }
        settle(&mut self.outside);
    }
}

/// Waits until every letter is in its box. Only threads outside the house may wait.
fn settle<S: Service>(outside: &mut Outside<OsNet, S>) {
    while !outside.flush() {
        thread::park_timeout(RETRY_AFTER);
    }
}

/// Binds every address for every core: the addresses, and each core's share.
fn bind_all(cores: usize, specs: &[ListenSpec]) -> io::Result<(Vec<SocketAddr>, Vec<Vec<TcpListener>>)> {
    if specs.len() > LISTENERS_MAX {
        let complaint = format!("{} listeners are more than {LISTENERS_MAX}", specs.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, complaint));
    }
    let mut shares: Vec<Vec<TcpListener>> = (0..cores).map(|_| Vec::new()).collect();
    let mut addresses = Vec::with_capacity(specs.len());
    for spec in specs {
        let listeners = os::bind(spec.address, cores)?;
        addresses.push(listeners[0].local_addr()?);
        for (share, listener) in shares.iter_mut().zip(listeners) {
            share.push(listener);
        }
    }
    Ok((addresses, shares))
}

fn bell(waker: &Arc<Waker>) -> Bell {
    let waker = Arc::clone(waker);
    // It fails only when the poll is gone, and then nobody sleeps there.
    Box::new(move || drop(waker.wake()))
}

fn run_core<S: Service>(mut core: Core<OsNet, S>, index: usize, curfew: &Curfew) {
    loop {
        let stopped = core.turn() == Turn::Stopped;
        if curfew.all_stopped(index, stopped) {
            return;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where threads start")]
fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(move || {
        let _guard = EndsWithPanic;
        run();
    })
}

/// Ends the process when the thread that holds it panics; the message has been printed by then.
struct EndsWithPanic;

impl Drop for EndsWithPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::exit(EXIT_PANICKED);
        }
    }
}

/// No core leaves before the last one is done: until then a neighbour may need its answers, or move a connection to it.
struct Curfew {
    stopped: Vec<AtomicBool>,
    wakers: Vec<Arc<Waker>>,
}

impl Curfew {
    fn new(wakers: Vec<Arc<Waker>>) -> Curfew {
        Curfew { stopped: wakers.iter().map(|_| AtomicBool::new(false)).collect(), wakers }
    }

    /// Notes how `core` stands; the last one to stop wakes all the others, who then see it too.
    fn all_stopped(&self, core: usize, stopped: bool) -> bool {
        if self.stopped[core].load(Ordering::Relaxed) != stopped {
            self.stopped[core].store(stopped, Ordering::SeqCst);
        }
        if !stopped || !self.stopped.iter().all(|stopped| stopped.load(Ordering::SeqCst)) {
            return false;
        }
        for waker in &self.wakers {
            // It fails only when that core is gone already.
            let _ = waker.wake();
        }
        true
    }
}
