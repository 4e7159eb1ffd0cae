//! Web pages of other origins that may speak Socket.IO by long-polling: what their browser is told.
//!
//! Owns the header fields of the Fetch standard's CORS protocol on `/socket.io/`, and the answer to a preflight. A page shows
//! its key in the CONNECT and no cookie counts here, so whoever lets a page in gives it nothing but the right to ask. It never
//! keeps a request out: a browser does that for its user, and it does so for polling only, because a WebSocket needs no leave.

use crate::shard::{Cx, Shard};
use engine::Key;
use std::sync::Arc;
use transports::http::Request;

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_S: &str = "600";
/// Most fields of one answer.
const FIELDS_MAX: usize = 8;

/// The origins whose pages may speak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origins {
    /// Every page may.
    Any,
    /// These may; their browsers may send what a proxy in front of us wants to see again, such as its cookie.
    Listed(Box<[Box<str>]>),
}

/// Whose page asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Page {
    /// Nobody's: most devices are no page.
    #[default]
    None,
    /// One of any origin, where any may.
    Any,
    /// One of this place in the list.
    Listed(u16),
    /// One that is not in the list.
    Unlisted,
}

/// Header fields of one answer.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    all: [(&'a str, &'a str); FIELDS_MAX],
    count: usize,
}

impl<'a> Fields<'a> {
    fn push(&mut self, name: &'a str, value: &'a str) {
        if let Some(place) = self.all.get_mut(self.count) {
            *place = (name, value);
            self.count += 1;
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[(&'a str, &'a str)] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

impl Origins {
    /// The list of the configuration, where `*` stands for all.
    pub fn of(list: &[String]) -> Self {
        if list.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        Self::Listed(list.iter().map(|origin| origin.to_ascii_lowercase().into()).collect())
    }

    /// Whose page a request comes from, by its `Origin` field.
    pub fn page(&self, origin: Option<&str>) -> Page {
        match (self, origin) {
            (_, None) => Page::None,
            (Self::Any, Some(_)) => Page::Any,
            (Self::Listed(list), Some(origin)) => {
                let place = list.iter().position(|listed| **listed == *origin);
                place.and_then(|place| u16::try_from(place).ok()).map_or(Page::Unlisted, Page::Listed)
            }
        }
    }

    /// What every answer on this path says, with what a page's browser has to know of it.
    pub fn fields(&self, page: Page) -> Fields<'_> {
        let mut fields = Fields::default();
        fields.push("Cache-Control", "no-store");
        match (self, page) {
            (_, Page::None) => {}
            (Self::Any, _) => fields.push("Access-Control-Allow-Origin", "*"),
            (Self::Listed(list), page) => {
                if let Page::Listed(place) = page
                    && let Some(origin) = list.get(usize::from(place))
                {
                    fields.push("Access-Control-Allow-Origin", origin);
                    fields.push("Access-Control-Allow-Credentials", "true");
                }
                fields.push("Vary", "Origin");
            }
        }
        fields
    }

    /// The same for the answer to a preflight, which asked for `headers`.
    fn preflight<'a>(&'a self, page: Page, headers: Option<&'a str>) -> Fields<'a> {
        let mut fields = self.fields(page);
        if matches!(page, Page::Any | Page::Listed(_)) {
            fields.push("Access-Control-Allow-Methods", "GET, POST");
            fields.push("Access-Control-Max-Age", PREFLIGHT_S);
            if let Some(headers) = headers {
                fields.push("Access-Control-Allow-Headers", headers);
                fields.push("Vary", "Access-Control-Request-Headers");
            }
        }
        fields
    }
}

impl Shard {
    /// Remembers whose page asks, until its request is answered.
    pub(super) fn note_page(&mut self, conn: Key, request: &Request<'_>) {
        let page = self.facts.origins.page(request.header("origin"));
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.page = page;
        }
    }

    /// A browser asks whether a page may ask.
    pub(super) fn answer_preflight(&mut self, cx: &mut Cx<'_>, conn: Key, request: &Request<'_>) {
        let (facts, page) = (Arc::clone(&self.facts), self.page(conn));
        let fields = facts.origins.preflight(page, request.header("access-control-request-headers"));
        self.respond(cx, conn, 204, "", fields.as_slice(), &|_| {});
    }

    /// Answers a request to the path of Socket.IO.
    pub(super) fn respond_socketio(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        status: u16,
        content_type: &str,
        body: &[u8],
    ) {
        let (facts, page) = (Arc::clone(&self.facts), self.page(conn));
        let fields = facts.origins.fields(page);
        self.respond(cx, conn, status, content_type, fields.as_slice(), &|out| out.extend_from_slice(body));
    }

    fn page(&mut self, conn: Key) -> Page {
        self.peers.http_mut(conn).map_or(Page::None, |peer| peer.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "https://shop.example";

    fn listed() -> Origins {
        Origins::of(&["https://Shop.example".to_owned(), "http://localhost:3000".to_owned()])
    }

    fn said<'a>(fields: &Fields<'a>) -> Vec<(&'a str, &'a str)> {
        fields.as_slice()[1..].to_vec()
    }

    #[test]
    fn any_page_may_when_nothing_else_is_said() {
        let any = Origins::of(&["*".to_owned()]);
        assert_eq!((any.page(None), any.page(Some("null"))), (Page::None, Page::Any));
        assert_eq!(said(&any.fields(Page::Any)), [("Access-Control-Allow-Origin", "*")]);
        assert_eq!(said(&any.fields(Page::None)), []);
    }

    #[test]
    fn a_listed_page_is_named_and_another_is_not() {
        let listed = listed();
        let page = listed.page(Some(SHOP));
        let named = [
            ("Access-Control-Allow-Origin", SHOP),
            ("Access-Control-Allow-Credentials", "true"),
            ("Vary", "Origin"),
        ];
        assert_eq!(said(&listed.fields(page)), named);
        for foreign in
            ["https://shop.example.evil", "https://shop.example/", "http://shop.example", "null", ""]
        {
            assert_eq!(listed.page(Some(foreign)), Page::Unlisted, "{foreign}");
        }
        assert_eq!(said(&listed.fields(Page::Unlisted)), [("Vary", "Origin")]);
        assert_eq!(Origins::of(&[]).page(Some(SHOP)), Page::Unlisted, "an empty list lets nobody in");
    }

    #[test]
    fn a_preflight_is_told_what_may_be_asked() {
        let listed = listed();
        let fields = listed.preflight(listed.page(Some(SHOP)), Some("x-trace"));
        let told = said(&fields);
        assert!(told.contains(&("Access-Control-Allow-Methods", "GET, POST")), "{told:?}");
        assert!(told.contains(&("Access-Control-Allow-Headers", "x-trace")), "{told:?}");
        assert_eq!(said(&listed.preflight(Page::Unlisted, Some("x-trace"))), [("Vary", "Origin")]);
    }
}
