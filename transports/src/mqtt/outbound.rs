//! Our own QoS 1 and QoS 2 messages in flight (4.3.2 and 4.3.3, the sender's side) and the packet identifiers they
//! occupy.
//!
//! Owns which identifier waits for which acknowledgement and hands out free ones in turn. It never keeps a message:
//! whoever wants to repeat one still has it.
//!
//! ```text
//!   QoS 1: depart --> Ack ------------------ PUBACK ----------------> done
//!   QoS 2: depart --> Received -- PUBREC: PUBREL --> Complete -- PUBCOMP --> done
//!   give_up: the same way, but nobody is told at its end
//! ```

use super::Violation;
use super::few::Few;
use codec::mqtt::{Kind, PacketId, QoS, encode_pubrel};

/// Identifiers of messages that were given up are kept from reuse, because a late acknowledgement may still come; this
/// many of them. They are handed out in turn, so when the oldest is let go some 65 000 messages lie between it and its
/// next use.
const GIVEN_UP_MAX: usize = 256;

/// The acknowledgement that a flight waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaits {
    /// PUBACK, of QoS 1.
    Ack,
    /// PUBREC: QoS 2, not known to be received.
    Received,
    /// PUBCOMP: QoS 2, received and released.
    Complete,
}

impl Awaits {
    fn kind(self) -> Kind {
        match self {
            Self::Ack => Kind::PubAck,
            Self::Received => Kind::PubRec,
            Self::Complete => Kind::PubComp,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    id: PacketId,
    awaits: Awaits,
    given_up: bool,
}

/// What is in flight, oldest first, and where the search for a free identifier begins.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    next: PacketId,
    flights: Few<Flight, 3>,
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self { next: PacketId::MIN, flights: Few::None }
    }

    /// Identifiers whose acknowledgement somebody waits for, oldest first.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.flights.as_slice().iter().filter(|flight| !flight.given_up).map(|flight| flight.id)
    }

    /// The next identifier that no flight occupies: "Each time a Client sends a new packet of one of these types
    /// it MUST assign it a currently unused Packet Identifier" [MQTT-2.3.1-2], and a server's PUBLISH likewise
    /// [MQTT-2.3.1-4].
    pub(super) fn free_id(&self) -> Option<PacketId> {
        if self.flights.len() >= usize::from(u16::MAX) {
            return None;
        }
        std::iter::successors(Some(self.next), |id| Some(id.next())).find(|&id| self.place(id).is_none())
    }

    /// A message was sent under `id`, which was free.
    pub(super) fn depart(&mut self, id: PacketId, awaits: Awaits) {
        debug_assert!(self.place(id).is_none(), "{id:?} flies already");
        self.flights.push(Flight { id, awaits, given_up: false });
        self.next = id.next();
    }

    /// The quality of service at which the message must be repeated; `None` when nothing of it is to be repeated.
    pub(super) fn repeatable(&self, id: PacketId) -> Option<QoS> {
        let flight = self.flights.as_slice().get(self.place(id)?)?;
        match flight.awaits {
            Awaits::Ack => Some(QoS::AtLeastOnce),
            Awaits::Received => Some(QoS::ExactlyOnce),
            Awaits::Complete => None,
        }
    }

    /// PUBACK (`came` is [`Awaits::Ack`]) or PUBCOMP ([`Awaits::Complete`]): the flight is over. Says whether
    /// somebody waited for that: an unknown identifier is late, not wrong.
    ///
    /// # Errors
    ///
    /// [`Violation::AcknowledgementMismatch`] when the flight waits for something else.
    pub(super) fn land(&mut self, id: PacketId, came: Awaits) -> Result<bool, Violation> {
        let Some(place) = self.place(id) else {
            return Ok(false);
        };
        if self.flights.as_slice().get(place).is_some_and(|flight| flight.awaits != came) {
            return Err(Violation::AcknowledgementMismatch(came.kind()));
        }
        Ok(self.flights.remove(place).is_some_and(|flight| !flight.given_up))
    }

    /// PUBREC: the message is at the other end and may be released. An unknown identifier is released too, so that
    /// the peer can forget it.
    ///
    /// # Errors
    ///
    /// [`Violation::AcknowledgementMismatch`] when the message was of QoS 1.
    pub(super) fn release(&mut self, id: PacketId, out: &mut Vec<u8>) -> Result<(), Violation> {
        if let Some(flight) = self.find(id) {
            match flight.awaits {
                Awaits::Received | Awaits::Complete => flight.awaits = Awaits::Complete,
                Awaits::Ack => return Err(Violation::AcknowledgementMismatch(Kind::PubRec)),
            }
        }
        encode_pubrel(out, id);
        Ok(())
    }

    /// Nobody waits for this message any more. Its identifier stays occupied until its acknowledgement comes.
    pub(super) fn give_up(&mut self, id: PacketId) {
        let Some(flight) = self.find(id) else { return };
        flight.given_up = true;
        let flights = self.flights.as_slice();
        if flights.iter().filter(|flight| flight.given_up).count() > GIVEN_UP_MAX {
            let oldest = flights.iter().position(|flight| flight.given_up);
            oldest.and_then(|place| self.flights.remove(place));
        }
    }

    /// The connection ended: an acknowledgement of QoS 1 can no longer be late, for the client resends none.
    pub(super) fn outlive_connection(&mut self) {
        self.flights.retain(|flight| !flight.given_up || flight.awaits != Awaits::Ack);
    }

    /// A new connection takes the session up: "both the Client and Server MUST re-send any unacknowledged PUBLISH
    /// Packets (where QoS > 0) and PUBREL Packets using their original Packet Identifiers" [MQTT-4.4.0-1]. The PUBLISH
    /// packets are the tenant's; of a QoS 2 message that was given up only the release is left to be said.
    pub(super) fn resume(&mut self, out: &mut Vec<u8>) {
        for flight in self.flights.as_mut_slice() {
            if flight.given_up {
                flight.awaits = Awaits::Complete;
            }
            if flight.awaits == Awaits::Complete {
                encode_pubrel(out, flight.id);
            }
        }
    }

    pub(super) fn check_invariants(&self) {
        let flights = self.flights.as_slice();
        let first_of_its_id = |(place, flight): (usize, &Flight)| self.place(flight.id) == Some(place);
        debug_assert!(flights.iter().enumerate().all(first_of_its_id), "no identifier flies twice");
        debug_assert!(flights.iter().filter(|flight| flight.given_up).count() <= GIVEN_UP_MAX);
    }

    fn place(&self, id: PacketId) -> Option<usize> {
        self.flights.as_slice().iter().position(|flight| flight.id == id)
    }

    fn find(&mut self, id: PacketId) -> Option<&mut Flight> {
        self.flights.as_mut_slice().iter_mut().find(|flight| flight.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn depart(outbound: &mut Outbound, awaits: Awaits) -> u16 {
        let id = outbound.free_id().unwrap();
        outbound.depart(id, awaits);
        id.value()
    }

    #[test]
    fn ids_come_in_turn_and_skip_zero_and_those_in_flight() {
        let mut outbound = Outbound { next: id(65_534), flights: Few::None };
        assert_eq!(depart(&mut outbound, Awaits::Ack), 65_534);
        assert_eq!(depart(&mut outbound, Awaits::Ack), 65_535);
        assert_eq!(depart(&mut outbound, Awaits::Ack), 1);
        outbound.next = id(65_534);
        assert_eq!(depart(&mut outbound, Awaits::Ack), 2);
    }

    #[test]
    fn says_so_when_every_id_flies() {
        let mut outbound = Outbound::new();
        for value in 1..=u16::MAX {
            outbound.flights.push(Flight { id: id(value), awaits: Awaits::Ack, given_up: false });
        }
        assert_eq!(outbound.free_id(), None);
        assert_eq!(outbound.land(id(9), Awaits::Ack), Ok(true));
        assert_eq!(outbound.free_id(), Some(id(9)));
    }

    #[test]
    fn an_id_that_was_given_up_is_free_only_after_its_late_acknowledgement() {
        let mut outbound = Outbound::new();
        assert_eq!(depart(&mut outbound, Awaits::Ack), 1);
        outbound.give_up(id(1));
        assert_eq!(outbound.in_flight().count(), 0);
        outbound.next = id(1);
        assert_eq!(outbound.free_id(), Some(id(2)));
        assert_eq!(outbound.land(id(1), Awaits::Ack), Ok(false));
        assert_eq!(outbound.free_id(), Some(id(1)));
    }

    #[test]
    fn a_client_that_never_acknowledges_costs_a_bounded_list() {
        let mut outbound = Outbound::new();
        for _ in 0..3 * GIVEN_UP_MAX {
            let value = depart(&mut outbound, Awaits::Ack);
            outbound.give_up(id(value));
        }
        assert_eq!(outbound.flights.len(), GIVEN_UP_MAX);
        assert_eq!(outbound.flights.as_slice()[0].id, id(2 * GIVEN_UP_MAX as u16 + 1));
    }

    #[test]
    fn a_given_up_message_of_qos_2_is_released_by_the_next_connection() {
        let mut outbound = Outbound::new();
        for awaits in [Awaits::Received, Awaits::Ack, Awaits::Received] {
            let value = depart(&mut outbound, awaits);
            outbound.give_up(id(value));
        }
        let kept = depart(&mut outbound, Awaits::Received);
        outbound.outlive_connection();
        let mut out = Vec::new();
        outbound.resume(&mut out);
        assert_eq!(out, [0x62, 2, 0, 1, 0x62, 2, 0, 3]);
        assert_eq!(outbound.repeatable(id(kept)), Some(QoS::ExactlyOnce));
        assert_eq!(outbound.land(id(1), Awaits::Complete), Ok(false));
        assert_eq!(outbound.free_id(), Some(id(5)));
    }
}
