//! The main job against real servers: netconfd with the genuine IOS-XR modules and FRR's vtysh, both behind OpenSSH.
//!
//! The controller runs inside the test, with the store, the libyang worker and the drivers of the daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

mod bandwidth;
mod crash;
mod domain;
mod facts;
mod hand;
mod lifecycle;
mod operators;
mod refusals;
mod schemas;
mod sessions;
mod struck;
mod unknown;
mod window;

#[path = "../support/holds.rs"]
mod holds;
#[path = "../recovery/line.rs"]
#[expect(dead_code, reason = "only some of what a line can do is wanted here")]
mod line;
#[path = "../support/mod.rs"]
mod support;
