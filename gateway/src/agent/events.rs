//! `GET …/events`: an agent's event stream (Server-Sent Events).
//!
//! Owns a reader's cursor and its pace. A stream *fetches*: it asks the store writer for what is behind its cursor, writes
//! that, and only then asks again; while the agent does not read, nothing is asked, and nothing piles up anywhere. What the
//! journal has let go meanwhile is reported as one `gap` event.
//!
//! A stream that begins *now* is answered only when the writer has said where that is: whoever has read the 200 misses
//! nothing that happens afterwards.
//!
//! ```text
//!   Newest       ---> writer (answers now) ---> 200
//!   Fetch(after) ---> writer (answers now, or when there is something)
//!   Fetched      ---> written; room left? -> Fetch(next)   choked? -> wait for drained -> Fetch(next)
//! ```

use super::errors::{ApiError, Problem};
use super::http::Waits;
use super::parameters::{BAD_ENCODING, parameters};
use crate::auth::{Agent, OpenStream};
use crate::command::id::read_hex;
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use crate::store::mail::ToStore;
use crate::store::record::{Event, Gap};
use engine::Key;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::http::{After as AfterAnswer, Request};
use transports::sse;

/// Events of one fetch.
const FETCH_EVENTS_MAX: u32 = 256;
/// Bytes of one fetch; one event may be larger.
const FETCH_BYTES_MAX: u32 = 256 * 1024;

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Whose events: the agent's place for this stream.
    pub place: OpenStream,
    /// The cursor of the last event that was written, or passed over.
    pub after: u64,
    /// A fetch is under way.
    pub fetching: bool,
    /// When to write the next comment line, so that both ends know that the other lives.
    pub comment_at: Instant,
}

/// Where a request wants to begin.
#[derive(Clone, Copy)]
enum Begin {
    /// Behind the newest event there is.
    Now,
    /// Behind the event with this cursor; 0 is the beginning.
    After(u64),
    /// A cursor of another run of the process: everything kept, behind a gap of unknown size.
    Lost,
}

impl Shard {
    /// `GET /v1/agents/{agent}/events`
    pub(crate) fn open_stream(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
    ) {
        let mut cursor: Option<String> = request.header("last-event-id").map(Into::into);
        let Some(parameters) = parameters(request) else {
            return self.bad_parameter(cx, conn, BAD_ENCODING);
        };
        for (name, value) in parameters {
            match name.as_str() {
                "after" => cursor = Some(value),
                "consumer" => {
                    let detail = "consumer needs the durable store, which this gateway does not have";
                    return self.bad_parameter(cx, conn, detail);
                }
                _ => {}
            }
        }
        let Some(begin) = self.read_cursor(cursor.as_deref()) else {
            return self.bad_parameter(cx, conn, "the cursor is not one that this gateway gave");
        };
        let Some(place) = agent.try_open_stream(self.facts.limits.event_streams_per_agent) else {
            return self.problem(cx, conn, ApiError::TooManyStreams, &Problem::default());
        };
        match begin {
            Begin::Now => self.ask_for_place(cx, conn, place),
            Begin::After(cursor) => self.begin_stream(cx, conn, place, cursor, false),
            Begin::Lost => self.begin_stream(cx, conn, place, 0, true),
        }
    }

    fn ask_for_place(&mut self, cx: &mut Cx<'_>, conn: Key, place: OpenStream) {
        let agent = place.agent().name_shared().clone();
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Opening(place);
        }
        cx.post(self.facts.store, Mail::Store(ToStore::Newest { core: cx.core(), reader: conn, agent }));
    }

    /// The writer has said where *now* is.
    pub(crate) fn stream_placed(&mut self, cx: &mut Cx<'_>, conn: Key, cursor: u64) {
        let Some(peer) = self.peers.http_mut(conn) else { return };
        match std::mem::replace(&mut peer.waits, Waits::Request) {
            Waits::Opening(place) => {
                self.begin_stream(cx, conn, place, cursor, false);
                self.set_deadline(cx, conn);
            }
            // Its key was taken back meanwhile, and it was told so.
            other => peer.waits = other,
        }
    }

    fn begin_stream(&mut self, cx: &mut Cx<'_>, conn: Key, place: OpenStream, after: u64, is_lost: bool) {
        let comment_at = cx.now() + self.comment_every();
        let (Some(peer), Some(out)) = (self.peers.http_mut(conn), cx.out_urgent(conn)) else { return };
        let headers = [("X-Accel-Buffering", "no")];
        if peer.session.begin_stream(200, "text/event-stream", &headers, out) == AfterAnswer::Close {
            peer.waits = Waits::End;
            return cx.hang_up(conn);
        }
        if is_lost {
            sse::event(out, &write_cursor(self.facts.epoch, 0), "gap", &[b"{\"reason\":\"restarted\"}"]);
        }
        let stream = Stream { place, after, fetching: false, comment_at };
        peer.waits = Waits::Stream(Box::new(stream));
        // Its request may have waited, and nothing was read meanwhile: from now on its reader is seen leaving.
        #[cfg(planted)]
        if engine::planted::is("reader-not-seen-leaving") {
            return self.fetch(cx, conn);
        }
        cx.resume(conn);
        self.fetch(cx, conn);
    }

    fn comment_every(&self) -> Duration {
        Duration::from_millis(self.facts.limits.sse_comment_ms)
    }

    /// A cursor is opaque to agents: the run of the process, and the number of the event.
    fn read_cursor(&self, text: Option<&str>) -> Option<Begin> {
        let Some(text) = text else { return Some(Begin::Now) };
        if text == "0" {
            return Some(Begin::After(0));
        }
        let (epoch, number) =
            text.split_once('-').filter(|(e, n)| e.len() == 8 && (1..=16).contains(&n.len()))?;
        let (epoch, number) = (read_hex(epoch.as_bytes())?, read_hex(number.as_bytes())?);
        let known = epoch == u64::from(self.facts.epoch);
        Some(if known { Begin::After(number) } else { Begin::Lost })
    }

    /// Asks for what comes next, unless the agent does not read, or has been asked for already.
    fn fetch(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let may_write = cx.out(conn).is_some();
        let Some(Waits::Stream(stream)) = self.peers.http_mut(conn).map(|peer| &mut peer.waits) else {
            return;
        };
        if stream.fetching || !may_write {
            return;
        }
        stream.fetching = true;
        let fetch = ToStore::Fetch {
            core: cx.core(),
            reader: conn,
            agent: stream.place.agent().name_shared().clone(),
            after: stream.after,
            events_max: FETCH_EVENTS_MAX,
            bytes_max: FETCH_BYTES_MAX,
        };
        cx.post(self.facts.store, Mail::Store(fetch));
    }

    /// What was asked for has come.
    pub(crate) fn fetched(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        events: &[Arc<Event>],
        gap: Option<Gap>,
        next: u64,
    ) {
        let (every, epoch, now) = (self.comment_every(), self.facts.epoch, cx.now());
        let Some(Waits::Stream(stream)) = self.peers.http_mut(conn).map(|peer| &mut peer.waits) else {
            return;
        };
        stream.fetching = false;
        #[cfg(planted)]
        let next = next + u64::from(engine::planted::is("reader-skips-event"));
        stream.after = next;
        if events.is_empty() && gap.is_none() {
            // The store has no room for one more waiting reader: ask again with the next comment.
            return;
        }
        let Some(out) = cx.out_urgent(conn) else { return };
        stream.comment_at = now + every;
        if let Some(gap) = gap {
            let (from, to) = (write_cursor(epoch, gap.from), write_cursor(epoch, gap.to));
            let data = format!("{{\"from\":\"{from}\",\"to\":\"{to}\"}}");
            sse::event(out, &to, "gap", &[data.as_bytes()]);
        }
        for event in events {
            sse::event(out, &write_cursor(epoch, event.cursor), event.kind.name(), &[&event.json]);
        }
        self.fetch(cx, conn);
        self.set_deadline(cx, conn);
    }

    /// The agent reads again.
    pub(crate) fn stream_drained(&mut self, cx: &mut Cx<'_>, conn: Key) {
        self.fetch(cx, conn);
    }

    /// Nothing was written for a while: a comment line.
    pub(crate) fn comment(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let at = cx.now() + self.comment_every();
        let Some(Waits::Stream(stream)) = self.peers.http_mut(conn).map(|peer| &mut peer.waits) else {
            return;
        };
        stream.comment_at = at;
        if let Some(out) = cx.out(conn) {
            sse::comment(out, "alive");
        }
        self.fetch(cx, conn);
    }

    /// The stream's connection ended.
    pub(crate) fn close_stream(&mut self, cx: &mut Cx<'_>, conn: Key, stream: &Stream) {
        if stream.fetching {
            let agent = stream.place.agent().name_shared().clone();
            let unfetch = ToStore::Unfetch { core: cx.core(), reader: conn, agent };
            cx.post(self.facts.store, Mail::Store(unfetch));
        }
    }
}

fn write_cursor(epoch: u32, number: u64) -> String {
    let mut text = String::with_capacity(25);
    write!(text, "{epoch:08x}-{number:x}").expect("writing to a String cannot fail");
    text
}
