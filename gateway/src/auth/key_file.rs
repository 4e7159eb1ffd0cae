//! `keys.toml` as it stands on disk: `[[key]]` tables, read and written whole.
//!
//! Owns the spelling of a key and the rules a single one obeys. It never holds a secret, only hashes; it does not decide
//! who holds the lock (see [`super::edit`]) and gives no rights (see [`super::Keys`]).

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

use super::{DevicePattern, Digest, Operations, is_agent_name};

const HEAD: &str = "# The keys of this gateway, by their hashes. `gateway keys` writes this file and keeps no comments in it.\n\
                    # A running gateway sees a change within a second.\n";

/// The file: any number of keys.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct KeyFile {
    pub(super) key: Vec<KeyRecord>,
}

/// One `[[key]]` as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// The key's id; not secret.
    pub id: String,
    /// SHA-256 of the secret, in hex.
    pub(super) sha256: String,
    /// The agent it speaks for.
    pub agent: String,
    /// `*`, a device name, or `prefix*`.
    pub device: String,
    /// What it may be used for.
    pub operations: Vec<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Value>,
    /// Whether it has been revoked; the time of it counts as yes.
    #[serde(default, deserialize_with = "yes_or_since")]
    pub revoked: bool,
}

/// What a record means.
pub(super) struct Meaning {
    pub(super) digest: Digest,
    pub(super) device: DevicePattern,
    pub(super) operations: Operations,
}

/// Why a key file cannot be used. Names the place, never a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysError(pub(super) String);

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeysError {}

/// Where the keys of a data folder lie.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("keys.toml")
}

impl KeyFile {
    pub(super) fn parse(text: &str) -> Result<Self, KeysError> {
        toml::from_str(text).map_err(|error| KeysError(place(&error, text)))
    }

    pub(super) fn to_text(&self) -> String {
        let keys = toml::to_string(self).expect("keys are plain tables of texts");
        format!("{HEAD}\n{keys}")
    }
}

/// The complaint with its line, but without the line's text: a hash is nobody's business.
fn place(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

impl KeyRecord {
    /// What the record says, or what is wrong with it.
    pub(super) fn meaning(&self) -> Result<Meaning, KeysError> {
        let wrong = |what: String| KeysError(format!("key {:?}: {what}", self.id));
        if self.id.is_empty() {
            return Err(wrong("its id is empty".to_owned()));
        }
        if !is_agent_name(&self.agent) {
            return Err(wrong(format!("{:?} cannot be an agent", self.agent)));
        }
        let digest = Digest::parse(&self.sha256)
            .ok_or_else(|| wrong("sha256 is not 64 hexadecimal digits".to_owned()))?;
        let device = DevicePattern::parse(&self.device)
            .ok_or_else(|| wrong(format!("device {:?} is not \"*\", a name, or \"prefix*\"", self.device)))?;
        let mut operations = Operations::NONE;
        for word in &self.operations {
            let known = Operations::parse(word);
            operations =
                operations.with(known.ok_or_else(|| wrong(format!("there is no operation {word:?}")))?);
        }
        Ok(Meaning { digest, device, operations })
    }
}

/// Reads `revoked = true`, `revoked = false`, or the time of the revocation. Anything else is an error: a guess could
/// bring a dead key back to life.
fn yes_or_since<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Boolean(revoked) => Ok(revoked),
        Value::Datetime(_) => Ok(true),
        _ => Err(serde::de::Error::custom("revoked must be true, false, or the time of it")),
    }
}
