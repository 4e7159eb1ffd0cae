//! Each rule, broken once: what the peer is told, and that nothing after it is read.

use crate::kit::{Server, s};
use transports::http::{Limits, Malformed, Violation};

/// Feeds what breaks a rule, with a good request behind it; gives back the rule. Whatever is told is told once, says
/// that the connection ends, and is a problem of RFC 9457.
#[track_caller]
fn broken(server: &mut Server, bytes: impl AsRef<[u8]>) -> Violation {
    let already = server.seen.len();
    server.feed(bytes).feed("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    let violation = server.violation();
    assert_eq!(server.seen.len(), already, "nothing of it reached the tenant");
    check_answer(server, violation);
    violation
}

#[track_caller]
fn check_answer(server: &Server, violation: Violation) {
    let Some(status) = violation.status() else {
        return assert_eq!(server.said(), "", "nothing is said");
    };
    let said = server.said();
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("\r\nContent-Type: application/problem+json\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{head}");
    let members =
        codec::json::members(body.as_bytes(), ["type", "title", "status", "detail", "code", "retryable"]);
    let [kind, title, number, detail, code, retryable] =
        members.expect("JSON").map(|member| member.expect("a member"));
    assert_eq!(kind.plain_str(), Some("about:blank"));
    assert!(
        title.plain_str().is_some_and(|title| head.lines().next().is_some_and(|line| line.ends_with(title)))
    );
    assert_eq!(number.as_u64(), Some(status.into()));
    assert!(detail.plain_str().is_some_and(|detail| detail.ends_with('.')), "{body}");
    assert_eq!(code.plain_str().map(|code| code.replace('-', "_")).as_deref(), Some(violation.name()));
    assert_eq!(retryable.as_bool(), Some(status == 408));
}

#[track_caller]
fn breaks(bytes: impl AsRef<[u8]>, violation: Violation, status: u16) {
    assert_eq!(broken(&mut Server::new(), bytes), violation);
    assert_eq!(violation.status(), Some(status));
}

#[test]
fn refuses_a_target_of_no_known_form() {
    for line in
        ["GET a", "GET *", "POST *", "GET ftp://x/", "CONNECT x:80", "OPTIONS **", "GET /#f", "GET /\u{e9}"]
    {
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n");
        breaks(request, Violation::Malformed(Malformed::Target), 400);
    }
}

#[test]
fn refuses_a_target_that_is_too_long() {
    let target_bytes_max = codec::limits::HTTP_TARGET_BYTES_MAX;
    let request = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(bytes - 1));
    let mut server = Server::new();
    server.feed(request(target_bytes_max));
    assert_eq!(server.statuses(), [200]);
    breaks(request(target_bytes_max + 1), Violation::TargetTooLong, 414);
    breaks(request(100_000), Violation::TargetTooLong, 414);
    breaks(&request(100_000)[..20_000], Violation::TargetTooLong, 414);
}

#[test]
fn refuses_a_head_that_is_too_long() {
    let head_bytes_max = Limits::default().head_bytes_max;
    let request = |bytes: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(bytes - frame))
    };
    let mut server = Server::new();
    server.feed(request(head_bytes_max));
    assert_eq!(server.statuses(), [200]);
    breaks(request(head_bytes_max + 1), Violation::HeadTooLarge, 431);
    breaks(request(1 << 20), Violation::HeadTooLarge, 431);
}

#[test]
fn refuses_a_head_that_is_too_long_before_it_ends() {
    let mut server = Server::new();
    server.feed("GET / HTTP/1.1\r\nHost: x\r\n");
    for _ in 0..2000 {
        server.feed("X: 12345\r\n");
    }
    assert_eq!(server.violation(), Violation::HeadTooLarge);
}

#[test]
fn refuses_a_body_that_is_too_large_before_it_comes() {
    for promise in ["1114113", "10737418240", "18446744073709551615"] {
        let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {promise}\r\n\r\n");
        breaks(request, Violation::BodyTooLarge, 413);
    }
    let expecting = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1114113\r\n\r\n";
    breaks(expecting, Violation::BodyTooLarge, 413);
}

#[test]
fn refuses_chunks_that_are_too_large_together_or_alone() {
    let mut server = Server::with(Limits { body_bytes_max: 10, ..Limits::default() });
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        broken(&mut server, format!("{head}6\r\nabcdef\r\n5\r\nghijk\r\n0\r\n\r\n")),
        Violation::BodyTooLarge
    );
    breaks(format!("{head}110001\r\n"), Violation::BodyTooLarge, 413);
    breaks(format!("{head}fffffffffff\r\n"), Violation::BodyTooLarge, 413);
}

#[test]
fn refuses_more_chunk_framing_than_anybody_needs() {
    let mut server = Server::new();
    server.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let overhead_bytes_max = codec::limits::HTTP_CHUNK_OVERHEAD_BYTES_MAX;
    assert_eq!(server.feed("1\r\nx\r\n".repeat(overhead_bytes_max / 5)).end, None);
    server.out.clear();
    let violation = broken(&mut server, "1\r\nx\r\n");
    assert_eq!((violation, violation.status()), (Violation::ChunkOverhead, Some(413)));
}

#[test]
fn refuses_an_expectation_nobody_can_meet() {
    let request = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n";
    breaks(request, Violation::Expectation, 417);
}

#[test]
fn refuses_a_head_that_does_not_come_in_time() {
    let mut server = Server::new();
    server.feed("GET / HTTP/1.1\r\n").wait(s(10));
    assert_eq!(server.violation(), Violation::HeadTimeout);
    check_answer(&server, Violation::HeadTimeout);
}

#[test]
fn refuses_a_body_that_does_not_come_in_time() {
    let mut server = Server::new();
    server
        .feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        .feed(vec![0; 600_000])
        .wait(s(30));
    assert_eq!(server.violation(), Violation::BodyTimeout);
    check_answer(&server, Violation::BodyTimeout);
}

#[test]
fn refuses_a_body_that_trickles() {
    let mut server = Server::new();
    server.feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n").feed([0; 999]).wait(s(10));
    assert_eq!(server.violation(), Violation::BodyTooSlow);
    check_answer(&server, Violation::BodyTooSlow);
}

#[test]
fn closes_on_silence_without_a_word() {
    let mut server = Server::new();
    server.wait(s(10));
    assert_eq!((server.violation(), server.said().as_str()), (Violation::Silence, ""));
}

#[test]
fn closes_on_a_reader_of_a_stream_that_talks_on() {
    let mut server = Server::new();
    server.feed("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    let said = server.said();
    server.feed(vec![b'x'; 16 * 1024]);
    assert_eq!(server.end, None);
    server.feed("x");
    assert_eq!((server.violation(), server.violation().status()), (Violation::StreamInput, None));
    assert_eq!(server.said(), said, "an answer in the middle of a stream would be part of it");
}

#[test]
fn refuses_a_method_that_nobody_has() {
    breaks(format!("{} / HTTP/1.1\r\nHost: x\r\n\r\n", "M".repeat(33)), Violation::MethodTooLong, 501);
    breaks("M".repeat(33), Violation::MethodTooLong, 501);
}

#[test]
fn refuses_a_version_that_is_not_spoken_here() {
    breaks("GET / HTTP/2.0\r\nHost: x\r\n\r\n", Violation::Version, 505);
    breaks("GET / HTTP/1.2\r\nHost: x\r\n\r\n", Violation::Version, 505);
    breaks("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Violation::Version, 505);
}

#[test]
fn refuses_more_fields_than_a_head_may_have() {
    let request =
        |fields: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(fields - 1));
    let mut server = Server::new();
    server.feed(request(100));
    assert_eq!(server.statuses(), [200]);
    breaks(request(101), Violation::TooManyHeaders, 431);
    breaks(request(20_000), Violation::HeadTooLarge, 431);
}

#[test]
fn refuses_what_cannot_become_a_request_at_its_first_byte() {
    for bytes in [&b"\x16\x03\x01\x02\x00\x01"[..], b"\x10", b"\0", b" ", b"GET(", b"{\"a\":1}"] {
        breaks(bytes, Violation::Malformed(Malformed::RequestLine), 400);
    }
}

#[test]
fn a_smaller_ceiling_of_heads_holds_before_and_at_their_end() {
    let limits = Limits { head_bytes_max: 100, ..Limits::default() };
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(100));
    for pieces in [1, head.len()] {
        let mut server = Server::with(limits.clone());
        server.feed_all(head.as_bytes().chunks(pieces));
        assert_eq!(server.violation(), Violation::HeadTooLarge);
    }
}
