//! The manifests of one core, each held once however many devices have it.
//!
//! Owns the table from a manifest's fingerprint to the parsed thing, the list of who waits while the worker compiles one, and
//! how much of the memory all of them may take: those that devices have, of one agent and of all, and those that nobody has
//! any more. A fleet shares a few manifests: parsing, checking and compiling are paid once for each. Never decides who is told
//! when there is no room.

use super::manifest::Manifest;
use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use transports::mqtt::Receipt;

/// Fingerprints are cut from SHA-256 and cannot be chosen, nor can addresses, so that a fixed hasher is safe here and keeps
/// runs repeatable.
type Fixed = BuildHasherDefault<SipHasher13>;

/// Where a manifest lies: it tells two apart that were made of the same bytes, as long as somebody has them.
type Address = usize;

/// Ceilings on a core's manifests, in bytes of [`Manifest::bytes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Those that the devices of one agent have, each counted once.
    pub agent_bytes_max: usize,
    /// Those that devices have, each counted once.
    pub core_bytes_max: usize,
    /// Those that no device has; the one that was longest without goes first.
    pub unused_bytes_max: usize,
}

/// A core's manifests.
#[derive(Debug)]
pub struct Interned {
    room: Room,
    known: HashMap<u128, Known, Fixed>,
    /// Each agent's for itself: what one agent has no room for in the worker's queue must not cost another one its manifest.
    compiling: HashMap<(Arc<str>, u128), Vec<Waiting>, Fixed>,
    /// The known ones that no device has, by the moment at which the last one let go.
    unused: BTreeMap<u64, u128>,
    unused_bytes: usize,
    /// Counts such moments.
    moments: u64,
    used: Share,
    shares: HashMap<Arc<str>, Share, Fixed>,
    /// What devices have instead when there is no room.
    refusing: [Arc<Manifest>; 2],
}

#[derive(Debug)]
struct Known {
    manifest: Arc<Manifest>,
    unused_since: Option<u64>,
}

/// The manifests that some devices have.
#[derive(Debug, Default)]
struct Share {
    devices: HashMap<Address, u32, Fixed>,
    bytes: usize,
}

/// A connection that waits for its manifest.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The connection.
    pub conn: Key,
    /// The acknowledgement it is owed when the manifest is accepted.
    pub receipt: Option<Receipt>,
}

impl Interned {
    /// An empty table with these ceilings.
    pub fn new(room: Room) -> Self {
        let refusing = |whose: &str, most: usize| {
            let detail = format!("the manifests of {whose} would take more than {most} bytes of memory");
            Arc::new(Manifest::too_much(detail))
        };
        Self {
            refusing: [
                refusing("this agent's devices", room.agent_bytes_max),
                refusing("all devices", room.core_bytes_max),
            ],
            room,
            known: HashMap::default(),
            compiling: HashMap::default(),
            unused: BTreeMap::new(),
            unused_bytes: 0,
            moments: 0,
            used: Share::default(),
            shares: HashMap::default(),
        }
    }

    /// The manifest with this fingerprint, if it is known.
    pub fn find(&self, fingerprint: u128) -> Option<&Arc<Manifest>> {
        self.known.get(&fingerprint).map(|known| &known.manifest)
    }

    /// Adds a connection of `agent` to those that wait. `true` for the first: the worker has to be asked.
    pub fn wait(&mut self, agent: &Arc<str>, fingerprint: u128, waiting: Waiting) -> bool {
        let queue = self.compiling.entry((agent.clone(), fingerprint)).or_default();
        queue.push(waiting);
        queue.len() == 1
    }

    /// A manifest that could be made is known from now on; the one that is known already stays.
    pub fn know(&mut self, manifest: &Arc<Manifest>) {
        if !self.known.contains_key(&manifest.fingerprint()) {
            let known = Known { manifest: manifest.clone(), unused_since: None };
            self.known.insert(manifest.fingerprint(), known);
            self.is_unused(manifest);
        }
    }

    /// The worker has answered: who waited.
    pub fn answered(&mut self, agent: &Arc<str>, fingerprint: u128) -> Vec<Waiting> {
        self.compiling.remove(&(agent.clone(), fingerprint)).unwrap_or_default()
    }

    /// One more device of `agent` has this manifest instead of the one that it had: or, when there is no room, the one that is
    /// returned.
    pub fn exchange(
        &mut self,
        agent: &Arc<str>,
        had: Option<&Arc<Manifest>>,
        manifest: &Arc<Manifest>,
    ) -> Arc<Manifest> {
        if had.is_some_and(|had| Arc::ptr_eq(had, manifest)) {
            return manifest.clone();
        }
        // First, so that what the device had does not push it out.
        self.is_used(manifest);
        if let Some(had) = had {
            self.leave(agent, had);
        }
        let has = self.without_room(agent, manifest).unwrap_or(manifest).clone();
        self.shares.entry(agent.clone()).or_default().take(&has);
        self.used.take(&has);
        if !self.used.devices.contains_key(&address(manifest)) {
            self.is_unused(manifest);
        }
        has
    }

    /// A device of `agent` has its manifest no more.
    pub fn leave(&mut self, agent: &str, manifest: &Arc<Manifest>) {
        if let Some(share) = self.shares.get_mut(agent) {
            share.leave(manifest);
            if share.devices.is_empty() {
                self.shares.remove(agent);
            }
        }
        if self.used.leave(manifest) {
            self.is_unused(manifest);
        }
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Bytes of all: those that devices have, and those that nobody has.
    pub fn bytes(&self) -> usize {
        self.used.bytes + self.unused_bytes
    }

    /// Asserts that the count of devices is right.
    pub fn check_invariants(&self, devices_with_manifest: usize) {
        let sum = |share: &Share| share.devices.values().map(|&devices| devices as usize).sum::<usize>();
        assert_eq!(sum(&self.used), devices_with_manifest);
        assert_eq!(self.shares.values().map(sum).sum::<usize>(), devices_with_manifest);
        assert!(self.unused_bytes <= self.room.unused_bytes_max || self.unused.len() <= 1);
    }

    /// What a device of `agent` gets instead, if there is no room.
    fn without_room(&self, agent: &str, manifest: &Arc<Manifest>) -> Option<&Arc<Manifest>> {
        let Room { agent_bytes_max, core_bytes_max, .. } = self.room;
        let [by_agent, by_core] = &self.refusing;
        let agent_bytes = self.shares.get(agent).map_or(manifest.bytes(), |share| share.with(manifest));
        if agent_bytes > agent_bytes_max {
            return Some(by_agent);
        }
        (self.used.with(manifest) > core_bytes_max).then_some(by_core)
    }

    /// The entry of this very manifest.
    fn known_as(&mut self, manifest: &Arc<Manifest>) -> Option<&mut Known> {
        let known = self.known.get_mut(&manifest.fingerprint());
        known.filter(|known| Arc::ptr_eq(&known.manifest, manifest))
    }

    /// Somebody has a manifest now that perhaps nobody had.
    fn is_used(&mut self, manifest: &Arc<Manifest>) {
        if let Some(known) = self.known_as(manifest)
            && let Some(since) = known.unused_since.take()
        {
            self.unused.remove(&since);
            self.unused_bytes -= manifest.bytes();
        }
    }

    /// Nobody has a known manifest now: the longest unused go while there are too many bytes of them.
    fn is_unused(&mut self, manifest: &Arc<Manifest>) {
        self.moments += 1;
        let now = self.moments;
        let Some(known) = self.known_as(manifest) else { return };
        known.unused_since = Some(now);
        self.unused.insert(now, manifest.fingerprint());
        self.unused_bytes += manifest.bytes();
        while self.unused_bytes > self.room.unused_bytes_max && self.unused.len() > 1 {
            let Some((_, oldest)) = self.unused.pop_first() else { return };
            if let Some(gone) = self.known.remove(&oldest) {
                self.unused_bytes -= gone.manifest.bytes();
            }
        }
    }
}

impl Share {
    /// The bytes, were this manifest among them.
    fn with(&self, manifest: &Arc<Manifest>) -> usize {
        let has = self.devices.contains_key(&address(manifest));
        self.bytes + if has { 0 } else { manifest.bytes() }
    }

    fn take(&mut self, manifest: &Arc<Manifest>) {
        self.bytes = self.with(manifest);
        *self.devices.entry(address(manifest)).or_default() += 1;
    }

    /// `true`: nobody has it any more.
    fn leave(&mut self, manifest: &Arc<Manifest>) -> bool {
        let Some(devices) = self.devices.get_mut(&address(manifest)) else {
            debug_assert!(false, "whoever leaves had it");
            return false;
        };
        *devices -= 1;
        if *devices > 0 {
            return false;
        }
        self.devices.remove(&address(manifest));
        self.bytes -= manifest.bytes();
        true
    }
}

fn address(manifest: &Arc<Manifest>) -> Address {
    Arc::as_ptr(manifest).addr()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::ManifestLimits;
    use super::*;

    fn manifest(n: usize) -> Arc<Manifest> {
        let json = format!(r#"[{{"name":"c{n:05}","description":"d"}}]"#);
        Arc::new(Manifest::parse(json.as_bytes(), ManifestLimits::default()).expect("valid"))
    }

    fn waiting(index: u32) -> Waiting {
        Waiting { conn: Key { index, generation: 0 }, receipt: None }
    }

    /// Room for so many manifests of the tests.
    fn room(agent: usize, core: usize, unused: usize) -> Interned {
        let each = manifest(0).bytes();
        let [agent_bytes_max, core_bytes_max, unused_bytes_max] = [agent, core, unused].map(|n| n * each);
        Interned::new(Room { agent_bytes_max, core_bytes_max, unused_bytes_max })
    }

    fn reason(manifest: &Manifest) -> Option<&str> {
        manifest.refused().first().map(|refused| &*refused.detail)
    }

    #[test]
    fn asks_the_worker_once_for_all_who_wait() {
        let mut interned = room(9, 9, 9);
        let (alpha, beta): (Arc<str>, Arc<str>) = ("alpha".into(), "beta".into());
        let made = manifest(1);
        let fingerprint = made.fingerprint();
        assert!(interned.wait(&alpha, fingerprint, waiting(1)));
        assert!(!interned.wait(&alpha, fingerprint, waiting(2)));
        assert!(interned.wait(&beta, fingerprint, waiting(3)), "another agent's queue, another question");
        assert!(interned.find(fingerprint).is_none());
        interned.know(&made);
        let woken = interned.answered(&alpha, fingerprint);
        assert_eq!(woken.iter().map(|w| w.conn.index).collect::<Vec<_>>(), [1, 2]);
        interned.know(&manifest(1));
        assert!(Arc::ptr_eq(interned.find(fingerprint).expect("it is known"), &made));
        assert_eq!((interned.answered(&beta, fingerprint).len(), interned.len()), (1, 1));
        assert_eq!(interned.answered(&beta, fingerprint).len(), 0);
    }

    #[test]
    fn a_device_that_describes_itself_anew_again_and_again_takes_bounded_bytes() {
        let mut interned = room(9, 9, 3);
        let agent: Arc<str> = "alpha".into();
        let mut had = None;
        for n in 0..300 {
            let made = manifest(n);
            interned.know(&made);
            had = Some(interned.exchange(&agent, had.as_ref(), &made));
            interned.check_invariants(1);
        }
        let each = manifest(0).bytes();
        assert_eq!((interned.len(), interned.bytes()), (4, 4 * each));
        let kept: Vec<_> = (0..300).filter(|&n| interned.find(manifest(n).fingerprint()).is_some()).collect();
        assert_eq!(kept, [296, 297, 298, 299], "those that were had last");
        interned.leave(&agent, &had.expect("it has one"));
        assert_eq!((interned.len(), interned.bytes()), (3, 3 * each));
        interned.check_invariants(0);
    }

    #[test]
    fn an_agent_has_a_share_in_which_each_manifest_counts_once() {
        let mut interned = room(2, 3, 9);
        let (alpha, beta): (Arc<str>, Arc<str>) = ("alpha".into(), "beta".into());
        let made: Vec<_> = (0..4).map(manifest).collect();
        let mut take = |agent, n: usize| {
            let got = interned.exchange(agent, None, &made[n]);
            reason(&got).map(str::to_owned)
        };
        for n in [0, 1, 0, 1, 1] {
            assert_eq!(take(&alpha, n), None);
        }
        let refused = take(&alpha, 2).expect("a third one is too many");
        assert!(refused.contains("this agent's devices"), "{refused}");
        assert_eq!([take(&beta, 0), take(&beta, 2)], [None, None]);
        interned.leave("alpha", &made[1]);
        interned.leave("alpha", &made[1]);
        interned.leave("alpha", &made[1]);
        let third = interned.exchange(&alpha, Some(&made[0]), &made[3]);
        assert_eq!(reason(&third), None, "what was let go makes room");
        let gamma: Arc<str> = "gamma".into();
        let refused = interned.exchange(&gamma, None, &manifest(5));
        assert!(reason(&refused).is_some_and(|detail| detail.contains("all devices")));
        interned.check_invariants(6);
    }

    #[test]
    fn two_manifests_of_the_same_bytes_are_two() {
        let mut interned = room(9, 9, 9);
        let alpha: Arc<str> = "alpha".into();
        let (one, other) = (manifest(0), manifest(0));
        interned.exchange(&alpha, None, &one);
        interned.exchange(&alpha, None, &other);
        assert_eq!(interned.bytes(), 2 * one.bytes());
        interned.leave("alpha", &one);
        interned.leave("alpha", &other);
        assert_eq!(interned.bytes(), 0);
    }
}
