//! The gatekeeper: a neighbour that is no core and judges every key that the key file does not vouch for.
//!
//! Owns what belongs to no single connection of the node: the failures of a source, and, where an auth service is
//! configured, what the service has said lately and who waits for its word. Cores ask it only then, so a right key of the
//! file never comes here. It blocks on nothing: calls are handed to callers, whose answers come back by mail. It admits
//! nobody itself; the core that asked does. In the simulator it is turned by hand, like a core.
//!
//! ```text
//!   core -- Judge --> known? --yes/no--> Judged --> core
//!                       |  no
//!                       +--> flights -- Call --> caller -- Heard --> known now --> Judged --> cores that waited
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Key;

use super::answer::{Answer, Fault};
use super::flights::{FlightRules, Flights};
use super::lockout::{Lockout, LockoutRules};
use super::mail::{FromGatekeeper, Judged, Question, ToGatekeeper, Verdict, Via};
use super::verdicts::{Known, VerdictRules, Verdicts, Vouched};
use super::{Grant, Roster, Sealed};
use crate::device::name::HomeHash;
use crate::log::Shown;

/// While the service fails, the log says so this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Everything that the gatekeeper goes by.
#[derive(Clone, Copy, Debug)]
pub struct GatekeeperRules {
    /// When a source is locked out.
    pub lockout: LockoutRules,
    /// How long the service's words are used, and how it is asked; none without a service.
    pub service: Option<(VerdictRules, FlightRules)>,
}

/// What the gatekeeper has counted, and how things stand with it now.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct GatekeeperCounters {
    /// Calls that the service answered with yes.
    pub calls_allowed: u64,
    /// Calls that the service answered with no.
    pub calls_refused: u64,
    /// Calls that failed.
    pub calls_failed: u64,
    /// Calls under way now.
    pub calls_now: u64,
    /// Questions that wait for the service now.
    pub waiting_now: u64,
    /// Words of the service that are remembered now.
    pub verdicts_now: u64,
    /// Sources whose failures are remembered now.
    pub sources_now: u64,
}

/// A call to be made.
#[derive(Debug)]
pub struct Call {
    /// What to say with the answer.
    pub flight: u128,
    /// The key.
    pub secret: Sealed,
    /// The agent.
    pub agent: Box<str>,
    /// The device, if it is one.
    pub device: Option<Box<str>>,
    /// How it speaks.
    pub via: Via,
}

/// The gatekeeper's state.
#[derive(Debug)]
pub struct Gatekeeper {
    lockout: Lockout,
    service: Option<Service>,
    counters: GatekeeperCounters,
    answers: VecDeque<(usize, FromGatekeeper)>,
}

/// What concerns the auth service.
#[derive(Debug)]
struct Service {
    verdicts: Verdicts,
    flights: Flights,
    roster: Arc<Roster>,
    complained_at: Option<Instant>,
}

impl Gatekeeper {
    /// A gatekeeper that knows nothing yet. `hash` names things in its tables, `roster` names agents.
    pub fn new(rules: GatekeeperRules, hash: HomeHash, roster: Arc<Roster>) -> Self {
        let service = rules.service.map(|(verdicts, flights)| Service {
            verdicts: Verdicts::new(verdicts, hash, 0),
            flights: Flights::new(flights),
            roster,
            complained_at: None,
        });
        Self {
            lockout: Lockout::new(rules.lockout, hash),
            service,
            counters: GatekeeperCounters::default(),
            answers: VecDeque::new(),
        }
    }

    /// One letter. What follows from it is taken with [`Gatekeeper::next_answer`] and [`Gatekeeper::next_call`].
    pub fn take(&mut self, mail: ToGatekeeper, now: Instant) {
        match mail {
            ToGatekeeper::Judge(question) => self.judge(*question, now),
            ToGatekeeper::Heard { flight, answer } => self.heard(flight, answer, now),
            ToGatekeeper::Find { from, asker, number, digest, agent } => {
                let verdict = self.find(&agent);
                self.say(from, Judged { asker, number, digest, agent, again: false, verdict });
            }
            ToGatekeeper::Forgive => self.lockout.forgive(),
            ToGatekeeper::Count { core, ticket } => self.count(core, ticket),
        }
    }

    /// An answer, and the core that it is for.
    pub fn next_answer(&mut self) -> Option<(usize, FromGatekeeper)> {
        self.answers.pop_front()
    }

    /// A call to be made now, if there is one and not too many are under way.
    pub fn next_call(&mut self, now: Instant) -> Option<Call> {
        let service = self.service.as_mut()?;
        let mut expired = Vec::new();
        let next = service.flights.next(now, &mut expired);
        let call = next.and_then(|(flight, question)| {
            let secret = question.secret.clone()?;
            let (agent, device) = (question.agent.clone(), question.device.clone());
            Some(Call { flight, secret, agent, device, via: question.via })
        });
        for question in expired {
            self.answer(question, Verdict::Unavailable);
        }
        call
    }

    fn judge(&mut self, question: Question, now: Instant) {
        let service = self.service.as_mut().filter(|_| question.secret.is_some());
        let Some(service) = service else { return self.wrong(question, now) };
        match service.verdicts.find(&question, now) {
            Known::Yes(vouched) => self.vouch(question, vouched),
            Known::No => self.wrong(question, now),
            Known::StaleYes => self.join(question, false),
            Known::Nothing => {
                let suspect = self.lockout.locked(question.source, &question.agent, now).is_some();
                #[cfg(planted)]
                if suspect && engine::planted::is("lock-out-hits-right-keys") {
                    return self.wrong(question, now);
                }
                self.join(question, suspect);
            }
        }
    }

    fn join(&mut self, question: Question, suspect: bool) {
        let Some(service) = self.service.as_mut() else { return };
        if let Some(too_many) = service.flights.join(question, suspect) {
            self.answer(too_many, Verdict::Unavailable);
        }
    }

    fn heard(&mut self, flight: u128, answer: Answer, now: Instant) {
        let Some(service) = self.service.as_mut() else { return };
        let Some(landed) = service.flights.land(flight) else {
            debug_assert!(false, "a call comes back once");
            return;
        };
        let failed = matches!(answer, Answer::Failed(_));
        match answer {
            Answer::Allowed(allowed) => {
                self.counters.calls_allowed += 1;
                let agent = service.roster.agent(&landed.asked.agent);
                service.verdicts.allow(&landed.asked, allowed, agent, now);
                service.recovered();
            }
            Answer::Refused => {
                self.counters.calls_refused += 1;
                service.verdicts.refuse(&landed.asked, now);
                service.recovered();
            }
            Answer::Failed(fault) => {
                self.counters.calls_failed += 1;
                service.complain(fault, now);
            }
        }
        for question in std::iter::once(landed.asked).chain(landed.waiting) {
            if failed { self.do_without(question, now) } else { self.judge(question, now) }
        }
    }

    /// The service has failed: what it said before counts, if it said something.
    fn do_without(&mut self, question: Question, now: Instant) {
        let Some(service) = self.service.as_mut() else { return };
        #[cfg(planted)]
        if engine::planted::is("failure-is-a-no") {
            return self.wrong(question, now);
        }
        service.verdicts.bear_with(&question, now);
        match service.verdicts.find(&question, now) {
            Known::Yes(vouched) => self.vouch(question, vouched),
            Known::No => self.wrong(question, now),
            Known::StaleYes | Known::Nothing => self.answer(question, Verdict::Unavailable),
        }
    }

    fn vouch(&mut self, question: Question, vouched: Vouched) {
        let Some(secret) = question.secret.clone() else {
            return self.answer(question, Verdict::Unavailable);
        };
        let Vouched { agent, devices, operations, fresh_until } = vouched;
        let grant = Grant::vouched(agent, devices, operations, question.digest, secret, fresh_until);
        self.answer(question, Verdict::Yes(Arc::new(grant)));
    }

    fn wrong(&mut self, question: Question, now: Instant) {
        let locked = match question.again {
            true => None,
            false => self.lockout.failed(question.source, &question.agent, now),
        };
        if locked.is_some() {
            tracing::debug!(agent = %Shown(&question.agent), "a locked-out source showed one more wrong key");
        }
        self.answer(question, Verdict::No { locked });
    }

    fn answer(&mut self, question: Question, verdict: Verdict) {
        let Question { from, asker, number, agent, digest, again, .. } = question;
        self.say(from, Judged { asker, number, digest, agent, again, verdict });
    }

    fn say(&mut self, to: usize, judged: Judged) {
        self.answers.push_back((to, FromGatekeeper::Judged(judged)));
    }

    fn find(&self, agent: &str) -> Verdict {
        let found = self.service.as_ref().and_then(|service| service.roster.known(agent));
        found.map_or(Verdict::No { locked: None }, Verdict::Known)
    }

    fn count(&mut self, core: usize, ticket: Key) {
        let mut counters = GatekeeperCounters { sources_now: self.lockout.len() as u64, ..self.counters };
        if let Some(service) = &self.service {
            counters.calls_now = service.flights.calls() as u64;
            counters.waiting_now = service.flights.waiting() as u64;
            counters.verdicts_now = service.verdicts.len() as u64;
        }
        self.answers.push_back((core, FromGatekeeper::Counted { ticket, counters }));
    }
}

impl Service {
    fn complain(&mut self, fault: Fault, now: Instant) {
        if self.complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAIN_EVERY) {
            self.complained_at = Some(now);
            tracing::warn!(
                why = fault.sentence(),
                "the auth service fails; keys it has vouched for still count"
            );
        }
    }

    fn recovered(&mut self) {
        if self.complained_at.take().is_some() {
            tracing::info!("the auth service answers again");
        }
    }
}

#[cfg(test)]
#[path = "gatekeeper_tests.rs"]
mod tests;
