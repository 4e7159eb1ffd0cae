//! What the metrics say, read back by a strict parser of the text format.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::table::{HISTOGRAMS, ROWS};
use super::*;

/// Reads the text format line by line; anything that is not exactly it panics. Answers the series with their values.
fn read(text: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let (mut explained, mut typed): (BTreeSet<&str>, BTreeMap<&str, &str>) = Default::default();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, sentence) = help.split_once(' ').unwrap();
            assert!(explained.insert(name) && sentence.ends_with('.'), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(explained.contains(name) && typed.insert(name, kind).is_none(), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = of_histogram.filter(|base| typed.get(base) == Some(&"histogram")).unwrap_or(name);
            assert!(typed.contains_key(family), "{line} has no TYPE above it");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            assert!(
                series.insert(key.to_owned(), value.parse().unwrap()).is_none(),
                "{key} stands there twice"
            );
        }
    }
    assert_eq!(explained.len(), typed.len());
    series
}

#[test]
fn names_what_the_interface_names() {
    let series = read(&render(&Counters::new(), 4096));
    for key in [
        "gateway_connections_total{transport=\"mqtt\",outcome=\"accepted\"}",
        "gateway_commands_total{outcome=\"done\"}",
        "gateway_triggers_total{outcome=\"kept\"}",
        "gateway_messages_total{direction=\"in\",transport=\"mqtt\"}",
        "gateway_bytes_total{direction=\"out\"}",
        "gateway_closed_total{reason=\"taken_over\"}",
        "gateway_auth_total{outcome=\"admitted\"}",
        "gateway_connections{transport=\"http\"}",
        "gateway_devices{status=\"online\"}",
        "gateway_commands_pending",
        "gateway_triggers_unacknowledged",
        "gateway_memory_bytes{kind=\"resident\"}",
        "gateway_command_seconds_count",
        "gateway_loop_lag_seconds_bucket{le=\"+Inf\"}",
        "gateway_store_commit_seconds_sum",
        "gateway_handed_over_total",
    ] {
        assert!(series.contains_key(key), "{key}");
    }
    assert!(series["gateway_memory_bytes{kind=\"resident\"}"] > 0.0);
}

#[test]
fn no_name_stands_there_twice_and_counters_say_total() {
    let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    names.extend(HISTOGRAMS.iter().map(|row| row.name));
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len());
    for row in &ROWS {
        assert_eq!(row.name.ends_with("_total"), row.kind == table::Kind::Counter, "{}", row.name);
    }
}

#[test]
fn no_label_can_carry_a_name() {
    for row in &ROWS {
        for (label, values) in row.labels {
            assert!(!["agent", "device", "address", "key"].contains(label), "{}", row.name);
            let distinct: BTreeSet<&&str> = values.iter().collect();
            assert!(distinct.len() == values.len() && values.len() <= 16, "{}", row.name);
        }
    }
}

#[test]
fn each_word_is_counted_in_its_own_series() {
    let mut counters = Counters::new();
    counters.connection(Transport::Http, ConnectionOutcome::Refused);
    counters.command(CommandOutcome::TooManyCommands);
    counters.trigger(TriggerOutcome::Invalid);
    counters.message(Direction::Out, Transport::Mqtt);
    counters.closed(Closed::GatewayStopped);
    counters.auth(AuthOutcome::Unavailable);
    counters.closed_topic();
    counters.stranger_evicted();
    counters.set_connections(Transport::Socketio, 1);
    counters.set_devices(DeviceStatus::Registered, 1);
    counters.set_commands_pending(1);
    counters.set_triggers_unacknowledged(1);
    let text = render(&counters, 4096);
    let counted: BTreeSet<String> =
        read(&text).into_iter().filter(|(_, value)| *value == 1.0).map(|(key, _)| key).collect();
    let expected = [
        "gateway_auth_total{outcome=\"unavailable\"}",
        "gateway_closed_total{reason=\"gateway_stopped\"}",
        "gateway_commands_pending",
        "gateway_commands_total{outcome=\"too_many_commands\"}",
        "gateway_connections_total{transport=\"http\",outcome=\"refused\"}",
        "gateway_connections{transport=\"socketio\"}",
        "gateway_devices{status=\"registered\"}",
        "gateway_dropped_total{reason=\"closed_topic\"}",
        "gateway_messages_total{direction=\"out\",transport=\"mqtt\"}",
        "gateway_strangers_evicted_total",
        "gateway_triggers_total{outcome=\"invalid\"}",
        "gateway_triggers_unacknowledged",
    ];
    assert_eq!(counted, expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn cores_add_up_and_peaks_do_not() {
    let mut sum = Counters::new();
    for (core, waiting) in [7, 3].into_iter().enumerate() {
        let mut counters = Counters::new();
        counters.command(CommandOutcome::Done);
        counters.command_took(Duration::from_millis(20));
        counters.set_connections(Transport::Mqtt, 10);
        let stats = engine::stats::CoreStats {
            bytes_in: 100,
            handed_over_in: core as u64,
            mail_overflow_peak: waiting,
            ..engine::stats::CoreStats::default()
        };
        counters.add_engine(&stats);
        sum.add(&counters);
    }
    let mut store = crate::store::Counters { kept: 5, bytes: 1000, ..crate::store::Counters::default() };
    store.commit_seconds.record(Duration::from_micros(300));
    sum.add_store(&store);
    let series = read(&render(&sum, 4096));
    for (key, value) in [
        ("gateway_commands_total{outcome=\"done\"}", 2.0),
        ("gateway_command_seconds_bucket{le=\"0.01\"}", 0.0),
        ("gateway_command_seconds_bucket{le=\"0.025\"}", 2.0),
        ("gateway_command_seconds_count", 2.0),
        ("gateway_command_seconds_sum", 0.04),
        ("gateway_connections{transport=\"mqtt\"}", 20.0),
        ("gateway_bytes_total{direction=\"in\"}", 200.0),
        ("gateway_handed_over_total", 1.0),
        ("gateway_mail_waiting_peak", 7.0),
        ("gateway_events_total{outcome=\"kept\"}", 5.0),
        ("gateway_memory_bytes{kind=\"events\"}", 1000.0),
        ("gateway_store_commit_seconds_bucket{le=\"0.00025\"}", 0.0),
        ("gateway_store_commit_seconds_bucket{le=\"0.0005\"}", 1.0),
    ] {
        assert_eq!(series.get(key), Some(&value), "{key}");
    }
}

#[test]
fn the_engine_and_the_table_agree_on_how_connections_end() {
    let row = ROWS.iter().find(|row| row.name == "gateway_ended_total").unwrap();
    let words: Vec<&str> = engine::Close::ALL.iter().map(|close| close.name()).collect();
    assert_eq!(row.labels[0].1, words);
    let row = ROWS.iter().find(|row| row.name == "gateway_tls_handshakes_total").unwrap();
    let words: Vec<&str> = engine::tls::Handshake::ALL.iter().map(|outcome| outcome.name()).collect();
    assert_eq!(row.labels[0].1, words);
}

#[test]
fn the_page_is_the_table() {
    crate::docs::check("metrics.md", &markdown());
}
