//! Whether the time of a refusal tells how much of a key was right.
//!
//! Owns the two kinds of wrong keys, one that shares all but its last character with a right one and one that shares nothing, and
//! Welch's t over the times of their checks. Kinds alternate at random, so that whatever slows the machine down slows both; the
//! slowest tenth, interruptions, is left out. A leak is there in every round, noise is not: the bench fails when three rounds in a
//! row find |t| at or above 4.5, the threshold that is customary for this test. A comparison that stops at the first difference is
//! measured in the same way, and must be found out. Nothing here says what a check costs.
//!
//! ```text
//! cargo bench -p benches --bench key_timing
//! ```

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use gateway::auth::Keys;
use sha2::{Digest, Sha256};

/// Checks of each kind in a round.
const CHECKS: usize = 100_000;
/// Keys that the gateway knows.
const KEYS: usize = 100;
/// A figure below says that the kinds cannot be told apart.
const T_MAX: f64 = 4.5;
/// Rounds that must all be over it.
const ROUNDS: usize = 3;
/// Characters of a secret.
const SECRET_CHARS: usize = 43;

fn main() -> ExitCode {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let secrets: Vec<String> = (0..KEYS).map(|_| dice.secret()).collect();
    let keys = Keys::parse(&key_file(&secrets), None).expect("well-formed keys");
    secrets
        .iter()
        .for_each(|secret| assert!(keys.check(secret.as_bytes()).is_some(), "a right key is known"));
    let naive = welch(&Round::of(|shown| secrets[0].as_bytes().iter().eq(shown), &secrets[..1], &mut dice));
    println!("key_timing: a naive comparison: Welch's t {naive:+.2}");
    assert!(naive.abs() >= T_MAX, "the instrument sees a leak where there is one");
    for round in 1..=ROUNDS {
        let t = welch(&Round::of(|shown| keys.check(shown).is_some(), &secrets, &mut dice));
        println!(
            "key_timing: right prefix against wrong, {CHECKS} each: Welch's t {t:+.2} (round {round}, limit {T_MAX})"
        );
        if t.abs() < T_MAX {
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

/// Nanoseconds of each check, by kind.
struct Round([Vec<f64>; 2]);

impl Round {
    fn of(is_right: impl Fn(&[u8]) -> bool, secrets: &[String], dice: &mut Dice) -> Self {
        let mut shown = [0; SECRET_CHARS];
        let mut times = [Vec::with_capacity(CHECKS), Vec::with_capacity(CHECKS)];
        while times.iter().any(|kind| kind.len() < CHECKS) {
            let kind = dice.roll(2);
            // Both are made for either kind, and shown in the same place: only the check may tell them apart.
            let wrong = [almost(&secrets[dice.roll(secrets.len())]), dice.secret()];
            shown.copy_from_slice(wrong[kind].as_bytes());
            let from = Instant::now();
            let right = black_box(is_right(black_box(&shown)));
            let took = from.elapsed();
            assert!(!right, "a wrong key is nobody's");
            times[kind].push(took.as_nanos() as f64);
        }
        Self(times)
    }
}

/// Welch's t of the two kinds, without the slowest tenth of all.
fn welch(Round(times): &Round) -> f64 {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let cut = all[all.len() * 9 / 10];
    let [(mean_a, share_a), (mean_b, share_b)] = times.each_ref().map(|kind| {
        let kept: Vec<f64> = kind.iter().copied().filter(|&ns| ns < cut).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|ns| (ns - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (mean_a - mean_b) / (share_a + share_b).sqrt()
}

/// A secret with another last character.
fn almost(secret: &str) -> String {
    let (rest, last) = secret.split_at(secret.len() - 1);
    format!("{rest}{}", if last == "0" { '1' } else { '0' })
}

fn key_file(secrets: &[String]) -> String {
    let mut text = String::new();
    for (n, secret) in secrets.iter().enumerate() {
        let digest: String = Sha256::digest(secret).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
            hex
        });
        write!(
            text,
            "[[key]]\nid = \"k{n}\"\nsha256 = \"{digest}\"\nagent = \"agent-{n}\"\ndevice = \"*\"\noperations = [\"commands\"]\n"
        )
        .expect("writing to a String cannot fail");
    }
    text
}

/// Repeatable chance (xorshift64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn roll(&mut self, sides: usize) -> usize {
        (self.next() >> 33) as usize % sides
    }

    fn secret(&mut self) -> String {
        (0..SECRET_CHARS).map(|_| char::from(b'a' + self.roll(26) as u8)).collect()
    }
}
