//! The real daemon dies, or is told to go, in the middle of its work on real elements; the next one finds the truth.
//!
//! Every test starts `andanted` as a process of its own, speaks RESTCONF to it over its local socket, and looks at the
//! elements with independent clients. What is asked each time: both elements as before, byte for byte, or both as after;
//! the stored documents say the same; the transaction's outcome says the same; nothing stays locked.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helper functions")]

mod crowd;
mod daemon;
mod domain;
mod fence;
mod host;
mod line;
mod matrix;
mod phases;
mod repeated;
mod service;
mod slow;
mod third;
mod unresolved;
mod word;

#[path = "../support/mod.rs"]
mod support;
