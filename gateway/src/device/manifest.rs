//! A device's list of commands: read once, immutable, shared by every device that sent the same bytes.
//!
//! Owns the rules of the list and what happens to an entry that breaks one: it is refused with a reason, and the rest of
//! the list stays. Nothing is dropped silently, and nothing is repaired except that a long description is cut. It knows
//! no device, stores nothing, and never decides who is told of a refusal.
//!
//! | entry | rule | reason |
//! |---|---|---|
//! | the whole | an object, no key twice | `NOT_AN_OBJECT`, `INVALID_JSON` |
//! | its place | among the first 128 | `TOO_MANY_COMMANDS` |
//! | `name` | `^[a-z][a-z0-9_]{0,63}$`, not used before in the list (the first one wins) | `NAME_INVALID`, `NAME_DUPLICATE` |
//! | `description` | text, the name if absent, cut at 500 characters | `DESCRIPTION_INVALID` |
//! | `inputSchema` | at most 4096 bytes, compiles ([`super::schema`]) | `SCHEMA_TOO_LARGE`, the schema's own code |
//! | all schemas | compile within 50 ms | `COMPILE_TIME_SPENT` |
//! | `timeoutMs` | 1,000 to 600,000 | `TIMEOUT_OUT_OF_RANGE` |
//! | `retry` | `maxAttempts` 1 to 100, `backoffMs` 0 to 600,000; 3 and 1,000 where one is absent | `RETRY_INVALID` |
//!
//! When the list is too much for the memory that its agent, or all of them, may take ([`super::interned`]), all of it is refused:
//! `TOO_MUCH_MEMORY`. The same happens to one that would wait too long for the worker: `TOO_MUCH_WAITS`.
//!
//! A member that is `null` counts as absent: clients in some languages send it so. Members with other names are ignored.

use super::schema::Schema;
use codec::json::{self, Kind, Raw};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Refused entries that are kept with their reasons; more are only counted.
pub const REFUSED_KEPT_MAX: usize = 64;

/// Characters of a refused entry's name that are kept.
pub const SHOWN_NAME_CHARS_MAX: usize = 64;

/// The time a command may be given, in milliseconds.
pub const TIMEOUT_MS: RangeInclusive<u64> = 1_000..=600_000;

/// How often a command may be tried, the first time included.
pub const ATTEMPTS: RangeInclusive<u64> = 1..=100;

/// The pause before the second attempt, in milliseconds.
pub const BACKOFF_MS: RangeInclusive<u64> = 0..=600_000;

/// Without optimisation a schema takes so many times longer to compile; the ceiling is meant for what is shipped.
const SLOWNESS: u32 = if cfg!(debug_assertions) { 20 } else { 1 };

/// What a manifest without commands takes, and its places in the tables that know it.
const MANIFEST_BYTES: usize = 1024;

/// What an entry takes beside its texts and its schema.
const ENTRY_BYTES: usize = 512;

/// Ceilings on a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ManifestLimits {
    /// Entries that are read; later ones are refused.
    pub commands_max: usize,
    /// Bytes of one `inputSchema`.
    pub schema_bytes_max: usize,
    /// Characters of a description; what is longer is cut.
    pub description_chars_max: usize,
    /// The processor's time for the schemas, all together.
    pub compile_max: Duration,
}

impl Default for ManifestLimits {
    /// 128 commands, 4096 bytes, 500 characters, 50 ms.
    fn default() -> Self {
        let compile_max = Duration::from_millis(50);
        ManifestLimits { commands_max: 128, schema_bytes_max: 4_096, description_chars_max: 500, compile_max }
    }
}

/// A list of commands. Share it as `Arc<Manifest>`.
#[derive(Debug)]
pub struct Manifest {
    /// In the order of the list.
    commands: Vec<Command>,
    /// Indices of `commands` by name.
    by_name: BTreeMap<Box<str>, usize>,
    refused: Vec<Refused>,
    refused_total: usize,
    fingerprint: u128,
    /// An estimate of the memory it takes.
    bytes: usize,
    /// A schema was not looked at because the time was spent.
    out_of_time: bool,
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Its name, unique in the manifest.
    pub name: Box<str>,
    /// What it does, for people and models.
    pub description: Box<str>,
    /// The schema of its payload, the bytes as the device sent them.
    pub schema_json: Option<Box<[u8]>>,
    /// The same, compiled.
    pub schema: Option<Schema>,
    /// The time it may take if the request names none, in milliseconds; absent: the gateway's default.
    pub timeout_ms: Option<u32>,
    /// Whether and how it is tried again.
    pub retry: Option<Retry>,
}

impl Command {
    /// An estimate of the memory it takes.
    fn bytes(&self) -> usize {
        let texts = 2 * self.name.len() + self.description.len();
        let schema = self.schema.as_ref().map_or(0, Schema::bytes);
        ENTRY_BYTES + texts + self.schema_json.as_ref().map_or(0, |json| json.len()) + schema
    }
}

/// How a command is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The pause before the second attempt, doubled before each later one, in milliseconds.
    pub backoff_ms: u32,
}

/// An entry that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The entry's name as far as it can be shown: at most [`SHOWN_NAME_CHARS_MAX`] characters, control characters
    /// replaced; its place in the list, as `#3`, where it has no name.
    pub command: Box<str>,
    /// Why, as a code.
    pub reason: &'static str,
    /// Why, as a sentence of bounded length.
    pub detail: Box<str>,
}

/// Why there is no list at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ManifestFault {
    /// The bytes are no JSON.
    Malformed(json::Malformed),
    /// They are JSON, but no array.
    NotAnArray,
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestFault::Malformed(malformed) => write!(f, "the list of commands: {malformed}"),
            ManifestFault::NotAnArray => f.write_str("the list of commands is not an array"),
        }
    }
}

impl std::error::Error for ManifestFault {}

impl Manifest {
    /// Reads the value of `commands`, a JSON array, and compiles its schemas.
    ///
    /// ```
    /// # use gateway::device::manifest::{Manifest, ManifestLimits};
    /// let list = br#"[{"name": "set_target", "timeoutMs": 5000}, {"name": "Set-Target"}]"#;
    /// let manifest = Manifest::parse(list, ManifestLimits::default())?;
    /// assert_eq!(manifest.command("set_target").and_then(|command| command.timeout_ms), Some(5000));
    /// assert_eq!(manifest.refused()[0].reason, "NAME_INVALID");
    /// # Ok::<(), gateway::device::manifest::ManifestFault>(())
    /// ```
    pub fn parse(commands_json: &[u8], limits: ManifestLimits) -> Result<Manifest, ManifestFault> {
        Self::parse_timed(commands_json, limits, None)
    }

    /// The same, against a clock of the processor's work: what is not compiled when the time is spent is refused.
    pub fn parse_timed(
        commands_json: &[u8],
        limits: ManifestLimits,
        clock: Option<fn() -> Duration>,
    ) -> Result<Manifest, ManifestFault> {
        let list = json::value(commands_json).map_err(ManifestFault::Malformed)?;
        // Other faults are one entry's, and found there.
        if let Err(json::Malformed::TooManyNodes) = list.check_whole(&mut json::Names::default()) {
            return Err(ManifestFault::Malformed(json::Malformed::TooManyNodes));
        }
        let ends_at = clock.map(|clock| clock() + limits.compile_max * SLOWNESS);
        let is_spent = || clock.zip(ends_at).is_some_and(|(clock, ends_at)| clock() >= ends_at);
        if list.kind() != Kind::Array {
            return Err(ManifestFault::NotAnArray);
        }
        let fingerprint = Manifest::fingerprint_of(commands_json);
        let mut manifest = Manifest { fingerprint, ..Manifest::empty() };
        for (place, entry) in list.elements().enumerate() {
            match manifest.read(place, entry, limits, &is_spent) {
                Ok(command) => manifest.accept(command),
                Err(refusal) => manifest.refuse(place, entry, refusal),
            }
        }
        Ok(manifest)
    }

    /// A manifest of no commands.
    pub fn empty() -> Manifest {
        Manifest {
            commands: Vec::new(),
            by_name: BTreeMap::new(),
            refused: Vec::new(),
            refused_total: 0,
            out_of_time: false,
            bytes: MANIFEST_BYTES,
            fingerprint: Manifest::fingerprint_of(b"[]"),
        }
    }

    /// What is left of a list whose device may not have commands: one refusal, for all of it.
    pub fn forbidden() -> Manifest {
        Manifest::refusing_all(
            "OPERATION_FORBIDDEN",
            "the device's key lacks the operation \"commands\"".to_owned(),
        )
    }

    /// What is left of a list for which there is no memory: one refusal, for all of it. It is made once, and counts for nothing.
    pub fn too_much(detail: String) -> Manifest {
        Manifest { bytes: 0, ..Manifest::refusing_all("TOO_MUCH_MEMORY", detail) }
    }

    /// What is left of a list that nobody has had the time to look at: one refusal, for all of it.
    pub fn unread() -> Manifest {
        let detail = "too many lists of this agent's devices wait to be read already; connect again later";
        Manifest { out_of_time: true, ..Manifest::refusing_all("TOO_MUCH_WAITS", detail.to_owned()) }
    }

    fn refusing_all(reason: &'static str, detail: String) -> Manifest {
        let refused = Refused { command: "*".into(), reason, detail: detail.into() };
        Manifest {
            refused: vec![refused],
            refused_total: 1,
            fingerprint: Manifest::fingerprint_of(reason.as_bytes()),
            ..Manifest::empty()
        }
    }

    /// What tells manifests apart: SHA-256 of the bytes, cut to 128 bits. Look a manifest up by this before parsing it
    /// again; the list of one tenant cannot be made to collide with another's.
    pub fn fingerprint_of(commands_json: &[u8]) -> u128 {
        let digest: [u8; 32] = Sha256::digest(commands_json).into();
        digest.iter().take(16).fold(0, |sum, &byte| sum << 8 | u128::from(byte))
    }

    /// The accepted commands, in the order of the list.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The accepted command of this name.
    pub fn command(&self, name: &str) -> Option<&Command> {
        self.by_name.get(name).and_then(|&index| self.commands.get(index))
    }

    /// The first [`REFUSED_KEPT_MAX`] refused entries.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// How many entries were refused.
    pub fn refused_total(&self) -> usize {
        self.refused_total
    }

    /// Bytes of memory that it takes, compiled; an estimate that is not too low.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The [`fingerprint_of`](Self::fingerprint_of) the bytes.
    pub fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Whether another try may accept more: a schema was refused only because the time was spent.
    pub fn is_out_of_time(&self) -> bool {
        self.out_of_time
    }

    /// The lower half of the fingerprint, for versions and lists; not for telling tenants' manifests apart.
    pub fn hash(&self) -> u64 {
        self.fingerprint as u64
    }

    fn read(
        &mut self,
        place: usize,
        entry: Raw<'_>,
        limits: ManifestLimits,
        is_spent: &dyn Fn() -> bool,
    ) -> Result<Command, Refusal> {
        if place >= limits.commands_max {
            return refuse(
                "TOO_MANY_COMMANDS",
                format_args!("only {} commands are read", limits.commands_max),
            );
        }
        if entry.kind() != Kind::Object {
            return refuse("NOT_AN_OBJECT", format_args!("the entry is not an object"));
        }
        let members = ["name", "description", "inputSchema", "timeoutMs", "retry"];
        let members = entry
            .members(members)
            .map_err(|malformed| Refusal { reason: "INVALID_JSON", detail: malformed.to_string() })?;
        let [name, description, schema, timeout_ms, retry] =
            members.map(|member| member.filter(|member| member.kind() != Kind::Null));
        let name = self.read_name(name)?;
        let description = read_description(description, &name, limits.description_chars_max)?;
        let timeout_ms = timeout_ms.map(read_timeout_ms).transpose()?;
        let retry = retry.map(read_retry).transpose()?;
        if schema.is_some() && is_spent() {
            self.out_of_time = true;
            let detail = format_args!("the time for this manifest's schemas was spent before this one");
            return refuse("COMPILE_TIME_SPENT", detail);
        }
        let (schema_json, schema) = schema.map(|json| read_schema(json, limits)).transpose()?.unzip();
        Ok(Command { name, description, schema_json, schema, timeout_ms, retry })
    }

    fn read_name(&self, name: Option<Raw<'_>>) -> Result<Box<str>, Refusal> {
        let mut scratch = String::new();
        let Some(name) = name.and_then(|name| name.text(&mut scratch)).filter(|name| is_command_name(name))
        else {
            return refuse("NAME_INVALID", format_args!("a name must match ^[a-z][a-z0-9_]{{0,63}}$"));
        };
        if self.by_name.contains_key(name) {
            return refuse("NAME_DUPLICATE", format_args!("an earlier command has the same name"));
        }
        Ok(name.into())
    }

    fn accept(&mut self, command: Command) {
        let before = self.by_name.insert(command.name.clone(), self.commands.len());
        debug_assert!(before.is_none());
        self.bytes += command.bytes();
        self.commands.push(command);
    }

    fn refuse(&mut self, place: usize, entry: Raw<'_>, refusal: Refusal) {
        self.refused_total += 1;
        if self.refused.len() < REFUSED_KEPT_MAX {
            let Refusal { reason, detail } = refusal;
            self.bytes += ENTRY_BYTES + detail.len();
            self.refused.push(Refused { command: shown(place, entry), reason, detail: detail.into() });
        }
    }
}

/// Whether a command may have this name: `^[a-z][a-z0-9_]{0,63}$`.
pub fn is_command_name(name: &str) -> bool {
    let is_rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(is_rest)
}

/// Why one entry is refused.
struct Refusal {
    reason: &'static str,
    detail: String,
}

fn refuse<T>(reason: &'static str, detail: fmt::Arguments<'_>) -> Result<T, Refusal> {
    Err(Refusal { reason, detail: detail.to_string() })
}

/// The description: the name if there is none, cut after `chars_max` characters.
fn read_description(raw: Option<Raw<'_>>, name: &str, chars_max: usize) -> Result<Box<str>, Refusal> {
    let Some(raw) = raw else { return Ok(name.into()) };
    let mut scratch = String::new();
    let Some(text) = raw.text(&mut scratch) else {
        return refuse("DESCRIPTION_INVALID", format_args!("the description is not a text"));
    };
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(end, _)| end);
    Ok(text[..end].into())
}

fn read_schema(raw: Raw<'_>, limits: ManifestLimits) -> Result<(Box<[u8]>, Schema), Refusal> {
    let json = raw.as_bytes();
    if json.len() > limits.schema_bytes_max {
        let (bytes, bytes_max) = (json.len(), limits.schema_bytes_max);
        return refuse(
            "SCHEMA_TOO_LARGE",
            format_args!("the schema has {bytes} bytes, at most {bytes_max} are allowed"),
        );
    }
    match Schema::compile(json) {
        Ok(schema) => Ok((json.into(), schema)),
        Err(fault) => refuse(fault.code(), format_args!("{fault}")),
    }
}

fn read_timeout_ms(raw: Raw<'_>) -> Result<u32, Refusal> {
    match within(raw, &TIMEOUT_MS) {
        Some(timeout_ms) => Ok(timeout_ms),
        None => refuse(
            "TIMEOUT_OUT_OF_RANGE",
            format_args!("timeoutMs must be a whole number, {}", range(&TIMEOUT_MS)),
        ),
    }
}

fn read_retry(raw: Raw<'_>) -> Result<Retry, Refusal> {
    let Ok([max_attempts, backoff_ms]) = raw.members(["maxAttempts", "backoffMs"]) else {
        return refuse(
            "RETRY_INVALID",
            format_args!("retry must be an object with maxAttempts and backoffMs"),
        );
    };
    let number = |raw: Option<Raw<'_>>, default, allowed| match raw.filter(|raw| raw.kind() != Kind::Null) {
        Some(raw) => within(raw, allowed),
        None => Some(default),
    };
    match (number(max_attempts, 3, &ATTEMPTS), number(backoff_ms, 1_000, &BACKOFF_MS)) {
        (Some(max_attempts), Some(backoff_ms)) => Ok(Retry { max_attempts, backoff_ms }),
        (None, _) => {
            refuse("RETRY_INVALID", format_args!("maxAttempts must be a whole number, {}", range(&ATTEMPTS)))
        }
        (_, None) => {
            refuse("RETRY_INVALID", format_args!("backoffMs must be a whole number, {}", range(&BACKOFF_MS)))
        }
    }
}

fn within(raw: Raw<'_>, allowed: &RangeInclusive<u64>) -> Option<u32> {
    raw.as_u64().filter(|number| allowed.contains(number)).and_then(|number| u32::try_from(number).ok())
}

fn range(allowed: &RangeInclusive<u64>) -> String {
    format!("{} to {}", allowed.start(), allowed.end())
}

/// The name of a refused entry, fit to be shown.
fn shown(place: usize, entry: Raw<'_>) -> Box<str> {
    let mut scratch = String::new();
    let name = match entry.members(["name"]) {
        Ok([name]) => name.and_then(|name| name.text(&mut scratch)),
        Err(_) => None,
    };
    match name {
        Some(name) => {
            let visible = |c: char| {
                if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
            };
            name.chars().take(SHOWN_NAME_CHARS_MAX).map(visible).collect::<String>().into()
        }
        None => format!("#{place}").into(),
    }
}

#[cfg(test)]
#[path = "manifest/tests.rs"]
mod tests;
