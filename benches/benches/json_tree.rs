//! JSON: a value as a tree, as a schema check needs it, by `serde_json` and by `simd-json`.
//!
//! It owns the samples: the arguments of a tool call, a manifest of a fleet, and a payload of 64 KiB. `simd-json` works in place,
//! so the bytes of a mail must be copied for it first, and `jsonschema` reads the tree of `serde_json`, so its tree is made
//! directly; both are counted. `tape` is what it would take if the check could read a tape.

use std::hint::black_box;

use benches::counting::{Counting, count};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn samples() -> [(&'static str, String); 3] {
    let arguments =
        r#"{"celsius":21.5,"mode":"eco","zones":["kitchen","hall"],"until":"2026-11-24T20:00:00Z"}"#;
    let command = |n: usize| {
        format!(
            r#"{{"name":"set_{n}","description":"Sets the target of zone {n}","inputSchema":{{"type":"object","properties":{{"celsius":{{"type":"number","minimum":5,"maximum":30}},"mode":{{"enum":["eco","day"]}}}},"required":["celsius"]}}}}"#
        )
    };
    let manifest = format!("[{}]", (0..16).map(command).collect::<Vec<_>>().join(","));
    let reading = |n: usize| format!(r#"{{"id":{n},"t":{}.25,"on":true,"name":"sensor {n}"}}"#, n % 40);
    let large = format!("{{\"readings\":[{}]}}", (0..1300).map(reading).collect::<Vec<_>>().join(","));
    [("arguments", arguments.into()), ("manifest", manifest), ("large", large)]
}

fn by_serde(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

fn by_simd(json: &[u8]) -> Value {
    simd_json::serde::from_slice(&mut json.to_vec()).expect("JSON")
}

fn trees(criterion: &mut Criterion) {
    for (name, json) in samples() {
        let json = json.as_bytes();
        assert_eq!(by_serde(json), by_simd(json), "both read the same");
        let [serde, simd] = [by_serde, by_simd].map(|read| count(|| black_box(read(json))).1);
        println!("{name}: {} bytes; serde_json {serde:?}, simd-json {simd:?}", json.len());
        let mut group = criterion.benchmark_group(format!("json_tree/{name}"));
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function("serde_json", |bencher| bencher.iter(|| by_serde(black_box(json))));
        group.bench_function("simd_json", |bencher| bencher.iter(|| by_simd(black_box(json))));
        group.bench_function("tape", |bencher| {
            let copy = || json.to_vec();
            let read = |mut json: Vec<u8>| drop(black_box(simd_json::to_tape(&mut json).expect("JSON")));
            bencher.iter_batched(copy, read, BatchSize::SmallInput);
        });
        group.finish();
    }
}

criterion_group!(benches, trees);
criterion_main!(benches);
