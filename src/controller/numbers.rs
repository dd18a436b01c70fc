//! The way of released numbers back into their pool.
//!
//! A number is free when every element where it stood was read completely without it, and it has rested for the
//! quarantine since. Looks report what they saw; whoever holds a number is left alone, and so is its entry.

use super::Controller;
use super::failure::Failure;
use super::gate::Pass;
use super::model::Model;
use crate::service::ledger::{Exclusions, Take};
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
    format!("{NUMBER}{} of {}", take.number, take.pool)
}

/// Whether a name at the gate is that of a number.
pub(super) fn is_number(name: &str) -> bool {
    name.starts_with(NUMBER)
}

/// The numbers among names at the gate.
pub(super) fn numbers_in<'a>(names: impl IntoIterator<Item = &'a String>) -> Exclusions {
    let mut numbers = Exclusions::new();
    for name in names {
        let number = name.strip_prefix(NUMBER).and_then(|rest| rest.split_once(" of "));
        if let Some((number, pool)) = number
            && let Ok(number) = number.parse()
        {
            numbers.entry(pool.to_string()).or_default().insert(number);
        }
    }
    numbers
}

/// How the name of a number at the gate begins.
pub(super) const NUMBER: &str = "number ";

/// How many numbers one look sets free at most.
const MOST: usize = 256;
