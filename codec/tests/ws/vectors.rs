//! The vectors of `tests/vectors/ws/`, as they are, cut at every byte, and with every byte changed.

use crate::notation::{Expected, Vector, read};
use crate::{assert_faithful, payload};
use codec::ws::{
    CloseCode, Control, Data, FrameHeader, Malformed, OpCode, accept_key, check_text, decode, decode_close,
};
use std::collections::BTreeSet;

fn frames() -> Vec<Vector> {
    let mut frames = read(include_str!("../vectors/ws/5.2-frames.txt"));
    frames.extend(read(include_str!("../vectors/ws/5.5-control-frames.txt")));
    frames
}

fn close_bodies() -> Vec<Vector> {
    read(include_str!("../vectors/ws/5.5.1-close-bodies.txt"))
}

fn texts() -> Vec<Vector> {
    read(include_str!("../vectors/ws/8.1-text.txt"))
}

fn keys() -> Vec<Vector> {
    read(include_str!("../vectors/ws/4.2.1-keys.txt"))
}

#[track_caller]
fn assert_expected(vector: &Vector, outcome: Result<Option<String>, Malformed>) {
    let name = vector.name;
    match (outcome, vector.expected) {
        (Ok(Some(view)), Expected::Accepted(expected)) => assert_eq!(view, expected, "{name}"),
        (Err(malformed), Expected::Refused(expected)) => {
            assert_eq!(format!("{malformed:?}"), expected, "{name}")
        }
        (Ok(None), Expected::NotWhole) => {}
        (outcome, expected) => panic!("{name}: {outcome:?}, not {expected:?}"),
    }
}

fn frame_view(bytes: &[u8]) -> Result<Option<String>, Malformed> {
    Ok(decode(bytes)?.map(|(header, consumed)| show(&header, &bytes[consumed..])))
}

fn show(header: &FrameHeader, behind: &[u8]) -> String {
    let opcode = match header.opcode {
        OpCode::Data(Data::Continue) => "CONTINUE",
        OpCode::Data(Data::Text) => "TEXT",
        OpCode::Data(Data::Binary) => "BINARY",
        OpCode::Control(Control::Close) => "CLOSE",
        OpCode::Control(Control::Ping) => "PING",
        OpCode::Control(Control::Pong) => "PONG",
        reserved => panic!("{reserved:?} was decoded"),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let key = header.key.map_or("-".to_owned(), |key| hex(&key));
    let payload = hex(&payload(header, behind));
    format!(
        "{opcode} fin={} key={key} bytes={} payload={payload}",
        u8::from(header.fin),
        header.payload_bytes
    )
}

fn close_view(body: &[u8]) -> Result<Option<String>, Malformed> {
    let close = decode_close(body)?;
    let code = close.code.map_or("-".to_owned(), |code: CloseCode| u16::from(code).to_string());
    Ok(Some(format!("{code} {}", close.reason).trim_end().to_owned()))
}

fn text_view(bytes: &[u8]) -> Result<Option<String>, Malformed> {
    let checked = check_text(bytes, 0)?;
    Ok((checked == bytes.len()).then(String::new))
}

fn key_view(key: &[u8]) -> Result<Option<String>, Malformed> {
    accept_key(key).map(Some)
}

#[test]
fn every_vector_comes_out_as_it_says() {
    frames().iter().for_each(|vector| assert_expected(vector, frame_view(&vector.bytes)));
    close_bodies().iter().for_each(|vector| assert_expected(vector, close_view(&vector.bytes)));
    texts().iter().for_each(|vector| assert_expected(vector, text_view(&vector.bytes)));
    keys().iter().for_each(|vector| assert_expected(vector, key_view(&vector.bytes)));
}

#[test]
fn an_accepted_frame_cut_within_its_header_is_not_whole_yet() {
    for vector in frames() {
        let Ok(Some((_, header_bytes))) = decode(&vector.bytes) else { continue };
        for end in 0..header_bytes {
            assert_eq!(decode(&vector.bytes[..end]), Ok(None), "{} cut at {end}", vector.name);
        }
    }
}

#[test]
fn a_refused_frame_cut_anywhere_is_refused_alike_or_not_whole_yet() {
    for vector in frames() {
        let Err(malformed) = decode(&vector.bytes) else { continue };
        for end in 0..vector.bytes.len() {
            let answer = decode(&vector.bytes[..end]);
            assert!(
                matches!(answer, Ok(None)) || answer == Err(malformed),
                "{} cut at {end}: {answer:?}",
                vector.name
            );
        }
    }
}

#[test]
fn a_frame_with_any_byte_changed_is_refused_or_faithful() {
    for vector in frames() {
        for place in 0..vector.bytes.len() {
            for other in 0..=255 {
                let mut changed = vector.bytes.clone();
                changed[place] = other;
                if let Ok(Some((header, consumed))) = decode(&changed) {
                    assert_faithful(&changed, &header, consumed);
                }
            }
        }
    }
}

#[test]
fn a_text_cut_anywhere_and_checked_on_is_judged_as_it_is_whole() {
    for vector in texts() {
        let whole = check_text(&vector.bytes, 0);
        for cut in 0..=vector.bytes.len() {
            let pieces =
                check_text(&vector.bytes[..cut], 0).and_then(|checked| check_text(&vector.bytes, checked));
            assert_eq!(pieces, whole, "{} cut at {cut}", vector.name);
        }
    }
}

#[test]
fn a_close_body_cut_anywhere_is_read_without_harm() {
    for vector in close_bodies() {
        for end in 0..=vector.bytes.len() {
            if let Ok(close) = decode_close(&vector.bytes[..end]) {
                assert!(close.code.is_some() || end == 0);
            }
        }
    }
}

#[test]
fn every_rule_has_a_vector() {
    let provoked: BTreeSet<String> = [frames(), close_bodies(), texts(), keys()]
        .iter()
        .flatten()
        .filter_map(|vector| match vector.expected {
            Expected::Refused(rule) => Some(rule.to_owned()),
            Expected::Accepted(_) | Expected::NotWhole => None,
        })
        .collect();
    let all: BTreeSet<String> = RULES.iter().map(|rule| format!("{rule:?}")).collect();
    assert_eq!(provoked, all);
}

/// All of them: the match beside it stops compiling when one is added.
const RULES: [Malformed; 11] = {
    use Malformed::*;
    match ReservedBits {
        ReservedBits | ReservedOpcode | ControlFragmented | ControlTooLong => {}
        LengthNotMinimal | LengthTopBit | CloseBody | CloseCode | CloseReason | IllFormedText | Key => {}
    }
    [
        ReservedBits,
        ReservedOpcode,
        ControlFragmented,
        ControlTooLong,
        LengthNotMinimal,
        LengthTopBit,
        CloseBody,
        CloseCode,
        CloseReason,
        IllFormedText,
        Key,
    ]
};
