//! Every error of the API, in one table: code, HTTP status, sentence, and what to do about it.
//!
//! Owns the table and its form on the wire, `application/problem+json` (RFC 9457). The page `docs/errors.md` is generated
//! from it. Never names another agent's anything: what is foreign is unknown.

use crate::command::id::CommandId;
use crate::command::outcome::{Outcome, Reached};
use codec::json::encode_str;
use std::io::Write;

/// The media type of an error.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What can go wrong, seen from an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApiError {
    /// No key, or one that is not known.
    Unauthorized,
    /// A key that may not do this.
    Forbidden,
    /// A wrong key from a source that has shown too many of them.
    RateLimited,
    /// The auth service cannot say now whether the key is good.
    AuthUnavailable,
    /// No such path.
    NotFound,
    /// A path, but not with this method.
    MethodNotAllowed,
    /// A path that is for another protocol than HTTP.
    UpgradeRequired,
    /// A body or a parameter that cannot be read.
    InvalidRequest,
    /// A body that is no JSON, or none that is read here.
    InvalidJson,
    /// A time limit outside what is allowed.
    InvalidTimeout,
    /// A payload larger than allowed.
    PayloadTooLarge,
    /// The agent has no such device.
    DeviceUnknown,
    /// No more devices are taken.
    TooManyDevices,
    /// The device has no such command.
    CommandUnknown,
    /// The agent has no such tool.
    ToolUnknown,
    /// The payload does not fit the command's schema.
    InvalidArguments,
    /// The device is not connected.
    DeviceOffline,
    /// The device did not answer in time.
    DeviceTimeout,
    /// The device said no.
    DeviceError,
    /// Too much waits for the device, or for the gateway.
    DeviceBusy,
    /// The agent has too many commands in flight.
    TooManyCommands,
    /// The agent has too many event streams open.
    TooManyStreams,
    /// The idempotency key was used for another request.
    KeyReused,
    /// The request wants a thing queued that cannot be.
    QueueingNotPossible,
    /// The command was taken back.
    CommandCancelled,
    /// The command has ended and cannot be taken back.
    CommandFinished,
    /// The agent fires too many triggers.
    TooManyTriggers,
    /// The gateway is stopping.
    ShuttingDown,
    /// Not ready to serve.
    NotReady,
}

/// A row of the table.
#[derive(Debug)]
pub struct Entry {
    /// The error.
    pub error: ApiError,
    /// The code, in kebab-case; the last part of `type`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The short sentence.
    pub title: &'static str,
    /// What the caller should do.
    pub advice: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

macro_rules! table {
    ($($error:ident $code:literal $status:literal $retry:literal $title:literal $advice:literal)*) => {
        /// Every error, in the order of [`ApiError`].
        pub const TABLE: &[Entry] = &[$(Entry {
            error: ApiError::$error, code: $code, status: $status, retryable: $retry, title: $title, advice: $advice,
        }),*];
    };
}

table! {
    Unauthorized "unauthorized" 401 false "The request carries no valid key."
        "Send `Authorization: Bearer <key>` with a key that has not been revoked."
    Forbidden "forbidden" 403 false "The key may not do this."
        "Use a key with the operation that the detail names."
    RateLimited "rate-limited" 429 true "Too many wrong keys came from this address."
        "Wait for retryAfterMs, or use a right key: that is never locked out."
    AuthUnavailable "auth-unavailable" 503 true "The key cannot be checked now."
        "Try again; the auth service does not answer."
    NotFound "not-found" 404 false "There is nothing at this path."
        "Check the path; names in it are percent-encoded."
    MethodNotAllowed "method-not-allowed" 405 false "The path does not take this method."
        "Use a method of the Allow header."
    UpgradeRequired "upgrade-required" 426 false "The path speaks WebSocket."
        "Ask for an upgrade to websocket, version 13."
    InvalidRequest "invalid-request" 400 false "The request cannot be read."
        "Correct what the detail names."
    InvalidJson "invalid-json" 400 false "The body is no JSON that can be read."
        "Send one JSON value in UTF-8, no member of it twice, at most 64 levels deep."
    InvalidTimeout "invalid-timeout" 422 false "The time limit is outside what is allowed."
        "Give timeoutMs between 1000 and 600000 milliseconds."
    PayloadTooLarge "payload-too-large" 413 false "The payload is larger than allowed."
        "Send at most the configured payload_bytes_max."
    DeviceUnknown "device-unknown" 404 false "The agent has no such device."
        "List the devices; a device is known once it has connected."
    TooManyDevices "too-many-devices" 429 true "The gateway takes no more devices."
        "Remove devices that are no more; the limits are devices_per_agent_and_core_max and devices_per_core_max."
    CommandUnknown "command-unknown" 404 false "There is no such command."
        "List the tools; a device's commands are those of its current connection. Ended commands are remembered for a while only."
    ToolUnknown "tool-unknown" 404 false "The agent has no such tool."
        "List the tools; a name may change when two devices begin to claim the same one."
    InvalidArguments "invalid-arguments" 422 false "The payload does not fit the command's schema."
        "Correct the places that `errors` names."
    DeviceOffline "device-offline" 503 true "The device is not connected."
        "Try again when the device is back; with outcome `unknown` the command may have run."
    DeviceTimeout "device-timeout" 504 true "The device did not answer in time."
        "With outcome `unknown` the command may have run; with `not_sent` it did not."
    DeviceError "device-error" 502 false "The device reported an error."
        "The detail is what the device said."
    DeviceBusy "device-busy" 503 true "Too much already waits for this device."
        "Wait for earlier commands to settle."
    TooManyCommands "too-many-commands" 429 true "The agent has too many commands in flight."
        "Wait for earlier commands to settle."
    TooManyStreams "too-many-streams" 429 true "The agent has too many event streams open."
        "Close one, or read with fewer."
    KeyReused "idempotency-key-reused" 422 false "The idempotency key was used for another request."
        "Use a fresh key for each request; repeat a request with the same body."
    QueueingNotPossible "queueing-not-possible" 409 false "The command cannot be queued for a device that is away."
        "Send it when the device is online; only a device with a persistent session has a place to queue in."
    CommandCancelled "command-cancelled" 409 false "The command was taken back."
        "With outcome `unknown` the device had it already and may have run it."
    CommandFinished "command-finished" 409 false "The command has ended and cannot be taken back."
        "Ask for the command to see how it ended."
    TooManyTriggers "too-many-triggers" 429 true "The agent fires too many triggers."
        "Wait for a second."
    ShuttingDown "shutting-down" 503 true "The gateway is stopping."
        "Try again; another process takes over."
    NotReady "not-ready" 503 true "The gateway is not ready."
        "Wait until it is."
}

impl ApiError {
    /// The row of this error.
    pub fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }
}

/// The error of an outcome and the word for what happened at the device; none for the good one.
pub fn of_outcome(outcome: Outcome) -> Option<(ApiError, &'static str)> {
    let word = |reached| match reached {
        Reached::NotSent => "not_sent",
        Reached::Unknown => "unknown",
    };
    Some(match outcome {
        Outcome::Done => return None,
        Outcome::DeviceError => (ApiError::DeviceError, "done"),
        Outcome::DeviceUnknown => (ApiError::DeviceUnknown, "not_sent"),
        Outcome::CommandUnknown => (ApiError::CommandUnknown, "not_sent"),
        Outcome::InvalidArguments => (ApiError::InvalidArguments, "not_sent"),
        Outcome::DeviceOffline(reached) => (ApiError::DeviceOffline, word(reached)),
        Outcome::DeviceTimeout(reached) => (ApiError::DeviceTimeout, word(reached)),
        Outcome::DeviceBusy => (ApiError::DeviceBusy, "not_sent"),
        Outcome::TooManyCommands => (ApiError::TooManyCommands, "not_sent"),
        Outcome::KeyReused => (ApiError::KeyReused, "not_sent"),
        Outcome::Cancelled(reached) => (ApiError::CommandCancelled, word(reached)),
        Outcome::QueueingNotPossible => (ApiError::QueueingNotPossible, "not_sent"),
        Outcome::TooManyTriggers => (ApiError::TooManyTriggers, "not_sent"),
        Outcome::ShuttingDown => (ApiError::ShuttingDown, "not_sent"),
    })
}

/// One error, ready to be written.
#[derive(Debug, Default)]
pub struct Problem<'a> {
    /// What is special about this occurrence; the advice of the table when empty.
    pub detail: &'a str,
    /// What happened at the device.
    pub outcome: Option<&'static str>,
    /// The command.
    pub id: Option<CommandId>,
    /// When the same request may be tried again, in ms.
    pub retry_after_ms: Option<u64>,
    /// A JSON array of `{pointer, detail}`.
    pub errors: &'a [u8],
}

impl Problem<'_> {
    /// Writes the JSON of it.
    pub fn write(&self, error: ApiError, body: &mut Vec<u8>) {
        let entry = error.entry();
        write!(body, "{{\"type\":\"urn:gateway:error:{}\",\"title\":\"{}\"", entry.code, entry.title)
            .expect(VEC);
        write!(body, ",\"status\":{},\"detail\":", entry.status).expect(VEC);
        encode_str(body, if self.detail.is_empty() { entry.advice } else { self.detail });
        write!(body, ",\"code\":\"{}\",\"retryable\":{}", entry.code, entry.retryable).expect(VEC);
        if let Some(outcome) = self.outcome {
            write!(body, ",\"outcome\":\"{outcome}\"").expect(VEC);
        }
        if let Some(id) = self.id {
            write!(body, ",\"commandId\":\"{id}\"").expect(VEC);
        }
        if let Some(ms) = self.retry_after_ms {
            write!(body, ",\"retryAfterMs\":{ms}").expect(VEC);
        }
        if !self.errors.is_empty() {
            body.extend_from_slice(b",\"errors\":");
            body.extend_from_slice(self.errors);
        }
        body.push(b'}');
    }
}

const VEC: &str = "writing to a Vec cannot fail";

/// The page `docs/errors.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Errors\n\nGenerated from the table in `gateway/src/agent/errors.rs`. Every error is `application/problem+json`\n\
         (RFC 9457) with `type`, `title`, `status`, `detail`, `code` and `retryable`; errors of a command also\n\
         carry `outcome` (`not_sent`, `unknown`, `done`) and `commandId`.\n\n\
         | code | status | retryable | meaning | what to do |\n|---|---|---|---|---|\n",
    );
    for entry in TABLE {
        let retryable = if entry.retryable { "yes" } else { "no" };
        let row = [entry.code, &entry.status.to_string(), retryable, entry.title, entry.advice].join(" | ");
        page.push_str(&format!("| {row} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_finds_its_own_row() {
        for (at, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.error as usize, at, "{}", entry.code);
            assert_eq!(entry.error.entry().code, entry.code);
        }
        assert_eq!(TABLE.len(), ApiError::NotReady as usize + 1);
    }

    #[test]
    fn writes_a_problem_that_parses() {
        let mut body = Vec::new();
        let problem =
            Problem { outcome: Some("not_sent"), errors: br#"[{"pointer":"/a"}]"#, ..Problem::default() };
        problem.write(ApiError::InvalidArguments, &mut body);
        let json: serde_json::Value = serde_json::from_slice(&body).expect("valid JSON");
        assert_eq!(json["code"], "invalid-arguments");
        assert_eq!(json["status"], 422);
        assert_eq!(json["errors"][0]["pointer"], "/a");
        assert_eq!(json["outcome"], "not_sent");
    }

    #[test]
    fn the_page_of_errors_is_what_the_table_says() {
        crate::docs::check("errors.md", &markdown());
    }
}
