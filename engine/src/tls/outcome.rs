//! How handshakes end, as a closed set of words for counters and logs.

use rustls::{AlertDescription, Error, HandshakeKind};

/// How one TLS handshake ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Handshake {
    /// Done, with a certificate shown.
    Full,
    /// Done, by a ticket of an earlier connection.
    Resumed,
    /// Not done within its time.
    Late,
    /// The peer left before it was done.
    Left,
    /// The peer does not trust the certificate, and said so.
    Untrusted,
    /// The peer offers no version, cipher suite, group or application protocol that is served here.
    NoCommonGround,
    /// What came is not TLS.
    NotTls,
    /// The peer broke the rules of the handshake.
    Broken,
}

impl Handshake {
    /// Every outcome, in the order of [`Handshake::index`].
    pub const ALL: [Handshake; 8] = [
        Handshake::Full,
        Handshake::Resumed,
        Handshake::Late,
        Handshake::Left,
        Handshake::Untrusted,
        Handshake::NoCommonGround,
        Handshake::NotTls,
        Handshake::Broken,
    ];

    /// Position in [`Handshake::ALL`] and in the counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The outcome as a word for metrics and logs (`snake_case`).
    pub fn name(self) -> &'static str {
        match self {
            Handshake::Full => "full",
            Handshake::Resumed => "resumed",
            Handshake::Late => "late",
            Handshake::Left => "left",
            Handshake::Untrusted => "untrusted",
            Handshake::NoCommonGround => "no_common_ground",
            Handshake::NotTls => "not_tls",
            Handshake::Broken => "broken",
        }
    }

    pub(super) fn of_kind(kind: Option<HandshakeKind>) -> Handshake {
        match kind {
            Some(HandshakeKind::Resumed) => Handshake::Resumed,
            Some(_) | None => Handshake::Full,
        }
    }

    pub(super) fn of_error(error: &Error) -> Handshake {
        use AlertDescription as Alert;
        match error {
            Error::AlertReceived(
                Alert::UnknownCA
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::UnsupportedCertificate
                | Alert::UnrecognisedName,
            ) => Handshake::Untrusted,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Handshake::NoCommonGround,
            Error::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure) => {
                Handshake::NoCommonGround
            }
            Error::InvalidMessage(_) => Handshake::NotTls,
            _ => Handshake::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_place_and_word() {
        for (index, outcome) in Handshake::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), index);
            let same = Handshake::ALL.iter().filter(|other| other.name() == outcome.name());
            assert_eq!(same.count(), 1);
        }
    }
}
