//! The house from inside, as far as it lets itself be looked at: ceilings at any time, and nothing left at the end.
//!
//! Owns the only oracles that read the product's own state. They ask for counts, never for what the product believes of a
//! device.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::house::House;
use crate::ledger::{Ledger, TENANTS};
use engine::net::fake::Kernel;

/// Notices that may wait for one device.
const NOTICES_MAX: usize = 128;
/// What may wait above the high-water mark: words that must not be lost, and the message that crossed it.
const URGENT_BYTES_MAX: usize = 256 * 1024;

/// What must hold between any two turns; `core` is the one that had its turn.
pub fn check_ceilings(house: &mut House, core: usize, high_bytes: usize, ledger: &mut Ledger) {
    for tenant in &TENANTS[..ledger.tenants] {
        let (most, in_flight) = (ledger.limits.commands_in_flight_per_agent, in_flight(house, tenant));
        ledger
            .check(in_flight <= most, Oracle::Ceilings, tenant, || format!("{in_flight} commands in flight"));
    }
    let limits = ledger.limits.clone();
    let (waiting_max, in_flight_max) =
        (limits.commands_waiting_per_device as usize, usize::from(limits.mqtt_inflight_to_device));
    house.cores[core].outside(|shard, cx| {
        for (_, row) in shard.devices().iter() {
            let Some(talk) = &row.talk else { continue };
            let (waiting, notices, unacked) = (talk.waiting.len(), talk.notices.len(), talk.unacked.len());
            let holds = waiting <= waiting_max && notices <= NOTICES_MAX && unacked <= in_flight_max;
            ledger.check(holds, Oracle::Ceilings, &row.name, || {
                format!("{waiting} commands and {notices} notices wait, {unacked} are unacknowledged")
            });
            let backlog = row.seat.as_ref().map_or(0, |seat| cx.backlog_bytes(seat.conn));
            ledger.check(backlog <= high_bytes + URGENT_BYTES_MAX, Oracle::Ceilings, &row.name, || {
                format!("{backlog} bytes wait for one device")
            });
        }
    });
    house.cores[core].service.check_invariants();
    let ended: u64 = house.cores[core].stats().closed.iter().sum();
    assert_eq!(house.cores[core].service.counters().ends(), ended, "each connection's end has one reason");
}

/// What must hold when everybody has left.
pub fn check_nothing_left(house: &House, kernel: &Kernel, ledger: &mut Ledger) {
    for (n, core) in house.cores.iter().enumerate() {
        let (under_way, connections, buffers) =
            (core.service.under_way(), core.connections(), core.connections_with_buffers());
        let nothing = under_way == [0; 3] && connections == 0 && buffers == 0;
        ledger.check(nothing, Oracle::NothingLeft, &format!("core {n}"), || {
            format!(
                "[commands, triggers, tickets] {under_way:?}, {connections} connections, {buffers} of them with buffers"
            )
        });
        if core.stats().handed_over_in > 0 {
            ledger.saw(Seen::HandedOver);
        }
        if core.stats().mail_overflow_peak > 0 {
            ledger.saw(Seen::FullMailbox);
        }
    }
    // A stop does not wait for sessions whose clients have left without a word.
    let visitors = house.visitors();
    ledger.check(visitors == [0; 4] || ledger.stopping, Oracle::NothingLeft, &"cores", || {
        format!("[sessions, their names, strangers, claims] {visitors:?}")
    });
    for tenant in &TENANTS[..ledger.tenants] {
        let in_flight = in_flight(house, tenant);
        ledger.check(in_flight == 0, Oracle::NothingLeft, tenant, || {
            format!("{in_flight} places were not given back")
        });
    }
    let (sockets, letters) = (kernel.open_sockets(), house.letters());
    ledger.check(sockets == 0, Oracle::NothingLeft, &"kernel", || {
        format!("{sockets} sockets were never closed")
    });
    ledger
        .check(letters == 0, Oracle::NothingLeft, &"clerks", || format!("{letters} letters were never read"));
    let parked = house.writer.counters().parked;
    ledger.check(parked == 0, Oracle::NothingLeft, &"store", || format!("{parked} readers are waited for"));
}

fn in_flight(house: &House, tenant: &str) -> u32 {
    house.keys.agent(tenant).map_or(0, |agent| agent.commands_in_flight())
}
