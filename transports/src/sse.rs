//! Server-Sent Events: how an event is written into a stream (WHATWG HTML, 9.2 "Server-sent events").
//!
//! Owns the framing alone: field names, the line that ends an event, and the law that no byte of a payload can be
//! mistaken for framing. Events are written into the body which [`crate::http::Session::begin_stream`] opened. It
//! never holds a stream, a cursor or a timer, and never looks into a payload: which events exist, what their ids mean
//! and when a comment is due is the tenant's business.

/// Appends one event to a stream.
///
/// `id` becomes the reader's last event id and `event` its type; either is left out when empty. The data is the
/// concatenation of `data`, which need not be cut at lines: a line ending inside it (CRLF, LF or CR, also when it is
/// cut by two parts) begins a new `data` line, and the reader joins the lines with LF. JSON has line endings only as
/// insignificant white space, so a JSON text keeps its meaning.
///
/// `id` and `event` must not contain CR, LF or NUL; they come from us, never from a peer.
///
/// ```
/// let mut out = Vec::new();
/// transports::sse::event(&mut out, "17", "trigger", &[b"{\"a\":\r", b"\n1}"]);
/// assert_eq!(out, b"id: 17\nevent: trigger\ndata: {\"a\":\ndata: 1}\n\n");
/// ```
pub fn event(out: &mut Vec<u8>, id: &str, event: &str, data: &[&[u8]]) {
    debug_assert!(is_one_line(id) && is_one_line(event));
    field(out, b"id: ", id);
    field(out, b"event: ", event);
    out.extend_from_slice(b"data: ");
    let mut after_cr = false;
    for part in data {
        after_cr = append_lines(out, part, after_cr);
    }
    out.extend_from_slice(b"\n\n");
}

/// Appends a line that readers skip. Sent now and then, it keeps proxies from taking a quiet stream for a dead one.
///
/// `text` must not contain CR or LF.
///
/// ```
/// let mut out = Vec::new();
/// transports::sse::comment(&mut out, "still here");
/// assert_eq!(out, b": still here\n\n");
/// ```
pub fn comment(out: &mut Vec<u8>, text: &str) {
    debug_assert!(is_one_line(text));
    field(out, b": ", text);
    out.push(b'\n');
}

/// Appends one field, unless it would say nothing.
fn field(out: &mut Vec<u8>, name: &[u8], value: &str) {
    if !value.is_empty() {
        out.extend_from_slice(name);
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
}

/// Appends one part of the data, a new `data` line after each line ending. `after_cr`: the part before this one ended
/// in CR, for which the new line has already begun, so an LF that comes first here belongs to it. Returns the same
/// for the next part.
fn append_lines(out: &mut Vec<u8>, part: &[u8], after_cr: bool) -> bool {
    let mut rest = match part {
        [] => return after_cr,
        [b'\n', rest @ ..] if after_cr => rest,
        _ => part,
    };
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let (line, ending) = rest.split_at(end);
        out.extend_from_slice(line);
        out.extend_from_slice(b"\ndata: ");
        rest = match ending {
            [b'\r'] => return true,
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => ending,
        };
    }
    out.extend_from_slice(rest);
    false
}

/// Whether a text of ours stays within its line. NUL is refused too: a reader ignores an id that has one.
fn is_one_line(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::{comment, event};

    fn written(id: &str, kind: &str, data: &[&[u8]]) -> String {
        let mut out = Vec::new();
        event(&mut out, id, kind, data);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_id_then_type_then_data() {
        assert_eq!(written("9", "gap", &[b"{}"]), "id: 9\nevent: gap\ndata: {}\n\n");
    }

    #[test]
    fn leaves_out_an_empty_id_and_an_empty_type() {
        assert_eq!(written("", "", &[b"x"]), "data: x\n\n");
    }

    #[test]
    fn an_event_without_data_still_reaches_the_reader() {
        assert_eq!(written("1", "", &[]), "id: 1\ndata: \n\n");
    }

    #[test]
    fn every_line_of_the_data_gets_its_own_prefix() {
        assert_eq!(written("", "", &[b"a\nb\r\nc\rd\n"]), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    }

    #[test]
    fn a_line_ending_cut_by_two_parts_is_one_line_ending() {
        assert_eq!(written("", "", &[b"a\r", b"", b"\nb"]), "data: a\ndata: b\n\n");
        assert_eq!(written("", "", &[b"a\n", b"\rb"]), "data: a\ndata: \ndata: b\n\n");
        assert_eq!(written("", "", &[b"a\r", b"\r", b"\n", b"\n"]), "data: a\ndata: \ndata: \ndata: \n\n");
    }

    #[test]
    fn a_payload_cannot_forge_a_field_or_an_event() {
        let forged = written("", "", &[b"x\n\nevent: trigger\ndata: forged\n\n"]);
        assert!(!forged.contains("\n\nevent"));
        assert!(forged.lines().all(|line| line.is_empty() || line.starts_with("data: ")));
    }

    #[test]
    fn a_comment_is_a_line_that_names_no_field() {
        let mut out = Vec::new();
        comment(&mut out, "tick");
        assert_eq!(out, b": tick\n\n");
    }
}
