//! Engine.IO over long-polling below a scripted device's words: the session, its requests, and the change to a WebSocket.
//!
//! Owns what a client of Engine.IO 4 does: one GET that waits and one POST at a time, over connections that it keeps, cuts or
//! opens anew on any core; and what it must check: one answer for each request, a NOOP only where one may come, nothing behind
//! the end. What it finds wrong is kept until somebody asks. Knows no word that it carries, but which one ends a session.
//!
//! ```text
//!   GET --> 0{sid} --> GET ?sid= waits --> 200, words          words -> POST ?sid= --> 200 ok
//!                        \--> 400, or a close packet: the session is over
//!                        \--> upgrade (`upgrade.rs`): polls rest, then everything goes over the WebSocket
//! ```

use super::requests::{Ask, Conn, Request, Requests};
use super::upgrade::{Heard, Step, Upgrade};
use super::{End, Head, Leaving, Session};
use crate::coverage::Seen;
use codec::engineio::decode_open;
use codec::limits::ENGINEIO_SEPARATOR;
use engine::net::fake::{Client, ClientEnd, Dice, Kernel};
use std::collections::VecDeque;
use std::rc::Rc;

/// A poll that waited so long was answered late, in milliseconds.
const LATE_MS: u64 = 100;
/// A WebSocket that probes has so long, in milliseconds.
const UPGRADE_MS: u64 = 10_000;

/// A client of Engine.IO that was born polling.
pub struct Polls {
    requests: Requests,
    dice: Dice,
    calm: bool,
    /// What the observer knows.
    pub session: Rc<Session>,
    sid: Option<String>,
    birth: usize,
    words: VecDeque<Vec<u8>>,
    upgrade: Option<Upgrade>,
    /// It begins to upgrade when so many polls were answered.
    upgrades_after: Option<u32>,
    /// It has probed: a NOOP may come.
    probed: bool,
    /// An upgrade came to nothing: it was pinged at once.
    pub broke_off: bool,
    /// It has said a close packet: a NOOP may come.
    closing: bool,
    forgotten: bool,
    left: bool,
    cut: bool,
    /// Whole texts that nobody has taken yet.
    pub messages: VecDeque<Vec<u8>>,
    /// What the gateway did wrong.
    pub fault: Option<String>,
    /// WebSockets that were to carry the session.
    upgrades: u32,
    /// The first was turned away, and when; no later poll was answered.
    closed_early: Option<(&'static str, u64)>,
    /// A good WebSocket was turned away, and the session lives.
    pub turned_away: Option<&'static str>,
    /// The session was refused with this status.
    pub refused: Option<u16>,
    /// How it ended, once the client has noticed.
    pub end: Option<End>,
    seen: Vec<Seen>,
    /// What it did, in words, for whoever listens in.
    pub notes: Option<Vec<String>>,
}

impl Polls {
    /// A client that has said nothing.
    pub fn new(kernel: &Kernel, cores: usize, upgrades: bool, mut dice: Dice) -> Self {
        let upgrades_after = upgrades.then(|| dice.below(4) as u32);
        Self {
            requests: Requests::new(kernel, cores),
            dice,
            calm: false,
            session: Rc::default(),
            sid: None,
            birth: 0,
            words: VecDeque::new(),
            upgrade: None,
            upgrades_after,
            probed: false,
            broke_off: false,
            closing: false,
            forgotten: false,
            left: false,
            cut: false,
            messages: VecDeque::new(),
            fault: None,
            upgrades: 0,
            closed_early: None,
            turned_away: None,
            refused: None,
            end: None,
            seen: Vec::new(),
            notes: None,
        }
    }

    /// Takes a word, to be said with the next breath.
    pub fn take(&mut self, word: Vec<u8>) {
        self.closing |= word == b"1";
        self.words.push_back(word);
    }

    /// Whether every word is out.
    pub fn is_silent(&self) -> bool {
        let posts = self.requests.asking(Ask::Post).all(|conn| conn.line.is_silent());
        let socket = self.upgrade.as_ref().filter(|_| self.is_carried());
        self.words.is_empty() && posts && socket.is_none_or(|upgrade| upgrade.line.is_silent())
    }

    /// Whether it has a session, and waits for nothing but what the gateway says.
    pub fn is_settled(&self) -> bool {
        match &self.upgrade {
            Some(upgrade) => self.is_carried() && upgrade.line.is_settled(),
            None => self.requests.polls() && !self.requests.asks(Ask::Post),
        }
    }

    /// What happened, to be counted.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut self.seen);
        seen.extend(self.upgrade.as_mut().map(|upgrade| upgrade.line.take_seen()).into_iter().flatten());
        seen
    }

    /// No more mischief: it upgrades at once, or never.
    pub fn calm_down(&mut self) {
        if std::mem::replace(&mut self.calm, true) {
            return;
        }
        self.upgrades_after = self.upgrades_after.map(|_| 0);
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.calm_down();
        }
    }

    /// Asks nothing more, and hears what comes.
    pub fn forget(&mut self) {
        self.forgotten = true;
    }

    /// Whether its script has broken it off.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// Whether the network has cut a connection on which something was waited for.
    pub fn was_cut(&self) -> bool {
        self.cut || self.busy().any(|client| client.was_cut() || client.client_end() != ClientEnd::Open)
    }

    /// A second poll while one waits, which no client may say; `false`: none waits.
    pub fn poll_twice(&mut self) -> bool {
        let waits = self.requests.polls();
        if waits {
            self.ask(Ask::SecondPoll, None);
        }
        waits
    }

    /// Says what is due, at most so many bytes on each connection.
    pub fn breathe_out(&mut self, at_most: usize) {
        if self.end.is_none() && !self.left && !self.forgotten {
            self.act();
        }
        for conn in &mut self.requests.conns {
            conn.line.breathe_out(at_most);
        }
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.line.breathe_out(at_most);
        }
        if self.forgotten && self.requests.conns.iter().all(|conn| conn.line.is_silent()) {
            self.session.falls_silent(None);
        }
        self.session.waits_on(self.busy());
    }

    /// Hears at most so many bytes of each connection.
    pub fn breathe_in(&mut self, at_most: usize) {
        if self.end.is_some() || self.left || at_most == 0 {
            return;
        }
        self.cut |= self.was_cut();
        for mut conn in std::mem::take(&mut self.requests.conns) {
            conn.line.breathe_in(at_most);
            if self.end.is_none() && !self.left && self.hear(&mut conn) {
                self.requests.conns.push(conn);
            } else {
                conn.line.client().close();
            }
        }
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.line.breathe_in(at_most);
            self.hear_upgrade();
        }
        let hears_nothing = self.requests.rest() && self.upgrade.is_none();
        if self.forgotten && hears_nothing {
            self.end.get_or_insert(End::Finished);
        }
        if self.end.is_some() {
            self.close_all(Leaving::Close);
            self.session.falls_silent(None);
        }
        self.session.waits_on(self.busy());
    }

    /// Breaks off: whatever waits is given up, and nobody reads what comes.
    pub fn leave(&mut self, how: Leaving) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        let how = if how == Leaving::HalfClose { Leaving::Close } else { how };
        let certain = how != Leaving::Reset || self.calm;
        let given_up = self.requests.certain_poll().filter(|_| certain);
        if self.requests.asks(Ask::Poll) {
            self.seen.push(Seen::PollAborted);
        }
        self.close_all(how);
        self.session.falls_silent(given_up);
        self.session.waits_on(self.busy());
    }

    fn is_carried(&self) -> bool {
        matches!(&self.upgrade, Some(upgrade) if upgrade.step == Step::Carries)
    }

    fn busy(&self) -> impl Iterator<Item = Rc<Client>> {
        let conns = self.requests.conns.iter().filter(|conn| conn.asks.is_some()).map(|conn| &conn.line);
        let carrier = self.upgrade.iter().filter(|_| self.is_carried()).map(|upgrade| &upgrade.line);
        conns.chain(carrier).map(|line| line.client().clone())
    }

    fn now_ms(&self) -> u64 {
        self.requests.now_ms()
    }

    fn close_all(&mut self, how: Leaving) {
        self.requests.end(how);
        if let Some(upgrade) = self.upgrade.take() {
            upgrade.line.end_by(how);
        }
    }

    /// Asks whatever is due.
    fn act(&mut self) {
        if self.sid.is_none() {
            if self.requests.rest() {
                self.ask(Ask::Open, None);
            }
            return;
        }
        self.tend_upgrade();
        if self.left {
            return;
        }
        if self.is_carried() {
            let words: Vec<Vec<u8>> = self.words.drain(..).collect();
            self.session.says(&words, self.now_ms());
            if let Some(upgrade) = &mut self.upgrade {
                words.iter().for_each(|word| upgrade.line.say(|out| out.extend_from_slice(word)));
            }
            return;
        }
        let waits = self.calm && self.requests.polls();
        let now_ms = self.now_ms();
        if let Some(upgrade) = self.upgrade.as_mut().filter(|upgrade| upgrade.step == Step::Probed) {
            if upgrade.misses_noop(waits, now_ms) {
                self.fail("the poll that waits is not answered, and a WebSocket probes".into());
            }
            return;
        }
        if !self.requests.asks(Ask::Poll) && !self.requests.asks(Ask::SecondPoll) {
            self.ask(Ask::Poll, None);
        }
        if !self.words.is_empty() && !self.requests.asks(Ask::Post) {
            self.post();
        }
    }

    /// Everything that waits, or a part of it.
    fn post(&mut self) {
        let most = if self.dice.chance(300) { 1 } else { self.words.len() };
        let words: Vec<Vec<u8>> = self.words.drain(..most).collect();
        self.session.says(&words, self.now_ms());
        let body = words.join(&ENGINEIO_SEPARATOR);
        self.ask(Ask::Post, Some(&body));
    }

    fn tend_upgrade(&mut self) {
        if self.upgrade.is_none() {
            if self.upgrades_after == Some(0) {
                self.upgrades_after = None;
                let (client, now_ms) = (self.requests.connect(), self.now_ms());
                let sid = self.sid.as_deref().unwrap_or_default();
                let upgrade = Upgrade::new(client, sid, &mut self.dice, self.calm, now_ms);
                self.session.uses(upgrade.line.client());
                self.upgrade = Some(upgrade);
                self.upgrades += 1;
            }
            return;
        }
        let rests = self.requests.rest();
        let Some(upgrade) = &mut self.upgrade else { return };
        let before = upgrade.step;
        let goes_on = upgrade.go_on(rests, &mut self.dice);
        let after = upgrade.step;
        if before != after || !goes_on {
            self.note(|| format!("upgrades: {after:?}, goes on: {goes_on}"));
        }
        let Some(upgrade) = &mut self.upgrade else { return };
        if !goes_on {
            self.seen.push(Seen::UpgradeAbandoned);
            self.broke_off = true;
            if before == Step::Carries {
                return self.leave(Leaving::Close);
            }
            self.upgrade = None;
            self.upgrades_after = self.dice.chance(300).then(|| self.dice.below(4) as u32);
            return;
        }
        self.probed |= upgrade.step >= Step::Probing;
        if before < Step::Carries && upgrade.step == Step::Carries {
            self.session.upgrades(upgrade.line.client());
            self.requests.end(Leaving::Close);
        }
    }

    fn ask(&mut self, ask: Ask, body: Option<&[u8]>) {
        let now_ms = self.now_ms();
        let request = Request::new(ask, self.sid.as_deref(), body, &mut self.dice, now_ms);
        self.say(request, false);
    }

    fn say(&mut self, request: Request, fresh: bool) {
        self.note(|| {
            let said = String::from_utf8_lossy(&request.bytes).into_owned();
            format!("asks {:?}: {}", request.ask, said.rsplit("\r\n").next().unwrap_or_default())
        });
        self.requests.say(request, fresh, &mut self.dice, &self.session);
        if !self.calm && self.dice.chance(50) {
            self.requests.tidy();
        }
    }

    /// Hears one connection. `false`: it is of no more use.
    fn hear(&mut self, conn: &mut Conn) -> bool {
        if let Some((head, body)) = conn.take_answer() {
            let Some(request) = conn.asks.take() else {
                if head.status != 408 {
                    self.fail(format!("an answer {} to nothing", head.status));
                }
                return false;
            };
            conn.is_kept = true;
            self.answered(&request, conn.core, &head, &body);
            return !head.last && !self.left;
        }
        let Some(end) = conn.line.end else { return true };
        let Some(request) = conn.asks.take() else { return false };
        self.note(|| format!("lost the connection on which it asks {:?}", request.ask));
        if conn.line.was_broken() {
            self.cut = true;
            self.end.get_or_insert(End::Reset);
        } else if request.ask == Ask::Post {
            self.leave(Leaving::Close);
        } else if conn.is_kept && conn.line.ear.is_empty() {
            // It was given up by the gateway while the request was on its way.
            self.session.is_in_doubt(true);
            self.say(request, true);
        } else {
            self.end.get_or_insert(end);
        }
        false
    }

    fn answered(&mut self, request: &Request, core: usize, head: &Head, body: &[u8]) {
        if core != self.birth && request.ask == Ask::Poll {
            self.seen.push(Seen::PollForwarded);
        }
        self.note(|| format!("was answered {} to {:?} by core {core}", head.status, request.ask));
        match (request.ask, head.status) {
            (Ask::Open, 200) => self.opened(core, body, request.said_ms),
            // It came behind the other's answer after all. What is in two answers has no order: the client gives it up.
            (Ask::SecondPoll, 200) => self.leave(Leaving::Close),
            (Ask::Poll, 200) => {
                if self.now_ms() >= request.said_ms + LATE_MS {
                    self.seen.push(Seen::PollAnsweredLate);
                }
                let lives = self.closed_early.take_if(|(_, at_ms)| request.said_ms > *at_ms);
                self.turned_away = lives.map(|(how, _)| how);
                self.polled(body);
            }
            (Ask::SecondPoll, 400) => self.seen.push(Seen::PollTwice),
            (Ask::Poll, 400) if self.requests.asks(Ask::SecondPoll) => self.seen.push(Seen::PollTwice),
            (Ask::Post, 200) if body == b"ok" => {}
            (_, 200) => self.fail(format!("a POST was answered with {}", String::from_utf8_lossy(body))),
            (_, status) => {
                if body.starts_with(b"{\"code\":1,") {
                    self.session.is_over();
                }
                if matches!(status, 408 | 503) {
                    self.refused = Some(status);
                }
                self.end.get_or_insert(End::Refused(status));
            }
        }
    }

    fn opened(&mut self, core: usize, body: &[u8], said_ms: u64) {
        let text = String::from_utf8_lossy(body).into_owned();
        let open = text.strip_prefix('0').and_then(|data| decode_open(data).ok());
        let Some(open) = open.filter(|open| open.may_upgrade) else {
            return self.fail(format!("a session was opened with {text}"));
        };
        self.sid = Some(open.sid.to_owned());
        self.birth = core;
        let patience_ms = u64::from(open.ping_interval_ms) + u64::from(open.ping_timeout_ms);
        self.session.opened(patience_ms, said_ms);
        self.seen.push(Seen::PollingOpened);
        self.messages.push_back(body.to_vec());
    }

    fn polled(&mut self, body: &[u8]) {
        self.session.is_in_doubt(false);
        if body.is_empty() {
            return self.fail("a poll was answered with nothing".into());
        }
        for packet in body.split(|&byte| byte == ENGINEIO_SEPARATOR) {
            if self.end.is_some() {
                return self.fail(format!("{} behind the end", String::from_utf8_lossy(packet)));
            }
            match packet {
                b"6" if self.probed || self.closing => continue,
                b"6" => return self.fail("a NOOP for nothing".into()),
                _ => self.messages.push_back(packet.to_vec()),
            }
            if packet == b"1" || packet.starts_with(b"41/") {
                self.session.is_over();
                self.end = Some(End::Finished);
            }
        }
        self.upgrades_after = self.upgrades_after.map(|polls| polls.saturating_sub(1));
    }

    fn hear_upgrade(&mut self) {
        let now_ms = self.now_ms();
        let Some(upgrade) = &mut self.upgrade else { return };
        match upgrade.hear() {
            Heard::Nothing => {}
            Heard::Fault(fault) => return self.fail(fault),
            Heard::TurnedAway(how) => {
                let step = upgrade.step;
                if let Some(notes) = &mut self.notes {
                    notes.push(format!("its WebSocket was {how} when {step:?}"));
                }
                let in_time = now_ms < upgrade.began_ms + UPGRADE_MS;
                // One that comes while the gateway has not noticed that another is gone is one too many.
                if in_time && self.upgrades == 1 && !upgrade.line.was_broken() {
                    self.closed_early = Some((how, now_ms));
                }
                self.seen.push(Seen::UpgradeAbandoned);
                self.broke_off = true;
                if let Some(upgrade) = self.upgrade.take() {
                    upgrade.line.end_by(Leaving::Close);
                }
                return;
            }
        }
        if upgrade.step < Step::Carries {
            return;
        }
        let Some(frames) = upgrade.line.frames() else { return };
        if !frames.messages.is_empty() {
            if !self.session.was_carried() {
                self.seen.push(Seen::UpgradeCompleted);
            }
            self.session.is_carried();
        }
        self.messages.append(&mut frames.messages);
        if let Some(end) = upgrade.line.end {
            self.cut |= upgrade.line.was_broken();
            self.end.get_or_insert(end);
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(what());
        }
    }

    fn fail(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }
}
