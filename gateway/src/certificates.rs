//! The certificate of the TLS listeners: read from its files, checked, offered, and read again when the operator asks.
//!
//! Owns the sentences about what is wrong with a pair of files, and the rule that a bad pair changes nothing: the one in force
//! stays, and a metric says so until a good one is read. It never speaks TLS and never logs a byte of a key.

use std::path::Path;

use engine::tls::{Alpn, Identity, Terms, Tickets};

use crate::config::{Config, Protocol, Tls};
use zeroize::Zeroizing;

/// So long before its end a certificate is complained about.
const EXPIRES_SOON_S: u64 = 14 * 24 * 3600;

/// What is offered by listeners with `tls = true`, and where it comes from.
pub struct Certificates {
    files: Tls,
    /// Index of each TLS listener, and what it agrees to speak.
    doors: Vec<(usize, Alpn)>,
    tickets: Tickets,
}

/// Terms for some listeners, by one certificate.
pub struct Offer {
    /// The index of a listener with what it offers.
    pub terms: Vec<(usize, Terms)>,
    /// When the certificate expires, in Unix seconds.
    pub not_after_s: u64,
}

/// What the metrics are told about the certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// This one is in force now; it expires at this Unix second. The flag: it is the first since the start.
    InForce {
        /// When it expires.
        not_after_s: u64,
        /// It was read when the gateway started.
        first: bool,
    },
    /// The files hold nothing that could be used; what was in force stays.
    Refused,
}

impl Certificates {
    /// Reads the pair of a configuration. `None`: no listener speaks TLS.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong with the files.
    pub fn load(config: &Config) -> Result<Option<(Self, Offer)>, String> {
        let secure = config.listen.iter().enumerate().filter(|(_, listen)| listen.tls);
        let doors: Vec<_> = secure.map(|(index, listen)| (index, alpn(listen.protocol))).collect();
        if doors.is_empty() {
            return Ok(None);
        }
        let tickets = Tickets::new().map_err(|error| error.to_string())?;
        let certificates = Self { files: config.tls.clone(), doors, tickets };
        let offer = certificates.read()?;
        Ok(Some((certificates, offer)))
    }

    /// Reads the files now.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong with the files.
    pub fn read(&self) -> Result<Offer, String> {
        let identity = read_identity(&self.files)?;
        let terms = |&(index, alpn): &(usize, Alpn)| Ok((index, Terms::new(&identity, alpn, &self.tickets)?));
        let terms: Result<Vec<_>, engine::tls::IdentityFault> = self.doors.iter().map(terms).collect();
        Ok(Offer { terms: terms.map_err(|error| error.to_string())?, not_after_s: identity.not_after_s() })
    }
}

impl Offer {
    /// What to say about the end of the certificate at this Unix second, if it is near or past.
    pub fn complaint(&self, now_s: u64) -> Option<&'static str> {
        if self.not_after_s <= now_s {
            Some("the certificate has expired; clients that verify it will not connect")
        } else if self.not_after_s - now_s <= EXPIRES_SOON_S {
            Some("the certificate expires within 14 days")
        } else {
            None
        }
    }

    /// Whether it has expired at this Unix second.
    pub fn has_expired(&self, now_s: u64) -> bool {
        self.not_after_s <= now_s
    }
}

/// Reads and checks a pair of files.
fn read_identity(files: &Tls) -> Result<Identity, String> {
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        return Err("tls.certificate and tls.key are not both set".to_owned());
    };
    let chain = read_file("tls.certificate", certificate)?;
    let secret = Zeroizing::new(read_file("tls.key", key)?);
    Identity::from_pem(&chain, &secret)
        .map_err(|fault| format!("tls: {} and {}: {fault}", certificate.display(), key.display()))
}

fn read_file(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{option}: {}: it cannot be read: {error}", path.display()))
}

fn alpn(protocol: Protocol) -> Alpn {
    match protocol {
        Protocol::Mqtt => Alpn::Any,
        Protocol::Http => Alpn::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listen;
    use crate::dev::papers;
    use crate::scratch_folder::ScratchFolder;

    fn config(folder: &Path) -> Config {
        let secure = |listen: Listen| Listen { tls: true, ..listen };
        let anywhere = "127.0.0.1:0".parse().unwrap();
        Config {
            listen: vec![
                Listen::mqtt(anywhere),
                secure(Listen::http(anywhere)),
                secure(Listen::mqtt(anywhere)),
            ],
            tls: papers::make(folder, 1_800_000_000).unwrap(),
            ..Config::default()
        }
    }

    fn why(config: &Config) -> String {
        Certificates::load(config).err().expect("it is refused")
    }

    #[test]
    fn is_offered_by_the_listeners_that_want_it() {
        let folder = ScratchFolder::new();
        let (_, offer) = Certificates::load(&config(folder.path())).unwrap().unwrap();
        assert_eq!(offer.terms.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
        assert!(Certificates::load(&Config::default()).unwrap().is_none());
    }

    #[test]
    fn names_the_file_that_is_missing_or_wrong() {
        let (folder, other) = (ScratchFolder::new(), ScratchFolder::new());
        let mut config = config(folder.path());
        let good = config.tls.clone();
        config.tls.key = Some("/nowhere/key.pem".into());
        assert!(why(&config).starts_with("tls.key: /nowhere/key.pem: it cannot be read: No such file"));
        config.tls.key = papers::make(other.path(), 1_800_000_000).unwrap().key;
        assert!(why(&config).ends_with("the private key does not belong to the certificate"));
        config.tls.key = good.certificate.clone();
        assert!(why(&config).ends_with("there is no private key in PEM in the key file"));
        config.tls = Tls { certificate: good.key, key: good.certificate };
        assert!(why(&config).ends_with("there is no certificate in PEM in the certificate file"));
    }

    #[test]
    fn complains_before_the_end() {
        let offer = Offer { terms: Vec::new(), not_after_s: 10_000_000 };
        assert_eq!(offer.complaint(10_000_000 - EXPIRES_SOON_S - 1), None);
        assert!(offer.complaint(10_000_000 - EXPIRES_SOON_S).unwrap().contains("within 14 days"));
        assert!(offer.complaint(10_000_000).unwrap().contains("has expired"));
        assert!(offer.has_expired(10_000_000) && !offer.has_expired(9_999_999));
    }
}
