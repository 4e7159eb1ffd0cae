//! The way of a log line to stderr: by a thread of its own, so that a reader who does not read stops no core.
//!
//! Owns the thread and the lines that wait for it, which have a ceiling: more are dropped and counted. Never makes a line.

use std::io::{self, Write, stderr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use super::{Loss, ceiling, lose};

/// Lines that may wait to be written. A line has about 200 bytes, and foreign text in it has an end.
const WAITING_LINES_MAX: usize = 4096;
/// How often it is said what was left out.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the program waits for its last lines.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// What the thread is sent.
pub(super) enum Letter {
    /// A line.
    Line(Box<[u8]>),
    /// Answer when everything before this is written.
    Flush(Sender<()>),
}

/// Where a line is put.
#[derive(Clone, Debug)]
pub(super) struct Slot(SyncSender<Letter>);

impl Slot {
    /// A slot, and what it leads to.
    pub(super) fn new(lines_max: usize) -> (Self, Receiver<Letter>) {
        let (sender, receiver) = sync_channel(lines_max);
        (Self(sender), receiver)
    }

    /// A slot that leads to stderr.
    pub(super) fn to_stderr() -> io::Result<Self> {
        let (slot, letters) = Self::new(WAITING_LINES_MAX);
        std::thread::Builder::new().name("log".into()).spawn(move || carry(&letters))?;
        Ok(slot)
    }

    /// Waits until everything is written that was put in before, but not long.
    pub(super) fn flush(&self) {
        let (done, written) = channel();
        let mut letter = Letter::Flush(done);
        let until = now() + FLUSH_MAX;
        while let Err(TrySendError::Full(back)) = self.0.try_send(letter) {
            if now() >= until {
                return;
            }
            letter = back;
            #[allow(clippy::disallowed_methods, reason = "the program is at its end")]
            std::thread::sleep(Duration::from_millis(1));
        }
        // Nobody reads: then the lines are lost.
        let _ = written.recv_timeout(until.saturating_duration_since(now()));
    }
}

/// One call is one line, as the subscriber writes it.
impl Write for Slot {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Letter::Line(line.into())).is_err() {
            lose(Loss::Slow);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread.
fn carry(letters: &Receiver<Letter>) {
    let mut said_at = now();
    loop {
        match letters.recv_timeout(SAY_EVERY) {
            Ok(Letter::Line(line)) => write(&line),
            Ok(Letter::Flush(done)) => {
                ceiling::say_what_was_left_out();
                while let Ok(Letter::Line(line)) = letters.try_recv() {
                    write(&line);
                }
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if now().saturating_duration_since(said_at) >= SAY_EVERY {
            said_at = now();
            ceiling::say_what_was_left_out();
        }
    }
}

fn write(line: &[u8]) {
    // A closed stderr cannot be told that it is closed.
    drop(stderr().write_all(line));
}

#[allow(clippy::disallowed_methods, reason = "this is the log's own thread, or the end of the program")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_read_stops_nobody() {
        let (mut slot, letters) = Slot::new(2);
        let before = super::super::lost(Loss::Slow);
        for n in 0..5 {
            assert_eq!(slot.write(&[n]).expect("it never fails"), 1);
        }
        assert!(super::super::lost(Loss::Slow) >= before + 3);
        let lines: Vec<Letter> = letters.try_iter().collect();
        assert!(matches!(&lines[..], [Letter::Line(a), Letter::Line(b)] if **a == [0] && **b == [1]));
    }
}
