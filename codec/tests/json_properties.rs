//! JSON against `serde_json`: whatever one accepts the other accepts, and what they read is the same.
//!
//! They may differ in two things only, both of them on purpose: we refuse nesting below 64 and escapes of lone
//! surrogates, which `serde_json::value::RawValue` lets pass. Duplicate keys are looked at where members are read.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;

use codec::json::{self, Kind, Malformed};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

/// A string as some writer might spell it: characters, and escapes of them.
fn spelled_string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9 ]{1,12}",
        1 => any::<char>().prop_map(|c| serde_json::to_string(&c).unwrap().trim_matches('"').to_owned()),
        1 => any::<char>().prop_map(utf16_escapes),
        1 => prop::sample::select(vec![r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", "é", "日本", "🦀"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| {
        // A quotation mark that was trimmed away leaves a lone solidus behind it.
        let inner: String =
            pieces.into_iter().map(|piece| if piece == "\\" { "\\\\".into() } else { piece }).collect();
        format!("\"{inner}\"")
    })
}

fn utf16_escapes(character: char) -> String {
    let mut units = [0; 2];
    character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn spelled_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u16>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
    ]
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 2 => Just(" ".to_owned()), 1 => "[ \t\r\n]{1,20}"]
}

/// A document as some writer might spell it.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
        spelled_number(),
        spelled_string(),
    ];
    let nested = leaf.prop_recursive(6, 60, 8, |inner| {
        let element =
            (blank(), inner.clone(), blank()).prop_map(|(a, value, b)| format!("{a}{value}{b}")).boxed();
        let member = (blank(), spelled_string(), blank(), element.clone())
            .prop_map(|(a, name, b, value)| format!("{a}{name}{b}:{value}"));
        prop_oneof![
            prop::collection::vec(element, 0..8).prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    (blank(), nested, blank()).prop_map(|(a, value, b)| format!("{a}{value}{b}"))
}

/// Pieces that make documents which are nearly right.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"{"[..],
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b" ",
        b"\n",
        b"\"",
        b"\\",
        b"\"a\"",
        b"\"b\":",
        b"1",
        b"0",
        b"-",
        b".",
        b"e",
        b"E+",
        b"12.5",
        b"true",
        b"false",
        b"null",
        b"tru",
        b"\\u",
        b"00e9",
        b"\\ud83e\\udd80",
        b"\\n",
        b"\x00",
        b"\x1f",
        b"\xC3\xA9",
        b"\xC3",
        b"\xED\xA0\x80",
        b"\xFF",
        b"12345678",
        b"abcdefghijklmnopqrstuvwxyz0123456789",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A good document with a few bytes changed, taken out or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]:,\"\\ 0-.eu\n".to_vec())];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), byte, 0..3u8), 1..4);
    (document(), damage).prop_map(|(document, damage)| {
        let mut bytes = document.into_bytes();
        for (place, byte, how) in damage {
            let at = place.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<&RawValue>(bytes);
    match json::value(bytes) {
        Ok(ours) => prop_assert_eq!(ours.as_str(), theirs.expect("we accept more than the oracle").get()),
        Err(Malformed::TooDeep | Malformed::LoneSurrogate) => {}
        Err(malformed) => prop_assert!(theirs.is_err(), "we refuse by {:?}", malformed),
    }
    Ok(())
}

/// Reads a value by our accessors only.
fn read(raw: json::Raw<'_>) -> Value {
    match raw.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(raw.as_bool().unwrap()),
        Kind::Number => serde_json::from_str(raw.as_str()).unwrap(),
        Kind::String => Value::String(raw.text(&mut String::new()).unwrap().to_owned()),
        Kind::Array => Value::Array(raw.elements().map(read).collect()),
        Kind::Object => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.as_str()).unwrap();
            let read_member = |name: &String| match raw.members([name]) {
                Ok([value]) => read(value.unwrap()),
                Err(malformed) => panic!("{malformed:?}"),
            };
            Value::Object(members.keys().map(|name| (name.clone(), read_member(name))).collect())
        }
    }
}

fn has_duplicates(raw: json::Raw<'_>) -> bool {
    match raw.kind() {
        Kind::Array => raw.elements().any(has_duplicates),
        Kind::Object => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.as_str()).unwrap();
            raw.members([]) == Err(Malformed::DuplicateKey)
                || members.values().any(|value| has_duplicates(json::value(value.get().as_bytes()).unwrap()))
        }
        Kind::Null | Kind::Bool | Kind::Number | Kind::String => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_oracle_on_good_documents(document in document()) {
        prop_assert_eq!(json::validate(document.as_bytes()), Ok(()));
        agree(document.as_bytes())?;
    }

    #[test]
    fn agrees_with_the_oracle_on_damaged_documents(bytes in damaged()) {
        agree(&bytes)?;
    }

    #[test]
    fn agrees_with_the_oracle_on_soup(bytes in soup()) {
        agree(&bytes)?;
    }

    #[test]
    fn agrees_with_the_oracle_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agree(&bytes)?;
    }

    #[test]
    fn reads_the_same_values(document in document()) {
        let raw = json::value(document.as_bytes()).unwrap();
        if let Ok(theirs) = serde_json::from_str::<Value>(&document)
            && !has_duplicates(raw)
        {
            prop_assert_eq!(read(raw), theirs);
        }
    }

    #[test]
    fn finds_duplicates_at_every_depth(document in document()) {
        let raw = json::value(document.as_bytes()).unwrap();
        let expected = if has_duplicates(raw) { Err(Malformed::DuplicateKey) } else { Ok(()) };
        prop_assert_eq!(raw.check_whole(&mut json::Names::default()), expected);
    }

    #[test]
    fn reads_the_same_text(spelled in spelled_string()) {
        let theirs: String = serde_json::from_str(&spelled).unwrap();
        let raw = json::value(spelled.as_bytes()).unwrap();
        let mut scratch = "left over".to_owned();
        prop_assert_eq!(raw.text(&mut scratch), Some(theirs.as_str()));
        prop_assert!(raw.is_text(&theirs));
        let longer = theirs.clone() + "x";
        prop_assert!(!raw.is_text(&longer));
        prop_assert_eq!(raw.plain_str().is_some(), !spelled.contains('\\'));
    }

    #[test]
    fn finds_members_however_their_names_are_spelled(
        names in prop::collection::vec(("[ab\n]{0,2}", any::<bool>(), 0..1000u16), 0..40),
        asked in prop::sample::select(vec!["", "a", "b", "\n", "ab"]),
    ) {
        let mut expected = BTreeMap::new();
        let mut members = Vec::new();
        for (name, escaped, value) in &names {
            let spelled = if *escaped {
                format!("\"{}\"", name.chars().map(utf16_escapes).collect::<String>())
            } else {
                serde_json::to_string(name).unwrap()
            };
            members.push(format!("{spelled}:{value}"));
            expected.insert(name.as_str(), u64::from(*value));
        }
        let document = format!("{{{}}}", members.join(","));
        let found = json::members(document.as_bytes(), [asked]);
        if expected.len() < names.len() {
            prop_assert_eq!(found, Err(Malformed::DuplicateKey));
        } else {
            let [value] = found.unwrap();
            prop_assert_eq!(value.and_then(|value| value.as_u64()), expected.get(asked).copied());
        }
    }

    #[test]
    fn what_it_writes_reads_back_as_the_same_text(text in any::<String>()) {
        let mut out = b"x".to_vec();
        json::encode_str(&mut out, &text);
        let written = std::str::from_utf8(&out[1..]).unwrap();
        let breaks_lines = |c: char| c < ' ' || ['\u{2028}', '\u{2029}'].contains(&c);
        prop_assert_eq!(written.find(breaks_lines), None);
        prop_assert_eq!(&serde_json::from_str::<String>(written).unwrap(), &text);
        prop_assert!(json::value(&out[1..]).unwrap().is_text(&text));
    }

    #[test]
    fn whole_numbers_are_what_they_say(number in spelled_number()) {
        let raw = json::value(number.as_bytes()).unwrap();
        prop_assert_eq!(raw.as_u64(), number.parse().ok());
    }
}
