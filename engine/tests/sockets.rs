//! The same loop over the real kernel: threads, epoll, sockets on the loopback.

#![allow(clippy::unwrap_used, reason = "a test's own sockets")]

mod echo;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echo::{Echo, Word};
use engine::Close;
use engine::start::{self, Options, Running};
use engine::stats::CoreStats;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set for a test that runs again in a process of its own.
const CHILD: &str = "ENGINE_TEST_CHILD";

fn house(cores: usize) -> (Running<Echo>, SocketAddr) {
    let options = Options::new(cores, vec!["127.0.0.1:0".parse().unwrap()]);
    let house = start::start(options, Vec::new(), |_| Echo::new(false)).expect("it starts");
    let address = house.addresses()[0];
    (house, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Says `bytes` and expects them back.
fn exchange(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut heard = vec![0; bytes.len()];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, bytes);
}

fn stats(house: &Running<Echo>, cores: usize) -> Vec<CoreStats> {
    let (to, reports) = mpsc::channel();
    let mut outside = house.outside();
    for core in 0..cores {
        assert!(outside.post(core, Word::Report { to: to.clone() }));
    }
    let mut all: Vec<_> =
        (0..cores).map(|_| reports.recv_timeout(PATIENCE).expect("each core answers")).collect();
    all.sort_by_key(|(core, _)| *core);
    all.into_iter().map(|(_, stats)| stats).collect()
}

/// Asks again until the counters say so; every answer takes a turn of each core.
fn wait_until(house: &Running<Echo>, cores: usize, holds: impl Fn(&[CoreStats]) -> bool) -> Vec<CoreStats> {
    let patience = PATIENCE.as_millis();
    for _ in 0..patience {
        let stats = stats(house, cores);
        if holds(&stats) {
            return stats;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    panic!("the counters never said so: {:?}", stats(house, cores));
}

/// The ways in are for other threads.
const fn is_send<T: Send>() {}
const _: () = is_send::<engine::Outside<engine::net::os::OsNet, Echo>>();
const _: () = is_send::<start::Stopper<Echo>>();

fn closed(stats: &[CoreStats], close: Close) -> u64 {
    stats.iter().map(|core| core.closed(close)).sum()
}

#[test]
fn echoes_over_three_cores_and_hands_connections_over() {
    let (house, address) = house(3);
    let clients: Vec<_> = (0..30u8)
        .map(|n| {
            thread::spawn(move || {
                let mut client = connect(address);
                client.write_all(&[n]).unwrap();
                for round in 0..50u8 {
                    exchange(&mut client, &[n, round, b'!']);
                }
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(client.read(&mut [0]).unwrap(), 0, "FIN is answered by FIN");
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every client heard its echo");
    }
    let stats = wait_until(&house, 3, |stats| closed(stats, Close::Finished) == 30);
    let sum = |count: fn(&CoreStats) -> u64| stats.iter().map(count).sum::<u64>();
    assert_eq!(sum(|core| core.accepted), 30);
    assert!(sum(|core| core.handed_over_in) > 0);
    assert_eq!(sum(|core| core.handed_over_in), sum(|core| core.handed_over_out));
    assert_eq!((sum(|core| core.bytes_in), sum(|core| core.bytes_out)), (30 * 151, 30 * 150));
    house.stop(PATIENCE);
    house.join();
}

#[test]
fn a_half_closed_client_hears_everything_it_asked_for() {
    let (house, address) = house(2);
    let mut client = connect(address);
    let said: Vec<u8> = (0..300_000u32).map(|n| (n % 239) as u8).collect();
    let writer = {
        let (mut client, said) = (client.try_clone().unwrap(), said.clone());
        thread::spawn(move || {
            client.write_all(&[1]).unwrap();
            client.write_all(&said).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    writer.join().expect("all was sent");
    assert!(heard == said, "{} of {} bytes", heard.len(), said.len());
    house.stop(PATIENCE);
    house.join();
}

#[test]
fn megabytes_come_back_to_a_slow_reader() {
    let (house, address) = house(2);
    let mut client = connect(address);
    let said: Vec<u8> = (0..4_000_000u32).map(|n| (n % 241) as u8).collect();
    let writer = {
        let (mut client, said) = (client.try_clone().unwrap(), said.clone());
        thread::spawn(move || {
            client.write_all(&[0]).unwrap();
            client.write_all(&said).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut heard = Vec::new();
    let mut gulp = vec![0; 40_000];
    loop {
        let read = client.read(&mut gulp).unwrap();
        if read == 0 {
            break;
        }
        heard.extend_from_slice(&gulp[..read]);
        // A reader that is slower than the loopback, so that pipes fill up in both directions.
        thread::park_timeout(Duration::from_micros(200));
    }
    writer.join().expect("all was sent");
    assert!(heard == said, "{} of {} bytes", heard.len(), said.len());
    house.stop(PATIENCE);
    house.join();
}

#[test]
fn a_reset_is_told_as_a_reset() {
    let (house, address) = house(2);
    let mut client = connect(address);
    exchange_after_home(&mut client);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    wait_until(&house, 2, |stats| closed(stats, Close::Reset) == 1);
    house.stop(PATIENCE);
    house.join();
}

fn exchange_after_home(client: &mut TcpStream) {
    client.write_all(&[0]).unwrap();
    exchange(client, b"at home");
}

#[test]
fn a_graceful_stop_says_good_bye_to_everyone_and_comes_home() {
    let (house, address) = house(3);
    let mut clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
    clients.iter_mut().for_each(exchange_after_home);
    house.stop(PATIENCE);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    drop(clients);
    house.join();
    assert_eq!(
        TcpStream::connect(address).map_err(|error| error.kind()).err(),
        Some(ErrorKind::ConnectionRefused)
    );
}

#[test]
fn a_graceful_stop_does_not_wait_for_the_silent_beyond_its_deadline() {
    let (house, address) = house(1);
    let _silent = connect(address);
    house.stopper().stop(Duration::from_millis(50));
    house.join();
}

#[test]
fn a_port_in_use_is_refused_with_its_name() {
    let (house, address) = house(2);
    let again = start::start(Options::new(2, vec![address]), Vec::new(), |_| Echo::new(false));
    let error = again.err().expect("two houses do not share a port");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    house.stop(PATIENCE);
    house.join();
    let options = Options::new(2, vec![address]);
    let house = start::start(options, Vec::new(), |_| Echo::new(false)).expect("free again, and at once");
    house.stop(PATIENCE);
    house.join();
}

#[test]
fn clerks_see_every_letter_and_end_last() {
    let (heard, words) = mpsc::channel();
    let clerk = start::clerk("store", move |mut clerk: engine::Clerk<_, Echo>| {
        loop {
            while let Some((from, word)) = clerk.take() {
                assert!(matches!(word, Word::Answer { .. }));
                heard.send(from).unwrap();
            }
            if clerk.draining() {
                return;
            }
            clerk.park();
        }
    });
    let options = Options::new(2, Vec::new());
    let house = start::start(options, vec![clerk], |_| Echo::new(false)).expect("it starts");
    let mut outside = house.outside();
    let conn = engine::Key { index: 0, generation: 0 };
    for asker in [0, 1] {
        // A core answers an `Ask` to whoever the letter says; from outside it says: to the clerk.
        outside.post(asker, Word::Ask { asker: 2, conn });
    }
    let mut from: Vec<usize> = (0..2).map(|_| words.recv_timeout(PATIENCE).expect("the answer")).collect();
    from.sort_unstable();
    assert_eq!(from, [0, 1]);
    house.stop(PATIENCE);
    house.join();
    assert!(words.recv().is_err(), "the clerk is gone");
}

/// Runs one test of this file alone in a process of its own, with `limits` (shell words) in force there.
fn child(test: &str, limits: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", &format!("{limits} exec \"$0\" --exact {test} --nocapture"), program.to_str().unwrap()])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell")
}

#[test]
fn a_panic_in_a_core_ends_the_process_with_101() {
    if std::env::var_os(CHILD).is_some() {
        let (house, _) = house(2);
        house.outside().post(1, Word::Panic);
        return house.join();
    }
    let output = child("a_panic_in_a_core_ends_the_process_with_101", "").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("core-1") && said.contains("as the test wants it"), "{said}");
}

#[test]
fn without_descriptors_it_serves_on_and_recovers() {
    if std::env::var_os(CHILD).is_some() {
        let (house, address) = house(1);
        println!("\nat {address}");
        // Until the parent has seen enough.
        let _ = std::io::stdin().read(&mut [0]);
        println!("\nturns {}", stats(&house, 1)[0].turns);
        house.stop(Duration::ZERO);
        return house.join();
    }
    let mut process = child("without_descriptors_it_serves_on_and_recovers", "ulimit -n 40;");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("at ").map(str::to_owned)).expect("it says where");
    let address = address.parse().unwrap();
    let mut first = connect(address);
    exchange_after_home(&mut first);
    let mut crowd: Vec<_> = (0..100).map(|_| connect(address)).collect();
    let mut served = 0;
    let mut turned_away = 0;
    for client in &mut crowd {
        let mut heard = [0];
        let sent = client.write_all(&[0, b'x']);
        match sent.and_then(|()| client.read(&mut heard)) {
            Ok(1) => served += 1,
            Ok(_) | Err(_) => turned_away += 1,
        }
    }
    assert!(served > 5 && turned_away > 50, "{served} served, {turned_away} turned away");
    exchange(&mut first, b"still served");
    drop(crowd);
    exchange_after_home(&mut connect_until_served(address));
    drop(process.stdin.take());
    let turns = lines.find_map(|line| line.strip_prefix("turns ").map(str::to_owned)).expect("it counts");
    assert!(turns.parse::<u64>().unwrap() < 5000, "it did not spin: {turns}");
    assert!(process.wait().unwrap().success());
}

/// A client that is served, in spite of those just before it that were turned away.
fn connect_until_served(address: SocketAddr) -> TcpStream {
    for _ in 0..PATIENCE.as_millis() / 10 {
        let mut client = connect(address);
        if client.write_all(&[0, b'y']).is_ok() && client.read(&mut [0]).is_ok_and(|read| read == 1) {
            return connect(address);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("it never recovered");
}
