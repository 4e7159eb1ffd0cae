//! What is counted: one struct of plain integers per core, added up and written as Prometheus text when asked.
//!
//! Owns the table of metrics (`metrics/table.rs`: name, labels, sentence), the closed sets of label values, the
//! [`Counters`] of a core, and the rendering. It never locks, never shares and never allocates while counting; no label
//! carries an agent's or a device's name, so the number of series is fixed.

mod counters;
mod histogram;
mod labels;
mod render;
mod table;

pub use counters::Counters;
pub use labels::{
    AuthOutcome, Closed, CommandOutcome, ConnectionOutcome, DeviceStatus, Direction, MemoryKind, ToolList,
    Transport, TriggerOutcome,
};
pub use render::{CONTENT_TYPE, markdown, render};

/// Memory of this process that is in use, in bytes, as the kernel counts it; `None` where it does not say.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests;
