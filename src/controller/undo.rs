//! What leads an element from any state that was read to one of the two sides of a plan: the difference on the plan's
//! touched paths only, rendered by the element's adapter.

use super::model::Model;
use super::rewrite::as_meant;
use super::schemas::Schemas;
use crate::adapter::Payload;
use crate::plan::{ElementPlan, as_sent, toward};
use crate::transaction::Undo;
use crate::tree::{ConfigTree, diff};
use std::sync::{Arc, PoisonError, RwLock};

/// Undo by the adapters of a plan's elements.
pub(super) struct AdapterUndo {
    /// Which element has which adapter.
    pub model: Arc<RwLock<Arc<Model>>>,
    /// Adapters, with the schemas of elements.
    pub schemas: Arc<Schemas>,
}

impl Undo for AdapterUndo {
    fn toward_before(&self, element: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String> {
        self.toward(element, plan, actual, &plan.before)
    }

    fn toward_after(&self, element: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String> {
        self.toward(element, plan, actual, &plan.after)
    }

    fn meant(&self, element: &str, plan: &ElementPlan, reading: ConfigTree) -> ConfigTree {
        let model = self.model.read().unwrap_or_else(PoisonError::into_inner).clone();
        let reading = plan.meant(&reading);
        as_meant(&model, element, &reading, &[&plan.after, &plan.before])
    }
}

impl AdapterUndo {
    fn toward(
        &self,
        element: &str,
        plan: &ElementPlan,
        actual: &ConfigTree,
        side: &ConfigTree,
    ) -> Result<Option<Payload>, String> {
        let model = self.model.read().unwrap_or_else(PoisonError::into_inner).clone();
        let adapter = model.inventory.get(element).and_then(|known| self.schemas.adapter_of(known));
        let adapter = &adapter.ok_or_else(|| format!("{element}: its adapter is not loaded"))?;
        let target = toward(actual, side, plan.touched());
        let change = diff(actual, &target);
        if change.is_empty() {
            return Ok(None);
        }
        let sent = as_sent(adapter, &change, actual, &target);
        let payload = match plan.protected.is_empty() {
            true => adapter.render(&sent, actual, &target),
            // What was allowed is allowed back.
            false => adapter.render_allowed(&sent, actual, &target),
        };
        payload.map(Some).map_err(|error| error.to_string())
    }
}
