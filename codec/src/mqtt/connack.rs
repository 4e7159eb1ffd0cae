//! CONNACK: a server's answer to CONNECT (3.2).
//!
//! It owns the return codes. It never chooses one.

use super::Malformed;

/// A server's answer to a request for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnAck {
    /// The server goes on with a stored session; only ever with [`ConnectCode::Accepted`] [MQTT-3.2.2-4].
    pub session_present: bool,
    /// The answer.
    pub code: ConnectCode,
}

/// What a server answers (3.2.2.3, table 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ConnectCode {
    /// The connection is accepted.
    Accepted = 0,
    /// The protocol level is not served.
    UnacceptableProtocol = 1,
    /// The client identifier is well-formed and not allowed.
    IdentifierRejected = 2,
    /// The service behind the network connection is not available now.
    ServerUnavailable = 3,
    /// User name or password is malformed.
    BadCredentials = 4,
    /// The client is not authorised to connect.
    NotAuthorized = 5,
}

impl ConnectCode {
    fn new(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Accepted,
            1 => Self::UnacceptableProtocol,
            2 => Self::IdentifierRejected,
            3 => Self::ServerUnavailable,
            4 => Self::BadCredentials,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }
}

impl ConnAck {
    /// The answer that refuses with `code`.
    pub fn refused(code: ConnectCode) -> Self {
        Self { session_present: false, code }
    }

    /// Reads what stands behind the fixed header.
    pub(super) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let &[flags, code] = body else {
            return Err(Malformed::FixedLength);
        };
        if flags & 0b1111_1110 != 0 {
            return Err(Malformed::ConnAckFlags);
        }
        let code = ConnectCode::new(code).ok_or(Malformed::ConnAckCode)?;
        let session_present = flags == 1;
        if session_present && code != ConnectCode::Accepted {
            return Err(Malformed::SessionPresentOnRefusal);
        }
        Ok(Self { session_present, code })
    }

    /// Appends the packet: four bytes. Session present is only written with [`ConnectCode::Accepted`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        let session_present = self.session_present && self.code == ConnectCode::Accepted;
        debug_assert_eq!(session_present, self.session_present, "a refusal has no session [MQTT-3.2.2-4]");
        out.extend_from_slice(&[0x20, 2, u8::from(session_present), self.code as u8]);
    }
}
