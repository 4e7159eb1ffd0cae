//! The certificate of `gateway dev`, and the authority that signs it: made once, kept in the data folder.
//!
//! Owns the names of the files, what is in the certificate (this machine's names, and ninety days), and when it is made
//! anew. The authority is good for nothing but this folder's certificate; whoever trusts `ca.pem` trusts what the
//! holder of `ca-key.pem` signs, so both keys are for their owner alone (mode 600).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::tls::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::auth::edit::replace_file;
use crate::config::Tls;

/// How long the authority and its certificates are good, and how long before its end a certificate is made anew.
const AUTHORITY_DAYS: u64 = 3650;
const CERTIFICATE_DAYS: u64 = 90;
const RENEW_DAYS: u64 = 30;
/// Clocks differ: everything is good since so long ago.
const BACKDATED_DAYS: u64 = 1;

const DAY_S: u64 = 24 * 3600;

/// What clients have to trust.
pub fn authority_path(data_dir: &Path) -> PathBuf {
    data_dir.join("ca.pem")
}

/// The pair that the TLS listeners show: the kept one while it is good for long enough and for this machine's name, a fresh
/// one otherwise. `now_s` is Unix time.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn make(data_dir: &Path, now_s: u64) -> io::Result<Tls> {
    let (certificate, key) = (data_dir.join("cert.pem"), data_dir.join("key.pem"));
    let (authority, authority_key) = (authority_path(data_dir), data_dir.join("ca-key.pem"));
    let host = host_name();
    let kept_authority = read_pair(&authority, &authority_key)
        .filter(|(identity, _)| identity.not_after_s() > now_s + CERTIFICATE_DAYS * DAY_S);
    let kept = read_pair(&certificate, &key).filter(|(identity, _)| {
        identity.not_after_s() > now_s + RENEW_DAYS * DAY_S
            && host.as_ref().is_none_or(|host| identity.mentions(host.as_bytes()))
    });
    if kept.is_none() || kept_authority.is_none() {
        let signer = match kept_authority {
            Some((_, key)) => KeyPair::from_pem(&key).map_err(io::Error::other)?,
            None => {
                let signer = KeyPair::generate().map_err(io::Error::other)?;
                let itself = authority_params(now_s).self_signed(&signer).map_err(io::Error::other)?;
                replace_file(&authority_key, &signer.serialize_pem())?;
                replace_file(&authority, &itself.pem())?;
                signer
            }
        };
        let issuer = Issuer::new(authority_params(now_s), signer);
        let own = KeyPair::generate().map_err(io::Error::other)?;
        let signed = certificate_params(host, now_s).signed_by(&own, &issuer).map_err(io::Error::other)?;
        replace_file(&key, &own.serialize_pem())?;
        replace_file(&certificate, &signed.pem())?;
    }
    Ok(Tls { certificate: Some(certificate), key: Some(key) })
}

/// A certificate and its key, if they are there and belong together; the key as PEM too.
fn read_pair(certificate: &Path, key: &Path) -> Option<(Identity, String)> {
    let (chain, key) = (std::fs::read(certificate).ok()?, std::fs::read_to_string(key).ok()?);
    Some((Identity::from_pem(&chain, key.as_bytes()).ok()?, key))
}

fn authority_params(now_s: u64) -> CertificateParams {
    let mut params = params("gateway dev authority", now_s, AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn certificate_params(host: Option<String>, now_s: u64) -> CertificateParams {
    let mut params = params("gateway dev", now_s, CERTIFICATE_DAYS);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let names = ["localhost".to_owned()].into_iter().chain(host.filter(|host| host != "localhost"));
    params.subject_alt_names = names
        .filter_map(|name| name.try_into().ok().map(SanType::DnsName))
        .chain([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(SanType::IpAddress))
        .collect();
    params
}

fn params(name: &str, now_s: u64, days: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now_s.saturating_sub(BACKDATED_DAYS * DAY_S));
    params.not_after = epoch + Duration::from_secs(now_s + days * DAY_S);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// What this machine calls itself, if that is a name.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty() && name.is_ascii()).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::scratch_folder::ScratchFolder;

    const NOW_S: u64 = 1_800_000_000;

    fn contents(folder: &Path) -> [String; 4] {
        ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"]
            .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
    }

    #[test]
    fn keeps_what_is_good_and_renews_what_ends() {
        let folder = ScratchFolder::new();
        make(folder.path(), NOW_S).unwrap();
        let first = contents(folder.path());
        make(folder.path(), NOW_S + (CERTIFICATE_DAYS - RENEW_DAYS) * DAY_S - 1).unwrap();
        assert_eq!(contents(folder.path()), first);

        make(folder.path(), NOW_S + (CERTIFICATE_DAYS - RENEW_DAYS) * DAY_S).unwrap();
        let renewed = contents(folder.path());
        assert_eq!((&renewed[0], &renewed[1]), (&first[0], &first[1]), "who trusted it trusts it still");
        assert_ne!((&renewed[2], &renewed[3]), (&first[2], &first[3]));

        std::fs::write(folder.path().join("ca-key.pem"), "broken").unwrap();
        make(folder.path(), NOW_S).unwrap();
        assert_ne!(contents(folder.path())[0], first[0], "a certificate needs its authority");
    }

    #[test]
    fn keys_are_for_their_owner_alone() {
        let folder = ScratchFolder::new();
        make(folder.path(), NOW_S).unwrap();
        for name in ["ca-key.pem", "key.pem"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
