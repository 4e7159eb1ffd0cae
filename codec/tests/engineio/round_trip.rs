//! Whatever is written is read; whatever is read was written so.

use crate::assert_faithful;
use codec::engineio::{Base64, Packet, decode, encode_base64, payload};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Sample {
    Text(u8, String),
    Bare(u8),
    Binary(Vec<u8>),
}

fn sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        (prop::sample::select(vec![0_u8, 2, 3, 4]), "[^\u{1e}]{0,30}")
            .prop_map(|(kind, data)| Sample::Text(kind, data)),
        prop::sample::select(vec![1_u8, 5, 6]).prop_map(Sample::Bare),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Sample::Binary),
    ]
}

fn packet<'a>(sample: &'a Sample, base64: &'a str) -> Packet<'a> {
    match sample {
        Sample::Text(0, data) => Packet::Open(data),
        Sample::Text(2, data) => Packet::Ping(data),
        Sample::Text(3, data) => Packet::Pong(data),
        Sample::Text(_, data) => Packet::Message(data),
        Sample::Bare(1) => Packet::Close,
        Sample::Bare(5) => Packet::Upgrade,
        Sample::Bare(_) => Packet::Noop,
        Sample::Binary(_) => Packet::Binary(Base64::new(base64).expect("it was encoded")),
    }
}

proptest! {
    #[test]
    fn a_payload_is_read_as_it_was_written(samples in prop::collection::vec(sample(), 1..8)) {
        let spelled: Vec<String> = samples.iter().map(|sample| {
            let mut out = Vec::new();
            if let Sample::Binary(bytes) = sample {
                encode_base64(&mut out, bytes);
            }
            String::from_utf8(out).unwrap()
        }).collect();
        let packets: Vec<Packet<'_>> = samples.iter().zip(&spelled).map(|(sample, base64)| packet(sample, base64)).collect();
        let mut body = Vec::new();
        for (position, packet) in packets.iter().enumerate() {
            if position > 0 {
                body.push(0x1e);
            }
            let from = body.len();
            packet.encode(&mut body);
            if !matches!(packet, Packet::Binary(_)) {
                prop_assert_eq!(decode(&body[from..]), Ok(*packet));
            }
        }
        let read: Vec<_> = payload(&body).unwrap().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, packets);
    }

    #[test]
    fn bytes_come_back_from_base64(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut text = Vec::new();
        encode_base64(&mut text, &bytes);
        let base64 = Base64::new(std::str::from_utf8(&text).unwrap()).unwrap();
        let mut back = Vec::new();
        base64.decode(&mut back);
        prop_assert_eq!(base64.decoded_bytes(), bytes.len());
        prop_assert_eq!(back, bytes);
    }

    #[test]
    fn what_is_read_from_any_bytes_is_what_they_say(
        body in prop::collection::vec(prop::sample::select(b"0123456b/A=x\x1e\xc3\xa9".to_vec()), 0..12),
    ) {
        assert_faithful(&body);
    }
}
