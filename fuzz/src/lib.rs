//! What must hold for everything that a decoder or a session *accepts*: limits, a faithful way back, and agreement with
//! somebody else's decoder.
//!
//! One module for each target, so that the seeds can also be run as plain tests; `fuzz_targets/` hands libFuzzer's
//! bytes on. That nothing panics comes for free, so no module checks only that. Nothing here is part of the product.

pub mod engineio_decode;
pub mod http_head;
pub mod http_session;
pub mod json_members;
pub mod mqtt_decode;
pub mod mqtt_session;
pub mod seeds;
pub mod socketio_decode;
pub mod ws_header;
pub mod ws_session;
