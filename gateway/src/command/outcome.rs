//! How a command ends.
//!
//! Owns the closed set of ends and what each means for somebody who thinks of trying again. The HTTP status and the
//! sentence of each are in [`crate::agent::errors`].

/// The one end of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The device did it; the text is its `data`, a JSON value.
    Done,
    /// The device said no; the text is what it said.
    DeviceError,
    /// The agent has no such device.
    DeviceUnknown,
    /// The device has no such command.
    CommandUnknown,
    /// The payload does not fit the command's schema; the text is a JSON array of `{pointer, detail}`.
    InvalidArguments,
    /// The device was not there, or left.
    DeviceOffline(Reached),
    /// The deadline passed.
    DeviceTimeout(Reached),
    /// Too much waits for the device already.
    DeviceBusy,
    /// The agent has too many commands in flight.
    TooManyCommands,
    /// The idempotency key was used for another request.
    KeyReused,
    /// It was taken back.
    Cancelled(Reached),
    /// The device is away, and has no session in which a command could wait.
    QueueingNotPossible,
    /// A trigger fired by the agent itself is over the agent's share.
    TooManyTriggers,
    /// The gateway is stopping.
    ShuttingDown,
}

/// How far a command came before it ended without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// It never left the gateway: safe to try again.
    NotSent,
    /// It was sent; whether the device ran it is not known.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_fits_in_two_bytes_of_mail() {
        assert!(size_of::<Outcome>() <= 2);
    }
}
