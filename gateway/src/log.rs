//! The log: stderr, as text on a terminal and as JSON lines otherwise.
//!
//! Owns where the log goes, how much of it there is, and how foreign text may look in it: names and messages of peers are
//! wrapped in [`Shown`] or [`ShownBytes`], which leave nothing in them that a terminal or a log reader could take for
//! something else. Secrets and payloads are never logged, in no wrapping.
//!
//! ```text
//!   tracing event --> level --> Ceiling: 10 a second, kind and thread --> a line --> Slot --> the log's thread --> stderr
//!                                  | more                                             | full
//!                                  v                                                  v
//!                        counted, and said once a second             dropped and counted
//! ```

mod ceiling;
mod post;

use std::fmt::{self, Write};
use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, registry};

use ceiling::Ceiling;
use post::Slot;

/// Longest piece of foreign text in a log line, in characters.
const SHOWN_CHARS_MAX: usize = 256;

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Level {
    /// What needs somebody now.
    Error,
    /// What may need somebody.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What explains a fault.
    Debug,
    /// Everything.
    Trace,
}

/// Why a line is not in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It had too many like it, and was counted in a line that says so.
    Repeated,
    /// Too many lines waited for stderr.
    Slow,
}

impl Loss {
    /// Both, as words for the metrics, in order.
    pub const WORDS: &'static [&'static str] = &["repeated", "slow"];
}

/// Where lines are put, once the log has started.
static SLOT: OnceLock<Slot> = OnceLock::new();
static LOST: [AtomicU64; Loss::WORDS.len()] = [const { AtomicU64::new(0) }; Loss::WORDS.len()];

/// Sends the log to stderr from now on. A second call changes nothing.
pub fn start(level: Level) {
    let terminal = stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none();
    // Without a thread the log is written where it is made, which is better than none.
    let Ok(slot) = Slot::to_stderr() else { return begin(level, terminal, colours, stderr) };
    if SLOT.set(slot.clone()).is_err() {
        return;
    }
    begin(level, terminal, colours, move || slot.clone());
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        // The process ends with a panic of a core: what led to it is to be read.
        flush();
    }));
}

fn begin<W>(level: Level, terminal: bool, colours: bool, writer: impl Fn() -> W + Send + Sync + 'static)
where
    W: std::io::Write + 'static,
{
    let lines = tracing_subscriber::fmt::layer::<Registry>()
        .with_writer(writer)
        .with_ansi(colours)
        .with_target(false);
    let lines = if terminal { lines.boxed() } else { lines.json().flatten_event(true).boxed() };
    drop(registry().with(lines).with(Ceiling).with(level.filter()).try_init());
}

/// Waits until the last lines are written, but not long: the program ends.
pub fn flush() {
    if let Some(slot) = SLOT.get() {
        slot.flush();
    }
}

/// How many lines are not in the log for this reason.
pub fn lost(loss: Loss) -> u64 {
    LOST[loss as usize].load(Ordering::Relaxed)
}

fn lose(loss: Loss) {
    LOST[loss as usize].fetch_add(1, Ordering::Relaxed);
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Foreign text, fit to be shown: control and other invisible characters, quotes and backslashes are escaped, and what is
/// beyond 256 characters is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(SHOWN_CHARS_MAX) {
            write!(f, "{}", c.escape_debug())?;
        }
        if chars.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Foreign bytes, fit to be shown: as [`Shown`] where they are UTF-8, as hex otherwise.
#[derive(Clone, Copy, Debug)]
pub struct ShownBytes<'a>(pub &'a [u8]);

impl fmt::Display for ShownBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(text) = std::str::from_utf8(self.0) {
            return Shown(text).fmt(f);
        }
        f.write_str("0x")?;
        for byte in self.0.iter().take(SHOWN_CHARS_MAX / 2) {
            write!(f, "{byte:02x}")?;
        }
        if self.0.len() > SHOWN_CHARS_MAX / 2 { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_plain_text_as_it_is() {
        assert_eq!(Shown("shop-floor:7 é 温度").to_string(), "shop-floor:7 é 温度");
        assert_eq!(ShownBytes("pump".as_bytes()).to_string(), "pump");
    }

    #[test]
    fn leaves_nothing_that_a_log_reader_could_take_for_a_line() {
        let nasty = "a\r\nERROR \u{1b}[31m\u{9b}x\u{2028}y\u{202e}z\u{0}\"}{";
        let shown = Shown(nasty).to_string();
        assert!(shown.chars().all(|c| !c.is_control() && !"\u{2028}\u{202e}\u{9b}".contains(c)), "{shown}");
        assert!(shown.starts_with("a\\r\\nERROR \\u{1b}[31m"), "{shown}");
    }

    #[test]
    fn cuts_what_is_long() {
        let shown = Shown(&"é".repeat(257)).to_string();
        assert_eq!(shown.chars().count(), 257);
        assert!(shown.ends_with("é…") && !Shown(&"é".repeat(256)).to_string().ends_with('…'));
    }

    #[test]
    fn shows_other_bytes_as_hex() {
        assert_eq!(ShownBytes(&[0xC0, 0xAF, b'\n']).to_string(), "0xc0af0a");
        assert_eq!(ShownBytes(&[0xFF; 1000]).to_string().chars().count(), 2 + 256 + 1);
    }
}
