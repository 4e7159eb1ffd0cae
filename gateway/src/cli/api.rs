//! A running gateway, spoken to over its HTTP API.
//!
//! Owns finding it (flags, then environment, then the data folder of `gateway dev`), the requests of the command line, and
//! what is said when one is refused. It never sends the demo key to another machine.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use super::output::plain;
use super::{Failure, Screen};
use crate::dev;
use crate::trust;

/// Where a gateway is when nothing says where: the default of `gateway dev`.
const URL: &str = "http://127.0.0.1:8080";
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which gateway, and as whom.
#[derive(Args)]
pub(super) struct Target {
    /// The gateway's address. Default: the one of the running `gateway dev`.
    #[arg(long, env = "GATEWAY_URL", value_name = "URL")]
    url: Option<String>,
    /// A key with the operation `agent`. Default: the one of the running `gateway dev`.
    #[arg(long, env = "GATEWAY_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// The agent. Default: the one that the key speaks for.
    #[arg(long, env = "GATEWAY_AGENT", value_name = "AGENT")]
    agent: Option<String>,
    /// The data folder of the running `gateway dev`.
    #[arg(long, value_name = "DIR", default_value = crate::config::DATA_DIR)]
    data: PathBuf,
}

/// A gateway, a key and an agent.
pub(super) struct Api {
    http: Agent,
    url: String,
    key: String,
    /// The path of the agent's own resources, percent-encoded.
    root: String,
}

/// An answer of the gateway.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body as it came.
    pub(super) text: String,
}

impl Target {
    /// Finds the gateway and the agent that the key speaks for.
    pub(super) fn find(&self, patience: Duration) -> Result<Api, Failure> {
        let url = self.url.clone().or_else(|| dev::recorded(&dev::url_path(&self.data)));
        let url = url.unwrap_or_else(|| URL.to_owned()).trim_end_matches('/').to_owned();
        check_url(&url)?;
        let key = self.key.clone().or_else(|| demo_key(&self.data, &url)).ok_or_else(no_key)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(patience))
            .tls_config(trust(&url, &self.data)?);
        let mut api = Api { http: config.build().new_agent(), url, key, root: String::new() };
        let agent = match &self.agent {
            Some(agent) => agent.clone(),
            None => api.agent_of_key()?,
        };
        api.root = format!("/v1/agents/{}", encoded(&agent));
        Ok(api)
    }
}

impl Api {
    /// GET below the agent.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.get_root(&format!("{}{path}", self.root))
    }

    /// GET of an endless answer below the agent: each line of it as it comes, until `each` says that it is enough.
    pub(super) fn stream(
        &self,
        path: &str,
        each: &mut dyn FnMut(&str) -> Result<bool, Failure>,
    ) -> Result<Option<Answer>, Failure> {
        let url = format!("{}{}{path}", self.url, self.root);
        let request = self.http.get(url).header("Authorization", self.bearer());
        let request = request.config().timeout_global(None).timeout_recv_body(None).build();
        let answer = request.call();
        if answer.as_ref().map_or(true, |answer| answer.status() != 200) {
            return self.read(answer).map(Some);
        }
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.map_err(|error| Failure::Error(format!("{}: {error}", self.url)))?;
            if !each(&line)? {
                return Ok(None);
            }
        }
        Err(Failure::Error(format!("{}: the gateway has ended the stream", self.url)))
    }

    /// POST of JSON below the agent.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> Result<Answer, Failure> {
        let url = format!("{}{}{path}", self.url, self.root);
        let request = self.http.post(url).header("Authorization", self.bearer());
        self.read(request.header("Content-Type", "application/json").send(body))
    }

    fn get_root(&self, path: &str) -> Result<Answer, Failure> {
        let request = self.http.get(format!("{}{path}", self.url));
        self.read(request.header("Authorization", self.bearer()).call())
    }

    fn agent_of_key(&self) -> Result<String, Failure> {
        let answer = self.get_root("/v1/key")?;
        let agent = answer.field("agent");
        match (answer.status, agent) {
            (200, Some(agent)) => Ok(agent),
            (404, _) => {
                Err(Failure::Usage("this gateway does not say whose key it is; add --agent".to_owned()))
            }
            (401, _) => Err(Failure::Error(format!(
                "{}\nif an auth service keeps the keys, name the agent with --agent or GATEWAY_AGENT",
                answer.complaint()
            ))),
            (_, _) => Err(Failure::Error(answer.complaint())),
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Answer, Failure> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = body.map_err(|error| self.unreachable(&error))?;
        Ok(Answer { status: answer.status().as_u16(), text })
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let why = match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                "nobody listens there; is the gateway running?".to_owned()
            }
            ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
            other => other.to_string(),
        };
        Failure::Error(format!("{}: {why}", self.url))
    }
}

impl Answer {
    /// Whether it is what was asked for.
    pub(super) fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// A text member of the body.
    fn field(&self, name: &str) -> Option<String> {
        let body: Value = serde_json::from_str(&self.text).ok()?;
        body.get(name)?.as_str().map(str::to_owned)
    }

    /// Says what was refused: raw to a program, and in any case as title, detail and what to do.
    pub(super) fn refuse(&self, screen: &mut Screen<'_>) -> Failure {
        if !screen.terminal
            && let Err(failure) = screen.line(&self.text)
        {
            return failure;
        }
        Failure::Error(self.complaint())
    }

    /// Title, detail, each fault of the arguments, and what to do; from problem+json, or from the status alone.
    fn complaint(&self) -> String {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(plain);
        let code = text(&body["code"]).unwrap_or_default();
        let title = text(&body["title"]).unwrap_or_else(|| "the gateway refused".to_owned());
        let mut lines = vec![format!("{title} ({})", format!("{} {code}", self.status).trim_end())];
        lines.extend(text(&body["detail"]));
        for fault in body["errors"].as_array().into_iter().flatten() {
            let (place, detail) = (text(&fault["pointer"]), text(&fault["detail"]));
            lines.push(format!("  {}: {}", place.unwrap_or_default(), detail.unwrap_or_default()));
        }
        lines.extend(advice(self.status, &code).map(str::to_owned));
        lines.join("\n")
    }
}

/// What somebody at a terminal can do about a refusal.
fn advice(status: u16, code: &str) -> Option<&'static str> {
    match (status, code) {
        (_, "device-unknown" | "device-offline") => Some("`gateway devices` shows who is connected."),
        (_, "command-unknown") => Some("`gateway devices` shows the commands of each device."),
        (_, "device-timeout") => Some("The device may still be at it; --timeout-ms gives it longer."),
        (_, "too-many-commands" | "device-busy" | "shutting-down") => Some("Try again in a moment."),
        (401, _) => Some("The key is wrong or revoked; `gateway keys add --operations agent` makes one."),
        (403, _) => Some("The key lacks the operation; `gateway keys list` shows what it is good for."),
        (_, _) => None,
    }
}

fn check_url(url: &str) -> Result<(), Failure> {
    match url.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(()),
        Some(_) | None => Err(Failure::Usage(format!("{url:?} is not an address such as {URL}"))),
    }
}

/// The key of `gateway dev`, for a gateway on this machine alone.
fn demo_key(data: &Path, url: &str) -> Option<String> {
    if is_here(url) { dev::recorded(&dev::key_path(data)) } else { None }
}

/// Whether a URL leads to this machine by a loopback name.
fn is_here(url: &str) -> bool {
    let uri: Option<ureq::http::Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whom to trust over `https`: the authorities in SSL_CERT_FILE, or for this machine the one of `gateway dev`, or the public
/// ones.
fn trust(url: &str, data: &Path) -> Result<TlsConfig, Failure> {
    let builder = TlsConfig::builder();
    if !url.starts_with("https:") {
        return Ok(builder.build());
    }
    let of_dev = Some(dev::papers::authority_path(data)).filter(|path| is_here(url) && path.exists());
    let Some(file) = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from).or(of_dev) else {
        return Ok(builder.build());
    };
    Ok(builder.root_certs(trust::read(&file).map_err(Failure::Usage)?).build())
}

fn no_key() -> Failure {
    Failure::Usage("which key? Give --key or GATEWAY_KEY, or run `gateway dev` in this folder".to_owned())
}

/// A name as one segment of a path, or as a value of a query.
pub(super) fn encoded(name: &str) -> String {
    let mut text = String::new();
    transports::http::percent_encode(&mut text, name);
    text
}
