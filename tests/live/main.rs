//! The configuration tree against live servers: what FRR prints is read, written and read back as the same bytes; our
//! difference against FRR's own `frr-reload.py`; what we predict of an edit against netconfd's running configuration.
//!
//! Everything is drawn from seeds, which are printed. A broken case says which variable repeats it alone; the counts
//! that a run of minutes wants are given by the environment:
//!
//! | test | variable | default |
//! |---|---|---|
//! | `round` | `CONFIGURATIONS`, `CONFIGURATION` (one seed) | 20 |
//! | `reload` | `PAIRS`, `PAIR` (one seed) | 8 |
//! | `edits` | `EDITS`, `EDIT` (one seed) | 300 |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

mod configuration;
mod hand;
mod network;
mod reload;
mod round;

#[path = "../support/mod.rs"]
mod support;

/// The seeds of a test: one by its variable, or as many as the other one says.
fn seeds(one: &str, count: &str, default: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number(one) {
        Some(seed) => vec![seed],
        None => (0..number(count).unwrap_or(default)).collect(),
    }
}

/// Two tests with a laboratory each would slow each other down to where time-outs lie.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
