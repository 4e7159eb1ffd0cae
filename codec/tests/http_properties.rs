//! HTTP for whatever may be written: heads and chunked bodies survive the way out and back, and noise harms nobody.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use codec::http::{self, Chunked, Framing, Malformed, ResponseBody};
use proptest::prelude::*;

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![Just(Framing::None), any::<u64>().prop_map(Framing::Length), Just(Framing::Chunked)]
}

/// Fields that mean nothing for the framing of a message.
fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "[Xx]-[A-Za-z0-9!#$%&'*+.^_`|~-]{0,12}";
    let value = "([!-~é日]([ !-~é日\t]{0,20}[!-~é日])?)?";
    prop::collection::vec((name, value), 0..20)
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// A body in chunks, each with its extension, and its trailers.
fn chunks() -> impl Strategy<Value = (Vec<(Vec<u8>, String)>, String)> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        prop::collection::vec(prop::sample::select(b"\r\n0;5a".to_vec()), 1..20),
    ];
    let extension = prop_oneof![3 => Just(String::new()), 1 => "[ \t]{0,2};[ -~]{0,12}"];
    let trailers = prop_oneof![3 => Just(String::new()), 1 => "(X[a-z]{0,5}:[ -~]{0,9}\r\n){0,3}"];
    (prop::collection::vec((content, extension), 0..12), trailers)
}

fn written(chunks: &[(Vec<u8>, String)], trailers: &str) -> (Vec<u8>, Vec<u8>) {
    let mut wire = Vec::new();
    let mut content = Vec::new();
    for (bytes, extension) in chunks {
        wire.extend(format!("{:X}{extension}\r\n", bytes.len()).bytes());
        wire.extend(bytes);
        wire.extend(b"\r\n");
        content.extend(bytes);
    }
    wire.extend(format!("0\r\n{trailers}\r\n").bytes());
    (wire, content)
}

/// A good request with a few bytes changed, taken out or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\t :,;0aH".to_vec())];
    prop::collection::vec((any::<prop::sample::Index>(), byte, 0..3u8), 0..4).prop_map(|damage| {
        let mut bytes =
            b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\n".to_vec();
        for (place, byte, how) in damage {
            let at = place.index(bytes.len());
            match how {
                0 => bytes.insert(at, byte),
                1 => bytes[at] = byte,
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_survives_the_way_out_and_back(
        method in prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "QUERY"]),
        path in "/[!-\"$->@-~]{0,40}",
        query in prop::option::of("[!-\"$-~]{0,40}"),
        fields in fields(),
        framing in framing(),
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let target = query.as_ref().map_or(path.clone(), |query| format!("{path}?{query}"));
        let mut sent = vec![("Host", "a.example:1")];
        sent.extend(borrowed(&fields));
        let mut wire = Vec::new();
        http::encode_request(&mut wire, method, &target, &sent, framing);
        let head_bytes = wire.len();
        wire.extend(behind);
        let (head, taken_bytes) = http::decode(&wire).unwrap().unwrap();
        prop_assert_eq!(taken_bytes, head_bytes);
        prop_assert_eq!(format!("{:?}", head.method).to_uppercase(), method.replace("QUERY", "OTHER"));
        prop_assert_eq!((head.target, head.path, head.query), (&*target, &*path, query.as_deref()));
        prop_assert_eq!((head.host, head.framing, head.keep_alive), ("a.example:1", framing, true));
        let received: Vec<_> = head.headers.iter().take(sent.len()).collect();
        let expected: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn a_response_survives_the_way_out_and_back(
        status in prop::sample::select(vec![200u16, 201, 202, 400, 404, 413, 429, 431, 500, 503, 599]),
        fields in fields(),
        framing in framing(),
    ) {
        let mut wire = Vec::new();
        http::encode_response(&mut wire, status, &borrowed(&fields), framing);
        let (head, head_bytes) = http::decode_response(&wire).unwrap().unwrap();
        prop_assert_eq!((head.status, head_bytes), (status, wire.len()));
        let body = match framing {
            Framing::None => ResponseBody::UntilClose,
            Framing::Length(bytes) => ResponseBody::Length(bytes),
            Framing::Chunked => ResponseBody::Chunked,
        };
        prop_assert_eq!(head.body, body);
        for (name, value) in &fields {
            prop_assert!(head.headers.all(name).any(|received| received == value.as_bytes()));
        }
    }

    #[test]
    fn chunks_join_to_their_content_wherever_they_are_cut(
        (chunks, trailers) in chunks(),
        behind in prop::collection::vec(any::<u8>(), 0..9),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let (mut wire, content) = written(&chunks, &trailers);
        let wire_bytes = wire.len();
        wire.extend(behind);
        let mut looks: Vec<_> = cuts.drain(..).map(|cut| cut.index(wire.len() + 1)).collect();
        looks.sort_unstable();
        looks.push(wire.len());
        let mut body = Chunked::default();
        let whole = looks.iter().find_map(|&look| body.advance(&wire[..look], content.len()).unwrap());
        prop_assert_eq!(whole, Some(wire_bytes));
        prop_assert_eq!(body.content_bytes(), content.len());
        let joined = http::join_chunks(&mut wire[..wire_bytes]);
        prop_assert_eq!(&wire[..joined], &content[..]);
    }

    #[test]
    fn a_body_is_refused_for_one_byte_more_than_is_taken((chunks, trailers) in chunks()) {
        let (wire, content) = written(&chunks, &trailers);
        if let Some(less) = content.len().checked_sub(1) {
            prop_assert_eq!(Chunked::default().advance(&wire, less), Err(Malformed::BodyTooLarge));
        }
    }

    #[test]
    fn no_damaged_head_is_framed_in_two_ways(bytes in damaged()) {
        if let Ok(Some((head, head_bytes))) = http::decode(&bytes) {
            let text = String::from_utf8_lossy(&bytes[..head_bytes]).to_lowercase();
            // What a lenient reader could make of it.
            let lengths = text
                .lines()
                .filter(|line| line.split(':').next().is_some_and(|name| name.trim() == "content-length"))
                .count();
            prop_assert_eq!(lengths, usize::from(matches!(head.framing, Framing::Length(_))));
            prop_assert_eq!(text.replace("\r\n", "").find(['\r', '\n', '\0']), None);
            prop_assert_eq!(http::head_end(&bytes, 0), Some(head_bytes));
        }
    }

    #[test]
    fn noise_is_refused_or_unfinished_and_no_more(bytes in prop::collection::vec(any::<u8>(), 0..80), max in 0..100usize) {
        let _ = http::decode(&bytes);
        let _ = http::decode_response(&bytes);
        let _ = http::decode_head(&bytes);
        let _ = Chunked::default().advance(&bytes, max);
        prop_assert!(http::join_chunks(&mut bytes.clone()) <= bytes.len());
        prop_assert!(http::Headers::new(&bytes).iter().count() <= bytes.len());
    }

    #[test]
    fn percent_encoding_survives_the_way_back(text in "[^\u{0}]{0,20}", plus in any::<bool>()) {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut scratch = String::new();
        let decoded = if plus {
            http::query_decode(&encoded, &mut scratch)
        } else {
            http::percent_decode(&encoded, &mut scratch)
        };
        prop_assert_eq!(decoded, Ok(&*text));
    }
}
