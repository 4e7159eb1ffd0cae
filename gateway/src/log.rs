//! The log: stderr, as text on a terminal and as JSON lines otherwise.
//!
//! Owns where the log goes, how much of it there is, and how foreign text may look in it: names and messages of peers are
//! wrapped in [`Shown`] or [`ShownBytes`], which leave nothing in them that a terminal or a log reader could take for
//! something else. Secrets and payloads are never logged, in no wrapping.

use std::fmt::{self, Write};
use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;

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

/// Sends the log to stderr from now on. A second call changes nothing.
pub fn start(level: Level) {
    let terminal = stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_max_level(level.filter())
        .with_writer(stderr)
        .with_ansi(colours)
        .with_target(false);
    let started = if terminal { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
    drop(started);
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
