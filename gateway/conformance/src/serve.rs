//! Runs one tenant on one core and says where it listens.
//!
//! Owns the banner: a line for each listener, `name://address` with the port that the kernel chose, and `ready` at the
//! end. It never stops a server: the process is ended by a signal, and nothing is left behind.

use std::io::{self, Write};
use std::net::SocketAddr;

use engine::start::{Options, start};
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
    let addresses = listeners.iter().map(|&(_, address)| address).collect();
    let options = Options { limits, ..Options::new(1, addresses) };
    let mut tenant = Some(tenant);
    let house = start(options, Vec::new(), |_core| tenant.take().expect("one core has one tenant"))?;
    let mut stdout = io::stdout().lock();
    for ((name, _), address) in listeners.iter().zip(house.addresses()) {
        writeln!(stdout, "{name}://{address}")?;
    }
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    drop(stdout);
    house.join();
    Ok(())
}
