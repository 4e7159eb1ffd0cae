//! Unmodified devices live the one life of `support/life.rs` over every transport: `lua-device-client` over every URL it knows,
//! `socket.io-client` and `python-socketio` over every transport that they know.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use support::life::live;
use support::way::{Client, Way};

/// MQTT, MQTT over WebSocket, Socket.IO over WebSocket, by polling, and by the upgrade from one to the other.
const WAYS: [Way; 5] =
    [Way::MQTT, Way::WS, Way::socketio("websocket"), Way::socketio("polling"), Way::socketio("default")];

#[test]
fn a_device_lives_on_one_core() {
    assert_eq!(live(1, &WAYS), [0.0; 5], "there is nowhere to go");
}

#[test]
fn a_device_lives_on_three_cores() {
    for (way, handed_over) in WAYS.into_iter().zip(live(3, &WAYS)) {
        // A session that polls goes home by mail, and no connection with it.
        assert!(handed_over > 0.0 || way.transports == "polling", "over {way} no connection went home");
    }
}

#[test]
fn a_device_lives_under_tls_on_three_cores() {
    let ways = WAYS.map(Way::secure);
    for (way, handed_over) in ways.into_iter().zip(live(3, &ways)) {
        assert!(handed_over > 0.0 || way.transports == "polling", "over {way} no connection went home");
    }
}

#[test]
fn a_python_socketio_device_lives_on_two_cores() {
    let way = |flavour| Way { client: Client::Python(flavour), transports: "default", tls: false };
    live(2, &["sync", "asyncio"].map(way));
}
