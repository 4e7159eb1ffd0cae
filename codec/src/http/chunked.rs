//! Bodies in chunks (RFC 9112, 7.1).
//!
//! Two steps. [`Chunked`] watches a body that is still coming: it remembers where it has looked up to, so each byte is
//! looked at once however it trickles in, and refuses a size when it is promised, not when it has come.
//! [`join_chunks`] then moves the content of a whole body together, in place. Extensions and trailers are checked,
//! bounded and dropped; nobody here knows one.
//!
//! ```text
//!           digit                 CR LF, size > 0
//!   Size ----------> Size' ----------------------------> Content -- all of it --> CR LF --> Size
//!                      | ';'          ^
//!                      +-> Extension -+        CR LF, size = 0                    empty line
//!                                     +-------------------------> Trailer lines ------------> done
//! ```

use super::{Malformed, blame};
use crate::limits::{HTTP_CHUNK_LINE_BYTES_MAX, HTTP_CHUNK_OVERHEAD_BYTES_MAX};

/// How far a chunked body has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Chunked {
    /// Everything before this place was looked at and is no line that is still coming.
    at: usize,
    /// How much of the line that is still coming was searched for its end.
    searched: usize,
    /// Content promised by the sizes so far.
    content_bytes: usize,
    next: Next,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Next {
    /// A line with the size of a chunk.
    #[default]
    Size,
    /// The content of a chunk and the line end behind it, so many bytes together.
    Content(usize),
    /// A line of the trailer section, or the empty line at the end.
    Trailer,
}

const LINE_END: &[u8] = b"\r\n";

impl Chunked {
    /// Looks on. `wire` is all that has come behind the head, from the first byte of the body in every call.
    ///
    /// Answers how many bytes of it the body takes when it is whole, `None` until then. More content than
    /// `content_bytes_max` is refused as soon as it is promised; what is not content has a ceiling of its own.
    pub fn advance(&mut self, wire: &[u8], content_bytes_max: usize) -> Result<Option<usize>, Malformed> {
        loop {
            let rest = wire.get(self.at..).unwrap_or_default();
            if let Next::Content(bytes) = self.next {
                let Some(content) = rest.get(..bytes) else { return Ok(None) };
                if !content.ends_with(LINE_END) {
                    return Err(Malformed::ChunkEnd);
                }
                self.at += bytes;
                self.next = Next::Size;
                continue;
            }
            let Some(line) = self.line(rest)? else { return Ok(None) };
            self.at += line.len();
            self.searched = 0;
            match (self.next, line) {
                (Next::Trailer, LINE_END) => return Ok(Some(self.at)),
                (Next::Trailer, _) => trailer(line)?,
                (Next::Size | Next::Content(_), _) => self.promise(size(line)?, content_bytes_max)?,
            }
            if self.overhead_bytes() > HTTP_CHUNK_OVERHEAD_BYTES_MAX {
                return Err(Malformed::ChunkOverhead);
            }
        }
    }

    /// Content that the sizes so far have promised, in bytes.
    pub fn content_bytes(&self) -> usize {
        self.content_bytes
    }

    /// The line that `rest` begins with, with its line end, if it is whole.
    fn line<'w>(&mut self, rest: &'w [u8]) -> Result<Option<&'w [u8]>, Malformed> {
        let unsearched = rest.get(self.searched..).unwrap_or_default();
        let end = memchr::memchr(b'\n', unsearched).map(|at| self.searched + at + 1);
        if end.unwrap_or(rest.len()) > HTTP_CHUNK_LINE_BYTES_MAX + LINE_END.len() {
            return Err(Malformed::ChunkLineTooLong);
        }
        self.searched = rest.len();
        Ok(end.and_then(|end| rest.get(..end)))
    }

    fn promise(&mut self, bytes: usize, content_bytes_max: usize) -> Result<(), Malformed> {
        self.content_bytes = self.content_bytes.checked_add(bytes).ok_or(Malformed::ChunkSizeOverflow)?;
        if self.content_bytes > content_bytes_max {
            return Err(Malformed::BodyTooLarge);
        }
        self.next = match bytes {
            0 => Next::Trailer,
            bytes => Next::Content(bytes.checked_add(LINE_END.len()).ok_or(Malformed::ChunkSizeOverflow)?),
        };
        Ok(())
    }

    /// What was not content among the bytes before the place we are at.
    fn overhead_bytes(&self) -> usize {
        let coming = match self.next {
            Next::Content(bytes) => bytes - LINE_END.len(),
            Next::Size | Next::Trailer => 0,
        };
        debug_assert!(coming <= self.content_bytes && self.content_bytes - coming <= self.at);
        self.at - (self.content_bytes - coming)
    }
}

/// Moves the content of a whole body, as [`Chunked::advance`] has found it, to the front of its bytes, and answers
/// how many there are.
///
/// ```
/// let mut wire = *b"3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
/// let bytes = codec::http::join_chunks(&mut wire);
/// assert_eq!(&wire[..bytes], b"{\"a\":1}");
/// ```
pub fn join_chunks(wire: &mut [u8]) -> usize {
    let mut joined = 0;
    let mut at = 0;
    // Anything that is no chunk ends the walk: then this is no body that was found whole.
    while let Some((start, bytes)) = chunk(wire.get(at..).unwrap_or_default()) {
        let from = at + start;
        let end = from + bytes;
        if bytes == 0 || end > wire.len() {
            break;
        }
        wire.copy_within(from..end, joined);
        joined += bytes;
        at = end + LINE_END.len();
    }
    joined
}

/// Where the content of the chunk begins that `wire` begins with, and its length.
fn chunk(wire: &[u8]) -> Option<(usize, usize)> {
    let line_bytes = memchr::memchr(b'\n', wire)? + 1;
    let bytes = size(wire.get(..line_bytes)?).ok()?;
    (bytes < wire.len()).then_some((line_bytes, bytes))
}

/// Reads `chunk-size [ chunk-ext ] CRLF` (RFC 9112, 7.1).
fn size(line: &[u8]) -> Result<usize, Malformed> {
    let mut size = 0usize;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, extension) = line.split_at_checked(digits).unwrap_or_default();
    for &digit in number {
        let digit = char::from(digit).to_digit(16).unwrap_or_default();
        size = size.checked_mul(16).ok_or(Malformed::ChunkSizeOverflow)? | digit as usize;
    }
    if digits == 0 {
        return Err(Malformed::ChunkSize);
    }
    if extension != LINE_END {
        check_extension(extension)?;
    }
    Ok(size)
}

/// Checks `*( BWS ";" BWS chunk-ext-name [ "=" ... ] ) CRLF` as far as framing goes (RFC 9112, 7.1.1): it begins with
/// a semicolon, and no control character hides in it that another reader might take for a line end.
fn check_extension(extension: &[u8]) -> Result<(), Malformed> {
    let Some(text) = extension.strip_suffix(LINE_END) else { return Err(Malformed::BareLineFeed) };
    if text.contains(&b'\r') {
        return Err(Malformed::BareCarriageReturn);
    }
    let begins = text.trim_ascii_start().first() == Some(&b';');
    let is_text = |&byte: &u8| byte == b'\t' || !byte.is_ascii_control();
    if begins && text.iter().all(is_text) { Ok(()) } else { Err(Malformed::ChunkExtension) }
}

/// Checks a line of the trailer section, and forgets it (RFC 9112, 7.1.2).
fn trailer(line: &[u8]) -> Result<(), Malformed> {
    blame::field_line(line).map_err(|malformed| match malformed {
        Malformed::BareLineFeed | Malformed::BareCarriageReturn => malformed,
        _ => Malformed::Trailer,
    })
}
