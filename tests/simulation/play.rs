//! Plays a story: daemons that start, take the lease, recover, run what is asked of them, and may die at any moment.
//!
//! One thread, one event loop; a daemon is a future that is dropped when its process dies.

use crate::director::{Director, Process, START};
use crate::disk::{Disk, OnDisk};
use crate::element::Element;
use crate::plans::{Rendering, element_plan, plan};
use crate::session::South;
use crate::story::{Order, Story};
use crate::through::Through;
use crate::world::World;
use andante::adagio::Southbound;
use andante::domain::{AuditRecord, Event, Outcome, Principal, TransactionRecord};
use andante::plan::{ElementPlan, Plan};
use andante::store::{Batch, Store, StoreError, Table};
use andante::transaction::{
    Ambient, Closing, Opened, Probe, Progress, Recovery, Runner, StopSignal, TransactionLimits, TransactionRequest,
    Undo,
};
use andante::tree::ConfigTree;
use futures::StreamExt;
use futures::future::{BoxFuture, poll_fn};
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;

pub const WINDOW: Duration = Duration::from_secs(60);
/// When nobody waits any longer for what is still unresolved.
const LATEST: Duration = Duration::from_secs(1_500);

pub fn limits() -> TransactionLimits {
    TransactionLimits {
        connect: Duration::from_secs(5),
        lock: Duration::from_secs(10),
        prepare: Duration::from_secs(5),
        apply: Duration::from_secs(10),
        verify: Duration::from_secs(5),
        settle: Duration::from_secs(1),
        confirm: Duration::from_secs(5),
        confirm_window: WINDOW,
        margin: Duration::from_millis(500),
        check_outside: true,
        ..TransactionLimits::default()
    }
}

pub type OnSouth =
    dyn Fn(Arc<dyn Southbound>, &Arc<Element>, Option<&ElementPlan>) -> Arc<dyn Southbound> + Send + Sync;
pub type OnStore = dyn Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync;

/// Bugs that stand between the daemon and the world.
#[derive(Clone, Default)]
pub struct Planted {
    pub south: Option<Arc<OnSouth>>,
    pub store: Option<Arc<OnStore>>,
    pub undo: Option<Arc<dyn Undo>>,
    pub limits: Option<TransactionLimits>,
    /// How often somebody looks at the record of `t1` and at the elements.
    pub observe: Option<Duration>,
}

/// What the operator saw at a moment, and what was so: whether each element is as before, and as after.
pub struct Sight {
    pub at: Duration,
    pub record: Option<TransactionRecord>,
    pub sides: BTreeMap<String, (bool, bool)>,
}

/// What is there after a story, for the laws.
pub struct Stage {
    pub story: Story,
    pub world: World,
    pub director: Arc<Director>,
    pub elements: Vec<Arc<Element>>,
    pub disk: Arc<Disk>,
    pub planted: Planted,
    pub plans: Mutex<BTreeMap<String, Plan>>,
    /// What the callers were told, and when.
    pub told: Mutex<BTreeMap<String, (u64, TransactionRecord)>>,
    /// Everything that was published on the way.
    pub published: Mutex<Vec<TransactionRecord>>,
    pub sights: Mutex<Vec<Sight>>,
    taken: Mutex<Vec<bool>>,
    last: OnceLock<BTreeMap<String, TransactionRecord>>,
}

/// Plays it. `Err` = it does not end.
pub fn play(story: &Story, planted: Planted) -> Result<Arc<Stage>, String> {
    let world = World::new(story.seed);
    let director = Director::new(&world, story);
    let natures = story.elements.iter().cloned().enumerate();
    let elements: Vec<Arc<Element>> = natures.map(|(at, nature)| Element::new(&director, at, nature)).collect();
    let disk = Arc::new(Disk::new(&world));
    director.knows(&elements, &disk);
    let stage = Arc::new(Stage {
        taken: Mutex::new(vec![false; story.orders.len()]),
        story: story.clone(),
        world: world.clone(),
        director,
        elements,
        disk,
        planted,
        plans: Mutex::default(),
        told: Mutex::default(),
        published: Mutex::default(),
        sights: Mutex::default(),
        last: OnceLock::new(),
    });
    let alive = stage.clone().born(0);
    world.run(stage.clone().lives(vec![alive]))?;
    if stage.planted.observe.is_some() {
        world.run(stage.look())?;
    }
    // Timers of elements run out, and forgotten sessions end.
    world.run(world.wait(WINDOW * 3))?;
    // The last thing that happens to it: power. What was told must stand, and whoever comes next has nothing to find out.
    stage.disk.power_loss(0);
    let alive = stage.clone().born(0);
    world.run(stage.clone().lives(vec![alive]))?;
    stage.director.end();
    world.run(world.wait(WINDOW * 3))?;
    Ok(stage)
}

/// A daemon that can die.
struct Mortal {
    process: Arc<Process>,
    life: BoxFuture<'static, ()>,
}

impl Stage {
    /// All daemons of the story, until the last one has nothing to do any more.
    async fn lives(self: Arc<Self>, mut alive: Vec<Mortal>) {
        let mut clock: Option<BoxFuture<'static, ()>> = Some(Box::pin(self.director.clone().clock()));
        let mut observer: BoxFuture<'static, ()> = Box::pin(self.clone().observe());
        poll_fn(move |context| {
            let _ = observer.as_mut().poll(context);
            loop {
                if clock.as_mut().is_some_and(|clock| clock.as_mut().poll(context).is_ready()) {
                    clock = None;
                }
                let mut next = Vec::new();
                for mut mortal in std::mem::take(&mut alive) {
                    // What dies is dropped, with all its sessions.
                    let ended = mortal.process.is_dead() || mortal.life.as_mut().poll(context).is_ready();
                    if !ended && !mortal.process.is_dead() {
                        next.push(mortal);
                    }
                }
                alive = next;
                let births = self.director.births();
                if births.is_empty() {
                    break;
                }
                alive.extend(births.into_iter().map(|pause| self.clone().born(pause)));
            }
            if alive.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn observe(self: Arc<Self>) {
        let Some(pause) = self.planted.observe else { return futures::future::pending().await };
        loop {
            self.world.wait(pause).await;
            self.look().await;
        }
    }

    async fn look(&self) {
        let record = andante::store::get(&self.disk.store, Table::Transactions, "t1").await.ok().flatten();
        let plan = self.plan_of("t1");
        let sides = plan.iter().flat_map(|plan| &plan.elements).filter_map(|of| {
            let running = self.elements.iter().find(|element| element.name == of.element)?.running();
            Some((of.element.clone(), (of.is_before(&running), of.is_after(&running))))
        });
        let sight = Sight { at: self.world.now(), record, sides: sides.collect() };
        self.sights.lock().unwrap().push(sight);
    }

    fn born(self: Arc<Self>, pause: u64) -> Mortal {
        let process = self.director.birth();
        let life = self.live(process.clone(), Duration::from_millis(pause));
        Mortal { process, life: Box::pin(life) }
    }

    fn south(&self, process: &Arc<Process>, owner: &str, plan: Option<&Plan>) -> BTreeMap<String, Arc<dyn Southbound>> {
        let all = self.elements.iter().map(|element| {
            let south: Arc<dyn Southbound> =
                Arc::new(South { element: element.clone(), process: process.clone(), owner: owner.to_owned() });
            let of = plan.and_then(|plan| plan.elements.iter().find(|of| of.element == element.name));
            let south = match &self.planted.south {
                Some(plant) => plant(south, element, of),
                None => south,
            };
            (element.name.clone(), south)
        });
        all.collect()
    }

    /// One daemon from its start to its end.
    async fn live(self: Arc<Self>, process: Arc<Process>, pause: Duration) {
        self.world.wait(pause).await;
        let since = self.world.now();
        let own = OnDisk { disk: self.disk.clone(), process: process.clone(), director: self.director.clone() };
        let plain: Arc<dyn Store> = Arc::new(Through(Arc::new(own)));
        let store = self.planted.store.as_ref().map_or_else(|| plain.clone(), |plant| plant(plain.clone()));
        let holder = format!("daemon {}", process.number);
        let epoch = loop {
            match store.take_lease(&holder).await {
                Ok(epoch) => {
                    self.director.leased(process.number);
                    break epoch;
                }
                // It ends with an error, and is started again.
                Err(_) => self.world.wait(Duration::from_secs(5)).await,
            }
        };
        let undo = self.planted.undo.clone().unwrap_or_else(|| Arc::new(Rendering));
        let (ambient, probe): (Arc<dyn Ambient>, Arc<dyn Probe>) = (process.clone(), process.clone());
        let limits = self.planted.limits.clone().unwrap_or_else(limits);
        let runner = Runner::new(store.clone(), epoch, ambient, undo, probe, limits);
        let closing: Arc<dyn Closing> = Arc::new(Notary);
        let recovery = Recovery::new(runner.clone(), closing.clone());
        let south = self.south(&process, "recovery", None);
        while recovery.run(&south).await.is_err() {
            self.world.wait(Duration::from_secs(5)).await;
            if self.director.newest() != process.number {
                return;
            }
        }
        let mut flights = FuturesUnordered::new();
        for at in 0..self.story.orders.len() {
            flights.push(self.clone().carry_out(at, process.clone(), runner.clone()));
        }
        let background = async {
            loop {
                let open = store.open_transactions().await.unwrap_or_default();
                let waits = recovery.next_retry().unwrap_or(Duration::from_secs(10));
                let all_taken = self.taken.lock().unwrap().iter().all(|taken| *taken);
                let late = self.world.now() > since + LATEST;
                let newest = self.director.newest() == process.number;
                if !newest || all_taken && (open.is_empty() && !left_over(&recovery) || late) {
                    return;
                }
                self.world.wait(waits.max(Duration::from_secs(1)).min(Duration::from_secs(60))).await;
                let _ = recovery.retry(&south).await;
            }
        };
        let runs = async { while flights.next().await.is_some() {} };
        futures::join!(runs, background);
        // What was left to recovery by the last run.
        while self.director.newest() == process.number && self.world.now() <= since + LATEST {
            match store.open_transactions().await {
                Ok(open) if open.is_empty() && !left_over(&recovery) => break,
                _ => {}
            }
            self.world.wait(Duration::from_secs(20)).await;
            let _ = recovery.retry(&south).await;
        }
    }

    /// One order, if no other daemon has taken it when its time comes.
    async fn carry_out(self: Arc<Self>, at: usize, process: Arc<Process>, runner: Runner) {
        let order = self.story.orders[at].clone();
        let due = START + Duration::from_millis(order.at);
        self.world.wait(due.saturating_sub(self.world.now())).await;
        if self.director.newest() != process.number || std::mem::replace(&mut self.taken.lock().unwrap()[at], true) {
            return;
        }
        let id = format!("t{}", at + 1);
        let plan = self.plan(&order);
        self.plans.lock().unwrap().insert(id.clone(), plan.clone());
        let south = self.south(&process, &id, Some(&plan));
        let (progress, mut watched) = watch::channel(Progress::default());
        let request = TransactionRequest {
            id: id.clone(),
            plan,
            principal: Principal::daemon(),
            summary: "simulated".into(),
            closing: Arc::new(Notary),
            progress: Some(progress),
            opened: Opened::default(),
        };
        let signal = StopSignal::new();
        let stopper = {
            let (signal, world) = (signal.clone(), self.world.clone());
            async move {
                if let Some((after, cancel)) = order.stop {
                    world.wait(Duration::from_millis(after)).await;
                    if cancel { signal.cancel() } else { signal.stop() }
                }
            }
        };
        let listener = async {
            while watched.changed().await.is_ok() {
                let record = watched.borrow_and_update().record.clone();
                self.published.lock().unwrap().extend(record);
            }
        };
        let run = async {
            let record = runner.run(request, &south, signal).await;
            self.told.lock().unwrap().insert(id, (self.world.tick(), record));
        };
        futures::join!(run, stopper, listener);
    }

    /// As the planner would: against what the elements show now.
    fn plan(&self, order: &Order) -> Plan {
        let plans = order.wants.iter().filter_map(|(at, wishes)| {
            let element = &self.elements[*at];
            let actual = element.running();
            let desired = wishes.iter().fold(actual.clone(), |tree, wish| wish.apply(&tree));
            (desired != actual).then(|| element_plan(&element.name, element.class(), &actual, &desired))
        });
        plan(plans.collect())
    }

    /// The record as an operator sees it when all is over.
    pub fn record(&self, id: &str) -> Option<TransactionRecord> {
        let read = || {
            let all = andante::store::list(&self.disk.store, Table::Transactions, "");
            self.world.run(all).unwrap().unwrap().into_iter().collect()
        };
        self.last.get_or_init(read).get(id).cloned()
    }

    pub fn outcome(&self, id: &str) -> Option<Outcome> {
        self.record(id)?.outcome
    }

    pub fn element(&self, at: usize) -> &Arc<Element> {
        &self.elements[at]
    }

    pub fn plan_of(&self, id: &str) -> Option<Plan> {
        self.plans.lock().unwrap().get(id).cloned()
    }

    /// All transactions of which a plan was made.
    pub fn transactions(&self) -> Vec<String> {
        self.plans.lock().unwrap().keys().cloned().collect()
    }
}

/// What the controller would write beside: a document with the decision, events and audit with the end.
struct Notary;

impl Notary {
    fn event(kind: &str, record: &TransactionRecord) -> Result<Event, StoreError> {
        let content = serde_json::to_value(record).map_err(|source| StoreError::Encode {
            table: Table::Transactions,
            key: record.id.clone(),
            source,
        })?;
        Ok(Event { at: record.started, kind: kind.into(), content })
    }
}

impl Closing for Notary {
    fn decided(&self, record: &TransactionRecord, _: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        batch.put(Table::Documents, &record.id, &record.summary)?;
        batch.events.push(Self::event("decided", record)?);
        Ok(batch)
    }

    fn closed(&self, record: &TransactionRecord) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        batch.events.push(Self::event("closed", record)?);
        batch.audit.push(AuditRecord {
            at: record.started,
            principal: record.principal.clone(),
            action: "commit-plan".into(),
            target: record.id.clone(),
            plan: Some(record.plan.clone()),
            transaction: Some(record.id.clone()),
            result: format!("{:?}", record.outcome),
        });
        Ok(batch)
    }
}

/// Whether recovery has something to do beside open transactions.
fn left_over(recovery: &Recovery) -> bool {
    recovery.has_left_edits() || recovery.has_unsaved()
}
