//! Who makes a story happen: it hears of every probe point and every call, and does what the story has for that moment.
//!
//! A [`Process`] is one daemon: its clock, its chance, its probe points, and whether it still lives.

use crate::disk::Disk;
use crate::element::Element;
use crate::story::{Call, Fault, Story, Twist, What, When};
use crate::world::World;
use andante::transaction::{Ambient, Probe};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// When the story begins.
pub const START: Duration = Duration::from_secs(1_000);

pub struct Director {
    pub world: World,
    twists: Mutex<Vec<Option<Twist>>>,
    elements: OnceLock<Vec<Weak<Element>>>,
    disk: OnceLock<Weak<Disk>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lives: Vec<Arc<Process>>,
    newest: usize,
    births: Vec<u64>,
    points: Vec<String>,
    steps: usize,
    open: Vec<(usize, String)>,
    unguarded: Vec<String>,
    passed: Vec<(u64, String)>,
    calls: BTreeMap<(usize, Call), usize>,
    used: Vec<String>,
    died: Option<Duration>,
    deaths: Vec<u64>,
    secrets: Vec<u64>,
}

impl Director {
    pub fn new(world: &World, story: &Story) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            twists: Mutex::new(story.twists.iter().cloned().map(Some).collect()),
            elements: OnceLock::new(),
            disk: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    pub fn knows(&self, elements: &[Arc<Element>], disk: &Arc<Disk>) {
        let _ = self.elements.set(elements.iter().map(Arc::downgrade).collect());
        let _ = self.disk.set(Arc::downgrade(disk));
    }

    /// A daemon starts.
    pub fn birth(self: &Arc<Self>) -> Arc<Process> {
        let mut state = self.state.lock().unwrap();
        let process = Arc::new(Process {
            number: state.lives.len(),
            director: self.clone(),
            dead: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            tasks: Mutex::default(),
            ids: AtomicU64::new(0),
        });
        state.lives.push(process.clone());
        process
    }

    /// The story is over.
    pub fn end(&self) {
        self.state.lock().unwrap().lives.clear();
    }

    /// A daemon has taken the lease.
    pub fn leased(&self, number: usize) {
        self.state.lock().unwrap().newest = number;
    }

    /// The number of the daemon that took the lease last, which need not be the one that was started last.
    pub fn newest(&self) -> usize {
        self.state.lock().unwrap().newest
    }

    /// The daemons that have to start, with the pause before.
    pub fn births(&self) -> Vec<u64> {
        std::mem::take(&mut self.state.lock().unwrap().births)
    }

    /// The steps passed so far, by all daemons.
    pub fn points(&self) -> Vec<String> {
        self.all_points().into_iter().filter(|point| is_step(point)).collect()
    }

    /// The probe points passed so far, by all daemons: steps, and what is inside of them.
    pub fn all_points(&self) -> Vec<String> {
        self.state.lock().unwrap().points.clone()
    }

    /// Writes and sends that happened between no two points of their own.
    pub fn unguarded(&self) -> Vec<String> {
        self.state.lock().unwrap().unguarded.clone()
    }

    /// A daemon writes or sends: it has to stand between the points of that.
    pub fn guards(&self, process: &Process, what: &str, is_its: impl Fn(&str) -> bool) {
        let mut state = self.state.lock().unwrap();
        let between = state.open.iter().any(|(of, point)| *of == process.number && is_its(point));
        if !between && !process.is_dead() {
            let at = self.world.now() - START;
            state.unguarded.push(format!("{what} of daemon {} at {at:?}", process.number));
        }
    }

    /// Probe points and twists, in their order.
    pub fn passed(&self) -> Vec<(u64, String)> {
        self.state.lock().unwrap().passed.clone()
    }

    /// What of the story has happened, in words.
    pub fn used(&self) -> Vec<String> {
        self.state.lock().unwrap().used.clone()
    }

    /// When a daemon last died.
    pub fn died(&self) -> Option<Duration> {
        self.state.lock().unwrap().died
    }

    /// When daemons died or were taken over, in ticks.
    pub fn deaths(&self) -> Vec<u64> {
        self.state.lock().unwrap().deaths.clone()
    }

    /// Every secret that a daemon drew.
    pub fn secrets(&self) -> Vec<u64> {
        self.state.lock().unwrap().secrets.clone()
    }

    /// The twists that have a time.
    pub async fn clock(self: Arc<Self>) {
        let mut times: Vec<u64> = {
            let twists = self.twists.lock().unwrap();
            let at = |twist: &Twist| if let When::At(at) = twist.when { Some(at) } else { None };
            twists.iter().flatten().filter_map(at).collect()
        };
        times.sort_unstable();
        for at in times {
            let due = START + Duration::from_millis(at);
            self.world.wait(due.saturating_sub(self.world.now())).await;
            for what in self.take(|when| *when == When::At(at)) {
                self.act(what);
            }
        }
    }

    /// Whether something that has a time is still to happen.
    pub fn more_to_come(&self) -> bool {
        let twists = self.twists.lock().unwrap();
        twists.iter().flatten().any(|twist| matches!(twist.when, When::At(_)))
    }

    /// A daemon passes a probe point.
    pub fn point(&self, process: usize, name: &str) {
        let (step, nth) = {
            let mut state = self.state.lock().unwrap();
            state.points.push(name.to_owned());
            state.passed.push((self.world.tick(), format!("passes {name}")));
            if let Some(point) = name.strip_prefix("before-") {
                state.open.push((process, point.to_owned()));
            } else if let Some(point) = name.strip_prefix("after-") {
                let open = state.open.iter().position(|(of, open)| *of == process && open == point);
                match open {
                    Some(open) => drop(state.open.remove(open)),
                    None => state.unguarded.push(format!("{name} without its before")),
                }
            }
            let step = is_step(name).then_some(state.steps);
            state.steps += usize::from(step.is_some());
            (step, state.points.iter().filter(|point| *point == name).count() - 1)
        };
        let now = self.take(|when| match when {
            When::Step(at) => Some(*at) == step,
            When::Point(at, n) => at == name && *n == nth,
            _ => false,
        });
        now.into_iter().for_each(|what| self.act(what));
    }

    /// An element is called.
    pub fn call(&self, element: usize, call: Call) -> Option<Fault> {
        let nth = {
            let mut state = self.state.lock().unwrap();
            let count = state.calls.entry((element, call)).or_default();
            *count += 1;
            *count - 1
        };
        let mut strike = None;
        for what in self.take(|when| *when == When::Call(element, call, nth)) {
            match what {
                What::Strike(fault) => {
                    self.happened(&what);
                    strike = Some(fault);
                }
                other => self.act(other),
            }
        }
        strike
    }

    fn take(&self, hits: impl Fn(&When) -> bool) -> Vec<What> {
        let mut twists = self.twists.lock().unwrap();
        let due = twists.iter_mut().filter(|twist| twist.as_ref().is_some_and(|twist| hits(&twist.when)));
        due.filter_map(|twist| twist.take().map(|twist| twist.what)).collect()
    }

    fn happened(&self, what: &What) {
        let mut state = self.state.lock().unwrap();
        state.used.push(Story::word(what));
        let at = self.world.now() - START;
        state.passed.push((self.world.tick(), format!("{at:?} TWIST {what:?}")));
    }

    fn act(&self, what: What) {
        self.happened(&what);
        let element = |at: usize| self.elements.get()?.get(at)?.upgrade();
        let on = |at: usize, act: &dyn Fn(&Element)| {
            if let Some(element) = element(at) {
                act(&element);
            }
        };
        match what {
            What::Strike(_) => {}
            What::Partition(elements, seconds) => {
                elements.into_iter().filter_map(element).for_each(|element| element.cut_off(seconds));
            }
            What::HalfOpen(at) => on(at, &|element| element.half_open()),
            What::Reset(at) | What::KillSessions(at) => on(at, &|element| element.reset()),
            What::Away(at, seconds) => on(at, &|element| element.away(seconds)),
            What::Reboot(at, seconds) => on(at, &|element| element.reboot(seconds)),
            What::Human(at, wish) => on(at, &|element| element.human(wish.clone())),
            What::Candidate(at, wish) => on(at, &|element| element.foreign_candidate(&wish)),
            What::Lock(at, seconds) => on(at, &|element| element.foreign_lock(seconds)),
            What::SomebodyConfirms(at) => on(at, &|element| element.somebody_confirms()),
            What::SomebodyCancels(at) | What::EarlyRevert(at) => {
                on(at, &|element| element.early_revert());
            }
            What::Disk(fault) => {
                if let Some(disk) = self.disk.get().and_then(Weak::upgrade) {
                    disk.fault(fault);
                }
            }
            What::Jump(seconds) => self.world.jump(seconds),
            What::Kill(pause) => self.end_all(None, pause),
            What::PowerLoss(keeps, pause) => self.end_all(Some(keeps), pause),
            What::Takeover => {
                let mut state = self.state.lock().unwrap();
                state.births.push(0);
                state.deaths.push(self.world.tick());
            }
        }
    }

    fn end_all(&self, power: Option<usize>, pause: u64) {
        let mut state = self.state.lock().unwrap();
        let mut some = false;
        for life in &state.lives {
            some |= !life.dead.swap(true, Ordering::SeqCst);
            life.lingers.store(power.is_some(), Ordering::SeqCst);
        }
        if !some {
            return;
        }
        state.births.push(pause);
        state.died = Some(self.world.now());
        state.deaths.push(self.world.tick());
        if let Some(keeps) = power
            && let Some(disk) = self.disk.get().and_then(Weak::upgrade)
        {
            disk.power_loss(keeps);
        }
    }
}

/// Whether a point is a step of a transaction as stories count them. Those that came later stand beside: a story that was
/// written down must not move.
fn is_step(point: &str) -> bool {
    let name = point.trim_start_matches("before-").trim_start_matches("after-");
    !name.contains('.') && !["intent-planned", "note", "word", "mark", "end-unsent"].contains(&name)
}

/// One daemon.
pub struct Process {
    pub number: usize,
    director: Arc<Director>,
    dead: AtomicBool,
    lingers: AtomicBool,
    /// Begun, and not yet taken by whoever lets them run.
    tasks: Mutex<Vec<BoxFuture<'static, ()>>>,
    ids: AtomicU64,
}

impl Process {
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// The tasks that were begun since the last call.
    pub fn begun(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.tasks.lock().unwrap())
    }

    /// Its host died without a word: the elements do not know that its sessions are gone.
    pub fn lingers(&self) -> bool {
        self.lingers.load(Ordering::SeqCst)
    }
}

impl Ambient for Process {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.director.world.wall()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.director.world.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.director.world.wait(time)
    }

    fn secret(&self) -> u64 {
        let secret = self.director.world.chance();
        self.director.state.lock().unwrap().secrets.push(secret);
        secret
    }

    fn transaction_id(&self) -> String {
        let nth = self.ids.fetch_add(1, Ordering::SeqCst);
        let time = self.director.world.now().as_millis() as u64 + 1_700_000_000_000;
        let mut bytes = [0; 10];
        bytes[..4].copy_from_slice(&(nth as u32 * 64 + self.number as u32).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(time, &bytes).into_uuid().to_string()
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.tasks.lock().unwrap().push(work);
    }
}

impl Probe for Process {
    fn at(&self, point: &str) -> BoxFuture<'static, ()> {
        if !self.is_dead() {
            self.director.point(self.number, point);
        }
        if self.is_dead() { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(())) }
    }
}
