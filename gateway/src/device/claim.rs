//! What a connection says of itself in CONNECT, before anybody has checked it.
//!
//! Owns the form of a claim: well-formed names, the client id that belongs to them, a will on nobody's topic but its own.
//! Never decides whether it is true; the home core does ([`super::admission`]). The secret is hashed at once, so that
//! it never crosses a core and never waits anywhere; only where an auth service is configured it comes along, sealed.

use super::name::{is_client_id, split_username};
use super::refusals::Why;
use super::topic::{Inbound, own_suffix};
use crate::auth::{Digest, Sealed};
use codec::mqtt::Connect;

/// A claim, on its way to the core that can check it.
#[derive(Debug)]
pub struct Claim {
    /// The agent it says it belongs to.
    pub agent: Box<str>,
    /// The device it says it is.
    pub device: Box<str>,
    /// The hash of the secret it gave.
    pub digest: Digest,
    /// The secret itself, where an auth service may have to be asked about it.
    pub secret: Option<Sealed>,
    /// Whether it wants nothing to do with an earlier session [MQTT-3.1.2-6].
    pub clean_session: bool,
    /// What makes it worthless whatever its key is. It goes home all the same, where its refusal is remembered.
    pub flaw: Option<Why>,
}

/// A CONNECT that is not even a claim: no user name, no password, or a user name that is not `{agent}:{device}`. It is answered
/// with CONNACK 5, like everything that is refused for good: who may not say it is not told why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nameless;

impl Claim {
    /// Reads a claim out of CONNECT. The secret is kept only where an auth service may have to be asked about it.
    pub fn read(connect: &Connect<'_>, asks_service: bool) -> Result<Self, Nameless> {
        let (agent, device) = connect.username.and_then(split_username).ok_or(Nameless)?;
        let secret = connect.password.ok_or(Nameless)?;
        let own_will = connect.will.as_ref().is_none_or(|will| {
            own_suffix(will.topic, agent, device).and_then(Inbound::parse) == Some(Inbound::Status)
        });
        let flaw = match (is_client_id(connect.client_id, agent, device), own_will) {
            (false, _) => Some(Why::ForeignClientId),
            (true, false) => Some(Why::ForeignWill),
            (true, true) => None,
        };
        Ok(Self {
            agent: agent.into(),
            device: device.into(),
            digest: Digest::of(secret),
            secret: Some(secret).filter(|_| asks_service && flaw.is_none()).and_then(Sealed::new),
            clean_session: connect.clean_session,
            flaw,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::mqtt::{QoS, Will};

    fn connect<'a>(
        client_id: &'a str,
        username: Option<&'a str>,
        will_topic: Option<&'a str>,
    ) -> Connect<'a> {
        let will = will_topic.map(|topic| Will { topic, payload: b"", qos: QoS::AtLeastOnce, retain: true });
        Connect {
            client_id,
            clean_session: false,
            keep_alive_s: 60,
            will,
            username,
            password: Some(b"secret"),
        }
    }

    #[test]
    fn reads_the_claim_of_a_lua_client() {
        let claim = Claim::read(&connect("lua-a-d", Some("a:d"), Some("lua/devices/a/d/status")), false)
            .expect("a claim");
        assert_eq!((&*claim.agent, &*claim.device, claim.clean_session), ("a", "d", false));
        assert_eq!(claim.flaw, None);
    }

    #[test]
    fn sees_a_foreign_client_id_and_a_foreign_will() {
        let flaw = |connect| Claim::read(&connect, true).map(|claim| (claim.flaw, claim.secret.is_some()));
        let foreign_id = connect("lua-a-other", Some("a:d"), None);
        assert_eq!(flaw(foreign_id), Ok((Some(Why::ForeignClientId), false)));
        for topic in ["lua/devices/a/other/status", "lua/devices/a/d/command", "$CONTROL/x"] {
            let foreign_will = connect("lua-a-d", Some("a:d"), Some(topic));
            assert_eq!(flaw(foreign_will), Ok((Some(Why::ForeignWill), false)));
        }
    }

    #[test]
    fn refuses_a_connect_without_a_name() {
        for username in [None, Some("a"), Some("a:b c"), Some("+:d")] {
            assert_eq!(Claim::read(&connect("lua-a-d", username, None), false).err(), Some(Nameless));
        }
    }
}
