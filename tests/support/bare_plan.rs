//! A plan of an element without a planner.

use andante::adapter::{Impact, Payload};
use andante::domain::Class;
use andante::plan::{ElementPlan, touched_state};
use andante::tree::{ConfigTree, Edit, Path, diff, inverse};

/// What leads an element from one tree to the other by this payload, and back by that one; it reads, takes along and checks
/// nothing.
pub fn bare(
    element: &str,
    class: Class,
    (before, after): (&ConfigTree, &ConfigTree),
    (payload, undo): (Payload, Payload),
) -> ElementPlan {
    let diff = diff(before, after);
    let paths: Vec<&Path> = diff.edits.iter().map(Edit::path).collect();
    ElementPlan {
        element: element.into(),
        adapter: "simulated 1 0".into(),
        class,
        payload,
        undo,
        read_set: vec![],
        before: touched_state(before, paths.iter().copied()),
        after: touched_state(after, paths.iter().copied()),
        inverse: inverse(&diff),
        diff,
        adopted: None,
        text: String::new(),
        impact: Impact::Hitless,
        collateral: vec![],
        overwritten: vec![],
        deviations: vec![],
        echoes: vec![],
        encrypted: vec![],
        simulated_only: true,
        defaults: vec![],
        warnings: vec![],
        protected: vec![],
        checks: vec![],
        one_session: false,
    }
}
