//! "This element says Y where it was sent X": facts that an operator has confirmed, and how a reading is read by them.
//!
//! Flow: an element is read and normalised; before what it says is compared with what is intended (a look of the loop, the
//! planner, the check of the read-set, the read-back, recovery) the reading is put through [`read_as`], and X stands where
//! the element said Y. Everything behind that compares as always.
//!
//! Guarantees: a fact is one pair of values at one place of one element (or at the same place in all entries, if the
//! operator said so); nothing is learned; where X is not expected, Y stays Y, so a change by hand to anything but exactly Y
//! is seen, and so is Y where something else was sent. The cost follows the facts (and, for facts about all entries, what
//! differs between the reading and what is expected), not the tree.
//!
//! Caveat: where X was sent, a hand edit to exactly Y cannot be told from the element's own rewriting. That is what the
//! operator confirms.

use crate::tree::{ConfigTree, Key, Node, Path, QName, Step, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A confirmed fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rewrite {
    /// Stable: a digest of what it is about.
    pub id: String,
    /// Which element.
    pub element: String,
    /// The leaf, or the leaf-list whose members are meant.
    pub path: Path,
    /// The keys of the path do not count: the fact holds in all entries.
    #[serde(default)]
    pub all_entries: bool,
    /// What is sent.
    pub sent: String,
    /// What the element says then.
    pub says: String,
    /// Who confirmed it.
    pub by: String,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When.
    pub since: Timestamp,
}

/// A fact at one place: `says` is read as `sent`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Echo {
    /// The leaf or leaf-list.
    pub path: Path,
    /// What is sent.
    pub sent: String,
    /// What the element says then.
    pub says: String,
}

impl Rewrite {
    /// Whether it speaks of this place.
    pub fn is_about(&self, path: &Path) -> bool {
        let (own, other) = (self.path.steps(), path.steps());
        own.len() == other.len()
            && own.iter().zip(other).all(|(own, other)| {
                own.name == other.name && (own.key == other.key || self.all_entries && is_keyed(own) && is_keyed(other))
            })
    }

    fn echo(&self, path: &Path) -> Echo {
        Echo { path: path.clone(), sent: self.sent.clone(), says: self.says.clone() }
    }
}

/// What these facts mean for an element of which `views` is expected: the candidate first, what was recorded last. At each
/// place the first view that says one of the two values decides: `sent` makes the fact hold, `says` makes it silent (then
/// the value is wanted as it stands).
///
/// With a `reading`, only what the element does say otherwise, and parts of the views that it has as they are, are passed
/// over.
pub fn echoes<'a>(
    facts: impl IntoIterator<Item = &'a Rewrite>,
    views: &[&ConfigTree],
    reading: Option<&ConfigTree>,
) -> Vec<Echo> {
    let mut found = BTreeSet::new();
    for fact in facts {
        let mut places = BTreeSet::new();
        if fact.all_entries {
            for view in views {
                spread(fact, view.root(), reading.map(ConfigTree::root), &mut Vec::new(), &mut places);
            }
        } else {
            places.insert(fact.path.clone());
        }
        for place in places {
            let decides =
                views.iter().find_map(|view| match (says(view, &place, &fact.sent), says(view, &place, &fact.says)) {
                    (true, false) => Some(true),
                    (_, true) => Some(false),
                    (false, false) => None,
                });
            let heard = reading.is_none_or(|reading| says(reading, &place, &fact.says));
            if decides == Some(true) && heard {
                found.insert(fact.echo(&place));
            }
        }
    }
    found.into_iter().collect()
}

/// The reading as it is meant.
pub fn read_as(reading: &ConfigTree, echoes: &[Echo]) -> ConfigTree {
    echoes.iter().fold(reading.clone(), |tree, echo| one(&tree, echo).unwrap_or(tree))
}

fn one(tree: &ConfigTree, echo: &Echo) -> Option<ConfigTree> {
    let above = echo.path.parent()?;
    let name = &echo.path.last()?.name;
    let parent = tree.at(&above)?;
    if let Some(leaf) = tree.at(&echo.path) {
        let value = leaf.value().filter(|value| value.as_str() == echo.says)?;
        let meant = Node::leaf(name.clone(), Value::new(value.kind(), &echo.sent));
        return Some(tree.with(&above, meant, crate::tree::After::Keep));
    }
    let (from, to) = (member(name, &echo.says), member(name, &echo.sent));
    if parent.child(&from).is_none() || parent.child(&to).is_some() {
        return None;
    }
    // The place among members that keep the user's order stays.
    let children = parent.children().iter().map(|child| match (child.value(), child.body()) {
        (Some(value), crate::tree::Body::Member { user_ordered }) if child.is_at(&from) => {
            Node::member(name.clone(), Value::new(value.kind(), &echo.sent), user_ordered)
        }
        _ => child.clone(),
    });
    let made = parent.with_children(children.collect::<Vec<_>>());
    match above.parent() {
        Some(outer) => Some(tree.with(&outer, made, crate::tree::After::Keep)),
        None => Some(ConfigTree::new(made.children().to_vec())),
    }
}

/// Whether the leaf at `path` has this value, or the leaf-list this member.
fn says(tree: &ConfigTree, path: &Path, text: &str) -> bool {
    if let Some(leaf) = tree.at(path) {
        return leaf.value().is_some_and(|value| value.as_str() == text);
    }
    let Some((above, last)) = path.parent().zip(path.last()) else { return false };
    tree.at(&above).is_some_and(|parent| parent.child(&member(&last.name, text)).is_some())
}

fn member(name: &QName, text: &str) -> Step {
    Step::member(name.clone(), Value::text(text))
}

fn is_keyed(step: &Step) -> bool {
    matches!(step.key, Key::Entry(_))
}

/// The places of a fact about all entries, in what is expected; where the reading has the same node nothing is looked for.
fn spread(fact: &Rewrite, view: &Node, reading: Option<&Node>, at: &mut Vec<Step>, places: &mut BTreeSet<Path>) {
    if reading.is_some_and(|reading| reading.hash() == view.hash()) {
        return;
    }
    let steps = fact.path.steps();
    let Some(step) = steps.get(at.len()) else { return };
    if at.len() + 1 == steps.len() {
        let mut path = at.clone();
        path.push(step.clone());
        places.insert(Path::new(path));
        return;
    }
    let mut into = |child: &Node| {
        at.push(child.step());
        spread(fact, child, reading.and_then(|reading| reading.child_beside(child)), at, places);
        at.pop();
    };
    if !is_keyed(step) {
        if let Some(child) = view.child(step) {
            into(child);
        }
        return;
    }
    for child in view.children().iter().filter(|child| child.name() == &step.name && child.keys().is_some()) {
        into(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::After;

    fn entry(key: &str) -> Path {
        Path::root()
            .child(Step::single(QName::new("m", "list")))
            .child(Step::entry(QName::new("m", "entry"), &[("name", key)]))
    }

    fn leaf(key: &str) -> Path {
        entry(key).child(Step::single(QName::new("m", "port")))
    }

    fn tree(values: &[(&str, &str)]) -> ConfigTree {
        values.iter().fold(ConfigTree::default(), |tree, (key, value)| {
            tree.with(&entry(key), Node::leaf(QName::new("m", "port"), Value::text(value)), After::Keep)
        })
    }

    fn fact(key: &str, all_entries: bool) -> Rewrite {
        Rewrite {
            id: "f".into(),
            element: "pe1".into(),
            path: leaf(key),
            all_entries,
            sent: "http-alt".into(),
            says: "8080".into(),
            by: "noc".into(),
            ticket: None,
            since: Timestamp::UNIX_EPOCH,
        }
    }

    fn meant(facts: &[Rewrite], views: &[&ConfigTree], reading: &ConfigTree) -> ConfigTree {
        read_as(reading, &echoes(facts, views, Some(reading)))
    }

    #[test]
    fn exactly_the_pair_at_exactly_the_place_is_equal() {
        let facts = [fact("a", false)];
        let expected = tree(&[("a", "http-alt"), ("b", "http-alt")]);
        let read = tree(&[("a", "8080"), ("b", "8080")]);
        assert_eq!(meant(&facts, &[&expected], &read), tree(&[("a", "http-alt"), ("b", "8080")]));
        let by_hand = tree(&[("a", "8081")]);
        assert_eq!(meant(&facts, &[&expected], &by_hand), by_hand, "another value is a hand edit");
        assert_eq!(meant(&[], &[&expected], &read), read, "without the fact all is as before");
    }

    #[test]
    fn where_the_value_was_not_sent_what_the_element_says_stays() {
        let facts = [fact("a", false)];
        let read = tree(&[("a", "8080")]);
        let other = tree(&[("a", "https")]);
        assert_eq!(meant(&facts, &[&other], &read), read);
        assert_eq!(meant(&facts, &[], &read), read);
        // Both are written: the candidate decides over what was recorded.
        let (named, number) = (tree(&[("a", "http-alt")]), tree(&[("a", "8080")]));
        assert_eq!(meant(&facts, &[&number, &named], &read), read);
        assert_eq!(meant(&facts, &[&named, &number], &read), named);
        // The candidate speaks of neither: what was recorded tells what the element was sent.
        assert_eq!(meant(&facts, &[&other, &named], &read), named);
    }

    #[test]
    fn a_fact_about_all_entries_holds_in_entries_that_nobody_named() {
        let facts = [fact("a", true)];
        let expected = tree(&[("a", "http-alt"), ("b", "http-alt"), ("c", "https")]);
        let read = tree(&[("a", "http-alt"), ("b", "8080"), ("c", "8080"), ("d", "8080")]);
        let want = tree(&[("a", "http-alt"), ("b", "http-alt"), ("c", "8080"), ("d", "8080")]);
        assert_eq!(meant(&facts, &[&expected], &read), want);
        assert!(facts[0].is_about(&leaf("zz")) && !fact("a", false).is_about(&leaf("zz")));
        assert_eq!(echoes(&facts, &[&expected], None).len(), 2, "without a reading: wherever it is expected");
    }

    #[test]
    fn members_keep_their_place() {
        let name = QName::new("m", "dns");
        let member = |text: &str| Node::member(name.clone(), Value::text(text), true);
        let list = |texts: &[&str]| ConfigTree::new(texts.iter().map(|text| member(text)));
        let fact = Rewrite {
            path: Path::new(vec![Step::single(name.clone())]),
            sent: "b".into(),
            says: "B".into(),
            ..fact("a", false)
        };
        let expected = list(&["z", "b", "a"]);
        assert_eq!(meant(std::slice::from_ref(&fact), &[&expected], &list(&["z", "B", "a"])), expected);
        let both = list(&["b", "B"]);
        assert_eq!(meant(&[fact], &[&expected], &both), both, "a second member is not the first one rewritten");
    }
}
