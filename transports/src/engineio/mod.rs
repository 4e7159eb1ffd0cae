//! Engine.IO 4: the server's side of one session, over long-polling or a WebSocket.
//!
//! Owns the rules that need a memory of the conversation: the heartbeat, the one poll that may wait, the change from
//! polling to a WebSocket, what waits to be said while nobody polls. It never reads a frame or a request (`ws` and `http`
//! do), never knows what a message means, never chooses a session's name, and opens and closes no connection.
//!
//! # The conversation
//!
//! ```text
//!   client                            tenant                                  session
//!     | GET ?transport=polling -------->| Ask::read() -> Ask::Open              |
//!     |                                 |------------------------ Session::polling()
//!     |<------------------ 200, open ---|<----------------- poll(), take_answer()
//!     | GET ?sid= --------------------->| poll(); nothing to take: it waits     |
//!     | POST ?sid=, "4hello" ---------->| hear(Packet::Message) ----> Event::Text
//!     |<--------------------- 200, ok --|                                       |
//!     |                                 | say() ------------------------------->|
//!     |<------------------ 200, "4..." -|<----------------------- take_answer() |
//!     | GET ?sid=&transport=websocket ->| begin_probe()                         |
//!     | 2probe ------------------------>| hear_probe() ---------------> 3probe  |
//!     |<---------------------- 200, 6 --|<----------------------- take_answer() |
//!     | 5 ----------------------------->| hear_probe() ---------> Event::Upgraded
//! ```
//!
//! Whatever is said, the tenant hands an output in. Over a WebSocket it is the connection's, and gets a frame; over polling
//! it is left alone, and the words wait in the session for [`Session::take_answer`].

mod ask;
mod event;
mod limits;
mod queue;
mod session;
mod violation;
mod voice;

pub use ask::{Ask, Refusal, Transport};
pub use codec::engineio::{Base64, Packet, Payload};
pub use event::{Binary, Event};
pub use limits::Limits;
pub use session::Session;
pub use violation::Violation;
pub use voice::Voice;
