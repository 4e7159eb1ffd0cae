//! `gateway tap`: what devices and the gateway say to each other, while they say it.
//!
//! Owns the lines: a person sees one per message, a program the gateway's JSON as it came. Payloads are shown only when they
//! are asked for; a device's key never is, the gateway sees to that.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::api::{Target, encoded};
use super::output::plain;
use super::{Failure, Screen};

const EXAMPLES: &str = "\
Examples:
  gateway tap                                      all devices
  gateway tap thermostat --payloads                one, with what is said
  gateway tap thermostat --count 1                 until the first message";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TapArgs {
    /// The device's name, as `gateway devices` shows it. Default: all devices.
    device: Option<String>,
    /// Show what is said, and not only that something is.
    #[arg(long)]
    payloads: bool,
    /// End after so many messages. Default: go on until stopped.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    target: Target,
}

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &TapArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let api = args.target.find(PATIENCE)?;
    let mut path = match &args.device {
        Some(device) => format!("/devices/{}/tap", encoded(device)),
        None => "/tap".to_owned(),
    };
    if args.payloads {
        path.push_str("?payloads=true");
    }
    let mut left = args.count.unwrap_or(u64::MAX);
    let refused = api.stream(&path, &mut |line| {
        let Some(data) = line.strip_prefix("data: ") else { return Ok(left > 0) };
        if screen.terminal {
            screen.line(shown(data))?
        } else {
            screen.line(data)?
        }
        left = left.saturating_sub(1);
        Ok(left > 0 && !screen.gone)
    })?;
    match refused {
        Some(answer) => Err(answer.refuse(screen)),
        None => Ok(()),
    }
}

/// A message in one line, for a person.
fn shown(data: &str) -> String {
    let message: Value = serde_json::from_str(data).unwrap_or_default();
    let text = |name: &str| plain(message[name].as_str().unwrap_or_default());
    if let Some(missed) = message["messages"].as_u64() {
        return format!("… {missed} messages were missed");
    }
    let arrow = if message["direction"] == "in" { "->" } else { "<-" };
    let mut line = format!("{}  {} {arrow} {}", text("at"), text("deviceName"), text("topic"));
    line.push_str(&format!("  {} bytes", message["bytes"]));
    let payload = codec::json::members(data.as_bytes(), ["payload"]).ok().and_then(|[payload]| payload);
    if let Some(payload) = payload {
        line.push_str(&format!("  {}", plain(&String::from_utf8_lossy(payload.as_bytes()))));
    }
    if message.get("omitted").is_some() {
        line.push_str(&format!("  ({})", text("omitted")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_one_line_per_message() {
        let data = r#"{"at":"2026-11-22T10:00:00.000Z","deviceName":"pico","direction":"in","topic":"trigger","bytes":7,"payload":{"v":1.0}}"#;
        assert_eq!(shown(data), "2026-11-22T10:00:00.000Z  pico -> trigger  7 bytes  {\"v\":1.0}");
        assert_eq!(shown(r#"{"messages":3}"#), "… 3 messages were missed");
        let odd = r#"{"at":"x","deviceName":"p\u001b[31m","direction":"out","topic":"command","bytes":2,"omitted":"it is not JSON"}"#;
        assert!(!shown(odd).contains('\u{1b}') && shown(odd).ends_with("(it is not JSON)"));
    }
}
