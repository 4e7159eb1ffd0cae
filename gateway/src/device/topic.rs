//! The topics of a device: `lua/devices/{agent}/{device}/{suffix}`, matched by exact comparison.
//!
//! Owns the two closed sets of suffixes. Never builds a filter out of a name, and knows no wildcard: a device has
//! exactly these topics, and everything else is foreign to it.

/// What every device topic begins with.
pub const PREFIX: &str = "lua/devices/";

/// What a device may publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inbound {
    /// Who it is and what it can do.
    Status,
    /// The answer to a command.
    Response,
    /// Something happened.
    Trigger,
    /// It lives.
    Heartbeat,
}

/// What a device may subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outbound {
    /// Please do this.
    Command,
    /// Your status was accepted.
    Connected,
    /// Your trigger is stored, or why not.
    TriggerAck,
    /// What came of a trigger; allowed, never sent.
    TriggerResult,
    /// Something was wrong with what you sent.
    Error,
    /// The answer to a heartbeat.
    Pong,
}

impl Inbound {
    /// The suffix's meaning, if it is one of a device's four.
    pub fn parse(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "status" => Self::Status,
            "response" => Self::Response,
            "trigger" => Self::Trigger,
            "heartbeat" => Self::Heartbeat,
            _ => return None,
        })
    }
}

impl Outbound {
    /// Every topic a device may subscribe to.
    pub const ALL: [Self; 6] =
        [Self::Command, Self::Connected, Self::TriggerAck, Self::TriggerResult, Self::Error, Self::Pong];

    /// The suffix's meaning, if it is one of the gateway's six.
    pub fn parse(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.suffix() == suffix)
    }

    /// The last level of the topic.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Connected => "connected",
            Self::TriggerAck => "trigger_ack",
            Self::TriggerResult => "trigger_result",
            Self::Error => "error",
            Self::Pong => "pong",
        }
    }
}

/// The suffix of `topic` if it is one of this device's own, else `None`: a foreign topic.
pub fn own_suffix<'t>(topic: &'t str, agent: &str, device: &str) -> Option<&'t str> {
    topic
        .strip_prefix(PREFIX)?
        .strip_prefix(agent)?
        .strip_prefix('/')?
        .strip_prefix(device)?
        .strip_prefix('/')
}

/// The parts of one of a device's topics, to be written without joining them first.
pub fn parts<'a>(agent: &'a str, device: &'a str, topic: Outbound) -> [&'a str; 6] {
    [PREFIX, agent, "/", device, "/", topic.suffix()]
}

/// Which of the six a device has subscribed to. QoS matters for `command` alone: everything else goes at QoS 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Subscriptions(u8);

const COMMAND_AT_LEAST_ONCE: u8 = 1 << 7;

impl Subscriptions {
    fn bit(topic: Outbound) -> u8 {
        1 << topic as u8
    }

    /// Adds a topic; a repeat replaces the earlier one [MQTT-3.8.4-3]. `at_least_once` is the granted QoS.
    pub fn insert(&mut self, topic: Outbound, at_least_once: bool) {
        self.0 |= Self::bit(topic);
        if topic == Outbound::Command {
            self.0 =
                (self.0 & !COMMAND_AT_LEAST_ONCE) | if at_least_once { COMMAND_AT_LEAST_ONCE } else { 0 };
        }
    }

    /// Takes a topic out.
    pub fn remove(&mut self, topic: Outbound) {
        self.0 &= !Self::bit(topic);
    }

    /// Whether the device listens to `topic`.
    pub fn contains(self, topic: Outbound) -> bool {
        self.0 & Self::bit(topic) != 0
    }

    /// Whether commands go out at QoS 1.
    pub fn command_at_least_once(self) -> bool {
        self.0 & COMMAND_AT_LEAST_ONCE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_own_suffix_and_nobody_elses() {
        assert_eq!(own_suffix("lua/devices/a/d/status", "a", "d"), Some("status"));
        assert_eq!(own_suffix("lua/devices/a/d/x/y", "a", "d"), Some("x/y"));
        for foreign in ["lua/devices/b/d/status", "lua/devices/a/dd/status", "$SYS/x", "", "lua/devices/a/d"]
        {
            assert_eq!(own_suffix(foreign, "a", "d"), None, "{foreign}");
        }
    }

    #[test]
    fn a_repeated_subscription_replaces_the_earlier_one() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.insert(Outbound::Command, true);
        assert!(subscriptions.command_at_least_once());
        subscriptions.insert(Outbound::Command, false);
        assert!(subscriptions.contains(Outbound::Command) && !subscriptions.command_at_least_once());
        subscriptions.remove(Outbound::Command);
        assert!(!subscriptions.contains(Outbound::Command));
    }

    #[test]
    fn every_outbound_suffix_parses_back() {
        for topic in Outbound::ALL {
            assert_eq!(Outbound::parse(topic.suffix()), Some(topic));
        }
        assert_eq!(Inbound::parse("command"), None);
    }
}
