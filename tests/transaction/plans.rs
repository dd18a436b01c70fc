//! Plans over real adapters, from two trees.

use crate::bare_plan::bare;
use andante::adapter::Adapter;
use andante::domain::Class;
use andante::plan::{ElementPlan, ReadEntry, as_sent, digest_at};
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
    let payloads = (render(&change, before, after), render(&back, after, before));
    ElementPlan {
        adapter: adapter.name().into(),
        read_set: paths.iter().map(|path| ReadEntry { path: path.clone(), digest: digest_at(before, path) }).collect(),
        ..bare(element, class, (before, after), payloads)
    }
}
