//! Whom the gateway trusts when it calls out with TLS: public authorities, or those of a file.
//!
//! Owns the sentences about what is wrong with such a file. A file that holds nothing, or anything that is no certificate, is an error
//! and never "no check": it is found before the first call.

use std::path::Path;

use engine::tls::Authorities;
use ureq::tls::{Certificate, RootCerts};

use crate::config::{Auth, AuthMode};

/// The authorities of a PEM file, and no other.
///
/// # Errors
///
/// A sentence about what is wrong with the file.
pub fn read(file: &Path) -> Result<RootCerts, String> {
    let because = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let pem = std::fs::read(file).map_err(|error| because(&format_args!("it cannot be read: {error}")))?;
    let authorities = Authorities::from_pem(&pem).map_err(|fault| because(&fault))?;
    let trusted: Vec<_> = authorities.der().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(RootCerts::new_with_certs(&trusted))
}

/// Whose word counts for the auth service, if it is asked and has an authority of its own.
///
/// # Errors
///
/// A sentence about what is wrong with the file.
pub fn of_auth(auth: &Auth) -> Result<Option<RootCerts>, String> {
    let file = auth.ca.as_ref().filter(|_| auth.mode == AuthMode::Http);
    file.map(|file| read(file).map_err(|why| format!("auth.ca: {why}"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    #[test]
    fn a_file_without_a_good_certificate_is_a_sentence() {
        let folder = ScratchFolder::new();
        let file = folder.path().join("ca.pem");
        let auth = Auth { mode: AuthMode::Http, ca: Some(file.clone()), ..Auth::default() };
        for (text, sentence) in [
            ("", "there is no certificate in PEM in it"),
            ("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n", "it is not PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "certificate 1 in it is not X.509",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let why = of_auth(&auth).unwrap_err();
            assert!(
                why.starts_with("auth.ca: ") && why.contains("ca.pem") && why.contains(sentence),
                "{why}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(of_auth(&auth).unwrap_err().contains("it cannot be read"));
        assert!(of_auth(&Auth { mode: AuthMode::Keys, ..auth }).unwrap().is_none(), "nobody is asked");
    }
}
