//! What counts as equal, end to end: a daemon, elements that write values in their own way, and the command.
//!
//! Loopback only; elements are simulated, or FRR where it can be started. No test waits for time to pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "equality/house.rs"]
mod house;
#[path = "equality/rewrites.rs"]
mod rewrites;
#[path = "equality/secrets.rs"]
mod secrets;
#[path = "support/mod.rs"]
mod support;
