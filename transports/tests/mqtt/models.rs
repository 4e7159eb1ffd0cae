//! The two books of a session, kept a second time in the simplest way.
//!
//! Owns the models: acknowledgements owed, and packet identifiers in flight. Random steps must leave both books alike.

use crate::kit::*;
use codec::mqtt::{Packet, QoS};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use transports::mqtt::{Limits, Misuse, Receipt};

/// What the client and the tenant do to the acknowledgements.
#[derive(Clone, Debug)]
enum Owing {
    Arrives { number: u16, qos: QoS },
    Spoken(Index),
    SpokenAgain(Index),
    Released(Index),
}

fn owing() -> impl Strategy<Value = Owing> {
    let arrival =
        (1_u16..20, prop::sample::select(vec![QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]));
    prop_oneof![
        4 => arrival.prop_map(|(number, qos)| Owing::Arrives { number, qos }),
        4 => any::<Index>().prop_map(Owing::Spoken),
        1 => any::<Index>().prop_map(Owing::SpokenAgain),
        1 => any::<Index>().prop_map(Owing::Released),
    ]
}

/// Everything that ever arrived, in order, with whether the tenant has spoken.
#[derive(Default)]
struct Arrivals {
    all: Vec<(Packet<'static>, Receipt, bool)>,
    written: usize,
}

impl Arrivals {
    /// The acknowledgements whose turn has come since the last time.
    fn due(&mut self) -> Vec<Packet<'static>> {
        let due: Vec<_> = self.all[self.written..]
            .iter()
            .take_while(|(_, _, spoken)| *spoken)
            .map(|(ack, _, _)| *ack)
            .collect();
        self.written += due.len();
        due
    }

    fn pick(&mut self, index: &Index, spoken: bool) -> Option<&mut (Packet<'static>, Receipt, bool)> {
        let mut fit: Vec<_> = self.all.iter_mut().filter(|(_, _, said)| *said == spoken).collect();
        (!fit.is_empty()).then(|| fit.swap_remove(index.index(fit.len())))
    }
}

proptest! {
    #[test]
    fn acknowledgements_go_out_in_the_order_of_arrival_and_once_each(
        steps in prop::collection::vec(owing(), 0..200),
        owed_max in 1_u16..12,
    ) {
        let mut bench = Bench::live_with(Limits { owed_max, ..Limits::default() });
        let mut arrivals = Arrivals::default();
        let mut released = Vec::new();
        for step in steps {
            match step {
                Owing::Arrives { number, qos } => {
                    // Identifiers of QoS 2 are used once here; that they are told once has a test of its own.
                    let number = if qos == QoS::ExactlyOnce { 100 + arrivals.all.len() as u16 } else { number };
                    let full = arrivals.all.len() - arrivals.written >= usize::from(owed_max);
                    prop_assert_eq!(bench.session.is_full(), full);
                    if full {
                        continue;
                    }
                    let told = bench.receive(&publish(qos, number)).unwrap();
                    prop_assert_eq!(told.len(), 1);
                    let ack = match qos {
                        QoS::ExactlyOnce => Packet::PubRec(id(number)),
                        QoS::AtLeastOnce | QoS::AtMostOnce => Packet::PubAck(id(number)),
                    };
                    arrivals.all.push((ack, told[0].receipt(), false));
                }
                Owing::Spoken(index) => {
                    if let Some((_, receipt, spoken)) = arrivals.pick(&index, false) {
                        *spoken = true;
                        bench.acknowledge(*receipt);
                    }
                }
                Owing::SpokenAgain(index) => {
                    if let Some((_, receipt, _)) = arrivals.pick(&index, true) {
                        bench.acknowledge(*receipt);
                    }
                }
                Owing::Released(index) => {
                    let open = |ack: &Packet<'_>| match ack {
                        Packet::PubRec(id) => Some(id.value()),
                        _ => None,
                    };
                    let done = &arrivals.all[..arrivals.written];
                    let ids: Vec<u16> = done.iter().filter_map(|(ack, _, _)| open(ack)).collect();
                    if !ids.is_empty() && !bench.session.is_full() {
                        let number = ids[index.index(ids.len())];
                        prop_assert_eq!(bench.receive(&pubrel(number)), Ok(vec![]));
                        prop_assert_eq!(&bench.out[bench.out.len() - 4..], &pubcomp(number)[..]);
                        bench.out.truncate(bench.out.len() - 4);
                        released.push(number);
                    }
                }
            }
            let written = bench.written();
            prop_assert_eq!(packets(&written), arrivals.due());
            prop_assert_eq!(bench.session.owes(), arrivals.all.len() - arrivals.written);
        }
    }
}

/// What the tenant and the client do to our own messages.
#[derive(Clone, Debug)]
enum Flying {
    Publish(QoS),
    Advance(Index),
    Stray(u16),
    Forget(Index),
    Reconnect,
}

fn flying() -> impl Strategy<Value = Flying> {
    prop_oneof![
        6 => prop::sample::select(vec![QoS::AtLeastOnce, QoS::ExactlyOnce]).prop_map(Flying::Publish),
        6 => any::<Index>().prop_map(Flying::Advance),
        1 => (1000_u16..).prop_map(Flying::Stray),
        2 => any::<Index>().prop_map(Flying::Forget),
        1 => Just(Flying::Reconnect),
    ]
}

/// One of our messages, as the client sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Flight {
    qos: QoS,
    received: bool,
    forgotten: bool,
}

#[derive(Default)]
struct Flights(BTreeMap<u16, Flight>);

impl Flights {
    fn counted(&self) -> usize {
        self.0.values().filter(|flight| !flight.forgotten).count()
    }

    fn pick(&mut self, index: &Index) -> Option<(u16, &mut Flight)> {
        let at = (!self.0.is_empty()).then(|| index.index(self.0.len()))?;
        self.0.iter_mut().nth(at).map(|(id, flight)| (*id, flight))
    }
}

/// The client's next word about one message.
fn advance(bench: &mut Bench, flights: &mut Flights, index: &Index) {
    let Some((number, flight)) = flights.pick(index) else {
        return;
    };
    let expected = if flight.forgotten { vec![] } else { vec![Told::Acked(number)] };
    match (flight.qos, flight.received) {
        (QoS::ExactlyOnce, false) => {
            flight.received = true;
            assert_eq!(bench.receive(&pubrec(number)), Ok(vec![]));
            assert_eq!(bench.written(), pubrel(number));
            return;
        }
        (QoS::ExactlyOnce, true) => assert_eq!(bench.receive(&pubcomp(number)), Ok(expected)),
        (QoS::AtLeastOnce | QoS::AtMostOnce, _) => assert_eq!(bench.receive(&puback(number)), Ok(expected)),
    }
    flights.0.remove(&number);
}

/// The connection is lost and the session taken up by another.
fn reconnect(bench: Bench, flights: &mut Flights, limits: &Limits) -> Bench {
    let left = bench.session.suspend();
    // No acknowledgement of QoS 1 survives; of a forgotten message of QoS 2 only the release is left.
    flights.0.retain(|_, flight| !flight.forgotten || flight.qos == QoS::ExactlyOnce);
    let mut waiting: Vec<u16> = left.in_flight().map(|id| id.value()).collect();
    waiting.sort_unstable();
    let counted = flights.0.iter().filter(|(_, flight)| !flight.forgotten).map(|(id, _)| *id);
    assert!(counted.eq(waiting.iter().copied()));
    let mut bench = Bench::resumed(limits.clone(), Some(left));
    for flight in flights.0.values_mut().filter(|flight| flight.forgotten) {
        flight.received = true;
    }
    let written = bench.written();
    let mut released: Vec<u16> = packets(&written)
        .iter()
        .map(|packet| match packet {
            Packet::PubRel(id) => id.value(),
            other => panic!("{other:?} behind CONNACK"),
        })
        .collect();
    released.sort_unstable();
    assert!(released.iter().eq(flights.0.iter().filter(|(_, flight)| flight.received).map(|(id, _)| id)));
    for number in waiting {
        bench.session.republish(id(number), &["t"], &[], &mut bench.out);
        let again = !flights.0[&number].received;
        assert_eq!(packets(&bench.written()).len(), usize::from(again));
    }
    bench
}

proptest! {
    #[test]
    fn an_id_in_flight_is_never_used_again(
        steps in prop::collection::vec(flying(), 0..200),
        inflight_max in 1_u16..6,
        used_before in 0_u16..3,
    ) {
        let limits = Limits { inflight_max, ..Limits::default() };
        let mut bench = Bench::live_with(limits.clone());
        let mut flights = Flights::default();
        for _ in 0..used_before {
            let sent = bench.publish(QoS::AtLeastOnce);
            bench.receive(&puback(sent.value())).unwrap();
        }
        bench.written();
        for step in steps {
            let may_publish = flights.counted() < usize::from(inflight_max);
            prop_assert_eq!(bench.session.may_publish(), may_publish);
            match step {
                Flying::Publish(qos) if may_publish => {
                    let sent = bench.publish(qos).value();
                    let flight = Flight { qos, received: false, forgotten: false };
                    prop_assert_eq!(flights.0.insert(sent, flight), None, "{} is in flight", sent);
                }
                Flying::Publish(qos) => {
                    let refused = bench.session.publish(&["t"], &[], qos, &mut bench.out);
                    prop_assert_eq!(refused, Err(Misuse::Busy));
                }
                Flying::Advance(index) => {
                    bench.written();
                    advance(&mut bench, &mut flights, &index);
                }
                Flying::Stray(number) => prop_assert_eq!(bench.receive(&puback(number)), Ok(vec![])),
                Flying::Forget(index) => {
                    if let Some((number, flight)) = flights.pick(&index) {
                        flight.forgotten = true;
                        bench.session.forget(id(number));
                    }
                }
                Flying::Reconnect => bench = reconnect(bench, &mut flights, &limits),
            }
        }
    }
}
