//! Engine.IO and Socket.IO: reading what a device sends and writing what it is told, against a tree of `serde_json`.
//!
//! It owns the sample messages, and prints before criterion's times what each reader allocates. The tree is what the layers
//! above would need if they did not read the text where it lies.

use std::hint::black_box;

use benches::counting::{Counting, count};
use codec::engineio::{self, Packet};
use codec::socketio::{self, Head};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ANSWER: &str =
    r#"{"commandId":"c-0123456789abcdef0123456789abcdef","success":true,"data":{"celsius":21.5,"ok":true}}"#;

fn samples() -> [(&'static str, String); 3] {
    let large = format!(r#"{{"commandId":"c-1","success":true,"data":"{}"}}"#, "x".repeat(64 * 1024));
    [
        ("heartbeat", r#"42/devices,["heartbeat"]"#.to_owned()),
        ("response", format!(r#"42/devices,["response",{ANSWER}]"#)),
        ("response 64 KB", format!(r#"42/devices,7["response",{large}]"#)),
    ]
}

/// Both layers, as a device's message goes through them: the event's first argument, if it has one.
fn ours(message: &str) -> Option<usize> {
    let Ok(Packet::Message(text)) = engineio::decode(message.as_bytes()) else { return None };
    let Ok(socketio::Packet::Event(event)) = socketio::decode(text.as_bytes()) else { return None };
    Some(event.call.first().map_or(0, |argument| argument.as_str().len()))
}

/// The same with a tree.
fn tree(message: &str) -> Option<Value> {
    let (_, payload) = message.split_once(',')?;
    let payload = payload.trim_start_matches(|c: char| c.is_ascii_digit());
    serde_json::from_str(payload).ok()
}

/// A command for a device.
fn write(out: &mut Vec<u8>) {
    out.clear();
    out.push(b'4');
    let parts: [&[u8]; 3] =
        [br#"{"commandId":"c-0123456789abcdef0123456789abcdef","payload":"#, b"{\"on\":true}", b"}"];
    socketio::encode_event(out, Head::plain("/devices"), None, "command", &parts);
}

fn allocations() {
    for (name, message) in samples() {
        let (found, us) = count(|| black_box(ours(&message)));
        let (_, them) = count(|| black_box(tree(&message)));
        assert!(found.is_some(), "{name} is read");
        println!(
            "allocations of a {name}: here {} ({} B), Value {} ({} B)",
            us.blocks, us.bytes, them.blocks, them.bytes
        );
        assert_eq!(us.blocks, 0, "reading allocates nothing");
    }
    let mut out = Vec::with_capacity(256);
    let (_, written) = count(|| write(&mut out));
    assert_eq!(written.blocks, 0, "writing allocates nothing");
}

fn decode(criterion: &mut Criterion) {
    allocations();
    for (name, message) in samples() {
        let mut group = criterion.benchmark_group(format!("socketio {name}"));
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function("decode", |bencher| bencher.iter(|| ours(black_box(&message))));
        group.bench_function("serde_json Value", |bencher| bencher.iter(|| tree(black_box(&message))));
        group.finish();
    }
    let mut out = Vec::with_capacity(256);
    criterion
        .bench_function("socketio command, encode", |bencher| bencher.iter(|| write(black_box(&mut out))));
    let bytes = vec![7; 48 * 1024];
    let mut body = Vec::new();
    body.push(b'b');
    engineio::encode_base64(&mut body, &bytes);
    let mut group = criterion.benchmark_group("engineio 48 KB in base64");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("decode", |bencher| {
        let mut out = Vec::with_capacity(bytes.len());
        bencher.iter(|| {
            out.clear();
            for packet in engineio::payload(black_box(&body)).into_iter().flatten() {
                let Ok(Packet::Binary(base64)) = packet else { continue };
                base64.decode(&mut out);
            }
        });
        assert_eq!(out, bytes);
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
