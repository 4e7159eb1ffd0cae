//! How a scripted agent reads its answers.
//!
//! Owns the matching of each answer with the oldest request. What they say is handed to the oracles.

use super::{Agent, AgentLine, Asking, Request, Stream};
use crate::coverage::Seen;
use crate::device::Scene;
use crate::failure::Oracle;
use crate::ledger::{Excuse, Ledger, TENANTS};
use crate::line::{Head, read_head};
use crate::oracles::{Answer, Shown};
use codec::json::{Raw, members};
use serde_json::Value;

impl Agent {
    /// Reads every whole answer, or the next events.
    pub(super) fn hear(&mut self, scene: &mut Scene<'_>, line: &mut AgentLine) {
        while line.stream.is_none() && scene.ledger.failure.is_none() {
            let Some((head, head_bytes)) = read_head(&line.line.ear) else { break };
            if !head.endless && line.line.ear.len() < head_bytes + head.body_bytes {
                break;
            }
            let rest = line.line.ear.split_off(head_bytes + head.body_bytes);
            let answer = std::mem::replace(&mut line.line.ear, rest);
            line.quiet_since_ms = scene.ledger.now_ms;
            self.answered(scene, line, &head, &answer[head_bytes..]);
        }
        if let Some(stream) = &mut line.stream {
            let peer = format!("{}'s agent #{}", TENANTS[self.tenant], self.actor);
            stream.hear(scene.ledger, &mut line.line.ear, &peer);
        }
    }

    fn answered(&mut self, scene: &mut Scene<'_>, line: &mut AgentLine, head: &Head, body: &[u8]) {
        let peer = self.peer();
        let Some(asking) = line.waiting.pop_front() else {
            return scene.ledger.fail(
                Oracle::OneAnswer,
                peer,
                format!("an answer {} to nothing", head.status),
            );
        };
        if head.last && !head.endless {
            line.excuse = Some(Excuse::ToldSo);
            super::forget_decisions(scene.ledger, line);
            line.waiting.clear();
        }
        scene.kernel.note(u64::from(head.status));
        if self.was_put_off(scene, line, &asking, (head.status, body)) {
            return;
        }
        if let Request::Events(reading) = asking.request {
            return self.stream_began(scene, line, head.status, reading);
        }
        if let Request::Inquiry { question, takes_back, .. } = asking.request {
            let (text, answer) = (String::from_utf8_lossy(body), (head.status, body));
            let saying = Saying(&peer, &text);
            return scene.ledger.judge_inquiry((question, takes_back), answer, asking.since, &saying);
        }
        if let Request::Control { identity, decision } = asking.request {
            return scene.ledger.judge_decision((identity, decision), (head.status, body), &peer);
        }
        self.judge(scene, &asking, head, body);
    }

    fn stream_began(
        &mut self,
        scene: &mut Scene<'_>,
        line: &mut AgentLine,
        status: u16,
        mut reading: super::Reading,
    ) {
        let most = scene.ledger.limits.event_streams_per_agent as usize;
        match status {
            200 => {
                // From here on nothing is missed.
                reading.begun_by = scene.ledger.journals[self.tenant].last();
                line.stream = Some(Stream::new(reading));
            }
            429 if most < 64 => {
                scene.ledger.saw(Seen::StreamRefused);
                self.cursor = reading.next.filter(|_| reading.cursor.is_some()).map(|_| reading.clone());
            }
            503 if scene.ledger.stopping => {}
            _ => scene.ledger.fail(
                Oracle::OneAnswer,
                self.peer(),
                format!("a stream was answered with {status}"),
            ),
        }
    }

    fn judge(&mut self, scene: &mut Scene<'_>, asking: &Asking, head: &Head, body: &[u8]) {
        let Asking { request, since, .. } = asking;
        let since = *since;
        let (peer, status, ledger) = (self.peer(), head.status, &mut *scene.ledger);
        let expected: &[u16] = match request {
            Request::Command { question, .. } => {
                return judge_command(ledger, *question, head, body, &peer);
            }
            // Whoever shows wrong keys too often is told to wait.
            _ if self.is_disowned(request)
                && status == 429
                && ledger.wrong_keys > ledger.limits.auth_failures_max =>
            {
                &[429]
            }
            _ if self.is_disowned(request) => &[401],
            Request::Devices | Request::Key | Request::Healthz => &[200],
            Request::Device(_) => &[200, 404],
            Request::Tools { known: Some(_) } => &[200, 304],
            Request::Tools { known: None } | Request::Metrics => &[200],
            Request::Readyz if ledger.stopping => &[200, 503],
            Request::Readyz => &[200],
            Request::Foreign(_) | Request::NoPath => &[404],
            Request::OtherMethod => &[405],
            Request::Junk => &[400, 408, 501, 505],
            Request::Events(_) | Request::Inquiry { .. } | Request::Control { .. } | Request::WrongKey => &[],
        };
        if !expected.contains(&status) {
            let body = String::from_utf8_lossy(body);
            return ledger.fail(
                Oracle::OneAnswer,
                peer,
                format!("{request:?} was answered with {status}: {body}"),
            );
        }
        match request {
            Request::Devices => self.judge_list(scene, since, body),
            Request::Device(identity) => {
                let shown = (status == 200)
                    .then(|| serde_json::from_slice(body).ok().map(|json: Value| shown(&json)));
                ledger.judge_device(*identity, since, shown.flatten().as_ref(), &peer);
            }
            Request::Tools { known } => {
                if status == 304 {
                    return ledger.saw(Seen::NotModified);
                }
                let same = known.is_some() && *known == head.etag;
                ledger.check(!same, Oracle::Presence, &peer, || {
                    "a list with the known tag was sent again".into()
                });
                self.etag = head.etag.clone();
                self.judge_tool_list(scene, since, body);
            }
            Request::Key if status == 200 => {
                let said = String::from_utf8_lossy(body);
                let own = said.contains(&format!("\"agent\":\"{}\"", TENANTS[self.tenant]));
                ledger.check(own, Oracle::Isolation, &peer, || format!("its key is {said}"));
            }
            Request::Foreign(_) => {
                ledger.saw(Seen::ForeignAgent);
                let said = String::from_utf8_lossy(body);
                let shows = said.contains("\"devices\"");
                ledger.check(!shows, Oracle::Isolation, &peer, || format!("it was shown {said}"));
            }
            Request::WrongKey => ledger.saw(Seen::AgentWrongKey),
            Request::Metrics => ledger.saw(Seen::MetricsRead),
            _ => {}
        }
    }

    fn judge_list(&self, scene: &mut Scene<'_>, since: u64, body: &[u8]) {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(devices) = json.get("devices").and_then(Value::as_array) else {
            return scene.ledger.fail(Oracle::Presence, self.peer(), "the list cannot be read");
        };
        let devices: Vec<Shown> = devices.iter().map(shown).collect();
        scene.ledger.judge_devices(self.tenant, since, &devices, &self.peer());
    }

    fn judge_tool_list(&self, scene: &mut Scene<'_>, since: u64, body: &[u8]) {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut names = Vec::new();
        collect_names(&json, &mut names);
        scene.ledger.judge_tools(self.tenant, since, &names, &self.peer());
        let said = String::from_utf8_lossy(body);
        let foreign = TENANTS.iter().find(|&&other| {
            other != TENANTS[self.tenant]
                && (said.contains(&format!("Echo of {other}")) || said.contains(&format!("Set of {other}")))
        });
        scene.ledger.check(foreign.is_none(), Oracle::Isolation, &self.peer(), || {
            format!("tools of {foreign:?} are shown")
        });
    }
}

/// The answer to a command. One that asks for patience says for how much.
fn judge_command(ledger: &mut Ledger, question: usize, head: &Head, body: &[u8], peer: &str) {
    let text = String::from_utf8_lossy(body);
    let invites = !matches!(head.status, 429 | 503) || head.retry_after_s.is_some_and(|s| s > 0);
    ledger.check(invites, Oracle::OneAnswer, &peer, || {
        format!("q{question} is to be tried again, and nobody says when: {text}")
    });
    ledger.judge_answer(question, read_command(body, head.status), &Saying(peer, &text));
}

/// A peer, and what it was told, for a message.
struct Saying<'a>(&'a str, &'a str);

impl std::fmt::Display for Saying<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, told {}", self.0, self.1)
    }
}

fn shown(json: &Value) -> Shown {
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    Shown {
        name: text("name").unwrap_or_default(),
        status: text("status").unwrap_or_default(),
        group: text("group"),
    }
}

/// Every `name` of a list of tools, whatever its form.
fn collect_names(json: &Value, names: &mut Vec<String>) {
    match json {
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Object(fields) => {
            names.extend(fields.get("name").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect_names(value, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn read_command(body: &[u8], status: u16) -> Answer<'_> {
    let fields =
        members(body, ["commandId", "data", "code", "outcome", "detail", "durationMs"]).unwrap_or_default();
    let [id, data, code, outcome, detail, took] = fields;
    Answer {
        status,
        code: code.and_then(|raw| raw.plain_str()).unwrap_or_default(),
        outcome: outcome.and_then(|raw| raw.plain_str()).unwrap_or_default(),
        data: data.and_then(|raw| std::str::from_utf8(raw.as_bytes()).ok()).unwrap_or_default(),
        detail: detail.and_then(|raw| raw.plain_str()).unwrap_or_default(),
        id: id.and_then(|raw| raw.plain_str()).unwrap_or_default(),
        took_ms: took.as_ref().and_then(Raw::as_u64),
    }
}
