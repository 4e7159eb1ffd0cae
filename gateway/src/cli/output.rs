//! What the program says at last: answers on a screen, failures with an exit code, the banner of `serve`.
//!
//! Owns the exit codes and the rule that a reader who went away (`gateway keys list | head -1`) is no error. It never
//! decides what is said.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use crate::auth::KeysError;
use crate::config::{ConfigError, Protocol};
use crate::serve::{self, Bound};

/// Where answers go, and whether a person reads them.
pub(crate) struct Screen<'a> {
    out: &'a mut dyn Write,
    /// Whether a person looks at it: then answers are laid out, otherwise they are raw JSON.
    pub(crate) terminal: bool,
    /// Whoever read has gone: nothing more need be said.
    pub(crate) gone: bool,
}

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1: something went wrong.
    Error(String),
    /// Exit code 2: what was typed or configured cannot be; starting again would not help.
    Usage(String),
}

impl<'a> Screen<'a> {
    pub(crate) fn stdout(stdout: &'a mut Stdout) -> Self {
        let terminal = stdout.is_terminal();
        Self { out: stdout, terminal, gone: false }
    }

    #[cfg(test)]
    pub(crate) fn to_buffer(out: &'a mut Vec<u8>, terminal: bool) -> Self {
        Self { out, terminal, gone: false }
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::Error(format!("stdout takes nothing more: {error}")))
            }
            Ok(()) => Ok(()),
            Err(_) => {
                self.gone = true;
                Ok(())
            }
        }
    }

    /// Writes rows as columns, each as wide as its widest cell.
    pub(crate) fn table<const N: usize>(
        &mut self,
        head: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), Failure> {
        let mut widths = head.map(|cell| cell.chars().count());
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.line(columns(&widths, head))?;
        rows.iter().try_for_each(|row| self.line(columns(&widths, row.each_ref().map(String::as_str))))
    }
}

fn columns<const N: usize>(widths: &[usize; N], cells: [&str; N]) -> String {
    let mut line = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        line.push_str(&format!("{cell:width$}  "));
    }
    line.truncate(line.trim_end().len());
    line
}

/// Foreign text on a terminal: what has no shape of its own is escaped.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

impl Failure {
    /// Says the failure and answers its exit code.
    pub(crate) fn report(&self, err: &mut dyn Write) -> ExitCode {
        let (code, sentence) = match self {
            Self::Error(sentence) => (1, sentence),
            Self::Usage(sentence) => (2, sentence),
        };
        // Where stderr is closed, the exit code has to say it alone.
        drop(writeln!(err, "error: {sentence}"));
        ExitCode::from(code)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::Error(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Error(error.to_string())
    }
}

impl From<serve::Failure> for Failure {
    fn from(failure: serve::Failure) -> Self {
        Self::Error(failure.0)
    }
}

/// The banner of `gateway serve`: what is bound, and at last `ready`.
pub(crate) fn banner(screen: &mut Screen<'_>, bound: &Bound) {
    let mut text = format!("gateway {}\n", env!("CARGO_PKG_VERSION"));
    for (listen, address) in &bound.listeners {
        text.push_str(&match (listen.protocol, listen.tls) {
            (Protocol::Mqtt, false) => format!("mqtt   mqtt://{address}\n"),
            (Protocol::Mqtt, true) => format!("mqtts  mqtts://{address}\n"),
            (Protocol::Http, false) => format!("http   http://{address}  serves {}\n", listen.serves),
            (Protocol::Http, true) => format!("https  https://{address}  serves {}\n", listen.serves),
        });
    }
    text.push_str("ready\n");
    // Nobody may be reading; the gateway serves all the same.
    drop(screen.bytes(text.as_bytes()));
}
