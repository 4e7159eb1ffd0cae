//! Peers that are slow on purpose, against moments made by hand.

use crate::kit::{Server, s};
use std::time::Duration;
use transports::http::{Limits, Violation};

const MS: Duration = Duration::from_millis(1);
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_new_connection_has_ten_seconds_for_its_first_byte_and_ten_for_the_rest() {
    let mut server = Server::new();
    server.wait(s(10) - MS).feed("G").wait(s(10) - MS).feed(&GET[1..]);
    assert_eq!(server.statuses(), [200]);
}

#[test]
fn one_byte_a_second_does_not_buy_time() {
    let mut server = Server::new();
    for byte in GET.as_bytes().chunks(1).take(10) {
        server.feed(byte).wait(s(1));
    }
    assert_eq!((server.violation(), server.statuses()), (Violation::HeadTimeout, vec![408]));
}

#[test]
fn empty_lines_do_not_buy_time() {
    let mut server = Server::new();
    for _ in 0..10 {
        server.feed("\r\n").wait(s(1));
    }
    assert_eq!((server.violation(), server.said().as_str()), (Violation::Silence, ""));
}

#[test]
fn a_kept_connection_may_be_idle_for_a_while() {
    let mut server = Server::new();
    server.feed(GET).wait(s(75) - MS).feed(GET);
    assert_eq!(server.statuses(), [200, 200]);
    server.wait(s(75) - MS);
    assert_eq!(server.end, None);
    server.wait(MS);
    assert_eq!((server.violation(), server.statuses().len()), (Violation::Silence, 2));
}

#[test]
fn the_idle_time_begins_with_the_answer() {
    let mut server = Server::new();
    server.feed("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n").wait(s(1000));
    assert_eq!((server.end, server.session.next_timeout()), (None, None), "the tenant may take its time");
    server.answer(200, &[]);
    assert_eq!(server.session.next_timeout(), Some(server.now + s(75)));
}

#[test]
fn a_small_body_has_ten_seconds() {
    let mut server = Server::new();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n";
    server.wait(s(5)).feed(head).wait(s(10) - MS).feed([b'x'; 20]);
    assert_eq!(server.statuses(), [200]);
    server.feed(head).feed([b'x'; 10]).wait(s(10));
    assert_eq!((server.violation(), server.statuses()), (Violation::BodyTooSlow, vec![200, 408]));
}

#[test]
fn a_body_above_the_least_rate_is_served_and_a_slower_one_is_not() {
    for (bytes_per_s, served) in [(17 * 1024, true), (15 * 1024, false)] {
        let mut server = Server::new();
        let body_bytes = bytes_per_s * 20;
        server.feed(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {body_bytes}\r\n\r\n"));
        for _ in 0..20 {
            server.feed(vec![b'x'; bytes_per_s]).wait(s(1));
        }
        assert_eq!(server.seen.len(), usize::from(served));
        assert_eq!(server.end.is_none(), served, "{:?}", server.end);
    }
}

#[test]
fn no_body_takes_longer_than_thirty_seconds() {
    let mut server = Server::new();
    server.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..30 {
        server.feed(format!("8000\r\n{}\r\n", "x".repeat(0x8000))).wait(s(1));
    }
    assert_eq!(server.violation(), Violation::BodyTimeout);
}

#[test]
fn a_deadline_that_has_not_come_changes_nothing() {
    let mut server = Server::new();
    server.feed("GET / HTTP/1.1\r\n").wait(MS).wait(s(5)).feed("Host: x\r\n\r\n");
    assert_eq!(server.statuses(), [200]);
}

#[test]
fn a_closed_session_has_no_deadline_and_reads_nothing() {
    let mut server = Server::new();
    server.wait(s(10));
    assert_eq!(server.session.next_timeout(), None);
    assert_eq!(server.session.handle_timeout(server.now + s(100)), Ok(()));
    server.end = None;
    server.feed(GET);
    assert_eq!((server.seen.len(), server.carry.len()), (0, GET.len()));
}

#[test]
fn every_time_is_a_limit() {
    let mut server = Server::with(Limits { head_timeout: s(1), idle_timeout: s(2), ..Limits::default() });
    server.wait(s(1) - MS).feed(GET).wait(s(2) - MS);
    assert_eq!(server.end, None);
    server.wait(MS);
    assert_eq!(server.violation(), Violation::Silence);
}
