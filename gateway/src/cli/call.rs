//! `gateway call`: one command on one device.
//!
//! Owns the request and how its answer is shown: a person sees the device's data laid out, a program gets the gateway's
//! answer as it came. It never changes the payload; what was typed is what the device gets.

use std::time::Duration;

use clap::Args;

use super::api::{Answer, Target, encoded};
use super::pretty::pretty;
use super::{Failure, Screen};

const EXAMPLES: &str = "\
Examples:
  gateway call thermostat read_temperature
  gateway call thermostat set_target '{\"celsius\": 19.5}'";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CallArgs {
    /// The device's name, as `gateway devices` shows it.
    device: String,
    /// The command's name.
    command: String,
    /// The payload, as JSON.
    #[arg(value_name = "JSON")]
    payload: Option<String>,
    /// How long the device may take. Default: what the device says, or 30 s.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    #[command(flatten)]
    target: Target,
}

/// The longest that a gateway waits for a device, and a margin.
const PATIENCE: Duration = Duration::from_secs(660);

pub(super) fn run(args: &CallArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let body = body(args)?;
    let api = args.target.find(PATIENCE)?;
    let answer = api.post(&format!("/devices/{}/commands", encoded(&args.device)), &body)?;
    if !answer.is_ok() {
        return Err(answer.refuse(screen));
    }
    if screen.terminal { show(&answer, screen) } else { screen.line(&answer.text) }
}

/// The request body; the payload goes in as it was typed.
fn body(args: &CallArgs) -> Result<Vec<u8>, Failure> {
    let mut body = b"{\"command\":".to_vec();
    codec::json::encode_str(&mut body, &args.command);
    if let Some(payload) = &args.payload {
        codec::json::validate(payload.as_bytes())
            .map_err(|fault| Failure::Usage(format!("the payload is not JSON ({fault:?}): {payload}")))?;
        body.extend_from_slice(b",\"payload\":");
        body.extend_from_slice(payload.as_bytes());
    }
    if let Some(timeout_ms) = args.timeout_ms {
        body.extend_from_slice(format!(",\"timeoutMs\":{timeout_ms}").as_bytes());
    }
    body.push(b'}');
    Ok(body)
}

fn show(answer: &Answer, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let [data, took] =
        codec::json::members(answer.text.as_bytes(), ["data", "durationMs"]).unwrap_or_default();
    if let Some(data) = data {
        screen.line(pretty(&String::from_utf8_lossy(data.as_bytes())))?;
    }
    match took.and_then(|took| took.as_u64()) {
        Some(took) => screen.line(format_args!("done in {took} ms")),
        None => screen.line("done"),
    }
}
