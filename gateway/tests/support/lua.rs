//! Unmodified `lua-device-client` devices, driven from a test.

use super::{SOON, client_file};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A process with any number of devices of one agent.
pub struct LuaDevices {
    child: Child,
    orders: ChildStdin,
    words: Receiver<Value>,
    unread: Vec<Value>,
}

impl LuaDevices {
    /// Starts the process; no device yet.
    pub fn start(url: &str, agent: &str, key: &str) -> Self {
        Self::trusting(Path::new("/dev/null"), url, agent, key)
    }

    /// The same, for devices that trust the authority in a file and no other.
    pub fn trusting(authority: &Path, url: &str, agent: &str, key: &str) -> Self {
        let mut python = Command::new(super::python::python());
        python.arg(client_file("drive_lua.py")).args([url, agent, key]).env("SSL_CERT_FILE", authority);
        Self::drive(&mut python)
    }

    /// Starts a process of Node with devices on `socket.io-client` instead. `package` is the installed name of the client,
    /// `transports` one transport or `default`.
    pub fn start_socketio(
        package: &str,
        authority: &Path,
        url: &str,
        agent: &str,
        key: &str,
        transports: &str,
    ) -> Self {
        let mut node = Command::new("node");
        node.arg(client_file("drive_socketio.mjs")).args([url, agent, key, transports]);
        node.env("NODE_PATH", super::node::modules()).env("SOCKETIO_CLIENT", package);
        node.env("NODE_EXTRA_CA_CERTS", authority);
        Self::drive(&mut node)
    }

    fn drive(program: &mut Command) -> Self {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?}: {error}"));
        let (orders, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (tell, words) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(serde_json::from_str(&line).expect("JSON lines")).is_err() {
                    return;
                }
            }
        });
        Self { child, orders, words, unread: Vec::new() }
    }

    /// Gives an order.
    pub fn order(&mut self, order: &Value) {
        writeln!(self.orders, "{order}").expect("the process reads");
    }

    /// Connects a device and waits until it says so.
    pub fn connect(&mut self, name: &str) {
        self.order(&json!({"do": "connect", "name": name}));
        self.wait("connected", name);
    }

    /// Fires a trigger and gives the acknowledgement.
    pub fn trigger(&mut self, name: &str, trigger: &str, payload: &Value) -> Value {
        self.order(&json!({"do": "trigger", "name": name, "trigger": trigger, "payload": payload}));
        self.wait("ack", name)
    }

    /// Waits for a word of a device; earlier other words stay for later.
    pub fn wait(&mut self, saw: &str, name: &str) -> Value {
        let wanted = |word: &Value| word["saw"] == saw && word["name"] == name;
        if let Some(at) = self.unread.iter().position(wanted) {
            return self.unread.remove(at);
        }
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let word = self.words.recv_timeout(left).unwrap_or_else(|_| {
                panic!("{name} never saw {saw}; it saw {:?}", self.unread);
            });
            if wanted(&word) {
                return word;
            }
            self.unread.push(word);
        }
    }

    /// Words that nobody waited for, of one kind.
    pub fn others(&mut self, saw: &str) -> Vec<Value> {
        self.unread.extend(self.words.try_iter());
        self.unread.iter().filter(|word| word["saw"] == saw).cloned().collect()
    }

    /// Ends the process as a power cut would: no word to anybody.
    pub fn kill(mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }
}

impl Drop for LuaDevices {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
