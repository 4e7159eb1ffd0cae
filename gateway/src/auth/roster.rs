//! The roster: one [`Agent`] per name and process, whoever vouches for it.
//!
//! Owns the names that somebody holds an agent of. It is shared by the thread that reads the key file and by the
//! gatekeeper, both of which may wait for its lock; a core never touches it. An agent that nobody holds any more is
//! forgotten.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;

use super::Agent;

/// Below this many names the roster is not searched for forgotten ones.
const TIDY_FROM: usize = 1024;

/// Every agent of the process by name.
#[derive(Debug, Default)]
pub struct Roster {
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    agents: HashMap<Box<str>, Weak<Agent>, BuildHasherDefault<SipHasher13>>,
    tidy_at: usize,
    /// Agents made so far.
    made: u64,
}

impl Roster {
    /// The agent of this name: the one that somebody holds, or a new one.
    pub fn agent(&self, name: &str) -> Arc<Agent> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = names.agents.get(name).and_then(Weak::upgrade) {
            return agent;
        }
        names.made += 1;
        let agent = Arc::new(Agent::new(name, names.made));
        names.agents.insert(name.into(), Arc::downgrade(&agent));
        names.tidy();
        agent
    }

    /// The agent of this name, if somebody holds it.
    pub fn known(&self, name: &str) -> Option<Arc<Agent>> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.agents.get(name).and_then(Weak::upgrade)
    }
}

impl Names {
    /// Forgets who is held by nobody, once there are twice as many names as there were agents.
    fn tidy(&mut self) {
        if self.agents.len() > self.tidy_at.max(TIDY_FROM) {
            self.agents.retain(|_, agent| agent.strong_count() > 0);
            self.tidy_at = self.agents.len() * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_agent_as_long_as_somebody_holds_it() {
        let roster = Roster::default();
        let agent = roster.agent("a");
        let serial = agent.list_changes().0;
        assert!(Arc::ptr_eq(&agent, &roster.agent("a")) && roster.known("a").is_some());
        drop(agent);
        assert!(roster.known("a").is_none() && roster.known("b").is_none());
        assert_ne!(
            roster.agent("a").list_changes().0,
            serial,
            "it is another, which knows nothing of the first"
        );
    }

    #[test]
    fn forgets_agents_that_nobody_holds() {
        let roster = Roster::default();
        let held = roster.agent("held");
        for n in 0..5 * TIDY_FROM {
            roster.agent(&format!("passing-{n}"));
        }
        assert!(roster.names.lock().unwrap().agents.len() <= TIDY_FROM + 1);
        assert!(Arc::ptr_eq(&held, &roster.agent("held")));
    }
}
