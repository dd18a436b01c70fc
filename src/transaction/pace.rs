//! How long elements took for their last commits, and the confirm window that follows from it.
//!
//! Kept in memory: after a restart the longest window is used until every element of a plan was seen to commit.

use super::TransactionLimits;
use crate::domain::Class;
use crate::plan::Plan;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The last commits of all elements. Cheap to clone; clones share.
#[derive(Clone, Debug, Default)]
pub(super) struct Paces {
    seen: Arc<Mutex<BTreeMap<String, VecDeque<Duration>>>>,
}

impl Paces {
    /// A commit took this long.
    pub(super) fn note(&self, element: &str, took: Duration) {
        // No change of the map can panic half way.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.entry(element.to_owned()).or_default();
        last.push_back(took);
        if last.len() > KEPT {
            last.pop_front();
        }
    }

    /// The time of a confirmed commit for this plan: twice what its elements took at their slowest, those of class A
    /// together and the others one after another, and what verifying and comparing may take; between the shortest and the
    /// longest.
    pub(super) fn window(&self, plan: &Plan, limits: &TransactionLimits) -> Duration {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut together, mut one_by_one) = (Duration::ZERO, Duration::ZERO);
        for of in &plan.elements {
            let Some(slowest) = seen.get(&of.element).and_then(|last| last.iter().max()) else {
                return limits.confirm_window;
            };
            match of.class {
                Class::A => together = together.max(*slowest),
                Class::B | Class::C | Class::D => one_by_one += *slowest,
            }
        }
        // The timer is started anew at its half, and not while an element is asked something.
        let checks = if plan.elements.iter().any(|of| !of.checks.is_empty()) { limits.check } else { Duration::ZERO };
        let window = (together + one_by_one + limits.settle + checks) * 2 + MARGIN;
        window.max(limits.confirm_window_min).min(limits.confirm_window)
    }
}

/// Commits kept per element.
const KEPT: usize = 8;
/// For everything that the daemon does in between.
const MARGIN: Duration = Duration::from_secs(20);
