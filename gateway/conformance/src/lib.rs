//! Servers for independent protocol suites, composed of the gateway's own `engine`, `codec` and `transports`.
//!
//! Each subcommand is one tenant of [`engine::Service`] in a room of its own, and knows nothing of devices, agents or keys:
//! if a suite finds a fault here, the product has it too. This package is no part of the product, serves everybody who
//! connects, and belongs on a loopback address.
//!
//! ```text
//!   conformance mqtt       mqtt/      an open MQTT 3.1.1 broker, over TCP, WebSocket and TLS
//!   conformance ws-echo    ws_echo    every WebSocket message comes back
//!   conformance engineio   engineio/  an echo over Engine.IO 4
//!   conformance socketio   engineio/  a few events over Socket.IO 5
//! ```

#![forbid(unsafe_code)]

pub mod engineio;
pub mod mqtt;
pub mod serve;
pub mod upgrade;
pub mod ws_echo;
