//! The HTTP vectors, by clause of RFC 9112, and each of them cut at every byte.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::PathBuf;

use codec::http::{self, Chunked, Framing, Head, Malformed, ResponseBody, ResponseHead, Version};

const CONTENT_BYTES_MAX: usize = 1000;

struct Vector {
    place: String,
    expected: String,
    bytes: Vec<u8>,
}

fn vectors(prefix: &str) -> Vec<Vector> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/http");
    let mut vectors = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if !file.starts_with(prefix) {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (expected, bytes) = line.split_once(" | ").unwrap();
            vectors.push(Vector {
                place: format!("{file}:{}: {line}", number + 1),
                expected: expected.to_owned(),
                bytes: unescape(bytes),
            });
        }
    }
    assert!(vectors.len() > 20, "vectors are missing");
    vectors
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (plain, false) => plain,
            (_, true) => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("no escape: {}", char::from(other)),
            },
        });
    }
    bytes
}

fn show<T>(outcome: Result<T, Malformed>, show: impl Fn(T) -> String) -> String {
    match outcome {
        Ok(view) => show(view),
        Err(malformed) => format!("{malformed:?}"),
    }
}

fn show_request((head, _): (Head<'_>, usize)) -> String {
    let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
    let framing = match head.framing {
        Framing::None => "none".to_owned(),
        Framing::Length(bytes) => format!("length={bytes}"),
        Framing::Chunked => "chunked".to_owned(),
    };
    let connection = if head.keep_alive { "keep" } else { "close" };
    let expect = if head.expect_continue { " continue" } else { "" };
    let version = if head.version == Version::Http10 { " 1.0" } else { "" };
    format!(
        "{:?} {}{query} host={} {framing} {connection}{expect}{version}",
        head.method, head.path, head.host
    )
}

fn show_response((head, _): (ResponseHead<'_>, usize)) -> String {
    let body = match head.body {
        ResponseBody::None => "none".to_owned(),
        ResponseBody::Length(bytes) => format!("length={bytes}"),
        ResponseBody::Chunked => "chunked".to_owned(),
        ResponseBody::UntilClose => "until-close".to_owned(),
    };
    format!("{} {body} {}", head.status, if head.keep_alive { "keep" } else { "close" })
}

/// Where the head of a vector ends, as its text says.
fn written_end(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

#[test]
fn every_request_is_understood_or_refused_by_its_rule() {
    for vector in vectors("request-") {
        let outcome = http::decode(&vector.bytes).map(|whole| whole.unwrap());
        assert_eq!(show(outcome, show_request), vector.expected, "{}", vector.place);
    }
}

#[test]
fn a_request_head_takes_its_own_bytes_and_no_others() {
    for vector in vectors("request-") {
        if let Ok(Some((_, head_bytes))) = http::decode(&vector.bytes) {
            assert_eq!(head_bytes, written_end(&vector.bytes), "{}", vector.place);
            let followed = [&vector.bytes[..head_bytes], b"\r\n\r\nGET"].concat();
            assert_eq!(http::decode(&followed).unwrap().unwrap().1, head_bytes, "{}", vector.place);
        }
    }
}

#[test]
fn no_strict_prefix_of_a_request_head_is_anything_but_unfinished() {
    for vector in vectors("request-") {
        let Ok(Some((_, head_bytes))) = http::decode(&vector.bytes) else { continue };
        for cut in 0..head_bytes {
            assert_eq!(http::decode(&vector.bytes[..cut]), Ok(None), "{} cut at {cut}", vector.place);
        }
    }
}

#[test]
fn no_prefix_of_a_refused_request_is_understood() {
    for vector in vectors("request-") {
        if http::decode(&vector.bytes).is_err() {
            for cut in 0..vector.bytes.len() {
                let outcome = http::decode(&vector.bytes[..cut]);
                assert!(!matches!(outcome, Ok(Some(_))), "{} cut at {cut}", vector.place);
            }
        }
    }
}

#[test]
fn the_end_of_a_head_is_found_from_wherever_the_last_look_ended() {
    for vector in vectors("request-").into_iter().chain(vectors("response-")) {
        let end = http::head_end(&vector.bytes, 0).unwrap();
        for scanned in 0..end {
            assert_eq!(http::head_end(&vector.bytes[..scanned], 0), None, "{}", vector.place);
            assert_eq!(http::head_end(&vector.bytes, scanned), Some(end), "{} from {scanned}", vector.place);
        }
    }
}

#[test]
fn every_response_is_understood_or_refused_by_its_rule() {
    for vector in vectors("response-") {
        let outcome = http::decode_response(&vector.bytes).map(|whole| whole.unwrap());
        assert_eq!(show(outcome, show_response), vector.expected, "{}", vector.place);
        for cut in 0..written_end(&vector.bytes) {
            assert!(!matches!(http::decode_response(&vector.bytes[..cut]), Ok(Some(_))), "{}", vector.place);
        }
    }
}

/// What becomes of a chunked body that is looked at after each of these lengths.
fn chunked(bytes: &[u8], looks: impl Iterator<Item = usize>) -> Result<Option<String>, Malformed> {
    let mut body = Chunked::default();
    for look in looks {
        if let Some(wire_bytes) = body.advance(&bytes[..look], CONTENT_BYTES_MAX)? {
            assert_eq!(look.min(wire_bytes), wire_bytes);
            let mut wire = bytes[..wire_bytes].to_vec();
            let content_bytes = http::join_chunks(&mut wire);
            assert_eq!(content_bytes, body.content_bytes());
            let content = std::str::from_utf8(&wire[..content_bytes]).unwrap();
            return Ok(Some(format!("{content:?} left={}", bytes.len() - wire_bytes)));
        }
    }
    Ok(None)
}

#[test]
fn every_chunked_body_is_joined_or_refused_by_its_rule() {
    for vector in vectors("chunked-") {
        let at_once = chunked(&vector.bytes, [vector.bytes.len()].into_iter()).map(|whole| whole.unwrap());
        assert_eq!(show(at_once, |content| content), vector.expected, "{}", vector.place);
    }
}

#[test]
fn a_chunked_body_is_the_same_however_it_trickles_in() {
    for vector in vectors("chunked-") {
        let all = vector.bytes.len();
        for step in 1..5 {
            let trickled =
                chunked(&vector.bytes, (0..=all).step_by(step).chain([all])).map(|whole| whole.unwrap());
            assert_eq!(show(trickled, |content| content), vector.expected, "{} by {step}", vector.place);
        }
        for cut in 0..all {
            let cut_once = chunked(&vector.bytes, [cut, all].into_iter()).map(|whole| whole.unwrap());
            assert_eq!(show(cut_once, |content| content), vector.expected, "{} cut at {cut}", vector.place);
        }
    }
}

#[test]
fn joining_what_is_no_chunked_body_stays_within_it() {
    for vector in vectors("chunked-") {
        for cut in 0..=vector.bytes.len() {
            let mut wire = vector.bytes[..cut].to_vec();
            assert!(http::join_chunks(&mut wire) <= cut);
        }
    }
}
