//! A whole request, lent to the tenant.
//!
//! Owns the view of a head that was decoded, and the outline by which the view is found again when the body is whole.
//! It never checks framing, never keeps a byte, and does not know what a path means.

use codec::http::{Head, Headers, Method, Version};
use codec::limits::HTTP_HEAD_BYTES_MAX;
use std::fmt;
use zeroize::Zeroizing;

/// A request, borrowed from the received bytes: head and body, chunks already joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'b> {
    /// What is to be done (RFC 9110, 9).
    pub method: Method,
    /// The version spoken.
    pub version: Version,
    /// The path, percent-encoded as it came: it begins with `/`, or is the `*` of OPTIONS (RFC 9112, 3.2). See
    /// [`percent_decode`](super::percent_decode).
    pub path: &'b str,
    /// What stood behind the `?`, as it came. See [`query_pairs`](super::query_pairs).
    pub query: Option<&'b str>,
    /// The authority that the target or the Host field names (RFC 9112, 3.3); may be empty.
    pub host: &'b str,
    /// All header fields.
    pub headers: Headers<'b>,
    /// The body; empty where the request has none.
    pub body: &'b [u8],
}

impl<'b> Request<'b> {
    /// The value of the first field of this name, in any case of letters; none also when it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.headers.text(name)
    }
}

/// A request that has to wait for a word from elsewhere: its bytes, owned. It shows nothing of itself, because a head
/// carries secrets.
pub struct Kept {
    method: Method,
    version: Version,
    path: Box<str>,
    query: Option<Box<str>>,
    host: Box<str>,
    /// The key is in it: it is wiped.
    headers: Zeroizing<Box<[u8]>>,
    body: Box<[u8]>,
}

impl Request<'_> {
    /// Copies the request, so that it can be looked at again when the received bytes are gone.
    pub fn keep(&self) -> Kept {
        Kept {
            method: self.method,
            version: self.version,
            path: self.path.into(),
            query: self.query.map(Into::into),
            host: self.host.into(),
            headers: Zeroizing::new(self.headers.as_bytes().into()),
            body: self.body.into(),
        }
    }
}

impl Kept {
    /// The request as it was.
    pub fn lend(&self) -> Request<'_> {
        Request {
            method: self.method,
            version: self.version,
            path: &self.path,
            query: self.query.as_deref(),
            host: &self.host,
            headers: Headers::new(&self.headers),
            body: &self.body,
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// Where the parts of a decoded head are in its bytes, so that it need not be decoded again when its body is whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    method: Method,
    version: Version,
    path: Option<Span>,
    query: Option<Span>,
    host: Option<Span>,
    headers: Option<Span>,
    head_bytes: u16,
}

/// A part of a head.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u16,
    bytes: u16,
}

const _: () = assert!(HTTP_HEAD_BYTES_MAX <= u16::MAX as usize);

impl Outline {
    /// The outline of `head`, which was decoded from `bytes`.
    pub(super) fn of(head: &Head<'_>, bytes: &[u8]) -> Self {
        let span = |part: &str| Span::of(part.as_bytes(), bytes);
        Self {
            method: head.method,
            version: head.version,
            path: span(head.path),
            query: head.query.and_then(span),
            host: span(head.host),
            headers: Span::of(head.headers.as_bytes(), bytes),
            head_bytes: bytes.len() as u16,
        }
    }

    /// Length of the head, in bytes.
    pub(super) fn head_bytes(&self) -> usize {
        usize::from(self.head_bytes)
    }

    /// The request with this head and this body.
    pub(super) fn request<'b>(&self, head: &'b [u8], body: &'b [u8]) -> Request<'b> {
        let text = |span: Span| std::str::from_utf8(span.of_bytes(head)).unwrap_or_default();
        Request {
            method: self.method,
            version: self.version,
            // A path that is none of the peer's bytes is the one that stands for an empty path.
            path: self.path.map_or("/", text),
            query: self.query.map(text),
            host: self.host.map_or("", text),
            headers: Headers::new(self.headers.map_or(&[], |span| span.of_bytes(head))),
            body,
        }
    }
}

impl Span {
    /// Where `part` is in `whole`; none when it is not of it.
    fn of(part: &[u8], whole: &[u8]) -> Option<Self> {
        let at = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        (at + part.len() <= whole.len()).then_some(Self { at: at as u16, bytes: part.len() as u16 })
    }

    fn of_bytes(self, whole: &[u8]) -> &[u8] {
        whole
            .get(usize::from(self.at)..)
            .and_then(|rest| rest.get(..usize::from(self.bytes)))
            .unwrap_or_default()
    }
}
