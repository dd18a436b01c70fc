//! The candidate commit of a real element: FRR 10.3 and its mgmtd. `make test-extra` installs it (some 150 MB to fetch) and
//! runs this; in any other run each test here is skipped, with a line that says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a lab that fails is a failed test

#[allow(dead_code)] // the other tests use more of it
#[path = "../recovery/daemon.rs"]
mod daemon;
mod element;
mod process;
#[path = "../support/ride.rs"]
mod ride;
#[path = "../support/mod.rs"]
mod support;
mod transaction;

use element::Frr10;
use support::{or_skip, skipped};

/// The element; `None`: skipped and counted.
pub fn element() -> Option<Frr10> {
    if std::env::var("ANDANTE_EXTRA").as_deref() != Ok("1") {
        skipped("FRR 10.3", "has to be fetched first: run `make test-extra` (ANDANTE_EXTRA=1)");
        return None;
    }
    or_skip("FRR 10.3", Frr10::start())
}
