//! `GET …/devices/{device}/tap` and `GET …/tap`: what devices and the gateway say to each other, as Server-Sent Events.
//!
//! Owns the reader's half: what the home cores show is written while the reader reads, and counted when it does not. A tap counts
//! among the agent's event streams and has no memory: what was missed is gone.

use super::errors::{ApiError, Problem};
use super::http::Waits;
use super::parameters::{BAD_ENCODING, parameters};
use crate::auth::{Agent, OpenStream};
use crate::device::name::HomeHash;
use crate::device::tap::{Reader, TapWish, Tapped};
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use engine::Key;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::http::{After, Request};
use transports::sse;

/// A reader that looks at devices.
#[derive(Debug)]
pub struct TapStream {
    /// The agent's place for this stream; given back with it.
    pub place: OpenStream,
    /// When to write the next comment line.
    pub comment_at: Instant,
    cores: Range<usize>,
    missed: u64,
    /// Cores that have not said yet that they show what is said from now on. Until all have, the request is not answered: whoever
    /// reads 200 misses nothing that is said after it.
    opening: usize,
}

impl TapStream {
    /// Whether its request is not answered yet.
    pub fn is_opening(&self) -> bool {
        self.opening > 0
    }
}

impl Shard {
    /// `GET …/tap`; `device` is empty for all of an agent's.
    pub(crate) fn open_tap(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
        device: &str,
    ) {
        let mut payloads = false;
        let Some(parameters) = parameters(request) else {
            return self.bad_parameter(cx, conn, BAD_ENCODING);
        };
        for (name, value) in parameters {
            match (name.as_str(), value.as_str()) {
                ("payloads", "true") => payloads = true,
                ("payloads", "false") => payloads = false,
                ("payloads", _) => return self.bad_parameter(cx, conn, "payloads is true or false"),
                _ => {}
            }
        }
        let Some(place) = agent.try_open_stream(self.facts.limits.event_streams_per_agent) else {
            return self.problem(cx, conn, ApiError::TooManyStreams, &Problem::default());
        };
        let comment_at = cx.now() + Duration::from_millis(self.facts.limits.sse_comment_ms);
        let Some(peer) = self.peers.http_mut(conn) else { return };
        let device = Some(device).filter(|device| !device.is_empty());
        let cores = match device {
            Some(device) => {
                let home = HomeHash::home(self.facts.home.of(agent.name(), device), cx.cores());
                home..home + 1
            }
            None => 0..cx.cores(),
        };
        let opening = cores.len();
        let tap = TapStream { place, comment_at, cores: cores.clone(), missed: 0, opening };
        peer.waits = Waits::Tap(Box::new(tap));
        let reader = Reader { core: cx.core(), conn };
        for core in cores {
            let agent = agent.name_shared().clone();
            let wish = TapWish::Open { agent, device: device.map(Into::into), payloads };
            cx.post(core, Mail::Tap(reader, wish));
        }
    }

    /// A core shows what is said from now on; when all do, the stream begins.
    pub(crate) fn tap_opened(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let (Some(peer), Some(out)) = (self.peers.http_mut(conn), cx.out_urgent(conn)) else { return };
        let Waits::Tap(tap) = &mut peer.waits else { return };
        debug_assert!(tap.is_opening(), "each core opens a tap once");
        tap.opening = tap.opening.saturating_sub(1);
        if tap.is_opening() {
            return;
        }
        let headers = [("X-Accel-Buffering", "no")];
        if peer.session.begin_stream(200, "text/event-stream", &headers, out) == After::Close {
            if let Waits::Tap(tap) = std::mem::replace(&mut peer.waits, Waits::End) {
                self.close_tap(cx, conn, &tap);
            }
            return cx.hang_up(conn);
        }
        sse::comment(out, "tapping");
        // Nothing was read meanwhile: from now on its reader is seen leaving.
        cx.resume(conn);
        self.set_deadline(cx, conn);
    }

    /// A home core shows a message. It is taken in any case, so that the home core never counts what nobody will take.
    pub(crate) fn tapped(&mut self, cx: &mut Cx<'_>, from: usize, tapped: &Tapped) {
        let conn = tapped.conn;
        let every = Duration::from_millis(self.facts.limits.sse_comment_ms);
        let now = cx.now();
        let Some(Waits::Tap(tap)) = self.peers.http_mut(conn).map(|peer| &mut peer.waits) else { return };
        tap.missed += tapped.missed;
        match cx.out(conn) {
            // It was said before the reader was told that it reads.
            _ if tap.is_opening() => {}
            None => tap.missed += 1,
            Some(out) => {
                tap.comment_at = now + every;
                if tap.missed > 0 {
                    let data = format!("{{\"messages\":{}}}", std::mem::take(&mut tap.missed));
                    sse::event(out, "", "missed", &[data.as_bytes()]);
                }
                sse::event(out, "", "message", &[&tapped.json]);
            }
        }
        cx.post(from, Mail::Tap(Reader { core: cx.core(), conn }, TapWish::Taken));
        self.set_deadline(cx, conn);
    }

    /// Nothing was written to a tap for a while: a comment line.
    pub(crate) fn comment_tap(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let at = cx.now() + Duration::from_millis(self.facts.limits.sse_comment_ms);
        let Some(Waits::Tap(tap)) = self.peers.http_mut(conn).map(|peer| &mut peer.waits) else { return };
        tap.comment_at = at;
        if let Some(out) = cx.out(conn).filter(|_| !tap.is_opening()) {
            sse::comment(out, "alive");
        }
    }

    /// The tap's connection ended.
    pub(crate) fn close_tap(&mut self, cx: &mut Cx<'_>, conn: Key, tap: &TapStream) {
        let reader = Reader { core: cx.core(), conn };
        for core in tap.cores.clone() {
            cx.post(core, Mail::Tap(reader, TapWish::Close));
        }
    }
}
