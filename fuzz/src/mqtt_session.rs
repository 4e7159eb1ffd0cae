//! A conversation in MQTT, step by step: what the client sends, what the tenant orders, connections that end and begin anew.
//!
//! Two sessions live through the same script. One hears the client's bytes at once, the other in dribbles; they must tell
//! and say the same. Beside them a [`Book`] is kept in the simplest way: which messages were told, which of them the
//! tenant has spoken about, which of our own are in flight. What the session writes must agree with it.

use crate::mqtt_session::book::Book;
use arbitrary::Arbitrary;
use codec::mqtt::{
    Connect, ConnectCode, PacketId, PublishHead, QoS, SubscribeCode, encode_disconnect, encode_pingreq,
    encode_pingresp, encode_puback, encode_pubcomp, encode_publish, encode_pubrec, encode_pubrel,
    encode_subscribe, encode_unsubscribe,
};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use transports::input::Input;
use transports::mqtt::{Event, Limits, Receipt, Resumed, Session, Violation};

mod book;

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Steps beyond this teach nothing new.
const STEPS_MAX: usize = 256;

/// A whole conversation.
#[derive(Arbitrary, Clone, Debug)]
pub struct Script {
    /// Small ceilings, so that they are reached.
    owed_max: u8,
    inflight_max: u8,
    qos2_open_max: u8,
    /// How many bytes the second session hears at a time.
    dribble: u8,
    /// The client has logged in before the first step.
    logged_in: bool,
    clean: bool,
    steps: Vec<Step>,
}

/// What the client, the tenant or time does.
#[derive(Arbitrary, Clone, Debug)]
enum Step {
    Connect { clean: bool, keep_alive_s: u8, client_id: bool },
    Publish { qos: u8, id: u8, dup: bool, retain: bool, payload: u8 },
    Answers { kind: u8, id: u8 },
    Subscribe { id: u8, filters: u8 },
    Unsubscribe { id: u8 },
    Ping,
    Disconnect,
    ServersOwn,
    Noise(Vec<u8>),
    Accept { present: bool },
    Refuse { code: u8 },
    Acknowledge { which: u8 },
    Speak { qos: u8, payload: u8 },
    Forget { which: u8 },
    Wait { seconds: u8 },
    Reconnect { clean: bool, present: bool },
}

/// Lives through the script.
pub fn check(script: &Script) {
    let limits = Arc::new(Limits {
        owed_max: 1 + u16::from(script.owed_max % 8),
        inflight_max: 1 + u16::from(script.inflight_max % 4),
        qos2_open_max: 1 + u16::from(script.qos2_open_max % 4),
        packet_bytes_max: 400,
        ..Limits::default()
    });
    let mut pair = Pair {
        whole: Side::new(&limits, usize::MAX),
        cut: Side::new(&limits, 1 + usize::from(script.dribble % 16)),
        limits,
        now: *BEGIN,
    };
    if script.logged_in {
        pair.take(&Step::Connect { clean: script.clean, keep_alive_s: 0, client_id: true });
        pair.take(&Step::Accept { present: false });
    }
    for step in script.steps.iter().take(STEPS_MAX) {
        pair.take(step);
    }
}

struct Pair {
    whole: Side,
    cut: Side,
    limits: Arc<Limits>,
    now: Instant,
}

impl Pair {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Wait { seconds } => self.now += Duration::from_secs(u64::from(*seconds) * 4),
            Step::Reconnect { clean, present } => {
                let hello = sent(&Step::Connect { clean: *clean, keep_alive_s: 9, client_id: true });
                for side in [&mut self.whole, &mut self.cut] {
                    side.reconnect(&self.limits, *present, &hello, self.now);
                }
            }
            _ => {}
        }
        let bytes = sent(step);
        for side in [&mut self.whole, &mut self.cut] {
            side.order(step, self.now);
            side.hear(&bytes, self.now);
            side.pass_time(self.now);
            side.check(&self.limits);
        }
        assert_eq!(self.whole.told, self.cut.told);
        assert_eq!(self.whole.take_written(), self.cut.take_written());
        assert_eq!(self.whole.session.next_timeout(), self.cut.session.next_timeout());
    }
}

/// What a step puts on the wire.
fn sent(step: &Step) -> Vec<u8> {
    let mut bytes = Vec::new();
    let id = |id: u8| PacketId::new(1 + u16::from(id % 6)).expect("it is not zero");
    let written = match step {
        Step::Connect { clean, keep_alive_s, client_id } => Connect {
            client_id: if *client_id { "lamp" } else { "" },
            clean_session: *clean,
            keep_alive_s: u16::from(*keep_alive_s),
            will: None,
            username: None,
            password: None,
        }
        .encode(&mut bytes),
        Step::Publish { qos, id: number, dup, retain, payload } => {
            let qos = qos_of(*qos);
            let is_kept = qos != QoS::AtMostOnce;
            let head =
                PublishHead { qos, dup: *dup && is_kept, retain: *retain, id: is_kept.then(|| id(*number)) };
            encode_publish(&mut bytes, head, &["t"], &[&vec![*payload; usize::from(*payload % 32)]])
        }
        Step::Answers { kind, id: number } => {
            let encode = [encode_puback, encode_pubrec, encode_pubrel, encode_pubcomp][usize::from(kind % 4)];
            encode(&mut bytes, id(*number));
            Ok(())
        }
        Step::Subscribe { id: number, filters } => {
            let filters = vec![("a/+/#", QoS::AtLeastOnce); 1 + usize::from(filters % 20)];
            encode_subscribe(&mut bytes, id(*number), &filters)
        }
        Step::Unsubscribe { id: number } => encode_unsubscribe(&mut bytes, id(*number), &["a", "b"]),
        Step::Ping => {
            encode_pingreq(&mut bytes);
            Ok(())
        }
        Step::Disconnect => {
            encode_disconnect(&mut bytes);
            Ok(())
        }
        Step::ServersOwn => {
            encode_pingresp(&mut bytes);
            Ok(())
        }
        Step::Noise(noise) => {
            bytes.extend_from_slice(noise);
            Ok(())
        }
        Step::Accept { .. }
        | Step::Refuse { .. }
        | Step::Acknowledge { .. }
        | Step::Speak { .. }
        | Step::Forget { .. }
        | Step::Wait { .. }
        | Step::Reconnect { .. } => Ok(()),
    };
    written.expect("the script sends what can be said");
    bytes
}

fn qos_of(number: u8) -> QoS {
    QoS::new(number % 3).expect("three of them")
}

/// One of the two sessions, with its tenant.
struct Side {
    session: Session,
    dribble: usize,
    carry: Vec<u8>,
    /// Written since the last step, and how much of it the book has read.
    written: Vec<u8>,
    read_bytes: usize,
    told: Vec<String>,
    receipts: Vec<Receipt>,
    book: Book,
}

impl Side {
    fn new(limits: &Arc<Limits>, dribble: usize) -> Side {
        Side {
            session: Session::new(Arc::clone(limits), *BEGIN),
            dribble,
            carry: Vec::new(),
            written: Vec::new(),
            read_bytes: 0,
            told: Vec::new(),
            receipts: Vec::new(),
            book: Book::default(),
        }
    }

    fn hear(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            // An order may have made room: what waits is offered again.
            self.pull(now);
        }
        for dribble in bytes.chunks(self.dribble) {
            self.carry.extend_from_slice(dribble);
            self.pull(now);
        }
    }

    fn pull(&mut self, now: Instant) {
        let was_over = self.book.is_over;
        let mut carry = std::mem::take(&mut self.carry);
        let mut input = Input::new(&mut carry);
        loop {
            match self.session.next(&mut input, &mut self.written, now) {
                Ok(Some(event)) => self.note(event),
                Ok(None) => break,
                Err(violation) => self.end(violation),
            }
        }
        let taken = input.taken();
        assert!(taken == 0 || !was_over, "nothing is taken after the end");
        carry.drain(..taken);
        self.carry = carry;
    }

    fn note(&mut self, event: Event<'_>) {
        assert!(!self.book.is_over, "nothing is told after the end");
        // What was said before the event was told may have freed the identifier that it comes with.
        self.check_written();
        self.told.push(format!("{event:?}"));
        match event {
            Event::Connect(connect) => self.book.connect(connect.clean_session),
            Event::Publish(arrival) => {
                self.told.push(format!("{:?}", arrival.payload));
                self.book.arrive(arrival.qos, arrival.id, arrival.receipt.is_some());
                self.receipts.extend(arrival.receipt);
            }
            Event::Subscribe(subscribe) => {
                let codes = vec![SubscribeCode::Granted(QoS::AtMostOnce); subscribe.filters().count()];
                self.session.suback(subscribe.id, &codes, &mut self.written);
            }
            Event::Unsubscribe(unsubscribe) => self.session.unsuback(unsubscribe.id, &mut self.written),
            Event::Acked(id) => self.book.acked(id),
            Event::Ping => {}
            Event::Disconnect => self.book.end(),
        }
    }

    fn end(&mut self, violation: Violation) {
        assert!(!self.book.is_over, "a conversation ends once");
        self.told.push(violation.to_string());
        self.book.end();
    }

    fn order(&mut self, step: &Step, now: Instant) {
        let out = &mut self.written;
        let before = out.len();
        let was_live = self.book.is_live;
        match step {
            Step::Accept { present } => {
                self.session.accept(None, *present, out, now);
                self.book.accept(&Resumed::default(), false);
            }
            Step::Refuse { code } => {
                let codes = [
                    ConnectCode::IdentifierRejected,
                    ConnectCode::ServerUnavailable,
                    ConnectCode::NotAuthorized,
                ];
                self.session.refuse(codes[usize::from(*code) % codes.len()], out);
                self.book.refuse();
                return;
            }
            Step::Acknowledge { which } => {
                if let Some(at) = usize::from(*which).checked_rem(self.receipts.len()) {
                    self.session.acknowledge(self.receipts[at], out);
                    self.book.speak(at);
                }
            }
            Step::Speak { qos, payload } => self.speak(qos_of(*qos), *payload),
            Step::Forget { which } => {
                if let Some(id) = self.book.pick_in_flight(*which) {
                    self.session.forget(id);
                    self.book.forget(id);
                }
            }
            _ => return,
        }
        let is_answer = matches!(step, Step::Accept { .. });
        assert!(
            was_live || is_answer || self.written.len() == before,
            "nothing is said in a dead conversation"
        );
    }

    fn speak(&mut self, qos: QoS, payload: u8) {
        let may = self.session.may_publish();
        let published = self.session.publish(&["a", "b"], &[&[payload], b"c"], qos, &mut self.written);
        match published {
            Ok(Some(id)) => {
                assert!(may && qos != QoS::AtMostOnce);
                self.book.depart(id);
            }
            Ok(None) => assert!(self.book.is_live && qos == QoS::AtMostOnce),
            Err(_) => assert!(!self.book.is_live || !may),
        }
    }

    fn pass_time(&mut self, now: Instant) {
        let is_early = now < self.session.next_timeout();
        match self.session.handle_timeout(now) {
            Ok(()) => {}
            Err(violation) => {
                assert!(!is_early, "silence is measured to its end");
                self.end(violation);
            }
        }
    }

    /// The connection is gone; the client dials again, and the tenant takes up what is left.
    fn reconnect(&mut self, limits: &Arc<Limits>, present: bool, hello: &[u8], now: Instant) {
        let old = std::mem::replace(&mut self.session, Session::new(Arc::clone(limits), now));
        let resumed = old.suspend();
        self.book.check_left(&resumed);
        let left: Vec<PacketId> = resumed.in_flight().collect();
        self.carry.clear();
        self.receipts.clear();
        self.book = self.book.next_connection();
        self.hear(hello, now);
        self.session.accept(Some(resumed.clone()), present, &mut self.written, now);
        self.book.accept(&resumed, present);
        for id in left {
            self.session.republish(id, &["a", "b"], &[b"again"], &mut self.written);
        }
    }

    fn check(&mut self, limits: &Limits) {
        assert!(self.session.owes() >= self.book.unsettled(), "what has not had its turn is owed");
        assert!(self.session.owes() <= usize::from(limits.owed_max));
        assert!(!self.session.may_publish() || self.session.owes() == 0);
        assert!(!self.session.may_publish() || self.book.in_flight.len() < usize::from(limits.inflight_max));
        self.check_written();
    }

    fn check_written(&mut self) {
        self.book.read(&self.written[self.read_bytes..]);
        self.read_bytes = self.written.len();
    }

    fn take_written(&mut self) -> Vec<u8> {
        self.read_bytes = 0;
        std::mem::take(&mut self.written)
    }
}
