//! The word to systemd: "ready" and "stopping", as `sd_notify(3)` says it.
//!
//! Owns one datagram to the socket that `NOTIFY_SOCKET` names. It never links libsystemd, never answers a watchdog, and
//! never fails the gateway: without the variable, or with a socket that is gone, nothing happens.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says that every listener accepts (`READY=1`).
pub fn ready() {
    say("READY=1");
}

/// Says that the graceful stop has begun (`STOPPING=1`).
pub fn stopping() {
    say("STOPPING=1");
}

fn say(word: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&socket, word) {
        tracing::warn!(%error, "NOTIFY_SOCKET is set, but it takes no message");
    }
}

fn send(socket: &OsStr, word: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(word.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_an_abstract_socket() {
        let name = format!("gateway-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), "READY=1").unwrap();
        let mut heard = [0; 32];
        let length = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
    }

    #[test]
    fn reports_a_socket_that_is_gone() {
        assert!(send(OsStr::new("/nonexistent/notify"), "READY=1").is_err());
    }
}
