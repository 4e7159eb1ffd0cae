//! The ceilings of HTTP messages, from both sides, and what is refused before it is whole.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use codec::http::{self, Chunked, Malformed};
use codec::limits::{
    HTTP_CHUNK_LINE_BYTES_MAX, HTTP_CHUNK_OVERHEAD_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX,
    HTTP_TARGET_BYTES_MAX,
};

fn head_with(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn is_whole(bytes: &[u8]) -> bool {
    matches!(http::decode(bytes), Ok(Some(_)))
}

#[test]
fn takes_the_longest_head_and_refuses_one_byte_more() {
    let padding = HTTP_HEAD_BYTES_MAX - head_with("X: \r\n").len();
    let longest = head_with(&format!("X: {}\r\n", "x".repeat(padding)));
    assert_eq!(longest.len(), HTTP_HEAD_BYTES_MAX);
    assert!(is_whole(&longest));
    let longer = head_with(&format!("X: {}\r\n", "x".repeat(padding + 1)));
    assert_eq!(http::decode(&longer), Err(Malformed::HeadTooLarge));
}

#[test]
fn refuses_a_head_without_end_once_it_is_too_long() {
    let endless = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    assert_eq!(http::decode(&endless[..HTTP_HEAD_BYTES_MAX]), Ok(None));
    assert_eq!(http::decode(&endless[..HTTP_HEAD_BYTES_MAX + 1]), Err(Malformed::HeadTooLarge));
    assert_eq!(http::decode(&endless), Err(Malformed::HeadTooLarge));
}

#[test]
fn takes_the_most_fields_and_refuses_one_more() {
    let fields = |count: usize| (1..count).map(|number| format!("x{number}:\r\n")).collect::<String>();
    assert!(is_whole(&head_with(&fields(HTTP_HEADERS_MAX))));
    assert_eq!(http::decode(&head_with(&fields(HTTP_HEADERS_MAX + 1))), Err(Malformed::TooManyHeaders));
}

#[test]
fn takes_the_longest_target_and_refuses_one_byte_more() {
    let get =
        |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1)).into_bytes();
    assert!(is_whole(&get(HTTP_TARGET_BYTES_MAX)));
    for bytes in [HTTP_TARGET_BYTES_MAX + 1, HTTP_HEAD_BYTES_MAX, 100_000] {
        assert_eq!(http::decode(&get(bytes)), Err(Malformed::TargetTooLong), "{bytes}");
    }
}

#[test]
fn refuses_a_target_without_end_once_it_is_too_long() {
    let endless = [b"GET /".to_vec(), vec![b'x'; 100_000]].concat();
    assert_eq!(http::decode(&endless[..4 + HTTP_TARGET_BYTES_MAX]), Ok(None));
    assert_eq!(http::decode(&endless[..4 + HTTP_TARGET_BYTES_MAX + 1]), Err(Malformed::TargetTooLong));
    assert_eq!(http::decode(&endless), Err(Malformed::TargetTooLong));
}

#[test]
fn refuses_what_cannot_begin_a_request_at_its_first_bytes() {
    for (bytes, malformed) in [
        (&b"\x16\x03\x01"[..], Malformed::RequestLine),
        (b"\x10", Malformed::RequestLine),
        (b"\x00", Malformed::RequestLine),
        (b"{\"", Malformed::RequestLine),
        (b"\n", Malformed::RequestLine),
        (b"\rG", Malformed::RequestLine),
        (b"GET\r", Malformed::RequestLine),
        (b"\r\n\x00", Malformed::RequestLine),
        (&[b'A'; 33], Malformed::MethodTooLong),
    ] {
        assert_eq!(http::decode(bytes), Err(malformed), "{bytes:?}");
    }
    for bytes in [&b""[..], b"\r", b"\r\n", b"\r\n\r", b"G", b"GET ", &[b'A'; 32]] {
        assert_eq!(http::decode(bytes), Ok(None), "{bytes:?}");
    }
}

#[test]
fn refuses_a_chunk_when_it_is_promised() {
    let promise = |wire: &[u8], max| Chunked::default().advance(wire, max);
    assert_eq!(promise(b"64\r\n", 100), Ok(None));
    assert_eq!(promise(b"65\r\n", 100), Err(Malformed::BodyTooLarge));
    assert_eq!(promise(b"1\r\nx\r\n63\r\n", 100), Ok(None));
    assert_eq!(promise(b"1\r\nx\r\n64\r\n", 100), Err(Malformed::BodyTooLarge));
    assert_eq!(promise(b"0\r\n\r\n", 0), Ok(Some(5)));
    assert_eq!(promise(b"1\r\n", 0), Err(Malformed::BodyTooLarge));
    assert_eq!(promise(b"ffffffffffffffff\r\n", usize::MAX), Err(Malformed::ChunkSizeOverflow));
}

#[test]
fn refuses_a_chunk_line_once_it_is_too_long() {
    let line = |bytes: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(bytes - 2)).into_bytes();
    let longest = line(HTTP_CHUNK_LINE_BYTES_MAX);
    assert_eq!(Chunked::default().advance(&longest, 5), Ok(Some(longest.len())));
    let longer = line(HTTP_CHUNK_LINE_BYTES_MAX + 1);
    assert_eq!(Chunked::default().advance(&longer, 5), Err(Malformed::ChunkLineTooLong));
    for endless in [b'0', b'f'] {
        let endless = vec![endless; 100_000];
        assert_eq!(Chunked::default().advance(&endless, 5), Err(Malformed::ChunkLineTooLong));
    }
    let trailer = [b"0\r\nX: ".to_vec(), vec![b'x'; 100_000]].concat();
    assert_eq!(Chunked::default().advance(&trailer, 5), Err(Malformed::ChunkLineTooLong));
}

#[test]
fn bounds_all_that_is_not_content() {
    // A chunk of one byte costs five more.
    let fits = HTTP_CHUNK_OVERHEAD_BYTES_MAX / 5 - 1;
    let body = |chunks: usize| ["1\r\nx\r\n".repeat(chunks), "0\r\n\r\n".to_owned()].concat().into_bytes();
    assert_eq!(Chunked::default().advance(&body(fits), 1 << 20), Ok(Some(body(fits).len())));
    assert_eq!(Chunked::default().advance(&body(fits + 2), 1 << 20), Err(Malformed::ChunkOverhead));
    let extensions = "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n".repeat(10_000);
    assert_eq!(Chunked::default().advance(extensions.as_bytes(), 1 << 20), Err(Malformed::ChunkOverhead));
    let trailers = ["0\r\n", &"X: y\r\n".repeat(100_000)].concat();
    assert_eq!(Chunked::default().advance(trailers.as_bytes(), 1 << 20), Err(Malformed::ChunkOverhead));
}

#[test]
fn decodes_segments_and_queries_strictly() {
    let decoded = |text: &str| http::percent_decode(text, &mut String::from("left over")).map(str::to_owned);
    assert_eq!(decoded("plain+text"), Ok("plain+text".to_owned()));
    assert_eq!(decoded("%41%2f%E6%97%A5x"), Ok("A/日x".to_owned()));
    assert_eq!(decoded("%25%32%35"), Ok("%25".to_owned()));
    for broken in ["%", "%4", "a%", "%zz", "%4g", "%%41", "% 1", "%+1", "%u0041", "%é"] {
        assert_eq!(decoded(broken), Err(Malformed::PercentEncoding), "{broken}");
    }
    for ill in ["%FF", "%C0%AF", "%ED%A0%80", "%C3", "%C3x%A9", "%F5%80%80%80"] {
        assert_eq!(decoded(ill), Err(Malformed::IllFormedUtf8), "{ill}");
    }
    assert_eq!(decoded("a%00b"), Err(Malformed::NullCharacter));
    let mut scratch = String::new();
    assert_eq!(http::query_decode("a+b%2Bc", &mut scratch), Ok("a b+c"));
    assert_eq!(http::query_decode("+", &mut scratch), Ok(" "));
    assert_eq!(http::query_decode("%zz", &mut scratch), Err(Malformed::PercentEncoding));
}

#[test]
fn takes_queries_apart_in_order() {
    let pairs = |query| http::query_pairs(query).collect::<Vec<_>>();
    assert_eq!(pairs(""), []);
    assert_eq!(pairs("&&"), []);
    assert_eq!(pairs("a=1&b=&c&=d&a=2=3"), [("a", "1"), ("b", ""), ("c", ""), ("", "d"), ("a", "2=3")]);
}

#[test]
fn finds_the_lines_of_a_head_again() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n";
    let (head, _) = http::decode(bytes).unwrap().unwrap();
    let lines = head.headers.as_bytes();
    assert!(bytes.ends_with(lines));
    assert_eq!(http::Headers::new(lines).text("authorization"), Some("Bearer x"));
    assert_eq!(head.headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["Host", "Authorization"]);
}
