//! QoS 2 messages of the peer between PUBLISH and PUBREL (4.3.3, the receiver's side, method B).
//!
//! Owns the identifiers that are open, so that a message is told once however often it is sent. It never keeps a
//! message, and it never writes.
//!
//! ```text
//!            PUBLISH id: told to the tenant           acknowledge: PUBREC            PUBREL: PUBCOMP
//!   (free) --------------------------------> Told ----------------------> Taken -------------------> (free)
//!                                             |  PUBLISH id: nothing       |  PUBLISH id: PUBREC again
//!                                             |  PUBREL id: violation
//! ```

use super::Violation;
use super::few::Few;
use codec::mqtt::PacketId;

/// How far the handshake of one identifier has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The tenant knows of the message, but has not acknowledged it.
    Told,
    /// The tenant has acknowledged it; "MUST NOT cause duplicate messages to be delivered to any onward recipients"
    /// [MQTT-4.3.3-2].
    Taken,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    id: PacketId,
    stage: Stage,
}

/// What a QoS 2 PUBLISH means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrived {
    /// A message: tell the tenant.
    New,
    /// A repetition of one which the tenant has still to acknowledge.
    Told,
    /// A repetition of one which the tenant has acknowledged: only PUBREC is missing.
    Taken,
}

/// The open identifiers. They die with the session, not with the connection (3.1.2.4).
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    open: Few<Open, 3>,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self { open: Few::None }
    }

    /// A PUBLISH with QoS 2.
    ///
    /// # Errors
    ///
    /// [`Violation::Qos2TooManyOpen`] when it would be one more than `open_max`.
    pub(super) fn arrive(&mut self, id: PacketId, open_max: u16) -> Result<Arrived, Violation> {
        match self.find(id).map(|open| open.stage) {
            Some(Stage::Told) => Ok(Arrived::Told),
            Some(Stage::Taken) => Ok(Arrived::Taken),
            None if self.open.len() >= usize::from(open_max) => Err(Violation::Qos2TooManyOpen),
            None => {
                self.open.push(Open { id, stage: Stage::Told });
                Ok(Arrived::New)
            }
        }
    }

    /// The tenant acknowledged the message.
    pub(super) fn take(&mut self, id: PacketId) {
        if let Some(open) = self.find(id) {
            open.stage = Stage::Taken;
        }
    }

    /// A PUBREL. An identifier that is not open is released all the same: the peer may not have seen our PUBCOMP.
    ///
    /// # Errors
    ///
    /// [`Violation::PubRelTooEarly`] when no PUBREC can have been sent.
    pub(super) fn release(&mut self, id: PacketId) -> Result<(), Violation> {
        match self.find(id).map(|open| open.stage) {
            Some(Stage::Told) => Err(Violation::PubRelTooEarly),
            Some(Stage::Taken) => {
                self.open.retain(|open| open.id != id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The connection ended. What the tenant did not acknowledge will be sent again and must be told again.
    pub(super) fn outlive_connection(&mut self) {
        self.open.retain(|open| open.stage == Stage::Taken);
    }

    pub(super) fn check_invariants(&self) {
        let open = self.open.as_slice();
        debug_assert!(open.iter().all(|one| open.iter().filter(|other| other.id == one.id).count() == 1));
    }

    fn find(&mut self, id: PacketId) -> Option<&mut Open> {
        self.open.as_mut_slice().iter_mut().find(|open| open.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn an_id_is_new_again_only_after_it_was_released() {
        let mut inbound = Inbound::new();
        assert_eq!(inbound.arrive(id(1), 1), Ok(Arrived::New));
        assert_eq!(inbound.arrive(id(1), 1), Ok(Arrived::Told));
        assert_eq!(inbound.release(id(1)), Err(Violation::PubRelTooEarly));
        inbound.take(id(1));
        assert_eq!(inbound.arrive(id(1), 1), Ok(Arrived::Taken));
        assert_eq!(inbound.arrive(id(2), 1), Err(Violation::Qos2TooManyOpen));
        assert_eq!(inbound.release(id(1)), Ok(()));
        assert_eq!(inbound.release(id(1)), Ok(()));
        assert_eq!(inbound.arrive(id(1), 1), Ok(Arrived::New));
    }

    #[test]
    fn only_what_was_acknowledged_outlives_the_connection() {
        let mut inbound = Inbound::new();
        for value in [1, 2] {
            assert_eq!(inbound.arrive(id(value), 64), Ok(Arrived::New));
        }
        inbound.take(id(2));
        inbound.outlive_connection();
        assert_eq!(inbound.arrive(id(1), 64), Ok(Arrived::New));
        assert_eq!(inbound.arrive(id(2), 64), Ok(Arrived::Taken));
    }
}
