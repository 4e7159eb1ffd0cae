//! A fleet of devices on real sockets, in one thread.
//!
//! Owns the sockets and the order of the log-ins: a batch speaks, then each of it is heard to the end. It waits for words, with
//! a deadline, and never for time to pass.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use benches::device::{introduce, topic_prefix};
use codec::mqtt::{Packet, decode};

/// Devices that log in at the same time.
const BATCH: usize = 50;
/// The longest silence of the gateway while a device logs in.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the file's head.
pub(crate) struct Fleet {
    gateway: SocketAddr,
    devices: Vec<TcpStream>,
}

impl Fleet {
    /// Nobody yet.
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        Self { gateway, devices: Vec::new() }
    }

    /// Connects devices until there are so many; all of them are described then.
    pub(crate) fn grow_to(&mut self, devices: usize) {
        while self.devices.len() < devices {
            let (first, last) = (self.devices.len(), devices.min(self.devices.len() + BATCH));
            for number in first..last {
                self.devices.push(speak(self.gateway, &name(number)));
            }
            for (number, device) in self.devices.iter_mut().enumerate().skip(first) {
                hear(device, &name(number));
            }
        }
    }
}

/// Names as long as names are.
fn name(number: usize) -> String {
    format!("pico-kitchen-{number:06}")
}

fn speak(gateway: SocketAddr, name: &str) -> TcpStream {
    let mut device = TcpStream::connect(gateway).expect("the gateway accepts");
    device.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let mut words = Vec::new();
    introduce(name, false, &mut words).expect("an introduction");
    device.write_all(&words).expect("the gateway listens");
    device
}

/// Reads to the end of the log-in: five packets, the last of which says `connected`.
fn hear(device: &mut TcpStream, name: &str) {
    let (mut received, mut heard) = (Vec::new(), 0);
    while heard < 5 {
        let mut some = [0; 1024];
        let bytes = device.read(&mut some).unwrap_or_else(|error| panic!("{name} hears nothing: {error}"));
        assert!(bytes > 0, "{name} was hung up on after {heard} packets");
        received.extend_from_slice(&some[..bytes]);
        while let Some((packet, bytes)) = decode(&received).expect("the gateway speaks MQTT") {
            if let Packet::Publish(publish) = packet {
                assert_eq!(publish.topic.strip_prefix(&topic_prefix(name)), Some("connected"));
            }
            received.drain(..bytes);
            heard += 1;
        }
    }
}
