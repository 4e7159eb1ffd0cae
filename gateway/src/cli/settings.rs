//! `gateway config`: check, print, default.
//!
//! Owns the three words. What a configuration is, and what is wrong with one, is said by [`crate::config`].

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, Screen};
use crate::certificates::Certificates;
use crate::config::{Config, default_text};
use crate::trust;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Say whether a file is a good configuration; unknown keys are errors, with their line.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
    /// Print the values in force: defaults, the file, and the environment over both. Secrets are hidden.
    Print {
        /// The configuration file; without one, defaults and environment.
        file: Option<PathBuf>,
    },
    /// Print a commented file with every option at its default.
    Default,
}

pub(super) fn run(command: &ConfigCommand, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { file } => {
            let config = Config::load(file)?;
            let in_file = |why| Failure::Usage(format!("{}: {why}", file.display()));
            Certificates::load(&config).map_err(in_file)?;
            trust::of_auth(&config.auth).map_err(in_file)?;
            screen.line(format_args!("{}: ok", file.display()))
        }
        ConfigCommand::Print { file } => {
            let config = match file {
                Some(file) => Config::load(file)?,
                None => Config::from_environment()?,
            };
            screen.bytes(config.print().as_bytes())
        }
        ConfigCommand::Default => screen.bytes(default_text().as_bytes()),
    }
}
