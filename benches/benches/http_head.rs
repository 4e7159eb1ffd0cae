//! HTTP: a request head against `httparse` alone, a chunked body, and the head of an answer.
//!
//! It owns the sample messages, and proves that decoding allocates nothing.

use std::hint::black_box;

use benches::counting::{Counting, count};
use codec::http::{self, Chunked, Framing};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `lua-cli` sends.
const COMMAND: &[u8] = b"POST /developer/devices/agent-0001/lamp-0007/command HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\nAuthorization: Bearer ak_0123456789abcdef0123456789abcdef\r\n\
    Content-Type: application/json\r\nX-Lua-Client: cli/3.37.0\r\n\
    X-Idempotency-Key: 6f1f2c3e-8f0c-4c5f-9d57-1f4c6b9f1a2b\r\nAccept: */*\r\nAccept-Language: *\r\n\
    Sec-Fetch-Mode: cors\r\nUser-Agent: node\r\nAccept-Encoding: gzip, deflate\r\nContent-Length: 61\r\n\r\n";

const CHUNKS: usize = 64;
const CHUNK_BYTES: usize = 1024;

fn chunked_body() -> Vec<u8> {
    let chunk = [format!("{CHUNK_BYTES:x}\r\n"), "x".repeat(CHUNK_BYTES), "\r\n".to_owned()].concat();
    [chunk.repeat(CHUNKS), "0\r\n\r\n".to_owned()].concat().into_bytes()
}

fn ours(bytes: &[u8]) -> (http::Head<'_>, usize) {
    http::decode(bytes).expect("a good head").expect("a whole head")
}

fn httparse_alone(bytes: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes).expect("a good head").unwrap()
}

fn heads(criterion: &mut Criterion) {
    let (_, allocated) = count(|| black_box(ours(COMMAND)));
    assert_eq!(allocated.blocks, 0, "decoding a head allocates nothing");
    let mut group = criterion.benchmark_group("http head");
    group.throughput(Throughput::Bytes(COMMAND.len() as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| ours(black_box(COMMAND)).1));
    group.bench_function("httparse alone", |bencher| bencher.iter(|| httparse_alone(black_box(COMMAND))));
    group.bench_function("find a header", |bencher| {
        let (head, _) = ours(COMMAND);
        bencher.iter(|| black_box(head.headers).text(black_box("authorization")));
    });
    group.bench_function("byte by byte", |bencher| {
        bencher.iter(|| {
            (0..=COMMAND.len()).find_map(|length| http::head_end(&COMMAND[..length], length.max(1) - 1))
        });
    });
    group.finish();
    criterion.bench_function("http encode a response", |bencher| {
        let fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")];
        let mut out = Vec::with_capacity(256);
        bencher.iter(|| {
            out.clear();
            http::encode_response(&mut out, black_box(200), &fields, Framing::Length(black_box(1234)));
            out.len()
        });
    });
}

fn bodies(criterion: &mut Criterion) {
    let body = chunked_body();
    let mut group = criterion.benchmark_group("http chunked 64 x 1 KiB");
    group.throughput(Throughput::Bytes(body.len() as u64));
    let watched = |bytes: &[u8]| Chunked::default().advance(bytes, 1 << 20).expect("a good body");
    group.bench_function("watch", |bencher| bencher.iter(|| watched(black_box(&body))));
    group.bench_function("join", |bencher| {
        bencher.iter_batched_ref(|| body.clone(), |wire| http::join_chunks(wire), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, heads, bodies);
criterion_main!(benches);
