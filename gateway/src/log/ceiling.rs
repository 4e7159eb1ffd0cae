//! How many lines of one kind a thread may log in a second: strangers can cause some of them, as often as they like.
//!
//! Owns the count of each kind (a place in the code) on each thread, and what was left out, which is said within a second or two
//! as one line. A core counts for itself and locks nothing, but once for each kind. Never looks at what a line says, but for
//! the words that all of its kind begin with.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{Loss, lose};

/// Lines of one kind that one thread logs in a second.
const LINES_PER_SECOND_MAX: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// What says how many were left out is not left out itself.
const SELF: &str = module_path!();

/// Every kind of every thread: as many as there are places in the code that log.
static KINDS: Mutex<Vec<Arc<Kind>>> = Mutex::new(Vec::new());

thread_local! {
    static TALLIES: RefCell<Vec<Tally>> = const { RefCell::new(Vec::new()) };
}

/// The part of the subscriber that leaves lines out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceiling;

/// One kind on one thread, as the others see it.
#[derive(Debug)]
struct Kind {
    level: Level,
    words: String,
    left_out: AtomicU64,
}

/// The same as the thread sees it.
struct Tally {
    place: Identifier,
    began: Instant,
    lines: u32,
    kind: Arc<Kind>,
}

impl Tally {
    fn new(event: &Event<'_>, now: Instant) -> Self {
        let mut words = Words(String::new());
        event.record(&mut words);
        let kind = Kind { level: *event.metadata().level(), words: words.0, left_out: AtomicU64::new(0) };
        let kind = Arc::new(kind);
        KINDS.lock().unwrap_or_else(PoisonError::into_inner).push(kind.clone());
        Self { place: event.metadata().callsite(), began: now, lines: 0, kind }
    }

    /// Whether one more line may be logged at `now`.
    fn may_log(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began) >= SECOND {
            (self.began, self.lines) = (now, 0);
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= LINES_PER_SECOND_MAX
    }
}

impl<S: Subscriber> Layer<S> for Ceiling {
    fn event_enabled(&self, event: &Event<'_>, _cx: Context<'_, S>) -> bool {
        if event.metadata().target() == SELF {
            return true;
        }
        // A thread that is at its end, or logs while it logs, has no count: it may.
        TALLIES
            .try_with(|tallies| tallies.try_borrow_mut().map(|mut tallies| count(&mut tallies, event)))
            .is_ok_and(|counted| counted.unwrap_or(true))
    }
}

fn count(tallies: &mut Vec<Tally>, event: &Event<'_>) -> bool {
    #[allow(clippy::disallowed_methods, reason = "a log line is no part of what a core decides")]
    let now = Instant::now();
    let place = event.metadata().callsite();
    let at = tallies.iter().position(|tally| tally.place == place).unwrap_or_else(|| {
        tallies.push(Tally::new(event, now));
        tallies.len() - 1
    });
    let may = tallies[at].may_log(now);
    if !may {
        tallies[at].kind.left_out.fetch_add(1, Ordering::Relaxed);
        lose(Loss::Repeated);
    }
    may
}

/// Logs how many lines were left out since this was called last.
pub(super) fn say_what_was_left_out() {
    let kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for kind in kinds {
        let (count, like) = (kind.left_out.swap(0, Ordering::Relaxed), kind.words.as_str());
        match kind.level {
            _ if count == 0 => {}
            Level::ERROR => tracing::error!(target: SELF, count, like, "more like this"),
            Level::WARN => tracing::warn!(target: SELF, count, like, "more like this"),
            Level::INFO => tracing::info!(target: SELF, count, like, "more like this"),
            Level::DEBUG => tracing::debug!(target: SELF, count, like, "more like this"),
            Level::TRACE => tracing::trace!(target: SELF, count, like, "more like this"),
        }
    }
}

/// The words of an event.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
    use super::*;
    use std::io::Write;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn so_many_lines_of_one_kind_in_a_second_and_the_others_are_counted() {
        let page = Page::default();
        let writer = page.clone();
        let lines = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(Ceiling).with(lines);
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..1000 {
                tracing::info!(n, "somebody knocked");
            }
            tracing::info!("something else happened");
            say_what_was_left_out();
            say_what_was_left_out();
        });
        let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let logged = page.lines().filter(|line| line.contains("\"message\":\"somebody knocked\"")).count();
        assert!((10..1000).contains(&logged), "{logged}");
        assert_eq!(page.lines().filter(|line| line.contains("something else")).count(), 1);
        let more: Vec<&str> = page.lines().filter(|line| line.contains("more like this")).collect();
        assert_eq!(more.len(), 1, "{more:?}");
        assert!(more[0].contains(&format!("\"count\":{}", 1000 - logged)), "{}", more[0]);
        assert!(more[0].contains("\"like\":\"somebody knocked\""), "{}", more[0]);
    }

    #[test]
    fn another_second_has_lines_of_its_own() {
        let kind = Kind { level: Level::INFO, words: String::new(), left_out: AtomicU64::new(0) };
        let now = Instant::now();
        let place = tracing::callsite!(name: "x", kind: tracing::metadata::Kind::EVENT, fields: message);
        let place = tracing::callsite::Callsite::metadata(place).callsite();
        let mut tally = Tally { place, began: now, lines: 0, kind: Arc::new(kind) };
        let logged = |tally: &mut Tally, at| (0..100).filter(|_| tally.may_log(at)).count();
        assert_eq!(logged(&mut tally, now), 10);
        assert_eq!(logged(&mut tally, now + SECOND / 2), 0);
        assert_eq!(logged(&mut tally, now + SECOND), 10);
    }
}
