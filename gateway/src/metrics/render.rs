//! Counters as text: for Prometheus, and the page that explains them.
//!
//! Owns the walk over the table. The Prometheus format itself is the `prometheus` crate's; its registry and its atomics
//! are not used.

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::Histogram;
use super::table::{
    COMMAND_SECONDS, HISTOGRAMS, HistogramRow, Kind, LOOP_LAG_SECONDS, ROWS, Row, STORE_COMMIT_SECONDS,
};
use super::{Counters, MemoryKind};
use crate::log::{Loss, lost};

/// The media type of [`render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// Counters as Prometheus text, with the memory of the process.
pub fn render(sum: &Counters, resident_bytes: u64) -> String {
    let mut sum = sum.clone();
    sum.set_memory(MemoryKind::Resident, resident_bytes);
    for loss in [Loss::Repeated, Loss::Slow] {
        sum.add_log_dropped(loss, lost(loss));
    }
    let mut families: Vec<MetricFamily> =
        ROWS.iter().enumerate().map(|(index, row)| family(row, sum.series(index))).collect();
    families.push(histogram(&COMMAND_SECONDS, &sum.command_seconds));
    families.push(histogram(&LOOP_LAG_SECONDS, &sum.loop_lag_seconds));
    families.push(histogram(&STORE_COMMIT_SECONDS, &sum.store_commit_seconds));
    let text = TextEncoder::new().encode_to_string(&families);
    text.expect("every family has a name and a series, and a String takes every text")
}

fn family(row: &Row, values: &[u64]) -> MetricFamily {
    let series = values.iter().enumerate().map(|(place, value)| {
        let mut metric = Metric::from_label(labels(row, place));
        match row.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(*value as f64);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Peak => {
                let mut gauge = Gauge::default();
                gauge.set_value(*value as f64);
                metric.set_gauge(gauge);
            }
        }
        metric
    });
    let kind = match row.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge | Kind::Peak => MetricType::GAUGE,
    };
    named(row.name, row.sentence, kind, series.collect())
}

/// The label values of the series at `place` of its family; the last label turns fastest.
fn labels(row: &Row, place: usize) -> Vec<LabelPair> {
    let mut rest = place;
    let mut pairs: Vec<LabelPair> = Vec::with_capacity(row.labels.len());
    for (name, values) in row.labels.iter().rev() {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(values[rest % values.len()].to_owned());
        rest /= values.len();
        pairs.insert(0, pair);
    }
    pairs
}

fn histogram(row: &HistogramRow, counted: &Histogram) -> MetricFamily {
    let buckets = counted.cumulated().map(|(bound_s, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound_s);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = prometheus::proto::Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counted.count());
    histogram.set_sample_sum(counted.sum_s());
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    named(row.name, row.sentence, MetricType::HISTOGRAM, vec![metric])
}

fn named(name: &str, sentence: &str, kind: MetricType, series: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(sentence.to_owned());
    family.set_field_type(kind);
    family.set_metric(series);
    family
}

/// The page `docs/metrics.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n`GET /metrics` answers in the Prometheus text format, for a key with the operation `operator`. No label \
         carries the name\nof an agent or a device. Generated from `gateway/src/metrics/table.rs` (`UPDATE_DOCS=1 cargo test \
         -p gateway metrics`\nrewrites it).\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for row in &ROWS {
        let kind = match row.kind {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Peak => "gauge",
        };
        let label = |(name, values): &(&str, &[&str])| format!("`{name}`: {}", values.join(", "));
        let labels: Vec<String> = row.labels.iter().map(label).collect();
        page.push_str(&format!("| `{}` | {kind} | {} | {} |\n", row.name, labels.join("; "), row.sentence));
    }
    for row in HISTOGRAMS {
        page.push_str(&format!("| `{}` | histogram | | {} |\n", row.name, row.sentence));
    }
    page
}
