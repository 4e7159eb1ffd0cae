//! Frame headers: what is accepted has one spelling, keeps the limits of RFC 6455, and means to tungstenite what it means
//! to us. Behind it, close bodies, text and keys of the same bytes.

use codec::limits::{WS_CONTROL_BYTES_MAX, WS_HEADER_BYTES_MAX, WS_REASON_BYTES_MAX};
use codec::ws::{self, Close, Data, OpCode};
use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader as TheirHeader;

/// Checks bytes as each of the things they may be.
pub fn check(bytes: &[u8]) {
    check_header(bytes);
    check_close(bytes);
    check_text(bytes);
    if let Ok(answer) = ws::accept_key(bytes) {
        assert_eq!((bytes.len(), answer.len()), (24, 28));
    }
}

fn check_header(bytes: &[u8]) {
    let whole = ws::decode(bytes);
    let Ok(Some((header, consumed))) = whole else { return };
    assert!(consumed <= WS_HEADER_BYTES_MAX && consumed <= bytes.len());
    assert!(header.payload_bytes < 1 << 63);
    if let OpCode::Control(_) = header.opcode {
        assert!(header.fin && header.payload_bytes <= WS_CONTROL_BYTES_MAX as u64);
    }
    let mut written = Vec::new();
    header.encode(&mut written);
    assert_eq!(written, bytes[..consumed], "there is one spelling");
    for cut in 0..consumed {
        assert_eq!(ws::decode(&bytes[..cut]), Ok(None), "what is good in the end is good all the way");
    }
    let mut cursor = Cursor::new(bytes);
    let (theirs, payload_bytes) =
        TheirHeader::parse(&mut cursor).expect("they read it").expect("it is whole");
    assert_eq!((theirs.is_final, theirs.opcode, theirs.mask), (header.fin, header.opcode, header.key));
    assert_eq!((payload_bytes, cursor.position()), (header.payload_bytes, consumed as u64));
}

fn check_close(bytes: &[u8]) {
    let Ok(close) = ws::decode_close(bytes) else { return };
    let mut written = Vec::new();
    ws::encode_close(&mut written, close);
    let (header, header_bytes) = ws::decode(&written).expect("we write good frames").expect("and whole ones");
    let again = ws::decode_close(&written[header_bytes..]).expect("what was read can be written");
    assert_eq!(header.payload_bytes as usize, written.len() - header_bytes);
    assert_eq!(again.code, close.code);
    assert!(close.reason.starts_with(again.reason) && again.reason.len() <= WS_REASON_BYTES_MAX);
    assert!(close.code.is_some() || close == Close { code: None, reason: "" });
}

/// Text in two pieces is what it is in one, and what the standard library says of it.
fn check_text(bytes: &[u8]) {
    let whole = ws::check_text(bytes, 0);
    assert_eq!(whole == Ok(bytes.len()), std::str::from_utf8(bytes).is_ok());
    let half = ws::check_text(&bytes[..bytes.len() / 2], 0);
    assert_eq!(half.and_then(|checked| ws::check_text(bytes, checked)), whole);
    let mut wrapped = bytes.to_vec();
    ws::wrap(&mut wrapped, 0, OpCode::Data(Data::Binary));
    assert!(wrapped.ends_with(bytes) && wrapped.len() <= bytes.len() + WS_HEADER_BYTES_MAX);
}
