//! The other direction: certificates of authorities in whose word a client of the house trusts, read from PEM and looked at
//! before anybody relies on them.
//!
//! Never reads a file, and never speaks TLS: whoever calls out has a client of its own, and is handed what is good here.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::identity::IdentityFault;

/// Authorities, at least one.
#[derive(Clone, Debug)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// The certificates in PEM, and nothing that is none.
    ///
    /// # Errors
    /// When there is none, or one of them is not a certificate: nothing is left out in silence.
    pub fn from_pem(pem: &[u8]) -> Result<Authorities, IdentityFault> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| IdentityFault::new(format!("it is not PEM: {error}")))?;
        if found.is_empty() {
            return Err(IdentityFault::new("there is no certificate in PEM in it"));
        }
        let mut store = RootCertStore::empty();
        for (n, certificate) in found.iter().enumerate() {
            store
                .add(certificate.clone())
                .map_err(|_| IdentityFault::new(format!("certificate {} in it is not X.509", n + 1)))?;
        }
        Ok(Authorities(found))
    }

    /// Each as DER.
    pub fn der(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|certificate| &**certificate)
    }
}
