//! CONNECT: a client says who it is (3.1).
//!
//! It owns the layout of the packet and every rule about it that needs no memory. It never judges names, passwords or
//! the will's topic, and it accepts an empty client identifier with or without a clean session: those answers are
//! CONNACK codes, which a session gives.
//!
//! ```text
//! | 0001 0000 | remaining length | "MQTT" | level 4 | flags | keep alive | client id
//!                                  | will topic | will payload | user name | password |   each as the flags say
//! flags: user name, password, will retain, will QoS, will QoS, will, clean session, reserved 0
//! ```

use core::fmt;

use super::{Malformed, Misuse, QoS, header, text};
use crate::cursor::Cursor;

const PROTOCOL_NAME: &[u8] = b"MQTT";
const PROTOCOL_LEVEL: u8 = 4;

const FLAG_USERNAME: u8 = 0b1000_0000;
const FLAG_PASSWORD: u8 = 0b0100_0000;
const FLAG_WILL_RETAIN: u8 = 0b0010_0000;
const WILL_QOS_SHIFT: u32 = 3;
const FLAG_WILL: u8 = 0b0000_0100;
const FLAG_CLEAN_SESSION: u8 = 0b0000_0010;
const FLAG_RESERVED: u8 = 0b0000_0001;

/// A received request for a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Client identifier; may be empty (3.1.3.1).
    pub client_id: &'a str,
    /// Start anew, and keep nothing afterwards (3.1.2.4).
    pub clean_session: bool,
    /// Longest silence the client promises to keep, in seconds; 0 promises nothing (3.1.2.10).
    pub keep_alive_s: u16,
    /// What to publish when the connection ends without a DISCONNECT (3.1.2.5).
    pub will: Option<Will<'a>>,
    /// User name; present may still be empty.
    pub username: Option<&'a str>,
    /// Password, any bytes; only ever present with a user name [MQTT-3.1.2-22].
    pub password: Option<&'a [u8]>,
}

/// A client's last message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Topic name: not empty, no wildcard, no control character.
    pub topic: &'a str,
    /// The message, 0 to 65 535 bytes.
    pub payload: &'a [u8],
    /// Quality of service to publish it with.
    pub qos: QoS,
    /// Publish it as a retained message.
    pub retain: bool,
}

impl<'a> Connect<'a> {
    /// Reads what stands behind the fixed header.
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let flags = preamble(&mut cursor)?;
        let keep_alive_s = cursor.u16().ok_or(Malformed::Truncated)?;
        let client_id = text::string(&mut cursor)?;
        let will = if flags & FLAG_WILL != 0 { Some(Will::decode(flags, &mut cursor)?) } else { None };
        let username = if flags & FLAG_USERNAME != 0 { Some(text::string(&mut cursor)?) } else { None };
        let password = if flags & FLAG_PASSWORD != 0 { Some(text::binary(&mut cursor)?) } else { None };
        if !cursor.is_empty() {
            return Err(Malformed::Surplus);
        }
        let clean_session = flags & FLAG_CLEAN_SESSION != 0;
        Ok(Self { client_id, clean_session, keep_alive_s, will, username, password })
    }

    /// Appends the packet. Client identifier and user name must be free of U+0000, and the will's
    /// topic a topic name, which is only asserted in debug builds.
    ///
    /// # Errors
    ///
    /// [`Misuse`] when a field is too long or there is a password without a user name; nothing was appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Misuse> {
        if self.password.is_some() && self.username.is_none() {
            return Err(Misuse::PasswordWithoutUsername);
        }
        debug_assert!(self.is_well_spelled(), "no such text in MQTT: {self:?}");
        header::write(out, 0x10, self.remaining_bytes()?);
        text::write(out, PROTOCOL_NAME);
        out.extend_from_slice(&[PROTOCOL_LEVEL, self.flags()]);
        out.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        for field in self.fields().into_iter().flatten() {
            text::write(out, field);
        }
        Ok(())
    }

    /// The payload's fields in their order (3.1.3) [MQTT-3.1.3-1].
    fn fields(&self) -> [Option<&'a [u8]>; 5] {
        [
            Some(self.client_id.as_bytes()),
            self.will.map(|will| will.topic.as_bytes()),
            self.will.map(|will| will.payload),
            self.username.map(str::as_bytes),
            self.password,
        ]
    }

    fn remaining_bytes(&self) -> Result<usize, Misuse> {
        let variable_header_bytes = 2 + PROTOCOL_NAME.len() + 1 + 1 + 2;
        self.fields()
            .into_iter()
            .flatten()
            .try_fold(variable_header_bytes, |sum, field| Ok(sum + text::field_bytes(field.len())?))
    }

    fn is_well_spelled(&self) -> bool {
        let texts = [Some(self.client_id), self.username];
        !texts.iter().flatten().any(|text| text.contains('\0'))
            && self.will.is_none_or(|will| text::is_topic_name(&[will.topic]))
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let will = self.will.map_or(0, |will| {
            FLAG_WILL | will.qos.number() << WILL_QOS_SHIFT | flag(will.retain, FLAG_WILL_RETAIN)
        });
        will | flag(self.username.is_some(), FLAG_USERNAME)
            | flag(self.password.is_some(), FLAG_PASSWORD)
            | flag(self.clean_session, FLAG_CLEAN_SESSION)
    }
}

/// Protocol name, level and flags. The level is judged before the flags, whose meaning it defines.
fn preamble(cursor: &mut Cursor<'_>) -> Result<u8, Malformed> {
    if text::binary(cursor)? != PROTOCOL_NAME {
        return Err(Malformed::ProtocolName);
    }
    let level = cursor.u8().ok_or(Malformed::Truncated)?;
    if level != PROTOCOL_LEVEL {
        return Err(Malformed::ProtocolLevel(level));
    }
    let flags = cursor.u8().ok_or(Malformed::Truncated)?;
    check_flags(flags)?;
    Ok(flags)
}

fn check_flags(flags: u8) -> Result<(), Malformed> {
    let will_qos = flags >> WILL_QOS_SHIFT & 0b11;
    match flags & FLAG_WILL != 0 {
        _ if flags & FLAG_RESERVED != 0 => Err(Malformed::ConnectReservedFlag),
        true if will_qos == 3 => Err(Malformed::WillQos),
        false if will_qos != 0 => Err(Malformed::WillQosWithoutWill),
        false if flags & FLAG_WILL_RETAIN != 0 => Err(Malformed::WillRetainWithoutWill),
        _ if flags & (FLAG_USERNAME | FLAG_PASSWORD) == FLAG_PASSWORD => {
            Err(Malformed::PasswordWithoutUsername)
        }
        true | false => Ok(()),
    }
}

impl<'a> Will<'a> {
    fn decode(flags: u8, cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let qos = QoS::new(flags >> WILL_QOS_SHIFT & 0b11).ok_or(Malformed::WillQos)?;
        let retain = flags & FLAG_WILL_RETAIN != 0;
        let topic = text::topic_name(cursor)?;
        let payload = text::binary(cursor)?;
        Ok(Self { topic, payload, qos, retain })
    }
}

impl fmt::Debug for Connect<'_> {
    /// Shows how long the password is, not what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("client_id", &self.client_id)
            .field("clean_session", &self.clean_session)
            .field("keep_alive_s", &self.keep_alive_s)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password_bytes", &self.password.map(<[u8]>::len))
            .finish()
    }
}

impl fmt::Debug for Will<'_> {
    /// Shows how long the payload is, not what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Connect<'static> = Connect {
        client_id: "c",
        clean_session: true,
        keep_alive_s: 60,
        will: None,
        username: Some("u"),
        password: Some(b"secret"),
    };

    #[test]
    fn debug_output_keeps_the_password_to_itself() {
        let shown = format!("{PLAIN:?}");
        assert!(!shown.contains("secret") && shown.contains("password_bytes: Some(6)"), "{shown}");
    }

    #[test]
    fn refuses_to_write_a_password_without_a_user_name() {
        let mut out = Vec::new();
        let answer = Connect { username: None, ..PLAIN }.encode(&mut out);
        assert_eq!((answer, out.len()), (Err(Misuse::PasswordWithoutUsername), 0));
    }

    #[test]
    fn refuses_to_write_a_field_whose_length_would_be_cut() {
        let long = "x".repeat(65_536);
        let mut out = Vec::new();
        let answer = Connect { client_id: &long, ..PLAIN }.encode(&mut out);
        assert_eq!((answer, out.len()), (Err(Misuse::FieldTooLong), 0));
    }

    #[test]
    fn judges_every_combination_of_flags() {
        let legal = (0..=255).filter(|&flags| check_flags(flags).is_ok()).count();
        // User name and password: 3 of 4. Will off: one form; on: three qualities, two retains. Clean session: 2.
        assert_eq!(legal, 3 * (1 + 3 * 2) * 2);
    }
}
