//! The HTTP session from outside: bytes in, events and bytes out, every moment made by hand.

mod conversations;
mod deadlines;
mod kit;
mod large_bodies;
mod rules;
mod smuggling;
