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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::side::tests::plan_of;

    fn limits(longest: u64, shortest: u64) -> TransactionLimits {
        TransactionLimits {
            confirm_window: Duration::from_secs(longest),
            confirm_window_min: Duration::from_secs(shortest),
            settle: Duration::from_secs(2),
            check: Duration::from_secs(30),
            ..TransactionLimits::default()
        }
    }

    #[test]
    fn the_window_is_twice_the_slowest_way_between_the_shortest_and_the_longest() {
        let plan = plan_of(&[("a1", Class::A), ("a2", Class::A), ("d1", Class::D), ("d2", Class::D)]);
        let paces = Paces::default();
        let window = |paces: &Paces, longest, shortest| paces.window(&plan, &limits(longest, shortest)).as_secs();
        for (element, seconds) in [("a1", 3), ("a2", 7), ("d1", 4)] {
            paces.note(element, Duration::from_secs(seconds));
            assert_eq!(window(&paces, 300, 10), 300, "as long as one of them is not known");
        }
        paces.note("d2", Duration::from_secs(5));
        // Class A together, the others one after another, 2 s to settle; and the margin.
        assert_eq!(window(&paces, 300, 10), (7 + 4 + 5 + 2) * 2 + 20);
        assert_eq!(window(&paces, 300, 120), 120);
        assert_eq!(window(&paces, 40, 10), 40);
        // One slow commit counts as long as it is among the last ones.
        paces.note("a1", Duration::from_secs(100));
        assert_eq!(window(&paces, 300, 10), (100 + 4 + 5 + 2) * 2 + 20);
        (0..KEPT).for_each(|_| paces.note("a1", Duration::from_secs(1)));
        assert_eq!(window(&paces, 300, 10), (7 + 4 + 5 + 2) * 2 + 20);
    }

    #[test]
    fn checks_take_their_time() {
        let mut plan = plan_of(&[("a1", Class::A)]);
        let paces = Paces::default();
        paces.note("a1", Duration::from_secs(1));
        let without = paces.window(&plan, &limits(300, 10));
        plan.elements[0].checks = vec!["bgp-session".into()];
        assert_eq!(paces.window(&plan, &limits(300, 10)), without + Duration::from_secs(60));
    }
}
