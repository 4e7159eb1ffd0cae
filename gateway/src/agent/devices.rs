//! What the API shows of devices and tools.
//!
//! Owns the parameters of the lists and their JSON. Schemas pass through as the bytes the device sent. Never looks at a
//! row: it is handed views ([`super::gather`]).

use super::call::Call;
use super::errors::{ApiError, Problem};
use super::gather::{Query, View};
use super::parameters::{BAD_ENCODING, parameters};
use super::tools::{Catalog, Format, ToolDevice};
use super::validator::{self, Stamp};
use crate::auth::Agent;
use crate::device::manifest::{Command, Manifest};
use crate::device::refusals::{self, Refused};
use crate::device::status::Status;
use crate::metrics::ToolList;
use crate::shard::{Cx, Shard};
use crate::wall::Rfc3339;
use codec::json::encode_str;
use engine::Key;
use std::io::Write;
use std::sync::Arc;
use transports::http::{Request, Response};

/// Devices in one answer when the request does not say.
const LIMIT_DEFAULT: usize = 1000;
/// Devices in one answer at most.
const LIMIT_MAX: usize = 10_000;
/// The sentence for a status that there is not.
const BAD_STATUS: &str = "status is online, late, offline, disabled or registered";
const VEC: &str = "writing to a Vec cannot fail";

/// What a gathered fleet becomes.
#[derive(Debug)]
pub enum What {
    /// A page of devices.
    Devices {
        /// At most so many.
        limit: usize,
        /// Only those behind this name.
        after: Option<Box<str>>,
    },
    /// One device, with everything.
    Device,
    /// All devices, as `lua-cli` wants them.
    LuaDevices,
    /// One device's status, as `lua-cli` wants it.
    LuaStatus,
    /// Tools.
    Tools {
        /// For whom.
        format: Format,
        /// The `If-None-Match` of the request.
        known: Option<Box<str>>,
        /// Of the moment before the cores were asked.
        stamp: Stamp,
    },
    /// The owner of a tool.
    Call(Box<Call>),
    /// The answer of a device's `is_online`.
    IsOnline,
}

impl From<View> for ToolDevice {
    fn from(view: View) -> Self {
        Self { name: view.name, manifest: view.manifest, online: view.has_tools }
    }
}

impl Shard {
    /// `GET /v1/agents/{agent}/devices`
    pub(crate) fn list_devices(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
    ) {
        let mut query = Query::default();
        let (mut limit, mut after) = (LIMIT_DEFAULT, None);
        let Some(parameters) = parameters(request) else {
            return self.bad_parameter(cx, conn, BAD_ENCODING);
        };
        for (name, value) in parameters {
            match name.as_str() {
                "group" => query.group = Some(value.into()),
                "status" => match Status::parse(&value) {
                    Some(status) => query.status = Some(status),
                    None => return self.bad_parameter(cx, conn, BAD_STATUS),
                },
                "cursor" => after = Some(value.into()),
                "limit" => match value.parse() {
                    Ok(n) if (1..=LIMIT_MAX).contains(&n) => limit = n,
                    _ => return self.bad_parameter(cx, conn, "limit is a number from 1 to 10000"),
                },
                _ => {}
            }
        }
        self.ask_fleet(cx, conn, agent, query, What::Devices { limit, after });
    }

    /// `GET /v1/agents/{agent}/devices/{device}`
    pub(crate) fn show_device(&mut self, cx: &mut Cx<'_>, conn: Key, agent: &Arc<Agent>, device: &str) {
        let query = Query { name: Some(device.into()), ..Query::default() };
        self.ask_fleet(cx, conn, agent, query, What::Device);
    }

    /// `GET /v1/agents/{agent}/tools`
    pub(crate) fn list_tools(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
    ) {
        let mut format = Format::Default;
        let Some(parameters) = parameters(request) else {
            return self.bad_parameter(cx, conn, BAD_ENCODING);
        };
        for (name, value) in parameters {
            if name == "format" {
                match Format::from_query(&value) {
                    Some(known) => format = known,
                    None => return self.bad_parameter(cx, conn, "format is openai, anthropic or mcp"),
                }
            }
        }
        let known = request.header("if-none-match");
        let stamp = Stamp::now(&self.facts.home, agent, format);
        if let Some(tag) = known.and_then(|known| validator::with_stamp(known, stamp)) {
            self.counters.tool_list(ToolList::Unchanged);
            return self.send_tools(cx, conn, tag, None);
        }
        let what = What::Tools { format, known: known.map(Into::into), stamp };
        self.ask_fleet(cx, conn, agent, Query::default(), what);
    }

    /// Answers that a parameter cannot be used.
    pub(crate) fn bad_parameter(&mut self, cx: &mut Cx<'_>, conn: Key, detail: &str) {
        self.problem(cx, conn, ApiError::InvalidRequest, &Problem { detail, ..Problem::default() });
    }

    pub(crate) fn answer_devices(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        views: &[View],
        limit: usize,
        after: Option<&str>,
    ) {
        let start = after.map_or(0, |after| views.partition_point(|view| &*view.name <= after));
        let rest = views.get(start..).unwrap_or_default();
        let page = rest.get(..limit).unwrap_or(rest);
        let more = page.len() < rest.len();
        self.respond_json(cx, conn, &|body| {
            body.extend_from_slice(b"{\"devices\":[");
            for (n, view) in page.iter().enumerate() {
                if n > 0 {
                    body.push(b',');
                }
                body.push(b'{');
                write_view(body, view);
                body.push(b'}');
            }
            body.push(b']');
            if let (true, Some(last)) = (more, page.last()) {
                body.extend_from_slice(b",\"cursor\":");
                encode_str(body, &last.name);
            }
            body.push(b'}');
        });
    }

    pub(crate) fn answer_device(&mut self, cx: &mut Cx<'_>, conn: Key, views: &[View], refused: &[Refused]) {
        let Some(view) = views.first() else { return };
        self.respond_json(cx, conn, &|body| {
            body.push(b'{');
            write_view(body, view);
            body.extend_from_slice(b",\"manifest\":");
            match &view.manifest {
                Some(manifest) => write_manifest(body, manifest),
                None => body.extend_from_slice(b"null"),
            }
            body.extend_from_slice(b",\"closes\":[");
            for (n, ended) in view.closes.iter().enumerate() {
                let comma = if n > 0 { "," } else { "" };
                let (reason, at) = (ended.reason.name(), Rfc3339(ended.at_ms));
                write!(body, "{comma}{{\"reason\":\"{reason}\",\"at\":\"{at}\"}}").expect(VEC);
            }
            body.extend_from_slice(b"],\"refusals\":");
            refusals::write(refused, body);
            body.push(b'}');
        });
    }

    pub(crate) fn answer_tools(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        views: Vec<View>,
        format: Format,
        known: Option<&str>,
        stamp: Stamp,
    ) {
        let devices: Vec<ToolDevice> = views.into_iter().map(ToolDevice::from).collect();
        let mut body = Vec::new();
        Catalog::new(devices).render(format, &mut body);
        let tag = validator::etag(&body, stamp);
        let same = known.is_some_and(|known| validator::has_words_of(known, &tag));
        self.counters.tool_list(if same { ToolList::Same } else { ToolList::Sent });
        self.send_tools(cx, conn, &tag, (!same).then_some(&*body));
    }

    /// Sends a list of tools, or tells that it is still the one with this tag.
    fn send_tools(&mut self, cx: &mut Cx<'_>, conn: Key, tag: &str, list: Option<&[u8]>) {
        let headers = [("ETag", tag), ("Cache-Control", "no-cache")];
        let (status, content_type, body) = match &list {
            Some(list) => (200, "application/json", std::slice::from_ref(list)),
            None => (304, "", &[][..]),
        };
        self.respond_parts(cx, conn, Response { status, content_type, headers: &headers, body });
    }
}

/// Writes the members that every list shows of a device.
pub(super) fn write_view(body: &mut Vec<u8>, view: &View) {
    body.extend_from_slice(b"\"name\":");
    encode_str(body, &view.name);
    write!(body, ",\"status\":\"{}\",\"since\":\"{}\"", view.status.name(), Rfc3339(view.since_ms))
        .expect(VEC);
    write!(body, ",\"reason\":\"{}\",\"epoch\":{}", view.reason.name(), view.epoch).expect(VEC);
    body.extend_from_slice(b",\"group\":");
    match &view.group {
        Some(group) => encode_str(body, group),
        None => body.extend_from_slice(b"null"),
    }
    if let Some(description) = &view.description {
        body.extend_from_slice(b",\"description\":");
        encode_str(body, description);
    }
    write!(body, ",\"transport\":\"{}\"", view.transport.name()).expect(VEC);
    write!(body, ",\"lastSeen\":\"{}\",\"commands\":[", Rfc3339(view.last_seen_ms)).expect(VEC);
    let commands = view.manifest.as_ref().map_or(&[][..], |manifest| manifest.commands());
    for (n, command) in commands.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        encode_str(body, &command.name);
    }
    body.push(b']');
}

fn write_manifest(body: &mut Vec<u8>, manifest: &Manifest) {
    body.extend_from_slice(b"{\"commands\":[");
    for (n, command) in manifest.commands().iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        write_command(body, command);
    }
    body.extend_from_slice(b"],\"refused\":[");
    for (n, refused) in manifest.refused().iter().enumerate() {
        body.extend_from_slice(if n > 0 { b",{\"command\":" } else { b"{\"command\":" });
        encode_str(body, &refused.command);
        body.extend_from_slice(b",\"reason\":");
        encode_str(body, refused.reason);
        body.extend_from_slice(b",\"detail\":");
        encode_str(body, &refused.detail);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
}

fn write_command(body: &mut Vec<u8>, command: &Command) {
    body.extend_from_slice(b"{\"name\":");
    encode_str(body, &command.name);
    body.extend_from_slice(b",\"description\":");
    encode_str(body, &command.description);
    if let Some(schema) = &command.schema_json {
        body.extend_from_slice(b",\"inputSchema\":");
        body.extend_from_slice(schema);
    }
    if let Some(timeout_ms) = command.timeout_ms {
        write!(body, ",\"timeoutMs\":{timeout_ms}").expect(VEC);
    }
    if let Some(retry) = command.retry {
        let (attempts, backoff) = (retry.max_attempts, retry.backoff_ms);
        write!(body, ",\"retry\":{{\"maxAttempts\":{attempts},\"backoffMs\":{backoff}}}").expect(VEC);
    }
    body.push(b'}');
}
