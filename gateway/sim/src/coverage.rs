//! How often each behaviour, fault and outcome really happened: a simulator that never takes over a seat proves nothing
//! about take-overs.
//!
//! Owns the list of what can be seen. Counting never changes a run.

macro_rules! seen {
    ($($name:ident $sentence:literal)*) => {
        /// Something that a run can contain.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Seen {
            $(#[doc = $sentence] $name,)*
        }

        impl Seen {
            /// All of them.
            pub const ALL: &[Seen] = &[$(Seen::$name,)*];

            /// What it is, in words.
            pub fn sentence(self) -> &'static str {
                match self { $(Seen::$name => $sentence,)* }
            }
        }
    };
}

seen! {
    // The house.
    OneCore "a house of one core"
    ManyCores "a house of two or three cores"
    HandedOver "a connection moved to its home core"
    FullMailbox "a mailbox was full and letters waited at their sender"
    Congested "a core had too much mail for a neighbour"
    CongestionOver "a core had too much mail, and has not any more"
    LetNobodyIn "a congested core let nobody in"
    DeviceWaited "a congested core left a device's words unread"
    ClientWaited "a congested core left a Socket.IO device's words unheard"
    RefusedAtDoor "a command was refused because too much mail waited for its device's home"
    RefusedAtHome "a command was refused because too much mail waited at its device's home"
    DescriptionUnread "a description was left unread because too much mail waited for the worker"
    SmallScratch "a receive scratch smaller than a message"
    LowWaterMarks "water marks that slow readers reach"
    AuthService "a house with an auth service"
    ServiceSlow "the auth service was slow"
    ServiceDown "the auth service failed"
    // The network.
    ShortReads "reads that bring a part"
    ShortWrites "writes that take a part"
    WouldBlock "reads and writes that would block"
    SpuriousEvents "events about nothing"
    DelayedEvents "events that come late"
    AcceptFailures "accepts that fail"
    Resets "connections reset by the network"
    InjectedFins "connections half-closed by the network"
    SlowCore "a core that gets few turns"
    ClockJump "the clock jumped by a second"
    WallClockStep "the wall clock was set"
    // Devices.
    PythonDevice "a persistent session at QoS 1"
    MicroDevice "a clean session that waits for each acknowledgement"
    PicoDevice "a device at QoS 0"
    WebSocketOpened "a device connected over WebSocket"
    PacketSplit "a packet came in several frames"
    FrameShared "several packets came in one frame"
    Fragmented "a message came in fragments"
    WebSocketPing "a device pinged between its frames"
    CloseFrameSaid "a device said goodbye with a close frame"
    CloseFrameHeard "the gateway said goodbye with a close frame"
    Misframed "a device broke a rule of the frames"
    ChangedTongue "a device came back over another transport"
    NodeDevice "a device connected over Socket.IO"
    NamespaceConnected "a namespace was connected"
    NamespaceRefused "a namespace was refused"
    CalledBack "a device was called back"
    Dismissed "a device was told DISCONNECT"
    EnginePing "a device was pinged by Engine.IO"
    PollingOpened "a session was opened by polling"
    PollForwarded "a poll came in on another core than its session's"
    PollAnsweredLate "a poll was answered late"
    PollAborted "a poll was aborted"
    PollTwice "two polls at once were refused"
    UpgradeCompleted "a WebSocket took over a session that polled"
    UpgradeAbandoned "a WebSocket that probed was abandoned"
    TookOverPolling "a session that polled lost its seat to another"
    SessionSilenced "a session that was born polling ended by its silence"
    Dribble "a device wrote byte by byte"
    Junk "a device sent junk"
    NeverAnswered "a device ignored a command"
    AnsweredTwice "a device answered twice"
    AnsweredLate "a device kept an answer back"
    AnsweredForeign "a device answered a command of another device"
    Forged "a device answered with an id it had altered"
    AnsweredError "a device said no"
    AnsweredNonsense "a device's answer was not readable"
    TookOverClean "a clean session took a seat"
    TookOverPersistent "a persistent session took a seat"
    Abandoned "a device connected again without closing"
    Restarted "a device restarted and counts its packets anew"
    ResentTrigger "a trigger was sent again with DUP"
    ResentResponse "an answer was sent again with DUP"
    WrongKey "a CONNECT with a wrong key was refused"
    ForeignClientId "a CONNECT with a foreign client id was refused"
    ForeignTopic "a device published to a foreign topic"
    SubscribedLate "a device subscribed late"
    NeverDescribed "a device never said what it can do"
    Redescribed "a device changed its manifest on a live connection"
    RefusedManifest "a manifest or a command of it was refused"
    WrongSecondKey "a second status with a wrong key ended a connection"
    FellSilent "a device beat and then fell silent"
    StoppedReading "a device stopped reading"
    Impatient "a device said everything before its CONNACK"
    NeverGreeted "a stranger said nothing at all"
    SaidGoodbye "a device said DISCONNECT"
    DeviceVanished "a device's connection vanished"
    Revoked "a key was revoked while in use"
    Vouched "a device was admitted because the service vouched for it"
    VouchedFromMemory "a device was admitted by what the service had said before"
    VouchedInOutage "a device was admitted while the service failed"
    LogInPutOff "a log-in was put off because nobody could say whether its key is good"
    Disowned "a device was refused because the service took its key back"
    TakenBackByService "a connection ended because the service took its key back"
    // What became of them.
    SessionPresent "a persistent session was taken up"
    CommandAgain "a command was sent again with DUP"
    TriggerKept "a trigger was acknowledged"
    TriggerRefused "a trigger was refused"
    KeepAliveOver "a device's keep alive passed"
    HeartbeatOver "a device's heartbeats stopped and it was let go"
    ShownLate "a device was shown as late"
    StrangerEvicted "a stranger gave way to another"
    Stalled "a peer that does not read was let go"
    // Agents.
    Pipelined "requests one behind the other"
    Chunked "a chunked body"
    Bulky "a payload larger than a read"
    BodyTooSlow "a body came too slowly"
    Repeated "a request was repeated under its idempotency key"
    RepeatAnswered "a repeated request was answered like the first"
    AgentVanished "an agent left before its answer"
    AgentHalfClosed "an agent half-closed after its request"
    ForeignAgent "an agent asked for another's devices"
    AgentWrongKey "a request with a wrong key"
    RequestPutOff "a request was put off because nobody could say whether its key is good"
    JunkRequest "a request that is none"
    SlowStream "a reader of events that reads slowly"
    StreamResumed "a reader came back with its cursor"
    StreamGap "a reader was told of a gap"
    StreamRefused "one stream too many"
    NotModified "a list of tools had not changed"
    MetricsRead "the metrics were read"
    CommandTaken "a command was taken, and its agent did not wait"
    StateAsked "an agent asked how a command goes"
    TakenBack "a command was taken back"
    TakenBackUnsent "a command was taken back before it was sent"
    TooLateToTakeBack "a command had ended before it could be taken back"
    TriedAgainUnanswered "a command was tried again under its id because no answer came"
    TriedAgainRefused "a command was tried again under a new id because its device said no"
    DoneAtLast "a command was done behind its first attempt"
    AttemptsSpent "a command ended with the device's last no"
    AttemptsShown "an agent was shown more than one attempt"
    Queued "a command waited for a device that was away"
    QueuedDelivered "a command that had waited reached its device when it came back"
    QueueExpired "a command that could wait ended at its deadline, unsent"
    QueueingRefused "a command could not wait because no session was kept"
    EndTold "the end of a command was told as an event"
    AnsweredTooLate "an answer behind the end of its command was told as an event"
    Disabled "an agent disabled a device"
    Enabled "an agent enabled a device"
    Removed "an agent removed a device"
    Registered "an agent made a device known"
    DisabledRefused "a disabled device was refused"
    SentAway "a device was hung up on because its agent disabled or removed it"
    // Ends of commands.
    Done "a command was answered"
    DeviceError "a command ended with the device's error"
    DeviceUnknown "a command for an unknown device"
    CommandUnknown "an unknown command"
    InvalidArguments "arguments that do not fit"
    OfflineNotSent "a command for a device that is away"
    OfflineUnknown "a command whose device left"
    TimeoutNotSent "a command timed out in the queue"
    TimeoutUnknown "a command timed out at the device"
    DeviceBusy "a command found too many before it"
    TooManyCommands "an agent had too many commands in flight"
    ShuttingDown "a command came while the gateway stopped"
    // Presence.
    CertainlyHere "a list was judged while a device was certainly here"
    CertainlyGone "a list was judged while a device was certainly gone"
    Drained "a run ended with a graceful stop"
    AnsweredInDrain "a command was answered during the stop"
}

/// A count for each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage([u64; Seen::ALL.len()]);

impl Default for Coverage {
    fn default() -> Self {
        Self([0; Seen::ALL.len()])
    }
}

impl Coverage {
    /// It happened.
    pub fn saw(&mut self, what: Seen) {
        self.0[what as usize] += 1;
    }

    /// How often.
    pub fn count(&self, what: Seen) -> u64 {
        self.0[what as usize]
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        Seen::ALL.iter().filter(|&&what| self.count(what) == 0).map(|what| what.sentence()).collect()
    }

    /// Rebuilds counts that another process printed with [`Coverage::counts`].
    pub fn from_counts(counts: impl Iterator<Item = u64>) -> Self {
        let mut coverage = Self::default();
        for (mine, count) in coverage.0.iter_mut().zip(counts) {
            *mine = count;
        }
        coverage
    }

    /// All counts, in the order of [`Seen::ALL`].
    pub fn counts(&self) -> &[u64] {
        &self.0
    }
}
