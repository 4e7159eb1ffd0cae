//! Sockets: the rows D3 and D10 of the list of attacks, against the real gateway. Each test checks what the bad peers see, that a
//! new correct client is served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use support::raw::{Hello, Raw};
use support::scene::Scene;
use support::{SOON, wait_for};

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
