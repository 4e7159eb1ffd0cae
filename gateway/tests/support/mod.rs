//! What the black-box tests share: a real gateway process, an agent that speaks HTTP, real clients installed on demand.
//!
//! Every server listens on a free loopback port and is ended by its pid. Nothing sleeps for a while and hopes: waiting is
//! for an event, with a deadline.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test program uses its part")]

pub mod agent;
pub mod device;
pub mod devices;
pub mod driven;
pub mod life;
pub mod micropython;
pub mod node;
pub mod python;
pub mod raw;
pub mod scene;
pub mod service;
pub mod socket_io;
pub mod tls;
pub mod way;
pub mod web_socket;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest a test waits for anything that should happen soon.
pub const SOON: Duration = Duration::from_secs(20);

/// A gateway process of its own, with a data folder of its own.
pub struct Gateway {
    child: Child,
    data: tempfile::TempDir,
    cores: usize,
    limits: String,
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
    /// The same with TLS; who connects there trusts [`Gateway::authority`].
    pub https: SocketAddr,
    pub mqtts: SocketAddr,
}

impl Gateway {
    /// Starts `gateway serve` on so many cores; `limits` are lines of the `[limits]` section.
    pub fn start(cores: usize, limits: &str) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let addresses = ["127.0.0.1:0".parse().expect("an address"); 4];
        let (child, [mqtt, http, mqtts, https]) = serve(data.path(), cores, limits, addresses);
        Self { child, data, cores, limits: limits.to_owned(), http, mqtt, https, mqtts }
    }

    /// Stops it gracefully and starts it again at the same addresses, with the same keys.
    pub fn restart(&mut self) {
        assert_eq!(self.end(), Some(0));
        self.start_again();
    }

    /// Kills it, with no time for a word to anybody, and starts it again likewise.
    pub fn crash(&mut self) {
        signal(self.child.id(), "KILL");
        let ended = self.child.wait().expect("it can be waited for");
        assert_eq!(ended.code(), None, "it did not choose its end");
        self.start_again();
    }

    fn start_again(&mut self) {
        let addresses = [self.mqtt, self.http, self.mqtts, self.https];
        let (child, bound) = serve(self.data.path(), self.cores, &self.limits, addresses);
        assert_eq!(bound, addresses);
        self.child = child;
    }

    /// Makes a key and gives its secret.
    pub fn add_key(&self, agent: &str, operations: &str) -> String {
        let output = gateway()
            .args(["keys", "add", "--agent", agent, "--operations", operations, "--data"])
            .arg(self.data_dir())
            .output()
            .expect("keys add runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8(output.stdout).expect("text");
        stdout.lines().last().expect("the secret is the last line").trim().to_owned()
    }

    /// The file with the authority that signed its certificate; `cert.pem` and `key.pem` lie beside it.
    pub fn authority(&self) -> PathBuf {
        gateway::dev::papers::authority_path(self.data.path())
    }

    /// Where its keys are.
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).expect("the log is text")
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes a key back.
    pub fn revoke(&self, secret: &str) {
        let id =
            secret.strip_prefix("api_").and_then(|rest| rest.split_once('.')).expect("a secret's form").0;
        let data = self.data_dir();
        let output = gateway().args(["keys", "revoke", id, "--data"]).arg(data).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Asks for a graceful stop and gives the exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.end()
    }

    fn end(&mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.wait()
    }

    /// Waits until it has ended, and gives the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        wait_for_exit(&mut self.child)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Starts `gateway serve` at these addresses and gives those that it bound: mqtt, http, and both with TLS.
fn serve(folder: &Path, cores: usize, limits: &str, addresses: [SocketAddr; 4]) -> (Child, [SocketAddr; 4]) {
    let config = folder.join("gateway.toml");
    let tls = gateway::dev::papers::make(folder, unix_s()).expect("a certificate");
    let [certificate, key] = [tls.certificate, tls.key].map(|path| path.expect("it was made"));
    let [mqtt, http, mqtts, https] = addresses;
    // All of a test come from one address; only a test of that ceiling has one.
    let strangers =
        if limits.contains("unidentified_per_address") { "" } else { "unidentified_per_address = 0\n" };
    let text = format!(
        "data_dir = {:?}\ncores = {cores}\n\
         [[listen]]\nprotocol = \"mqtt\"\naddress = \"{mqtt}\"\n\
         [[listen]]\nprotocol = \"http\"\naddress = \"{http}\"\n\
         [[listen]]\nprotocol = \"mqtt\"\naddress = \"{mqtts}\"\ntls = true\n\
         [[listen]]\nprotocol = \"http\"\naddress = \"{https}\"\ntls = true\n\
         [tls]\ncertificate = {certificate:?}\nkey = {key:?}\n\
         [limits]\n{strangers}{limits}\n",
        folder.join("data")
    );
    std::fs::write(&config, text).expect("the configuration can be written");
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
    let mut child = gateway()
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(log.expect("a file for the log"))
        .spawn()
        .expect("the gateway starts");
    let banner = read_banner(&mut child);
    let bound = ["mqtt://", "http://", "mqtts://", "https://"].map(|scheme| find_address(&banner, scheme));
    (child, bound)
}

/// Seconds since 1970, for certificates.
pub fn unix_s() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).expect("the clock is set").as_secs()
}

/// The product's binary.
pub fn gateway() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.env_remove("GATEWAY_URL").env_remove("GATEWAY_KEY");
    command
}

/// Sends a signal to a process of ours.
pub fn signal(pid: u32, name: &str) {
    let sent =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// Waits until a process of ours has ended, and gives the exit code.
pub fn wait_for_exit(child: &mut Child) -> Option<i32> {
    let ended = wait_for("the process ends", SOON, || child.try_wait().expect("a child of ours"));
    ended.code()
}

/// Reads a process's banner up to its last line, `ready`.
pub fn read_banner(child: &mut Child) -> Vec<String> {
    let stdout = child.stdout.take().expect("piped");
    let mut lines = Vec::new();
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).expect("the banner is text");
        assert!(read > 0, "the gateway ended before it was ready: {lines:?}");
        let line = line.trim_end().to_owned();
        if line == "ready" {
            break;
        }
        lines.push(line);
    }
    // Whatever else it prints is read away, so that it never waits for us.
    std::thread::spawn(move || drop(std::io::copy(&mut reader, &mut std::io::sink())));
    lines
}

/// The address behind `scheme` in a banner.
pub fn find_address(banner: &[String], scheme: &str) -> SocketAddr {
    let found = banner.iter().find_map(|line| {
        let (_, rest) = line.split_once(scheme)?;
        rest.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next()?.parse().ok()
    });
    found.unwrap_or_else(|| panic!("{scheme} is in the banner: {banner:?}"))
}

/// Waits until `holds` gives something.
pub fn wait_for<T>(what: &str, within: Duration, mut holds: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A file of the tests' clients.
pub fn client_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}
