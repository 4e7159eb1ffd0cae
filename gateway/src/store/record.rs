//! What the store keeps: an event of an agent, its kind and its cursor.
//!
//! Owns the wire names of the kinds. It never looks into an event's JSON and never decides how long an event is kept.

/// What happened; the names are those of the agent's event stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum EventKind {
    /// A device fired a trigger.
    Trigger,
    /// A device came online.
    DeviceConnected,
    /// A device went offline.
    DeviceDisconnected,
    /// Two connections fight for one device.
    DeviceConflict,
    /// A device's list of commands was accepted or changed.
    Manifest,
    /// A command reached a state that its agent should hear of (a late answer, an asynchronous outcome).
    Command,
}

impl EventKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [EventKind; 6] = [
        EventKind::Trigger,
        EventKind::DeviceConnected,
        EventKind::DeviceDisconnected,
        EventKind::DeviceConflict,
        EventKind::Manifest,
        EventKind::Command,
    ];

    /// The name on the wire: the `event:` line of the stream.
    ///
    /// ```
    /// # use gateway::store::EventKind;
    /// assert_eq!(EventKind::DeviceConnected.name(), "device_connected");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Trigger => "trigger",
            EventKind::DeviceConnected => "device_connected",
            EventKind::DeviceDisconnected => "device_disconnected",
            EventKind::DeviceConflict => "device_conflict",
            EventKind::Manifest => "manifest",
            EventKind::Command => "command",
        }
    }
}

/// One event of one agent. Shared by every reader that fetches it; never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The event's number among its agent's events: the first is 1, each later one is greater by 1.
    pub cursor: u64,
    /// What happened.
    pub kind: EventKind,
    /// The event's data, the bytes as they were handed in; the store does not check them.
    pub json: Box<[u8]>,
}

/// Events which a reader asked for and which are no longer kept. Both ends are included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The first cursor that is missing.
    pub from: u64,
    /// The last cursor that is missing; never less than `from`.
    pub to: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_in_lower_case() {
        let mut names = EventKind::ALL.map(EventKind::name);
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
