//! Sockets: the rows D1, D3 and D10 of the list of attacks and its ceiling L4, against the real gateway. Each test checks what the bad
//! peers see, that a new correct client is served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use support::raw::{Hello, Raw};
use support::scene::Scene;
use support::{SOON, signal, wait_for};

/// Descriptors that the process may have.
const DESCRIPTORS: usize = 128;

/// The processor's time that a process has had, in ticks of a hundredth of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    [11, 12].map(|at: usize| fields[at].parse::<u64>().expect("a number")).iter().sum()
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A peer that takes its time.
struct Dawdler<'b> {
    what: &'static str,
    address: SocketAddr,
    at_once: &'b [u8],
    byte_by_byte: &'b [u8],
    /// How what it is told begins; nothing is told where this is empty.
    told: &'static str,
}

impl Dawdler<'_> {
    /// Must be hung up on, not before its time and not when it has said all.
    fn must_be_let_go(&self) {
        let (mut raw, since) = (Raw::sending(self.address, self.at_once), Instant::now());
        let pause = Duration::from_millis(50);
        let during = self.byte_by_byte.iter().find_map(|byte| {
            raw.send(&[*byte]);
            raw.closed_within(pause)
        });
        let told = during.or_else(|| raw.closed_within(SOON));
        let told = told.unwrap_or_else(|| panic!("{}: still open; it heard {:?}", self.what, raw.received));
        let (told, after) = (String::from_utf8_lossy(&told).into_owned(), since.elapsed());
        assert!(told.starts_with(self.told), "{}: {told}", self.what);
        assert_eq!(told.is_empty(), self.told.is_empty(), "{}: {told}", self.what);
        assert!(after >= Duration::from_millis(500), "{}: after {after:?}", self.what);
    }
}

#[test]
fn d1_who_dawdles_is_let_go_in_time() {
    let limits = "connect_timeout_ms = 600\nhttp_head_timeout_ms = 600\nhttp_body_timeout_ms = 600";
    let scene = Scene::start(limits);
    let connect = Hello::new("alpha", "slow", &scene.key).packet();
    let head = format!(
        "POST /v1/agents/alpha/devices/bystander/commands HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 99\r\n\r\n",
        scene.agent_key
    );
    let (mqtt, http, head) = (scene.gateway.mqtt, scene.gateway.http, head.as_bytes());
    let dawdler =
        |what, address, at_once, byte_by_byte, told| Dawdler { what, address, at_once, byte_by_byte, told };
    let dawdlers = [
        dawdler("silence for MQTT", mqtt, b"", b"", ""),
        dawdler("a CONNECT byte by byte", mqtt, b"", &connect, ""),
        dawdler("silence for HTTP", http, b"", b"", ""),
        dawdler("a head byte by byte", http, b"", head, "HTTP/1.1 408 "),
        dawdler("a body byte by byte", http, head, &[b' '; 99], "HTTP/1.1 408 "),
    ];
    std::thread::scope(|scope| {
        for dawdler in &dawdlers {
            scope.spawn(|| dawdler.must_be_let_go());
        }
    });
    scene.must_serve("after D1");
}

/// L4: of strangers of one source, and of all strangers of a core, the oldest give way; who has said who it is is none.
#[test]
fn l04_the_oldest_strangers_give_way() {
    for limits in ["unidentified_per_address = 8", "unidentified_per_core = 8"] {
        let scene = Scene::start(limits);
        let mut crowd: Vec<Raw> = (0..24).map(|_| Raw::connect(scene.gateway.mqtt)).collect();
        let evicted = || scene.metric("gateway_strangers_evicted_total") >= 16.0;
        wait_for("all but the newest go", SOON, || evicted().then_some(()));
        for raw in &mut crowd[..8] {
            assert_eq!(raw.closed_within(SOON).as_deref(), Some(&[][..]), "{limits}: the oldest");
        }
        let newest = crowd.last_mut().expect("24 of them");
        newest.send(&Hello::new("alpha", "newest", &scene.key).packet());
        assert_eq!(newest.take(4), [0x20, 2, 0, 0], "{limits}: the newest is served");
        scene.must_serve(limits);
    }
}

#[test]
fn d3_without_descriptors_it_serves_on_does_not_spin_and_recovers() {
    let scene = Scene::start("");
    let pid = scene.gateway.pid();
    let limited = Command::new("prlimit")
        .args([&format!("--pid={pid}"), &format!("--nofile={DESCRIPTORS}")])
        .status()
        .expect("prlimit runs; it is in util-linux");
    assert!(limited.success());
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..3 * DESCRIPTORS {
        crowd.extend(TcpStream::connect_timeout(&scene.gateway.mqtt, SOON));
    }
    wait_for("no descriptor is left for one more", SOON, || {
        (descriptors(pid) + 4 > DESCRIPTORS).then_some(())
    });
    let (before, since) = (ticks(pid), Instant::now());
    std::thread::park_timeout(Duration::from_secs(2));
    let share = (ticks(pid) - before) as f64 / (since.elapsed().as_secs_f64() * 100.0);
    println!("{:.1} % of a core while full", share * 100.0);
    assert!(share < 0.1, "it spins: {share}");
    scene.must_answer_still();
    // C6: whatever can be read now and whatever cannot, the keys that count go on to count.
    signal(pid, "HUP");
    wait_for("it has looked at its files", SOON, || {
        scene.gateway.log().contains("the configuration ").then_some(())
    });
    scene.must_answer_still();
    drop(crowd);
    wait_for("there is room again", SOON, || (descriptors(pid) + 40 < DESCRIPTORS).then_some(()));
    scene.must_serve("after the crowd has gone");
}

#[test]
fn d10_churn_and_floods_of_take_overs_leave_nothing_behind() {
    let scene = Scene::on_cores(2, "");
    let pid = scene.gateway.pid();
    let open = descriptors(pid);
    let round = |same: bool| {
        for n in 0..300 {
            let name = if same { "one".to_owned() } else { format!("many-{}", n % 20) };
            Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", &name, &scene.key).packet()).reset();
        }
        wait_for("all of them are gone", SOON, || (descriptors(pid) <= open + 2).then_some(()));
        scene.must_serve("after a flood");
    };
    round(true);
    round(false);
    let before = resident_kib(pid);
    for same in [true, false, true] {
        round(same);
    }
    let after = resident_kib(pid);
    println!("{before} KiB before the last 900, {after} KiB after them");
    assert!(after < before + 4096, "{before} KiB became {after} KiB");
}
