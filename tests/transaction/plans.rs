//! Plans over real adapters, from two trees.

use andante::adapter::{Adapter, Impact};
use andante::domain::Class;
use andante::plan::{ElementPlan, ReadEntry, as_sent, digest_at, touched_state};
use andante::tree::{ConfigTree, Diff, Path, diff, inverse};

/// What leads an element from one tree to the other, as the planner would say it.
pub fn element_plan(
    element: &str,
    adapter: &Adapter,
    class: Class,
    before: &ConfigTree,
    after: &ConfigTree,
) -> ElementPlan {
    let change = diff(before, after);
    assert!(!change.is_empty(), "{element}: the plan changes nothing");
    let paths: Vec<Path> = change.edits.iter().map(|edit| edit.path().clone()).collect();
    let render = |diff: &Diff, from: &ConfigTree, to: &ConfigTree| {
        adapter.render(&as_sent(adapter, diff, from, to), from, to).unwrap()
    };
    let back = inverse(&change);
    ElementPlan {
        element: element.into(),
        adapter: adapter.name().into(),
        class,
        payload: render(&change, before, after),
        undo: render(&back, after, before),
        read_set: paths.iter().map(|path| ReadEntry { path: path.clone(), digest: digest_at(before, path) }).collect(),
        before: touched_state(before, paths.iter()),
        after: touched_state(after, paths.iter()),
        inverse: back,
        diff: change,
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
