//! Puts the house together and runs it until it is asked to stop.
//!
//! Owns the composition: cores with their shards; the store writer, the worker and the gatekeeper as neighbours; callers of the
//! auth service, where there is one; and the control thread that hears signals and watches the key file. No rule of the product
//! is here.
//!
//! ```text
//!   control (this thread) --Keys, stop--> core 0 .. core N-1  <--mail-->  store writer (N), worker (N+1), gatekeeper (N+2)
//! ```

mod gatekeeping;
mod reload;

pub use gatekeeping::{gatekeeper_rules, turn_gatekeeper};
use gatekeeping::{run_gatekeeper, service_address};

use crate::auth::callers::office;
use crate::auth::{Gatekeeper, Keys, Watch};
use crate::certificates::{Certificates, News, Offer};
use crate::config::{AuthMode, Config, Listen, Protocol};
use crate::device::cors::Origins;
use crate::device::manifest::ManifestLimits;
use crate::device::name::HomeHash;
use crate::device::translator::NAMESPACE;
use crate::limits::Limits;
use crate::mail::Mail;
use crate::notify;
use crate::shard::{Door, Facts, Shard};
use crate::store::journal::JournalLimits;
use crate::store::mail::FromStore;
use crate::store::writer::{Writer, WriterLimits};
use crate::trust;
use crate::worker::{Worker, WorkerLimits};
use codec::limits::MQTT_HEADER_BYTES_MAX;
use engine::net::Net;
use engine::net::os::OsNet;
use engine::start::{Options, Running, Stopper, clerk, start};
use engine::wiring::{Clerk, Outside};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use ureq::tls::RootCerts;

/// What is listened on, once it is.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Each listener with its real address, in the order of the configuration.
    pub listeners: Vec<(Listen, SocketAddr)>,
}

impl Bound {
    /// The address of the first listener of a kind.
    pub fn address(&self, protocol: Protocol, tls: bool) -> Option<SocketAddr> {
        let wanted = |(listen, _): &&(Listen, SocketAddr)| listen.protocol == protocol && listen.tls == tls;
        self.listeners.iter().find(wanted).map(|(_, at)| *at)
    }
}

/// Why the gateway could not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure(pub String);

/// Runs the gateway on the calling thread until SIGTERM or SIGINT and the graceful stop that follows. `ready` is called once,
/// when every listener accepts. A second signal ends the stop at once; SIGHUP reads the keys, the certificate and the limits again,
/// these from `file`, where the configuration came from.
///
/// # Errors
///
/// When the keys or the certificate cannot be read, an address cannot be bound, or threads cannot be started.
pub fn serve(
    config: Config,
    file: Option<PathBuf>,
    ready: impl FnOnce(&Bound) + Send + 'static,
) -> Result<(), Failure> {
    let failed = |what: &str, why: &dyn std::fmt::Display| Failure(format!("{what}: {why}"));
    let signals = hear_signals().map_err(|error| failed("signals cannot be heard", &error))?;
    let watch = Watch::new(&config.data_dir);
    let keys =
        Keys::load(&config.data_dir, None).map_err(|error| failed("the keys cannot be read", &error))?;
    let keys = Arc::new(keys);
    let secure = Certificates::load(&config)
        .map_err(|error| failed("the certificate of the TLS listeners cannot be used", &error))?;
    let (certificates, offer) = secure.unzip();
    let trusted = trust::of_auth(&config.auth).map_err(Failure)?;
    let (house, facts) = build(&config, &keys, offer.as_ref(), trusted)
        .map_err(|error| failed("the gateway cannot listen", &error))?;
    let listeners = config.listen.iter().cloned().zip(house.addresses().iter().copied());
    ready(&Bound { listeners: listeners.collect() });
    tracing::info!(cores = config.core_count(), "ready");
    let (outside, cores) = (house.outside(), config.core_count());
    let mut desk = Desk { watch, keys, certificates, outside, cores, config, file, facts };
    if let Some(offer) = &offer {
        desk.certificate_in_force(offer, true);
    }
    desk.control(&signals);
    tracing::info!("stopping");
    notify::stopping();
    house.stop(Duration::from_millis(desk.config.limits.drain_ms));
    hurry_on_second_signal(signals, house.stopper());
    house.join();
    tracing::info!("stopped");
    Ok(())
}

fn build(
    config: &Config,
    keys: &Arc<Keys>,
    offer: Option<&Offer>,
    trusted: Option<RootCerts>,
) -> std::io::Result<(Running<Shard>, Arc<Facts>)> {
    let cores = config.core_count();
    let addresses = config.listen.iter().map(|listen| listen.address).collect();
    let mut options = Options::new(cores, addresses);
    for (listener, terms) in offer.iter().flat_map(|offer| &offer.terms) {
        options.listeners[*listener].tls = Some(terms.clone());
    }
    let limits = &config.limits;
    options.limits.handshake_timeout = Duration::from_millis(limits.tls_handshake_ms);
    options.limits.handshakes_per_turn = limits.tls_handshakes_per_turn;
    options.limits.fruitless_bytes_max = limits.tls_fruitless_bytes_max;
    options.limits.carry_bytes_max =
        http_limits(limits).request_bytes_max().max(limits.packet_bytes_max()) + 64 * 1024;
    options.limits.marks.high_bytes = limits.backlog_bytes_max;
    let dice = || -> std::io::Result<u64> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let seeds = Seeds { home: (dice()?, dice()?), epoch: dice()? as u32 };
    let doors = config.listen.iter().map(|listen| Door {
        protocol: listen.protocol,
        serves: listen.serves,
        inflight_to_device: listen.mqtt_inflight_to_device,
    });
    let facts = facts(limits.clone(), doors.collect(), seeds, cores, now());
    let facts = Arc::new(Facts {
        asks_service: config.auth.mode == AuthMode::Http,
        origins: Origins::of(&config.socketio.cors_origins),
        ..facts
    });
    let (writer, worker) = (writer(limits), Worker::timed(worker_limits(limits)));
    let rules = gatekeeper_rules(limits, &config.auth);
    let keeper = Gatekeeper::new(rules, facts.home, keys.roster().clone());
    let (leave, calls) = office();
    let clerks = vec![
        clerk("store", move |clerk| run_writer(clerk, writer)),
        clerk("worker", move |clerk| run_worker(clerk, worker)),
        clerk("gatekeeper", move |clerk| run_gatekeeper(clerk, keeper, &leave)),
    ];
    let house = start(options, clerks, |_core| Shard::new(facts.clone(), keys.clone()))?;
    if let Some(address) = service_address(&config.auth, trusted, limits) {
        calls.start(&address, facts.gatekeeper, || house.outside())?;
    }
    Ok((house, facts))
}

/// What is drawn once for a process.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The key of the home hash.
    pub home: (u64, u64),
    /// Part of command ids and cursors.
    pub epoch: u32,
}

/// What every shard of a house knows. The store writer, the worker and the gatekeeper are the neighbours behind the
/// cores, in this order.
pub fn facts(limits: Limits, doors: Vec<Door>, seeds: Seeds, cores: usize, started_at: Instant) -> Facts {
    let mqtt = Arc::new(mqtt_limits(&limits));
    let of_door = |door: &Door| match door.inflight_to_device {
        Some(inflight_max) => Arc::new(transports::mqtt::Limits { inflight_max, ..(*mqtt).clone() }),
        None => Arc::clone(&mqtt),
    };
    Facts {
        mqtt_of_doors: doors.iter().map(of_door).collect(),
        mqtt,
        http: Arc::new(http_limits(&limits)),
        ws: Arc::new(ws_limits(&limits)),
        engineio: Arc::new(engineio_limits(&limits)),
        socketio: Arc::new(transports::socketio::Limits::of(&[NAMESPACE])),
        socketio_ws: Arc::new(transports::ws::Limits {
            message_bytes_max: limits.packet_bytes_max(),
            unadmitted_bytes_max: limits.socketio_connect_bytes_max,
            ..transports::ws::Limits::default()
        }),
        doors,
        home: HomeHash::new(seeds.home),
        started_at,
        epoch: seeds.epoch,
        store: cores,
        worker: cores + 1,
        resident_bytes: crate::metrics::resident_bytes,
        gatekeeper: cores + 2,
        asks_service: false,
        origins: Origins::Any,
        limits,
    }
}

/// The store writer with these limits.
pub fn writer(limits: &Limits) -> Writer {
    let journal = JournalLimits {
        events_per_agent_max: limits.events_kept_per_agent as usize,
        bytes_per_agent_max: limits.events_bytes_per_agent,
        ..JournalLimits::default()
    };
    Writer::new(WriterLimits { journal, ..WriterLimits::default() })
}

/// What the worker may do for one device, and have waiting for one agent.
pub fn worker_limits(limits: &Limits) -> WorkerLimits {
    let manifest = ManifestLimits {
        commands_max: limits.manifest_commands_max as usize,
        schema_bytes_max: limits.schema_bytes_max,
        description_chars_max: limits.description_chars_max as usize,
        compile_max: Duration::from_millis(limits.manifest_compile_ms),
    };
    WorkerLimits { manifest, bytes_per_agent_max: limits.worker_bytes_per_agent }
}

/// What MQTT allows in a packet is allowed in a frame, with the fixed header that MQTT does not count.
fn ws_limits(limits: &Limits) -> transports::ws::Limits {
    transports::ws::Limits {
        message_bytes_max: limits.packet_bytes_max() + MQTT_HEADER_BYTES_MAX,
        unadmitted_bytes_max: limits.connect_bytes_max + MQTT_HEADER_BYTES_MAX,
        ..transports::ws::Limits::default()
    }
}

fn engineio_limits(limits: &Limits) -> transports::engineio::Limits {
    transports::engineio::Limits {
        ping_interval: Duration::from_millis(limits.socketio_ping_interval_ms),
        ping_timeout: Duration::from_millis(limits.socketio_ping_timeout_ms),
        payload_bytes_max: u32::try_from(limits.packet_bytes_max()).unwrap_or(u32::MAX),
        queue_bytes_max: limits.backlog_bytes_max,
        ..transports::engineio::Limits::default()
    }
}

fn mqtt_limits(limits: &Limits) -> transports::mqtt::Limits {
    transports::mqtt::Limits {
        connect_bytes_max: limits.connect_bytes_max,
        packet_bytes_max: limits.packet_bytes_max(),
        owed_max: limits.mqtt_owed_max,
        inflight_max: limits.mqtt_inflight_to_device,
        qos2_open_max: limits.mqtt_qos2_open_max,
        topic_bytes_max: limits.mqtt_topic_bytes_max,
        filters_per_subscribe_max: limits.mqtt_filters_per_subscribe_max,
        connect_timeout: Duration::from_millis(limits.connect_timeout_ms),
        keepalive_max: Duration::from_millis(limits.keepalive_ms_max),
    }
}

fn http_limits(limits: &Limits) -> transports::http::Limits {
    transports::http::Limits {
        head_bytes_max: limits.http_head_bytes_max,
        body_bytes_max: limits.http_body_bytes_max(),
        head_timeout: Duration::from_millis(limits.http_head_timeout_ms),
        body_timeout: Duration::from_millis(limits.http_body_timeout_ms),
        idle_timeout: Duration::from_millis(limits.http_idle_ms),
        ..transports::http::Limits::default()
    }
}

/// The store writer's thread.
fn run_writer<N: Net>(mut clerk: Clerk<N, Shard>, mut writer: Writer) {
    let mut answers = Vec::new();
    loop {
        while turn_writer(&mut clerk, &mut writer, now, &mut answers) {}
        if clerk.draining() {
            return;
        }
        clerk.park();
    }
}

/// One turn of the store writer. `true`: there was something to do, and there may be more. `answers` is scratch, empty
/// between turns.
pub fn turn_writer<N: Net>(
    clerk: &mut Clerk<N, Shard>,
    writer: &mut Writer,
    clock: impl FnMut() -> Instant,
    answers: &mut Vec<(usize, FromStore)>,
) -> bool {
    let handled = writer.turn(
        clock,
        || loop {
            match clerk.take()? {
                (_, Mail::Store(mail)) => return Some(mail),
                (from, _) => debug_assert!(false, "core {from} wrote to the wrong neighbour"),
            }
        },
        |core, answer| answers.push((core, answer)),
    );
    for (core, answer) in answers.drain(..) {
        clerk.post(core, Mail::Stored(answer));
    }
    clerk.flush();
    handled > 0
}

/// The worker's thread.
fn run_worker<N: Net>(mut clerk: Clerk<N, Shard>, mut worker: Worker) {
    loop {
        while turn_worker(&mut clerk, &mut worker) {}
        if clerk.draining() {
            return;
        }
        clerk.park();
    }
}

/// Sorts the worker's mail into the queues of the agents, and does one piece of work. `true`: there was one, and there may be more.
pub fn turn_worker<N: Net>(clerk: &mut Clerk<N, Shard>, worker: &mut Worker) -> bool {
    for _ in 0..clerk.letters() {
        let refused = match clerk.take() {
            Some((_, Mail::Work(work))) => worker.accept(work),
            Some((from, _)) => {
                debug_assert!(false, "core {from} wrote to the wrong neighbour");
                None
            }
            None => break,
        };
        if let Some((core, answer)) = refused {
            clerk.post(core, Mail::Worked(answer));
        }
    }
    let done = worker.serve_next();
    let was_work = done.is_some();
    if let Some((core, answer)) = done {
        clerk.post(core, Mail::Worked(answer));
    }
    clerk.flush();
    was_work
}

#[allow(
    clippy::disallowed_methods,
    reason = "the clock of the control thread and of the store's commit times"
)]
fn now() -> Instant {
    Instant::now()
}

/// Signals come from a thread of their own.
#[allow(clippy::disallowed_methods, reason = "waiting for signals takes a thread")]
fn hear_signals() -> std::io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (tell, heard) = channel();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if tell.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok(heard)
}

/// What the control thread has in hand.
struct Desk {
    watch: Watch,
    keys: Arc<Keys>,
    certificates: Option<Certificates>,
    outside: Outside<OsNet, Shard>,
    cores: usize,
    /// As it is in force.
    config: Config,
    file: Option<PathBuf>,
    facts: Arc<Facts>,
}

impl Desk {
    /// Watches the keys until a signal says to stop.
    fn control(&mut self, signals: &Receiver<i32>) {
        loop {
            let changed = match signals.recv_timeout(Watch::INTERVAL) {
                Ok(SIGHUP) => {
                    self.reload_certificate();
                    self.reload_limits();
                    Some(self.watch.reload(&self.keys))
                }
                Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => self.watch.poll(&self.keys),
            };
            self.outside.flush();
            match changed {
                None => {}
                Some(Ok(read)) => {
                    tracing::info!(keys = read.len(), "the keys have changed");
                    self.keys = Arc::new(read);
                    for core in 0..self.cores {
                        self.outside.post(core, Mail::Keys(self.keys.clone()));
                    }
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "the key file cannot be read; the keys stay as they were")
                }
            }
        }
    }

    /// Has every core offer what the files hold now; if that is nothing good, everything stays as it is.
    fn reload_certificate(&mut self) {
        let Some(certificates) = &self.certificates else {
            return;
        };
        let read = certificates.read().and_then(|offer| {
            let expired = offer.has_expired(wall_s());
            if expired { Err("the certificate in the file has expired".to_owned()) } else { Ok(offer) }
        });
        match read {
            Ok(offer) => {
                for core in 0..self.cores {
                    for (listener, terms) in &offer.terms {
                        self.outside.renew(core, *listener, terms.clone());
                    }
                }
                tracing::info!("new connections are shown the certificate that was read now");
                self.certificate_in_force(&offer, false);
            }
            Err(error) => {
                tracing::error!(%error, "the certificate cannot be renewed; the one in force stays");
                self.outside.post(0, Mail::Certificate(News::Refused));
            }
        }
    }

    fn certificate_in_force(&mut self, offer: &Offer, first: bool) {
        if let Some(complaint) = offer.complaint(wall_s()) {
            tracing::error!("{complaint}");
        }
        let not_after_s = offer.not_after_s;
        self.outside.post(0, Mail::Certificate(News::InForce { not_after_s, first }));
    }
}

fn wall_s() -> u64 {
    crate::cli::wall_ms() / 1000
}

/// A second signal means: now.
#[allow(clippy::disallowed_methods, reason = "this thread is busy waiting for the cores")]
fn hurry_on_second_signal(signals: Receiver<i32>, mut stopper: Stopper<Shard>) {
    std::thread::spawn(move || {
        while let Ok(signal) = signals.recv() {
            if signal != SIGHUP {
                return stopper.stop(Duration::ZERO);
            }
        }
    });
}
