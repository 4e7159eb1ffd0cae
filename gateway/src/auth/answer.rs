//! What the auth service says, read with distrust.
//!
//! Owns the meaning of a status and a body. Only a whole, well-formed yes is a yes, and only 401, 403 and a well-formed no
//! are a no; everything else is a failure of the service, and nobody is admitted or thrown out by it.

use codec::json::{Kind, members};

use super::{DevicePattern, Operations};

/// Largest body that is read, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 65_536;

/// The service's word on one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The key is good.
    Allowed(Allowed),
    /// The key is not good.
    Refused,
    /// The service did not answer the question.
    Failed(Fault),
}

/// What the service allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    /// What the key may be used for. `operator` is not the service's to give.
    pub operations: Operations,
    /// The devices for which the same answer would be given; none: only the one that was asked for.
    pub devices: Option<DevicePattern>,
    /// How long the answer may be used, in ms, if the service says so.
    pub ttl_ms: Option<u64>,
}

/// How a call failed, in words that hold no secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No connection, or one that broke.
    Unreachable,
    /// TLS said no: the certificate is not trusted, or the other side speaks no TLS.
    Untrusted,
    /// No whole answer in time.
    TimedOut,
    /// A status that is no answer.
    Status(u16),
    /// A body that is no answer, or too large.
    Garbage,
}

impl Fault {
    /// What an operator can do something with.
    pub fn sentence(self) -> String {
        match self {
            Self::Unreachable => "no connection, or it broke".to_owned(),
            Self::Untrusted => "its certificate is not trusted, or it speaks no TLS".to_owned(),
            Self::TimedOut => "no whole answer within auth.timeout_ms".to_owned(),
            Self::Status(status) => format!("status {status}, which is none of 200, 401 and 403"),
            Self::Garbage => {
                format!(
                    "a body that is not {{\"allowed\":…,\"operations\":[…]}}, or over {BODY_BYTES_MAX} bytes"
                )
            }
        }
    }
}

impl Answer {
    /// Reads a status and a whole body.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        match status {
            200 => read_body(body).unwrap_or(Self::Failed(Fault::Garbage)),
            401 | 403 => Self::Refused,
            other => Self::Failed(Fault::Status(other)),
        }
    }
}

fn read_body(body: &[u8]) -> Option<Answer> {
    let [allowed, operations, ttl, device] =
        members(body, ["allowed", "operations", "ttlMs", "device"]).ok()?;
    if !allowed?.as_bool()? {
        return Some(Answer::Refused);
    }
    let operations = operations.filter(|operations| operations.kind() == Kind::Array)?;
    let mut given = Operations::NONE;
    for word in operations.elements() {
        // A word of another product's is no operation here, and gives nothing.
        given = word.plain_str().and_then(Operations::parse).map_or(given, |operation| given.with(operation));
    }
    let said = |member: &codec::json::Raw<'_>| member.kind() != Kind::Null;
    let ttl_ms = match ttl.filter(said) {
        Some(ttl) => Some(ttl.as_u64()?),
        None => None,
    };
    let devices = match device.filter(said) {
        Some(device) => Some(DevicePattern::parse(device.plain_str()?)?),
        None => None,
    };
    Some(Answer::Allowed(Allowed { operations: given.without(Operations::OPERATOR), devices, ttl_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(body: &str) -> Allowed {
        match Answer::read(200, body.as_bytes()) {
            Answer::Allowed(allowed) => allowed,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn reads_a_whole_yes() {
        let yes = allowed(r#"{"allowed":true,"operations":["commands","triggers"],"ttlMs":60000}"#);
        assert_eq!(yes, Allowed { operations: Operations::DEVICE, devices: None, ttl_ms: Some(60_000) });
        let yes = allowed(r#"{"allowed":true,"operations":["agent"],"ttlMs":null,"device":"pump-*","x":1}"#);
        assert_eq!(yes.devices, DevicePattern::parse("pump-*"));
        assert_eq!((yes.operations, yes.ttl_ms), (Operations::AGENT, None));
    }

    #[test]
    fn operator_and_foreign_words_give_nothing() {
        let yes = allowed(r#"{"allowed":true,"operations":["operator","assets.upload",7,"commands"]}"#);
        assert_eq!(yes.operations, Operations::COMMANDS);
        assert!(allowed(r#"{"allowed":true,"operations":[]}"#).operations.is_empty());
    }

    #[test]
    fn a_no_is_a_no() {
        for (status, body) in [(401, ""), (403, "<html>"), (200, r#"{"allowed":false}"#)] {
            assert_eq!(Answer::read(status, body.as_bytes()), Answer::Refused);
        }
    }

    #[test]
    fn c4_everything_else_is_a_failure_and_no_answer() {
        for status in [100, 201, 204, 301, 302, 400, 404, 429, 500, 503] {
            let yes = br#"{"allowed":true,"operations":["commands"]}"#;
            assert_eq!(Answer::read(status, yes), Answer::Failed(Fault::Status(status)));
        }
        let garbage = [
            "",
            "yes",
            "[]",
            "{}",
            r#"{"allowed":"true","operations":["commands"]}"#,
            r#"{"allowed":1,"operations":["commands"]}"#,
            r#"{"allowed":true}"#,
            r#"{"allowed":true,"operations":"commands"}"#,
            r#"{"allowed":true,"operations":["commands"],"ttlMs":-1}"#,
            r#"{"allowed":true,"operations":["commands"],"ttlMs":"60"}"#,
            r#"{"allowed":true,"operations":["commands"],"device":"a b"}"#,
            r#"{"allowed":true,"operations":["commands"]"#,
            r#"{"allowed":true,"operations":["commands"]}}"#,
            r#"{"allowed":false,"allowed":true,"operations":["commands"]}"#,
        ];
        for body in garbage {
            assert_eq!(Answer::read(200, body.as_bytes()), Answer::Failed(Fault::Garbage), "{body}");
        }
    }
}
