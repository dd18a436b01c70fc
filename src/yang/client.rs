//! The client of the worker: what the rest of the house uses.
//!
//! Flow: [`YangWorker::load`] reads the module texts and gives their schema index by content id: the one that is held, the
//! one of the disk cache, or the one that the worker compiles. [`YangWorker::validate`] and [`YangWorker::fill`] send a
//! document. One request is under way at a time.
//!
//! ```text
//! caller ──▶ task: lock(Channel) ──stdin──▶ worker process      cache: a file per content id
//!                                ◀─stdout──
//!            task: log            ◀─stderr──
//! ```
//!
//! Guarantees
//! * Every call ends: an attempt within the time limit, and there are few of them. A caller who goes away in the middle
//!   leaves the worker in good order: the exchange is a task of its own.
//! * A worker that dies is started again, the module set is compiled again there, and the request is repeated. A request on
//!   which two workers die by themselves is refused, and refused at once when it comes again (its digest is kept). A worker
//!   that somebody else killed is no fault of the request: that is borne more often, but not for ever.
//! * A worker that does not answer in time is ended, and the request is not repeated.
//! * What is held is bounded: module sets by number and size of their texts, the least recently used go first.
//! * A worker dies with the daemon: its standard input closes.

use super::cache::Cache;
use super::process::{Broken, Ended, Process};
use super::protocol::{DocumentKind, Encoding, Fault, LeftOut, Request, Response, TextOf};
use super::sources::{ModuleSet, Resolved, SourceError};
use crate::tree::SchemaIndex;
use crate::tree::schema::Tables;
use async_trait::async_trait;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// A compiled module set.
#[derive(Debug)]
pub struct Loaded {
    /// Content id; what `validate` takes.
    pub id: String,
    /// Its schema index.
    pub index: Arc<SchemaIndex>,
    /// Modules that were asked for and could not be compiled, with the reason.
    pub left_out: Vec<LeftOut>,
    /// It came from the disk: nothing was compiled.
    pub cached: bool,
}

/// Why the worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum YangError {
    /// The worker could not be started.
    #[error("cannot start the yang worker {}", program.display())]
    Start {
        /// The executable.
        program: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The module texts could not be collected.
    #[error("cannot collect the modules of a set")]
    Sources(#[from] SourceError),
    /// Workers died on the same input.
    #[error("the yang worker died {times} times on {input}: {how}")]
    Died {
        /// What it was given.
        input: String,
        /// How often.
        times: u32,
        /// How it ended the last time, with its last words.
        how: String,
    },
    /// Two workers died on the same input some time ago; it was not sent again.
    #[error("the yang worker died of {input} before; it is not tried again")]
    Poison {
        /// What it is.
        input: String,
    },
    /// The input needs more memory than the worker may have.
    #[error("the yang worker needs more memory than yang.memory_limit ({limit} bytes) for {input}")]
    Memory {
        /// What it was given.
        input: String,
        /// The limit in bytes, 0 when there is none.
        limit: u64,
    },
    /// The worker did not answer in time and was ended.
    #[error("the yang worker did not answer within {} s on {input}", limit.as_secs_f32())]
    Timeout {
        /// What it was given.
        input: String,
        /// The time limit.
        limit: Duration,
    },
    /// The worker says that it cannot.
    #[error("the yang worker refused {input}: {message}")]
    Refused {
        /// What it was given.
        input: String,
        /// What it says.
        message: String,
    },
    /// The document cannot be read.
    #[error("{input} has {} faults, the first at {}: {}", faults.len(), faults[0].path, faults[0].message)]
    Faulty {
        /// What it was given.
        input: String,
        /// All faults, at least one.
        faults: Vec<Fault>,
    },
    /// A set is not loaded, or was the least recently used one of too many.
    #[error("module set {id} is not loaded")]
    UnknownSet {
        /// Its content id.
        id: String,
    },
    /// The worker answered something else than was asked.
    #[error("the yang worker gave an answer that does not fit {input}")]
    Confused {
        /// What it was given.
        input: String,
    },
}

/// Handle of the worker; share it by `Arc`.
pub struct YangWorker {
    plan: Arc<Plan>,
    channel: Arc<Mutex<Channel>>,
    starts: Arc<AtomicU64>,
    /// Process id of the worker that runs now, 0 when none does.
    pid: Arc<AtomicU32>,
}

/// What finds the faults of a document. The worker does; a simulation, in which nothing may be waited for, has what the
/// worker said of the same document.
#[async_trait]
pub trait Validator: Send + Sync {
    /// As [`YangWorker::validate`].
    async fn validate(
        &self,
        set: &str,
        kind: DocumentKind,
        encoding: Encoding,
        document: &str,
    ) -> Result<Vec<Fault>, YangError>;
}

#[async_trait]
impl Validator for YangWorker {
    async fn validate(
        &self,
        set: &str,
        kind: DocumentKind,
        encoding: Encoding,
        document: &str,
    ) -> Result<Vec<Fault>, YangError> {
        YangWorker::validate(self, set, kind, encoding, document).await
    }
}

/// How the worker is run.
#[derive(Clone)]
struct Plan {
    program: PathBuf,
    args: Vec<OsString>,
    /// For one attempt.
    limit: Duration,
    /// Bytes; 0 is none.
    memory: u64,
    /// How many module sets are held.
    sets: usize,
    cache: Option<Cache>,
}

#[derive(Default)]
struct Channel {
    running: Option<Running>,
    sets: HashMap<String, Held>,
    /// Counts uses of sets.
    uses: u64,
    /// Digests of requests of which workers died, oldest first.
    poison: VecDeque<[u8; 32]>,
}

/// A set with its texts, to compile it again.
struct Held {
    resolved: Arc<Resolved>,
    loaded: Arc<Loaded>,
    used: u64,
}

struct Running {
    process: Process,
    /// Sets that this very process has.
    has: HashSet<String>,
}

impl YangWorker {
    /// A worker that runs `program args…`, usually the daemon's own executable with `yang-worker`. It is started by the first
    /// call; `limit` bounds each attempt of a call.
    pub fn spawn(program: &Path, args: &[&str], limit: Duration) -> Self {
        let plan = Plan {
            program: program.to_path_buf(),
            args: args.iter().map(OsString::from).collect(),
            limit,
            memory: 0,
            sets: SETS,
            cache: None,
        };
        Self { plan: Arc::new(plan), channel: Arc::default(), starts: Arc::default(), pid: Arc::default() }
    }

    /// The same with a limit of the worker's memory, in bytes.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.plan).memory = bytes;
        self
    }

    /// The same with schema indexes kept in a folder, which is made when it is needed.
    #[must_use]
    pub fn with_cache(mut self, folder: &Path) -> Self {
        Arc::make_mut(&mut self.plan).cache = Some(Cache::new(folder.to_path_buf()));
        self
    }

    /// The same with at most so many module sets held.
    #[must_use]
    pub fn holding(mut self, sets: usize) -> Self {
        Arc::make_mut(&mut self.plan).sets = sets.max(1);
        self
    }

    /// The schema of a module set. A set of which every module was left out is still a set: look at `left_out`.
    pub async fn load(&self, set: &ModuleSet) -> Result<Arc<Loaded>, YangError> {
        let set = set.clone();
        let resolved = off_the_runtime(move || set.resolve()).await.ok_or_else(unread)??;
        let resolved = Arc::new(resolved);
        let exchange = self.exchange();
        self.apart(format!("module set {}", describe(&resolved)), async move { exchange.load(resolved).await }).await
    }

    /// The schema of a module set, where a module that does not compile is taken from a folder of interface profiles: the
    /// served nodes of the same module, so that what is served works. Answers the modules that are stood in for, with the
    /// reasons. A set that gets no better by that stays as it is.
    pub async fn load_or_profiles(
        &self,
        set: &ModuleSet,
        profiles: Option<&Path>,
    ) -> Result<(Arc<Loaded>, Vec<LeftOut>), YangError> {
        let loaded = self.load(set).await?;
        let Some(profiles) = profiles.filter(|_| !loaded.left_out.is_empty()) else {
            return Ok((loaded, Vec::new()));
        };
        let (wanted, folder) = (set.clone(), profiles.to_owned());
        let names = loaded.left_out.iter().map(|out| out.module.clone()).collect();
        let instead = off_the_runtime(move || wanted.instead(&names, &folder)).await.ok_or_else(unread)??;
        let Some(instead) = instead else { return Ok((loaded, Vec::new())) };
        let again = self.load(&instead).await?;
        let still = |out: &LeftOut| again.left_out.iter().any(|left| left.module == out.module);
        let worse = again.left_out.iter().any(|out| !loaded.left_out.iter().any(|left| left.module == out.module));
        if worse {
            return Ok((loaded, Vec::new()));
        }
        let stood_in = loaded.left_out.iter().filter(|out| !still(out)).cloned().collect();
        Ok((again, stood_in))
    }

    /// Validates a document against a loaded set; no faults means valid. The document must come from our own codec.
    pub async fn validate(
        &self,
        set: &str,
        kind: DocumentKind,
        encoding: Encoding,
        document: &str,
    ) -> Result<Vec<Fault>, YangError> {
        let what = format!("a {kind:?} document");
        match self.ask(set, Request::Validate { set: set.into(), kind, encoding }, what, document).await? {
            (Response::Validated { faults }, ..) => Ok(faults),
            (_, _, input) => Err(YangError::Confused { input }),
        }
    }

    /// A configuration document with all its implicit defaults (RFC 7950 §7.6.1): of nodes that are there, and of
    /// containers without presence. Those below a false `when` are not added. It is not validated, and the document must
    /// come from our own codec.
    pub async fn fill(&self, set: &str, encoding: Encoding, document: &str) -> Result<String, YangError> {
        let what = "a document to be filled with defaults".to_owned();
        match self.ask(set, Request::Fill { set: set.into(), encoding }, what, document).await? {
            (Response::Filled, body, input) => String::from_utf8(body).map_err(|_| YangError::Confused { input }),
            (Response::Validated { faults }, _, input) if !faults.is_empty() => {
                Err(YangError::Faulty { input, faults })
            }
            (_, _, input) => Err(YangError::Confused { input }),
        }
    }

    /// Forgets a module set that no element has any more. Its index lives on where it is still held.
    pub async fn forget(&self, set: &str) -> Result<(), YangError> {
        let (exchange, id) = (self.exchange(), set.to_owned());
        let input = format!("the wish to forget module set {set}");
        self.apart(input, async move {
            let mut channel = exchange.channel.lock().await;
            exchange.forget(&mut channel, &id).await;
            Ok(())
        })
        .await
    }

    /// Process id of the worker that runs now. It does not wait for what the worker is doing.
    pub async fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0)
    }

    /// How many module sets are held.
    pub async fn held(&self) -> usize {
        self.channel.lock().await.sets.len()
    }

    /// How often a worker was started.
    pub fn starts(&self) -> u64 {
        self.starts.load(Ordering::Relaxed)
    }

    /// Sends a document for a set that is held. Answers what came back and how the input is called.
    async fn ask(
        &self,
        set: &str,
        request: Request,
        what: String,
        document: &str,
    ) -> Result<(Response, Vec<u8>, String), YangError> {
        let (exchange, id, document) = (self.exchange(), set.to_owned(), document.as_bytes().to_vec());
        let input = format!("{what} of {} bytes", document.len());
        self.apart(input.clone(), async move {
            let mut channel = exchange.channel.lock().await;
            let Some(resolved) = channel.used(&id) else { return Err(YangError::UnknownSet { id }) };
            let input = format!("{input} for module set {}", describe(&resolved));
            let (response, body) = exchange.call(&mut channel, Some(&resolved), &request, &document, &input).await?;
            match response {
                Response::Failed { message } => Err(YangError::Refused { input, message }),
                response => Ok((response, body, input)),
            }
        })
        .await
    }

    fn exchange(&self) -> Exchange {
        Exchange {
            plan: self.plan.clone(),
            channel: self.channel.clone(),
            starts: self.starts.clone(),
            pid: self.pid.clone(),
        }
    }

    /// Runs an exchange to its end even when the caller goes away.
    async fn apart<T: Send + 'static>(
        &self,
        input: String,
        work: impl Future<Output = Result<T, YangError>> + Send + 'static,
    ) -> Result<T, YangError> {
        tokio::spawn(work).await.unwrap_or(Err(YangError::Confused { input }))
    }
}

/// What a task of an exchange needs.
struct Exchange {
    plan: Arc<Plan>,
    channel: Arc<Mutex<Channel>>,
    starts: Arc<AtomicU64>,
    pid: Arc<AtomicU32>,
}

impl Exchange {
    async fn load(&self, resolved: Arc<Resolved>) -> Result<Arc<Loaded>, YangError> {
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

    async fn forget(&self, channel: &mut Channel, id: &str) {
        channel.sets.remove(id);
        let has = channel.running.as_mut().is_some_and(|running| running.has.remove(id));
        if has {
            // A worker that died over it has forgotten everything.
            let _ = self.attempt(channel, &Request::Drop { set: id.into() }, &[]).await;
        }
    }

    /// One request, on a worker that has the set, repeated as the module says.
    async fn call(
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
            args.push(format!("{}{}", super::worker::MEMORY_LIMIT, self.plan.memory).into());
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

impl Channel {
    /// The texts of a set that is held, which is thereby the most recently used one.
    fn used(&mut self, id: &str) -> Option<Arc<Resolved>> {
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
    let text = |source: &super::sources::Source| {
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

fn describe(resolved: &Resolved) -> String {
    let names: Vec<&str> = resolved.modules.iter().take(3).map(|module| module.name.as_str()).collect();
    let more = if resolved.modules.len() > 3 { ", …" } else { "" };
    format!("{} ({}{more})", &resolved.content_id[..12], names.join(", "))
}

/// `None` when the work panicked.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn unread() -> YangError {
    YangError::Confused { input: "a module set that could not be read".into() }
}

/// Module sets held, unless it is said otherwise.
const SETS: usize = 16;
/// Bytes of the texts of all sets that are held.
const MAX_TEXTS: usize = 256 << 20;
/// Workers that may die of one request.
const OWN_DEATHS: u32 = 2;
/// Workers that may be killed during one request.
const KILLS: u32 = 8;
/// Requests that are remembered as deadly.
const MAX_POISON: usize = 64;
