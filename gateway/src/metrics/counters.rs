//! The counters of one core, and of all cores together.
//!
//! Owns a flat array of integers, laid out by the table, and three histograms. Counting is one addition at a place that is
//! known while compiling. Gauges are not kept up to date as things happen: they are set in the copy that is rendered.

use std::time::Duration;

use engine::stats::{CoreStats, LAG_BUCKETS};

use super::histogram::Histogram;
use super::labels::{
    AuthOutcome, Closed, CommandOutcome, ConnectionOutcome, DeviceStatus, Direction, Dropped, MemoryKind,
    ToolList, Transport, TriggerOutcome,
};
use super::table::{Family, Kind, ROWS, SERIES};
use crate::auth::GatekeeperCounters;
use crate::certificates::News;
use crate::log::Loss;
use crate::store;

/// Bounds of the command histogram, in seconds: from a device on the same desk to the longest timeout.
const COMMAND_BOUNDS_S: [f64; 18] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    600.0,
];

/// Bounds of the loop-lag histogram, in seconds: the engine counts by powers of two of a microsecond.
const LAG_BOUNDS_S: [f64; LAG_BUCKETS - 1] = {
    let mut bounds = [0.0; LAG_BUCKETS - 1];
    let mut n = 0;
    while n < bounds.len() {
        bounds[n] = (1_u64 << n) as f64 / 1e6;
        n += 1;
    }
    bounds
};

/// What one core, or a sum of cores, has counted.
#[derive(Clone, Debug)]
pub struct Counters {
    values: [u64; SERIES],
    pub(super) command_seconds: Histogram,
    pub(super) loop_lag_seconds: Histogram,
    pub(super) store_commit_seconds: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// Nothing counted yet.
    pub const fn new() -> Self {
        Self {
            values: [0; SERIES],
            command_seconds: Histogram::new(&COMMAND_BOUNDS_S),
            loop_lag_seconds: Histogram::new(&LAG_BOUNDS_S),
            store_commit_seconds: Histogram::new(&store::counters::COMMIT_BOUNDS_S),
        }
    }

    /// Adds what another core has counted.
    pub fn add(&mut self, other: &Self) {
        for (index, row) in ROWS.iter().enumerate() {
            let start = super::table::offset(index);
            for series in start..start + row.count() {
                let (mine, theirs) = (self.values[series], other.values[series]);
                self.values[series] = match row.kind {
                    Kind::Counter | Kind::Gauge => mine + theirs,
                    Kind::Peak => mine.max(theirs),
                };
            }
        }
        self.command_seconds.add(&other.command_seconds);
        self.loop_lag_seconds.add(&other.loop_lag_seconds);
        self.store_commit_seconds.add(&other.store_commit_seconds);
    }

    /// Adds what the engine of one core has counted since its start.
    pub fn add_engine(&mut self, stats: &CoreStats) {
        self.rise(Family::Bytes, &[Direction::In as usize], stats.bytes_in);
        self.rise(Family::Bytes, &[Direction::Out as usize], stats.bytes_out);
        self.rise(Family::HandedOver, &[], stats.handed_over_in);
        for (how, count) in stats.closed.iter().enumerate() {
            self.rise(Family::Ended, &[how], *count);
        }
        for (outcome, count) in stats.handshakes.iter().enumerate() {
            self.rise(Family::TlsHandshakes, &[outcome], *count);
        }
        for (outcome, count) in
            [stats.accepted, stats.accept_errors, stats.turned_away].into_iter().enumerate()
        {
            self.rise(Family::Accepts, &[outcome], count);
        }
        self.rise(Family::Turns, &[], stats.turns);
        self.rise(Family::Wakes, &[], stats.wakes);
        self.rise(Family::SystemCalls, &[0], stats.reads);
        self.rise(Family::SystemCalls, &[1], stats.writes);
        self.rise(Family::Mail, &[Direction::In as usize], stats.mail_received);
        self.rise(Family::Mail, &[Direction::Out as usize], stats.mail_posted);
        let peak = &mut self.values[Family::MailWaitingPeak.start()];
        *peak = stats.mail_overflow_peak.max(*peak);
        let counts = stats.lag.buckets().map(|(_, count)| count);
        self.loop_lag_seconds.merge(counts, stats.lag.sum_us() as f64 / 1e6);
    }

    /// Adds what the store's writer has counted.
    pub fn add_store(&mut self, store: &store::Counters) {
        for (outcome, count) in [store.kept, store.dropped, store.fetched].into_iter().enumerate() {
            self.rise(Family::Events, &[outcome], count);
        }
        self.rise(Family::ReadersRefused, &[], store.parking_refused);
        self.rise(Family::ReadersWaiting, &[], store.parked);
        self.rise(Family::EventLogs, &[], store.agents);
        self.rise(Family::Memory, &[MemoryKind::Events as usize], store.bytes);
        self.store_commit_seconds
            .merge(store.commit_seconds.counts.iter().copied(), store.commit_seconds.sum_s);
    }

    /// Adds what the gatekeeper has counted.
    pub fn add_gatekeeper(&mut self, keeper: &GatekeeperCounters) {
        let calls = [keeper.calls_allowed, keeper.calls_refused, keeper.calls_failed];
        for (outcome, count) in calls.into_iter().enumerate() {
            self.rise(Family::AuthCalls, &[outcome], count);
        }
        self.rise(Family::AuthCallsNow, &[], keeper.calls_now);
        self.rise(Family::AuthWaiting, &[], keeper.waiting_now);
        self.rise(Family::AuthAnswers, &[], keeper.verdicts_now);
        self.rise(Family::AuthSources, &[], keeper.sources_now);
    }

    /// A connection said who it is and was told what becomes of it.
    pub fn connection(&mut self, transport: Transport, outcome: ConnectionOutcome) {
        self.rise(Family::Connections, &[transport as usize, outcome as usize], 1);
    }

    /// A command ended.
    pub fn command(&mut self, outcome: CommandOutcome) {
        self.rise(Family::Commands, &[outcome as usize], 1);
    }

    /// A command that a device was asked for took this long.
    pub fn command_took(&mut self, took: Duration) {
        self.command_seconds.observe(took);
    }

    /// A trigger arrived.
    pub fn trigger(&mut self, outcome: TriggerOutcome) {
        self.rise(Family::Triggers, &[outcome as usize], 1);
    }

    /// A list of tools was asked for.
    pub fn tool_list(&mut self, told: ToolList) {
        self.rise(Family::ToolLists, &[told as usize], 1);
    }

    /// A message came or went.
    pub fn message(&mut self, direction: Direction, transport: Transport) {
        self.rise(Family::Messages, &[direction as usize, transport as usize], 1);
    }

    /// The certificate of the TLS listeners was read, or could not be.
    pub fn certificate(&mut self, news: News) {
        match news {
            News::InForce { not_after_s, first } => {
                self.set(Family::CertificateExpires, &[], not_after_s);
                self.set(Family::CertificateRefused, &[], 0);
                self.rise(Family::CertificateReloads, &[0], u64::from(!first));
            }
            News::Refused => {
                self.set(Family::CertificateRefused, &[], 1);
                self.rise(Family::CertificateReloads, &[1], 1);
            }
        }
    }

    /// A connection ended for a reason.
    pub fn closed(&mut self, reason: Closed) {
        self.rise(Family::Closed, &[reason as usize], 1);
    }

    /// How many connections have ended, for whatever reason.
    pub fn ends(&self) -> u64 {
        self.series(Family::Closed as usize).iter().sum()
    }

    /// A key was checked.
    pub fn auth(&mut self, outcome: AuthOutcome) {
        self.rise(Family::Auth, &[outcome as usize], 1);
    }

    /// A device's answer was not the JSON it should be, and was dropped.
    pub fn unread_response(&mut self) {
        self.dropped(Dropped::UnreadResponse);
    }

    /// A device's answer found nobody who waits for it, and was dropped.
    pub fn unexpected_response(&mut self) {
        self.dropped(Dropped::UnexpectedResponse);
    }

    /// A device's answer came after its command had ended without one.
    pub fn late_response(&mut self) {
        self.dropped(Dropped::LateResponse);
    }

    /// A command was queued again, because its manifest allows it.
    pub fn command_repeated(&mut self) {
        self.rise(Family::CommandsAgain, &[], 1);
    }

    /// A device published to a topic that is closed to it; the message was dropped.
    pub fn closed_topic(&mut self) {
        self.dropped(Dropped::ClosedTopic);
    }

    fn dropped(&mut self, reason: Dropped) {
        self.rise(Family::Dropped, &[reason as usize], 1);
    }

    /// An unidentified connection gave way.
    pub fn stranger_evicted(&mut self) {
        self.rise(Family::StrangersEvicted, &[], 1);
    }

    /// A device's newest connection is held back, because too many took it over.
    pub fn connection_held(&mut self) {
        self.rise(Family::ConnectionsHeld, &[], 1);
    }

    /// So many connections are open on this core.
    pub fn set_connections(&mut self, transport: Transport, now: u64) {
        self.set(Family::ConnectionsNow, &[transport as usize], now);
    }

    /// So many devices of this core have that presence.
    pub fn set_devices(&mut self, status: DeviceStatus, now: u64) {
        self.set(Family::Devices, &[status as usize], now);
    }

    /// So many ended commands are remembered on this core, and so many bytes of their texts.
    pub fn set_command_records(&mut self, now: u64, bytes: u64) {
        self.set(Family::CommandRecords, &[], now);
        self.set(Family::Memory, &[MemoryKind::CommandRecords as usize], bytes);
    }

    /// So many commands wait on this core.
    pub fn set_commands_pending(&mut self, now: u64) {
        self.set(Family::CommandsPending, &[], now);
    }

    /// So many triggers of this core wait for the store.
    pub fn set_triggers_unacknowledged(&mut self, now: u64) {
        self.set(Family::TriggersUnacknowledged, &[], now);
    }

    /// So many bytes are used for something. [`MemoryKind::Resident`] is filled in when rendering.
    pub fn set_memory(&mut self, kind: MemoryKind, bytes: u64) {
        self.set(Family::Memory, &[kind as usize], bytes);
    }

    /// Lines that the log has lost. Filled in when rendering: the log is the whole process's.
    pub fn add_log_dropped(&mut self, loss: Loss, lines: u64) {
        self.rise(Family::LogDropped, &[loss as usize], lines);
    }

    /// The series of row `index` of the table.
    pub(super) fn series(&self, index: usize) -> &[u64] {
        let start = super::table::offset(index);
        &self.values[start..start + ROWS[index].count()]
    }

    fn rise(&mut self, family: Family, labels: &[usize], by: u64) {
        debug_assert_eq!(labels.len(), ROWS[family as usize].labels.len());
        self.values[family.series(labels)] += by;
    }

    fn set(&mut self, family: Family, labels: &[usize], now: u64) {
        debug_assert!(ROWS[family as usize].kind == Kind::Gauge);
        self.values[family.series(labels)] = now;
    }
}
