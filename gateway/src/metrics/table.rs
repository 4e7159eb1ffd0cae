//! The table of metrics: names, labels and a sentence each. Names are fixed; dashboards are built on them.
//!
//! Owns the layout of the flat array in which a core counts: the families follow each other, and within a family the
//! series of all label values. Everything is computed while compiling.

use super::labels::{
    AuthOutcome, Closed, CommandOutcome, ConnectionOutcome, DeviceStatus, Direction, Dropped, MemoryKind,
    ToolList, Transport, TriggerOutcome,
};
use crate::log::Loss;

/// What the value of a family means, and how the values of cores become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only rises; cores add up.
    Counter,
    /// Rises and falls; cores add up.
    Gauge,
    /// The most there ever was; the largest core counts.
    Peak,
}

/// A label and its values.
pub(super) type Label = (&'static str, &'static [&'static str]);

/// One metric with all its series.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [Label],
    pub(super) sentence: &'static str,
}

/// One histogram.
pub(super) struct HistogramRow {
    pub(super) name: &'static str,
    pub(super) sentence: &'static str,
}

/// The families of [`ROWS`], in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Connections,
    Commands,
    Triggers,
    Messages,
    Bytes,
    Closed,
    Auth,
    HandedOver,
    Dropped,
    StrangersEvicted,
    ConnectionsHeld,
    ConnectionsNow,
    Devices,
    CommandsPending,
    CommandsAgain,
    CommandRecords,
    TriggersUnacknowledged,
    Memory,
    Ended,
    TlsHandshakes,
    CertificateReloads,
    CertificateRefused,
    CertificateExpires,
    Accepts,
    Turns,
    Wakes,
    SystemCalls,
    Mail,
    MailWaitingPeak,
    Events,
    ReadersRefused,
    ReadersWaiting,
    EventLogs,
    AuthCalls,
    AuthCallsNow,
    AuthWaiting,
    AuthAnswers,
    AuthSources,
    ToolLists,
    LogDropped,
}

const OUTCOME: &str = "outcome";

const fn row(name: &'static str, kind: Kind, labels: &'static [Label], sentence: &'static str) -> Row {
    Row { name, kind, labels, sentence }
}

/// Every counter and gauge.
pub(super) const ROWS: [Row; 40] = [
    row(
        "gateway_connections_total",
        Kind::Counter,
        &[("transport", Transport::WORDS), (OUTCOME, ConnectionOutcome::WORDS)],
        "Connections that said who they are, by how they speak and what they were told.",
    ),
    row(
        "gateway_commands_total",
        Kind::Counter,
        &[(OUTCOME, CommandOutcome::WORDS)],
        "Commands that ended, by how they ended.",
    ),
    row(
        "gateway_triggers_total",
        Kind::Counter,
        &[(OUTCOME, TriggerOutcome::WORDS)],
        "Triggers that arrived, by what became of them.",
    ),
    row(
        "gateway_messages_total",
        Kind::Counter,
        &[("direction", Direction::WORDS), ("transport", Transport::WORDS)],
        "Messages: MQTT publications and HTTP requests or answers.",
    ),
    row(
        "gateway_bytes_total",
        Kind::Counter,
        &[("direction", Direction::WORDS)],
        "Bytes received from peers and taken by the kernel for them.",
    ),
    row(
        "gateway_closed_total",
        Kind::Counter,
        &[("reason", Closed::WORDS)],
        "Connections that ended, each with the one reason that the gateway knows.",
    ),
    row(
        "gateway_auth_total",
        Kind::Counter,
        &[(OUTCOME, AuthOutcome::WORDS)],
        "Keys that were checked, by the verdict.",
    ),
    row(
        "gateway_handed_over_total",
        Kind::Counter,
        &[],
        "Connections that moved from the core that accepted them to the home core of their device.",
    ),
    row(
        "gateway_dropped_total",
        Kind::Counter,
        &[("reason", Dropped::WORDS)],
        "Messages of devices that were acknowledged, if the protocol asks for it, and then ignored.",
    ),
    row(
        "gateway_strangers_evicted_total",
        Kind::Counter,
        &[],
        "Unidentified connections that gave way to newer ones because a ceiling was reached.",
    ),
    row(
        "gateway_connections_held_total",
        Kind::Counter,
        &[],
        "Connections of devices whose CONNACK was held back because too many had taken the device over.",
    ),
    row(
        "gateway_connections",
        Kind::Gauge,
        &[("transport", Transport::WORDS)],
        "Connections open now, by how they speak.",
    ),
    row(
        "gateway_devices",
        Kind::Gauge,
        &[("status", DeviceStatus::WORDS)],
        "Devices that are known now, by presence.",
    ),
    row("gateway_commands_pending", Kind::Gauge, &[], "Commands that wait for a device now."),
    row(
        "gateway_commands_again_total",
        Kind::Counter,
        &[],
        "Further attempts at commands, made because their manifest allows it.",
    ),
    row("gateway_command_records", Kind::Gauge, &[], "Ended commands that are remembered now."),
    row(
        "gateway_triggers_unacknowledged",
        Kind::Gauge,
        &[],
        "Triggers that wait for the store now, before their device is told that they are safe.",
    ),
    row(
        "gateway_memory_bytes",
        Kind::Gauge,
        &[("kind", MemoryKind::WORDS)],
        "Memory in use now, by what it is used for.",
    ),
    row(
        "gateway_ended_total",
        Kind::Counter,
        &[("how", &ENDED)],
        "Connections that ended, by how it looked from the socket.",
    ),
    row(
        "gateway_tls_handshakes_total",
        Kind::Counter,
        &[(OUTCOME, &HANDSHAKES)],
        "TLS handshakes that ended; `untrusted`: the client does not trust the certificate and said so.",
    ),
    row(
        "gateway_certificate_reloads_total",
        Kind::Counter,
        &[(OUTCOME, &["renewed", "refused"])],
        "Times that the certificate of the TLS listeners was read again (SIGHUP).",
    ),
    row(
        "gateway_certificate_refused",
        Kind::Gauge,
        &[],
        "1 while the certificate files hold nothing that can be used and an older certificate is shown: an alarm.",
    ),
    row(
        "gateway_certificate_expires_seconds",
        Kind::Gauge,
        &[],
        "When the certificate of the TLS listeners expires, in Unix seconds; 0 without TLS.",
    ),
    row(
        "gateway_accepts_total",
        Kind::Counter,
        &[(OUTCOME, &["accepted", "failed", "turned_away"])],
        "Connections accepted, accepts that failed, and connections accepted only to be closed for want of descriptors.",
    ),
    row("gateway_turns_total", Kind::Counter, &[], "Turns of the cores' loops."),
    row("gateway_wakes_total", Kind::Counter, &[], "Times that a core woke a sleeping neighbour."),
    row(
        "gateway_system_calls_total",
        Kind::Counter,
        &[("call", &["read", "write"])],
        "Reads and writes asked of the kernel.",
    ),
    row(
        "gateway_mail_total",
        Kind::Counter,
        &[("direction", Direction::WORDS)],
        "Letters between cores, received and posted; those to the own core count too.",
    ),
    row(
        "gateway_mail_waiting_peak",
        Kind::Peak,
        &[],
        "The most letters that ever waited at one core because a neighbour's mailbox was full.",
    ),
    row(
        "gateway_events_total",
        Kind::Counter,
        &[(OUTCOME, &["kept", "dropped", "fetched"])],
        "Events of agents: kept, dropped as the oldest when a ceiling was reached, and handed to readers.",
    ),
    row(
        "gateway_readers_refused_total",
        Kind::Counter,
        &[],
        "Readers of events that could not wait because too many do.",
    ),
    row("gateway_readers_waiting", Kind::Gauge, &[], "Readers that wait for an event now."),
    row("gateway_event_logs", Kind::Gauge, &[], "Agents that have events kept now."),
    row(
        "gateway_auth_calls_total",
        Kind::Counter,
        &[(OUTCOME, &["allowed", "refused", "failed"])],
        "Calls to the auth service, by its answer.",
    ),
    row("gateway_auth_calls", Kind::Gauge, &[], "Calls to the auth service under way now."),
    row(
        "gateway_auth_waiting",
        Kind::Gauge,
        &[],
        "Log-ins and re-checks that wait for the auth service now.",
    ),
    row("gateway_auth_answers", Kind::Gauge, &[], "Answers of the auth service that are remembered now."),
    row(
        "gateway_auth_sources",
        Kind::Gauge,
        &[],
        "Sources (addresses, each in one agent's name) whose wrong keys are remembered now.",
    ),
    row(
        "gateway_tool_lists_total",
        Kind::Counter,
        &[(OUTCOME, ToolList::WORDS)],
        "Requests for a list of tools: told `unchanged` without asking a core, or gathered and found the same, or sent.",
    ),
    row(
        "gateway_log_dropped_total",
        Kind::Counter,
        &[("reason", Loss::WORDS)],
        "Lines that are not in the log: too many like them in a second, or stderr was too slow.",
    ),
];

/// The histograms: how long commands, turns and commits took.
pub(super) const COMMAND_SECONDS: HistogramRow = HistogramRow {
    name: "gateway_command_seconds",
    sentence: "Seconds from a command's arrival at the device's home core to its end.",
};
/// How long a core was away from its poll.
pub(super) const LOOP_LAG_SECONDS: HistogramRow = HistogramRow {
    name: "gateway_loop_lag_seconds",
    sentence: "Seconds that one turn of a core took: what a byte that arrives meanwhile has to wait.",
};
/// How long the store took.
pub(super) const STORE_COMMIT_SECONDS: HistogramRow = HistogramRow {
    name: "gateway_store_commit_seconds",
    sentence: "Seconds from the start of a batch of events to the moment all of it was kept.",
};
/// All of them, in the order of the page.
pub(super) const HISTOGRAMS: [&HistogramRow; 3] =
    [&COMMAND_SECONDS, &LOOP_LAG_SECONDS, &STORE_COMMIT_SECONDS];

/// How a connection ended, as the engine says it.
const ENDED: [&str; engine::Close::ALL.len()] =
    ["finished", "reset", "asked", "stalled", "carry_overflow", "drained", "tls"];

/// How a TLS handshake ended, as the engine says it.
const HANDSHAKES: [&str; engine::tls::Handshake::ALL.len()] =
    ["full", "resumed", "late", "left", "untrusted", "no_common_ground", "not_tls", "broken"];

/// Series of all families together.
pub(super) const SERIES: usize = offset(ROWS.len());

const _: () = assert!(Family::LogDropped as usize + 1 == ROWS.len());
const _: () = assert!(SERIES < 256, "a core's counters are copied whole");

impl Family {
    /// Where the family's series begin.
    pub(super) const fn start(self) -> usize {
        offset(self as usize)
    }

    /// Where the series with these label values is.
    pub(super) const fn series(self, labels: &[usize]) -> usize {
        let row = &ROWS[self as usize];
        let mut place = 0;
        let mut n = 0;
        while n < labels.len() {
            place = place * row.labels[n].1.len() + labels[n];
            n += 1;
        }
        self.start() + place
    }
}

impl Row {
    /// How many series the family has.
    pub(super) const fn count(&self) -> usize {
        let mut count = 1;
        let mut n = 0;
        while n < self.labels.len() {
            count *= self.labels[n].1.len();
            n += 1;
        }
        count
    }
}

/// Where the series of row `index` begin.
pub(super) const fn offset(index: usize) -> usize {
    let mut sum = 0;
    let mut n = 0;
    while n < index {
        sum += ROWS[n].count();
        n += 1;
    }
    sum
}
