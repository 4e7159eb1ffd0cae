//! The auth service as a neighbour: it is asked about keys that the key file does not know, and answers when and as the dice
//! want.
//!
//! Owns which keys it vouches for, its moods, and the calls under way. What it says goes into the ledger at the moment when
//! the gatekeeper hears it. Never judges what the gateway makes of it.

use crate::coverage::Seen;
use crate::ledger::{Ledger, Spoken, TENANTS, Word};
use crate::secrets;
use crate::swarm::{AuthService, pick};
use engine::net::fake::Dice;
use gateway::auth::{Allowed, Answer, Call, DevicePattern, Fault, Operations};

/// A call takes at most so long when all is well, in milliseconds.
const PROMPT_MS: u64 = 5;
/// A mood lasts at most so long, in milliseconds.
const MOOD_MS: u64 = 3_000;
/// A yes of short life, in milliseconds.
const SHORT_TTL_MS: u64 = 1_200;

/// How it is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    /// It answers at once.
    Well,
    /// It takes its time, sometimes too much of it.
    Slow,
    /// It does not answer.
    Down,
}

/// The service.
pub struct Service {
    rules: AuthService,
    dice: Dice,
    mood: Mood,
    mood_until_ms: u64,
    calls: Vec<Flight>,
    taken_back: Vec<String>,
    fails: bool,
}

/// A call under way.
struct Flight {
    call: Call,
    due_ms: u64,
    fault: Option<Fault>,
}

impl Service {
    /// A service that is well.
    pub fn new(rules: AuthService, dice: Dice) -> Self {
        Self {
            rules,
            dice,
            mood: Mood::Well,
            mood_until_ms: 0,
            calls: Vec::new(),
            taken_back: Vec::new(),
            fails: false,
        }
    }

    /// A call begins.
    pub fn ask(&mut self, call: Call, calm: bool, ledger: &mut Ledger) {
        self.change_mood(calm, ledger);
        let timeout_ms = self.rules.timeout_ms;
        let (takes_ms, fault) = match self.mood {
            Mood::Well if calm => (0, None),
            Mood::Well => (self.dice.below(PROMPT_MS), None),
            Mood::Slow => {
                ledger.saw(Seen::ServiceSlow);
                let takes_ms = self.dice.below(2 * timeout_ms);
                (takes_ms.min(timeout_ms), (takes_ms >= timeout_ms).then_some(Fault::TimedOut))
            }
            Mood::Down => {
                ledger.saw(Seen::ServiceDown);
                (self.dice.below(PROMPT_MS), Some(self.choose_fault()))
            }
        };
        let due_ms = ledger.now_ms + takes_ms;
        ledger.say(|| format!("the service is asked: {call:?}, due at {due_ms} ms, {fault:?}"));
        self.calls.push(Flight { call, due_ms, fault });
    }

    /// What is due: the flight, and what the caller heard.
    pub fn next_answer(&mut self, ledger: &mut Ledger) -> Option<(u128, Answer)> {
        let due = |flight: &Flight| flight.due_ms <= ledger.now_ms;
        let Flight { call, fault, .. } = self.calls.swap_remove(self.calls.iter().position(due)?);
        let answer = match fault {
            Some(fault) => Answer::Failed(fault),
            None => self.truth(&call),
        };
        ledger.service_said(word(&call, &answer, ledger));
        Some((call.flight, answer))
    }

    /// Calls under way.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How long until the next answer.
    pub fn rests_ms(&self, now_ms: u64) -> Option<u64> {
        self.calls.iter().map(|flight| flight.due_ms.saturating_sub(now_ms)).min()
    }

    /// From now on it says no to this key.
    pub fn take_back(&mut self, secret: String) {
        self.taken_back.push(secret);
    }

    /// Whether it fails from now on, until it is told otherwise; in the calm nothing else makes it.
    pub fn fail(&mut self, fails: bool) {
        self.fails = fails;
    }

    fn change_mood(&mut self, calm: bool, ledger: &mut Ledger) {
        if calm || !self.rules.moody {
            self.mood = if self.fails { Mood::Down } else { Mood::Well };
            return;
        }
        if ledger.now_ms < self.mood_until_ms {
            return;
        }
        self.mood = *pick(&mut self.dice, &[Mood::Well, Mood::Slow, Mood::Down]).expect("a list");
        self.mood_until_ms = ledger.now_ms + self.dice.below(MOOD_MS);
    }

    fn choose_fault(&mut self) -> Fault {
        *pick(&mut self.dice, &[Fault::Unreachable, Fault::Status(503), Fault::Garbage]).expect("a list")
    }

    /// What is true of a key. For the same key it says now this device and now all that its agent has: both are true.
    fn truth(&mut self, call: &Call) -> Answer {
        let secret = call.secret.reveal();
        let agent = &*call.agent;
        if !TENANTS.contains(&agent) || self.taken_back.iter().any(|gone| gone == secret) {
            return Answer::Refused;
        }
        let operations = match &call.device {
            Some(_) if secret == secrets::vouched(agent) => Operations::DEVICE,
            Some(device) if secret == secrets::vouched_own(agent, device) => Operations::DEVICE,
            None if secret == secrets::vouched_agent(agent) => Operations::AGENT,
            Some(_) | None => return Answer::Refused,
        };
        let wide = call.device.is_some() && self.dice.chance(400);
        let devices = wide.then(|| DevicePattern::parse("*")).flatten();
        let ttl_ms = self.dice.chance(250).then_some(SHORT_TTL_MS);
        Answer::Allowed(Allowed { operations, devices, ttl_ms })
    }
}

fn word(call: &Call, answer: &Answer, ledger: &Ledger) -> Word {
    let said = match answer {
        Answer::Allowed(allowed) => Spoken::Yes { wide: allowed.devices.is_some(), ttl_ms: allowed.ttl_ms },
        Answer::Refused => Spoken::No,
        Answer::Failed(_) => Spoken::Nothing,
    };
    Word {
        step: ledger.step,
        ms: ledger.now_ms,
        secret: call.secret.reveal().to_owned(),
        agent: call.agent.to_string(),
        device: call.device.as_deref().map(str::to_owned),
        via: call.via,
        said,
    }
}
