//! What exists in a run: the seed decides it before anything happens, so that runs differ in kind and not only in luck.
//!
//! Owns the draw: house, limits, faults, the quirks of devices and the manners of agents. Never acts.

mod later;

pub use later::{AuthService, Retry};

use engine::net::fake::{Dice, Faults};
use gateway::limits::Limits;
use std::marker::PhantomData;

/// A closed set whose members have numbers.
pub trait Numbered: Copy + 'static {
    /// All of them.
    const ALL: &'static [Self];
    /// Its place among them.
    fn number(self) -> u32;
}

macro_rules! closed_set {
    ($(#[$about:meta])* $kind:ident { $($(#[$what:meta])* $name:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $kind {
            $($(#[$what])* $name,)*
        }

        impl Numbered for $kind {
            const ALL: &'static [Self] = &[$($kind::$name,)*];

            fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

closed_set! {
    /// A way in which a device may be difficult.
    Quirk {
        /// Writes a few bytes at a time.
        Dribbles,
        /// Sends bytes that are no packet.
        SendsJunk,
        /// Ignores commands.
        NeverAnswers,
        /// Answers twice.
        AnswersTwice,
        /// Keeps answers back.
        AnswersLate,
        /// Answers commands of other devices.
        AnswersForeign,
        /// Alters the ids it answers with.
        Forges,
        /// Says no.
        AnswersErrors,
        /// Sends answers that cannot be read.
        AnswersNonsense,
        /// A second device uses its name.
        HasRival,
        /// Connects again without closing.
        Abandons,
        /// Loses its memory now and then.
        Restarts,
        /// Uses few packet identifiers, over and over.
        FewPacketIds,
        /// Tries a wrong key first.
        WrongKeyFirst,
        /// Tries a foreign client id first.
        ForeignIdFirst,
        /// Publishes to topics that are not its own.
        ForeignTopics,
        /// Subscribes late.
        SubscribesLate,
        /// Never says what it can do.
        NeverDescribes,
        /// Describes itself anew on a live connection.
        Redescribes,
        /// Describes itself badly.
        DescribesBadly,
        /// Gives another key in its second status.
        WrongSecondKey,
        /// Beats, and then falls silent.
        FallsSilent,
        /// Stops reading.
        StopsReading,
        /// Says everything before its CONNACK.
        Impatient,
        /// Opens connections and says nothing.
        NeverGreets,
        /// Breaks its connections.
        Vanishes,
        /// Has a key that may not fire triggers.
        MayNotTrigger,
        /// Has a key of its own that is revoked in the middle.
        LosesItsKey,
    }
}

closed_set! {
    /// A way in which an agent may be difficult.
    Manner {
        /// Leaves before the answer.
        Vanishes,
        /// Half-closes after its request.
        HalfCloses,
        /// Sends requests one behind the other.
        Pipelines,
        /// Asks for devices that are unknown.
        AsksUnknown,
        /// Sends arguments that do not fit.
        AsksBadly,
        /// Asks for devices of another agent.
        Trespasses,
        /// Uses a wrong key.
        WrongKey,
        /// Sends what is no request.
        SendsJunk,
        /// Writes a few bytes at a time.
        Dribbles,
        /// Reads its events slowly.
        ReadsSlowly,
        /// Comes back with a cursor.
        Resumes,
        /// Sends bodies in chunks.
        Chunks,
        /// Sends large payloads.
        Bulky,
        /// Asks for much at once.
        Floods,
        /// Is an operator, too.
        Operates,
        /// Gives its commands idempotency keys, and sends them again.
        Repeats,
    }
}

/// Some of a closed set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subset<T>(u64, PhantomData<T>);

/// The quirks of a run, or of one device.
pub type Quirks = Subset<Quirk>;
/// The manners of a run, or of one agent.
pub type Manners = Subset<Manner>;

impl<T: Numbered> Subset<T> {
    /// None of them.
    pub const NONE: Self = Self(0, PhantomData);

    /// Whether one is among them.
    pub fn has(self, one: T) -> bool {
        self.0 & 1 << one.number() != 0
    }

    /// With one more.
    #[must_use]
    pub fn with(self, one: T) -> Self {
        Self(self.0 | 1 << one.number(), PhantomData)
    }

    /// Without one.
    #[must_use]
    pub fn without(self, one: T) -> Self {
        Self(self.0 & !(1 << one.number()), PhantomData)
    }

    /// Each with the same chance.
    pub fn draw(dice: &mut Dice, per_mille: u16) -> Self {
        T::ALL
            .iter()
            .fold(Self::NONE, |some, &one| if dice.chance(per_mille) { some.with(one) } else { some })
    }

    /// At most `most` of these.
    #[must_use]
    pub fn few(self, dice: &mut Dice, most: usize) -> Self {
        let all: Vec<T> = T::ALL.iter().copied().filter(|&one| self.has(one)).collect();
        let mut few = Self::NONE;
        for _ in 0..dice.below(most as u64 + 1) {
            if let Some(&one) = pick(dice, &all) {
                few = few.with(one);
            }
        }
        few
    }
}

/// One of a list.
pub fn pick<'a, T>(dice: &mut Dice, list: &'a [T]) -> Option<&'a T> {
    if list.is_empty() { None } else { list.get(dice.below(list.len() as u64) as usize) }
}

/// How often each neighbour takes a turn, and how fast time passes.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The weight of each core.
    pub cores: Vec<u64>,
    /// The weight of the store writer.
    pub writer: u64,
    /// The weight of the worker.
    pub worker: u64,
    /// The weight of all peers together.
    pub peers: u64,
    /// The weight of the clock.
    pub clock: u64,
    /// An ordinary step of the clock is shorter than this, in milliseconds.
    pub step_ms: u64,
    /// A jump of the clock happens in so many of a thousand of its steps.
    pub jumps: u16,
}

/// What exists in one run.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// How many cores.
    pub cores: usize,
    /// How many letters a mailbox holds.
    pub letters_max: usize,
    /// What the network does.
    pub faults: Faults,
    /// The engine's ceilings.
    pub engine: engine::Limits,
    /// The product's ceilings.
    pub limits: Limits,
    /// Mails that the store writer takes in a turn.
    pub writer_batch: usize,
    /// Who is fast and who is slow.
    pub pace: Pace,
    /// Room of a connection in the kernel, in bytes.
    pub pipe_bytes: usize,
    /// The quirks that devices may have.
    pub quirks: Quirks,
    /// The manners that agents may have.
    pub manners: Manners,
    /// Agents in the product's sense, each with keys of its own.
    pub tenants: usize,
    /// Devices of different names.
    pub devices: usize,
    /// Scripted users of the API.
    pub agents: usize,
    /// Commands have room to time out.
    pub patient: bool,
    /// The run ends with a graceful stop.
    pub drains: bool,
    /// The wall clock is set now and then.
    pub wall_steps: bool,
    /// Agents disable, enable, remove and register devices.
    pub controls: bool,
    /// Commands may wait for devices that are away.
    pub queues: bool,
    /// How `echo` is to be tried again, where its devices say so.
    pub retry: Option<Retry>,
    /// The auth service, where there is one.
    pub auth_service: Option<AuthService>,
}

impl Swarm {
    /// What the seed decides.
    pub fn draw(dice: &mut Dice) -> Self {
        let cores = 1 + dice.below(3) as usize;
        let lossy = dice.chance(600);
        let faults = if dice.chance(850) { Faults::swarm(dice, lossy) } else { Faults::NONE };
        let patient = dice.chance(400);
        Self {
            cores,
            letters_max: *pick(dice, &[1, 2, 4, 16, 4096]).expect("a list"),
            faults,
            engine: draw_engine(dice),
            limits: draw_limits(dice, patient),
            writer_batch: *pick(dice, &[1, 3, 8]).expect("a list"),
            pace: draw_pace(dice, cores),
            pipe_bytes: *pick(dice, &[256, 2048, 64 * 1024]).expect("a list"),
            quirks: Quirks::draw(dice, 330),
            manners: Manners::draw(dice, 400),
            tenants: 2 + dice.below(2) as usize,
            devices: 3 + dice.below(5) as usize,
            agents: 2 + dice.below(4) as usize,
            patient,
            drains: dice.chance(350),
            wall_steps: dice.chance(300),
            controls: false,
            queues: false,
            retry: None,
            auth_service: None,
        }
    }
}

impl Swarm {
    /// Ceilings of what came later, by dice of their own.
    pub fn limit_more(&mut self, dice: &mut Dice) {
        if dice.chance(500) {
            self.limits.socketio_ping_interval_ms = 2_000;
            self.limits.socketio_ping_timeout_ms = 2_500;
        }
    }
}

fn draw_engine(dice: &mut Dice) -> engine::Limits {
    let mut engine = engine::Limits { carry_bytes_max: 1 << 21, ..engine::Limits::default() };
    if dice.chance(400) {
        engine.scratch_bytes = *pick(dice, &[64, 200, 1024]).expect("a list");
        engine.read_bytes_per_turn = 2 * engine.scratch_bytes;
    } else {
        engine.scratch_bytes = 16 * 1024;
    }
    if dice.chance(300) {
        engine.marks = engine::backlog::Marks { high_bytes: 2048, low_bytes: 512 };
    }
    if dice.chance(200) {
        engine.letters_per_turn = 2;
        engine.accepts_per_turn = 1;
    }
    engine
}

fn draw_limits(dice: &mut Dice, patient: bool) -> Limits {
    let mut limits = Limits {
        // A fight for a device is slowed down, and still over while the oracles of promptness look on.
        takeover_hold_ms: 20,
        triggers_per_second_per_agent: if dice.chance(250) { 10 } else { 1_000_000 },
        timeout_ms_min: 50,
        command_grace_ms: *pick(dice, &[0, 50, 500]).expect("a list"),
        timeout_ms_default: if patient { 8_000 } else { 300 },
        ..Limits::default()
    };
    if dice.chance(300) {
        limits.heartbeat_late_ms = 1_500;
        limits.heartbeat_offline_ms = 3_000;
    }
    if dice.chance(250) {
        limits.events_kept_per_agent = 12;
    }
    if dice.chance(300) {
        limits.commands_in_flight_per_agent = 3;
    }
    if dice.chance(300) {
        limits.commands_waiting_per_device = 2;
    }
    if dice.chance(200) {
        limits.mqtt_owed_max = 2;
    }
    if dice.chance(200) {
        limits.mqtt_inflight_to_device = 3;
    }
    if dice.chance(200) {
        limits.event_streams_per_agent = 1;
    }
    if dice.chance(150) {
        limits.unidentified_per_core = 3;
    }
    if dice.chance(300) {
        limits.sse_comment_ms = 200;
    }
    limits
}

fn draw_pace(dice: &mut Dice, cores: usize) -> Pace {
    let mut weights = vec![450 / cores as u64; cores];
    if dice.chance(300) {
        weights[0] /= 8;
    }
    Pace {
        cores: weights,
        writer: *pick(dice, &[5, 60, 60]).expect("a list"),
        worker: *pick(dice, &[3, 40, 40]).expect("a list"),
        peers: 400,
        clock: 80,
        step_ms: *pick(dice, &[2, 10, 60]).expect("a list"),
        jumps: *pick(dice, &[0, 0, 20]).expect("a list"),
    }
}
