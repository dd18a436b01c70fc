//! The occupied numbers of one pool.

use crate::domain::Map;

/// The occupied numbers of a pool as spans from first to last, so that finding the lowest free one does not cost more in
/// a full pool.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) spans: Map<u64, u64>,
    /// Numbers that are occupied more than once: how often beside the first time.
    pub(super) again: Map<u64, u32>,
}

impl Pool {
    /// The span that holds a number.
    fn span(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.spans.last_in(..=number)?;
        (*last >= number).then_some((*first, *last))
    }

    /// The lowest number from `from` on that is free.
    pub(super) fn next_free(&self, from: u64) -> u64 {
        self.span(from).map_or(from, |(_, last)| last.saturating_add(1))
    }

    pub(super) fn occupy(&mut self, number: u64) {
        if self.span(number).is_some() {
            self.again.change(&number, || 0, |count| *count += 1);
            return;
        }
        let before = number.checked_sub(1).and_then(|below| self.span(below));
        let after = number.checked_add(1).and_then(|above| self.span(above));
        if let Some((first, _)) = after {
            self.spans.remove(&first);
        }
        let first = before.map_or(number, |(first, _)| first);
        self.spans.insert(first, after.map_or(number, |(_, last)| last));
    }

    pub(super) fn free(&mut self, number: u64) {
        match self.again.get(&number).copied() {
            Some(1) => {
                self.again.remove(&number);
            }
            Some(count) => self.again.insert(number, count - 1),
            None => {
                let Some((first, last)) = self.span(number) else { return };
                self.spans.remove(&first);
                if first < number {
                    self.spans.insert(first, number - 1);
                }
                if number < last {
                    self.spans.insert(number + 1, last);
                }
            }
        }
    }
}
