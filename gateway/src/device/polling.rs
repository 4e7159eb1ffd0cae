//! Socket.IO devices that poll: sessions without a connection.
//!
//! Owns where a session is and how its requests reach it. A sid names the core where the session was born; requests are mailed
//! there, whichever core took them, and answered by mail. When its device belongs to another core the session goes there by
//! mail too, and its birth core keeps a forward. Only a WebSocket moves as a connection. Never knows what is said.
//!
//! ```text
//!   GET, POST ?sid= --> Mail::Poll --> birth core --- the session is here ------------> heard, answered
//!                                            \------- it went home: Mail::Poll -------> home core
//!   no stranger <-- Mail::Recognised <-- it is a device's, and has nothing to say yet ------+
//!   answer <----------- Mail::Polled <------------------------------------------------------+
//! ```

use super::conversation::{MqttPeer, Standing};
use super::lines::Line;
use super::presence::LOOK_AGAIN_AFTER;
use super::status::Reason;
use super::translator::Translator;
use super::wire::Wire;
use crate::agent::http::Waits;
use crate::mail::Mail;
use crate::peer::Peer;
use crate::shard::{Cx, Shard};
use engine::{Close, Key, Opened};
use transports::engineio::{self, Refusal};
use transports::socketio;

/// Where a session is.
#[derive(Clone, Copy, Debug)]
pub enum Whereabouts {
    /// On this core.
    Here(Key),
    /// It went home to this core.
    Moved(usize),
}

/// A request to a session.
#[derive(Debug)]
pub struct PollMail {
    /// The core that took the request.
    pub from: usize,
    /// The connection there.
    pub conn: Key,
    /// The session.
    pub id: u128,
    /// What it asks for.
    pub ask: PollAsk,
}

/// What a request asks a session for.
#[derive(Debug)]
pub enum PollAsk {
    /// To say what waits.
    Poll,
    /// To hear a body.
    Post(Vec<u8>),
    /// The poll was given up before anything was said to it.
    GivenUp,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Polled {
    /// The connection that waits for it.
    pub conn: Key,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// The session is a device's: whoever polls it is no stranger.
    pub known: bool,
}

/// A request of a device waits.
#[derive(Clone, Copy, Debug)]
pub struct Recognised {
    /// The connection that waits.
    pub conn: Key,
    /// The session.
    pub id: u128,
}

/// A session on its way home.
#[derive(Debug)]
pub struct Homeward {
    /// Its name.
    pub id: u128,
    /// The core where it was born.
    pub birth: usize,
    /// Where its first request came from.
    pub opened: Option<Opened>,
    /// The poll that waits.
    pub poll: Option<(usize, Key)>,
    /// The POST that waits.
    pub post: Option<(usize, Key)>,
    /// The conversation, with the claim in it.
    pub peer: Box<MqttPeer>,
}

/// A sid: the core where the session is born, and 128 random bits.
pub(super) fn write_sid(core: usize, id: u128) -> Box<str> {
    format!("{core:x}-{id:032x}").into()
}

/// The core and the name in a sid.
pub(super) fn read_sid(sid: &str, cores: usize) -> Option<(usize, u128)> {
    let (core, id) = sid.split_once('-').filter(|(_, id)| id.len() == 32)?;
    let core = usize::from_str_radix(core, 16).ok().filter(|core| *core < cores)?;
    Some((core, u128::from_str_radix(id, 16).ok()?))
}

impl Shard {
    /// A GET without a sid: a new session, whose open packet is the answer.
    pub(crate) fn open_polling(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let now = cx.now();
        let id = u128::from(cx.random_u64()) << 64 | u128::from(cx.random_u64());
        let sid = write_sid(cx.core(), id);
        let mut below = engineio::Session::polling(self.facts.engineio.clone(), &sid, now);
        let open = below.poll(now).ok().and_then(|()| below.take_answer()).unwrap_or_default();
        let above = socketio::Session::new(self.facts.socketio.clone(), now);
        let mut peer = MqttPeer::new(&self.facts, now);
        peer.wire = Wire::SocketIo(Box::new(Translator::new(below, above, None, sid)));
        let (key, crowded) = self.lines.insert(Line::new(id, cx.core(), cx.opened(conn)));
        self.peers.insert(key, Peer::Mqtt(Box::new(peer)));
        self.sids.insert(id, Whereabouts::Here(key));
        self.set_deadline(cx, key);
        self.make_room(cx, crowded);
        self.respond_socketio(cx, conn, 200, "text/plain; charset=UTF-8", &open);
    }

    /// The oldest session that is nobody's goes when there are too many: an honest stranger is brief.
    pub(super) fn make_room(&mut self, cx: &mut Cx<'_>, oldest: Option<Key>) {
        let Some(oldest) = oldest else { return };
        self.counters.stranger_evicted();
        self.lines.identify(oldest);
        if self.put_off(cx, oldest) {
            return;
        }
        match self.lines.connection(oldest) {
            Some(carrier) => cx.hang_up(carrier),
            None => self.end_line(cx, oldest),
        }
    }

    /// So many bytes of a session are kept until there are more, or until its conversation listens.
    pub(super) fn session_keeps(&mut self, cx: &mut Cx<'_>, key: Key, bytes: usize) {
        let oldest = self.lines.keep(key, bytes);
        self.make_room(cx, oldest);
    }

    /// A request with a sid goes to the core that the sid names.
    pub(crate) fn ask_session(&mut self, cx: &mut Cx<'_>, conn: Key, sid: &str, ask: PollAsk) {
        let Some((core, id)) = read_sid(sid, cx.cores()) else {
            return self.refuse_socketio(cx, conn, Refusal::SidUnknown);
        };
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Session { core, id, polls: matches!(ask, PollAsk::Poll) };
        }
        let from = cx.core();
        cx.post(core, Mail::Poll(Box::new(PollMail { from, conn, id, ask })));
    }

    /// A request to a session of this core, or to one that was born here.
    pub(crate) fn session_asked(&mut self, cx: &mut Cx<'_>, mail: Box<PollMail>) {
        let key = match self.sids.get(&mail.id) {
            Some(Whereabouts::Here(key)) => *key,
            Some(Whereabouts::Moved(core)) => {
                #[cfg(planted)]
                let mail = match engine::planted::is("forward-renames-sender") {
                    true => Box::new(PollMail { from: cx.core(), ..*mail }),
                    false => mail,
                };
                return cx.post(*core, Mail::Poll(mail));
            }
            None => return refuse(cx, mail.from, mail.conn, Refusal::SidUnknown),
        };
        let (from, conn) = (mail.from, mail.conn);
        let now = cx.now();
        let Some(translator) = self.translator_mut(key) else {
            return refuse(cx, from, conn, Refusal::SidUnknown);
        };
        match mail.ask {
            PollAsk::GivenUp => {
                // An answer may be on its way: nobody takes it, and what is in it is lost. The session is over then in either
                // case, which is seen when it is settled.
                #[cfg(planted)]
                if engine::planted::is("poll-abort-ignored") {
                    return;
                }
                #[cfg(planted)]
                if engine::planted::is("lost-answer-forgotten") && translator.below().poll_aborted().is_ok() {
                    return;
                }
                let lost = translator.below().answer_lost().is_err();
                if let Some(line) = self.lines.get_mut(key).filter(|_| lost) {
                    line.poll = None;
                    self.blame(key, Reason::ConnectionLost);
                }
            }
            PollAsk::Poll => match translator.below().poll(now) {
                Ok(()) => {
                    if let Some(line) = self.lines.get_mut(key) {
                        line.poll = Some((from, conn));
                    }
                }
                Err(_) => refuse(cx, from, conn, Refusal::BadRequest),
            },
            PollAsk::Post(body) => {
                let polls = !translator.below().is_websocket();
                // A client has one POST under way; what one more said would have no bound.
                let first = self.lines.get_mut(key).is_some_and(|line| line.post.is_none());
                if polls && first {
                    if let Some(line) = self.lines.get_mut(key) {
                        line.post = Some((from, conn));
                    }
                    self.hear_post(cx, key, body);
                } else {
                    refuse(cx, from, conn, Refusal::BadRequest);
                }
            }
        }
        self.lines.touch(key);
    }

    pub(super) fn translator_mut(&mut self, key: Key) -> Option<&mut Translator> {
        match &mut self.peers.mqtt_mut(key)?.wire {
            Wire::SocketIo(translator) => Some(translator),
            Wire::Plain | Wire::WebSocket(_) => None,
        }
    }

    pub(super) fn is_seated(&mut self, key: Key) -> bool {
        self.peers.mqtt_mut(key).is_some_and(|peer| peer.seated().is_some())
    }

    /// The POST that waits broke a rule.
    pub(super) fn refuse_post(&mut self, cx: &mut Cx<'_>, key: Key) {
        if let Some((core, conn)) = self.lines.get_mut(key).and_then(|line| line.post.take()) {
            refuse(cx, core, conn, Refusal::BadRequest);
        }
    }

    /// The device belongs to another core: the session goes there, and what probes for it follows.
    pub(super) fn send_session_home(&mut self, cx: &mut Cx<'_>, key: Key, core: usize) {
        let Some(Peer::Mqtt(peer)) = self.peers.remove(key) else { return };
        let Some(line) = self.lines.remove(cx, key) else { return };
        self.sids.insert(line.id, Whereabouts::Moved(core));
        cx.post(
            core,
            Mail::Homeward(Box::new(Homeward {
                id: line.id,
                birth: line.birth,
                opened: line.opened,
                poll: line.poll,
                post: line.post,
                peer,
            })),
        );
        if let Some(conn) = line.probe
            && let Some(Peer::Probe(probe)) = self.peers.remove(conn)
        {
            self.move_probe(cx, conn, core, probe);
        }
    }

    /// A session comes home.
    pub(crate) fn session_comes_home(&mut self, cx: &mut Cx<'_>, homeward: Homeward) {
        let Homeward { id, birth, opened, poll, post, peer } = homeward;
        let mut line = Line::new(id, birth, opened);
        (line.poll, line.post) = (poll, post);
        #[cfg(planted)]
        if engine::planted::is("homeward-forgets-poll") {
            line.poll = None;
        }
        let (key, crowded) = self.lines.insert(line);
        self.make_room(cx, crowded);
        self.sids.insert(id, Whereabouts::Here(key));
        self.peers.insert(key, Peer::Mqtt(peer));
        self.admit(cx, key);
        self.hear_newcomer(cx, key);
        self.lines.touch(key);
        self.set_deadline(cx, key);
    }

    /// A session that went home from here is over.
    pub(crate) fn session_gone(&mut self, id: u128) {
        self.sids.remove(&id);
    }

    /// The answer to a request that this core took.
    pub(crate) fn polled(&mut self, cx: &mut Cx<'_>, polled: &Polled) {
        let Some(peer) = self.peers.http_mut(polled.conn) else { return };
        if !matches!(peer.waits, Waits::Session { .. }) {
            return;
        }
        if polled.known {
            self.farewell_stranger(polled.conn);
        }
        let content_type = match polled.status {
            200 => "text/plain; charset=UTF-8",
            _ => "application/json",
        };
        self.respond_socketio(cx, polled.conn, polled.status, content_type, &polled.body);
    }

    /// A request that this core took waits for a device's session: its connection is no stranger from now on, and not only when
    /// the answer comes, which may take as long as a client waits.
    pub(crate) fn recognised(&mut self, recognised: Recognised) {
        let Some(peer) = self.peers.http_mut(recognised.conn) else { return };
        // By now the connection may be at its next request.
        if matches!(peer.waits, Waits::Session { id, .. } if id == recognised.id) {
            self.farewell_stranger(recognised.conn);
        }
    }

    /// The session is no more: its sid is unknown from now on, and requests that wait for it are told so.
    pub(super) fn forget_line(&mut self, cx: &mut Cx<'_>, line: &Line) {
        self.sids.remove(&line.id);
        for (core, conn) in line.poll.into_iter().chain(line.post) {
            refuse(cx, core, conn, Refusal::SidUnknown);
        }
        if line.birth != cx.core() {
            cx.post(line.birth, Mail::SessionGone(line.id));
        }
    }

    /// At the end of each callback: what was said goes to the poll that waits, what is over ends.
    pub(crate) fn settle_lines(&mut self, cx: &mut Cx<'_>) {
        while let Some(key) = self.lines.next_touched() {
            let seated = self.is_seated(key);
            if seated {
                self.lines.identify(key);
            }
            let (mut body, mut over, mut probing, mut choked, mut heard) = (None, true, false, false, true);
            let mut upgrades = false;
            let mut held_bytes = 0;
            if let Some(translator) = self.translator_mut(key) {
                held_bytes = translator.held_bytes();
                let below = translator.below();
                body = below.take_answer();
                (over, probing, choked) = (below.is_over(), below.is_probing(), below.is_choked());
                upgrades = below.is_finishing_upgrade();
                // Who has said its last words hears nothing more: a client that upgrades waits for this answer to fetch them.
                heard = !below.hears() || !translator.has_words();
            }
            let Some(line) = self.lines.get_mut(key) else { continue };
            let was_choked = std::mem::replace(&mut line.choked, choked);
            if let Some(body) = body.or(line.last_words.take())
                && let Some((core, conn)) = line.poll.take()
            {
                answer(cx, core, conn, 200, body, seated);
            }
            if heard && let Some((core, conn)) = line.post.take() {
                answer(cx, core, conn, 200, b"ok".to_vec(), seated);
            }
            let newcomers = if seated { line.newcomers() } else { [None; 2] };
            for (core, conn) in newcomers.into_iter().flatten() {
                cx.post(core, Mail::Recognised(Recognised { conn, id: line.id }));
            }
            if !probing && let Some(probe) = line.probe.take() {
                self.peers.remove(probe);
                cx.hang_up(probe);
            }
            let Some(line) = self.lines.get_mut(key) else { continue };
            // The last words of one that was refused wait for its next poll, those of one that upgrades for its WebSocket.
            if line.carrier.is_none() && (over || line.doomed && seated && !upgrades) {
                self.end_line(cx, key);
                continue;
            }
            if line.carrier.is_none() && line.doomed && seated {
                self.leave_upgrading(cx, key);
            }
            if was_choked
                && !choked
                && let Some(device) = self.peers.mqtt_mut(key).and_then(|peer| peer.seated())
            {
                self.speak(cx, device);
            }
            self.set_deadline(cx, key);
            if self.lines.connection(key).is_none() {
                self.session_keeps(cx, key, held_bytes);
            }
        }
    }

    /// A session that has said its last words is over, whether they were fetched or not.
    pub(crate) fn end_polling(&mut self, cx: &mut Cx<'_>, key: Key) {
        if self.lines.get_mut(key).is_some_and(|line| line.carrier.is_none()) {
            self.end_line(cx, key);
        }
    }

    /// A session that polls is over.
    fn end_line(&mut self, cx: &mut Cx<'_>, key: Key) {
        let Some(line) = self.lines.remove(cx, key) else { return };
        self.forget_line(cx, &line);
        if let Some(Peer::Mqtt(peer)) = self.peers.remove(key) {
            self.device_left(cx, key, *peer, Close::Finished);
        }
    }

    /// A device whose session has said its last words is gone, whether they are fetched or not: what waits for the WebSocket goes
    /// on as nobody's.
    fn leave_upgrading(&mut self, cx: &mut Cx<'_>, key: Key) {
        let Some(Peer::Mqtt(mut peer)) = self.peers.remove(key) else { return };
        let mut rest = MqttPeer::new(&self.facts, cx.now());
        std::mem::swap(&mut rest.wire, &mut peer.wire);
        rest.verdict = peer.verdict;
        self.device_left(cx, key, *peer, Close::Finished);
        self.peers.insert(key, Peer::Mqtt(Box::new(rest)));
    }

    /// Puts away a conversation that was taken from its seat and has said its last words: what is left of them waits for the
    /// poll. One in the middle of an upgrade goes on as nobody's, until its client has fetched them over the WebSocket: it has
    /// stopped polling, and would hear nothing for a whole ping interval.
    pub(super) fn put_away(&mut self, key: Key, mut peer: Box<MqttPeer>) {
        let (Wire::SocketIo(translator), Some(line)) = (&mut peer.wire, self.lines.get_mut(key)) else {
            return;
        };
        if translator.below().is_finishing_upgrade() {
            peer.standing = Standing::Stranger;
            self.peers.insert(key, Peer::Mqtt(peer));
        } else {
            line.last_words = translator.below().take_answer();
        }
        self.lines.touch(key);
    }

    /// A session's alarm has rung.
    pub(crate) fn line_due(&mut self, cx: &mut Cx<'_>, key: Key) {
        self.lines.rang(key, cx.now() + LOOK_AGAIN_AFTER);
        self.device_due(cx, key);
        self.lines.touch(key);
        self.set_deadline(cx, key);
    }

    /// A connection whose poll waits for a session's answer has ended.
    pub(crate) fn gave_up(&mut self, cx: &mut Cx<'_>, conn: Key, core: usize, id: u128) {
        let from = cx.core();
        cx.post(core, Mail::Poll(Box::new(PollMail { from, conn, id, ask: PollAsk::GivenUp })));
    }
}

fn answer(cx: &mut Cx<'_>, core: usize, conn: Key, status: u16, body: Vec<u8>, known: bool) {
    cx.post(core, Mail::Polled(Polled { conn, status, body, known }));
}

fn refuse(cx: &mut Cx<'_>, core: usize, conn: Key, refusal: Refusal) {
    let mut body = Vec::new();
    refusal.write(&mut body);
    answer(cx, core, conn, 400, body, false);
}
