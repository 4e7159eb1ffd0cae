//! Every sentence that neighbours say to each other: one enum, so that reading this page is reading the whole
//! conversation between cores, the store writer, the worker and the gatekeeper.
//!
//! Owns the shapes of mail and nothing else. A command costs two of these however large the fleet: [`Mail::Ask`] to the
//! device's home core and [`Mail::Settled`] back. Payloads travel in buffers that come from, and go back to, a pool
//! ([`crate::buffers`]), so the steady state allocates nothing.
//!
//! ```text
//!   agent's core  -- Ask ------------>  home core        home core -- Store(Keep) -->  store writer
//!                 <- Accepted --------                             <- Stored(Kept) --
//!                 <- Settled ---------
//!                 -- Left ----------->  home core
//!   agent's core  -- Inquire -------->  home core
//!                 <- Told ------------
//!   agent's core  -- Control -------->  home core
//!                 <- Controlled ------
//!   agent's core  -- Tap ------------>  home core, every core
//!                 <- TapOpened, Tapped
//!   agent's core  -- Gather --------->  every core       home core -- Work(Compile, Check) -> worker
//!                 <- Gathered --------                             <- Worked(...)
//!   any core      -- Gatekeeper(Judge) -> gatekeeper <- Gatekeeper(Heard) -- callers
//!                 <- Judged(Judged) ----
//! ```

use crate::agent::gather::{Query, View};
use crate::auth::Keys;
use crate::auth::mail::{FromGatekeeper, ToGatekeeper};
use crate::auth::{Agent, InFlight};
use crate::certificates::News;
use crate::command::id::CommandId;
use crate::command::inquiry::{Inquiry, Told};
use crate::command::outcome::Outcome;
use crate::command::repeats::Waiter;
use crate::command::text::AskText;
use crate::device::control::{Control, Controlled};
use crate::device::polling::{Homeward, PollMail, Polled, Recognised};
use crate::device::refusals::Refused;
use crate::device::tap::{Reader, TapWish, Tapped};
use crate::metrics::Counters;
use crate::shard::Facts;
use crate::store::mail::{FromStore, ToStore};
use crate::worker::{FromWorker, ToWorker};
use engine::Key;
use std::sync::Arc;

/// A letter between two neighbours.
#[derive(Debug)]
pub enum Mail {
    /// To the device's home core: please run this command.
    Ask(Ask),
    /// To the device's home core: a request with an idempotency key is gone, and waits no more.
    Left(Left),
    /// Back to the agent's core: the command is taken, for a request that does not wait for its end.
    Accepted(Accepted),
    /// Back to the agent's core: the command's one and only end.
    Settled(Settled),
    /// To a command's home core: how does it go, or take it back; or to every core: which are there?
    Inquire(Inquiry),
    /// Back: what is known.
    Told(Told),
    /// To a device's home core: disable, enable, remove it, or know it from now on.
    Control(Control),
    /// Back: what became of that.
    Controlled(Controlled),
    /// To a device's home core, or to every core: somebody wants to look, has taken what was shown, or has gone.
    Tap(Reader, TapWish),
    /// Back, to this connection's: what is said is shown from now on.
    TapOpened(Key),
    /// Back: what a device and the gateway said to each other.
    Tapped(Box<Tapped>),
    /// To every core: what do you hold of this agent?
    Gather(Gather),
    /// Back to the agent's core: one core's part of a list.
    Gathered(Gathered),
    /// To every core: your counters, please.
    Measure {
        /// The core that asks.
        from: usize,
        /// The waiting request there.
        ticket: Key,
    },
    /// Back: one core's counters.
    Measured {
        /// The waiting request.
        ticket: Key,
        /// A copy of the counters as they are now.
        counters: Box<Counters>,
    },
    /// To every core: these keys count from now on.
    Keys(Arc<Keys>),
    /// To every core: these limits count from now on.
    Limits(Arc<Facts>),
    /// To the first core, for its metrics: how it stands with the certificate of the TLS listeners.
    Certificate(News),
    /// To the store writer.
    Store(ToStore),
    /// From the store writer.
    Stored(FromStore),
    /// To the worker.
    Work(ToWorker),
    /// From the worker.
    Worked(FromWorker),
    /// To the gatekeeper.
    Gatekeeper(ToGatekeeper),
    /// From the gatekeeper.
    Judged(FromGatekeeper),
    /// To the core where a session was born, and on to its home: a request.
    Poll(Box<PollMail>),
    /// Back to the core that took the request: the answer.
    Polled(Polled),
    /// Back to that core before the answer: the session is a device's, and the request waits.
    Recognised(Recognised),
    /// To a device's home core: the session that it polls with.
    Homeward(Box<Homeward>),
    /// To a session's birth core: it is over.
    SessionGone(u128),
    /// To the core itself, in its next turn: words of Socket.IO devices wait.
    Unheard,
}

/// A command on its way from the agent's core to the device's home.
#[derive(Debug)]
pub struct Ask {
    /// The core where the agent waits.
    pub from: usize,
    /// The waiting request on that core.
    pub ticket: Key,
    /// Whose device it is.
    pub agent: Arc<Agent>,
    /// The agent's place among its commands in flight; given back when the command settles and this is dropped. None where an
    /// idempotency key says that the request may be a repeat, which needs none.
    pub place: Option<InFlight>,
    /// Device name, command name, idempotency key and payload, in one buffer.
    pub text: AskText,
    /// The agent's own time limit in milliseconds, if it gave one.
    pub timeout_ms: Option<u32>,
    /// The request waits for the end; otherwise it is told at once that the command is taken.
    pub waits: bool,
    /// The command may wait for a device that is away.
    pub queues: bool,
}

/// A request with an idempotency key is gone.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// What stands for (agent, device, key).
    pub name: u128,
    /// The request.
    pub waiter: Waiter,
}

/// A command was taken; its request does not wait for the end.
#[derive(Debug)]
pub struct Accepted {
    /// The waiting request on the agent's core.
    pub ticket: Key,
    /// The command.
    pub id: CommandId,
}

/// The end of a command, on its way back to the agent.
#[derive(Debug)]
pub struct Settled {
    /// The waiting request on the agent's core.
    pub ticket: Key,
    /// How it ended.
    pub outcome: Outcome,
    /// The command's id, when it got as far as having one.
    pub id: Option<CommandId>,
    /// The device's `data`, its error text, or the argument errors: what `outcome` says. The buffer goes back to a pool.
    pub text: Vec<u8>,
    /// From the ask to the settlement, in milliseconds.
    pub duration_ms: u32,
}

/// A question about an agent's devices, for every core.
#[derive(Debug)]
pub struct Gather {
    /// The core that asks.
    pub from: usize,
    /// The waiting request there.
    pub ticket: Key,
    /// Whose devices.
    pub agent: Arc<Agent>,
    /// Which of them.
    pub query: Arc<Query>,
}

/// One core's part of the answer.
#[derive(Debug)]
pub struct Gathered {
    /// The waiting request.
    pub ticket: Key,
    /// The devices that match, in no order.
    pub views: Vec<View>,
    /// Log-ins in its name that were refused; only when one device was asked for.
    pub refused: Vec<Refused>,
}
