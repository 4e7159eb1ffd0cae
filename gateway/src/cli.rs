//! The command line: what an operator types, and what the program answers on stdout, stderr and by its exit code.
//!
//! Owns the words and their help texts, and the way from words to the rooms that do the work. It never serves anything
//! itself: `serve` and `dev` hand a configuration to [`crate::serve`]; `devices`, `call`, `tap` and `why` speak to a running gateway over
//! its HTTP API. Answers go to stdout, everything else to stderr.

mod api;
mod call;
mod devices;
mod keys;
mod output;
mod pretty;
mod settings;
mod tap;
mod why;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::auth::Keys;
use crate::certificates::Certificates;
use crate::config::Config;
use crate::log::Level;
use crate::{dev, log, serve, trust};
pub(crate) use keys::wall_ms;
pub(crate) use output::{Failure, Screen};

/// A gateway between physical devices and AI agents: the commands of connected devices become tools, and the devices'
/// triggers become events.
#[derive(Parser)]
#[command(name = "gateway", version, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    /// How much is logged to stderr.
    #[arg(long, global = true, value_name = "LEVEL", value_enum, default_value_t = Level::Info)]
    log: Level,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Try it out:
  gateway dev                                      serve on this machine, with a demo device
  gateway devices                                  (in another terminal) who is connected
  gateway call thermostat read_temperature         ask a device to do something
  gateway tap thermostat --payloads                watch what is said
  gateway why thermostat                           when it does not do what it should

In production:
  gateway config default > gateway.toml            every option, explained
  gateway keys add --agent shop --config gateway.toml
  gateway serve --config gateway.toml

Exit codes: 0 ok, 1 error, 2 usage or configuration, 70 the store failed (a restart recovers), 101 a panic.";

#[derive(Subcommand)]
enum Command {
    /// Serve on this machine with zero configuration, and with a demo device to play with.
    Dev(DevArgs),
    /// Serve in production.
    Serve {
        /// The configuration file (TOML); `gateway config default` writes one.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check, show or write configuration files.
    #[command(subcommand)]
    Config(settings::ConfigCommand),
    /// Add, list, revoke and rotate keys. Works while the gateway runs; it sees the change within a second.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List the devices of an agent, from a running gateway.
    Devices(devices::DevicesArgs),
    /// Run a command on a device, through a running gateway.
    Call(call::CallArgs),
    /// Look at what devices and the gateway say to each other, live.
    Tap(tap::TapArgs),
    /// Why a device is not doing what it should: how it ended, what was refused, what waits.
    Why(why::WhyArgs),
    /// Write a completion script for a shell.
    Completions {
        /// The shell, e.g. `gateway completions bash > /etc/bash_completion.d/gateway`.
        shell: Shell,
    },
}

/// What `gateway dev` can be told.
#[derive(clap::Args)]
pub(crate) struct DevArgs {
    /// The folder for keys and the store; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = crate::config::DATA_DIR)]
    pub(crate) data: PathBuf,
    /// Where agents connect; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http: SocketAddr,
    /// Where agents connect with TLS; the certificate is signed by DIR/ca.pem.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) https: SocketAddr,
    /// Where devices connect; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub(crate) mqtt: SocketAddr,
    /// Where devices connect with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8883")]
    pub(crate) mqtts: SocketAddr,
    /// Leave the demo device `thermostat` out.
    #[arg(long)]
    pub(crate) no_demo: bool,
}

/// Runs the program with these arguments, its own name first, and answers its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(refusal) => {
            // A closed terminal cannot be told that it is closed.
            drop(refusal.print());
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
        }
    };
    log::start(cli.log);
    let mut stdout = std::io::stdout();
    let mut screen = Screen::stdout(&mut stdout);
    let obeyed = obey(cli.command, args.first(), &mut screen);
    log::flush();
    match obeyed {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&mut std::io::stderr()),
    }
}

fn obey(command: Command, program: Option<&OsString>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => dev::run(args, program),
        Command::Serve { config } => serve_with(&config),
        Command::Config(command) => settings::run(&command, screen),
        Command::Keys(command) => keys::run(&command, screen),
        Command::Devices(args) => devices::run(&args, screen),
        Command::Call(args) => call::run(&args, screen),
        Command::Tap(args) => tap::run(&args, screen),
        Command::Why(args) => why::run(&args, screen),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gateway", &mut script);
            screen.bytes(&script)
        }
    }
}

fn serve_with(file: &std::path::Path) -> Result<(), Failure> {
    let config = Config::load(file)?;
    // A key file that cannot be used is a configuration that cannot be: starting again would not help.
    let keys = Keys::load(&config.data_dir, None).map_err(|error| Failure::Usage(error.to_string()))?;
    if keys.is_empty() {
        let folder = config.data_dir.display();
        tracing::warn!("there is no key in {folder}, so nobody can log in; `gateway keys add` makes one");
    }
    // The same is true of certificates.
    Certificates::load(&config).map_err(Failure::Usage)?;
    trust::of_auth(&config.auth).map_err(Failure::Usage)?;
    let ready = move |bound: &serve::Bound| {
        let mut stdout = std::io::stdout();
        output::banner(&mut Screen::stdout(&mut stdout), bound);
        crate::notify::ready();
    };
    serve::serve(config, Some(file.to_owned()), ready).map_err(Failure::from)
}

#[cfg(test)]
mod tests;
