//! An auth service as an operator might write one: a real HTTP server whose answers the test decides, and which remembers what
//! it was asked.

use gateway::config::Tls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the service answers to one question.
#[derive(Clone)]
pub enum Reply {
    /// A status and JSON.
    Json(u16, Value),
    /// Any bytes, after which it hangs up.
    Bytes(Vec<u8>),
    /// It hangs up without a word.
    HangUp,
    /// Nothing, for as long as the service lives.
    Silence,
    /// The same, so much later.
    After(Duration, Box<Reply>),
}

impl Reply {
    /// Yes, for these operations.
    pub fn yes(operations: &[&str]) -> Self {
        Self::Json(200, json!({"allowed": true, "operations": operations, "ttlMs": 60_000}))
    }

    /// No.
    pub fn no() -> Self {
        Self::Json(401, json!({"allowed": false}))
    }
}

type Rule = Box<dyn Fn(&Value) -> Reply + Send + Sync>;

/// The service.
pub struct Service {
    pub address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    rule: Mutex<Arc<Rule>>,
    questions: Mutex<Vec<Value>>,
    at_once: AtomicUsize,
    at_once_peak: AtomicUsize,
    over: AtomicBool,
}

impl Service {
    /// A service that answers by this rule.
    pub fn start(rule: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(rule, None)
    }

    /// The same over HTTPS, with the certificate of these papers; their authority vouches for it.
    pub fn start_tls(rule: impl Fn(&Value) -> Reply + Send + Sync + 'static, papers: &Tls) -> Self {
        Self::start_on(rule, Some(server_config(papers)))
    }

    fn start_on(
        rule: impl Fn(&Value) -> Reply + Send + Sync + 'static,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            rule: Mutex::new(Arc::new(Box::new(rule))),
            questions: Mutex::default(),
            at_once: AtomicUsize::new(0),
            at_once_peak: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let clerks = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if clerks.over.load(SeqCst) {
                    return;
                }
                let (shared, tls) = (Arc::clone(&clerks), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &shared),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).expect("a connection");
                        serve(StreamOwned::new(tls, stream), &shared);
                    }
                });
            }
        });
        Self { address, scheme, shared }
    }

    /// The lines of a gateway's configuration that make it ask here. They follow the lines of `[limits]`.
    pub fn config(&self) -> String {
        let Self { scheme, address, .. } = self;
        format!("[auth]\nmode = \"http\"\nurl = \"{scheme}://{address}/validate\"\ntimeout_ms = 1000\n")
    }

    /// Answers by another rule from now on.
    pub fn set(&self, rule: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        *self.shared.rule.lock().expect("no panic") = Arc::new(Box::new(rule));
    }

    /// Every question so far.
    pub fn questions(&self) -> Vec<Value> {
        self.shared.questions.lock().expect("no panic").clone()
    }

    /// The most questions that it was asked at once.
    pub fn at_once_peak(&self) -> usize {
        self.shared.at_once_peak.load(SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn server_config(papers: &Tls) -> Arc<ServerConfig> {
    let [chain, key] = [&papers.certificate, &papers.key].map(|path| path.as_deref().expect("it was made"));
    let chain = CertificateDer::pem_file_iter(chain).expect("a file").collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key);
    Arc::new(config.expect("a key that fits"))
}

/// One connection of the gateway: question after question.
fn serve(stream: impl Read + Write, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(question) = read_question(&mut reader) {
        shared.questions.lock().expect("no panic").push(question.clone());
        let at_once = shared.at_once.fetch_add(1, SeqCst) + 1;
        shared.at_once_peak.fetch_max(at_once, SeqCst);
        let rule = Arc::clone(&shared.rule.lock().expect("no panic"));
        let open = give(reader.get_mut(), rule(&question), shared);
        shared.at_once.fetch_sub(1, SeqCst);
        if !open {
            return;
        }
    }
}

fn read_question(reader: &mut impl BufRead) -> Option<Value> {
    let mut bytes = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            bytes = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; bytes];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Answers. `false`: the connection is over.
fn give(stream: &mut impl Write, reply: Reply, shared: &Shared) -> bool {
    match reply {
        Reply::Json(status, json) => {
            let body = json.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).is_ok()
        }
        Reply::Bytes(bytes) => {
            drop(stream.write_all(&bytes));
            false
        }
        Reply::HangUp => false,
        Reply::Silence => {
            while !shared.over.load(SeqCst) {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            false
        }
        Reply::After(time, reply) => {
            let until = std::time::Instant::now() + time;
            while std::time::Instant::now() < until {
                std::thread::park_timeout(until.saturating_duration_since(std::time::Instant::now()));
            }
            give(stream, *reply, shared)
        }
    }
}
