//! A device's description of itself: its commands, checked once and shared by all devices that say the same.
//!
//! Owns the rules of contract section 9 and 16: names, lengths, numbers, schemas. A command that breaks one is refused and
//! reported, the rest stays. Never talks to a device, and never changes once it is made.

use super::schema::Schema;
use codec::json::{Kind, Malformed, Raw, value};
use sha2::{Digest, Sha256};
use std::fmt;

/// Longest command name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Refusals that are kept to be shown; more are only counted.
const REFUSED_SHOWN_MAX: usize = 64;
/// Time limits that a manifest may name, in milliseconds.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1000..=600_000;
/// What a `retry` that names only one of its two numbers means.
const RETRY_DEFAULT: Retry = Retry { max_attempts: 3, backoff_ms: 1000 };

/// Ceilings of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ManifestLimits {
    /// Commands; the ones behind are refused.
    pub commands_max: usize,
    /// Bytes of one schema, as sent.
    pub schema_bytes_max: usize,
    /// Characters of a description; a longer one is cut.
    pub description_chars_max: usize,
}

impl Default for ManifestLimits {
    fn default() -> Self {
        Self { commands_max: 128, schema_bytes_max: 4096, description_chars_max: 500 }
    }
}

/// What a device can do. Immutable; shared.
#[derive(Debug)]
pub struct Manifest {
    commands: Vec<Command>,
    refused: Vec<Refused>,
    refused_total: usize,
    fingerprint: u128,
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Its name, unique in the manifest.
    pub name: Box<str>,
    /// What it does, for the agent.
    pub description: Box<str>,
    /// The schema of its payload, as the device sent it.
    pub schema_json: Option<Box<[u8]>>,
    /// The same, ready to check with.
    pub schema: Option<Schema>,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: Option<u32>,
    /// How often to try.
    pub retry: Option<Retry>,
}

/// How often a command may be tried, and how long to wait before the second attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Attempts in all.
    pub max_attempts: u32,
    /// Milliseconds before the second attempt; doubled before each further one.
    pub backoff_ms: u32,
}

/// A command that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Its name as shown: at most 64 characters, nothing unprintable.
    pub command: Box<str>,
    /// The rule, in UPPER_CASE.
    pub reason: &'static str,
    /// A sentence.
    pub detail: Box<str>,
}

/// Why something is no manifest at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ManifestFault {
    /// It is not JSON.
    Malformed(Malformed),
    /// It is JSON, but no array.
    NotAnArray,
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => write!(f, "commands is not JSON: {malformed:?}"),
            Self::NotAnArray => f.write_str("commands is not an array"),
        }
    }
}

impl Manifest {
    /// Reads the JSON array of commands.
    ///
    /// # Errors
    ///
    /// When it is no JSON array. A command that breaks a rule is no error: it is refused, see [`Manifest::refused`].
    pub fn parse(commands_json: &[u8], limits: ManifestLimits) -> Result<Self, ManifestFault> {
        let list = value(commands_json).map_err(ManifestFault::Malformed)?;
        if list.kind() != Kind::Array {
            return Err(ManifestFault::NotAnArray);
        }
        let fingerprint = Self::fingerprint_of(commands_json);
        let mut manifest = Self { commands: Vec::new(), refused: Vec::new(), refused_total: 0, fingerprint };
        for element in list.elements() {
            match manifest.read(element, limits) {
                Ok(command) => manifest.commands.push(command),
                Err(refusal) => manifest.refuse(element, refusal),
            }
        }
        Ok(manifest)
    }

    /// What devices with the same commands share: the first half of the SHA-256 of what they sent.
    pub fn fingerprint_of(commands_json: &[u8]) -> u128 {
        let digest: [u8; 32] = Sha256::digest(commands_json).into();
        digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    /// The commands that count, in the order of the device.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// A command by name.
    pub fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| &*command.name == name)
    }

    /// The commands that were refused; of very many only the first.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// How many were refused.
    pub fn refused_total(&self) -> usize {
        self.refused_total
    }

    /// See [`Manifest::fingerprint_of`].
    pub fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    fn read(&self, element: Raw<'_>, limits: ManifestLimits) -> Result<Command, Refusal> {
        let [name, description, schema, timeout, retry] = element
            .members(["name", "description", "inputSchema", "timeoutMs", "retry"])
            .map_err(|_| Refusal::new("INVALID_COMMAND", "a command is an object without repeated members"))?;
        let mut unescaped = String::new();
        let name = name.and_then(|name| name.text(&mut unescaped)).filter(|name| is_name(name));
        let name: Box<str> =
            name.ok_or_else(|| Refusal::new("INVALID_NAME", "a name is ^[a-z][a-z0-9_]{0,63}$"))?.into();
        if self.command(&name).is_some() {
            return Err(Refusal::new("DUPLICATE_NAME", "an earlier command has this name"));
        }
        if self.commands.len() >= limits.commands_max {
            return Err(Refusal::new("TOO_MANY_COMMANDS", format!("only the first {} count", limits.commands_max)));
        }
        let description = description.and_then(|text| text.text(&mut unescaped)).unwrap_or(&name);
        let description = description.chars().take(limits.description_chars_max).collect::<String>().into();
        let (schema_json, schema) = read_schema(schema, limits)?;
        Ok(Command {
            name,
            description,
            schema_json,
            schema,
            timeout_ms: read_timeout(timeout)?,
            retry: retry.filter(|retry| retry.kind() != Kind::Null).map(read_retry).transpose()?,
        })
    }

    fn refuse(&mut self, element: Raw<'_>, refusal: Refusal) {
        self.refused_total += 1;
        if self.refused.len() >= REFUSED_SHOWN_MAX {
            return;
        }
        let mut unescaped = String::new();
        let name = element.members(["name"]).ok().and_then(|[name]| name).and_then(|name| name.text(&mut unescaped));
        let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let command = name.unwrap_or("(no name)").chars().take(NAME_BYTES_MAX).map(shown).collect::<String>().into();
        self.refused.push(Refused { command, reason: refusal.reason, detail: refusal.detail.into() });
    }
}

/// Why a command is refused.
struct Refusal {
    reason: &'static str,
    detail: String,
}

impl Refusal {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// `^[a-z][a-z0-9_]{0,63}$`
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= NAME_BYTES_MAX
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

type SchemaPair = (Option<Box<[u8]>>, Option<Schema>);

fn read_schema(schema: Option<Raw<'_>>, limits: ManifestLimits) -> Result<SchemaPair, Refusal> {
    let Some(schema) = schema.filter(|schema| schema.kind() != Kind::Null) else { return Ok((None, None)) };
    let json = schema.as_bytes();
    if json.len() > limits.schema_bytes_max {
        let detail = format!("a schema has at most {} bytes, this one has {}", limits.schema_bytes_max, json.len());
        return Err(Refusal::new("SCHEMA_TOO_LARGE", detail));
    }
    let compiled = Schema::compile(json).map_err(|fault| Refusal::new(fault.code(), fault.to_string()))?;
    Ok((Some(json.into()), Some(compiled)))
}

fn read_timeout(timeout: Option<Raw<'_>>) -> Result<Option<u32>, Refusal> {
    let Some(timeout) = timeout.filter(|timeout| timeout.kind() != Kind::Null) else { return Ok(None) };
    let ms = timeout.as_u64().filter(|ms| TIMEOUT_MS.contains(ms)).and_then(|ms| u32::try_from(ms).ok());
    ms.map(Some).ok_or_else(|| Refusal::new("TIMEOUT_OUT_OF_RANGE", "timeoutMs lies between 1000 and 600000"))
}

fn read_retry(retry: Raw<'_>) -> Result<Retry, Refusal> {
    let invalid = || Refusal::new("INVALID_RETRY", "retry has maxAttempts (1 to 10) and backoffMs (0 to 60000)");
    let [attempts, backoff] = retry.members(["maxAttempts", "backoffMs"]).map_err(|_| invalid())?;
    let number = |raw: Option<Raw<'_>>, default: u32, range: std::ops::RangeInclusive<u64>| match raw {
        None => Ok(default),
        Some(raw) => raw.as_u64().filter(|n| range.contains(n)).and_then(|n| u32::try_from(n).ok()).ok_or_else(invalid),
    };
    Ok(Retry {
        max_attempts: number(attempts, RETRY_DEFAULT.max_attempts, 1..=10)?,
        backoff_ms: number(backoff, RETRY_DEFAULT.backoff_ms, 0..=60_000)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Manifest {
        Manifest::parse(json.as_bytes(), ManifestLimits::default()).expect("an array")
    }

    fn reasons(manifest: &Manifest) -> Vec<&'static str> {
        manifest.refused().iter().map(|refused| refused.reason).collect()
    }

    #[test]
    fn reads_what_the_python_client_sends() {
        let manifest = parse(
            r#"[{"name":"read_temp","description":"Read","inputSchema":{"type":"object","properties":{"unit":
               {"type":"string"}}},"timeoutMs":5000,"retry":{"maxAttempts":2,"backoffMs":500}},{"name":"ping","description":"Ping"}]"#,
        );
        let command = manifest.command("read_temp").expect("it is there");
        assert_eq!(command.timeout_ms, Some(5000));
        assert_eq!(command.retry, Some(Retry { max_attempts: 2, backoff_ms: 500 }));
        assert!(command.schema.as_ref().expect("a schema").check(br#"{"unit":1}"#).is_err());
        assert!(manifest.command("ping").expect("it is there").schema.is_none());
        assert!(manifest.refused().is_empty());
        assert!(parse("[]").commands().is_empty());
    }

    #[test]
    fn refuses_a_command_and_keeps_the_rest() {
        let manifest = parse(
            r#"[{"name":"Bad"},{"name":"good"},{"name":"good"},{"name":"slow","timeoutMs":1},7,
                {"name":"odd","retry":{"maxAttempts":0}},{"name":"wrong","inputSchema":{"type":"array"}}]"#,
        );
        assert_eq!(manifest.commands().len(), 1);
        assert_eq!(
            reasons(&manifest)[..5],
            ["INVALID_NAME", "DUPLICATE_NAME", "TIMEOUT_OUT_OF_RANGE", "INVALID_COMMAND", "INVALID_RETRY"]
        );
        assert_eq!(manifest.refused_total(), 6);
    }

    #[test]
    fn refuses_commands_beyond_the_ceiling_and_large_schemas() {
        let many: Vec<String> = (0..130).map(|n| format!(r#"{{"name":"c{n}"}}"#)).collect();
        let manifest = parse(&format!("[{}]", many.join(",")));
        assert_eq!(manifest.commands().len(), 128);
        assert_eq!(reasons(&manifest), ["TOO_MANY_COMMANDS"; 2]);
        let large = format!(r#"[{{"name":"a","inputSchema":{{"type":"object","title":"{}"}}}}]"#, "x".repeat(4096));
        assert_eq!(reasons(&parse(&large)), ["SCHEMA_TOO_LARGE"]);
    }

    #[test]
    fn cuts_a_description_at_its_ceiling() {
        let manifest = parse(&format!(r#"[{{"name":"a","description":"{}"}},{{"name":"b"}}]"#, "é".repeat(501)));
        assert_eq!(manifest.commands()[0].description.chars().count(), 500);
        assert_eq!(&*manifest.commands()[1].description, "b");
    }

    #[test]
    fn says_why_something_is_no_manifest() {
        for (json, fault) in [("{}", "not an array"), ("[", "not JSON"), ("", "not JSON")] {
            let error = Manifest::parse(json.as_bytes(), ManifestLimits::default()).expect_err("no manifest");
            assert!(error.to_string().contains(fault), "{error}");
        }
    }

    #[test]
    fn the_same_words_have_the_same_fingerprint() {
        assert_eq!(parse("[]").fingerprint(), Manifest::fingerprint_of(b"[]"));
        assert_ne!(Manifest::fingerprint_of(b"[]"), Manifest::fingerprint_of(b"[ ]"));
    }
}
