//! `conformance mqtt`: an open MQTT 3.1.1 broker in memory, on one core.
//!
//! Owns the command line of the subcommand and the limits of the broker; the broker itself is in [`broker`]. Anybody may
//! connect, with any credentials or none, and may subscribe to everything but `test/nosubscribe`. Nothing survives the
//! process.

pub mod broker;
mod client;
mod kept;
mod peer;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::Limits;
use engine::start::ListenSpec;
use engine::tls::{Alpn, Identity, IdentityFault, Terms, Tickets};
use transports::{mqtt, ws};

use crate::serve::serve_specs;
use broker::{Broker, Transport};

/// Arguments of `conformance mqtt`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where MQTT over TCP is listened for; port 0 picks a free one. May be repeated.
    #[arg(long, value_name = "ADDR", required = true)]
    listen: Vec<SocketAddr>,
    /// Where MQTT over WebSocket is listened for, on any path. May be repeated.
    #[arg(long, value_name = "ADDR")]
    ws: Vec<SocketAddr>,
    /// Where MQTT over TLS is listened for. May be repeated.
    #[arg(long, value_name = "ADDR")]
    tls: Vec<SocketAddr>,
    /// The certificate chain of the TLS listeners, in PEM; without one, a certificate for localhost and 127.0.0.1 is made that
    /// nobody has a reason to trust.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

/// Largest packet: far above what a suite sends, far below what would exhaust a small machine.
const PACKET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Five fields of 65 535 bytes, their lengths, and the variable header: no legal CONNECT is larger.
const CONNECT_BYTES_MAX: usize = 5 * (2 + 65_535) + 10;

/// Serves until the process ends.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve(args: &Args) -> io::Result<()> {
    let (mut listeners, mut transports) = (Vec::new(), Vec::new());
    let mut listen = |name, addresses: &[SocketAddr], tls: Option<Terms>, transport| {
        for &address in addresses {
            listeners.push((name, ListenSpec { address, tls: tls.clone() }));
            transports.push(transport);
        }
    };
    listen("mqtt", &args.listen, None, Transport::Tcp);
    listen("ws", &args.ws, None, Transport::WebSocket);
    if !args.tls.is_empty() {
        listen("mqtts", &args.tls, Some(terms(args)?), Transport::Tcp);
    }
    let limits = Limits { carry_bytes_max: PACKET_BYTES_MAX + 256 * 1024, ..Limits::default() };
    let broker = Broker::new(Arc::new(session_limits()), Arc::new(frame_limits()), transports);
    serve_specs(listeners, limits, broker)
}

/// What is offered on the TLS listeners.
fn terms(args: &Args) -> io::Result<Terms> {
    let (chain, key) = match (&args.certificate, &args.key) {
        (Some(chain), Some(key)) => (std::fs::read(chain)?, std::fs::read(key)?),
        _ => {
            let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
            (made.cert.pem().into_bytes(), made.signing_key.serialize_pem().into_bytes())
        }
    };
    let fault = |fault: IdentityFault| io::Error::other(fault.to_string());
    let identity = Identity::from_pem(&chain, &key).map_err(fault)?;
    Terms::new(&identity, Alpn::Any, &Tickets::new().map_err(fault)?).map_err(fault)
}

fn frame_limits() -> ws::Limits {
    ws::Limits {
        message_bytes_max: PACKET_BYTES_MAX,
        unadmitted_bytes_max: PACKET_BYTES_MAX,
        controls_per_s_max: u16::MAX,
        ..ws::Limits::default()
    }
}

/// Wide open: what the standard allows, a suite may try.
fn session_limits() -> mqtt::Limits {
    mqtt::Limits {
        connect_bytes_max: CONNECT_BYTES_MAX,
        packet_bytes_max: PACKET_BYTES_MAX,
        topic_bytes_max: 65_535,
        owed_max: 64,
        inflight_max: 100,
        qos2_open_max: 1000,
        filters_per_subscribe_max: 10_000,
        connect_timeout: Duration::from_secs(20),
        // One and a half times the longest keep alive: nobody is cut off earlier than promised.
        keepalive_max: Duration::from_secs(65_535 * 3 / 2),
    }
}
