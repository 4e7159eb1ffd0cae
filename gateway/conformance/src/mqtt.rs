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
use std::sync::Arc;
use std::time::Duration;

use engine::Limits;
use transports::{mqtt, ws};

use crate::serve::serve as serve_tenant;
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
    let mut listeners: Vec<_> = args.listen.iter().map(|&address| ("mqtt", address)).collect();
    let transports =
        [vec![Transport::Tcp; args.listen.len()], vec![Transport::WebSocket; args.ws.len()]].concat();
    listeners.extend(args.ws.iter().map(|&address| ("ws", address)));
    let limits = Limits { carry_bytes_max: PACKET_BYTES_MAX + 256 * 1024, ..Limits::default() };
    let broker = Broker::new(Arc::new(session_limits()), Arc::new(frame_limits()), transports);
    serve_tenant(&listeners, limits, broker)
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
