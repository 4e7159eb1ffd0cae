//! The npm package `socket.io-parser`, whose answers lie in `tests/vectors/socketio/reference.jsonl`: what both accept means
//! the same to both; each difference is listed with its reason.

use codec::json::Raw;
use codec::socketio::{Packet, decode};
use serde_json::{Value, json};

/// Packets that the reference reads and we refuse, and why.
const STRICTER: [(&str, &str); 18] = [
    ("", "a packet has a type"),
    ("01", "a CONNECT has no id"),
    ("1/custom,5", "a DISCONNECT has no id"),
    ("2", "G8: an EVENT has a payload"),
    ("2/custom", "G8: an EVENT has a payload"),
    ("2/custom,", "G8: an EVENT has a payload"),
    ("2[1]", "G4: the name of an event is a string"),
    ("2 [\"a\"]", "a blank is no id"),
    ("207[\"a\"]", "an id has one spelling"),
    ("212345678901234567890[\"a\"]", "the reference answers to another id"),
    ("29007199254740992[\"a\"]", "not every client can hold the id"),
    ("3", "G8: an ACK has a payload"),
    ("3[]", "an ACK says what it acknowledges"),
    ("31", "G8: an ACK has a payload"),
    ("4", "a CONNECT_ERROR has a payload"),
    ("51-", "G8: an EVENT has a payload"),
    ("501-[\"a\"]", "a number has one spelling"),
    ("61-[]", "an ACK says what it acknowledges"),
];

fn data(raw: Raw<'_>) -> Value {
    serde_json::from_str(raw.as_str()).expect("JSON to both")
}

fn list(text: &str) -> Vec<Value> {
    serde_json::from_str(&format!("[{text}]")).expect("JSON to both")
}

fn show(packet: Packet<'_>) -> Value {
    let plain = |kind: u8, namespace: &str, data: Value| json!({ "type": kind, "nsp": namespace, "id": null, "attachments": 0, "data": data });
    match packet {
        Packet::Connect { namespace, data: auth } => plain(0, namespace, auth.map_or(Value::Null, data)),
        Packet::Disconnect { namespace } => plain(1, namespace, Value::Null),
        Packet::ConnectError { namespace, data: why } => plain(4, namespace, data(why)),
        Packet::Event(event) => {
            let mut all = vec![data(event.call.name())];
            all.extend(list(event.call.list()));
            let kind = if event.attachments > 0 { 5 } else { 2 };
            json!({ "type": kind, "nsp": event.namespace, "id": event.id, "attachments": event.attachments, "data": all })
        }
        Packet::Ack(ack) => {
            let kind = if ack.attachments > 0 { 6 } else { 3 };
            let all = list(ack.arguments.list());
            json!({ "type": kind, "nsp": ack.namespace, "id": ack.id, "attachments": ack.attachments, "data": all })
        }
    }
}

#[test]
fn the_reference_implementation_agrees() {
    let (mut agreed, mut stricter) = (0, Vec::new());
    for line in include_str!("../vectors/socketio/reference.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let input = row["input"].as_str().unwrap();
        match (decode(input.as_bytes()), &row["output"]) {
            (Ok(packet), theirs @ Value::Object(_)) => {
                assert_eq!(&show(packet), theirs, "{input}");
                agreed += 1;
            }
            (Err(_), Value::Null) => agreed += 1,
            (Err(_), _) => stricter.push(input.to_owned()),
            (Ok(packet), theirs) => panic!("{input}: {packet:?}, not {theirs}"),
        }
    }
    assert!(agreed > 80, "only {agreed} packets were compared");
    let mut listed: Vec<String> = STRICTER.iter().map(|(input, _)| (*input).to_owned()).collect();
    listed.sort();
    stricter.sort();
    assert_eq!(stricter, listed);
}
