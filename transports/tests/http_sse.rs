//! What a reader of the standard sees of an event stream: a small parser written from WHATWG HTML 9.2.6 reads back
//! whatever was written, for any data in any cuts.

use proptest::collection::vec;
use proptest::prelude::*;
use transports::sse;

/// One dispatched event, as a browser would hand it to a listener.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Dispatched {
    last_event_id: String,
    kind: String,
    data: String,
}

/// Interprets a whole stream, WHATWG HTML 9.2.6: lines end in CRLF, LF or CR; a blank line dispatches.
fn read(stream: &str) -> Vec<Dispatched> {
    let mut events = Vec::new();
    let (mut last_event_id, mut kind, mut data) = (String::new(), String::new(), String::new());
    for line in lines(stream) {
        if line.is_empty() {
            if let Some(whole) = data.strip_suffix('\n') {
                events.push(Dispatched {
                    last_event_id: last_event_id.clone(),
                    kind: kind.clone(),
                    data: whole.to_owned(),
                });
            }
            data.clear();
            kind.clear();
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => data.extend([value, "\n"]),
            "event" => kind = value.to_owned(),
            "id" if !value.contains('\0') => last_event_id = value.to_owned(),
            _ => {}
        }
    }
    events
}

/// The lines of a stream; what follows the last line ending is no line yet.
fn lines(stream: &str) -> Vec<String> {
    let mut lines: Vec<String> = normalised(stream).split('\n').map(str::to_owned).collect();
    lines.pop();
    lines
}

/// Every line ending as LF: what the standard lets a reader see of them.
fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Text in which line endings, colons and field names are as likely as letters.
fn awkward_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just(": ".to_owned()),
        Just("data: ".to_owned()),
        Just("\n\nevent: forged\n".to_owned()),
        "[a-z{}\":\u{e9}\u{2028} ]{0,6}",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The same bytes in several parts, cut anywhere, also inside a character.
fn parts<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

proptest! {
    #[test]
    fn a_reader_gets_the_data_back_however_it_was_cut(
        id in "[0-9a-z:]{1,8}",
        kind in "[a-z_]{1,12}",
        data in awkward_text(),
        cuts in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut out = Vec::new();
        sse::comment(&mut out, "tick");
        sse::event(&mut out, &id, &kind, &parts(data.as_bytes(), &cuts));
        sse::event(&mut out, "", "", &[b"after"]);
        let expected = [
            Dispatched { last_event_id: id.clone(), kind, data: normalised(&data) },
            Dispatched { last_event_id: id, kind: String::new(), data: "after".to_owned() },
        ];
        prop_assert_eq!(read(&String::from_utf8(out).unwrap()), expected);
    }

    #[test]
    fn the_cuts_never_show_on_the_wire(
        data in awkward_text(),
        cuts in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        sse::event(&mut whole, "1", "trigger", &[data.as_bytes()]);
        sse::event(&mut cut, "1", "trigger", &parts(data.as_bytes(), &cuts));
        prop_assert_eq!(whole, cut);
    }
}
