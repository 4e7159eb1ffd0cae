//! Conversations in messages.

use crate::kit::*;
use codec::ws::CloseCode;
use transports::ws::{Limits, Violation};

#[test]
fn hears_the_examples_of_the_rfc() {
    let mut peer = Messages::new();
    // 5.7: "A single-frame masked text message"
    let told = peer.hear(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    assert_eq!(told, [text("Hello")]);
    // 5.7: "Unmasked Ping request and masked Ping response", the other way round
    assert_eq!(peer.hear(&frame(PING, b"Hello")), []);
    assert_eq!(peer.out, b"\x8a\x05Hello");
}

#[test]
fn speaks_in_whole_unmasked_frames() {
    let mut peer = Messages::new();
    assert!(peer.session.send_text(&[b"4", b"{}"], &mut peer.out));
    assert!(peer.session.send_binary(&[&[1, 2]], &mut peer.out));
    assert!(peer.session.ping(b"?", &mut peer.out));
    assert!(!peer.session.ping(&[0; 126], &mut peer.out));
    assert_eq!(frames(&peer.out), [(TEXT, b"4{}".to_vec()), (BINARY, vec![1, 2]), (PING, b"?".to_vec())]);
}

#[test]
fn joins_fragments_and_answers_pings_between_them() {
    let mut peer = Messages::new();
    let mut bytes = part(false, TEXT, b"Hel");
    bytes.extend(frame(PING, b"1"));
    bytes.extend(part(false, CONTINUE, b""));
    bytes.extend(frame(PING, b"2"));
    bytes.extend(part(true, CONTINUE, b"lo"));
    bytes.extend(frame(BINARY, b"next"));
    assert_eq!(peer.hear(&bytes), [text("Hello"), Told::Binary(b"next".to_vec())]);
    assert_eq!(frames(&peer.out), [(PONG, b"1".to_vec()), (PONG, b"2".to_vec())]);
}

#[test]
fn says_the_same_wherever_the_bytes_are_cut() {
    let mut bytes = frame(TEXT, "h\u{e9}llo \u{1f600}".as_bytes());
    bytes.extend(part(false, TEXT, &"\u{20ac}".as_bytes()[..1]));
    bytes.extend(frame(PING, b"between"));
    bytes.extend(part(false, CONTINUE, &"\u{20ac}".as_bytes()[1..2]));
    bytes.extend(part(true, CONTINUE, &"\u{20ac}!".as_bytes()[2..]));
    bytes.extend(frame(BINARY, &[7; 300]));
    bytes.extend(frame(TEXT, b""));
    bytes.extend(goodbye(1000));
    let whole = {
        let mut peer = Messages::new();
        (peer.hear(&bytes), peer.out)
    };
    assert_eq!(whole.0.len(), 5);
    for cut in 0..bytes.len() {
        let mut peer = Messages::new();
        let mut told = peer.hear(&bytes[..cut]);
        told.extend(peer.hear(&bytes[cut..]));
        assert_eq!((told, peer.out), whole, "cut at {cut}");
    }
    let mut peer = Messages::new();
    let told: Vec<Told> = bytes.iter().flat_map(|byte| peer.hear(&[*byte])).collect();
    assert_eq!((told, peer.out), whole, "byte by byte");
}

#[test]
fn a_large_message_is_held_once_and_never_moved() {
    let payload = vec![b'x'; 1024 * 1024];
    let bytes = frame(TEXT, &payload);
    let mut peer = Messages::new();
    let mut told = Vec::new();
    for piece in bytes.chunks(16 * 1024) {
        told.extend(peer.hear(piece));
    }
    assert_eq!(told, [Told::Text(String::from_utf8(payload).unwrap())]);
    assert!(peer.held_max < bytes.len());
}

#[test]
fn many_small_fragments_hold_little_more_than_their_payload() {
    let mut peer = Messages::new();
    let mut told = peer.hear(&part(false, BINARY, b"0"));
    for number in 1..1024 {
        told.extend(peer.hear(&part(number == 1023, CONTINUE, b"1")));
    }
    assert_eq!(told.len(), 1);
    assert!(peer.held_max < 1024 + 1024 / 4 + 1024 + 64, "{}", peer.held_max);
}

#[test]
fn answers_a_goodbye_with_its_code_alone() {
    for (body, code, answer) in [
        (&b"\x03\xe8so long"[..], Some(CloseCode::Normal), &b"\x88\x02\x03\xe8"[..]),
        (b"\x0f\xa0", Some(CloseCode::Library(4000)), b"\x88\x02\x0f\xa0"),
        (b"", None, b"\x88\x00"),
    ] {
        let mut peer = Messages::new();
        let mut bytes = frame(CLOSE, body);
        bytes.extend(frame(TEXT, b"too late"));
        let (told, broken) = peer.receive(&bytes);
        assert_eq!(told.len(), 1, "nothing behind a goodbye is taken");
        assert!(matches!(told[0], Told::Closed(told) if told.map(u16::from) == code.map(u16::from)));
        assert_eq!((broken, &peer.out[..]), (None, answer));
        assert!(!peer.session.send_text(&[b"me too"], &mut peer.out));
    }
}

#[test]
fn says_goodbye_and_waits_a_while_for_the_answer() {
    let mut peer = Messages::new();
    peer.session.close(CloseCode::Away, "stopping", &mut peer.out, peer.now);
    peer.session.close(CloseCode::Normal, "again", &mut peer.out, peer.now);
    assert_eq!(frames(&peer.out), [(CLOSE, b"\x03\xe9stopping".to_vec())]);
    let mut late = frame(TEXT, b"unheard");
    late.extend(frame(PING, b"unanswered"));
    assert_eq!(peer.hear(&late), []);
    assert!(!peer.session.send_text(&[b"unsaid"], &mut peer.out));
    assert_eq!(peer.session.next_timeout(), Some(peer.now + SECOND));
    assert_eq!(peer.session.handle_timeout(peer.now), Ok(()));
    assert_eq!(peer.hear(&goodbye(1001)), [Told::Closed(Some(CloseCode::Away))]);
    assert_eq!(frames(&peer.out).len(), 1, "one goodbye is enough");
    assert_eq!(peer.session.next_timeout(), None);
}

#[test]
fn waits_no_longer_than_its_limit_for_a_goodbye() {
    let mut peer = Messages::new();
    assert_eq!(peer.session.next_timeout(), None);
    peer.session.close(CloseCode::Normal, "", &mut peer.out, peer.now);
    assert_eq!(peer.session.handle_timeout(peer.now + SECOND), Err(Violation::CloseTimeout));
    assert_eq!(peer.hear(&goodbye(1000)), [], "it is over");
}

#[test]
fn a_stranger_may_say_less() {
    let limits = Limits { unadmitted_bytes_max: 10, message_bytes_max: 20, ..Limits::default() };
    let mut peer = Messages::with(limits);
    assert_eq!(peer.hear(&frame(BINARY, &[0; 20])).len(), 1);
    let limits = std::sync::Arc::new(Limits { unadmitted_bytes_max: 10, ..Limits::default() });
    let stranger = transports::ws::Session::new(limits);
    let mut peer = Messages { session: stranger, ..Messages::new() };
    assert_eq!(peer.hear(&frame(BINARY, &[0; 10])).len(), 1);
    assert_eq!(peer.receive(&frame(BINARY, &[0; 11])).1, Some(Violation::MessageTooBig));
}

#[test]
fn an_event_shows_how_much_was_said_and_not_what() {
    let shown = format!("{:?}", transports::ws::Event::Text("secret"));
    assert_eq!(shown, "Text(6 bytes)");
}
