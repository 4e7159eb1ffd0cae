//! What a deployment allows a client of MQTT, beyond what the grammar allows.
//!
//! Owns the ceilings, their units and their defaults. It never applies one: the rules are in the session.

use std::time::Duration;

/// Ceilings of one listener's sessions; shared by all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Largest remaining length (2.2.3) of a packet before log-in, in bytes. Default 16 KiB: the longest legal
    /// CONNECT of the known clients takes about 3 KiB.
    ///
    /// The whole packet is up to five bytes longer, which whoever keeps partial packets has to allow for.
    pub connect_bytes_max: usize,
    /// Largest remaining length (2.2.3) of a packet after log-in, in bytes. Default 1 MiB + 64 KiB: a payload of a
    /// megabyte and what is around it.
    pub packet_bytes_max: usize,
    /// Arrivals that may wait for their acknowledgement at the same time; then no more is taken. Default 64.
    pub owed_max: u16,
    /// Our own QoS 1 and QoS 2 messages that may be unacknowledged at the same time. Default 1: the MicroPython
    /// client loses acknowledgements otherwise.
    pub inflight_max: u16,
    /// QoS 2 messages of the client between PUBLISH and PUBREL. Default 64.
    pub qos2_open_max: u16,
    /// Longest topic of a PUBLISH, and longest filter, in bytes (4.7.3 allows 65,535). Default 2048: agents and devices
    /// have names of at most 256 and 200 characters.
    pub topic_bytes_max: usize,
    /// Topic filters in one SUBSCRIBE. Default 16.
    pub filters_per_subscribe_max: u16,
    /// From the beginning of the connection until CONNECT is complete. Default 20 s.
    pub connect_timeout: Duration,
    /// Longest silence of a client, whatever keep alive it asked for; also that of a client which asked for none.
    /// Default 900 s, one and a half times a keep alive of 600 s.
    pub keepalive_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_bytes_max: 16 * 1024,
            packet_bytes_max: 1024 * 1024 + 64 * 1024,
            owed_max: 64,
            inflight_max: 1,
            qos2_open_max: 64,
            topic_bytes_max: 2048,
            filters_per_subscribe_max: 16,
            connect_timeout: Duration::from_secs(20),
            keepalive_max: Duration::from_secs(900),
        }
    }
}

impl Limits {
    /// The silence after which a client that asked for `keep_alive_s` is gone: "one and a half times the Keep Alive
    /// time period" [MQTT-3.1.2-24], and never longer than [`Limits::keepalive_max`].
    pub(super) fn silence_max(&self, keep_alive_s: u16) -> Duration {
        match keep_alive_s {
            0 => self.keepalive_max,
            asked => self.keepalive_max.min(Duration::from_millis(u64::from(asked) * 1500)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use std::time::Duration;

    #[test]
    fn waits_one_and_a_half_times_the_keep_alive_up_to_its_own_ceiling() {
        let limits = Limits::default();
        for (asked_s, waits_ms) in [
            (1, 1_500),
            (2, 3_000),
            (60, 90_000),
            (600, 900_000),
            (601, 900_000),
            (65_535, 900_000),
            (0, 900_000),
        ] {
            assert_eq!(limits.silence_max(asked_s), Duration::from_millis(waits_ms), "{asked_s} s");
        }
    }
}
