//! A sorted map whose copies share what is equal: an edit copies one path of an AVL tree, a copy is one reference.
//!
//! The merge of claims keeps in such maps who claims a node and what stands below it, so that the state before and the
//! state after the change of one owner live side by side at the cost of the change.
//!
//! Guarantees: sorted by key; every operation is logarithmic but for iteration. It does not compare values.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The map.
pub(super) struct Shelf<K, V>(Link<K, V>);

type Link<K, V> = Option<Arc<Board<K, V>>>;

#[derive(Clone)]
struct Board<K, V> {
    key: K,
    value: V,
    height: u8,
    len: u32,
    left: Link<K, V>,
    right: Link<K, V>,
}

impl<K, V> Clone for Shelf<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Shelf<K, V>
where
    K: Ord + Clone,
    V: Clone,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> Shelf<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        len(&self.0) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut at = self.0.as_deref();
        while let Some(board) = at {
            at = match key.cmp(&board.key) {
                Ordering::Less => board.left.as_deref(),
                Ordering::Greater => board.right.as_deref(),
                Ordering::Equal => return Some(&board.value),
            };
        }
        None
    }

    /// Puts a value.
    pub fn put(&mut self, key: K, value: V) {
        put(&mut self.0, key, value);
    }

    /// Takes a key out; whether it was there.
    pub fn take(&mut self, key: &K) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        take(&mut self.0, key);
        true
    }

    /// All, sorted.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.iter_from(|_| false)
    }

    /// All from the first key of which `before` is false; `before` holds for a first part of the keys only.
    pub fn iter_from(&self, before: impl Fn(&K) -> bool) -> Iter<'_, K, V> {
        let mut above = Vec::new();
        let mut at = self.0.as_deref();
        while let Some(board) = at {
            at = if before(&board.key) {
                board.right.as_deref()
            } else {
                above.push(board);
                board.left.as_deref()
            };
        }
        Iter { above }
    }
}

impl<K: Ord + Clone, V: Clone> Shelf<K, V> {
    /// The keys that stand in one of the two only, or with values that are not `same`, sorted. What both share is skipped, so
    /// for a map and an edited copy of it the cost follows the edits.
    pub fn differing<'a>(
        &'a self,
        other: &'a Self,
        same: impl Fn(&V, &V) -> bool,
        visit: &mut dyn FnMut(&'a K, Option<&'a V>, Option<&'a V>),
    ) {
        let first = |shelf: &'a Self| shelf.0.as_ref().map(Frame::Tree).into_iter().collect::<Vec<_>>();
        let (mut left, mut right) = (first(self), first(other));
        loop {
            match (left.last(), right.last()) {
                (None, None) => return,
                (Some(Frame::Tree(a)), Some(Frame::Tree(b))) if Arc::ptr_eq(a, b) => {
                    left.pop();
                    right.pop();
                }
                (Some(Frame::Tree(a)), Some(Frame::Tree(b))) if a.height < b.height => open(&mut right),
                (Some(Frame::Tree(_)), _) => open(&mut left),
                (_, Some(Frame::Tree(_))) => open(&mut right),
                (a, b) => {
                    let key = |frame: Option<&Frame<'a, K, V>>| frame.map(|frame| &frame.board().key);
                    let (a, b) = (key(a), key(b));
                    let side = match (a, b) {
                        (Some(a), Some(b)) => a.cmp(b),
                        (Some(_), None) => Ordering::Less,
                        (None, _) => Ordering::Greater,
                    };
                    let l = if side.is_le() { left.pop() } else { None };
                    let r = if side.is_ge() { right.pop() } else { None };
                    let (l, r) = (l.map(|frame| frame.board()), r.map(|frame| frame.board()));
                    let equal = matches!((l, r), (Some(l), Some(r)) if same(&l.value, &r.value));
                    if let (Some(board), false) = (l.or(r), equal) {
                        visit(&board.key, l.map(|board| &board.value), r.map(|board| &board.value));
                    }
                }
            }
        }
    }
}

/// What a walk has still before it: a whole tree, or the board of one whose left side is done.
enum Frame<'a, K, V> {
    Tree(&'a Arc<Board<K, V>>),
    Board(&'a Arc<Board<K, V>>),
}

impl<'a, K, V> Frame<'a, K, V> {
    fn board(&self) -> &'a Board<K, V> {
        match self {
            Frame::Tree(board) | Frame::Board(board) => board,
        }
    }
}

fn open<'a, K, V>(frames: &mut Vec<Frame<'a, K, V>>) {
    if let Some(Frame::Tree(board)) = frames.pop() {
        frames.extend(board.right.as_ref().map(Frame::Tree));
        frames.push(Frame::Board(board));
        frames.extend(board.left.as_ref().map(Frame::Tree));
    }
}

/// In sorted order.
pub(super) struct Iter<'a, K, V> {
    above: Vec<&'a Board<K, V>>,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let board = self.above.pop()?;
        let mut at = board.right.as_deref();
        while let Some(below) = at {
            self.above.push(below);
            at = below.left.as_deref();
        }
        Some((&board.key, &board.value))
    }
}

fn len<K, V>(link: &Link<K, V>) -> u32 {
    link.as_ref().map_or(0, |board| board.len)
}

fn height<K, V>(link: &Link<K, V>) -> u8 {
    link.as_ref().map_or(0, |board| board.height)
}

fn put<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: K, value: V) {
    let Some(board) = link else {
        *link = Some(Arc::new(Board { key, value, height: 1, len: 1, left: None, right: None }));
        return;
    };
    let board = Arc::make_mut(board);
    match key.cmp(&board.key) {
        Ordering::Less => put(&mut board.left, key, value),
        Ordering::Greater => put(&mut board.right, key, value),
        Ordering::Equal => return board.value = value,
    }
    balance(board);
}

fn take<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: &K) {
    let Some(board) = link else { return };
    match key.cmp(&board.key) {
        Ordering::Less => take(&mut Arc::make_mut(board).left, key),
        Ordering::Greater => take(&mut Arc::make_mut(board).right, key),
        Ordering::Equal => {
            let (left, right) = (board.left.clone(), board.right.clone());
            if left.is_none() || right.is_none() {
                *link = left.or(right);
                return;
            }
            let board = Arc::make_mut(board);
            if let Some((next, value)) = take_first(&mut board.right) {
                (board.key, board.value) = (next, value);
            }
        }
    }
    if let Some(board) = link {
        balance(Arc::make_mut(board));
    }
}

fn take_first<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>) -> Option<(K, V)> {
    let board = link.as_mut()?;
    if board.left.is_none() {
        let first = (board.key.clone(), board.value.clone());
        *link = board.right.clone();
        return Some(first);
    }
    let board = Arc::make_mut(board);
    let first = take_first(&mut board.left);
    balance(board);
    first
}

/// Makes the heights of both sides differ by one at most, and counts.
fn balance<K: Ord + Clone, V: Clone>(board: &mut Board<K, V>) {
    if height(&board.left) > height(&board.right) + 1 {
        if let Some(left) = &mut board.left {
            let left = Arc::make_mut(left);
            if height(&left.right) > height(&left.left) {
                turn_left(left);
            }
        }
        turn_right(board);
    } else if height(&board.right) > height(&board.left) + 1 {
        if let Some(right) = &mut board.right {
            let right = Arc::make_mut(right);
            if height(&right.left) > height(&right.right) {
                turn_right(right);
            }
        }
        turn_left(board);
    } else {
        measure(board);
    }
}

fn measure<K, V>(board: &mut Board<K, V>) {
    board.height = 1 + height(&board.left).max(height(&board.right));
    board.len = 1 + len(&board.left) + len(&board.right);
}

/// The left side comes up.
fn turn_right<K: Clone, V: Clone>(board: &mut Board<K, V>) {
    let Some(left) = board.left.take() else { return measure(board) };
    let mut up = Arc::unwrap_or_clone(left);
    board.left = up.right.take();
    measure(board);
    std::mem::swap(board, &mut up);
    board.right = Some(Arc::new(up));
    measure(board);
}

/// The right side comes up.
fn turn_left<K: Clone, V: Clone>(board: &mut Board<K, V>) {
    let Some(right) = board.right.take() else { return measure(board) };
    let mut up = Arc::unwrap_or_clone(right);
    board.right = up.left.take();
    measure(board);
    std::mem::swap(board, &mut up);
    board.left = Some(Arc::new(up));
    measure(board);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_a_sorted_map_and_older_copies_stay_as_they_were() {
        let mut state = 7u64;
        let mut drawn = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let (mut shelf, mut model) = (Shelf::default(), BTreeMap::new());
        let mut kept = Vec::new();
        for step in 0..5_000 {
            let key = drawn(400);
            if drawn(3) == 0 {
                assert_eq!(shelf.take(&key), model.remove(&key).is_some());
            } else {
                shelf.put(key, step);
                model.insert(key, step);
            }
            if step % 500 == 0 {
                kept.push((shelf.clone(), model.clone()));
            }
            assert_eq!(shelf.len(), model.len());
            assert_eq!(shelf.get(&key), model.get(&key));
            let bound = (1.45 * f64::from(model.len() as u32 + 2).log2()).ceil() as u8;
            assert!(height(&shelf.0) <= bound, "{} high with {}", height(&shelf.0), model.len());
        }
        kept.push((shelf, model));
        for (a, was) in &kept {
            for (b, is) in &kept {
                let mut found = Vec::new();
                a.differing(b, |a, b| a == b, &mut |key, old, new| found.push((*key, old.copied(), new.copied())));
                let keys = was.keys().chain(is.keys()).collect::<std::collections::BTreeSet<_>>();
                let all = keys.into_iter().map(|key| (*key, was.get(key).copied(), is.get(key).copied()));
                assert_eq!(found, all.filter(|(_, old, new)| old != new).collect::<Vec<_>>());
            }
        }
        for (shelf, model) in kept {
            assert!(shelf.iter().eq(model.iter()));
            assert!(shelf.iter_from(|key| *key < 100).eq(model.range(100..)));
        }
    }

    #[test]
    fn what_two_copies_share_is_skipped() {
        let mut shelf = Shelf::default();
        (0..100_000).for_each(|key| shelf.put(key, 0));
        for key in [0, 7, 50_000, 99_999] {
            let mut other = shelf.clone();
            other.put(key, 1);
            other.take(&(key / 2 + 3));
            let compared = std::cell::Cell::new(0);
            let mut found = 0;
            let same = |a: &i32, b: &i32| {
                compared.set(compared.get() + 1);
                a == b
            };
            shelf.differing(&other, same, &mut |_, _, _| found += 1);
            assert_eq!(found, 2);
            assert!(compared.get() < 100, "{} compared", compared.get());
        }
    }
}
