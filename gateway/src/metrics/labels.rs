//! The closed sets of label values: one enum per label, one word per variant.
//!
//! Owns the words. A variant's position is its place among the series of its metric. Nothing here counts.

use crate::command::outcome::Outcome;

/// An enum whose variants are the values of a label.
macro_rules! label {
    ($(#[doc = $doc:literal])+ $seen:vis $name:ident { $( $(#[doc = $sense:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $seen enum $name { $( $(#[doc = $sense])+ $variant, )+ }

        impl $name {
            /// The words, in the order of the variants.
            pub(super) const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}

label! {
    /// How a peer speaks to the gateway.
    pub Transport {
        /// MQTT over TCP or TLS.
        Mqtt = "mqtt",
        /// MQTT over WebSocket.
        MqttWs = "mqtt_ws",
        /// Socket.IO.
        Socketio = "socketio",
        /// HTTP requests and event streams.
        Http = "http",
    }
}

impl Transport {
    /// The word, which is also the API's.
    pub fn name(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

label! {
    /// Seen from the gateway.
    pub Direction {
        /// From the peer.
        In = "in",
        /// To the peer.
        Out = "out",
    }
}

label! {
    /// What became of a connection's wish to be somebody.
    pub ConnectionOutcome {
        /// It said who it is, and is served.
        Accepted = "accepted",
        /// It was refused with an answer.
        Refused = "refused",
    }
}

label! {
    /// How a command ended.
    pub CommandOutcome {
        /// The device did it.
        Done = "done",
        /// The device said no.
        DeviceError = "device_error",
        /// No such device.
        DeviceUnknown = "device_unknown",
        /// No such command.
        CommandUnknown = "command_unknown",
        /// The payload does not fit the schema.
        InvalidArguments = "invalid_arguments",
        /// The device was not there, or left.
        DeviceOffline = "device_offline",
        /// The deadline passed.
        DeviceTimeout = "device_timeout",
        /// Too much waits for the device already.
        DeviceBusy = "device_busy",
        /// Refused: the idempotency key was used for another request.
        KeyReused = "idempotency_key_reused",
        /// Joined or told again: the same request had come before.
        Repeated = "repeated",
        /// Taken back by the agent.
        Cancelled = "cancelled",
        /// To be queued for a device that has no session to queue in.
        QueueingNotPossible = "queueing_not_possible",
        /// The test of a trigger was over the agent's share.
        TooManyTriggers = "too_many_triggers",
        /// The gateway is stopping.
        ShuttingDown = "shutting_down",
        /// The agent's share was taken.
        TooManyCommands = "too_many_commands",
    }
}

impl CommandOutcome {
    /// The label of an end.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::DeviceError => Self::DeviceError,
            Outcome::DeviceUnknown => Self::DeviceUnknown,
            Outcome::CommandUnknown => Self::CommandUnknown,
            Outcome::InvalidArguments => Self::InvalidArguments,
            Outcome::DeviceOffline(_) => Self::DeviceOffline,
            Outcome::DeviceTimeout(_) => Self::DeviceTimeout,
            Outcome::DeviceBusy => Self::DeviceBusy,
            Outcome::TooManyCommands => Self::TooManyCommands,
            Outcome::KeyReused => Self::KeyReused,
            Outcome::Cancelled(_) => Self::Cancelled,
            Outcome::QueueingNotPossible => Self::QueueingNotPossible,
            Outcome::TooManyTriggers => Self::TooManyTriggers,
            Outcome::ShuttingDown => Self::ShuttingDown,
        }
    }
}

label! {
    /// What became of a trigger.
    pub TriggerOutcome {
        /// Stored, then acknowledged.
        Kept = "kept",
        /// Known already: acknowledged again, delivered once.
        Duplicate = "duplicate",
        /// Over the agent's limit.
        RateLimited = "rate_limited",
        /// The device's key has no `triggers`.
        Forbidden = "forbidden",
        /// Not a trigger at all, or too large.
        Invalid = "invalid",
    }
}

label! {
    /// Why the gateway, or its peer, ended a connection.
    pub Closed {
        /// The peer said good-bye.
        Disconnected = "disconnected",
        /// The connection ended without a word.
        ConnectionLost = "connection_lost",
        /// A newer connection of the same device took its place.
        TakenOver = "taken_over",
        /// Nothing came for one and a half keep-alives.
        KeepaliveTimeout = "keepalive_timeout",
        /// Two heartbeats were missed.
        HeartbeatTimeout = "heartbeat_timeout",
        /// The peer did not say who it is in time, or was silent too long between two requests.
        IdleTimeout = "idle_timeout",
        /// The peer broke a rule of its protocol.
        ProtocolViolation = "protocol_violation",
        /// Its key was wrong or has been revoked.
        AuthFailed = "auth_failed",
        /// It did not read what was sent to it.
        SlowReader = "slow_reader",
        /// The gateway stopped.
        GatewayStopped = "gateway_stopped",
        /// Its agent disabled or removed the device.
        Disabled = "disabled",
    }
}

label! {
    /// What became of a log-in.
    pub AuthOutcome {
        /// The key is good for what was asked.
        Admitted = "admitted",
        /// No such key, or a revoked one.
        UnknownKey = "unknown_key",
        /// A good key, bound to another agent, device or operation.
        OtherBinding = "other_binding",
        /// A good key that is no device's: it has neither `commands` nor `triggers`.
        NoDevice = "no_device",
        /// Not even a claim: no name, no key, or a name that cannot be.
        Malformed = "malformed",
        /// It could not be checked now.
        Unavailable = "unavailable",
        /// A good key of a device that is disabled.
        Disabled = "disabled",
        /// A wrong key from a source that is locked out.
        RateLimited = "rate_limited",
    }
}

label! {
    /// Whether a device is here.
    pub DeviceStatus {
        /// Connected and heard from in time.
        Online = "online",
        /// Connected, one heartbeat missed.
        Late = "late",
        /// Not connected.
        Offline = "offline",
        /// Not allowed to connect.
        Disabled = "disabled",
        /// Declared, never connected.
        Registered = "registered",
    }
}

label! {
    /// What a request for a list of tools was told, and what that took.
    pub ToolList {
        /// Nothing has changed since; told without asking a core.
        Unchanged = "unchanged",
        /// The cores were asked, and say the same as before.
        Same = "same",
        /// The cores were asked, and the list was sent.
        Sent = "sent",
    }
}

label! {
    /// What memory is used for.
    pub MemoryKind {
        /// All of the process, as the kernel counts it.
        Resident = "resident",
        /// Events kept for agents.
        Events = "events",
        /// Names and answers of ended commands.
        CommandRecords = "command_records",
        /// Compiled manifests, by an estimate.
        Manifests = "manifests",
    }
}

label! {
    /// Why a message of a device was dropped.
    pub(super) Dropped {
        /// An answer that is not the JSON it should be.
        UnreadResponse = "unread_response",
        /// The first answer to a command that had ended without one.
        LateResponse = "late_response",
        /// An answer that nobody waits for: repeated, to a foreign command, or made up.
        UnexpectedResponse = "unexpected_response",
        /// A topic that the device may not publish to.
        ClosedTopic = "closed_topic",
    }
}
