//! A bare TCP connection: the test writes any bytes and sees exactly what comes back, and when the other end hangs up.
//!
//! Owns no protocol but the few words that MQTT bytes are put together of; a test of bad input must not depend on a library
//! which would refuse to make it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A bad peer is hung up on within this.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// A connection of nobody in particular.
pub struct Raw {
    stream: TcpStream,
    /// What came and was not looked at yet.
    pub received: Vec<u8>,
    closed: bool,
}

impl Raw {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_write_timeout(Some(super::SOON)).expect("a socket");
        Self { stream, received: Vec::new(), closed: false }
    }

    /// Connects and writes.
    pub fn sending(address: SocketAddr, bytes: &[u8]) -> Self {
        let mut raw = Self::connect(address);
        raw.send(bytes);
        raw
    }

    /// Writes. `false`: the other end has hung up already, as it may.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will be written.
    pub fn finish(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Ends the connection with a reset: what a crash or a middlebox looks like.
    pub fn reset(self) {
        let linger = socket2::SockRef::from(&self.stream);
        linger.set_linger(Some(Duration::ZERO)).expect("a socket");
    }

    /// Reads once, for at most `within`. `false`: nothing came, or never will.
    fn read_once(&mut self, within: Duration) -> bool {
        let mut buffer = [0; 16 * 1024];
        self.stream.set_read_timeout(Some(within.max(Duration::from_millis(1)))).expect("a socket");
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.closed = true;
                false
            }
            Ok(bytes) => {
                self.received.extend_from_slice(&buffer[..bytes]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(_) => {
                self.closed = true;
                false
            }
        }
    }

    /// Waits until `found` sees in what was received what it looks for. `None`: it did not come within `within`.
    pub fn hear<T>(&mut self, within: Duration, mut found: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = found(&self.received) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.closed || left.is_zero() {
                return None;
            }
            self.read_once(left);
        }
    }

    /// Waits for so many bytes and takes them.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        let enough = self.hear(super::SOON, |received| (received.len() >= bytes).then_some(()));
        assert!(enough.is_some(), "{bytes} bytes were awaited, {:02x?} came", self.received);
        self.received.drain(..bytes).collect()
    }

    /// Waits for the next MQTT packet and takes it whole.
    pub fn packet(&mut self) -> Vec<u8> {
        let whole = |received: &[u8]| {
            let header = codec::mqtt::peek(received).expect("the gateway speaks MQTT")?;
            (received.len() >= header.packet_bytes()).then(|| header.packet_bytes())
        };
        let bytes = self.hear(super::SOON, whole);
        let bytes = bytes.unwrap_or_else(|| panic!("no packet came but {:02x?}", self.received));
        self.received.drain(..bytes).collect()
    }

    /// Waits for the end and gives everything that came before it. `None`: it was not hung up on within `within`.
    pub fn closed_within(&mut self, within: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + within;
        while !self.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.read_once(left);
        }
        Some(std::mem::take(&mut self.received))
    }

    /// Asserts that it is hung up on at once and was told exactly `said` before.
    pub fn must_be_closed(&mut self, what: &str, said: &[u8]) {
        let heard = self.closed_within(AT_ONCE);
        let heard = heard.unwrap_or_else(|| panic!("{what}: still open; it heard {:02x?}", self.received));
        assert_eq!(heard, said, "{what}: it heard {heard:02x?}");
    }

    /// Asserts that it is left alone for a while and told nothing.
    pub fn must_stay_open(&mut self, what: &str, within: Duration) {
        let heard = self.closed_within(within);
        assert_eq!(heard, None, "{what}: hung up on");
        assert!(self.received.is_empty(), "{what}: it heard {:02x?}", self.received);
    }
}

/// An MQTT packet: its first byte, then the length, then `parts`.
pub fn mqtt(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut left: usize = parts.iter().map(|part| part.len()).sum();
    let mut packet = vec![first];
    loop {
        let digit = (left % 128) as u8;
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend(parts.iter().copied().flatten());
    packet
}

/// A string or binary field: two bytes of length, then the bytes, whatever they are.
pub fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut field =
        u16::try_from(bytes.len()).expect("a field has at most 65535 bytes").to_be_bytes().to_vec();
    field.extend_from_slice(bytes);
    field
}

/// What a CONNECT says; every part may be spoiled.
pub struct Hello {
    pub name: Vec<u8>,
    pub level: u8,
    pub flags: u8,
    pub keep_alive_s: u16,
    pub client_id: Vec<u8>,
    pub will: Option<(Vec<u8>, Vec<u8>)>,
    pub username: Vec<u8>,
    pub password: Vec<u8>,
    pub surplus: Vec<u8>,
}

impl Hello {
    /// A right one: clean session, user name and password, no will.
    pub fn new(agent: &str, device: &str, key: &str) -> Self {
        Self {
            name: b"MQTT".to_vec(),
            level: 4,
            flags: 0xc2,
            keep_alive_s: 60,
            client_id: format!("lua-{agent}-{device}").into(),
            will: None,
            username: format!("{agent}:{device}").into(),
            password: key.into(),
            surplus: Vec::new(),
        }
    }

    /// The same with a will of QoS 1.
    pub fn with_will(mut self, topic: &str, payload: &str) -> Self {
        self.will = Some((topic.into(), payload.into()));
        self.flags |= 0x0c;
        self
    }

    /// The packet.
    pub fn packet(&self) -> Vec<u8> {
        let mut body = field(&self.name);
        body.push(self.level);
        body.push(self.flags);
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        body.extend(field(&self.client_id));
        if let Some((topic, payload)) = &self.will {
            body.extend(field(topic));
            body.extend(field(payload));
        }
        body.extend(field(&self.username));
        body.extend(field(&self.password));
        body.extend_from_slice(&self.surplus);
        mqtt(0x10, &[&body])
    }
}

/// A PUBLISH with any first byte; an id is written when one is given, whatever the first byte says.
pub fn publish(first: u8, topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let id = id.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec());
    mqtt(first, &[&field(topic), &id, payload])
}

/// A SUBSCRIBE.
pub fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend(field(filter));
        body.push(*qos);
    }
    mqtt(0x82, &[&body])
}
