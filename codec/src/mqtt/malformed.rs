//! What can be wrong with the bytes of an MQTT packet, and with a packet we were asked to write.
//!
//! It owns the two lists of errors: [`Malformed`] blames the peer, one variant per rule of the specification, and
//! [`Misuse`] blames our own caller. It never decides what happens next; closing and answering belong to a session.

use core::fmt;

/// Why bytes are no MQTT 3.1.1 packet. The network connection must be closed [MQTT-4.8.0-1].
///
/// Only [`Malformed::ProtocolLevel`] has an answer on the wire: CONNACK with return code 1, before the close.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// Packet types 0 and 15 are "Forbidden, Reserved" (2.2.1, table 2.1).
    Kind,
    /// "Where a flag bit is marked as 'Reserved' in Table 2.2, it is reserved for future use and MUST be set to the
    /// value listed in that table. If invalid flags are received, the receiver MUST close the Network Connection"
    /// [MQTT-2.2.2-1], [MQTT-2.2.2-2].
    HeaderFlags,
    /// "A PUBLISH Packet MUST NOT have both QoS bits set to 1" [MQTT-3.3.1-4].
    PublishQos,
    /// "The DUP flag MUST be set to 0 for all QoS 0 messages" [MQTT-3.3.1-2].
    DupAtMostOnce,
    /// "The maximum number of bytes in the Remaining Length field is four" (2.2.3): the fourth says that a fifth
    /// follows.
    RemainingLength,
    /// The remaining length is not the one that every packet of this type has: 2 for the acknowledgements
    /// (3.2.1, 3.4.1, 3.5.1, 3.6.1, 3.7.1, 3.11.1), 0 for PINGREQ, PINGRESP and DISCONNECT (3.12.1, 3.13.1, 3.14.1).
    FixedLength,
    /// A field that must be there, or the length a field declares, runs past the end of the packet (2.2.3, 1.5.3).
    Truncated,
    /// Bytes are left inside the packet behind its last field (2.2.3; for CONNECT also [MQTT-3.1.4-1]).
    Surplus,
    /// "The character data in a UTF-8 encoded string MUST be well-formed UTF-8 [...] In particular this data MUST
    /// NOT include encodings of code points between U+D800 and U+DFFF" [MQTT-1.5.3-1].
    IllFormedUtf8,
    /// "A UTF-8 encoded string MUST NOT include an encoding of the null character U+0000" [MQTT-1.5.3-2].
    NullCharacter,
    /// In a topic name or a topic filter: "The data SHOULD NOT include encodings of the Unicode code points" U+0001 to
    /// U+001F and U+007F to U+009F. "If a receiver [...] receives a Control Packet containing any of them it MAY close
    /// the Network Connection" (1.5.3).
    ControlCharacter,
    /// "SUBSCRIBE, UNSUBSCRIBE, and PUBLISH (in those cases where the QoS is set to greater than 0) Control Packets
    /// MUST contain a non-zero 16-bit Packet Identifier" [MQTT-2.3.1-1]; the acknowledgements echo it
    /// [MQTT-2.3.1-6].
    PacketIdZero,
    /// "All Topic Names and Topic Filters MUST be at least one character long" [MQTT-4.7.3-1]: a topic name is empty.
    TopicEmpty,
    /// "The wildcard characters can be used in Topic Filters, but MUST NOT be used within a Topic Name"
    /// [MQTT-4.7.1-1]; for PUBLISH also [MQTT-3.3.2-2].
    TopicWildcard,
    /// "All Topic Names and Topic Filters MUST be at least one character long" [MQTT-4.7.3-1]: a filter is empty.
    FilterEmpty,
    /// "If the protocol name is incorrect the Server MAY disconnect the Client" [MQTT-3.1.2-1].
    ProtocolName,
    /// "The Server MUST respond to the CONNECT Packet with a CONNACK return code 0x01 (unacceptable protocol level)
    /// and then disconnect the Client if the Protocol Level is not supported" [MQTT-3.1.2-2]. Holds the level that
    /// the peer asked for; what follows it in the packet was not looked at.
    ProtocolLevel(u8),
    /// "The Server MUST validate that the reserved flag in the CONNECT Control Packet is set to zero" [MQTT-3.1.2-3].
    ConnectReservedFlag,
    /// "If the Will Flag is set to 0, then the Will QoS MUST be set to 0" [MQTT-3.1.2-13].
    WillQosWithoutWill,
    /// "If the Will Flag is set to 1, the value of Will QoS [...] MUST NOT be 3" [MQTT-3.1.2-14].
    WillQos,
    /// "If the Will Flag is set to 0, then the Will Retain Flag MUST be set to 0" [MQTT-3.1.2-15].
    WillRetainWithoutWill,
    /// "If the User Name Flag is set to 0, the Password Flag MUST be set to 0" [MQTT-3.1.2-22].
    PasswordWithoutUsername,
    /// Bits 7-1 of the connect acknowledge flags "are reserved and MUST be set to 0" (3.2.2.1).
    ConnAckFlags,
    /// "If a server sends a CONNACK packet containing a non-zero return code it MUST set Session Present to 0"
    /// [MQTT-3.2.2-4].
    SessionPresentOnRefusal,
    /// Connect return codes 6-255 are "Reserved for future use" (3.2.2.3, table 3.1).
    ConnAckCode,
    /// "The payload of a SUBSCRIBE packet MUST contain at least one Topic Filter / QoS pair" [MQTT-3.8.3-3].
    SubscribeWithoutFilter,
    /// "The Server MUST treat a SUBSCRIBE packet as malformed and close the Network Connection if any of Reserved
    /// bits in the payload are non-zero, or QoS is not 0,1 or 2" [MQTT-3.8.3-4].
    SubscribeOptions,
    /// "The SUBACK Packet sent by the Server to the Client MUST contain a return code for each Topic Filter/QoS
    /// pair" [MQTT-3.8.4-5], and there is at least one pair [MQTT-3.8.3-3].
    SubAckWithoutCode,
    /// "SUBACK return codes other than 0x00, 0x01, 0x02 and 0x80 are reserved and MUST NOT be used" [MQTT-3.9.3-2].
    SubAckCode,
    /// "The Payload of an UNSUBSCRIBE packet MUST contain at least one Topic Filter" [MQTT-3.10.3-2].
    UnsubscribeWithoutFilter,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed MQTT packet: {self:?}")
    }
}

impl core::error::Error for Malformed {}

/// Why a packet cannot be written: the caller's mistake, found before the first byte went out.
///
/// A function that answers with it has appended nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Misuse {
    /// A string or binary field is longer than its 16-bit length can say (1.5.3).
    FieldTooLong,
    /// The packet is longer than the remaining length can say (2.2.3).
    PacketTooLong,
    /// A QoS 0 PUBLISH was given a packet identifier or the DUP flag, or another one was not given an identifier
    /// [MQTT-2.3.1-5], [MQTT-2.3.1-1], [MQTT-3.3.1-2].
    Delivery,
    /// A password without a user name [MQTT-3.1.2-22].
    PasswordWithoutUsername,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such MQTT packet can be written: {self:?}")
    }
}

impl core::error::Error for Misuse {}
