//! `gateway why`: why a device does not do what it should.
//!
//! Owns the report: whether it is here and since when, how its last connections ended, which log-ins in its name and which
//! of its commands were refused, and what is under way or went wrong. It draws no conclusion that the gateway's answers do not say.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::api::{Target, encoded};
use super::output::plain;
use super::{Failure, Screen};

#[derive(Args)]
pub(super) struct WhyArgs {
    /// The device's name, as `gateway devices` shows it.
    device: String,
    #[command(flatten)]
    target: Target,
}

const PATIENCE: Duration = Duration::from_secs(30);
/// Commands that are looked at.
const COMMANDS: &str = "limit=20";

pub(super) fn run(args: &WhyArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let api = args.target.find(PATIENCE)?;
    let name = encoded(&args.device);
    let device = api.get(&format!("/devices/{name}"))?;
    if !device.is_ok() {
        return Err(device.refuse(screen));
    }
    let commands = api.get(&format!("/commands?device={name}&{COMMANDS}"))?;
    if !commands.is_ok() {
        return Err(commands.refuse(screen));
    }
    if !screen.terminal {
        screen.line(&device.text)?;
        return screen.line(&commands.text);
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    report(&read(&device.text), &read(&commands.text)).iter().try_for_each(|line| screen.line(line))
}

fn report(device: &Value, commands: &Value) -> Vec<String> {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let mut lines = vec![format!(
        "{} is {} since {} ({})",
        text(&device["name"]),
        text(&device["status"]),
        text(&device["since"]),
        text(&device["reason"]).replace('_', " ")
    )];
    lines.extend(hint(device["status"].as_str().unwrap_or_default()).map(str::to_owned));
    lines.push(format!("last heard {}, connected {} times", text(&device["lastSeen"]), device["epoch"]));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let closes = list(&device["closes"]);
    lines.push(
        if closes.is_empty() {
            "no connection has ended"
        } else {
            "connections that ended, the newest first:"
        }
        .into(),
    );
    lines.extend(
        closes
            .iter()
            .rev()
            .map(|close| format!("  {}  {}", text(&close["at"]), text(&close["reason"]).replace('_', " "))),
    );
    let refusals = list(&device["refusals"]);
    if !refusals.is_empty() {
        lines.push("log-ins in its name that were refused, the newest first:".into());
    }
    lines.extend(refusals.iter().rev().map(|refused| {
        let (at, reason) = (text(&refused["at"]), text(&refused["reason"]).replace('_', " "));
        let times = refused["count"].as_u64().filter(|&count| count > 1);
        format!("  {at}  {reason}{}", times.map_or(String::new(), |count| format!(" ({count} times)")))
    }));
    if device["manifest"].is_null() {
        lines.push("it has not described itself: it has no commands".into());
    }
    for refused in list(&device["manifest"]["refused"]) {
        let (command, reason) = (text(&refused["command"]), text(&refused["reason"]));
        lines.push(format!("refused command {command}: {reason}, {}", text(&refused["detail"])));
    }
    let under_way =
        |command: &Value| matches!(command["status"].as_str(), Some("queued" | "sent" | "delivered"));
    for command in list(&commands["commands"]).iter().filter(|command| command["status"] != "done") {
        let (status, name) = (text(&command["status"]).replace('_', " "), text(&command["command"]));
        let verb = if under_way(command) { "under way" } else { "ended" };
        let detail = text(&command["error"]["detail"]);
        let line = format!("command {name} {verb}: {status} since {}  {detail}", text(&command["createdAt"]));
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// What a status means for whoever waits for the device.
fn hint(status: &str) -> Option<&'static str> {
    match status {
        "disabled" => {
            Some("it is refused until it is enabled: POST …/devices/{device}/enable, or `lua devices enable`")
        }
        "registered" => Some("it has been made known and has never connected"),
        "late" => Some("it has missed a heartbeat; its tools stay until it misses the second"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn says_how_it_ended_what_was_refused_and_what_waits() {
        let device = json!({"name": "pico", "status": "offline", "since": "T1", "reason": "connection_lost", "lastSeen": "T0",
            "epoch": 3, "refusals": [{"at": "T2", "reason": "disabled", "count": 1},
            {"at": "T7", "reason": "wrong_key", "count": 4}], "closes": [{"at": "T8", "reason": "taken_over"}, {"at": "T9", "reason": "connection_lost"}],
            "manifest": {"commands": [], "refused": [{"command": "Bad", "reason": "BAD_NAME", "detail": "no"}]}});
        let commands = json!({"commands": [
            {"command": "read", "status": "queued", "createdAt": "T5"},
            {"command": "ok", "status": "done", "createdAt": "T5"},
            {"command": "burn", "status": "timed_out", "createdAt": "T6", "error": {"detail": "late"}}]});
        assert_eq!(
            report(&device, &commands),
            [
                "pico is offline since T1 (connection lost)",
                "last heard T0, connected 3 times",
                "connections that ended, the newest first:",
                "  T9  connection lost",
                "  T8  taken over",
                "log-ins in its name that were refused, the newest first:",
                "  T7  wrong key (4 times)",
                "  T2  disabled",
                "refused command Bad: BAD_NAME, no",
                "command read under way: queued since T5",
                "command burn ended: timed out since T6  late",
            ]
        );
    }
}
