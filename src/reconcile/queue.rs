//! When which element is looked at next. PURE: time is an argument, chance is an argument.
//!
//! A look is due after the period, moved by the jitter so that elements do not move in step; an element that did not
//! answer is looked at sooner and then ever later, so that its return is noticed. A signal makes it due at once; it only
//! means "look", never what will be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The periods.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Between two looks at an element that answers.
    pub period: Duration,
    /// Share of the period by which a look is moved, 0 to 0.5.
    pub jitter: f64,
}

/// The queue. Times count from a fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    due: BTreeMap<String, Duration>,
    /// Failed looks in a row.
    failed: BTreeMap<String, u32>,
}

impl Queue {
    /// Takes the elements that there are: new ones are due now, missing ones are forgotten.
    pub fn follow(&mut self, elements: &BTreeSet<String>, now: Duration) {
        self.due.retain(|name, _| elements.contains(name));
        self.failed.retain(|name, _| elements.contains(name));
        for name in elements {
            self.due.entry(name.clone()).or_insert(now);
        }
    }

    /// Makes an element due now.
    pub fn signal(&mut self, element: &str, now: Duration) {
        if let Some(due) = self.due.get_mut(element) {
            *due = now;
        }
    }

    /// The elements that are due, longest waiting first. They leave the queue until [`Queue::looked`].
    pub fn take_due(&mut self, now: Duration) -> Vec<String> {
        let mut due: Vec<(Duration, String)> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(name, at)| (*at, name.clone())).collect();
        due.sort();
        for (_, name) in &due {
            self.due.insert(name.clone(), Duration::MAX);
        }
        due.into_iter().map(|(_, name)| name).collect()
    }

    /// An element was looked at. `draw` is between 0 and 1.
    pub fn looked(&mut self, element: &str, answered: bool, rhythm: Rhythm, draw: f64, now: Duration) {
        if !self.due.contains_key(element) {
            return;
        }
        let pause = if answered {
            self.failed.remove(element);
            rhythm.period
        } else {
            let failed = self.failed.entry(element.into()).or_default();
            *failed = failed.saturating_add(1);
            rhythm.period.min(FIRST_RETRY * 2u32.saturating_pow((*failed - 1).min(16)))
        };
        let moved = pause.mul_f64(1.0 + rhythm.jitter * (2.0 * draw.clamp(0.0, 1.0) - 1.0));
        self.due.insert(element.into(), now + moved);
    }

    /// When the next look is due; `None` when there is nothing to wait for.
    pub fn next(&self) -> Option<Duration> {
        self.due.values().copied().filter(|at| *at != Duration::MAX).min()
    }
}

const FIRST_RETRY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { period: Duration::from_secs(300), jitter: 0.1 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn queue() -> Queue {
        let mut queue = Queue::default();
        queue.follow(&BTreeSet::from(["pe1".to_string(), "pe2".to_string()]), seconds(0));
        queue
    }

    #[test]
    fn a_look_comes_back_after_the_period_within_the_jitter() {
        for draw in [0.0, 0.5, 1.0] {
            let mut queue = queue();
            assert_eq!(queue.take_due(seconds(0)), ["pe1", "pe2"]);
            assert_eq!(queue.next(), None, "both are being looked at");
            queue.looked("pe1", true, RHYTHM, draw, seconds(10));
            let next = queue.next().unwrap();
            assert!(next >= seconds(280) && next <= seconds(340), "{next:?}");
        }
    }

    #[test]
    fn an_element_that_does_not_answer_is_tried_sooner_then_later_and_never_later_than_the_period() {
        let mut queue = queue();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            queue.looked("pe1", false, RHYTHM, 0.5, seconds(0));
            pauses.push(queue.due["pe1"]);
        }
        assert_eq!(pauses[0], seconds(5));
        assert!(pauses.is_sorted() && pauses[9] == seconds(300), "{pauses:?}");
    }

    #[test]
    fn a_signal_means_look_now_and_a_stranger_is_not_let_in() {
        let mut queue = queue();
        queue.take_due(seconds(0));
        queue.looked("pe1", true, RHYTHM, 0.5, seconds(0));
        queue.signal("pe1", seconds(7));
        queue.signal("pe9", seconds(7));
        assert_eq!(queue.take_due(seconds(7)), ["pe1"]);
    }
}
