//! What the gateway says to a device, and in which order.
//!
//! Owns three rules. While an acknowledgement is owed to a device nothing else is sent to it. Notices go before commands,
//! at QoS 0. Commands go in the order in which they were asked: over MQTT at most one unacknowledged at a time by default
//! (contract 3.7: a MicroPython client loses PUBACKs otherwise), over Socket.IO, which acknowledges nothing, at most 32
//! unanswered. Never decides *what* to say.

use super::notice::Notice;
use super::row::Row;
use super::tap::Way;
use super::topic::{Outbound, parts};
use crate::command::again::arm_again;
use crate::command::id::AttemptId;
use crate::command::pending::{Pending, Stage};
use crate::mail::Mail;
use crate::metrics::Direction;
use crate::shard::{Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::EventKind;
use crate::wall::Rfc3339;
use codec::json::encode_str;
use codec::mqtt::QoS;
use engine::Key;
use std::io::Write;
use std::time::Instant;

impl Shard {
    /// Queues a notice and says what may be said now.
    pub(crate) fn notify(&mut self, cx: &mut Cx<'_>, device: Key, notice: Notice) {
        if self.devices.get(device).is_none_or(|row| row.seat.is_none()) {
            return;
        }
        if let Some(talk) = self.devices.talk(device) {
            talk.push_notice(notice);
        }
        self.speak(cx, device);
    }

    /// Says as much of what waits for a device as the rules allow now.
    pub(crate) fn speak(&mut self, cx: &mut Cx<'_>, device: Key) {
        let Some(row) = self.devices.get_mut(device) else { return };
        let Some(conn) = row.seat.as_ref().map(|seat| seat.conn) else { return };
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        if peer.session.owes() > 0 {
            return;
        }
        self.resume_device(cx, conn);
        self.say_notices(cx, conn, device);
        self.say_commands(cx, conn, device);
        self.devices.hush(device, cx.now());
    }

    fn say_notices(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key) {
        let Some(row) = self.devices.get_mut(device) else { return };
        let (Some(seat), Some(talk), Some(peer)) =
            (row.seat.as_ref(), row.talk.as_mut(), self.peers.mqtt_mut(conn))
        else {
            return;
        };
        while !talk.notices.is_empty() {
            let Some(out) = self.lines.out(cx, conn) else { return };
            let Some(notice) = talk.notices.pop_front() else { return };
            if !seat.subscriptions.contains(notice.topic()) {
                continue;
            }
            self.scratch.clear();
            notice.write(&mut self.scratch);
            let topic = parts(row.agent.name(), &row.name, notice.topic());
            let said = peer.say(out, &mut self.spare, |session, out| {
                session.publish(&topic, &[&self.scratch], QoS::AtMostOnce, out)
            });
            debug_assert!(said.is_ok(), "QoS 0 may always be published");
            let (whose, topic) = ((row.agent.name(), &*row.name), notice.topic().suffix());
            self.taps.show(cx, whose, Way::Out, topic, &[&self.scratch]);
            self.counters.message(Direction::Out, peer.transport());
        }
    }

    fn say_commands(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key) {
        let (core, now) = (cx.core(), cx.now());
        let Some(row) = self.devices.get_mut(device) else { return };
        let (Some(seat), Some(talk), Some(peer)) =
            (row.seat.as_ref(), row.talk.as_mut(), self.peers.mqtt_mut(conn))
        else {
            return;
        };
        if !seat.subscriptions.contains(Outbound::Command) {
            return;
        }
        let qos = if seat.subscriptions.command_at_least_once() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        while let Some(&key) = talk.waiting.front() {
            let may = match (qos, peer.is_socketio()) {
                (_, true) => talk.sent.len() < usize::from(self.facts.limits.socketio_inflight_to_device),
                (QoS::AtLeastOnce, false) => peer.session.may_publish(),
                (_, false) => true,
            };
            if !may {
                return;
            }
            let (Some(pending), Some(out)) = (self.pending.get_mut(key), self.lines.out(cx, conn)) else {
                return;
            };
            if let Stage::Checking { .. } = pending.stage {
                // Nothing overtakes it.
                return;
            }
            if now >= pending.deadline {
                // Its alarm is about to ring, and will take it out of the queue: nobody runs what nobody waits for.
                return;
            }
            write_head(&mut self.scratch, pending, &pending.attempt_id(key, core, self.facts.epoch), now);
            let topic = parts(row.agent.name(), &row.name, Outbound::Command);
            let said = peer.say(out, &mut self.spare, |session, out| {
                session.publish(&topic, &body(&self.scratch, pending), qos, out)
            });
            let Ok(id) = said else { return };
            let whose = (row.agent.name(), &*row.name);
            self.taps.show(cx, whose, Way::Out, "command", &body(&self.scratch, pending));
            talk.waiting.pop_front();
            talk.sent.push(key);
            talk.unacked.extend(id.map(|id| (id, key)));
            pending.said(now);
            self.counters.message(Direction::Out, peer.transport());
            if let Some(patience) = pending.patience(now) {
                arm_again(cx, key, pending, patience);
            }
        }
    }

    /// Sends again, with DUP, what the device has not acknowledged and what has not settled since [MQTT-4.4.0-1]; on the
    /// connection that took over a persistent session. What has settled is forgotten: nobody waits for it any more.
    pub(crate) fn say_again(&mut self, cx: &mut Cx<'_>, device: Key) {
        let (core, now) = (cx.core(), cx.now());
        let Some(row) = self.devices.get_mut(device) else { return };
        let (Some(conn), Some(talk)) = (row.seat.as_ref().map(|seat| seat.conn), row.talk.as_mut()) else {
            return;
        };
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        talk.unacked.retain(|&(id, key)| {
            let (Some(pending), Some(out)) = (self.pending.get_mut(key), self.lines.out_urgent(cx, conn))
            else {
                peer.session.forget(id);
                return false;
            };
            write_head(&mut self.scratch, pending, &pending.attempt_id(key, core, self.facts.epoch), now);
            let topic = parts(row.agent.name(), &row.name, Outbound::Command);
            peer.say(out, &mut self.spare, |session, out| {
                session.republish(id, &topic, &body(&self.scratch, pending), out)
            });
            let whose = (row.agent.name(), &*row.name);
            self.taps.show(cx, whose, Way::Out, "command", &body(&self.scratch, pending));
            self.counters.message(Direction::Out, peer.transport());
            true
        });
    }

    /// Tells the agent that the device came or went.
    pub(crate) fn tell(&mut self, cx: &mut Cx<'_>, device: Key, kind: EventKind) {
        let mut json = self.buffers.lend();
        let Some(row) = self.devices.get(device) else { return };
        write_presence(&mut json, row, cx.wall_ms());
        let agent = row.agent.name_shared().clone();
        let keep = ToStore::Keep { agent, kind, json, answer: None };
        cx.post(self.facts.store, Mail::Store(keep));
    }
}

/// Writes the command message up to its payload.
fn write_head(head: &mut Vec<u8>, pending: &Pending, id: &AttemptId, now: Instant) {
    head.clear();
    head.extend_from_slice(b"{\"commandId\":\"");
    id.write(head);
    head.extend_from_slice(b"\",\"command\":");
    encode_str(head, pending.text.command());
    let left = pending.deadline.saturating_duration_since(now);
    write!(head, ",\"timeout\":{}", left.as_millis()).expect("writing to a Vec cannot fail");
}

/// The parts of a command message: the head, the payload as the agent sent it, the closing brace.
fn body<'a>(head: &'a [u8], pending: &'a Pending) -> [&'a [u8]; 4] {
    match pending.text.payload() {
        Some(payload) => [head, b",\"payload\":", payload, b"}"],
        None => [head, b"", b"", b"}"],
    }
}

/// Writes the data of `device_connected` and `device_disconnected`.
fn write_presence(json: &mut Vec<u8>, row: &Row, wall_ms: u64) {
    json.extend_from_slice(b"{\"deviceName\":");
    encode_str(json, &row.name);
    let (word, at) = match row.status.is_here() {
        true => ("connectedAt", Rfc3339(wall_ms)),
        false => ("disconnectedAt", Rfc3339(wall_ms)),
    };
    write!(json, ",\"{word}\":\"{at}\",\"reason\":\"{}\",\"epoch\":{}", row.reason.name(), row.epoch)
        .expect("writing to a Vec cannot fail");
    json.extend_from_slice(b",\"metadata\":{}}");
}
