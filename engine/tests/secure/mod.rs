//! A TLS client on the fake kernel, driven by hand, and identities made on the spot.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses a part of it, and fails by it"
)]

use std::io::{self, Read, Write};
use std::sync::Arc;

use engine::net::fake::{Client, ClientRead};
use engine::tls::{Alpn, Identity, Terms, Tickets};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use crate::house::House;

/// A certificate for `localhost` that is its own root, as PEM chain, PEM key and DER.
pub struct Paper {
    pub chain: String,
    pub key: String,
    pub der: CertificateDer<'static>,
}

impl Paper {
    pub fn new() -> Paper {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        // Whoever has another paper shall miss the issuer, and not find its signature wrong.
        wanted.distinguished_name = rcgen::DistinguishedName::new();
        wanted.distinguished_name.push(rcgen::DnType::CommonName, &key.serialize_pem()[60..80]);
        let certificate = wanted.self_signed(&key).unwrap();
        Paper { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    pub fn terms(&self, alpn: Alpn, tickets: &Tickets) -> Terms {
        let identity = Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap();
        Terms::new(&identity, alpn, tickets).unwrap()
    }

    /// What a client of these versions needs to trust this paper alone. It keeps no tickets.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config
    }
}

/// Has every core of a house speak TLS under `paper`.
pub fn secure(house: &mut House, paper: &Paper) {
    let terms = paper.terms(Alpn::Any, &Tickets::new().unwrap());
    for core in &mut house.cores {
        core.set_terms(0, Some(terms.clone()));
    }
}

/// A client's end: rustls above, the fake wire below.
pub struct Secure {
    pub tls: ClientConnection,
    pub wire: Client,
    /// Made by rustls and not taken by the wire.
    unsent: Vec<u8>,
    /// Every byte that came from the server.
    pub ciphertext: Vec<u8>,
    plain: Vec<u8>,
    pub end: ClientRead,
}

impl Secure {
    pub fn new(wire: Client, config: &Arc<ClientConfig>) -> Secure {
        let name = "localhost".try_into().unwrap();
        let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        Secure {
            tls,
            wire,
            unsent: Vec::new(),
            ciphertext: Vec::new(),
            plain: Vec::new(),
            end: ClientRead::Nothing,
        }
    }

    /// What rustls wants to send now, added to what the wire did not take.
    pub fn produce(&mut self) -> &mut Vec<u8> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.unsent).unwrap();
        }
        &mut self.unsent
    }

    /// Sends at most `at_most` bytes; whether any went.
    pub fn send(&mut self, at_most: usize) -> bool {
        if self.produce().is_empty() {
            return false;
        }
        let taken = self.wire.write(&self.unsent[..at_most.min(self.unsent.len())]);
        self.unsent.drain(..taken);
        taken > 0
    }

    /// Reads what is there; whether anything was.
    pub fn receive(&mut self) -> Result<bool, rustls::Error> {
        let from = self.ciphertext.len();
        loop {
            match self.wire.read(&mut self.ciphertext, usize::MAX) {
                ClientRead::Bytes(_) => {}
                end => {
                    self.end = end;
                    break;
                }
            }
        }
        let fresh = self.ciphertext[from..].to_vec();
        let mut fresh = &fresh[..];
        let any = !fresh.is_empty();
        while !fresh.is_empty() {
            self.tls.read_tls(&mut fresh).unwrap();
            self.tls.process_new_packets()?;
            self.take_plaintext();
        }
        if self.end == ClientRead::Finished {
            self.tls.read_tls(&mut io::empty()).unwrap();
        }
        Ok(any)
    }

    /// Everything goes to and fro, at most `at_most` bytes to the server at once, until nothing moves.
    pub fn converse(&mut self, house: &mut House, at_most: usize) -> Result<(), rustls::Error> {
        for _ in 0..20_000 {
            let sent = self.send(at_most);
            house.settle();
            if !self.receive()? && !sent {
                return Ok(());
            }
        }
        panic!("the conversation does not come to rest");
    }

    /// The plaintext received and not read yet.
    pub fn plaintext(&mut self) -> Vec<u8> {
        self.take_plaintext();
        std::mem::take(&mut self.plain)
    }

    fn take_plaintext(&mut self) {
        // An end without a goodbye is an error after the bytes.
        let _ = self.tls.reader().read_to_end(&mut self.plain);
    }

    /// Whether the server said goodbye before it closed.
    pub fn ended_cleanly(&mut self) -> bool {
        self.plaintext();
        matches!(self.tls.reader().read(&mut [0]), Ok(0))
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).unwrap();
    }
}

/// The lengths of the records in `ciphertext`, with their types.
pub fn records(mut ciphertext: &[u8]) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = ciphertext {
        let length = usize::from(*high) << 8 | usize::from(*low);
        found.push((*kind, length));
        ciphertext = &rest[length.min(rest.len())..];
    }
    found
}
