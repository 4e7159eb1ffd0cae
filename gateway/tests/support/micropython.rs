//! The MicroPython client of `lua-device-client`, unmodified, under the real interpreter.
//!
//! Owns how a board is put together: the interpreter and the client come from the Python environment, `umqtt/simple.py` from
//! PyPI's source archive of `micropython-umqtt.simple`, which is no Python project to pip and must be caught on its way.

use super::python::python;
use super::{SOON, client_file};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The archive with `umqtt/simple.py`.
const UMQTT: &str = "micropython-umqtt.simple==1.3.4";

/// A board that runs one device.
pub struct Board {
    child: Child,
    lines: Receiver<String>,
    /// What it printed and nobody waited for.
    pub printed: Vec<String>,
}

impl Board {
    /// Switches it on; it connects to `wss://` at this address, as the device `name` of `alpha`.
    pub fn start(address: SocketAddr, key: &str, name: &str) -> Self {
        let python = python();
        let interpreter = python.with_file_name("micropython");
        let mut child = Command::new(&interpreter)
            // Its heap of a megabyte is in pieces after some hundred messages, and then has no 20 KB in one.
            .args(["-X", "heapsize=8M"])
            .arg(client_file("drive_micropython.py"))
            .arg(files(&python))
            .args([&address.ip().to_string(), &address.port().to_string(), "alpha", key, name])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", interpreter.display()));
        let stdout = child.stdout.take().expect("piped");
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, printed: Vec::new() }
    }

    /// Waits until it prints something with these words.
    pub fn wait(&mut self, words: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let line = self.lines.recv_timeout(left);
            let line =
                line.unwrap_or_else(|_| panic!("the board never said {words:?} but {:#?}", self.printed));
            let found = line.contains(words);
            self.printed.push(line);
            if found {
                return;
            }
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The folder with the files that lie on a board: `lua_device.py` and `umqtt/simple.py`.
fn files(python: &Path) -> PathBuf {
    let folder = python.ancestors().nth(3).expect("the folder of the clients").join("micropython");
    fs::create_dir_all(&folder).expect("target can be written");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let board = folder.join("board");
    if !board.join("umqtt/simple.py").exists() {
        let archive = folder.join("archive");
        drop(fs::remove_dir_all(&archive));
        fs::create_dir_all(&archive).expect("target can be written");
        // pip complains that this is no Python project, and leaves it unpacked all the same.
        let output = Command::new(python)
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-clean",
                "--no-deps",
                "--no-binary",
                ":all:",
                UMQTT,
            ])
            .current_dir(&archive)
            .env("TMPDIR", &archive)
            .output()
            .expect("pip runs");
        let simple = find(&archive, "umqtt/simple.py");
        let simple = simple.unwrap_or_else(|| panic!("{UMQTT}: {}", String::from_utf8_lossy(&output.stderr)));
        let client = find(python.ancestors().nth(2).expect("the environment"), "lua_device/micropython.py");
        let client = client.expect("lua-device-client has it");
        fs::create_dir_all(board.join("umqtt")).expect("target can be written");
        fs::copy(client, board.join("lua_device.py")).expect("it can be copied");
        fs::copy(simple, board.join("umqtt/simple.py")).expect("it can be copied");
    }
    board
}

/// The file with this end of a path, below a folder.
fn find(folder: &Path, end: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        if path.ends_with(end) {
            return Some(path);
        }
        if path.is_dir()
            && let Some(found) = find(&path, end)
        {
            return Some(found);
        }
    }
    None
}
