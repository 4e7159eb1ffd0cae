//! Generated packets out and in again.

use codec::mqtt::{Packet, Publish, PublishHead, QoS, decode, encode_publish, peek};
use proptest::prelude::*;

use crate::assert_faithful;
use crate::sample::{Sample, samples};

proptest! {
    #[test]
    fn a_written_packet_reads_as_it_was(sample in samples(), behind in any::<[u8; 3]>()) {
        let mut bytes = sample.encoded();
        let length = bytes.len();
        bytes.extend_from_slice(&behind);
        let (packet, consumed) = decode(&bytes).unwrap().unwrap();
        prop_assert!(sample.is(&packet), "{:?}", packet);
        prop_assert_eq!(consumed, length);
        assert_faithful(&bytes, &packet, consumed);
    }

    #[test]
    fn a_written_packet_cut_anywhere_is_not_whole_yet(sample in samples(), cut in any::<prop::sample::Index>()) {
        let bytes = sample.encoded();
        prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Ok(None));
    }

    #[test]
    fn the_header_promises_what_the_packet_keeps(sample in samples()) {
        let bytes = sample.encoded();
        let header = peek(&bytes).unwrap().unwrap();
        let (packet, consumed) = decode(&bytes).unwrap().unwrap();
        prop_assert_eq!((header.kind, header.packet_bytes()), (packet.kind(), consumed));
        prop_assert_eq!(peek(&bytes[..header.header_bytes]), Ok(Some(header)));
        prop_assert_eq!(peek(&bytes[..header.header_bytes - 1]), Ok(None));
    }

    #[test]
    fn packets_in_a_row_are_read_one_by_one(row in prop::collection::vec(samples(), 0..8)) {
        let bytes: Vec<u8> = row.iter().flat_map(Sample::encoded).collect();
        let mut rest = &bytes[..];
        for sample in &row {
            let (packet, consumed) = decode(rest).unwrap().unwrap();
            prop_assert!(sample.is(&packet));
            rest = &rest[consumed..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_message_in_parts_is_written_like_a_whole_one(
        topic in prop::collection::vec("[a-z/é]{0,9}", 1..5),
        payload in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
        head in heads(),
    ) {
        let whole_topic = format!("t{}", topic.concat());
        let topic: Vec<&str> = std::iter::once("t").chain(topic.iter().map(String::as_str)).collect();
        let parts: Vec<&[u8]> = payload.iter().map(Vec::as_slice).collect();
        let (mut in_parts, mut whole) = (vec![1, 2, 3], vec![1, 2, 3]);
        encode_publish(&mut in_parts, head, &topic, &parts).unwrap();
        encode_publish(&mut whole, head, &[&whole_topic], &[&payload.concat()]).unwrap();
        prop_assert_eq!(in_parts, whole);
    }

    #[test]
    fn a_long_message_reads_as_it_was(topic_bytes in 1_usize..65_536, payload_bytes in 0_usize..300_000) {
        let (topic, payload) = ("t".repeat(topic_bytes), vec![7; payload_bytes]);
        let publish = Publish { topic: &topic, payload: &payload, qos: QoS::AtMostOnce, dup: false, retain: false, id: None };
        let mut bytes = Vec::new();
        publish.encode(&mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(Some((Packet::Publish(publish), bytes.len()))));
    }

    #[test]
    fn any_bytes_are_refused_or_faithful(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some((packet, consumed))) = decode(&bytes) {
            assert_faithful(&bytes, &packet, consumed);
        }
    }
}

fn heads() -> impl Strategy<Value = PublishHead> {
    samples().prop_filter_map("only a PUBLISH has such a head", |sample| match sample {
        Sample::Publish { head, .. } => Some(head),
        _ => None,
    })
}
