//! The opening handshake, read from a request that HTTP has found whole (RFC 6455, 4.2).
//!
//! Owns what a request must say to become a WebSocket, and the 101. It never knows which path speaks what, never looks
//! at an origin, and negotiates no extension: what is offered of that is not answered, which refuses it (9.1).

use crate::http::{Method, Request, Version};
use codec::ws::accept_key;

/// A request that may become a WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handshake<'b> {
    request: Request<'b>,
    accept: String,
}

/// Why a request does not become one, each with the clause of RFC 6455 that decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// "The method of the request MUST be GET" (4.1, 2).
    Method,
    /// "the HTTP version MUST be at least 1.1" (4.1, 2).
    Version,
    /// "An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive value"
    /// (4.2.1, 3) is missing.
    Upgrade,
    /// "A |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value"
    /// (4.2.1, 4) is missing.
    Connection,
    /// "A |Sec-WebSocket-Key| header field with a base64-encoded [...] value that, when decoded, is 16 bytes in length"
    /// (4.2.1, 5) is missing, or there are two (11.3.1: "MUST NOT appear more than once").
    Key,
    /// "A |Sec-WebSocket-Version| header field, with a value of 13" (4.2.1, 6) is missing: "the server MUST abort the
    /// WebSocket handshake [...] and instead send an appropriate HTTP error code (such as 426 Upgrade Required) and a
    /// |Sec-WebSocket-Version| header field indicating the version(s) the server is capable of understanding" (4.2.2).
    WebSocketVersion,
    /// A request with a body: the bytes behind its head could be taken for frames.
    Body,
}

impl<'b> Handshake<'b> {
    /// Whether the request asks for a WebSocket at all, rightly or not.
    pub fn is_asked(request: &Request<'_>) -> bool {
        request.headers.has_token("upgrade", "websocket")
    }

    /// Judges a request.
    ///
    /// # Errors
    ///
    /// The first rule it breaks.
    pub fn check(request: &Request<'b>) -> Result<Self, Refusal> {
        let headers = &request.headers;
        if request.method != Method::Get {
            return Err(Refusal::Method);
        }
        if request.version != Version::Http11 {
            return Err(Refusal::Version);
        }
        if !headers.has_token("upgrade", "websocket") {
            return Err(Refusal::Upgrade);
        }
        if !headers.has_token("connection", "upgrade") {
            return Err(Refusal::Connection);
        }
        if only(headers.all("sec-websocket-version")) != Some(b"13") {
            return Err(Refusal::WebSocketVersion);
        }
        if !request.body.is_empty() {
            return Err(Refusal::Body);
        }
        let key = only(headers.all("sec-websocket-key")).ok_or(Refusal::Key)?;
        let accept = accept_key(key).map_err(|_| Refusal::Key)?;
        Ok(Self { request: *request, accept })
    }

    /// Whether the client offers this sub-protocol (4.2.2, 5, /subprotocol/), spelled exactly so.
    pub fn offers(&self, protocol: &str) -> bool {
        let offered = self.request.headers.all("sec-websocket-protocol");
        offered
            .flat_map(|list| list.split(|&byte| byte == b','))
            .any(|one| one.trim_ascii() == protocol.as_bytes())
    }

    /// Appends the 101 (4.2.2). A `protocol` must have been offered.
    pub fn accept(&self, protocol: Option<&str>, out: &mut Vec<u8>) {
        debug_assert!(
            protocol.is_none_or(|protocol| self.offers(protocol)),
            "4.1: the client fails otherwise"
        );
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.accept.as_bytes());
        if let Some(protocol) = protocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(protocol.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::WebSocketVersion | Self::Upgrade => 426,
            Self::Version | Self::Connection | Self::Key | Self::Body => 400,
        }
    }

    /// The fields that the answer needs: what would be welcome instead.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("Allow", "GET")],
            Self::WebSocketVersion | Self::Upgrade => {
                &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
            }
            Self::Version | Self::Connection | Self::Key | Self::Body => &[],
        }
    }

    /// What is wrong, in a sentence that holds no byte of the peer's.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Method => "A WebSocket begins with a GET request.",
            Self::Version => "A WebSocket begins with HTTP/1.1.",
            Self::Upgrade => "This path speaks WebSocket: the Upgrade field must name websocket.",
            Self::Connection => "The Connection field must name Upgrade.",
            Self::Key => "Sec-WebSocket-Key must be sixteen bytes in base64.",
            Self::WebSocketVersion => "This server speaks version 13 of WebSocket.",
            Self::Body => "A request for a WebSocket has no body.",
        }
    }
}

/// The only one there is.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
