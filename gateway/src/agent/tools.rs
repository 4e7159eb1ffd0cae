//! Tools: the commands of an agent's devices under names that a language model may be given.
//!
//! Owns the naming and the four shapes in which tools are shown. A schema passes through as the bytes the device sent. Never asks
//! whether a caller may see a device: it is handed the caller's own.
//!
//! A name is `device__{device}__{command}` with `-` of the device as `_`, as long as that has at most 64 legal characters and
//! belongs to no other pair. Otherwise both parts are shortened and a hash of the pair is added, which depends on nothing but
//! the pair: a tool keeps its name whoever else comes and goes, but for the moment when two begin to claim the same plain one.

use crate::device::manifest::{Command, Manifest};
use codec::json::encode_str;
use hashbrown::{HashMap, HashSet};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// Longest name, in characters; what the strictest of the model vendors takes.
pub const NAME_CHARS_MAX: usize = 64;
/// Hexadecimal digits of the hash in a shortened name: 32 bits.
const HASH_DIGITS: usize = 8;
/// What a shortened command leaves of itself at most.
const COMMAND_CHARS_MAX: usize = 24;
/// The last part of the tool that tells whether a device is here.
const IS_ONLINE: &str = "is_online";
/// The schema of a command that has none.
const NO_ARGUMENTS: &[u8] = br#"{"type":"object","properties":{}}"#;

type Fixed = BuildHasherDefault<SipHasher13>;

/// A device and what it offers.
#[derive(Clone, Debug)]
pub struct ToolDevice {
    /// Its name on the wire.
    pub name: Arc<str>,
    /// Its commands; those of a device that is away are kept, so that their names stay taken and can be resolved.
    pub manifest: Option<Arc<Manifest>>,
    /// Whether its commands are tools now.
    pub online: bool,
}

/// What a tool does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// Runs this command.
    Command(&'a str),
    /// Tells whether the device is here; answered by the gateway.
    IsOnline,
}

/// For whom tools are rendered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The gateway's own.
    Default,
    /// OpenAI function tools.
    OpenAi,
    /// Anthropic tools.
    Anthropic,
    /// Model Context Protocol.
    Mcp,
}

impl Format {
    /// The format that a request names.
    pub fn from_query(word: &str) -> Option<Self> {
        Some(match word {
            "openai" => Self::OpenAi,
            "anthropic" => Self::Anthropic,
            "mcp" => Self::Mcp,
            _ => return None,
        })
    }
}

/// The tools of one agent.
#[derive(Debug)]
pub struct Catalog {
    devices: Vec<ToolDevice>,
    /// Sorted by name.
    tools: Vec<Tool>,
}

#[derive(Debug)]
struct Tool {
    name: String,
    device: usize,
    /// The command's place in the manifest; none is `is_online`.
    command: Option<usize>,
}

impl Catalog {
    /// Names the tools of these devices.
    pub fn new(mut devices: Vec<ToolDevice>) -> Self {
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        let mut tools = Vec::new();
        for (at, device) in devices.iter().enumerate() {
            tools.push(Tool { name: String::new(), device: at, command: None });
            let commands = device.manifest.as_ref().map_or(0, |manifest| manifest.commands().len());
            tools.extend((0..commands).map(|command| Tool {
                name: String::new(),
                device: at,
                command: Some(command),
            }));
        }
        let mut catalog = Self { devices, tools };
        catalog.give_names();
        catalog.tools.sort_by(|a, b| a.name.cmp(&b.name));
        catalog
    }

    /// How many tools are shown now.
    pub fn len(&self) -> usize {
        self.tools.iter().filter(|tool| self.is_shown(tool)).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All names, sorted, with what they stand for; also those of devices that are away.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<str>, Target<'_>)> {
        let device = |tool: &Tool| &self.devices[tool.device].name;
        self.tools.iter().map(move |tool| (tool.name.as_str(), device(tool), self.target(tool)))
    }

    /// The device and what to do there; also for a device that is away.
    pub fn resolve(&self, name: &str) -> Option<(&Arc<str>, Target<'_>)> {
        let at = self.tools.binary_search_by(|tool| tool.name.as_str().cmp(name)).ok()?;
        let tool = &self.tools[at];
        Some((&self.devices[tool.device].name, self.target(tool)))
    }

    /// The name of a device's tool.
    #[cfg(test)]
    fn tool_name(&self, device: &str, target: Target<'_>) -> Option<&str> {
        let fits = |tool: &&Tool| &*self.devices[tool.device].name == device && self.target(tool) == target;
        self.tools.iter().find(fits).map(|tool| tool.name.as_str())
    }

    /// Writes the tools of all online devices, and `is_online` of every device, sorted by name.
    pub fn render(&self, format: Format, out: &mut Vec<u8>) {
        let (open, close): (&[u8], &[u8]) = match format {
            Format::Default | Format::Mcp => (b"{\"tools\":[", b"]}"),
            Format::OpenAi | Format::Anthropic => (b"[", b"]"),
        };
        out.extend_from_slice(open);
        for (n, tool) in self.tools.iter().filter(|tool| self.is_shown(tool)).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            self.render_tool(tool, format, out);
        }
        out.extend_from_slice(close);
    }

    fn render_tool(&self, tool: &Tool, format: Format, out: &mut Vec<u8>) {
        let device = &self.devices[tool.device];
        let (description, schema) = match self.command(tool) {
            Some(command) => {
                (command.description.to_string(), command.schema_json.as_deref().unwrap_or(NO_ARGUMENTS))
            }
            None => (format!("Whether the device {} is online", device.name), NO_ARGUMENTS),
        };
        let member = |out: &mut Vec<u8>, name: &str, text: &str| {
            out.extend_from_slice(name.as_bytes());
            encode_str(out, text);
        };
        let (lead, schema_name, end): (&str, &[u8], &[u8]) = match format {
            Format::Default | Format::Mcp => ("{\"name\":", b",\"inputSchema\":", b"}"),
            Format::OpenAi => ("{\"type\":\"function\",\"function\":{\"name\":", b",\"parameters\":", b"}}"),
            Format::Anthropic => ("{\"name\":", b",\"input_schema\":", b"}"),
        };
        member(out, lead, &tool.name);
        member(out, ",\"description\":", &description);
        if format == Format::Default {
            member(out, ",\"device\":", &device.name);
            member(out, ",\"command\":", self.command(tool).map_or(IS_ONLINE, |command| &command.name));
        }
        out.extend_from_slice(schema_name);
        out.extend_from_slice(schema);
        out.extend_from_slice(end);
    }

    fn is_shown(&self, tool: &Tool) -> bool {
        tool.command.is_none() || self.devices[tool.device].online
    }

    fn command(&self, tool: &Tool) -> Option<&Command> {
        self.devices[tool.device].manifest.as_ref()?.commands().get(tool.command?)
    }

    fn target(&self, tool: &Tool) -> Target<'_> {
        self.command(tool).map_or(Target::IsOnline, |command| Target::Command(&command.name))
    }

    fn words(&self, tool: &Tool) -> (&str, &str) {
        (&self.devices[tool.device].name, self.command(tool).map_or(IS_ONLINE, |command| &command.name))
    }

    fn give_names(&mut self) {
        let plain: Vec<Option<String>> = self.tools.iter().map(|tool| plain_name(self.words(tool))).collect();
        let mut claims: HashMap<&str, usize, Fixed> = HashMap::default();
        for name in plain.iter().flatten() {
            *claims.entry(name).or_default() += 1;
        }
        let mut names = Vec::with_capacity(self.tools.len());
        let mut taken: HashSet<String, Fixed> = HashSet::default();
        for name in &plain {
            let alone = name.as_ref().filter(|name| claims.get(name.as_str()) == Some(&1));
            taken.extend(alone.cloned());
            names.push(alone.cloned());
        }
        // Should two hashes meet, the first keeps it: in the order of the pairs, not of a manifest.
        let mut unnamed: Vec<usize> = (0..names.len()).filter(|&at| names[at].is_none()).collect();
        unnamed.sort_by_key(|&at| {
            (self.tools[at].device, self.command(&self.tools[at]).map(|command| &*command.name))
        });
        for at in unnamed {
            let tool = &self.tools[at];
            let mut rounds = (0..).map(|round| hashed_name(self.words(tool), tool.command.is_some(), round));
            let free = rounds.find(|name| !taken.contains(name)).unwrap_or_default();
            taken.insert(free.clone());
            names[at] = Some(free);
        }
        for (tool, name) in self.tools.iter_mut().zip(names) {
            tool.name = name.unwrap_or_default();
        }
    }
}

/// The name as it should be, if it is a legal one.
fn plain_name((device, command): (&str, &str)) -> Option<String> {
    let bytes = "device__".len() + device.len() + "__".len() + command.len();
    let is_plain = bytes <= NAME_CHARS_MAX && device.chars().chain(command.chars()).all(is_legal);
    is_plain.then(|| format!("device__{}__{command}", device.replace('-', "_")))
}

/// A name for a pair whose plain one is too long, not legal, or not its alone.
fn hashed_name((device, command): (&str, &str), is_command: bool, round: u32) -> String {
    let mut pair = Vec::with_capacity(256);
    for part in [device.as_bytes(), command.as_bytes(), &[u8::from(is_command)], &round.to_be_bytes()] {
        pair.extend_from_slice(&(part.len() as u64).to_be_bytes());
        pair.extend_from_slice(part);
    }
    let hash = Sha256::digest(&pair);
    let digits = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let command = shortened(command, COMMAND_CHARS_MAX);
    let device_chars_max =
        NAME_CHARS_MAX - "device__".len() - "__".len() - command.len() - "_".len() - HASH_DIGITS;
    format!("device__{}__{command}_{digits:0HASH_DIGITS$x}", shortened(device, device_chars_max))
}

fn shortened(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if is_legal(c) && c != '-' { c } else { '_' }).collect()
}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
#[path = "tools/tests.rs"]
mod tests;
