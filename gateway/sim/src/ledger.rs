//! The truth of a run: what an observer knows who stands beside every wire and looks into the kernel.
//!
//! Owns what was said, by whom, when, and what must follow from it. Scripts report here, the kernel's ends and the store's
//! journal are looked at here, and the oracles (`oracles/`) judge by it. Never knows what the gateway believes.

mod attempts;
mod congestion;
mod decisions;
mod links;
mod questions;
mod triggers;
mod words;

pub use attempts::{attempt_of, command_of};
pub use congestion::Congestion;
pub use decisions::{Decided, Decision, Holds};
pub use links::{Describes, Excuse, Identity, LinkFacts};
pub use questions::{Asked, Delivery, Question, Reply, Told};
pub use triggers::{Fired, Journal, Sent, Tried};
pub use words::{ShownKey, Spoken, Word, stretched};

use crate::coverage::{Coverage, Seen};
use crate::failure::{Failure, Oracle};
use crate::swarm::{AuthService, Retry, Swarm};
use gateway::limits::Limits;
use std::fmt::Display;

/// Names of agents in the product's sense: the tenants.
pub const TENANTS: [&str; 3] = ["ann", "bob", "cy"];
/// Names of devices; every tenant uses the same, so that a confusion of tenants shows.
pub const DEVICES: [&str; 4] = ["lamp", "door", "pump", "fan"];

/// The observer's book.
pub struct Ledger {
    /// The run.
    pub seed: u64,
    /// Steps of the scheduler so far.
    pub step: u64,
    /// Virtual milliseconds since the start.
    pub now_ms: u64,
    /// The first broken rule.
    pub failure: Option<Failure>,
    /// What happened how often.
    pub seen: Coverage,
    /// Say everything aloud.
    pub trace: bool,
    /// The product's ceilings in this run.
    pub limits: Limits,
    /// How `echo` is tried again in this run.
    pub retry: Option<Retry>,
    /// The auth service of this run.
    pub auth_service: Option<AuthService>,
    /// What it has said.
    pub words: Vec<Word>,
    /// How many tenants there are.
    pub tenants: usize,
    /// Every (tenant, device).
    pub identities: Vec<Identity>,
    /// Every connection that a device opened.
    pub links: Vec<LinkFacts>,
    /// Links that the gateway has not let go.
    held: Vec<usize>,
    /// Every command that was asked for.
    pub questions: Vec<Question>,
    /// Every delivery of a command, in order.
    pub delivered: Vec<usize>,
    /// Every trigger that was fired.
    pub triggers: Vec<Fired>,
    /// Each tenant's events, as the store has them.
    pub journals: Vec<Journal>,
    /// Command ids that devices were given, for those who answer what they were not asked.
    pub overheard: Vec<(usize, String)>,
    /// Ends that were told of commands whose name nobody knows yet: tenant, id and event.
    pub unclaimed_ends: Vec<(usize, String, Vec<u8>)>,
    /// So often a key was shown that is good for nothing.
    pub wrong_keys: u32,
    /// The gateway was asked to stop.
    pub stopping: bool,
    /// When there was too much mail for whom.
    pub congestion: Congestion,
}

impl Ledger {
    /// An empty book.
    pub fn new(seed: u64, swarm: &Swarm, trace: bool) -> Self {
        let mut seen = Coverage::default();
        note_swarm(&mut seen, swarm);
        let mut identities = Vec::new();
        for n in 0..swarm.devices {
            let (tenant, name) = (n % swarm.tenants, DEVICES[n / swarm.tenants % DEVICES.len()]);
            identities.push(Identity::new(tenant, name));
        }
        Self {
            seed,
            step: 0,
            now_ms: 0,
            failure: None,
            seen,
            trace,
            limits: swarm.limits.clone(),
            retry: swarm.retry,
            auth_service: swarm.auth_service,
            words: Vec::new(),
            tenants: swarm.tenants,
            identities,
            links: Vec::new(),
            held: Vec::new(),
            questions: Vec::new(),
            delivered: Vec::new(),
            triggers: Vec::new(),
            journals: (0..swarm.tenants).map(|_| Journal::default()).collect(),
            overheard: Vec::new(),
            unclaimed_ends: Vec::new(),
            wrong_keys: 0,
            stopping: false,
            congestion: Congestion::new(swarm),
        }
    }

    /// A rule was broken; the first one stands.
    pub fn fail(&mut self, oracle: Oracle, peer: impl Display, message: impl Display) {
        self.say(|| format!("FAILED {} {peer}: {message}", oracle.name()));
        if self.failure.is_none() {
            self.failure = Some(Failure {
                oracle,
                seed: self.seed,
                step: self.step,
                at_ms: self.now_ms,
                peer: peer.to_string(),
                message: message.to_string(),
            });
        }
    }

    /// Fails unless `holds`; `message` is made only then.
    pub fn check(
        &mut self,
        holds: bool,
        oracle: Oracle,
        peer: &dyn Display,
        message: impl FnOnce() -> String,
    ) {
        if !holds {
            self.fail(oracle, peer, message());
        }
    }

    /// Says something aloud when somebody listens.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>6} {:>7} ms  {}", self.step, self.now_ms, what());
        }
    }

    /// It happened.
    pub fn saw(&mut self, what: Seen) {
        self.seen.saw(what);
    }

    /// `tenant/device`.
    pub fn who(&self, identity: usize) -> String {
        let Identity { tenant, name, .. } = &self.identities[identity];
        format!("{}/{name}", TENANTS[*tenant])
    }
}

fn note_swarm(seen: &mut Coverage, swarm: &Swarm) {
    let faults = swarm.faults;
    let there = [
        (swarm.cores == 1, Seen::OneCore),
        (swarm.cores > 1, Seen::ManyCores),
        (swarm.engine.scratch_bytes < 2000, Seen::SmallScratch),
        (swarm.engine.marks.high_bytes < 4000, Seen::LowWaterMarks),
        (faults.short_read > 0, Seen::ShortReads),
        (faults.short_write > 0, Seen::ShortWrites),
        (faults.would_block > 0, Seen::WouldBlock),
        (faults.spurious > 0, Seen::SpuriousEvents),
        (faults.delay > 0, Seen::DelayedEvents),
        (faults.accept_fails > 0, Seen::AcceptFailures),
        (faults.reset > 0, Seen::Resets),
        (faults.half_close > 0, Seen::InjectedFins),
        (swarm.auth_service.is_some(), Seen::AuthService),
        (swarm.pace.cores.iter().min() != swarm.pace.cores.iter().max(), Seen::SlowCore),
    ];
    for (_, what) in there.into_iter().filter(|(is, _)| *is) {
        seen.saw(what);
    }
}
