//! A transaction over one CLI element inside the test's own process: a plan between two trees, the adapter's part of an
//! undo, and a probe that watches, dies or does something at a named point.
#![allow(dead_code, missing_docs)] // each test binary uses its own part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "by_adapter.rs"]
mod by_adapter;

use andante::adagio::Southbound;
use andante::adapter::Adapter;
use andante::domain::{Class, Principal, TransactionRecord};
use andante::plan::{ElementPlan, Plan, ReadEntry, digest_at, touched_state};
use andante::store::{Batch, MemoryStore, Store};
use andante::transaction::{
    Opened, Probe, Recovery, Runner, StopSignal, SystemAmbient, TransactionLimits, TransactionRequest,
};
use andante::tree::{ConfigTree, Path, diff, inverse};
use by_adapter::ByAdapter;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub type South = BTreeMap<String, Arc<dyn Southbound>>;

/// The plan that leads `pe1` from one tree to the other.
pub fn plan(adapter: &Adapter, class: Class, from: &ConfigTree, to: &ConfigTree) -> Plan {
    let difference = diff(from, to);
    let paths: Vec<Path> = difference.edits.iter().map(|edit| edit.path().clone()).collect();
    let back = inverse(&difference);
    let entry = |path: &Path| ReadEntry { path: path.clone(), digest: digest_at(from, path) };
    // By its stored form, in which whatever is not said has its default.
    let plan = serde_json::json!({
        "element": "pe1",
        "adapter": format!("{} {}", adapter.name(), adapter.version()),
        "class": class,
        "diff": difference,
        "inverse": back,
        "payload": adapter.render(&difference, from, to).unwrap(),
        "undo": adapter.render(&back, to, from).unwrap(),
        "read-set": paths.iter().map(entry).collect::<Vec<_>>(),
        "before": touched_state(from, paths.iter()),
        "after": touched_state(to, paths.iter()),
        "adopted": null,
        "text": "",
        "impact": andante::adapter::Impact::Hitless,
        "collateral": [],
        "overwritten": [],
        "deviations": [],
        "simulated-only": false,
    });
    let element: ElementPlan = serde_json::from_value(plan).unwrap();
    Plan { id: String::new(), services: vec![], elements: vec![element], numbers: vec![], warnings: vec![] }.sealed()
}

/// The daemon's part of the transaction: a store that outlives its runners, as the disk outlives the process.
pub struct Rider {
    pub adapter: Arc<Adapter>,
    pub limits: TransactionLimits,
    store: Arc<MemoryStore>,
}

impl Rider {
    pub fn new(adapter: Arc<Adapter>, limits: TransactionLimits) -> Self {
        Self { adapter, limits, store: Arc::new(MemoryStore::new()) }
    }

    /// Runs it to its end. `None`: the probe let it die.
    pub async fn ride(&self, plan: Plan, south: &South, probe: Arc<Watch>) -> Option<TransactionRecord> {
        let died = probe.died.clone();
        let stop = probe.stop.clone();
        let runner = self.runner(probe).await;
        let request = TransactionRequest {
            id: uuid::Uuid::now_v7().to_string(),
            plan,
            principal: Principal::daemon(),
            summary: "a test".into(),
            closing: Arc::new(Batch::default()),
            progress: None,
            opened: Opened::default(),
        };
        tokio::select! {
            record = runner.run(request, south, stop) => Some(record),
            () = died.notified() => None,
        }
    }

    /// The next daemon starts.
    pub async fn recovery(&self) -> Recovery {
        Recovery::new(self.runner(Arc::new(Watch::default())).await, Arc::new(Batch::default()))
    }

    async fn runner(&self, probe: Arc<Watch>) -> Runner {
        let epoch = self.store.take_lease("tests").await.unwrap();
        let undo = Arc::new(ByAdapter(BTreeMap::from([("pe1".to_owned(), self.adapter.clone())])));
        let ambient = Arc::new(SystemAmbient::new());
        Runner::new(self.store.clone(), epoch, ambient, undo, probe, self.limits.clone())
    }
}

type Deed = Box<dyn FnOnce() + Send>;

/// Sees every named point of a transaction.
#[derive(Default)]
pub struct Watch {
    passed: Mutex<Vec<String>>,
    die_at: Option<String>,
    died: Arc<tokio::sync::Notify>,
    deed: Mutex<Option<(String, Deed)>>,
    stop: StopSignal,
}

impl Watch {
    /// The daemon dies at this point.
    pub fn dies_at(point: &str) -> Self {
        Self { die_at: Some(point.into()), ..Self::default() }
    }

    /// Something is done at this point, once, while the transaction waits.
    pub fn does(point: &str, deed: impl FnOnce() + Send + 'static) -> Self {
        Self { deed: Mutex::new(Some((point.into(), Box::new(deed)))), ..Self::default() }
    }

    /// The same for a transaction that can be told to end.
    pub fn told_by(self, stop: StopSignal) -> Self {
        Self { stop, ..self }
    }

    /// The points that were passed.
    pub fn passed(&self) -> Vec<String> {
        self.passed.lock().unwrap().clone()
    }
}

impl Probe for Watch {
    fn at(&self, point: &str) -> BoxFuture<'static, ()> {
        self.passed.lock().unwrap().push(point.to_owned());
        if self.die_at.as_deref() == Some(point) {
            let died = self.died.clone();
            return Box::pin(async move {
                died.notify_one();
                futures::future::pending::<()>().await;
            });
        }
        let deed = self.deed.lock().unwrap().take_if(|(at, _)| at == point);
        match deed {
            Some((_, deed)) => Box::pin(async move { tokio::task::spawn_blocking(deed).await.unwrap() }),
            None => Box::pin(std::future::ready(())),
        }
    }
}
