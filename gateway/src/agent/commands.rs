//! `POST …/commands`: an agent runs a command.
//!
//! Owns the agent's half of a command: the body is read, a place among the commands in flight is taken, a ticket opened, and
//! one mail posted to the device's home core; one mail comes back and becomes the answer. The payload and the data pass as the
//! bytes that were sent.

use super::errors::{ApiError, Problem, of_outcome};
use super::http::Waits;
use super::routes::Tongue;
use super::ticket::{Awaits, Ticket};
use crate::auth::Agent;
use crate::command::repeats::Waiter;
use crate::command::text::AskText;
use crate::device::name::HomeHash;
use crate::mail::{Accepted, Ask, Left, Mail, Settled};
use crate::shard::{Cx, Shard};
use codec::json::{Kind, Malformed, Raw, members};
use engine::Key;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use transports::http::{Request, Response, percent_encode};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// A command that an agent wants, read and not yet sent.
pub(super) struct Wanted<'b> {
    /// The device's name.
    pub(super) device: &'b str,
    /// The command's name.
    pub(super) command: &'b str,
    /// One JSON value.
    pub(super) payload: Option<&'b [u8]>,
    /// The idempotency key, or empty.
    pub(super) key: &'b str,
    /// The agent's own time limit.
    pub(super) timeout_ms: Option<u32>,
    /// The request waits for the end; otherwise it is told at once that the command is taken.
    pub(super) waits: bool,
    /// The command may wait for a device that is away.
    pub(super) queues: bool,
    /// The request said by `Prefer` that it does not want to wait.
    pub(super) preferred: bool,
}

/// What a request that does not wait for the end is told: where it can ask.
#[derive(Debug)]
pub struct Afterwards {
    agent: Arc<Agent>,
    preferred: bool,
}

/// Why a request goes no further: the error, and a sentence if the table's does not do.
pub(super) type Unsent = (ApiError, &'static str);

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
        match self.read_wanted(request, device) {
            Ok(wanted) => self.send_ask(cx, conn, agent, &wanted),
            Err((error, detail)) => self.unsent(cx, conn, error, detail),
        }
    }

    /// Takes a place among the commands in flight, opens a ticket and posts the ask to the device's home. A request with an
    /// idempotency key may be a repeat, which takes no place: only the home knows, and takes it there.
    pub(super) fn send_ask(&mut self, cx: &mut Cx<'_>, conn: Key, agent: &Arc<Agent>, wanted: &Wanted<'_>) {
        if cx.draining() {
            return self.unsent(cx, conn, ApiError::ShuttingDown, "");
        }
        let home = HomeHash::home(self.facts.home.of(agent.name(), wanted.device), cx.cores());
        if is_congested_to(cx, home) {
            return self.unsent(cx, conn, ApiError::DeviceBusy, "The gateway is busy.");
        }
        let is_sole = wanted.key.is_empty();
        let most = self.facts.limits.commands_in_flight_per_agent;
        let place = is_sole.then(|| agent.try_begin_command(most)).flatten();
        if is_sole && place.is_none() {
            return self.unsent(cx, conn, ApiError::TooManyCommands, "");
        }
        let Wanted { device, command, payload, key, timeout_ms, waits, queues, preferred } = *wanted;
        let Some(text) = AskText::write(self.buffers.lend(), device, command, key, payload) else {
            return self.unsent(cx, conn, ApiError::DeviceUnknown, "");
        };
        let afterwards = (!waits).then(|| Afterwards { agent: agent.clone(), preferred });
        let repeat = (!is_sole).then(|| (home, self.facts.home.of_repeat(agent.name(), device, key)));
        let ticket = self.tickets.insert(Ticket { conn, awaits: Awaits::Command { afterwards, repeat } });
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Ticket(ticket);
        }
        let (from, agent) = (cx.core(), agent.clone());
        let ask = Ask { from, ticket, agent, place, text, timeout_ms, waits, queues };
        cx.post(home, Mail::Ask(ask));
    }

    fn read_wanted<'b>(&self, request: &Request<'b>, device: &'b str) -> Result<Wanted<'b>, Unsent> {
        let [command, payload, timeout, offline] =
            members(request.body, ["command", "payload", "timeoutMs", "offline"]).map_err(|fault| {
                unread(fault, "The body is a JSON object with `command` and, if need be, `payload`.")
            })?;
        let command = command.ok_or(invalid("`command` is missing."))?;
        // A name that needs an escape is no command name: the answer is the same as for any unknown one.
        let command = match command.kind() {
            Kind::String => command.plain_str().ok_or((ApiError::CommandUnknown, ""))?,
            _ => return Err(invalid("`command` is a string.")),
        };
        let offline =
            offline.filter(|offline| offline.kind() != Kind::Null).map(|offline| offline.plain_str());
        let queues = match offline {
            None | Some(Some("reject")) => false,
            Some(Some("queue")) => true,
            Some(_) => return Err(invalid("`offline` is \"reject\" or \"queue\".")),
        };
        let preferred = prefers_async(request);
        Ok(Wanted {
            device,
            command,
            payload: self.read_payload(payload)?,
            key: idempotency_key(request)?,
            timeout_ms: self.read_timeout(timeout)?,
            waits: !(queues || preferred),
            queues,
            preferred,
        })
    }

    /// The payload of a command, if it is not larger than allowed; `null` is none.
    pub(super) fn read_payload<'b>(&self, payload: Option<Raw<'b>>) -> Result<Option<&'b [u8]>, Unsent> {
        let payload =
            payload.filter(|payload| payload.kind() != Kind::Null).map(|payload| payload.as_bytes());
        match payload {
            Some(payload) if payload.len() > self.facts.limits.payload_bytes_max => {
                Err((ApiError::PayloadTooLarge, ""))
            }
            _ => Ok(payload),
        }
    }

    /// The agent's time limit, if it lies within what is allowed.
    pub(super) fn read_timeout(&self, timeout: Option<Raw<'_>>) -> Result<Option<u32>, Unsent> {
        let Some(timeout) = timeout.filter(|timeout| timeout.kind() != Kind::Null) else { return Ok(None) };
        let allowed = self.facts.limits.timeout_ms_min..=self.facts.limits.timeout_ms_max;
        let ms = whole(timeout).filter(|ms| allowed.contains(ms)).and_then(|ms| u32::try_from(ms).ok());
        ms.map(Some).ok_or((ApiError::InvalidTimeout, ""))
    }

    /// A request that waits for mail is gone. Where others may wait for the same command, it makes room for them.
    pub(super) fn ticket_left(&mut self, cx: &mut Cx<'_>, ticket: Key) {
        if let Some(Ticket { awaits: Awaits::Command { repeat: Some((home, name)), .. }, .. }) =
            self.tickets.remove(ticket)
        {
            let waiter = Waiter { core: cx.core(), ticket };
            cx.post(home, Mail::Left(Left { name, waiter }));
        }
    }

    /// Answers that the command was not sent.
    pub(super) fn unsent(&mut self, cx: &mut Cx<'_>, conn: Key, error: ApiError, detail: &str) {
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

    /// A command was taken, and its agent does not wait for the end.
    pub(crate) fn answer_accepted(&mut self, cx: &mut Cx<'_>, accepted: &Accepted) {
        let Some(Ticket { conn, awaits: Awaits::Command { afterwards, .. } }) =
            self.tickets.remove(accepted.ticket)
        else {
            return;
        };
        let Some(Afterwards { agent, preferred }) = afterwards else { return };
        let mut location = String::from("/v1/agents/");
        percent_encode(&mut location, agent.name());
        write!(location, "/commands/{}", accepted.id).expect("writing to a String cannot fail");
        let headers = [("Location", location.as_str()), ("Preference-Applied", "respond-async")];
        let headers = if preferred { &headers[..] } else { &headers[..1] };
        let body = format!("{{\"commandId\":\"{}\",\"status\":\"queued\"}}", accepted.id);
        let (content_type, body): (_, &[&[u8]]) = ("application/json", &[body.as_bytes()]);
        self.respond_parts(cx, conn, Response { status: 202, content_type, headers, body });
    }

    fn answer_done(&mut self, cx: &mut Cx<'_>, conn: Key, settled: &Settled) {
        let mut head = std::mem::take(&mut self.scratch);
        head.clear();
        let lua = self.tongue(conn) == Tongue::Lua;
        head.extend_from_slice(if lua { b"{\"success\":true,\"data\":{" } else { b"{" });
        if let Some(id) = settled.id {
            head.extend_from_slice(b"\"commandId\":\"");
            head.extend_from_slice(&id.text());
            head.extend_from_slice(b"\",");
        }
        head.extend_from_slice(if lua {
            b"\"success\":true,\"data\":"
        } else {
            b"\"status\":\"done\",\"data\":"
        });
        let mut tail = [0; 32];
        let tail = write_tail(&mut tail, settled.duration_ms);
        let body: [&[u8]; 4] = [&head, &settled.text, tail, if lua { b"}" } else { b"" }];
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
        self.problem(
            cx,
            conn,
            error,
            &Problem { detail, outcome: Some(outcome), id: settled.id, errors, ..Problem::default() },
        );
    }
}

/// A whole number, however it is spelled: 1000, 1000.0 and 1e3 are one value in JSON Schema's eyes.
fn whole(raw: Raw<'_>) -> Option<u64> {
    let spelled = || std::str::from_utf8(raw.as_bytes()).ok()?.parse::<f64>().ok();
    let exact =
        |number: f64| (number.fract() == 0.0 && (0.0..=1e9).contains(&number)).then_some(number as u64);
    raw.as_u64().or_else(|| spelled().and_then(exact))
}

/// Whether too much mail waits for the device's home to add to it.
fn is_congested_to(cx: &Cx<'_>, home: usize) -> bool {
    #[cfg(planted)]
    if engine::planted::is("refused-for-another") {
        return cx.congested();
    }
    cx.congested_to(home)
}

fn invalid(detail: &'static str) -> Unsent {
    (ApiError::InvalidRequest, detail)
}

/// What is wrong with a body whose members cannot be read: its JSON, or that it is no object, which `form` says.
pub(super) fn unread(fault: Malformed, form: &'static str) -> Unsent {
    match fault {
        Malformed::NotAnObject => invalid(form),
        _ => (ApiError::InvalidJson, ""),
    }
}

/// Whether the request would rather not wait: `Prefer: respond-async` (RFC 7240, 4.1).
pub(super) fn prefers_async(request: &Request<'_>) -> bool {
    let Some(prefer) = request.header("prefer") else { return false };
    let names = prefer.split(',').map(|one| one.split([';', '=']).next().unwrap_or_default().trim());
    names.into_iter().any(|name| name.eq_ignore_ascii_case("respond-async"))
}

/// The request's idempotency key, empty when it has none; `lua-cli` spells the header with an `X-`.
pub(super) fn idempotency_key<'b>(request: &Request<'b>) -> Result<&'b str, Unsent> {
    let headers = ["idempotency-key", "x-idempotency-key"];
    match headers.into_iter().find_map(|name| request.header(name)) {
        None => Ok(""),
        Some(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(key),
        Some(_) => Err(invalid("An idempotency key has 1 to 255 characters.")),
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
    fn a_whole_number_may_be_spelled_in_many_ways() {
        let read = |text: &str| {
            let body = format!("{{\"n\":{text}}}");
            let [n] = members(body.as_bytes(), ["n"]).expect("JSON");
            whole(n.expect("it is there"))
        };
        for (text, value) in
            [("1000", Some(1000)), ("1000.0", Some(1000)), ("1e3", Some(1000)), ("0", Some(0))]
        {
            assert_eq!(read(text), value, "{text}");
        }
        for text in ["1000.5", "-1", "1e99", "\"1000\"", "true"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_tail_holds_any_duration() {
        assert_eq!(write_tail(&mut [0; 32], 0), b",\"durationMs\":0}");
        assert_eq!(write_tail(&mut [0; 32], u32::MAX), b",\"durationMs\":4294967295}");
    }
}
