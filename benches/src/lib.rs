//! What the benches share. The benches themselves are in `benches/`, one file or folder for each thing that is measured.
//!
//! It owns the counting allocator and the sample device and nothing else; no figure is computed or judged here.

pub mod counting;
pub mod device;
pub mod manifest;
