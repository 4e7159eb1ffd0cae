//! The command line of the conformance servers: one subcommand for each, defined in its own room.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use conformance::{engineio, mqtt, ws_echo};

/// Servers for protocol suites, made of the gateway's own layers. They let everybody in: bind them to loopback.
#[derive(Parser)]
#[command(name = "conformance", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// An open MQTT 3.1.1 broker in memory, on one core.
    Mqtt(mqtt::Args),
    /// An echo of WebSocket messages.
    WsEcho(ws_echo::Args),
    /// An echo over Engine.IO 4, on one core.
    Engineio(engineio::Args),
    /// A few events over Socket.IO 5, on one core.
    Socketio(engineio::Args),
}

fn main() -> ExitCode {
    let served = match Cli::parse().command {
        Command::Mqtt(args) => mqtt::serve(&args),
        Command::WsEcho(args) => ws_echo::serve(&args),
        Command::Engineio(args) => engineio::serve_engineio(&args),
        Command::Socketio(args) => engineio::serve_socketio(&args),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
