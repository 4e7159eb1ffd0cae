//! Retained messages: the last one of each topic that was published with RETAIN (3.3.1.3).
//!
//! Owns the messages and their bound. It never sends one.

use std::collections::BTreeMap;
use std::sync::Arc;

use codec::mqtt::{QoS, filter};

use super::client::Message;

/// Topics that may have a retained message; messages for further ones are not kept.
const TOPICS_MAX: usize = 100_000;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Kept {
    messages: BTreeMap<Box<str>, (Arc<Message>, QoS)>,
}

impl Kept {
    /// Keeps the message in place of the topic's earlier one [MQTT-3.3.1-5]; an empty one only removes that
    /// [MQTT-3.3.1-10], [MQTT-3.3.1-11].
    pub(super) fn keep(&mut self, message: &Arc<Message>, qos: QoS) {
        if message.payload.is_empty() {
            self.messages.remove(&message.topic);
        } else if self.messages.len() < TOPICS_MAX || self.messages.contains_key(&message.topic) {
            self.messages.insert(message.topic.clone(), (message.clone(), qos));
        }
    }

    /// What a new subscription to `wanted` gets at once [MQTT-3.3.1-6], by topic.
    pub(super) fn matching<'k>(&'k self, wanted: &str) -> impl Iterator<Item = &'k (Arc<Message>, QoS)> {
        self.messages.iter().filter(move |(topic, _)| filter::matches(wanted, topic)).map(|(_, kept)| kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &[u8]) -> Arc<Message> {
        Arc::new(Message { topic: topic.into(), payload: payload.into() })
    }

    #[test]
    fn keeps_the_last_of_each_topic_until_an_empty_one() {
        let mut kept = Kept::default();
        for (topic, payload) in [("a/b", "1"), ("a/b", "2"), ("$x/b", "3"), ("a/c", "4"), ("a/c", "")] {
            kept.keep(&message(topic, payload.as_bytes()), QoS::AtMostOnce);
        }
        let seen: Vec<_> =
            kept.matching("+/+").map(|(message, _)| (&*message.topic, &*message.payload)).collect();
        assert_eq!(seen, [("a/b", &b"2"[..])]);
        assert_eq!((kept.matching("$x/#").count(), kept.matching("a/c").count()), (1, 0));
    }
}
