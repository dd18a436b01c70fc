//! The element side of a transaction, with our own drivers and adapters over real SSH: simulated elements where a fault
//! has to be ordered, netconfd and FRR where the question is what a real server does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // an element that fails is a failed test

#[path = "../support/bare_plan.rs"]
mod bare_plan;
#[path = "../support/by_adapter.rs"]
mod by_adapter;
#[path = "../support/platforms.rs"]
mod platforms;
#[path = "../support/simulated.rs"]
mod simulated;
#[path = "../support/mod.rs"]
mod support;

mod checks;
mod journal;
mod limits;
mod live;
mod locks;
mod mixed;
mod older;
mod opened;
mod others;
mod patience;
mod plans;
mod protected;
mod readings;
mod stage;
mod variants;
mod words;
