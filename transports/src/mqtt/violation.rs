//! Which rule was broken, and by whom.
//!
//! Owns the names of the rules: a [`Violation`] blames the peer and ends its connection, a [`Misuse`] blames our own
//! side and ends nothing. It never decides how a connection is closed.

use codec::mqtt::{ConnectCode, Kind, Malformed};
use std::fmt;

/// The peer broke a rule of the conversation. The network connection must be closed [MQTT-4.8.0-1]; the session has
/// already said all that may still be said ([`Violation::connack`]) and takes nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The bytes are no MQTT packet; the variant inside names the clause.
    Malformed(Malformed),
    /// "After a Network Connection is established by a Client to a Server, the first Packet sent from the Client to
    /// the Server MUST be a CONNECT Packet" [MQTT-3.1.0-1]. Told by the first byte alone; nothing is answered.
    ConnectMissing,
    /// "The Server MUST process a second CONNECT Packet sent from a Client as a protocol violation and disconnect the
    /// Client" [MQTT-3.1.0-2].
    ConnectTwice,
    /// The client did not send "a CONNECT Packet within a reasonable amount of time after the Network Connection is
    /// established" (3.1.4): [`Limits::connect_timeout`](super::Limits::connect_timeout) passed.
    ConnectTimeout,
    /// A packet before log-in declares more than
    /// [`Limits::connect_bytes_max`](super::Limits::connect_bytes_max) (2.2.3; the limit is ours).
    ConnectTooLarge,
    /// "The Server MUST respond to the CONNECT Packet with a CONNACK return code 0x01 (unacceptable protocol level)
    /// and then disconnect the Client if the Protocol Level is not supported by the Server" [MQTT-3.1.2-2]. Holds
    /// the level asked for.
    ProtocolLevel(u8),
    /// "If the Client supplies a zero-byte ClientId with CleanSession set to 0, the Server MUST respond to the
    /// CONNECT Packet with a CONNACK return code 0x02 (Identifier rejected) and then close the Network Connection"
    /// [MQTT-3.1.3-8].
    ClientIdMissing,
    /// "If the Keep Alive value is non-zero and the Server does not receive a Control Packet from the Client within
    /// one and a half times the Keep Alive time period, it MUST disconnect the Network Connection to the Client as if
    /// the network had failed" [MQTT-3.1.2-24]; or the silence outlasted
    /// [`Limits::keepalive_max`](super::Limits::keepalive_max), for "a Server is permitted to disconnect a Client
    /// that it determines to be inactive or non-responsive at any time" (3.1.2.10).
    KeepAliveExpired,
    /// A packet declares more than [`Limits::packet_bytes_max`](super::Limits::packet_bytes_max) (2.2.3; the limit is
    /// ours).
    PacketTooLarge,
    /// CONNACK, SUBACK, UNSUBACK or PINGRESP from a client: their direction of flow is "Server to Client" (2.2.1,
    /// table 2.1), and "if either the Server or Client encounters a protocol violation [...], it MUST close the
    /// Network Connection" [MQTT-4.8.0-1].
    ServerPacket(Kind),
    /// A topic or a filter longer than [`Limits::topic_bytes_max`](super::Limits::topic_bytes_max) (4.7.3; the limit is
    /// ours).
    TopicTooLong,
    /// More filters in one SUBSCRIBE or UNSUBSCRIBE than
    /// [`Limits::filters_per_subscribe_max`](super::Limits::filters_per_subscribe_max) (3.8.3, 3.10.3; the limit is ours).
    SubscribeTooLong,
    /// More QoS 2 messages between PUBLISH and PUBREL than
    /// [`Limits::qos2_open_max`](super::Limits::qos2_open_max) (4.3.3; the limit is ours).
    Qos2TooManyOpen,
    /// PUBREL for a message that we have not yet told to be received: the sender "MUST send a PUBREL packet when it
    /// receives a PUBREC packet from the receiver" [MQTT-4.3.3-1].
    PubRelTooEarly,
    /// An acknowledgement of another kind than our message with this packet identifier waits for: "MUST treat the
    /// PUBLISH Packet as 'unacknowledged' until it has received the corresponding PUBACK packet" [MQTT-4.3.2-1], and
    /// PUBREC, then PUBCOMP [MQTT-4.3.3-1]. Holds the kind that came.
    AcknowledgementMismatch(Kind),
}

impl Violation {
    /// The return code of the CONNACK which the session has written before it ended, if this rule has one.
    pub fn connack(&self) -> Option<ConnectCode> {
        match self {
            Self::ProtocolLevel(_) => Some(ConnectCode::UnacceptableProtocol),
            Self::ClientIdMissing => Some(ConnectCode::IdentifierRejected),
            Self::Malformed(_)
            | Self::ConnectMissing
            | Self::ConnectTwice
            | Self::ConnectTimeout
            | Self::ConnectTooLarge
            | Self::KeepAliveExpired
            | Self::PacketTooLarge
            | Self::ServerPacket(_)
            | Self::TopicTooLong
            | Self::SubscribeTooLong
            | Self::Qos2TooManyOpen
            | Self::PubRelTooEarly
            | Self::AcknowledgementMismatch(_) => None,
        }
    }

    /// A stable name for metrics and logs, in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::ConnectMissing => "connect_missing",
            Self::ConnectTwice => "connect_twice",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectTooLarge => "connect_too_large",
            Self::ProtocolLevel(_) => "protocol_level",
            Self::ClientIdMissing => "client_id_missing",
            Self::KeepAliveExpired => "keep_alive_expired",
            Self::PacketTooLarge => "packet_too_large",
            Self::ServerPacket(_) => "server_packet",
            Self::TopicTooLong => "topic_too_long",
            Self::SubscribeTooLong => "subscribe_too_long",
            Self::Qos2TooManyOpen => "qos2_too_many_open",
            Self::PubRelTooEarly => "pubrel_too_early",
            Self::AcknowledgementMismatch(_) => "acknowledgement_mismatch",
        }
    }
}

impl From<Malformed> for Violation {
    /// A foreign protocol level is spelled correctly and has an answer on the wire; everything else is just broken.
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::ProtocolLevel(level) => Self::ProtocolLevel(level),
            broken => Self::Malformed(broken),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::ProtocolLevel(level) => write!(f, "protocol_level {level}"),
            Self::ServerPacket(kind) | Self::AcknowledgementMismatch(kind) => {
                write!(f, "{} {kind:?}", self.name())
            }
            Self::ConnectMissing
            | Self::ConnectTwice
            | Self::ConnectTimeout
            | Self::ConnectTooLarge
            | Self::ClientIdMissing
            | Self::KeepAliveExpired
            | Self::PacketTooLarge
            | Self::TopicTooLong
            | Self::SubscribeTooLong
            | Self::Qos2TooManyOpen
            | Self::PubRelTooEarly => f.write_str(self.name()),
        }
    }
}

impl std::error::Error for Violation {}

/// Our own side gave an order that cannot be carried out. Nothing was written and nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misuse {
    /// There is no conversation: it was not accepted yet, or it is over.
    NotLive,
    /// [`Session::may_publish`](super::Session::may_publish) says no.
    Busy,
    /// Every packet identifier is in flight.
    NoPacketId,
    /// No packet can say this.
    Unspeakable(codec::mqtt::Misuse),
}

impl From<codec::mqtt::Misuse> for Misuse {
    fn from(misuse: codec::mqtt::Misuse) -> Self {
        Self::Unspeakable(misuse)
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLive => f.write_str("the conversation is not live"),
            Self::Busy => f.write_str("another message is in flight, or an acknowledgement is owed"),
            Self::NoPacketId => f.write_str("every packet identifier is in flight"),
            Self::Unspeakable(misuse) => misuse.fmt(f),
        }
    }
}

impl std::error::Error for Misuse {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Violation; 15] = [
        Violation::Malformed(Malformed::Kind),
        Violation::ConnectMissing,
        Violation::ConnectTwice,
        Violation::ConnectTimeout,
        Violation::ConnectTooLarge,
        Violation::ProtocolLevel(5),
        Violation::ClientIdMissing,
        Violation::KeepAliveExpired,
        Violation::PacketTooLarge,
        Violation::ServerPacket(Kind::PingResp),
        Violation::TopicTooLong,
        Violation::SubscribeTooLong,
        Violation::Qos2TooManyOpen,
        Violation::PubRelTooEarly,
        Violation::AcknowledgementMismatch(Kind::PubAck),
    ];

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let mut names: Vec<_> = ALL.iter().map(Violation::name).collect();
        assert!(
            names
                .iter()
                .all(|name| { name.bytes().all(|byte| b"abcdefghijklmnopqrstuvwxyz_2".contains(&byte)) })
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn only_two_rules_have_an_answer_on_the_wire() {
        let answered: Vec<_> = ALL.iter().filter(|violation| violation.connack().is_some()).collect();
        assert_eq!(answered, [&Violation::ProtocolLevel(5), &Violation::ClientIdMissing]);
    }

    #[test]
    fn shows_what_came_beside_the_name_of_the_rule() {
        assert_eq!(Violation::ProtocolLevel(5).to_string(), "protocol_level 5");
        assert_eq!(Violation::ServerPacket(Kind::PingResp).to_string(), "server_packet PingResp");
        assert_eq!(Violation::ConnectTwice.to_string(), "connect_twice");
    }
}
