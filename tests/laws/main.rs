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
mod plans;
mod platform;
mod trees;
mod wide;

#[path = "../support/arbitrary.rs"]
mod arbitrary;
#[path = "../support/fleet.rs"]
mod fleet;
#[path = "../support/paper.rs"]
mod paper;

/// Runs a law for many seeds.
fn law(cases: u64, mut holds: impl FnMut(u64)) {
    if let Ok(seed) = std::env::var("ANDANTE_SEED") {
        return holds(seed.parse().unwrap());
    }
    let times = std::env::var("ANDANTE_CASES").map_or(1, |times| times.parse().unwrap());
    for seed in 0..cases * times {
        let _said = Said(seed);
        holds(seed);
    }
}

/// Says the seed of a case that panics.
struct Said(u64);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("broken by ANDANTE_SEED={}", self.0);
        }
    }
}
