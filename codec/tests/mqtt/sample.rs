//! Generated packets: any that can be written, with texts of every kind and length that is cheap to try.
//!
//! It owns the strategies and the owned forms that a borrowed packet can be made from.

use codec::mqtt::{
    ConnAck, Connect, ConnectCode, Packet, PacketId, Publish, PublishHead, QoS, SubscribeCode, Will,
    encode_suback, encode_subscribe, encode_unsubscribe,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A packet that owns its texts.
#[derive(Clone, Debug)]
pub(crate) enum Sample {
    Connect {
        client_id: String,
        clean_session: bool,
        keep_alive_s: u16,
        will: Option<OwnedWill>,
        login: Login,
    },
    Publish {
        topic: String,
        payload: Vec<u8>,
        head: PublishHead,
    },
    Subscribe {
        id: PacketId,
        filters: Vec<(String, QoS)>,
    },
    SubAck {
        id: PacketId,
        codes: Vec<SubscribeCode>,
    },
    Unsubscribe {
        id: PacketId,
        filters: Vec<String>,
    },
    /// The ten that borrow nothing.
    Plain(Packet<'static>),
}

#[derive(Clone, Debug)]
pub(crate) struct OwnedWill {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
}

/// A user name, and perhaps a password with it.
type Login = Option<(String, Option<Vec<u8>>)>;

impl Sample {
    /// The packet on the wire.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Subscribe { id, filters } => {
                let filters: Vec<_> = filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
                encode_subscribe(&mut out, *id, &filters)
            }
            Self::Unsubscribe { id, filters } => {
                let filters: Vec<_> = filters.iter().map(String::as_str).collect();
                encode_unsubscribe(&mut out, *id, &filters)
            }
            Self::SubAck { id, codes } => {
                encode_suback(&mut out, *id, codes);
                Ok(())
            }
            Self::Connect { .. } | Self::Publish { .. } | Self::Plain(_) => {
                self.packet().expect("one that can be put together").encode(&mut out)
            }
        }
        .expect("a sample can be written");
        out
    }

    /// The packet put together by hand, where the crate lets one do so.
    pub(crate) fn packet(&self) -> Option<Packet<'_>> {
        Some(match self {
            Self::Connect { client_id, clean_session, keep_alive_s, will, login } => {
                Packet::Connect(Connect {
                    client_id,
                    clean_session: *clean_session,
                    keep_alive_s: *keep_alive_s,
                    will: will.as_ref().map(|will| Will {
                        topic: &will.topic,
                        payload: &will.payload,
                        qos: will.qos,
                        retain: will.retain,
                    }),
                    username: login.as_ref().map(|(username, _)| username.as_str()),
                    password: login.as_ref().and_then(|(_, password)| password.as_deref()),
                })
            }
            Self::Publish { topic, payload, head: PublishHead { qos, dup, retain, id } } => {
                Packet::Publish(Publish { topic, payload, qos: *qos, dup: *dup, retain: *retain, id: *id })
            }
            Self::Plain(packet) => *packet,
            Self::Subscribe { .. } | Self::SubAck { .. } | Self::Unsubscribe { .. } => return None,
        })
    }

    /// Whether `packet` says what the sample does.
    pub(crate) fn is(&self, packet: &Packet<'_>) -> bool {
        match (self, packet) {
            (Self::Subscribe { id, filters }, Packet::Subscribe(subscribe)) => {
                let owned = subscribe.filters().map(|(filter, qos)| (filter.to_owned(), qos));
                subscribe.id == *id && owned.eq(filters.iter().cloned())
            }
            (Self::SubAck { id, codes }, Packet::SubAck(suback)) => {
                suback.id == *id && suback.codes().eq(codes.iter().copied())
            }
            (Self::Unsubscribe { id, filters }, Packet::Unsubscribe(unsubscribe)) => {
                unsubscribe.id == *id && unsubscribe.filters().eq(filters.iter().map(String::as_str))
            }
            _ => self.packet().as_ref() == Some(packet),
        }
    }
}

/// Any packet, each of the fourteen kinds as often as another.
pub(crate) fn samples() -> impl Strategy<Value = Sample> {
    prop_oneof![1 => connects(), 1 => publishes(), 1 => subscribes(), 1 => subacks(), 1 => unsubscribes(), 9 => plains()]
}

fn connects() -> impl Strategy<Value = Sample> {
    let will = (topics(), payloads(), qualities(), any::<bool>())
        .prop_map(|(topic, payload, qos, retain)| OwnedWill { topic, payload, qos, retain });
    let login = option::of((texts(), option::of(payloads())));
    (texts(), any::<bool>(), any::<u16>(), option::of(will), login).prop_map(
        |(client_id, clean_session, keep_alive_s, will, login)| Sample::Connect {
            client_id,
            clean_session,
            keep_alive_s,
            will,
            login,
        },
    )
}

fn publishes() -> impl Strategy<Value = Sample> {
    (topics(), payloads(), qualities(), any::<bool>(), any::<bool>(), ids()).prop_map(
        |(topic, payload, qos, dup, retain, id)| {
            let acknowledged = qos != QoS::AtMostOnce;
            let head = PublishHead { qos, dup: dup && acknowledged, retain, id: acknowledged.then_some(id) };
            Sample::Publish { topic, payload, head }
        },
    )
}

fn subscribes() -> impl Strategy<Value = Sample> {
    (ids(), vec((filters(), qualities()), 1..20)).prop_map(|(id, filters)| Sample::Subscribe { id, filters })
}

fn subacks() -> impl Strategy<Value = Sample> {
    let codes = prop_oneof![qualities().prop_map(SubscribeCode::Granted), Just(SubscribeCode::Failure)];
    (ids(), vec(codes, 1..200)).prop_map(|(id, codes)| Sample::SubAck { id, codes })
}

fn unsubscribes() -> impl Strategy<Value = Sample> {
    (ids(), vec(filters(), 1..20)).prop_map(|(id, filters)| Sample::Unsubscribe { id, filters })
}

fn plains() -> impl Strategy<Value = Sample> {
    prop_oneof![
        connacks().prop_map(Packet::ConnAck),
        ids().prop_map(Packet::PubAck),
        ids().prop_map(Packet::PubRec),
        ids().prop_map(Packet::PubRel),
        ids().prop_map(Packet::PubComp),
        ids().prop_map(Packet::UnsubAck),
        Just(Packet::PingReq),
        Just(Packet::PingResp),
        Just(Packet::Disconnect),
    ]
    .prop_map(Sample::Plain)
}

fn connacks() -> impl Strategy<Value = ConnAck> {
    use ConnectCode::*;
    let refusals =
        [UnacceptableProtocol, IdentifierRejected, ServerUnavailable, BadCredentials, NotAuthorized]
            .map(ConnAck::refused);
    let accepted = any::<bool>().prop_map(|session_present| ConnAck { session_present, code: Accepted });
    prop_oneof![accepted, proptest::sample::select(refusals.to_vec())]
}

fn ids() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_filter_map("0 is no identifier", PacketId::new)
}

fn qualities() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

/// Any text that MQTT takes: short, long, empty, beyond ASCII.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9/-]{0,60}",
        "[^\\x00-\\x1f\\x7f-\\x{9f}]{0,30}",
        "[é€💡a]{0,12}",
        (0_usize..300).prop_map(|length| "x".repeat(length)),
    ]
}

fn topics() -> impl Strategy<Value = String> {
    texts()
        .prop_map(|text| text.replace(['#', '+'], "/"))
        .prop_filter("a topic is not empty", |text| !text.is_empty())
}

fn filters() -> impl Strategy<Value = String> {
    prop_oneof![texts(), "[a-b/+#$]{1,8}"].prop_filter("a filter is not empty", |text| !text.is_empty())
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), (0_usize..300).prop_map(|length| vec![0xab; length])]
}
