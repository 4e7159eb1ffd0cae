//! A page in a real browser is a device: `socket.io-client` in a headless Chromium, on a page that comes from somewhere else.
//!
//! Long-polling comes first there, so the browser asks whether the page's origin may; that it asks is what this test is for.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use support::agent::Agent;
use support::{Gateway, SOON, client_file, wait_for};

/// A browser on a busy machine begins slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// A web server with the page of the device, and what the page told it.
struct Site {
    address: SocketAddr,
    told: Receiver<String>,
}

impl Site {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || serve(&visitor, &tell));
            }
        });
        Self { address, told }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for a word of the page.
    fn hears(&self, word: &str) {
        loop {
            let told =
                self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the page never said {word}"));
            if told.starts_with(word) {
                return;
            }
            eprintln!("the page said {told}");
        }
    }
}

/// Serves one connection: the page, the client, and `/told/WORD`, by which the page tells what it saw.
fn serve(mut visitor: &TcpStream, tell: &Sender<String>) {
    let mut lines = BufReader::new(visitor).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        lines.by_ref().find(String::is_empty);
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let client = support::node::modules().join("socket.io-client/dist/socket.io.min.js");
        let (kind, body) = match path {
            "/" => ("text/html", std::fs::read(client_file("browser_device.html")).expect("the page")),
            "/socket.io.js" => ("text/javascript", std::fs::read(client).expect("the client")),
            _ => {
                if let Some(word) = path.strip_prefix("/told/") {
                    drop(tell.send(word.to_owned()));
                }
                ("text/plain", Vec::new())
            }
        };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        if visitor.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

/// A browser with one page, and a profile of its own.
struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn visit(url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut chromium = Command::new("chromium");
        // Nobody but this test's own page is shown, so it needs no sandbox, which a container seldom allows.
        chromium.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        chromium.arg("--remote-debugging-port=0");
        chromium.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
        let child = chromium.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!(
                "chromium: {error}; install it with: apt-get install --yes --no-install-recommends chromium"
            )
        });
        Self { child, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_page_in_chromium_is_a_device_and_one_of_an_unlisted_origin_is_not() {
    let (listed, unlisted) = (Site::open(), Site::open());
    let gateway = Gateway::start(2, &format!("[socketio]\ncors_origins = [{:?}]", listed.origin()));
    let key = gateway.add_key("alpha", "commands,triggers");
    let alpha = Agent::new(gateway.http, "alpha", &gateway.add_key("alpha", "agent"));
    wait_for("the running gateway knows the new keys", SOON, || {
        (alpha.get("/devices").status == 200).then_some(())
    });
    let page = |site: &Site, name: &str, transports: &str| {
        let query =
            format!("url=http://{}&agent=alpha&key={key}&name={name}&transports={transports}", gateway.http);
        Browser::visit(&format!("{}/?{query}", site.origin()))
    };
    let _at_home = page(&listed, "page", "polling,websocket");
    listed.hears("connected");
    let answer = alpha.call("page", "echo", &json!({"text": "naïve € 💩"}));
    assert_eq!(answer.json["data"], json!({"text": "naïve € 💩"}), "{}", answer.json);
    listed.hears("acknowledged");
    listed.hears("upgraded");
    let _abroad = page(&unlisted, "stranger", "polling");
    unlisted.hears("refused");
    assert_eq!(alpha.status("stranger"), "unknown");
    assert_eq!(alpha.status("page"), "online");
}
