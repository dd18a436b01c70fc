//! Plans that people keep: made now, looked at, committed later with exactly their bytes or refused.
//!
//! Guarantees: proposing writes nothing, takes no lock and no number; plans expire, and their number and size are bounded.

use super::execute::strong_enough;
use super::model::KEPT;
use super::queue::Leave;
use super::{Controller, DocumentEdit, Failure, KeptPlan, parsed};
use crate::domain::{Class, Principal, Verb, authorize};
use crate::plan::{Allowed, Plan, ServiceChange};
use crate::store::{self, Batch, Table};

/// The shortest prefix of a kept plan's id.
const KEPT_ID_MIN: usize = 8;

impl Controller {
    /// Plans edits. Writes nothing, takes no lock, no number.
    pub async fn propose(
        &self,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
    ) -> Result<Plan, Failure> {
        for edit in &edits {
            authorize(principal, Verb::Plan, &edit.key().to_string())?;
        }
        match self.proposal(&self.cut(edits)?, allowed, None, &Leave::Nothing, None).await {
            Ok(proposal) => self.unheld(&proposal.plan).await.map(|()| proposal.plan),
            Err(failure) => Err(self.held_by_name(failure).await),
        }
    }

    /// Plans edits and keeps the plan for a later commit, unless an element can take back less than `want`.
    pub async fn keep(
        &self,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
        want: Option<Class>,
    ) -> Result<KeptPlan, Failure> {
        let plan = self.propose(principal, edits, allowed).await?;
        strong_enough(&plan, want)?;
        self.kept_for(principal, plan, allowed, None).await
    }

    /// Plans a way back and keeps the plan, with what it is for, and what else the one who looks at it should know.
    pub(super) async fn keep_way_back(
        &self,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
        purpose: String,
        warnings: Vec<String>,
    ) -> Result<KeptPlan, Failure> {
        let mut plan = self.propose(principal, edits, allowed).await?;
        if !warnings.is_empty() {
            plan.warnings.extend(warnings);
            plan = plan.sealed();
        }
        self.kept_for(principal, plan, allowed, Some(purpose)).await
    }

    async fn kept_for(
        &self,
        principal: &Principal,
        plan: Plan,
        allowed: &Allowed,
        purpose: Option<String>,
    ) -> Result<KeptPlan, Failure> {
        let created = self.parts.ambient.now();
        let expires = created.saturating_add(jiff::SignedDuration::try_from(self.parts.keep).unwrap_or_default());
        let expires = expires.unwrap_or(created);
        let (author, ticket) = (principal.user.clone(), principal.ticket.clone());
        let kept = KeptPlan { plan, allowed: allowed.clone(), created, expires, author, purpose, ticket };
        let mut batch = self.without_old_plans();
        batch.put(Table::Plans, &kept_key(&kept.plan.id), &kept)?;
        self.seal(&kept.plan, &mut batch)?;
        self.commit_batch(batch).await?;
        self.sealed(&kept.plan);
        Ok(kept)
    }

    /// The kept plans that have not expired, oldest first.
    pub async fn kept_list(&self, principal: &Principal) -> Result<Vec<KeptPlan>, Failure> {
        authorize(principal, Verb::Read, "plans")?;
        let now = self.parts.ambient.now();
        let mut kept: Vec<KeptPlan> = store::list(self.parts.store.as_ref(), Table::Plans, KEPT)
            .await?
            .into_iter()
            .map(|(_, plan)| plan)
            .collect();
        kept.retain(|plan: &KeptPlan| plan.expires > now);
        kept.sort_by_key(|plan| plan.created);
        Ok(kept)
    }

    /// The kept plan whose id begins so; at least 8 characters, and only one.
    pub async fn kept(&self, principal: &Principal, id: &str) -> Result<KeptPlan, Failure> {
        authorize(principal, Verb::Read, "plans")?;
        let (model, now, prefix) = (self.model(), self.parts.ambient.now(), kept_key(id));
        let alike = model.kept.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let mut alike = alike.filter(|(_, kept)| kept.expires > now).map(|(key, _)| key);
        let gone = || Failure::NotFound {
            what: format!("a kept plan that begins with {id} (plans are forgotten after a while)"),
        };
        match (id.len() >= KEPT_ID_MIN, alike.next(), alike.next()) {
            (true, Some(key), None) => store::get(self.parts.store.as_ref(), Table::Plans, key).await?.ok_or_else(gone),
            (true, Some(_), Some(_)) => Err(Failure::NotFound { what: format!("a single plan that begins with {id}") }),
            _ => Err(gone()),
        }
    }

    /// A batch that removes plans that have expired or are too many.
    fn without_old_plans(&self) -> Batch {
        let now = self.parts.ambient.now();
        let (mut plans, mut batch) = (Vec::new(), Batch::default());
        for (key, kept) in self.model().kept.iter() {
            if kept.expires > now {
                plans.push((kept.created, key.clone(), kept.bytes));
            } else {
                batch.delete(Table::Plans, key);
            }
        }
        plans.sort();
        let mut bytes: usize = plans.iter().map(|(_, _, size)| size).sum();
        let mut count = plans.len();
        for (_, key, size) in plans {
            if count < self.parts.keep_max && bytes < self.parts.keep_bytes {
                break;
            }
            batch.delete(Table::Plans, &key);
            count -= 1;
            bytes -= size;
        }
        batch
    }

    pub(super) fn edits_of(&self, plan: &Plan) -> Result<Vec<DocumentEdit>, Failure> {
        let edit = |change: &ServiceChange| {
            let model = self.model();
            let revision = model.documents.get(&change.key).map_or(0, |document| document.revision);
            if revision != change.base_revision {
                return Err(Failure::Stale { element: None, path: format!("service {}", change.key) });
            }
            Ok(match &change.document {
                None => DocumentEdit::Delete { key: change.key.clone(), expect: None },
                Some(body) => {
                    let document = parsed(self.schema(), body).map_err(Failure::Internal)?;
                    DocumentEdit::Put { key: change.key.clone(), document, expect: None }
                }
            })
        };
        plan.services.iter().map(edit).collect()
    }
}

/// A pinned plan is committed only if planning again gives the same bytes, from the same state, for the same services.
pub(super) fn same_bytes(pinned: &Plan, fresh: &Plan) -> Result<(), Failure> {
    let same = |(old, new): &(&ServiceChange, &ServiceChange)| {
        (&old.key, old.effect, old.base_revision) == (&new.key, new.effect, new.base_revision)
            && (&old.document, &old.claims, &old.asked) == (&new.document, &new.claims, &new.asked)
    };
    let mut services = pinned.services.iter().zip(&fresh.services);
    let moved = services.find(|pair| !same(pair));
    if moved.is_some() || pinned.services.len() != fresh.services.len() {
        let path = moved.map_or_else(|| "/".into(), |(old, _)| format!("service {}", old.key));
        return Err(Failure::Stale { element: None, path });
    }
    for (old, new) in pinned.elements.iter().zip(&fresh.elements) {
        let same = old.payload == new.payload
            && old.read_set == new.read_set
            && old.adopted == new.adopted
            && old.echoes == new.echoes;
        if old.element != new.element || !same {
            let moved = old.read_set.iter().find(|entry| !new.read_set.contains(entry));
            let path = moved.or(old.read_set.first()).map_or_else(|| "/".into(), |entry| entry.path.to_string());
            return Err(Failure::Stale { element: Some(old.element.clone()), path });
        }
    }
    if pinned.elements.len() != fresh.elements.len() {
        let known = |plan: &Plan, name: &str| plan.elements.iter().any(|element| element.element == name);
        let odd = pinned.elements.iter().find(|element| !known(fresh, &element.element));
        let odd = odd.or_else(|| fresh.elements.iter().find(|element| !known(pinned, &element.element)));
        let path = odd.and_then(|element| element.read_set.first()).map_or_else(|| "/".into(), |e| e.path.to_string());
        return Err(Failure::Stale { element: odd.map(|element| element.element.clone()), path });
    }
    if pinned.numbers != fresh.numbers {
        let moved = pinned.numbers.iter().find(|take| !fresh.numbers.contains(take));
        let path = moved.map_or_else(|| "a number".into(), |take| format!("number {} of {}", take.number, take.pool));
        return Err(Failure::Stale { element: None, path });
    }
    Ok(())
}

/// Key of a kept plan in the store.
fn kept_key(id: &str) -> String {
    format!("{KEPT}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ServiceKey;
    use std::collections::BTreeMap;

    #[test]
    fn a_pinned_plan_is_stale_when_its_service_or_what_it_was_made_from_has_moved() {
        let plan = |base_revision: u64| {
            let service = ServiceChange {
                key: ServiceKey { face: "f".into(), id: "acme".into() },
                effect: crate::plan::ServiceEffect::Modify,
                document: Some("{}".into()),
                base_revision,
                claims: BTreeMap::new(),
                asked: std::collections::BTreeSet::new(),
                wanted: BTreeMap::new(),
            };
            Plan { id: String::new(), services: vec![service], elements: vec![], numbers: vec![], warnings: vec![] }
        };
        assert!(same_bytes(&plan(4), &plan(4)).is_ok());
        let Err(Failure::Stale { path, .. }) = same_bytes(&plan(4), &plan(5)) else { panic!("taken") };
        assert_eq!(path, "service f/acme");
    }
}
