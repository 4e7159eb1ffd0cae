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

/// Deepest nesting of arrays and objects in a value, counted from the value itself (RFC 8259, 9).
///
/// Enough for any payload a person would write; small enough for every recursive reader behind us.
pub const JSON_DEPTH_MAX: u32 = 64;

/// Most members of an object that is read by name (RFC 8259, 9).
pub const JSON_KEYS_MAX: usize = 1_024;

/// Most values in a document that is read whole, arrays and objects included (RFC 8259, 9).
pub const JSON_NODES_MAX: usize = 20_000;

const _: () = assert!(JSON_KEYS_MAX < JSON_NODES_MAX);

/// Longest number in an object that is read by name, in bytes (RFC 8259, 9). A double needs at most 24.
pub const JSON_NUMBER_BYTES_MAX: usize = 64;

// ---------------------------------------------------------------------------------------------------------------
// HTTP/1.1
// ---------------------------------------------------------------------------------------------------------------

/// Longest head of a request or response, in bytes, from the first line to the empty one (RFC 6585, 5: 431).
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header fields in a head (RFC 6585, 5: 431).
pub const HTTP_HEADERS_MAX: usize = 100;

/// Longest request target, in bytes (RFC 9112, 3: 414; RFC 9110, 4.1 recommends 8000 at least).
pub const HTTP_TARGET_BYTES_MAX: usize = 8 * 1024;

/// Longest method, in bytes (RFC 9112, 3: 501). The registered ones have at most 17.
pub const HTTP_METHOD_BYTES_MAX: usize = 32;

/// Most bytes of a chunked body that are not content: sizes, line ends, extensions and trailers (RFC 9112, 7.1.1: "A
/// server ought to limit the total length of chunk extensions received in a request").
///
/// With the ceiling of the content it bounds what a body may occupy before it is joined.
pub const HTTP_CHUNK_OVERHEAD_BYTES_MAX: usize = 64 * 1024;

/// Longest line of a chunked body that is not content: a size with its extensions, or a trailer; in bytes without the
/// line end.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 1024;

const _: () = assert!(HTTP_METHOD_BYTES_MAX < HTTP_TARGET_BYTES_MAX);
const _: () = assert!(HTTP_TARGET_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
const _: () = assert!(HTTP_CHUNK_LINE_BYTES_MAX < HTTP_CHUNK_OVERHEAD_BYTES_MAX);

// ---------------------------------------------------------------------------------------------------------------
// WebSocket
// ---------------------------------------------------------------------------------------------------------------

/// Longest payload of a control frame, in bytes (RFC 6455, 5.5).
pub const WS_CONTROL_BYTES_MAX: usize = 125;

/// Longest reason of a close frame, in bytes: a control frame without its status code (RFC 6455, 5.5.1).
pub const WS_REASON_BYTES_MAX: usize = WS_CONTROL_BYTES_MAX - 2;

/// Longest frame header, in bytes: flags and opcode, the length in its longest form, the masking key (RFC 6455, 5.2).
pub const WS_HEADER_BYTES_MAX: usize = 2 + 8 + 4;

/// Length of the nonce in a handshake, in bytes, without its base64 (RFC 6455, 4.1, 7).
pub const WS_NONCE_BYTES: usize = 16;

const _: () = assert!(WS_CONTROL_BYTES_MAX < 126, "the length of a control frame has its shortest form");

// ---------------------------------------------------------------------------------------------------------------
// Engine.IO 4 and Socket.IO 5
// ---------------------------------------------------------------------------------------------------------------

/// What separates the packets of a polling payload: the record separator of ASCII (Engine.IO 4, "Packet encoding, HTTP
/// long-polling").
pub const ENGINEIO_SEPARATOR: u8 = 0x1e;

/// Most binary attachments of a packet. The protocol names no limit; this is the reference implementation's default.
pub const SOCKETIO_ATTACHMENTS_MAX: u8 = 10;

/// Longest namespace, in bytes, with its slash. The protocol names no limit; a refusal repeats the name.
pub const SOCKETIO_NAMESPACE_BYTES_MAX: usize = 256;

/// Largest acknowledgement id: the largest integer that every client can hold (RFC 8259, 6: "integers [...] in the range
/// [-(2**53)+1, (2**53)-1] are interoperable").
pub const SOCKETIO_ACK_ID_MAX: u64 = (1 << 53) - 1;

/// Most digits of an acknowledgement id.
pub const SOCKETIO_ACK_ID_DIGITS_MAX: usize = 16;

const _: () = assert!(SOCKETIO_ACK_ID_MAX < 10_u64.pow(SOCKETIO_ACK_ID_DIGITS_MAX as u32));
const _: () = assert!(SOCKETIO_ATTACHMENTS_MAX < 100, "the count of attachments has two digits at most");
