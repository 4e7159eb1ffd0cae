//! `conformance ws-echo`: every WebSocket message comes back as it was, text as text and binary as binary.
//!
//! Owns the command line of the subcommand and the tenant. Frames, text that is no text and both ways of saying goodbye are
//! [`transports::ws`]'s.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Close, Cx, Key, Opened, Service, Verdict};
use transports::input::Input;
use transports::ws::{Event, Limits, Session};

use crate::serve::serve as serve_tenant;
use crate::upgrade::{Door, Step};

/// Largest message that is echoed.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A connection that says nothing for so long is closed.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Arguments of `conformance ws-echo`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where WebSocket is listened for, on any path; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
}

/// Serves until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(args: &Args) -> io::Result<()> {
    let limits = Arc::new(Limits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        // A suite sends a message of four megabytes in pieces of 64 bytes, and a thousand pings in a row.
        fragments_max: 1024 * 1024,
        controls_per_s_max: u16::MAX,
        ..Limits::default()
    });
    let carry_bytes_max = MESSAGE_BYTES_MAX + 256 * 1024;
    let engine_limits = engine::Limits { carry_bytes_max, ..engine::Limits::default() };
    serve_tenant(&[("ws", args.listen)], engine_limits, Echo { limits, peers: BTreeMap::new() })
}

/// The tenant.
struct Echo {
    limits: Arc<Limits>,
    peers: BTreeMap<Key, Peer>,
}

enum Peer {
    Asking(Door),
    Open(Session),
}

impl Echo {
    fn listen(&mut self, cx: &mut Cx<'_, Self>, conn: Key, input: &mut Input<'_>) -> Option<bool> {
        let now = cx.now();
        let out = cx.out_urgent(conn)?;
        let session = match self.peers.get_mut(&conn)? {
            Peer::Open(session) => session,
            Peer::Asking(door) => {
                match door.next(input, out, now) {
                    Step::Wait => return Some(false),
                    Step::Refused => return None,
                    Step::Upgraded => {}
                }
                let mut session = Session::new(self.limits.clone());
                session.admit();
                self.peers.insert(conn, Peer::Open(session));
                return Some(true);
            }
        };
        match session.next(input, out, now) {
            Ok(Some(Event::Text(text))) => Some(session.send_text(&[text.as_bytes()], out)),
            Ok(Some(Event::Binary(bytes))) => Some(session.send_binary(&[bytes], out)),
            Ok(Some(Event::Closed(_))) => None,
            Ok(None) => Some(false),
            Err(violation) => {
                violation.answer(out);
                None
            }
        }
    }
}

impl Service for Echo {
    type Mail = ();
    type Baggage = ();
    type Token = ();

    fn opened(&mut self, cx: &mut Cx<'_, Self>, conn: Key, _opened: Opened) {
        cx.set_deadline(conn, Some(cx.now() + SILENCE_MAX));
        self.peers.insert(conn, Peer::Asking(Door::new(None, cx.now())));
    }

    /// What has been read is answered before more is read, so what waits to be written is bounded by the engine's marks and one
    /// message.
    fn received(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<()> {
        cx.set_deadline(conn, Some(cx.now() + SILENCE_MAX));
        let mut input = Input::new(bytes);
        loop {
            match self.listen(cx, conn, &mut input) {
                Some(true) => {}
                Some(false) => return Verdict::Continue { consumed: input.taken() },
                None => return Verdict::Close,
            }
        }
    }

    fn adopted(&mut self, _: &mut Cx<'_, Self>, _: Key, _: Opened, (): ()) {
        debug_assert!(false, "one core has nobody to adopt from");
    }

    fn mail(&mut self, _: &mut Cx<'_, Self>, _: usize, (): ()) {
        debug_assert!(false, "nobody writes");
    }

    fn due(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        cx.hang_up(conn);
    }

    fn rang(&mut self, _: &mut Cx<'_, Self>, (): ()) {
        debug_assert!(false, "no alarm is armed");
    }

    fn drained(&mut self, _: &mut Cx<'_, Self>, _: Key) {}

    fn closed(&mut self, _: &mut Cx<'_, Self>, conn: Key, _close: Close) {
        self.peers.remove(&conn);
    }

    fn drain(&mut self, cx: &mut Cx<'_, Self>) {
        for &conn in self.peers.keys() {
            cx.hang_up(conn);
        }
    }
}
