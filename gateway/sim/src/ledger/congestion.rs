//! Too much mail: when each core was congested, and towards whom.
//!
//! Owns what is told of it after each turn, by the engine's own counts. What may follow from it is judged in
//! `oracles/congestion.rs`.

use super::{Identity, Ledger, TENANTS};
use crate::swarm::Swarm;

/// The last step at which each core was congested towards each of its neighbours.
#[derive(Debug)]
pub struct Congestion {
    /// The mark is one that the mail of a small house reaches.
    pub is_possible: bool,
    cores: usize,
    /// The home core of each device.
    homes: Vec<usize>,
    /// By core and neighbour; 0: never.
    last: Vec<Vec<u64>>,
}

/// Neighbours that are no cores, in the order of the house: the store, the worker, the gatekeeper.
const CLERKS: usize = 3;

impl Congestion {
    /// Nobody is congested yet.
    pub(super) fn new(swarm: &Swarm) -> Self {
        let usual = engine::Limits::default().unposted_letters_mark;
        Self {
            is_possible: swarm.engine.unposted_letters_mark < usual,
            cores: swarm.cores,
            homes: Vec::new(),
            last: vec![vec![0; swarm.cores + CLERKS]; swarm.cores],
        }
    }

    /// All who can be written to.
    pub fn neighbours(&self) -> std::ops::Range<usize> {
        0..self.cores + CLERKS
    }

    /// A core was congested towards a neighbour in a turn.
    pub fn note(&mut self, core: usize, to: usize, step: u64) {
        self.last[core][to] = step;
    }

    /// Whether some core was congested towards the home of a device since a step.
    pub fn towards_home(&self, identity: usize, since: u64) -> bool {
        self.homes.get(identity).is_some_and(|&home| self.towards(home, since))
    }

    /// Whether the home of a device was congested towards a core or the store since a step.
    pub fn at_home(&self, identity: usize, since: u64) -> bool {
        let last = self.homes.get(identity).map(|&home| &self.last[home]);
        last.is_some_and(|last| last[..=self.cores].iter().any(|&step| step >= since.max(1)))
    }

    /// Whether some core was congested towards the worker since a step.
    pub fn towards_worker(&self, since: u64) -> bool {
        self.towards(self.cores + 1, since)
    }

    fn towards(&self, to: usize, since: u64) -> bool {
        self.last.iter().any(|last| last[to] >= since.max(1))
    }
}

impl Ledger {
    /// Notes where each device is at home.
    pub fn settle_homes(&mut self, home: impl Fn(&str, &str) -> usize) {
        let of = |identity: &Identity| home(TENANTS[identity.tenant], identity.name);
        self.congestion.homes = self.identities.iter().map(of).collect();
    }
}
