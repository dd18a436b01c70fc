//! Wide lists: what holds for few children holds for thousands, whatever edits led to them.

use crate::arbitrary::Dice;
use crate::law;
use andante::tree::Differing;
use andante::tree::{After, ConfigTree, Keys, Name, Node, Path, QName, Step, Value, apply, diff, inverse};
use std::collections::BTreeMap;

fn q(name: &str) -> QName {
    QName::new("m", name)
}

fn top() -> Path {
    Path::root().child(Step::single(q("top")))
}

/// An entry of one of three lists or a member of one of two leaf-lists; `l2` and `m1` are in the user's order.
fn child(dice: &mut Dice, range: usize) -> Node {
    let key = format!("{:05}", dice.below(range));
    let content = [Node::leaf(q("x"), Value::text(&dice.below(3).to_string()))];
    let entry = |name: &str, ordered| {
        let keys = Keys::from([(Name::new("k"), Value::text(&key))]);
        Node::entry(q(name), keys, ordered, content)
    };
    match dice.below(8) {
        0..=3 => entry("l1", false),
        4 => entry("l2", true),
        5 => entry("l3", false),
        6 => Node::member(q("m1"), Value::text(&key), true),
        _ => Node::member(q("m2"), Value::text(&key), false),
    }
}

/// Children with steps of their own, in an order that a sender might use.
fn drawn(dice: &mut Dice, count: usize, range: usize) -> Vec<Node> {
    let mut seen = std::collections::HashSet::new();
    (0..count).map(|_| child(dice, range)).filter(|child| seen.insert(child.step())).collect()
}

fn tree(children: impl IntoIterator<Item = Node>) -> ConfigTree {
    ConfigTree::new([Node::container(q("top"), true, children)])
}

/// How many children a case has: often few, sometimes around the places where chunks begin, sometimes thousands.
fn width(dice: &mut Dice) -> usize {
    match dice.below(10) {
        0..=3 => dice.below(10),
        4..=6 => 50 + dice.below(40),
        7 | 8 => dice.below(600),
        _ => 1500 + dice.below(2500),
    }
}

/// What the edits should lead to, without chunks: the siblings of each name, sorted or in their order.
#[derive(Clone, Default)]
struct Plain(BTreeMap<QName, Vec<Node>>);

impl Plain {
    fn of(children: &[Node]) -> Self {
        let mut plain = Self::default();
        children.iter().for_each(|child| plain.put(child, After::Keep));
        plain
    }

    fn put(&mut self, child: &Node, after: After<'_>) {
        let run = self.0.entry(child.name().clone()).or_default();
        let old = run.iter().position(|other| other.is_beside(child));
        if !child.is_user_ordered() {
            match run.binary_search_by(|other| other.cmp_key(child)) {
                Ok(at) => run[at] = child.clone(),
                Err(at) => run.insert(at, child.clone()),
            }
            return;
        }
        let at = match (after, old) {
            (After::Keep, Some(at)) => {
                run[at] = child.clone();
                return;
            }
            (After::Keep, None) => run.len(),
            (After::First, _) => 0,
            (After::Sibling(step), _) if child.is_at(step) => run.len(),
            (After::Sibling(step), _) => run.iter().position(|other| other.is_at(step)).map_or(run.len(), |at| at + 1),
        };
        run.insert(at, child.clone());
        if let Some(old) = old {
            run.remove(if old >= at { old + 1 } else { old });
        }
    }

    fn take(&mut self, step: &Step) {
        if let Some(run) = self.0.get_mut(&step.name) {
            run.retain(|child| !child.is_at(step));
        }
    }

    fn nodes(&self) -> Vec<Node> {
        self.0.values().flatten().cloned().collect()
    }
}

fn assert_is(tree: &ConfigTree, plain: &Plain) {
    let wanted = plain.nodes();
    let top = tree.top();
    let node = top.first().unwrap();
    let children = node.children();
    assert_eq!(children.len(), wanted.len());
    assert!(children.to_vec() == wanted);
    assert!(children.iter().rev().eq(wanted.iter().rev()));
    assert!((0..wanted.len()).all(|at| children.get(at) == Some(&wanted[at])));
    assert_eq!(children.get(wanted.len()), None);
    assert!(wanted.iter().all(|child| node.child(&child.step()) == Some(child)));
    assert_eq!(node.count() as usize, 1 + wanted.iter().map(|child| child.count() as usize).sum::<usize>());
    assert_eq!(tree.hash(), self::tree(wanted).hash(), "the same children, built anew");
}

#[test]
fn a_list_after_edits_is_the_list_built_anew() {
    law(120, |seed| {
        let mut dice = Dice(seed);
        let count = width(&mut dice);
        let range = 1 + count * 2;
        let start = drawn(&mut dice, count, range);
        let mut plain = Plain::of(&start);
        let mut tree = tree(start);
        assert_is(&tree, &plain);
        for _ in 0..6 {
            for _ in 0..dice.below(12) {
                let new = child(&mut dice, range);
                let sibling = child(&mut dice, range);
                let step = Step { name: new.name().clone(), key: sibling.key() };
                match dice.below(6) {
                    0 | 1 => {
                        plain.take(&new.step());
                        tree = tree.without(&top().child(new.step()));
                    }
                    2 => {
                        plain.put(&new, After::First);
                        tree = tree.with(&top(), new, After::First);
                    }
                    3 => {
                        plain.put(&new, After::Sibling(&step));
                        tree = tree.with(&top(), new, After::Sibling(&step));
                    }
                    _ => {
                        plain.put(&new, After::Keep);
                        tree = tree.with(&top(), new, After::Keep);
                    }
                }
                if tree.top().is_empty() {
                    tree = self::tree([]);
                }
            }
            assert_is(&tree, &plain);
        }
    });
}

#[test]
fn many_edits_at_once_are_the_same_as_one_after_the_other() {
    law(120, |seed| {
        let mut dice = Dice(seed ^ 0x5EED);
        let count = width(&mut dice);
        let range = 1 + count * 2;
        let start = drawn(&mut dice, count, range);
        let node = Node::container(q("top"), true, start);
        let several = 1 + dice.below(200);
        let mut changes: Vec<(Step, Option<Node>)> = Vec::new();
        for new in drawn(&mut dice, several, range) {
            changes.push((new.step(), dice.chance(60).then_some(new)));
        }
        let at_once = node.edited(changes.clone());
        let one_by_one = changes.iter().fold(node.clone(), |node, change| node.edited([change.clone()]));
        assert!(at_once == one_by_one);
        assert!(at_once.children().iter().eq(one_by_one.children().iter()));
    });
}

#[test]
fn what_differs_is_told_exactly_and_leads_from_one_list_to_the_other() {
    law(160, |seed| {
        let mut dice = Dice(seed ^ 0xD1FF);
        let count = width(&mut dice);
        let range = 1 + count * 2;
        let start = drawn(&mut dice, count, range);
        let a = tree(start.clone());
        let few = dice.below(1 + count / 3);
        let mut b = if dice.chance(30) { tree(start) } else { a.clone() };
        for _ in 0..few.min(60) {
            let new = child(&mut dice, range);
            b = match dice.below(3) {
                0 => b.without(&top().child(new.step())),
                1 => b.with(&top(), new, After::First),
                _ => b.with(&top(), new, After::Keep),
            };
            if b.top().is_empty() {
                b = tree([]);
            }
        }
        let there = diff(&a, &b);
        assert!(apply(&there, &a).unwrap() == b);
        assert!(apply(&inverse(&there), &b).unwrap() == a);
        // Told are exactly the places that a walk without chunks finds.
        let (a_top, b_top) = (a.top(), b.top());
        let (old, new) = (a_top.first().unwrap(), b_top.first().unwrap());
        let mut told = BTreeMap::new();
        let mut runs = BTreeMap::new();
        old.children().differing(new.children(), &mut |difference| match difference {
            Differing::Child(a, b) => {
                let step = a.or(b).unwrap().step();
                assert!(told.insert(step, (a.cloned(), b.cloned())).is_none(), "told twice");
            }
            Differing::Ordered(a, b) => {
                let name = a.first().or(b.first()).unwrap().name().clone();
                assert!(runs.insert(name, (a.to_vec(), b.to_vec())).is_none(), "told twice");
            }
        });
        let mut wanted = BTreeMap::new();
        let mut wanted_runs: BTreeMap<QName, (Vec<Node>, Vec<Node>)> = BTreeMap::new();
        for (side, node) in [old, new].into_iter().enumerate() {
            for child in node.children() {
                if child.is_user_ordered() {
                    let run = wanted_runs.entry(child.name().clone()).or_default();
                    if side == 0 { run.0.push(child.clone()) } else { run.1.push(child.clone()) }
                } else {
                    let (a, b) = (old.child_beside(child).cloned(), new.child_beside(child).cloned());
                    if a != b {
                        wanted.insert(child.step(), (a, b));
                    }
                }
            }
        }
        wanted_runs.retain(|_, (a, b)| a != b);
        assert!(told == wanted);
        assert!(runs == wanted_runs);
    });
}

/// The children of the two are the same memory as far as they are equal: only the changed entry and its way are new.
#[test]
fn an_edit_of_a_wide_list_shares_all_other_entries() {
    let entries = (0..20_000).map(|n| {
        let keys = [(Name::new("k"), Value::text(&format!("{n:05}")))];
        Node::entry(q("l1"), keys, false, [Node::leaf(q("x"), Value::text("1"))])
    });
    let a = tree(entries);
    let path = top().child(Step::entry(q("l1"), &[("k", "00777")]));
    let b = a.with(&path, Node::leaf(q("x"), Value::text("2")), After::Keep);
    let (a_top, b_top) = (a.top(), b.top());
    let pairs = a_top.first().unwrap().children().iter().zip(b_top.first().unwrap().children());
    assert_eq!(pairs.filter(|(a, b)| !Node::same(a, b)).count(), 1);
    let mut told = 0;
    a_top.first().unwrap().children().differing(b_top.first().unwrap().children(), &mut |_| told += 1);
    assert_eq!(told, 1);
}
