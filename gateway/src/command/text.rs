//! The words of an ask: device, command and payload in one buffer.
//!
//! Owns the layout. One buffer instead of three, because it crosses cores and comes from a pool; the payload is the
//! bytes the agent sent, copied once, never re-serialised.

/// Device name, command name and payload, one behind the other.
#[derive(Debug, Default)]
pub struct AskText {
    buffer: Vec<u8>,
    device_bytes: u16,
    command_bytes: u16,
    has_payload: bool,
}

impl AskText {
    /// Writes the words into `buffer`, which is emptied first. `None` when a name is longer than any name may be.
    pub fn write(mut buffer: Vec<u8>, device: &str, command: &str, payload: Option<&[u8]>) -> Option<Self> {
        let (device_bytes, command_bytes) =
            (u16::try_from(device.len()).ok()?, u16::try_from(command.len()).ok()?);
        buffer.clear();
        buffer.reserve(device.len() + command.len() + payload.map_or(0, <[u8]>::len));
        buffer.extend_from_slice(device.as_bytes());
        buffer.extend_from_slice(command.as_bytes());
        buffer.extend_from_slice(payload.unwrap_or_default());
        Some(Self { buffer, device_bytes, command_bytes, has_payload: payload.is_some() })
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

    /// The payload as the agent sent it: one JSON value, already validated.
    pub fn payload(&self) -> Option<&[u8]> {
        let start = usize::from(self.device_bytes) + usize::from(self.command_bytes);
        self.has_payload.then(|| &self.buffer[start..])
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
    fn gives_back_its_three_words() {
        let text = AskText::write(Vec::new(), "pico-1", "read", Some(b"{\"a\":1}")).expect("short names");
        assert_eq!(
            (text.device(), text.command(), text.payload()),
            ("pico-1", "read", Some(&b"{\"a\":1}"[..]))
        );
        let text = AskText::write(text.into_buffer(), "d", "c", None).expect("short names");
        assert_eq!((text.device(), text.command(), text.payload()), ("d", "c", None));
    }

    #[test]
    fn refuses_a_name_longer_than_any_may_be() {
        assert!(AskText::write(Vec::new(), &"d".repeat(70_000), "c", None).is_none());
    }
}
