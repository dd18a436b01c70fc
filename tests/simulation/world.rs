//! Virtual time, chance from a seed, and an event loop of one thread: nothing in a simulation happens twice differently.

use andante::transaction::{Ambient, Probe};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

#[derive(Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    now: Duration,
    timers: BTreeMap<(Duration, u64), Waker>,
    next: u64,
    chance: u64,
    crashed: bool,
    points: Vec<String>,
    crash_at: Option<usize>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let inner = Inner {
            now: Duration::from_secs(1_000),
            timers: BTreeMap::new(),
            next: 0,
            chance: seed,
            crashed: false,
            points: Vec::new(),
            crash_at: None,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn now(&self) -> Duration {
        self.inner.lock().unwrap().now
    }

    /// The next number of the seed's sequence (splitmix64).
    pub fn chance(&self) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        inner.chance = inner.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = inner.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&self, n: usize) -> usize {
        (self.chance() % n as u64) as usize
    }

    pub fn wait(&self, time: Duration) -> BoxFuture<'static, ()> {
        let at = self.now() + time;
        Box::pin(Sleep { world: self.clone(), at, key: None })
    }

    /// Lets the process die when it comes to its nth probe point.
    pub fn crash_at(&self, point: Option<usize>) {
        let mut inner = self.inner.lock().unwrap();
        (inner.crash_at, inner.crashed) = (point, false);
        inner.points.clear();
    }

    /// The probe points passed since the last call of `crash_at`.
    pub fn points(&self) -> Vec<String> {
        self.inner.lock().unwrap().points.clone()
    }

    /// Runs a future in virtual time. `None`: the process died at a probe point; the future and its sessions are gone.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        for _ in 0..2_000_000 {
            if flag.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                    return Some(value);
                }
                if self.inner.lock().unwrap().crashed {
                    return None;
                }
                continue;
            }
            let next = {
                let mut inner = self.inner.lock().unwrap();
                let Some(((at, _), waker)) = inner.timers.pop_first() else {
                    panic!("everybody waits and no timer runs: a deadlock");
                };
                inner.now = inner.now.max(at);
                waker
            };
            next.wake();
        }
        panic!("two million steps without an end");
    }

    fn pass(&self, point: &str) -> bool {
        let mut inner = self.inner.lock().unwrap();
        let at = inner.points.len();
        inner.points.push(point.to_owned());
        if inner.crash_at == Some(at) {
            inner.crashed = true;
        }
        inner.crashed
    }
}

struct Sleep {
    world: World,
    at: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (world, old, at) = (self.world.clone(), self.key, self.at);
        let mut inner = world.inner.lock().unwrap();
        if let Some(key) = old {
            inner.timers.remove(&key);
        }
        if inner.now >= at {
            self.key = None;
            return Poll::Ready(());
        }
        inner.next += 1;
        let key = (at, inner.next);
        inner.timers.insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.world.inner.lock().unwrap().timers.remove(&key);
        }
    }
}

impl Ambient for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + World::now(self).as_secs() as i64).unwrap()
    }

    fn elapsed(&self) -> Duration {
        World::now(self)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.wait(time)
    }

    fn secret(&self) -> u64 {
        self.chance()
    }
}

impl Probe for World {
    fn at(&self, point: &str) -> BoxFuture<'static, ()> {
        if self.pass(point) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(()))
    }
}
