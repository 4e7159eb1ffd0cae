//! A scripted peer's connection: what it has to say and what it has heard.
//!
//! Owns the bytes between a script and its socket, so that a script may say whole things while they dribble out. Knows
//! no protocol; a WebSocket may lie between the two, of which the script then knows nothing.

mod answer;
mod bearer;
mod frames;
mod polls;
mod requests;
mod tie;
mod upgrade;

pub use answer::{Head, read_head};
pub use bearer::{Bearer, Leaving};
pub use frames::{Cargo, Frames};
pub use polls::Polls;
pub use tie::{Moment, Session, Tie};

use crate::coverage::Seen;
use engine::net::fake::{Client, ClientEnd, ClientRead, Dice, ServerEnd};
use std::rc::Rc;

/// How a connection ended, seen from the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// FIN.
    Finished,
    /// RST.
    Reset,
    /// An answer with this status.
    Refused(u16),
}

/// A connection.
pub struct Line {
    client: Rc<Client>,
    mouth: Vec<u8>,
    spoken: usize,
    /// What was heard and not understood yet.
    pub ear: Vec<u8>,
    /// How it ended, once the peer has noticed.
    pub end: Option<End>,
    /// Frames between the words and the socket.
    frames: Option<Box<Frames>>,
}

impl Line {
    /// A line over a fresh connection.
    pub fn new(client: Client) -> Self {
        Self {
            client: Rc::new(client),
            mouth: Vec::new(),
            spoken: 0,
            ear: Vec::new(),
            end: None,
            frames: None,
        }
    }

    /// The same, with a WebSocket between the words and the socket.
    pub fn framed(client: Client, cargo: Cargo, path: &str, dice: Dice) -> Self {
        let mut line = Self::new(client);
        line.frames = Some(Box::new(Frames::new(cargo, path, dice, &mut line.mouth)));
        line
    }

    /// The frames, if it has any.
    pub fn frames(&mut self) -> Option<&mut Frames> {
        self.frames.as_deref_mut()
    }

    /// Says goodbye with a close frame; `false`: it has no frames.
    pub fn say_close(&mut self) -> bool {
        if let Some(frames) = &mut self.frames {
            frames.say_close(&mut self.mouth);
        }
        self.frames.is_some()
    }

    /// Breaks a rule of the frames; `false`: it has none.
    pub fn misframe(&mut self) -> bool {
        if let Some(frames) = &mut self.frames {
            frames.misframe(&mut self.mouth);
        }
        self.frames.is_some()
    }

    /// Whether the frames, if there are any, wait for nothing.
    pub fn is_settled(&self) -> bool {
        self.frames.as_ref().is_none_or(|frames| frames.is_settled())
    }

    /// What happened to the frames, to be counted.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        self.frames.as_mut().map_or_else(Vec::new, |frames| std::mem::take(&mut frames.seen))
    }

    /// The socket, to look at its ends.
    pub fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// Ends it.
    pub fn end_by(&self, how: Leaving) {
        match how {
            Leaving::Close => self.client.close(),
            Leaving::HalfClose => self.client.half_close(),
            Leaving::Reset => self.client.reset(),
        }
    }

    /// Whether the network has cut it, or ended the peer's direction.
    pub fn was_broken(&self) -> bool {
        self.client.was_cut() || self.client.client_end() != ClientEnd::Open
    }

    /// Says what `write` appends.
    pub fn say(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(frames) = &mut self.frames {
            let mut word = Vec::new();
            write(&mut word);
            return frames.take(word);
        }
        self.forget_spoken();
        write(&mut self.mouth);
    }

    fn forget_spoken(&mut self) {
        if self.spoken == self.mouth.len() {
            self.mouth.clear();
            self.spoken = 0;
        }
    }

    /// Whether everything said is out.
    pub fn is_silent(&self) -> bool {
        self.spoken == self.mouth.len() && self.frames.as_ref().is_none_or(|frames| frames.is_silent())
    }

    /// Lets at most so many bytes out.
    pub fn breathe_out(&mut self, at_most: usize) {
        if let Some(frames) = &mut self.frames {
            frames.breathe_out(&mut self.mouth);
        }
        let rest = &self.mouth[self.spoken..];
        let rest = &rest[..rest.len().min(at_most)];
        if !rest.is_empty() {
            self.spoken += self.client.write(rest);
        }
        self.forget_spoken();
    }

    /// Takes at most so many bytes in. Notices the end once everything before it was taken.
    pub fn breathe_in(&mut self, at_most: usize) {
        if self.end.is_some() || at_most == 0 {
            return;
        }
        let from = self.ear.len();
        match self.client.read(&mut self.ear, at_most) {
            ClientRead::Bytes(_) | ClientRead::Nothing => {}
            ClientRead::Finished => self.end = Some(End::Finished),
            ClientRead::Reset => self.end = Some(End::Reset),
        }
        if let Some(frames) = &mut self.frames {
            let received = self.ear.split_off(from);
            frames.hear(&received, &mut self.ear, &mut self.mouth);
        }
    }
}

/// Whether both ends are open and the network has done nothing to the connection.
pub fn is_intact(client: &Client) -> bool {
    client.client_end() == ClientEnd::Open && !client.was_cut() && is_held(client)
}

/// Whether the gateway holds its end, as far as the kernel can tell.
pub fn is_held(client: &Client) -> bool {
    matches!(client.server_end(), ServerEnd::Waiting | ServerEnd::Open)
}
