//! The adapters' part of an undo, as the controller would give it to a runner.

use andante::adagio::Payload;
use andante::adapter::Adapter;
use andante::plan::{ElementPlan, as_sent, toward};
use andante::transaction::Undo;
use andante::tree::{ConfigTree, diff};
use std::collections::BTreeMap;
use std::sync::Arc;

/// By element.
pub struct ByAdapter(pub BTreeMap<String, Arc<Adapter>>);

impl ByAdapter {
    fn way(&self, plan: &ElementPlan, actual: &ConfigTree, side: &ConfigTree) -> Result<Option<Payload>, String> {
        let adapter = &self.0[&plan.element];
        let target = toward(actual, side, plan.touched());
        let change = diff(actual, &target);
        if change.is_empty() {
            return Ok(None);
        }
        let sent = as_sent(adapter, &change, actual, &target);
        adapter.render(&sent, actual, &target).map(Some).map_err(|error| error.to_string())
    }
}

impl Undo for ByAdapter {
    fn toward_before(&self, _: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String> {
        self.way(plan, actual, &plan.before)
    }

    fn toward_after(&self, _: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String> {
        self.way(plan, actual, &plan.after)
    }
}
