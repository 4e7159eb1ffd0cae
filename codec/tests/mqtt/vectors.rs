//! The vectors of `tests/vectors/mqtt/`, as they are, cut at every byte, and with every byte changed.
//!
//! It owns the reader of their notation, which `README.md` there explains.

use std::collections::BTreeSet;

use codec::mqtt::{Malformed, Packet, decode};

use crate::{assert_faithful, view::view};

const FILES: [&str; 9] = [
    include_str!("../vectors/mqtt/header.txt"),
    include_str!("../vectors/mqtt/connect.txt"),
    include_str!("../vectors/mqtt/connack.txt"),
    include_str!("../vectors/mqtt/publish.txt"),
    include_str!("../vectors/mqtt/ack.txt"),
    include_str!("../vectors/mqtt/subscribe.txt"),
    include_str!("../vectors/mqtt/suback.txt"),
    include_str!("../vectors/mqtt/unsubscribe.txt"),
    include_str!("../vectors/mqtt/bare.txt"),
];

/// Fields above this size appear in a vector's view as their size.
const SHOWN_BYTES_MAX: usize = 64;

/// Of longer vectors only the first and the last bytes are changed.
const CHANGED_BYTES_MAX: usize = 96;

/// One vector.
pub(crate) struct Vector {
    /// Clause and sentence.
    pub(crate) name: &'static str,
    /// What is received.
    pub(crate) bytes: Vec<u8>,
    expected: Expected,
}

enum Expected {
    Whole(&'static str),
    Refused(&'static str),
    NotWhole,
}

/// All vectors of all files.
pub(crate) fn vectors() -> Vec<Vector> {
    FILES.iter().flat_map(|file| file.split("\n\n")).filter_map(vector).collect()
}

fn vector(block: &'static str) -> Option<Vector> {
    let mut lines = block.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let name = lines.next()?;
    assert!(name.starts_with('['), "a vector begins with its clause: {name}");
    let bytes = bytes(lines.next().expect("a line of bytes"));
    let expected = lines.next().expect("a line that says what comes of them");
    let expected = match expected.split_at(1) {
        ("=", view) => Expected::Whole(view.trim_start()),
        ("!", malformed) => Expected::Refused(malformed.trim_start()),
        ("?", "") => Expected::NotWhole,
        _ => panic!("{name}: what is {expected:?}?"),
    };
    assert_eq!(lines.next(), None, "{name}: a blank line ends a vector");
    Some(Vector { name, bytes, expected })
}

fn bytes(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, part) in line.split('\'').enumerate() {
        if position % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        for token in part.split_whitespace() {
            let (hex, times) = token.split_once('*').unwrap_or((token, "1"));
            let byte = u8::from_str_radix(hex, 16).expect("two hex digits");
            let times: usize = times.parse().expect("how often");
            bytes.extend(std::iter::repeat_n(byte, times));
        }
    }
    bytes
}

fn whole(vector: &Vector) -> Option<&'static str> {
    match vector.expected {
        Expected::Whole(view) => Some(view),
        Expected::Refused(_) | Expected::NotWhole => None,
    }
}

fn assert_expected(vector: &Vector, bytes: &[u8]) {
    let name = vector.name;
    match (decode(bytes), &vector.expected) {
        (Ok(Some((packet, consumed))), Expected::Whole(expected)) => {
            assert_eq!(view(&packet, SHOWN_BYTES_MAX), *expected, "{name}");
            assert_eq!(consumed, vector.bytes.len(), "{name}");
        }
        (Err(malformed), Expected::Refused(expected)) => {
            assert_eq!(format!("{malformed:?}"), *expected, "{name}")
        }
        (Ok(None), Expected::NotWhole) => {}
        (other, _) => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_vector_comes_out_as_it_says() {
    let vectors = vectors();
    assert!(vectors.len() >= 250, "only {} vectors", vectors.len());
    for vector in &vectors {
        assert_expected(vector, &vector.bytes);
    }
}

#[test]
fn bytes_behind_a_packet_change_nothing() {
    for vector in vectors().iter().filter(|vector| !matches!(vector.expected, Expected::NotWhole)) {
        let mut longer = vector.bytes.clone();
        longer.extend_from_slice(&[0xff, 0x00, 0x30]);
        assert_expected(vector, &longer);
    }
}

#[test]
fn an_accepted_vector_cut_anywhere_is_not_whole_yet() {
    for vector in vectors().iter().filter(|vector| whole(vector).is_some()) {
        for end in 0..vector.bytes.len() {
            assert_eq!(decode(&vector.bytes[..end]), Ok(None), "{} cut at {end}", vector.name);
        }
    }
}

#[test]
fn a_refused_vector_cut_anywhere_is_refused_alike_or_not_whole_yet() {
    for vector in &vectors() {
        let Err(malformed) = decode(&vector.bytes) else { continue };
        for end in 0..vector.bytes.len() {
            let answer = decode(&vector.bytes[..end]);
            assert!(
                answer == Ok(None) || answer == Err(malformed),
                "{} cut at {end}: {answer:?}",
                vector.name
            );
        }
    }
}

#[test]
fn a_vector_with_any_byte_changed_is_refused_or_faithful() {
    for vector in &vectors() {
        let length = vector.bytes.len();
        let mut changed = vector.bytes.clone();
        for place in (0..length).filter(|place| place.min(&(length - 1 - place)) < &(CHANGED_BYTES_MAX / 2)) {
            let byte = vector.bytes[place];
            for other in [0x00, 0xff, byte.wrapping_add(1), byte ^ 0x80] {
                changed[place] = other;
                if let Ok(Some((packet, consumed))) = decode(&changed) {
                    assert_faithful(&changed, &packet, consumed);
                }
            }
            changed[place] = byte;
        }
    }
}

#[test]
fn every_rule_has_a_vector() {
    let provoked: BTreeSet<String> =
        vectors().iter().filter_map(|vector| decode(&vector.bytes).err()).map(name_of_rule).collect();
    let missing: Vec<_> =
        RULES.iter().map(|rule| name_of_rule(*rule)).filter(|rule| !provoked.contains(rule)).collect();
    assert!(missing.is_empty(), "no vector provokes {missing:?}");
}

#[test]
fn every_kind_of_packet_has_a_vector() {
    let vectors = vectors();
    let kinds: BTreeSet<u8> = vectors
        .iter()
        .filter_map(|vector| decode(&vector.bytes).ok().flatten())
        .map(|(packet, _): (Packet<'_>, usize)| packet.kind() as u8)
        .collect();
    assert_eq!(kinds, (1..=14).collect());
}

fn name_of_rule(rule: Malformed) -> String {
    format!("{rule:?}").split('(').next().map(String::from).expect("a name")
}

/// All of them: the match beside it stops compiling when one is added.
const RULES: [Malformed; 30] = {
    use Malformed::*;
    match Kind {
        Kind | HeaderFlags | PublishQos | DupAtMostOnce | RemainingLength | FixedLength | Truncated
        | Surplus => {}
        IllFormedUtf8 | NullCharacter | ControlCharacter | PacketIdZero | TopicEmpty | TopicWildcard
        | FilterEmpty => {}
        ProtocolName | ProtocolLevel(_) | ConnectReservedFlag | WillQosWithoutWill | WillQos => {}
        WillRetainWithoutWill
        | PasswordWithoutUsername
        | ConnAckFlags
        | SessionPresentOnRefusal
        | ConnAckCode => {}
        SubscribeWithoutFilter
        | SubscribeOptions
        | SubAckWithoutCode
        | SubAckCode
        | UnsubscribeWithoutFilter => {}
    }
    [
        Kind,
        HeaderFlags,
        PublishQos,
        DupAtMostOnce,
        RemainingLength,
        FixedLength,
        Truncated,
        Surplus,
        IllFormedUtf8,
        NullCharacter,
        ControlCharacter,
        PacketIdZero,
        TopicEmpty,
        TopicWildcard,
        FilterEmpty,
        ProtocolName,
        ProtocolLevel(0),
        ConnectReservedFlag,
        WillQosWithoutWill,
        WillQos,
        WillRetainWithoutWill,
        PasswordWithoutUsername,
        ConnAckFlags,
        SessionPresentOnRefusal,
        ConnAckCode,
        SubscribeWithoutFilter,
        SubscribeOptions,
        SubAckWithoutCode,
        SubAckCode,
        UnsubscribeWithoutFilter,
    ]
};
