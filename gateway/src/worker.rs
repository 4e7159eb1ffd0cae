//! The worker: a neighbour that is no core and does what could take longer than a turn may.
//!
//! Owns the compiling of manifests (JSON Schemas and the regexes in them), the check of arguments that would take too much of a
//! core's turn, and the order in which agents are served: one piece of work of each in turn, so that a heap of one agent's holds
//! up nobody else. What one agent may have waiting is bounded; more is given back undone. Never touches a device or a command:
//! it is sent bytes and answers with a value. In the simulator it is turned by hand, like a core.
//!
//! ```text
//!   mail --> accept: the agent's queue, or back -->  serve_next: one piece of the agent whose turn it is --> answer
//! ```

use crate::command::examine::{Checked, Verdict};
use crate::command::text::AskText;
use crate::device::manifest::{Manifest, ManifestFault, ManifestLimits};
use engine::Key;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a waiting piece of work counts for beside its bytes.
const WORK_BYTES: usize = 1024;

/// What the worker is asked.
#[derive(Debug)]
pub struct ToWorker {
    /// The core that asks.
    pub from: usize,
    /// Whose work it is.
    pub agent: Arc<str>,
    /// What is to be done.
    pub task: Task,
}

/// A piece of work.
#[derive(Debug)]
pub enum Task {
    /// Parse this manifest and compile its schemas.
    Compile {
        /// What the core will know the answer by.
        fingerprint: u128,
        /// The JSON array of commands, as the device sent it.
        json: Vec<u8>,
    },
    /// Check the payload of these words against the schema of the command that they name.
    Check {
        /// What the core will know the answer by.
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
        agent: Arc<str>,
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

/// The worker's ceilings.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// What a manifest may hold.
    pub manifest: ManifestLimits,
    /// Bytes of work that may wait for one agent; one piece is taken however large it is.
    pub bytes_per_agent_max: usize,
}

/// The worker's state: the work that waits, and the clock by which it keeps one device's work short.
#[derive(Debug)]
pub struct Worker {
    limits: WorkerLimits,
    clock: Option<fn() -> Duration>,
    /// Never an empty one.
    queues: BTreeMap<Arc<str>, Queue>,
    /// Whose turn it is: every agent with a queue, once.
    turns: VecDeque<Arc<str>>,
}

/// One agent's work.
#[derive(Debug, Default)]
struct Queue {
    work: VecDeque<ToWorker>,
    bytes: usize,
}

/// What the processor has done for this thread. Not the time of day: a busy machine must not cost a device its commands.
fn thread_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

impl Worker {
    /// A worker that enforces these limits.
    pub fn new(limits: WorkerLimits) -> Self {
        Self { limits, clock: None, queues: BTreeMap::new(), turns: VecDeque::new() }
    }

    /// The same, and no manifest takes more of this thread's time than allowed. Not so in the simulator, where time does
    /// not pass while it works.
    pub fn timed(limits: WorkerLimits) -> Self {
        Self { clock: Some(thread_time), ..Self::new(limits) }
    }

    /// Pieces of work that wait.
    pub fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.work.len()).sum()
    }

    /// Takes a piece of work; or, when its agent has too much waiting, answers at once that it is not done. The answer is for the
    /// core of the first value.
    pub fn accept(&mut self, work: ToWorker) -> Option<(usize, FromWorker)> {
        let queue = self.queues.entry(work.agent.clone()).or_default();
        if queue.work.is_empty() {
            self.turns.push_back(work.agent.clone());
        } else if queue.bytes + work.bytes() > self.limits.bytes_per_agent_max {
            return Some(work.refuse());
        }
        queue.bytes += work.bytes();
        queue.work.push_back(work);
        None
    }

    /// Does one piece of the work of the agent whose turn it is.
    pub fn serve_next(&mut self) -> Option<(usize, FromWorker)> {
        let agent = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&agent)?;
        let work = queue.work.pop_front()?;
        queue.bytes -= work.bytes();
        if queue.work.is_empty() {
            self.queues.remove(&agent);
        } else {
            self.turns.push_back(agent);
        }
        Some(self.work(work))
    }

    fn work(&self, work: ToWorker) -> (usize, FromWorker) {
        let ToWorker { from, agent, task } = work;
        let answer = match task {
            Task::Compile { fingerprint, json: mut buffer } => {
                let made = Manifest::parse_timed(&buffer, self.limits.manifest, self.clock).map(Arc::new);
                buffer.clear();
                FromWorker::Compiled { agent, fingerprint, made, buffer }
            }
            Task::Check { command, text, manifest } => {
                let schema = manifest.command(text.command()).and_then(|command| command.schema.as_ref());
                let payload = text.payload().unwrap_or(b"{}");
                let verdict = match schema.map_or(Ok(()), |schema| schema.check(payload)) {
                    Ok(()) => Verdict::Fits,
                    Err(errors) => Verdict::Unfit(errors),
                };
                FromWorker::Checked(Checked { command, text, verdict })
            }
        };
        (from, answer)
    }
}

impl ToWorker {
    fn bytes(&self) -> usize {
        let bytes = match &self.task {
            Task::Compile { json, .. } => json.len(),
            Task::Check { text, .. } => text.payload().map_or(0, <[u8]>::len),
        };
        WORK_BYTES + bytes
    }

    /// The answer when it is not done.
    fn refuse(self) -> (usize, FromWorker) {
        let Self { from, agent, task } = self;
        let answer = match task {
            Task::Compile { fingerprint, json: mut buffer } => {
                buffer.clear();
                let made = Ok(Arc::new(Manifest::unread()));
                FromWorker::Compiled { agent, fingerprint, made, buffer }
            }
            Task::Check { command, text, .. } => {
                FromWorker::Checked(Checked { command, text, verdict: Verdict::Unchecked })
            }
        };
        (from, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(bytes_per_agent_max: usize) -> Worker {
        Worker::new(WorkerLimits { manifest: ManifestLimits::default(), bytes_per_agent_max })
    }

    fn compile(agent: &str, n: usize) -> ToWorker {
        let json = format!(r#"[{{"name":"c{n}"}}]"#).into_bytes();
        ToWorker { from: 0, agent: agent.into(), task: Task::Compile { fingerprint: n as u128, json } }
    }

    /// Whose manifest it is, and whether it was looked at.
    fn compiled(answer: Option<(usize, FromWorker)>) -> Option<(String, u128, bool)> {
        let Some((0, FromWorker::Compiled { agent, fingerprint, made, .. })) = answer else { return None };
        let made = made.expect("a manifest");
        Some((agent.to_string(), fingerprint, made.refused_total() == 0))
    }

    #[test]
    fn a_heap_of_one_agents_work_holds_up_nobody_else() {
        let mut worker = worker(1 << 20);
        for n in 0..300 {
            assert!(worker.accept(compile("busy", n)).is_none());
        }
        assert!(worker.accept(compile("quiet", 1000)).is_none());
        assert!(worker.accept(compile("other", 2000)).is_none());
        let served: Vec<u128> =
            (0..5).map(|_| compiled(worker.serve_next()).expect("there is work").1).collect();
        assert_eq!(served, [0, 1000, 2000, 1, 2], "one of each, and each agent's in order");
        assert_eq!(worker.waiting(), 297);
        while worker.serve_next().is_some() {}
        assert!(worker.queues.is_empty() && worker.turns.is_empty());
    }

    #[test]
    fn what_one_agent_has_waiting_is_bounded_and_more_comes_back_undone() {
        let mut worker = worker(10 * (WORK_BYTES + 64));
        let refused: Vec<_> = (0..20).filter_map(|n| compiled(worker.accept(compile("busy", n)))).collect();
        assert_eq!(refused.len(), 10, "{refused:?}");
        assert_eq!(refused[0], ("busy".to_owned(), 10, false));
        assert!(worker.accept(compile("quiet", 1)).is_none());
        assert_eq!(compiled(worker.serve_next()), Some(("busy".to_owned(), 0, true)));
        assert!(worker.accept(compile("busy", 30)).is_none(), "there is room again");
    }

    #[test]
    fn one_piece_is_taken_however_large_it_is() {
        let mut worker = worker(1);
        assert!(worker.accept(compile("a", 1)).is_none());
        assert!(worker.accept(compile("a", 2)).is_some());
        assert!(worker.accept(compile("b", 3)).is_none());
    }
}
