//! The gateway as a process of its own, and what the kernel says of it.
//!
//! Owns the process's configuration, its life and its weight. The process is this same program under another first word.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use benches::device::{AGENT, AGENT_SECRET, KEYS};

use crate::SERVE;

/// Set in the environment once this program may open as many files as the system allows.
const RAISED: &str = "IDLE_DESCRIPTORS_RAISED";

/// Runs this program again with the soft limit of descriptors raised to the hard one, unless that has been done.
pub(crate) fn with_all_descriptors(words: &[String]) -> Option<ExitCode> {
    if std::env::var_os(RAISED).is_some() {
        return None;
    }
    let program = std::env::current_exe().expect("this program has a name");
    let raise = r#"ulimit -n "$(ulimit -Hn)" && exec "$0" "$@""#;
    let status = Command::new("sh")
        .args(["-c", raise])
        .arg(program)
        .args(words)
        .env(RAISED, "1")
        .status()
        .expect("there is a shell");
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the process weighs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    /// Resident anonymous memory.
    pub(crate) resident_bytes: u64,
    /// CPU time so far.
    pub(crate) cpu: Duration,
}

/// A gateway on one core.
pub(crate) struct Gateway {
    child: Child,
    _data: tempfile::TempDir,
    pub(crate) mqtt: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Gateway {
    /// Starts it. Of the events of the tenant only a few are kept: they are the tenant's weight, not a device's.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = data.path().join("gateway.toml");
        let text = format!(
            "data_dir = {:?}\ncores = 1\n\
             [[listen]]\nprotocol = \"mqtt\"\naddress = \"127.0.0.1:0\"\n\
             [[listen]]\nprotocol = \"http\"\naddress = \"127.0.0.1:0\"\n\
             [limits]\nunidentified_per_address = 0\nevents_kept_per_agent = 100\n",
            data.path()
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        std::fs::write(data.path().join("keys.toml"), KEYS).expect("the keys can be written");
        let mut child = Command::new(std::env::current_exe().expect("this program has a name"))
            .args([SERVE, "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let banner = read_banner(&mut child);
        let [mqtt, http] = ["mqtt://", "http://"].map(|scheme| find_address(&banner, scheme));
        Self { child, _data: data, mqtt, http }
    }

    /// What it weighs now.
    pub(crate) fn weight(&self) -> Weight {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let resident =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux 4.5 or newer");
        let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes");
        Weight { resident_bytes: kilobytes * 1024, cpu: self.cpu() }
    }

    /// CPU time of all its threads, to the nanosecond; zero where the kernel does not tell.
    fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(&tasks).unwrap_or_else(|error| panic!("{tasks}: {error}"));
        let spent_ns = |thread: std::fs::DirEntry| {
            let told = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(threads.flatten().filter_map(spent_ns).sum())
    }

    /// How many devices are online, as the tenant sees it.
    pub(crate) fn devices_online(&self) -> usize {
        let mut wire = TcpStream::connect(self.http).expect("the gateway accepts");
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nAuthorization: Bearer {AGENT_SECRET}\r\n\r\n"
        );
        wire.write_all(request.as_bytes()).expect("the gateway listens");
        let mut answer = String::new();
        wire.read_to_string(&mut answer).expect("an answer in text");
        let online = r#"gateway_devices{status="online"} "#;
        let line = answer.lines().find_map(|line| line.strip_prefix(online));
        line.unwrap_or_else(|| panic!("no devices of {AGENT}: {answer}")).parse().expect("a number")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read_banner(child: &mut Child) -> Vec<String> {
    let stdout = child.stdout.take().expect("piped");
    let mut banner = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.expect("the banner is text");
        if line == "ready" {
            return banner;
        }
        banner.push(line);
    }
    panic!("the gateway ended before it was ready: {banner:?}");
}

fn find_address(banner: &[String], scheme: &str) -> SocketAddr {
    let found = banner.iter().find_map(|line| {
        let (_, rest) = line.split_once(scheme)?;
        rest.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next()?.parse().ok()
    });
    found.unwrap_or_else(|| panic!("{scheme} is in the banner: {banner:?}"))
}
