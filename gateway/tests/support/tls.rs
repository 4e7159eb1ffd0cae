//! A TLS client of the tests' own: which versions, whom it trusts, and what it sends are the test's choice.

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// Both versions that are served.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// A connection with TLS, read and written like a socket.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Trust in the authority of a PEM file; one version; tickets are kept from connection to connection if `tickets`.
pub fn config(
    authority: &Path,
    version: &'static SupportedProtocolVersion,
    tickets: bool,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).expect("a PEM file")).expect("an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version that the provider has")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = if tickets { Resumption::in_memory_sessions(16) } else { Resumption::disabled() };
    Arc::new(config)
}

/// Connects to `localhost` at that address and shakes hands.
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Stream> {
    let mut tls = ClientConnection::new(Arc::clone(config), "localhost".try_into().expect("a name"))
        .map_err(std::io::Error::other)?;
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(super::SOON))?;
    socket.set_nodelay(true)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(tls, socket))
}
