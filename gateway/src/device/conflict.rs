//! Two connections that fight for one device.
//!
//! Owns the count of take-overs and the brake on them. The newest connection wins [MQTT-3.1.4-2], so two devices with one
//! identity would throw each other out for ever, each as fast as it can reconnect. After some take-overs within a minute the
//! newcomer's CONNACK is held back, longer each time, and the agent is told. Whoever is held back has been checked
//! already; it is not read meanwhile, and the one that is seated goes on until it is replaced.

use super::conversation::{MqttPeer, Standing};
use super::status::Status;
use crate::auth::Grant;
use crate::mail::Mail;
use crate::metrics::AuthOutcome;
use crate::peer::Peer;
use crate::shard::{Alarmed, Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::EventKind;
use crate::wall::Rfc3339;
use codec::json::encode_str;
use codec::mqtt::ConnectCode;
use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Take-overs are counted over this.
const WINDOW: Duration = Duration::from_secs(60);
/// Below this many devices nothing is swept.
const SWEEP_AT_LEAST: usize = 256;
/// A newcomer is held back at most so many times the first hold.
const HOLDS_MAX: u32 = 5;

/// A connection that has been admitted, and will be seated when its time has come.
#[derive(Debug)]
pub struct Held {
    device: Key,
    grant: Arc<Grant>,
    clean_session: bool,
}

/// The devices of one core that were taken over within the last minute; bounded by the devices, and swept.
#[derive(Debug, Default)]
pub struct Conflicts {
    devices: HashMap<Key, Rivals, BuildHasherDefault<SipHasher13>>,
    sweep_at: usize,
}

/// The take-overs of a device within the last minute.
#[derive(Debug, Default)]
struct Rivals {
    taken_over_at: VecDeque<Instant>,
    told_at: Option<Instant>,
    /// Connections that are held back, the newest last.
    held: Vec<Key>,
}

impl Conflicts {
    /// A connection took the device from another; `most` are served at once.
    pub fn took_over(&mut self, device: Key, now: Instant, most: u32) {
        self.devices.entry(device).or_default().took_over(now, most);
        if self.devices.len() > self.sweep_at.max(SWEEP_AT_LEAST) {
            self.devices.retain(|_, rivals| !rivals.is_over(now));
            self.sweep_at = self.devices.len() * 2;
        }
    }

    fn hold(&mut self, device: Key, now: Instant, most: u32, first_hold: Duration) -> Option<Duration> {
        self.devices.get_mut(&device)?.hold(now, most, first_hold)
    }
}

impl Rivals {
    /// A connection took the device from another.
    fn took_over(&mut self, now: Instant, most: u32) {
        self.forget_before(now);
        while self.taken_over_at.len() >= (most + HOLDS_MAX) as usize {
            self.taken_over_at.pop_front();
        }
        self.taken_over_at.push_back(now);
    }

    /// How long the next one must wait: not at all, or the first hold times 1 to 5.
    fn hold(&mut self, now: Instant, most: u32, first_hold: Duration) -> Option<Duration> {
        self.forget_before(now);
        let over = (self.taken_over_at.len() as u32).checked_sub(most)?;
        Some(first_hold * (over + 1).min(HOLDS_MAX))
    }

    fn is_over(&self, now: Instant) -> bool {
        self.taken_over_at.back().is_none_or(|at| now.duration_since(*at) >= WINDOW)
    }

    fn forget_before(&mut self, now: Instant) {
        let old = |at: &Instant| now.duration_since(*at) >= WINDOW;
        while self.taken_over_at.front().is_some_and(old) {
            self.taken_over_at.pop_front();
        }
    }
}

impl Shard {
    /// An admitted connection takes its seat, now or when the fight for it allows.
    pub(crate) fn seat(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        grant: Arc<Grant>,
        clean_session: bool,
    ) {
        let (most, first_hold) = (self.facts.limits.takeovers_per_minute, self.facts.limits.takeover_hold_ms);
        let taken = self.devices.get(device).is_some_and(|row| row.seat.is_some());
        let first_hold = Duration::from_millis(first_hold);
        let hold = taken.then(|| self.conflicts.hold(device, cx.now(), most, first_hold)).flatten();
        let Some(hold) = hold else { return self.seat_now(cx, conn, device, grant, clean_session) };
        if let Some(rivals) = self.conflicts.devices.get_mut(&device) {
            rivals.held.retain(|&held| self.peers.is_held(held));
            rivals.held.push(conn);
        }
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        peer.standing = Standing::Held(Box::new(Held { device, grant, clean_session }));
        cx.arm(cx.now() + hold, Alarmed::Held(conn));
        self.counters.connection_held();
        self.tell_conflict(cx, device, hold);
    }

    /// A connection has been held back long enough.
    pub(crate) fn held_enough(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let draining = cx.draining();
        let Some(peer) = self.peers.mqtt_mut(conn) else { return };
        let held = match std::mem::replace(&mut peer.standing, Standing::Stranger) {
            Standing::Held(held) => *held,
            other => {
                peer.standing = other;
                return;
            }
        };
        let may_sit = self.devices.get(held.device).is_some_and(|row| row.status != Status::Disabled);
        #[cfg(planted)]
        let may_sit =
            may_sit || self.devices.get(held.device).is_some() && engine::planted::is("held-is-seated");
        if draining || !may_sit || !self.keys.is_live(&held.grant) {
            // What was true when it was checked is not any more.
            let (code, outcome) = match draining {
                true => (ConnectCode::ServerUnavailable, AuthOutcome::Unavailable),
                false => (ConnectCode::NotAuthorized, AuthOutcome::Disabled),
            };
            self.refuse(cx, conn, code, outcome);
            return self.lines.hang_up(cx, conn);
        }
        self.seat_now(cx, conn, held.device, held.grant, held.clean_session);
        self.resume_device(cx, conn);
        self.set_deadline(cx, conn);
    }

    /// The newest connection that is held back for a device, and may sit down.
    fn next_held(&mut self, device: Key) -> Option<Key> {
        let rivals = self.conflicts.devices.get_mut(&device)?;
        while let Some(conn) = rivals.held.pop() {
            if let Some(Standing::Held(held)) = self.peers.mqtt_mut(conn).map(|peer| &peer.standing)
                && held.device == device
                && self.keys.is_live(&held.grant)
            {
                return Some(conn);
            }
        }
        None
    }

    /// The seated connection is gone. If another is held back for its seat the fight is over: that one takes the device
    /// over, which is never shown offline. Gives the peer back when there is none.
    pub(super) fn relieve(
        &mut self,
        cx: &mut Cx<'_>,
        device: Key,
        conn: Key,
        peer: MqttPeer,
    ) -> Option<MqttPeer> {
        let next = if cx.draining() { None } else { self.next_held(device) };
        let Some(next) = next else { return Some(peer) };
        // Its session is taken over like that of any other connection that is replaced.
        self.peers.insert(conn, Peer::Mqtt(Box::new(peer)));
        self.held_enough(cx, next);
        None
    }

    /// Tells the agent, once a minute, that two connections fight for one of its devices.
    fn tell_conflict(&mut self, cx: &mut Cx<'_>, device: Key, hold: Duration) {
        let (now, at) = (cx.now(), Rfc3339(cx.wall_ms()));
        let (Some(row), Some(rivals)) = (self.devices.get(device), self.conflicts.devices.get_mut(&device))
        else {
            return;
        };
        if rivals.told_at.is_some_and(|told_at| now.duration_since(told_at) < WINDOW) {
            return;
        }
        rivals.told_at = Some(now);
        let takeovers = rivals.taken_over_at.len();
        tracing::warn!(takeovers, "two connections fight for one device");
        let mut json = self.buffers.lend();
        json.extend_from_slice(b"{\"deviceName\":");
        encode_str(&mut json, &row.name);
        let hold_ms = hold.as_millis();
        write!(json, ",\"takeovers\":{takeovers},\"windowMs\":60000,\"heldMs\":{hold_ms},\"at\":\"{at}\"}}")
            .expect("writing to a Vec cannot fail");
        let agent = row.agent.name_shared().clone();
        let keep = ToStore::Keep { agent, kind: EventKind::DeviceConflict, json, answer: None };
        cx.post(self.facts.store, Mail::Store(keep));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn holds_longer_each_time_and_not_for_ever() {
        let (mut rivals, start) = (Rivals::default(), Instant::now());
        let mut holds = Vec::new();
        for n in 0..20 {
            let now = start + Duration::from_millis(n);
            holds.push(rivals.hold(now, 5, FIRST).map_or(0, |hold| hold.as_millis()));
            rivals.took_over(now, 5);
        }
        assert_eq!(&holds[..10], [0, 0, 0, 0, 0, 100, 200, 300, 400, 500]);
        assert_eq!(holds[19], 500);
        assert!(rivals.taken_over_at.len() <= 10, "bounded");
        assert_eq!(rivals.hold(start + WINDOW * 2, 5, FIRST), None, "peace after a minute");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn forgets_devices_that_are_at_peace() {
        let (mut conflicts, start) = (Conflicts::default(), Instant::now());
        for index in 0..100_000 {
            let now = start + Duration::from_millis(u64::from(index) * 10);
            conflicts.took_over(Key { index, generation: 0 }, now, 5);
        }
        assert!(conflicts.devices.len() < 20_000, "{}", conflicts.devices.len());
    }
}
