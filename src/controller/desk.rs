//! Where one request is planned, on the knowledge of one moment: the stations between a document's meaning and the exact
//! bytes, in their order. Pure, and nothing here can write.
//!
//! ```text
//!  Wanted ─ draft ─► claims of the services, elements touched ─ (read them) ─ plan ─► Plan
//! ```
//!
//! Guarantee: the cost follows the services of the request and what stands in their way, not how many others there are.

use super::failure::Failure;
use super::model::{ClaimChange, Model, claim_change, owner_of};
use super::rewrite::{as_meant, heard};
use crate::adapter::{Adapter, AdapterError, Mapped};
use crate::domain::{Class, Fault, FaultTag, ServiceKey};
use crate::plan::{
    Allowed, ElementInput, ElementPlan, Plan, Refused, ServiceChange, ServiceEffect, plan_element, relied_on,
};
use crate::service::explicit_numbers;
use crate::service::ledger::{Draft, Exclusions, Ledger, Ranges, Take};
use crate::service::{ElementService, ErrorTag, NumberUse, PortUse, Service, ServiceError, admit, decompose};
use crate::tree::{Claims, ConfigTree, Intended, Layer, Path};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a request is planned with.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// What is known.
    pub model: &'a Model,
    /// Adapters by name.
    pub adapters: &'a BTreeMap<String, Arc<Adapter>>,
    /// Adapters of elements that brought their own schema, by element.
    pub own: &'a BTreeMap<String, Arc<Adapter>>,
    /// Where automatic numbers come from.
    pub ranges: &'a Ranges,
    /// Numbers that are not to be handed out: running transactions are about to take them.
    pub excluded: &'a Exclusions,
}

/// One edit with its meaning.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which service.
    pub key: ServiceKey,
    /// Its document as JSON and what it means; `None` for a removal.
    pub document: Option<(String, Arc<Service>)>,
}

/// A request that is admitted: what becomes of its services, and of which elements the claims change.
#[derive(Clone)]
pub struct Drafted {
    changes: Vec<ServiceChange>,
    numbers: Vec<Take>,
    warnings: Vec<String>,
    touched: BTreeMap<String, Vec<ClaimChange>>,
}

/// By element: what a plan takes for granted where it has nothing to send.
pub type Relied = BTreeMap<String, Vec<Path>>;

/// What a request does to one element.
enum OnElement {
    Changes(Box<ElementPlan>),
    /// All is there, or gone, already; this is what that rests on.
    Stands(Vec<Path>),
}

impl Drafted {
    /// The elements that have to be read.
    pub fn elements(&self) -> impl Iterator<Item = &str> {
        self.touched.keys().map(String::as_str)
    }

    /// Leaves elements as they are: the services keep there what they claim now. Answers what is put off by that.
    pub(super) fn hold(&mut self, model: &Model, held: &BTreeSet<String>) -> BTreeSet<(String, ServiceKey)> {
        let mut put_off = BTreeSet::new();
        self.touched.retain(|element, _| !held.contains(element));
        for change in &mut self.changes {
            for element in held {
                let known = model.claimed.get(element).and_then(|known| known.of(&change.key)).cloned();
                let Some(wanted) = change.claims.get(element) else { continue };
                if *wanted != known {
                    put_off.insert((element.clone(), change.key.clone()));
                }
                match known {
                    Some(known) => drop(change.claims.insert(element.clone(), Some(known))),
                    None => drop(change.claims.remove(element)),
                }
            }
        }
        put_off
    }
}

impl Desk<'_> {
    /// Admission, numbers, decomposition and mapping of a request.
    pub fn draft(&self, wanted: Vec<Wanted>) -> Result<Drafted, Failure> {
        let model = self.model;
        let after = Candidate::new(model, &wanted);
        let mut faults = Faults::default();
        let mut warnings = after.admitted(model, &wanted, &mut faults);
        let mut draft = Draft::new(&after.ledger, self.excluded).within(self.ranges.clone());
        let mut changes = Vec::new();
        for want in wanted {
            match self.change(want, &mut draft, &mut warnings) {
                Ok(change) if self.is_stored(&change) => {}
                Ok(change) => changes.push(change),
                Err(Failure::Document(found)) => faults.add(found),
                // What is known to be wrong is said before what may still be.
                Err(_) if !faults.is_empty() => {}
                Err(other) => return Err(other),
            }
        }
        faults.none()?;
        let numbers = draft.takes().cloned().collect();
        let mut touched: BTreeMap<String, Vec<ClaimChange>> = BTreeMap::new();
        for change in &changes {
            for (element, claims) in &change.claims {
                let known = model.claimed.get(element);
                if known.and_then(|known| known.of(&change.key)) != claims.as_ref() {
                    let change = claim_change(element, &change.key, claims.as_ref());
                    touched.entry(element.clone()).or_default().push(change);
                }
            }
        }
        Ok(Drafted { changes, numbers, warnings, touched })
    }

    /// The plan of a drafted request, and what it takes for granted on elements to which it has nothing to send. `readings`
    /// are complete readings of all its elements.
    pub fn plan(
        &self,
        drafted: Drafted,
        readings: &BTreeMap<String, (ConfigTree, Class)>,
        allowed: &Allowed,
    ) -> Result<(Plan, Relied), Failure> {
        let (mut elements, mut refused, mut relied) = (Vec::new(), BTreeMap::new(), Relied::new());
        for (element, changes) in &drafted.touched {
            let (actual, class) =
                readings.get(element).ok_or_else(|| Failure::Internal(format!("{element} was not read")))?;
            match self.element_plan(element, changes, actual, *class, allowed) {
                Ok(OnElement::Changes(plan)) => elements.push(*plan),
                Ok(OnElement::Stands(paths)) if paths.is_empty() => {}
                Ok(OnElement::Stands(paths)) => drop(relied.insert(element.clone(), paths)),
                Err(Failure::Refused { element, reasons }) => drop(refused.insert(element, reasons)),
                Err(other) => return Err(other),
            }
        }
        if !refused.is_empty() {
            return Err(Failure::of_elements(refused));
        }
        let Drafted { changes: services, numbers, warnings, .. } = drafted;
        Ok((Plan { id: String::new(), services, elements, numbers, warnings }.sealed(), relied))
    }

    /// A check that no touched element can make is a slip of the pen: without a word it would not be made.
    pub fn known_checks(&self, drafted: &Drafted, allowed: &Allowed) -> Result<(), Failure> {
        if drafted.touched.is_empty() {
            return Ok(());
        }
        let mut offered = BTreeSet::from(["all".to_owned()]);
        for element in drafted.touched.keys() {
            offered.extend(self.adapter_of(element)?.state_readers().keys().cloned());
        }
        let Some(unknown) = allowed.checks.iter().find(|name| !offered.contains(*name)) else { return Ok(()) };
        let offered = offered.into_iter().collect::<Vec<_>>().join(", ");
        Err(Failure::Document(vec![Fault {
            path: "check".into(),
            tag: FaultTag::InvalidValue,
            app_tag: Some("unknown-check".into()),
            message: format!("no element of this plan has a check '{unknown}'; there is: {offered}"),
        }]))
    }

    fn element_plan(
        &self,
        element: &str,
        changes: &[ClaimChange],
        actual: &ConfigTree,
        class: Class,
        allowed: &Allowed,
    ) -> Result<OnElement, Failure> {
        let claimed = self.model.claimed_on(element);
        let adapter = self.adapter_of(element)?;
        let refused = |reasons: Vec<Refused>| Failure::Refused { element: element.into(), reasons };
        let conflicts =
            |found: &[crate::tree::ClaimConflict]| refused(found.iter().cloned().map(Refused::Conflict).collect());
        let before = claimed.intended().map_err(conflicts)?;
        let after: Intended = claimed.after(changes).map_err(|found| conflicts(&found))?;
        let recorded = claimed.recorded();
        let views = [&after.tree, &recorded];
        let meant = as_meant(self.model, element, actual, &views);
        let input = ElementInput {
            element,
            adapter: &adapter,
            class,
            before,
            after: &after,
            recorded: &recorded,
            actual: &meant,
            defaults: self.model.states.get(element).map(|state| state.defaults).unwrap_or_default(),
            allowed,
            inventory: self.model.inventory.get(element).map(AsRef::as_ref),
        };
        let plan = plan_element(&input).map_err(refused)?;
        Ok(match plan {
            Some(plan) => {
                let echoes = heard(self.model, &plan, actual, &views);
                OnElement::Changes(Box::new(ElementPlan { echoes, ..plan }))
            }
            None => OnElement::Stands(relied_on(&input)),
        })
    }

    /// What one service asks of each element, as claims.
    fn change(
        &self,
        want: Wanted,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<ServiceChange, Failure> {
        let model = self.model;
        let stored = model.documents.get(&want.key);
        let effect = match (&want.document, stored) {
            (None, _) => ServiceEffect::Delete,
            (Some(_), Some(_)) => ServiceEffect::Modify,
            (Some(_), None) => ServiceEffect::Create,
        };
        let mut claims: BTreeMap<String, Option<Claims>> = BTreeMap::new();
        // Of a deleted service, and of elements that were away, the queue knows where something of it still is.
        let queued = model.queued_for(&want.key).map(|change| &change.element);
        for element in stored.iter().flat_map(|document| &document.elements).chain(queued) {
            let known = model.claimed.get(element);
            if known.is_some_and(|known| known.of(&want.key).is_some()) {
                claims.insert(element.clone(), None);
            }
        }
        let mut asked = BTreeSet::new();
        let mut per_element = BTreeMap::new();
        let mut body = None;
        if let Some((text, service)) = want.document {
            let split = decompose(&service, &model.inventory, draft).map_err(refused_document)?;
            warnings.extend(split.warnings);
            asked = split.asked;
            let mut faults = Vec::new();
            for (element, wanted) in &split.elements {
                let Mapped { tree, notes } = match self.mapped(element, wanted) {
                    Ok(mapped) => mapped,
                    Err(Failure::Document(found)) => {
                        faults.extend(found);
                        continue;
                    }
                    Err(_) if !faults.is_empty() => continue,
                    Err(other) => return Err(other),
                };
                let mapped = Claims::new(owner_of(&want.key), Layer::Service, tree);
                // Nothing is said of what stays as it is.
                if model.claimed.get(element).and_then(|known| known.of(&want.key)) != Some(&mapped) {
                    warnings.extend(notes.iter().map(|note| format!("{element}: {note}")));
                }
                claims.insert(element.clone(), Some(mapped));
            }
            if !faults.is_empty() {
                return Err(Failure::Document(faults));
            }
            per_element = split.elements;
            body = Some(text);
        }
        Ok(ServiceChange {
            key: want.key,
            effect,
            document: body,
            base_revision: stored.map_or(0, |document| document.revision),
            claims,
            asked,
            wanted: per_element,
        })
    }

    /// Whether all is stored and claimed as this change wants it, and nothing of it waits for an element: then it is none.
    fn is_stored(&self, change: &ServiceChange) -> bool {
        let model = self.model;
        let stored = model.documents.get(&change.key).map(|document| &document.body);
        let claimed = |element: &String| model.claimed.get(element).and_then(|known| known.of(&change.key));
        change.document.is_some()
            && stored == change.document.as_ref()
            && change.claims.iter().all(|(element, claims)| claimed(element) == claims.as_ref())
            && model.queued_for(&change.key).next().is_none()
    }

    fn mapped(&self, element: &str, wanted: &ElementService) -> Result<Mapped, Failure> {
        let adapter = self.adapter_of(element)?;
        if adapter.schema().is_none() {
            let message = "its schema is not known yet".into();
            return Err(Failure::Unreachable { element: element.into(), message });
        }
        adapter.mapped(wanted).map_err(|error| match error {
            AdapterError::Refused(refusals) => {
                let faults = refusals.into_iter().map(|refusal| Fault {
                    path: refusal.path,
                    tag: FaultTag::OperationNotSupported,
                    app_tag: Some("not-expressible".into()),
                    message: format!("{}; element {element}", refusal.message),
                });
                Failure::Document(faults.collect())
            }
            error => Failure::Internal(format!("{element}: {error}")),
        })
    }

    /// The adapter of an element.
    pub(super) fn adapter_of(&self, element: &str) -> Result<Arc<Adapter>, Failure> {
        let known = self.model.inventory.get(element).ok_or_else(|| not_found(element))?;
        let own = self.own.get(element).filter(|own| own.name() == known.adapter);
        let adapter = own.or_else(|| self.adapters.get(&known.adapter)).cloned();
        adapter.ok_or_else(|| Failure::Internal(format!("{element}: adapter {} is not installed", known.adapter)))
    }
}

/// What would be used after the request: the indexes of the mirror with the changed services laid over.
struct Candidate {
    ports: PortUse,
    numbers: NumberUse,
    ledger: Ledger,
}

impl Candidate {
    fn new(model: &Model, wanted: &[Wanted]) -> Self {
        let mut after =
            Self { ports: model.ports.clone(), numbers: model.numbers.clone(), ledger: model.ledger.clone() };
        for want in wanted {
            match &want.document {
                Some((_, service)) => {
                    after.ports.add(service);
                    after.numbers.add(service);
                    after.ledger.explicit(&want.key, explicit_numbers([&**service]));
                }
                None => {
                    after.ports.remove(&want.key);
                    after.numbers.remove(&want.key);
                    after.ledger.explicit(&want.key, Exclusions::new());
                }
            }
        }
        after
    }

    /// Warnings; what is refused is added to the faults.
    fn admitted(&self, model: &Model, wanted: &[Wanted], faults: &mut Faults) -> Vec<String> {
        let mut warnings = Vec::new();
        for (_, service) in wanted.iter().filter_map(|want| want.document.as_ref()) {
            if let Err(found) = admit(service, &self.ports, &model.inventory) {
                faults.add(faults_of(found));
            }
            match self.numbers.check(service, &model.inventory) {
                Ok(found) => warnings.extend(found),
                Err(found) => faults.add(faults_of(found)),
            }
        }
        warnings
    }
}

/// Everything that is wrong with the documents of a request, of all stages that could look at them. What an earlier stage
/// said of a path is not said again in other words.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    said: BTreeSet<String>,
}

impl Faults {
    /// What one stage found.
    pub fn add(&mut self, found: Vec<Fault>) {
        let new: Vec<Fault> = found.into_iter().filter(|fault| !self.said.contains(&fault.path)).collect();
        self.said.extend(new.iter().map(|fault| fault.path.clone()));
        self.found.extend(new);
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The refusal, if there is anything.
    pub fn none(self) -> Result<(), Failure> {
        if self.found.is_empty() { Ok(()) } else { Err(Failure::Document(self.found)) }
    }
}

pub(super) fn not_found(element: &str) -> Failure {
    Failure::NotFound { what: format!("element {element}") }
}

/// Faults of a document as they are answered.
pub(super) fn refused_document(errors: Vec<ServiceError>) -> Failure {
    Failure::Document(faults_of(errors))
}

fn faults_of(errors: Vec<ServiceError>) -> Vec<Fault> {
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
    faults.collect()
}
