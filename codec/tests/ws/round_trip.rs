//! Whatever is written is read; whatever is read was written so.

use crate::{assert_faithful, payload};
use codec::ws::{
    Close, CloseCode, Control, Data, FrameHeader, OpCode, apply_mask, check_text, decode, decode_close,
    encode_close, encode_frame, encode_masked, wrap,
};
use proptest::prelude::*;

pub(crate) fn data() -> impl Strategy<Value = OpCode> {
    prop::sample::select(vec![Data::Continue, Data::Text, Data::Binary]).prop_map(OpCode::Data)
}

fn control() -> impl Strategy<Value = OpCode> {
    prop::sample::select(vec![Control::Close, Control::Ping, Control::Pong]).prop_map(OpCode::Control)
}

/// Lengths near every boundary, and any other.
fn length() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, 65_000..66_000_u64, 0..1_u64 << 63]
}

/// Every header there is.
pub(crate) fn header() -> impl Strategy<Value = FrameHeader> {
    let key = any::<Option<[u8; 4]>>();
    prop_oneof![
        (any::<bool>(), data(), key.clone(), length())
            .prop_map(|(fin, opcode, key, payload_bytes)| FrameHeader { fin, opcode, key, payload_bytes }),
        (control(), key, 0..126_u64).prop_map(|(opcode, key, payload_bytes)| FrameHeader {
            fin: true,
            opcode,
            key,
            payload_bytes
        }),
    ]
}

proptest! {
    #[test]
    fn a_header_is_read_as_it_was_written(header in header(), behind in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let header_bytes = bytes.len();
        for end in 0..header_bytes {
            prop_assert_eq!(decode(&bytes[..end]), Ok(None));
        }
        bytes.extend(behind);
        prop_assert_eq!(decode(&bytes), Ok(Some((header, header_bytes))));
    }

    #[test]
    fn what_is_read_from_any_bytes_is_what_they_say(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok(Some((header, consumed))) = decode(&bytes) {
            assert_faithful(&bytes, &header, consumed);
        }
    }

    #[test]
    fn a_payload_unmasked_in_any_pieces_is_the_payload(
        payload in prop::collection::vec(any::<u8>(), 0..500),
        key in any::<[u8; 4]>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut masked = payload.clone();
        apply_mask(&mut masked, key, 0);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.push(payload.len());
        cuts.sort_unstable();
        let mut from = 0;
        for to in cuts {
            apply_mask(&mut masked[from..to], key, from);
            from = to;
        }
        prop_assert_eq!(masked, payload);
    }

    #[test]
    fn three_ways_of_writing_a_frame_say_the_same(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
        key in any::<[u8; 4]>(),
        opcode in data(),
    ) {
        let whole = parts.concat();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let (mut framed, mut wrapped, mut masked) = (vec![7], vec![7], Vec::new());
        encode_frame(&mut framed, opcode, &slices);
        wrapped.extend_from_slice(&whole);
        wrap(&mut wrapped, 1, opcode);
        prop_assert_eq!(&wrapped[..], if whole.is_empty() { &[7][..] } else { &framed[..] });
        encode_masked(&mut masked, true, opcode, key, &whole);
        for (bytes, key) in [(&framed[1..], None), (&masked[..], Some(key))] {
            let (header, consumed) = decode(bytes).unwrap().unwrap();
            prop_assert_eq!(header, FrameHeader { fin: true, opcode, key, payload_bytes: whole.len() as u64 });
            prop_assert_eq!(payload(&header, &bytes[consumed..]), whole.clone());
        }
    }

    #[test]
    fn a_close_frame_is_read_as_it_was_written(code in 1000..5000_u16, reason in "\\PC{0,130}") {
        let legal = decode_close(&code.to_be_bytes()).is_ok();
        let code = Some(CloseCode::from(code)).filter(|_| legal);
        let mut bytes = Vec::new();
        encode_close(&mut bytes, Close { code, reason: &reason });
        let (header, consumed) = decode(&bytes).unwrap().unwrap();
        prop_assert_eq!(header.payload_bytes, (bytes.len() - consumed) as u64);
        let close = decode_close(&bytes[consumed..]).unwrap();
        prop_assert_eq!(close.code, code);
        prop_assert!(reason.starts_with(close.reason));
        if code.is_some() && reason.len() <= 123 {
            prop_assert_eq!(close.reason, reason);
        }
    }

    #[test]
    fn text_is_judged_the_same_in_pieces_as_whole(
        bytes in prop_oneof![
            "\\PC{0,40}".prop_map(String::into_bytes),
            prop::collection::vec(prop::sample::select(vec![0x61, 0x80, 0xc3, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xed]), 0..9),
        ],
        step in 1..7_usize,
    ) {
        let whole = std::str::from_utf8(&bytes).is_ok();
        let mut checked = Ok(0);
        for here in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
            checked = checked.and_then(|checked| check_text(&bytes[..here], checked));
        }
        prop_assert_eq!(checked == Ok(bytes.len()), whole);
    }
}
