//! The vectors of `tests/vectors/socketio/`, as they are, cut at every byte, and with every byte changed.

use crate::notation::{Expected, Vector, read};
use crate::{assert_faithful, show};
use codec::json;
use codec::socketio::{Malformed, decode};
use std::collections::BTreeSet;

fn all() -> Vec<Vector> {
    read(include_str!("../vectors/socketio/packets.txt"))
}

#[test]
fn every_vector_comes_out_as_it_says() {
    for vector in all() {
        match (decode(&vector.bytes), vector.expected) {
            (Ok(packet), Expected::Accepted(expected)) => {
                assert_eq!(show(&packet).trim_end(), expected.trim_end(), "{}", vector.name)
            }
            (Err(malformed), Expected::Refused(expected)) => {
                assert_eq!(format!("{malformed:?}"), expected, "{}", vector.name)
            }
            (outcome, expected) => panic!("{}: {outcome:?}, not {expected:?}", vector.name),
        }
    }
}

#[test]
fn a_vector_cut_or_changed_anywhere_is_refused_or_faithful() {
    for vector in all().iter().filter(|vector| vector.bytes.len() < 200) {
        for place in 0..vector.bytes.len() {
            assert_faithful(&vector.bytes[..place]);
            let mut changed = vector.bytes.clone();
            for other in 0..=255 {
                changed[place] = other;
                assert_faithful(&changed);
            }
        }
    }
}

#[test]
fn every_rule_has_a_vector() {
    let provoked: BTreeSet<String> = all()
        .iter()
        .filter_map(|vector| match vector.expected {
            Expected::Refused(rule) => Some(rule.split('(').next().unwrap().to_owned()),
            Expected::Accepted(_) | Expected::NotWhole => None,
        })
        .collect();
    let name = |rule: &Malformed| format!("{rule:?}").split('(').next().unwrap().to_owned();
    assert_eq!(provoked, RULES.iter().map(name).collect());
}

/// All of them: the match beside it stops compiling when one is added.
const RULES: [Malformed; 15] = {
    use Malformed::*;
    match Empty {
        Empty | Kind | IllFormedUtf8 | Attachments | TooManyAttachments | NamespaceTooLong | Id
        | IdMissing => {}
        Json(_) | PayloadMissing | PayloadSurplus | PayloadKind | EventName | ReservedName | Placeholder => {}
    }
    [
        Empty,
        Kind,
        IllFormedUtf8,
        Attachments,
        TooManyAttachments,
        NamespaceTooLong,
        Id,
        IdMissing,
        Json(json::Malformed::Truncated),
        PayloadMissing,
        PayloadSurplus,
        PayloadKind,
        EventName,
        ReservedName,
        Placeholder,
    ]
};
