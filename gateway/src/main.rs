//! The program `gateway`: its command line and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::cli::run(std::env::args_os())
}
