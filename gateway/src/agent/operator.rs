//! What operators and probes ask: alive, ready, metrics, and whose key this is.
//!
//! Owns these four answers. Health says ok and nothing else: no version, no name. Metrics are summed over all cores by
//! mail, and no label in them carries an agent or a device.

use super::errors::{ApiError, Problem};
use super::http::{Caller, Waits};
use super::ticket::{Awaits, Ticket};
use crate::auth::GatekeeperCounters;
use crate::auth::mail::ToGatekeeper;
use crate::mail::Mail;
use crate::metrics::{Counters, render};
use crate::shard::{Cx, Shard};
use crate::store;
use crate::store::mail::ToStore;
use codec::json::encode_str;
use engine::Key;
use std::io::Write;

impl Shard {
    /// `GET /healthz`
    pub(crate) fn healthz(&mut self, cx: &mut Cx<'_>, conn: Key) {
        self.respond_json(cx, conn, &|body| body.extend_from_slice(b"{\"status\":\"ok\"}"));
    }

    /// `GET /readyz`: a core that serves this has its listeners, and its store is in memory; only a stop makes it not ready.
    pub(crate) fn readyz(&mut self, cx: &mut Cx<'_>, conn: Key) {
        if cx.draining() {
            return self.problem(
                cx,
                conn,
                ApiError::NotReady,
                &Problem { detail: "Stopping.", ..Problem::default() },
            );
        }
        self.respond_json(cx, conn, &|body| body.extend_from_slice(b"{\"status\":\"ready\"}"));
    }

    /// `GET /v1/key`
    pub(crate) fn describe_key(&mut self, cx: &mut Cx<'_>, conn: Key, caller: &Caller) {
        let Some(grant) = &caller.grant else { return };
        self.respond_json(cx, conn, &|body| {
            body.extend_from_slice(b"{\"id\":");
            encode_str(body, &grant.id);
            body.extend_from_slice(b",\"agent\":");
            encode_str(body, grant.agent.name());
            body.extend_from_slice(b",\"device\":");
            encode_str(body, &grant.device.to_string());
            let names: Vec<String> = grant.operations.names().map(|name| format!("\"{name}\"")).collect();
            write!(body, ",\"operations\":[{}]}}", names.join(",")).expect("writing to a Vec cannot fail");
        });
    }

    /// `GET /metrics`: every core, the store writer and the gatekeeper are asked for their counters.
    pub(crate) fn metrics(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let awaits = Awaits::Counters { missing: cx.cores() + 2, sum: Box::new(Counters::new()) };
        let ticket = self.tickets.insert(Ticket { conn, awaits });
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Ticket(ticket);
        }
        let from = cx.core();
        for core in 0..cx.cores() {
            cx.post(core, Mail::Measure { from, ticket });
        }
        cx.post(self.facts.store, Mail::Store(ToStore::Count { core: from, reader: ticket }));
        cx.post(self.facts.gatekeeper, Mail::Gatekeeper(ToGatekeeper::Count { core: from, ticket }));
    }

    /// Another core gathers counters.
    pub(crate) fn measure(&mut self, cx: &mut Cx<'_>, from: usize, ticket: Key) {
        let mut counters = Box::new(self.counters.clone());
        self.measure_now(cx, &mut counters);
        cx.post(from, Mail::Measured { ticket, counters });
    }

    /// One core's counters have come.
    pub(crate) fn measured(&mut self, cx: &mut Cx<'_>, ticket: Key, counters: &Counters) {
        self.add_counters(cx, ticket, &|sum| sum.add(counters));
    }

    /// The store writer's counters have come.
    pub(crate) fn store_counted(
        &mut self,
        cx: &mut Cx<'_>,
        ticket: Key,
        counters: &store::counters::Counters,
    ) {
        self.add_counters(cx, ticket, &|sum| sum.add_store(counters));
    }

    /// The gatekeeper's counters have come.
    pub(crate) fn gatekeeper_counted(&mut self, cx: &mut Cx<'_>, ticket: Key, counters: &GatekeeperCounters) {
        self.add_counters(cx, ticket, &|sum| sum.add_gatekeeper(counters));
    }

    fn add_counters(&mut self, cx: &mut Cx<'_>, key: Key, add: &dyn Fn(&mut Counters)) {
        let Some(ticket) = self.tickets.get_mut(key) else { return };
        let conn = ticket.conn;
        let Awaits::Counters { missing, sum } = &mut ticket.awaits else { return };
        add(sum);
        *missing -= 1;
        if *missing > 0 {
            return;
        }
        let text = render(sum, (self.facts.resident_bytes)().unwrap_or(0));
        self.tickets.remove(key);
        self.respond(cx, conn, 200, crate::metrics::CONTENT_TYPE, &[], &|body| {
            body.extend_from_slice(text.as_bytes())
        });
    }

    /// Fills in what is true at this moment and is not counted as it happens.
    fn measure_now(&self, cx: &Cx<'_>, counters: &mut Counters) {
        use crate::device::status::Status;
        use crate::metrics::{DeviceStatus, MemoryKind, Transport};
        let mut by_status = [0u64; Status::ALL.len()];
        for (_, row) in self.devices.iter() {
            by_status[row.status as usize] += 1;
        }
        counters.set_devices(DeviceStatus::Online, by_status[Status::Online as usize]);
        counters.set_devices(DeviceStatus::Late, by_status[Status::Late as usize]);
        counters.set_devices(DeviceStatus::Offline, by_status[Status::Offline as usize]);
        for transport in [Transport::Mqtt, Transport::MqttWs, Transport::Socketio, Transport::Http] {
            counters.set_connections(transport, self.peers.count(transport) as u64);
        }
        counters.set_devices(DeviceStatus::Disabled, by_status[Status::Disabled as usize]);
        counters.set_devices(DeviceStatus::Registered, by_status[Status::Registered as usize]);
        counters.set_commands_pending(self.pending.len() as u64);
        counters.set_command_records(self.records.len() as u64, self.records.text_bytes() as u64);
        counters.set_memory(MemoryKind::Manifests, self.manifests.bytes() as u64);
        counters.set_triggers_unacknowledged(self.held.len() as u64);
        counters.add_engine(cx.stats());
    }
}
