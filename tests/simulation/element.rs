//! Simulated elements of the classes A to D: their datastores, locks and timers, and a diary of what was done to them.
//!
//! Everything that an element does happens at a call, at a twist of the story, or when its own timers are due at either.
//! Sessions are in `session.rs`. The diary is what the laws are judged from.

use crate::director::Director;
use crate::plans::{Operation, found};
use crate::story::{Call, Habit, Nature, Wish};
use crate::world::World;
use andante::adapter::Adapter;
use andante::domain::Class;
use andante::tree::ConfigTree;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long an element keeps a session of which it hears nothing any more.
pub const KEEPALIVE: Duration = Duration::from_secs(45);

pub struct Element {
    pub name: String,
    pub index: usize,
    pub nature: Nature,
    /// The platform that it speaks as; `None` = small trees and plain operations.
    pub platform: Option<Arc<Adapter>>,
    pub world: World,
    pub director: Arc<Director>,
    pub inner: Mutex<Inner>,
}

/// Who did something to an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A session of the daemon: the transaction, or `recovery`.
    Ours(String),
    Human,
    /// The element itself.
    Element,
}

/// One line of the diary.
#[derive(Clone, Debug)]
pub struct Entry {
    pub seq: u64,
    pub by: By,
    pub did: Did,
}

#[derive(Clone, Debug)]
pub enum Did {
    /// Running went on from there.
    Changed {
        before: ConfigTree,
        after: ConfigTree,
        operations: Vec<Operation>,
    },
    /// Running went back to what it was at an earlier moment.
    Reverted {
        back_to: u64,
        tree: ConfigTree,
    },
    Read {
        tree: ConfigTree,
    },
    /// A verb arrived and was carried out; whether its session held the lock, and a word for its bytes.
    Sent {
        call: Call,
        locked: bool,
        bytes: String,
    },
    /// A commit that was sent, and of which the sender hears nothing: it was lost, or never carried out.
    Missed {
        call: Call,
    },
    /// What arrived just before was refused, with nothing changed.
    Refused,
    /// A confirmed commit was made permanent.
    Kept,
    /// Somebody else's edit was thrown out of the candidate.
    DiscardedForeign,
}

pub struct Inner {
    pub running: ConfigTree,
    pub startup: (ConfigTree, u64),
    pub candidate: Vec<(By, Operation)>,
    pub lock: Option<Lock>,
    pub pending: Option<Pending>,
    pub late: Vec<(Duration, By, Vec<Operation>)>,
    pub away_until: Duration,
    pub cut_until: Duration,
    /// Sessions that are open; those of which nobody hears any more with the time at which they end.
    pub sessions: BTreeMap<u64, Option<Duration>>,
    pub half_open: BTreeSet<u64>,
    pub next_session: u64,
    pub calls: Vec<Call>,
    pub diary: Vec<Entry>,
    pub waiting: Vec<Wish>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    Session(u64),
    Foreign(Duration),
}

pub struct Pending {
    pub persist: String,
    pub backup: ConfigTree,
    pub made: u64,
    pub until: Duration,
}

impl Element {
    pub fn new(director: &Arc<Director>, index: usize, nature: Nature) -> Arc<Self> {
        Self::of(director, index, nature, None, found())
    }

    /// One that speaks as a platform does, and stands like this at the start.
    pub fn of(
        director: &Arc<Director>,
        index: usize,
        nature: Nature,
        platform: Option<Arc<Adapter>>,
        start: ConfigTree,
    ) -> Arc<Self> {
        let inner = Inner {
            running: start.clone(),
            startup: (start, 0),
            candidate: vec![],
            lock: None,
            pending: None,
            late: vec![],
            away_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            sessions: BTreeMap::new(),
            half_open: BTreeSet::new(),
            next_session: 0,
            calls: vec![],
            diary: vec![],
            waiting: vec![],
        };
        Arc::new(Self {
            name: format!("pe{}", index + 1),
            index,
            nature,
            platform,
            world: director.world.clone(),
            director: director.clone(),
            inner: Mutex::new(inner),
        })
    }

    /// What it showed before anybody came.
    pub fn start(&self) -> ConfigTree {
        match &self.platform {
            Some(platform) => crate::services::house::house().start[platform.name()].clone(),
            None => found(),
        }
    }

    pub fn class(&self) -> Class {
        self.nature.class
    }

    pub fn has(&self, habit: Habit) -> bool {
        self.nature.habits.contains(&habit)
    }

    pub fn has_candidate(&self) -> bool {
        matches!(self.class(), Class::A | Class::B)
    }

    /// Running, after its own timers.
    pub fn running(&self) -> ConfigTree {
        self.on(|inner, _| inner.running.clone())
    }

    pub fn startup(&self) -> ConfigTree {
        self.on(|inner, _| inner.startup.0.clone())
    }

    pub fn calls(&self) -> Vec<Call> {
        self.on(|inner, _| inner.calls.clone())
    }

    pub fn diary(&self) -> Vec<Entry> {
        self.on(|inner, _| inner.diary.clone())
    }

    /// What is left over that should not be: locks, an edit in the candidate, a running timer, sessions.
    pub fn leftovers(&self) -> Vec<&'static str> {
        self.on(|inner, _| {
            let mut left = vec![];
            if matches!(inner.lock, Some(Lock::Session(_))) {
                left.push("a lock");
            }
            if inner.candidate.iter().any(|(by, _)| *by != By::Human) {
                left.push("an edit in the candidate");
            }
            if inner.pending.is_some() {
                left.push("a confirmed commit that runs");
            }
            if !inner.sessions.is_empty() {
                left.push("a session");
            }
            left
        })
    }

    /// Whether somebody else stands in the way now: his lock, or his edit in the candidate.
    pub fn is_taken(&self) -> bool {
        self.on(|inner, _| {
            matches!(inner.lock, Some(Lock::Foreign(_))) || inner.candidate.iter().any(|(by, _)| *by == By::Human)
        })
    }

    // ── what the story does to it ────────────────────────────────────────────────────────────────────────────────────

    /// A person's edit of running; it waits for the lock where locks bind people.
    pub fn human(&self, wish: Wish) {
        let binds = self.class() != Class::D && !self.has(Habit::LocksBindNobody);
        self.on(|inner, element| {
            if binds && inner.lock.is_some() {
                inner.waiting.push(wish.clone());
            } else if let Some(operation) = wish.operation(&inner.running) {
                inner.change(&element.world, By::Human, vec![operation]);
            }
        });
    }

    pub fn foreign_candidate(&self, wish: &Wish) {
        self.on(|inner, element| {
            let free = element.has_candidate() && inner.lock.is_none();
            if let Some(operation) = wish.operation(&inner.running).filter(|_| free) {
                inner.candidate.push((By::Human, operation));
            }
        });
    }

    pub fn foreign_lock(&self, seconds: u64) {
        self.on(|inner, element| {
            if inner.lock.is_none() && element.class() != Class::D {
                inner.lock = Some(Lock::Foreign(element.world.now() + Duration::from_secs(seconds)));
            }
        });
    }

    pub fn somebody_confirms(&self) {
        self.on(|inner, _| inner.pending = None);
    }

    pub fn early_revert(&self) {
        self.on(|inner, element| inner.revert(&element.world, By::Element));
    }

    pub fn reset(&self) {
        self.on(|inner, element| inner.end_all(element));
    }

    pub fn away(&self, seconds: u64) {
        self.on(|inner, element| {
            inner.away_until = element.world.now() + Duration::from_secs(seconds);
            inner.end_all(element);
        });
    }

    pub fn cut_off(&self, seconds: u64) {
        self.on(|inner, element| inner.cut_until = element.world.now() + Duration::from_secs(seconds));
    }

    pub fn half_open(&self) {
        self.on(|inner, _| inner.half_open.extend(inner.sessions.keys()));
    }

    /// Restarts.
    pub fn reboot(&self, seconds: u64) {
        self.on(|inner, element| {
            inner.revert(&element.world, By::Element);
            if element.nature.startup {
                let (tree, made) = inner.startup.clone();
                inner.running = tree.clone();
                inner.note(&element.world, By::Element, Did::Reverted { back_to: made, tree });
            }
            inner.end_all(element);
            inner.candidate.clear();
            inner.lock = None;
            inner.late.clear();
            inner.away_until = element.world.now() + Duration::from_secs(seconds);
        });
    }

    /// With its timers done.
    pub fn on<T>(&self, work: impl FnOnce(&mut Inner, &Self) -> T) -> T {
        let mut inner = self.inner.lock().unwrap();
        inner.tick(self);
        let done = work(&mut inner, self);
        inner.tick(self);
        done
    }
}

impl Inner {
    fn tick(&mut self, element: &Element) {
        let now = element.world.now();
        if self.pending.as_ref().is_some_and(|pending| pending.until <= now) {
            self.revert(&element.world, By::Element);
        }
        let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
        self.late = later;
        let due: Vec<(Duration, By, Vec<Operation>)> = due;
        for (_, by, operations) in due {
            self.change(&element.world, by, operations);
        }
        let ended: Vec<u64> =
            self.sessions.iter().filter(|(_, ends)| ends.is_some_and(|at| at <= now)).map(|(id, _)| *id).collect();
        ended.into_iter().for_each(|session| self.end(session, element));
        if matches!(self.lock, Some(Lock::Foreign(until)) if until <= now) {
            self.lock = None;
        }
        if self.lock.is_none() {
            for wish in std::mem::take(&mut self.waiting) {
                if let Some(operation) = wish.operation(&self.running) {
                    self.change(&element.world, By::Human, vec![operation]);
                }
            }
        }
    }

    pub fn note(&mut self, world: &World, by: By, did: Did) -> u64 {
        let seq = world.tick();
        self.diary.push(Entry { seq, by, did });
        seq
    }

    /// Running goes on.
    pub fn change(&mut self, world: &World, by: By, operations: Vec<Operation>) {
        let before = self.running.clone();
        self.running = operations.iter().fold(before.clone(), |tree, operation| operation.apply(&tree));
        let after = self.running.clone();
        self.note(world, by, Did::Changed { before, after, operations });
    }

    /// Running goes back to the backup of the confirmed commit, if there is one.
    pub fn revert(&mut self, world: &World, by: By) {
        if let Some(pending) = self.pending.take() {
            self.running = pending.backup.clone();
            self.note(world, by, Did::Reverted { back_to: pending.made, tree: pending.backup });
        }
    }

    /// A session ends: its lock goes, and the candidate that it had locked (RFC 6241 §7.5).
    pub fn end(&mut self, session: u64, element: &Element) {
        self.sessions.remove(&session);
        self.half_open.remove(&session);
        if self.lock == Some(Lock::Session(session)) {
            self.lock = None;
            if !element.has(Habit::KeepsStaleCandidate) {
                self.candidate.clear();
            }
        }
    }

    fn end_all(&mut self, element: &Element) {
        let all: Vec<u64> = self.sessions.keys().copied().collect();
        all.into_iter().for_each(|session| self.end(session, element));
    }

    /// Whether anything gets through.
    pub fn hears(&self, session: u64, now: Duration) -> bool {
        now >= self.cut_until && !self.half_open.contains(&session)
    }
}
