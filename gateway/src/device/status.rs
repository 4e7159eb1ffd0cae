//! The words for whether a device is here, and since when, and why.
//!
//! Owns two closed sets and their spelling on the API. Follows the current connection only: a will, a close or a message
//! of a superseded connection is history and changes nothing here.

/// Whether a device is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Connected, and heard from in time.
    Online,
    /// Connected, one heartbeat missed; its tools stay.
    Late,
    /// Not connected.
    Offline,
    /// Not allowed to connect, until it is enabled.
    Disabled,
    /// Made known by its agent; it has never connected.
    Registered,
}

/// Why a device has the status it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Its CONNECT was accepted.
    Connected,
    /// A newer connection of the same device took its place.
    TakenOver,
    /// A heartbeat was missed.
    HeartbeatMissed,
    /// It said DISCONNECT.
    Disconnected,
    /// Its connection ended without a word.
    ConnectionLost,
    /// Nothing came for one and a half keep-alives [MQTT-3.1.2-24].
    KeepaliveTimeout,
    /// Two heartbeats were missed.
    HeartbeatTimeout,
    /// It broke the protocol.
    ProtocolViolation,
    /// Its key was revoked, or its second status carried a wrong one.
    AuthFailed,
    /// It did not read what was sent to it.
    SlowReader,
    /// The gateway stopped.
    GatewayStopped,
    /// Its agent disabled it.
    Disabled,
    /// Its agent enabled it again; it has not come back yet.
    Enabled,
    /// Its agent removed it.
    Removed,
    /// Its agent made it known.
    Registered,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Online, Self::Late, Self::Offline, Self::Disabled, Self::Registered];

    /// The status with this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == word)
    }

    /// The word on the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Late => "late",
            Self::Offline => "offline",
            Self::Disabled => "disabled",
            Self::Registered => "registered",
        }
    }

    /// Whether a command can be sent now.
    pub fn is_here(self) -> bool {
        match self {
            Self::Online | Self::Late => true,
            Self::Offline | Self::Disabled | Self::Registered => false,
        }
    }
}

impl Reason {
    /// The word on the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::TakenOver => "taken_over",
            Self::HeartbeatMissed => "heartbeat_missed",
            Self::Disconnected => "disconnected",
            Self::ConnectionLost => "connection_lost",
            Self::KeepaliveTimeout => "keepalive_timeout",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::ProtocolViolation => "protocol_violation",
            Self::AuthFailed => "auth_failed",
            Self::SlowReader => "slow_reader",
            Self::GatewayStopped => "gateway_stopped",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Removed => "removed",
            Self::Registered => "registered",
        }
    }
}
