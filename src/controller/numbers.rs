//! The way of released numbers back into their pool.
//!
//! A number is free when every element where it stood was read completely without it, and it has rested for the
//! quarantine since. Looks report what they saw; whoever holds a number is left alone, and so is its entry.

use super::Controller;
use super::failure::Failure;
use super::gate::Pass;
use super::model::Model;
use crate::service::ledger::Take;
use crate::store::{Batch, Table};
use crate::tree::ConfigTree;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

impl Controller {
    /// What a complete reading of an element says of released numbers, and those whose rest is over. The passes keep the
    /// numbers from being taken again until the batch is in the mirror.
    pub(super) fn numbers_seen<'a>(
        &'a self,
        model: &Model,
        element: &str,
        actual: &ConfigTree,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Vec<Pass<'a>>, Failure> {
        let quarantine = SignedDuration::try_from(self.parts.quarantine).unwrap_or(SignedDuration::MAX);
        let mut passes = Vec::new();
        let mut held = |take: &Take| {
            // Somebody is about to take it: this look has nothing to say then.
            let pass = self.gate.try_enter(BTreeSet::from([name_of(take)]))?;
            passes.push(pass);
            // It may have been taken just before.
            self.model().ledger.entry(&take.key()).filter(|now| *now == take).cloned()
        };
        for take in model.ledger.remaining_on(element) {
            if let Some(after) = take.read(element, actual, now)
                && held(take).is_some()
            {
                batch.put(Table::Numbers, &after.key(), &after)?;
            }
        }
        for take in model.ledger.rested(now, quarantine).take(MOST) {
            if held(take).is_some() {
                batch.delete(Table::Numbers, &take.key());
            }
        }
        Ok(passes)
    }
}

/// What a transaction holds of a number that it takes.
pub(super) fn name_of(take: &Take) -> String {
    format!("number {} of {}", take.number, take.pool)
}

/// How many numbers one look sets free at most.
const MOST: usize = 256;
