//! The spine: the only place that knows the order of the stations.
//!
//! ```text
//!  edits ─ propose ─► Plan ─ keep ─► (24 h) ─ commit_kept ─┐
//!    └──── write ─────────────────────────────────────────┤
//!  deviations ─ heal ─────────────────────────────────────┴─► gate ─ propose again ─► transaction ─► mirror follows
//!  check (one look of the loop): read ─ compare ─► deviations
//! ```
//!
//! Here: what it is made of and what it shows. `kept` keeps plans, `execute` carries them out, `look` reads elements.
//!
//! There is one way to compute a difference and one way to write: dry-run, commit, heal and recovery go through them.
//! Guarantees: `propose` writes nothing, takes no lock and no number; a kept plan is committed with exactly its bytes or
//! refused; every verb asks `authorize` first; every write leaves an audit record.

mod closing;
mod desk;
mod execute;
mod failure;
mod gate;
mod history;
mod inventory;
mod kept;
mod left;
mod look;
mod model;
mod numbers;
mod propose;
mod queue;
mod request;
mod requests;
mod resolve;
mod rewrite;
mod schemas;
mod underway;
mod undo;
mod vault;
mod watch;

pub use crate::transaction::{Progress, Timing};
pub use desk::{Desk, Drafted, Wanted};
pub use execute::strong_enough;
pub use failure::Failure;
pub use history::HistoryLimits;
pub use model::{Meaning, Model};
pub use request::{Absent, AdapterSummary, CheckReport, DocumentEdit, Expect, KeptPlan, Probe, Terms, Why};
pub use requests::{Repeated, RequestLimits, RequestName};
pub use resolve::{AstrayPath, ElementStanding, ResolveAsked, Standing};
pub use rewrite::RewriteAsked;
pub use schemas::SchemaSettings;
pub use vault::{Vault, VaultError};

use crate::adagio::Southbound;
use crate::adagio::connect::Connector;
use crate::adapter::{Adapter, manifest::Transport};
use crate::domain::{
    AuditRecord, Event, Fault, FaultTag, Principal, ServiceKey, StoredDocument, TransactionRecord, Verb, authorize,
};
use crate::face;
use crate::service::{Ranges, Service};
use crate::store::{Batch, Store};
use crate::transaction::{Ambient, Probe as Points, Recovery, Runner, StopSignal, TransactionLimits};
use crate::tree::{CodecError, ConfigTree, Limits, Path, Policy, SchemaIndex, json};
use crate::yang::client::{Loaded, Validator};
use crate::yang::protocol::{DocumentKind, Encoding};
use closing::EndClosing;
use execute::as_stored;
use gate::Gate;
use queue::Pace;
use requests::Requests;
use schemas::Schemas;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use underway::Underway;
use undo::AdapterUndo;

/// What a controller is made of; `bin` wires it.
pub struct Parts {
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Our lease.
    pub epoch: u64,
    /// What validates documents: the libyang worker.
    pub yang: Arc<dyn Validator>,
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
    /// How long, and how many, names of requests are kept.
    pub requests: RequestLimits,
    /// How much of the past of services is kept.
    pub history: HistoryLimits,
}

/// The controller. Share it by `Arc`.
pub struct Controller {
    parts: Parts,
    model: Arc<RwLock<Arc<Model>>>,
    schemas: Arc<Schemas>,
    gate: Gate,
    underway: Underway,
    requests: Requests,
    pace: Pace,
    runner: Runner,
    recovery: Recovery,
    ending: Arc<EndClosing>,
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
        let ending = Arc::new(EndClosing { model: model.clone(), ambient, noted: Mutex::default() });
        let recovery = Recovery::new(runner.clone(), ending.clone());
        let requests = Requests::load(parts.store.as_ref()).await?;
        let this = Arc::new(Self {
            parts,
            model,
            schemas,
            gate: Gate::default(),
            underway: Underway::default(),
            requests,
            pace: Pace::default(),
            runner,
            recovery,
            ending,
        });
        this.open_vault().await?;
        Ok(this)
    }

    /// Ends what a daemon before us left open; call it before anything else is sent.
    pub async fn recover(&self) -> Result<Vec<TransactionRecord>, Failure> {
        let mut ended = self.end_promised().await?;
        ended.extend(self.recovery.run(&self.reachable()).await?);
        Ok(ended)
    }

    /// Tries again what is still unresolved and due. Answers in how long there is something to do.
    pub async fn recover_again(&self) -> Result<Option<Duration>, Failure> {
        self.follow_noted().await?;
        // Drivers are made (credentials read, patterns compiled) only when there is something to drive.
        let left = self.recovery.has_left_edits() || self.recovery.has_unsaved();
        if self.parts.store.open_transactions().await?.is_empty() && !left {
            return Ok(None);
        }
        let tried = self.recovery.retry(&self.reachable()).await;
        self.follow_noted().await?;
        for record in tried? {
            let outcome = record.outcome.as_ref().map_or_else(|| "still open".into(), ToString::to_string);
            tracing::info!(transaction = record.id, outcome, "an open transaction was looked at again");
        }
        Ok(self.recovery.next_retry())
    }

    /// The mirror follows what recovery noted; what could not be asked of the store is asked the next time.
    async fn follow_noted(&self) -> Result<(), Failure> {
        let noted = || self.ending.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = noted().clone();
        if batch != Batch::default() {
            self.mirror(&as_stored(self.parts.store.as_ref(), &batch).await?)?;
            *noted() = Batch::default();
        }
        Ok(())
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

    /// Every fault that libyang finds in a document.
    async fn validate(&self, body: &str) -> Result<(), Failure> {
        let north = &self.parts.north;
        let found = self.parts.yang.validate(&north.id, DocumentKind::Config, Encoding::Json, body).await;
        let found = found.map_err(|error| Failure::Internal(crate::domain::chain(&error)))?;
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

fn parsed(schema: &SchemaIndex, body: &str) -> Result<ConfigTree, String> {
    read(schema, body).map_err(|error| error.to_string())
}

fn read(schema: &SchemaIndex, body: &str) -> Result<ConfigTree, CodecError> {
    json::parse(body.as_bytes(), schema, None, Policy::STRICT, &Limits::NORTH)
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
