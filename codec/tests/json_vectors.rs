//! The JSON vectors, by clause of RFC 8259, and each of them cut at every byte.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::PathBuf;

use codec::json::{self, Kind, Malformed};

struct Vector {
    place: String,
    expected: String,
    document: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/json");
    let mut vectors = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (expected, document) = line.split_once(' ').unwrap();
            vectors.push(Vector {
                place: format!("{file}:{}: {line}", number + 1),
                expected: expected.to_owned(),
                document: unhex(document.trim_start()),
            });
        }
    }
    assert!(vectors.len() > 200, "vectors are missing");
    vectors
}

/// Replaces `<C0 AF>` by the bytes it stands for.
fn unhex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = text.split(['<', '>']);
    while let Some(plain) = parts.next() {
        bytes.extend(plain.as_bytes());
        for hex in parts.next().unwrap_or_default().split_whitespace() {
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
        }
    }
    bytes
}

fn outcome<T>(result: Result<T, Malformed>) -> String {
    match result {
        Ok(_) => "accept".to_owned(),
        Err(malformed) => format!("{malformed:?}"),
    }
}

#[test]
fn every_vector_is_accepted_or_refused_by_its_rule() {
    for vector in vectors() {
        assert_eq!(outcome(json::validate(&vector.document)), vector.expected, "{}", vector.place);
    }
}

/// What is cut or has something behind it is another document when something is put behind it.
fn is_open_ended(vector: &Vector) -> bool {
    ["Truncated", "Surplus"].contains(&vector.expected.as_str())
}

#[test]
fn every_vector_means_the_same_inside_an_array_and_an_object() {
    for vector in vectors().iter().filter(|vector| !is_open_ended(vector)) {
        for (before, behind) in [("[0,", "]"), (r#"{"x":"#, "}"), (r#"[0, {"x" : [ 1, "#, " ] } ]")] {
            let document = [before.as_bytes(), &vector.document, behind.as_bytes()].concat();
            assert_eq!(outcome(json::validate(&document)), vector.expected, "{}", vector.place);
        }
    }
}

#[test]
fn members_judges_values_as_validate_does() {
    for vector in vectors().iter().filter(|vector| !is_open_ended(vector)) {
        let document = [br#"{"a":"#, &vector.document[..], b"}"].concat();
        match json::members(&document, ["a"]) {
            Ok([value]) => assert_eq!(value.unwrap().as_bytes(), vector.document.trim_ascii()),
            Err(Malformed::NumberTooLong) => assert!(vector.document.len() > 64, "{}", vector.place),
            Err(malformed) => assert_eq!(format!("{malformed:?}"), vector.expected, "{}", vector.place),
        }
    }
}

#[test]
fn no_strict_prefix_of_an_accepted_vector_is_accepted() {
    for vector in vectors() {
        if vector.expected != "accept" {
            continue;
        }
        let document = vector.document.trim_ascii();
        if json::value(document).unwrap().kind() == Kind::Number {
            continue;
        }
        for cut in 0..document.len() {
            let refused = json::validate(&document[..cut]);
            assert!(
                matches!(refused, Err(Malformed::Truncated | Malformed::IllFormedUtf8)),
                "{} cut at {cut}: {refused:?}",
                vector.place
            );
        }
    }
}

#[test]
fn no_strict_prefix_of_an_answer_has_members() {
    let answer =
        r#" {"commandId":"c\u00e91","success":true,"data":{"a":[1,-2.5e3,null],"é":"x\n"}}"#.as_bytes();
    assert!(json::members(answer, ["commandId", "success", "data"]).is_ok());
    for cut in 0..answer.len() {
        let refused = json::members(&answer[..cut], ["commandId", "success", "data"]);
        assert!(matches!(refused, Err(Malformed::Truncated | Malformed::IllFormedUtf8)), "cut at {cut}");
    }
}
