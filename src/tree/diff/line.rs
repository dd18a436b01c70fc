//! Siblings in the order of a user: which of them must move, as few as possible, and a line that is edited at one price.

use crate::tree::pairs::count;
use crate::tree::path::Step;
use std::collections::{HashMap, HashSet};

/// Which siblings must be moved so that `now` stands in the order of `wanted` (the same siblings): each with the one that it
/// stands behind now and the one that it is to stand behind. As few as possible, in the order of `wanted`.
pub(crate) fn out_of_place(now: &[Step], wanted: &[Step]) -> Vec<OutOfPlace> {
    if now == wanted {
        return Vec::new();
    }
    count(now.len());
    let line = Line::of(now.iter().cloned());
    let common: Vec<usize> = wanted.iter().filter_map(|step| line.number(step)).collect();
    let stays: HashSet<usize> = rising(&common).into_iter().collect();
    let mut found = Vec::new();
    let mut last: Option<&Step> = None;
    for step in wanted {
        if let Some(at) = line.number(step).filter(|at| !stays.contains(at)) {
            found.push((step.clone(), line.before(at).cloned(), last.cloned()));
        }
        last = Some(step);
    }
    found
}

/// The siblings of `now` with those of `wanted` in this order: as few as possible are moved, and all others stay where they
/// stand. What moves, or is not there yet, comes directly behind the one before it in `wanted`; a first one directly before
/// the next that stays; where none of `wanted` stands, all come last.
pub(crate) fn relined(now: &[Step], wanted: &[Step]) -> Vec<Step> {
    count(now.len() + wanted.len());
    let mut line = Line::of(now.iter().cloned());
    let common: Vec<usize> = wanted.iter().filter_map(|step| line.number(step)).collect();
    let stays = rising(&common);
    for at in common.iter().filter(|at| stays.binary_search(at).is_err()) {
        line.take(*at);
    }
    let mut last = match stays.first() {
        Some(first) => line.number_before(*first),
        None => line.last(),
    };
    for step in wanted {
        last = Some(match line.numbers.get(step).copied() {
            Some(at) if line.standing[at + 1] => at,
            Some(at) => {
                line.put(at, last);
                at
            }
            None => line.add(step.clone(), last),
        });
    }
    line.into_steps()
}

/// A sibling, the one that it stands behind, the one that it is to stand behind.
pub(crate) type OutOfPlace = (Step, Option<Step>, Option<Step>);

/// A longest part of different numbers that rises, in its order (patience sorting, n log n).
pub(super) fn rising(numbers: &[usize]) -> Vec<usize> {
    // Per length the place of the smallest number that ends such a part, and for each place the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut part = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(place) = at {
        part.push(numbers[place]);
        at = before[place];
    }
    part.reverse();
    part
}

/// Siblings in a line that changes: every edit of it costs the same, however long it is.
pub(super) struct Line {
    steps: Vec<Step>,
    numbers: HashMap<Step, usize>,
    /// Per number its neighbours; the last pair is that of both ends.
    around: Vec<(usize, usize)>,
    standing: Vec<bool>,
}

impl Line {
    pub(super) fn of(steps: impl Iterator<Item = Step>) -> Self {
        let mut line =
            Self { steps: Vec::new(), numbers: HashMap::new(), around: vec![(END, END)], standing: vec![false] };
        let mut last = None;
        for step in steps {
            last = Some(line.add(step, last));
        }
        line
    }

    /// The number of the sibling at this step, if it stands here.
    pub(super) fn number(&self, step: &Step) -> Option<usize> {
        self.numbers.get(step).copied().filter(|at| self.standing[at + 1])
    }

    pub(super) fn step(&self, at: usize) -> &Step {
        &self.steps[at]
    }

    /// The sibling directly before this one.
    pub(super) fn before(&self, at: usize) -> Option<&Step> {
        self.number_before(at).map(|before| &self.steps[before])
    }

    pub(super) fn number_before(&self, at: usize) -> Option<usize> {
        self.around[at + 1].0.checked_sub(1)
    }

    pub(super) fn last(&self) -> Option<usize> {
        self.around[END].0.checked_sub(1)
    }

    /// A new sibling behind `after`.
    pub(super) fn add(&mut self, step: Step, after: Option<usize>) -> usize {
        let at = self.steps.len();
        self.numbers.insert(step.clone(), at);
        self.steps.push(step);
        self.around.push((END, END));
        self.standing.push(false);
        self.put(at, after);
        at
    }

    pub(super) fn take(&mut self, at: usize) {
        let (before, behind) = self.around[at + 1];
        self.around[before].1 = behind;
        self.around[behind].0 = before;
        self.standing[at + 1] = false;
    }

    /// Puts a sibling behind another one; `None` = first.
    pub(super) fn put(&mut self, at: usize, after: Option<usize>) {
        let before = after.map_or(END, |after| after + 1);
        let behind = self.around[before].1;
        self.around[at + 1] = (before, behind);
        self.around[before].1 = at + 1;
        self.around[behind].0 = at + 1;
        self.standing[at + 1] = true;
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        let mut out = Vec::with_capacity(self.steps.len());
        let mut at = self.around[END].1;
        while let Some(number) = at.checked_sub(1) {
            out.push(self.steps[number].clone());
            at = self.around[at].1;
        }
        out
    }
}

/// Both ends of a line in [`Line::around`]; the sibling with number `n` stands there at `n + 1`.
const END: usize = 0;
