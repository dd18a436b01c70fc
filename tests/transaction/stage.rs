//! The stage: simulated elements over real SSH, our own drivers and adapters, a runner with short limits.

use crate::by_adapter::ByAdapter;
use crate::plans::element_plan;
use crate::platforms::{adapter_folder, platforms};
use crate::simulated::{FRR_BEFORE, key_in, simulated};
use crate::support::changed_adapters;
use andante::adagio::Southbound;
use andante::adagio::cli::CliLimits;
use andante::adagio::connect::Connector;
use andante::adagio::netconf::{NetconfLimits, NetconfSession, ReadingCount};
use andante::adagio::secret::NoSecrets;
use andante::adagio::sim::{Fault, Login, SimElement, SimHandle, SimOptions, serve};
use andante::adagio::ssh::SshLimits;
use andante::adagio::tap::Tap;
use andante::adapter::Adapter;
use andante::domain::{Class, Element, Outcome, Principal, TransactionRecord};
use andante::plan::Plan;
use andante::store::{Batch, MemoryStore, Store};
use andante::transaction::{
    Opened, Probe, Progress, Recovery, Runner, StopSignal, SystemAmbient, TransactionLimits, TransactionRequest,
};
use andante::tree::ConfigTree;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Short limits: everything stands on one machine.
pub fn limits() -> TransactionLimits {
    TransactionLimits {
        connect: Duration::from_secs(5),
        lock: Duration::from_secs(1),
        prepare: Duration::from_secs(5),
        apply: Duration::from_secs(5),
        verify: Duration::from_secs(5),
        settle: Duration::from_millis(200),
        confirm: Duration::from_secs(5),
        margin: Duration::from_millis(50),
        check: Duration::from_secs(2),
        ..TransactionLimits::default()
    }
}

type Deed = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Does something at a point of a transaction, once.
#[derive(Default)]
pub struct At {
    deeds: Mutex<Vec<(String, Deed)>>,
}

impl At {
    pub fn the<F>(&self, point: &str, deed: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.deeds.lock().unwrap().push((point.to_owned(), Box::new(move || Box::pin(deed()))));
    }
}

impl Probe for At {
    fn at(&self, point: &str) -> BoxFuture<'static, ()> {
        let mut deeds = self.deeds.lock().unwrap();
        match deeds.iter().position(|(at, _)| at == point) {
            Some(found) => (deeds.remove(found).1)(),
            None => Box::pin(std::future::ready(())),
        }
    }
}

pub struct Stage {
    pub sim: Arc<SimHandle>,
    pub store: Arc<MemoryStore>,
    pub runner: Runner,
    pub at: Arc<At>,
    pub south: BTreeMap<String, Arc<dyn Southbound>>,
    pub elements: BTreeMap<String, (ConfigTree, ConfigTree)>,
    pub plan: Plan,
    adapters: BTreeMap<String, Arc<Adapter>>,
    connector: Connector,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Elements of these classes, `pe1` first; D is FRR, the others IOS-XR.
    pub async fn of(classes: &[Class]) -> Self {
        Self::with(classes, |_| {}).await
    }

    pub async fn with(classes: &[Class], change: impl Fn(&mut SimElement)) -> Self {
        Self::where_adapters(classes, change, &[]).await
    }

    /// The same where our adapter of IOS-XR says the second of these texts in place of the first.
    pub async fn where_adapters(classes: &[Class], change: impl Fn(&mut SimElement), says: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = key_in(folder.path());
        let (mut adapters, schemas) = platforms().await;
        if !says.is_empty() {
            let changed = Adapter::load(&changed_adapters(folder.path(), "iosxr", says).join("iosxr")).unwrap();
            adapters.insert("iosxr".into(), Arc::new(changed.with_schema(schemas["iosxr"].clone())));
        }
        let elements = classes.iter().enumerate().map(|(at, class)| {
            let adapter = if *class == Class::D { "frr" } else { "iosxr" };
            let mut element = SimElement::new(&format!("pe{}", at + 1), adapter);
            element.login = Login { keys: vec![key.public_key().clone()], password: None };
            element.class = *class;
            if *class == Class::D {
                element.running = FRR_BEFORE.into();
            }
            change(&mut element);
            element
        });
        let options = SimOptions { elements: elements.collect(), adapters: adapter_folder(), schemas, state: None };
        let sim = Arc::new(serve(options).await.unwrap());
        let connector = Connector {
            ssh: SshLimits::default(),
            netconf: NetconfLimits { rpc_timeout: Duration::from_secs(2), ..NetconfLimits::default() },
            cli: CliLimits {
                line_timeout: Duration::from_secs(2),
                show_timeout: Duration::from_secs(2),
                ..CliLimits::default()
            },
            busy: Duration::from_millis(100),
            secrets: Arc::new(NoSecrets),
            inside: None,
            readings: Arc::default(),
        };
        let of = |name: &str| (name.to_owned(), adapters[sim.adapter(name).unwrap()].clone());
        let adapters: BTreeMap<_, _> = sim.names().into_iter().map(of).collect();
        let (store, at) = (Arc::new(MemoryStore::new()), Arc::default());
        let runner = runner(&store, &at, &adapters, limits()).await;
        let mut stage = Self {
            sim,
            store,
            runner,
            at,
            south: BTreeMap::new(),
            elements: BTreeMap::new(),
            plan: Plan { id: String::new(), services: vec![], elements: vec![], numbers: vec![], warnings: vec![] },
            adapters,
            connector,
            folder,
        };
        for (name, adapter) in &stage.adapters {
            let south = stage.connector.southbound(&stage.element(name, "andante"), adapter).unwrap();
            // The driver has the last word on the class: without base:1.1 there is no class A.
            let class = {
                let reader = south.open_reader().await.unwrap();
                let class = reader.class();
                reader.close().await;
                class
            };
            let before = stage.sim.running(name).unwrap();
            let case = adapter_folder().join(adapter.name()).join("tests/change_vlan_id/element-service.json");
            let wanted = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
            let after = before.overlay(&adapter.map(&wanted).unwrap());
            stage.plan.elements.push(element_plan(name, adapter, class, &before, &after));
            stage.south.insert(name.clone(), south);
            stage.elements.insert(name.clone(), (before, after));
        }
        stage
    }

    /// How often replies were parsed so far, and how often they said nothing new.
    pub fn read(&self) -> ReadingCount {
        self.connector.readings.count()
    }

    pub fn recovery(&self) -> Recovery {
        Recovery::new(self.runner.clone(), Arc::new(Batch::default()))
    }

    pub async fn run(&self) -> TransactionRecord {
        self.run_as("t1").await
    }

    pub async fn run_as(&self, id: &str) -> TransactionRecord {
        self.watched(id, None).await
    }

    pub async fn watched(&self, id: &str, progress: Option<watch::Sender<Progress>>) -> TransactionRecord {
        self.request(id, progress, Opened::default()).await
    }

    /// Goes on with these sessions.
    pub async fn run_with(&self, id: &str, opened: Opened) -> TransactionRecord {
        self.request(id, None, opened).await
    }

    async fn request(&self, id: &str, progress: Option<watch::Sender<Progress>>, opened: Opened) -> TransactionRecord {
        let request = TransactionRequest {
            id: id.into(),
            plan: self.plan.clone().sealed(),
            principal: Principal::daemon(),
            summary: "staged".into(),
            closing: Arc::new(Batch::default()),
            progress,
            opened,
        };
        self.runner.run(request, &self.south, StopSignal::new()).await
    }

    /// From now on these limits.
    pub async fn limit(&mut self, limits: TransactionLimits) {
        self.runner = runner(&self.store, &self.at, &self.adapters, limits).await;
    }

    /// From now on this element is looked for at this address.
    pub fn moves(&mut self, name: &str, address: &str) {
        let element = Element { address: address.into(), ..self.element(name, "andante") };
        let south = self.connector.southbound(&element, &self.adapters[name]).unwrap();
        self.south.insert(name.to_owned(), south);
    }

    /// Makes these checks on an element.
    pub fn check(&mut self, element: &str, checks: &[&str]) {
        let of = self.plan.elements.iter_mut().find(|of| of.element == element).unwrap();
        of.checks = checks.iter().map(|name| (*name).to_owned()).collect();
    }

    pub fn element(&self, name: &str, user: &str) -> Element {
        simulated(&self.sim, name, user, &self.folder.path().join("key"))
    }

    /// A NETCONF session of somebody.
    pub async fn session(&self, name: &str, user: &str) -> NetconfSession {
        let target = self.connector.target(&self.element(name, user)).unwrap();
        NetconfSession::connect(&target, &self.connector.ssh, self.connector.netconf, Tap::default()).await.unwrap()
    }

    pub fn fault(&self, element: &str, fault: Fault) {
        self.sim.fault(element, fault).unwrap();
    }

    #[track_caller]
    pub fn all_before(&self) {
        for (name, (before, _)) in &self.elements {
            assert!(
                &self.sim.running(name).unwrap() == before,
                "{name} is not as before:\n{}",
                self.sim.text(name).unwrap()
            );
        }
    }

    #[track_caller]
    pub fn all_after(&self) {
        for (name, (_, after)) in &self.elements {
            assert!(
                &self.sim.running(name).unwrap() == after,
                "{name} is not as planned:\n{}",
                self.sim.text(name).unwrap()
            );
        }
    }
}

/// A daemon starts: it takes the lease.
async fn runner(
    store: &Arc<MemoryStore>,
    at: &Arc<At>,
    adapters: &BTreeMap<String, Arc<Adapter>>,
    limits: TransactionLimits,
) -> Runner {
    let epoch = store.take_lease("stage").await.unwrap();
    let undo = Arc::new(ByAdapter(adapters.clone()));
    Runner::new(store.clone(), epoch, Arc::new(SystemAmbient::new()), undo, at.clone(), limits)
}

#[track_caller]
pub fn not_applied(record: &TransactionRecord) -> andante::domain::Cause {
    match &record.outcome {
        Some(Outcome::NotApplied { cause }) => cause.clone(),
        other => panic!("{other:?}: {record:#?}"),
    }
}
