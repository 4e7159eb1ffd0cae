//! What the tests of the conformance servers share: a server process of its own, and real clients installed on demand.
//!
//! Every server listens on free loopback ports and is ended by its pid. Nothing sleeps for a while and hopes.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test program uses its part")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A conformance server.
pub struct Server {
    child: Child,
    banner: Vec<String>,
}

impl Server {
    /// Starts the subcommand on a free port of loopback.
    pub fn start(subcommand: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args([subcommand, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let banner = read_banner(&mut child);
        Self { child, banner }
    }

    /// Where its first listener is.
    pub fn first_address(&self) -> SocketAddr {
        let (_, address) =
            self.banner.first().and_then(|line| line.split_once("://")).expect("a line for it");
        address.parse().expect("an address")
    }

    /// Where it listens for what the banner calls `name`.
    pub fn address(&self, name: &str) -> SocketAddr {
        let scheme = format!("{name}://");
        let found = self.banner.iter().find_map(|line| line.strip_prefix(&scheme)?.parse().ok());
        found.unwrap_or_else(|| panic!("{scheme} is in the banner: {:?}", self.banner))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read_banner(child: &mut Child) -> Vec<String> {
    let mut banner = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.expect("the banner is text");
        if line == "ready" {
            return banner;
        }
        banner.push(line);
    }
    panic!("the server ended before it was ready: {banner:?}");
}

/// A file of the tests' clients.
pub fn client_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn target_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-clients");
    std::fs::create_dir_all(&folder).expect("target can be written");
    folder.canonicalize().expect("it exists")
}

/// The folder of a Python environment that has what `requirements.txt` pins. A file lock lets one test process install.
pub fn python_environment() -> PathBuf {
    let requirements = client_file("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("the list of packages");
    let folder = target_folder();
    let lock = File::create(folder.join("conformance-python.lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let (venv, stamp) = (folder.join("conformance-python"), folder.join("conformance-python.installed"));
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(venv.join("bin/python")).args(pip).arg(&requirements));
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    venv
}

/// Where the packages of `package.json` are installed. A file lock lets one test process install.
pub fn node_modules() -> PathBuf {
    let manifest = client_file("package.json");
    let wanted = std::fs::read_to_string(&manifest).expect("the list of packages");
    let folder = target_folder().join("conformance");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        std::fs::copy(&manifest, folder.join("package.json")).expect("target can be written");
        // An install that hangs, as npm does once in a while, is ended and begun anew.
        let mut npm = Command::new("timeout");
        npm.args(["120", "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        if !npm.status().is_ok_and(|status| status.success()) {
            run(&mut npm);
        }
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    folder.join("node_modules")
}

/// Runs a suite of `tests/clients` against a server; every case must hold, and there must be at least `cases_min`.
pub fn run_suite(suite: &str, server: &Server, cases_min: usize) {
    let url = format!("http://{}", server.first_address());
    let said = run(Command::new("node").arg(client_file(suite)).arg(url).env("NODE_PATH", node_modules()));
    let held = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held >= cases_min, "only {held} cases were run\n{said}");
}

/// Runs a program to its end and gives what it printed; panics with that when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; Python 3.11 with venv and Node 20 with npm are needed")
    });
    let (printed, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{printed}\n{complained}");
    printed.into_owned()
}
