//! The gateway's tenant of one core: [`Shard`] is the [`Service`] that the engine calls.
//!
//! Owns one core's devices, commands, tickets and held triggers, and hands every callback to the room it belongs to. No
//! rule of the product is written here: this page is the switchboard. Nothing in it is shared with another core but
//! the agents' quotas.

use crate::agent::http::HttpPeer;
use crate::agent::owners::Owners;
use crate::agent::ticket::Ticket;
use crate::auth::Keys;
use crate::auth::mail::{FromGatekeeper, QuestionNumber};
use crate::buffers::Buffers;
use crate::command::again::Attempt;
use crate::command::pending::Pending;
use crate::command::records::Records;
use crate::command::repeats::{RepeatLimits, Repeats};
use crate::config::{Protocol, Serves};
use crate::device::antechamber::Antechamber;
use crate::device::conflict::Conflicts;
use crate::device::conversation::MqttPeer;
use crate::device::cors::Origins;
use crate::device::interned::{Interned, Room};
use crate::device::lines::Lines;
use crate::device::name::HomeHash;
use crate::device::polling::Whereabouts;
use crate::device::probe::Probe;
use crate::device::refusals::Refusals;
use crate::device::registry::Registry;
use crate::device::tap::Taps;
use crate::device::translator::Spare;
use crate::device::unheard::Unheard;
use crate::device::unidentified::Unidentified;
use crate::limits::Limits;
use crate::mail::Mail;
use crate::metrics::Counters;
use crate::peer::{Peer, Peers};
use crate::trigger::outbox::Held;
use crate::worker::FromWorker;
use engine::{Close, Key, Opened, Service, Slots, Verdict};
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a shard may ask of its core.
pub type Cx<'a> = engine::Cx<'a, Shard>;

/// What is the same on every core. Another one takes its place when limits change; all else in it stays what it was at the start.
#[derive(Debug)]
pub struct Facts {
    /// Every ceiling.
    pub limits: Limits,
    /// What each listener speaks, in the order of the configuration.
    pub doors: Vec<Door>,
    /// Where devices live.
    pub home: HomeHash,
    /// When the process started; quotas count from here.
    pub started_at: Instant,
    /// Random for each start; part of command ids and cursors.
    pub epoch: u32,
    /// The transport's ceilings.
    pub mqtt: Arc<transports::mqtt::Limits>,
    /// The same of each listener, in their order.
    pub mqtt_of_doors: Vec<Arc<transports::mqtt::Limits>>,
    /// The transport's ceilings.
    pub http: Arc<transports::http::Limits>,
    /// The transport's ceilings.
    pub ws: Arc<transports::ws::Limits>,
    /// The transport's ceilings and times.
    pub engineio: Arc<transports::engineio::Limits>,
    /// The transport's ceilings.
    pub socketio: Arc<transports::socketio::Limits>,
    /// The ceilings of the frames below Socket.IO.
    pub socketio_ws: Arc<transports::ws::Limits>,
    /// The post address of the store writer.
    pub store: usize,
    /// The post address of the worker.
    pub worker: usize,
    /// Asks how much memory the process has; the simulator has an answer of its own, so that its runs are equal.
    pub resident_bytes: fn() -> Option<u64>,
    /// The post address of the gatekeeper.
    pub gatekeeper: usize,
    /// An auth service is asked about keys that the key file does not know.
    pub asks_service: bool,
    /// The web pages that may poll.
    pub origins: Origins,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The protocol.
    pub protocol: Protocol,
    /// The parts of the HTTP side it serves.
    pub serves: Serves,
    /// QoS 1 messages to one device that may wait for their PUBACK, if it is not as many as elsewhere.
    pub inflight_to_device: Option<u16>,
}

/// What travels with a connection to another core.
#[derive(Debug)]
pub enum Baggage {
    /// A device's conversation, with the claim in it.
    Device(Box<MqttPeer>),
    /// A WebSocket that looks for its session.
    Probe(Box<Probe>),
}

/// What an alarm says when it rings.
#[derive(Clone, Copy, Debug)]
pub enum Alarmed {
    /// A command's time is up.
    Command(Key),
    /// Time to see whether a command must be said again.
    Again(Attempt),
    /// A connection has waited long enough for its seat.
    Held(Key),
    /// A session that was born polling wants to be looked at.
    Line(Key),
    /// Time to let some clients go, while the gateway stops.
    Release,
}

/// One core of the gateway.
pub struct Shard {
    pub(crate) facts: Arc<Facts>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) peers: Peers,
    pub(crate) unidentified: Unidentified,
    pub(crate) unheard: Unheard,
    pub(crate) antechamber: Antechamber,
    /// The last question that this core asked the gatekeeper.
    pub(crate) questions: QuestionNumber,
    pub(crate) lines: Lines,
    /// Where the sessions are that were born polling, here or elsewhere, and are known here.
    pub(crate) sids: HashMap<u128, Whereabouts, BuildHasherDefault<SipHasher13>>,
    pub(crate) devices: Registry,
    pub(crate) conflicts: Conflicts,
    pub(crate) refusals: Refusals,
    pub(crate) manifests: Interned,
    pub(crate) pending: Slots<Pending>,
    pub(crate) repeats: Repeats,
    pub(crate) records: Records,
    pub(crate) held: Slots<Held>,
    pub(crate) tickets: Slots<Ticket>,
    pub(crate) owners: Owners,
    pub(crate) buffers: Buffers,
    pub(crate) taps: Taps,
    pub(crate) scratch: Vec<u8>,
    /// What Socket.IO devices borrow while they talk.
    pub(crate) spare: Spare,
    pub(crate) counters: Counters,
    pub(crate) release: crate::stop::Release,
}

impl Shard {
    /// A core's tenant with no connection yet.
    pub fn new(facts: Arc<Facts>, keys: Arc<Keys>) -> Self {
        let records = Records::new(
            facts.limits.command_records_per_core as usize,
            facts.limits.command_records_bytes_per_core,
        );
        let manifests = Interned::new(Room {
            agent_bytes_max: facts.limits.manifest_bytes_per_agent,
            core_bytes_max: facts.limits.manifest_bytes_per_core,
            unused_bytes_max: facts.limits.manifest_unused_bytes_per_core,
        });
        let repeats = Repeats::new(RepeatLimits {
            keys_max: facts.limits.idempotency_keys_per_core as usize,
            bytes_max: facts.limits.idempotency_bytes_per_core,
            kept_for: Duration::from_millis(facts.limits.idempotency_ms),
        });
        Self {
            repeats,
            manifests,
            records,
            unidentified: Unidentified::within(&facts.limits),
            lines: Lines::new(Unidentified::within(&facts.limits)),
            facts,
            keys,
            peers: Peers::default(),
            unheard: Unheard::default(),
            antechamber: Antechamber::default(),
            questions: QuestionNumber::default(),
            sids: HashMap::default(),
            devices: Registry::default(),
            conflicts: Conflicts::default(),
            refusals: Refusals::default(),
            pending: Slots::new(),
            held: Slots::new(),
            tickets: Slots::new(),
            owners: Owners::default(),
            buffers: Buffers::default(),
            taps: Taps::default(),
            scratch: Vec::new(),
            spare: Spare::default(),
            counters: Counters::new(),
            release: crate::stop::Release::default(),
        }
    }

    /// Other limits count from now on.
    fn limits_changed(&mut self, facts: Arc<Facts>) {
        self.unidentified.keep_within(&facts.limits);
        self.lines.keep_within(&facts.limits);
        self.facts = facts;
    }

    /// Asserts what must be true between any two turns; for the simulator and for tests.
    pub fn check_invariants(&self) {
        self.devices.check_invariants();
        let described = self.devices.iter().filter(|(_, row)| row.manifest.is_some()).count();
        self.manifests.check_invariants(described);
        for (key, pending) in self.pending.iter() {
            let row = self.devices.get(pending.device).expect("a pending command has a device");
            let talk = row.talk.as_ref().expect("a device with commands talks");
            let lists = talk.waiting.iter().chain(&talk.sent).chain(&talk.pausing);
            let seen = lists.filter(|&&k| k == key).count();
            assert_eq!(seen, 1, "a pending command is in exactly one of its device's lists");
        }
        for (key, ticket) in self.tickets.iter() {
            assert!(ticket.is_consistent(key, self), "a ticket belongs to a waiting request");
        }
    }

    /// What is still under way: pending commands, held triggers, tickets. All zero when nothing is left over.
    pub fn under_way(&self) -> [usize; 3] {
        [self.pending.len(), self.held.len(), self.tickets.len()]
    }

    /// Who is here without being a device: sessions that poll, their names, strangers and those who wait for the gatekeeper, and
    /// devices whom somebody claims to be. All zero when nobody is.
    pub fn visitors(&self) -> [usize; 4] {
        let strangers = self.unidentified.in_all() + self.lines.strangers_in_all();
        [self.lines.len(), self.sids.len(), strangers, self.antechamber.len()]
    }

    /// The devices of this core.
    pub fn devices(&self) -> &Registry {
        &self.devices
    }

    /// This core's counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Service for Shard {
    type Mail = Mail;
    type Baggage = Baggage;
    type Token = Alarmed;

    fn opened(&mut self, cx: &mut Cx<'_>, conn: Key, opened: Opened) {
        let door = self.facts.doors[opened.listener];
        let peer = match door.protocol {
            Protocol::Mqtt => Peer::Mqtt(Box::new(MqttPeer::at(&self.facts, opened.listener, cx.now()))),
            Protocol::Http => Peer::Http(Box::new(HttpPeer::new(&self.facts, door.serves, cx.now()))),
        };
        self.peers.insert(conn, peer);
        self.greet_stranger(cx, conn, opened.peer.ip());
        self.set_deadline(cx, conn);
    }

    fn received(&mut self, cx: &mut Cx<'_>, conn: Key, bytes: &mut [u8]) -> Verdict<Baggage> {
        let there = bytes.len();
        let verdict = match self.peers.get_mut(conn) {
            Some(Peer::Mqtt(_)) => self.device_speaks(cx, conn, bytes),
            Some(Peer::Http(_)) => self.agent_speaks(cx, conn, bytes),
            Some(Peer::Probe(_)) => self.probe_speaks(cx, conn, bytes),
            Some(&mut Peer::Carrier(session)) => self.socketio_speaks(cx, session, bytes),
            Some(Peer::Gone(_)) | None => Verdict::Close,
        };
        if let Verdict::Continue { consumed } | Verdict::Yield { consumed } | Verdict::Pause { consumed } =
            &verdict
        {
            self.keeps(cx, conn, there - consumed);
        }
        self.set_deadline(cx, conn);
        self.settle_lines(cx);
        verdict
    }

    fn adopted(&mut self, cx: &mut Cx<'_>, conn: Key, _opened: Opened, baggage: Baggage) {
        match baggage {
            Baggage::Device(peer) => {
                self.peers.insert(conn, Peer::Mqtt(peer));
                self.admit(cx, conn);
                self.hear_newcomer(cx, conn);
            }
            Baggage::Probe(probe) => self.attach_probe(cx, conn, probe),
        }
        self.settle_lines(cx);
        self.set_deadline(cx, conn);
    }

    fn mail(&mut self, cx: &mut Cx<'_>, from: usize, mail: Mail) {
        match mail {
            Mail::Ask(ask) => self.asked(cx, ask),
            Mail::Left(left) => self.repeats.leave(left.name, left.waiter),
            Mail::Accepted(accepted) => self.answer_accepted(cx, &accepted),
            Mail::Inquire(inquiry) => self.inquired(cx, inquiry),
            Mail::Told(told) => self.answer_inquiry(cx, told),
            Mail::Settled(settled) => self.answer_command(cx, settled),
            Mail::Control(control) => self.control(cx, control),
            Mail::Controlled(controlled) => self.answer_control(cx, controlled),
            Mail::Tap(reader, wish) => self.tap(cx, reader, wish),
            Mail::TapOpened(conn) => self.tap_opened(cx, conn),
            Mail::Tapped(tapped) => self.tapped(cx, from, &tapped),
            Mail::Gather(gather) => self.gather(cx, gather),
            Mail::Gathered(gathered) => self.gathered(cx, gathered),
            Mail::Measure { from, ticket } => self.measure(cx, from, ticket),
            Mail::Measured { ticket, counters } => self.measured(cx, ticket, &counters),
            Mail::Keys(keys) => self.keys_changed(cx, keys),
            Mail::Limits(facts) => self.limits_changed(facts),
            Mail::Certificate(news) => self.counters.certificate(news),
            Mail::Stored(stored) => self.stored(cx, stored),
            Mail::Worked(FromWorker::Compiled { agent, fingerprint, made, buffer }) => {
                self.manifest_compiled(cx, (&agent, fingerprint), &made, buffer);
            }
            Mail::Worked(FromWorker::Checked(checked)) => self.arguments_checked(cx, checked),
            Mail::Judged(FromGatekeeper::Judged(judged)) => self.judged(cx, judged),
            Mail::Judged(FromGatekeeper::Counted { ticket, counters }) => {
                self.gatekeeper_counted(cx, ticket, &counters);
            }
            Mail::Poll(poll) => self.session_asked(cx, poll),
            Mail::Polled(polled) => self.polled(cx, &polled),
            Mail::Recognised(recognised) => self.recognised(recognised),
            Mail::Homeward(homeward) => self.session_comes_home(cx, *homeward),
            Mail::SessionGone(id) => self.session_gone(id),
            Mail::Unheard => self.hear_the_unheard(cx),
            Mail::Store(_) | Mail::Work(_) | Mail::Gatekeeper(_) => {
                debug_assert!(false, "core {from} wrote to the wrong neighbour")
            }
        }
        self.settle_lines(cx);
    }

    fn due(&mut self, cx: &mut Cx<'_>, conn: Key) {
        match self.peers.get_mut(conn) {
            Some(Peer::Mqtt(_)) => self.device_due(cx, conn),
            Some(Peer::Http(_)) => self.agent_due(cx, conn),
            Some(Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_)) | None => {}
        }
        self.set_next_deadline(cx, conn);
        self.settle_lines(cx);
    }

    fn rang(&mut self, cx: &mut Cx<'_>, token: Alarmed) {
        match token {
            Alarmed::Command(key) => self.expire(cx, key),
            Alarmed::Again(attempt) => self.again(cx, attempt),
            Alarmed::Held(conn) => self.held_enough(cx, conn),
            Alarmed::Release => self.release_some(cx),
            Alarmed::Line(key) => self.line_due(cx, key),
        }
        self.settle_lines(cx);
    }

    fn drained(&mut self, cx: &mut Cx<'_>, conn: Key) {
        match self.peers.get_mut(conn) {
            Some(Peer::Mqtt(peer)) => {
                if let Some(device) = peer.seated() {
                    self.speak(cx, device);
                }
            }
            Some(Peer::Http(_)) => self.stream_drained(cx, conn),
            Some(&mut Peer::Carrier(session)) => {
                if let Some(device) = self.peers.mqtt_mut(session).and_then(|peer| peer.seated()) {
                    self.speak(cx, device);
                }
            }
            Some(Peer::Probe(_) | Peer::Gone(_)) | None => {}
        }
        self.settle_lines(cx);
    }

    fn closed(&mut self, cx: &mut Cx<'_>, conn: Key, close: Close) {
        self.farewell_stranger(conn);
        self.count_end(conn, close);
        if let (Close::Tls, Some(opened)) = (close, cx.came_from(conn)) {
            // Anybody can make this happen, so it is no warning; the metrics count how handshakes end.
            tracing::debug!(peer = %opened.peer, listener = opened.listener, "TLS failed");
        }
        match self.peers.remove(conn) {
            Some(Peer::Mqtt(peer)) => self.device_left(cx, conn, *peer, close),
            Some(Peer::Http(peer)) => self.agent_left(cx, conn, *peer, close),
            Some(Peer::Probe(probe)) => self.probe_left(cx, &probe, conn),
            Some(Peer::Carrier(session)) => self.carrier_left(cx, session, close),
            Some(Peer::Gone(_)) | None => {}
        }
        self.settle_lines(cx);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.begin_release(cx);
    }

    fn may_stop(&self, now: Instant) -> bool {
        self.has_released_all(now)
    }
}
