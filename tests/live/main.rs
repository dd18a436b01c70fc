//! The configuration tree against live servers: what FRR prints is read, written and read back as the same bytes; our
//! difference against FRR's own `frr-reload.py`; what we predict of an edit against netconfd's running configuration.
//!
//! Everything is drawn from seeds, which are printed. A broken case says which variable repeats it alone; the counts
//! that a run of minutes wants are given by the environment:
//!
//! | test | variable | default |
//! |---|---|---|
//! | `round` | `CONFIGURATIONS`, `CONFIGURATION` (one seed) | 10 |
//! | `reload` | `PAIRS`, `PAIR` (one seed) | 6 |
//! | `edits` | `EDITS` (of each server), `EDIT` (one seed) | 80 |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

mod configuration;
mod edits;
mod hand;
mod network;
mod oddities;
mod reload;
mod round;

#[path = "../support/arbitrary.rs"]
mod arbitrary;
#[path = "../support/instances.rs"]
#[allow(unused_imports)] // it serves others, too
mod instances;
#[path = "../support/mod.rs"]
mod support;

/// The seeds of a test: one by its variable, or as many as the other one says (`40`, or `40..80`).
fn seeds(one: &str, count: &str, default: u64) -> Vec<u64> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    match (std::env::var(one), std::env::var(count)) {
        (Ok(seed), _) => vec![number(&seed)],
        (_, Ok(text)) => match text.split_once("..") {
            Some((from, to)) => (number(from)..number(to)).collect(),
            None => (0..number(&text)).collect(),
        },
        _ => (0..default).collect(),
    }
}

/// Two tests with a laboratory each would slow each other down to where time-outs lie.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
