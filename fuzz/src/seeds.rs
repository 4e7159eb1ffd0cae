//! Where fuzzing begins: the vectors of the codec, read from its tests, so that a new vector is a new seed; and what
//! fuzzing itself once found, in `found/`.
//!
//! Owns the reading of the three notations as far as their bytes go; what must come of the bytes is the codec's own tests'
//! affair. Their README files explain them.

use std::fs;
use std::path::{Path, PathBuf};

/// One target's way in: the name of the target, and bytes that are worth beginning with.
pub fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mqtt = read("mqtt", mqtt_notation);
    let found = mqtt_notation(&text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("found/mqtt_session.txt")));
    let http = read("http", http);
    let json = read("json", json);
    let ws = read("ws", mqtt_notation);
    let (engineio, socketio) = (read("engineio", mqtt_notation), read("socketio", mqtt_notation));
    vec![
        ("mqtt_decode", mqtt.clone()),
        // Bytes mean steps there, and any bytes do; those of packets at least are no noise.
        ("mqtt_session", [mqtt, found].concat()),
        ("http_head", http.clone()),
        ("http_session", http),
        ("json_members", json),
        ("engineio_decode", engineio),
        ("socketio_decode", socketio),
        ("ws_header", ws.clone()),
        ("ws_session", conversations(&ws)),
    ]
}

/// Frames as a conversation: two bytes in front say how it is cut. Each alone, and all that are masked one after the other.
fn conversations(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let with_cut = |frames: &[u8]| [&[5, 7], frames].concat();
    let masked = frames.iter().filter(|frame| frame.get(1).is_some_and(|second| second & 0x80 != 0));
    let together: Vec<u8> = masked.take(8).flatten().copied().collect();
    frames.iter().map(|frame| with_cut(frame)).chain([with_cut(&together)]).collect()
}

fn read(format: &str, seeds: fn(&str) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../codec/tests/vectors", format].iter().collect();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder can be read to its end").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().flat_map(|file| seeds(&text(file))).collect();
    assert!(seeds.len() > 50, "the vectors of {format} are not where they were");
    seeds
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Blocks of three lines; the second holds the bytes: hex digits, `'text'`, `61*100`.
fn mqtt_notation(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let blocks: Vec<&str> = lines.collect();
    blocks.split(|line| line.is_empty()).filter_map(|block| Some(mqtt_bytes(block.get(1)?))).collect()
}

fn mqtt_bytes(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, part) in line.split('\'').enumerate() {
        if position % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        for token in part.split_whitespace().filter(|&token| token != "-") {
            let (hex, times) = token.split_once('*').unwrap_or((token, "1"));
            let byte = u8::from_str_radix(hex, 16).expect("two hex digits");
            bytes.extend(std::iter::repeat_n(byte, times.parse().expect("how often")));
        }
    }
    bytes
}

/// A line each: what must come out, ` | `, the bytes with escapes.
fn http(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(unescaped(line.split_once(" | ")?.1))).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("an escape has a letter") {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().expect("two digits"), rest.next().expect("two digits")];
                u8::from_str_radix(str::from_utf8(&digits).expect("hex digits"), 16).expect("hex digits")
            }
            other => other,
        });
    }
    bytes
}

/// A line each: what must happen, blanks, the document, in which `<C0 AF>` stands for bytes.
fn json(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(json_bytes(line.split_once(' ')?.1.trim_start()))).collect()
}

fn json_bytes(document: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = document;
    while let Some((before, behind)) = rest.split_once('<') {
        bytes.extend_from_slice(before.as_bytes());
        let hex = |hex: &str| {
            hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok()).collect::<Option<Vec<u8>>>()
        };
        match behind.split_once('>').and_then(|(inner, behind)| Some((hex(inner)?, behind))) {
            Some((named, behind)) => {
                bytes.extend(named);
                rest = behind;
            }
            None => {
                bytes.push(b'<');
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
