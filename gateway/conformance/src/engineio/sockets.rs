//! Messages: what comes over a WebSocket.
//!
//! Owns the way from a message to a session, for the session's own WebSocket and for one that probes.

use engine::{Cx, Key, Verdict};
use transports::input::Input;
use transports::ws;

use super::house::House;
use super::peer::Peer;

/// Messages of one connection that are handled in one turn.
const MESSAGES_PER_TURN_MAX: usize = 256;

impl House {
    /// Bytes of a connection that is a WebSocket.
    pub(super) fn messaged(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<()> {
        self.messages(cx, conn, &mut Input::new(bytes))
    }

    /// The same for what stands behind a handshake.
    pub(super) fn messages(
        &mut self,
        cx: &mut Cx<'_, Self>,
        conn: Key,
        input: &mut Input<'_>,
    ) -> Verdict<()> {
        let now = cx.now();
        for _ in 0..MESSAGES_PER_TURN_MAX {
            let Some((session, key)) = self.peers.get_mut(&conn).and_then(Peer::websocket) else {
                return Verdict::Close;
            };
            let Some(out) = cx.out_urgent(conn) else { return Verdict::Close };
            let event = match session.next(input, out, now) {
                Ok(Some(event)) => event,
                Ok(None) => return Verdict::Continue { consumed: input.taken() },
                Err(violation) => {
                    violation.answer(out);
                    return Verdict::Close;
                }
            };
            if let ws::Event::Closed(_) = event {
                return Verdict::Close;
            }
            self.message(cx, conn, key, event);
            self.settle(cx, key);
        }
        Verdict::Yield { consumed: input.taken() }
    }

    fn message(&mut self, cx: &mut Cx<'_, Self>, conn: Key, key: Key, event: ws::Event<'_>) {
        let now = cx.now();
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.probe == Some(conn) {
            let Some(out) = cx.out_urgent(conn) else { return };
            let heard = match event {
                ws::Event::Text(text) => client.session.hear_probe(text.as_bytes(), out, now),
                ws::Event::Binary(_) | ws::Event::Closed(_) => return client.session.probe_gone(now),
            };
            if let Ok(Some(_)) = heard {
                (client.probe, client.socket) = (None, Some(conn));
            }
            return;
        }
        if client.socket != Some(conn) {
            return;
        }
        let heard = match event {
            ws::Event::Text(text) => client.session.hear_text(text.as_bytes(), now),
            ws::Event::Binary(bytes) => client.session.hear_binary(bytes),
            ws::Event::Closed(_) => Ok(None),
        };
        if let Ok(Some(event)) = heard {
            self.hear(cx, key, event);
        }
    }
}
