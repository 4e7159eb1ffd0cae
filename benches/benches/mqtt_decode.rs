//! MQTT decoding and encoding, against the crate mqttbytes where it can do the same.
//!
//! It owns the sample packets and prints, before criterion's times, what each decoder allocates for a packet and its
//! quietest time. Packets come 256 to a buffer, as they do when a core reads; "elem" is one packet.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::counting::{Counting, count};
use bytes::BytesMut;
use codec::mqtt::{
    Connect, Packet, PacketId, PublishHead, QoS, Will, decode, encode_puback, encode_publish,
    encode_subscribe,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PACKETS_PER_BUFFER: usize = 256;
/// Turns of which the quietest counts.
const TURNS: u32 = 4_000;
const TOPIC: &str = "lua/devices/agent-0001/lamp-0007/trigger";
const PAYLOAD: [u8; 200] = [b'x'; 200];
const HEAD: PublishHead =
    PublishHead { qos: QoS::AtLeastOnce, dup: false, retain: false, id: PacketId::new(77) };

/// Each sample as 256 equal packets in one buffer.
fn samples() -> [(&'static str, Vec<u8>); 4] {
    let id = PacketId::MIN;
    let will = Will {
        topic: "lua/devices/agent-0001/lamp-0007/status",
        payload: b"{\"s\":0}",
        qos: QoS::AtLeastOnce,
        retain: true,
    };
    let connect = Connect {
        client_id: "lua-agent-0001-lamp-0007",
        clean_session: true,
        keep_alive_s: 60,
        will: Some(will),
        username: Some("agent-0001:lamp-0007"),
        password: Some(b"dk_0123456789abcdef0123456789abcdef"),
    };
    let suffixes = ["command", "connected", "trigger_ack", "trigger_result", "error", "pong"];
    let topics = suffixes.map(|suffix| format!("lua/devices/agent-0001/lamp-0007/{suffix}"));
    let filters: Vec<_> = topics.iter().map(|topic| (topic.as_str(), QoS::AtLeastOnce)).collect();
    [
        ("publish_qos1_40_200", repeated(|out| encode_publish(out, HEAD, &[TOPIC], &[&PAYLOAD]).is_ok())),
        ("connect_will_login", repeated(|out| connect.encode(out).is_ok())),
        ("subscribe_6", repeated(|out| encode_subscribe(out, id, &filters).is_ok())),
        (
            "puback",
            repeated(|out| {
                encode_puback(out, id);
                true
            }),
        ),
    ]
}

fn repeated(encode: impl Fn(&mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut buffer = Vec::new();
    for _ in 0..PACKETS_PER_BUFFER {
        assert!(encode(&mut buffer), "a sample cannot be written");
    }
    buffer
}

fn decode_ours(buffer: &[u8]) -> usize {
    let mut rest = buffer;
    let mut packets = 0;
    // By reference, as a session looks at a packet where it lies; to move it would be measured too.
    while let Ok(Some((packet, consumed))) = &decode(rest) {
        touch(packet);
        rest = &rest[*consumed..];
        packets += 1;
    }
    packets
}

/// Uses all of a packet, as its receiver would: filters are only found by walking them.
fn touch(packet: &Packet<'_>) {
    match packet {
        Packet::Subscribe(subscribe) => subscribe.filters().for_each(|filter| {
            black_box(filter);
        }),
        other => {
            black_box(other);
        }
    }
}

fn decode_theirs(buffer: &mut BytesMut) -> usize {
    let mut packets = 0;
    while let Ok(packet) = mqttbytes::v4::read(buffer, 1 << 20) {
        black_box(&packet);
        packets += 1;
    }
    packets
}

fn print_allocations(name: &str, buffer: &[u8]) {
    let mut theirs = BytesMut::from(buffer);
    let (ours_read, ours) = count(|| decode_ours(buffer));
    let (theirs_read, theirs) = count(|| decode_theirs(&mut theirs));
    assert_eq!(
        (ours_read, theirs_read),
        (PACKETS_PER_BUFFER, PACKETS_PER_BUFFER),
        "{name}: not all were read"
    );
    assert_eq!(ours.blocks, 0, "{name}: decoding allocates nothing");
    let per_packet = |sum: u64| sum as f64 / PACKETS_PER_BUFFER as f64;
    println!(
        "{name}: {} bytes a packet; allocations a packet: codec {:.2} ({:.0} B), mqttbytes {:.2} ({:.0} B)",
        buffer.len() / PACKETS_PER_BUFFER,
        per_packet(ours.blocks),
        per_packet(ours.bytes),
        per_packet(theirs.blocks),
        per_packet(theirs.bytes),
    );
}

/// Prints the shortest time of each decoder over many turns of both: a figure that other work on the machine, which
/// moves criterion's mean, leaves alone.
fn print_quietest(name: &str, buffer: &[u8]) {
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        let start = Instant::now();
        black_box(decode_ours(black_box(buffer)));
        ours = ours.min(start.elapsed());
        let mut stream = BytesMut::from(buffer);
        let start = Instant::now();
        black_box(decode_theirs(&mut stream));
        theirs = theirs.min(start.elapsed());
    }
    let per_packet_ns = |quietest: Duration| quietest.as_nanos() as f64 / PACKETS_PER_BUFFER as f64;
    println!(
        "{name}: quietest of {TURNS} turns: codec {:.1} ns a packet, mqttbytes {:.1} ns, ratio {:.1}",
        per_packet_ns(ours),
        per_packet_ns(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64(),
    );
}

fn decoding(criterion: &mut Criterion) {
    for (name, buffer) in samples() {
        print_allocations(name, &buffer);
        print_quietest(name, &buffer);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(PACKETS_PER_BUFFER as u64));
        group.bench_function("codec", |bencher| bencher.iter(|| decode_ours(black_box(&buffer))));
        group.bench_function("mqttbytes", |bencher| {
            bencher.iter_batched_ref(|| BytesMut::from(&buffer[..]), decode_theirs, BatchSize::SmallInput)
        });
        group.finish();
    }
}

fn encoding(criterion: &mut Criterion) {
    let mut out = Vec::with_capacity(PACKETS_PER_BUFFER * 256);
    let mut encode_all = move || {
        out.clear();
        for _ in 0..PACKETS_PER_BUFFER {
            let topic = black_box(["lua/devices/agent-0001/", "lamp-0007", "/command"]);
            let written = encode_publish(&mut out, black_box(HEAD), &topic, &[black_box(&PAYLOAD)]);
            assert_eq!(written, Ok(()));
        }
        out.len()
    };
    let (_, allocated) = count(&mut encode_all);
    println!("encode_publish: allocations for {PACKETS_PER_BUFFER} packets: {}", allocated.blocks);
    let mut group = criterion.benchmark_group("encode_publish");
    group.throughput(Throughput::Elements(PACKETS_PER_BUFFER as u64));
    group.bench_function("codec", |bencher| bencher.iter(&mut encode_all));
    group.finish();
}

criterion_group!(benches, decoding, encoding);
criterion_main!(benches);
