//! The snapshot of all keys: built whole from the file, never changed, swapped as a whole.
//!
//! Owns the answer to "whose secret is this?". A secret is hashed and looked up by its digest; digests are compared in
//! constant time, and a wrong secret costs what a right one costs, whoever it claims to be. It never reads the clock and
//! never changes; agents and unchanged grants are carried over from the snapshot before, so that quotas and connections
//! outlive a reload.

use std::path::Path;
use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq};

pub use super::key_file::KeysError;
use super::key_file::{self, KeyFile, KeyRecord};
use super::{Agent, Digest, Grant, Roster};

/// Every key of the gateway at one moment. Empty means that everybody is denied.
#[derive(Debug, Default)]
pub struct Keys {
    /// Sorted by the head of the digest.
    entries: Vec<Entry>,
    /// Sorted by name.
    agents: Vec<Arc<Agent>>,
    /// The hash of the file that they were read from.
    source: Option<Digest>,
    /// Every agent of the process.
    roster: Arc<Roster>,
}

/// What the key file says of a secret.
#[derive(Clone, Copy, Debug)]
pub enum Known<'k> {
    /// It is a live key.
    Live(&'k Arc<Grant>),
    /// It was one.
    Revoked,
    /// It stands there not at all.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    head: u64,
    revoked: bool,
    grant: Arc<Grant>,
}

impl Keys {
    /// No key at all: everybody is denied.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the keys of a data folder. A folder without a key file has none, unless the snapshot before had some: a file
    /// that vanishes under a running gateway is an error, like any other damage.
    pub fn load(data_dir: &Path, previous: Option<&Self>) -> Result<Self, KeysError> {
        let path = key_file::path(data_dir);
        let fail = |what: &dyn std::fmt::Display| KeysError(format!("{}: {what}", path.display()));
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let keys = Self::parse(&text, previous).map_err(|error| fail(&error))?;
                Ok(Self { source: Some(Digest::of(text.as_bytes())), ..keys })
            }
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && previous.is_none_or(Self::is_empty) =>
            {
                Ok(Self::empty())
            }
            Err(error) => Err(fail(&error)),
        }
    }

    /// Builds a snapshot from the text of a key file. Any error refuses the whole text.
    pub fn parse(text: &str, previous: Option<&Self>) -> Result<Self, KeysError> {
        let file = KeyFile::parse(text)?;
        let roster = previous.map(|keys| Arc::clone(&keys.roster)).unwrap_or_default();
        let mut keys = Self { roster, ..Self::empty() };
        for record in &file.key {
            keys.admit(record, previous)?;
        }
        keys.entries.sort_by_key(|entry| entry.head);
        keys.refuse_doubles()?;
        Ok(keys)
    }

    fn admit(&mut self, record: &KeyRecord, previous: Option<&Self>) -> Result<(), KeysError> {
        let meaning = record.meaning()?;
        let grant = Grant {
            id: record.id.as_str().into(),
            agent: self.agent_or_new(&record.agent),
            device: meaning.device,
            operations: meaning.operations,
            digest: meaning.digest,
            voucher: None,
        };
        let kept = previous.and_then(|keys| keys.find(&grant.digest));
        let grant = match kept {
            Some(entry) if entry.grant.equals(&grant) => Arc::clone(&entry.grant),
            Some(_) | None => Arc::new(grant),
        };
        self.entries.push(Entry { head: meaning.digest.head(), revoked: record.revoked, grant });
        Ok(())
    }

    fn agent_or_new(&mut self, name: &str) -> Arc<Agent> {
        match self.position(name) {
            Ok(at) => Arc::clone(&self.agents[at]),
            Err(at) => {
                let agent = self.roster.agent(name);
                self.agents.insert(at, Arc::clone(&agent));
                agent
            }
        }
    }

    fn refuse_doubles(&self) -> Result<(), KeysError> {
        let mut ids: Vec<&str> = self.entries.iter().map(|entry| &*entry.grant.id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(KeysError(format!("key {:?}: its id stands there twice", pair[0])));
        }
        let double = |pair: &&[Entry]| pair[0].grant.digest.same(&pair[1].grant.digest);
        match self.entries.windows(2).find(double) {
            Some(pair) => Err(KeysError(format!("key {:?}: its hash stands there twice", pair[1].grant.id))),
            None => Ok(()),
        }
    }

    /// The grant of a live key, or `None` for a wrong or revoked one.
    pub fn check(&self, secret: &[u8]) -> Option<&Arc<Grant>> {
        self.check_digest(&Digest::of(secret))
    }

    /// The same, for a secret that was hashed where it arrived.
    pub fn check_digest(&self, digest: &Digest) -> Option<&Arc<Grant>> {
        match self.look_up(digest) {
            Known::Live(grant) => Some(grant),
            Known::Revoked | Known::Unknown => None,
        }
    }

    /// The same, telling a revoked key from an unknown one: no auth service is asked about a key that was taken back.
    pub fn look_up(&self, digest: &Digest) -> Known<'_> {
        match self.find(digest) {
            Some(entry) if entry.revoked => Known::Revoked,
            Some(entry) => Known::Live(&entry.grant),
            None => Known::Unknown,
        }
    }

    /// Every agent of the process, whoever vouches for it.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Whether what this grant allows still stands: its secret is not revoked, and has the same rights. A connection whose
    /// grant is dead must be closed. What the auth service vouches for stands as long as the file does not revoke it.
    pub fn is_live(&self, grant: &Grant) -> bool {
        match self.find(&grant.digest) {
            Some(entry) => !entry.revoked && (grant.voucher.is_some() || entry.grant.equals(grant)),
            None => grant.voucher.is_some(),
        }
    }

    /// The entry with this digest. The search over heads tells nothing of the secret, because it is over hashes that
    /// nobody can choose; the comparison of whole digests takes the same time for every input, also when no head fits.
    fn find(&self, digest: &Digest) -> Option<&Entry> {
        let wanted = digest.head();
        let start = self.entries.partition_point(|entry| entry.head < wanted);
        let mut found = None;
        let mut looked = Choice::from(0);
        for entry in self.entries[start..].iter().take_while(|entry| entry.head == wanted) {
            let same = entry.grant.digest.ct_eq(digest);
            looked |= same;
            if same.into() {
                found = Some(entry);
            }
        }
        if found.is_none() {
            looked |= Digest::NOBODY.ct_eq(digest);
        }
        std::hint::black_box(looked.unwrap_u8());
        found
    }

    /// Whether they were read from a file with just this content.
    pub(super) fn are_from(&self, content: &Digest) -> bool {
        self.source.as_ref().is_some_and(|source| source.same(content))
    }

    /// The agent of this name, when any key names it.
    pub fn agent(&self, name: &str) -> Option<&Arc<Agent>> {
        self.position(name).ok().map(|at| &self.agents[at])
    }

    /// Every agent that a key names, by name.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents.iter()
    }

    /// How many keys there are, revoked ones too.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.agents.binary_search_by(|agent| agent.name().cmp(name))
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
