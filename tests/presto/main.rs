//! Presto over HTTP: a whole daemon in the test's own process, asked through its listeners.
//!
//! The elements of the inventory do not answer unless a test starts real ones; what must be refused is refused before
//! anything would be sent to them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helper functions")]

mod bad_input;
mod bandwidth;
mod command;
mod daemon;
mod edits;
mod first_steps;
mod modes;
mod moved;
mod orchestrator;
mod past;
mod protected;
mod queued;
mod real;
mod resources;
mod simulated;
mod targets;
mod tickets;

#[path = "../support/holds.rs"]
#[expect(dead_code, reason = "every point that is waited for here is come to")]
mod holds;
#[path = "../support/mod.rs"]
mod support;
