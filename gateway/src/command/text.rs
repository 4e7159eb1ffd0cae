//! The words of an ask: device, command, idempotency key and payload in one buffer.
//!
//! Owns the layout. One buffer instead of three, because it crosses cores and comes from a pool; the payload is the
//! bytes the agent sent, copied once, never re-serialised.

/// Device name, command name, idempotency key and payload, one behind the other.
#[derive(Debug, Default)]
pub struct AskText {
    buffer: Vec<u8>,
    device_bytes: u16,
    command_bytes: u16,
    key_bytes: u16,
    has_payload: bool,
}

impl AskText {
    /// Writes the words into `buffer`, which is emptied first; a request without an idempotency key has an empty one. `None`
    /// when a name is longer than any name may be.
    pub fn write(
        mut buffer: Vec<u8>,
        device: &str,
        command: &str,
        key: &str,
        payload: Option<&[u8]>,
    ) -> Option<Self> {
        let [device_bytes, command_bytes, key_bytes] =
            [device, command, key].map(|name| u16::try_from(name.len()).ok());
        let text = Self {
            device_bytes: device_bytes?,
            command_bytes: command_bytes?,
            key_bytes: key_bytes?,
            has_payload: payload.is_some(),
            buffer: Vec::new(),
        };
        let parts = [device.as_bytes(), command.as_bytes(), key.as_bytes(), payload.unwrap_or_default()];
        buffer.clear();
        buffer.reserve(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            buffer.extend_from_slice(part);
        }
        Some(Self { buffer, ..text })
    }

    /// The device's name.
    pub fn device(&self) -> &str {
        self.str_at(0, usize::from(self.device_bytes))
    }

    /// The command's name.
    pub fn command(&self) -> &str {
        let start = usize::from(self.device_bytes);
        self.str_at(start, start + usize::from(self.command_bytes))
    }

    /// The idempotency key, if the request has one.
    pub fn key(&self) -> Option<&str> {
        let start = usize::from(self.device_bytes) + usize::from(self.command_bytes);
        let key = self.str_at(start, start + usize::from(self.key_bytes));
        (!key.is_empty()).then_some(key)
    }

    /// The payload as the agent sent it: one JSON value, already validated.
    pub fn payload(&self) -> Option<&[u8]> {
        let start = [self.device_bytes, self.command_bytes, self.key_bytes].map(usize::from).iter().sum();
        self.has_payload.then(|| &self.buffer[start..])
    }

    /// The device's and the command's name alone, in a buffer of their own.
    pub fn without_payload(&self, mut buffer: Vec<u8>) -> Self {
        let names = usize::from(self.device_bytes) + usize::from(self.command_bytes);
        buffer.clear();
        buffer.extend_from_slice(&self.buffer[..names]);
        Self { buffer, key_bytes: 0, has_payload: false, ..*self }
    }

    /// The buffer, emptied, to carry the answer back.
    pub fn into_buffer(mut self) -> Vec<u8> {
        self.buffer.clear();
        self.buffer
    }

    fn str_at(&self, start: usize, end: usize) -> &str {
        std::str::from_utf8(&self.buffer[start..end]).expect("written from a str")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_its_words() {
        let text =
            AskText::write(Vec::new(), "pico-1", "read", "k", Some(b"{\"a\":1}")).expect("short names");
        assert_eq!((text.device(), text.command(), text.key()), ("pico-1", "read", Some("k")));
        assert_eq!(text.payload(), Some(&b"{\"a\":1}"[..]));
        let text = AskText::write(text.into_buffer(), "d", "c", "", None).expect("short names");
        assert_eq!((text.device(), text.command(), text.key(), text.payload()), ("d", "c", None, None));
    }

    #[test]
    fn the_names_can_stay_when_the_payload_goes() {
        let text = AskText::write(Vec::new(), "pico-1", "read", "k", Some(b"[1]")).expect("short names");
        let names = text.without_payload(vec![1, 2, 3]);
        assert_eq!(
            (names.device(), names.command(), names.key(), names.payload()),
            ("pico-1", "read", None, None)
        );
    }

    #[test]
    fn refuses_a_name_longer_than_any_may_be() {
        assert!(AskText::write(Vec::new(), &"d".repeat(70_000), "c", "", None).is_none());
    }
}
