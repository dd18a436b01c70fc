//! The client of the worker: what the rest of the house uses.
//!
//! Flow: [`YangWorker::load`] reads the module texts, asks the worker to compile them and keeps the schema index by content
//! id; [`YangWorker::validate`] sends a document. One request is under way at a time.
//!
//! Guarantees: every call ends within the time limit. A worker that dies or hangs is ended and started again, its module
//! sets are loaded again when they are next needed, and the call is tried once more; a second death on the same input
//! is an error that names the input. A worker dies with the daemon: its standard input closes.
//!
//! ```text
//! caller ──▶ lock(Channel) ──stdin──▶ worker
//!                          ◀─stdout──
//! ```

use super::protocol::{DocumentKind, Encoding, Fault, LeftOut, Request, Response, checked_length, frame_length};
use super::sources::{ModuleSet, Resolved, SourceError};
use crate::tree::SchemaIndex;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
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
    /// The worker died twice on the same input.
    #[error("the yang worker died twice on {input}")]
    Died {
        /// What it was given.
        input: String,
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
    /// A set is not loaded.
    #[error("module set {id} was never loaded")]
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
    program: PathBuf,
    args: Vec<OsString>,
    limit: Duration,
    channel: Mutex<Channel>,
}

#[derive(Default)]
struct Channel {
    running: Option<Running>,
    /// All sets ever loaded, to load them again.
    sets: HashMap<String, (Arc<Resolved>, Arc<Loaded>)>,
}

struct Running {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    /// Sets that this very process has.
    has: HashSet<String>,
}

/// Why one exchange failed.
enum Broken {
    Died,
    Timeout,
}

impl YangWorker {
    /// A worker that runs `program args…`, usually the daemon's own executable with `yang-worker`. It is started by the first
    /// call; `limit` bounds each call.
    pub fn spawn(program: &Path, args: &[&str], limit: Duration) -> Self {
        Self {
            program: program.to_path_buf(),
            args: args.iter().map(OsString::from).collect(),
            limit,
            channel: Mutex::new(Channel::default()),
        }
    }

    /// Compiles a module set, or gives the one with the same content that is there already. A set of which every module was
    /// left out is still a set: look at `left_out`.
    pub async fn load(&self, set: &ModuleSet) -> Result<Arc<Loaded>, YangError> {
        let set = set.clone();
        let resolved = match tokio::task::spawn_blocking(move || set.resolve()).await {
            Ok(resolved) => Arc::new(resolved?),
            Err(_) => return Err(YangError::Confused { input: "a module set that could not be read".into() }),
        };
        let mut channel = self.channel.lock().await;
        if let Some((_, loaded)) = channel.sets.get(&resolved.content_id) {
            return Ok(loaded.clone());
        }
        let input = format!("module set {}", describe(&resolved));
        match self.call(&mut channel, &load_request(&resolved), &input).await? {
            Response::Loaded { tables, left_out } => {
                let id = resolved.content_id.clone();
                let loaded = Arc::new(Loaded { id: id.clone(), index: Arc::new(SchemaIndex::from(tables)), left_out });
                if let Some(running) = &mut channel.running {
                    running.has.insert(id.clone());
                }
                channel.sets.insert(id, (resolved, loaded.clone()));
                Ok(loaded)
            }
            Response::Failed { message } => Err(YangError::Refused { input, message }),
            _ => Err(YangError::Confused { input }),
        }
    }

    /// Validates a document against a loaded set; no faults means valid. The document must come from our own codec.
    pub async fn validate(
        &self,
        set: &str,
        kind: DocumentKind,
        encoding: Encoding,
        document: &str,
    ) -> Result<Vec<Fault>, YangError> {
        let mut channel = self.channel.lock().await;
        let Some((resolved, _)) = channel.sets.get(set) else {
            return Err(YangError::UnknownSet { id: set.into() });
        };
        let resolved = resolved.clone();
        let input = format!("a {kind:?} document of {} bytes for module set {}", document.len(), describe(&resolved));
        let request = Request::Validate { set: set.into(), kind, encoding, document: document.into() };
        // A worker that was started again has no sets; one more round loads this one first.
        for _ in 0..2 {
            if !channel.running.as_ref().is_some_and(|running| running.has.contains(set)) {
                let loading = format!("module set {}", describe(&resolved));
                match self.call(&mut channel, &load_request(&resolved), &loading).await? {
                    Response::Loaded { .. } => {}
                    Response::Failed { message } => return Err(YangError::Refused { input: loading, message }),
                    _ => return Err(YangError::Confused { input: loading }),
                }
                if let Some(running) = &mut channel.running {
                    running.has.insert(set.into());
                }
            }
            match self.exchange(&mut channel, &request).await {
                Ok(Response::Validated { faults }) => return Ok(faults),
                Ok(Response::Failed { message }) => return Err(YangError::Refused { input, message }),
                Ok(Response::UnknownSet) => {
                    if let Some(running) = &mut channel.running {
                        running.has.remove(set);
                    }
                }
                Ok(_) => return Err(YangError::Confused { input }),
                Err(Broken::Timeout) => return Err(YangError::Timeout { input, limit: self.limit }),
                Err(Broken::Died) => self.start(&mut channel).await?,
            }
        }
        Err(YangError::Died { input })
    }

    /// Forgets a module set that no element has any more. Its index lives on where it is still held.
    pub async fn forget(&self, set: &str) -> Result<(), YangError> {
        let mut channel = self.channel.lock().await;
        if channel.sets.remove(set).is_none() {
            return Ok(());
        }
        let has = channel.running.as_mut().is_some_and(|running| running.has.remove(set));
        if !has {
            return Ok(());
        }
        let input = format!("the wish to forget module set {set}");
        match self.exchange(&mut channel, &Request::Drop { set: set.into() }).await {
            // A worker that died has forgotten everything.
            Ok(Response::Dropped) | Err(Broken::Died) => Ok(()),
            Err(Broken::Timeout) => Err(YangError::Timeout { input, limit: self.limit }),
            Ok(_) => Err(YangError::Confused { input }),
        }
    }

    /// Process id of the worker that runs now.
    pub async fn pid(&self) -> Option<u32> {
        self.channel.lock().await.running.as_ref().and_then(|running| running.child.id())
    }

    /// One request, tried once more if the worker dies.
    async fn call(&self, channel: &mut Channel, request: &Request, input: &str) -> Result<Response, YangError> {
        for _ in 0..2 {
            if channel.running.is_none() {
                self.start(channel).await?;
            }
            match self.exchange(channel, request).await {
                Ok(response) => return Ok(response),
                Err(Broken::Timeout) => {
                    return Err(YangError::Timeout { input: input.into(), limit: self.limit });
                }
                Err(Broken::Died) => {}
            }
        }
        Err(YangError::Died { input: input.into() })
    }

    /// Sends a request and reads its answer within the limit. Afterwards the worker either waits for the next request or is
    /// gone: an answer that comes too late must not be taken for that of the next question.
    async fn exchange(&self, channel: &mut Channel, request: &Request) -> Result<Response, Broken> {
        // Taken out, so that a caller that is cancelled in the middle leaves no half-read stream behind.
        let mut running = channel.running.take().ok_or(Broken::Died)?;
        match tokio::time::timeout(self.limit, running.exchange(request)).await {
            Ok(Ok(response)) => {
                channel.running = Some(running);
                Ok(response)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the yang worker died");
                running.end().await;
                Err(Broken::Died)
            }
            Err(_) => {
                tracing::warn!(limit = ?self.limit, "the yang worker did not answer in time and is ended");
                running.end().await;
                Err(Broken::Timeout)
            }
        }
    }

    async fn start(&self, channel: &mut Channel) -> Result<(), YangError> {
        let fault = |cause| YangError::Start { program: self.program.clone(), cause };
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(fault)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(fault(std::io::Error::other("the process has no pipes")));
        };
        channel.running = Some(Running { child, to, from, has: HashSet::new() });
        Ok(())
    }
}

impl Running {
    async fn exchange(&mut self, request: &Request) -> std::io::Result<Response> {
        let bytes = serde_json::to_vec(request)?;
        self.to.write_all(&frame_length(bytes.len())?).await?;
        self.to.write_all(&bytes).await?;
        self.to.flush().await?;
        let mut length = [0; 4];
        self.from.read_exact(&mut length).await?;
        let mut bytes = vec![0; checked_length(length)?];
        self.from.read_exact(&mut bytes).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    async fn end(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "the yang worker had ended before");
        }
    }
}

fn load_request(resolved: &Resolved) -> Request {
    Request::Load {
        set: resolved.content_id.clone(),
        modules: resolved.modules.clone(),
        sources: resolved.sources.clone(),
    }
}

fn describe(resolved: &Resolved) -> String {
    let names: Vec<&str> = resolved.modules.iter().take(3).map(|module| module.name.as_str()).collect();
    let more = if resolved.modules.len() > 3 { ", …" } else { "" };
    format!("{} ({}{more})", &resolved.content_id[..12], names.join(", "))
}
