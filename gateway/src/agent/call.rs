//! `POST …/tools/{tool}`: an agent calls a tool by the name it was shown.
//!
//! Owns the way from a name to a device and its command. A name is resolved against the fleet as it is now, because the same
//! rules that gave the name find its owner again; then it is a command like any other. `…__is_online` is answered here,
//! without asking the device.

use super::commands::{Unsent, Wanted, idempotency_key, prefers_async};
use super::devices::What;
use super::errors::ApiError;
use super::gather::{Query, View};
use super::tools::{Catalog, Target, ToolDevice};
use crate::auth::Agent;
use crate::shard::{Cx, Shard};
use codec::json::members;
use engine::Key;
use std::sync::Arc;
use transports::http::Request;

/// A call that waits until its name is resolved.
#[derive(Debug)]
pub struct Call {
    agent: Arc<Agent>,
    tool: Box<str>,
    arguments: Option<Box<[u8]>>,
    key: Box<str>,
    timeout_ms: Option<u32>,
    waits: bool,
}

impl Shard {
    /// `POST /v1/agents/{agent}/tools/{tool}`
    pub(crate) fn call_tool(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
        tool: &str,
    ) {
        match self.read_call(request, agent, tool) {
            Ok(call) => self.ask_fleet(cx, conn, agent, Query::default(), What::Call(Box::new(call))),
            Err((error, detail)) => self.unsent(cx, conn, error, detail),
        }
    }

    fn read_call(&self, request: &Request<'_>, agent: &Arc<Agent>, tool: &str) -> Result<Call, Unsent> {
        let body = if request.body.is_empty() { b"{}" } else { request.body };
        let [arguments, timeout] = members(body, ["arguments", "timeoutMs"])
            .map_err(|_| (ApiError::InvalidRequest, "The body is a JSON object with `arguments`."))?;
        Ok(Call {
            agent: agent.clone(),
            tool: tool.into(),
            arguments: self.read_payload(arguments)?.map(Into::into),
            key: idempotency_key(request)?.into(),
            timeout_ms: self.read_timeout(timeout)?,
            waits: !prefers_async(request),
        })
    }

    /// The fleet is gathered: whose tool is it?
    pub(super) fn resolve_call(&mut self, cx: &mut Cx<'_>, conn: Key, views: Vec<View>, call: &Call) {
        let online: Vec<bool> = views.iter().map(|view| view.status.is_here()).collect();
        let names: Vec<Arc<str>> = views.iter().map(|view| view.name.clone()).collect();
        let catalog = Catalog::new(views.into_iter().map(ToolDevice::from).collect());
        match catalog.resolve(&call.tool) {
            None => self.unsent(cx, conn, ApiError::ToolUnknown, ""),
            Some((device, Target::IsOnline)) => {
                let at = names.iter().position(|name| name == device);
                let word = if at.is_some_and(|at| online[at]) { "online" } else { "offline" };
                self.respond_json(cx, conn, &|body| {
                    body.extend_from_slice(b"{\"status\":\"done\",\"data\":{\"status\":\"");
                    body.extend_from_slice(word.as_bytes());
                    body.extend_from_slice(b"\"},\"durationMs\":0}");
                });
            }
            Some((device, Target::Command(command))) => {
                let wanted = Wanted {
                    device,
                    command,
                    payload: call.arguments.as_deref(),
                    key: &call.key,
                    timeout_ms: call.timeout_ms,
                    waits: call.waits,
                    queues: false,
                    preferred: !call.waits,
                };
                self.send_ask(cx, conn, &call.agent, &wanted);
            }
        }
    }
}
