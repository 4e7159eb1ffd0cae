//! A WebSocket that is to carry a session which polls, from the client's side.
//!
//! Owns the steps of the change and the ways in which a client may fail at each of them. When polls and POSTs rest is their
//! owner's business.
//!
//! ```text
//!   GET ?sid=, Upgrade --> 2probe --> Probing -- 3probe --> Probed -- polls and POSTs rest --> 5 --> Carries
//!        \                   \                    \                                             \
//!         +-- breaks off -----+--------------------+---- the session polls on                    +-- the session is lost
//! ```

use super::{Cargo, Line};
use engine::net::fake::{Client, Dice};

/// A calm house answers the poll that waits within so many breaths and milliseconds.
const NOOP_WITHIN: (u32, u64) = (60, 1_000);

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Step {
    /// The handshake was said.
    Opening,
    /// `2probe` was said.
    Probing,
    /// `3probe` was heard.
    Probed,
    /// `5` was said.
    Carries,
}

/// What came of a look at it.
pub(super) enum Heard {
    /// Nothing that matters to others.
    Nothing,
    /// It ended before it carried anything; the word says how.
    TurnedAway(&'static str),
    /// Something that may not come.
    Fault(String),
}

/// Such a WebSocket.
pub(super) struct Upgrade {
    pub(super) line: Line,
    pub(super) step: Step,
    /// The client breaks off at this step.
    breaks_at: Option<Step>,
    /// The client never probes.
    forgets: bool,
    /// When it was opened, in milliseconds.
    pub(super) began_ms: u64,
    /// Breaths since `3probe` with a poll that is not answered, and since when.
    noop_missed: (u32, u64),
}

impl Upgrade {
    /// A handshake for the session `sid` over a fresh connection.
    pub(super) fn new(client: Client, sid: &str, dice: &mut Dice, calm: bool, now_ms: u64) -> Self {
        let path = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
        let line = Line::framed(client, Cargo::Texts, &path, Dice::new(dice.roll()));
        let breaks_at = match dice.below(10) {
            0 => Some(Step::Opening),
            1 => Some(Step::Probing),
            2 => Some(Step::Probed),
            3 => Some(Step::Carries),
            _ => None,
        };
        let forgets = breaks_at.is_none() && dice.chance(100);
        let mut upgrade =
            Self { line, step: Step::Opening, breaks_at, forgets, began_ms: now_ms, noop_missed: (0, 0) };
        if calm {
            upgrade.calm_down();
        }
        upgrade
    }

    /// No more mischief.
    pub(super) fn calm_down(&mut self) {
        (self.breaks_at, self.forgets) = (None, false);
    }

    /// Says what is due. `false`: the client has broken off.
    pub(super) fn go_on(&mut self, rests: bool, dice: &mut Dice) -> bool {
        if self.breaks_at == Some(self.step) && self.line.is_silent() && dice.chance(400) {
            match dice.below(2) {
                0 => self.line.client().close(),
                _ => self.line.client().reset(),
            }
            return false;
        }
        match self.step {
            Step::Opening if !self.forgets => {
                self.line.say(|out| out.extend_from_slice(b"2probe"));
                self.step = Step::Probing;
            }
            Step::Probed if rests && self.breaks_at != Some(Step::Probed) => {
                self.line.say(|out| out.push(b'5'));
                self.step = Step::Carries;
            }
            Step::Opening | Step::Probing | Step::Probed | Step::Carries => {}
        }
        true
    }

    /// The poll that waits is answered when a WebSocket probes; a client that rests hears nothing otherwise. `true`: it waits for
    /// too long in a calm house.
    pub(super) fn misses_noop(&mut self, waits: bool, now_ms: u64) -> bool {
        let (breaths, since_ms) = self.noop_missed;
        if !waits || breaths == 0 {
            self.noop_missed = (u32::from(waits), now_ms);
            return false;
        }
        self.noop_missed.0 += 1;
        breaths > NOOP_WITHIN.0 && now_ms > since_ms + NOOP_WITHIN.1
    }

    /// Looks at what came before it carried anything.
    pub(super) fn hear(&mut self) -> Heard {
        let Some(frames) = self.line.frames() else { return Heard::Nothing };
        if let Some(fault) = frames.fault.take() {
            return Heard::Fault(fault);
        }
        if frames.refused.is_some() {
            return Heard::TurnedAway("refused");
        }
        let message = if self.step < Step::Carries { frames.messages.pop_front() } else { None };
        match message.as_deref() {
            Some(b"3probe") if self.step == Step::Probing => {
                self.step = Step::Probed;
                Heard::Nothing
            }
            Some(other) => {
                Heard::Fault(format!("{} on a WebSocket that probes", String::from_utf8_lossy(other)))
            }
            None if self.line.end.is_some() && self.step < Step::Carries => Heard::TurnedAway("closed"),
            None => Heard::Nothing,
        }
    }
}
