//! Which rule was broken, and what the peer is told.
//!
//! Owns the names of the rules and the close code of each. It never decides when a connection is closed.

use codec::ws::{Close, CloseCode, Malformed, encode_close};
use std::fmt;

/// The peer broke a rule: "the endpoint MUST _Fail the WebSocket Connection_" (7.1.7). Write [`Violation::answer`],
/// flush, close; nothing more is read.
///
/// The clauses are those of RFC 6455 where nothing else is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The bytes are no frame, no text, or no close body; the variant inside names the clause.
    Malformed(Malformed),
    /// "The server MUST close the connection upon receiving a frame that is not masked" (5.1).
    Unmasked,
    /// A continuation where no message was begun: "A fragmented message consists of a single frame with the FIN bit
    /// clear and an opcode other than 0, followed by zero or more frames with the FIN bit clear and the opcode set to
    /// 0" (5.4).
    ContinuationOfNothing,
    /// A new message before the last one ended: "The fragments of one message MUST NOT be interleaved between the
    /// fragments of another message" (5.4).
    MessageInMessage,
    /// "Implementations that have [...] limitations regarding the frame size or total message size after reassembly
    /// from multiple frames MUST protect themselves against exceeding those limits" (10.4). Told by the header, before
    /// a byte of the payload is waited for.
    MessageTooBig,
    /// More frames in a message than [`Limits::fragments_max`](super::Limits::fragments_max) (10.4; the limit is ours).
    TooManyFragments,
    /// More control frames in a second than
    /// [`Limits::controls_per_s_max`](super::Limits::controls_per_s_max) (7.4.1, 1008; the limit is ours).
    TooManyControls,
    /// "MQTT Control Packets MUST be sent in WebSocket binary data frames. If any other type of data frame is received
    /// the recipient MUST close the Network Connection" [MQTT-6.0.0-1].
    TextFrame,
    /// We said goodbye, and the peer did not within [`Limits::close_timeout`](super::Limits::close_timeout): "Upon
    /// receiving such a frame, the other peer sends a Close frame in response, if it hasn't already sent one" (1.4).
    CloseTimeout,
}

impl Violation {
    /// A stable name for metrics and logs, in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Unmasked => "unmasked",
            Self::ContinuationOfNothing => "continuation_of_nothing",
            Self::MessageInMessage => "message_in_message",
            Self::MessageTooBig => "message_too_big",
            Self::TooManyFragments => "too_many_fragments",
            Self::TooManyControls => "too_many_controls",
            Self::TextFrame => "text_frame",
            Self::CloseTimeout => "close_timeout",
        }
    }

    /// Appends the close frame: the code alone. Nothing for [`Violation::CloseTimeout`]: ours is out already.
    pub fn answer(self, out: &mut Vec<u8>) {
        if self != Self::CloseTimeout {
            encode_close(out, Close { code: Some(self.into()), reason: "" });
        }
    }
}

impl From<Malformed> for Violation {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Violation> for CloseCode {
    /// What the peer is told (7.4.1).
    fn from(violation: Violation) -> Self {
        match violation {
            // 1007: "data within a message that was not consistent with the type of the message (e.g., non-UTF-8
            // [RFC3629] data within a text message)"
            Violation::Malformed(Malformed::IllFormedText | Malformed::CloseReason) => CloseCode::Invalid,
            // 1002: "a protocol error"
            Violation::Malformed(_)
            | Violation::Unmasked
            | Violation::ContinuationOfNothing
            | Violation::MessageInMessage => CloseCode::Protocol,
            // 1009: "a message that is too big for it to process"
            Violation::MessageTooBig => CloseCode::Size,
            // 1008: "a message that violates its policy"
            Violation::TooManyFragments | Violation::TooManyControls | Violation::CloseTimeout => {
                CloseCode::Policy
            }
            // 1003: "a type of data it cannot accept"
            Violation::TextFrame => CloseCode::Unsupported,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            rule => f.write_str(rule.name()),
        }
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Violation; 9] = [
        Violation::Malformed(Malformed::ReservedBits),
        Violation::Unmasked,
        Violation::ContinuationOfNothing,
        Violation::MessageInMessage,
        Violation::MessageTooBig,
        Violation::TooManyFragments,
        Violation::TooManyControls,
        Violation::TextFrame,
        Violation::CloseTimeout,
    ];

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let mut names: Vec<_> = ALL.iter().map(Violation::name).collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn every_rule_but_one_is_told_by_its_code_alone() {
        for violation in ALL {
            let mut out = Vec::new();
            violation.answer(&mut out);
            if violation == Violation::CloseTimeout {
                assert_eq!(out, []);
            } else {
                let [high, low] = u16::from(CloseCode::from(violation)).to_be_bytes();
                assert_eq!(out, [0x88, 2, high, low], "{violation}");
            }
        }
    }

    #[test]
    fn ill_formed_text_is_no_protocol_error() {
        for malformed in [Malformed::IllFormedText, Malformed::CloseReason] {
            assert_eq!(CloseCode::from(Violation::from(malformed)), CloseCode::Invalid);
        }
        assert_eq!(CloseCode::from(Violation::from(Malformed::CloseBody)), CloseCode::Protocol);
    }
}
