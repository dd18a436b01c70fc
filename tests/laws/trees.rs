//! Difference, application, inverse: over drawn schemas and trees, user-ordered lists among them.

use crate::arbitrary::{changed, schema, tree};
use crate::law;
use andante::tree::{Body, ConfigTree, Diff, Edit, Node, SchemaIndex, apply, diff, inverse, xml};

/// Two trees of one schema: unrelated, or one a change of the other.
pub fn pair(seed: u64) -> (SchemaIndex, ConfigTree, ConfigTree) {
    let index = schema(seed / 8);
    let a = tree(&index, seed);
    let b = if seed.is_multiple_of(4) { tree(&index, seed ^ 0xABCD) } else { changed(&index, &a, seed) };
    (index, a, b)
}

#[test]
fn a_difference_applied_is_the_other_tree_and_its_inverse_goes_back() {
    let (mut moves, mut edits) = (0, 0);
    law(4000, |seed| {
        let (index, a, b) = pair(seed);
        let there = diff(&a, &b);
        let done = apply(&there, &a).unwrap();
        assert_eq!(done, b);
        // Not by their hashes alone.
        assert_eq!(xml::print(&done, &index, false), xml::print(&b, &index, false));
        assert_eq!(apply(&inverse(&there), &b).unwrap(), a);
        assert_eq!(apply(&diff(&b, &a), &b).unwrap(), a);
        assert_eq!(inverse(&inverse(&there)), there);
        moves += there.edits.iter().filter(|edit| matches!(edit, Edit::Move { .. })).count();
        edits += there.edits.len();
    });
    assert!(
        std::env::var_os("ANDANTE_SEED").is_some() || moves > 200 && edits > 10_000,
        "a poor draw: {moves}, {edits}"
    );
}

#[test]
fn only_different_trees_differ() {
    law(2000, |seed| {
        let (index, a, b) = pair(seed);
        assert!(diff(&a, &a).is_empty());
        assert!(diff(&a, &tree(&index, seed)).is_empty(), "the same tree built anew");
        assert_eq!(diff(&a, &b).is_empty(), xml::print(&a, &index, false) == xml::print(&b, &index, false));
    });
}

#[test]
fn a_difference_touches_no_equal_subtree_and_no_container_that_says_nothing() {
    law(2000, |seed| {
        let (_, a, b) = pair(seed);
        for edit in diff(&a, &b).edits {
            let (old, new) = (a.at(edit.path()), b.at(edit.path()));
            // What says nothing is no place for an edit: its removal would take along what others put there meanwhile.
            let silent = |node: &Node| matches!(node.body(), Body::Container { presence: false });
            assert!(![old, new].into_iter().flatten().any(silent), "{}", edit.path());
            match edit {
                Edit::Create { .. } => assert!(old.is_none() && new.is_some()),
                Edit::Remove { .. } => assert!(old.is_some() && new.is_none()),
                Edit::Set { .. } | Edit::Replace { .. } => assert_ne!(old, new),
                Edit::Move { .. } => assert!(old.is_some() && new.is_some()),
            }
        }
    });
}

#[test]
fn a_stored_difference_is_the_same_one() {
    law(500, |seed| {
        let (_, a, b) = pair(seed);
        let there = diff(&a, &b);
        let stored = serde_json::to_string(&there).unwrap();
        let read: Diff = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, there);
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        assert_eq!(apply(&read, &a).unwrap(), b);
    });
}
