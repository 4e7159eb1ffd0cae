//! What bears a device's words: one connection, or a session that polls.
//!
//! Owns nothing but the choice: a script speaks, hears and leaves by the same calls over either. Knows no protocol.

use super::{End, Line, Polls, Tie, is_intact};
use crate::coverage::Seen;
use engine::net::fake::ClientEnd;

/// How a peer leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaving {
    /// FIN, and nothing is read any more.
    Close,
    /// FIN, and what comes is read.
    HalfClose,
    /// RST.
    Reset,
}

/// A device's way to the gateway.
pub enum Bearer {
    /// A connection.
    Line(Line),
    /// A session that was born polling.
    Polls(Box<Polls>),
}

impl Bearer {
    /// Says what `write` appends.
    pub fn say(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::Line(line) => line.say(write),
            Self::Polls(polls) => {
                let mut word = Vec::new();
                write(&mut word);
                polls.take(word);
            }
        }
    }

    /// Whether everything said is out.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Line(line) => line.is_silent(),
            Self::Polls(polls) => polls.is_silent(),
        }
    }

    /// Whether what lies between the words and the sockets waits for nothing.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Line(line) => line.is_settled(),
            Self::Polls(polls) => polls.is_settled(),
        }
    }

    /// Lets at most so many bytes out of each connection.
    pub fn breathe_out(&mut self, at_most: usize) {
        match self {
            Self::Line(line) => line.breathe_out(at_most),
            Self::Polls(polls) => polls.breathe_out(at_most),
        }
    }

    /// Takes at most so many bytes in from each connection.
    pub fn breathe_in(&mut self, at_most: usize) {
        match self {
            Self::Line(line) => line.breathe_in(at_most),
            Self::Polls(polls) => polls.breathe_in(at_most),
        }
    }

    /// No more mischief.
    pub fn calm_down(&mut self) {
        if let Self::Polls(polls) = self {
            polls.calm_down();
        }
    }

    /// The script has forgotten it: it only hears what comes.
    pub fn forget(&mut self) {
        if let Self::Polls(polls) = self {
            polls.forget();
        }
    }

    /// The bytes that were heard and not understood yet.
    pub fn ear(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Line(line) => Some(&mut line.ear),
            Self::Polls(_) => None,
        }
    }

    /// The next text.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Line(line) => line.frames()?.messages.pop_front(),
            Self::Polls(polls) => polls.messages.pop_front(),
        }
    }

    /// What the gateway did wrong below the words.
    pub fn take_fault(&mut self) -> Option<String> {
        match self {
            Self::Line(line) => line.frames()?.fault.take(),
            Self::Polls(polls) => polls.fault.take(),
        }
    }

    /// The status with which it was refused.
    pub fn refused(&mut self) -> Option<u16> {
        match self {
            Self::Line(line) => line.frames()?.refused,
            Self::Polls(polls) => polls.refused,
        }
    }

    /// What it did below the words, for whoever listens in.
    pub fn take_notes(&mut self) -> Vec<String> {
        match self {
            Self::Line(_) => Vec::new(),
            Self::Polls(polls) => polls.notes.replace(Vec::new()).unwrap_or_default(),
        }
    }

    /// What happened below the words, to be counted.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        match self {
            Self::Line(line) => line.take_seen(),
            Self::Polls(polls) => polls.take_seen(),
        }
    }

    /// Breaks off.
    pub fn leave(&mut self, how: Leaving) {
        match self {
            Self::Line(line) => line.end_by(how),
            Self::Polls(polls) => polls.leave(how),
        }
    }

    /// How it ended, once the peer has noticed.
    pub fn end(&self) -> Option<End> {
        match self {
            Self::Line(line) => line.end,
            Self::Polls(polls) => polls.end,
        }
    }

    /// Whether the script has not ended its direction.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Line(line) => line.client().client_end() == ClientEnd::Open,
            Self::Polls(polls) => !polls.has_left(),
        }
    }

    /// Whether the script has closed both directions.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Line(line) => matches!(line.client().client_end(), ClientEnd::Closed | ClientEnd::Reset),
            Self::Polls(polls) => polls.has_left(),
        }
    }

    /// Whether a fault of the network ended it.
    pub fn was_cut(&self) -> bool {
        match self {
            Self::Line(line) => line.client().was_cut(),
            Self::Polls(polls) => polls.was_cut(),
        }
    }

    /// Says goodbye with a close frame; `false`: there are no frames.
    pub fn say_close(&mut self) -> bool {
        match self {
            Self::Line(line) => line.say_close(),
            Self::Polls(_) => false,
        }
    }

    /// Breaks a rule of what lies below the words; `false`: there is nothing.
    pub fn misframe(&mut self) -> bool {
        match self {
            Self::Line(line) => line.misframe(),
            Self::Polls(polls) => polls.poll_twice(),
        }
    }

    /// Whether there are frames below the words.
    pub fn has_frames(&mut self) -> bool {
        match self {
            Self::Line(line) => line.frames().is_some(),
            Self::Polls(_) => false,
        }
    }

    /// Whether both ends are there and the network has done nothing to it.
    pub fn is_intact(&self) -> bool {
        self.tie().is_intact()
    }

    /// Whether a script that has forgotten it may still hear how it ends; if not, it is let go.
    pub fn still_hears(&mut self) -> bool {
        match self {
            Self::Line(line) => is_intact(line.client()),
            Self::Polls(polls) => {
                if polls.was_cut() {
                    polls.leave(Leaving::Close);
                }
                !polls.has_left()
            }
        }
    }

    /// A good WebSocket that was to carry it was turned away; the word says how.
    pub fn take_turned_away(&mut self) -> Option<&'static str> {
        match self {
            Self::Line(_) => None,
            Self::Polls(polls) => polls.turned_away.take(),
        }
    }

    /// When the pong before the last was said, in milliseconds, if it was born polling.
    pub fn ponged_before_ms(&self) -> Option<u64> {
        match self {
            Self::Line(_) => None,
            Self::Polls(polls) => Some(polls.session.ponged_before_ms()),
        }
    }

    /// Whether an upgrade came to nothing: the gateway pings at once then, whenever the last pong was.
    pub fn broke_off(&self) -> bool {
        matches!(self, Self::Polls(polls) if polls.broke_off)
    }

    /// Whether it was born polling.
    pub fn is_session(&self) -> bool {
        matches!(self, Self::Polls(_))
    }

    /// What the ledger is to look at.
    pub fn tie(&self) -> Tie {
        match self {
            Self::Line(line) => Tie::Connection(line.client().clone()),
            Self::Polls(polls) => Tie::Session(polls.session.clone()),
        }
    }
}
