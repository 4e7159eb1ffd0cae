//! JSON: the same grammar as serde_json, the same members, the same text; and every ceiling of ours.
//!
//! We refuse three things that serde_json's raw values let pass: nesting below the ceiling, escapes of half a surrogate
//! pair, and, where members are read, duplicate keys and too much of anything.

use codec::json::{self, Kind, Malformed, Raw};
use codec::limits::{JSON_DEPTH_MAX, JSON_KEYS_MAX, JSON_NUMBER_BYTES_MAX};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::fmt;

/// The names that the product asks for, and some that trouble comparisons.
const NAMES: [&str; 6] = ["commandId", "success", "data", "a", "", "\u{0}é"];

/// Validates, reads members, and reads a level deeper; everything against the oracle.
pub fn check(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<&RawValue>(bytes);
    let ours = json::value(bytes);
    assert_eq!(json::validate(bytes), ours.map(drop));
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours.as_str(), theirs.get());
            check_value(ours);
        }
        (Ok(ours), Err(error)) => panic!("serde_json refuses {ours:?}: {error}"),
        (Err(Malformed::TooDeep | Malformed::LoneSurrogate), _) | (Err(_), Err(_)) => {}
        (Err(malformed), Ok(theirs)) => panic!("we refuse {theirs} by {malformed:?}"),
    }
    check_members(bytes, ours);
    check_writing(bytes);
}

/// A value that was accepted, by its accessors.
fn check_value(value: Raw<'_>) {
    let text = value.as_str();
    assert!(depth(text) <= JSON_DEPTH_MAX);
    assert_eq!(json::value(text.as_bytes()).map(|it| it.as_str()), Ok(text), "a value stands for itself");
    assert_eq!(value.as_bool(), serde_json::from_str(text).ok());
    let mut scratch = String::from("left over");
    match value.kind() {
        Kind::String => {
            let theirs: String = serde_json::from_str(text).expect("a string to both");
            assert_eq!(value.text(&mut scratch), Some(theirs.as_str()));
            assert!(value.is_text(&theirs));
            assert!(value.plain_str().is_none_or(|plain| plain == theirs));
        }
        Kind::Array => {
            let theirs: Vec<&RawValue> = serde_json::from_str(text).expect("an array to both");
            assert!(value.elements().map(|it| it.as_str()).eq(theirs.iter().map(|it| it.get())));
        }
        Kind::Number => assert_eq!(value.as_u64(), text.parse().ok()),
        Kind::Null | Kind::Bool | Kind::Object => assert_eq!(value.text(&mut scratch), None),
    }
}

/// Deepest nesting, by counting brackets outside of strings.
fn depth(text: &str) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Every member of an object in order, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collector;
        impl<'de> Visitor<'de> for Collector {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collector)
    }
}

fn check_members(bytes: &[u8], whole: Result<Raw<'_>, Malformed>) {
    let ours = json::members(bytes, NAMES);
    let Ok(Members(theirs)) = serde_json::from_slice::<Members<'_>>(bytes) else {
        assert!(ours.is_err(), "serde_json sees no object");
        return;
    };
    let names: BTreeSet<&str> = theirs.iter().map(|(name, _)| name.as_str()).collect();
    match ours {
        Ok(found) => {
            assert!(whole.is_ok(), "an object with members is a document");
            assert_eq!(names.len(), theirs.len(), "no name comes twice");
            assert!(theirs.len() <= JSON_KEYS_MAX + NAMES.len());
            for (name, found) in NAMES.iter().zip(found) {
                let theirs = theirs.iter().find(|(other, _)| other == name).map(|(_, value)| value.get());
                assert_eq!(found.map(|it| it.as_str()), theirs, "{name:?}");
            }
            let is_long = |text: &str| {
                text.len() > JSON_NUMBER_BYTES_MAX
                    && text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            };
            assert!(!theirs.iter().any(|(_, value)| is_long(value.get())));
            found.into_iter().flatten().for_each(check_value);
        }
        Err(Malformed::DuplicateKey) => assert!(names.len() < theirs.len()),
        Err(Malformed::TooManyKeys) => assert!(theirs.len() > JSON_KEYS_MAX),
        Err(Malformed::NumberTooLong | Malformed::TooDeep | Malformed::LoneSurrogate) => {}
        Err(malformed) => panic!("we refuse by {malformed:?} what serde_json reads"),
    }
}

/// Any text that we write is one line, and reads back as itself.
fn check_writing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut written = Vec::new();
    json::encode_str(&mut written, &text);
    let written = std::str::from_utf8(&written).expect("we write UTF-8");
    assert!(!written.contains(|c: char| c < ' ' || c == '\u{2028}' || c == '\u{2029}'));
    assert_eq!(serde_json::from_str::<String>(written).expect("we write JSON"), text);
    assert!(json::value(written.as_bytes()).expect("we read what we write").is_text(&text));
}
