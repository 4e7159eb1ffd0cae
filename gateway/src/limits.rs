//! Every ceiling of the gateway that an operator may move: its name, unit, default, range and reason, in one table.
//!
//! The table below is the section `[limits]` of the configuration, the struct [`Limits`] that the rooms read, the text of
//! `gateway config default` and the page `docs/limits.md`; there is no second list to forget. Limits that are part of a
//! wire format (JSON depth, topic length) are not here but in the codec's own `limits.rs`. Nothing in this file enforces
//! anything: the room that owns a resource reads its ceiling and refuses by it.

use serde::{Deserialize, Serialize};

/// Bytes of an envelope (topic, ids, JSON keys) that may come on top of the largest payload in one packet or body.
pub const ENVELOPE_BYTES_MAX: usize = 65_536;

macro_rules! limits {
    ($( $group:literal { $( $(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:literal,
        $least:literal ..= $most:literal, $unit:literal; )+ } )+) => {
        /// The ceilings in force. Read from `[limits]`; every field that the file leaves out keeps its default.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault ", stringify!($default), " ", $unit, ", from ", stringify!($least), " to ",
                    stringify!($most), ".")]
                pub $name: $kind,
            )+)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($( $name: $default, )+)+ }
            }
        }

        impl Limits {
            /// The value of the limit called `name`, in the unit of its row.
            pub fn value(&self, name: &str) -> Option<u64> {
                match name {
                    $($( stringify!($name) => Some(self.$name as u64), )+)+
                    _ => None,
                }
            }
        }

        impl Limits {
            /// Takes what may change while the gateway runs. All that is wished otherwise is told, also what is not taken
            /// ([`Row::needs_restart`]).
            pub fn take(&mut self, wished: &Self) -> Vec<Change> {
                let mut changes = Vec::new();
                for row in ROWS {
                    let (Some(from), Some(to)) = (self.value(row.name), wished.value(row.name)) else { continue };
                    if from != to {
                        changes.push(Change { row, from, to });
                    }
                }
                $($( if !AT_START.contains(&stringify!($name)) { self.$name = wished.$name; } )+)+
                changes
            }
        }

        /// The table: one row per limit, in the order of the configuration file.
        pub static ROWS: &[Row] = &[
            $($( Row {
                group: $group, name: stringify!($name), unit: $unit, default: $default, least: $least, most: $most,
                sentence: concat!($($doc),+),
            }, )+)+
        ];

        /// The defaults as constants, for the assertions that relate them.
        #[allow(non_upper_case_globals, dead_code)]
        mod default {
            $($( pub(super) const $name: $kind = $default; )+)+
        }
    };
}

/// Limits that are read once, when the gateway starts, because something is built from them: the engine, the store writer, the
/// worker, the gatekeeper, tables of a size, or a promise that both ends of a core go by.
const AT_START: &[&str] = &[
    "events_kept_per_agent",
    "events_bytes_per_agent",
    "worker_bytes_per_agent",
    "tls_handshake_ms",
    "tls_handshakes_per_turn",
    "tls_fruitless_bytes_max",
    "auth_failures_max",
    "auth_failures_window_ms",
    "auth_lockout_ms",
    "auth_sources_max",
    "auth_calls_max",
    "auth_waiting_max",
    "auth_no_ms",
    "auth_outage_ms",
    "auth_answers_max",
    "mqtt_owed_max",
    "http_head_bytes_max",
    "payload_bytes_max",
    "idempotency_ms",
    "idempotency_keys_per_core",
    "idempotency_bytes_per_core",
    "command_records_per_core",
    "command_records_bytes_per_core",
    "manifest_commands_max",
    "schema_bytes_max",
    "manifest_compile_ms",
    "manifest_bytes_per_agent",
    "manifest_bytes_per_core",
    "manifest_unused_bytes_per_core",
    "description_chars_max",
    "backlog_bytes_max",
];

/// A limit for which another value is wished.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Which.
    pub row: &'static Row,
    /// The value in force until now.
    pub from: u64,
    /// The wished value.
    pub to: u64,
}

/// What the table knows about one limit.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The heading it stands under.
    pub group: &'static str,
    /// Its key in `[limits]`.
    pub name: &'static str,
    /// The unit of its value.
    pub unit: &'static str,
    /// The value when the configuration says nothing.
    pub default: u64,
    /// The smallest value accepted.
    pub least: u64,
    /// The largest value accepted.
    pub most: u64,
    sentence: &'static str,
}

impl Row {
    /// Whether another value counts only after a restart. Others are taken at SIGHUP, those of a transport for connections that
    /// come then.
    pub fn needs_restart(&self) -> bool {
        AT_START.contains(&self.name)
    }

    /// What the limit bounds and what happens at it.
    pub fn sentence(&self) -> &'static str {
        self.sentence.trim()
    }
}

limits! {
    "An agent's share" {
        /// Triggers that all devices of one agent may fire in a second; one more is answered `RATE_LIMITED`.
        triggers_per_second_per_agent: u32 = 10, 0..=1_000_000, "triggers/s";
        /// Commands of one agent that may wait for an answer; one more is answered 429 `too-many-commands`.
        commands_in_flight_per_agent: u32 = 100, 0..=1_000_000, "commands";
        /// Triggers kept in memory for an agent's stream, and as many other events; older ones give way to a `gap` event.
        events_kept_per_agent: u32 = 10_000, 1..=10_000_000, "events";
        /// Bytes of triggers kept in memory for an agent's stream, and a quarter as many of other events; older ones give way to a `gap`
        /// event.
        events_bytes_per_agent: usize = 67_108_864, 65_536..=17_179_869_184, "bytes";
        /// Bytes of manifests and arguments of one agent that may wait for the worker; with one more the manifest is refused and
        /// reported, or the command answered 503 `device-busy`.
        worker_bytes_per_agent: usize = 134_217_728, 65_536..=17_179_869_184, "bytes";
        /// Event streams that one agent may hold open; one more is answered 429.
        event_streams_per_agent: u32 = 64, 1..=100_000, "streams";
        /// A comment line keeps an idle event stream alive this often.
        sse_comment_ms: u64 = 15_000, 100..=600_000, "ms";
    }
    "Strangers: connections that have not said who they are" {
        /// Unidentified connections from one source address, and as many sessions that poll; the oldest of them gives way. 0
        /// switches it off.
        unidentified_per_address: u32 = 64, 0..=1_000_000, "connections";
        /// Unidentified connections on one core, and as many sessions that poll; the oldest of them gives way.
        unidentified_per_core: u32 = 2048, 1..=1_000_000, "connections";
        /// Bytes of half messages, and of Socket.IO messages that wait to be heard, that one core keeps for unidentified connections of which
        /// more than 16 KiB wait, and as many for sessions that poll; the oldest of them gives way. A Socket.IO CONNECT carries the
        /// manifest and may be so large.
        unidentified_bytes_per_core: usize = 16_777_216, 1_114_112..=17_179_869_184, "bytes";
        /// Time for a TLS handshake; then the connection is closed.
        tls_handshake_ms: u64 = 10_000, 100..=600_000, "ms";
        /// Steps of TLS handshakes that one core does between two looks at everybody else; each takes up to a tenth of a
        /// millisecond.
        tls_handshakes_per_turn: usize = 16, 1..=10_000, "steps";
        /// TLS input that brings no data (key updates, empty records) before the connection is closed.
        tls_fruitless_bytes_max: usize = 262_144, 4096..=1_073_741_824, "bytes";
        /// Time from the TCP accept to the whole MQTT CONNECT; then the connection is closed.
        connect_timeout_ms: u64 = 20_000, 100..=600_000, "ms";
        /// Largest first MQTT packet (CONNECT); a larger one closes the connection before its body is read.
        connect_bytes_max: usize = 16_384, 512..=1_048_576, "bytes";
    }
    "Log-in" {
        /// Wrong keys from one source (an address, or an IPv6 /64) in one agent's name, within the window, that lock it out. 0
        /// switches it off.
        auth_failures_max: u32 = 5, 0..=1000, "failures";
        /// The window in which wrong keys are counted.
        auth_failures_window_ms: u64 = 60_000, 100..=86_400_000, "ms";
        /// Time for which further wrong keys of a locked-out source are answered `RATE_LIMITED`; a right key always passes.
        auth_lockout_ms: u64 = 600_000, 100..=86_400_000, "ms";
        /// Sources whose failures are remembered; the oldest gives way.
        auth_sources_max: u32 = 100_000, 1..=10_000_000, "sources";
        /// Calls to the auth service at once; there is at most one per key, and sources take turns.
        auth_calls_max: u32 = 64, 1..=1024, "calls";
        /// Log-ins that may wait for the auth service; with one more, one of the source that has most is refused for now (CONNACK 3,
        /// HTTP 503). Devices that wait are none of the unidentified connections.
        auth_waiting_max: u32 = 10_000, 1..=1_000_000, "log-ins";
        /// Time that one log-in waits for the auth service; then it is refused for now.
        auth_wait_ms: u64 = 5000, 100..=60_000, "ms";
        /// Time for which a no of the auth service is used, give or take a fifth.
        auth_no_ms: u64 = 5000, 0..=600_000, "ms";
        /// Time for which a yes of the auth service may be used while the service is away.
        auth_outage_ms: u64 = 900_000, 0..=86_400_000, "ms";
        /// Answers of the auth service that are remembered; the oldest gives way.
        auth_answers_max: u32 = 100_000, 1..=10_000_000, "answers";
    }
    "Devices" {
        /// Devices, connected or remembered, that one core keeps; one more is refused at its log-in.
        devices_per_core_max: u32 = 1_000_000, 1..=100_000_000, "devices";
        /// Devices of one agent, connected or remembered, that one core keeps; one more is refused at its log-in, and nobody
        /// else's.
        devices_per_agent_and_core_max: u32 = 500_000, 1..=100_000_000, "devices";
        /// Silence of a device that sends heartbeats until it is called `late`; its tools stay.
        heartbeat_late_ms: u64 = 45_000, 100..=86_400_000, "ms";
        /// Silence of a device that sends heartbeats until it is `offline` and its connection is closed.
        heartbeat_offline_ms: u64 = 75_000, 200..=86_400_000, "ms";
        /// Take-overs of one device within a minute that are served at once; then the newcomer's CONNACK is held back.
        takeovers_per_minute: u32 = 5, 1..=1_000_000, "take-overs";
        /// How long the first newcomer too many is held back; those that follow wait up to five times as long.
        takeover_hold_ms: u64 = 1000, 0..=4000, "ms";
        /// Silence allowed to an MQTT device whose keep alive is 0 or longer than 600 s.
        keepalive_ms_max: u64 = 900_000, 1000..=86_400_000, "ms";
        /// Reasons of past closes that are kept for a device's page.
        closes_kept_per_device: u32 = 8, 0..=64, "reasons";
    }
    "MQTT" {
        /// QoS 1 messages to one device that may wait for their PUBACK; commands queue in order behind them.
        mqtt_inflight_to_device: u16 = 1, 1..=64, "messages";
        /// PUBACKs that may be owed to one device; then reading from it stops until they are paid.
        mqtt_owed_max: u16 = 64, 1..=1024, "packets";
        /// Incoming QoS 2 messages of one device that wait for PUBREL; one more closes the connection.
        mqtt_qos2_open_max: u16 = 64, 1..=1024, "messages";
        /// Longest topic or topic filter of a device; a longer one closes the connection.
        mqtt_topic_bytes_max: usize = 2048, 1024..=65_535, "bytes";
        /// Topic filters in one SUBSCRIBE or UNSUBSCRIBE; more close the connection.
        mqtt_filters_per_subscribe_max: u16 = 16, 6..=16, "filters";
    }
    "Socket.IO" {
        /// From a pong until the next ping of a Socket.IO device.
        socketio_ping_interval_ms: u64 = 25_000, 200..=600_000, "ms";
        /// How long the pong of a Socket.IO device may take; then the device is offline.
        socketio_ping_timeout_ms: u64 = 20_000, 200..=600_000, "ms";
        /// Commands that a Socket.IO device may have unanswered; more queue in order behind them.
        socketio_inflight_to_device: u16 = 32, 1..=1024, "commands";
        /// Largest message of a Socket.IO device before its CONNECT, which carries the manifest, is accepted.
        socketio_connect_bytes_max: usize = 786_432, 16_384..=1_114_112, "bytes";
    }
    "HTTP" {
        /// Largest request head; a larger one is answered 431 and the connection closed.
        http_head_bytes_max: usize = 16_384, 1024..=16_384, "bytes";
        /// Time for a whole request head, from its first byte or from the accept; then 408.
        http_head_timeout_ms: u64 = 10_000, 100..=600_000, "ms";
        /// Time for a whole request body; then 408.
        http_body_timeout_ms: u64 = 30_000, 100..=3_600_000, "ms";
        /// Silence between two requests of a connection until it is closed.
        http_idle_ms: u64 = 75_000, 100..=3_600_000, "ms";
    }
    "Commands" {
        /// Largest payload of a command, `data` of an answer, or payload of a trigger, each. MQTT packets and HTTP bodies
        /// may be 65536 bytes larger.
        payload_bytes_max: usize = 1_048_576, 1..=268_369_919, "bytes";
        /// Largest arguments that a core checks against a command's schema itself; larger ones are checked off the cores' loops,
        /// and what else the device is asked waits behind them, in order.
        arguments_inline_bytes_max: usize = 65_536, 0..=268_369_919, "bytes";
        /// Steps of a schema check, of some 20 ns each, that a core does itself at the most; arguments that may take more are checked off
        /// the cores' loops, like large ones.
        arguments_inline_steps_max: u64 = 50_000, 0..=10_000_000, "steps";
        /// Largest `error` text of an answer; a longer one is cut.
        response_error_bytes_max: usize = 4096, 64..=1_048_576, "bytes";
        /// Commands that wait in order for one device, those that may be asked again included; one more is answered 503
        /// `device-busy`.
        commands_waiting_per_device: u32 = 64, 1..=100_000, "commands";
        /// Time that the answer to a request with an idempotency key is kept for a repeat, from the end of the command on.
        idempotency_ms: u64 = 86_400_000, 1000..=604_800_000, "ms";
        /// Idempotency keys that one core keeps; the oldest settled one of the agent that holds the most gives way.
        idempotency_keys_per_core: u32 = 100_000, 1..=10_000_000, "keys";
        /// Bytes of answers that one core keeps for repeats; the oldest of the agent that holds the most gives way.
        idempotency_bytes_per_core: usize = 67_108_864, 65_536..=17_179_869_184, "bytes";
        /// Ended commands that one core remembers, for those who ask how one went; the oldest of the agent that holds the most gives way.
        command_records_per_core: u32 = 4096, 0..=10_000_000, "commands";
        /// Bytes of names and answers of the ended commands that one core remembers; the oldest of the agent that holds the most gives
        /// way.
        command_records_bytes_per_core: usize = 16_777_216, 65_536..=17_179_869_184, "bytes";
        /// Shortest `timeoutMs` accepted; a shorter one is answered 422.
        timeout_ms_min: u64 = 1000, 1..=3_600_000, "ms";
        /// Longest `timeoutMs` accepted; a longer one is answered 422.
        timeout_ms_max: u64 = 600_000, 1000..=86_400_000, "ms";
        /// `timeoutMs` of a command when neither the request nor the manifest names one.
        timeout_ms_default: u64 = 30_000, 1..=86_400_000, "ms";
        /// Time given to an answer on its way, after `timeoutMs`; then 504 `device-timeout`.
        command_grace_ms: u64 = 2000, 0..=600_000, "ms";
    }
    "Manifests" {
        /// Commands in one manifest; the ones behind are refused and reported to the device.
        manifest_commands_max: u32 = 128, 1..=10_000, "commands";
        /// Largest schema of a command, as sent; a command with a larger one is refused and reported.
        schema_bytes_max: usize = 4096, 64..=1_048_576, "bytes";
        /// The processor's time for one manifest's schemas, all together, off the cores' loops; commands whose schema comes after it are
        /// refused and reported.
        manifest_compile_ms: u64 = 50, 1..=60_000, "ms";
        /// Bytes that the manifests of one agent's devices may take on one core, compiled, each counted once (an estimate); one more is
        /// refused and reported.
        manifest_bytes_per_agent: usize = 67_108_864, 65_536..=17_179_869_184, "bytes";
        /// Bytes that the manifests of all devices may take on one core, compiled, each counted once; one more is refused and reported.
        manifest_bytes_per_core: usize = 536_870_912, 65_536..=274_877_906_944, "bytes";
        /// Bytes of compiled manifests that one core keeps though no device has them any more; the longest unused gives way.
        manifest_unused_bytes_per_core: usize = 16_777_216, 65_536..=17_179_869_184, "bytes";
        /// Longest description of a command; a longer one is cut.
        description_chars_max: u32 = 500, 1..=100_000, "characters";
    }
    "Output and stop" {
        /// Output that may wait for one connection, beside the message being written; then commands are answered busy.
        backlog_bytes_max: usize = 1_048_576, 65_536..=268_435_456, "bytes";
        /// Time of the graceful stop; what is still open then is closed.
        drain_ms: u64 = 25_000, 0..=3_600_000, "ms";
    }
}

const _: () = assert!(default::payload_bytes_max + ENVELOPE_BYTES_MAX == 1_114_112);
const _: () = assert!(default::connect_bytes_max <= ENVELOPE_BYTES_MAX);
const _: () = assert!(default::payload_bytes_max <= default::backlog_bytes_max);
const _: () = assert!(default::timeout_ms_min <= default::timeout_ms_default);
const _: () = assert!(default::timeout_ms_default <= default::timeout_ms_max);
const _: () = assert!(default::heartbeat_late_ms < default::heartbeat_offline_ms);
const _: () = assert!(default::schema_bytes_max < ENVELOPE_BYTES_MAX);
const _: () = assert!(default::idempotency_ms >= default::timeout_ms_max + default::command_grace_ms);

impl Limits {
    /// Largest MQTT packet after log-in, in bytes: the largest payload and its envelope. A larger one closes the
    /// connection before its body is read.
    pub fn packet_bytes_max(&self) -> usize {
        self.payload_bytes_max.saturating_add(ENVELOPE_BYTES_MAX)
    }

    /// Largest HTTP request body, in bytes: the largest payload and its envelope. A larger one is answered 413 and the
    /// connection closed.
    pub fn http_body_bytes_max(&self) -> usize {
        self.payload_bytes_max.saturating_add(ENVELOPE_BYTES_MAX)
    }

    /// Everything that makes these limits unusable, as sentences: values outside their range, and pairs that contradict
    /// each other. Empty when all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = ROWS.iter().filter_map(|row| self.out_of_range(row)).collect();
        problems.extend(self.contradictions().into_iter().map(str::to_owned));
        problems
    }

    fn out_of_range(&self, row: &Row) -> Option<String> {
        let value = self.value(row.name)?;
        let Row { name, least, most, unit, .. } = row;
        (value < *least || value > *most)
            .then(|| format!("limits.{name} = {value}: it must lie between {least} and {most} {unit}"))
    }

    fn contradictions(&self) -> Vec<&'static str> {
        [
            (
                self.timeout_ms_min > self.timeout_ms_default
                    || self.timeout_ms_default > self.timeout_ms_max,
                "limits.timeout_ms_default must lie between limits.timeout_ms_min and limits.timeout_ms_max",
            ),
            (
                self.heartbeat_late_ms >= self.heartbeat_offline_ms,
                "limits.heartbeat_late_ms must be below limits.heartbeat_offline_ms",
            ),
            (
                self.idempotency_ms < self.timeout_ms_max.saturating_add(self.command_grace_ms),
                "limits.idempotency_ms must be at least limits.timeout_ms_max + limits.command_grace_ms, or a repeat could run a command twice",
            ),
        ]
        .into_iter()
        .filter_map(|(broken, sentence)| broken.then_some(sentence))
        .collect()
    }
}

/// The page `docs/limits.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Limits\n\nEvery ceiling that the section `[limits]` of the configuration can move. Generated from \
         `gateway/src/limits.rs`\n(`UPDATE_DOCS=1 cargo test -p gateway limits` rewrites it).\n\n\
         At SIGHUP the file is read again: limits marked so count from then on, those of a transport (times, sizes of packets and heads) \
         for connections\nthat come then. The others, and everything outside `[limits]`, need a restart, and the log says so. A file that \
         cannot be used changes nothing.\n",
    );
    let mut group = "";
    for row in ROWS {
        if row.group != group {
            group = row.group;
            page.push_str(&format!(
                "\n## {group}\n\n| limit | default | range | unit | changes at | what it bounds |\n"
            ));
            page.push_str("|---|---:|---|---|---|---|\n");
        }
        let Row { name, default, least, most, unit, .. } = row;
        let changes_at = if row.needs_restart() { "restart" } else { "SIGHUP" };
        page.push_str(&format!(
            "| `{name}` | {default} | {least} to {most} | {unit} | {changes_at} | {} |\n",
            row.sentence()
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable() {
        assert_eq!(Limits::default().problems(), Vec::<String>::new());
    }

    /// What the contract with the clients says, and what its list of attacks does: another default would break them.
    #[test]
    fn the_defaults_are_the_numbers_of_the_contract() {
        for (name, number) in [
            ("triggers_per_second_per_agent", 10),
            ("commands_in_flight_per_agent", 100),
            ("events_kept_per_agent", 10_000),
            ("events_bytes_per_agent", 64 << 20),
            ("sse_comment_ms", 15_000),
            ("unidentified_per_address", 64),
            ("unidentified_per_core", 2048),
            ("tls_handshake_ms", 10_000),
            ("tls_fruitless_bytes_max", 256 << 10),
            ("connect_timeout_ms", 20_000),
            ("connect_bytes_max", 16 << 10),
            ("auth_failures_max", 5),
            ("auth_failures_window_ms", 60_000),
            ("auth_lockout_ms", 600_000),
            ("auth_sources_max", 100_000),
            ("auth_calls_max", 64),
            ("auth_waiting_max", 10_000),
            ("auth_wait_ms", 5000),
            ("auth_no_ms", 5000),
            ("auth_outage_ms", 900_000),
            ("heartbeat_late_ms", 45_000),
            ("heartbeat_offline_ms", 75_000),
            ("takeovers_per_minute", 5),
            ("keepalive_ms_max", 900_000),
            ("mqtt_inflight_to_device", 1),
            ("mqtt_owed_max", 64),
            ("mqtt_qos2_open_max", 64),
            ("mqtt_topic_bytes_max", 2048),
            ("mqtt_filters_per_subscribe_max", 16),
            ("socketio_ping_interval_ms", 25_000),
            ("socketio_ping_timeout_ms", 20_000),
            ("socketio_inflight_to_device", 32),
            ("socketio_connect_bytes_max", 768 << 10),
            ("http_head_bytes_max", 16 << 10),
            ("http_head_timeout_ms", 10_000),
            ("http_body_timeout_ms", 30_000),
            ("payload_bytes_max", 1 << 20),
            ("response_error_bytes_max", 4096),
            ("idempotency_ms", 24 * 3_600_000),
            ("timeout_ms_min", 1000),
            ("timeout_ms_max", 600_000),
            ("timeout_ms_default", 30_000),
            ("command_grace_ms", 2000),
            ("manifest_commands_max", 128),
            ("schema_bytes_max", 4096),
            ("manifest_compile_ms", 50),
            ("description_chars_max", 500),
            ("backlog_bytes_max", 1 << 20),
            ("drain_ms", 25_000),
        ] {
            assert_eq!(Limits::default().value(name), Some(number), "{name}");
        }
    }

    #[test]
    fn every_row_knows_its_default_and_says_a_sentence() {
        for row in ROWS {
            assert_eq!(Limits::default().value(row.name), Some(row.default), "{}", row.name);
            assert!(row.sentence().ends_with('.'), "{}", row.name);
            assert!(row.least <= row.default && row.default <= row.most, "{}", row.name);
        }
        assert_eq!(Limits::default().value("no_such_limit"), None);
    }

    #[test]
    fn refuses_values_outside_their_range() {
        let limits = Limits { mqtt_inflight_to_device: 0, ..Limits::default() };
        assert_eq!(
            limits.problems(),
            ["limits.mqtt_inflight_to_device = 0: it must lie between 1 and 64 messages"]
        );
    }

    #[test]
    fn refuses_limits_that_contradict_each_other() {
        let limits = Limits { timeout_ms_default: 700_000, heartbeat_late_ms: 80_000, ..Limits::default() };
        let problems = limits.problems().join("\n");
        for name in ["timeout_ms_default", "heartbeat_late_ms"] {
            assert!(problems.contains(name), "{name} is not named in: {problems}");
        }
    }

    #[test]
    fn every_limit_is_read_by_the_room_it_bounds() {
        let mut rooms = String::new();
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("limits.rs") {
                    rooms.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let names = ROWS.iter().map(|row| row.name);
        let unread: Vec<&str> = names.filter(|name| !rooms.contains(&format!("limits.{name}"))).collect();
        assert!(unread.is_empty(), "nobody obeys {unread:?}");
    }

    #[test]
    fn what_is_built_from_a_limit_at_the_start_needs_a_restart() {
        let built = [include_str!("shard.rs"), include_str!("serve/gatekeeping.rs")].concat();
        for row in ROWS.iter().filter(|row| built.contains(&format!("limits.{}", row.name))) {
            assert!(row.needs_restart(), "{} is read once", row.name);
        }
    }

    #[test]
    fn takes_what_may_change_and_tells_the_rest() {
        assert!(AT_START.iter().all(|name| ROWS.iter().any(|row| row.name == *name)), "each is a limit");
        let mut limits = Limits::default();
        let wished = Limits { timeout_ms_min: 7, payload_bytes_max: 9, ..Limits::default() };
        let changes = limits.take(&wished);
        let told: Vec<(&str, bool, u64)> =
            changes.iter().map(|change| (change.row.name, change.row.needs_restart(), change.to)).collect();
        assert_eq!(told, [("payload_bytes_max", true, 9), ("timeout_ms_min", false, 7)]);
        assert_eq!(limits, Limits { timeout_ms_min: 7, ..Limits::default() });
    }

    #[test]
    fn packets_and_bodies_follow_the_largest_payload() {
        let limits = Limits { payload_bytes_max: 2_000_000, ..Limits::default() };
        assert_eq!(limits.packet_bytes_max(), 2_065_536);
        assert_eq!(limits.http_body_bytes_max(), 2_065_536);
    }

    #[test]
    fn the_page_is_the_table() {
        crate::docs::check("limits.md", &markdown());
    }
}
