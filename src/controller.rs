//! The spine: the only place that knows the order of the stations.
//!
//! ```text
//!  edits ─ propose ─► Plan ─ keep ─► (24 h) ─ commit_kept ─┐
//!    └──── write ─────────────────────────────────────────┤
//!  deviations ─ heal ─────────────────────────────────────┴─► gate ─ propose again ─► transaction ─► mirror follows
//!  check (one look of the loop): read ─ compare ─► deviations
//! ```
//!
//! There is one way to compute a difference and one way to write: dry-run, commit, heal and recovery go through them.
//! Guarantees: `propose` writes nothing, takes no lock and no number; a kept plan is committed with exactly its bytes or
//! refused; every verb asks `authorize` first; every write leaves an audit record.

mod closing;
mod desk;
mod failure;
mod gate;
mod inventory;
mod look;
mod model;
mod numbers;
mod propose;
mod request;
mod rewrite;
mod schemas;
mod undo;
mod vault;

pub use desk::{Desk, Drafted, Wanted};
pub use failure::Failure;
use model::KEPT;
pub use model::{Meaning, Model};
pub use request::{Absent, AdapterSummary, CheckReport, DocumentEdit, Expect, KeptPlan, Probe, Terms, Why};
pub use rewrite::RewriteAsked;
pub use schemas::SchemaSettings;
pub use vault::{Vault, VaultError};

use crate::adagio::Southbound;
use crate::adagio::connect::Connector;
use crate::adapter::{Adapter, manifest::Transport};
use crate::domain::{
    AuditRecord, Event, Fault, FaultTag, Outcome, Principal, ServiceKey, StoredDocument, TransactionRecord, Verb,
    authorize,
};
use crate::face;
use crate::plan::{Allowed, Plan, ServiceChange};
use crate::service::ledger::Exclusions;
use crate::service::{Ranges, Service};
use crate::store::{self, Batch, Change, Durability, Store, Table};
use crate::transaction::{
    Ambient, Probe as Points, Recovery, Runner, StopSignal, TransactionLimits, TransactionRequest,
};
use crate::tree::{ConfigTree, Limits, Path, Policy, SchemaIndex, json};
use crate::yang::client::{Loaded, YangWorker};
use crate::yang::protocol::{DocumentKind, Encoding};
use closing::{EndClosing, PlanClosing};
use futures::FutureExt;
use gate::{Gate, Pass};
use numbers::{NUMBER, is_number, numbers_in};
use propose::Proposal;
use schemas::Schemas;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use undo::AdapterUndo;

/// What a controller is made of; `bin` wires it.
pub struct Parts {
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Our lease.
    pub epoch: u64,
    /// The libyang worker.
    pub yang: Arc<YangWorker>,
    /// The modules of the north, compiled.
    pub north: Arc<Loaded>,
    /// Adapters by name, with their schemas unless the elements bring them.
    pub adapters: BTreeMap<String, Arc<Adapter>>,
    /// How the schemas of elements are got that bring their own.
    pub schemas: SchemaSettings,
    /// How elements are reached.
    pub connector: Connector,
    /// The secrets; the connector opens them from here.
    pub vault: Arc<Vault>,
    /// Time and chance.
    pub ambient: Arc<dyn Ambient>,
    /// Called at the named points of a transaction.
    pub probe: Arc<dyn Points>,
    /// Time limits of transactions.
    pub limits: TransactionLimits,
    /// The daemon ends.
    pub stop: StopSignal,
    /// How long a kept plan lives.
    pub keep: Duration,
    /// How many are kept.
    pub keep_max: usize,
    /// Their size together, bytes.
    pub keep_bytes: usize,
    /// Where automatic numbers come from.
    pub ranges: Ranges,
    /// How long a released number rests after no element carries it any more.
    pub quarantine: Duration,
}

/// The controller. Share it by `Arc`.
pub struct Controller {
    parts: Parts,
    model: Arc<RwLock<Arc<Model>>>,
    schemas: Arc<Schemas>,
    gate: Gate,
    runner: Runner,
    recovery: Recovery,
}

/// What a write is made of.
enum Work {
    Edits { edits: Vec<DocumentEdit>, allowed: Allowed },
    Heal { element: String, paths: Vec<Path> },
}

impl Controller {
    /// Loads what is known.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Failure> {
        let model = Model::load(parts.store.as_ref(), &meaning(&parts.north.index)).await?;
        let model = Arc::new(RwLock::new(Arc::new(model)));
        let schemas = Arc::new(Schemas::new(parts.adapters.clone(), parts.schemas.clone()));
        let known = model.read().unwrap_or_else(PoisonError::into_inner).clone();
        schemas.restore(known.inventory.iter()).await;
        drop(known);
        let undo = AdapterUndo { model: model.clone(), schemas: schemas.clone() };
        let (store, ambient, probe) = (parts.store.clone(), parts.ambient.clone(), parts.probe.clone());
        let runner = Runner::new(store, parts.epoch, ambient.clone(), Arc::new(undo), probe, parts.limits.clone());
        let recovery = Recovery::new(runner.clone(), Arc::new(EndClosing { ambient }));
        let this = Arc::new(Self { parts, model, schemas, gate: Gate::default(), runner, recovery });
        this.open_vault().await?;
        Ok(this)
    }

    /// Ends what a daemon before us left open; call it before anything else is sent.
    pub async fn recover(&self) -> Result<Vec<TransactionRecord>, Failure> {
        Ok(self.recovery.run(&self.reachable()).await?)
    }

    /// Tries again what is still unresolved and due. Answers in how long there is something to do.
    pub async fn recover_again(&self) -> Result<Option<Duration>, Failure> {
        // Drivers are made (credentials read, patterns compiled) only when there is something to drive.
        if self.parts.store.open_transactions().await?.is_empty() {
            return Ok(None);
        }
        for record in self.recovery.retry(&self.reachable()).await? {
            tracing::info!(transaction = record.id, outcome = ?record.outcome, "an open transaction was looked at again");
        }
        Ok(self.recovery.next_retry())
    }

    /// Drivers of all elements that have what a driver needs.
    fn reachable(&self) -> BTreeMap<String, Arc<dyn Southbound>> {
        let model = self.model();
        let found = model.inventory.iter().filter_map(|element| {
            let name = &element.name;
            let south = self.southbounds(&model, std::iter::once(name.as_str()));
            if let Err(error) = &south {
                tracing::warn!(element = %name, %error, "cannot be driven");
            }
            south.ok()
        });
        found.flatten().collect()
    }

    /// The schema of the north: the faces' modules and `andante`.
    pub fn schema(&self) -> &Arc<SchemaIndex> {
        &self.parts.north.index
    }

    /// The documents of one face, by id.
    pub async fn documents(&self, principal: &Principal, face: &str) -> Result<Vec<StoredDocument>, Failure> {
        authorize(principal, Verb::Read, face)?;
        let model = self.model();
        Ok(model.documents.values().filter(|document| document.key.face == face).map(|d| (**d).clone()).collect())
    }

    /// One document.
    pub async fn document(&self, principal: &Principal, key: &ServiceKey) -> Result<Option<StoredDocument>, Failure> {
        authorize(principal, Verb::Read, &key.to_string())?;
        Ok(self.model().documents.get(key).map(|document| (**document).clone()))
    }

    /// The tree of a stored document.
    pub fn tree_of(&self, document: &StoredDocument) -> Result<ConfigTree, Failure> {
        tree_in(self.schema(), document).map_err(Failure::Internal)
    }

    /// The document as a GET shows it, state laid over it.
    pub fn view(&self, key: &ServiceKey, document: &ConfigTree) -> ConfigTree {
        face::view(document, key, None)
    }

    /// Splits a tree of many services into one document each.
    pub fn split(&self, tree: &ConfigTree) -> Result<Vec<(ServiceKey, ConfigTree)>, Failure> {
        face::documents(tree).map_err(desk::refused_document)
    }

    /// The path of a service in its document.
    pub fn service_path(&self, key: &ServiceKey) -> Option<Path> {
        Some(face::face(&key.face)?.service_path(&key.id))
    }

    /// The modules that are served as faces, with the path of their list's container.
    pub fn faces(&self) -> Vec<(&'static str, Path)> {
        face::FACES.iter().map(|face| (face.module, face.services_path())).collect()
    }

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
        Ok(self.proposal(&self.cut(edits)?, allowed, &self.about_to_be_taken(None)).await?.plan)
    }

    /// Plans edits and keeps the plan for a later commit.
    pub async fn keep(
        &self,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
    ) -> Result<KeptPlan, Failure> {
        let plan = self.propose(principal, edits, allowed).await?;
        let created = self.parts.ambient.now();
        let expires = created.saturating_add(jiff::SignedDuration::try_from(self.parts.keep).unwrap_or_default());
        let expires = expires.unwrap_or(created);
        let kept = KeptPlan { plan, allowed: allowed.clone(), created, expires, author: principal.user.clone() };
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
        let gone = || Failure::NotFound { what: format!("a plan {id} that is still kept") };
        match (id.len() >= KEPT_ID_MIN, alike.next(), alike.next()) {
            (true, Some(key), None) => store::get(self.parts.store.as_ref(), Table::Plans, key).await?.ok_or_else(gone),
            (true, Some(_), Some(_)) => Err(Failure::NotFound { what: format!("a single plan that begins with {id}") }),
            _ => Err(gone()),
        }
    }

    /// Plans and commits. When what was read moved meanwhile it plans again.
    pub async fn write(
        self: &Arc<Self>,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        for edit in &edits {
            authorize(principal, Verb::Write, &edit.key().to_string())?;
        }
        let edits = self.cut(edits)?;
        self.carried_out(principal, Work::Edits { edits, allowed: allowed.clone() }, None, terms).await
    }

    /// Commits a kept plan: exactly its bytes, or [`Failure::Stale`].
    pub async fn commit_kept(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let kept = self.kept(principal, id).await?;
        for change in &kept.plan.services {
            authorize(principal, Verb::Write, &change.key.to_string())?;
        }
        let edits = self.edits_of(&kept.plan)?;
        self.carried_out(principal, Work::Edits { edits, allowed: kept.allowed }, Some(kept.plan), terms).await
    }

    /// Brings deviations of an element back to what is intended. `ids` empty = all of the element.
    pub async fn heal(
        self: &Arc<Self>,
        principal: &Principal,
        element: &str,
        ids: &[String],
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        authorize(principal, Verb::Heal, element)?;
        let paths = self.deviating(element, ids).await?;
        self.carried_out(principal, Work::Heal { element: element.into(), paths }, None, terms).await
    }

    /// Transactions, newest first.
    pub async fn transactions(&self, principal: &Principal) -> Result<Vec<TransactionRecord>, Failure> {
        authorize(principal, Verb::Read, "transactions")?;
        let rows = store::list(self.parts.store.as_ref(), Table::Transactions, "").await?;
        let mut records: Vec<TransactionRecord> = rows.into_iter().map(|(_, record)| record).collect();
        records.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
        Ok(records)
    }

    /// The transaction whose id begins so.
    pub async fn transaction(&self, principal: &Principal, id: &str) -> Result<Option<TransactionRecord>, Failure> {
        authorize(principal, Verb::Read, "transactions")?;
        let mut found = store::list(self.parts.store.as_ref(), Table::Transactions, id).await?;
        Ok(if found.len() == 1 { found.pop().map(|(_, record)| record) } else { None })
    }

    /// Outbox rows after a sequence number.
    pub async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<(u64, Event)>, Failure> {
        Ok(self.parts.store.events_after(sequence, limit).await?)
    }

    /// The adapters, by name.
    pub fn adapters(&self) -> Vec<AdapterSummary> {
        let summary = |adapter: &Arc<Adapter>| AdapterSummary {
            name: adapter.name().into(),
            version: adapter.version().into(),
            digest: adapter.digest().into(),
            transport: match adapter.transport() {
                Transport::Netconf => "netconf".into(),
                Transport::Cli => "cli".into(),
            },
            functions: adapter.functions().into_iter().map(str::to_string).collect(),
            simulated_only: adapter.simulated_only(),
        };
        self.schemas.adapters().values().map(summary).collect()
    }

    /// Waits until no transaction holds anything.
    pub async fn quiet(&self) {
        self.gate.quiet().await;
    }

    fn model(&self) -> Arc<Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn adapter(&self, name: &str) -> Option<Arc<Adapter>> {
        self.schemas.adapters().get(name).cloned()
    }

    /// Runs the work in a task of its own, so that a caller who goes away does not end it, and waits as long as asked.
    async fn carried_out(
        self: &Arc<Self>,
        principal: &Principal,
        work: Work,
        pinned: Option<Plan>,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let id = Arc::new(Mutex::new(new_id()));
        let (this, who, what, how) = (self.clone(), principal.clone(), id.clone(), terms.clone());
        let mut task = tokio::spawn(async move { this.execute(&who, &what, work, pinned, &how).await });
        if let Some(wait) = terms.wait {
            // The task is polled to its end here or below, never both.
            if let Ok(done) = tokio::time::timeout(wait, &mut task).await {
                return done.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())));
            }
            // Without a record nothing was sent yet; then it is still planning, and worth waiting for. One that has ended
            // is about to be answered, or made anew because what it read had moved.
            let id = current(&id);
            let record: Option<TransactionRecord> =
                store::get(self.parts.store.as_ref(), Table::Transactions, &id).await?;
            if let Some(record) = record.filter(|record| record.finished.is_none()) {
                return Ok(record);
            }
        }
        task.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
    }

    async fn execute(
        &self,
        principal: &Principal,
        id: &Mutex<String>,
        work: Work,
        pinned: Option<Plan>,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut proposal = self.planned(&work, None).await?;
            // A number that another is about to take is no reason to wait for its end: others are free.
            for _ in 0..DRAWS {
                let names = proposal.names();
                let held = self.gate.held_of(&names);
                if held.is_empty() || !held.iter().all(|name| is_number(name)) {
                    break;
                }
                match self.again(&work, &mut proposal, None) {
                    Some(again) => proposal = again?,
                    None => break,
                }
            }
            let pass = self.gate.enter(proposal.names()).await;
            // Somebody else may have been decided while we waited.
            if self.model().generation != proposal.generation {
                proposal = match self.again(&work, &mut proposal, Some(&pass)) {
                    Some(again) => again?,
                    None => self.planned(&work, Some(&pass)).await?,
                };
            }
            if !pass.covers(&proposal.names()) {
                continue;
            }
            let plan = match &pinned {
                Some(pinned) => {
                    same_bytes(pinned, &proposal.plan)?;
                    // The one that was looked at, under its own id.
                    pinned.clone()
                }
                None => proposal.plan,
            };
            if let Some(want) = terms.require_class
                && let Some(weak) = plan.elements.iter().find(|element| element.class > want)
            {
                return Err(Failure::ClassTooWeak { element: weak.element.clone(), have: weak.class, want });
            }
            self.seal_now(&plan).await?;
            let summary = self.summary(&work, &plan);
            let record = self.run(principal, &current(id), plan, summary).await?;
            if is_stale(&record) && pinned.is_none() && attempt < ATTEMPTS {
                tracing::info!(transaction = record.id, "what was read has moved; planning again");
                // The journal of this one is closed. Under its id recovery would not see what another attempt sends.
                *id.lock().unwrap_or_else(PoisonError::into_inner) = new_id();
                continue;
            }
            return Ok(record);
        }
    }

    async fn planned(&self, work: &Work, pass: Option<&Pass<'_>>) -> Result<Proposal, Failure> {
        match work {
            Work::Edits { edits, allowed } => self.proposal(edits, allowed, &self.about_to_be_taken(pass)).await,
            Work::Heal { element, paths } => self.healing(element, paths).await,
        }
    }

    /// The plan made again with the same readings, where these are still good.
    fn again(&self, work: &Work, proposal: &mut Proposal, pass: Option<&Pass<'_>>) -> Option<Result<Proposal, Failure>> {
        match work {
            Work::Edits { allowed, .. } => self.proposed_again(proposal, allowed, &self.about_to_be_taken(pass)),
            Work::Heal { .. } => None,
        }
    }

    /// Numbers that transactions hold which are not decided yet, but for those of `pass`.
    fn about_to_be_taken(&self, pass: Option<&Pass<'_>>) -> Exclusions {
        numbers_in(&self.gate.held_by_others(NUMBER, pass))
    }

    fn summary(&self, work: &Work, plan: &Plan) -> String {
        match work {
            Work::Heal { element, paths } => format!("heal {element} ({} deviation(s))", paths.len()),
            Work::Edits { .. } => {
                let verb = |change: &ServiceChange| format!("{:?} {}", change.effect, change.key).to_lowercase();
                plan.services.iter().map(verb).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The transaction; the pass of the gate is held by the caller.
    async fn run(
        &self,
        principal: &Principal,
        id: &str,
        plan: Plan,
        summary: String,
    ) -> Result<TransactionRecord, Failure> {
        let elements = {
            let model = self.model();
            self.southbounds(&model, plan.elements.iter().map(|element| element.element.as_str()))?
        };
        let closing = Arc::new(PlanClosing::new(self.model.clone(), self.parts.ambient.clone(), plan.clone()));
        let request = TransactionRequest {
            id: id.into(),
            plan,
            principal: principal.clone(),
            summary,
            closing: closing.clone(),
            progress: None,
        };
        let ride = self.runner.run(request, &elements, self.parts.stop.child());
        let ride = AssertUnwindSafe(ride).catch_unwind().await;
        if let Ok(record) = &ride {
            say(record);
        }
        if self.follow(&closing, ride.as_ref().ok().and_then(|record| record.outcome.as_ref())).await {
            let read = std::mem::take(&mut closing.done.lock().unwrap_or_else(PoisonError::into_inner).read);
            // It is decided and recorded; the next look notices what this one could not keep.
            if let Err(error) = self.looked(&read).await {
                tracing::warn!(transaction = id, %error, "deviations are as old as the last look");
            }
        }
        ride.map_err(|_| {
            let message =
                "the transaction ended by a fault of this program; recovery reads the elements and finishes it";
            Failure::Internal(format!("{id}: {message}"))
        })
    }

    /// The mirror follows what has been decided; whether all was applied. Where the end does not say whether the decision
    /// is durable, the store is asked: what it holds is true. The caller holds the services and elements, so nobody else
    /// moves them meanwhile.
    async fn follow(&self, closing: &PlanClosing, outcome: Option<&Outcome>) -> bool {
        let batch = closing.done.lock().unwrap_or_else(PoisonError::into_inner).batch.take();
        // Without a batch it never came to a decision.
        let Some(batch) = batch else { return false };
        let followed = match outcome {
            Some(Outcome::Applied) => self.mirror(&batch),
            _ => match self.asked_again(&batch).await {
                Some(stored) => self.mirror(&stored),
                None => return false,
            },
        };
        if let Err(error) = followed {
            let error = crate::adagio::driver::chain(&error);
            tracing::error!(error, "what was decided is stored, but not in memory: restart the daemon");
        }
        matches!(outcome, Some(Outcome::Applied))
    }

    /// The records of a batch as the store has them, as soon as it answers.
    async fn asked_again(&self, batch: &Batch) -> Option<Batch> {
        for attempt in 1..=ASK_ATTEMPTS {
            match as_stored(self.parts.store.as_ref(), batch).await {
                Ok(stored) => return Some(stored),
                Err(error) => {
                    let error = crate::adagio::driver::chain(&error);
                    tracing::error!(attempt, error, "the store does not say whether a decision is durable");
                }
            }
            self.parts.ambient.sleep(ASK_PAUSE).await;
        }
        tracing::error!("the store did not say whether a decision is durable: restart the daemon");
        None
    }

    fn mirror(&self, batch: &Batch) -> Result<(), Failure> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut model).apply(batch, &meaning(self.schema()))?;
        Ok(())
    }

    /// A batch of our own, outside any transaction: durable, then mirrored.
    async fn commit_batch(&self, batch: Batch) -> Result<(), Failure> {
        self.commit_with(batch, Durability::Now).await
    }

    /// The same for what may wait for the disk: mirrored at once, durable soon.
    async fn commit_with(&self, batch: Batch, durability: Durability) -> Result<(), Failure> {
        if let Err(error) = self.parts.store.commit(self.parts.epoch, batch.clone(), durability).await {
            // An error does not say that nothing was written.
            if let Ok(stored) = as_stored(self.parts.store.as_ref(), &batch).await {
                self.mirror(&stored)?;
            }
            return Err(error.into());
        }
        self.mirror(&batch)
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

    fn edits_of(&self, plan: &Plan) -> Result<Vec<DocumentEdit>, Failure> {
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

    /// Every fault that libyang finds in a document.
    async fn validate(&self, body: &str) -> Result<(), Failure> {
        let north = &self.parts.north;
        let found = self.parts.yang.validate(&north.id, DocumentKind::Config, Encoding::Json, body).await;
        let found = found.map_err(|error| Failure::Internal(crate::adagio::driver::chain(&error)))?;
        if found.is_empty() {
            return Ok(());
        }
        let fault = |fault: crate::yang::protocol::Fault| Fault {
            path: fault.path,
            tag: if fault.tag == "data-missing" { FaultTag::DataMissing } else { FaultTag::InvalidValue },
            app_tag: fault.app_tag,
            message: fault.message,
        };
        Err(Failure::Document(found.into_iter().map(fault).collect()))
    }

    /// Audits a write that is no transaction.
    fn audited(&self, batch: &mut Batch, principal: &Principal, action: &str, target: &str, result: &str) {
        batch.audit.push(AuditRecord {
            at: self.parts.ambient.now(),
            principal: principal.clone(),
            action: action.into(),
            target: target.into(),
            plan: None,
            transaction: None,
            result: result.into(),
        });
    }
}

/// The id of a new transaction.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The id of the attempt that is under way.
fn current(id: &Mutex<String>) -> String {
    id.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// One line in the log for what was asked for and how it ended, and one for every piece that an element kept.
fn say(record: &TransactionRecord) {
    let outcome = record.outcome.as_ref().map_or_else(|| "still open".to_string(), closing::in_words);
    let user = &record.principal.user;
    match &record.outcome {
        Some(Outcome::Unresolved { .. }) => {
            tracing::error!(transaction = record.id, user, "{}: {outcome}; it is worked on", record.summary);
        }
        _ => tracing::info!(transaction = record.id, user, "{}: {outcome}", record.summary),
    }
    for (element, progress) in &record.elements {
        for residue in &progress.residue {
            tracing::warn!(transaction = record.id, element, residue, "the element kept it for now");
        }
    }
}

fn is_stale(record: &TransactionRecord) -> bool {
    use crate::domain::outcome::CauseKind;
    matches!(&record.outcome, Some(Outcome::NotApplied { cause }) if cause.kind == CauseKind::Stale)
}

/// The records of a batch as the store has them.
async fn as_stored(store: &dyn Store, batch: &Batch) -> Result<Batch, store::StoreError> {
    let mut stored = Batch::default();
    for change in &batch.changes {
        let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
        stored.changes.push(match store.get_bytes(*table, key).await? {
            Some(bytes) => Change::Put(*table, key.clone(), bytes),
            None => Change::Delete(*table, key.clone()),
        });
    }
    Ok(stored)
}

/// A pinned plan is committed only if planning again gives the same bytes, from the same state, for the same services.
fn same_bytes(pinned: &Plan, fresh: &Plan) -> Result<(), Failure> {
    let of = |change: &ServiceChange| {
        let change = change.clone();
        (change.key, change.effect, change.document, change.base_revision, change.claims, change.asked)
    };
    if !pinned.services.iter().map(of).eq(fresh.services.iter().map(of)) {
        let moved = pinned.services.iter().zip(&fresh.services).find(|(old, new)| of(old) != of(new));
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

fn parsed(schema: &SchemaIndex, body: &str) -> Result<ConfigTree, String> {
    json::parse(body.as_bytes(), schema, None, Policy::STRICT, &Limits::NORTH).map_err(|error| error.to_string())
}

fn tree_in(schema: &SchemaIndex, document: &StoredDocument) -> Result<ConfigTree, String> {
    parsed(schema, &document.body)
}

/// What documents mean, by the schema of the north.
pub fn meaning(schema: &Arc<SchemaIndex>) -> impl Fn(&StoredDocument) -> Result<Service, String> + Send + Sync + use<> {
    let schema = schema.clone();
    move |document| service_in(&schema, document)
}

fn service_in(schema: &SchemaIndex, document: &StoredDocument) -> Result<Service, String> {
    let tree = tree_in(schema, document)?;
    face::service_of(&tree, &document.key)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Key of a kept plan in the store.
fn kept_key(id: &str) -> String {
    format!("{KEPT}{id}")
}

/// The shortest prefix of a kept plan's id.
const KEPT_ID_MIN: usize = 8;

/// How often, and how long apart, the store is asked what became of a decision.
const ASK_ATTEMPTS: u32 = 60;
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// How often other numbers are drawn because somebody was quicker.
const DRAWS: usize = 8;

/// How often a write is planned again because what it read moved.
const ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn what_a_lost_decision_would_have_changed_is_taken_from_the_store() {
        let store = MemoryStore::default();
        let epoch = store.take_lease("test").await.unwrap();
        let mut before = Batch::default();
        before.put(Table::Documents, "f/old", &1).unwrap();
        store.commit(epoch, before, Durability::Now).await.unwrap();
        let mut lost = Batch::default();
        lost.put(Table::Documents, "f/old", &2).unwrap();
        lost.put(Table::Documents, "f/new", &3).unwrap();
        let stored = as_stored(&store, &lost).await.unwrap();
        assert!(
            matches!(&stored.changes[0], Change::Put(Table::Documents, key, bytes) if key == "f/old" && bytes == b"1")
        );
        assert!(matches!(&stored.changes[1], Change::Delete(Table::Documents, key) if key == "f/new"));
    }

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
