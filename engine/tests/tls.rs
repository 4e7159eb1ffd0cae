//! The rules of TLS on a core: it is transparent, whatever the kernel does with the bytes; what breaks it is closed with an
//! alert; nothing is kept of an idle connection but its keys.

mod house;
mod secure;

use std::sync::Arc;
use std::time::Duration;

use engine::net::fake::ClientRead;
use engine::tls::{Alpn, Handshake, Identity, Tickets};
use engine::{Close, Limits, Verdict};
use house::{Call, House, read_all};
use rustls::{ClientConfig, HandshakeKind, version};
use secure::{Paper, Secure, records, secure};

/// A house whose core 0 says everything back.
fn echo(paper: &Paper, limits: Limits) -> House {
    let mut house = House::with_limits(1, limits);
    secure(&mut house, paper);
    house.on_received(|cx, key, bytes| match cx.out(key) {
        Some(out) => {
            out.extend_from_slice(bytes);
            Verdict::Continue { consumed: bytes.len() }
        }
        None => Verdict::Yield { consumed: 0 },
    });
    house
}

fn modern(paper: &Paper) -> Arc<ClientConfig> {
    Arc::new(paper.client(&[&version::TLS13]))
}

fn both_versions(paper: &Paper) -> [Arc<ClientConfig>; 2] {
    [modern(paper), Arc::new(paper.client(&[&version::TLS12]))]
}

fn with_tickets(paper: &Paper, version: &'static rustls::SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut config = paper.client(&[version]);
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// A client that has shaken hands.
fn shaken(house: &mut House, config: &Arc<ClientConfig>) -> Secure {
    let mut client = Secure::new(house.kernel.connect_at(0, 0), config);
    client.converse(house, usize::MAX).expect("the handshake works");
    assert!(!client.tls.is_handshaking());
    client
}

fn outcome(house: &House, outcome: Handshake) -> u64 {
    house.cores[0].stats().handshakes(outcome)
}

#[test]
fn the_tenant_sees_plaintext_and_the_wire_does_not() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits::default());
    for (count, config) in both_versions(&paper).iter().enumerate() {
        let mut client = shaken(&mut house, config);
        client.say(b"not for everybody");
        client.converse(&mut house, usize::MAX).unwrap();
        assert_eq!(client.plaintext(), b"not for everybody");
        assert!(!client.ciphertext.windows(9).any(|window| window == b"everybody"));
        assert_eq!(outcome(&house, Handshake::Full), count as u64 + 1);
    }
    assert_eq!(house.probe().bytes(), b"not for everybody".repeat(2));
    assert_eq!(house.cores[0].connections_with_buffers(), 0, "nothing is in hand");
}

#[test]
fn a_handshake_may_be_cut_at_every_byte() {
    let paper = Paper::new();
    for config in both_versions(&paper) {
        let mut house = echo(&paper, Limits::default());
        let mut byte_by_byte = Secure::new(house.kernel.connect_at(0, 0), &config);
        byte_by_byte.wire.set_pipe_bytes(7);
        byte_by_byte.say(b"and then words");
        byte_by_byte.converse(&mut house, 1).unwrap();
        assert_eq!(byte_by_byte.plaintext(), b"and then words");
        let hello_bytes = Secure::new(house.kernel.connect_at(0, 0), &config).produce().len();
        for cut in 1..hello_bytes {
            let mut client = Secure::new(house.kernel.connect_at(0, 0), &config);
            client.send(cut);
            house.settle();
            client.say(b"words");
            client.converse(&mut house, usize::MAX).unwrap();
            assert_eq!(client.plaintext(), b"words", "cut at {cut}");
            client.wire.close();
            house.settle();
        }
        assert_eq!(outcome(&house, Handshake::Full), hello_bytes as u64);
    }
}

#[test]
fn a_client_may_leave_at_every_byte_of_its_handshake() {
    let paper = Paper::new();
    for config in both_versions(&paper) {
        let mut house = echo(&paper, Limits::default());
        let mut left = 0;
        for sent in (0..2000).step_by(3) {
            let mut client = Secure::new(house.kernel.connect_at(0, 0), &config);
            let mut budget = sent;
            while budget > 0 {
                let step = budget.min(client.produce().len());
                client.send(step);
                house.settle();
                client.receive().unwrap();
                budget -= step;
                if step == 0 {
                    break;
                }
            }
            let done = !client.tls.is_handshaking() && client.produce().is_empty();
            if sent % 2 == 0 {
                client.wire.close()
            } else {
                client.wire.reset()
            }
            house.settle();
            left += u64::from(!done);
            assert_eq!(house.cores[0].connections(), 0);
            if done {
                break;
            }
        }
        assert!(left > 10);
        assert_eq!(outcome(&house, Handshake::Left), left);
        assert_eq!(house.kernel.open_sockets(), 0);
    }
}

#[test]
fn much_passes_a_slow_wire_in_any_portions() {
    let paper = Paper::new();
    let message: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    for (scratch_bytes, pipe_bytes, portion) in
        [(64 * 1024, 64 * 1024, usize::MAX), (64, 1000, 777), (65536, 5, 40_000)]
    {
        let mut house = echo(&paper, Limits { scratch_bytes, ..Limits::default() });
        let message = &message[..message.len().min(pipe_bytes * 2000)];
        for config in both_versions(&paper) {
            let mut client = shaken(&mut house, &config);
            client.wire.set_pipe_bytes(pipe_bytes);
            client.tls.set_buffer_limit(None);
            client.say(message);
            let mut echoed = Vec::new();
            while echoed.len() < message.len() {
                let before = echoed.len();
                client.send(portion);
                house.turn();
                client.receive().unwrap();
                echoed.extend(client.plaintext());
                assert!(before < echoed.len() || house.kernel.elapsed() < Duration::from_secs(5));
                house.kernel.advance(Duration::from_micros(10));
            }
            assert!(echoed == message);
        }
    }
}

#[test]
fn a_moving_connection_takes_its_keys_along() {
    let paper = Paper::new();
    for config in both_versions(&paper) {
        for cut in [1, 4, 5, 6, 20, 1000] {
            let mut house = House::new(2);
            secure(&mut house, &paper);
            house.on_received(|cx, key, _| {
                if let Some(out) = cx.out(key) {
                    out.extend_from_slice(b"wait ");
                }
                Verdict::Move { to: 1, consumed: 1, baggage: "a suitcase" }
            });
            house.cores[1].service.on_received = Box::new(|cx, key, bytes| {
                if let Some(out) = cx.out(key) {
                    out.extend_from_slice(bytes);
                }
                Verdict::Continue { consumed: bytes.len() }
            });
            let mut client = shaken(&mut house, &config);
            client.wire.set_pipe_bytes(9);
            client.say(b"!rest");
            client.produce();
            client.say(b" and more");
            let first = client.produce().len() - b" and more".len() - 22;
            client.send(first + cut);
            house.settle();
            client.converse(&mut house, usize::MAX).unwrap();
            assert_eq!(client.plaintext(), b"wait rest and more");
            assert_eq!((house.cores[0].connections(), house.cores[1].connections()), (0, 1));
            client.tls.send_close_notify();
            client.converse(&mut house, usize::MAX).unwrap();
            assert!(client.ended_cleanly());
            assert_eq!(house.cores[1].service.closes().len(), 1);
        }
    }
}

#[test]
fn both_sides_part_with_a_goodbye() {
    let paper = Paper::new();
    for config in both_versions(&paper) {
        let mut house = echo(&paper, Limits::default());
        let mut client = shaken(&mut house, &config);
        client.tls.send_close_notify();
        client.converse(&mut house, usize::MAX).unwrap();
        assert!(client.ended_cleanly());
        assert_eq!(client.end, ClientRead::Finished);

        let mut client = shaken(&mut house, &config);
        house.on_received(|cx, key, _| {
            cx.out(key).unwrap().extend_from_slice(b"last words");
            Verdict::Close
        });
        client.say(b"enough");
        client.converse(&mut house, usize::MAX).unwrap();
        assert_eq!(client.plaintext(), b"last words");
        assert!(client.ended_cleanly());
        let ends: Vec<Close> = house.probe().closes().into_iter().map(|(_, close)| close).collect();
        assert_eq!(ends, [Close::Finished, Close::Asked]);
    }
}

#[test]
fn d4_a_closed_client_that_takes_nothing_is_dropped_after_a_second() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits::default());
    let mut client = shaken(&mut house, &modern(&paper));
    client.wire.set_pipe_bytes(0);
    house.on_received(|cx, key, _| {
        cx.out(key).unwrap().resize(100_000, 7);
        Verdict::Close
    });
    client.say(b"talk");
    client.send(usize::MAX);
    house.settle();
    assert_eq!(house.cores[0].connections(), 1, "its last words wait");
    let turns = house.cores[0].stats().turns;
    house.settle();
    assert!(house.cores[0].stats().turns - turns <= 4, "nothing spins");
    house.pass(Duration::from_millis(1100));
    assert_eq!((house.cores[0].connections(), house.kernel.open_sockets()), (0, 0));
}

#[test]
fn d5_what_is_not_tls_gets_an_alert_and_is_closed() {
    let paper = Paper::new();
    let old_hello =
        [&b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01"[..], &[7; 32], b"\x00\x00\x02\x00\x2f\x01\x00"]
            .concat();
    let oversized = [&b"\x16\x03\x01\x48\x01\x01\x00"[..], &[0; 30]].concat();
    let big_hello: Vec<u8> = (0..3)
        .flat_map(|part| {
            let begin = if part == 0 { &b"\x01\x00\xff\x00"[..] } else { b"\0\0\0\0" };
            [&b"\x16\x03\x01\x40\x00"[..], begin, &[0; 0x3FFC]].concat()
        })
        .collect();
    for (bytes, outcome_then, alert) in [
        (&b"\x10\x20\x00\x04MQTT\x04\x02\x00\x3c\x00\x04name"[..], Handshake::NotTls, None),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", Handshake::NotTls, None),
        (&old_hello, Handshake::NoCommonGround, Some(40)),
        (&oversized, Handshake::NotTls, Some(50)),
        (&big_hello, Handshake::Broken, Some(50)),
        (b"\x17\x03\x03\x00\x01x", Handshake::Broken, Some(10)),
    ] {
        let mut house = echo(&paper, Limits::default());
        let (client, key) = house.client();
        client.write(bytes);
        house.settle();
        let (answer, end) = read_all(&client);
        assert_eq!(end, ClientRead::Finished);
        if let Some(alert) = alert {
            assert_eq!(answer, [21, 3, 3, 0, 2, 2, alert], "{:02x?}", &bytes[..9]);
        }
        assert_eq!(house.probe().closes(), [(key, Close::Tls)]);
        assert_eq!(outcome(&house, outcome_then), 1, "{:02x?}", &bytes[..9]);
        assert_eq!(house.probe().bytes(), b"");
    }
}

#[test]
fn d5_a_damaged_record_gets_an_alert_and_is_closed() {
    let paper = Paper::new();
    for config in both_versions(&paper) {
        let mut house = echo(&paper, Limits::default());
        let mut client = shaken(&mut house, &config);
        client.say(b"first");
        client.say(b"second");
        let last = client.produce().len() - 1;
        client.produce()[last] ^= 1;
        client.send(usize::MAX);
        house.settle();
        let alert = client.receive().expect_err("the server complains");
        assert_eq!(alert, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
        assert_eq!(house.probe().closes().len(), 1);
        assert_eq!(house.probe().closes()[0].1, Close::Tls);
    }
}

#[test]
fn the_tenant_can_say_who_it_was_that_failed() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits::default());
    house.on_call(|cx, call| {
        if let Call::Closed(key, close) = call {
            assert_eq!((*close, cx.came_from(*key).map(|opened| opened.listener)), (Close::Tls, Some(0)));
        }
    });
    let (client, _) = house.client();
    client.write(b"not TLS");
    house.settle();
    assert_eq!(house.probe().closes().len(), 1);
}

#[test]
fn keys_are_renewed_when_the_peer_wants_it() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits::default());
    let mut client = shaken(&mut house, &modern(&paper));
    for round in 0..5u8 {
        client.tls.refresh_traffic_keys().unwrap();
        client.say(&[round; 100]);
        client.converse(&mut house, 50).unwrap();
        assert_eq!(client.plaintext(), [round; 100]);
    }
}

#[test]
fn d6_input_that_brings_nothing_ends_the_connection() {
    let paper = Paper::new();
    // rustls itself has a ceiling for key updates; ours is for every kind of input.
    for (fruitless_bytes_max, updates_then) in [(256 * 1024, 32..40), (500, 8..20)] {
        let mut house = echo(&paper, Limits { fruitless_bytes_max, ..Limits::default() });
        let mut client = shaken(&mut house, &modern(&paper));
        client.say(b"words");
        client.converse(&mut house, usize::MAX).unwrap();
        let mut updates = 0;
        while house.probe().closes().is_empty() {
            assert!(updates < updates_then.end, "it goes on and on");
            client.tls.refresh_traffic_keys().unwrap();
            client.send(usize::MAX);
            house.turn();
            updates += 1;
        }
        assert_eq!(house.probe().closes()[0].1, Close::Tls);
        assert!(updates_then.contains(&updates), "{updates}");
    }
}

#[test]
fn d1_a_handshake_that_dawdles_is_closed_after_ten_seconds() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits::default());
    let config = modern(&paper);
    let mut dawdler = Secure::new(house.kernel.connect_at(0, 0), &config);
    dawdler.send(100);
    let _silent = house.kernel.connect_at(0, 0);
    let mut served = shaken(&mut house, &config);
    house.pass(Duration::from_millis(9_500));
    assert_eq!(house.probe().closes(), []);
    dawdler.send(1);
    house.pass(Duration::from_millis(1_000));
    let ends: Vec<Close> = house.probe().closes().into_iter().map(|(_, close)| close).collect();
    assert_eq!((ends, outcome(&house, Handshake::Late)), (vec![Close::Tls, Close::Tls], 2));
    served.say(b"still here");
    served.converse(&mut house, usize::MAX).unwrap();
    assert_eq!(served.plaintext(), b"still here");
}

#[test]
fn a_storm_of_handshakes_is_spread_over_turns() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits { handshakes_per_turn: 5, ..Limits::default() });
    let config = modern(&paper);
    let connect = |_| Secure::new(house.kernel.connect_at(0, 0), &config);
    let mut clients: Vec<Secure> = (0..23).map(connect).collect();
    for client in &mut clients {
        client.send(usize::MAX);
    }
    house.turn();
    house.turn();
    for seen in [5, 10, 15, 20, 23] {
        let answered = clients.iter().filter(|client| client.wire.readable_bytes() > 0).count();
        assert_eq!(answered, seen);
        house.turn();
    }
    for client in &mut clients {
        client.converse(&mut house, usize::MAX).unwrap();
    }
    assert_eq!(outcome(&house, Handshake::Full), 23);
}

#[test]
fn words_before_the_handshake_are_said_after_it() {
    let paper = Paper::new();
    let mut house = House::new(1);
    secure(&mut house, &paper);
    house.on_call(|cx, call| {
        if let Call::Opened(key) = call {
            cx.out(*key).unwrap().extend_from_slice(b"welcome");
        }
    });
    let mut client = shaken(&mut house, &modern(&paper));
    assert_eq!(client.plaintext(), b"welcome");
    assert_eq!(house.cores[0].connections_with_buffers(), 0);
}

#[test]
fn a_turn_is_sealed_in_few_records_and_no_message_is_torn_without_need() {
    let paper = Paper::new();
    let mut house = echo(&paper, Limits::default());
    let mut client = shaken(&mut house, &modern(&paper));
    let key = house.probe().conns()[0];
    let mut said = |sizes: &[usize]| {
        let from = client.ciphertext.len();
        for &size in sizes {
            house.say(key, &vec![1; size]);
        }
        house.settle();
        client.receive().unwrap();
        let plain = client.plaintext().len();
        assert_eq!(plain, sizes.iter().sum::<usize>());
        records(&client.ciphertext[from..]).iter().map(|(_, length)| length - 17).collect::<Vec<_>>()
    };
    assert_eq!(said(&[10; 100]), [1000]);
    assert_eq!(said(&[10_000, 10_000]), [10_000, 10_000]);
    assert_eq!(said(&[40_000]), [16_384, 16_384, 7_232]);
    assert_eq!(said(&[6_000, 6_000, 6_000, 20_000]), [12_000, 6_000, 16_384, 3_616]);
}

#[test]
fn a_ticket_shortens_the_next_handshake() {
    let paper = Paper::new();
    for version in [&version::TLS13, &version::TLS12] {
        let mut house = echo(&paper, Limits::default());
        let config = with_tickets(&paper, version);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let client = shaken(&mut house, &config);
            assert_eq!(client.tls.handshake_kind(), Some(kind));
        }
        assert_eq!((outcome(&house, Handshake::Full), outcome(&house, Handshake::Resumed)), (1, 1));
    }
}

#[test]
fn d9_renewed_terms_are_for_new_connections_and_keep_tickets_good() {
    let (old, new) = (Paper::new(), Paper::new());
    let tickets = Tickets::new().unwrap();
    let mut house = echo(&old, Limits::default());
    house.cores[0].set_terms(0, Some(old.terms(Alpn::Any, &tickets)));
    let old_config = with_tickets(&old, &version::TLS13);
    let mut before = shaken(&mut house, &old_config);
    assert!(house.outside.renew(0, 0, new.terms(Alpn::Any, &tickets)));
    house.settle();
    shaken(&mut house, &modern(&new));
    before.say(b"I was here before");
    before.converse(&mut house, usize::MAX).unwrap();
    assert_eq!(before.plaintext(), b"I was here before");
    let resumed = shaken(&mut house, &old_config);
    assert_eq!(resumed.tls.handshake_kind(), Some(HandshakeKind::Resumed));
    let mut distrustful = Secure::new(house.kernel.connect_at(0, 0), &modern(&old));
    distrustful.converse(&mut house, usize::MAX).expect_err("it does not know the new one");
    distrustful.send(usize::MAX);
    house.settle();
    assert_eq!(outcome(&house, Handshake::Untrusted), 1);
}

#[test]
fn protocols_are_agreed_where_they_have_names() {
    let paper = Paper::new();
    let tickets = Tickets::new().unwrap();
    for (alpn, offered, agreed) in [
        (Alpn::Any, &[&b"mqtt"[..], b"x-private"][..], Some(None)),
        (Alpn::Any, &[], Some(None)),
        (Alpn::Http, &[b"h2", b"http/1.1"], Some(Some(&b"http/1.1"[..]))),
        (Alpn::Http, &[], Some(None)),
        (Alpn::Http, &[b"h2"], None),
    ] {
        let mut house = House::new(1);
        house.cores[0].set_terms(0, Some(paper.terms(alpn, &tickets)));
        let mut config = paper.client(&[&version::TLS13]);
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let mut client = Secure::new(house.kernel.connect_at(0, 0), &Arc::new(config));
        let came = client.converse(&mut house, usize::MAX).ok().map(|()| client.tls.alpn_protocol());
        assert_eq!(came, agreed);
        assert_eq!(outcome(&house, Handshake::NoCommonGround), u64::from(agreed.is_none()));
    }
}

#[test]
fn an_identity_is_a_chain_and_the_key_that_belongs_to_it() {
    let (one, other) = (Paper::new(), Paper::new());
    let fault = |chain: &str, key: &str| {
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(fault(&one.chain, &other.key), "the private key does not belong to the certificate");
    assert_eq!(fault("", &one.key), "there is no certificate in PEM in the certificate file");
    assert_eq!(fault(&one.chain, ""), "there is no private key in PEM in the key file");
    assert_eq!(fault(&one.key, &one.key), "there is no certificate in PEM in the certificate file");
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(fault(garbled, &one.key), "the first certificate is not an X.509 certificate");
    let kept = Identity::from_pem(one.chain.as_bytes(), one.key.as_bytes()).unwrap();
    assert!(kept.not_after_s() > 1_800_000_000);
    assert!(!format!("{kept:?}").contains("BEGIN"));
}
