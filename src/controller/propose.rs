//! From edits of documents to a plan: the stations between a request and the exact bytes, in their order.
//!
//! Nothing here can write: to elements it holds readers only, and the store is not in scope.

use super::Controller;
use super::failure::Failure;
use super::model::{Model, claims_key, owner_of};
use super::request::{DocumentEdit, Expect};
use crate::adapter::Adapter;
use crate::domain::{Element, Fault, FaultTag, ServiceKey};
use crate::face;
use crate::plan::{Allowed, ElementInput, ElementPlan, Plan, Refused, ServiceChange, ServiceEffect, plan_element};
use crate::service::ledger::{Draft, Exclusions};
use crate::service::{
    ElementService, ErrorTag, NumberUse, PortUse, Service, ServiceError, admit, decompose, explicit_numbers,
};
use crate::tree::{ClaimConflict, Claims, ConfigTree, Intended, Layer, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A plan and the state of knowledge that it was made from.
pub(super) struct Proposal {
    pub plan: Plan,
    pub generation: u64,
}

impl Proposal {
    /// The names that the transaction of this plan must hold.
    pub fn names(&self) -> BTreeSet<String> {
        let services = self.plan.services.iter();
        let elements = services.clone().flat_map(|change| change.claims.keys()).map(|name| format!("element {name}"));
        let planned = self.plan.elements.iter().map(|plan| format!("element {}", plan.element));
        // Two plans over disjoint elements may have drawn the same free number; only one of them may go on with it.
        let numbers = self.plan.numbers.iter().map(|take| format!("number {} of {}", take.number, take.pool));
        let services = services.map(|change| format!("service {}", change.key));
        services.chain(elements).chain(planned).chain(numbers).collect()
    }
}

/// One edit with its meaning.
struct Wanted {
    key: ServiceKey,
    effect: ServiceEffect,
    base_revision: u64,
    /// Document as JSON and its service; `None` for a removal.
    document: Option<(String, Arc<Service>)>,
}

impl Controller {
    pub(super) async fn proposal(&self, edits: &[DocumentEdit], allowed: &Allowed) -> Result<Proposal, Failure> {
        let model = self.model();
        once_each(edits)?;
        let mut wanted = Vec::new();
        for edit in edits {
            wanted.push(self.understood(&model, edit).await?);
        }
        let inventory = model.inventory();
        let candidates = candidates(&model, &wanted);
        let mut warnings = admitted(&wanted, &candidates, &inventory)?;

        let exclusions: Exclusions = explicit_numbers(candidates.values().map(|service| &**service));
        let mut draft = Draft::new(&model.ledger, &exclusions);
        let mut changes = Vec::new();
        for want in wanted {
            changes.push(self.change(&model, &inventory, want, &mut draft, &mut warnings)?);
        }
        let numbers = draft.takes().cloned().collect();
        let elements = self.element_plans(&model, &changes, allowed).await?;
        let plan = Plan { id: String::new(), services: changes, elements, numbers, warnings }.sealed();
        Ok(Proposal { plan, generation: model.generation })
    }

    /// Precondition, validation by libyang, meaning.
    async fn understood(&self, model: &Model, edit: &DocumentEdit) -> Result<Wanted, Failure> {
        let stored = model.documents.get(edit.key());
        precondition(edit, stored.map(|document| document.etag.as_str()))?;
        let base_revision = stored.map_or(0, |document| document.revision);
        let key = edit.key().clone();
        match edit {
            DocumentEdit::Delete { .. } if stored.is_none() => {
                Err(Failure::NotFound { what: format!("service {key}") })
            }
            DocumentEdit::Delete { .. } => {
                Ok(Wanted { key, effect: ServiceEffect::Delete, base_revision, document: None })
            }
            DocumentEdit::Put { document, .. } => {
                let body = json::print(document, self.schema(), false);
                self.validate(&body).await?;
                let service = face::service_of(document, &key).map_err(refused_document)?;
                let effect = if stored.is_some() { ServiceEffect::Modify } else { ServiceEffect::Create };
                Ok(Wanted { key, effect, base_revision, document: Some((body, Arc::new(service))) })
            }
        }
    }

    /// What one service asks of each element, as claims.
    fn change(
        &self,
        model: &Model,
        inventory: &[Element],
        want: Wanted,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<ServiceChange, Failure> {
        let mut claims: BTreeMap<String, Option<Claims>> = BTreeMap::new();
        for (element, all) in &model.claims {
            if all.contains_key(&claims_key(element, &want.key)) {
                claims.insert(element.clone(), None);
            }
        }
        let mut asked = BTreeSet::new();
        let mut per_element = BTreeMap::new();
        let mut body = None;
        if let Some((text, service)) = want.document {
            let split = decompose(&service, inventory, draft).map_err(refused_document)?;
            warnings.extend(split.warnings);
            asked = split.asked;
            for (element, wanted) in &split.elements {
                let tree = self.mapped(model, element, wanted)?;
                claims.insert(element.clone(), Some(Claims::new(owner_of(&want.key), Layer::Service, tree)));
            }
            per_element = split.elements;
            body = Some(text);
        }
        Ok(ServiceChange {
            key: want.key,
            effect: want.effect,
            document: body,
            base_revision: want.base_revision,
            claims,
            asked,
            wanted: per_element,
        })
    }

    fn mapped(&self, model: &Model, element: &str, wanted: &ElementService) -> Result<ConfigTree, Failure> {
        let adapter = self.adapter_of(model, element)?;
        adapter.check(wanted).map_err(|refusals| {
            let faults = refusals.into_iter().map(|refusal| Fault {
                path: refusal.path,
                tag: FaultTag::OperationNotSupported,
                app_tag: Some("not-expressible".into()),
                message: format!("{}; element {element}", refusal.message),
            });
            Failure::Document(faults.collect())
        })?;
        adapter.map(wanted).map_err(|error| Failure::Internal(format!("{element}: {error}")))
    }

    /// Reads every element whose claims change, and plans it.
    async fn element_plans(
        &self,
        model: &Model,
        changes: &[ServiceChange],
        allowed: &Allowed,
    ) -> Result<Vec<ElementPlan>, Failure> {
        let mut touched: BTreeMap<&str, Vec<Claims>> = BTreeMap::new();
        for change in changes {
            for (element, claims) in &change.claims {
                let key = claims_key(element, &change.key);
                let old = model.claims.get(element).and_then(|all| all.get(&key));
                if old.map(|old| &**old) != claims.as_ref() {
                    touched.entry(element).or_default();
                }
            }
        }
        for (element, candidate) in &mut touched {
            *candidate = candidate_claims(model, element, changes);
        }
        let names: Vec<&str> = touched.keys().copied().collect();
        let readings = self.read_all(model, &names).await?;
        let mut plans = Vec::new();
        for ((element, candidate), (reading, class)) in touched.iter().zip(readings) {
            let adapter = self.adapter_of(model, element)?;
            let conflicts =
                |found: Vec<ClaimConflict>| refused(model, element, found.into_iter().map(Refused::Conflict).collect());
            let input = ElementInput {
                element,
                adapter: &adapter,
                class,
                before: &Intended::merge(&model.claims_on(element)).map_err(conflicts)?,
                after: &Intended::merge(candidate).map_err(conflicts)?,
                recorded: &model.recorded_on(element),
                actual: &reading.tree,
                allowed,
            };
            let plan = plan_element(&input);
            plans.extend(plan.map_err(|reasons| refused(model, element, reasons))?);
        }
        Ok(plans)
    }

    pub(super) fn adapter_of(&self, model: &Model, element: &str) -> Result<Arc<Adapter>, Failure> {
        let known = model.elements.get(element).ok_or_else(|| not_found(element))?;
        self.adapter(&known.adapter)
            .ok_or_else(|| Failure::Internal(format!("{element}: adapter {} is not installed", known.adapter)))
    }
}

pub(super) fn not_found(element: &str) -> Failure {
    Failure::NotFound { what: format!("element {element}") }
}

pub(super) fn refused(_model: &Model, element: &str, reasons: Vec<Refused>) -> Failure {
    Failure::Refused { element: element.into(), reasons }
}

/// A service that a request speaks of twice would leave the claims of one document and store the other.
fn once_each(edits: &[DocumentEdit]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let twice = edits.iter().map(DocumentEdit::key).filter(|key| !seen.insert(*key));
    let faults: Vec<Fault> = twice
        .map(|key| Fault {
            path: key.to_string(),
            tag: FaultTag::InvalidValue,
            app_tag: Some("service-twice".into()),
            message: "the request speaks of this service twice; which of the two is meant?".into(),
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Document(faults)) }
}

fn precondition(edit: &DocumentEdit, etag: Option<&str>) -> Result<(), Failure> {
    let message = match (edit.expect(), etag) {
        (None, _) | (Some(Expect::Absent), None) | (Some(Expect::Present), Some(_)) => return Ok(()),
        (Some(Expect::Absent), Some(_)) => "it exists already".to_string(),
        (Some(Expect::Present | Expect::Etag(_)), None) => "it does not exist".to_string(),
        (Some(Expect::Etag(wanted)), Some(etag)) if wanted.iter().any(|tag| tag == etag) => return Ok(()),
        (Some(Expect::Etag(_)), Some(etag)) => format!("it has changed; its entity tag is now \"{etag}\""),
    };
    Err(Failure::Precondition { key: edit.key().clone(), message })
}

/// All services as they would be after the request.
fn candidates(model: &Model, wanted: &[Wanted]) -> BTreeMap<ServiceKey, Arc<Service>> {
    let mut services = model.services.clone();
    for want in wanted {
        match &want.document {
            Some((_, service)) => services.insert(want.key.clone(), service.clone()),
            None => services.remove(&want.key),
        };
    }
    services
}

fn admitted(
    wanted: &[Wanted],
    candidates: &BTreeMap<ServiceKey, Arc<Service>>,
    inventory: &[Element],
) -> Result<Vec<String>, Failure> {
    let all = || candidates.values().map(|service| &**service);
    let (ports, numbers) = (PortUse::of(all(), inventory), NumberUse::of(all(), inventory));
    let mut warnings = Vec::new();
    for want in wanted {
        if let Some((_, service)) = &want.document {
            admit(service, &ports, inventory).map_err(refused_document)?;
            warnings.extend(numbers.check(service, inventory).map_err(refused_document)?);
        }
    }
    Ok(warnings)
}

/// Claims on an element after all changes.
fn candidate_claims(model: &Model, element: &str, changes: &[ServiceChange]) -> Vec<Claims> {
    let current = model.claims.get(element).into_iter().flatten();
    let mut claims: BTreeMap<String, Claims> = current.map(|(key, claims)| (key.clone(), (**claims).clone())).collect();
    for change in changes {
        match change.claims.get(element) {
            Some(Some(new)) => claims.insert(claims_key(element, &change.key), new.clone()),
            Some(None) => claims.remove(&claims_key(element, &change.key)),
            None => None,
        };
    }
    claims.into_values().collect()
}

pub(super) fn refused_document(errors: Vec<ServiceError>) -> Failure {
    let faults = errors.into_iter().map(|error| Fault {
        path: error.path,
        tag: match error.tag {
            ErrorTag::InvalidValue => FaultTag::InvalidValue,
            ErrorTag::MissingElement => FaultTag::DataMissing,
            ErrorTag::OperationNotSupported => FaultTag::OperationNotSupported,
            ErrorTag::InUse | ErrorTag::ResourceDenied => FaultTag::InUse,
        },
        app_tag: None,
        message: error.message,
    });
    Failure::Document(faults.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ledger::Take;

    fn key(id: &str) -> ServiceKey {
        ServiceKey { face: "ietf-l3vpn-ntw".into(), id: id.into() }
    }

    #[test]
    fn a_plan_holds_its_numbers_so_that_nobody_else_takes_them_meanwhile() {
        let take = |service: &str| Take {
            pool: "rt@65000".into(),
            service: key(service),
            place: String::new(),
            number: 7,
            released: None,
            absent: None,
        };
        let plan = |service: &str| Plan {
            id: String::new(),
            services: vec![],
            elements: vec![],
            numbers: vec![take(service)],
            warnings: vec![],
        };
        let names = |service: &str| Proposal { plan: plan(service), generation: 1 }.names();
        assert!(!names("a").is_disjoint(&names("b")), "both would be given route target 65000:7");
    }

    #[test]
    fn a_service_that_is_there_twice_is_refused_by_name() {
        let delete = |id: &str| DocumentEdit::Delete { key: key(id), expect: None };
        assert!(once_each(&[delete("a"), delete("b")]).is_ok());
        let Err(Failure::Document(faults)) = once_each(&[delete("a"), delete("b"), delete("a")]) else {
            panic!("taken");
        };
        assert_eq!(faults.len(), 1);
        assert!(faults[0].path.ends_with("/a"), "{faults:?}");
    }
}
