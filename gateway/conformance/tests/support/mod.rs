//! Starts a conformance server and runs a client of Node against it.
//!
//! Owns where npm packages are kept: under `target/test-clients`, installed by the first test that needs them. It never
//! waits without a deadline but for the client, which has its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server on a free port of loopback; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts the subcommand.
    pub(crate) fn start(subcommand: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args([subcommand, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("its stdout is ours");
        let lines = BufReader::new(stdout).lines().map(|line| line.expect("text"));
        let banner: Vec<_> = lines.take_while(|line| line != "ready").collect();
        let (_, address) =
            banner.first().and_then(|line| line.split_once("://")).expect("a line for its listener");
        Self { child, address: address.to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Where the packages of `package.json` are installed. Tests of several processes may ask at once: a file lock lets one of
/// them install.
fn modules() -> PathBuf {
    let manifest = clients().join("package.json");
    let wanted = std::fs::read_to_string(&manifest).expect("the list of packages");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-clients/conformance");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let folder = folder.canonicalize().expect("it exists");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        std::fs::copy(&manifest, folder.join("package.json")).expect("target can be written");
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        let output =
            npm.output().unwrap_or_else(|error| panic!("{npm:?}: {error}; Node 20 with npm is needed"));
        assert!(output.status.success(), "{npm:?}\n{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    folder.join("node_modules")
}

/// Runs a suite of `tests/clients` against a server; every case must hold, and there must be at least `cases_min`.
pub(crate) fn run_suite(suite: &str, server: &Server, cases_min: usize) {
    let mut node = Command::new("node");
    node.arg(clients().join(suite)).arg(format!("http://{}", server.address)).env("NODE_PATH", modules());
    let output = node.output().unwrap_or_else(|error| panic!("{node:?}: {error}; Node 20 is needed"));
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    let held = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held >= cases_min, "only {held} cases were run\n{said}\n{wrong}");
}
