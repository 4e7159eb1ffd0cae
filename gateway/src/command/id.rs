//! The wire name of a command.
//!
//! Owns the text form of [`CommandId`]: it carries the home core, the pending entry's key and the process epoch, so that
//! a response finds its entry without a search, and 64 random bits, so that nobody can guess one. Never looks an entry
//! up itself; that the answering device is the one that was asked is checked by [`crate::command::answer`].

use engine::Key;
use std::fmt;
use std::io::Write;

/// Letters in the text form.
pub const TEXT_BYTES: usize = 2 + 4 + 8 + 8 + 8 + 16;

/// A command's id: opaque and unique towards everybody else, an address towards ourselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandId {
    /// The home core of the device.
    pub core: u16,
    /// The pending entry there.
    pub entry: Key,
    /// Random for each start of the process, so that an id from before a restart finds nothing.
    pub epoch: u32,
    /// Random for each command.
    pub nonce: u64,
}

impl CommandId {
    /// The text form: `c-` and 44 hexadecimal digits.
    pub fn text(&self) -> [u8; TEXT_BYTES] {
        let mut text = [0; TEXT_BYTES];
        text[..2].copy_from_slice(b"c-");
        let mut at = 2;
        let fields = [
            (u64::from(self.core), 4),
            (u64::from(self.entry.index), 8),
            (u64::from(self.entry.generation), 8),
            (u64::from(self.epoch), 8),
            (self.nonce, 16),
        ];
        for (value, digits) in fields {
            write_hex(&mut text[at..at + digits], value);
            at += digits;
        }
        text
    }

    /// Reads the text form; `None` for anything that [`CommandId::text`] could not have written.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes().strip_prefix(b"c-")?;
        if digits.len() != TEXT_BYTES - 2 {
            return None;
        }
        let (core, rest) = digits.split_at(4);
        let (index, rest) = rest.split_at(8);
        let (generation, rest) = rest.split_at(8);
        let (epoch, nonce) = rest.split_at(8);
        Some(Self {
            core: u16::try_from(read_hex(core)?).ok()?,
            entry: Key {
                index: u32::try_from(read_hex(index)?).ok()?,
                generation: u32::try_from(read_hex(generation)?).ok()?,
            },
            epoch: u32::try_from(read_hex(epoch)?).ok()?,
            nonce: read_hex(nonce)?,
        })
    }
}

/// The id of one attempt, as the device knows it: the command's own for the first, `id~2`, `id~3` for those that follow
/// a refusal of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttemptId {
    /// The command.
    pub command: CommandId,
    /// The attempt, from 1.
    pub attempt: u32,
}

impl AttemptId {
    /// Appends the text form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.command.text());
        if self.attempt > 1 {
            write!(out, "~{}", self.attempt).expect("writing to a Vec cannot fail");
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let (command, attempt) = match text.split_once('~') {
            None => (text, 1),
            Some((command, attempt)) => (command, attempt.parse().ok().filter(|&attempt| attempt > 1)?),
        };
        let id = Self { command: CommandId::parse(command)?, attempt };
        // One spelling for each: `~02` is not what was given.
        let digits = text.len() - command.len();
        let canonical = attempt == 1 || digits == 2 + attempt.ilog10() as usize;
        canonical.then_some(id)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.text() {
            fmt::Write::write_char(f, byte as char)?;
        }
        Ok(())
    }
}

/// Writes the lower-case hexadecimal digits of `value` into all of `digits`, most significant first.
pub(crate) fn write_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
    debug_assert_eq!(value, 0, "the value fits its digits");
}

/// Reads lower-case hexadecimal digits, at most 16 of them.
pub(crate) fn read_hex(digits: &[u8]) -> Option<u64> {
    debug_assert!(digits.len() <= 16);
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let id = CommandId {
            core: 65_535,
            entry: Key { index: 7, generation: u32::MAX },
            epoch: 0x1234_5678,
            nonce: u64::MAX - 1,
        };
        let text = id.to_string();
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(CommandId::parse(&text), Some(id));
    }

    #[test]
    fn an_attempt_has_one_spelling() {
        let command = CommandId { core: 1, entry: Key { index: 2, generation: 3 }, epoch: 4, nonce: 5 };
        for attempt in [1, 2, 9, 10, 100] {
            let (id, mut text) = (AttemptId { command, attempt }, Vec::new());
            id.write(&mut text);
            let text = String::from_utf8(text).expect("ASCII");
            assert_eq!(AttemptId::parse(&text), Some(id), "{text}");
        }
        for tail in ["~", "~0", "~1", "~02", "~+2", "~2 ", "~x", "~2~3", "~99999999999"] {
            assert_eq!(AttemptId::parse(&format!("{command}{tail}")), None, "{tail}");
        }
    }

    #[test]
    fn refuses_what_it_could_not_have_written() {
        let good =
            CommandId { core: 0, entry: Key { index: 0, generation: 0 }, epoch: 0, nonce: 0 }.to_string();
        let upper = good.replacen('0', "A", 1);
        for bad in ["", "c-", "c-zz", &good[1..], &good[..good.len() - 1], &format!("{good}0"), &upper] {
            assert_eq!(CommandId::parse(bad), None, "{bad}");
        }
    }
}
