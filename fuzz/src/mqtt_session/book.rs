//! The books of one conversation, kept in the simplest way: what was told, what was spoken about, what is in flight.

use codec::mqtt::{Packet, PacketId, QoS, decode};
use std::collections::{BTreeSet, VecDeque};
use transports::mqtt::Resumed;

/// What is known of one connection, and of what survives it.
#[derive(Default)]
pub(super) struct Book {
    /// CONNECT was told, and what it said about the session.
    greeting: Option<Greeting>,
    pub(super) is_live: bool,
    pub(super) is_over: bool,
    was_accepted: bool,
    connack_seen: bool,
    /// Messages that were told and want an acknowledgement, in order of arrival, as their receipts are.
    arrivals: Vec<Arrival>,
    /// How many of them, from the first, have had their turn.
    settled: usize,
    pubacks_due: VecDeque<PacketId>,
    pubrecs_due: VecDeque<PacketId>,
    /// QoS 2 messages that were told and are not complete; those among them that were spoken about.
    open: BTreeSet<PacketId>,
    taken: BTreeSet<PacketId>,
    /// Those that were spoken about at any time: the PUBREC for a repetition waits for its turn like any other, and a client
    /// that does not wait for it may have completed the handshake meanwhile.
    once_taken: BTreeSet<PacketId>,
    /// Our own messages, oldest first; and those given up while the client may still acknowledge them.
    pub(super) in_flight: Vec<PacketId>,
    forgotten: BTreeSet<PacketId>,
}

struct Greeting {
    clean: bool,
}

struct Arrival {
    id: PacketId,
    qos: QoS,
    spoken: bool,
}

impl Book {
    pub(super) fn connect(&mut self, clean: bool) {
        assert!(self.greeting.is_none(), "CONNECT is told once");
        self.greeting = Some(Greeting { clean });
    }

    pub(super) fn accept(&mut self, resumed: &Resumed, present: bool) {
        let Some(Greeting { clean }) = self.greeting else { return };
        if self.is_live || self.is_over {
            return;
        }
        (self.is_live, self.was_accepted) = (true, true);
        if clean || !present {
            self.open.clear();
            self.taken.clear();
            self.in_flight.clear();
        } else {
            self.in_flight = resumed.in_flight().collect();
        }
    }

    pub(super) fn refuse(&mut self) {
        if self.greeting.is_some() && !self.is_live {
            self.is_over = true;
        }
    }

    pub(super) fn end(&mut self) {
        (self.is_live, self.is_over) = (false, true);
    }

    pub(super) fn arrive(&mut self, qos: QoS, id: Option<PacketId>, has_receipt: bool) {
        assert!(self.is_live, "no message before the verdict");
        assert_eq!(has_receipt, qos != QoS::AtMostOnce);
        assert_eq!(id.is_some(), has_receipt);
        let Some(id) = id else { return };
        if qos == QoS::ExactlyOnce {
            assert!(self.open.insert(id), "a message of QoS 2 is told once");
        }
        self.arrivals.push(Arrival { id, qos, spoken: false });
    }

    /// The tenant has spoken about the arrival `at`: its turn comes when all before it have been spoken about.
    pub(super) fn speak(&mut self, at: usize) {
        // Spoken about twice is spoken about once: the first word may have completed the handshake meanwhile.
        if !self.is_live || self.arrivals[at].spoken {
            return;
        }
        self.arrivals[at].spoken = true;
        if self.arrivals[at].qos == QoS::ExactlyOnce {
            self.taken.insert(self.arrivals[at].id);
            self.once_taken.insert(self.arrivals[at].id);
        }
        while let Some(Arrival { id, qos, spoken: true }) = self.arrivals.get(self.settled) {
            match qos {
                QoS::ExactlyOnce => self.pubrecs_due.push_back(*id),
                QoS::AtLeastOnce | QoS::AtMostOnce => self.pubacks_due.push_back(*id),
            }
            self.settled += 1;
        }
    }

    /// How many messages are owed an acknowledgement for certain.
    pub(super) fn unsettled(&self) -> usize {
        if self.is_live { self.arrivals.len() - self.settled } else { 0 }
    }

    pub(super) fn depart(&mut self, id: PacketId) {
        assert!(!self.in_flight.contains(&id) && !self.forgotten.contains(&id), "{id:?} is in use");
        self.in_flight.push(id);
    }

    pub(super) fn acked(&mut self, id: PacketId) {
        let at = self.in_flight.iter().position(|other| *other == id);
        self.in_flight.remove(at.expect("what is in flight can land, once"));
    }

    pub(super) fn pick_in_flight(&self, which: u8) -> Option<PacketId> {
        let at = usize::from(which).checked_rem(self.in_flight.len())?;
        Some(self.in_flight[at])
    }

    pub(super) fn forget(&mut self, id: PacketId) {
        self.in_flight.retain(|other| *other != id);
        self.forgotten.insert(id);
    }

    /// What a session leaves behind is what this book says: nothing unless it was let in and is not clean.
    pub(super) fn check_left(&self, resumed: &Resumed) {
        let expected = if self.is_kept() { &self.in_flight[..] } else { &[] };
        assert_eq!(resumed.in_flight().collect::<Vec<_>>(), expected);
    }

    /// Whether the session outlives this connection [MQTT-3.1.2-6].
    fn is_kept(&self) -> bool {
        self.was_accepted && self.greeting.as_ref().is_some_and(|greeting| !greeting.clean)
    }

    /// The book of the connection after this one; what was told and not spoken about will be told again.
    pub(super) fn next_connection(&mut self) -> Book {
        let taken = if self.is_kept() { std::mem::take(&mut self.taken) } else { BTreeSet::new() };
        Book { open: taken.clone(), once_taken: taken.clone(), taken, ..Book::default() }
    }

    /// Reads what the session wrote: whole packets that only a server sends, each of them due.
    pub(super) fn read(&mut self, written: &[u8]) {
        let mut rest = written;
        while !rest.is_empty() {
            let (packet, consumed) = decode(rest).expect("we write good packets").expect("and whole ones");
            rest = &rest[consumed..];
            assert_eq!(
                self.connack_seen,
                !matches!(packet, Packet::ConnAck(_)),
                "CONNACK comes first and once"
            );
            self.connack_seen = true;
            match packet {
                Packet::PubAck(id) => {
                    assert_eq!(self.pubacks_due.pop_front(), Some(id), "in order of arrival")
                }
                Packet::PubRec(id) if self.pubrecs_due.front() == Some(&id) => {
                    self.pubrecs_due.pop_front();
                }
                Packet::PubRec(id) => assert!(self.once_taken.contains(&id), "repeated, or not due"),
                Packet::PubComp(id) => {
                    assert_eq!(self.open.remove(&id), self.taken.remove(&id));
                }
                Packet::Publish(publish) => {
                    assert!(publish.id.is_none_or(|id| self.in_flight.contains(&id)));
                }
                Packet::ConnAck(_)
                | Packet::PubRel(_)
                | Packet::SubAck(_)
                | Packet::UnsubAck(_)
                | Packet::PingResp => {}
                Packet::Connect(_)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::PingReq
                | Packet::Disconnect => panic!("a server does not send {packet:?}"),
            }
        }
        assert!(self.pubacks_due.is_empty() && self.pubrecs_due.is_empty(), "whose turn has come goes out");
    }
}
