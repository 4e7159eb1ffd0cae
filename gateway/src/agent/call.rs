//! `POST …/tools/{tool}`: an agent calls a tool by the name it was shown.
//!
//! Owns the way from a name to a device and its command. A name is resolved against the fleet as it is now, because the same
//! rules that gave the name find its owner again; what was found is right until the list of tools changes (`super::owners`).
//! Then it is a command like any other. `…__is_online` asks the device's core, and never the device.

use super::commands::{Unsent, Wanted, idempotency_key, prefers_async, unread};
use super::devices::What;
use super::errors::ApiError;
use super::gather::{Query, View};
use super::owners::{Changes, Owner};
use super::tools::{Catalog, ToolDevice};
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
    /// Of the moment before the cores are asked.
    changes: Changes,
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
            Ok(call) => match self.owners.find(agent, tool) {
                Some(owner) => self.run_call(cx, conn, &call, owner),
                None => self.ask_fleet(cx, conn, agent, Query::default(), What::Call(Box::new(call))),
            },
            Err((error, detail)) => self.unsent(cx, conn, error, detail),
        }
    }

    fn read_call(&self, request: &Request<'_>, agent: &Arc<Agent>, tool: &str) -> Result<Call, Unsent> {
        let body = if request.body.is_empty() { b"{}" } else { request.body };
        let [arguments, timeout] = members(body, ["arguments", "timeoutMs"])
            .map_err(|fault| unread(fault, "The body is a JSON object with `arguments`."))?;
        Ok(Call {
            agent: agent.clone(),
            changes: agent.list_changes(),
            tool: tool.into(),
            arguments: self.read_payload(arguments)?.map(Into::into),
            key: idempotency_key(request)?.into(),
            timeout_ms: self.read_timeout(timeout)?,
            waits: !prefers_async(request),
        })
    }

    /// The fleet is gathered: whose tool is it?
    pub(super) fn resolve_call(&mut self, cx: &mut Cx<'_>, conn: Key, views: Vec<View>, call: &Call) {
        let catalog = Catalog::new(views.into_iter().map(ToolDevice::from).collect());
        self.owners.keep(&call.agent, call.changes, &catalog);
        let owner = catalog.resolve(&call.tool).map(|(device, target)| Owner::new(device, target));
        self.run_call(cx, conn, call, owner);
    }

    fn run_call(&mut self, cx: &mut Cx<'_>, conn: Key, call: &Call, owner: Option<Owner>) {
        match owner {
            None => self.unsent(cx, conn, ApiError::ToolUnknown, ""),
            Some(Owner { device, command: None }) => {
                let query = Query { name: Some((&*device).into()), ..Query::default() };
                self.ask_fleet(cx, conn, &call.agent, query, What::IsOnline);
            }
            Some(Owner { device, command: Some(command) }) => {
                let wanted = Wanted {
                    device: &device,
                    command: &command,
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

    /// The device's core has said whether it is here; one that is not known any more is not.
    pub(super) fn answer_is_online(&mut self, cx: &mut Cx<'_>, conn: Key, views: &[View]) {
        let here = views.first().is_some_and(|view| view.status.is_here());
        let word = if here { "online" } else { "offline" };
        self.respond_json(cx, conn, &|body| {
            body.extend_from_slice(b"{\"status\":\"done\",\"data\":{\"status\":\"");
            body.extend_from_slice(word.as_bytes());
            body.extend_from_slice(b"\"},\"durationMs\":0}");
        });
    }
}
