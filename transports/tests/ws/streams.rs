//! Frames as a byte stream.

use crate::kit::*;
use codec::ws::CloseCode;
use proptest::prelude::*;
use transports::ws::{End, Limits, Violation};

/// A packet of 31 bytes as the MicroPython client sends it (contract 3.2): five frames.
fn micropython_subscribe() -> (Vec<u8>, Vec<u8>) {
    let pieces: [&[u8]; 5] = [b"\x82\x24", b"\0\x01", b"\0\x1f", b"lua/devices/agent/lamp/command/", b"\x01"];
    (pieces.concat(), pieces.iter().flat_map(|piece| frame(BINARY, piece)).collect())
}

#[test]
fn hands_on_payload_before_its_frame_is_whole() {
    let mut peer = Bytes::new();
    let bytes = frame(BINARY, b"Hello");
    assert_eq!(peer.hear(&bytes[..8]), b"He");
    assert_eq!(peer.carry, b"", "what was taken is not kept");
    assert_eq!(peer.hear(&bytes[8..]), b"llo");
}

#[test]
fn joins_a_packet_that_comes_in_five_frames() {
    let (packet, bytes) = micropython_subscribe();
    let all_or_nothing = |plain: &[u8]| if plain.len() >= packet.len() { packet.len() } else { 0 };
    for cut in 0..bytes.len() {
        let mut peer = Bytes::new();
        let mut got = peer.receive(&bytes[..cut], all_or_nothing);
        got.extend(peer.receive(&bytes[cut..], all_or_nothing));
        assert_eq!((&got, peer.carry.len()), (&packet, 0), "cut at {cut}");
    }
    let mut peer = Bytes::new();
    let got: Vec<u8> = bytes.iter().flat_map(|byte| peer.receive(&[*byte], all_or_nothing)).collect();
    assert_eq!(got, packet, "byte by byte");
}

#[test]
fn forgets_frames_however_many_there_are() {
    // HOSTILE F6: one message of 100,000 fragments, one byte each.
    let mut peer = Bytes::new();
    assert_eq!(peer.hear(&part(false, BINARY, b"a")), b"a");
    for _ in 0..100_000 {
        assert_eq!(peer.hear(&part(false, CONTINUE, b"b")), b"b");
    }
    assert_eq!((peer.held_max, peer.stream.end()), (0, None));
}

#[test]
fn a_packet_in_tiny_frames_is_held_with_little_around_it() {
    let mut peer = Bytes::new();
    peer.stream.admit();
    for _ in 0..100_000 {
        peer.receive(&frame(BINARY, b"x"), |_| 0);
    }
    assert!(peer.held_max < 100_000 * 5 / 4 + 2048, "{}", peer.held_max);
    assert_eq!(peer.hear(&[]), vec![b'x'; 100_000]);
    assert_eq!(peer.carry, b"");
}

#[test]
fn tells_the_end_behind_the_bytes_before_it() {
    let mut peer = Bytes::new();
    let mut bytes = frame(BINARY, b"last words");
    bytes.extend(goodbye(1000));
    bytes.extend(frame(BINARY, b"unheard"));
    assert_eq!(peer.hear(&bytes), b"last words");
    assert!(!peer.carry.is_empty(), "a tenant that was not ready is offered the end again");
    assert_eq!(peer.hear(&[]), b"");
    assert_eq!(peer.stream.end(), Some(End::Closed(Some(CloseCode::Normal))));
    peer.stream.close(CloseCode::Away, &mut peer.out);
    assert_eq!(peer.out, b"\x88\x02\x03\xe8");

    let mut peer = Bytes::new();
    let mut bytes = frame(BINARY, b"last words");
    bytes.extend(frame(TEXT, b"?"));
    assert_eq!(peer.hear(&bytes), b"last words");
    assert_eq!(peer.stream.end(), Some(End::Broken(Violation::TextFrame)));
    peer.stream.close(CloseCode::Away, &mut peer.out);
    assert_eq!(peer.out, b"\x88\x02\x03\xeb");

    let mut peer = Bytes::new();
    peer.stream.close(CloseCode::Away, &mut peer.out);
    assert_eq!(peer.out, b"\x88\x02\x03\xe9");
}

#[test]
fn lets_pass_what_mqtt_clients_forget_to_mask() {
    // HOSTILE F1: paho answers with an unmasked pong, and says goodbye with an unmasked close.
    let mut peer = Bytes::new();
    assert_eq!(peer.hear(b"\x8a\x02hi"), b"");
    assert_eq!(peer.hear(&frame(BINARY, b"on")), b"on");
    assert_eq!(peer.hear(b"\x88\x02\x03\xe8"), b"");
    assert_eq!(peer.stream.end(), Some(End::Closed(Some(CloseCode::Normal))));
    for bytes in [&b"\x89\x02hi"[..], b"\x82\x02hi", b"\x80\x02hi"] {
        let mut peer = Bytes::new();
        peer.hear(&part(false, BINARY, b""));
        peer.hear(bytes);
        assert_eq!(peer.broken(), Some(Violation::Unmasked));
    }
}

#[test]
fn a_stranger_may_promise_less() {
    let limits = Limits { unadmitted_bytes_max: 10, message_bytes_max: 20, ..Limits::default() };
    let mut peer = Bytes::with(limits);
    assert_eq!(peer.hear(&frame(BINARY, &[0; 10])).len(), 10);
    peer.stream.admit();
    assert_eq!(peer.hear(&frame(BINARY, &[0; 20])).len(), 20);
    peer.hear(&frame(BINARY, &[0; 21])[..6]);
    assert_eq!(peer.broken(), Some(Violation::MessageTooBig));
}

#[test]
fn puts_each_packet_into_a_frame_of_its_own() {
    let mut out = b"before".to_vec();
    out.extend_from_slice(b"\x40\x02\0\x01\x40\x02\0\x02");
    out.extend_from_slice(b"\x30\x83\x01\0\x01t");
    out.extend_from_slice(&[b'p'; 128]);
    out.extend_from_slice(b"\xd0\0");
    let mut peer = Bytes::new();
    peer.stream.frame_packets(&mut out, 6);
    let mut large = b"\x30\x83\x01\0\x01t".to_vec();
    large.extend_from_slice(&[b'p'; 128]);
    let packets: Vec<_> =
        frames(&out[6..]).into_iter().map(|(opcode, payload)| (opcode == BINARY, payload)).collect();
    assert_eq!(
        packets,
        [
            (true, b"\x40\x02\0\x01".to_vec()),
            (true, b"\x40\x02\0\x02".to_vec()),
            (true, large),
            (true, b"\xd0\0".to_vec())
        ]
    );
    let before = out.clone();
    let end = out.len();
    peer.stream.frame_packets(&mut out, end);
    assert_eq!(out, before, "nothing was said, no frame");
    peer.stream.close(CloseCode::Normal, &mut out);
    peer.stream.close(CloseCode::Away, &mut out);
    out.extend_from_slice(b"\xd0\0");
    peer.stream.frame_packets(&mut out, end + 4);
    assert_eq!(out[end..], *b"\x88\x02\x03\xe8", "one goodbye, and nothing behind it");
}

proptest! {
    /// However bytes are put into frames, frames cut into reads, and packets taken: the same bytes come out, in order.
    #[test]
    fn is_a_byte_stream(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>(), any::<bool>()), 1..40),
        reads in prop::collection::vec(1..200_usize, 1..40),
        wants in prop::collection::vec(0..400_usize, 1..20),
    ) {
        let (mut bytes, mut plain, mut pings, mut begun) = (Vec::new(), Vec::new(), 0, false);
        for (payload, fin, ping) in &pieces {
            bytes.extend(part(*fin, if begun { CONTINUE } else { BINARY }, payload));
            begun = !fin;
            plain.extend_from_slice(payload);
            if *ping {
                pings += 1;
                bytes.extend(frame(PING, &payload[..payload.len().min(125)]));
            }
        }
        let mut peer = Bytes::with(Limits { controls_per_s_max: 100, ..Limits::default() });
        let (mut got, mut rest, mut turn) = (Vec::new(), &bytes[..], 0);
        while !rest.is_empty() {
            let (read, behind) = rest.split_at(reads[turn % reads.len()].min(rest.len()));
            rest = behind;
            got.extend(peer.receive(read, |plain| plain.len().min(wants[turn % wants.len()])));
            turn += 1;
        }
        got.extend(peer.hear(&[]));
        prop_assert_eq!(got, plain);
        prop_assert_eq!(peer.carry.len(), 0);
        prop_assert_eq!(frames(&peer.out).len(), pings);
    }
}
