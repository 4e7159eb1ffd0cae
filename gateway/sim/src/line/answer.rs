//! The client's side of HTTP/1.1: cutting answers out of the bytes.
//!
//! Owns how an answer's head is read, as far as scripts look at it. Never judges what it says.

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The length of the body.
    pub body_bytes: usize,
    /// It is followed by a stream of events.
    pub endless: bool,
    /// The connection ends behind it.
    pub last: bool,
    /// The entity tag.
    pub etag: Option<String>,
    /// When to try again.
    pub retry_after_s: Option<u32>,
}

/// The head of the answer at the front, and its length.
pub fn read_head(bytes: &[u8]) -> Option<(Head, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut head =
        Head { status, body_bytes: 0, endless: false, last: false, etag: None, retry_after_s: None };
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "Content-Length" => head.body_bytes = value.parse().ok()?,
            "Content-Type" => head.endless = value == "text/event-stream",
            "Connection" => head.last = value == "close",
            "Retry-After" => head.retry_after_s = value.parse().ok(),
            "ETag" => head.etag = Some(value.to_owned()),
            _ => {}
        }
    }
    Some((head, end + 4))
}
