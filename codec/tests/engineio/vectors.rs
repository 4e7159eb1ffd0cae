//! The vectors of `tests/vectors/engineio/`, as they are, cut at every byte, and with every byte changed.

use crate::notation::{Expected, Vector, read};
use crate::{assert_faithful, packet_view, payload_view};
use codec::engineio::{Malformed, decode};
use std::collections::BTreeSet;

type View = fn(&[u8]) -> Result<String, Malformed>;

fn all() -> Vec<(Vector, View)> {
    let packets = read(include_str!("../vectors/engineio/packets.txt")).into_iter();
    let payloads = read(include_str!("../vectors/engineio/payloads.txt")).into_iter();
    let packets = packets.map(|vector| (vector, packet_view as View));
    packets.chain(payloads.map(|vector| (vector, payload_view as View))).collect()
}

#[test]
fn every_vector_comes_out_as_it_says() {
    for (vector, view) in all() {
        match (view(&vector.bytes), vector.expected) {
            (Ok(view), Expected::Accepted(expected)) => assert_eq!(view, expected, "{}", vector.name),
            (Err(malformed), Expected::Refused(expected)) => {
                assert_eq!(format!("{malformed:?}"), expected, "{}", vector.name)
            }
            (outcome, expected) => panic!("{}: {outcome:?}, not {expected:?}", vector.name),
        }
    }
}

#[test]
fn a_vector_cut_or_changed_anywhere_is_refused_or_faithful() {
    for (vector, _) in all() {
        for place in 0..vector.bytes.len() {
            assert_faithful(&vector.bytes[..place]);
            let mut changed = vector.bytes.clone();
            for other in 0..=255 {
                changed[place] = other;
                assert_faithful(&changed);
                if let Ok(packet) = decode(&changed) {
                    let mut written = Vec::new();
                    packet.encode(&mut written);
                    assert_eq!(written, changed, "{}", vector.name);
                }
            }
        }
    }
}

#[test]
fn every_rule_has_a_vector() {
    let provoked: BTreeSet<String> = all()
        .iter()
        .filter_map(|(vector, _)| match vector.expected {
            Expected::Refused(rule) => Some(rule.to_owned()),
            Expected::Accepted(_) | Expected::NotWhole => None,
        })
        .collect();
    let rules =
        [Malformed::Empty, Malformed::Kind, Malformed::IllFormedUtf8, Malformed::Surplus, Malformed::Base64];
    match rules[0] {
        // Stops compiling when a rule is added. That of the open packet is a client's, and tested beside its reader.
        Malformed::Empty | Malformed::Kind | Malformed::IllFormedUtf8 => {}
        Malformed::Surplus | Malformed::Base64 | Malformed::Open => {}
    }
    assert_eq!(provoked, rules.iter().map(|rule| format!("{rule:?}")).collect());
}
