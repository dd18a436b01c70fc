//! A controller with all that is below it, over elements that live in this process and answer at once: what is measured
//! or counted here is the daemon's own.
//!
//! ```text
//!  Controller ─ SqliteStore, every commit counted ([`Counted`])
//!      └─ Connector ─ inside ─► [`Inside`]: a tree behind a mutex; payloads are interpreted as in `paper`
//! ```
//!
//! Guarantees: nothing listens and nothing is sent anywhere; what the elements spend themselves is counted apart.
// A part of tests and benchmarks: not every one uses all of it, and a panic is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::through::{Between, Through};
use super::{paper, platforms};
use andante::adagio::cli::session::CliLimits;
use andante::adagio::connect::Connector;
use andante::adagio::driver::Residue;
use andante::adagio::netconf::NetconfLimits;
use andante::adagio::ssh::SshLimits;
use andante::adagio::{Confirm, DriverError, Payload, Reader, Reading, Southbound, Writer};
use andante::adapter::Adapter;
use andante::controller::{Absent, Controller, DocumentEdit, Parts, SchemaSettings, Terms, Vault};
use andante::domain::{Class, Element, JournalRecord, Principal, Role, ServiceKey, TransactionRecord};
use andante::plan::Allowed;
use andante::service::ledger::Ranges;
use andante::store::{Batch, Change, Durability, SqliteStore, Store, StoreError};
use andante::transaction::{NoProbe, StopSignal, SystemAmbient, TransactionLimits};
use andante::tree::{ConfigTree, DefaultsMode, Limits, Policy, json};
use andante::yang::client::{Loaded, YangWorker};
use andante::yang::sources::ModuleSet;
use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What all fleets share: it is costly to make.
pub struct House {
    pub worker: Arc<YangWorker>,
    pub north: Arc<Loaded>,
    pub adapters: BTreeMap<String, Arc<Adapter>>,
}

impl House {
    pub async fn new() -> Self {
        let worker = platforms::worker();
        let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw", "andante"];
        let north = worker.load(&ModuleSet::named(&names, &[&paper::root("yang")])).await.unwrap();
        let (adapters, _) = platforms::compiled(&worker).await;
        Self { worker: Arc::new(worker), north, adapters }
    }

    /// A document as the codec gives it.
    pub fn tree(&self, document: &serde_json::Value) -> ConfigTree {
        let text = document.to_string();
        json::parse(text.as_bytes(), &self.north.index, None, Policy::STRICT, &Limits::NORTH).unwrap()
    }

    /// A controller on a new store in this folder.
    pub async fn controller(
        &self,
        folder: &Path,
        connector: Connector,
        vault: Arc<Vault>,
    ) -> (Arc<Controller>, Arc<Counted>) {
        let store = Arc::new(Counted::over(SqliteStore::open(&folder.join("andante.db")).unwrap()));
        let epoch = store.behind().take_lease("fleet").await.unwrap();
        let parts = Parts {
            store: Arc::new(Through(store.clone())),
            epoch,
            yang: self.worker.clone(),
            north: self.north.clone(),
            adapters: self.adapters.clone(),
            schemas: SchemaSettings {
                yang: self.worker.clone(),
                folder: folder.join("schemas"),
                dirs: vec![],
                timeout: Duration::from_secs(60),
                bytes: 64 << 20,
            },
            connector,
            vault,
            ambient: Arc::new(SystemAmbient::new()),
            probe: Arc::new(NoProbe),
            limits: TransactionLimits::default(),
            stop: StopSignal::new(),
            keep: Duration::from_secs(3600),
            keep_max: 10,
            keep_bytes: 64 << 20,
            ranges: Ranges::default(),
            quarantine: Duration::ZERO,
            requests: andante::controller::RequestLimits::default(),
            history: andante::controller::HistoryLimits { revisions: 20, deleted: 100 },
        };
        (Controller::start(parts).await.unwrap(), store)
    }
}

/// A connector that reaches nothing but what lives inside.
pub fn connector(inside: Option<Arc<andante::adagio::connect::Inside>>, secrets: Arc<Vault>) -> Connector {
    let (ssh, netconf, cli) = (SshLimits::default(), NetconfLimits::default(), CliLimits::default());
    Connector { ssh, netconf, cli, busy: Duration::from_millis(100), secrets, inside, readings: Arc::default() }
}

/// A fleet inside this process.
pub struct Fleet {
    pub controller: Arc<Controller>,
    pub store: Arc<Counted>,
    pub elements: Arc<BTreeMap<String, Arc<Inside>>>,
    /// Nanoseconds of processor time that the elements spent.
    pub spent: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// `count` elements, each with this configuration made by hand.
    pub async fn of(house: &House, count: usize, platform: &str, running: &ConfigTree) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spent = Arc::new(AtomicU64::new(0));
        let inside = |number| {
            let adapter = house.adapters[platform].clone();
            let class = if platform == "frr" { Class::D } else { Class::A };
            let state = Mutex::new(State { running: running.clone(), ..State::default() });
            let (spent, busy) = (spent.clone(), tokio::sync::Mutex::default());
            let element = Inside { name: name(number), adapter, class, state, spent, busy };
            (name(number), Arc::new(element))
        };
        let elements: Arc<BTreeMap<String, Arc<Inside>>> = Arc::new((0..count).map(inside).collect());
        let known = elements.clone();
        let reach = move |element: &Element| {
            let inside = known.get(&element.name)?.clone();
            Some(Arc::new(Session(inside)) as Arc<dyn Southbound>)
        };
        let vault = Arc::new(Vault::new(&[7; 32]).unwrap());
        let connector = connector(Some(Arc::new(reach)), vault.clone());
        let (controller, store) = house.controller(folder.path(), connector, vault).await;
        let entries = (0..count).map(|number| entry(number, platform)).collect();
        controller.apply_elements(&noc(), entries, Absent::Keep).await.unwrap();
        Self { controller, store, elements, spent, folder }
    }

    /// Puts documents in one transaction.
    pub async fn put(&self, house: &House, documents: &[(String, serde_json::Value)]) -> TransactionRecord {
        let edit = |(id, document): &(String, serde_json::Value)| DocumentEdit::Put {
            key: key(id),
            document: house.tree(document),
            expect: None,
        };
        self.write(documents.iter().map(edit).collect()).await
    }

    pub async fn delete(&self, id: &str) -> TransactionRecord {
        self.write(vec![DocumentEdit::Delete { key: key(id), expect: None }]).await
    }

    pub async fn write(&self, edits: Vec<DocumentEdit>) -> TransactionRecord {
        written(&self.controller, edits).await
    }
}

/// Writes, and demands that it is applied.
pub async fn written(controller: &Arc<Controller>, edits: Vec<DocumentEdit>) -> TransactionRecord {
    let done = controller.write(&noc(), edits, &Allowed::default(), &Terms::default()).await;
    let record = done.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(record.outcome, Some(andante::domain::Outcome::Applied), "{record:?}");
    record
}

pub fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: None }
}

pub fn key(id: &str) -> ServiceKey {
    ServiceKey { face: "ietf-l3vpn-ntw".into(), id: id.into() }
}

pub fn name(number: usize) -> String {
    format!("pe{number:04}")
}

pub fn port(platform: &str, number: usize) -> String {
    if platform == "frr" { format!("eth{}", number + 1) } else { format!("GigabitEthernet0/0/0/{number}") }
}

/// An inventory entry; nobody listens at its address.
pub fn entry(number: usize, platform: &str) -> Element {
    let ports: Vec<_> = (0..4).map(|at| serde_json::json!({ "name": port(platform, at) })).collect();
    let router = format!("10.{}.{}.1", 64 + number / 250, number % 250);
    let entry = serde_json::json!({"name": name(number), "adapter": platform, "address": "127.0.0.1:1",
        "username": "andante", "private_key": "/nonexistent", "router_id": router, "asn": 65000, "ports": ports});
    serde_json::from_value(entry).unwrap()
}

/// One end of a service.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub element: usize,
    pub port: usize,
    pub vlan: usize,
}

/// An L3VPN with an address and a static route at each end, all numbers automatic.
pub fn document(id: &str, platform: &str, ends: &[End]) -> serde_json::Value {
    let up = serde_json::json!({"admin-status": {"status": "ietf-vpn-common:admin-up"}});
    let node = |(at, end): (usize, &End)| {
        // Unique where ends share an element too, which they do not here.
        let (second, third) = (at / 60, (at % 60) * 4);
        serde_json::json!({
            "vpn-node-id": name(end.element), "ne-id": name(end.element), "status": up,
            "active-vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main"}]},
            "vpn-network-accesses": {"vpn-network-access": [{
                "id": format!("{id}-{at}"), "interface-id": port(platform, end.port),
                "vpn-instance-profile": "main", "status": up,
                "connection": {"encapsulation": {"type": "ietf-vpn-common:dot1q", "dot1q": {"cvlan-id": end.vlan}}},
                "ip-connection": {"ipv4": {"local-address": format!("198.51.{second}.{}", third + 1),
                    "prefix-length": 30, "address-allocation-type": "static-address", "primary-address": "1",
                    "address": [{"address-id": "1", "customer-address": format!("198.51.{second}.{}", third + 2)}]}},
                "routing-protocols": {"routing-protocol": [{"id": "static",
                    "type": "ietf-vpn-common:static-routing", "static": {"cascaded-lan-prefixes": {"ipv4-lan-prefixes": [
                        {"lan": format!("203.0.{second}.{third}/30"),
                         "next-hop": format!("198.51.{second}.{}", third + 2)}]}}}]}
            }]}
        })
    };
    let nodes: Vec<_> = ends.iter().enumerate().map(node).collect();
    let family = serde_json::json!({"address-family": "ietf-vpn-common:ipv4"});
    serde_json::json!({"ietf-l3vpn-ntw:l3vpn-ntw": {"vpn-services": {"vpn-service": [{
        "vpn-id": id, "vpn-name": id, "customer-name": "acme", "vpn-type": "ietf-vpn-common:l3vpn",
        "vpn-service-topology": "ietf-vpn-common:any-to-any", "status": up,
        "vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main",
            "role": "ietf-vpn-common:any-to-any-role", "local-as": 65000, "address-family": [family]}]},
        "vpn-nodes": {"vpn-node": nodes}
    }]}}})
}

/// An element inside this process.
pub struct Inside {
    name: String,
    adapter: Arc<Adapter>,
    class: Class,
    state: Mutex<State>,
    spent: Arc<AtomicU64>,
    /// While somebody holds it, the element does not apply anything.
    pub busy: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    running: ConfigTree,
    candidate: Option<ConfigTree>,
    /// What was before a confirmed commit.
    before: Option<ConfigTree>,
}

impl Inside {
    pub fn running(&self) -> ConfigTree {
        self.state.lock().unwrap().running.clone()
    }

    /// Somebody's hand.
    pub fn set(&self, running: &ConfigTree) {
        self.state.lock().unwrap().running.clone_from(running);
    }

    /// What the element itself does is counted apart.
    fn at_work<T>(&self, work: impl FnOnce(&mut State, &Adapter) -> T) -> T {
        let since = thread_time();
        let done = work(&mut self.state.lock().unwrap(), &self.adapter);
        self.spent.fetch_add((thread_time() - since).as_nanos() as u64, Ordering::Relaxed);
        done
    }
}

struct Session(Arc<Inside>);

#[async_trait]
impl Southbound for Session {
    fn element(&self) -> &str {
        &self.0.name
    }

    async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
        Ok(Box::new(Session(self.0.clone())))
    }

    async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
        Ok(Box::new(Session(self.0.clone())))
    }
}

#[async_trait]
impl Reader for Session {
    fn class(&self) -> Class {
        self.0.class
    }

    async fn read_running(&mut self) -> Result<Reading, DriverError> {
        let tree = self.0.running();
        Ok(Reading { tree, partial: None, bytes: 0, defaults: DefaultsMode::Explicit })
    }

    async fn close(self: Box<Self>) {}
}

#[async_trait]
impl Writer for Session {
    async fn lock(&mut self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn prepare(&mut self, payload: &Payload) -> Result<(), DriverError> {
        if self.0.class < Class::C {
            self.0.at_work(|state, adapter| {
                state.candidate = Some(paper::executed(adapter, &state.running, payload));
            });
        }
        Ok(())
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Result<Residue, DriverError> {
        drop(self.0.busy.lock().await);
        self.0.at_work(|state, adapter| {
            let new = match state.candidate.take() {
                Some(candidate) => candidate,
                None => paper::executed(adapter, &state.running, payload),
            };
            let old = std::mem::replace(&mut state.running, new);
            state.before = confirm.map(|_| old);
        });
        Ok(Residue::new())
    }

    async fn extend(&mut self, _: &Confirm) -> Result<(), DriverError> {
        Ok(())
    }

    async fn confirm(&mut self, _: &str) -> Result<(), DriverError> {
        self.0.at_work(|state, _| state.before = None);
        Ok(())
    }

    async fn cancel(&mut self, _: &str) -> Result<(), DriverError> {
        self.0.at_work(|state, _| {
            if let Some(before) = state.before.take() {
                state.running = before;
            }
        });
        Ok(())
    }

    async fn discard(&mut self) -> Result<(), DriverError> {
        self.0.at_work(|state, _| state.candidate = None);
        Ok(())
    }

    async fn save(&mut self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        Ok(())
    }
}

/// A store that counts what is asked of it.
pub struct Counted {
    store: SqliteStore,
    now: AtomicU64,
    lazy: AtomicU64,
    bytes: AtomicU64,
    weigh: std::sync::atomic::AtomicBool,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Commits that wait for the disk.
    pub now: u64,
    /// Commits that do not.
    pub lazy: u64,
    /// Keys and values written; journal, audit and outbox included. Counted only while weighing.
    pub bytes: u64,
    /// Groups that SQLite synced to the disk.
    pub syncs: u64,
}

impl std::ops::Sub for Count {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            now: self.now - other.now,
            lazy: self.lazy - other.lazy,
            bytes: self.bytes - other.bytes,
            syncs: self.syncs - other.syncs,
        }
    }
}

impl Counted {
    pub fn over(store: SqliteStore) -> Self {
        let (now, lazy, bytes, weigh) = Default::default();
        Self { store, now, lazy, bytes, weigh }
    }

    /// From now on bytes are counted, which costs time.
    pub fn weigh(&self) {
        self.weigh.store(true, Ordering::Relaxed);
    }

    pub fn count(&self) -> Count {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Count { now: of(&self.now), lazy: of(&self.lazy), bytes: of(&self.bytes), syncs: self.store.syncs() }
    }
}

fn weight(batch: &Batch) -> usize {
    let change = |change: &Change| match change {
        Change::Put(_, key, value) => key.len() + value.len(),
        Change::Delete(_, key) => key.len(),
    };
    let json = |value: serde_json::Result<Vec<u8>>| value.unwrap().len();
    let journal = |(id, record): &(String, JournalRecord)| id.len() + json(serde_json::to_vec(record));
    batch.changes.iter().map(change).sum::<usize>()
        + batch.journal.iter().map(journal).sum::<usize>()
        + batch.audit.iter().map(|record| json(serde_json::to_vec(record))).sum::<usize>()
        + batch.events.iter().map(|event| json(serde_json::to_vec(event))).sum::<usize>()
}

#[async_trait]
impl Between for Counted {
    fn behind(&self) -> &dyn Store {
        &self.store
    }

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let counter = if durability == Durability::Now { &self.now } else { &self.lazy };
        counter.fetch_add(1, Ordering::Relaxed);
        if self.weigh.load(Ordering::Relaxed) {
            self.bytes.fetch_add(weight(&batch) as u64, Ordering::Relaxed);
        }
        self.store.commit(epoch, batch, durability).await
    }
}

/// Processor time of this thread.
pub fn thread_time() -> Duration {
    time(ClockId::ThreadCPUTime)
}

/// Processor time of this process, all threads.
pub fn process_time() -> Duration {
    time(ClockId::ProcessCPUTime)
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
