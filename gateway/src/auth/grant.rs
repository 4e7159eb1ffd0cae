//! A grant: what one key allows, to whom, on which devices.
//!
//! Owns the binding of a key and the pattern that names its devices. It never sees the secret itself; the digest it keeps
//! is private to this folder.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::{Agent, DEVICE_NAME_CHARS_MAX, Digest, Operations, Sealed, is_device_name};

/// What a live key allows. Shared by the connections that logged in with it.
pub struct Grant {
    /// The key's id (not secret).
    pub id: Box<str>,
    /// The agent that the key speaks for, or that its devices belong to.
    pub agent: Arc<Agent>,
    /// The devices that may log in with it.
    pub device: DevicePattern,
    /// What it may be used for.
    pub operations: Operations,
    pub(super) digest: Digest,
    pub(super) voucher: Option<Voucher>,
}

/// What a grant has in addition that is not of the key file but of the auth service: it must be asked for again.
pub(super) struct Voucher {
    /// None once nobody may ask about it any more.
    pub(super) secret: Option<Sealed>,
    pub(super) fresh_until: Instant,
}

/// The id of all keys that the auth service vouches for: it names none.
const SERVICE_KEY_ID: &str = "auth-service";

/// The devices that a key is bound to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DevicePattern {
    /// `*`: every device of the agent.
    Any,
    /// One device by name.
    Exactly(Box<str>),
    /// `prefix*`: the devices whose name begins so.
    Prefix(Box<str>),
}

impl Grant {
    /// Whether a connection that calls itself `device` of `agent` may use this key.
    pub fn binds(&self, agent: &str, device: &str) -> bool {
        self.agent.name() == agent && self.device.matches(device)
    }

    /// Whether the key may be used for all of `operations`.
    pub fn allows(&self, operations: Operations) -> bool {
        self.operations.contains(operations)
    }

    /// A grant of the auth service, which counts until `fresh_until` and must then be asked for again.
    pub(super) fn vouched(
        agent: Arc<Agent>,
        device: DevicePattern,
        operations: Operations,
        digest: Digest,
        secret: Sealed,
        fresh_until: Instant,
    ) -> Self {
        let voucher = Some(Voucher { secret: Some(secret), fresh_until });
        Self { id: SERVICE_KEY_ID.into(), agent, device, operations, digest, voucher }
    }

    /// The same for a while longer: the auth service could not be asked, and nobody is thrown out for that.
    pub fn prolonged(&self, fresh_until: Instant) -> Option<Self> {
        let secret = self.secret()?.clone();
        let (agent, device) = (Arc::clone(&self.agent), self.device.clone());
        Some(Self::vouched(agent, device, self.operations, self.digest, secret, fresh_until))
    }

    /// When the auth service must be asked again; never for a key of the key file.
    pub fn ask_again_at(&self) -> Option<Instant> {
        self.voucher.as_ref().map(|voucher| voucher.fresh_until)
    }

    /// The hash of the key's secret.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The secret of a key that the auth service must be asked about again.
    pub(crate) fn secret(&self) -> Option<&Sealed> {
        self.voucher.as_ref()?.secret.as_ref()
    }

    /// What is kept of a grant when its connection is gone: all but the secret.
    pub fn without_secret(grant: Arc<Self>) -> Arc<Self> {
        let Some(Voucher { secret: Some(_), fresh_until }) = grant.voucher else { return grant };
        Arc::new(Self {
            id: grant.id.clone(),
            agent: Arc::clone(&grant.agent),
            device: grant.device.clone(),
            operations: grant.operations,
            digest: grant.digest,
            voucher: Some(Voucher { secret: None, fresh_until }),
        })
    }

    /// Whether both stand for the same secret with the same rights.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.digest.same(&other.digest)
            && self.operations == other.operations
            && self.id == other.id
            && self.agent.name() == other.agent.name()
            && self.device == other.device
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("id", &self.id)
            .field("agent", &self.agent.name())
            .field("device", &self.device)
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

impl DevicePattern {
    /// Reads `*`, a device name, or `prefix*`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            Some("") => Some(Self::Any),
            Some(prefix) if prefix.chars().count() < DEVICE_NAME_CHARS_MAX && is_plain_name(prefix) => {
                Some(Self::Prefix(prefix.into()))
            }
            None if is_plain_name(text) => Some(Self::Exactly(text.into())),
            Some(_) | None => None,
        }
    }

    /// Whether `device` is one of them.
    pub fn matches(&self, device: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => **name == *device,
            Self::Prefix(prefix) => device.starts_with(&**prefix),
        }
    }
}

/// A device name without a star: a star inside a pattern would look like one that means something.
fn is_plain_name(text: &str) -> bool {
    is_device_name(text) && !text.contains('*')
}

impl fmt::Display for DevicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        let pattern = |text| DevicePattern::parse(text).unwrap();
        assert!(pattern("*").matches("anything"));
        assert!(pattern("pump").matches("pump") && !pattern("pump").matches("pump-1"));
        assert!(pattern("pump-*").matches("pump-1") && !pattern("pump-*").matches("pump"));
        for text in ["*", "pump", "pump-*"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn refuses_patterns_that_could_mean_two_things() {
        for text in ["", "a*b", "*a", "**", "a**", "a b", "a/b", "#", "+"] {
            assert_eq!(DevicePattern::parse(text), None, "{text:?}");
        }
    }
}
