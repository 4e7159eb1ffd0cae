//! What a scripted agent asks, and how it is written.
//!
//! Owns paths, heads and bodies, with the small liberties that HTTP allows.

use super::Agent;
use crate::coverage::Seen;
use crate::device::Scene;
use crate::ledger::{Decision, Question, TENANTS};
use crate::oracles::Reading;
use crate::swarm::Manner;

/// A request.
#[derive(Clone, Debug)]
pub enum Request {
    /// The list of devices.
    Devices,
    /// One device.
    Device(usize),
    /// The list of tools, perhaps with the tag of the last one.
    Tools {
        /// `If-None-Match`.
        known: Option<String>,
    },
    /// A command.
    Command {
        /// The question.
        question: usize,
        /// The request names the time limit.
        given: bool,
        /// It was asked before, under the same key.
        again: bool,
    },
    /// How a command goes, or that it is taken back.
    Inquiry {
        /// The question.
        question: usize,
        /// The command's id.
        id: String,
        /// It is taken back.
        takes_back: bool,
    },
    /// What is decided about a device.
    Control {
        /// The device.
        identity: usize,
        /// What is decided.
        decision: Decision,
    },
    /// The stream of events.
    Events(Reading),
    /// The devices of another agent.
    Foreign(&'static str),
    /// A list, with a wrong key.
    WrongKey,
    /// The metrics.
    Metrics,
    /// A path that does not exist.
    NoPath,
    /// A path with a method that it does not take.
    OtherMethod,
    /// Whether the gateway lives.
    Healthz,
    /// Whether it is ready.
    Readyz,
    /// Whose key this is.
    Key,
    /// What is no request.
    Junk,
}

impl Request {
    /// Whether other requests may follow on its connection.
    pub fn shares_a_line(&self) -> bool {
        !matches!(self, Self::Events(_) | Self::Junk)
    }
}

impl Agent {
    pub(super) fn write(&mut self, scene: &mut Scene<'_>, at: usize, request: &Request) {
        let own = format!("/v1/agents/{}", TENANTS[self.tenant]);
        let (method, path, fields, body) = match request {
            Request::Devices => ("GET", format!("{own}/devices"), String::new(), None),
            Request::Device(identity) => (
                "GET",
                format!("{own}/devices/{}", scene.ledger.identities[*identity].name),
                String::new(),
                None,
            ),
            Request::Tools { known } => {
                let known = known.as_ref().map_or(String::new(), |tag| format!("If-None-Match: {tag}\r\n"));
                ("GET", format!("{own}/tools"), known, None)
            }
            Request::Command { question, given, .. } => (
                "POST",
                scene.ledger.path(*question),
                command_fields(&scene.ledger.questions[*question], *question),
                Some(self.command_body(scene, *question, *given)),
            ),
            Request::Events(reading) => {
                let cursor =
                    reading.cursor.as_ref().map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
                ("GET", format!("{own}/events"), cursor, None)
            }
            Request::Inquiry { id, takes_back, .. } => {
                (inquiry_method(*takes_back), format!("{own}/commands/{id}"), String::new(), None)
            }
            Request::Control { identity, decision } => {
                scene.ledger.decide(*identity, *decision);
                let (method, path, body) = self.control(scene.ledger.identities[*identity].name, *decision);
                (method, path, String::new(), body)
            }
            Request::Foreign(agent) => ("GET", format!("/v1/agents/{agent}/devices"), String::new(), None),
            Request::WrongKey => ("GET", format!("{own}/devices"), String::new(), None),
            Request::Metrics => ("GET", "/metrics".into(), String::new(), None),
            Request::NoPath => ("GET", "/v1/nowhere".into(), String::new(), None),
            Request::OtherMethod => ("DELETE", format!("{own}/tools"), String::new(), None),
            Request::Healthz => ("GET", "/healthz".into(), String::new(), None),
            Request::Readyz => ("GET", "/readyz".into(), String::new(), None),
            Request::Key => ("GET", "/v1/key".into(), String::new(), None),
            Request::Junk => return,
        };
        let key = self.key(scene, request);
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n{fields}");
        scene.ledger.say(|| format!("{} asks {method} {path} {body:?}", self.peer()));
        self.note_dribble(scene, request);
        let chunks = self.manners.has(Manner::Chunks) && body.is_some();
        if chunks {
            scene.ledger.saw(Seen::Chunked);
        }
        self.lines[at].line.say(|out| {
            out.extend_from_slice(head.as_bytes());
            write_body(out, body.as_deref(), chunks);
        });
    }

    /// The key that it shows.
    fn key(&self, scene: &mut Scene<'_>, request: &Request) -> String {
        scene.ledger.wrong_keys += u32::from(self.is_disowned(request));
        self.secret(request)
    }

    /// A request that comes in pieces may be found too slow.
    fn note_dribble(&self, scene: &mut Scene<'_>, request: &Request) {
        if let Request::Command { question, .. } = request {
            // What does not fit into the kernel at once comes in pieces, as the agent gets its turns; and what does not fit
            // into one read does, where the network delays.
            let bytes = scene.ledger.questions[*question].payload.len();
            let faults = scene.swarm.faults;
            let slow = faults.delay > 0 || faults.would_block > 0 || faults.short_read > 0;
            let long =
                bytes > scene.swarm.pipe_bytes / 2 || (slow && bytes > scene.swarm.engine.scratch_bytes);
            if long || self.manners.has(Manner::Dribbles) {
                scene.ledger.dribble(*question);
            }
        }
    }

    /// How a decision about a device is written.
    fn control(&self, device: &str, decision: Decision) -> (&'static str, String, Option<String>) {
        let tenant = TENANTS[self.tenant];
        let device_path = format!("/v1/agents/{tenant}/devices/{device}");
        match decision {
            Decision::Disable => ("POST", format!("{device_path}/disable"), None),
            Decision::Enable => ("POST", format!("{device_path}/enable"), None),
            Decision::Remove => ("DELETE", device_path, None),
            Decision::Register => {
                let body = format!(r#"{{"name":"{device}","group":"{tenant}"}}"#);
                ("POST", format!("/developer/devices/{tenant}"), Some(body))
            }
        }
    }

    fn command_body(&self, scene: &Scene<'_>, n: usize, given: bool) -> String {
        let question = &scene.ledger.questions[n];
        let (command, payload) = (question.command, &question.payload);
        let offline = if question.queues { r#","offline":"queue""# } else { "" };
        match given {
            true => {
                format!(
                    r#"{{"payload": {payload} ,"command":"{command}","timeoutMs":{}{offline}}}"#,
                    question.timeout_ms
                )
            }
            false => format!(r#"{{"command":"{command}","payload":{payload}{offline}}}"#),
        }
    }
}

/// How one asks about a command, or takes it back.
fn inquiry_method(takes_back: bool) -> &'static str {
    if takes_back { "DELETE" } else { "GET" }
}

/// What a command's request says in its head.
fn command_fields(asked: &Question, n: usize) -> String {
    match (asked.keyed, asked.hasty && !asked.queues) {
        (true, _) => format!("Idempotency-Key: key-{n}\r\n"),
        (false, true) => "Prefer: respond-async\r\n".into(),
        (false, false) => String::new(),
    }
}

/// Ends the head and writes the body.
fn write_body(out: &mut Vec<u8>, body: Option<&str>, chunks: bool) {
    let text = match body {
        None => "\r\n".into(),
        Some(body) if chunks => {
            let (first, rest) = body.split_at(body.len() / 2);
            let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
            format!("Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n", chunk(first), chunk(rest))
        }
        Some(body) => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
    };
    out.extend_from_slice(text.as_bytes());
}
