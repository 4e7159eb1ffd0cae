//! MQTT packets: their own length, the rules of their fields, the way back to the same bytes, and mqttbytes.
//!
//! mqttbytes accepts much that we refuse, so only what we accept is shown to it; it must read the same out of it. It is known
//! to differ in two things: a password that is no UTF-8 (it refuses), and empty credentials (it loses them).

use bytes::BytesMut;
use codec::limits::MQTT_REMAINING_BYTES_MAX;
use codec::mqtt::{Connect, Packet, PacketId, Publish, decode, filter, peek};
use mqttbytes::v4;

/// Reads packets until one is refused or not whole.
pub fn check(stream: &[u8]) {
    let mut rest = stream;
    while let Ok(Some((packet, consumed))) = decode(rest) {
        let (bytes, behind) = rest.split_at(consumed);
        check_length(&packet, bytes);
        check_fields(&packet);
        check_way_back(&packet, bytes);
        check_second_opinion(&packet, bytes);
        rest = behind;
    }
}

fn check_length(packet: &Packet<'_>, bytes: &[u8]) {
    let header = peek(bytes).expect("its header was accepted").expect("its header is whole");
    assert_eq!((header.kind, header.packet_bytes()), (packet.kind(), bytes.len()));
    assert!(header.remaining_bytes <= MQTT_REMAINING_BYTES_MAX);
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(decode(&bytes[..cut]), Ok(None), "cut at {cut}");
    }
    assert_eq!(decode(bytes), Ok(Some((*packet, bytes.len()))), "whatever stood behind it");
}

fn check_fields(packet: &Packet<'_>) {
    let is_text = |text: &str| !text.contains(char::is_control);
    let is_topic = |topic: &str| !topic.is_empty() && !topic.contains(['+', '#']) && is_text(topic);
    // Whether its wildcards are well placed is asked filter by filter; a bad one is answered by a failure in SUBACK.
    let is_filter = |filter: &str| !filter.is_empty() && is_text(filter);
    match packet {
        Packet::Connect(connect) => {
            assert!(!connect.client_id.contains('\0'));
            assert!(connect.username.is_some() || connect.password.is_none());
            assert!(connect.will.is_none_or(|will| is_topic(will.topic)));
        }
        Packet::Publish(publish) => {
            assert!(is_topic(publish.topic));
            assert_eq!(publish.id.is_some(), publish.qos.number() > 0);
            assert!(publish.qos.number() > 0 || !publish.dup);
            assert!(filter::matches(publish.topic, publish.topic));
            assert!(filter::matches("#", publish.topic) || publish.topic.starts_with('$'));
        }
        Packet::Subscribe(subscribe) => {
            assert!(subscribe.filters().count() > 0);
            assert!(subscribe.filters().all(|(filter, _)| is_filter(filter)));
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(unsubscribe.filters().count() > 0);
            assert!(unsubscribe.filters().all(is_filter));
        }
        _ => {}
    }
}

fn check_way_back(packet: &Packet<'_>, bytes: &[u8]) {
    let mut written = b"in front".to_vec();
    packet.encode(&mut written).expect("what was read can be written");
    let written = written.strip_prefix(b"in front").expect("nothing in front is touched");
    assert_eq!(decode(written), Ok(Some((*packet, written.len()))));
    // A remaining length may be written with more bytes than it needs; all else has one spelling.
    let body = |bytes: &[u8]| bytes.len() - peek(bytes).expect("accepted").expect("whole").header_bytes;
    assert_eq!(bytes[bytes.len() - body(bytes)..], written[written.len() - body(written)..]);
    assert_eq!(bytes[0], written[0]);
    assert!(written.len() <= bytes.len());
}

fn check_second_opinion(packet: &Packet<'_>, bytes: &[u8]) {
    let mut stream = BytesMut::from(bytes);
    let theirs = match (v4::read(&mut stream, usize::MAX), packet) {
        (Ok(theirs), _) => theirs,
        (Err(_), Packet::Connect(connect))
            if connect.password.is_some_and(|it| str::from_utf8(it).is_err()) =>
        {
            return;
        }
        (Err(error), _) => panic!("mqttbytes refuses {packet:?}: {error:?}"),
    };
    assert!(stream.is_empty(), "mqttbytes leaves {} bytes", stream.len());
    let same = match (packet, &theirs) {
        (Packet::Connect(ours), v4::Packet::Connect(theirs)) => same_connect(ours, theirs),
        (Packet::Publish(ours), v4::Packet::Publish(theirs)) => same_publish(ours, theirs),
        (Packet::ConnAck(ours), v4::Packet::ConnAck(theirs)) => {
            (ours.session_present, ours.code as u8) == (theirs.session_present, theirs.code as u8)
        }
        (Packet::PubAck(ours), v4::Packet::PubAck(theirs)) => same_id(*ours, theirs.pkid),
        (Packet::PubRec(ours), v4::Packet::PubRec(theirs)) => same_id(*ours, theirs.pkid),
        (Packet::PubRel(ours), v4::Packet::PubRel(theirs)) => same_id(*ours, theirs.pkid),
        (Packet::PubComp(ours), v4::Packet::PubComp(theirs)) => same_id(*ours, theirs.pkid),
        (Packet::UnsubAck(ours), v4::Packet::UnsubAck(theirs)) => same_id(*ours, theirs.pkid),
        (Packet::Subscribe(ours), v4::Packet::Subscribe(theirs)) => {
            let filters = theirs.filters.iter().map(|filter| (filter.path.as_str(), filter.qos as u8));
            same_id(ours.id, theirs.pkid) && ours.filters().map(|(it, qos)| (it, qos.number())).eq(filters)
        }
        (Packet::Unsubscribe(ours), v4::Packet::Unsubscribe(theirs)) => {
            same_id(ours.id, theirs.pkid) && ours.filters().eq(theirs.topics.iter().map(String::as_str))
        }
        (Packet::SubAck(ours), v4::Packet::SubAck(theirs)) => {
            let codes = theirs.return_codes.iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => *qos as u8,
                v4::SubscribeReasonCode::Failure => 0x80,
            });
            same_id(ours.id, theirs.pkid)
                && codes.eq(bytes[bytes.len() - ours.codes().count()..].iter().copied())
        }
        (Packet::PingReq, v4::Packet::PingReq)
        | (Packet::PingResp, v4::Packet::PingResp)
        | (Packet::Disconnect, v4::Packet::Disconnect) => true,
        _ => false,
    };
    assert!(same, "ours {packet:?}\ntheirs {theirs:?}");
}

fn same_id(ours: PacketId, theirs: u16) -> bool {
    ours.value() == theirs
}

fn same_publish(ours: &Publish<'_>, theirs: &v4::Publish) -> bool {
    (ours.topic, ours.payload) == (theirs.topic.as_str(), &theirs.payload[..])
        && (ours.qos.number(), ours.dup, ours.retain) == (theirs.qos as u8, theirs.dup, theirs.retain)
        && ours.id.map_or(0, PacketId::value) == theirs.pkid
}

fn same_connect(ours: &Connect<'_>, theirs: &v4::Connect) -> bool {
    let will = match (&ours.will, &theirs.last_will) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => {
            (ours.topic, ours.payload) == (theirs.topic.as_str(), &theirs.message[..])
                && (ours.qos.number(), ours.retain) == (theirs.qos as u8, theirs.retain)
        }
        _ => false,
    };
    let (username, password) = match &theirs.login {
        Some(login) => (login.username.as_str(), login.password.as_bytes()),
        None => ("", &b""[..]),
    };
    will && (ours.client_id, ours.clean_session) == (theirs.client_id.as_str(), theirs.clean_session)
        && ours.keep_alive_s == theirs.keep_alive
        && (ours.username.unwrap_or_default(), ours.password.unwrap_or_default()) == (username, password)
}
