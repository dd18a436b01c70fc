//! The loop: asks every element, again and again, whether what was recorded is still true.
//!
//! ```text
//!  queue (due elements) ──► task: at most `parallel` looks at once ──► controller.glance ──► deviations, state, events
//!     ▲    ▲                                                              │
//!     │    └── signal (our commit, a reconnect): "look", nothing more     │
//!     └────────────────────────── looked(answered?) ◄────────────────────┘
//! ```
//!
//! A tick accepts no input but the clock: a restart and an ordinary tick are the same path. It does not retry inside and
//! relies on the next tick. It reports only; healing is asked for by a person and is an ordinary plan.

pub mod queue;

use crate::controller::{Controller, Failure};
use crate::domain::{Principal, Reachability};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use queue::{Queue, Rhythm};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Settings of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    /// Period and jitter; a period of zero means that nobody is looked at unasked.
    pub rhythm: Rhythm,
    /// How many looks at once.
    pub parallel: usize,
}

/// Runs until `stop`.
pub async fn run(controller: Arc<Controller>, settings: Loop, stop: CancellationToken) {
    if settings.rhythm.period.is_zero() {
        stop.cancelled().await;
        return;
    }
    let start = Instant::now();
    let mut queue = Queue::default();
    let mut waiting = Vec::new();
    let mut looks = FuturesUnordered::new();
    let mut inventory = None;
    loop {
        if let Some((generation, managed)) = controller.managed(inventory) {
            inventory = Some(generation);
            queue.follow(&managed, start.elapsed());
        }
        waiting.extend(queue.take_due(start.elapsed()));
        while looks.len() < settings.parallel && !waiting.is_empty() {
            let element: String = waiting.remove(0);
            let controller = controller.clone();
            looks.push(async move {
                // One element must not end the loop for all others.
                let answered = AssertUnwindSafe(look(&controller, &element)).catch_unwind().await.unwrap_or(false);
                (element, answered)
            });
        }
        // The inventory may change at any time, so the pause is never longer than this.
        let until_next = queue.next().map_or(INVENTORY, |at| at.saturating_sub(start.elapsed())).min(INVENTORY);
        tokio::select! {
            () = stop.cancelled() => return,
            Some((element, answered)) = looks.next(), if !looks.is_empty() => {
                queue.looked(&element, answered, settings.rhythm, draw(), start.elapsed());
            }
            () = tokio::time::sleep(until_next), if waiting.is_empty() || looks.len() < settings.parallel => {}
        }
    }
}

/// One look; whether the element answered.
#[tracing::instrument(name = "look", skip_all, fields(element))]
async fn look(controller: &Controller, element: &str) -> bool {
    match controller.glance(&Principal::daemon(), element).await {
        Ok(report) => {
            if !report.deviations.is_empty() {
                tracing::warn!(element, deviations = report.deviations.len(), "differs from what was recorded");
            }
            report.state.reachability == Reachability::Reachable
        }
        Err(Failure::NotFound { .. }) => true,
        Err(error) => {
            tracing::error!(element, error = %error, "the look failed");
            false
        }
    }
}

/// A number between 0 and 1, for the jitter.
fn draw() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

const INVENTORY: Duration = Duration::from_secs(5);
