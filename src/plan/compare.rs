//! Three-way comparison: what is intended, what was recorded, what is actual.
//!
//! Only claimed or recorded nodes are compared, and what is wished absent or stands in what is owned whole; what nobody
//! claims is none of our business. The cost follows what differs between intended and actual.

use crate::domain::DeviationKind;
use crate::plan::HandMade;
use crate::tree::{Body, ConfigTree, Defaults, Intended, Key, Node, Path, Place, Step, differing, out_of_place};
use std::collections::HashSet;

/// A difference between what was recorded and what is actual, at the highest node that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub kind: DeviationKind,
    /// Where, and the three values.
    pub found: HandMade,
}

/// All differences of one element, in canonical order. What all trees agree on is skipped by its hash.
///
/// A leaf that is missing and a leaf with its default are the same (see [`Defaults`]). Of user-ordered siblings only those
/// that are claimed are looked at, and only as far as somebody wishes an order: a sibling that stands wrong is
/// [`DeviationKind::Changed`].
pub fn differences(
    intended: &Intended,
    recorded: &ConfigTree,
    actual: &ConfigTree,
    defaults: &Defaults<'_>,
) -> Vec<Difference> {
    let mut walk = Walk { defaults, found: Vec::new() };
    let sides = Sides {
        want: Some(intended.tree.root()),
        was: Some(recorded.root()),
        have: Some(actual.root()),
        place: intended.place(),
        whole: intended.place().is_whole(),
    };
    walk.below(&Path::root(), sides);
    walk.found
}

/// What stands at one path.
#[derive(Clone, Copy)]
struct Sides<'a> {
    want: Option<&'a Node>,
    was: Option<&'a Node>,
    have: Option<&'a Node>,
    place: Place<'a>,
    /// The path stands in a subtree that is owned whole.
    whole: bool,
}

struct Walk<'a> {
    defaults: &'a Defaults<'a>,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn below(&mut self, path: &Path, at: Sides<'_>) {
        for (want, have) in differing(at.want, at.have) {
            let Some(step) = want.as_ref().or(have.as_ref()).map(Node::step) else { continue };
            let place = at.place.below(&step);
            let below = Sides {
                want: want.as_ref(),
                was: at.was.and_then(|was| was.child(&step)),
                have: have.as_ref(),
                place,
                whole: at.whole || place.is_whole(),
            };
            self.one(&path.child(step), below, at);
        }
        if let (Some(want), Some(have)) = (at.want, at.have) {
            self.order(path, want, have, at.place);
        }
    }

    fn one(&mut self, path: &Path, at: Sides<'_>, around: Sides<'_>) {
        match (at.want, at.have) {
            // A container alone says nothing: what is missing is what stands in it, and stays so when a part comes back.
            (Some(want), None) if is_silent(want) => self.below(path, at),
            (Some(want), None) if self.defaults.holds_without(path, want, around.have) => {}
            (Some(_), None) => self.say(DeviationKind::Missing, path, at),
            (Some(want), Some(have)) if want.value().is_some() || have.value().is_some() => {
                self.say(DeviationKind::Changed, path, at);
            }
            (Some(_), Some(_)) => self.below(path, at),
            (None, Some(have)) => {
                let extra = at.place.is_absent() || around.whole;
                match at.was {
                    _ if is_silent(have) && !at.place.is_absent() => {
                        let speaks = extra || at.was.is_some() || at.place.is_marked();
                        if speaks {
                            self.below(path, at);
                        }
                    }
                    Some(_) if self.defaults.is_only_reported(path, have) => {}
                    Some(_) => self.say(DeviationKind::Orphan, path, at),
                    None if extra && !self.defaults.is_only_reported(path, have) => {
                        self.say(DeviationKind::Extra, path, at);
                    }
                    None if at.place.is_marked() => self.below(path, at),
                    None => {}
                }
            }
            (None, None) => {}
        }
    }

    /// Claimed siblings that do not stand as somebody wishes.
    fn order(&mut self, path: &Path, want: &Node, have: &Node, place: Place<'_>) {
        if !want.keeps_order() {
            return;
        }
        let children = have.children().to_vec();
        for run in children.chunk_by(|a, b| a.name() == b.name()).filter(|run| run.iter().any(Node::is_user_ordered)) {
            let ours: Vec<Step> = claimed(run, want);
            for (step, behind, wanted) in out_of_place(&ours, &place.placed(&ours, &[])) {
                let found = HandMade {
                    path: path.child(step),
                    recorded: None,
                    actual: Some(place_words(behind.as_ref())),
                    wanted: Some(place_words(wanted.as_ref())),
                };
                self.found.push(Difference { kind: DeviationKind::Changed, found });
            }
        }
    }

    fn say(&mut self, kind: DeviationKind, path: &Path, at: Sides<'_>) {
        self.found.push(difference(kind, path.clone(), at.was, at.want, at.have));
    }
}

/// The siblings of a run that are claimed, in the order of the run.
pub(super) fn claimed(run: &[Node], want: &Node) -> Vec<Step> {
    crate::tree::count(run.len());
    // Looking each up among siblings in the user's order would be quadratic.
    let ours: HashSet<Step> =
        want.children().iter().filter(|child| child.name() == run[0].name()).map(Node::step).collect();
    run.iter().map(Node::step).filter(|step| ours.contains(step)).collect()
}

/// Where a sibling stands, in words.
pub(super) fn place_words(behind: Option<&Step>) -> String {
    match behind {
        None => "first".into(),
        Some(step) => format!("behind {}", Path::root().child(step.clone()).to_string().trim_start_matches('/')),
    }
}

/// A container that says nothing by itself.
pub(super) fn is_silent(node: &Node) -> bool {
    matches!(node.body(), Body::Container { presence: false })
}

fn difference(
    kind: DeviationKind,
    path: Path,
    recorded: Option<&Node>,
    wanted: Option<&Node>,
    actual: Option<&Node>,
) -> Difference {
    let found = HandMade { path, recorded: words(recorded), actual: words(actual), wanted: words(wanted) };
    Difference { kind, found }
}

/// A node in one line: the value of a leaf, the children of anything else.
pub fn words(node: Option<&Node>) -> Option<String> {
    let node = node?;
    if let Some(value) = node.value() {
        return Some(value.to_string());
    }
    let mut parts = Vec::new();
    summary(node, &mut parts);
    if parts.is_empty() {
        return Some("present".into());
    }
    let more = parts.len().saturating_sub(WORDS_MAX);
    parts.truncate(WORDS_MAX);
    let tail = if more > 0 { format!(", and {more} more") } else { String::new() };
    Some(format!("{}{tail}", parts.join(", ")))
}

fn summary(node: &Node, parts: &mut Vec<String>) {
    for child in node.children() {
        match child.value() {
            Some(value) => parts.push(format!("{} {value}", child.name().name)),
            None if child.children().is_empty() => parts.push(named(child)),
            None => summary(child, parts),
        }
    }
}

/// The name of a node and its keys, as a person says it: `ip-route 198.51.100.0/25 192.0.2.6`.
fn named(node: &Node) -> String {
    let mut text = node.name().name.to_string();
    if let Key::Entry(keys) = node.key() {
        for (_, value) in keys.iter() {
            text.push(' ');
            text.push_str(value.as_str());
        }
    }
    text
}

const WORDS_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Claims, Layer, Owner, QName, Value};

    fn leaf(name: &str, value: &str) -> Node {
        Node::leaf(QName::new("m", name), Value::text(value))
    }

    fn tree(leafs: Vec<Node>) -> ConfigTree {
        ConfigTree::new(vec![Node::container(QName::new("m", "c"), false, leafs)])
    }

    #[test]
    fn a_deviation_keeps_its_path_while_others_beside_it_come_and_go() {
        let wanted = tree(vec![leaf("a", "1"), leaf("b", "2")]);
        let intended = Intended::merge([&Claims::new(Owner("s".into()), Layer::Service, wanted.clone())]).unwrap();
        let paths = |actual: &ConfigTree| {
            let found = differences(&intended, &wanted, actual, &Defaults::default());
            found.iter().map(|found| (found.kind, found.found.path.to_string())).collect::<Vec<_>>()
        };
        let (a, b) = ("/m:c/a".to_string(), "/m:c/b".to_string());
        assert_eq!(
            paths(&ConfigTree::default()),
            [(DeviationKind::Missing, a), (DeviationKind::Missing, b.clone())],
            "a container that says nothing is not what is missing"
        );
        assert_eq!(paths(&tree(vec![leaf("a", "1")])), [(DeviationKind::Missing, b)]);
        assert_eq!(paths(&wanted), []);
    }
}
