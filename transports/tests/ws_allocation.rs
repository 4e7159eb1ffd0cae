//! What WebSocket costs the allocator: nothing, once a conversation is running, in both ways of use.
//!
//! A program of its own, because of the allocator that counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod counting;

use codec::mqtt::{PublishHead, QoS, encode_publish};
use codec::ws::{Control, Data, OpCode, encode_masked};
use counting::allocations;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::input::Input;
use transports::ws::{Event, Limits, Session, Stream};

/// Between two rounds, so that no peer pings more often than it may.
const PAUSE: Duration = Duration::from_millis(100);

const TEXT: OpCode = OpCode::Data(Data::Text);
const BINARY: OpCode = OpCode::Data(Data::Binary);
const CONTINUE: OpCode = OpCode::Data(Data::Continue);
const PING: OpCode = OpCode::Control(Control::Ping);
/// What a connection allocates for the first control frame it ever brings.
const COUNT_OF_CONTROLS: usize = 1;

/// Masked frames one behind the other, as a client sends them.
fn frames(parts: &[(bool, OpCode, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(fin, opcode, payload) in parts {
        encode_masked(&mut bytes, fin, opcode, [0x37, 0xfa, 0x21, 0x3d], payload);
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "std offers no other way to any Instant")]
fn any_moment() -> Instant {
    Instant::now()
}

/// A packet as a device sends it.
fn packet() -> Vec<u8> {
    let head = PublishHead { qos: QoS::AtMostOnce, dup: false, retain: false, id: None };
    let mut bytes = Vec::new();
    encode_publish(&mut bytes, head, &["lua/devices/agent/lamp/heartbeat"], &[b"{}"]).unwrap();
    bytes
}

#[test]
fn frames_as_a_byte_stream_allocate_nothing() {
    let packet = packet();
    let cut = packet.len() / 2;
    let (head, tail) = packet.split_at(cut);
    let whole = frames(&[(true, BINARY, &packet)]);
    let over_two_frames = frames(&[(true, BINARY, head), (true, PING, b"?"), (true, BINARY, tail)]);
    let fragmented = frames(&[(false, BINARY, head), (true, CONTINUE, tail)]);
    for (sent, first) in [(whole, 0), (over_two_frames, COUNT_OF_CONTROLS), (fragmented, 0)] {
        let mut now = any_moment();
        let mut stream = Stream::new(Arc::new(Limits::default()));
        stream.admit();
        let (mut received, mut out) = (sent.clone(), Vec::with_capacity(1024));
        let mut hear = || {
            received.copy_from_slice(&sent);
            now += PAUSE;
            let mut plain = stream.next(&mut received, &mut out, now);
            assert_eq!(plain.peek(), packet);
            plain.take(packet.len());
            let taken = plain.taken();
            assert_eq!(stream.consumed(taken), sent.len());
            out.clear();
        };
        assert_eq!(allocations(&mut hear), first);
        assert_eq!(allocations(|| (0..1000).for_each(|_| hear())), 0);
    }
}

#[test]
fn a_packet_that_comes_in_two_reads_allocates_nothing() {
    let packet = packet();
    let sent = frames(&[(true, BINARY, &packet)]);
    let now = any_moment();
    let mut stream = Stream::new(Arc::new(Limits::default()));
    stream.admit();
    let (mut received, mut out) = (sent.clone(), Vec::with_capacity(1024));
    let count = allocations(|| {
        for _ in 0..1000 {
            received.copy_from_slice(&sent);
            let mut here = 0;
            for until in [sent.len() - 3, sent.len()] {
                let mut plain = stream.next(&mut received[here..until], &mut out, now);
                // The session takes a packet when it is whole.
                let takes = if plain.peek().len() == packet.len() { packet.len() } else { 0 };
                plain.take(takes);
                let taken = plain.taken();
                here += stream.consumed(taken);
            }
            assert_eq!(here, sent.len());
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn framing_what_a_session_wrote_allocates_nothing() {
    let packet = packet();
    let stream = Stream::new(Arc::new(Limits::default()));
    let mut out = Vec::with_capacity(4096);
    let count = allocations(|| {
        for _ in 0..1000 {
            out.clear();
            (0..3).for_each(|_| out.extend_from_slice(&packet));
            stream.frame_packets(&mut out, 0);
            assert_eq!(out.len(), 3 * (packet.len() + 2));
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn messages_allocate_nothing() {
    let text = "temp\u{e9}rature".repeat(20);
    let (head, tail) = text.as_bytes().split_at(13);
    let whole = frames(&[(true, TEXT, text.as_bytes())]);
    let fragmented = frames(&[(false, TEXT, head), (true, PING, b"?"), (true, CONTINUE, tail)]);
    let binary = frames(&[(true, BINARY, &[7; 300])]);
    for (sent, first) in [(whole, 0), (fragmented, COUNT_OF_CONTROLS), (binary, 0)] {
        let mut now = any_moment();
        let mut session = Session::new(Arc::new(Limits::default()));
        session.admit();
        let (mut received, mut out) = (sent.clone(), Vec::with_capacity(1024));
        let mut hear = || {
            received.copy_from_slice(&sent);
            now += PAUSE;
            let mut input = Input::new(&mut received);
            let event = session.next(&mut input, &mut out, now).unwrap();
            assert!(matches!(event, Some(Event::Text(_) | Event::Binary(_))));
            assert!(session.next(&mut input, &mut out, now).unwrap().is_none() && input.is_empty());
            out.clear();
        };
        assert_eq!(allocations(&mut hear), first);
        assert_eq!(allocations(|| (0..1000).for_each(|_| hear())), 0);
    }
}

#[test]
fn a_new_stream_and_a_new_session_allocate_nothing() {
    let limits = Arc::new(Limits::default());
    let count = allocations(|| {
        drop(Stream::new(Arc::clone(&limits)));
        drop(Session::new(Arc::clone(&limits)));
    });
    assert_eq!(count, 0);
}
