//! A look over an agent's whole fleet: one mail to every core, one back from each.
//!
//! Owns the question, a core's part of the answer, and the counting of parts. A list is a picture of each core at the moment
//! it was asked; cores are never stopped for it. Never renders: [`super::devices`] does.

use super::devices::What;
use super::errors::{ApiError, Problem};
use super::http::Waits;
use super::ticket::{Awaits, Ticket};
use crate::auth::Agent;
use crate::device::manifest::Manifest;
use crate::device::name::HomeHash;
use crate::device::refusals::{self, Refused};
use crate::device::row::{Ended, Row};
use crate::device::status::{Reason, Status};
use crate::mail::{Gather, Gathered, Mail};
use crate::metrics::Transport;
use crate::shard::{Cx, Shard};
use engine::Key;
use std::sync::Arc;

/// Which devices are asked for.
#[derive(Debug, Default)]
pub struct Query {
    /// Only this one.
    pub name: Option<Box<str>>,
    /// Only those of this group.
    pub group: Option<Box<str>>,
    /// Only those with this status.
    pub status: Option<Status>,
}

/// A device, as it was when its core was asked.
#[derive(Debug)]
pub struct View {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it was there.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// Since when, in Unix milliseconds.
    pub since_ms: u64,
    /// How often it has been seated.
    pub epoch: u32,
    /// How it speaks to us, or spoke last.
    pub transport: Transport,
    /// Its group.
    pub group: Option<Box<str>>,
    /// What its agent said of it.
    pub description: Option<Box<str>>,
    /// When it was last heard, in Unix milliseconds.
    pub last_seen_ms: u64,
    /// What it can do.
    pub manifest: Option<Arc<Manifest>>,
    /// Whether its commands were tools.
    pub has_tools: bool,
    /// How its last connections ended; only when it alone was asked for.
    pub closes: Vec<Ended>,
}

/// A list that is being gathered.
#[derive(Debug)]
pub struct Rendering {
    /// What it will become.
    pub what: What,
    /// Cores that have not answered yet.
    pub missing: usize,
    /// What has come.
    pub views: Vec<View>,
    /// Log-ins that were refused in the name of the one device that was asked for.
    pub refused: Vec<Refused>,
}

impl Query {
    fn wants(&self, row: &Row) -> bool {
        self.name.as_deref().is_none_or(|name| name == &*row.name)
            && self.status.is_none_or(|status| status == row.status)
            && (self.group.is_none() || self.group == row.group)
    }
}

impl View {
    pub(crate) fn of(row: &Row, description: Option<&str>, alone: bool) -> Self {
        let closes = row.closes.as_ref().filter(|_| alone);
        Self {
            name: (&*row.name).into(),
            status: row.status,
            reason: row.reason,
            since_ms: row.since_ms,
            epoch: row.epoch,
            transport: row.transport,
            group: row.group.clone(),
            description: description.map(Into::into),
            last_seen_ms: row.last_seen_ms,
            manifest: row.manifest.clone(),
            has_tools: row.has_tools(),
            closes: closes.map_or_else(Vec::new, |closes| closes.iter().copied().collect()),
        }
    }
}

impl Shard {
    /// Asks for an agent's devices; the request waits for the answers.
    pub(crate) fn ask_fleet(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        agent: &Arc<Agent>,
        query: Query,
        what: What,
    ) {
        let cores = match &query.name {
            Some(name) => {
                let home = HomeHash::home(self.facts.home.of(agent.name(), name), cx.cores());
                home..home + 1
            }
            None => 0..cx.cores(),
        };
        let rendering = Rendering { what, missing: cores.len(), views: Vec::new(), refused: Vec::new() };
        let ticket = self.tickets.insert(Ticket { conn, awaits: Awaits::Devices(rendering) });
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Ticket(ticket);
        }
        let query = Arc::new(query);
        for core in cores {
            let gather = Gather { from: cx.core(), ticket, agent: agent.clone(), query: query.clone() };
            cx.post(core, Mail::Gather(gather));
        }
    }

    /// Another core's agent asks what is here.
    pub(crate) fn gather(&mut self, cx: &mut Cx<'_>, gather: Gather) {
        let query = &gather.query;
        let views = match &query.name {
            Some(name) => {
                let agent = gather.agent.name();
                let found = self.devices.find(self.facts.home.of(agent, name), agent, name);
                found
                    .and_then(|key| Some((key, self.devices.get(key)?)))
                    .map(|(key, row)| View::of(row, self.devices.description(key), true))
                    .into_iter()
                    .collect()
            }
            None => {
                let rows = self.devices.of_agent(gather.agent.name()).filter(|(_, row)| query.wants(row));
                let views: Vec<View> =
                    rows.map(|(key, row)| View::of(row, self.devices.description(key), false)).collect();
                #[cfg(planted)]
                let views = match engine::planted::is("foreign-devices-listed") {
                    true => self.devices.iter().map(|(_, row)| View::of(row, None, false)).collect(),
                    false => views,
                };
                views
            }
        };
        let name = query.name.as_deref();
        let refused = name.map_or_else(Vec::new, |name| self.refusals.of(gather.agent.name(), name));
        cx.post(gather.from, Mail::Gathered(Gathered { ticket: gather.ticket, views, refused }));
    }

    /// One core's part has come; the last one makes the answer.
    pub(crate) fn gathered(&mut self, cx: &mut Cx<'_>, gathered: Gathered) {
        let Some(ticket) = self.tickets.get_mut(gathered.ticket) else { return };
        let conn = ticket.conn;
        let Awaits::Devices(rendering) = &mut ticket.awaits else {
            debug_assert!(false, "a ticket is answered with what it awaits");
            return;
        };
        rendering.views.extend(gathered.views);
        rendering.refused.extend(gathered.refused);
        rendering.missing -= 1;
        if rendering.missing > 0 {
            return;
        }
        let Some(Ticket { awaits: Awaits::Devices(mut rendering), .. }) =
            self.tickets.remove(gathered.ticket)
        else {
            return;
        };
        rendering.views.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        match rendering.what {
            What::Device if rendering.views.is_empty() => {
                let detail = refusals::sentence(&rendering.refused);
                let problem = Problem { detail: &detail, ..Problem::default() };
                self.problem(cx, conn, ApiError::DeviceUnknown, &problem);
            }
            What::LuaStatus if rendering.views.is_empty() => {
                self.problem(cx, conn, ApiError::DeviceUnknown, &Problem::default());
            }
            What::Device => self.answer_device(cx, conn, &rendering.views, &rendering.refused),
            What::LuaDevices => self.answer_lua_devices(cx, conn, &rendering.views),
            What::LuaStatus => self.answer_lua_status(cx, conn, &rendering.views),
            What::Devices { limit, after } => {
                self.answer_devices(cx, conn, &rendering.views, limit, after.as_deref());
            }
            What::IsOnline => self.answer_is_online(cx, conn, &rendering.views),
            What::Call(call) => self.resolve_call(cx, conn, rendering.views, &call),
            What::Tools { format, known, stamp } => {
                self.answer_tools(cx, conn, rendering.views, format, known.as_deref(), stamp)
            }
        }
    }
}
