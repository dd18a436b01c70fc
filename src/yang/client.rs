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

mod error;
mod exchange;

pub use error::YangError;

use super::cache::Cache;
use super::protocol::{DocumentKind, Encoding, Fault, LeftOut, Request, Response};
use super::sources::ModuleSet;
use crate::tree::SchemaIndex;
use async_trait::async_trait;
use exchange::{Channel, Exchange, describe, off_the_runtime};
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

fn unread() -> YangError {
    YangError::Confused { input: "a module set that could not be read".into() }
}

/// Module sets held, unless it is said otherwise.
const SETS: usize = 16;
