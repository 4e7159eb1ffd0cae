//! The graceful stop of one core.
//!
//! Owns who may leave when: agents that wait are answered first, devices with commands under way keep their connection until
//! those settle, the rest are let go in waves, so that a fleet does not come back all at once. The engine ends the core
//! when nobody is left, or at the deadline. Sessions that poll have no connection here, but they are somebody, and so is the
//! client that asks for one just after its end: it has a connection at another core, and must be answered.

use crate::agent::http::Waits;
use crate::command::outcome::Outcome;
use crate::device::status::Reason;
use crate::peer::Peer;
use crate::shard::{Alarmed, Cx, Shard};
use engine::Key;
use std::time::{Duration, Instant};

/// How often a wave of clients is let go.
const WAVE_EVERY: Duration = Duration::from_millis(100);
/// A core that has sessions which poll waits so long for their answers, and answers so long itself. Longer makes no sense: a
/// client that polls opens a connection for what it has to say, and no door is open any more.
const ANSWERS_FOR: Duration = Duration::from_secs(1);
/// The part of the stop's time over which clients are let go; the rest is for stragglers.
const RELEASE_SHARE: f64 = 0.8;
/// A wave is at least this large: a small fleet leaves at once.
const WAVE_MIN: usize = 500;

/// How far the stop has come.
#[derive(Debug, Default)]
pub struct Release {
    wave: usize,
    ends_at: Option<Instant>,
    /// Until then requests for sessions that are over may come from other cores, where the stop began a moment later.
    answers_until: Option<Instant>,
}

impl Shard {
    /// The stop begins.
    pub(crate) fn begin_release(&mut self, cx: &mut Cx<'_>) {
        self.settle_the_unreachable(cx);
        let over = Duration::from_millis(self.facts.limits.drain_ms).mul_f64(RELEASE_SHARE);
        let waves = (over.as_millis() / WAVE_EVERY.as_millis()).max(1) as usize;
        let answers_until = (!self.sids.is_empty()).then(|| cx.now() + ANSWERS_FOR);
        self.release = Release {
            wave: (self.peers.len() / waves).max(WAVE_MIN),
            ends_at: Some(cx.now() + over),
            answers_until,
        };
        self.release_some(cx);
    }

    /// Whether nobody is left who has no connection.
    pub(crate) fn has_released_all(&self, now: Instant) -> bool {
        self.sids.is_empty() && self.release.answers_until.is_none_or(|until| now >= until)
    }

    /// Commands that wait for a device which is away cannot be waited for any longer.
    fn settle_the_unreachable(&mut self, cx: &mut Cx<'_>) {
        let away = |device| self.devices.get(device).is_none_or(|row| row.seat.is_none());
        let commands = self.pending.iter().filter(|(_, pending)| away(pending.device));
        for key in commands.map(|(key, _)| key).collect::<Vec<_>>() {
            self.settle(cx, key, Outcome::ShuttingDown, &[]);
        }
    }

    /// Lets a wave of clients go, and comes again.
    pub(crate) fn release_some(&mut self, cx: &mut Cx<'_>) {
        let late = self.release.ends_at.is_some_and(|at| cx.now() >= at);
        let answered = self.release.answers_until.is_none_or(|until| cx.now() >= until);
        let mut leaving: Vec<Key> = Vec::new();
        let (mut waiting, mut cut_short, mut last_cut) = (0, 0, None);
        for (conn, peer) in self.peers.iter_mut() {
            let busy_with = match peer {
                Peer::Mqtt(peer) => peer.seated().and_then(|device| {
                    let talk = self.devices.get(device).and_then(|row| row.talk.as_ref());
                    let commands = talk.is_some_and(|talk| talk.is_busy()).then_some("commands");
                    commands.or((peer.session.owes() > 0).then_some("acknowledgements"))
                }),
                Peer::Probe(_) | Peer::Gone(_) => None,
                // It goes with its session.
                Peer::Carrier(_) => Some("a session"),
                Peer::Http(peer) => match &peer.waits {
                    Waits::Verdict(_) | Waits::Ticket(_) | Waits::Opening(_) => Some("a request"),
                    Waits::Session { .. } => Some("a poll"),
                    Waits::Tap(tap) if tap.is_opening() => Some("a request"),
                    Waits::Request => (!peer.session.is_idle()).then_some("half a request"),
                    Waits::Stream(_) | Waits::Tap(_) | Waits::End => None,
                },
            };
            let polls = self.lines.connection(conn).is_none();
            let late = late || polls && answered;
            if (busy_with.is_some() && !late) || leaving.len() >= self.release.wave {
                waiting += 1;
            } else {
                cut_short += usize::from(busy_with.is_some());
                last_cut = busy_with.or(last_cut);
                leaving.push(conn);
            }
        }
        if let Some(busy_with) = last_cut {
            tracing::warn!(
                connections = cut_short,
                busy_with,
                "the stop cuts short what clients are busy with"
            );
        }
        for conn in leaving {
            self.part(cx, conn, Reason::GatewayStopped);
            if answered {
                self.end_polling(cx, conn);
            }
        }
        if waiting > 0 || !self.has_released_all(cx.now()) {
            cx.arm(cx.now() + WAVE_EVERY, Alarmed::Release);
        }
    }
}
