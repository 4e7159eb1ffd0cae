//! SIGHUP and the limits: what a running gateway takes from its configuration file, and what waits for a restart.
//!
//! Owns the reading, the words in the log, and the way of new limits to the cores. A file that cannot be used changes nothing.
//! Never changes what was built from a limit at the start ([`crate::limits::Row::needs_restart`]).

use super::{Desk, Seeds, facts};
use crate::config::Config;
use crate::limits::{Change, Limits};
use crate::mail::Mail;
use crate::shard::Facts;
use std::sync::Arc;

impl Desk {
    /// Reads the configuration file again, and has every core go by the limits that stand there now.
    pub(super) fn reload_limits(&mut self) {
        let Some(file) = &self.file else { return };
        let read = match Config::load(file) {
            Ok(read) => read,
            Err(error) => {
                return tracing::error!(%error, "the configuration cannot be used; the limits stay as they were");
            }
        };
        let mut limits = self.config.limits.clone();
        let (waiting, taken): (Vec<Change>, Vec<Change>) =
            limits.take(&read.limits).into_iter().partition(|change| change.row.needs_restart());
        if let Some(problem) = limits.problems().first() {
            return tracing::error!(%problem, "the new limits and those that need a restart do not go together; the limits stay as they were");
        }
        if !waiting.is_empty() {
            tracing::warn!(limits = words(&waiting), "limits have changed that need a restart");
        }
        if self.config.has_other_sections(&read) {
            tracing::warn!("more than limits has changed in the configuration; that needs a restart");
        }
        if taken.is_empty() {
            return tracing::info!(
                "the configuration was read again; no limit has changed that can be taken now"
            );
        }
        tracing::info!(limits = words(&taken), "the limits have changed");
        self.config.limits = limits.clone();
        self.facts = Arc::new(with_limits(&self.facts, limits));
        for core in 0..self.cores {
            self.outside.post(core, Mail::Limits(self.facts.clone()));
        }
    }
}

/// The same house with other limits.
fn with_limits(old: &Facts, limits: Limits) -> Facts {
    let seeds = Seeds { home: (0, 0), epoch: old.epoch };
    let new = facts(limits, old.doors.clone(), seeds, old.store, old.started_at);
    Facts {
        home: old.home,
        resident_bytes: old.resident_bytes,
        asks_service: old.asks_service,
        origins: old.origins.clone(),
        ..new
    }
}

fn words(changes: &[Change]) -> String {
    let words: Vec<String> =
        changes.iter().map(|Change { row, from, to }| format!("{} {from} -> {to}", row.name)).collect();
    words.join(", ")
}
