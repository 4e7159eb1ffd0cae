//! The configuration: what an operator may choose, read from a TOML file and the environment, checked as a whole.
//!
//! Owns the shape ([`Config`]), its defaults, the reading (`config/environment.rs` lays `GATEWAY__SECTION__KEY` over the
//! file), the checks, and the two texts that show it (`config/default_text.rs`, [`Config::print`]). Unknown keys are
//! errors with their line; a file is taken whole or not at all. It never touches a socket, a certificate or a key file,
//! and prints no secret.

mod default_text;
mod environment;

pub use default_text::default_text;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::Limits;
use engine::LISTENERS_MAX;

/// The folder for keys and the store, when the configuration names none.
pub const DATA_DIR: &str = "gateway-data";
/// Longest time for which a yes of the auth service may be used, in ms.
const CACHE_MS_MAX: u64 = 86_400_000;
/// More cores than this are taken for a slip of the pen.
const CORES_MAX: usize = 1024;

/// Everything that a running gateway was told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of `keys.toml` and the store. Relative to the folder in which the gateway was started.
    pub data_dir: PathBuf,
    /// How many cores serve connections; `None` for all that the machine has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<usize>,
    /// The addresses that accept connections, at least one.
    pub listen: Vec<Listen>,
    /// The certificate of listeners with `tls = true`.
    pub tls: Tls,
    /// Who says whether a key is good.
    pub auth: Auth,
    /// What only Socket.IO needs.
    pub socketio: SocketIo,
    /// Every ceiling.
    pub limits: Limits,
}

/// One address that accepts connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "ListenRecord", into = "ListenRecord")]
pub struct Listen {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where; port 0 picks a free one.
    pub address: SocketAddr,
    /// Whether TLS is spoken below the protocol.
    pub tls: bool,
    /// What an HTTP listener serves. Nothing on an MQTT listener, which serves devices alone.
    pub serves: Serves,
    /// The limit of this name for MQTT devices that connect here, if it is another than that of `[limits]`.
    pub mqtt_inflight_to_device: Option<u16>,
}

/// The protocols that a listener may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// MQTT 3.1.1 over TCP.
    Mqtt,
    /// HTTP/1.1: the API of agents and operators, and the transports of devices that begin as HTTP.
    Http,
}

/// What an HTTP listener serves; paths that belong to something else answer 404 there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Vec<Party>", into = "Vec<Party>")]
pub struct Serves {
    /// `/mqtt`, `/socket.io/`.
    pub devices: bool,
    /// `/v1`, `/developer`, `/mcp`, `/openapi.json`.
    pub agents: bool,
    /// `/console`, `/metrics`, `/healthz`, `/readyz`.
    pub operator: bool,
}

/// A word in `serves`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Party {
    Devices,
    Agents,
    Operator,
}

/// Where the certificate of TLS listeners lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM chain, the server's own certificate first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// What only Socket.IO needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIo {
    /// The origins whose web pages may speak to us by long-polling: `scheme://host[:port]` as browsers write it, or `*` for all.
    pub cors_origins: Vec<String>,
}

/// Who says whether a key is good.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The embedded key file alone, or a service behind it.
    pub mode: AuthMode,
    /// The service, in mode `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// PEM certificates of the authorities whose word counts for the service, instead of the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long one question to the service may take, in ms.
    pub timeout_ms: u64,
    /// How long a yes of the service is used, in ms.
    pub cache_ms: u64,
}

/// Where keys are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// `keys.toml` in the data folder.
    Keys,
    /// `keys.toml`, then the service at `url`.
    Http,
}

/// Why there is no configuration: one sentence per line, each naming its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads `file`, lays the environment over it, and checks the whole.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError(format!("{name}: it cannot be read: {error}")))?;
        Self::from_text(&text, &name, environment::variables()?)
    }

    /// The defaults with the environment laid over them, checked.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_text("", "environment", environment::variables()?)
    }

    /// Reads `text`, lays `variables` (`GATEWAY__SECTION__KEY` and value) over it, and checks the whole. `name` stands in
    /// front of complaints.
    pub fn from_text(text: &str, name: &str, variables: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let complaint =
            |error: toml::de::Error| ConfigError(format!("{name}: {}", error.to_string().trim_end()));
        let mut config: Config = toml::from_str(text).map_err(complaint)?;
        if !variables.is_empty() {
            let table = toml::from_str(text).map_err(complaint)?;
            config = environment::overlay(table, variables).map_err(ConfigError)?;
        }
        match config.problems() {
            problems if problems.is_empty() => Ok(config),
            problems => {
                let lines: Vec<String> =
                    problems.iter().map(|problem| format!("{name}: {problem}")).collect();
                Err(ConfigError(lines.join("\n")))
            }
        }
    }

    /// How many cores serve: the configured number, or all that the machine gives to this process.
    pub fn core_count(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from).min(CORES_MAX);
        self.cores.unwrap_or_else(all)
    }

    /// The effective values as TOML, secrets hidden.
    pub fn print(&self) -> String {
        let mut shown = self.clone();
        shown.auth.url = shown.auth.url.as_deref().map(without_secrets);
        toml::to_string(&shown).expect("a configuration is plain tables, texts and numbers")
    }

    /// Whether the other differs in more than its limits.
    pub fn has_other_sections(&self, other: &Self) -> bool {
        Self { limits: self.limits.clone(), ..other.clone() } != *self
    }

    /// Everything that makes this configuration unusable, as sentences.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.data_dir.as_os_str().is_empty() {
            problems.push("data_dir must not be empty".to_owned());
        }
        if self.cores.is_some_and(|cores| cores == 0 || cores > CORES_MAX) {
            problems.push(format!(
                "cores must lie between 1 and {CORES_MAX}; leave it out for all of the machine's"
            ));
        }
        problems.extend(self.listener_problems());
        problems.extend(self.auth.problem().map(str::to_owned));
        problems.extend(self.socketio.problem());
        problems.extend(self.limits.problems());
        problems
    }

    fn listener_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.listen.is_empty() {
            problems.push("there is no [[listen]]: nobody could connect".to_owned());
        }
        if self.listen.len() > LISTENERS_MAX {
            problems.push(format!(
                "there are {} [[listen]], and there may be at most {LISTENERS_MAX}",
                self.listen.len()
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, listen) in self.listen.iter().enumerate() {
            if listen.address.port() != 0 && !seen.insert(listen.address) {
                problems.push(format!("listen {index}: {} is taken by a listener above it", listen.address));
            }
            if listen.tls && (self.tls.certificate.is_none() || self.tls.key.is_none()) {
                problems.push(format!("listen {index}: tls = true needs [tls] with certificate and key"));
            }
            if let Some(mqtt_inflight_to_device) = listen.mqtt_inflight_to_device {
                let own = Limits { mqtt_inflight_to_device, ..Limits::default() };
                problems.extend(own.problems().iter().map(|problem| format!("listen {index}: {problem}")));
            }
            if listen.protocol == Protocol::Http && listen.serves == Serves::default() {
                problems.push(format!("listen {index}: serves is empty: it would answer 404 to everything"));
            }
        }
        problems
    }
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            data_dir: DATA_DIR.into(),
            cores: None,
            listen: vec![Listen::mqtt(loopback(1883)), Listen::http(loopback(8080))],
            tls: Tls::default(),
            auth: Auth::default(),
            socketio: SocketIo::default(),
            limits: Limits::default(),
        }
    }
}

impl Listen {
    /// MQTT over plain TCP.
    pub fn mqtt(address: SocketAddr) -> Self {
        let (protocol, serves) = (Protocol::Mqtt, Serves::default());
        Self { protocol, address, tls: false, serves, mqtt_inflight_to_device: None }
    }

    /// Plain HTTP that serves everybody.
    pub fn http(address: SocketAddr) -> Self {
        let (protocol, serves) = (Protocol::Http, Serves::EVERYBODY);
        Self { protocol, address, tls: false, serves, mqtt_inflight_to_device: None }
    }

    /// The same, with TLS below it.
    pub fn secure(self) -> Self {
        Self { tls: true, ..self }
    }
}

impl fmt::Display for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.devices, "devices"), (self.agents, "agents"), (self.operator, "operator")];
        let words: Vec<&str> = named.into_iter().filter_map(|(named, word)| named.then_some(word)).collect();
        f.write_str(&words.join(", "))
    }
}

impl Serves {
    /// Devices, agents and the operator.
    pub const EVERYBODY: Self = Self { devices: true, agents: true, operator: true };
}

impl Auth {
    fn problem(&self) -> Option<&'static str> {
        if self.timeout_ms == 0 {
            return Some("auth.timeout_ms must be at least 1");
        }
        if self.cache_ms > CACHE_MS_MAX {
            return Some(
                "auth.cache_ms must be at most 86400000: a key that was taken back must be noticed some day",
            );
        }
        match (self.mode, &self.url) {
            (AuthMode::Keys, _) => None,
            (AuthMode::Http, None) => Some("auth.mode = \"http\" needs auth.url, the service to ask"),
            (AuthMode::Http, Some(url)) if is_service_url(url) => {
                let in_vain = self.ca.is_some() && !url.starts_with("https:");
                in_vain.then_some("auth.ca is for a service with https://, and auth.url has none")
            }
            (AuthMode::Http, Some(_)) => Some("auth.url must be http://HOST[:PORT]/PATH or https://…"),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self { mode: AuthMode::Keys, url: None, ca: None, timeout_ms: 2000, cache_ms: 60_000 }
    }
}

impl SocketIo {
    fn problem(&self) -> Option<String> {
        let wrong = self.cors_origins.iter().find(|origin| *origin != "*" && !is_origin(origin))?;
        Some(format!(
            "socketio.cors_origins: {wrong:?} is neither \"*\" nor scheme://host[:port] without anything behind it"
        ))
    }
}

impl Default for SocketIo {
    fn default() -> Self {
        Self { cors_origins: vec!["*".to_owned()] }
    }
}

/// `[[listen]]` as it stands in a file.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ListenRecord {
    protocol: Protocol,
    #[serde(deserialize_with = "socket_address")]
    address: SocketAddr,
    #[serde(default)]
    tls: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serves: Option<Serves>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mqtt_inflight_to_device: Option<u16>,
}

impl TryFrom<ListenRecord> for Listen {
    type Error = &'static str;

    fn try_from(record: ListenRecord) -> Result<Self, Self::Error> {
        let serves = match (record.protocol, record.serves) {
            (Protocol::Http, serves) => serves.unwrap_or(Serves::EVERYBODY),
            (Protocol::Mqtt, None) => Serves::default(),
            (Protocol::Mqtt, Some(_)) => {
                return Err("`serves` belongs to http listeners; an mqtt listener serves devices alone");
            }
        };
        let ListenRecord { protocol, address, tls, mqtt_inflight_to_device, .. } = record;
        Ok(Self { protocol, address, tls, serves, mqtt_inflight_to_device })
    }
}

impl From<Listen> for ListenRecord {
    fn from(listen: Listen) -> Self {
        let Listen { protocol, address, tls, serves, mqtt_inflight_to_device } = listen;
        let serves = (protocol == Protocol::Http).then_some(serves);
        Self { protocol, address, tls, serves, mqtt_inflight_to_device }
    }
}

impl From<Vec<Party>> for Serves {
    fn from(parties: Vec<Party>) -> Self {
        let named = |party| parties.contains(&party);
        Self {
            devices: named(Party::Devices),
            agents: named(Party::Agents),
            operator: named(Party::Operator),
        }
    }
}

impl From<Serves> for Vec<Party> {
    fn from(serves: Serves) -> Self {
        [(serves.devices, Party::Devices), (serves.agents, Party::Agents), (serves.operator, Party::Operator)]
            .into_iter()
            .filter_map(|(named, party)| named.then_some(party))
            .collect()
    }
}

fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "address {text:?} is not IP:PORT, such as \"127.0.0.1:1883\" or \"[::]:1883\""
        ))
    })
}

/// Whether a browser would call a page's origin so.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    is_word(scheme, b"+-.") && is_word(host, b"-._:[]")
}

/// Whether questions can be posted to `url`.
fn is_service_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
}

/// The URL with whatever may be a secret in it replaced: user information and the query.
fn without_secrets(url: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, ""), |(base, _)| (base, "?***"));
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}{query}"),
        None => format!("{scheme}://{authority}{path}{query}"),
    }
}

#[cfg(test)]
mod tests;
