//! What an HTTP session costs the allocator: nothing, once its output has grown.
//!
//! A program of its own, because of the allocator that counts.

mod counting;

use counting::allocations;
use std::sync::Arc;
use std::time::Instant;
use transports::http::{After, Event, Limits, Response, Session};
use transports::input::Input;
use transports::sse;

#[expect(clippy::disallowed_methods, reason = "std offers no other way to any Instant")]
fn session() -> (Session, Instant) {
    let now = Instant::now();
    (Session::new(Arc::new(Limits::default()), now), now)
}

/// A thousand times: these bytes come in these pieces, the request is answered, the output is flushed.
fn serve(request: &[u8], pieces: usize, body_bytes: usize) -> usize {
    let (mut session, now) = session();
    let mut out = Vec::with_capacity(1024);
    let mut received = request.to_vec();
    allocations(|| {
        for _ in 0..1000 {
            received.copy_from_slice(request);
            let mut here = 0;
            while here < request.len() {
                here = (here + pieces).min(request.len());
                let mut input = Input::new(&mut received[..here]);
                match session.next(&mut input, &mut out, now) {
                    Ok(Some(Event::Request(request))) => assert_eq!(request.body.len(), body_bytes),
                    Ok(None) => continue,
                    other => panic!("{other:?}"),
                }
                let response = Response {
                    status: 200,
                    content_type: "application/json",
                    headers: &[("Cache-Control", "no-store")],
                    body: &[&[b'x'; 100], &[b'y'; 100]],
                };
                assert_eq!(session.respond(response, &mut out, now), After::KeepAlive);
            }
            assert!(session.is_idle());
            out.clear();
        }
    })
}

const FIELDS: &str = "Host: localhost:8080\r\nAuthorization: Bearer 0123456789abcdef\r\nUser-Agent: agent/1.0\r\n\
     Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n";

#[test]
fn a_request_of_200_bytes_and_its_answer_allocate_nothing() {
    let body = "x".repeat(200);
    let post =
        format!("POST /v1/agents/a/devices/d/commands HTTP/1.1\r\n{FIELDS}Content-Length: 200\r\n\r\n{body}");
    assert_eq!(serve(post.as_bytes(), post.len(), 200), 0);
    assert_eq!(serve(post.as_bytes(), 50, 200), 0, "in pieces");
}

#[test]
fn chunks_allocate_nothing() {
    let body = format!("64\r\n{0}\r\n64\r\n{0}\r\n0\r\n\r\n", "x".repeat(100));
    let post = format!("POST / HTTP/1.1\r\n{FIELDS}Transfer-Encoding: chunked\r\n\r\n{body}");
    assert_eq!(serve(post.as_bytes(), post.len(), 200), 0);
    assert_eq!(serve(post.as_bytes(), 50, 200), 0, "in pieces");
}

#[test]
fn an_event_of_a_stream_allocates_nothing() {
    let mut out = Vec::with_capacity(1024);
    let count = allocations(|| {
        for _ in 0..1000 {
            sse::event(&mut out, "17", "trigger", &[b"{\"triggerId\":\"", b"1\r\n", b"\"}"]);
            sse::comment(&mut out, "alive");
            out.clear();
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_new_session_allocates_nothing_and_is_small() {
    let limits = Arc::new(Limits::default());
    let (_, now) = session();
    assert_eq!(allocations(|| drop(Session::new(Arc::clone(&limits), now))), 0);
    assert!(size_of::<Session>() <= 128, "{} bytes", size_of::<Session>());
}
