//! One connection of the demo device: blocking MQTT 3.1.1 over a real socket.
//!
//! Owns the socket, the packet ids and the bytes that have come but are not whole yet. It answers what the protocol must
//! have answered (PUBACK) and hands out messages; it never reconnects (see [`super::thermostat`]) and knows no command.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use codec::mqtt::{
    Connect, ConnectCode, Packet, PacketId, PublishHead, QoS, Will, decode, encode_disconnect,
    encode_pingreq, encode_puback, encode_publish, encode_subscribe,
};

/// What the device promises to say at least once in 1.5 of these, in seconds.
const KEEP_ALIVE_S: u16 = 60;
/// The longest that a read blocks: how soon the device notices that it shall stop.
const TICK: Duration = Duration::from_millis(200);
/// How long the gateway may take to accept a connection, or to take bytes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who the device is.
pub(super) struct Identity {
    pub(super) agent: String,
    pub(super) device: String,
    pub(super) secret: String,
}

/// A connection that has been accepted.
pub(super) struct Link {
    stream: TcpStream,
    prefix: String,
    received: Vec<u8>,
    last_id: PacketId,
    spoke_at: Instant,
}

/// A message on one of the device's own topics.
pub(super) struct Message {
    /// The topic behind the device's prefix.
    pub(super) suffix: String,
    pub(super) payload: Vec<u8>,
}

/// A packet that has come whole.
struct Heard {
    /// The message in it, when it is one for this device.
    message: Option<Message>,
    /// Its length in bytes.
    taken: usize,
    /// What has to be acknowledged.
    id: Option<PacketId>,
}

/// What a topic of the device is to be told.
pub(super) struct Words<'a> {
    pub(super) suffix: &'a str,
    pub(super) payload: &'a str,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

impl Link {
    /// Connects, says who the device is, and waits for the gateway's word, or for `stop`.
    pub(super) fn open(
        address: SocketAddr,
        who: &Identity,
        farewell: &str,
        stop: &AtomicBool,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let prefix = format!("lua/devices/{}/{}/", who.agent, who.device);
        let mut link = Self {
            stream,
            prefix,
            received: Vec::new(),
            last_id: PacketId::new(u16::MAX).ok_or(ErrorKind::InvalidInput)?,
            spoke_at: now(),
        };
        let mut out = Vec::new();
        let connect = Connect {
            client_id: &format!("lua-{}-{}", who.agent, who.device),
            clean_session: false,
            keep_alive_s: KEEP_ALIVE_S,
            will: Some(Will {
                topic: &format!("{}status", link.prefix),
                payload: farewell.as_bytes(),
                qos: QoS::AtLeastOnce,
                retain: true,
            }),
            username: Some(&format!("{}:{}", who.agent, who.device)),
            password: Some(who.secret.as_bytes()),
        };
        connect.encode(&mut out).map_err(|misuse| said_wrong(&misuse))?;
        link.send(&out)?;
        link.await_connack(stop)?;
        Ok(link)
    }

    fn await_connack(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let deadline = now() + PATIENCE;
        loop {
            match decode(&self.received).map_err(|fault| heard_wrong(&fault))? {
                Some((Packet::ConnAck(answer), taken)) => {
                    let code = answer.code;
                    self.received.drain(..taken);
                    return if code == ConnectCode::Accepted {
                        Ok(())
                    } else {
                        Err(io::Error::new(ErrorKind::PermissionDenied, format!("the gateway said {code:?}")))
                    };
                }
                Some(_) => {
                    return Err(io::Error::new(ErrorKind::InvalidData, "the first packet is no CONNACK"));
                }
                None if stop.load(Ordering::Relaxed) => return Err(ErrorKind::Interrupted.into()),
                None if now() > deadline => return Err(ErrorKind::TimedOut.into()),
                None => self.read()?,
            }
        }
    }

    /// Subscribes to topics of the device, by their suffixes.
    pub(super) fn subscribe(&mut self, suffixes: &[&str]) -> io::Result<()> {
        let topics: Vec<String> = suffixes.iter().map(|suffix| format!("{}{suffix}", self.prefix)).collect();
        let filters: Vec<(&str, QoS)> =
            topics.iter().map(|topic| (topic.as_str(), QoS::AtLeastOnce)).collect();
        let mut out = Vec::new();
        let id = self.next_id();
        encode_subscribe(&mut out, id, &filters).map_err(|misuse| said_wrong(&misuse))?;
        self.send(&out)
    }

    /// Publishes on a topic of the device. A PUBACK is not waited for.
    pub(super) fn publish(&mut self, words: &Words<'_>) -> io::Result<()> {
        let id = (words.qos != QoS::AtMostOnce).then(|| self.next_id());
        let head = PublishHead { qos: words.qos, dup: false, retain: words.retain, id };
        let mut out = Vec::new();
        encode_publish(&mut out, head, &[&self.prefix, words.suffix], &[words.payload.as_bytes()])
            .map_err(|misuse| said_wrong(&misuse))?;
        self.send(&out)
    }

    /// Says good-bye, so that the will is not needed.
    pub(super) fn disconnect(mut self) -> io::Result<()> {
        let mut out = Vec::new();
        encode_disconnect(&mut out);
        self.send(&out)
    }

    /// Waits a tick for a message; acknowledges it, and keeps the connection alive meanwhile.
    pub(super) fn receive(&mut self) -> io::Result<Option<Message>> {
        let Some(Heard { message, taken, id }) = self.next_packet()? else {
            if now().duration_since(self.spoke_at) >= Duration::from_secs(KEEP_ALIVE_S.into()) {
                let mut out = Vec::new();
                encode_pingreq(&mut out);
                self.send(&out)?;
            }
            self.read()?;
            return Ok(None);
        };
        self.received.drain(..taken);
        if let Some(id) = id {
            let mut out = Vec::new();
            encode_puback(&mut out, id);
            self.send(&out)?;
        }
        Ok(message)
    }

    fn next_packet(&self) -> io::Result<Option<Heard>> {
        let Some((packet, taken)) = decode(&self.received).map_err(|fault| heard_wrong(&fault))? else {
            return Ok(None);
        };
        let Packet::Publish(publish) = packet else {
            return Ok(Some(Heard { message: None, taken, id: None }));
        };
        let message = publish
            .topic
            .strip_prefix(&self.prefix)
            .map(|suffix| Message { suffix: suffix.to_owned(), payload: publish.payload.to_vec() });
        Ok(Some(Heard { message, taken, id: publish.id }))
    }

    /// Reads what is there; nothing within a tick is no error.
    fn read(&mut self) -> io::Result<()> {
        let mut scratch = [0; 4096];
        match self.stream.read(&mut scratch) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.received.extend_from_slice(&scratch[..length]);
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.spoke_at = now();
        self.stream.write_all(bytes)
    }

    fn next_id(&mut self) -> PacketId {
        self.last_id = self.last_id.next();
        self.last_id
    }
}

fn heard_wrong(fault: &dyn std::fmt::Debug) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the gateway does not speak MQTT: {fault:?}"))
}

fn said_wrong(misuse: &dyn std::fmt::Debug) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{misuse:?}"))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the demo device is a client outside the cores, with a clock of its own"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
