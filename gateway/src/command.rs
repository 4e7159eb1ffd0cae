//! Commands: from the ask that reaches the device's home core to the one end that goes back.
//!
//! ```text
//!   ask -> judged -> pending, deadline armed -> said to the device (device::speech) -> answer
//!             \                   \                                                      |
//!              \                   +-- again (retry), expire, cancel, device left --------+
//!               +---------------------------------------------------> settle: exactly once, one mail back
//! ```

pub mod again;
pub mod answer;
pub mod ask;
pub mod examine;
pub mod id;
pub mod inquiry;
pub mod outcome;
pub mod pending;
pub mod records;
pub mod repeats;
pub mod settle;
pub mod shares;
pub mod story;
pub mod text;
