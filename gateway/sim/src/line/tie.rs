//! What ties a device to the gateway, as an observer sees it who looks into the kernel and at what the device was told.
//!
//! Owns the truth of "held" and "gone". A connection is gone when the kernel says so. A session that polls has none: it is gone
//! when its client was told so, when its WebSocket is gone, when the poll that waited was given up, or when its client has said
//! nothing for longer than a pong may take. Whatever is not certain is held. Never knows what the gateway believes.
//!
//! ```text
//!   alive -- told so, by any answer ----------------------------------------------------------> gone
//!         \- carried by a WebSocket: as long as that is
//!         \- its client speaks no more -- everything it said was read, its connections are let go
//!                 \- it never said CONNECT, or gave up a poll that waited, and a few turns -----> gone
//!                 \- pingInterval + pingTimeout ------------------------------------------------> gone
//! ```

use super::{is_held, is_intact};
use engine::net::fake::{Client, ClientEnd};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// After so many turns of every core nothing of what was read is on its way between cores any more.
const TURNS_OF_MAIL: u64 = 40;
/// Behind the last moment of a pong, in milliseconds: what was read last may have been on its way so long, and an alarm rings
/// late.
const SLACK_MS: u64 = 1_500;

/// Where the run stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Moment {
    /// Virtual milliseconds since the start.
    pub ms: u64,
    /// Turns that every core has had.
    pub turns: u64,
}

/// What ties a device to the gateway.
#[derive(Clone)]
pub enum Tie {
    /// A connection.
    Connection(Rc<Client>),
    /// A session that was born polling.
    Session(Rc<Session>),
}

/// What the observer knows of a session that was born polling.
#[derive(Default)]
pub struct Session {
    /// Every connection of it that the gateway may still hold.
    clients: RefCell<Vec<Rc<Client>>>,
    /// Those whose answer is waited for.
    busy: RefCell<Vec<Rc<Client>>>,
    /// The WebSocket that was told to carry it.
    carrier: RefCell<Option<Rc<Client>>>,
    /// Words of the session came over it.
    carried: Cell<bool>,
    /// Its CONNECT was said.
    greeted: Cell<bool>,
    /// Its client was told that it is over.
    ended: Cell<bool>,
    /// Its client says nothing more.
    silent: Cell<bool>,
    /// A connection ended on which something was asked, and the gateway may have read that.
    in_doubt: Cell<bool>,
    /// The connection on which a poll that certainly waited was given up.
    given_up: RefCell<Option<Rc<Client>>>,
    patience_ms: Cell<u64>,
    /// When its last pong was said, and the one before, or when it was asked for, in milliseconds.
    ponged_ms: Cell<(u64, u64)>,
    quiet_since: Cell<Option<Moment>>,
}

impl Tie {
    /// Whether the gateway may still take the device for connected by this.
    pub fn is_held(&self, now: Moment) -> bool {
        match self {
            Self::Connection(client) => is_held(client),
            Self::Session(session) => session.is_held(now),
        }
    }

    /// Whether both ends are there and the network has done nothing to it.
    pub fn is_intact(&self) -> bool {
        match self {
            Self::Connection(client) => is_intact(client),
            Self::Session(session) => session.is_intact(),
        }
    }

    /// Whether nobody but its client can tell that it is gone.
    pub fn polls(&self) -> bool {
        matches!(self, Self::Session(session) if !session.carried.get())
    }
}

impl Session {
    /// A connection is used for it.
    pub fn uses(&self, client: &Rc<Client>) {
        self.clients.borrow_mut().push(client.clone());
    }

    /// These are the connections whose answer is waited for.
    pub fn waits_on(&self, clients: impl Iterator<Item = Rc<Client>>) {
        let mut busy = self.busy.borrow_mut();
        busy.clear();
        busy.extend(clients);
    }

    /// It was opened, and is told so much of its heartbeat.
    pub fn opened(&self, patience_ms: u64, asked_ms: u64) {
        self.patience_ms.set(patience_ms);
        self.ponged_ms.set((asked_ms, asked_ms));
    }

    /// Words are said: its CONNECT may be among them, or a pong.
    pub fn says(&self, words: &[Vec<u8>], now_ms: u64) {
        if words.iter().any(|word| word.starts_with(b"40")) {
            self.greeted.set(true);
        }
        if words.iter().any(|word| word == b"3") {
            self.ponged_ms.set((now_ms, self.ponged_ms.get().0));
        }
    }

    /// When the pong before the last was said, or when it was asked for, in milliseconds.
    pub fn ponged_before_ms(&self) -> u64 {
        self.ponged_ms.get().1
    }

    /// A WebSocket is told to carry it.
    pub fn upgrades(&self, carrier: &Rc<Client>) {
        self.carrier.borrow_mut().replace(carrier.clone());
    }

    /// Something was heard over that.
    pub fn is_carried(&self) {
        self.carried.set(true);
    }

    /// Whether that was so.
    pub fn was_carried(&self) -> bool {
        self.carried.get()
    }

    /// A request is said again because its connection ended: nobody can tell yet whether the session has survived that.
    pub fn is_in_doubt(&self, doubt: bool) {
        self.in_doubt.set(doubt);
    }

    /// Its client was told that it is over.
    pub fn is_over(&self) {
        self.ended.set(true);
    }

    /// Its client says nothing more; on `given_up` a poll waited certainly.
    pub fn falls_silent(&self, given_up: Option<Rc<Client>>) {
        self.silent.set(true);
        self.given_up.replace(given_up);
    }

    fn is_intact(&self) -> bool {
        let carrier = self.carrier.borrow();
        let busy = self.busy.borrow();
        !self.ended.get()
            && !self.silent.get()
            && !self.in_doubt.get()
            && busy.iter().chain(carrier.iter()).all(|client| is_intact(client))
    }

    fn is_held(&self, now: Moment) -> bool {
        if self.ended.get() {
            return false;
        }
        if let (true, Some(carrier)) = (self.carried.get(), &*self.carrier.borrow()) {
            return is_held(carrier);
        }
        if !self.silent.get() {
            return true;
        }
        self.clients.borrow_mut().retain(|client| is_held(client));
        let unread =
            |client: &Rc<Client>| client.unread_bytes() > 0 || client.client_end() != ClientEnd::Open;
        if self.clients.borrow().iter().any(unread) {
            self.quiet_since.set(None);
            return true;
        }
        let since = self.quiet_since.get().unwrap_or(now);
        self.quiet_since.set(Some(since));
        if !self.greeted.get() {
            return false;
        }
        let settled = now.turns >= since.turns + TURNS_OF_MAIL;
        // Whatever was written behind the end has found a reset, or lies there.
        let unanswered = |client: &Rc<Client>| !client.was_cut() && client.readable_bytes() == 0;
        let given_up = self.given_up.borrow().as_ref().is_some_and(unanswered);
        let silent = now.ms >= since.ms + self.patience_ms.get() + SLACK_MS;
        !(settled && (given_up || silent))
    }
}
