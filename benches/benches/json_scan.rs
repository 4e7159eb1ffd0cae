//! JSON: finding the members of a device's answer, against `serde_json`.
//!
//! It owns the sample documents and prints, before criterion's times, what each reader allocates for one. The answers are
//! dense in numbers, escapes and short names, which is the hard kind; `text` is one long string, which is the easy one.

use std::borrow::Cow;
use std::hint::black_box;

use benches::counting::{Counting, count};
use codec::json;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NAMES: [&str; 3] = ["commandId", "success", "data"];

/// What `members` finds, as serde finds it: the payload stays as it was sent.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only read by the deserialiser")]
struct Answer<'a> {
    #[serde(borrow, rename = "commandId")]
    command_id: Cow<'a, str>,
    success: bool,
    #[serde(borrow)]
    data: &'a RawValue,
}

fn answer(data: &str) -> String {
    format!(r#"{{"commandId":"c-0123456789abcdef","success":true,"data":{data}}}"#)
}

/// Readings of a sensor, as many as fit.
fn readings(document_bytes: usize) -> String {
    let reading = |number: usize| {
        let (whole, part, on) = (number % 50, number % 100, number.is_multiple_of(2));
        let history = format!("[{},-1.5e3,{}]", number * 7, number * 13);
        format!(
            r#"{{"id":{number},"t":{whole}.{part:02},"on":{on},"name":"caf\u00e9 \n{number}","h":{history}}}"#
        )
    };
    let mut data = String::from("[");
    for number in 0.. {
        let next = reading(number);
        if answer(&data).len() + next.len() + 2 > document_bytes {
            break;
        }
        if number > 0 {
            data.push(',');
        }
        data.push_str(&next);
    }
    data.push(']');
    answer(&data)
}

/// What a `json.dumps` of Python writes: a blank behind every comma and colon.
fn spaced() -> String {
    readings(2048).replace(',', ", ").replace("\":", "\": ")
}

fn samples() -> [(&'static str, String); 6] {
    let small = r#"{"celsius":21.5,"humidity":48,"unit":"C","name":"caf\u00e9 no. 7 \n","history":[1,2.25,-3e2],"ok":true,"since":null}"#;
    [
        ("173 B", answer(small)),
        ("2 KB", readings(2048)),
        ("2 KB spaced", spaced()),
        ("64 KB", readings(64 * 1024)),
        ("64 KB text", answer(&format!("\"{}\"", "The quick brown fox. ".repeat(3110)))),
        ("64 KB CJK", answer(&format!("\"{}\"", "すばしっこい茶色の狐。".repeat(1980)))),
    ]
}

fn ours(document: &[u8]) -> [Option<json::Raw<'_>>; 3] {
    json::members(document, NAMES).expect("a good document")
}

fn typed(document: &[u8]) -> Answer<'_> {
    serde_json::from_slice(document).expect("a good document")
}

fn tree(document: &[u8]) -> Value {
    serde_json::from_slice(document).expect("a good document")
}

fn allocations() {
    for (name, document) in samples() {
        let document = document.as_bytes();
        let (_, members) = count(|| black_box(ours(document)));
        let (_, raw) = count(|| black_box(typed(document)));
        let (_, value) = count(|| black_box(tree(document)));
        println!(
            "allocations of a document of {name} ({} B): members {} ({} B), RawValue {} ({} B), Value {} ({} B)",
            document.len(),
            members.blocks,
            members.bytes,
            raw.blocks,
            raw.bytes,
            value.blocks,
            value.bytes
        );
        assert_eq!(members.blocks, 0, "the scanner allocates nothing");
    }
}

fn scan(criterion: &mut Criterion) {
    allocations();
    for (name, document) in samples() {
        let document = document.as_bytes();
        let mut group = criterion.benchmark_group(format!("json {name}"));
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_function("members", |bencher| bencher.iter(|| ours(black_box(document))));
        group.bench_function("validate", |bencher| bencher.iter(|| json::validate(black_box(document))));
        group.bench_function("serde_json RawValue", |bencher| bencher.iter(|| typed(black_box(document))));
        group.bench_function("serde_json Value", |bencher| bencher.iter(|| tree(black_box(document))));
        group.finish();
    }
}

criterion_group!(benches, scan);
criterion_main!(benches);
