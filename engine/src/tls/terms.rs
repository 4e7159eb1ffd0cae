//! What a listener offers to those who knock with TLS: versions, certificate, application protocol, tickets.
//!
//! TLS 1.2 and 1.3 with rustls' own choice of suites; no early data, because a replayed trigger would be a second trigger;
//! one ticket per handshake; nothing kept on the server for resumption. Terms never change: a renewed certificate makes new
//! ones, which every core is sent ([`Outside::renew`](crate::wiring::Outside::renew)).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ProducesTickets, UnbufferedServerConnection};
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, version};

use super::identity::{Identity, IdentityFault};

/// Which application protocols a listener knows by name (ALPN).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alpn {
    /// None is chosen and none refused: MQTT clients offer all kinds of names, most of them none.
    Any,
    /// `http/1.1`; a client that offers only others is refused.
    Http,
}

/// The keys under which tickets are sealed. One value for all listeners and cores of a house: a ticket of one is good at
/// all, across renewed certificates too. They turn over by themselves, each is good for at most twelve hours.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// Fresh keys.
    ///
    /// # Errors
    /// When the kernel has no randomness.
    pub fn new() -> Result<Tickets, IdentityFault> {
        ring::Ticketer::new().map(Tickets).map_err(|error| IdentityFault::new(error.to_string()))
    }
}

/// What a listener offers; a clone is another handle to the same terms.
#[derive(Clone)]
pub struct Terms(Arc<ServerConfig>);

impl Terms {
    /// Terms that show `identity`.
    ///
    /// # Errors
    /// Never with the versions and suites of this build; the library's own check is passed on.
    pub fn new(identity: &Identity, alpn: Alpn, tickets: &Tickets) -> Result<Terms, IdentityFault> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| IdentityFault::new(error.to_string()))?;
        let shown = Arc::new(SingleCertAndKey::from(identity.certified()));
        let mut config = builder.with_no_client_auth().with_cert_resolver(shown);
        config.alpn_protocols = match alpn {
            Alpn::Any => Vec::new(),
            Alpn::Http => vec![b"http/1.1".to_vec()],
        };
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&tickets.0);
        config.send_tls13_tickets = 1;
        config.max_early_data_size = 0;
        Ok(Terms(Arc::new(config)))
    }

    pub(super) fn connection(&self) -> Option<UnbufferedServerConnection> {
        UnbufferedServerConnection::new(Arc::clone(&self.0)).ok()
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").field("alpn", &self.0.alpn_protocols.len()).finish_non_exhaustive()
    }
}
