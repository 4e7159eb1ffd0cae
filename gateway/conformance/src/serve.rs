//! Runs one tenant on one core and says where it listens.
//!
//! Owns the banner: a line for each listener, `name://address` with the port that the kernel chose, and `ready` at the
//! end. It never stops a server: the process is ended by a signal, and nothing is left behind.

use std::io::{self, Write};
use std::net::SocketAddr;

use engine::start::{ListenSpec, Options, start};
use engine::{Limits, Service};

/// Serves on the calling thread until the process ends. Each listener has a name for the banner, and its index is its place
/// in the list.
///
/// # Errors
/// When an address cannot be bound or stdout is closed.
pub fn serve<S>(listeners: &[(&str, SocketAddr)], limits: Limits, tenant: S) -> io::Result<()>
where
    S: Service + Send + 'static,
    S::Token: Send,
{
    serve_specs(listeners.iter().map(|&(name, address)| (name, address.into())).collect(), limits, tenant)
}

/// The same for listeners that may speak TLS.
///
/// # Errors
/// As [`serve`].
pub fn serve_specs<S>(listeners: Vec<(&str, ListenSpec)>, limits: Limits, tenant: S) -> io::Result<()>
where
    S: Service + Send + 'static,
    S::Token: Send,
{
    let (names, listeners): (Vec<_>, Vec<_>) = listeners.into_iter().unzip();
    let options = Options { limits, listeners, ..Options::new(1, Vec::new()) };
    let mut tenant = Some(tenant);
    let house = start(options, Vec::new(), |_core| tenant.take().expect("one core has one tenant"))?;
    let mut stdout = io::stdout().lock();
    for (name, address) in names.iter().zip(house.addresses()) {
        writeln!(stdout, "{name}://{address}")?;
    }
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    drop(stdout);
    house.join();
    Ok(())
}
