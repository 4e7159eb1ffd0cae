//! Who a listener says it is: a certificate chain and its private key, read from PEM and checked against each other.
//!
//! Never reads a file and never shows a byte of the key, not in an error either.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::x509;

/// A certificate chain with its key.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    not_after_s: u64,
}

/// Why there is no identity, as the end of a sentence about the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityFault(String);

impl IdentityFault {
    pub(super) fn new(why: impl Into<String>) -> IdentityFault {
        IdentityFault(why.into())
    }
}

impl fmt::Display for IdentityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IdentityFault {}

impl Identity {
    /// A chain in PEM, the server's own certificate first, and its key in PEM (PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    /// When one of them is not there, cannot be read, is of a kind that is not served, or the two do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Identity, IdentityFault> {
        let chain = read_chain(chain)?;
        let not_after_s = chain
            .first()
            .and_then(|own| x509::not_after_s(own))
            .ok_or_else(|| IdentityFault::new("the first certificate is not an X.509 certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            PemError::NoItemsFound => IdentityFault::new("there is no private key in PEM in the key file"),
            other => IdentityFault::new(format!("the private key is not PEM: {other}")),
        })?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            IdentityFault::new(match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    "the private key does not belong to the certificate".to_owned()
                }
                Error::InvalidCertificate(why) => format!("the first certificate is not usable: {why:?}"),
                other => format!("the private key is of a kind that is not served: {other}"),
            })
        })?;
        Ok(Identity { certified: Arc::new(certified), not_after_s })
    }

    /// When the server's own certificate expires, in Unix seconds.
    pub fn not_after_s(&self) -> u64 {
        self.not_after_s
    }

    /// Whether these bytes stand somewhere in the server's own certificate, as a name does that it is good for.
    pub fn mentions(&self, name: &[u8]) -> bool {
        let own = self.certified.cert.first().map_or(&[][..], |own| own);
        !name.is_empty() && own.windows(name.len()).any(|window| window == name)
    }

    pub(super) fn certified(&self) -> CertifiedKey {
        CertifiedKey::clone(&self.certified)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("not_after_s", &self.not_after_s).finish_non_exhaustive()
    }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityFault> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| IdentityFault::new(format!("the certificate is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(IdentityFault::new("there is no certificate in PEM in the certificate file"));
    }
    Ok(chain)
}
