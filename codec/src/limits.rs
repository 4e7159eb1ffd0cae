//! Every ceiling the wire formats themselves set, with its unit and its clause.
//!
//! These are the limits of the *grammars*. What a deployment allows on top (packet size before log-in, topics,
//! filters per packet) is decided by the sessions and the gateway, never here.

// ---------------------------------------------------------------------------------------------------------------
// MQTT 3.1.1
// ---------------------------------------------------------------------------------------------------------------

/// Longest UTF-8 string or binary field, in bytes: its length is a 16-bit integer (1.5.3).
pub const MQTT_FIELD_BYTES_MAX: usize = 65_535;

/// Most bytes that the remaining length field may take (2.2.3).
pub const MQTT_LENGTH_BYTES_MAX: usize = 4;

/// Longest fixed header, in bytes: the type and flags, then the remaining length (2.2).
pub const MQTT_HEADER_BYTES_MAX: usize = 1 + MQTT_LENGTH_BYTES_MAX;

/// Largest remaining length, in bytes: four groups of seven bits (2.2.3).
pub const MQTT_REMAINING_BYTES_MAX: usize = 268_435_455;

const _: () = assert!(MQTT_REMAINING_BYTES_MAX == (1 << (7 * MQTT_LENGTH_BYTES_MAX)) - 1);
const _: () = assert!(MQTT_FIELD_BYTES_MAX < MQTT_REMAINING_BYTES_MAX);

// ---------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------

// ---------------------------------------------------------------------------------------------------------------
// HTTP/1.1
// ---------------------------------------------------------------------------------------------------------------
