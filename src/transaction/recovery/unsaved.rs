//! Elements that would not save what a transaction made of them: asked again in the background until they do.
//!
//! A restart before that loses it. What a service asks for is missing then, as every look finds; what a transaction took
//! away is there again, and nobody claims it. So the element is read on the session on which it is asked to save, before
//! that, and the closing notes what came back. Guarantee: the mark of a transaction goes only with a save on a session that
//! showed how the element stands, so no restart falls between the two.
use super::super::crew::save_again;
use super::super::journal;
use super::Recovery;
use crate::adagio::Southbound;
use crate::plan::ElementPlan;
use crate::store::{self, Batch, StoreError, Table};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Under what it stands when an element is asked next.
pub(super) fn mark(element: &str) -> String {
    format!("{}{element}", journal::UNSAVED)
}

/// What is kept until an element has saved.
#[derive(Clone, Debug, Serialize)]
pub(in crate::transaction) struct Unsaved {
    /// After which transaction it would not.
    pub transaction: String,
    /// What that did there; `None` where it went back, and in what older versions left.
    pub plan: Option<ElementPlan>,
}

impl<'de> Deserialize<'de> for Unsaved {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Kept {
            Whole { transaction: String, plan: Option<Box<ElementPlan>> },
            Transaction(String),
        }
        Ok(match Kept::deserialize(from)? {
            Kept::Whole { transaction, plan } => Self { transaction, plan: plan.map(|plan| *plan) },
            Kept::Transaction(transaction) => Self { transaction, plan: None },
        })
    }
}

impl Recovery {
    /// What earlier daemons left to be saved.
    pub(super) async fn know_unsaved(&self) -> Result<(), StoreError> {
        let marks: Vec<(String, Unsaved)> = store::list(&*self.runner.store, Table::Plans, journal::UNSAVED).await?;
        for (key, unsaved) in marks {
            let element = key.trim_start_matches(journal::UNSAVED);
            // Older versions marked the element alone.
            let element = element.strip_suffix(&format!("/{}", unsaved.transaction)).unwrap_or(element);
            self.runner.queues.keep_unsaved(element, unsaved);
        }
        Ok(())
    }

    /// Whether an element has not saved what a transaction made of it.
    pub fn has_unsaved(&self) -> bool {
        !self.runner.queues.with_unsaved().is_empty()
    }

    /// Has an element save its running configuration, which it would not when transactions asked for it.
    pub(super) async fn save(
        &self,
        element: &str,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
    ) -> Result<(), StoreError> {
        let Some(south) = elements.get(element) else { return Ok(()) };
        let _turns = self.runner.queues.turns([element]).await;
        let transactions = self.runner.queues.unsaved(element);
        if transactions.is_empty() {
            return Ok(());
        }
        let names: Vec<&String> = transactions.keys().collect();
        let mark = mark(element);
        // What an unresolved transaction left half way is not what a restart should bring.
        let asked = match self.runner.queues.is_held(element) {
            true => Err("an unresolved transaction holds it".to_owned()),
            false => save_again(&**south, &self.runner.tools()).await,
        };
        let mut batch = Batch::default();
        if let Ok((read, _)) = &asked {
            for (transaction, plan) in &transactions {
                if let Some(plan) = plan {
                    batch.extend(self.closing.unsaved(transaction, plan, read)?);
                }
            }
        }
        if let Err(why) = asked.and_then(|(_, saved)| saved) {
            tracing::warn!(element, transactions = ?names, why, "still not saved for a restart; tried again");
            self.put_off(&mark);
            return if batch == Batch::default() { Ok(()) } else { self.write(batch).await };
        }
        tracing::info!(element, transactions = ?names, "running is saved now");
        for transaction in names {
            batch.extend(journal::saved(&*self.runner.store, transaction, element).await?);
            batch.delete(Table::Plans, &journal::unsaved_key(element, transaction));
        }
        self.is_done(&mark, batch).await?;
        self.runner.queues.drop_unsaved(element);
        Ok(())
    }
}
