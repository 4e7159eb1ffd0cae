//! Agents: the HTTP side of the gateway.
//!
//! Owns requests, their answers and the event streams. An agent's connection stays on the core that accepted it; what it
//! asks of devices goes by mail to their home cores and comes back to a *ticket*.
//!
//! ```text
//!   request -> routes (who may) -> endpoint --+--> answered at once
//!                                             +--> ticket, mail ... mail -> rendered -> answered
//!                                             +--> stream: fetch, fetched, fetch ...
//! ```

pub mod call;
pub mod commands;
pub mod control;
pub mod devices;
pub mod errors;
pub mod events;
pub mod gather;
pub mod http;
pub mod inquiries;
pub mod lua;
pub mod openapi;
pub mod operator;
pub mod owners;
pub mod parameters;
pub mod routes;
pub mod tap;
pub mod ticket;
pub mod tools;
pub mod validator;
pub mod vetting;
