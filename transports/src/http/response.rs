//! What the tenant says, and how it is written.
//!
//! Owns the shape of an answer: its status line, the fields that frame it, and its body. It never decides whether the
//! connection lives on: the session tells it.

use codec::http::{self, Framing, Head, Method, Version};

/// Most fields of one answer, those that are written here included.
const FIELDS_MAX: usize = 16;

/// The field that ends the connection with the answer (RFC 9112, 9.6).
const CLOSE: (&str, &str) = ("Connection", "close");

/// An answer to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response<'a> {
    /// The status code, 200 to 599.
    pub status: u16,
    /// The media type of the body; empty for none.
    pub content_type: &'a str,
    /// More fields, name and value. Those that frame the answer (`Content-Length`, `Connection`,
    /// `Transfer-Encoding`) are not the tenant's.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, in parts that are written one after the other.
    pub body: &'a [&'a [u8]],
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum After {
    /// It lives on: the next request may be in the input already.
    KeepAlive,
    /// Flush and close.
    Close,
}

/// What an answer must know of its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exchange {
    /// The method was HEAD: the answer has no body, but says how long it would be (RFC 9110, 9.3.2).
    pub(super) head_only: bool,
    /// What the peer speaks: HTTP/1.0 must be told that the connection lives on (RFC 9112, 9.3).
    pub(super) version: Version,
    /// The peer wants to keep the connection.
    pub(super) persistent: bool,
}

impl Exchange {
    /// After this answer the connection ends; nothing is known of the request.
    pub(super) const LAST: Self = Self { head_only: false, version: Version::Http11, persistent: false };

    /// What the head of a request says of its answer.
    pub(super) fn of(head: &Head<'_>) -> Self {
        Self { head_only: head.method == Method::Head, version: head.version, persistent: head.keep_alive }
    }
}

impl<'a> Response<'a> {
    /// Appends the whole answer.
    pub(super) fn write(&self, exchange: Exchange, out: &mut Vec<u8>) {
        let connection = match (exchange.persistent, exchange.version) {
            (true, Version::Http11) => None,
            (true, Version::Http10) => Some(("Connection", "keep-alive")),
            (false, Version::Http10 | Version::Http11) => Some(CLOSE),
        };
        let body_bytes: usize = self.body.iter().map(|part| part.len()).sum();
        let framing = if self.may_have_body() { Framing::Length(body_bytes as u64) } else { Framing::None };
        debug_assert!(framing != Framing::None || body_bytes == 0, "{} has no body", self.status);
        self.write_head(connection, framing, out);
        if framing != Framing::None && !exchange.head_only {
            self.body.iter().for_each(|part| out.extend_from_slice(part));
        }
    }

    /// Appends the head of an answer whose body ends with the connection.
    pub(super) fn write_endless(&self, out: &mut Vec<u8>) {
        self.write_head([("Cache-Control", "no-cache"), CLOSE], Framing::None, out);
    }

    fn write_head(
        &self,
        more: impl IntoIterator<Item = (&'a str, &'a str)>,
        framing: Framing,
        out: &mut Vec<u8>,
    ) {
        let content_type = (!self.content_type.is_empty()).then_some(("Content-Type", self.content_type));
        let mut fields = [("", ""); FIELDS_MAX];
        let mut count = 0;
        debug_assert!(self.headers.len() + 3 <= FIELDS_MAX, "an answer with so many fields");
        // What frames the connection comes first: it must never be what is cut off.
        let all = more.into_iter().chain(content_type).chain(self.headers.iter().copied());
        for (place, field) in fields.iter_mut().zip(all) {
            *place = field;
            count += 1;
        }
        http::encode_response(out, self.status, fields.get(..count).unwrap_or_default(), framing);
    }

    /// 204 and 304 end with their head (RFC 9112, 6.3, 1) and say no length (RFC 9110, 8.6).
    fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }
}
