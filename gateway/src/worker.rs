//! The worker: a neighbour that is no core and does what could take longer than a turn may.
//!
//! Owns the compiling of manifests (JSON Schemas and the regexes in them), and the check of arguments too large for a core's
//! turn. Never touches a device or a command: it is sent bytes and answers with a value. In the simulator it is turned by hand, like a core.

use crate::command::examine::Checked;
use crate::command::text::AskText;
use crate::device::manifest::{Manifest, ManifestFault, ManifestLimits};
use engine::Key;
use std::sync::Arc;
use std::time::Duration;

/// What the worker is asked.
#[derive(Debug)]
pub enum ToWorker {
    /// Parse this manifest and compile its schemas.
    Compile {
        /// The core that asks.
        from: usize,
        /// What it will know the answer by.
        fingerprint: u128,
        /// The JSON array of commands, as the device sent it.
        json: Vec<u8>,
    },
    /// Check the payload of these words against the schema of the command that they name.
    Check {
        /// The core that asks.
        from: usize,
        /// What it will know the answer by.
        command: Key,
        /// The words, which come back.
        text: AskText,
        /// Where the schema is.
        manifest: Arc<Manifest>,
    },
}

/// What it answers.
#[derive(Debug)]
pub enum FromWorker {
    /// The manifest, or why it is none.
    Compiled {
        /// As asked.
        fingerprint: u128,
        /// The manifest, to be shared by every device that has it.
        made: Result<Arc<Manifest>, ManifestFault>,
        /// The emptied buffer, given back for reuse.
        buffer: Vec<u8>,
    },
    /// Whether the arguments fit.
    Checked(Checked),
}

/// The worker's state: none but its limits, and the clock by which it keeps one device's work short.
#[derive(Debug)]
pub struct Worker {
    limits: ManifestLimits,
    clock: Option<fn() -> Duration>,
}

/// What the processor has done for this thread. Not the time of day: a busy machine must not cost a device its commands.
fn thread_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

impl Worker {
    /// A worker that enforces these limits.
    pub fn new(limits: ManifestLimits) -> Self {
        Self { limits, clock: None }
    }

    /// The same, and no manifest takes more of this thread's time than allowed. Not so in the simulator, where time does
    /// not pass while it works.
    pub fn timed(limits: ManifestLimits) -> Self {
        Self { limits, clock: Some(thread_time) }
    }

    /// Does one piece of work. The answer is for the core of the first value.
    pub fn work(&self, work: ToWorker) -> (usize, FromWorker) {
        match work {
            ToWorker::Compile { from, fingerprint, json: mut buffer } => {
                let made = Manifest::parse_timed(&buffer, self.limits, self.clock).map(Arc::new);
                buffer.clear();
                (from, FromWorker::Compiled { fingerprint, made, buffer })
            }
            ToWorker::Check { from, command, text, manifest } => {
                let schema = manifest.command(text.command()).and_then(|command| command.schema.as_ref());
                let payload = text.payload().unwrap_or(b"{}");
                let verdict = schema.map_or(Ok(()), |schema| schema.check(payload));
                (from, FromWorker::Checked(Checked { command, text, verdict }))
            }
        }
    }
}
