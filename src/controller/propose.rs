//! From edits of documents to a plan: reads what has to be read between the stations of the [desk](super::desk).
//!
//! Nothing here writes: for a dry-run it holds readers only, and the store is not in scope. Where a transaction is to follow
//! it reads on the sessions that will write, and hands them on ([`Opened`]).

use super::Controller;
use super::desk::{Desk, Faults, Relied, Wanted, not_found, refused_document};
use super::failure::Failure;
use super::gate::Pass;
use super::model::Model;
use super::numbers::{NUMBER, is_number, name_of, numbers_in};
use super::queue::Leave;
use super::request::{DocumentEdit, Expect};
use crate::adapter::Adapter;
use crate::domain::{Class, Fault, FaultTag, Principal, ServiceKey, Verb, authorize};
use crate::face;
use crate::plan::{Allowed, Plan};
use crate::service::ledger::Exclusions;
use crate::transaction::Opened;
use crate::tree::{ConfigTree, json};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often the modules of elements may change while one plan is made.
const MODULE_CHANGES: usize = 4;

/// A plan and the state of knowledge that it was made from.
pub(super) struct Proposal {
    pub plan: Plan,
    pub generation: u64,
    /// Elements that it leaves as they are.
    pub held: BTreeSet<String>,
    /// What is put off by that.
    pub put_off: BTreeSet<(String, ServiceKey)>,
    /// What it takes for granted on elements to which it has nothing to send: no read-set guards that.
    pub relied: Relied,
    /// What it was made of; `None` where only the elements can say it again (heal).
    pub source: Option<Source>,
}

/// What a plan of documents was made of.
pub(super) struct Source {
    model: Arc<Model>,
    wanted: Vec<Wanted>,
    readings: BTreeMap<String, (ConfigTree, Class)>,
}

impl Proposal {
    /// The names that the transaction of this plan must hold.
    pub fn names(&self) -> BTreeSet<String> {
        let services = self.plan.services.iter();
        let elements = services.clone().flat_map(|change| change.claims.keys()).map(|name| format!("element {name}"));
        let planned = self.plan.elements.iter().map(|plan| format!("element {}", plan.element));
        // Two plans over disjoint elements may have drawn the same free number; only one of them may go on with it.
        let numbers = self.plan.numbers.iter().map(name_of);
        let services = services.map(|change| format!("service {}", change.key));
        let put_off = self.put_off.iter().map(|(name, _)| format!("element {name}"));
        // What is taken for granted is looked at again when it is ours.
        let relied = self.relied.keys().map(|name| format!("element {name}"));
        services.chain(elements).chain(planned).chain(numbers).chain(put_off).chain(relied).collect()
    }
}

impl Controller {
    /// The plan of edits. Numbers that running transactions hold are not drawn, but for those of `pass`. With `opened` the
    /// sessions that read stay open there for the elements of the plan; without, all are ended.
    pub(super) async fn proposal(
        &self,
        edits: &[DocumentEdit],
        allowed: &Allowed,
        pass: Option<&Pass<'_>>,
        leave: &Leave,
        mut opened: Option<&mut Opened>,
    ) -> Result<Proposal, Failure> {
        let model = self.model();
        let excluded = &self.about_to_be_taken(pass);
        once_each(edits)?;
        let mut wanted = Vec::new();
        let mut faults = Faults::default();
        for edit in edits {
            wanted.extend(self.understood(&model, edit, leave, &mut faults).await?);
        }
        if !faults.is_empty() {
            self.judged_further(&model, wanted, edits.len(), excluded, &mut faults);
            faults.none()?;
            return Err(Failure::Internal("faults were found and lost".into()));
        }
        // A turn more for each element whose schema comes first, and a few for those whose modules change meanwhile.
        for _ in 0..model.inventory.len() + MODULE_CHANGES {
            let own = self.schemas.own();
            let desk = self.desk(&model, &own, excluded);
            let drafted = match desk.draft(wanted.clone()) {
                // Its schema comes from itself, and has not come yet. Each turn brings one more.
                Err(Failure::Unreachable { element, .. }) if self.lacks_schema(&model, &element) => {
                    self.with_schema(&model, &element).await?;
                    continue;
                }
                drafted => drafted?,
            };
            desk.known_checks(&drafted, allowed)?;
            let mut drafted = drafted;
            let mut held = leave.at_first(&model, &drafted);
            let mut put_off = drafted.hold(&model, &held);
            let names: Vec<String> = drafted.elements().map(str::to_owned).collect();
            let read = match opened.as_deref_mut() {
                None => join_all(names.iter().map(|name| self.complete(&model, name))).await,
                Some(opened) => {
                    // Those of an earlier turn.
                    opened.end().await;
                    let read = join_all(names.iter().map(|name| self.complete_to_write(&model, name, pass))).await;
                    let kept = names.iter().zip(read).map(|(name, read)| {
                        let (reading, class, writer) = read?;
                        opened.extend(writer.map(|writer| (name.clone(), writer)));
                        Ok((reading, class))
                    });
                    kept.collect()
                }
            };
            let now = self.schemas.own();
            let of = |all: &BTreeMap<String, Arc<Adapter>>, name: &String| all.get(name).map(Arc::as_ptr);
            if names.iter().any(|name| of(&own, name) != of(&now, name)) {
                // An element turned out to have other modules now.
                continue;
            }
            let mut readings = BTreeMap::new();
            let mut away = BTreeSet::new();
            for (name, read) in names.into_iter().zip(read) {
                match read {
                    Ok((reading, class)) => drop(readings.insert(name, (reading.tree, class))),
                    Err(Failure::Unreachable { .. }) if leave.away(&model, &name) => drop(away.insert(name)),
                    Err(failure) => return Err(failure),
                }
            }
            put_off.extend(drafted.hold(&model, &away));
            held.extend(away);
            let (plan, relied) = desk.plan(drafted, &readings, allowed)?;
            let plan = self.sendable_plan(plan)?;
            if let Some(opened) = opened {
                opened.end_but(&plan).await;
            }
            let (generation, source) = (model.generation, Some(Source { model, wanted, readings }));
            return Ok(Proposal { plan, generation, held, put_off, relied, source });
        }
        Err(Failure::Internal("elements change their modules faster than they can be read; try again later".into()))
    }

    /// The same plan made again on what is known by now, with the readings that it was made with: they are as good as they
    /// were as long as nothing was decided on their elements. `None` when the request has to be looked at from its
    /// beginning.
    pub(super) fn proposed_again(
        &self,
        proposal: &mut Proposal,
        allowed: &Allowed,
        pass: Option<&Pass<'_>>,
        leave: &Leave,
    ) -> Option<Result<Proposal, Failure>> {
        let Source { model: before, wanted, readings } = proposal.source.take()?;
        let model = self.model();
        let stays = |want: &Wanted| same(before.documents.get(&want.key), model.documents.get(&want.key));
        let reads = |element: &String| {
            same(before.claimed.get(element), model.claimed.get(element))
                && same(before.rewrites.get(element), model.rewrites.get(element))
        };
        let good = before.inventory_generation == model.inventory_generation
            && wanted.iter().all(stays)
            && readings.keys().all(reads);
        if !good {
            return None;
        }
        let (own, excluded) = (self.schemas.own(), self.about_to_be_taken(pass));
        let desk = self.desk(&model, &own, &excluded);
        let mut drafted = match desk.draft(wanted.clone()) {
            Ok(drafted) => drafted,
            Err(failure) => return Some(Err(failure)),
        };
        // Something may wait for other elements by now: then it is looked at from its beginning.
        if leave.at_first(&model, &drafted).iter().any(|element| !proposal.held.contains(element)) {
            return None;
        }
        let held = proposal.held.clone();
        let put_off = drafted.hold(&model, &held);
        if !drafted.elements().all(|element| readings.contains_key(element)) {
            return None;
        }
        let planned = desk.plan(drafted, &readings, allowed);
        let planned = planned.and_then(|(plan, relied)| Ok((self.sendable_plan(plan)?, relied)));
        Some(planned.map(|(plan, relied)| {
            let (generation, source) = (model.generation, Some(Source { model, wanted, readings }));
            Proposal { plan, generation, held, put_off, relied, source }
        }))
    }

    /// The plan with other numbers where somebody was quicker: that another is about to take one is no reason to wait for
    /// its end, for others are free.
    pub(super) fn drawn(&self, mut proposal: Proposal, allowed: &Allowed, leave: &Leave) -> Result<Proposal, Failure> {
        for _ in 0..DRAWS {
            let names = proposal.names();
            let held = self.gate.held_of(&names);
            if held.is_empty() || !held.iter().all(|name| is_number(name)) {
                break;
            }
            match self.proposed_again(&mut proposal, allowed, None, leave) {
                Some(again) => proposal = again?,
                // What it was made of has moved; it is made anew behind the gate.
                None => break,
            }
        }
        Ok(proposal)
    }

    /// Numbers that transactions hold which are not decided yet, but for those of `pass`.
    fn about_to_be_taken(&self, pass: Option<&Pass<'_>>) -> Exclusions {
        numbers_in(&self.gate.held_by_others(NUMBER, pass))
    }

    fn desk<'a>(
        &'a self,
        model: &'a Model,
        own: &'a BTreeMap<String, Arc<Adapter>>,
        excluded: &'a Exclusions,
    ) -> Desk<'a> {
        Desk { model, adapters: &self.parts.adapters, own, ranges: &self.parts.ranges, excluded }
    }

    /// The plan with what there is to say of its secrets.
    fn sendable_plan(&self, mut plan: Plan) -> Result<Plan, Failure> {
        let mut warnings = Vec::new();
        for element in &plan.elements {
            warnings.extend(self.sendable(element)?);
        }
        if warnings.is_empty() {
            return Ok(plan);
        }
        plan.warnings.extend(warnings);
        Ok(plan.sealed())
    }

    /// The adapter of an element, with the element's own schema where it has brought one.
    pub(super) fn adapter_of(&self, model: &Model, element: &str) -> Result<Arc<Adapter>, Failure> {
        let known = model.inventory.get(element).ok_or_else(|| not_found(element))?;
        let adapter = self.schemas.adapter_of(known);
        adapter.ok_or_else(|| Failure::Internal(format!("{element}: adapter {} is not installed", known.adapter)))
    }

    /// Every fault of these edits that can be told without an element: what `proposal` would refuse them for, at most.
    pub async fn faults_of(&self, principal: &Principal, edits: Vec<DocumentEdit>) -> Result<Vec<Fault>, Failure> {
        for edit in &edits {
            authorize(principal, Verb::Plan, &edit.key().to_string())?;
        }
        let (model, mut wanted, mut faults) = (self.model(), Vec::new(), Faults::default());
        for edit in &self.cut(edits)? {
            wanted.extend(self.understood(&model, edit, &Leave::Nothing, &mut faults).await?);
        }
        // One more was asked for than these: the one that could not be read.
        let asked = wanted.len() + 1;
        self.judged_further(&model, wanted, asked, &self.about_to_be_taken(None), &mut faults);
        match faults.none() {
            Err(Failure::Document(faults)) => Ok(faults),
            _ => Ok(Vec::new()),
        }
    }

    /// What the later stages have against documents of a request that is refused anyway.
    fn judged_further(
        &self,
        model: &Model,
        wanted: Vec<Wanted>,
        asked: usize,
        excluded: &Exclusions,
        faults: &mut Faults,
    ) {
        let whole = wanted.len() == asked;
        let own = self.schemas.own();
        if let Err(Failure::Document(mut found)) = self.desk(model, &own, excluded).draft(wanted) {
            // What one document takes another that is not understood may give free.
            found.retain(|fault| whole || fault.tag != FaultTag::InUse);
            faults.add(found);
        }
    }

    /// Precondition, validation by libyang, meaning. `None`: it has none, and `faults` say why. There may be faults, and a
    /// meaning all the same: then the later stages can still look at it.
    async fn understood(
        &self,
        model: &Model,
        edit: &DocumentEdit,
        leave: &Leave,
        faults: &mut Faults,
    ) -> Result<Option<Wanted>, Failure> {
        let stored = model.documents.get(edit.key());
        precondition(edit, stored.map(|document| document.etag.as_str()))?;
        let key = edit.key().clone();
        match edit {
            DocumentEdit::Delete { .. } if stored.is_none() && !matches!(leave, Leave::AllBut(_)) => {
                Err(Failure::NotFound { what: format!("service {key}") })
            }
            DocumentEdit::Delete { .. } => Ok(Some(Wanted { key, document: None })),
            DocumentEdit::Put { document, .. } => {
                let body = json::print(document, self.schema(), false);
                match self.validate(&body).await {
                    Err(Failure::Document(found)) => faults.add(found),
                    validated => validated?,
                }
                match face::service_of(document, &key).map_err(refused_document) {
                    Ok(service) => Ok(Some(Wanted { key, document: Some((body, Arc::new(service))) })),
                    Err(Failure::Document(found)) => {
                        faults.add(found);
                        Ok(None)
                    }
                    Err(other) => Err(other),
                }
            }
        }
    }
}

/// How often other numbers are drawn because somebody was quicker.
const DRAWS: usize = 8;

/// Whether an entry of the mirror is the one that it was.
fn same<T>(before: Option<&Arc<T>>, now: Option<&Arc<T>>) -> bool {
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ServiceKey;
    use crate::service::ledger::Take;

    fn key(id: &str) -> ServiceKey {
        ServiceKey { face: "ietf-l3vpn-ntw".into(), id: id.into() }
    }

    #[test]
    fn a_plan_holds_its_numbers_so_that_nobody_else_takes_them_meanwhile() {
        let take = |service: &str| Take::held("rt@65000", &key(service), "", 7);
        let plan = |service: &str| Plan {
            id: String::new(),
            services: vec![],
            elements: vec![],
            numbers: vec![take(service)],
            warnings: vec![],
        };
        let names = |service: &str| {
            let (held, put_off, relied) = (BTreeSet::new(), BTreeSet::new(), Relied::new());
            Proposal { plan: plan(service), generation: 1, held, put_off, relied, source: None }.names()
        };
        assert!(!names("a").is_disjoint(&names("b")), "both would be given route target 65000:7");
    }

    /// What another transaction does there meanwhile would be taken for what stays: a heal that finds nothing to do.
    #[test]
    fn a_plan_holds_the_elements_that_it_relies_on() {
        let plan = Plan { id: String::new(), services: vec![], elements: vec![], numbers: vec![], warnings: vec![] };
        let (held, put_off) = (BTreeSet::new(), BTreeSet::new());
        let relied = Relied::from([("pe1".to_owned(), vec![])]);
        let names = Proposal { plan, generation: 1, held, put_off, relied, source: None }.names();
        assert_eq!(names, BTreeSet::from(["element pe1".to_owned()]));
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
