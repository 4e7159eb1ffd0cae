//! MQTT 3.1.1 (OASIS Standard, 29 October 2014): the server's side of one connection.
//!
//! Owns the rules that need a memory of the conversation: which packet may come now, how long silence may last, which
//! packet identifier is in use, in which order acknowledgements go out. It never judges what needs a meaning (names,
//! passwords, topics, whether a message is a duplicate), never keeps a message, never acknowledges one by itself, and
//! has no subscriptions: those are its tenant's.
//!
//! # The conversation
//!
//! A [`Session`] is fed with received bytes and answers with [`Event`]s; what is to be sent is appended to a buffer.
//!
//! ```text
//!   client                     session                        tenant
//!     | CONNECT ------------------>| Event::Connect ------------>|
//!     |<------------------ CONNACK |<------- accept() / refuse() |   nothing is read in between
//!     | SUBSCRIBE ---------------->| Event::Subscribe ---------->|
//!     |<------------------- SUBACK |<------------------ suback() |
//!     | PUBLISH 1, QoS 1 --------->| Event::Publish, receipt --->|
//!     | PUBLISH 2, QoS 1 --------->| Event::Publish, receipt --->|
//!     |                            |<----------- acknowledge(2) |   2 has to wait for 1
//!     |<----------- PUBACK 1 and 2 |<----------- acknowledge(1) |
//!     |<------------ PUBLISH QoS 1 |<----------------- publish() |   if may_publish()
//!     | PUBACK ------------------->| Event::Acked -------------->|
//!     | PINGREQ ------------------>| Event::Ping --------------->|
//!     |<----------------- PINGRESP |                             |
//!     | DISCONNECT --------------->| Event::Disconnect --------->|
//! ```
//!
//! The states are drawn in `session`. A broken rule is a [`Violation`], which names the clause; the session is over
//! then and has already written the CONNACK that two of the rules ask for, so all that is left is to flush and close.
//!
//! # What the tenant must do
//!
//! - Call [`Session::next`] until it answers `Ok(None)`, and offer the rest again with more bytes behind it.
//! - Call [`Session::handle_timeout`] when [`Session::next_timeout`] has come; it moves with every packet, so it is
//!   enough to look at it again when the old moment has come. Leave it while reading from the peer is stopped for a
//!   reason that the session does not know, such as a full backlog: that silence is not the client's.
//! - Stop reading from the peer while [`Session::is_full`], and offer the rest again after [`Session::acknowledge`].
//! - Hand every [`Receipt`] back in the end, or close the connection.
//! - Keep what it publishes at QoS 1 or 2 until [`Event::Acked`] if it wants to repeat it on the next connection.
//!
//! # Example
//!
//! A device logs in, fires a trigger and is given a command. The codec plays the device.
//!
//! ```
//! use codec::mqtt::{Connect, PacketId, PublishHead, QoS, encode_puback, encode_publish};
//! use std::{sync::Arc, time::Instant};
//! use transports::{input::Input, mqtt::{Event, Limits, Session}};
//!
//! let now = Instant::now();
//! let mut session = Session::new(Arc::new(Limits::default()), now);
//! let mut received = Vec::new();
//! let mut out = Vec::new();
//!
//! // The device does not wait for CONNACK before it publishes.
//! let connect = Connect {
//!     client_id: "lamp", clean_session: true, keep_alive_s: 60, will: None, username: None, password: None,
//! };
//! connect.encode(&mut received).unwrap();
//! let head = PublishHead { qos: QoS::AtLeastOnce, dup: false, retain: false, id: PacketId::new(1) };
//! encode_publish(&mut received, head, &["trigger"], &[b"{}"]).unwrap();
//!
//! let mut input = Input::new(&mut received);
//! let Ok(Some(Event::Connect(connect))) = session.next(&mut input, &mut out, now) else { panic!("CONNECT came") };
//! assert_eq!(connect.client_id, "lamp");
//! assert_eq!(session.next(&mut input, &mut out, now), Ok(None)); // it listens again after the verdict
//! session.accept(None, false, &mut out, now);
//!
//! let Ok(Some(Event::Publish(arrival))) = session.next(&mut input, &mut out, now) else { panic!("PUBLISH came") };
//! assert!(!session.may_publish()); // first the acknowledgement, as soon as the trigger is stored
//! session.acknowledge(arrival.receipt.unwrap(), &mut out);
//! assert_eq!(arrival.topic, "trigger"); // the event borrows from the bytes, not from the session
//! assert_eq!(out, [0x20, 2, 0, 0, 0x40, 2, 0, 1]); // CONNACK, PUBACK
//!
//! out.clear();
//! let id = session.publish(&["com", "mand"], &[b"{}"], QoS::AtLeastOnce, &mut out).unwrap().unwrap();
//! assert_eq!(out, b"\x32\x0d\x00\x07command\x00\x01{}");
//!
//! let mut received = Vec::new();
//! encode_puback(&mut received, id);
//! assert_eq!(session.next(&mut Input::new(&mut received), &mut out, now), Ok(Some(Event::Acked(id))));
//! ```

mod event;
mod few;
mod inbound;
mod limits;
mod orders;
mod outbound;
mod owed;
mod session;
mod violation;

pub use event::{Arrival, Event};
pub use limits::Limits;
pub use owed::Receipt;
pub use session::{Resumed, Session};
pub use violation::{Misuse, Violation};
