//! `gateway devices`: who is connected.
//!
//! Owns the table and the walk over pages; a program gets the pages as they came, one per line.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::api::{Target, encoded};
use super::output::plain;
use super::{Failure, Screen};

#[derive(Args)]
pub(super) struct DevicesArgs {
    /// Only devices with this status: online, late, offline.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    #[command(flatten)]
    target: Target,
}

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &DevicesArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let api = args.target.find(PATIENCE)?;
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let answer = api.get(&page(args.status.as_deref(), cursor.as_deref()))?;
        if !answer.is_ok() {
            return Err(answer.refuse(screen));
        }
        if !screen.terminal {
            screen.line(&answer.text)?;
        }
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        rows.extend(body["devices"].as_array().into_iter().flatten().map(row));
        let next = body["cursor"].as_str().map(str::to_owned);
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    match (screen.terminal, rows.is_empty()) {
        (true, true) => screen.line("No device has connected yet."),
        (true, false) => screen.table(["NAME", "STATUS", "SINCE", "TRANSPORT", "COMMANDS"], &rows),
        (false, _) => Ok(()),
    }
}

fn page(status: Option<&str>, cursor: Option<&str>) -> String {
    let status = status.map(|status| format!("status={}", encoded(status)));
    let cursor = cursor.map(|cursor| format!("cursor={}", encoded(cursor)));
    let query: Vec<String> = [status, cursor].into_iter().flatten().collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/devices{mark}{}", query.join("&"))
}

fn row(device: &Value) -> [String; 5] {
    let text = |name: &str| plain(device[name].as_str().unwrap_or(""));
    let commands = device["commands"].as_array().into_iter().flatten();
    let names = commands.filter_map(|command| command.as_str().or_else(|| command["name"].as_str()));
    let names: Vec<String> = names.map(plain).collect();
    [text("name"), text("status"), text("since"), text("transport"), names.join(", ")]
}
