//! What happens between a call and the worker: it is started, it gets the set that it lacks, it is asked, and its deaths are
//! counted. One exchange at a time has the channel.

use super::error::YangError;
use super::{Loaded, Plan};
use crate::tree::SchemaIndex;
use crate::tree::schema::Tables;
use crate::yang::process::{Broken, Ended, Process};
use crate::yang::protocol::{LeftOut, Request, Response, TextOf};
use crate::yang::sources::{Resolved, Source};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio::sync::Mutex;

/// What a task of an exchange needs.
pub(super) struct Exchange {
    pub(super) plan: Arc<Plan>,
    pub(super) channel: Arc<Mutex<Channel>>,
    pub(super) starts: Arc<AtomicU64>,
    pub(super) pid: Arc<AtomicU32>,
}

impl Exchange {
    pub(super) async fn load(&self, resolved: Arc<Resolved>) -> Result<Arc<Loaded>, YangError> {
        let mut channel = self.channel.lock().await;
        let id = resolved.content_id.clone();
        if channel.used(&id).is_some()
            && let Some(held) = channel.sets.get(&id)
        {
            return Ok(held.loaded.clone());
        }
        let input = format!("module set {}", describe(&resolved));
        let loaded = match self.on_disk(&id).await {
            Some((index, left_out)) => Loaded { id: id.clone(), index: Arc::new(index), left_out, cached: true },
            None => {
                let (request, body) = load_request(&resolved, true);
                match self.call(&mut channel, None, &request, &body, &input).await? {
                    (Response::Loaded { left_out }, tables) => {
                        if let Some(running) = &mut channel.running {
                            running.has.insert(id.clone());
                        }
                        let index = self.read_and_kept(&id, &left_out, tables).await;
                        let index = index.ok_or_else(|| YangError::Confused { input: input.clone() })?;
                        let index = index.map_err(|message| YangError::Refused { input: input.clone(), message })?;
                        Loaded { id: id.clone(), index: Arc::new(index), left_out, cached: false }
                    }
                    (Response::Failed { message }, _) => return Err(YangError::Refused { input, message }),
                    _ => return Err(YangError::Confused { input }),
                }
            }
        };
        let loaded = Arc::new(loaded);
        channel.uses += 1;
        let used = channel.uses;
        channel.sets.insert(id, Held { resolved, loaded: loaded.clone(), used });
        self.shed(&mut channel).await;
        Ok(loaded)
    }

    async fn on_disk(&self, id: &str) -> Option<(SchemaIndex, Vec<LeftOut>)> {
        let (cache, id) = (self.plan.cache.clone()?, id.to_owned());
        off_the_runtime(move || cache.read(&id)).await?
    }

    /// The index of tables that the worker has sent, kept on disk.
    async fn read_and_kept(
        &self,
        id: &str,
        left_out: &[LeftOut],
        tables: Vec<u8>,
    ) -> Option<Result<SchemaIndex, String>> {
        let (cache, id, left_out) = (self.plan.cache.clone(), id.to_owned(), left_out.to_vec());
        off_the_runtime(move || {
            let read = Tables::decode(&tables)?;
            if let Some(cache) = cache {
                cache.write(&id, &left_out, &tables);
            }
            Ok(SchemaIndex::from(read))
        })
        .await
    }

    /// Lets go of the least recently used sets while there are too many.
    async fn shed(&self, channel: &mut Channel) {
        loop {
            let texts: usize = channel.sets.values().map(|held| size(&held.resolved)).sum();
            if channel.sets.len() <= 1 || (channel.sets.len() <= self.plan.sets && texts <= MAX_TEXTS) {
                return;
            }
            let oldest = channel.sets.iter().min_by_key(|(_, held)| held.used).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return };
            self.forget(channel, &oldest).await;
        }
    }

    pub(super) async fn forget(&self, channel: &mut Channel, id: &str) {
        channel.sets.remove(id);
        let has = channel.running.as_mut().is_some_and(|running| running.has.remove(id));
        if has {
            // A worker that died over it has forgotten everything.
            let _ = self.attempt(channel, &Request::Drop { set: id.into() }, &[]).await;
        }
    }

    /// One request, on a worker that has the set, repeated as the module says.
    pub(super) async fn call(
        &self,
        channel: &mut Channel,
        set: Option<&Arc<Resolved>>,
        request: &Request,
        body: &[u8],
        input: &str,
    ) -> Result<(Response, Vec<u8>), YangError> {
        let digest = digest(request, body);
        if channel.poison.contains(&digest) {
            return Err(YangError::Poison { input: input.into() });
        }
        let mut deaths = Deaths::default();
        loop {
            if channel.running.is_none() {
                self.start(channel)?;
            }
            let lacks = set
                .filter(|set| !channel.running.as_ref().is_some_and(|running| running.has.contains(&set.content_id)));
            let attempted = match lacks {
                Some(set) => {
                    let (loading, texts) = load_request(set, false);
                    self.attempt(channel, &loading, &texts).await
                }
                None => self.attempt(channel, request, body).await,
            };
            let doing = || match lacks {
                Some(set) => format!("module set {}", describe(set)),
                None => input.to_owned(),
            };
            let broken = match (attempted, lacks) {
                (Ok((Response::OutOfMemory, _)), _) => {
                    self.end(channel).await;
                    Broken::Died(Ended::Memory)
                }
                (Ok((Response::Loaded { .. }, _)), Some(set)) => {
                    if let Some(running) = &mut channel.running {
                        running.has.insert(set.content_id.clone());
                    }
                    continue;
                }
                (Ok((Response::Failed { message }, _)), Some(_)) => {
                    return Err(YangError::Refused { input: doing(), message });
                }
                (Ok(_), Some(_)) => return Err(YangError::Confused { input: doing() }),
                (Ok((Response::UnknownSet, _)), None) => {
                    // It cannot be: what it has is known. A worker that is confused is not asked again.
                    self.end(channel).await;
                    return Err(YangError::Confused { input: doing() });
                }
                (Ok(answer), None) => return Ok(answer),
                (Err(broken), _) => broken,
            };
            match broken {
                Broken::Timeout => return Err(YangError::Timeout { input: doing(), limit: self.plan.limit }),
                Broken::Died(how) => {
                    if let Some(last) = deaths.one_more(how) {
                        if last == Verdict::Poison && lacks.is_none() {
                            channel.poison.push_back(digest);
                            channel.poison.drain(..channel.poison.len().saturating_sub(MAX_POISON));
                        }
                        return Err(deaths.error(doing(), self.plan.memory));
                    }
                }
            }
        }
    }

    /// Sends a request and reads its answer within the limit. Afterwards the worker either waits for the next request or is
    /// gone: an answer that comes too late must not be taken for that of the next question.
    async fn attempt(
        &self,
        channel: &mut Channel,
        request: &Request,
        body: &[u8],
    ) -> Result<(Response, Vec<u8>), Broken> {
        // Taken out, so that nothing half-read is left behind whatever happens here.
        let Some(mut running) = channel.running.take() else {
            return Err(Broken::Died(Ended::Otherwise("it does not run".into())));
        };
        match tokio::time::timeout(self.plan.limit, running.process.exchange(request, body)).await {
            Ok(Ok(answer)) => {
                channel.running = Some(running);
                Ok(answer)
            }
            Ok(Err(error)) => {
                self.pid.store(0, Ordering::Relaxed);
                let how = running.process.end().await;
                tracing::warn!(%how, %error, "the yang worker died");
                Err(Broken::Died(how))
            }
            Err(_) => {
                tracing::warn!(limit = ?self.plan.limit, "the yang worker did not answer in time and is ended");
                self.pid.store(0, Ordering::Relaxed);
                running.process.end_now().await;
                Err(Broken::Timeout)
            }
        }
    }

    fn start(&self, channel: &mut Channel) -> Result<(), YangError> {
        let mut args = self.plan.args.clone();
        if self.plan.memory > 0 {
            args.push(format!("{}{}", crate::yang::worker::MEMORY_LIMIT, self.plan.memory).into());
        }
        let process = Process::start(&self.plan.program, &args);
        let process = process.map_err(|cause| YangError::Start { program: self.plan.program.clone(), cause })?;
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.pid.store(process.id().unwrap_or(0), Ordering::Relaxed);
        channel.running = Some(Running { process, has: HashSet::new() });
        Ok(())
    }

    async fn end(&self, channel: &mut Channel) {
        if let Some(running) = channel.running.take() {
            self.pid.store(0, Ordering::Relaxed);
            running.process.end().await;
        }
    }
}

#[derive(Default)]
pub(super) struct Channel {
    running: Option<Running>,
    pub(super) sets: HashMap<String, Held>,
    /// Counts uses of sets.
    pub(super) uses: u64,
    /// Digests of requests of which workers died, oldest first.
    pub(super) poison: VecDeque<[u8; 32]>,
}

/// A set with its texts, to compile it again.
pub(super) struct Held {
    pub(super) resolved: Arc<Resolved>,
    pub(super) loaded: Arc<Loaded>,
    pub(super) used: u64,
}

struct Running {
    process: Process,
    /// Sets that this very process has.
    has: HashSet<String>,
}

impl Channel {
    /// The texts of a set that is held, which is thereby the most recently used one.
    pub(super) fn used(&mut self, id: &str) -> Option<Arc<Resolved>> {
        self.uses += 1;
        let held = self.sets.get_mut(id)?;
        held.used = self.uses;
        Some(held.resolved.clone())
    }
}

/// The deaths of workers on one request.
#[derive(Default)]
struct Deaths {
    /// By themselves: what the request does to them.
    own: u32,
    /// By somebody's hand.
    killed: u32,
    last: Option<Ended>,
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Poison,
    Enough,
}

impl Deaths {
    /// Counts one; tells when it was the last one that is borne.
    fn one_more(&mut self, how: Ended) -> Option<Verdict> {
        match how {
            Ended::Killed(_) => self.killed += 1,
            Ended::Memory | Ended::Otherwise(_) => self.own += 1,
        }
        let poison = matches!(how, Ended::Otherwise(_));
        self.last = Some(how);
        match (self.own, self.killed) {
            (OWN_DEATHS.., _) if poison => Some(Verdict::Poison),
            (OWN_DEATHS.., _) | (_, KILLS..) => Some(Verdict::Enough),
            _ => None,
        }
    }

    fn error(&self, input: String, limit: u64) -> YangError {
        match &self.last {
            Some(Ended::Memory) => YangError::Memory { input, limit },
            how => {
                let how = how.as_ref().map(ToString::to_string).unwrap_or_default();
                YangError::Died { input, times: self.own + self.killed, how }
            }
        }
    }
}

fn load_request(resolved: &Resolved, tables: bool) -> (Request, Vec<u8>) {
    let mut body = Vec::with_capacity(size(resolved));
    let text = |source: &Source| {
        body.extend_from_slice(source.text.as_bytes());
        TextOf { name: source.name.clone(), revision: source.revision.clone(), bytes: source.text.len() }
    };
    let texts = resolved.sources.iter().map(text).collect();
    let (set, modules) = (resolved.content_id.clone(), resolved.modules.clone());
    (Request::Load { set, modules, texts, tables }, body)
}

fn size(resolved: &Resolved) -> usize {
    resolved.sources.iter().map(|source| source.text.len()).sum()
}

fn digest(request: &Request, body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    match request {
        // The content id says it all.
        Request::Load { set, .. } => hasher.update(set.as_bytes()),
        other => hasher.update(format!("{other:?}").as_bytes()).update(body),
    };
    *hasher.finalize().as_bytes()
}

pub(super) fn describe(resolved: &Resolved) -> String {
    let names: Vec<&str> = resolved.modules.iter().take(3).map(|module| module.name.as_str()).collect();
    let more = if resolved.modules.len() > 3 { ", …" } else { "" };
    format!("{} ({}{more})", &resolved.content_id[..12], names.join(", "))
}

/// `None` when the work panicked.
pub(super) async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Bytes of the texts of all sets that are held.
const MAX_TEXTS: usize = 256 << 20;
/// Workers that may die of one request.
const OWN_DEATHS: u32 = 2;
/// Workers that may be killed during one request.
const KILLS: u32 = 8;
/// Requests that are remembered as deadly.
const MAX_POISON: usize = 64;
