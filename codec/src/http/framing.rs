//! How long a message is: the one question on which two readers must never differ (RFC 9112, 6).
//!
//! It owns what the framing fields of one head say together, fed field by field, and refuses every combination that
//! has ever been read in two ways. It never looks at a body.

use super::Malformed;
use super::headers::list_has;

/// How the body of a request is framed (RFC 9112, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes follow the head; perhaps more than anybody will take.
    Length(u64),
    /// Chunks follow the head: see [`Chunked`](super::Chunked).
    Chunked,
}

/// What the fields of a head have said so far about its body and its connection.
#[derive(Default)]
pub(super) struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    /// Takes note of a field if it is one that frames; `false` if it is not.
    #[inline]
    pub(super) fn note(&mut self, name: &str, value: &[u8]) -> Result<bool, Malformed> {
        // By length first: most fields are none of these.
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => {
                self.close |= list_has(value, "close");
                self.keep_alive |= list_has(value, "keep-alive");
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                if self.length.replace(content_length(value)?).is_some() {
                    return Err(Malformed::ContentLengthRepeated);
                }
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The framing that all fields together give; `None` if they give none.
    pub(super) fn framing(&self) -> Result<Option<Framing>, Malformed> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Malformed::LengthAndEncoding),
            (true, None) => Ok(Some(Framing::Chunked)),
            (false, Some(bytes)) => Ok(Some(Framing::Length(bytes))),
            (false, None) => Ok(None),
        }
    }

    /// Whether the connection may be used again (RFC 9112, 9.3).
    pub(super) fn persists(&self, by_default: bool) -> bool {
        !self.close && (by_default || self.keep_alive)
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110, 8.6), and nothing that an integer parser might let pass besides.
fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::ContentLength);
    }
    let digit = |number: u64, &digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    value.iter().try_fold(0, digit).ok_or(Malformed::ContentLengthOverflow)
}
