//! `POST …/commands`: an agent runs a command.
//!
//! Owns the agent's half of a command: the body is read, a place among the commands in flight is taken, a ticket opened, and
//! one mail posted to the device's home core; one mail comes back and becomes the answer. The payload and the data pass as the
//! bytes that were sent.

use super::errors::{ApiError, Problem, of_outcome};
use super::http::Waits;
use super::ticket::{Awaits, Ticket};
use crate::auth::Agent;
use crate::command::text::AskText;
use crate::device::name::HomeHash;
use crate::mail::{Ask, Mail, Settled};
use crate::shard::{Cx, Shard};
use codec::json::{Kind, Raw, members};
use engine::Key;
use std::io::Write;
use std::sync::Arc;
use transports::http::{Request, Response};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// What the body of the request says.
struct Wanted<'b> {
    command: &'b str,
    payload: Option<Raw<'b>>,
    timeout_ms: Option<u32>,
}

impl Shard {
    /// `POST /v1/agents/{agent}/devices/{device}/commands`
    pub(crate) fn run_command(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
        device: &str,
    ) {
        if cx.draining() {
            return self.unsent(cx, conn, ApiError::ShuttingDown, "");
        }
        let wanted = match self.read_wanted(request.body) {
            Ok(wanted) => wanted,
            Err((error, detail)) => return self.unsent(cx, conn, error, detail),
        };
        if cx.congested() {
            return self.unsent(cx, conn, ApiError::DeviceBusy, "The gateway is busy.");
        }
        let Ok(key) = idempotency_key(request) else {
            return self.unsent(
                cx,
                conn,
                ApiError::InvalidRequest,
                "An idempotency key has 1 to 255 characters.",
            );
        };
        let place = agent.try_begin_command(self.facts.limits.commands_in_flight_per_agent);
        if place.is_none() && key.is_empty() {
            return self.unsent(cx, conn, ApiError::TooManyCommands, "");
        }
        let payload = wanted.payload.map(|payload| payload.as_bytes());
        let Some(text) = AskText::write(self.buffers.lend(), device, wanted.command, key, payload) else {
            return self.unsent(cx, conn, ApiError::DeviceUnknown, "");
        };
        let home = HomeHash::home(self.facts.home.of(agent.name(), device), cx.cores());
        let ticket = self.tickets.insert(Ticket { conn, awaits: Awaits::Command });
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Ticket(ticket);
        }
        let agent = agent.clone();
        let ask = Ask { from: cx.core(), ticket, agent, place, text, timeout_ms: wanted.timeout_ms };
        cx.post(home, Mail::Ask(ask));
    }

    fn read_wanted<'b>(&self, body: &'b [u8]) -> Result<Wanted<'b>, (ApiError, &'static str)> {
        let invalid = |detail| (ApiError::InvalidRequest, detail);
        let [command, payload, timeout, offline] =
            members(body, ["command", "payload", "timeoutMs", "offline"]).map_err(|_| {
                invalid("The body is a JSON object with `command` and, if need be, `payload`.")
            })?;
        let command = command.ok_or(invalid("`command` is missing."))?;
        // A name that needs an escape is no command name: the answer is the same as for any unknown one.
        let command = match command.kind() {
            Kind::String => command.plain_str().ok_or((ApiError::CommandUnknown, ""))?,
            _ => return Err(invalid("`command` is a string.")),
        };
        let payload = payload.filter(|payload| payload.kind() != Kind::Null);
        if payload.is_some_and(|payload| payload.as_bytes().len() > self.facts.limits.payload_bytes_max) {
            return Err((ApiError::PayloadTooLarge, ""));
        }
        let limits = &self.facts.limits;
        let timeout_ms = match timeout.filter(|timeout| timeout.kind() != Kind::Null) {
            None => None,
            Some(timeout) => {
                let ms = timeout
                    .as_u64()
                    .filter(|ms| (limits.timeout_ms_min..=limits.timeout_ms_max).contains(ms));
                Some(ms.and_then(|ms| u32::try_from(ms).ok()).ok_or((ApiError::InvalidTimeout, ""))?)
            }
        };
        match offline.filter(|offline| offline.kind() != Kind::Null).map(|offline| offline.plain_str()) {
            None | Some(Some("reject")) => Ok(Wanted { command, payload, timeout_ms }),
            Some(Some("queue")) => Err((ApiError::QueueingNotPossible, "")),
            Some(_) => Err(invalid("`offline` is \"reject\" or \"queue\".")),
        }
    }

    /// Answers that the command was not sent.
    fn unsent(&mut self, cx: &mut Cx<'_>, conn: Key, error: ApiError, detail: &str) {
        self.problem(cx, conn, error, &Problem { detail, outcome: Some("not_sent"), ..Problem::default() });
    }

    /// A command has settled: its agent is answered, if it is still there.
    pub(crate) fn answer_command(&mut self, cx: &mut Cx<'_>, settled: Settled) {
        if let Some(ticket) = self.tickets.remove(settled.ticket) {
            match of_outcome(settled.outcome) {
                None => self.answer_done(cx, ticket.conn, &settled),
                Some((error, outcome)) => self.answer_failed(cx, ticket.conn, &settled, error, outcome),
            }
        }
        self.buffers.give_back(settled.text);
    }

    fn answer_done(&mut self, cx: &mut Cx<'_>, conn: Key, settled: &Settled) {
        let Some(id) = settled.id else { return };
        let mut head = std::mem::take(&mut self.scratch);
        head.clear();
        head.extend_from_slice(b"{\"commandId\":\"");
        head.extend_from_slice(&id.text());
        head.extend_from_slice(b"\",\"status\":\"done\",\"data\":");
        let mut tail = [0; 32];
        let tail = write_tail(&mut tail, settled.duration_ms);
        let body: [&[u8]; 3] = [&head, &settled.text, tail];
        self.respond_parts(
            cx,
            conn,
            Response { status: 200, content_type: "application/json", headers: &[], body: &body },
        );
        self.scratch = head;
    }

    fn answer_failed(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        settled: &Settled,
        error: ApiError,
        outcome: &'static str,
    ) {
        let said = std::str::from_utf8(&settled.text).unwrap_or_default();
        let (detail, errors) = match error {
            ApiError::InvalidArguments => ("", settled.text.as_slice()),
            _ => (said, &b""[..]),
        };
        self.problem(cx, conn, error, &Problem { detail, outcome: Some(outcome), id: settled.id, errors });
    }
}

/// The request's idempotency key, empty when it has none; `lua-cli` spells the header with an `X-`.
fn idempotency_key<'b>(request: &Request<'b>) -> Result<&'b str, ()> {
    let headers = ["idempotency-key", "x-idempotency-key"];
    match headers.into_iter().find_map(|name| request.header(name)) {
        None => Ok(""),
        Some(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(key),
        Some(_) => Err(()),
    }
}

/// Writes `,"durationMs":N}` into a place on the stack.
fn write_tail(place: &mut [u8; 32], duration_ms: u32) -> &[u8] {
    let mut rest = &mut place[..];
    write!(rest, ",\"durationMs\":{duration_ms}}}").expect("32 bytes hold any u32");
    let unused = rest.len();
    &place[..32 - unused]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_holds_any_duration() {
        assert_eq!(write_tail(&mut [0; 32], 0), b",\"durationMs\":0}");
        assert_eq!(write_tail(&mut [0; 32], u32::MAX), b",\"durationMs\":4294967295}");
    }
}
