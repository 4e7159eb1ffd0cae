//! Socket.IO 5: packets, and the placeholders of their binary attachments.
//!
//! A packet is one message of Engine.IO in text; its attachments are the binary messages that follow it.
//!
//! ```text
//!   <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//!
//!   2/devices,7["trigger",{"v":1}]                    EVENT, to be acknowledged as 7
//!   51-["image",{"_placeholder":true,"num":0}]        BINARY_EVENT, one binary message follows
//! ```
//!
//! It never allocates while decoding, never remembers (which namespaces are connected, which attachments are still to
//! come), never puts an attachment in the place of its placeholder: arguments pass as the bytes that a peer sent.
//!
//! ```
//! use codec::socketio::{self, Packet};
//!
//! let Packet::Event(event) = socketio::decode(br#"2/devices,7["trigger",{"v":1}]"#)? else { panic!("an event") };
//! assert_eq!((event.namespace, event.id), ("/devices", Some(7)));
//! assert!(event.call.name().is_text("trigger"));
//! assert_eq!(event.call.list(), r#"{"v":1}"#);
//! # Ok::<(), socketio::Malformed>(())
//! ```

mod arguments;
mod encode;
mod malformed;
mod packet;
mod placeholder;

pub use arguments::{Arguments, Call};
pub use encode::{Head, encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event};
pub use malformed::Malformed;
pub use packet::{Ack, Event, Packet, decode};
