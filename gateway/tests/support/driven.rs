//! A client process that a test drives: orders in on stdin, what it saw out on stdout, one JSON object a line.
//!
//! Owns the process, which ends with it, and the words that nobody has waited for yet. Never knows what a word means.

use serde_json::Value;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The process.
pub struct Driven {
    child: Child,
    orders: ChildStdin,
    words: Receiver<Value>,
    unread: Vec<Value>,
}

impl Driven {
    /// Starts it.
    pub fn start(program: &mut Command) -> Self {
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

    /// Waits for a word; earlier other words stay for later. `what` says what never came.
    pub fn wait(&mut self, patience: Duration, wanted: impl Fn(&Value) -> bool, what: impl Display) -> Value {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at);
        }
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let word = self.words.recv_timeout(left);
            let word = word.unwrap_or_else(|_| panic!("{what}; it saw {:?}", self.unread));
            if wanted(&word) {
                return word;
            }
            self.unread.push(word);
        }
    }

    /// The words that nobody has waited for.
    pub fn unread(&mut self) -> &mut Vec<Value> {
        self.unread.extend(self.words.try_iter());
        &mut self.unread
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Driven {
    /// Ends it as a power cut would: no word to anybody.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
