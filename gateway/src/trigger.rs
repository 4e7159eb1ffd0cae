//! Triggers: something happened at a device, and the agent shall hear of it, at least once.
//!
//! ```text
//!   PUBLISH trigger -> intake (quota, repeat?) -> held in the outbox -> Keep to the store writer
//!   an agent's test -> fire (quota) ------------------^                       |
//!   agent's event stream <- journal <----------------------------------------+
//!   PUBACK, then trigger_ack <- outbox <- Kept
//! ```

pub mod fire;
pub mod intake;
pub mod outbox;
