//! One look at elements: read, compare, remember what differs. The loop, `check-sync`, heal and the planner look this way.
//!
//! A signal only means "look": what an element announces is never used as its state. An incomplete read proves nothing:
//! it creates no deviation and removes none.

use super::Controller;
use super::desk::{Relied, not_found};
use super::failure::Failure;
use super::gate::Pass;
use super::left::still_left;
use super::model::{Model, service_of};
use super::propose::Proposal;
use super::request::{CheckReport, Why};
use super::rewrite::{as_meant, heard, written_as};
use crate::adagio::{DriverError, Reader, Reading, Southbound, Writer};
use crate::adapter::Adapter;
use crate::domain::{
    Class, Deviation, ElementState, Event, Principal, Reachability, ServiceKey, SyncState, Verb, authorize,
};
use crate::plan::{Allowed, Difference, ElementInput, Plan, content_digest, differences, plan_heal, words};
use crate::store::{Batch, Durability, Table};
use crate::tree::{After, ClaimConflict, ConfigTree, DefaultsMode, Intended, Layer, Node, Path};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Controller {
    /// One look at an element, when no transaction has it in its hands.
    pub async fn check(&self, principal: &Principal, element: &str) -> Result<CheckReport, Failure> {
        self.onboarded(principal, element)?;
        let pass = self.gate.enter(names_of(element)).await;
        self.look(pass, element).await
    }

    /// One look as the loop takes it: an element in the hands of a transaction is left alone, and its last known state
    /// is answered.
    pub async fn glance(&self, principal: &Principal, element: &str) -> Result<CheckReport, Failure> {
        self.onboarded(principal, element)?;
        match self.gate.try_enter(names_of(element)) {
            Some(pass) => self.look(pass, element).await,
            None => Ok(self.known(&self.model(), element)),
        }
    }

    fn onboarded(&self, principal: &Principal, element: &str) -> Result<(), Failure> {
        authorize(principal, Verb::Read, element)?;
        if self.model().inventory.get(element).is_some() { Ok(()) } else { Err(not_found(element)) }
    }

    async fn look(&self, _pass: Pass<'_>, element: &str) -> Result<CheckReport, Failure> {
        let model = self.model();
        if model.inventory.get(element).is_some_and(|entry| !entry.managed) {
            return Ok(self.known(&model, element));
        }
        let read = self.read(&model, element).await;
        // The model may have moved while the element answered; claims of this element cannot, we hold it.
        let model = self.model();
        let mut state = model.states.get(element).cloned().unwrap_or_default();
        let mut batch = Batch::default();
        let mut numbers = Vec::new();
        match read {
            Ok((reading, class)) => {
                state.reachability = Reachability::Reachable;
                state.class = Some(class);
                state.defaults = reading.defaults;
                match reading.partial {
                    Some(why) => {
                        state.sync = SyncState::Partial;
                        state.detail = Some(why);
                    }
                    None => {
                        self.compared(&model, element, &reading.tree, &mut state, &mut batch)?;
                        // Counted here and not after each transaction: it looks at every node.
                        (state.nodes, state.unknown) = (reading.tree.count(), reading.tree.unknown());
                        state.left_out = self.schemas.left_out(element);
                        let now = self.parts.ambient.now();
                        numbers = self.numbers_seen(&model, element, &reading.tree, now, &mut batch)?;
                    }
                }
            }
            Err(Failure::Unreachable { message, .. }) => {
                state.reachability = Reachability::Unreachable;
                state.detail = Some(message);
            }
            Err(other) => return Err(other),
        }
        if model.states.get(element) != Some(&state) {
            batch.put(Table::ElementStates, element, &state)?;
        }
        if batch != Batch::default() {
            self.commit_batch(batch).await?;
        }
        drop(numbers);
        Ok(self.known(&self.model(), element))
    }

    fn known(&self, model: &Model, element: &str) -> CheckReport {
        let deviations = model.deviations_of(element).cloned().collect();
        CheckReport { state: self.state_of(model, element), deviations }
    }

    /// What a transaction read back is a look as well: a deviation that it overwrote or healed is gone, another one stays.
    pub(super) async fn looked(&self, read: &BTreeMap<String, ConfigTree>) -> Result<(), Failure> {
        let model = self.model();
        let mut batch = Batch::default();
        for (element, tree) in read {
            let mut state = model.states.get(element).cloned().unwrap_or_default();
            state.reachability = Reachability::Reachable;
            self.compared(&model, element, tree, &mut state, &mut batch)?;
            batch.put(Table::ElementStates, element, &state)?;
        }
        if batch == Batch::default() {
            return Ok(());
        }
        // What a loss of power takes of it the next look finds again.
        self.commit_with(batch, Durability::Lazy).await
    }

    /// A complete reading against what is known of its element.
    fn compared(
        &self,
        model: &Model,
        element: &str,
        actual: &ConfigTree,
        state: &mut ElementState,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        let now = self.parts.ambient.now();
        let found = self.deviations_in(model, element, actual, state.defaults, now)?;
        state.sync = if found.is_empty() { SyncState::InSync } else { SyncState::OutOfSync };
        state.last_read = Some(now);
        state.detail = None;
        remember(model, element, found, now, batch)
    }

    /// All known deviations.
    pub async fn deviations(&self, principal: &Principal) -> Result<Vec<Deviation>, Failure> {
        authorize(principal, Verb::Read, "deviations")?;
        Ok(self.model().deviations().cloned().collect())
    }

    /// What an element says now, in its own syntax, normalised; and why that may not be all.
    pub async fn running(&self, principal: &Principal, element: &str) -> Result<(String, Option<String>), Failure> {
        authorize(principal, Verb::Read, element)?;
        let model = self.model();
        let (reading, _) = self.read(&model, element).await?;
        Ok((self.adapter_of(&model, element)?.text(&reading.tree), reading.partial))
    }

    /// Who wants the nodes at a path: a printed path, a part of one, or a native line.
    pub async fn why(&self, principal: &Principal, element: &str, path: &str) -> Result<Vec<Why>, Failure> {
        authorize(principal, Verb::Read, element)?;
        let model = self.model();
        let adapter = self.adapter_of(&model, element)?;
        let intended = merged(&model, element)?;
        let wanted = path.trim();
        let mut found = Vec::new();
        intended.walk(&mut |at| {
            let node = intended.tree.at(at);
            let fits = at.to_string().contains(wanted)
                || node.is_some_and(|node| node.children().is_empty() && is_line(&adapter, at, node, wanted));
            if fits {
                let why = intended.why(at);
                found.extend(why.claimants.into_iter().enumerate().map(|(rank, claimant)| Why {
                    path: at.to_string(),
                    layer: layer_name(claimant.layer).into(),
                    owner: claimant.owner.to_string(),
                    kind: claimant.kind.to_string(),
                    value: claimant.wants,
                    comes_back: why.comes_back.clone().filter(|_| rank == 0),
                    written_as: written_as(&model, element, at),
                }));
            }
            found.len() < WHY_MAX
        });
        Ok(found)
    }

    /// What a heal would send; writes nothing and sends nothing that writes.
    pub async fn heal_plan(&self, principal: &Principal, element: &str, ids: &[String]) -> Result<Plan, Failure> {
        authorize(principal, Verb::Plan, element)?;
        let paths = self.deviating(element, ids).await?;
        match self.healing(element, &paths).await {
            Ok(proposal) => self.unheld(&proposal.plan).await.map(|()| proposal.plan),
            Err(failure) => Err(self.held_by_name(failure).await),
        }
    }

    /// The deviations of an element at a path as [`Controller::why`] takes it, or whose present value is such a line.
    pub async fn why_not(&self, principal: &Principal, element: &str, path: &str) -> Result<Vec<Deviation>, Failure> {
        authorize(principal, Verb::Read, element)?;
        let model = self.model();
        let adapter = self.adapter_of(&model, element)?;
        let wanted = path.trim();
        let shows = |found: &Deviation| {
            let Some(schema) = adapter.schema() else { return false };
            let (Ok(at), Some(actual)) = (schema.locate(&found.path), &found.actual) else { return false };
            let node = schema.resolve(&at).map(|id| schema.node(id));
            let value = node.and_then(|node| Some((node.ty.as_ref()?, node.name.module.as_str())));
            let value = value.and_then(|(ty, module)| ty.value(module, actual).ok());
            let (Some(value), Some(last)) = (value, at.last()) else { return false };
            is_line(&adapter, &at, &Node::leaf(last.name.clone(), value), wanted)
        };
        let fits = |found: &&Deviation| found.path.contains(wanted) || shows(found);
        Ok(model.deviations_of(element).filter(fits).take(WHY_MAX).cloned().collect())
    }

    /// The deviating paths of an element, by deviation id; all when no id is given.
    pub(super) async fn deviating(&self, element: &str, ids: &[String]) -> Result<Vec<Path>, Failure> {
        let model = self.model();
        if model.inventory.get(element).is_none() {
            return Err(not_found(element));
        }
        let (reading, _) = self.complete(&model, element).await?;
        let intended = merged(&model, element)?;
        let recorded = model.recorded_on(element);
        let actual = as_meant(&model, element, &reading.tree, &[&intended.tree, &recorded]);
        let adapter = self.adapter_of(&model, element)?;
        let found = differences(&intended, &recorded, &actual, &adapter.defaults(reading.defaults));
        // A prefix too short to be meant would heal what nobody asked for.
        let chosen = |id: &str| {
            ids.is_empty() || ids.iter().any(|wanted| wanted.len() >= ID_MIN && id.starts_with(wanted.as_str()))
        };
        let differing = found.into_iter().map(|difference| difference.found.path);
        let mut paths: Vec<Path> = differing.filter(|path| chosen(&deviation_id(element, path))).collect();
        let left = still_left(&model, element, &intended, &actual);
        paths.extend(
            left.iter().filter(|found| chosen(&found.id)).filter_map(|found| Some(found.left.as_ref()?.path.clone())),
        );
        if paths.is_empty() {
            return Err(Failure::NotFound { what: format!("a deviation to heal on {element}") });
        }
        Ok(paths)
    }

    /// The plan that brings paths back to what is intended.
    pub(super) async fn healing(&self, element: &str, paths: &[Path]) -> Result<Proposal, Failure> {
        let model = self.model();
        let (reading, class) = self.complete(&model, element).await?;
        let adapter = self.adapter_of(&model, element)?;
        let (intended, recorded) = (merged(&model, element)?, model.recorded_on(element));
        let views = [&intended.tree, &recorded];
        let actual = as_meant(&model, element, &reading.tree, &views);
        let allowed = Allowed::default();
        let input = ElementInput {
            element,
            adapter: &adapter,
            class,
            before: &intended,
            after: &intended,
            recorded: &recorded,
            actual: &actual,
            defaults: reading.defaults,
            allowed: &allowed,
            inventory: model.inventory.get(element).map(AsRef::as_ref),
        };
        let left: Vec<(Path, ConfigTree)> = still_left(&model, element, &intended, &actual)
            .into_iter()
            .filter_map(|found| found.left)
            .map(|left| (left.path, left.side))
            .collect();
        let mut plan =
            plan_heal(&input, paths, &left).map_err(|reasons| Failure::Refused { element: element.into(), reasons })?;
        let mut warnings = Vec::new();
        if let Some(plan) = &mut plan {
            warnings = self.sendable(plan)?;
            plan.echoes = heard(&model, plan, &reading.tree, &views);
        }
        if plan.is_none() {
            // It went away by itself, or grew: more is missing now than what somebody looked at and asked for.
            let now = differences(&intended, &recorded, &actual, &adapter.defaults(reading.defaults));
            let above = |found: &&Difference| paths.iter().any(|asked| asked.starts_with(&found.found.path));
            if let Some(grown) = now.iter().find(above) {
                let path = grown.found.path.to_string();
                return Err(Failure::Stale { element: Some(element.into()), path });
            }
        }
        let mut relied = Relied::new();
        if plan.is_none() {
            relied.insert(element.into(), paths.to_vec());
        }
        let elements = plan.into_iter().collect();
        let plan = Plan { id: String::new(), services: vec![], elements, numbers: vec![], warnings }.sealed();
        let (held, put_off) = (BTreeSet::new(), BTreeSet::new());
        Ok(Proposal { plan, generation: model.generation, held, put_off, relied, source: None })
    }

    /// A complete reading of an element that is going to be changed.
    pub(super) async fn complete(&self, model: &Model, element: &str) -> Result<(Reading, Class), Failure> {
        managed(model, element)?;
        let (reading, class) = self.read(model, element).await?;
        Ok((whole(element, reading)?, class))
    }

    /// The same on a session that may write, which is not ended: a transaction goes on with it. An element that gives only
    /// one session has none to spare for the time in between, nor one that another transaction has in its hands.
    pub(super) async fn complete_to_write(
        &self,
        model: &Model,
        element: &str,
        pass: Option<&Pass<'_>>,
    ) -> Result<(Reading, Class, Option<Box<dyn Writer>>), Failure> {
        managed(model, element)?;
        let known = model.inventory.get(element);
        let one =
            known.is_some_and(|known| known.one_session) || self.adapter_of(model, element)?.manifest().one_session;
        if one || pass.is_none() && !self.gate.held_of(&names_of(element)).is_empty() {
            let (reading, class) = self.complete(model, element).await?;
            return Ok((reading, class, None));
        }
        let (reading, writer) =
            self.read_on(model, element, |south| Box::pin(async move { south.open_writer().await })).await?;
        match whole(element, reading) {
            Ok(reading) => Ok((reading, writer.class(), Some(writer))),
            Err(failure) => {
                writer.close().await;
                Err(failure)
            }
        }
    }

    pub(super) async fn read(&self, model: &Model, element: &str) -> Result<(Reading, Class), Failure> {
        let (reading, reader) =
            self.read_on(model, element, |south| Box::pin(async move { south.open_reader().await })).await?;
        let class = reader.class();
        reader.close().await;
        Ok((reading, class))
    }

    /// What an element says on a new session, and the session.
    async fn read_on<S: Reader + ?Sized>(
        &self,
        model: &Model,
        element: &str,
        open: fn(Arc<dyn Southbound>) -> BoxFuture<'static, Result<Box<S>, DriverError>>,
    ) -> Result<(Reading, Box<S>), Failure> {
        let unreachable = |message: String| Failure::Unreachable { element: element.into(), message };
        if model.inventory.get(element).is_some_and(|known| !known.managed) {
            return Err(unreachable("it is not managed (it left the inventory): nothing is read or sent".into()));
        }
        self.with_schema(model, element).await?;
        let open = || async {
            let south = self.southbound(model, element)?;
            open(south).await.map_err(|error| unreachable(error.message))
        };
        let mut session = open().await?;
        if self.renewed(model, element, session.module_set()).await? {
            // What it says is to be read by its new schema.
            session.close().await;
            session = open().await?;
        }
        match session.read_running().await {
            Ok(reading) => Ok((reading, session)),
            Err(error) => {
                session.close().await;
                Err(unreachable(format!("{}: {}", error.doing, error.message)))
            }
        }
    }

    pub(super) fn southbounds<'a>(
        &self,
        model: &Model,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, Arc<dyn Southbound>>, Failure> {
        names.map(|name| Ok((name.to_string(), self.southbound(model, name)?))).collect()
    }

    fn southbound(&self, model: &Model, element: &str) -> Result<Arc<dyn Southbound>, Failure> {
        let known = model.inventory.get(element).ok_or_else(|| not_found(element))?;
        let adapter = self.adapter_of(model, element)?;
        let south = self.parts.connector.southbound(known, &adapter);
        south.map_err(|message| Failure::Unreachable { element: element.into(), message })
    }

    /// What differs, with the history of what was known before.
    fn deviations_in(
        &self,
        model: &Model,
        element: &str,
        actual: &ConfigTree,
        defaults: DefaultsMode,
        now: Timestamp,
    ) -> Result<Vec<Deviation>, Failure> {
        let intended = merged(model, element)?;
        let recorded = model.recorded_on(element);
        let actual = as_meant(model, element, actual, &[&intended.tree, &recorded]);
        let adapter = self.adapter_of(model, element)?;
        let found = differences(&intended, &recorded, &actual, &adapter.defaults(defaults));
        let mut found: Vec<Deviation> =
            found.into_iter().map(|difference| deviation(model, element, difference, now)).collect();
        for left in still_left(model, element, &intended, &actual) {
            if found.iter().any(|known| known.id == left.id) {
                continue;
            }
            let actual = left.left.as_ref().and_then(|left| words(actual.at(&left.path)));
            let seen = left.seen.saturating_add(1);
            found.push(Deviation { actual, last_seen: now, seen, ..left });
        }
        Ok(found)
    }
}

fn managed(model: &Model, element: &str) -> Result<(), Failure> {
    if model.inventory.get(element).is_some_and(|known| !known.managed) {
        let message = "it is not managed: it left the inventory; put it back to change it".into();
        return Err(Failure::Unreachable { element: element.into(), message });
    }
    Ok(())
}

fn whole(element: &str, reading: Reading) -> Result<Reading, Failure> {
    match reading.partial {
        Some(message) => Err(Failure::Incomplete { element: element.into(), message }),
        None => Ok(reading),
    }
}

fn names_of(element: &str) -> BTreeSet<String> {
    BTreeSet::from([format!("element {element}")])
}

fn deviation(model: &Model, element: &str, found: Difference, now: Timestamp) -> Deviation {
    let id = deviation_id(element, &found.found.path);
    let before = model.deviation(&id);
    Deviation {
        element: element.into(),
        path: found.found.path.to_string(),
        kind: found.kind,
        services: owners(model, element, &found.found.path),
        recorded: found.found.recorded,
        wanted: found.found.wanted,
        actual: found.found.actual,
        since: before.map_or(now, |before| before.since),
        last_seen: now,
        seen: before.map_or(1, |before| before.seen.saturating_add(1)),
        policy: "report".into(),
        gate: "healed on request only".into(),
        left: None,
        id,
    }
}

/// The services that own a path or something below it.
fn owners(model: &Model, element: &str, path: &Path) -> Vec<ServiceKey> {
    let claimed = model.claimed_on(element);
    let owners = claimed.intended().map(|intended| intended.owners_of(path)).unwrap_or_default();
    let all: BTreeSet<ServiceKey> = owners.iter().filter_map(|(_, owner)| service_of(owner)).collect();
    all.into_iter().collect()
}

/// Deviations that are new, still there, or gone.
fn remember(
    model: &Model,
    element: &str,
    found: Vec<Deviation>,
    now: Timestamp,
    batch: &mut Batch,
) -> Result<(), Failure> {
    let ids: BTreeSet<String> = found.iter().map(|deviation| deviation.id.clone()).collect();
    for gone in model.deviations_of(element).filter(|old| !ids.contains(&old.id)) {
        batch.delete(Table::Deviations, &gone.id);
        batch.events.push(deviation_event("deviation-cleared", gone, now));
    }
    for deviation in found {
        if model.deviation(&deviation.id).is_none() {
            batch.events.push(deviation_event("deviation-raised", &deviation, deviation.since));
        }
        batch.put(Table::Deviations, &deviation.id, &deviation)?;
    }
    Ok(())
}

fn deviation_event(kind: &str, deviation: &Deviation, at: Timestamp) -> Event {
    let content = serde_json::json!({ "id": deviation.id, "element": deviation.element, "path": deviation.path });
    Event { at, kind: kind.into(), content }
}

fn merged(model: &Model, element: &str) -> Result<Intended, Failure> {
    model.claimed_on(element).intended().cloned().map_err(|found| conflict(element, found))
}

fn conflict(element: &str, found: &[ClaimConflict]) -> Failure {
    let first = found.first().map(ToString::to_string).unwrap_or_default();
    Failure::Internal(format!("{element}: stored claims conflict: {first}"))
}

pub(super) fn deviation_id(element: &str, path: &Path) -> String {
    content_digest(&(element, path))[..16].to_string()
}

/// Whether this node alone, at this path, is such a line in the element's own syntax.
fn is_line(adapter: &Adapter, at: &Path, node: &Node, wanted: &str) -> bool {
    let Some(parent) = at.parent() else { return false };
    let alone = ConfigTree::default().with(&parent, node.clone(), After::Keep);
    adapter.text(&alone).lines().any(|line| line.trim() == wanted)
}

fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Adopted => "adopted",
        Layer::Base => "base",
        Layer::Service => "service",
        Layer::Pin => "pin",
    }
}

const WHY_MAX: usize = 200;
/// The shortest prefix of a deviation's id.
const ID_MIN: usize = 8;
