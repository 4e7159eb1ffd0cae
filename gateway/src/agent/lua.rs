//! The words of `lua-cli`: the paths, the envelope and the statuses that an unmodified one expects.
//!
//! Owns how things are said there, and nothing of what they mean: a command of `/developer` is a command like any other.
//! `lua-cli` sends a POST again after 429 and every 5xx, so what is expected to happen is no 5xx here: a device that
//! is away is 404, one that does not answer 408, and one that says no is a success whose data say so.

use super::commands::{Unsent, Wanted, idempotency_key, unread};
use super::devices::What;
use super::errors::{ApiError, Problem};
use super::gather::{Query, View};
use crate::auth::Agent;
use crate::device::status::Status;
use crate::shard::{Cx, Shard};
use codec::json::{Kind, encode_str, members};
use engine::Key;
use std::io::Write;
use std::sync::Arc;
use transports::http::Request;

/// Devices in one answer at most; `lua-cli` knows no pages.
const DEVICES_MAX: usize = 10_000;
const VEC: &str = "writing to a Vec cannot fail";

impl Shard {
    /// `GET /developer/devices/{agent}`
    pub(crate) fn list_lua_devices(&mut self, cx: &mut Cx<'_>, conn: Key, agent: &Arc<Agent>) {
        self.ask_fleet(cx, conn, agent, Query::default(), What::LuaDevices);
    }

    /// `GET /developer/devices/{agent}/{device}/status`
    pub(crate) fn show_lua_status(&mut self, cx: &mut Cx<'_>, conn: Key, agent: &Arc<Agent>, device: &str) {
        let query = Query { name: Some(device.into()), ..Query::default() };
        self.ask_fleet(cx, conn, agent, query, What::LuaStatus);
    }

    /// `POST /developer/devices/{agent}/{device}/command`
    pub(crate) fn run_lua_command(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
        device: &str,
    ) {
        match self.read_lua_command(request, device) {
            Ok(wanted) => self.send_ask(cx, conn, agent, &wanted),
            Err((error, detail)) => self.unsent(cx, conn, error, detail),
        }
    }

    fn read_lua_command<'b>(&self, request: &Request<'b>, device: &'b str) -> Result<Wanted<'b>, Unsent> {
        let invalid = |detail| (ApiError::InvalidRequest, detail);
        let [command, payload, timeout] =
            members(request.body, ["command", "payload", "timeout"]).map_err(|fault| {
                unread(fault, "The body is a JSON object with `command`, `payload` and `timeout`.")
            })?;
        let command = command.ok_or(invalid("`command` is missing."))?;
        let command = match command.kind() {
            Kind::String => command.plain_str().ok_or((ApiError::CommandUnknown, ""))?,
            _ => return Err(invalid("`command` is a string.")),
        };
        Ok(Wanted {
            device,
            command,
            payload: self.read_payload(payload)?,
            key: idempotency_key(request)?,
            timeout_ms: self.read_timeout(timeout)?,
            waits: true,
            queues: false,
            preferred: false,
        })
    }

    pub(crate) fn answer_lua_devices(&mut self, cx: &mut Cx<'_>, conn: Key, views: &[View]) {
        self.respond_json(cx, conn, &|body| {
            body.extend_from_slice(b"{\"success\":true,\"data\":{\"devices\":[");
            for (n, view) in views.iter().take(DEVICES_MAX).enumerate() {
                body.extend_from_slice(if n > 0 { b",{" } else { b"{" });
                write_device(body, view);
                body.push(b'}');
            }
            body.extend_from_slice(b"]}}");
        });
    }

    pub(crate) fn answer_lua_status(&mut self, cx: &mut Cx<'_>, conn: Key, views: &[View]) {
        let Some(view) = views.first() else { return };
        // A device that missed a heartbeat is there: `lua-cli` has no word between online and offline.
        let status = if view.status == Status::Late { Status::Online } else { view.status };
        self.respond_json(cx, conn, &|body| {
            write!(body, "{{\"success\":true,\"data\":{{\"status\":\"{}\",", status.name()).expect(VEC);
            write_device(body, view);
            body.extend_from_slice(b"}}");
        });
    }

    pub(crate) fn answer_lua_control(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        status: u16,
        view: Option<&View>,
    ) {
        // Not 204 without a body: an empty answer is no envelope.
        let status = if view.is_some() { status } else { 200 };
        self.respond(cx, conn, status, "application/json", &[], &|body| {
            body.extend_from_slice(b"{\"success\":true,\"data\":{");
            if let Some(view) = view {
                write_device(body, view);
            }
            body.extend_from_slice(b"}}");
        });
    }
}

/// Writes a device's members.
fn write_device(body: &mut Vec<u8>, view: &View) {
    for name in ["\"id\":", ",\"name\":"] {
        body.extend_from_slice(name.as_bytes());
        encode_str(body, &view.name);
    }
    for (name, text) in [(",\"group\":", &view.group), (",\"description\":", &view.description)] {
        if let Some(text) = text {
            body.extend_from_slice(name.as_bytes());
            encode_str(body, text);
        }
    }
    let (active, connected) = (view.status != Status::Disabled, view.status.is_here());
    write!(body, ",\"active\":{active},\"connected\":{connected}").expect(VEC);
}

/// The status of an error on these paths.
pub fn status(error: ApiError) -> u16 {
    match error {
        ApiError::DeviceError => 200,
        ApiError::DeviceOffline => 404,
        ApiError::DeviceTimeout => 408,
        ApiError::DeviceBusy => 429,
        other => other.entry().status,
    }
}

/// The code of an error on these paths.
fn code(error: ApiError) -> String {
    match error {
        ApiError::DeviceTimeout => "TIMEOUT".into(),
        ApiError::TooManyCommands => "TOO_MANY_REQUESTS".into(),
        other => other.entry().code.to_ascii_uppercase().replace('-', "_"),
    }
}

/// Writes an error in the form that `lua-cli` shows; a device that says no in the form of a success.
pub fn write_problem(error: ApiError, problem: &Problem<'_>, body: &mut Vec<u8>) {
    if error == ApiError::DeviceError {
        body.extend_from_slice(b"{\"success\":true,\"data\":{");
        if let Some(id) = problem.id {
            write!(body, "\"commandId\":\"{id}\",").expect(VEC);
        }
        body.extend_from_slice(b"\"success\":false,\"error\":");
        encode_str(body, if problem.detail.is_empty() { error.entry().title } else { problem.detail });
        return body.extend_from_slice(b"}}");
    }
    body.extend_from_slice(b"{\"message\":");
    encode_str(body, &message(error, problem));
    body.extend_from_slice(b",\"error\":");
    encode_str(body, error.entry().title);
    write!(body, ",\"code\":\"{}\",\"statusCode\":{}", code(error), status(error)).expect(VEC);
    if let Some(outcome) = problem.outcome {
        write!(body, ",\"outcome\":\"{outcome}\"").expect(VEC);
    }
    if let Some(id) = problem.id {
        write!(body, ",\"commandId\":\"{id}\"").expect(VEC);
    }
    if let Some(ms) = problem.retry_after_ms {
        write!(body, ",\"retryAfterMs\":{ms}").expect(VEC);
    }
    if !problem.errors.is_empty() {
        body.extend_from_slice(b",\"errors\":");
        body.extend_from_slice(problem.errors);
    }
    body.push(b'}');
}

/// The sentence that a person reads. `lua-cli` looks for `offline`, `timed out` and `Unauthorized` in it.
fn message(error: ApiError, problem: &Problem<'_>) -> String {
    let entry = error.entry();
    match error {
        ApiError::Unauthorized => "Unauthorized".into(),
        ApiError::DeviceOffline => "The device is offline.".into(),
        ApiError::DeviceUnknown if problem.outcome.is_some() => {
            "The device is offline or not registered.".into()
        }
        ApiError::DeviceUnknown => "The device has never connected to this agent.".into(),
        ApiError::DeviceTimeout => "The command timed out: the device did not answer in time.".into(),
        ApiError::InvalidArguments => {
            format!("{} {}", entry.title, String::from_utf8_lossy(problem.errors))
        }
        _ if problem.detail.is_empty() => format!("{} {}", entry.title, entry.advice),
        _ => format!("{} {}", entry.title, problem.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::errors::TABLE;
    use serde_json::Value;

    fn said(error: ApiError, problem: &Problem<'_>) -> Value {
        let mut body = Vec::new();
        write_problem(error, problem, &mut body);
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn what_is_expected_to_happen_is_no_server_error() {
        let own_faults = |error| {
            matches!(error, ApiError::ShuttingDown | ApiError::NotReady)
                || error.entry().code == "auth-unavailable"
        };
        for entry in TABLE {
            assert!(status(entry.error) < 500 || own_faults(entry.error), "{}", entry.code);
        }
    }

    #[test]
    fn the_cli_finds_the_words_that_it_looks_for() {
        let sent = Problem { outcome: Some("not_sent"), ..Problem::default() };
        for error in [ApiError::DeviceOffline, ApiError::DeviceUnknown] {
            let json = said(error, &sent);
            assert_eq!(json["statusCode"], 404);
            assert!(json["message"].as_str().expect("a sentence").contains("offline"), "{json}");
        }
        let late = said(ApiError::DeviceTimeout, &sent);
        assert_eq!((&late["statusCode"], &late["code"]), (&408.into(), &"TIMEOUT".into()));
        assert!(late["message"].as_str().expect("a sentence").contains("timed out"));
        assert_eq!(said(ApiError::Unauthorized, &Problem::default())["message"], "Unauthorized");
        assert_eq!(said(ApiError::TooManyCommands, &sent)["code"], "TOO_MANY_REQUESTS");
    }

    #[test]
    fn a_device_that_says_no_is_no_error_of_the_request() {
        let json = said(ApiError::DeviceError, &Problem { detail: "too \"hot\"", ..Problem::default() });
        assert_eq!(json["success"], true);
        assert_eq!(json["data"]["success"], false);
        assert_eq!(json["data"]["error"], "too \"hot\"");
    }
}
