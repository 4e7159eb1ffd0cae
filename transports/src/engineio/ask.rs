//! What a request to an Engine.IO path asks for.
//!
//! Owns the query parameters and the refusals, in the words of the reference implementation, which clients show their
//! users. It never knows whether a session lives.

use crate::http::{Method, query_pairs};
use std::fmt::Write;

/// How a session is carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Long-polling.
    Polling,
    /// A WebSocket.
    WebSocket,
}

/// What a request asks for. The sid is as the client wrote it; it is no session's until it is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask<'a> {
    /// A new session.
    Open(Transport),
    /// What waits to be said in a session.
    Poll(&'a str),
    /// To be heard in a session.
    Post(&'a str),
    /// A WebSocket for a session that polls.
    Upgrade(&'a str),
}

/// Why a request is answered with 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No `transport`, or one that does not exist.
    TransportUnknown,
    /// The session does not live, or never did.
    SidUnknown,
    /// A session is opened by a GET only.
    BadHandshakeMethod,
    /// Anything else that makes no sense: a transport that the session has not, a parameter given twice.
    BadRequest,
    /// Another revision than 4: `EIO=3` is what clients of Socket.IO 2 say.
    UnsupportedVersion,
}

/// A value that was given once.
struct Once<'a>(Option<&'a str>);

impl<'a> Once<'a> {
    fn put(&mut self, value: &'a str) -> Result<(), Refusal> {
        match self.0.replace(value) {
            None => Ok(()),
            Some(_) => Err(Refusal::BadRequest),
        }
    }
}

impl<'a> Ask<'a> {
    /// Reads a request's method and query. `is_websocket` says whether it asks to become a WebSocket.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    ///
    /// # Example
    ///
    /// ```
    /// use transports::engineio::{Ask, Refusal, Transport};
    /// use transports::http::Method;
    ///
    /// let read = |query| Ask::read(Method::Get, Some(query), false);
    /// assert_eq!(read("EIO=4&transport=polling&t=x"), Ok(Ask::Open(Transport::Polling)));
    /// assert_eq!(read("EIO=4&transport=polling&sid=abc"), Ok(Ask::Poll("abc")));
    /// assert_eq!(read("EIO=3&transport=polling"), Err(Refusal::UnsupportedVersion));
    /// ```
    pub fn read(method: Method, query: Option<&'a str>, is_websocket: bool) -> Result<Self, Refusal> {
        let (mut transport, mut sid, mut version) = (Once(None), Once(None), Once(None));
        for (name, value) in query.into_iter().flat_map(query_pairs) {
            match name {
                "transport" => transport.put(value)?,
                "sid" => sid.put(value)?,
                "EIO" => version.put(value)?,
                // JSONP, which revision 4 has given up.
                "j" => return Err(Refusal::BadRequest),
                _ => {}
            }
        }
        let transport = match transport.0 {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            Some(_) | None => return Err(Refusal::TransportUnknown),
        };
        if version.0 != Some("4") {
            return Err(Refusal::UnsupportedVersion);
        }
        match (sid.0, transport, method, is_websocket) {
            (None, _, Method::Get, _) if is_websocket == (transport == Transport::WebSocket) => {
                Ok(Self::Open(transport))
            }
            (None, _, Method::Get, _) => Err(Refusal::BadRequest),
            (None, _, _, _) => Err(Refusal::BadHandshakeMethod),
            (Some(sid), Transport::Polling, Method::Get, false) => Ok(Self::Poll(sid)),
            (Some(sid), Transport::Polling, Method::Post, false) => Ok(Self::Post(sid)),
            (Some(sid), Transport::WebSocket, Method::Get, true) => Ok(Self::Upgrade(sid)),
            (Some(_), _, _, _) => Err(Refusal::BadRequest),
        }
    }
}

impl Refusal {
    /// Appends the body of the answer, which is JSON.
    pub fn write(self, out: &mut Vec<u8>) {
        let (code, message) = match self {
            Self::TransportUnknown => (0, "Transport unknown"),
            Self::SidUnknown => (1, "Session ID unknown"),
            Self::BadHandshakeMethod => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::UnsupportedVersion => (5, "Unsupported protocol version"),
        };
        let mut body = String::new();
        let written = write!(body, "{{\"code\":{code},\"message\":\"{message}\"}}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        out.extend_from_slice(body.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_in_the_words_of_the_reference() {
        for (method, query, is_websocket, refusal) in [
            (Method::Get, "EIO=4", false, Refusal::TransportUnknown),
            (Method::Get, "EIO=4&transport=constructor", false, Refusal::TransportUnknown),
            (Method::Get, "EIO=4&transport=polling&transport=websocket", false, Refusal::BadRequest),
            (Method::Get, "EIO=4&transport=polling&sid=a&sid=b", false, Refusal::BadRequest),
            (Method::Get, "EIO=4&EIO=4&transport=polling", false, Refusal::BadRequest),
            (Method::Get, "transport=polling", false, Refusal::UnsupportedVersion),
            (Method::Get, "EIO=abc&transport=polling", false, Refusal::UnsupportedVersion),
            (Method::Get, "EIO=3&transport=websocket", true, Refusal::UnsupportedVersion),
            (Method::Post, "EIO=4&transport=polling", false, Refusal::BadHandshakeMethod),
            (Method::Put, "EIO=4&transport=polling", false, Refusal::BadHandshakeMethod),
            (Method::Get, "EIO=4&transport=websocket", false, Refusal::BadRequest),
            (Method::Get, "EIO=4&transport=polling", true, Refusal::BadRequest),
            (Method::Put, "EIO=4&transport=polling&sid=a", false, Refusal::BadRequest),
            (Method::Post, "EIO=4&transport=websocket&sid=a", false, Refusal::BadRequest),
            (Method::Get, "EIO=4&transport=websocket&sid=a", false, Refusal::BadRequest),
            (Method::Get, "EIO=4&transport=polling&j=0", false, Refusal::BadRequest),
        ] {
            assert_eq!(Ask::read(method, Some(query), is_websocket), Err(refusal), "{query}");
        }
        assert_eq!(Ask::read(Method::Get, None, false), Err(Refusal::TransportUnknown));
        let mut body = Vec::new();
        Refusal::UnsupportedVersion.write(&mut body);
        assert_eq!(body, br#"{"code":5,"message":"Unsupported protocol version"}"#);
    }

    #[test]
    fn tells_apart_what_a_session_is_asked() {
        let query = Some("EIO=4&transport=polling&t=abc&sid=s");
        assert_eq!(Ask::read(Method::Get, query, false), Ok(Ask::Poll("s")));
        assert_eq!(Ask::read(Method::Post, query, false), Ok(Ask::Post("s")));
        let query = Some("EIO=4&transport=websocket&sid=s");
        assert_eq!(Ask::read(Method::Get, query, true), Ok(Ask::Upgrade("s")));
        let query = Some("EIO=4&transport=websocket");
        assert_eq!(Ask::read(Method::Get, query, true), Ok(Ask::Open(Transport::WebSocket)));
    }
}
