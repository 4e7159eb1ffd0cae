//! The crate mqttbytes as a second opinion: same bytes, same meaning, or a difference that the specification decides.
//!
//! It owns the table of those differences. A kind of difference that is not listed fails the test, and so does a
//! listed one that no vector shows any more.

use std::collections::BTreeSet;

use bytes::BytesMut;
use codec::mqtt::{Malformed, decode};
use mqttbytes::v4;
use proptest::prelude::*;

use crate::sample::{Sample, samples};
use crate::vectors::vectors;
use crate::view::{listed, view};

/// How the two may differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Difference {
    /// We refuse what mqttbytes accepts.
    Stricter(Malformed),
    /// We refuse by the header what mqttbytes still waits for.
    Earlier(Malformed),
    /// We accept a password that is no UTF-8; mqttbytes refuses it.
    BinaryPassword,
    /// We tell an absent user name or password from an empty one; mqttbytes does not.
    EmptyCredential,
}

/// Every difference there is, and the clause by which ours is right.
const DIFFERENCES: [(Difference, &str); 25] = {
    use Difference::*;
    use Malformed::*;
    [
        (Stricter(HeaderFlags), "MQTT-2.2.2-2: wrong fixed header flags on any packet"),
        (Stricter(DupAtMostOnce), "MQTT-3.3.1-2: QoS 0 with DUP"),
        (
            Stricter(FixedLength),
            "3.2.1, 3.4.1 to 3.7.1, 3.12.1 to 3.14.1: surplus bytes in a packet of one size",
        ),
        (Stricter(Surplus), "MQTT-3.1.4-1: bytes behind the last field of CONNECT"),
        (Stricter(NullCharacter), "MQTT-1.5.3-2: U+0000 in any text"),
        (Stricter(ControlCharacter), "1.5.3: a control character in a topic"),
        (
            Stricter(PacketIdZero),
            "MQTT-2.3.1-1: identifier 0 in SUBSCRIBE, UNSUBSCRIBE and the acknowledgements",
        ),
        (Stricter(TopicEmpty), "MQTT-4.7.3-1: an empty topic name"),
        (Stricter(TopicWildcard), "MQTT-3.3.2-2, MQTT-4.7.1-1: a wildcard in a topic name"),
        (Stricter(FilterEmpty), "MQTT-4.7.3-1: an empty topic filter"),
        (Stricter(ProtocolLevel(5)), "MQTT-3.1.2-2: level 5 read by the rules of level 4"),
        (Stricter(ConnectReservedFlag), "MQTT-3.1.2-3: the reserved connect flag"),
        (Stricter(PasswordWithoutUsername), "MQTT-3.1.2-22: a password without a user name"),
        (Stricter(ConnAckFlags), "3.2.2.1: reserved connect acknowledge flags"),
        (Stricter(SessionPresentOnRefusal), "MQTT-3.2.2-4: a session present on a refusal"),
        (Stricter(SubscribeWithoutFilter), "MQTT-3.8.3-3: SUBSCRIBE without a filter"),
        (Stricter(SubscribeOptions), "MQTT-3.8.3-4: reserved option bits"),
        (Stricter(UnsubscribeWithoutFilter), "MQTT-3.10.3-2: UNSUBSCRIBE without a filter"),
        (Earlier(Kind), "2.2.1: types 0 and 15 are forbidden, whatever follows"),
        (Earlier(HeaderFlags), "MQTT-2.2.2-2: the flags stand in the first byte"),
        (Earlier(PublishQos), "MQTT-3.3.1-4: the QoS stands in the first byte"),
        (Earlier(DupAtMostOnce), "MQTT-3.3.1-2: DUP and QoS stand in the first byte"),
        (Earlier(FixedLength), "3.2.1 and others: the length says that it cannot be right"),
        (BinaryPassword, "3.1.3.5: a password is binary data"),
        (EmptyCredential, "3.1.3.4, 3.1.3.5: an empty field is there all the same"),
    ]
};

/// Compares the two on `bytes`; `Err` describes a disagreement that no [`Difference`] covers.
fn compare(bytes: &[u8]) -> Result<Option<Difference>, String> {
    let ours = decode(bytes);
    let mut stream = BytesMut::from(bytes);
    let theirs = v4::read(&mut stream, usize::MAX);
    let difference = match (&ours, &theirs) {
        (Ok(Some((packet, consumed))), Ok(other)) => {
            if *consumed != bytes.len() - stream.len() {
                return Err(format!("{consumed} bytes taken, theirs {}", bytes.len() - stream.len()));
            }
            let (meant, theirs) = (view(packet, usize::MAX), view_theirs(other));
            if meant == theirs {
                return Ok(None);
            }
            if without_empty_credentials(&meant) != without_empty_credentials(&theirs) {
                return Err(format!("{meant}\nis to mqttbytes {theirs}"));
            }
            Difference::EmptyCredential
        }
        (Ok(None), Err(mqttbytes::Error::InsufficientBytes(_))) => return Ok(None),
        (Err(malformed), Err(mqttbytes::Error::InsufficientBytes(_))) => match malformed {
            Malformed::RemainingLength => return Err(format!("{malformed:?} is not seen by mqttbytes")),
            earlier => Difference::Earlier(*earlier),
        },
        (Err(_), Err(_)) => return Ok(None),
        (Err(malformed), Ok(_)) => Difference::Stricter(*malformed),
        (Ok(Some((codec::mqtt::Packet::Connect(connect), _))), Err(mqttbytes::Error::TopicNotUtf8))
            if connect.password.is_some_and(|password| str::from_utf8(password).is_err()) =>
        {
            Difference::BinaryPassword
        }
        (Ok(_), _) => return Err(format!("ours {ours:?}, theirs {theirs:?}")),
    };
    if DIFFERENCES.iter().any(|(listed, _)| *listed == difference) {
        return Ok(Some(difference));
    }
    Err(format!("an unlisted difference: {difference:?}; theirs {theirs:?}"))
}

/// mqttbytes has no login when both fields are empty, and an empty text for a field that is absent.
fn without_empty_credentials(view: &str) -> String {
    let view = view.replace("username=\"\"", "username=-");
    if view.ends_with(" password=") { view + "-" } else { view }
}

fn view_theirs(packet: &v4::Packet) -> String {
    use v4::Packet::*;
    match packet {
        Connect(connect) => view_connect(connect),
        ConnAck(connack) => {
            format!(
                "CONNACK session_present={} code={}",
                u8::from(connack.session_present),
                connack.code as u8
            )
        }
        Publish(publish) => format!(
            "PUBLISH topic={:?} qos={} dup={} retain={} id={} payload={}",
            publish.topic,
            publish.qos as u8,
            u8::from(publish.dup),
            u8::from(publish.retain),
            if publish.pkid == 0 { String::from("-") } else { publish.pkid.to_string() },
            hex(&publish.payload)
        ),
        PubAck(puback) => format!("PUBACK id={}", puback.pkid),
        PubRec(pubrec) => format!("PUBREC id={}", pubrec.pkid),
        PubRel(pubrel) => format!("PUBREL id={}", pubrel.pkid),
        PubComp(pubcomp) => format!("PUBCOMP id={}", pubcomp.pkid),
        Subscribe(subscribe) => listed(
            format!("SUBSCRIBE id={}", subscribe.pkid),
            subscribe.filters.iter().map(|filter| format!("{:?}:{}", filter.path, filter.qos as u8)),
        ),
        SubAck(suback) => listed(
            format!("SUBACK id={}", suback.pkid),
            suback.return_codes.iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => (*qos as u8).to_string(),
                v4::SubscribeReasonCode::Failure => String::from("128"),
            }),
        ),
        Unsubscribe(unsubscribe) => listed(
            format!("UNSUBSCRIBE id={}", unsubscribe.pkid),
            unsubscribe.topics.iter().map(|topic| format!("{topic:?}")),
        ),
        UnsubAck(unsuback) => format!("UNSUBACK id={}", unsuback.pkid),
        PingReq => String::from("PINGREQ"),
        PingResp => String::from("PINGRESP"),
        Disconnect => String::from("DISCONNECT"),
    }
}

fn view_connect(connect: &v4::Connect) -> String {
    let absent = || String::from("-");
    format!(
        "CONNECT client_id={:?} clean_session={} keep_alive_s={} will={} username={} password={}",
        connect.client_id,
        u8::from(connect.clean_session),
        connect.keep_alive,
        connect.last_will.as_ref().map_or(absent(), |will| format!(
            "({:?} qos={} retain={} payload={})",
            will.topic,
            will.qos as u8,
            u8::from(will.retain),
            hex(&will.message)
        )),
        connect.login.as_ref().map_or(absent(), |login| format!("{:?}", login.username)),
        connect.login.as_ref().map_or(absent(), |login| hex(login.password.as_bytes())),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What can happen to a packet on its way.
#[derive(Clone, Debug)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    /// Another remaining length, where it takes one byte, so that bytes are missing or left over.
    Lengthen(i8),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        match self {
            _ if length == 0 => {}
            Self::Set(place, byte) => bytes[place.index(length)] = *byte,
            Self::Flip(place, bit) => bytes[place.index(length)] ^= 1 << (bit % 8),
            Self::Insert(place, byte) => bytes.insert(place.index(length), *byte),
            Self::Remove(place) => drop(bytes.remove(place.index(length))),
            Self::Cut(place) => bytes.truncate(place.index(length)),
            Self::Lengthen(by) => {
                bytes[length.min(2) - 1] = bytes[length.min(2) - 1].wrapping_add_signed(*by)
            }
        }
    }
}

fn mutations() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let place = any::<prop::sample::Index>;
    let special =
        prop_oneof![any::<u8>(), prop::sample::select(vec![0, 1, 2, 3, 0x23, 0x2b, 0x7f, 0x80, 0xc0, 0xff])];
    prop_oneof![
        (place(), special).prop_map(|(place, byte)| Set(place, byte)),
        (place(), any::<u8>()).prop_map(|(place, bit)| Flip(place, bit)),
        (place(), any::<u8>()).prop_map(|(place, byte)| Insert(place, byte)),
        place().prop_map(Remove),
        place().prop_map(Cut),
        (-4_i8..5).prop_map(Lengthen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn both_mean_the_same_by_what_we_write(sample in samples()) {
        let difference = compare(&sample.encoded());
        let expected = matches!(
            difference,
            Ok(None | Some(Difference::BinaryPassword | Difference::EmptyCredential))
        );
        prop_assert!(expected, "{:?}", difference);
    }

    #[test]
    fn both_agree_on_changed_packets_or_the_difference_is_listed(
        sample in samples(),
        mutations in prop::collection::vec(mutations(), 1..4),
    ) {
        let mut bytes = sample.encoded();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        if let Err(disagreement) = compare(&bytes) {
            return Err(TestCaseError::fail(disagreement));
        }
    }

    #[test]
    fn we_read_what_mqttbytes_writes(sample in samples()) {
        let Sample::Publish { topic, payload, head } = &sample else { return Ok(()) };
        let qos = mqttbytes::qos(head.qos.number()).unwrap();
        let mut publish = v4::Publish::new(topic, qos, payload.clone());
        (publish.dup, publish.retain, publish.pkid) = (head.dup, head.retain, head.id.map_or(0, |id| id.value()));
        let mut written = BytesMut::new();
        publish.write(&mut written).unwrap();
        prop_assert_eq!(&written[..], &sample.encoded()[..]);
    }
}

#[test]
fn both_agree_on_the_vectors_or_the_difference_is_listed() {
    for vector in vectors() {
        if let Err(disagreement) = compare(&vector.bytes) {
            panic!("{}: {disagreement}", vector.name);
        }
    }
}

#[test]
fn every_listed_difference_is_shown_by_a_vector() {
    let shown: BTreeSet<String> = vectors()
        .iter()
        .filter_map(|vector| compare(&vector.bytes).ok().flatten())
        .map(|shown| format!("{shown:?}"))
        .collect();
    let stale: Vec<_> =
        DIFFERENCES.iter().filter(|(listed, _)| !shown.contains(&format!("{listed:?}"))).collect();
    assert!(stale.is_empty(), "no vector shows {stale:?}");
}
