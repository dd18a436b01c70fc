//! A NETCONF session: one task owns the stream, callers ask it through a handle.
//!
//! ```text
//!  typed call --Request--> [mpsc] --> task (message ids, framing, stream) --> element
//!       ^------ oneshot <-- pending map <-- reply --'        '--> notification --> [mpsc] --> watcher
//! ```
//!
//! Flow: both hellos cross, the framing is chosen (RFC 6242 §4.1), then the task writes one frame at a time while it
//! reads; replies are matched by message id, in any order.
//!
//! Guarantees
//! * A call whose bytes may have left and whose reply did not come ends as [`NetconfError::Unknown`], never as failed;
//!   the session is dropped with it, so that the state is read over a new one.
//! * A call on a session that has ended is [`NetconfError::Closed`]: nothing was sent.
//! * A broken frame, an unreadable message, a reply nobody asked for: the session ends, every open call is unknown.
//! * Notifications never hold up replies: a full queue drops them and counts.
//! * Dropping the handle drops the stream.
//!
//! Caveat: netconfd 2.13 forgets an rpc that it reads together with our hello until more input comes (measured). When
//! the first call of a session has no reply after [`NetconfLimits::knock_after`], one more rpc that reads nothing is
//! sent; its reply is thrown away. On every other server it does nothing.
//!
//! It does not: retry, choose operations, know plans or trees. Payload bytes are not logged.

use super::capabilities::{Capabilities, WithDefaults};
pub use super::error::{EndCause, NetconfError};

use super::framing::{FrameLimits, Framing};
use super::message::{MessageError, Notification, ReplyBody, RpcError, RpcReply};
use super::operation::{self, ConfirmedCommit, Datastore, EditConfig, ErrorOption, Filter, TestOption};
use super::task::{Request, Shared, Task, Wire};
use super::xml::Fragment;
use crate::adagio::ssh::{SshConnection, SshLimits, SshTarget};
use crate::adagio::tap::Tap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct NetconfLimits {
    /// Both hellos.
    pub hello_timeout: Duration,
    /// One call, from the request to the end of its reply; see [`NetconfSession::set_timeout`].
    pub rpc_timeout: Duration,
    /// Patience for the very first reply before the element is knocked at; see the caveat of the module.
    pub knock_after: Duration,
    /// Sizes of what the element sends.
    pub frames: FrameLimits,
    /// Notifications kept for a slow watcher.
    pub notifications: usize,
}

impl Default for NetconfLimits {
    fn default() -> Self {
        NetconfLimits {
            hello_timeout: Duration::from_secs(20),
            rpc_timeout: Duration::from_secs(60),
            knock_after: Duration::from_millis(500),
            frames: FrameLimits::default(),
            notifications: 256,
        }
    }
}

/// The result of a call without data: what the element warned of while it obeyed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// `<rpc-error>`s of severity warning.
    pub warnings: Vec<RpcError>,
}

/// A live session. One owner; calls may overlap.
#[derive(Debug)]
pub struct NetconfSession {
    requests: mpsc::Sender<Request>,
    notifications: Option<mpsc::Receiver<Notification>>,
    shared: Arc<Shared>,
    capabilities: Arc<Capabilities>,
    framing: Framing,
    session_id: u32,
    timeout: Duration,
    end: CancellationToken,
    _ends_with_us: DropGuard,
}

impl NetconfSession {
    /// Opens a connection of its own and a session on it.
    pub async fn connect(
        target: &SshTarget,
        ssh: &SshLimits,
        limits: NetconfLimits,
        tap: Tap,
    ) -> Result<Self, NetconfError> {
        let connection = SshConnection::connect(target, ssh).await?;
        Self::open(&connection, limits, tap).await
    }

    /// Opens a session on a connection that is already there.
    pub async fn open(connection: &SshConnection, limits: NetconfLimits, tap: Tap) -> Result<Self, NetconfError> {
        let stream = connection.subsystem("netconf").await?;
        Self::over(stream, limits, tap).await
    }

    /// Opens a session on any byte stream.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        limits: NetconfLimits,
        tap: Tap,
    ) -> Result<Self, NetconfError> {
        let mut wire = Wire::over(stream, limits.frames, tap);
        let hello = tokio::time::timeout(limits.hello_timeout, wire.hello())
            .await
            .unwrap_or(Err(EndCause::TimedOut(limits.hello_timeout)))
            .map_err(NetconfError::Hello)?;
        let capabilities = Arc::new(Capabilities::parse(&hello.capabilities));
        let framing = match (capabilities.base11, capabilities.base10) {
            (true, _) => Framing::Chunked,
            (false, true) => Framing::EndOfMessage,
            (false, false) => {
                let none = MessageError::Hello("offers neither base:1.0 nor base:1.1");
                return Err(NetconfError::Hello(none.into()));
            }
        };
        wire.set_framing(framing);
        tracing::debug!(session = hello.session_id, ?framing, "netconf session open");

        let (requests, incoming) = mpsc::channel(MAX_QUEUED);
        let (events, notifications) = mpsc::channel(limits.notifications.max(1));
        let shared = Arc::new(Shared::default());
        let end = CancellationToken::new();
        let task = Task::new(wire, incoming, events, shared.clone(), end.clone(), limits.knock_after);
        tokio::spawn(task.run());
        Ok(NetconfSession {
            requests,
            notifications: Some(notifications),
            shared,
            capabilities,
            framing,
            session_id: hello.session_id,
            timeout: limits.rpc_timeout,
            _ends_with_us: end.clone().drop_guard(),
            end,
        })
    }

    /// What the element announced.
    pub fn capabilities(&self) -> &Arc<Capabilities> {
        &self.capabilities
    }

    /// The id of this session at the element, for `kill-session` from another one.
    pub fn session_id(&self) -> u32 {
        self.session_id
    }

    /// The framing in use.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Why the session ended, if it did.
    pub fn ended(&self) -> Option<&EndCause> {
        self.shared.cause.get()
    }

    /// Sets the limit for the calls that follow. A commit may need minutes on a large router.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The notifications of this session; the first caller gets them.
    pub fn take_notifications(&mut self) -> Option<mpsc::Receiver<Notification>> {
        self.notifications.take()
    }

    /// Notifications dropped because nobody took them in time.
    pub fn lost_notifications(&self) -> u64 {
        self.shared.lost_notifications.load(Ordering::Relaxed)
    }

    /// `lock` (RFC 6241 §7.5).
    pub async fn lock(&self, target: Datastore) -> Result<Done, NetconfError> {
        self.done("lock", operation::lock(target)).await
    }

    /// `unlock` (RFC 6241 §7.6).
    pub async fn unlock(&self, target: Datastore) -> Result<Done, NetconfError> {
        self.done("unlock", operation::unlock(target)).await
    }

    /// `edit-config` (RFC 6241 §7.2).
    pub async fn edit_config(&self, edit: EditConfig<'_>) -> Result<Done, NetconfError> {
        const OP: &str = "edit-config";
        let c = &self.capabilities;
        match edit.target {
            Datastore::Running => self.needs(OP, c.writable_running, ":writable-running")?,
            Datastore::Candidate => self.needs(OP, c.candidate, ":candidate")?,
            Datastore::Startup => self.needs(OP, false, "edit-config on startup (RFC 6241 has none)")?,
        }
        match edit.test_option {
            Some(TestOption::TestOnly) => self.needs(OP, c.validate11, ":validate:1.1")?,
            Some(TestOption::TestThenSet) => self.needs(OP, c.validate(), ":validate")?,
            Some(TestOption::Set) | None => {}
        }
        if edit.error_option == Some(ErrorOption::RollbackOnError) {
            self.needs(OP, c.rollback_on_error, ":rollback-on-error")?;
        }
        self.done(OP, operation::edit_config(&edit)).await
    }

    /// `validate` (RFC 6241 §8.6).
    ///
    /// Caveat: there is a server that loses the edit of the candidate by it (fact F20 of the field notes); the
    /// adapter decides whether it is sent at all.
    pub async fn validate(&self, source: Datastore) -> Result<Done, NetconfError> {
        self.needs("validate", self.capabilities.validate(), ":validate")?;
        self.done("validate", operation::validate(source)).await
    }

    /// A plain `commit` of the candidate (RFC 6241 §8.3).
    pub async fn commit(&self) -> Result<Done, NetconfError> {
        self.needs("commit", self.capabilities.candidate, ":candidate")?;
        self.done("commit", operation::commit()).await
    }

    /// A confirmed commit: the element reverts by itself unless [`confirm`](Self::confirm) comes in time
    /// (RFC 6241 §8.4). Sent again with `persist_id` it restarts the timer.
    pub async fn commit_confirmed(&self, commit: ConfirmedCommit<'_>) -> Result<Done, NetconfError> {
        const OP: &str = "confirmed commit";
        self.needs(OP, self.capabilities.confirmed_commit(), ":confirmed-commit")?;
        if commit.persist.is_some() || commit.persist_id.is_some() {
            self.needs(OP, self.capabilities.confirmed_commit_11, ":confirmed-commit:1.1")?;
        }
        self.done(OP, operation::commit_confirmed(&commit)).await
    }

    /// Confirms a confirmed commit. A refusal does not tell "confirmed already" from "reverted already": read.
    pub async fn confirm(&self, persist_id: Option<&str>) -> Result<Done, NetconfError> {
        self.needs("confirm", self.capabilities.confirmed_commit(), ":confirmed-commit")?;
        self.done("confirm", operation::confirm(persist_id)).await
    }

    /// Reverts a confirmed commit now (RFC 6241 §8.4.4.1).
    pub async fn cancel_commit(&self, persist_id: Option<&str>) -> Result<Done, NetconfError> {
        self.needs("cancel-commit", self.capabilities.confirmed_commit_11, ":confirmed-commit:1.1")?;
        self.done("cancel-commit", operation::cancel_commit(persist_id)).await
    }

    /// Empties the candidate back to running (RFC 6241 §8.3.4.2).
    pub async fn discard_changes(&self) -> Result<Done, NetconfError> {
        self.needs("discard-changes", self.capabilities.candidate, ":candidate")?;
        self.done("discard-changes", operation::discard_changes()).await
    }

    /// Reads configuration (RFC 6241 §7.1); the exact content of `<data>`.
    pub async fn get_config(
        &self,
        source: Datastore,
        filter: Option<Filter<'_>>,
        with_defaults: Option<WithDefaults>,
    ) -> Result<Fragment, NetconfError> {
        self.needs_defaults("get-config", with_defaults)?;
        self.data("get-config", operation::get_config(source, filter, with_defaults)).await
    }

    /// Reads configuration and state (RFC 6241 §7.7); the exact content of `<data>`.
    pub async fn get(&self, filter: Option<Filter<'_>>) -> Result<Fragment, NetconfError> {
        self.data("get", operation::get(filter, None)).await
    }

    /// Reads the text of a YANG module (RFC 6022 §3.1). Hostile input like all else the element sends.
    pub async fn get_schema(&self, name: &str, revision: Option<&str>) -> Result<String, NetconfError> {
        self.needs("get-schema", self.capabilities.monitoring, "ietf-netconf-monitoring")?;
        let data = self.data("get-schema", operation::get_schema(name, revision)).await?;
        // The reply was walked once without error, so its text is readable.
        data.text().map_err(|_| unexpected("get-schema", "text", "other content"))
    }

    /// Copies a whole datastore (RFC 6241 §7.3), for instance running to startup.
    pub async fn copy_config(&self, target: Datastore, source: Datastore) -> Result<Done, NetconfError> {
        if target == Datastore::Startup || source == Datastore::Startup {
            self.needs("copy-config", self.capabilities.startup, ":startup")?;
        }
        self.done("copy-config", operation::copy_config(target, source)).await
    }

    /// Ends another session (RFC 6241 §7.9), for instance a stale one of ours that holds a lock.
    pub async fn kill_session(&self, session_id: u32) -> Result<Done, NetconfError> {
        self.done("kill-session", operation::kill_session(session_id)).await
    }

    /// Asks for notifications (RFC 5277 §2.1). Without `:interleave` the session is good for nothing else then.
    pub async fn create_subscription(&self, stream: Option<&str>) -> Result<Done, NetconfError> {
        self.needs("create-subscription", self.capabilities.notification, ":notification")?;
        self.done("create-subscription", operation::create_subscription(stream)).await
    }

    /// Ends the session politely: `close-session`, its reply, then the stream. Locks are released by the element.
    pub async fn close(self) -> Result<(), NetconfError> {
        let result = self.done("close-session", operation::close_session()).await;
        self.end.cancel();
        match result {
            // Some elements hang up instead of answering.
            Ok(_) | Err(NetconfError::Unknown { cause: EndCause::Closed, .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Sends any operation: `body` is the content of `<rpc>`. The reply may carry errors.
    pub async fn call(&self, operation: &'static str, body: String) -> Result<RpcReply, NetconfError> {
        let (reply, answer) = oneshot::channel();
        let closed = |cause| NetconfError::Closed { operation, cause };
        if self.end.is_cancelled() || self.requests.send(Request { operation, body, reply }).await.is_err() {
            return Err(closed(self.cause()));
        }
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(result)) => result,
            // The task drops what it has not taken off the queue.
            Ok(Err(_)) => Err(closed(self.cause())),
            Err(_) => {
                let cause = EndCause::TimedOut(self.timeout);
                let _ = self.shared.cause.set(cause.clone());
                self.end.cancel();
                Err(NetconfError::Unknown { operation, cause })
            }
        }
    }

    async fn done(&self, operation: &'static str, body: String) -> Result<Done, NetconfError> {
        let reply = self.accepted(operation, body).await?;
        match reply.body {
            ReplyBody::Ok => Ok(Done { warnings: reply.warnings }),
            // Warnings alone mean that it was done (RFC 6241 §4.3).
            ReplyBody::Nothing if !reply.warnings.is_empty() => Ok(Done { warnings: reply.warnings }),
            other => Err(unexpected(operation, "ok", named(&other))),
        }
    }

    async fn data(&self, operation: &'static str, body: String) -> Result<Fragment, NetconfError> {
        match self.accepted(operation, body).await?.body {
            ReplyBody::Data(data) => Ok(data),
            other => Err(unexpected(operation, "data", named(&other))),
        }
    }

    async fn accepted(&self, operation: &'static str, body: String) -> Result<RpcReply, NetconfError> {
        let reply = self.call(operation, body).await?;
        if reply.errors.is_empty() {
            Ok(reply)
        } else {
            Err(NetconfError::Rejected { operation, errors: reply.errors })
        }
    }

    fn needs(&self, operation: &'static str, has: bool, capability: &'static str) -> Result<(), NetconfError> {
        if has { Ok(()) } else { Err(NetconfError::NotSupported { operation, capability }) }
    }

    fn needs_defaults(&self, operation: &'static str, mode: Option<WithDefaults>) -> Result<(), NetconfError> {
        let Some(mode) = mode else { return Ok(()) };
        let has = self.capabilities.with_defaults.as_ref().is_some_and(|w| w.modes.contains(&mode));
        self.needs(operation, has, "this mode of :with-defaults")
    }

    fn cause(&self) -> EndCause {
        self.shared.cause.get().cloned().unwrap_or(EndCause::Ours)
    }
}

fn named(body: &ReplyBody) -> &'static str {
    match body {
        ReplyBody::Ok => "ok",
        ReplyBody::Data(_) => "data",
        ReplyBody::Output(_) => "other content",
        ReplyBody::Nothing => "nothing",
    }
}

fn unexpected(operation: &'static str, expected: &'static str, found: &'static str) -> NetconfError {
    NetconfError::UnexpectedReply { operation, expected, found }
}

/// Requests waiting for the task.
const MAX_QUEUED: usize = 16;
#[cfg(test)]
mod tests;
