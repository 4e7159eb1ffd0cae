//! `conformance engineio` and `conformance socketio`: one server for the two layers, on one core.
//!
//! Owns the command lines and the limits; the server itself is in [`house`]. `engineio` sends every message back, text or
//! binary. `socketio` has the namespaces `/` and `/custom`: it emits `auth` with the credentials when a client connects,
//! `message-back` for `message`, and acknowledges `message-with-ack` with its arguments.

mod client;
pub mod house;
mod peer;
mod requests;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::Limits;
use transports::{engineio, http, socketio, ws};

use crate::serve::serve as serve_tenant;
use house::{Above, Facts, House};

/// Arguments of `conformance engineio` and `conformance socketio`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where HTTP is listened for; port 0 picks a free one. May be repeated.
    #[arg(long, value_name = "ADDR", required = true)]
    listen: Vec<SocketAddr>,
    /// The path, with its slashes; `/engine.io/` or `/socket.io/` when left out.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// From a pong until the next ping, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 300)]
    ping_interval: u32,
    /// From a ping until its pong is missed, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    ping_timeout: u32,
    /// How long a WebSocket may take to become a session's, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    upgrade_timeout: u32,
    /// How long a client may be connected to no namespace, in milliseconds (Socket.IO).
    #[arg(long, value_name = "MS", default_value_t = 1_500)]
    connect_timeout: u32,
    /// Longest payload and message, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
    max_payload: u32,
}

/// Serves an echo until the process ends.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve_engineio(args: &Args) -> io::Result<()> {
    serve(args, "/engine.io/", "engineio", Above::Echo)
}

/// Serves Socket.IO until the process ends.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve_socketio(args: &Args) -> io::Result<()> {
    let limits = socketio::Limits {
        connect_timeout: milliseconds(args.connect_timeout),
        assembly_bytes_max: args.max_payload as usize,
        ..socketio::Limits::of(&["/", "/custom"])
    };
    serve(args, "/socket.io/", "socketio", Above::SocketIo(Arc::new(limits)))
}

fn serve(args: &Args, path: &str, name: &str, above: Above) -> io::Result<()> {
    let bytes_max = args.max_payload as usize;
    let facts = Facts {
        path: args.path.as_deref().unwrap_or(path).into(),
        engineio: Arc::new(engineio::Limits {
            ping_interval: milliseconds(args.ping_interval),
            ping_timeout: milliseconds(args.ping_timeout),
            upgrade_timeout: milliseconds(args.upgrade_timeout),
            payload_bytes_max: args.max_payload,
            ..engineio::Limits::default()
        }),
        http: Arc::new(http::Limits {
            body_bytes_max: bytes_max,
            unadmitted_bytes_max: bytes_max,
            ..http::Limits::default()
        }),
        ws: Arc::new(ws::Limits {
            message_bytes_max: bytes_max,
            unadmitted_bytes_max: bytes_max,
            ..ws::Limits::default()
        }),
        above,
    };
    let limits = Limits { carry_bytes_max: bytes_max + 256 * 1024, ..Limits::default() };
    let listeners: Vec<_> = args.listen.iter().map(|&address| (name, address)).collect();
    serve_tenant(&listeners, limits, House::new(facts))
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(u64::from(count))
}
