//! Who owns which tool name, as it was worked out lately: an agent that calls the tools of a large fleet does not have all of it
//! named again for each call.
//!
//! Owns one table for each agent that called a tool here lately, with the count of list changes (`Agent::list_changes`) that had
//! been made when its cores were asked. While that is the count, no core has anything new to say, and the table is right; a
//! table of another count is never looked at. Tables have a ceiling together, and the one that was used the longest ago gives
//! way. Never names anything: [`super::tools`] does.

use super::tools::{Catalog, Target};
use crate::auth::Agent;
use std::collections::VecDeque;
use std::sync::Arc;

/// Tool names that one core keeps; with the two names behind each, some 150 bytes a tool.
const TOOLS_MAX: usize = 262_144;
/// Tables that one core keeps: they are looked through for each call, and an agent of few devices has its names worked out soon.
const TABLES_MAX: usize = 256;

/// Which agent of a name, and how often its list had changed.
pub type Changes = (u64, u64);

/// What a tool's name stands for.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The device.
    pub device: Arc<str>,
    /// Its command; none is `is_online`.
    pub command: Option<Arc<str>>,
}

impl Owner {
    /// What a catalog says of a name.
    pub fn new(device: &Arc<str>, target: Target<'_>) -> Self {
        let command = match target {
            Target::Command(command) => Some(command.into()),
            Target::IsOnline => None,
        };
        Self { device: Arc::clone(device), command }
    }
}

/// The tables of one core.
#[derive(Debug, Default)]
pub struct Owners {
    /// The one that was used last is at the end.
    tables: VecDeque<Table>,
    tools: usize,
}

#[derive(Debug)]
struct Table {
    agent: Arc<str>,
    changes: Changes,
    /// Sorted by name.
    rows: Box<[(Box<str>, Owner)]>,
}

impl Owners {
    /// Who owns a tool, or that nobody does; none if nobody knows that here.
    pub fn find(&mut self, agent: &Agent, tool: &str) -> Option<Option<Owner>> {
        let at = self.tables.iter().position(|table| *table.agent == *agent.name())?;
        let table = self.tables.remove(at)?;
        if table.changes != agent.list_changes() {
            self.tools -= table.rows.len();
            return None;
        }
        let owner = table.find(tool);
        self.tables.push_back(table);
        Some(owner)
    }

    /// Remembers what a catalog says, which was made of the answers to a question that was asked after so many `changes`.
    pub fn keep(&mut self, agent: &Agent, changes: Changes, catalog: &Catalog) {
        let rows: Box<[_]> =
            catalog.iter().map(|(name, device, target)| (name.into(), Owner::new(device, target))).collect();
        self.forget(agent.name());
        if rows.len() > TOOLS_MAX {
            return;
        }
        self.tools += rows.len();
        self.tables.push_back(Table { agent: agent.name_shared().clone(), changes, rows });
        while self.tools > TOOLS_MAX || self.tables.len() > TABLES_MAX {
            let oldest = self.tables.pop_front();
            self.tools -= oldest.map_or(0, |table| table.rows.len());
        }
    }

    fn forget(&mut self, agent: &str) {
        self.tables.retain(|table| *table.agent != *agent);
        self.tools = self.tables.iter().map(|table| table.rows.len()).sum();
    }
}

impl Table {
    fn find(&self, tool: &str) -> Option<Owner> {
        let at = self.rows.binary_search_by(|(name, _)| (**name).cmp(tool)).ok()?;
        self.rows.get(at).map(|(_, owner)| owner.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tools::ToolDevice;
    use super::*;

    fn catalog(devices: &[String]) -> Catalog {
        let device = |name: &String| ToolDevice { name: name.as_str().into(), manifest: None, online: false };
        Catalog::new(devices.iter().map(device).collect())
    }

    fn lamp() -> Catalog {
        catalog(&["lamp".to_owned()])
    }

    #[test]
    fn an_answer_stands_until_the_list_changes() {
        let (agent, mut owners) = (Agent::for_tests("a"), Owners::default());
        assert!(owners.find(&agent, "device__lamp__is_online").is_none(), "nobody has asked yet");
        owners.keep(&agent, agent.list_changes(), &lamp());
        let owner = owners.find(&agent, "device__lamp__is_online").flatten().expect("it is known");
        assert_eq!((&*owner.device, owner.command), ("lamp", None));
        assert!(owners.find(&agent, "device__lamp__blink").is_some_and(|owner| owner.is_none()));
        agent.count_list_change();
        assert!(owners.find(&agent, "device__lamp__is_online").is_none());
        assert_eq!((owners.tables.len(), owners.tools), (0, 0));
    }

    #[test]
    fn what_changed_while_the_cores_were_asked_is_asked_again() {
        let (agent, mut owners) = (Agent::for_tests("a"), Owners::default());
        let before = agent.list_changes();
        agent.count_list_change();
        owners.keep(&agent, before, &lamp());
        assert!(owners.find(&agent, "device__lamp__is_online").is_none());
    }

    #[test]
    fn many_agents_of_few_tools_have_a_ceiling_too() {
        let agents: Vec<_> = (0..=TABLES_MAX).map(|n| Agent::for_tests(&format!("a{n}"))).collect();
        let mut owners = Owners::default();
        for agent in &agents {
            owners.keep(agent, agent.list_changes(), &lamp());
        }
        assert_eq!((owners.tables.len(), owners.tools), (TABLES_MAX, TABLES_MAX));
        assert!(owners.find(&agents[0], "x").is_none() && owners.find(&agents[1], "x").is_some());
    }

    #[test]
    fn the_table_that_was_used_the_longest_ago_gives_way() {
        let half: Vec<String> = (0..TOOLS_MAX / 2).map(|n| format!("d{n}")).collect();
        let half = catalog(&half);
        let agents = ["a", "b", "c"].map(Agent::for_tests);
        let mut owners = Owners::default();
        for agent in &agents[..2] {
            owners.keep(agent, agent.list_changes(), &half);
        }
        assert!(owners.find(&agents[0], "device__d1__is_online").is_some());
        owners.keep(&agents[2], agents[2].list_changes(), &lamp());
        let kept = agents.each_ref().map(|agent| owners.find(agent, "x").is_some());
        assert_eq!((kept, owners.tools), ([true, false, true], TOOLS_MAX / 2 + 1));
        owners.keep(&agents[0], agents[0].list_changes(), &lamp());
        assert_eq!(owners.tools, 2, "a table takes the place of the one before");
    }
}
