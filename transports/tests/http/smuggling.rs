//! Requests whose length can be read in two ways, or whose lines can be cut in two ways: each is refused as a whole,
//! and nothing behind it is taken for a request.

use crate::kit::Server;
use transports::http::Violation;

/// Stands behind each of them, where a second reader of the stream might find it.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Fields that frame a body in a way on which two readers may differ, and the body.
const FRAMINGS: &[(&str, &str)] = &[
    ("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\nG"),
    ("Content-Length: 3\r\nContent-Length: 4", "abcd"),
    ("Content-Length: 3\r\nContent-Length: 3", "abc"),
    ("Content-Length: 3, 3", "abc"),
    ("Content-Length: +3", "abc"),
    ("Content-Length: -3", "abc"),
    ("Content-Length: 3 3", "abc"),
    ("Content-Length: 0x3", "abc"),
    ("Content-Length: 3.0", "abc"),
    ("Content-Length:", "abc"),
    ("Content-Length: \u{663}", "abc"),
    ("Content-Length: 18446744073709551619", "abc"),
    ("Content-Length : 3", "abc"),
    ("Transfer-Encoding : chunked", "0\r\n\r\n"),
    ("Content-Length\t: 3", "abc"),
    (" Content-Length: 3", "abc"),
    ("X: y\r\n Content-Length: 3", "abc"),
    ("X: y\r\n\tTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
    ("Transfer-Encoding: identity, chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: identity", "abc"),
    ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunkedx", "0\r\n\r\n"),
    ("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"),
    ("Transfer-Encoding:", "abc"),
    ("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n"),
    ("X: y\rTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("X: y\0", "abc"),
    ("X\0: y", "abc"),
    (": y", "abc"),
    ("no colon", "abc"),
    ("Host: y", "abc"),
];

/// Chunked bodies on which two readers may differ.
const CHUNKS: &[&str] = &[
    "+3\r\nabc\r\n0\r\n\r\n",
    "-3\r\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "3g\r\nabc\r\n0\r\n\r\n",
    "\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n",
    ";ext\r\nabc\r\n0\r\n\r\n",
    "3\nabc\r\n0\r\n\r\n",
    "3\r\nabc\n0\r\n\r\n",
    "3\rabc\r\n0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nab\r\n0\r\n\r\n",
    "3;a\nb\r\nabc\r\n0\r\n\r\n",
    "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "0\r\n X: y\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: y\n\r\n",
];

#[track_caller]
fn refused(request: &str) {
    for pieces in [request.len(), 1] {
        let mut server = Server::new();
        let stream = [request, BEHIND].concat();
        server.feed_all(stream.as_bytes().chunks(pieces));
        assert!(matches!(server.violation(), Violation::Malformed(_)), "{request:?}: {:?}", server.end);
        assert_eq!((server.statuses(), server.seen.len()), (vec![400], 0), "{request:?}");
        server.end = None;
        server.feed(BEHIND);
        assert_eq!((server.statuses(), server.seen.len()), (vec![400], 0), "{request:?} is not forgotten");
    }
}

#[test]
fn refuses_a_head_whose_framing_can_be_read_in_two_ways() {
    for (fields, body) in FRAMINGS {
        refused(&format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n{body}"));
    }
}

#[test]
fn refuses_chunks_that_can_be_read_in_two_ways() {
    for body in CHUNKS {
        refused(&format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
    }
}

#[test]
fn refuses_chunks_in_http_1_0() {
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn refuses_a_request_of_1_1_without_a_host_or_with_two() {
    refused("GET / HTTP/1.1\r\n\r\n");
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
}

#[test]
fn refuses_a_request_line_with_more_or_less_than_three_words() {
    for line in ["GET  / HTTP/1.1", "GET /", "GET / HTTP/1.1 ", "GET\t/ HTTP/1.1", " GET / HTTP/1.1"] {
        refused(&format!("{line}\r\nHost: x\r\n\r\n"));
    }
}

#[test]
fn what_the_content_length_covers_is_never_a_request() {
    let mut server = Server::new();
    server.feed(format!("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{BEHIND}", BEHIND.len()));
    assert_eq!((server.seen.len(), server.carry.len()), (1, 0));
    assert_eq!(server.seen[0].body, BEHIND.as_bytes());
}
