//! The broker: the tenant that brings messages from those who publish to those who subscribed.
//!
//! Owns connections and clients and the way of a message between them. The rules of a conversation are
//! [`transports::mqtt`]'s. A message is acknowledged and forwarded when its PUBLISH arrives, at QoS 2 too; the session
//! tells it only once.
//!
//! ```text
//!   PUBLISH -> acknowledge -> retained? keep -> for each client that wants it: queue -> may it be sent? send
//!   connection ends -> DISCONNECT was said? else the will is published; a clean client is forgotten
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codec::mqtt::{Connect, QoS, Subscribe, SubscribeCode, Unsubscribe, filter};
use engine::{Close, Cx, Key, Opened, Service, Slots, Verdict};
use transports::input::Input;
use transports::mqtt::{Arrival, Event, Limits};
use transports::ws::{self, CloseCode};

use super::client::{Client, Message, Parcel};
use super::kept::Kept;
use super::peer::{self, Peer};

/// The one filter that nobody may subscribe to.
const NO_SUBSCRIBE: &str = "test/nosubscribe";
/// Events of one connection that are handled in one turn.
const EVENTS_PER_TURN_MAX: usize = 256;
/// Persistent sessions that are remembered; a client with a new name beyond them is treated as clean.
const CLIENTS_MAX: usize = 100_000;
/// A client that does not take what we send is not asked for its keep alive: we do not read from it either.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(10);

/// What a listener's connections run over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// MQTT as it is.
    Tcp,
    /// MQTT in binary frames.
    WebSocket,
}

/// How the bytes of a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    /// Nothing whole is left.
    Everything,
    /// The rest is for the next turn.
    Enough,
    /// DISCONNECT.
    Goodbye,
    /// A rule was broken.
    Broken,
}

/// What is published when a connection ends without a DISCONNECT.
pub(super) struct Will {
    message: Arc<Message>,
    qos: QoS,
    retain: bool,
}

/// See the file's head.
pub struct Broker {
    limits: Arc<Limits>,
    frames: Arc<ws::Limits>,
    /// By the index of the listener.
    transports: Vec<Transport>,
    peers: BTreeMap<Key, Peer>,
    clients: Slots<Client>,
    names: BTreeMap<Box<str>, Key>,
    kept: Kept,
}

impl Broker {
    /// A broker without clients and messages, which runs over these transports, one for each listener.
    pub fn new(limits: Arc<Limits>, frames: Arc<ws::Limits>, transports: Vec<Transport>) -> Self {
        Self {
            limits,
            frames,
            transports,
            peers: BTreeMap::new(),
            clients: Slots::new(),
            names: BTreeMap::new(),
            kept: Kept::default(),
        }
    }

    fn hear_all(&mut self, cx: &mut Cx<'_, Self>, conn: Key, input: &mut Input<'_>) -> Heard {
        let now = cx.now();
        for _ in 0..EVENTS_PER_TURN_MAX {
            let (Some(peer), Some(out)) = (self.peers.get_mut(&conn), cx.out_urgent(conn)) else {
                return Heard::Broken;
            };
            match peer.next(input, out, now) {
                Ok(Some(Event::Disconnect)) => {
                    peer.will = None;
                    return Heard::Goodbye;
                }
                Ok(Some(event)) => {
                    if !self.hear(cx, conn, event) {
                        return Heard::Broken;
                    }
                }
                Ok(None) => return Heard::Everything,
                Err(_) => return Heard::Broken,
            }
        }
        Heard::Enough
    }

    /// What a client said. `false`: it broke a rule.
    fn hear(&mut self, cx: &mut Cx<'_, Self>, conn: Key, event: Event<'_>) -> bool {
        match event {
            Event::Connect(connect) => {
                // A receiver may do so (1.5.3), and a suite wants it.
                let names = [Some(connect.client_id), connect.username];
                if names.iter().flatten().any(|name| name.contains(char::is_control)) {
                    return false;
                }
                self.connect(cx, conn, &connect);
            }
            Event::Publish(arrival) => self.arrive(cx, conn, &arrival),
            Event::Subscribe(subscribe) => return self.subscribe(cx, conn, &subscribe),
            Event::Unsubscribe(unsubscribe) => return self.unsubscribe(cx, conn, &unsubscribe),
            Event::Acked(id) => {
                if let Some(client) = self.client_of(conn) {
                    if let Some(own) = self.clients.get_mut(client) {
                        own.landed(id);
                    }
                    self.send(cx, client);
                }
            }
            Event::Ping => {}
            Event::Disconnect => debug_assert!(false, "heard before"),
        }
        true
    }

    /// Lets a client in: takes the name over from its earlier connection [MQTT-3.1.4-2], and takes up or forgets its
    /// earlier session.
    fn connect(&mut self, cx: &mut Cx<'_, Self>, conn: Key, connect: &Connect<'_>) {
        let named = self.names.get(connect.client_id).copied();
        let earlier = named.and_then(|client| self.clients.get(client)?.conn);
        if let Some(earlier) = earlier {
            self.part(cx, earlier);
            cx.hang_up(earlier);
        }
        if let Some(client) = named.filter(|_| connect.clean_session) {
            self.forget(client);
        }
        // What is still there has outlived its connection, and is taken up.
        let known = named.filter(|&client| self.clients.contains(client));
        let client = known.unwrap_or_else(|| self.make_client(connect.client_id));
        let clean = connect.clean_session || self.names.len() > CLIENTS_MAX;
        if let (Some(own), Some(peer)) = (self.clients.get_mut(client), self.peers.get_mut(&conn)) {
            (own.clean, own.conn) = (clean, Some(conn));
            peer.client = Some(client);
            peer.will = connect.will.map(|will| Will {
                message: Arc::new(Message { topic: will.topic.into(), payload: will.payload.into() }),
                qos: will.qos,
                retain: will.retain,
            });
        }
        self.welcome(cx, conn, client, known.is_some());
    }

    fn make_client(&mut self, name: &str) -> Key {
        let client = self.clients.insert(Client::new(name));
        if !name.is_empty() {
            self.names.insert(name.into(), client);
        }
        client
    }

    /// CONNACK, then what was in flight, then what waited.
    fn welcome(&mut self, cx: &mut Cx<'_, Self>, conn: Key, client: Key, present: bool) {
        let now = cx.now();
        let (Some(own), Some(peer)) = (self.clients.get_mut(client), self.peers.get_mut(&conn)) else {
            return;
        };
        let Some(out) = cx.out_urgent(conn) else { return };
        let resumed = own.resumed.take();
        peer.say(out, |session, out| session.accept(resumed, present, out, now));
        for (id, Parcel { message, retained, .. }) in own.flying() {
            let (topic, payload) = ([&*message.topic], [&*message.payload]);
            peer.say(out, |session, out| match retained {
                true => session.republish_retained(*id, &topic, &payload, out),
                false => session.republish(*id, &topic, &payload, out),
            });
        }
        self.send(cx, client);
    }

    fn arrive(&mut self, cx: &mut Cx<'_, Self>, conn: Key, arrival: &Arrival<'_>) {
        let message = Arc::new(Message { topic: arrival.topic.into(), payload: arrival.payload.into() });
        if let (Some(receipt), Some(peer), Some(out)) =
            (arrival.receipt, self.peers.get_mut(&conn), cx.out_urgent(conn))
        {
            peer.say(out, |session, out| session.acknowledge(receipt, out));
        }
        self.publish(cx, &message, arrival.qos, arrival.retain);
    }

    /// Brings a message to everybody who wants it. Those who were subscribed before do not see the RETAIN flag
    /// [MQTT-3.3.1-9].
    fn publish(&mut self, cx: &mut Cx<'_, Self>, message: &Arc<Message>, qos: QoS, retain: bool) {
        if retain {
            self.kept.keep(message, qos);
        }
        let wanting: Vec<_> = self
            .clients
            .iter()
            .filter_map(|(key, client)| Some((key, client.wants(&message.topic)?)))
            .collect();
        for (client, granted) in wanting {
            let parcel = Parcel { message: message.clone(), qos: lower(qos, granted), retained: false };
            self.deliver(cx, client, parcel);
        }
    }

    /// Puts a message in line for a client and sends what may be sent. Without a connection QoS 0 is not worth keeping.
    fn deliver(&mut self, cx: &mut Cx<'_, Self>, client: Key, parcel: Parcel) {
        let Some(own) = self.clients.get_mut(client) else { return };
        if own.conn.is_some() || parcel.qos != QoS::AtMostOnce {
            own.queue(parcel);
        }
        self.send(cx, client);
    }

    /// Sends what waits for a client, as far as its window and its connection have room.
    fn send(&mut self, cx: &mut Cx<'_, Self>, client: Key) {
        let Some(own) = self.clients.get_mut(client) else { return };
        let Some(conn) = own.conn else { return };
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        while let Some(Parcel { message, qos, retained }) = own.next() {
            if *qos != QoS::AtMostOnce && !peer.session().may_publish() {
                return;
            }
            let Some(out) = cx.out(conn) else { return };
            let (topic, payload) = ([&*message.topic], [&*message.payload]);
            let sent = peer.say(out, |session, out| match retained {
                true => session.publish_retained(&topic, &payload, *qos, out),
                false => session.publish(&topic, &payload, *qos, out),
            });
            match sent {
                Ok(id) => own.sent(id),
                // Over: what is left is for the next connection, or for nobody.
                Err(_) => return,
            }
        }
    }

    /// `false`: a filter is malformed.
    fn subscribe(&mut self, cx: &mut Cx<'_, Self>, conn: Key, subscribe: &Subscribe<'_>) -> bool {
        if subscribe.filters().any(|(filter, _)| !filter::is_valid(filter)) {
            return false;
        }
        let Some(client) = self.client_of(conn) else { return false };
        let Some(own) = self.clients.get_mut(client) else { return false };
        let mut retained = Vec::new();
        let mut codes = Vec::new();
        for (filter, qos) in subscribe.filters() {
            if filter == NO_SUBSCRIBE || !own.subscribe(filter, qos) {
                codes.push(SubscribeCode::Failure);
                continue;
            }
            codes.push(SubscribeCode::Granted(qos));
            retained.extend(self.kept.matching(filter).map(|(message, kept)| Parcel {
                message: message.clone(),
                qos: lower(*kept, qos),
                retained: true,
            }));
        }
        if let (Some(peer), Some(out)) = (self.peers.get_mut(&conn), cx.out_urgent(conn)) {
            peer.say(out, |session, out| session.suback(subscribe.id, &codes, out));
        }
        for parcel in retained {
            self.deliver(cx, client, parcel);
        }
        true
    }

    /// `false`: a filter is malformed.
    fn unsubscribe(&mut self, cx: &mut Cx<'_, Self>, conn: Key, unsubscribe: &Unsubscribe<'_>) -> bool {
        let Some(own) = self.client_of(conn).and_then(|client| self.clients.get_mut(client)) else {
            return false;
        };
        for filter in unsubscribe.filters() {
            if !filter::is_valid(filter) {
                return false;
            }
            own.unsubscribe(filter);
        }
        if let (Some(peer), Some(out)) = (self.peers.get_mut(&conn), cx.out_urgent(conn)) {
            peer.say(out, |session, out| session.unsuback(unsubscribe.id, out));
        }
        true
    }

    fn client_of(&self, conn: Key) -> Option<Key> {
        self.peers.get(&conn)?.client
    }

    /// A connection has ended, or is about to: its client is offline or forgotten, its will is published.
    fn part(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        let Some(mut peer) = self.peers.remove(&conn) else { return };
        let (client, will) = (peer.client, peer.will.take());
        let resumed = peer.into_session().suspend();
        if let Some(client) = client {
            match self.clients.get_mut(client) {
                Some(own) if !own.clean => (own.conn, own.resumed) = (None, Some(resumed)),
                Some(_) | None => self.forget(client),
            }
        }
        if let Some(will) = will {
            self.publish(cx, &will.message, will.qos, will.retain);
        }
    }

    fn forget(&mut self, client: Key) {
        if let Some(name) = self.clients.remove(client).and_then(|own| own.name) {
            self.names.remove(&name);
        }
    }
}

/// The quality at which a message of quality `published` reaches a subscription with quality `granted` (3.8.4).
fn lower(published: QoS, granted: QoS) -> QoS {
    if published.number() < granted.number() { published } else { granted }
}

impl Service for Broker {
    type Mail = ();
    type Baggage = ();
    type Token = ();

    fn opened(&mut self, cx: &mut Cx<'_, Self>, conn: Key, opened: Opened) {
        let transport = self.transports[opened.listener];
        let peer = Peer::new(transport, self.limits.clone(), &self.frames, cx.now());
        cx.set_deadline(conn, Some(peer.next_timeout()));
        self.peers.insert(conn, peer);
    }

    fn received(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<()> {
        let now = cx.now();
        let (Some(peer), Some(out)) = (self.peers.get_mut(&conn), cx.out_urgent(conn)) else {
            return Verdict::Close;
        };
        let mut input = match peer.open(bytes, out, now) {
            peer::Opened::Bytes(input) => input,
            peer::Opened::Below(consumed) => return Verdict::Yield { consumed },
            peer::Opened::Over => return Verdict::Close,
        };
        let heard = self.hear_all(cx, conn, &mut input);
        let Some(peer) = self.peers.get_mut(&conn) else { return Verdict::Close };
        let consumed = peer.consumed(input.taken());
        let code = match heard {
            Heard::Enough => return Verdict::Yield { consumed },
            Heard::Everything if !peer.has_ended() => {
                cx.set_deadline(conn, Some(peer.next_timeout()));
                return Verdict::Continue { consumed };
            }
            Heard::Everything | Heard::Goodbye => CloseCode::Normal,
            Heard::Broken => CloseCode::Protocol,
        };
        if let Some(out) = cx.out_urgent(conn) {
            peer.close(code, out);
        }
        Verdict::Close
    }

    fn adopted(&mut self, _: &mut Cx<'_, Self>, _: Key, _: Opened, (): ()) {
        debug_assert!(false, "one core has nobody to adopt from");
    }

    fn mail(&mut self, _: &mut Cx<'_, Self>, _: usize, (): ()) {
        debug_assert!(false, "nobody writes");
    }

    fn due(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if cx.backlog_bytes(conn) > 0 {
            return cx.set_deadline(conn, Some(cx.now() + BACKLOG_PATIENCE));
        }
        match peer.session().handle_timeout(cx.now()) {
            Ok(()) => cx.set_deadline(conn, Some(peer.next_timeout())),
            Err(_) => cx.hang_up(conn),
        }
    }

    fn rang(&mut self, _: &mut Cx<'_, Self>, (): ()) {
        debug_assert!(false, "no alarm is armed");
    }

    fn drained(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        if let Some(client) = self.client_of(conn) {
            self.send(cx, client);
        }
    }

    fn closed(&mut self, cx: &mut Cx<'_, Self>, conn: Key, _close: Close) {
        self.part(cx, conn);
    }

    fn drain(&mut self, cx: &mut Cx<'_, Self>) {
        for &conn in self.peers.keys() {
            cx.hang_up(conn);
        }
    }
}
