//! The order of user-ordered siblings, from wishes "this one before that one" in several layers.
//!
//! Siblings are numbered in the order that stands when nobody wishes anything: the canonical one for a merge, the one on
//! the element for a plan. The answer is a stable topological sort, so an order that fulfils all wishes stays as it is.
//! Within a layer wishes that chase each other in a circle are a conflict. Against a stronger layer a weaker wish is
//! dropped: what a circle over several layers holds together is taken as one place for the weaker layers, and sorted
//! inside by the stronger ones alone.
//!
//! Guarantee: the answer depends on what the wishes of each layer say together, not on how they were split or in which
//! order they came; it is linear in siblings and wishes but for the sorting (n log n).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A wish: the first before the second.
pub(super) type Before = (usize, usize);

/// `n` siblings in the order of their numbers, as far as the wishes allow. `layers`: the strongest first; none of them has a
/// circle in itself (see [`circle`]).
pub(super) fn arrange(n: usize, layers: &[Vec<Before>]) -> Vec<usize> {
    let members: Vec<usize> = (0..n).collect();
    let mut out = Vec::with_capacity(n);
    place(&members, layers, &mut out);
    out
}

/// Some wishes of one layer that make a circle, if there are any: places in `wishes`, in the order of the circle.
pub(super) fn circle(n: usize, wishes: &[Before]) -> Option<Vec<usize>> {
    let mut out: Vec<Vec<(usize, usize)>> = vec![Vec::new(); n];
    for (at, (a, b)) in wishes.iter().enumerate() {
        out[*a].push((*b, at));
    }
    // Depth first, with an own stack: a circle is a wish for what is still open.
    let mut state = vec![State::New; n];
    for start in 0..n {
        if state[start] != State::New {
            continue;
        }
        let mut stack: Vec<(usize, usize, usize)> = vec![(start, 0, usize::MAX)];
        state[start] = State::Open;
        while let Some((node, next, _)) = stack.last_mut() {
            let node = *node;
            let Some((to, wish)) = out[node].get(*next).copied() else {
                state[node] = State::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            match state[to] {
                State::New => {
                    state[to] = State::Open;
                    stack.push((to, 0, wish));
                }
                State::Open => {
                    let from = stack.iter().position(|(node, ..)| *node == to).unwrap_or(0);
                    let mut circle: Vec<usize> = stack[from + 1..].iter().map(|(_, _, wish)| *wish).collect();
                    circle.push(wish);
                    return Some(circle);
                }
                State::Done => {}
            }
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// Puts `members` (sorted) in order. Wishes that speak of others are not for here.
fn place(members: &[usize], layers: &[Vec<Before>], out: &mut Vec<usize>) {
    let local = |number: usize| members.binary_search(&number).ok();
    let wishes: Vec<Vec<Before>> = layers
        .iter()
        .map(|layer| layer.iter().filter_map(|(a, b)| Some((local(*a)?, local(*b)?))).filter(|(a, b)| a != b).collect())
        .collect();
    let edges: Vec<Before> = wishes.iter().flatten().copied().collect();
    if edges.is_empty() {
        return out.extend(members);
    }
    let groups = groups(members.len(), &edges);
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let mut held: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (at, group) in groups.iter().enumerate() {
        held[*group].push(at);
    }
    for group in sorted(&held, &groups, &edges) {
        match held[group].as_slice() {
            [alone] => out.push(members[*alone]),
            several => {
                let inner: Vec<usize> = several.iter().map(|at| members[*at]).collect();
                // Without the weakest layer that speaks inside of the circle.
                let within =
                    |layer: &Vec<Before>| layer.iter().any(|(a, b)| groups[*a] == group && groups[*b] == group);
                let weakest = wishes.iter().rposition(within).unwrap_or(0);
                place(&inner, &layers[..weakest], out);
            }
        }
    }
}

/// The groups in an order that fulfils all edges between them; the one with the smallest member first where it is free.
fn sorted(held: &[Vec<usize>], groups: &[usize], edges: &[Before]) -> Vec<usize> {
    let mut waits = vec![0usize; held.len()];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); held.len()];
    for (a, b) in edges {
        let (a, b) = (groups[*a], groups[*b]);
        if a != b {
            waits[b] += 1;
            next[a].push(b);
        }
    }
    let first = |group: usize| held[group].first().copied().unwrap_or(usize::MAX);
    let free = (0..held.len()).filter(|group| waits[*group] == 0).map(|group| Reverse((first(group), group)));
    let mut free: BinaryHeap<Reverse<(usize, usize)>> = free.collect();
    let mut out = Vec::with_capacity(held.len());
    while let Some(Reverse((_, group))) = free.pop() {
        out.push(group);
        for after in &next[group] {
            waits[*after] -= 1;
            if waits[*after] == 0 {
                free.push(Reverse((first(*after), *after)));
            }
        }
    }
    out
}

/// Which circle each belongs to (strongly connected components, Tarjan, with an own stack).
fn groups(n: usize, edges: &[Before]) -> Vec<usize> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (a, b) in edges {
        out[*a].push(*b);
    }
    let (mut index, mut low) = (vec![usize::MAX; n], vec![0usize; n]);
    let mut group = vec![usize::MAX; n];
    let (mut open, mut calls): (Vec<usize>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
    let (mut clock, mut found) = (0, 0);
    for start in 0..n {
        if index[start] != usize::MAX {
            continue;
        }
        calls.push((start, 0));
        while let Some((node, next)) = calls.pop() {
            if next == 0 {
                (index[node], low[node]) = (clock, clock);
                clock += 1;
                open.push(node);
            }
            match out[node].get(next) {
                Some(to) => {
                    calls.push((node, next + 1));
                    if index[*to] == usize::MAX {
                        calls.push((*to, 0));
                    } else if group[*to] == usize::MAX {
                        low[node] = low[node].min(index[*to]);
                    }
                }
                None => {
                    if low[node] == index[node] {
                        while let Some(member) = open.pop() {
                            group[member] = found;
                            if member == node {
                                break;
                            }
                        }
                        found += 1;
                    }
                    if let Some((above, _)) = calls.last() {
                        low[*above] = low[*above].min(low[node]);
                    }
                }
            }
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) % n as u64) as usize
        }
    }

    /// Wishes of one layer that fit one hidden order.
    fn layer(dice: &mut Dice, n: usize) -> Vec<Before> {
        let mut hidden: Vec<usize> = (0..n).collect();
        for at in (1..n).rev() {
            hidden.swap(at, dice.below(at + 1));
        }
        let mut wishes = Vec::new();
        for _ in 0..dice.below(n * 2) {
            let (a, b) = (dice.below(n), dice.below(n));
            if a != b {
                wishes.push(if hidden[a] < hidden[b] { (a, b) } else { (b, a) });
            }
        }
        wishes
    }

    fn closed(n: usize, wishes: &[Before]) -> Vec<Before> {
        let mut reach = vec![vec![false; n]; n];
        wishes.iter().for_each(|(a, b)| reach[*a][*b] = true);
        for k in 0..n {
            for i in 0..n {
                for j in 0..n {
                    reach[i][j] |= reach[i][k] && reach[k][j];
                }
            }
        }
        (0..n * n).map(|at| (at / n, at % n)).filter(|(a, b)| reach[*a][*b]).collect()
    }

    #[test]
    fn all_wishes_of_the_strongest_layer_hold_and_those_of_weaker_ones_that_hurt_none() {
        for seed in 0..3_000 {
            let dice = &mut Dice(seed);
            let n = 2 + dice.below(7);
            let layers = vec![layer(dice, n), layer(dice, n)];
            let done = arrange(n, &layers);
            let place = |x: usize| done.iter().position(|y| *y == x).unwrap();
            let mut all = done.clone();
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
            assert!(layers[0].iter().all(|(a, b)| place(*a) < place(*b)), "{seed}: {layers:?} {done:?}");
            let both = [layers[0].clone(), layers[1].clone()].concat();
            if circle(n, &both).is_none() {
                assert!(both.iter().all(|(a, b)| place(*a) < place(*b)), "{seed}: {layers:?} {done:?}");
            }
            // Said in other words it is the same.
            let said: Vec<Vec<Before>> = layers.iter().map(|layer| closed(n, layer)).collect();
            assert_eq!(arrange(n, &said), done, "{seed}: {layers:?}");
            // An order that fulfils all stays: number the siblings as they stand now.
            let again: Vec<Vec<Before>> =
                layers[..1].iter().map(|l| l.iter().map(|(a, b)| (place(*a), place(*b))).collect()).collect();
            assert_eq!(arrange(n, &again), (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_circle_is_found_and_named_in_its_order() {
        let mut circles = 0;
        for seed in 0..3_000 {
            let dice = &mut Dice(seed);
            let n = 2 + dice.below(6);
            let wishes: Vec<Before> = (0..dice.below(8)).map(|_| (dice.below(n), dice.below(n))).collect();
            let truth = closed(n, &wishes).iter().any(|(a, b)| a == b);
            let found = circle(n, &wishes);
            assert_eq!(found.is_some(), truth, "{wishes:?}");
            if let Some(found) = found {
                circles += 1;
                for (at, wish) in found.iter().enumerate() {
                    let after = found[(at + 1) % found.len()];
                    assert_eq!(wishes[*wish].1, wishes[after].0, "{wishes:?} {found:?}");
                }
            }
        }
        assert!(circles > 300, "{circles}");
    }

    #[test]
    fn the_stronger_layer_turns_what_it_speaks_of_and_the_rest_stays() {
        // Weak: 0 1 2 3; strong: 2 before 1.
        let weak = vec![(0, 1), (1, 2), (2, 3)];
        assert_eq!(arrange(4, &[vec![(2, 1)], weak]), [0, 2, 1, 3]);
        assert_eq!(arrange(4, &[vec![], vec![]]), [0, 1, 2, 3]);
    }
}
