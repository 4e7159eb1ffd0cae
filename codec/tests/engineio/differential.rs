//! The npm package `engine.io-parser`, whose answers lie in `tests/vectors/engineio/reference.jsonl`: what both accept means
//! the same to both; each difference is listed with its reason.

use codec::engineio::{Packet, payload};
use serde_json::{Value, json};

/// Bodies that the reference reads and we refuse, and why.
const STRICTER: [(&str, &str); 8] = [
    ("1x", "a close packet has no data"),
    ("5probe", "an upgrade packet has no data"),
    ("6z", "a noop packet has no data"),
    ("b=", "padding belongs to digits (RFC 4648, 4)"),
    ("bAQIDBA", "padding must not be left out (RFC 4648, 3.2)"),
    ("bA", "one digit stands for no byte (RFC 4648, 4)"),
    ("bAQJ=", "bits that say nothing must be zero (RFC 4648, 3.5)"),
    ("b\u{20ac}", "only the alphabet stands for bytes (RFC 4648, 3.3)"),
];

fn show(packet: Packet<'_>) -> Value {
    let text =
        |kind: &str, data: &str| json!({ "type": kind, "data": Some(data).filter(|data| !data.is_empty()) });
    match packet {
        Packet::Open(data) => text("open", data),
        Packet::Close => text("close", ""),
        Packet::Ping(data) => text("ping", data),
        Packet::Pong(data) => text("pong", data),
        Packet::Message(data) => text("message", data),
        Packet::Upgrade => text("upgrade", ""),
        Packet::Noop => text("noop", ""),
        Packet::Binary(base64) => {
            let mut bytes = Vec::new();
            base64.decode(&mut bytes);
            json!({ "type": "message", "data": { "bytes": bytes } })
        }
    }
}

#[test]
fn the_reference_implementation_agrees() {
    let (mut agreed, mut stricter) = (0, Vec::new());
    for line in include_str!("../vectors/engineio/reference.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let input = row["input"].as_str().unwrap();
        let ours = payload(input.as_bytes()).and_then(|packets| packets.collect::<Result<Vec<_>, _>>());
        match (ours, &row["output"]) {
            (Ok(packets), Value::Array(theirs)) => {
                assert_eq!(&packets.into_iter().map(show).collect::<Vec<_>>(), theirs, "{input:?}");
                agreed += 1;
            }
            (Err(_), Value::Null) => agreed += 1,
            (Err(_), _) => stricter.push(input.to_owned()),
            (Ok(packets), theirs) => panic!("{input:?}: {packets:?}, not {theirs}"),
        }
    }
    assert!(agreed > 40, "only {agreed} bodies were compared");
    let (mut listed, mut found) = (STRICTER.map(|(input, _)| input.to_owned()).to_vec(), stricter);
    listed.sort();
    found.sort();
    assert_eq!(found, listed);
}
