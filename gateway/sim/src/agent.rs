//! A scripted user of the API: raw HTTP/1.1 over a few connections, and readers of events.
//!
//! Owns what an agent wants to know or to have done next. Requests are written in `requests`, answers are read in `answers`,
//! streams in `stream`; what they must say is the oracles' business. Never looks into the gateway.

mod answers;
mod errands;
mod inquiries;
mod requests;
mod stream;
mod vetting;

pub use requests::Request;
pub use stream::Stream;

use crate::coverage::Seen;
use crate::device::Scene;
use crate::failure::Oracle;
use crate::ledger::{Asked, Excuse, Ledger, TENANTS};
use crate::line::{Line, is_held};
use crate::oracles::Reading;
use crate::swarm::{Manner, Manners, pick};
use engine::net::fake::{ClientEnd, Dice};
use std::collections::VecDeque;

/// Requests that may wait on one connection.
const PIPELINE_MAX: usize = 4;
/// Why a line that never began is not missed.
const IDLE_MS: u64 = 4_000;

/// A connection of an agent.
pub struct AgentLine {
    /// The bytes.
    pub line: Line,
    /// Requests without an answer, oldest first.
    pub waiting: VecDeque<Asking>,
    /// It has become a stream of events.
    pub stream: Option<Stream>,
    /// Why the gateway may hang up.
    pub excuse: Option<Excuse>,
    /// When the last word was out, or the last answer in.
    pub quiet_since_ms: u64,
    slow: bool,
    /// The agent has ended its direction; the gateway answers all the same.
    half_closed: bool,
}

/// A request under way.
#[derive(Debug)]
pub struct Asking {
    /// What for.
    pub request: Request,
    /// When it was said, in steps.
    pub since: u64,
    /// The same in milliseconds.
    pub said_ms: u64,
}

/// A script.
pub struct Agent {
    /// Its number among the scripts.
    pub actor: usize,
    /// Whose API it uses.
    pub tenant: usize,
    /// Its connections.
    pub lines: Vec<AgentLine>,
    manners: Manners,
    /// The auth service knows its key, and the key file does not.
    vouched: bool,
    etag: Option<String>,
    /// A reader's place, to come back to.
    cursor: Option<Reading>,
    /// Dice of those who ask how their commands go.
    inquiries: Option<Dice>,
    /// Dice for what came later.
    errands: Dice,
}

impl Agent {
    /// An agent with some of the manners that exist.
    pub fn new(actor: usize, tenant: usize, manners: Manners) -> Self {
        Self {
            actor,
            tenant,
            lines: Vec::new(),
            manners,
            vouched: false,
            etag: None,
            cursor: None,
            inquiries: None,
            errands: Dice::new(0),
        }
    }

    /// `tenant's agent#actor`.
    pub fn peer(&self) -> String {
        format!("{}'s agent #{}", TENANTS[self.tenant], self.actor)
    }

    /// One step of its life.
    pub fn step(&mut self, scene: &mut Scene<'_>) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain_mut(|line| {
            self.breathe(scene, line);
            self.hear(scene, line);
            let stays = self.notice_the_end(scene, line);
            if !stays {
                forget_decisions(scene.ledger, line);
            }
            stays
        });
        self.lines = lines;
        if !scene.calm {
            self.act(scene);
        }
    }

    /// What it still waits for, for a report.
    pub fn wants(&self, ledger: &Ledger) -> String {
        let waiting: usize = self.lines.iter().map(|line| line.waiting.len()).sum();
        let behind: Vec<&Reading> = self.readers().filter(|reading| !ledger.has_read_all(reading)).collect();
        let newest = ledger.journals[self.tenant].last();
        format!("{}: {waiting} unanswered, behind {behind:?} of {newest}", self.peer())
    }

    /// Whether every request that can be answered was.
    pub fn is_content(&self) -> bool {
        self.lines.iter().all(|line| line.waiting.is_empty() && line.line.is_silent())
    }

    /// Whether its readers have read everything there is.
    pub fn has_read_all(&self, ledger: &Ledger) -> bool {
        self.readers().all(|reading| ledger.has_read_all(reading))
    }

    /// The places of its live readers.
    pub fn readers(&self) -> impl Iterator<Item = &Reading> {
        self.lines.iter().filter_map(|line| line.stream.as_ref()).map(|stream| &stream.reading)
    }

    fn breathe(&self, scene: &mut Scene<'_>, line: &mut AgentLine) {
        let was_silent = line.line.is_silent();
        let dribbles = self.manners.has(Manner::Dribbles) && !scene.calm;
        line.line.breathe_out(if dribbles { 1 + scene.dice.below(40) as usize } else { usize::MAX });
        if !was_silent && line.line.is_silent() {
            line.quiet_since_ms = scene.ledger.now_ms;
        }
        line.line.breathe_in(match (scene.calm, line.slow) {
            (true, _) => usize::MAX,
            (false, true) => scene.dice.below(24) as usize,
            (false, false) => 1 + scene.dice.below(1500) as usize,
        });
    }

    /// What it does next in the storm.
    fn act(&mut self, scene: &mut Scene<'_>) {
        self.inquire(scene);
        self.decide_something(scene);
        let busy = self.lines.iter().filter(|line| line.stream.is_none()).count();
        let floods = self.manners.has(Manner::Floods);
        let roll = scene.dice.below(100);
        match roll {
            0..22 if busy < if floods { 8 } else { 3 } || roll < 14 => self.ask_something(scene),
            22..24 if self.readers().count() < 2 => self.read_events(scene),
            24 if self.manners.has(Manner::Vanishes) => self.vanish(scene),
            25 if self.manners.has(Manner::HalfCloses) => self.half_close(scene),
            26 if self.manners.has(Manner::SendsJunk) && scene.dice.chance(300) => self.send_junk(scene),
            _ => {}
        }
    }

    fn ask_something(&mut self, scene: &mut Scene<'_>) {
        let request = self.choose(scene);
        self.ask(scene, request);
        let more = if self.manners.has(Manner::Pipelines) { scene.dice.below(3) } else { 0 };
        for _ in 0..more {
            let request = self.choose(scene);
            self.ask(scene, request);
        }
    }

    fn choose(&mut self, scene: &mut Scene<'_>) -> Request {
        match scene.dice.below(100) {
            0..55 => self.choose_command(scene),
            55..68 => Request::Devices,
            68..78 => Request::Tools { known: scene.dice.chance(500).then(|| self.etag.clone()).flatten() },
            78..86 => match self.pick_device(scene) {
                Some(identity) => Request::Device(identity),
                None => Request::Devices,
            },
            86..89 if self.manners.has(Manner::Trespasses) => {
                Request::Foreign(TENANTS[(self.tenant + 1) % TENANTS.len()])
            }
            89..91 if self.manners.has(Manner::WrongKey) => Request::WrongKey,
            91..94 if self.manners.has(Manner::Operates) => Request::Metrics,
            94 => Request::NoPath,
            95 => Request::OtherMethod,
            96 => Request::Healthz,
            97 => Request::Readyz,
            _ => Request::Key,
        }
    }

    fn pick_device(&self, scene: &mut Scene<'_>) -> Option<usize> {
        let all = &scene.ledger.identities;
        let own: Vec<usize> =
            (0..all.len()).filter(|&identity| all[identity].tenant == self.tenant).collect();
        pick(scene.dice, &own).copied()
    }

    /// A command that was asked before, or a new one.
    fn choose_command(&mut self, scene: &mut Scene<'_>) -> Request {
        if self.manners.has(Manner::Repeats) && scene.dice.chance(350) {
            let repeatable = scene.ledger.repeatable(self.tenant);
            if let Some(&question) = pick(scene.dice, &repeatable) {
                scene.ledger.saw(Seen::Repeated);
                let known = &mut scene.ledger.questions[question];
                known.again += 1;
                return Request::Command { question, given: known.given, again: true };
            }
        }
        self.choose_new_command(scene)
    }

    fn choose_new_command(&mut self, scene: &mut Scene<'_>) -> Request {
        let identity = self.pick_device(scene);
        let (unknown, bad) = (self.manners.has(Manner::AsksUnknown), self.manners.has(Manner::AsksBadly));
        let asked = match scene.dice.below(12) {
            0 if unknown => Asked::UnknownDevice,
            1 if unknown => Asked::UnknownCommand,
            2 if bad => Asked::BadArguments,
            _ => Asked::Well,
        };
        let identity = identity.filter(|_| asked != Asked::UnknownDevice);
        let asked = if identity.is_none() { Asked::UnknownDevice } else { asked };
        let bulk = match self.manners.has(Manner::Bulky) && scene.dice.chance(150) {
            true => {
                scene.ledger.saw(Seen::Bulky);
                1 + scene.dice.below(20_000) as usize
            }
            false => 0,
        };
        let timeout_ms =
            if scene.swarm.patient { 2_000 + scene.dice.below(6_000) } else { 60 + scene.dice.below(400) };
        let given = scene.dice.chance(700);
        let timeout_ms = if given { timeout_ms } else { scene.ledger.limits.timeout_ms_default };
        let question = scene.ledger.ask(self.tenant, identity, asked, timeout_ms, bulk);
        scene.ledger.questions[question].given = given;
        scene.ledger.questions[question].keyed = self.manners.has(Manner::Repeats) && scene.dice.chance(600);
        scene.ledger.questions[question].hasty = !scene.ledger.questions[question].keyed && self.is_hasty();
        self.consider_queueing(scene, question);
        Request::Command { question, given, again: false }
    }

    /// Says a request on a connection that may take it, or on a fresh one.
    pub fn ask(&mut self, scene: &mut Scene<'_>, request: Request) {
        let pipelines = self.manners.has(Manner::Pipelines) && !scene.calm;
        let most = if pipelines { PIPELINE_MAX } else { 1 };
        let free = |line: &AgentLine| {
            let open = line.line.client().client_end() == ClientEnd::Open && line.line.end.is_none();
            open && line.stream.is_none()
                && line.excuse.is_none()
                && line.waiting.len() < most
                && !line.ends()
        };
        let at = self.lines.iter().position(free);
        let fresh = scene.dice.chance(200) && !scene.calm;
        let at = at.filter(|_| !fresh && request.shares_a_line()).unwrap_or_else(|| self.open(scene));
        if !self.lines[at].waiting.is_empty() {
            scene.ledger.saw(Seen::Pipelined);
        }
        self.write(scene, at, &request);
        self.lines[at].waiting.push_back(Asking::now(request, scene.ledger));
    }

    fn open(&mut self, scene: &mut Scene<'_>) -> usize {
        self.lines.push(AgentLine {
            line: Line::new(scene.kernel.connect(1)),
            waiting: VecDeque::new(),
            stream: None,
            excuse: None,
            quiet_since_ms: scene.ledger.now_ms,
            slow: false,
            half_closed: false,
        });
        self.lines.len() - 1
    }

    /// Opens a stream of events: from now, from the beginning, or from where one was.
    pub fn read_events(&mut self, scene: &mut Scene<'_>) {
        let (tenant, not_before) = (self.tenant, scene.ledger.journals[self.tenant].last());
        let resumes = self.manners.has(Manner::Resumes);
        let reading = match (self.cursor.take().filter(|_| resumes), scene.dice.below(2)) {
            (Some(reading), _) => {
                scene.ledger.saw(Seen::StreamResumed);
                reading
            }
            (None, 0) if !scene.calm => {
                Reading { tenant, next: None, not_before, begun_by: not_before, cursor: None }
            }
            (None, _) => {
                Reading { tenant, next: Some(1), not_before: 0, begun_by: 0, cursor: Some("0".into()) }
            }
        };
        let slow = self.manners.has(Manner::ReadsSlowly) && !scene.calm;
        self.ask(scene, Request::Events(reading));
        if let Some(line) = self.lines.last_mut().filter(|_| slow) {
            scene.ledger.saw(Seen::SlowStream);
            line.slow = true;
            line.line.client().set_pipe_bytes(200);
        }
    }

    fn vanish(&mut self, scene: &mut Scene<'_>) {
        if self.lines.is_empty() {
            return;
        }
        let at = scene.dice.below(self.lines.len() as u64) as usize;
        let line = self.lines.remove(at);
        forget_decisions(scene.ledger, &line);
        if !line.waiting.is_empty() {
            scene.ledger.saw(Seen::AgentVanished);
        }
        self.remember(&line);
        match scene.dice.below(2) {
            0 => line.line.client().close(),
            _ => line.line.client().reset(),
        }
    }

    fn half_close(&mut self, scene: &mut Scene<'_>) {
        let waits =
            |line: &&mut AgentLine| line.line.is_silent() && line.waiting.len() == 1 && line.stream.is_none();
        if let Some(line) = self.lines.iter_mut().find(waits) {
            scene.ledger.saw(Seen::AgentHalfClosed);
            line.line.client().half_close();
            line.half_closed = true;
        }
    }

    fn send_junk(&mut self, scene: &mut Scene<'_>) {
        let at = self.open(scene);
        scene.ledger.saw(Seen::JunkRequest);
        let junk: &[u8] = pick(
            scene.dice,
            &[
                &b"GET  /healthz\r\n\r\n"[..],
                b"\x10\x20MQTT\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
            ],
        )
        .expect("a list");
        let line = &mut self.lines[at];
        line.line.say(|out| out.extend_from_slice(junk));
        line.excuse = Some(Excuse::Misspoke);
        line.waiting.push_back(Asking::now(Request::Junk, scene.ledger));
    }

    /// A reader's place outlives its connection.
    fn remember(&mut self, line: &AgentLine) {
        if let Some(stream) = &line.stream
            && stream.reading.cursor.is_some()
            && stream.reading.next.is_some()
        {
            self.cursor = Some(stream.reading.clone());
        }
    }

    /// Whether the line lives on; if it has ended, by whose will.
    fn notice_the_end(&mut self, scene: &mut Scene<'_>, line: &mut AgentLine) -> bool {
        let client = line.line.client().clone();
        let Some(end) = line.line.end else {
            return !matches!(client.client_end(), ClientEnd::Closed | ClientEnd::Reset);
        };
        self.remember(line);
        let now_ms = scene.ledger.now_ms;
        let late =
            (line.waiting.is_empty() || !line.line.is_silent()) && now_ms - line.quiet_since_ms > IDLE_MS;
        let crowded = scene.ledger.limits.unidentified_per_core < 64;
        let injected = client.client_end() != ClientEnd::Open && !line.half_closed;
        let may =
            line.excuse.is_some() || client.was_cut() || scene.ledger.stopping || late || crowded || injected;
        let may = may || self.may_be_cut_short(scene.ledger, line);
        let ours = client.client_end() != ClientEnd::Open && line.waiting.is_empty();
        let waiting = line.waiting.len();
        scene.ledger.check(may || ours, Oracle::Blame, &self.peer(), || {
            format!("{end:?} with {waiting} requests unanswered, though it did nothing wrong")
        });
        false
    }

    /// Leaves for good.
    pub fn leave(&mut self) {
        for line in self.lines.drain(..) {
            line.line.client().close();
        }
    }
}

impl Asking {
    fn now(request: Request, ledger: &Ledger) -> Self {
        Self { request, since: ledger.step, said_ms: ledger.now_ms }
    }
}

impl AgentLine {
    /// Its last request is one after which the connection ends.
    fn ends(&self) -> bool {
        self.waiting.back().is_some_and(|asking| !asking.request.shares_a_line())
    }

    /// The gateway still holds its end.
    pub fn is_held(&self) -> bool {
        is_held(self.line.client())
    }
}

/// What was decided on a line that is no more, and never answered, may hold or not.
fn forget_decisions(ledger: &mut Ledger, line: &AgentLine) {
    for asking in &line.waiting {
        if let Request::Control { identity, .. } = asking.request {
            ledger.decision_unheard(identity);
        }
    }
}

/// The manners of one agent.
pub fn draw_manners(dice: &mut Dice, there: Manners) -> Manners {
    there.few(dice, 5)
}
