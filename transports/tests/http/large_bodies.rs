//! Bodies that are too large to keep for a stranger, and the peers that wait to be told to send them.

use crate::kit::{End, Server, Wish, s};
use transports::http::{Limits, Violation};
use transports::input::Input;

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn post(body_bytes: usize, field: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: x\r\nAuthorization: k\r\n{field}Content-Length: {body_bytes}\r\n\r\n")
}

#[test]
fn the_head_of_a_large_body_is_shown_before_the_body_is_kept() {
    let mut server = Server::new();
    server.feed(post(100_000, ""));
    assert_eq!((server.seen.len(), server.promised.len()), (0, 1));
    let head = &server.promised[0];
    assert_eq!((&*head.path, &head.headers[1].1[..], head.body.len()), ("/a", "k", 0));
    for _ in 0..10 {
        server.feed(vec![b'x'; 10_000]);
    }
    assert_eq!((server.seen.len(), server.promised.len()), (1, 1), "it is shown once");
    assert_eq!(server.seen[0].body, vec![b'x'; 100_000]);
    assert_eq!(server.statuses(), [200]);
}

#[test]
fn a_refused_body_is_not_read() {
    let mut server = Server::new();
    server.wish = Wish::Refuse(401);
    server.feed(post(100_000, "Expect: 100-continue\r\n"));
    assert_eq!((server.statuses(), server.end), (vec![401], Some(End::Answered)));
    assert!(server.said().contains("Connection: close\r\n"));
    let kept = server.carry.len();
    server.end = None;
    server.feed("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(server.seen.is_empty() && server.carry.len() > kept);
}

#[test]
fn chunks_are_shown_when_they_become_too_large_to_keep() {
    let mut server = Server::new();
    server.feed("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in 1..=10 {
        server.feed(format!("7d0\r\n{}\r\n", "x".repeat(2000)));
        assert_eq!(server.promised.len(), usize::from(chunk > 8), "{chunk}");
    }
    server.feed("0\r\n\r\n");
    assert_eq!(server.seen[0].body.len(), 20_000);
}

#[test]
fn nobody_is_asked_for_a_body_that_is_here_already() {
    let mut server = Server::new();
    server.feed([post(100_000, "").as_bytes(), &[b'x'; 100_000]].concat());
    assert_eq!((server.seen.len(), server.promised.len()), (1, 0));
}

#[test]
fn a_peer_that_waits_is_told_once_to_go_on() {
    for (body_bytes, asked) in [(10, 0), (100_000, 1)] {
        let mut server = Server::new();
        server.feed(post(body_bytes, "Expect: 100-Continue\r\n")).feed("");
        assert_eq!((server.said().as_str(), server.promised.len()), (CONTINUE, asked));
        server.feed("x").feed(vec![b'x'; body_bytes - 1]);
        assert_eq!(server.statuses(), [100, 200]);
    }
}

#[test]
fn a_peer_that_does_not_wait_is_not_told() {
    let expecting = post(10, "Expect: 100-continue\r\n");
    let cases = [
        format!("{expecting}x"),
        format!("{expecting}xxxxxxxxxx"),
        post(0, "Expect: 100-continue\r\n"),
        post(10, "Expect: 100-continue\r\n").replace("HTTP/1.1", "HTTP/1.0"),
    ];
    for request in cases {
        let mut server = Server::new();
        server.feed(&request);
        assert!(!server.said().contains("100 Continue"), "{request}");
    }
}

#[test]
fn the_time_of_a_body_begins_when_it_is_wanted() {
    let mut server = Server::new();
    server.wish = Wish::Ponder;
    server.feed(post(100_000, "")).wait(s(100));
    assert_eq!((server.end, server.session.next_timeout()), (None, None), "it is the tenant's turn");
    server.session.admit(&mut server.out, server.now);
    assert_eq!(server.session.next_timeout(), Some(server.now + s(10)));
    server.wait(s(10));
    assert_eq!(server.violation(), Violation::BodyTooSlow);
}

#[test]
fn nothing_is_read_before_the_verdict() {
    let mut server = Server::with(Limits { unadmitted_bytes_max: 10, ..Limits::default() });
    server.wish = Wish::Ponder;
    server.feed(post(20, "")).feed([b'x'; 20]);
    assert_eq!((server.promised.len(), server.seen.len()), (1, 0));
    server.session.admit(&mut server.out, server.now);
    server.feed("");
    assert_eq!((server.promised.len(), server.seen.len()), (1, 1));
}

#[test]
fn there_is_no_head_to_look_at_but_the_one_that_waits() {
    let mut server = Server::new();
    server.feed("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(server.session.head(&Input::new(&mut server.carry.clone())), None);
    server.feed("x");
    assert_eq!(server.session.head(&Input::new(&mut [])), None);
}
