//! Too much mail: a congested core lets nobody in and takes no new work, and says so truly.
//!
//! Owns the look at the mail around each turn. Whoever is refused for it is refused rightly only if it was so; that
//! everything goes on afterwards is for the calm to show.

use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::house::House;
use crate::ledger::Ledger;
use engine::net::fake::Kernel;
use std::fmt::Display;

/// The mail of a core before its turn.
pub struct Pressure {
    /// By neighbour: how often there was too much, and whether there is now.
    towards: Vec<(u64, bool)>,
    accepted: u64,
    /// Clients at its doors.
    knocking: usize,
}

/// What is told by the core that took the request, and by no other.
pub(super) const AT_THE_DOOR: &str = "The gateway is busy.";

/// Looks at a core before its turn, if its mail can be too much.
pub fn look_at_mail(house: &mut House, core: usize, kernel: &Kernel, ledger: &Ledger) -> Option<Pressure> {
    if !ledger.congestion.is_possible || house.stopped[core] {
        return None;
    }
    let now = towards(house, core, ledger);
    let accepted = house.cores[core].stats().accepted;
    Some(Pressure { towards: now, accepted, knocking: kernel.waiting(core) })
}

/// Judges its turn.
pub fn judge_mail(house: &mut House, core: usize, before: &Pressure, ledger: &mut Ledger) {
    let after = towards(house, core, ledger);
    let step = ledger.step;
    for (to, (before, after)) in before.towards.iter().zip(&after).enumerate() {
        if before.1 || before.0 != after.0 {
            ledger.saw(Seen::Congested);
            ledger.congestion.note(core, to, step);
        }
    }
    let was = before.towards.iter().any(|towards| towards.1);
    if !was || ledger.stopping {
        return;
    }
    let accepted = house.cores[core].stats().accepted - before.accepted;
    ledger.check(accepted == 0, Oracle::Ceilings, &format!("core {core}"), || {
        format!("it was congested, and let {accepted} connections in")
    });
    if before.knocking > 0 {
        ledger.saw(Seen::LetNobodyIn);
    }
    let is = after.iter().any(|towards| towards.1);
    if !is {
        ledger.saw(Seen::CongestionOver);
    }
    see_who_waits(house, core, ledger);
}

/// Devices that have said something which a congested core has left where it was.
fn see_who_waits(house: &mut House, core: usize, ledger: &mut Ledger) {
    house.cores[core].outside(|shard, cx| {
        let mut seats = shard.devices().iter().filter_map(|(_, row)| row.seat.as_ref());
        if seats.any(|seat| cx.has_unread(seat.conn)) {
            ledger.saw(Seen::DeviceWaited);
        }
        if shard.unheard() > 0 {
            ledger.saw(Seen::ClientWaited);
        }
    });
}

fn towards(house: &mut House, core: usize, ledger: &Ledger) -> Vec<(u64, bool)> {
    let counts: Vec<u64> =
        ledger.congestion.neighbours().map(|to| house.cores[core].congestions(to)).collect();
    let mut now = Vec::new();
    house.cores[core].outside(|_, cx| {
        now.extend(counts.iter().enumerate().map(|(to, &count)| (count, cx.congested_to(to))));
    });
    now
}

impl Ledger {
    /// A command was refused by the core that took the request.
    pub(super) fn judge_refused_at_door(&mut self, n: usize, peer: &dyn Display) {
        self.saw(Seen::RefusedAtDoor);
        let (since, identity) = (self.questions[n].said_step, self.questions[n].identity);
        // Nobody knows where a device would be at home that does not exist.
        let may = match identity {
            Some(identity) => self.congestion.towards_home(identity, since),
            None => self.congestion.is_possible,
        };
        self.check(may, Oracle::RightAnswer, peer, || {
            format!("q{n}: the gateway is busy, but for its device's home too much mail did not wait")
        });
    }

    /// Whether a command may have been refused because too much mail waited at its device's home.
    pub(super) fn is_refused_for_mail(&mut self, n: usize) -> bool {
        let (since, identity) = (self.questions[n].said_step, self.questions[n].identity);
        let may = identity.is_some_and(|identity| self.congestion.at_home(identity, since));
        if may {
            self.saw(Seen::RefusedAtHome);
        }
        may
    }

    /// A device was told that nobody has had the time to read its description.
    pub fn judge_unread_description(&mut self, since: u64, peer: &dyn Display) {
        self.saw(Seen::DescriptionUnread);
        let may = self.congestion.towards_worker(since);
        self.check(may, Oracle::Blame, peer, || {
            "its description was left unread, and no core had too much mail for the worker".into()
        });
    }
}
