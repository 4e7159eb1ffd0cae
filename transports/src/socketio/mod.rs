//! Socket.IO 5: the server's side of one client, over an Engine.IO session.
//!
//! Owns the rules that need a memory of the conversation: which namespaces are connected, how often a client may ask for one
//! and how long it may ask for none, which attachments are still to come. It never judges credentials, never knows what an
//! event means, never acknowledges one by itself, and never chooses a session id.
//!
//! ```text
//!   client                          session                          tenant
//!     | 0/devices,{"apiKey":...} ----->| Event::Connect --------------->|
//!     |<------- 0/devices,{"sid":...} -|<------- accept() / refuse() ---|   nothing else is heard in between
//!     | 2/devices,["trigger",{}] ----->| Event::Event ----------------->|
//!     |<------ 2/devices,["command"] --|<---------------------- emit() -|
//!     | 3/devices,7[] ---------------->| Event::Ack ------------------->|
//!     | 51-["image",{...}], 01 02 ---->| Event::Assembled ------------->|   when the last attachment is here
//!     | 0/random -> 4/random,{...} <---|                                |   a namespace that there is not
//!     | 1/devices, ------------------->| Event::Disconnect ------------>|
//! ```

mod assembly;
mod limits;
mod session;
mod violation;

pub use assembly::Assembled;
pub use codec::socketio::{Ack, Arguments, Call, Event as Happening, Head};
pub use limits::{Limits, NAMESPACES_MAX};
pub use session::{Event, Session};
pub use violation::Violation;
