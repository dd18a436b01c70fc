//! Plays a tale: whole daemons (the real controller with everything below it) that start, recover, look, work on their
//! queues, and may die at any moment. Who asks them for something is in `asks`.

use super::asks::Aim;
use super::house::{Remembered, house, worker};
use super::tale::{SERVICES, Tale, key, platform, port};
use crate::director::{Director, Process};
use crate::disk::Disk;
use crate::element::Element;
use crate::play::{WINDOW, limits};
use crate::session::South;
use crate::story::Story;
use crate::through::Through;
use crate::world::World;
use andante::adagio::Southbound;
use andante::adagio::cli::session::CliLimits;
use andante::adagio::connect::Connector;
use andante::adagio::netconf::NetconfLimits;
use andante::adagio::ssh::SshLimits;
use andante::controller::{Absent, Controller, HistoryLimits, KeptPlan, Parts, RequestLimits, SchemaSettings, Vault};
use andante::domain::{
    Deviation, Element as Known, ElementState, Outcome, Principal, QueueState, QueuedChange, Revision, Role,
    ServiceKey, StoredDocument, SyncState, TransactionRecord,
};
use andante::service::ledger::Ranges;
use andante::store::{Store, Table};
use andante::transaction::StopSignal;
use futures::future::{BoxFuture, Either, poll_fn, select};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// When nobody waits any longer.
const LATEST: Duration = Duration::from_secs(700);

/// How often everything is looked at in the end.
const LOOKS: usize = 10;

pub type OnSouth = dyn Fn(Arc<dyn Southbound>, &Arc<Element>) -> Arc<dyn Southbound> + Send + Sync;
pub type OnStore = dyn Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync;

/// Bugs that stand between the daemon and the world.
#[derive(Clone, Default)]
pub struct Planted {
    pub south: Option<Arc<OnSouth>>,
    pub store: Option<Arc<OnStore>>,
}

/// What the caller of one request heard, each time that he sent it.
#[derive(Clone, Debug)]
pub enum Heard {
    Record(Box<TransactionRecord>),
    /// What was said instead, and whether it is a word about the request itself rather than about the moment.
    Refused(String),
    /// Nobody answered: the daemon died.
    Nothing,
}

/// What the last daemon tells when all is quiet.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub documents: Vec<StoredDocument>,
    /// The revisions of each service, newest first.
    pub histories: BTreeMap<ServiceKey, Vec<Revision>>,
    pub elements: Vec<(Known, ElementState)>,
    pub deviations: Vec<Deviation>,
    pub queued: Vec<QueuedChange>,
    /// The word for each service, by its number in `documents`.
    pub states: Vec<String>,
    pub transactions: Vec<TransactionRecord>,
}

/// What is there after a tale, for the laws.
pub struct Stage {
    pub tale: Tale,
    pub world: World,
    pub director: Arc<Director>,
    pub elements: Vec<Arc<Element>>,
    pub disk: Arc<Disk>,
    planted: Planted,
    /// Who can be asked now.
    pub(super) open: Mutex<Option<(Arc<Process>, Arc<Controller>)>>,
    /// By request, in order.
    pub heard: Mutex<BTreeMap<usize, Vec<(u64, u64, Heard)>>>,
    /// The plans that were looked at before they were committed.
    pub kept: Mutex<BTreeMap<usize, KeptPlan>>,
    /// Where ways back were to lead, by request.
    pub aims: Mutex<BTreeMap<usize, Aim>>,
    /// So many requests have their answer.
    pub(super) done: Mutex<usize>,
    /// Since when the last daemon is there, after everything else.
    pub last: Mutex<Option<Duration>>,
    pub told: Mutex<Option<Told>>,
}

/// Plays it. `Err` = it does not end.
pub fn play(tale: &Tale, planted: Planted) -> Result<Arc<Stage>, String> {
    let world = World::new(tale.seed);
    let twists = Story { seed: tale.seed, elements: vec![], orders: vec![], twists: tale.twists.clone() };
    let director = Director::new(&world, &twists);
    let element = |(at, nature): (usize, crate::story::Nature)| {
        let name = platform(nature.class);
        let start = house().start[name].clone();
        Element::of(&director, at, nature, Some(house().adapters[name].clone()), start)
    };
    let elements: Vec<Arc<Element>> = tale.elements.iter().cloned().enumerate().map(element).collect();
    let disk = Arc::new(Disk::new(&world));
    director.knows(&elements, &disk);
    let stage = Arc::new(Stage {
        tale: tale.clone(),
        world: world.clone(),
        director,
        elements,
        disk,
        planted,
        open: Mutex::default(),
        heard: Mutex::default(),
        kept: Mutex::default(),
        aims: Mutex::default(),
        done: Mutex::default(),
        last: Mutex::default(),
        told: Mutex::default(),
    });
    let alive = stage.clone().born(0);
    let asked: Vec<BoxFuture<'static, ()>> =
        (0..tale.asks.len()).map(|at| Box::pin(stage.clone().asks(at)) as BoxFuture<'static, ()>).collect();
    world.run(stage.clone().lives(vec![alive], asked))?;
    world.run(world.wait(WINDOW * 3))?;
    // Everything that has a time has happened, and the timers of elements have run out. Power, and one more start: what is
    // told then comes from the disk and from the elements alone.
    stage.disk.power_loss(0);
    *stage.last.lock().unwrap() = Some(world.now());
    let alive = stage.clone().born(0);
    world.run(stage.clone().lives(vec![alive], vec![]))?;
    stage.director.end();
    *stage.open.lock().unwrap() = None;
    world.run(world.wait(WINDOW * 3))?;
    Ok(stage)
}

/// A daemon that can die, with its tasks.
struct Mortal {
    process: Arc<Process>,
    life: BoxFuture<'static, ()>,
    tasks: Vec<BoxFuture<'static, ()>>,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        // What was asked of it in its last moment goes as well.
        drop(self.process.begun());
    }
}

pub fn noc(ticket: usize) -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: Some(format!("r{ticket}")) }
}

pub fn request(at: usize) -> String {
    format!("request-{at}")
}

impl Stage {
    /// All daemons and orchestrators, until nobody has anything to do any more.
    async fn lives(self: Arc<Self>, mut alive: Vec<Mortal>, mut asked: Vec<BoxFuture<'static, ()>>) {
        let mut clock: Option<BoxFuture<'static, ()>> = Some(Box::pin(self.director.clone().clock()));
        poll_fn(move |context| {
            loop {
                if clock.as_mut().is_some_and(|clock| clock.as_mut().poll(context).is_ready()) {
                    clock = None;
                }
                asked.retain_mut(|one| one.as_mut().poll(context).is_pending());
                let mut more = false;
                let mut next = Vec::new();
                for mut mortal in std::mem::take(&mut alive) {
                    // What dies is dropped, with its tasks and all its sessions.
                    let mut ended = mortal.process.is_dead() || mortal.life.as_mut().poll(context).is_ready();
                    while !ended {
                        mortal.tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
                        let begun = mortal.process.begun();
                        ended = mortal.process.is_dead();
                        if begun.is_empty() {
                            break;
                        }
                        more = true;
                        mortal.tasks.extend(begun);
                    }
                    if !ended {
                        next.push(mortal);
                    }
                }
                alive = next;
                let births = self.director.births();
                if births.is_empty() && !more {
                    break;
                }
                alive.extend(births.into_iter().map(|pause| self.clone().born(pause)));
            }
            if alive.is_empty() && asked.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn born(self: Arc<Self>, pause: u64) -> Mortal {
        let process = self.director.birth();
        let life = self.live(process.clone(), Duration::from_millis(pause));
        Mortal { process, life: Box::pin(life), tasks: vec![] }
    }

    fn parts(self: &Arc<Self>, process: &Arc<Process>, store: Arc<dyn Store>, epoch: u64) -> Parts {
        let vault = Arc::new(Vault::new(&[7; 32]).unwrap());
        let (elements, ours, plant) = (self.elements.clone(), process.clone(), self.planted.south.clone());
        let inside = move |known: &Known| {
            let element = elements.iter().find(|element| element.name == known.name)?;
            let owner = format!("daemon {}", ours.number);
            let south: Arc<dyn Southbound> = Arc::new(South { element: element.clone(), process: ours.clone(), owner });
            Some(match &plant {
                Some(plant) => plant(south, element),
                None => south,
            })
        };
        let connector = Connector {
            ssh: SshLimits::default(),
            netconf: NetconfLimits::default(),
            cli: CliLimits::default(),
            busy: Duration::from_millis(100),
            secrets: vault.clone(),
            inside: Some(Arc::new(inside)),
            readings: Arc::default(),
        };
        Parts {
            store,
            epoch,
            yang: Arc::new(Remembered),
            north: house().north.clone(),
            adapters: house().adapters.clone(),
            schemas: SchemaSettings {
                yang: Arc::new(worker()),
                folder: "/nonexistent".into(),
                dirs: vec![],
                timeout: Duration::from_secs(60),
                bytes: 1 << 20,
            },
            connector,
            vault,
            ambient: process.clone(),
            probe: process.clone(),
            limits: limits(),
            stop: StopSignal::new(),
            keep: Duration::from_secs(86_400),
            keep_max: 10,
            keep_bytes: 64 << 20,
            ranges: Ranges::default(),
            quarantine: Duration::from_secs(86_400),
            requests: RequestLimits::default(),
            history: HistoryLimits { revisions: 20, deleted: 100 },
        }
    }

    fn inventory(&self) -> Vec<Known> {
        let entry = |element: &Arc<Element>| {
            let platform = platform(element.class());
            let ports: Vec<_> = (1..=4).map(|at| serde_json::json!({ "name": port(platform, at) })).collect();
            let entry = serde_json::json!({"name": element.name, "adapter": platform, "address": "127.0.0.1:1",
                "username": "andante", "private_key": "/nonexistent", "asn": 65000, "ports": ports,
                "router_id": format!("10.0.0.{}", element.index + 1)});
            serde_json::from_value(entry).unwrap()
        };
        self.elements.iter().map(entry).collect()
    }

    fn newest(&self, process: &Process) -> bool {
        self.director.newest() == process.number
    }

    /// One daemon from its start to its end, in the order of `daemon::start_with`.
    async fn live(self: Arc<Self>, process: Arc<Process>, pause: Duration) {
        self.world.wait(pause).await;
        let since = self.world.now();
        let plain: Arc<dyn Store> = Arc::new(Through(self.disk.clone()));
        let store = self.planted.store.as_ref().map_or_else(|| plain.clone(), |plant| plant(plain.clone()));
        let controller = loop {
            // Whoever cannot start ends with an error, and is started again.
            if let Ok(controller) = self.started(&process, &store).await {
                break controller;
            }
            self.world.wait(Duration::from_secs(5)).await;
            // One that was started later has the lease: it goes on from there.
            if self.director.newest() > process.number {
                return;
            }
        };
        *self.open.lock().unwrap() = Some((process.clone(), controller.clone()));
        let quiet = async {
            loop {
                self.world.wait(Duration::from_secs(10)).await;
                let all = *self.done.lock().unwrap() == self.tale.asks.len();
                let open = store.open_transactions().await.map_or(true, |open| !open.is_empty());
                let queued = controller.queued(&noc(0)).await.unwrap();
                let waits = queued.iter().any(|change| change.state == QueueState::Waiting);
                let late = self.world.now() > since + LATEST;
                let more = self.director.more_to_come();
                if !self.newest(&process) || all && !more && (!open && !waits || late) {
                    return;
                }
            }
        };
        let looking = async {
            loop {
                for element in &self.elements {
                    let _ = controller.glance(&Principal::daemon(), &element.name).await;
                    self.world.wait(Duration::from_millis(700)).await;
                }
                self.world.wait(Duration::from_secs(6)).await;
            }
        };
        let healing = async {
            loop {
                let next = controller.recover_again().await.ok().flatten().unwrap_or(Duration::from_secs(10));
                self.world.wait(next.clamp(Duration::from_secs(1), Duration::from_secs(60))).await;
            }
        };
        let queues = async {
            loop {
                let next = controller.run_queues().await;
                self.world.wait(next.clamp(Duration::from_secs(1), Duration::from_secs(10))).await;
            }
        };
        let forever = async { futures::join!(looking, healing, queues) };
        match select(pin!(quiet), pin!(forever)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
        self.closes(&process);
        if self.last.lock().unwrap().is_some() {
            let told = self.last_words(&controller).await;
            *self.told.lock().unwrap() = Some(told);
        }
    }

    /// Nobody asks this daemon any more.
    fn closes(&self, process: &Arc<Process>) {
        let mut open = self.open.lock().unwrap();
        if open.as_ref().is_some_and(|(other, _)| Arc::ptr_eq(other, process)) {
            *open = None;
        }
    }

    async fn started(self: &Arc<Self>, process: &Arc<Process>, store: &Arc<dyn Store>) -> Result<Arc<Controller>, ()> {
        let epoch = store.take_lease(&format!("daemon {}", process.number)).await.map_err(drop)?;
        self.director.leased(process.number);
        let parts = self.parts(process, store.clone(), epoch);
        let controller = Controller::start(parts).await.map_err(drop)?;
        controller.apply_elements(&Principal::daemon(), self.inventory(), Absent::Unmanage).await.map_err(drop)?;
        controller.recover().await.map_err(drop)?;
        Ok(controller)
    }

    /// What it says of everything, after a look at every element.
    async fn last_words(&self, controller: &Arc<Controller>) -> Told {
        let who = Principal::daemon();
        // What had no time may strike the last look as well: then everything is looked at again.
        for _ in 0..LOOKS {
            let (struck, mut whole) = (self.director.used().len(), true);
            for element in &self.elements {
                let seen = controller.check(&who, &element.name).await;
                whole &= seen.is_ok_and(|seen| seen.state.sync != SyncState::Partial);
            }
            if whole && self.director.used().len() == struck {
                break;
            }
            self.world.wait(Duration::from_secs(20)).await;
        }
        let documents = controller.documents(&who, "ietf-l3vpn-ntw").await.unwrap();
        let elements = controller.elements(&who).await.unwrap();
        // As whoever comes next will find them.
        let rows = andante::store::list(&self.disk.store, Table::Deviations, "").await.unwrap();
        let deviations: Vec<Deviation> = rows.into_iter().map(|(_, found)| found).collect();
        let queued = controller.queued(&who).await.unwrap();
        let transactions = controller.transactions_page(&who, None, 1_000).await.unwrap();
        let mut histories = BTreeMap::new();
        for service in 1..=SERVICES {
            histories.insert(key(service), controller.history(&who, &key(service)).await.unwrap());
        }
        let state = |document: &StoredDocument| {
            let fact = andante::presto::view::ServiceFact { document: document.clone(), kind: None, customer: None };
            let shown =
                andante::presto::view::services(controller.schema(), &[fact], &elements, &deviations, &queued).unwrap();
            let entry = shown.children().iter().next().unwrap().clone();
            let leaf = entry.children().iter().find(|leaf| leaf.name().name.as_str() == "state").unwrap();
            leaf.value().unwrap().as_str().to_owned()
        };
        let states = documents.iter().map(state).collect();
        Told { documents, histories, elements, deviations, queued, states, transactions }
    }

    /// How each request ended for its caller: the last that he heard.
    pub fn answers(&self) -> BTreeMap<usize, (u64, u64, Heard)> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter_map(|(at, all)| Some((*at, all.last()?.clone()))).collect()
    }
}

/// How a request ended, in a word.
pub fn word(heard: &Heard) -> &'static str {
    match heard {
        Heard::Nothing => "no answer",
        Heard::Refused(_) => "refused",
        Heard::Record(record) => match &record.outcome {
            Some(Outcome::Applied) => "applied",
            Some(Outcome::NotApplied { .. }) => "not applied",
            Some(Outcome::Unresolved { .. }) => "unresolved",
            None => "open",
        },
    }
}
