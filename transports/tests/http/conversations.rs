//! Conversations between peers that keep the rules.

use crate::kit::{End, Server};
use proptest::collection::vec;
use proptest::prelude::*;
use transports::http::{Limits, Method, Response};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST /b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
     3\r\nhel\r\n2;ext=1\r\nlo\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n";
const HEAD: &str = "HEAD /d HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &str = "GET /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[test]
fn a_request_is_lent_whole_and_answered() {
    let mut server = Server::new();
    server.feed(POST);
    let seen = &server.seen[0];
    assert_eq!((seen.method, seen.path.as_str(), seen.query.as_deref()), (Method::Post, "/b", Some("c=d")));
    assert_eq!(seen.body, b"hello");
    assert_eq!(
        server.said(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Test: 1\r\nContent-Length: 8\r\n\r\n/b hello"
    );
    assert!(server.session.is_idle() && server.end.is_none());
}

#[test]
fn fields_are_found_in_any_case_and_without_white_space_around_them() {
    let mut server = Server::new();
    server
        .feed("GET /hold HTTP/1.1\r\nHost: x\r\nX-One: \t two words \t\r\nX-Empty:\r\nx-one: second\r\n\r\n");
    let names: Vec<_> = server.seen[0].headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(names, [("Host", "x"), ("X-One", "two words"), ("X-Empty", ""), ("x-one", "second")]);
}

#[test]
fn chunks_are_joined_and_their_framing_is_gone() {
    let mut server = Server::new();
    server.feed(CHUNKED);
    assert_eq!(server.seen[0].body, b"hello world");
    assert!(server.carry.is_empty());
}

#[test]
fn pipelined_requests_are_served_one_after_the_other() {
    let mut server = Server::new();
    server.feed([GET, POST, CHUNKED, HEAD, LAST, GET].concat());
    let paths: Vec<_> = server.seen.iter().map(|seen| &*seen.path).collect();
    assert_eq!(paths, ["/a", "/b", "/c", "/d", "/e"]);
    assert_eq!(server.end, Some(End::Answered));
    assert_eq!(server.carry, GET.as_bytes(), "nothing after the last request is read");
}

#[test]
fn the_next_request_waits_in_the_input_for_the_answer() {
    let mut server = Server::new();
    server.feed("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n").feed(GET);
    assert_eq!((server.seen.len(), server.carry.len()), (1, GET.len()));
    assert_eq!(server.session.next_timeout(), None, "it is the tenant's turn");
    server.answer(200, &[b"late"]);
    server.feed("");
    assert_eq!((server.seen.len(), server.carry.len()), (2, 0));
}

#[test]
fn head_gets_the_length_without_the_body() {
    let mut server = Server::new();
    server.feed(HEAD);
    assert!(server.said().ends_with("Content-Length: 3\r\n\r\n"), "{}", server.said());
}

#[test]
fn a_status_without_a_body_says_no_length() {
    for status in [204, 304] {
        let mut server = Server::new();
        server.feed("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        let response = Response { status, content_type: "", headers: &[("ETag", "\"1\"")], body: &[] };
        let _ = server.session.respond(response, &mut server.out, server.now);
        assert!(server.said().ends_with("\r\nETag: \"1\"\r\n\r\n"), "{}", server.said());
        assert!(!server.said().contains("Content-"));
    }
}

#[test]
fn the_peer_decides_whether_the_connection_lives_on() {
    let cases = [
        ("HTTP/1.1", "", "", None),
        ("HTTP/1.1", "Connection: close\r\n", "Connection: close\r\n", Some(End::Answered)),
        ("HTTP/1.1", "Connection: TE, Close\r\n", "Connection: close\r\n", Some(End::Answered)),
        ("HTTP/1.1", "Connection: te\r\nConnection: close\r\n", "Connection: close\r\n", Some(End::Answered)),
        ("HTTP/1.1", "Connection: keep-alive\r\n", "", None),
        ("HTTP/1.0", "", "Connection: close\r\n", Some(End::Answered)),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", "Connection: keep-alive\r\n", None),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", "Connection: close\r\n", Some(End::Answered)),
    ];
    for (version, field, answer, end) in cases {
        let mut server = Server::new();
        server.feed(format!("GET /a {version}\r\nHost: x\r\n{field}\r\n"));
        assert_eq!(server.end, end, "{version} {field}");
        let connection =
            server.said().lines().find(|line| line.starts_with("Connection")).map(|l| format!("{l}\r\n"));
        assert_eq!(connection.unwrap_or_default(), answer, "{version} {field}");
    }
}

#[test]
fn a_request_of_1_0_needs_no_host() {
    let mut server = Server::new();
    server.feed("GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(server.seen.len(), 1);
}

#[test]
fn a_draining_tenant_has_the_last_word() {
    let mut server = Server::new();
    server.session.close_after();
    server.feed([GET, GET].concat());
    assert_eq!((server.seen.len(), server.end), (1, Some(End::Answered)));
    assert!(server.said().contains("Connection: close\r\n"));
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let mut server = Server::new();
    server.feed("\r\n\r\n").feed(["\r\n", POST, "\r\n", GET, "\r\n"].concat());
    assert_eq!((server.seen.len(), server.carry.len()), (2, 0));
    assert!(server.session.is_idle());
}

#[test]
fn every_form_of_a_target_gives_a_path() {
    let cases = [
        ("GET /a?", "/a", Some("")),
        ("GET /?q=1?2", "/", Some("q=1?2")),
        ("GET /a%20b//c", "/a%20b//c", None),
        ("GET http://x/a?b", "/a", Some("b")),
        ("GET HTTPS://x:1", "/", None),
        ("GET http://x?b=/", "/", Some("b=/")),
        ("OPTIONS *", "*", None),
    ];
    for (line, path, query) in cases {
        let mut server = Server::new();
        server.feed(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let seen = server.seen.first().map(|seen| (&*seen.path, seen.query.as_deref()));
        assert_eq!(seen, Some((path, query)), "{line}");
    }
}

#[test]
fn a_stream_has_no_length_and_ends_with_the_connection() {
    let mut server = Server::new();
    server.feed("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        server.said(),
        "HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
    );
    assert_eq!(server.session.next_timeout(), None);
    server.feed(GET);
    assert_eq!((server.seen.len(), server.carry.len()), (1, 0), "what the reader says is thrown away");
}

#[test]
fn the_head_of_a_stream_is_all_that_head_gets() {
    let mut server = Server::new();
    server.feed("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n").feed(GET);
    assert_eq!((server.statuses(), server.end, server.seen.len()), (vec![200], Some(End::Answered), 1));
}

#[test]
fn the_target_names_the_host_or_else_the_field_does() {
    for (line, host) in [("GET /", "field:1"), ("GET http://target:2/", "target:2")] {
        let mut server = Server::new();
        server.feed(format!("{line} HTTP/1.1\r\nHost: field:1\r\n\r\n"));
        assert_eq!(server.seen[0].host, host);
    }
}

#[test]
fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    for (body_bytes, fits) in [(1000, true), (1001, false)] {
        let mut server = Server::with(Limits { body_bytes_max: 1000, ..Limits::default() });
        server.feed(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {body_bytes}\r\n\r\n"));
        server.feed(vec![b'x'; body_bytes]);
        assert_eq!(server.seen.len(), usize::from(fits));
    }
}

/// Scripts whose bytes may be cut anywhere, some of which end in a broken rule.
fn scripts() -> Vec<String> {
    vec![
        [GET, POST, CHUNKED, HEAD, GET, LAST].concat(),
        ["\r\n", CHUNKED, "\r\n", POST, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", GET].concat(),
        [POST, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", GET]
            .concat(),
        ["POST /f HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", LAST].concat(),
        [
            CHUNKED,
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            GET,
        ]
        .concat(),
        "GET /a HTTP/1.0\r\n\r\n".to_owned(),
        [GET, "GET / HTTP/1.1\r\nNo colon\r\n\r\n"].concat(),
    ]
}

/// What a conversation came to. Whether `100 Continue` is said depends on what is here already, so it is left out.
fn outcome(server: &Server) -> (Vec<crate::kit::Seen>, String, Option<End>) {
    let said = server.said().replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    (server.seen.clone(), said, server.end)
}

#[test]
fn byte_by_byte_is_the_same_conversation() {
    for script in scripts() {
        let (mut whole, mut bytes) = (Server::new(), Server::new());
        whole.feed(&script);
        bytes.feed_all(script.as_bytes().chunks(1));
        assert_eq!(outcome(&whole), outcome(&bytes), "{script}");
    }
}

/// Feeds a script in pieces of these lengths, over and over.
fn in_pieces(script: &[u8], lengths: &[usize]) -> Server {
    let mut server = Server::new();
    let mut rest = script;
    for length in lengths.iter().cycle() {
        let (piece, behind) = rest.split_at(rest.len().min(*length));
        server.feed(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    server
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_is_the_same_conversation(lengths in vec(1_usize..60, 1..40)) {
        for script in scripts() {
            let mut whole = Server::new();
            whole.feed(&script);
            prop_assert_eq!(outcome(&whole), outcome(&in_pieces(script.as_bytes(), &lengths)));
        }
    }

    /// Which of two mistakes is named may depend on the cut; what reaches the tenant, and whether it ends, may not.
    #[test]
    fn no_cut_lets_a_damaged_request_through(
        lengths in vec(1_usize..60, 1..40),
        damage in vec((any::<prop::sample::Index>(), prop::sample::select(&b"\0\t\n\r :;,0f9aG/\x80"[..])), 1..4),
    ) {
        for script in scripts() {
            let mut script = script.into_bytes();
            for (place, byte) in &damage {
                *place.get_mut(&mut script) = *byte;
            }
            let mut whole = Server::new();
            whole.feed(&script);
            let cut = in_pieces(&script, &lengths);
            prop_assert_eq!(&whole.seen, &cut.seen);
            prop_assert_eq!(whole.end.is_some(), cut.end.is_some(), "{:?} {:?}", whole.end, cut.end);
        }
    }
}
