//! Devices on unmodified clients, driven from a test: `lua-device-client`, `socket.io-client`, `python-socketio`.
//!
//! Owns how each is started and the orders that their drivers in `clients/` share.

use super::driven::Driven;
use super::{SOON, client_file};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A process with any number of devices of one agent.
pub struct Devices(Driven);

impl Devices {
    /// Starts a process of the Lua client: its URL, its agent, its key. It trusts the authority in a file and no other.
    pub fn lua(authority: &Path, given: [&str; 3]) -> Self {
        let mut python = Command::new(super::python::python());
        python.arg(client_file("drive_lua.py")).args(given).env("SSL_CERT_FILE", authority);
        Self::drive(&mut python)
    }

    /// The same of a `socket.io-client`, by the installed name of its package.
    pub fn node(package: &str, authority: &Path, given: [&str; 3], transports: &str) -> Self {
        let mut node = Command::new("node");
        node.arg(client_file("drive_socketio.mjs")).args(given).arg(transports);
        node.env("NODE_PATH", super::node::modules()).env("SOCKETIO_CLIENT", package);
        node.env("NODE_EXTRA_CA_CERTS", authority);
        Self::drive(&mut node)
    }

    /// The same of `python-socketio`, `sync` or `asyncio`.
    pub fn python(flavour: &str, authority: &Path, given: [&str; 3], transports: &str) -> Self {
        let mut python = Command::new(super::python::python());
        python.arg(client_file("drive_python_socketio.py")).args(given).args([transports, flavour]);
        // Each of the libraries below it looks elsewhere for those whom it may trust.
        for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"] {
            python.env(variable, authority);
        }
        Self::drive(&mut python)
    }

    fn drive(program: &mut Command) -> Self {
        Self(Driven::start(program))
    }

    /// Gives an order.
    pub fn order(&mut self, order: &Value) {
        self.0.order(order);
    }

    /// Connects a device and waits until it says so.
    pub fn connect(&mut self, name: &str) {
        self.order(&json!({"do": "connect", "name": name}));
        self.wait("connected", name);
    }

    /// Has a device beat every second, if it does not anyway.
    pub fn beat(&mut self, name: &str) {
        self.order(&json!({"do": "beat", "name": name}));
    }

    /// Fires a trigger and gives the acknowledgement.
    pub fn trigger(&mut self, name: &str, trigger: &str, payload: &Value) -> Value {
        self.order(&json!({"do": "trigger", "name": name, "trigger": trigger, "payload": payload}));
        self.wait("ack", name)
    }

    /// Waits for a word of a device; earlier other words stay for later.
    pub fn wait(&mut self, saw: &str, name: &str) -> Value {
        self.wait_any(&[saw], name)
    }

    /// Waits for the first of some words of a device.
    pub fn wait_any(&mut self, saw: &[&str], name: &str) -> Value {
        self.wait_within(SOON, saw, name)
    }

    /// The same for so long.
    pub fn wait_within(&mut self, patience: Duration, saw: &[&str], name: &str) -> Value {
        let wanted = |word: &Value| word["name"] == name && saw.iter().any(|saw| word["saw"] == *saw);
        self.0.wait(patience, wanted, format_args!("{name} never saw {saw:?}"))
    }

    /// Forgets the words of one kind that nobody waited for.
    pub fn forget(&mut self, saw: &str) {
        self.0.unread().retain(|word| word["saw"] != saw);
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Words that nobody waited for, of one kind.
    pub fn others(&mut self, saw: &str) -> Vec<Value> {
        self.0.unread().iter().filter(|word| word["saw"] == saw).cloned().collect()
    }

    /// Ends the process as a power cut would: no word to anybody.
    pub fn kill(self) {
        drop(self);
    }
}
