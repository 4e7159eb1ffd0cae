//! `gateway keys`: add, list, revoke, rotate.
//!
//! Owns the words and the printing; a secret is printed here, once, as the last line of stdout, and kept nowhere. The file
//! itself is changed by [`crate::auth::edit`].

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

use super::output::plain;
use super::{Failure, Screen};
use crate::auth::edit::{self, KeyRecord, Wish};
use crate::auth::{DevicePattern, Operations, Secret, is_agent_name};
use crate::config::{Config, DATA_DIR};

const EXAMPLES: &str = "\
Examples:
  gateway keys add --agent shop --device pump-1              for one device
  gateway keys add --agent shop --device 'pump-*'            for all devices whose name begins so
  gateway keys add --agent shop --operations agent           for the agent's own side
  gateway keys add --agent ops --operations operator         for metrics and all agents";

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key. Its secret is printed once, alone on the last line, and stored only as a hash.
    #[command(after_help = EXAMPLES)]
    Add {
        /// The agent that the key speaks for, or that its devices belong to.
        #[arg(long, value_name = "AGENT", value_parser = agent)]
        agent: String,
        /// The devices that may use it: a name, `prefix*`, or `*`.
        #[arg(long, value_name = "DEVICE", default_value = "*", value_parser = device)]
        device: DevicePattern,
        /// What it may be used for: any of commands, triggers (a device's), agent, operator.
        #[arg(long, value_name = "LIST", default_value = "commands,triggers", value_parser = operations)]
        operations: Operations,
        #[command(flatten)]
        folder: Folder,
    },
    /// List all keys; secrets are not known any more.
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Make a key worthless; a running gateway hangs up on those who use it.
    Revoke {
        /// The key's id, as `keys list` shows it.
        id: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Give a key a new secret; the old one is worthless from then on.
    Rotate {
        /// The key's id, as `keys list` shows it.
        id: String,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Where the keys are.
#[derive(Args)]
pub(super) struct Folder {
    /// The data folder. Default: what the configuration says, or gateway-data.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// The configuration file that names the data folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Folder {
    fn path(&self) -> Result<PathBuf, Failure> {
        match (&self.data, &self.config) {
            (Some(data), _) => Ok(data.clone()),
            (None, Some(file)) => Ok(Config::load(file)?.data_dir),
            (None, None) => Ok(DATA_DIR.into()),
        }
    }
}

pub(super) fn run(command: &KeysCommand, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        KeysCommand::Add { agent, device, operations, folder } => {
            let wish = Wish { agent, device: device.clone(), operations: *operations };
            let (secret, record) = edit::add(&folder.path()?, &wish, wall_ms())?;
            reveal(screen, &record, &secret)
        }
        KeysCommand::List { folder } => list(screen, &edit::list(&folder.path()?)?),
        KeysCommand::Revoke { id, folder } => {
            let record = edit::revoke(&folder.path()?, id)?;
            screen.line(format_args!("{} is revoked", record.id))
        }
        KeysCommand::Rotate { id, folder } => {
            let (secret, record) = edit::rotate(&folder.path()?, id)?;
            reveal(screen, &record, &secret)
        }
    }
}

/// Prints what the key is good for and, alone on the last line, its secret.
fn reveal(screen: &mut Screen<'_>, record: &KeyRecord, secret: &Secret) -> Result<(), Failure> {
    screen.line(format_args!("id          {}", record.id))?;
    screen.line(format_args!("agent       {}", record.agent))?;
    screen.line(format_args!("device      {}", record.device))?;
    screen.line(format_args!("operations  {}", record.operations.join(",")))?;
    screen.line("The secret, shown this once:")?;
    screen.line(secret.reveal())
}

fn list(screen: &mut Screen<'_>, records: &[KeyRecord]) -> Result<(), Failure> {
    let row = |record: &KeyRecord| {
        [
            plain(&record.id),
            plain(&record.agent),
            plain(&record.device),
            record.operations.join(","),
            record.created.as_ref().map_or_else(String::new, |created| created.to_string()),
            if record.revoked { "revoked" } else { "live" }.to_owned(),
        ]
    };
    let rows: Vec<_> = records.iter().map(row).collect();
    screen.table(["ID", "AGENT", "DEVICE", "OPERATIONS", "CREATED", "STATE"], &rows)
}

fn agent(text: &str) -> Result<String, String> {
    let wanted = "an agent id has 1 to 256 characters, without white space, '/', '+', '#' and ':'";
    if is_agent_name(text) { Ok(text.to_owned()) } else { Err(wanted.to_owned()) }
}

fn device(text: &str) -> Result<DevicePattern, String> {
    DevicePattern::parse(text).ok_or_else(|| "it must be \"*\", a device's name, or \"prefix*\"".to_owned())
}

fn operations(text: &str) -> Result<Operations, String> {
    text.split(',').map(str::trim).try_fold(Operations::NONE, |all, word| {
        let operation = Operations::parse(word)
            .ok_or_else(|| format!("there is no operation {word:?}; there are {}", Operations::ALL))?;
        Ok(all.with(operation))
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "the command line runs outside the cores, and writes down when a key was made"
)]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
