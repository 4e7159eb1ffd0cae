//! What an MQTT session costs the allocator: nothing, once a conversation is running.
//!
//! A program of its own, because of the allocator that counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod counting;

use codec::mqtt::{Connect, PacketId, PublishHead, QoS, encode_puback, encode_publish};
use counting::allocations;
use std::sync::Arc;
use std::time::Instant;
use transports::input::Input;
use transports::mqtt::{Event, Limits, Session};

struct Device {
    session: Session,
    now: Instant,
    out: Vec<u8>,
}

impl Device {
    #[expect(clippy::disallowed_methods, reason = "std offers no other way to any Instant")]
    fn accepted() -> Self {
        let now = Instant::now();
        let mut device = Self {
            session: Session::new(Arc::new(Limits::default()), now),
            now,
            out: Vec::with_capacity(4096),
        };
        let greeting = Connect {
            client_id: "lamp",
            clean_session: false,
            keep_alive_s: 60,
            will: None,
            username: None,
            password: None,
        };
        let mut bytes = Vec::new();
        greeting.encode(&mut bytes).unwrap();
        device.receive(&mut bytes);
        device
    }

    /// One turn: all events are served as they come, the answers are flushed at the end.
    fn receive(&mut self, bytes: &mut [u8]) {
        let mut input = Input::new(bytes);
        while let Some(event) = self.session.next(&mut input, &mut self.out, self.now).unwrap() {
            match event {
                Event::Connect(_) => self.session.accept(None, false, &mut self.out, self.now),
                Event::Publish(arrival) => {
                    if let Some(receipt) = arrival.receipt {
                        self.session.acknowledge(receipt, &mut self.out);
                    }
                }
                Event::Subscribe(_) | Event::Unsubscribe(_) | Event::Disconnect => {
                    panic!("not in this script")
                }
                Event::Acked(_) | Event::Ping => {}
            }
        }
        assert!(input.is_empty());
        self.out.clear();
    }
}

fn message(qos: QoS) -> Vec<u8> {
    let id = PacketId::new(7).filter(|_| qos != QoS::AtMostOnce);
    let mut bytes = Vec::new();
    let head = PublishHead { qos, dup: false, retain: false, id };
    encode_publish(&mut bytes, head, &["lua/devices/agent/lamp/heartbeat"], &[b"{}"]).unwrap();
    bytes
}

#[test]
fn a_heartbeat_a_ping_and_an_acknowledged_message_allocate_nothing() {
    let mut device = Device::accepted();
    for mut bytes in [message(QoS::AtMostOnce), vec![0xc0, 0], message(QoS::AtLeastOnce)] {
        let count = allocations(|| (0..1000).for_each(|_| device.receive(&mut bytes)));
        assert_eq!(count, 0, "{bytes:?}");
    }
}

#[test]
fn three_messages_owed_at_once_allocate_nothing() {
    let mut device = Device::accepted();
    let mut bytes = message(QoS::AtLeastOnce).repeat(3);
    let now = device.now;
    let count = allocations(|| {
        for _ in 0..1000 {
            let mut input = Input::new(&mut bytes);
            let mut receipts = [None; 3];
            for place in &mut receipts {
                let Ok(Some(Event::Publish(arrival))) = device.session.next(&mut input, &mut device.out, now)
                else {
                    panic!("three messages arrived")
                };
                *place = arrival.receipt;
            }
            for receipt in receipts.into_iter().rev().flatten() {
                device.session.acknowledge(receipt, &mut device.out);
            }
            assert_eq!((device.session.owes(), device.out.len()), (0, 12));
            device.out.clear();
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_message_to_the_device_and_its_acknowledgement_allocate_nothing() {
    let mut device = Device::accepted();
    let mut answer = Vec::with_capacity(4);
    let count = allocations(|| {
        for _ in 0..1000 {
            let sent = device.session.publish(
                &["lua/devices/", "agent", "/", "lamp", "/command"],
                &[b"{\"commandId\":\"", b"1", b"\"}"],
                QoS::AtLeastOnce,
                &mut device.out,
            );
            answer.clear();
            encode_puback(&mut answer, sent.unwrap().unwrap());
            device.receive(&mut answer);
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_new_session_allocates_nothing() {
    let limits = Arc::new(Limits::default());
    let now = Device::accepted().now;
    let count = allocations(|| drop(Session::new(Arc::clone(&limits), now)));
    assert_eq!(count, 0);
}
