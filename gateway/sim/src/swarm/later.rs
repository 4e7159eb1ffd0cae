//! What came later into the draw of a run.
//!
//! Owns features that the first runs did not have. Each is drawn by dice of its own, so that no run without it changes.

use super::{Swarm, pick};
use engine::net::fake::Dice;

/// How a command is to be tried again, in the words of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Attempts in all.
    pub max_attempts: u32,
    /// The pause before the second; it doubles.
    pub backoff_ms: u64,
}

/// The auth service behind the key file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthService {
    /// How long its yes is used, in milliseconds.
    pub cache_ms: u64,
    /// A call that takes longer has failed, in milliseconds.
    pub timeout_ms: u64,
    /// It fails and is slow in the storm.
    pub moody: bool,
}

impl Swarm {
    /// Draws it all.
    pub fn draw_later(&mut self, seed: u64) {
        self.draw_retry(&mut Dice::new(seed.wrapping_mul(0xA24B_AED4_963E_E407) ^ 0x7E));
        self.queues = Dice::new(seed.wrapping_mul(0x9FB2_1C65_1E98_DF25) ^ 0x0FF).chance(400);
        self.draw_mark(&mut Dice::new(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ 0xF0));
        self.controls = Dice::new(seed.wrapping_mul(0xE703_7ED1_A0B4_28DB) ^ 0xC0).chance(350);
        self.draw_auth_service(&mut Dice::new(seed.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ 0xA07));
    }

    /// A mark that the mail of a small house reaches.
    fn draw_mark(&mut self, dice: &mut Dice) {
        if dice.chance(250) {
            self.engine.unposted_letters_mark = *pick(dice, &[1, 4, 32]).expect("a list");
        }
    }

    fn draw_retry(&mut self, dice: &mut Dice) {
        if dice.chance(450) {
            let max_attempts = *pick(dice, &[1, 2, 3, 3, 5]).expect("a list");
            let backoff_ms = *pick(dice, &[0, 10, 40, 200]).expect("a list");
            self.retry = Some(Retry { max_attempts, backoff_ms });
        }
    }

    fn draw_auth_service(&mut self, dice: &mut Dice) {
        if !dice.chance(400) {
            return;
        }
        self.limits.auth_wait_ms = *pick(dice, &[400, 2_000, 5_000]).expect("a list");
        self.limits.auth_no_ms = *pick(dice, &[0, 300, 5_000]).expect("a list");
        self.limits.auth_outage_ms = *pick(dice, &[0, 4_000, 900_000, 900_000]).expect("a list");
        self.limits.auth_calls_max = *pick(dice, &[1, 2, 64]).expect("a list");
        if dice.chance(100) {
            self.limits.auth_waiting_max = 2;
        }
        self.auth_service = Some(AuthService {
            cache_ms: *pick(dice, &[0, 1_500, 4_000, 60_000]).expect("a list"),
            timeout_ms: *pick(dice, &[200, 1_000]).expect("a list"),
            moody: dice.chance(600),
        });
    }
}
