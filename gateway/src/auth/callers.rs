//! The callers: threads that ask the auth service, so that no core and not the gatekeeper waits for it.
//!
//! Owns the HTTP client, its time limit and its connections, which are kept alive and shared. One call is one request: no
//! redirect is followed (it would carry the key elsewhere), no proxy of the environment is used, a body is read up to a
//! ceiling. It never remembers a key and never logs one; what came of a call goes back by mail.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use codec::json::encode_str;
use engine::net::Net;
use engine::wiring::Outside;
use ureq::http::header::CONTENT_TYPE;
use ureq::tls::{RootCerts, TlsConfig};
use zeroize::Zeroizing;

use super::answer::{Answer, BODY_BYTES_MAX, Fault};
use super::gatekeeper::Call;
use super::mail::ToGatekeeper;
use crate::mail::Mail;
use crate::shard::Shard;

/// A caller needs no deep stack.
const STACK_BYTES: usize = 512 * 1024;
/// Kept connections of the client, and how long an idle one is kept: shorter than a service usually does.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// A letter that found a full box is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(1);

/// Where and how the service is asked.
#[derive(Clone, Debug)]
pub struct ServiceAddress {
    /// The URL that questions are posted to.
    pub url: String,
    /// Whose word counts for its certificate; none: that of the public authorities.
    pub trusted: Option<RootCerts>,
    /// The time of one call, from the name's resolution to the last byte.
    pub timeout: Duration,
    /// Calls at once: as many callers there are.
    pub calls_max: usize,
}

/// The office where calls are left until the callers have started.
#[derive(Debug)]
pub struct Calls {
    waiting: Arc<Mutex<Receiver<Call>>>,
}

/// An office, and the way to leave calls there.
pub fn office() -> (Sender<Call>, Calls) {
    let (leave, waiting) = channel();
    (leave, Calls { waiting: Arc::new(Mutex::new(waiting)) })
}

impl Calls {
    /// Starts the callers. They end when the gatekeeper has, or with the process.
    ///
    /// # Errors
    ///
    /// The kernel refuses threads.
    #[allow(clippy::disallowed_methods, reason = "callers wait for a foreign server, which no core may")]
    pub fn start<N: Net + 'static>(
        &self,
        address: &ServiceAddress,
        gatekeeper: usize,
        mut way_back: impl FnMut() -> Outside<N, Shard>,
    ) -> io::Result<()>
    where
        Outside<N, Shard>: Send,
    {
        let client = Client::new(address);
        for _ in 0..address.calls_max {
            let (waiting, client, mut outside) = (Arc::clone(&self.waiting), client.clone(), way_back());
            std::thread::Builder::new().name("auth-call".to_owned()).stack_size(STACK_BYTES).spawn(
                move || {
                    while let Some(call) = next(&waiting) {
                        let answer = client.ask(&call);
                        let heard = ToGatekeeper::Heard { flight: call.flight, answer };
                        outside.post(gatekeeper, Mail::Gatekeeper(heard));
                        while !outside.flush() {
                            std::thread::park_timeout(RETRY_AFTER);
                        }
                    }
                },
            )?;
        }
        Ok(())
    }
}

fn next(waiting: &Mutex<Receiver<Call>>) -> Option<Call> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// The HTTP client.
#[derive(Clone, Debug)]
struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    fn new(address: &ServiceAddress) -> Self {
        let mut tls = TlsConfig::builder();
        if let Some(trusted) = &address.trusted {
            tls = tls.root_certs(trusted.clone());
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(address.timeout))
            .max_idle_connections(address.calls_max)
            .max_idle_connections_per_host(address.calls_max)
            .max_idle_age(IDLE_MAX)
            .user_agent(concat!("gateway/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, url: address.url.clone() }
    }

    fn ask(&self, call: &Call) -> Answer {
        let question = write_question(call);
        let sent = self.agent.post(&self.url).header(CONTENT_TYPE, "application/json").send(&question[..]);
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return Answer::Failed(fault_of(&error)),
        };
        let mut body = Vec::new();
        let limit = BODY_BYTES_MAX as u64 + 1;
        match response.body_mut().as_reader().take(limit).read_to_end(&mut body) {
            Ok(_) if body.len() > BODY_BYTES_MAX => Answer::Failed(Fault::Garbage),
            Ok(_) => Answer::read(response.status().as_u16(), &body),
            Err(error) => Answer::Failed(fault_of(&ureq::Error::from(error))),
        }
    }
}

/// The body of a question; wiped when it has been sent.
fn write_question(call: &Call) -> Zeroizing<Vec<u8>> {
    // Large enough for what is usual, so that no shorter buffer with a part of the key is left behind.
    let mut body = Zeroizing::new(Vec::with_capacity(4096));
    body.extend_from_slice(b"{\"apiKey\":");
    encode_str(&mut body, call.secret.reveal());
    body.extend_from_slice(b",\"agentId\":");
    encode_str(&mut body, &call.agent);
    body.extend_from_slice(b",\"deviceName\":");
    match &call.device {
        Some(device) => encode_str(&mut body, device),
        None => body.extend_from_slice(b"null"),
    }
    body.extend_from_slice(b",\"transport\":\"");
    body.extend_from_slice(call.via.word().as_bytes());
    body.extend_from_slice(b"\"}");
    body
}

fn fault_of(error: &ureq::Error) -> Fault {
    match error {
        ureq::Error::Timeout(_) => Fault::TimedOut,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Fault::TimedOut,
        // The client gives what TLS says as an error of the socket.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Fault::Untrusted,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::TlsRequired => Fault::Untrusted,
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Fault::Garbage,
        _ => Fault::Unreachable,
    }
}
