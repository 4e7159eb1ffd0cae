//! How a device connects: with which unmodified client, over which transport, with TLS below it or without.
//!
//! Owns the list of the clients, and how each is started. A test that is about devices, and not about one transport, runs over
//! these and knows none of them.

use super::devices::Devices;
use super::{Gateway, SOON, wait_for};
use serde_json::json;
use std::fmt;

/// An unmodified client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// `lua-device-client`, over MQTT.
    Lua,
    /// A version of `socket.io-client`, by the name of its package.
    Node(&'static str),
    /// `python-socketio`: `sync` or `asyncio`.
    Python(&'static str),
}

/// How a device connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    pub client: Client,
    /// Of Lua: `tcp` or `websocket`; of the others `websocket`, `polling`, or `default`, which begins with the latter and upgrades.
    pub transports: &'static str,
    pub tls: bool,
}

/// What Socket.IO clients can be told.
pub const TRANSPORTS: [&str; 3] = ["websocket", "polling", "default"];

/// Newest of the 4.x line, the first of it, and the newest of 3.x: all of them speak revision 4 of Engine.IO. And both flavours
/// of the other client.
pub const SOCKETIO_CLIENTS: [Client; 5] = [
    Client::Node("socket.io-client"),
    Client::Node("socket.io-client-4.0"),
    Client::Node("socket.io-client-3.1"),
    Client::Python("sync"),
    Client::Python("asyncio"),
];

impl Way {
    pub const MQTT: Self = Self { client: Client::Lua, transports: "tcp", tls: false };
    pub const WS: Self = Self { client: Client::Lua, transports: "websocket", tls: false };

    /// The newest `socket.io-client`.
    pub const fn socketio(transports: &'static str) -> Self {
        Self { client: Client::Node("socket.io-client"), transports, tls: false }
    }

    /// The same under TLS.
    pub const fn secure(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Every Socket.IO client over every transport, plain and under TLS.
    pub fn all_of_socketio() -> impl Iterator<Item = Self> {
        SOCKETIO_CLIENTS.into_iter().flat_map(|client| {
            TRANSPORTS.into_iter().flat_map(move |transports| {
                [false, true].into_iter().map(move |tls| Self { client, transports, tls })
            })
        })
    }

    /// Starts a process with devices of an agent; none is connected yet.
    pub fn start(self, gateway: &Gateway, agent: &str, key: &str) -> Devices {
        let (url, authority) = (self.url(gateway), gateway.authority());
        let given = [&url, agent, key];
        match self.client {
            Client::Lua => Devices::lua(&authority, given),
            Client::Node(package) => Devices::node(package, &authority, given, self.transports),
            Client::Python(flavour) => Devices::python(flavour, &authority, given, self.transports),
        }
    }

    fn url(self, gateway: &Gateway) -> String {
        match (self.client, self.transports, self.tls) {
            (Client::Lua, "tcp", false) => format!("mqtt://{}", gateway.mqtt),
            (Client::Lua, "tcp", true) => format!("mqtts://{}", gateway.mqtts),
            (Client::Lua, _, false) => format!("ws://{}/mqtt", gateway.http),
            (Client::Lua, _, true) => format!("wss://{}/mqtt", gateway.https),
            (_, _, false) => format!("http://{}", gateway.http),
            (_, _, true) => format!("https://{}", gateway.https),
        }
    }

    /// Waits until a device of Socket.IO is carried by the transport it was told, an upgrade included; others are at once.
    pub fn wait_carried(self, name: &str, devices: &mut Devices) {
        if self.client == Client::Lua {
            return;
        }
        let wanted = if self.transports == "polling" { "polling" } else { "websocket" };
        wait_for("its transport", SOON, || {
            devices.order(&json!({"do": "transport", "name": name}));
            (devices.wait("transport", name)["transport"] == wanted).then_some(())
        });
    }

    /// What the API calls it.
    pub fn transport(self) -> &'static str {
        match (self.client, self.transports) {
            (Client::Lua, "tcp") => "mqtt",
            (Client::Lua, _) => "mqtt_ws",
            (Client::Node(_) | Client::Python(_), _) => "socketio",
        }
    }

    /// Whether its device comes back by itself when it was sent away for good. Stock Socket.IO clients do not.
    pub fn insists(self) -> bool {
        self.client == Client::Lua
    }

    /// A name that no other way has, as a device or an agent may be called.
    pub fn name(self) -> String {
        self.to_string().replace(['.', ' '], "-")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = match self.client {
            Client::Lua => "lua",
            Client::Node(package) => package,
            Client::Python(flavour) => flavour,
        };
        write!(f, "{client} {}{}", self.transports, if self.tls { " tls" } else { "" })
    }
}
