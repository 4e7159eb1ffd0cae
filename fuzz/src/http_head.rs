//! HTTP heads and chunked bodies: one reading only, whoever reads.
//!
//! What was accepted is read a second time by plain splitting at CR LF, the way a careless neighbour would; a request can
//! only be smuggled where the two differ. `httparse`, which the decoder leans on, is asked directly too.

use codec::http::{self, Chunked, Framing, Head, ResponseBody};
use codec::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_METHOD_BYTES_MAX, HTTP_TARGET_BYTES_MAX};

/// A ceiling for bodies; the vectors use the same.
const CONTENT_BYTES_MAX: usize = 1000;

/// The bytes as a request, as a response and as a body in chunks.
pub fn check(bytes: &[u8]) {
    if let Ok(Some((head, consumed))) = http::decode(bytes) {
        let (head_bytes, body) = bytes.split_at(consumed);
        check_prefixes(head_bytes, |cut| http::decode(cut) == Ok(None));
        check_request(&head, head_bytes);
        if head.framing == Framing::Chunked {
            check_chunks(body);
        }
    }
    if let Ok(Some((head, consumed))) = http::decode_response(bytes) {
        let head_bytes = &bytes[..consumed];
        check_prefixes(head_bytes, |cut| http::decode_response(cut) == Ok(None));
        check_response(&head, head_bytes);
    }
    check_chunks(bytes);
}

fn check_prefixes(head: &[u8], is_not_whole: impl Fn(&[u8]) -> bool) {
    for cut in [0, 1, head.len() / 2, head.len() - 2, head.len() - 1] {
        assert!(is_not_whole(&head[..cut]), "cut at {cut}");
    }
}

/// The first line, and name and value of every other, by splitting alone.
fn split(head: &[u8]) -> (Vec<&[u8]>, Vec<(&str, &[u8])>) {
    assert!(head.len() <= HTTP_HEAD_BYTES_MAX + 2);
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let text = head.strip_suffix(b"\r\n\r\n").expect("a head ends with an empty line");
    let lines: Vec<&[u8]> = split_at_line_ends(text);
    for line in &lines {
        assert!(!line.is_empty() && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
    let (first, fields) = lines.split_first().expect("a head has a first line");
    let fields = fields.iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a field has a colon");
        let name = str::from_utf8(&line[..colon]).expect("a name is a token");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
        (name, trim(&line[colon + 1..]))
    });
    let fields: Vec<_> = fields.collect();
    assert!(fields.len() <= HTTP_HEADERS_MAX);
    (first.split(|&byte| byte == b' ').collect(), fields)
}

fn split_at_line_ends(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_blank(byte)).map_or(start, |at| at + 1);
    &value[start..end]
}

/// All values of a field; what frames a message must be said once at most.
fn values<'a>(fields: &[(&str, &'a [u8])], name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
}

fn check_request(head: &Head<'_>, bytes: &[u8]) {
    let (first, fields) = split(bytes);
    let [method, target, version] = first[..] else { panic!("a request line has three parts: {first:?}") };
    assert!(method.len() <= HTTP_METHOD_BYTES_MAX && head.target.len() <= HTTP_TARGET_BYTES_MAX);
    assert_eq!(target, head.target.as_bytes());
    assert!(matches!(version, b"HTTP/1.1" | b"HTTP/1.0"));
    assert!(head.path.starts_with('/') || head.path == "*", "{:?}", head.path);
    assert!(!head.path.contains(['?', '#']));
    assert!(head.headers.iter().eq(fields.iter().copied()));
    match (&values(&fields, "content-length")[..], &values(&fields, "transfer-encoding")[..]) {
        ([], []) => assert_eq!(head.framing, Framing::None),
        ([length], []) => {
            let length: u64 = str::from_utf8(length).expect("digits").parse().expect("a number");
            assert_eq!(head.framing, Framing::Length(length));
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && version == b"HTTP/1.1");
            assert_eq!(head.framing, Framing::Chunked);
        }
        (lengths, codings) => panic!("framed more than once: {lengths:?} {codings:?}"),
    }
    let hosts = values(&fields, "host").len();
    assert!(hosts == 1 || hosts == 0 && version == b"HTTP/1.0", "{hosts} hosts");
    check_with_httparse(bytes, head.target, &fields);
    check_way_back(head, method, &fields);
    check_target(head);
}

fn check_with_httparse(bytes: &[u8], target: &str, fields: &[(&str, &[u8])]) {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut theirs = httparse::Request::new(&mut headers);
    assert_eq!(theirs.parse(bytes), Ok(httparse::Status::Complete(bytes.len())));
    assert_eq!(theirs.path, Some(target));
    let theirs = theirs.headers.iter().map(|header| (header.name, header.value));
    assert!(theirs.eq(fields.iter().copied()));
}

/// Written by our own encoder, the request means the same.
fn check_way_back(head: &Head<'_>, method: &[u8], fields: &[(&str, &[u8])]) {
    let frames = |name: &str| {
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
    };
    let kept = fields.iter().filter(|(name, _)| !frames(name));
    let kept: Option<Vec<(&str, &str)>> =
        kept.map(|(name, value)| Some((*name, str::from_utf8(value).ok()?))).collect();
    // Values may hold other bytes than UTF-8; those we never write. And we write HTTP/1.1 with less freedom of spelling.
    let (Some(kept), http::Version::Http11) = (kept, head.version) else { return };
    let mut written = Vec::new();
    let method = str::from_utf8(method).expect("a token");
    http::encode_request(&mut written, method, head.target, &kept, head.framing);
    match http::decode(&written) {
        Ok(Some((again, consumed))) => {
            assert_eq!(consumed, written.len());
            assert_eq!(
                (again.method, again.target, again.path, again.query),
                (head.method, head.target, head.path, head.query)
            );
            assert_eq!(
                (again.host, again.framing, again.keep_alive),
                (head.host, head.framing, head.keep_alive)
            );
        }
        // Only our longer spelling ("Name: value") can have carried it over the ceiling.
        other => assert!(written.len() > HTTP_HEAD_BYTES_MAX, "{other:?}"),
    }
}

fn check_target(head: &Head<'_>) {
    let mut scratch = String::from("left over");
    for segment in head.path.split('/') {
        if let Ok(decoded) = http::percent_decode(segment, &mut scratch) {
            assert!(decoded.len() <= segment.len());
            assert!(segment.contains('%') || decoded == segment);
        }
    }
    for (name, value) in http::query_pairs(head.query.unwrap_or_default()) {
        assert!(!name.contains(['&', '=']) && !value.contains('&'));
        let _ = http::query_decode(value, &mut scratch);
    }
}

fn check_response(head: &http::ResponseHead<'_>, bytes: &[u8]) {
    let (_, fields) = split(bytes);
    assert!((100..=999).contains(&head.status));
    assert!(head.headers.iter().eq(fields.iter().copied()));
    let (lengths, codings) = (values(&fields, "content-length"), values(&fields, "transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "framed more than once");
    match head.body {
        ResponseBody::Length(length) => {
            assert_eq!(str::from_utf8(lengths[0]).expect("digits").parse(), Ok(length));
        }
        ResponseBody::Chunked => assert!(codings[0].eq_ignore_ascii_case(b"chunked")),
        ResponseBody::UntilClose => assert!(lengths.is_empty() && codings.is_empty()),
        ResponseBody::None => assert!(matches!(head.status, 100..200 | 204 | 304)),
    }
}

/// A body in chunks: at once, in dribbles, and by a plain reader.
fn check_chunks(wire: &[u8]) {
    let at_once = Chunked::default().advance(wire, CONTENT_BYTES_MAX);
    let mut dribbled = Chunked::default();
    let step = 1 + wire.first().map_or(0, |byte| usize::from(byte % 7));
    let mut end = 0;
    let in_dribbles = loop {
        match dribbled.advance(&wire[..end], CONTENT_BYTES_MAX) {
            Ok(None) if end < wire.len() => end = wire.len().min(end + step),
            answer => break answer,
        }
    };
    assert_eq!(in_dribbles, at_once, "in steps of {step}");
    let Ok(Some(consumed)) = at_once else { return };
    let content = plain_chunks(&wire[..consumed]);
    assert!(content.len() <= CONTENT_BYTES_MAX);
    assert_eq!(dribbled.content_bytes(), content.len());
    let mut joined = wire[..consumed].to_vec();
    let bytes = http::join_chunks(&mut joined);
    assert_eq!(joined[..bytes], content);
}

/// The content of a whole body, by splitting alone.
fn plain_chunks(wire: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = wire;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a size ends its line");
        let digits = rest[..end].iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits: String = digits.map(|&byte| char::from(byte)).collect();
        let size = usize::from_str_radix(&digits, 16).expect("a size is a number");
        rest = &rest[end + 2..];
        if size == 0 {
            assert!(rest.ends_with(b"\r\n"), "an empty line ends the body");
            return content;
        }
        content.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n", "a chunk ends with a line end");
        rest = &rest[size + 2..];
    }
}
