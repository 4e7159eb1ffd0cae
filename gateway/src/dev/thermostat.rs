//! The demo device `thermostat`: a client like any other, on a thread of its own.
//!
//! Owns the device's manners, which are those of the Python client: subscribe, two `status` messages, a heartbeat every
//! 30 s, the same answer to a repeated command, and reconnecting with ever longer pauses. It shares nothing with the
//! gateway that it connects to but the address and a key.
//!
//! ```text
//!   pause --> Link::open --> introduce --> commands, heartbeats, triggers --+--> (told to stop) good-bye
//!     ^                                                                      |
//!     +------------------------------ (connection lost) ---------------------+
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use codec::json::{encode_str, members};
use codec::mqtt::QoS;

use super::link::{Identity, Link, Message, Words, now};
use super::room::{MANIFEST, Room};
use crate::cli::wall_ms;
use crate::wall::Rfc3339;

const NAME: &str = "thermostat";
const HEARTBEAT_EVERY: Duration = Duration::from_secs(30);
/// The first and the longest pause before a new connection.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a pause goes on without a look at the stop flag.
const NAP: Duration = Duration::from_millis(100);
/// Answers that are remembered for repeated commands.
const ANSWERS_KEPT: usize = 64;

/// The running device.
pub struct Thermostat {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Thermostat {
    /// Starts the device: it connects to the MQTT listener at `address` as `agent`'s `thermostat`, with `secret`, and
    /// runs until `stop` is set. It looks at `stop` a few times in a second.
    pub fn start(address: SocketAddr, agent: &str, secret: &str, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let who = Identity { agent: agent.to_owned(), device: NAME.to_owned(), secret: secret.to_owned() };
        let device = Device {
            who,
            address,
            stop: Arc::clone(&stop),
            born: now(),
            room: Room::new(),
            answers: VecDeque::new(),
        };
        let thread = thread::Builder::new().name(NAME.to_owned()).spawn(move || device.live())?;
        Ok(Self { thread, stop })
    }

    /// Stops the device and waits until it has said good-bye.
    pub fn join(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::warn!("the demo device ended with a panic");
        }
    }
}

struct Device {
    who: Identity,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    born: Instant,
    room: Room,
    /// The latest answers by command id, oldest first.
    answers: VecDeque<(String, String)>,
}

impl Device {
    fn live(mut self) {
        let mut pause = PAUSE_MIN;
        while !self.is_stopped() {
            let opened = Link::open(self.address, &self.who, &status("offline"), &self.stop);
            match opened.and_then(|link| self.converse(link, &mut pause)) {
                Ok(()) => break,
                Err(error) => tracing::debug!(%error, "the demo device lost its connection"),
            }
            self.rest(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Speaks until the connection is lost or the device is stopped.
    fn converse(&mut self, mut link: Link, pause: &mut Duration) -> io::Result<()> {
        self.introduce(&mut link)?;
        *pause = PAUSE_MIN;
        let mut beat_at = now();
        while !self.is_stopped() {
            if now() >= beat_at {
                link.publish(&Words {
                    suffix: "heartbeat",
                    payload: "",
                    qos: QoS::AtMostOnce,
                    retain: false,
                })?;
                beat_at = now() + HEARTBEAT_EVERY;
            }
            self.room.pass(now().duration_since(self.born).as_secs_f64());
            if let Some(payload) = self.room.complaint() {
                let payload = format!(r#"{{"triggerName":"too_hot","payload":{payload}}}"#);
                link.publish(&Words {
                    suffix: "trigger",
                    payload: &payload,
                    qos: QoS::AtLeastOnce,
                    retain: false,
                })?;
            }
            if let Some(message) = link.receive()? {
                self.heed(&mut link, &message)?;
            }
        }
        let payload = &status("offline");
        link.publish(&Words { suffix: "status", payload, qos: QoS::AtLeastOnce, retain: true })?;
        link.disconnect()
    }

    /// Subscribes, and says twice that the device is online: for all to see, and for the gateway with key and commands.
    fn introduce(&self, link: &mut Link) -> io::Result<()> {
        link.subscribe(&["command", "connected", "trigger_ack", "trigger_result", "error"])?;
        let payload = &status("online");
        link.publish(&Words { suffix: "status", payload, qos: QoS::AtLeastOnce, retain: true })?;
        let secret = quoted(&self.who.secret);
        let payload =
            &format!(r#"{{"status":"online","apiKey":{secret},"group":null,"commands":{MANIFEST}}}"#);
        link.publish(&Words { suffix: "status", payload, qos: QoS::AtLeastOnce, retain: false })
    }

    fn heed(&mut self, link: &mut Link, message: &Message) -> io::Result<()> {
        match message.suffix.as_str() {
            "command" => match self.answer(&message.payload) {
                Some(payload) => {
                    let payload = &payload;
                    link.publish(&Words { suffix: "response", payload, qos: QoS::AtLeastOnce, retain: false })
                }
                None => Ok(()),
            },
            "error" => {
                tracing::warn!(said = %crate::log::ShownBytes(&message.payload), "the demo device was told of an error");
                Ok(())
            }
            // `connected` and `trigger_ack` ask for nothing.
            _ => Ok(()),
        }
    }

    /// Runs a command and answers the response; a command without an id has none.
    fn answer(&mut self, payload: &[u8]) -> Option<String> {
        let [id, command, payload] = members(payload, ["commandId", "command", "payload"]).ok()?;
        let (mut id_text, mut command_text) = (String::new(), String::new());
        let id = id?.text(&mut id_text)?;
        let command = command?.text(&mut command_text)?;
        if let Some((_, answer)) = self.answers.iter().find(|(known, _)| known == id) {
            return Some(answer.clone());
        }
        let quoted_id = quoted(id);
        let answer = match self.room.obey(command, payload.map(|payload| payload.as_bytes())) {
            Ok(data) => format!(r#"{{"commandId":{quoted_id},"success":true,"data":{data}}}"#),
            Err(error) => {
                format!(r#"{{"commandId":{quoted_id},"success":false,"error":{}}}"#, quoted(&error))
            }
        };
        if self.answers.len() == ANSWERS_KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back((id.to_owned(), answer.clone()));
        Some(answer)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Pauses, but not beyond the stop.
    fn rest(&self, pause: Duration) {
        let until = now() + pause;
        while now() < until && !self.is_stopped() {
            thread::park_timeout(NAP);
        }
    }
}

/// The public `status` message, also the will.
fn status(word: &str) -> String {
    format!(r#"{{"status":"{word}","timestamp":"{}"}}"#, Rfc3339(wall_ms()))
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    encode_str(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
#[path = "thermostat_tests.rs"]
mod tests;
