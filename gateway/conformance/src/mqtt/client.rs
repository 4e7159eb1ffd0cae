//! What the broker remembers of one client: subscriptions, messages that wait, messages in flight.
//!
//! Owns the state that outlives a connection when the session is persistent (3.1.2.4). It never writes to a connection;
//! the broker does.

use std::collections::VecDeque;
use std::sync::Arc;

use codec::mqtt::{PacketId, QoS, filter};
use engine::Key;
use transports::mqtt::Resumed;

/// Messages that may wait for one client; what comes after them is dropped.
const QUEUE_MAX: usize = 10_000;
/// Subscriptions of one client; more are answered with 0x80.
const SUBSCRIPTIONS_MAX: usize = 10_000;

/// A published message, shared by all who get it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Box<str>,
    pub(super) payload: Box<[u8]>,
}

/// A message on its way to one client.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) message: Arc<Message>,
    pub(super) qos: QoS,
    /// It was kept for the subscriber, who is told so.
    pub(super) retained: bool,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Client {
    /// The client identifier; none for a client that gave an empty one.
    pub(super) name: Option<Box<str>>,
    pub(super) clean: bool,
    pub(super) conn: Option<Key>,
    /// What the protocol's side of the session left behind, while there is no connection.
    pub(super) resumed: Option<Resumed>,
    subscriptions: Vec<(Box<str>, QoS)>,
    queue: VecDeque<Parcel>,
    flying: Vec<(PacketId, Parcel)>,
}

impl Client {
    /// A client with nothing.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: (!name.is_empty()).then(|| name.into()),
            clean: true,
            conn: None,
            resumed: None,
            subscriptions: Vec::new(),
            queue: VecDeque::new(),
            flying: Vec::new(),
        }
    }

    /// Adds a subscription, or gives the one with the same filter another quality [MQTT-3.8.4-3]. `false`: too many.
    pub(super) fn subscribe(&mut self, filter: &str, qos: QoS) -> bool {
        let room = self.subscriptions.len() < SUBSCRIPTIONS_MAX;
        match self.subscriptions.iter_mut().find(|(own, _)| **own == *filter) {
            Some((_, own)) => *own = qos,
            None if room => self.subscriptions.push((filter.into(), qos)),
            None => return false,
        }
        true
    }

    /// Takes a subscription away; the filters are compared character by character [MQTT-3.10.4-1].
    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.subscriptions.retain(|(own, _)| **own != *filter);
    }

    /// The highest quality of all subscriptions that match [MQTT-3.3.5-1].
    pub(super) fn wants(&self, topic: &str) -> Option<QoS> {
        let matching = self.subscriptions.iter().filter(|(own, _)| filter::matches(own, topic));
        matching.map(|&(_, qos)| qos).max_by_key(|qos| qos.number())
    }

    /// Puts a message in line.
    pub(super) fn queue(&mut self, parcel: Parcel) {
        if self.queue.len() < QUEUE_MAX {
            self.queue.push_back(parcel);
        }
    }

    /// The first in line.
    pub(super) fn next(&self) -> Option<&Parcel> {
        self.queue.front()
    }

    /// The first in line was sent under `id`; none at QoS 0.
    pub(super) fn sent(&mut self, id: Option<PacketId>) {
        let parcel = self.queue.pop_front();
        if let (Some(id), Some(parcel)) = (id, parcel) {
            self.flying.push((id, parcel));
        }
    }

    /// The client has it.
    pub(super) fn landed(&mut self, id: PacketId) {
        self.flying.retain(|&(flying, _)| flying != id);
    }

    /// Sent and not acknowledged, oldest first.
    pub(super) fn flying(&self) -> &[(PacketId, Parcel)] {
        &self.flying
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_overlapping_subscriptions_decides() {
        let mut client = Client::new("c");
        assert!(client.subscribe("a/#", QoS::AtMostOnce));
        assert!(client.subscribe("a/+", QoS::ExactlyOnce));
        assert!(client.subscribe("a/b", QoS::AtLeastOnce));
        assert_eq!(client.wants("a/b"), Some(QoS::ExactlyOnce));
        assert_eq!(client.wants("a/b/c"), Some(QoS::AtMostOnce));
        client.unsubscribe("a/+");
        assert_eq!(client.wants("a/b"), Some(QoS::AtLeastOnce));
        assert!(client.subscribe("a/b", QoS::AtMostOnce));
        assert_eq!((client.wants("a/b"), client.wants("b")), (Some(QoS::AtMostOnce), None));
    }
}
