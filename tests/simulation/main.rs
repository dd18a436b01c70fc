//! Deterministic simulation of transactions: seeded faults, virtual time, elements that judge for themselves.
//!
//! Every run prints its seed when it fails; `simulate(seed)` replays it exactly.

// A failure of the stage is a failure of the test; clippy sees tests only in `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The size of a driver error is of no matter here.
#![allow(clippy::result_large_err)]

mod element;
mod judge;
mod mutants;
mod plans;
mod steps;
mod world;

use andante::adagio::Southbound;
use andante::domain::{Class, Outcome, Principal, TransactionRecord};
use andante::plan::Plan;
use andante::store::{Batch, MemoryStore, Store};
use andante::transaction::{Probe, Recovery, Runner, StopSignal, TransactionLimits, TransactionRequest, Undo};
use element::{Element, South};
use plans::{Rendering, element_plan, found, plan, wanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use world::World;

pub const WINDOW: Duration = Duration::from_secs(60);

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

/// A domain: its elements, the daemon's store, and what it is asked to do.
pub struct Domain {
    pub world: World,
    pub elements: BTreeMap<String, Arc<Element>>,
    pub classes: Vec<Class>,
    pub store: Arc<MemoryStore>,
    pub plan: Plan,
    /// What the daemon talks to; a planted bug stands between.
    pub south: BTreeMap<String, Arc<dyn Southbound>>,
    pub seen_by_daemon: Arc<dyn Store>,
    pub undo: Arc<dyn Undo>,
}

impl Domain {
    pub fn new(seed: u64, classes: &[Class]) -> Self {
        let world = World::new(seed);
        let mut elements = BTreeMap::new();
        for (at, class) in classes.iter().enumerate() {
            let name = format!("pe{}", at + 1);
            elements.insert(name.clone(), Element::new(&world, &name, *class, found()));
        }
        let desired = wanted(&found(), "200");
        let plans = elements.keys().zip(classes).map(|(name, class)| element_plan(name, *class, &found(), &desired));
        let plan = plan(plans.collect());
        let south = elements
            .iter()
            .map(|(name, element)| (name.clone(), Arc::new(South(element.clone())) as Arc<dyn Southbound>))
            .collect();
        let store = Arc::new(MemoryStore::new());
        let seen_by_daemon = store.clone();
        Self {
            world,
            elements,
            classes: classes.to_vec(),
            store,
            plan,
            south,
            seen_by_daemon,
            undo: Arc::new(Rendering),
        }
    }

    pub fn element(&self, at: usize) -> &Arc<Element> {
        &self.elements[&format!("pe{}", at + 1)]
    }

    /// A daemon starts: it takes the lease.
    pub fn runner(&self) -> Runner {
        self.runner_with(limits())
    }

    pub fn runner_with(&self, limits: TransactionLimits) -> Runner {
        let epoch = self.world.run(self.store.take_lease("simulation")).unwrap().unwrap();
        let probe: Arc<dyn Probe> = Arc::new(self.world.clone());
        let ambient = Arc::new(self.world.clone());
        Runner::new(self.seen_by_daemon.clone(), epoch, ambient, self.undo.clone(), probe, limits)
    }

    pub fn request(&self, id: &str) -> TransactionRequest {
        TransactionRequest {
            id: id.into(),
            plan: self.plan.clone(),
            principal: Principal::daemon(),
            summary: "simulated".into(),
            closing: Arc::new(Batch::default()),
            progress: None,
        }
    }

    /// One transaction; `None` when the daemon died.
    pub fn run(&self, runner: &Runner, stop: StopSignal) -> Option<TransactionRecord> {
        self.world.run(runner.run(self.request("t1"), &self.south, stop))
    }

    /// A new daemon: recovery at its start, then in the background until nothing is open or nothing moves any more.
    pub fn recover(&self, crash_at: Option<usize>) -> Option<()> {
        let runner = self.runner();
        self.world.crash_at(crash_at);
        let recovery = Recovery::new(runner, Arc::new(Batch::default()));
        self.world.run(async {
            recovery.run(&self.south).await.unwrap();
            for _ in 0..12 {
                let Some(pause) = recovery.next_retry() else { break };
                self.world.wait(pause).await;
                recovery.retry(&self.south).await.unwrap();
            }
        })
    }

    /// The record as an operator sees it.
    pub fn record(&self) -> Option<TransactionRecord> {
        let key = andante::store::get(&*self.store, andante::store::Table::Transactions, "t1");
        self.world.run(key).unwrap().unwrap()
    }

    /// Lets all timers of elements run out.
    pub fn rest(&self) {
        self.world.run(self.world.wait(WINDOW * 3));
    }
}

/// One simulated story, all of it chosen by the seed. `Err` = a law is broken.
pub fn simulate(seed: u64, plant: impl FnOnce(&mut Domain)) -> Result<Option<Outcome>, String> {
    let dice = World::new(seed ^ 0x5eed);
    let count = 1 + dice.below(4);
    let classes: Vec<Class> = (0..count).map(|_| [Class::A, Class::B, Class::C, Class::D][dice.below(4)]).collect();
    let mut domain = Domain::new(seed, &classes);
    plant(&mut domain);
    let mut story = judge::Story::default();
    for at in 0..count {
        let element = domain.element(at);
        if dice.below(6) == 0 {
            element.keep_stale_candidates();
        }
        if dice.below(6) == 0 {
            element.allow_one_session();
        }
        if dice.below(8) == 0 {
            element.be_slow(Duration::from_secs(2));
        }
    }
    for _ in 0..dice.below(4) {
        let at = dice.below(count);
        let call = steps::CALLS[dice.below(steps::CALLS.len())];
        let fault = steps::FAULTS[dice.below(steps::FAULTS.len())];
        if steps::makes_sense(call, fault) {
            domain.element(at).fault(call, dice.below(3), fault);
            story.add(&format!("pe{}", at + 1), call, fault);
        }
    }
    if dice.below(8) == 0 {
        let kind = if dice.below(2) == 0 {
            andante::store::memory::Fault::Nothing
        } else {
            andante::store::memory::Fault::WrittenAnyway
        };
        domain.store.fail_commit(dice.below(20) as u64, kind);
    }
    let runner = domain.runner();
    let crash = (dice.below(2) == 0).then(|| dice.below(20 + 10 * count));
    domain.world.crash_at(crash);
    let stop = StopSignal::new();
    match dice.below(12) {
        0 => stop.stop(),
        1 => stop.cancel(),
        _ => {}
    }
    let told = domain.run(&runner, stop);
    drop(runner);
    story.told = told.as_ref().and_then(|record| record.outcome.clone());
    for _ in 0..2 {
        if dice.below(3) == 0 {
            domain.store.crash();
            story.power_lost = true;
        }
        let again = (dice.below(3) == 0).then(|| dice.below(15 * count));
        if domain.recover(again).is_some() {
            break;
        }
    }
    domain.recover(None).ok_or("recovery did not end")?;
    domain.rest();
    story.judge(&domain).map_err(|law| format!("seed {seed}, {classes:?}, {story}: {law}"))?;
    Ok(domain.record().and_then(|record| record.outcome))
}

#[test]
fn every_seed_ends_before_or_after_or_says_otherwise() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let mut ends = BTreeMap::new();
    let mut broken = Vec::new();
    for seed in 0..seeds {
        match simulate(seed, |_| {}) {
            Ok(outcome) => {
                let name = match outcome {
                    None => "nothing durable",
                    Some(Outcome::Applied) => "applied",
                    Some(Outcome::NotApplied { .. }) => "not applied",
                    Some(Outcome::Unresolved { .. }) => "unresolved",
                };
                *ends.entry(name).or_insert(0) += 1;
            }
            Err(law) => broken.push(law),
        }
    }
    println!("{seeds} seeds: {ends:?}");
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
    assert!(ends["applied"] > seeds / 10 && ends["not applied"] > seeds / 10, "the seeds are one-sided: {ends:?}");
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in [3, 77, 402] {
        let (first, second) = (simulate(seed, |_| {}), simulate(seed, |_| {}));
        assert_eq!(first, second);
    }
}
