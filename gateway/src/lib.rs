//! A gateway between physical devices and AI agents.
//!
//! Devices hold one connection each and describe themselves: a list of commands with JSON Schemas. The gateway shows each
//! command to the agent as a tool, carries commands to the device and answers back, carries triggers from the
//! device to the agent, and makes the tools vanish when the device goes. One command has one effect; an acknowledged
//! trigger is never lost; one agent never sees another's devices; presence never lies.
//!
//! This crate is the *meaning*: it knows devices, commands, triggers and agents, and no socket. Below it, `transports` knows
//! conversations, `codec` grammar, and `engine` cores, clocks and bytes. One [`shard::Shard`] is the tenant of one core; cores
//! speak by [`mail::Mail`] alone; [`serve`] puts the house together.
//!
//! ```text
//!   agent/  -- asks -->  command/  -- speech -->  device/          triggers: device/ -> trigger/ -> store/ -> agent/
//!      ^                    |
//!      +---- settled -------+                     who may: auth/   how much: limits   what happened: metrics/, log
//! ```

#![forbid(unsafe_code)]

pub mod agent;
pub mod auth;
pub mod buffers;
pub mod certificates;
pub mod cli;
pub mod command;
pub mod config;
pub mod dev;
pub mod device;
#[cfg(test)]
pub(crate) mod docs;
mod ending;
pub mod limits;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod notify;
pub mod peer;
#[cfg(test)]
pub(crate) mod scratch_folder;
pub mod serve;
pub mod shard;
pub mod stop;
pub mod store;
pub mod trigger;
pub mod trust;
pub mod wall;
pub mod worker;
