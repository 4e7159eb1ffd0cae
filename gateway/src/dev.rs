//! `gateway dev`: everything on this machine, without a configuration, with a device to play with.
//!
//! Owns what makes that possible: the agent `demo` and its key (kept in the data folder, mode 600), the address that other
//! commands find there, the banner, and the demo device, which connects through a real socket like any other. It serves on
//! loopback addresses alone, because its key is printed for all to see.

mod link;
pub mod papers;
mod room;
pub mod thermostat;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::auth::edit::{self, Wish, create_folder, replace_file};
use crate::auth::{DevicePattern, Keys, Operations};
use crate::cli::{DevArgs, Failure, Screen, wall_ms};
use crate::config::{Config, DATA_DIR, Listen, Protocol};
use crate::serve::{self, Bound};
use thermostat::Thermostat;

/// The agent that everything belongs to.
const AGENT: &str = "demo";

/// Where the demo key is kept.
pub(crate) fn key_path(data_dir: &Path) -> PathBuf {
    data_dir.join("dev-key")
}

/// Where the address of the running gateway is kept.
pub(crate) fn url_path(data_dir: &Path) -> PathBuf {
    data_dir.join("dev-url")
}

/// What one of these files says; nothing when it is not there.
pub(crate) fn recorded(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Serves until it is told to stop.
pub(crate) fn run(args: DevArgs, program: Option<&OsString>) -> Result<(), Failure> {
    for address in [args.http, args.https, args.mqtt, args.mqtts] {
        if !address.ip().is_loopback() {
            let sentence =
                "gateway dev serves on loopback addresses alone; `gateway serve` is for the others";
            return Err(Failure::Usage(format!("{address}: {sentence}")));
        }
    }
    let listen = vec![
        Listen::mqtt(args.mqtt),
        Listen::mqtt(args.mqtts).secure(),
        Listen::http(args.http),
        Listen::http(args.https).secure(),
    ];
    let in_folder = |error| Failure::Error(format!("{}: {error}", args.data.display()));
    create_folder(&args.data).map_err(in_folder)?;
    let tls = papers::make(&args.data, wall_ms() / 1000).map_err(in_folder)?;
    let config = Config { data_dir: args.data.clone(), listen, tls, ..Config::from_environment()? };
    let secret = demo_key(&args.data)?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let (lend, lent) = mpsc::channel();
    let demo = Demo { args, secret, program: program_name(program), stop: Arc::clone(&stop) };
    let data = demo.args.data.clone();
    let served = serve::serve(config, None, move |bound| demo.ready(bound, &lend));
    stop.store(true, Ordering::Relaxed);
    lent.try_iter().for_each(Thermostat::join);
    // The address leads nowhere any more; where it cannot be removed, the next start overwrites it.
    drop(std::fs::remove_file(url_path(&data)));
    served.map_err(Failure::from)
}

/// What is done once the listeners accept.
struct Demo {
    args: DevArgs,
    secret: String,
    program: String,
    stop: Arc<AtomicBool>,
}

impl Demo {
    fn ready(self, bound: &Bound, lend: &mpsc::Sender<Thermostat>) {
        let (http, mqtt) = (bound.address(Protocol::Http, false), bound.address(Protocol::Mqtt, false));
        if let Some(http) = http
            && let Err(error) = replace_file(&url_path(&self.args.data), &format!("http://{http}\n"))
        {
            tracing::warn!(%error, "other commands will not find this gateway by themselves");
        }
        if let Some(mqtt) = mqtt.filter(|_| !self.args.no_demo) {
            match Thermostat::start(mqtt, AGENT, &self.secret, Arc::clone(&self.stop)) {
                Ok(thermostat) => drop(lend.send(thermostat)),
                Err(error) => tracing::warn!(%error, "the demo device cannot start"),
            }
        }
        let mut stdout = std::io::stdout();
        // Nobody may be reading; the gateway serves all the same.
        drop(Screen::stdout(&mut stdout).bytes(self.banner(bound).as_bytes()));
        crate::notify::ready();
    }

    fn banner(&self, bound: &Bound) -> String {
        let shown = |scheme: &str, protocol, tls| {
            bound.address(protocol, tls).map_or_else(String::new, |at| format!("{scheme}://{at}"))
        };
        let (http, https) = (shown("http", Protocol::Http, false), shown("https", Protocol::Http, true));
        let (mqtt, mqtts) = (shown("mqtt", Protocol::Mqtt, false), shown("mqtts", Protocol::Mqtt, true));
        let authority = papers::authority_path(&self.args.data);
        let authority = authority.canonicalize().unwrap_or(authority);
        let authority = authority.display();
        let data = self.args.data.display();
        let folder =
            if self.args.data == Path::new(DATA_DIR) { String::new() } else { format!(" --data {data}") };
        let Self { program, secret, .. } = self;
        format!(
            "gateway {} for trying out: this machine only, everything kept in {data}\n\n  \
             http   {http}\n  https  {https}\n  mqtt   {mqtt}\n  mqtts  {mqtts}\n  agent  {AGENT}\n  key    {secret}\n\n\
             To trust the certificate:\n\n  \
             curl --cacert {authority} {https}/healthz\n  \
             export SSL_CERT_FILE={authority}\n\n\
             A device of your own over Socket.IO connects to {http}/devices or {https}/devices; one in ten lines:\n\n  \
             npm install socket.io-client\n  \
             node docs/socketio-device.cjs {http} {secret} {AGENT} thermometer\n\n\
             Try in another terminal:\n\n  \
             {program} devices{folder}\n  \
             {program} call{folder} thermostat read_temperature\n  \
             curl -H 'Authorization: Bearer {secret}' {http}/v1/agents/{AGENT}/tools\n\n\
             ready\n",
            env!("CARGO_PKG_VERSION"),
        )
    }
}

/// The demo key: the kept one while it is good, a fresh one otherwise.
fn demo_key(data_dir: &Path) -> Result<String, Failure> {
    let keys = Keys::load(data_dir, None)?;
    let path = key_path(data_dir);
    if let Some(secret) = recorded(&path)
        && let Some(grant) = keys.check(secret.as_bytes())
        && grant.binds(AGENT, "thermostat")
        && grant.allows(Operations::ALL)
    {
        return Ok(secret);
    }
    let wish = Wish { agent: AGENT, device: DevicePattern::Any, operations: Operations::ALL };
    let (secret, _) = edit::add(data_dir, &wish, wall_ms())?;
    replace_file(&path, &format!("{}\n", secret.reveal()))
        .map_err(|error| Failure::Error(format!("{}: {error}", path.display())))?;
    Ok(secret.reveal().to_owned())
}

/// How this program was called, so that the lines of the banner can be pasted.
fn program_name(program: Option<&OsString>) -> String {
    let name = program.and_then(|name| name.to_str()).filter(|name| name.contains('/'));
    name.unwrap_or("gateway").to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::scratch_folder::ScratchFolder;

    #[test]
    fn keeps_its_key_while_it_is_good() {
        let folder = ScratchFolder::new();
        let first = demo_key(folder.path()).unwrap();
        assert_eq!(demo_key(folder.path()).unwrap(), first);
        assert_eq!(recorded(&key_path(folder.path())), Some(first.clone()));
        let mode = std::fs::metadata(key_path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let keys = Keys::load(folder.path(), None).unwrap();
        let grant = keys.check(first.as_bytes()).unwrap();
        assert!(grant.binds("demo", "anything") && grant.allows(Operations::ALL));
        edit::revoke(folder.path(), &grant.id).unwrap();
        assert_ne!(demo_key(folder.path()).unwrap(), first);
    }

    #[test]
    fn serves_nobody_else() {
        let folder = ScratchFolder::new();
        let mqtt = "127.0.0.1:0".parse().unwrap();
        let args = DevArgs {
            data: folder.path().join("d"),
            http: "0.0.0.0:0".parse().unwrap(),
            https: mqtt,
            mqtt,
            mqtts: mqtt,
            no_demo: true,
        };
        let Err(Failure::Usage(sentence)) = run(args, None) else { panic!("it served") };
        assert!(sentence.contains("loopback"));
        assert!(!folder.path().join("d").exists());
    }

    #[test]
    fn the_banner_ends_with_ready_and_can_be_pasted() {
        let at = "127.0.0.1:0".parse().unwrap();
        let args =
            DevArgs { data: "elsewhere".into(), http: at, https: at, mqtt: at, mqtts: at, no_demo: false };
        let program = program_name(Some(&OsString::from("target/release/gateway")));
        let demo = Demo { args, secret: "api_x".into(), program, stop: Arc::default() };
        let port = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let listeners = vec![
            (Listen::http(at), port(81)),
            (Listen::mqtt(at), port(82)),
            (Listen::http(at).secure(), port(83)),
            (Listen::mqtt(at).secure(), port(84)),
        ];
        let banner = demo.banner(&Bound { listeners });
        assert_eq!(banner.lines().last(), Some("ready"));
        for line in [
            "  http   http://127.0.0.1:81",
            "  mqtt   mqtt://127.0.0.1:82",
            "  https  https://127.0.0.1:83",
            "  mqtts  mqtts://127.0.0.1:84",
            "  curl --cacert elsewhere/ca.pem https://127.0.0.1:83/healthz",
            "  export SSL_CERT_FILE=elsewhere/ca.pem",
            "  agent  demo",
            "  key    api_x",
            "  node docs/socketio-device.cjs http://127.0.0.1:81 api_x demo thermometer",
            "  target/release/gateway devices --data elsewhere",
            "  target/release/gateway call --data elsewhere thermostat read_temperature",
            "  curl -H 'Authorization: Bearer api_x' http://127.0.0.1:81/v1/agents/demo/tools",
        ] {
            assert!(banner.lines().any(|shown| shown == line), "{line} is not in\n{banner}");
        }
    }
}
