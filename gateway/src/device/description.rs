//! A device describes itself: the `status` topic.
//!
//! Owns the two kinds of status (contract 3.3): the one that carries `apiKey` and the commands, and the retained one that
//! means nothing here, because presence comes from the connection. The key is checked and then forgotten: it is never
//! stored, forwarded, logged or put in an event. The acknowledgement is sent when the manifest is accepted.

use super::interned::Waiting;
use super::manifest::{Manifest, ManifestFault};
use super::notice::Notice;
use super::status::Reason;
use crate::auth::{Digest, Operations};
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::EventKind;
use crate::worker::{Task, ToWorker};
use codec::json::{Kind, Raw, encode_str, members};
use engine::Key;
use std::io::Write;
use std::sync::Arc;
use transports::mqtt::Arrival;
use zeroize::Zeroizing;

/// Longest group name kept, in bytes.
const GROUP_BYTES_MAX: usize = 256;

impl Shard {
    /// A `status` of the device. `false`: it may not stay.
    pub(crate) fn status_published(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        arrival: &Arrival<'_>,
    ) -> bool {
        let found = members(arrival.payload, ["apiKey", "commands", "group"]);
        let [api_key, commands, group] = match found {
            Ok(found) => found,
            Err(fault) => {
                self.acknowledge(cx, conn, arrival.receipt);
                let told = Notice::unread(fault, "INVALID_STATUS", "a status is a JSON object");
                self.notify(cx, device, told);
                return true;
            }
        };
        let Some(api_key) = api_key else {
            self.remember_group(device, group);
            self.acknowledge(cx, conn, arrival.receipt);
            return true;
        };
        let Some(row) = self.devices.get_mut(device) else { return false };
        let described = row.seat.as_ref().is_some_and(|seat| seat.described);
        if arrival.dup && described {
            // Sent again from before the connection was lost; a newer one has been accepted since.
            self.acknowledge(cx, conn, arrival.receipt);
            return true;
        }
        if !self.key_is_right(device, api_key) {
            // Paid first: while an acknowledgement is owed nothing else may be said.
            self.acknowledge(cx, conn, arrival.receipt);
            return self.key_is_wrong(cx, conn, device);
        }
        self.remember_group(device, group);
        if !self.may_declare(device) {
            return self.describe_nothing(cx, conn, device, arrival, commands);
        }
        let commands = commands.filter(|commands| commands.kind() != Kind::Null);
        self.describe(
            cx,
            (conn, device),
            arrival,
            commands.map_or(&b"[]"[..], |commands| commands.as_bytes()),
        );
        true
    }

    fn remember_group(&mut self, device: Key, group: Option<Raw<'_>>) {
        let mut unescaped = String::new();
        let Some(group) = group else { return };
        let named = group.text(&mut unescaped);
        let named = named.filter(|group| !group.is_empty() && group.len() <= GROUP_BYTES_MAX);
        self.devices.name_group(device, named.map(Into::into));
    }

    /// Whether the key of the status is good for the device: the one that it logged in with, or another of the key file.
    fn key_is_right(&self, device: Key, api_key: Raw<'_>) -> bool {
        let mut unescaped = Zeroizing::new(String::new());
        let Some(row) = self.devices.get(device) else { return false };
        let Some(secret) = api_key.text(&mut unescaped) else { return false };
        let digest = Digest::of(secret.as_bytes());
        let same = row
            .seat
            .as_ref()
            .is_some_and(|seat| seat.grant.digest().same(&digest) && self.keys.is_live(&seat.grant));
        same || self.keys.check_digest(&digest).is_some_and(|grant| grant.binds(row.agent.name(), &row.name))
    }

    /// Whether the device's key lets it have commands.
    fn may_declare(&self, device: Key) -> bool {
        let seat = self.devices.get(device).and_then(|row| row.seat.as_ref());
        seat.is_some_and(|seat| seat.grant.allows(Operations::COMMANDS))
    }

    /// The device's key has no `commands`: it stays, without any, and is told why if it declared some.
    fn describe_nothing(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        arrival: &Arrival<'_>,
        commands: Option<Raw<'_>>,
    ) -> bool {
        let declared = commands.is_some_and(|commands| !matches!(commands.as_bytes(), b"null" | b"[]"));
        if declared {
            let message = "the manifest is refused: this device's key lacks the operation \"commands\"";
            self.notify(cx, device, Notice::Error("OPERATION_FORBIDDEN", message.into()));
        }
        let manifest = Arc::new(if declared { Manifest::forbidden() } else { Manifest::empty() });
        self.accept_manifest(cx, Waiting { conn, receipt: arrival.receipt }, Ok(&manifest));
        true
    }

    fn key_is_wrong(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key) -> bool {
        tracing::info!("hung up on a device whose second status carried a wrong key");
        self.notify(
            cx,
            device,
            Notice::Error("AUTH_FAILED", "the apiKey of the status is not valid here".into()),
        );
        self.blame(conn, Reason::AuthFailed);
        false
    }

    fn describe(
        &mut self,
        cx: &mut Cx<'_>,
        (conn, device): (Key, Key),
        arrival: &Arrival<'_>,
        commands: &[u8],
    ) {
        let fingerprint = Manifest::fingerprint_of(commands);
        let waiting = Waiting { conn, receipt: arrival.receipt };
        if let Some(manifest) = self.manifests.find(fingerprint).cloned() {
            return self.accept_manifest(cx, waiting, Ok(&manifest));
        }
        if cx.congested_to(self.facts.worker) {
            return self.accept_manifest(cx, waiting, Ok(&Arc::new(Manifest::unread())));
        }
        let Some(agent) = self.devices.get(device).map(|row| row.agent.name_shared().clone()) else { return };
        if let Some(peer) = self.peers.mqtt_mut(conn) {
            peer.describing = true;
        }
        if self.manifests.wait(&agent, fingerprint, waiting) {
            let mut json = self.buffers.lend();
            json.extend_from_slice(commands);
            let work = ToWorker { from: cx.core(), agent, task: Task::Compile { fingerprint, json } };
            cx.post(self.facts.worker, Mail::Work(work));
        }
    }

    /// The worker has made a manifest, or could not.
    pub(crate) fn manifest_compiled(
        &mut self,
        cx: &mut Cx<'_>,
        (agent, fingerprint): (&Arc<str>, u128),
        made: &Result<Arc<Manifest>, ManifestFault>,
        buffer: Vec<u8>,
    ) {
        self.buffers.give_back(buffer);
        // One that ran out of time is not kept: the next device that has it may find a quieter moment.
        if let Some(manifest) = made.as_ref().ok().filter(|manifest| !manifest.is_out_of_time()) {
            self.manifests.know(manifest);
        }
        let known = self.manifests.find(fingerprint).cloned();
        let made = &known.map_or_else(|| made.clone(), Ok);
        for waiting in self.manifests.answered(agent, fingerprint) {
            if let Some(peer) = self.peers.mqtt_mut(waiting.conn) {
                peer.describing = false;
                self.accept_manifest(cx, waiting, made.as_ref());
                self.resume_device(cx, waiting.conn);
            }
        }
    }

    fn accept_manifest(
        &mut self,
        cx: &mut Cx<'_>,
        waiting: Waiting,
        made: Result<&Arc<Manifest>, &ManifestFault>,
    ) {
        let Some(device) = self.peers.mqtt_mut(waiting.conn).and_then(|peer| peer.seated()) else { return };
        let Some(row) = self.devices.get_mut(device).filter(|row| row.is_seated(waiting.conn)) else {
            return;
        };
        match made {
            Ok(manifest) => {
                let agent = row.agent.name_shared();
                let manifest = &self.manifests.exchange(agent, row.manifest.as_ref(), manifest);
                let is_new = !row.has_described(manifest);
                row.describe(Arc::clone(manifest));
                self.acknowledge(cx, waiting.conn, waiting.receipt);
                if is_new {
                    self.tell_manifest(cx, device, manifest);
                }
                self.report_refused(cx, device, manifest);
                self.notify(cx, device, Notice::Connected);
            }
            Err(fault) => {
                let message = fault.to_string().into();
                self.acknowledge(cx, waiting.conn, waiting.receipt);
                self.notify(cx, device, Notice::Error("MANIFEST_REJECTED", message));
            }
        }
    }

    /// Tells the agent what the device can do now.
    fn tell_manifest(&mut self, cx: &mut Cx<'_>, device: Key, manifest: &Manifest) {
        let mut json = self.buffers.lend();
        let Some(row) = self.devices.get(device) else { return };
        json.extend_from_slice(b"{\"deviceName\":");
        encode_str(&mut json, &row.name);
        json.extend_from_slice(b",\"commands\":[");
        for (n, command) in manifest.commands().iter().enumerate() {
            if n > 0 {
                json.push(b',');
            }
            encode_str(&mut json, &command.name);
        }
        write!(json, "],\"refused\":{}}}", manifest.refused_total()).expect("writing to a Vec cannot fail");
        let agent = row.agent.name_shared().clone();
        let keep = ToStore::Keep { agent, kind: EventKind::Manifest, json, answer: None };
        cx.post(self.facts.store, Mail::Store(keep));
    }

    /// Each refused command is reported to the device, never dropped silently.
    fn report_refused(&mut self, cx: &mut Cx<'_>, device: Key, manifest: &Manifest) {
        for refused in manifest.refused() {
            let message = format!("command {:?}: {} ({})", refused.command, refused.detail, refused.reason);
            self.notify(cx, device, Notice::Error("MANIFEST_REJECTED", message.into()));
        }
        let untold = manifest.refused_total() - manifest.refused().len();
        if untold > 0 {
            let message = format!("{untold} more commands are refused");
            self.notify(cx, device, Notice::Error("MANIFEST_REJECTED", message.into()));
        }
    }
}
