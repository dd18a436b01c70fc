//! The laws of the design as property tests: thousands of drawn cases a run, the same ones each time.
//!
//! A broken law prints its seed; `ANDANTE_SEED=n cargo test --test laws NAME` repeats that case alone, `ANDANTE_CASES=n`
//! draws n times as many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod claims;
mod commits;
mod contact;
mod costs;
mod defaults;
mod documents;
mod equality;
mod order;
mod patch;
mod plans;
mod platform;
mod trees;
mod wide;

#[path = "../support/arbitrary.rs"]
mod arbitrary;
#[path = "../support/fleet.rs"]
mod fleet;
#[path = "../support/inhabited.rs"]
mod inhabited;
#[path = "../support/law.rs"]
mod law;
#[path = "../support/paper.rs"]
mod paper;
#[path = "../support/platforms.rs"]
#[allow(dead_code)]
mod platforms;
#[path = "../support/through.rs"]
mod through;

use law::law;
