//! The manifests of one core, each held once however many devices have it.
//!
//! Owns the table from a manifest's fingerprint to the parsed thing, and the list of who waits while the worker
//! compiles one. A fleet shares a few manifests: parsing, checking and compiling are paid once for each.

use super::manifest::Manifest;
use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use transports::mqtt::Receipt;

/// Manifests held that no device has at the moment; above this they are let go.
const UNUSED_MAX: usize = 256;

/// Fingerprints are cut from SHA-256 and cannot be chosen, so that a fixed hasher is safe here and keeps runs repeatable.
type Fixed = BuildHasherDefault<SipHasher13>;

/// A core's manifests.
#[derive(Debug, Default)]
pub struct Interned {
    known: HashMap<u128, Arc<Manifest>, Fixed>,
    compiling: HashMap<u128, Vec<Waiting>, Fixed>,
    sweep_at: usize,
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
    /// The manifest with this fingerprint, if it is known.
    pub fn find(&self, fingerprint: u128) -> Option<&Arc<Manifest>> {
        self.known.get(&fingerprint)
    }

    /// Adds a connection to those that wait. `true` for the first: the worker has to be asked.
    pub fn wait(&mut self, fingerprint: u128, waiting: Waiting) -> bool {
        let queue = self.compiling.entry(fingerprint).or_default();
        queue.push(waiting);
        queue.len() == 1
    }

    /// The worker has answered: who waited. A manifest that could be made is known from now on.
    pub fn compiled(&mut self, fingerprint: u128, manifest: Option<&Arc<Manifest>>) -> Vec<Waiting> {
        if let Some(manifest) = manifest {
            self.known.insert(fingerprint, manifest.clone());
            self.let_go();
        }
        self.compiling.remove(&fingerprint).unwrap_or_default()
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Lets the unused go, each time the table has doubled since the last look.
    fn let_go(&mut self) {
        if self.known.len() <= self.sweep_at.max(UNUSED_MAX) {
            return;
        }
        self.known.retain(|_, manifest| Arc::strong_count(manifest) > 1);
        self.sweep_at = self.known.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::ManifestLimits;
    use super::*;

    fn manifest(n: usize) -> Arc<Manifest> {
        let json = format!(r#"[{{"name":"c{n}","description":"d"}}]"#);
        Arc::new(Manifest::parse(json.as_bytes(), ManifestLimits::default()).expect("valid"))
    }

    fn waiting(index: u32) -> Waiting {
        Waiting { conn: Key { index, generation: 0 }, receipt: None }
    }

    #[test]
    fn asks_the_worker_once_for_all_who_wait() {
        let mut interned = Interned::default();
        assert!(interned.wait(1, waiting(1)));
        assert!(!interned.wait(1, waiting(2)));
        assert!(interned.find(1).is_none());
        let made = manifest(1);
        let woken: Vec<u32> = interned.compiled(1, Some(&made)).iter().map(|w| w.conn.index).collect();
        assert_eq!(woken, [1, 2]);
        assert!(interned.find(1).is_some());
        assert!(interned.wait(2, waiting(3)));
        assert_eq!(interned.compiled(2, None).len(), 1);
        assert!(interned.find(2).is_none());
    }

    #[test]
    fn lets_manifests_go_that_no_device_has() {
        let mut interned = Interned::default();
        let kept = manifest(0);
        interned.compiled(0, Some(&kept));
        for n in 1..=UNUSED_MAX {
            interned.compiled(n as u128, Some(&manifest(n)));
        }
        assert_eq!(interned.len(), 2, "the one that a device has, and the one that was just made for one");
        assert!(interned.find(0).is_some());
    }
}
