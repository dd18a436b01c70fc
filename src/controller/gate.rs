//! Which services and elements are in the hands of a transaction.
//!
//! A transaction holds its services and elements from the last look at its plan until the mirror has followed its
//! decision, so two transactions that share one see each other's result. Disjoint ones run in parallel; the same element
//! queues, it is never "busy".
//!
//! Guarantees: first come, first served for every name. Who asks for several stands in all their lines at once, so nobody
//! is passed over again and again, and no two wait for each other. Who gives up waiting leaves its lines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// The register of what is held and waited for.
#[derive(Default)]
pub(super) struct Gate {
    lines: Mutex<Lines>,
    empty: Notify,
}

#[derive(Default)]
struct Lines {
    /// Who stands for each name: the first holds it, or waits for its other names.
    of: BTreeMap<String, VecDeque<u64>>,
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
}

struct Waiting {
    /// In how many lines it is not the first.
    behind: usize,
    call: oneshot::Sender<()>,
}

/// What one transaction holds; given back when dropped.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    ticket: u64,
    names: BTreeSet<String>,
}

impl Gate {
    /// Waits until it is its turn for all names, then holds them.
    pub async fn enter(&self, names: BTreeSet<String>) -> Pass<'_> {
        let (pass, called) = {
            let mut lines = self.lines();
            let (ticket, behind) = lines.stand(&names);
            let (call, called) = oneshot::channel();
            if behind > 0 {
                lines.waiting.insert(ticket, Waiting { behind, call });
            }
            // From here on dropping it leaves the lines, also while it waits.
            (Pass { gate: self, ticket, names }, (behind > 0).then_some(called))
        };
        if let Some(called) = called {
            // The caller is dropped only with the ticket.
            let _ = called.await;
        }
        pass
    }

    /// Holds all names if nobody holds or waits for one of them.
    pub fn try_enter(&self, names: BTreeSet<String>) -> Option<Pass<'_>> {
        let mut lines = self.lines();
        if names.iter().any(|name| lines.of.contains_key(name)) {
            return None;
        }
        let (ticket, _) = lines.stand(&names);
        drop(lines);
        Some(Pass { gate: self, ticket, names })
    }

    /// The names that are held or waited for and begin so, those of `mine` left out.
    pub fn held_by_others(&self, prefix: &str, mine: Option<&Pass<'_>>) -> Vec<String> {
        let lines = self.lines();
        let alike = lines.of.range(prefix.to_owned()..).map(|(name, _)| name);
        let alike = alike.take_while(|name| name.starts_with(prefix));
        alike.filter(|name| mine.is_none_or(|mine| !mine.names.contains(*name))).cloned().collect()
    }

    /// Which of these names somebody holds or waits for now.
    pub fn held_of<'a>(&self, names: &'a BTreeSet<String>) -> Vec<&'a String> {
        let lines = self.lines();
        names.iter().filter(|name| lines.of.contains_key(*name)).collect()
    }

    /// Waits until nothing is held.
    pub async fn quiet(&self) {
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            // Registered before the look, so that a release in between is not missed.
            empty.as_mut().enable();
            if self.lines().of.is_empty() {
                return;
            }
            empty.await;
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // The lines are whole at every moment, also if a holder of the lock panicked.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Stands at the end of the lines of all names; the ticket, and in how many it is not the first.
    fn stand(&mut self, names: &BTreeSet<String>) -> (u64, usize) {
        self.last += 1;
        let ticket = self.last;
        let mut behind = 0;
        for name in names {
            let line = self.of.entry(name.clone()).or_default();
            behind += usize::from(!line.is_empty());
            line.push_back(ticket);
        }
        (ticket, behind)
    }

    /// Leaves the lines; those that are the first everywhere by that are called.
    fn leave(&mut self, ticket: u64, names: &BTreeSet<String>) {
        self.waiting.remove(&ticket);
        for name in names {
            let Some(line) = self.of.get_mut(name) else { continue };
            let was_first = line.front() == Some(&ticket);
            line.retain(|one| *one != ticket);
            let next = line.front().copied().filter(|_| was_first);
            if line.is_empty() {
                self.of.remove(name);
            }
            let Some(next) = next else { continue };
            if let Some(waiting) = self.waiting.get_mut(&next) {
                waiting.behind -= 1;
                if waiting.behind == 0
                    && let Some(waiting) = self.waiting.remove(&next)
                {
                    // Who does not listen any more is about to leave.
                    let _ = waiting.call.send(());
                }
            }
        }
    }
}

impl Pass<'_> {
    /// The first of these that this pass does not hold.
    pub fn lacks(&self, names: &BTreeSet<String>) -> Option<String> {
        names.difference(&self.names).next().cloned()
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut lines = self.gate.lines();
        lines.leave(self.ticket, &self.names);
        if lines.of.is_empty() {
            self.gate.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};

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
        assert_eq!(waited.lacks(&names(&["pe2"])), None);
        assert_eq!(waited.lacks(&names(&["pe1", "pe2", "pe3"])), Some("pe1".to_owned()));
    }

    fn entered<'a>(gate: &'a Gate, wanted: &[&str]) -> std::pin::Pin<Box<dyn Future<Output = Pass<'a>> + 'a>> {
        Box::pin(gate.enter(names(wanted)))
    }

    #[tokio::test]
    async fn first_come_first_served_also_for_who_wants_several() {
        let gate = Gate::default();
        let holder = gate.enter(names(&["pe1"])).await;
        let mut both = entered(&gate, &["pe1", "pe2"]);
        assert!((&mut both).now_or_never().is_none());
        // Behind the one that waits, though pe2 is free: else a stream of such would keep it waiting for ever.
        let mut late = entered(&gate, &["pe2"]);
        assert!((&mut late).now_or_never().is_none());
        assert!(gate.try_enter(names(&["pe2"])).is_none());
        assert!(gate.try_enter(names(&["pe3"])).is_some());
        drop(holder);
        let pass = both.await;
        assert!((&mut late).now_or_never().is_none());
        drop(pass);
        drop(late.await);
        gate.quiet().await;
    }

    #[tokio::test]
    async fn who_gives_up_waiting_lets_the_next_one_go() {
        let gate = Gate::default();
        let holder = gate.enter(names(&["pe1"])).await;
        let mut waiting = entered(&gate, &["pe1", "pe2"]);
        let mut next = entered(&gate, &["pe2"]);
        assert!((&mut waiting).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(waiting);
        let next = next.await;
        drop((holder, next));
        gate.quiet().await;
    }

    #[tokio::test]
    async fn under_load_every_line_is_served_in_its_order_and_nobody_starves() {
        // Drawn as a small generator draws: all runs are the same.
        let (gate, mut seed) = (Gate::default(), 7_u64);
        let mut draw = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        let served = std::cell::RefCell::new(Vec::new());
        let mut asked = Vec::new();
        let mut all = futures::stream::FuturesUnordered::new();
        for number in 0..200_u64 {
            let wanted: BTreeSet<String> = (0..=draw(3)).map(|_| format!("pe{}", draw(5))).collect();
            asked.push(wanted.clone());
            // Standing in line happens at the first poll, in this order.
            let mut entering = Box::pin(gate.enter(wanted));
            let first = (&mut entering).now_or_never();
            let (served, turns) = (&served, 1 + draw(3));
            all.push(async move {
                let pass = match first {
                    Some(pass) => pass,
                    None => entering.await,
                };
                served.borrow_mut().push(number);
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                drop(pass);
            });
        }
        while all.next().await.is_some() {}
        drop(all);
        let served = served.into_inner();
        assert_eq!(served.len(), 200);
        for name in (0..5).map(|at| format!("pe{at}")) {
            let line: Vec<u64> = served.iter().copied().filter(|n| asked[*n as usize].contains(&name)).collect();
            assert!(line.is_sorted(), "{name}: {line:?}");
        }
        gate.quiet().await;
    }
}
