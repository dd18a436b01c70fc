//! Virtual time, chance from a seed, and an event loop of one thread: nothing in a simulation happens twice differently.

use crate::splitmix::splitmix;
use futures::future::BoxFuture;
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
    ticks: u64,
    jump: i64,
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
            ticks: 0,
            jump: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn now(&self) -> Duration {
        self.inner.lock().unwrap().now
    }

    /// The next number of the seed's sequence.
    pub fn chance(&self) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        splitmix(&mut inner.chance)
    }

    pub fn below(&self, n: usize) -> usize {
        (self.chance() % n as u64) as usize
    }

    pub fn wait(&self, time: Duration) -> BoxFuture<'static, ()> {
        let at = self.now() + time;
        Box::pin(Sleep { world: self.clone(), at, key: None })
    }

    /// A number that is greater at every call: the order in which things happened.
    pub fn tick(&self) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        inner.ticks += 1;
        inner.ticks
    }

    /// Moves the wall clock, and only that.
    pub fn jump(&self, seconds: i64) {
        self.inner.lock().unwrap().jump += seconds;
    }

    /// The wall clock, in seconds.
    pub fn wall(&self) -> i64 {
        let inner = self.inner.lock().unwrap();
        1_700_000_000 + inner.now.as_secs() as i64 + inner.jump
    }

    /// Runs a future in virtual time.
    ///
    /// # Errors
    /// Nothing moves any more, or it never ends.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, String> {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        for _ in 0..2_000_000 {
            if flag.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                    return Ok(value);
                }
                continue;
            }
            let next = {
                let mut inner = self.inner.lock().unwrap();
                let Some(((at, _), waker)) = inner.timers.pop_first() else {
                    return Err("everybody waits and no timer runs: a deadlock".into());
                };
                inner.now = inner.now.max(at);
                waker
            };
            next.wake();
        }
        Err("two million steps without an end".into())
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
