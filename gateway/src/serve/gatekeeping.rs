//! The gatekeeper's place in the house: what it goes by, and its turns.
//!
//! Owns the way from the configuration to its rules, its thread, and one turn of it, which the simulator gives by hand. It decides
//! nothing about a key.

use super::now;
use crate::auth::callers::ServiceAddress;
use crate::auth::{Call, FlightRules, Gatekeeper, GatekeeperRules, LockoutRules, VerdictRules};
use crate::config::{Auth, AuthMode};
use crate::limits::Limits;
use crate::mail::Mail;
use crate::shard::Shard;
use engine::net::Net;
use engine::wiring::Clerk;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use ureq::tls::RootCerts;

/// Letters that it reads before it answers.
const GATEKEEPER_LETTERS_MAX: usize = 256;

/// Where the auth service is, and whom to trust about it; none when there is none.
pub(super) fn service_address(
    auth: &Auth,
    trusted: Option<RootCerts>,
    limits: &Limits,
) -> Option<ServiceAddress> {
    let url = auth.url.as_ref().filter(|_| auth.mode == AuthMode::Http)?;
    Some(ServiceAddress {
        url: url.clone(),
        trusted,
        timeout: Duration::from_millis(auth.timeout_ms),
        calls_max: limits.auth_calls_max as usize,
    })
}

/// What the gatekeeper goes by.
pub fn gatekeeper_rules(limits: &Limits, auth: &Auth) -> GatekeeperRules {
    let lockout = LockoutRules {
        failures_max: limits.auth_failures_max,
        window: Duration::from_millis(limits.auth_failures_window_ms),
        locked_for: Duration::from_millis(limits.auth_lockout_ms),
        entries_max: limits.auth_sources_max as usize,
    };
    let verdicts = VerdictRules {
        yes: Duration::from_millis(auth.cache_ms),
        no: Duration::from_millis(limits.auth_no_ms),
        outage: Duration::from_millis(limits.auth_outage_ms),
        entries_max: limits.auth_answers_max as usize,
    };
    let flights = FlightRules {
        calls_max: limits.auth_calls_max as usize,
        waiting_max: limits.auth_waiting_max as usize,
    };
    let service = (auth.mode == AuthMode::Http).then_some((verdicts, flights));
    GatekeeperRules { lockout, service }
}

/// The gatekeeper's thread.
pub(super) fn run_gatekeeper<N: Net>(
    mut clerk: Clerk<N, Shard>,
    mut keeper: Gatekeeper,
    leave: &Sender<Call>,
) {
    loop {
        // Without a caller the office is closed, and there is no call either.
        while turn_gatekeeper(&mut clerk, &mut keeper, now(), &mut |call| drop(leave.send(call))) {}
        if clerk.draining() {
            return;
        }
        clerk.park();
    }
}

/// One turn of the gatekeeper. `true`: there was something to do, and there may be more.
pub fn turn_gatekeeper<N: Net>(
    clerk: &mut Clerk<N, Shard>,
    keeper: &mut Gatekeeper,
    now: Instant,
    call: &mut dyn FnMut(Call),
) -> bool {
    let mut taken = 0;
    while taken < GATEKEEPER_LETTERS_MAX {
        match clerk.take() {
            Some((_, Mail::Gatekeeper(mail))) => keeper.take(mail, now),
            Some((from, _)) => debug_assert!(false, "core {from} wrote to the wrong neighbour"),
            None => break,
        }
        taken += 1;
    }
    while let Some(asked) = keeper.next_call(now) {
        call(asked);
    }
    while let Some((core, answer)) = keeper.next_answer() {
        clerk.post(core, Mail::Judged(answer));
    }
    clerk.flush();
    taken > 0
}
