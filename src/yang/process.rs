//! The worker as a process: starting it, one exchange, how it ended.
//!
//! What it says on standard error goes to the log, and its last line is kept: it tells why it died. Dropping the handle
//! ends the process.

use super::protocol::{Request, Response, checked_lengths, frame_lengths};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// Why an exchange failed.
pub(super) enum Broken {
    /// The worker is gone.
    Died(Ended),
    /// It did not answer in time and was ended.
    Timeout,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    /// Somebody else killed it, with this signal.
    #[error("killed by signal {0}")]
    Killed(i32),
    /// Memory ran out.
    #[error("out of memory")]
    Memory,
    /// By itself: a crash, or a program that is no worker.
    #[error("{0}")]
    Otherwise(String),
}

/// A running worker.
pub(super) struct Process {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    last_words: Arc<Mutex<String>>,
    listening: JoinHandle<()>,
}

impl Process {
    pub(super) fn start(program: &Path, args: &[OsString]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(to), Some(from), Some(words)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("the process has no pipes"));
        };
        let last_words = Arc::<Mutex<String>>::default();
        let listening = tokio::spawn(listen(words, last_words.clone()));
        Ok(Self { child, to, from, last_words, listening })
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a request and reads the answer.
    pub(super) async fn exchange(&mut self, request: &Request, body: &[u8]) -> io::Result<(Response, Vec<u8>)> {
        let head = serde_json::to_vec(request)?;
        self.to.write_all(&frame_lengths(head.len(), body.len())?).await?;
        self.to.write_all(&head).await?;
        self.to.write_all(body).await?;
        self.to.flush().await?;
        let mut lengths = [0; 8];
        self.from.read_exact(&mut lengths).await?;
        let (head, body) = checked_lengths(lengths)?;
        let head = exactly(&mut self.from, head).await?;
        let body = exactly(&mut self.from, body).await?;
        Ok((serde_json::from_slice(&head)?, body))
    }

    /// How it ended, which it has done or is about to do; one that goes on is killed.
    pub(super) async fn end(mut self) -> Ended {
        drop(self.to);
        let waited = tokio::time::timeout(GRACE, self.child.wait()).await;
        if waited.is_err() {
            let _ = self.child.kill().await;
        }
        // All it said is there once its standard error is closed, unless somebody else holds that open.
        let mut listening = self.listening;
        if tokio::time::timeout(GRACE, &mut listening).await.is_err() {
            listening.abort();
        }
        let words = std::mem::take(&mut *self.last_words.lock().unwrap_or_else(PoisonError::into_inner));
        match waited {
            Ok(Ok(status)) => ended(status, &words),
            _ => Ended::Otherwise("it closed its output and went on".into()),
        }
    }

    /// Kills it.
    pub(super) async fn end_now(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "the yang worker had ended before");
        }
        self.listening.abort();
    }
}

fn ended(status: ExitStatus, words: &str) -> Ended {
    if words.contains("memory allocation of") {
        return Ended::Memory;
    }
    match status.signal() {
        Some(signal @ (libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP)) => Ended::Killed(signal),
        _ if words.is_empty() => Ended::Otherwise(status.to_string()),
        _ => Ended::Otherwise(format!("{status}; its last words: {words}")),
    }
}

/// Memory is taken as bytes arrive, not as they are promised.
async fn exactly(from: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Passes on what the worker says, in lines of bounded length.
async fn listen(words: ChildStderr, last: Arc<Mutex<String>>) {
    let mut words = BufReader::new(words);
    loop {
        let mut line = Vec::new();
        match (&mut words).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        let line: String = line.trim_end().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if !line.is_empty() {
            tracing::warn!(line, "the yang worker says");
            *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}

/// How long a worker that has closed its output may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes of one line of its standard error.
const MAX_LINE: u64 = 4096;
