//! WebSocket: headers read and payloads unmasked where they lie, against tungstenite: its header parser alone, which leaves
//! payloads masked, and its whole socket.
//!
//! It owns the sample frames, and proves that reading them allocates nothing.

use std::hint::black_box;
use std::io::{self, Cursor, Read, Write};

use benches::counting::{Counting, count};
use codec::ws::{Data, OpCode, apply_mask, decode, encode_masked};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tungstenite::WebSocket;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::{Role, WebSocketConfig};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FRAMES: usize = 64;

/// Equal masked binary frames: a heartbeat, a response, a large response.
fn samples() -> [(&'static str, Vec<u8>); 3] {
    [("40 B", 40), ("200 B", 200), ("16 KiB", 16 * 1024)].map(|(name, payload_bytes)| {
        let mut bytes = Vec::new();
        for _ in 0..FRAMES {
            encode_masked(&mut bytes, true, OpCode::Data(Data::Binary), KEY, &vec![b'x'; payload_bytes]);
        }
        (name, bytes)
    })
}

fn ours(mut bytes: &mut [u8]) -> usize {
    let mut frames = 0;
    while let Ok(Some((header, header_bytes))) = decode(bytes) {
        let (_, behind) = bytes.split_at_mut(header_bytes);
        let (payload, rest) = behind.split_at_mut(header.payload_bytes as usize);
        apply_mask(payload, header.key.expect("it is masked"), 0);
        black_box(payload);
        bytes = rest;
        frames += 1;
    }
    frames
}

/// Their header parser alone: it leaves the payload masked.
fn their_headers(bytes: &[u8]) -> usize {
    let mut cursor = Cursor::new(bytes);
    let mut frames = 0;
    while let Ok(Some((header, payload_bytes))) = FrameHeader::parse(&mut cursor) {
        black_box(&header);
        cursor.set_position(cursor.position() + payload_bytes);
        frames += 1;
    }
    frames
}

/// A connection of which everything was received.
struct Wire(Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.read(room)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn their_socket(socket: &mut WebSocket<Wire>) -> usize {
    let mut messages = 0;
    while let Ok(message) = socket.read() {
        black_box(&message);
        messages += 1;
    }
    messages
}

fn socket(bytes: &[u8]) -> WebSocket<Wire> {
    let config = WebSocketConfig::default();
    WebSocket::from_raw_socket(Wire(Cursor::new(bytes.to_vec())), Role::Server, Some(config))
}

fn reading(criterion: &mut Criterion) {
    for (name, bytes) in samples() {
        let mut wire = bytes.clone();
        let (read, allocated) = count(|| ours(&mut wire));
        assert_eq!((read, allocated.blocks), (FRAMES, 0), "reading frames allocates nothing");
        let mut theirs = socket(&bytes);
        let (read, allocated) = count(|| their_socket(&mut theirs));
        assert_eq!((read, their_headers(&bytes)), (FRAMES, FRAMES));
        println!(
            "ws {name}: tungstenite allocates {:.2} blocks a frame",
            allocated.blocks as f64 / FRAMES as f64
        );
        let mut group = criterion.benchmark_group(format!("ws {FRAMES} frames of {name}"));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        // Masked again at every second time; the work is the same.
        group.bench_function("codec", |bencher| bencher.iter(|| ours(black_box(&mut wire))));
        group.bench_function("tungstenite, headers alone", |bencher| {
            bencher.iter(|| their_headers(black_box(&bytes)));
        });
        group.bench_function("tungstenite", |bencher| {
            bencher.iter_batched_ref(|| socket(&bytes), their_socket, BatchSize::SmallInput);
        });
        group.finish();
    }
}

criterion_group!(benches, reading);
criterion_main!(benches);
