//! The notation of the vectors, which `tests/vectors/ws/README.md` explains.

/// One vector.
pub(crate) struct Vector {
    /// Clause and sentence.
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    Accepted(&'static str),
    Refused(&'static str),
    NotWhole,
}

/// The vectors of one file.
pub(crate) fn read(file: &'static str) -> Vec<Vector> {
    let vectors: Vec<_> = file.split("\n\n").filter_map(vector).collect();
    assert!(vectors.len() >= 10, "only {} vectors", vectors.len());
    vectors
}

fn vector(block: &'static str) -> Option<Vector> {
    let mut lines = block.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let name = lines.next()?;
    assert!(name.starts_with('['), "a vector begins with its clause: {name}");
    let bytes = bytes(lines.next().expect("a line of bytes"));
    let expected = lines.next().expect("a line that says what comes of them");
    let expected = match expected.split_at(1) {
        ("=", view) => Expected::Accepted(view.trim_start()),
        ("!", malformed) => Expected::Refused(malformed.trim_start()),
        ("?", "") => Expected::NotWhole,
        _ => panic!("{name}: what is {expected:?}?"),
    };
    assert_eq!(lines.next(), None, "{name}: a blank line ends a vector");
    Some(Vector { name, bytes, expected })
}

fn bytes(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, part) in line.split('\'').enumerate() {
        if position % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        for token in part.split_whitespace().filter(|&token| token != "-") {
            let (hex, times) = token.split_once('*').unwrap_or((token, "1"));
            let byte = u8::from_str_radix(hex, 16).expect("two hex digits");
            let times: usize = times.parse().expect("how often");
            bytes.extend(std::iter::repeat_n(byte, times));
        }
    }
    bytes
}
