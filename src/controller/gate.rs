//! Which services and elements are in the hands of a transaction.
//!
//! A transaction holds its services and elements from the last look at its plan until the mirror has followed its
//! decision, so two transactions that share one see each other's result. Disjoint ones run in parallel; the same element
//! queues, it is never "busy".

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The register of what is held.
#[derive(Default)]
pub(super) struct Gate {
    held: Mutex<BTreeSet<String>>,
    freed: Notify,
}

/// What one transaction holds; given back when dropped.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    names: BTreeSet<String>,
}

impl Gate {
    /// Waits until all names are free, then holds them.
    pub async fn enter(&self, names: BTreeSet<String>) -> Pass<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that a release in between is not missed.
            freed.as_mut().enable();
            match self.try_enter(names.clone()) {
                Some(pass) => return pass,
                None => freed.await,
            }
        }
    }

    /// Holds all names if they are free now.
    pub fn try_enter(&self, names: BTreeSet<String>) -> Option<Pass<'_>> {
        let mut held = self.held();
        if !held.is_disjoint(&names) {
            return None;
        }
        held.extend(names.iter().cloned());
        Some(Pass { gate: self, names })
    }

    /// The names that are held and begin so, those of `mine` left out.
    pub fn held_by_others(&self, prefix: &str, mine: Option<&Pass<'_>>) -> Vec<String> {
        let held = self.held();
        let alike = held.range(prefix.to_owned()..).take_while(|name| name.starts_with(prefix));
        alike.filter(|name| mine.is_none_or(|mine| !mine.names.contains(*name))).cloned().collect()
    }

    /// Which of these names somebody holds now.
    pub fn held_of<'a>(&self, names: &'a BTreeSet<String>) -> Vec<&'a String> {
        let held = self.held();
        names.iter().filter(|name| held.contains(*name)).collect()
    }

    /// Waits until nothing is held.
    pub async fn quiet(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.held().is_empty() {
                return;
            }
            freed.await;
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // The set is whole at every moment, also if a holder of the lock panicked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Whether all of these are held by this pass.
    pub fn covers(&self, names: &BTreeSet<String>) -> bool {
        names.is_subset(&self.names)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        {
            let mut held = self.gate.held();
            for name in &self.names {
                held.remove(name);
            }
        }
        self.gate.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn the_same_element_waits_and_another_one_does_not() {
        let gate = Gate::default();
        let first = gate.enter(names(&["pe1", "pe2"])).await;
        assert!(gate.try_enter(names(&["pe2", "pe3"])).is_none());
        assert!(gate.try_enter(names(&["pe3"])).is_some());
        let (waited, ()) = tokio::join!(gate.enter(names(&["pe2"])), async { drop(first) });
        assert!(waited.covers(&names(&["pe2"])));
    }
}
