//! TLS below the tenant: the only room that names rustls.
//!
//! Owns what a listener offers ([`Terms`], made of an [`Identity`] and the house's [`Tickets`]), the TLS half of a
//! connection (`tls/session.rs`), and the memory of a core through which records are opened and sealed
//! (`tls/sealing.rs`). It never touches a socket, a row or the clock of the core; where it meets them is
//! `core/sealed.rs`. A plain connection has nothing of it but one bit that is not set.
//!
//! ```text
//!   socket -> [rest | read]  --open-->  [carry | plaintext] -> tenant        one buffer each per core
//!   socket <- backlog <- [ciphertext]  <--seal--  [this turn's output] <- tenant
//! ```
//!
//! rustls reads the wall clock (ticket lifetimes) and the kernel's random source by itself; a simulation therefore leaves
//! TLS out.

mod authorities;
mod identity;
mod outcome;
mod sealing;
mod session;
mod terms;
mod x509;

pub use authorities::Authorities;
pub use identity::{Identity, IdentityFault};
pub use outcome::Handshake;
pub use terms::{Alpn, Terms, Tickets};

pub(crate) use sealing::Sealing;
pub(crate) use session::{Fault, Heard, Session};
