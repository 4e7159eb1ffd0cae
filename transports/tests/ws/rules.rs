//! Every rule, broken: in messages and in a byte stream.

use crate::kit::*;
use codec::ws::{CloseCode, Malformed};
use transports::ws::{Limits, Violation};

/// Breaks a rule in both ways of use, at this byte and not before.
#[track_caller]
fn assert_broken(bytes: &[u8], violation: Violation, code: u16) {
    assert_eq!(u16::from(CloseCode::from(violation)), code);
    let (mut messages, mut stream) = (Messages::new(), Bytes::new());
    stream.stream.admit();
    let (last, before) = bytes.split_last().unwrap();
    assert_eq!(messages.receive(before).1, None, "{violation} is told too early");
    assert_eq!(messages.receive(&[*last]).1, Some(violation));
    assert_eq!(messages.receive(&frame(BINARY, b"more")), (vec![], None), "nothing more is taken");
    stream.hear(before);
    assert_eq!(stream.broken(), None, "{violation} is told too early");
    stream.hear(&[*last]);
    assert_eq!(stream.broken(), Some(violation));
    assert_eq!(stream.hear(&frame(BINARY, b"more")), b"", "nothing more is taken");
}

#[test]
fn f1_frames_that_are_not_masked() {
    assert_broken(b"\x82\x01", Violation::Unmasked, 1002);
    assert_broken(b"\x82\x7e\x01\x00", Violation::Unmasked, 1002);
    assert_broken(b"\x89\x00", Violation::Unmasked, 1002);
    let mut peer = Messages::new();
    assert_eq!(peer.receive(b"\x8a\x00").1, Some(Violation::Unmasked), "only MQTT clients are let pass");
    let mut peer = Messages::new();
    assert_eq!(peer.receive(b"\x88\x00").1, Some(Violation::Unmasked));
}

#[test]
fn f2_reserved_bits_and_opcodes() {
    for first in [0xc2, 0xa2, 0x92, 0xb2, 0xf2] {
        assert_broken(&[first], Violation::Malformed(Malformed::ReservedBits), 1002);
    }
    for first in [0x83, 0x87, 0x8b, 0x8f, 0x03] {
        assert_broken(&[first], Violation::Malformed(Malformed::ReservedOpcode), 1002);
    }
}

#[test]
fn f3_control_frames_too_long_or_in_fragments() {
    assert_broken(b"\x89\xfe", Violation::Malformed(Malformed::ControlTooLong), 1002);
    assert_broken(b"\x89\xff", Violation::Malformed(Malformed::ControlTooLong), 1002);
    assert_broken(b"\x09", Violation::Malformed(Malformed::ControlFragmented), 1002);
}

#[test]
fn f4_continuations_out_of_place() {
    assert_broken(b"\x80\x80\0\0\0\0", Violation::ContinuationOfNothing, 1002);
    let mut bytes = part(false, BINARY, b"begun");
    bytes.extend_from_slice(b"\x82\x81\0\0\0\0");
    assert_broken(&bytes, Violation::MessageInMessage, 1002);
    let mut bytes = part(false, BINARY, b"begun");
    bytes.extend(part(true, CONTINUE, b"and ended"));
    bytes.extend_from_slice(b"\x80\x80\0\0\0\0");
    assert_broken(&bytes, Violation::ContinuationOfNothing, 1002);
}

#[test]
fn f5_huge_lengths_at_the_header() {
    assert_broken(b"\x82\xff\x80", Violation::Malformed(Malformed::LengthTopBit), 1002);
    assert_broken(b"\x82\xff\x40\0\0\0\0\0\0\0\0\0\0\0", Violation::MessageTooBig, 1009);
    assert_broken(b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0", Violation::MessageTooBig, 1009);
    assert_broken(b"\x82\xff\0\0\0\0\0\x11\0\x01\0\0\0\0", Violation::MessageTooBig, 1009);
    let not_minimal = Violation::Malformed(Malformed::LengthNotMinimal);
    assert_broken(b"\x82\xfe\0\x7d", not_minimal, 1002);
}

#[test]
fn a_message_is_too_big_where_its_fragments_together_are() {
    let mut peer = Messages::with(Limits { message_bytes_max: 10, ..Limits::default() });
    assert_eq!(peer.hear(&part(false, BINARY, &[0; 6])), []);
    assert_eq!(peer.receive(b"\x80\x85\0\0\0\0").1, Some(Violation::MessageTooBig));
}

#[test]
fn f6_too_many_fragments() {
    let mut peer = Messages::new();
    peer.hear(&part(false, BINARY, b"1"));
    for _ in 1..1024 {
        assert_eq!(peer.hear(&part(false, CONTINUE, b"")), []);
    }
    assert_eq!(peer.receive(&part(false, CONTINUE, b"")).1, Some(Violation::TooManyFragments));
    peer.out.clear();
    Violation::TooManyFragments.answer(&mut peer.out);
    assert_eq!(peer.out, b"\x88\x02\x03\xf0"); // 1008
}

#[test]
fn too_many_control_frames_in_a_second() {
    let (mut messages, mut stream) = (Messages::new(), Bytes::new());
    for second in 0..2 {
        for _ in 0..50 {
            assert_eq!(messages.hear(&frame(PING, b"")), []);
            stream.hear(&frame(PONG, b""));
            assert_eq!(stream.broken(), None, "in second {second}");
        }
        if second == 0 {
            messages.now += SECOND;
            stream.now += SECOND;
        }
    }
    assert_eq!(messages.receive(&frame(PONG, b"")).1, Some(Violation::TooManyControls));
    stream.hear(&frame(PING, b""));
    assert_eq!(stream.broken(), Some(Violation::TooManyControls));
    assert_eq!(u16::from(CloseCode::from(Violation::TooManyControls)), 1008);
}

#[test]
fn f9_close_frames_that_say_nothing_sensible() {
    for (body, malformed, code) in [
        (&b"\x03"[..], Malformed::CloseBody, 1002),
        (b"\x03\xed", Malformed::CloseCode, 1002), // 1005
        (b"\0\0", Malformed::CloseCode, 1002),
        (b"\x03\xe8\xff", Malformed::CloseReason, 1007),
    ] {
        assert_broken(&frame(CLOSE, body), Violation::Malformed(malformed), code);
    }
}

#[test]
fn f10_text_where_packets_are_expected() {
    let mut peer = Bytes::new();
    peer.hear(b"\x81\x81\0\0\0\0");
    assert_eq!(peer.broken(), Some(Violation::TextFrame)); // [MQTT-6.0.0-1]
    assert_eq!(u16::from(CloseCode::from(Violation::TextFrame)), 1003);
}

#[test]
fn ill_formed_text_at_the_first_byte_that_nothing_can_mend() {
    let ill_formed = Some(Violation::Malformed(Malformed::IllFormedText));
    // Autobahn 6.4.1 to 6.4.4: over fragments, and within a frame that is not whole.
    let mut peer = Messages::new();
    assert_eq!(peer.hear(&part(false, TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5")), []);
    assert_eq!(peer.receive(&part(false, CONTINUE, b"\xf4\x90\x80\x80")).1, ill_formed);
    let bytes = frame(TEXT, b"\xce\xba\xf4\x90\x80\x80tail");
    let mut peer = Messages::new();
    assert_eq!(peer.hear(&bytes[..9]), []);
    assert_eq!(peer.receive(&bytes[9..10]).1, ill_formed, "90 cannot follow f4");
    // A message that ends in the middle of a character.
    let mut peer = Messages::new();
    assert_eq!(peer.receive(&frame(TEXT, b"\xe2\x82")).1, ill_formed);
    let mut peer = Messages::new();
    peer.hear(&part(false, TEXT, b"\xe2\x82"));
    assert_eq!(peer.receive(&part(true, CONTINUE, b"")).1, ill_formed);
    // Binary is not looked at.
    assert_eq!(Messages::new().hear(&frame(BINARY, b"\xff")), [Told::Binary(vec![0xff])]);
}
