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
//! It does not: retry, choose operations, know plans or trees. Payload bytes are not logged.

use super::capabilities::{Capabilities, WithDefaults};
use super::framing::{Decoder, FrameLimits, Framing, FramingError, encode};
use super::message::{self, Incoming, MessageError, Notification, ReplyBody, RpcError, RpcReply};
use super::operation::{self, ConfirmedCommit, Datastore, EditConfig, ErrorOption, Filter, TestOption};
use super::xml::Fragment;

use crate::adagio::ssh::{SshConnection, SshError, SshLimits, SshTarget};
use crate::adagio::tap::Tap;
use crate::domain::ErrorClass;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct NetconfLimits {
    /// Both hellos.
    pub hello_timeout: Duration,
    /// One call, from the request to the end of its reply; see [`NetconfSession::set_timeout`].
    pub rpc_timeout: Duration,
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
            frames: FrameLimits::default(),
            notifications: 256,
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndCause {
    /// The element closed the stream.
    #[error("the element closed the session")]
    Closed,
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Stream(String),
    /// Bytes that are no frame.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A frame that is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A reply to a call that is not open.
    #[error("the element answered a call that is not open (message-id {0:?})")]
    Unasked(Option<String>),
    /// A call took too long.
    #[error("no reply within {0:?}")]
    TimedOut(Duration),
    /// We ended it.
    #[error("the session was ended by us")]
    Ours,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum NetconfError {
    /// No SSH connection.
    #[error("cannot open a netconf session")]
    Ssh(#[from] SshError),
    /// No usable hello; nothing but our hello was sent.
    #[error("no netconf hello")]
    Hello(#[source] EndCause),
    /// The element does not have what the call needs; nothing was sent.
    #[error("{operation}: the element does not announce {capability}")]
    NotSupported {
        /// the call
        operation: &'static str,
        /// what is missing
        capability: &'static str,
    },
    /// Our own message cannot be framed; nothing was sent.
    #[error("{operation}: the message cannot be sent")]
    Unsendable {
        /// the call
        operation: &'static str,
        /// why
        #[source]
        source: FramingError,
    },
    /// The element refused, in its own words.
    #[error("{operation}: {}", listed(.errors))]
    Rejected {
        /// the call
        operation: &'static str,
        /// every error of the reply
        errors: Vec<RpcError>,
    },
    /// The session had ended before; nothing was sent.
    #[error("{operation}: not sent, the session has ended")]
    Closed {
        /// the call
        operation: &'static str,
        /// why it ended
        #[source]
        cause: EndCause,
    },
    /// It was sent, or may have been, and there is no answer: the outcome is unknown and has to be read.
    #[error("{operation}: outcome unknown")]
    Unknown {
        /// the call
        operation: &'static str,
        /// why there is no answer
        #[source]
        cause: EndCause,
    },
    /// The reply is well-formed but not one to this call. The element did what it did: read.
    #[error("{operation}: the reply carries {found} instead of {expected}")]
    UnexpectedReply {
        /// the call
        operation: &'static str,
        /// what the call returns
        expected: &'static str,
        /// what came
        found: &'static str,
    },
}

impl NetconfError {
    /// What a retry may do with this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            NetconfError::Ssh(e) => e.class(),
            NetconfError::Hello(cause) => class_of(cause),
            NetconfError::NotSupported { .. } => ErrorClass::Rejected,
            NetconfError::Unsendable { .. } | NetconfError::UnexpectedReply { .. } => ErrorClass::Bug,
            NetconfError::Rejected { errors, .. } => {
                let any = |tags: &[&str]| errors.iter().any(|e| tags.contains(&e.tag.as_str()));
                // Somebody else holds it, or there is no room just now: it may pass.
                if any(&["in-use", "lock-denied", "resource-denied"]) {
                    ErrorClass::Transient
                } else if any(&["malformed-message"]) {
                    ErrorClass::Bug
                } else {
                    ErrorClass::Rejected
                }
            }
            NetconfError::Closed { .. } => ErrorClass::Transient,
            NetconfError::Unknown { cause, .. } => class_of(cause),
        }
    }

    /// Whether the element may have carried out the call although this is an error.
    pub fn is_unknown(&self) -> bool {
        matches!(self, NetconfError::Unknown { .. } | NetconfError::UnexpectedReply { .. })
    }

    /// The errors of the element, if it refused.
    pub fn rpc_errors(&self) -> &[RpcError] {
        match self {
            NetconfError::Rejected { errors, .. } => errors,
            _ => &[],
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

/// What the task leaves behind for its callers.
#[derive(Debug, Default)]
struct Shared {
    cause: OnceLock<EndCause>,
    lost_notifications: AtomicU64,
}

struct Request {
    operation: &'static str,
    body: String,
    reply: oneshot::Sender<Result<RpcReply, NetconfError>>,
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
        let (reader, writer) = tokio::io::split(stream);
        let mut wire = Wire { reader, writer, decoder: Decoder::new(limits.frames), input: BytesMut::new(), tap };
        let hello = tokio::time::timeout(limits.hello_timeout, wire.hello())
            .await
            .unwrap_or(Err(EndCause::TimedOut(limits.hello_timeout)))
            .map_err(NetconfError::Hello)?;
        let capabilities = Arc::new(Capabilities::parse(&hello.capabilities));
        let framing = if capabilities.base11 { Framing::Chunked } else { Framing::EndOfMessage };
        wire.decoder.set_framing(framing);
        tracing::debug!(session = hello.session_id, ?framing, "netconf session open");

        let (requests, incoming) = mpsc::channel(MAX_QUEUED);
        let (events, notifications) = mpsc::channel(limits.notifications.max(1));
        let shared = Arc::new(Shared::default());
        let end = CancellationToken::new();
        let task = Task {
            wire,
            incoming,
            events,
            shared: shared.clone(),
            end: end.clone(),
            pending: BTreeMap::new(),
            last_id: 0,
            output: Bytes::new(),
        };
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
            self.needs(OP, self.capabilities.confirmed_commit11, ":confirmed-commit:1.1")?;
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
        self.needs("cancel-commit", self.capabilities.confirmed_commit11, ":confirmed-commit:1.1")?;
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

/// The stream with its framing.
struct Wire<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    decoder: Decoder,
    input: BytesMut,
    tap: Tap,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    /// Sends our hello and reads the element's; neither waits for the other (RFC 6241 §8.1).
    async fn hello(&mut self) -> Result<message::Hello, EndCause> {
        let frame = encode(Framing::EndOfMessage, message::hello().as_bytes())?;
        self.tap.sent(&frame);
        let send = async {
            self.writer.write_all(&frame).await?;
            self.writer.flush().await
        };
        let receive = async {
            loop {
                if let Some(message) = self.decoder.next()? {
                    return Ok::<_, EndCause>(message);
                }
                read_some(&mut self.reader, &mut self.input).await?;
                self.decoder.push(&self.input);
                self.input.clear();
            }
        };
        let (sent, message) = tokio::join!(send, receive);
        let hello = message::parse_hello(&message?)?;
        sent.map_err(stream_failed)?;
        Ok(hello)
    }
}

async fn read_some<R: AsyncRead + Unpin>(reader: &mut R, input: &mut BytesMut) -> Result<(), EndCause> {
    input.reserve(READ_SIZE);
    match reader.read_buf(input).await {
        Ok(0) => Err(EndCause::Closed),
        Ok(_) => Ok(()),
        Err(e) => Err(stream_failed(e)),
    }
}

fn stream_failed(e: io::Error) -> EndCause {
    EndCause::Stream(e.to_string())
}

type Pending = BTreeMap<u64, (&'static str, oneshot::Sender<Result<RpcReply, NetconfError>>)>;

struct Task<S> {
    wire: Wire<S>,
    incoming: mpsc::Receiver<Request>,
    events: mpsc::Sender<Notification>,
    shared: Arc<Shared>,
    end: CancellationToken,
    pending: Pending,
    last_id: u64,
    /// The rest of the frame that is being written.
    output: Bytes,
}

impl<S: AsyncRead + AsyncWrite> Task<S> {
    async fn run(mut self) {
        let cause = loop {
            if let Err(cause) = self.step().await {
                break cause;
            }
        };
        // A call that timed out has said why already; that stands.
        let _ = self.shared.cause.set(cause.clone());
        let cause = self.shared.cause.get().cloned().unwrap_or(cause);
        tracing::debug!(open_calls = self.pending.len(), %cause, "netconf session ended");
        self.incoming.close();
        for (operation, reply) in std::mem::take(&mut self.pending).into_values() {
            let _ = reply.send(Err(NetconfError::Unknown { operation, cause: cause.clone() }));
        }
    }

    /// One thing that happens: bytes out, bytes in, a request, the end.
    async fn step(&mut self) -> Result<(), EndCause> {
        // Bytes behind the hello may hold a whole message already.
        while let Some(message) = self.wire.decoder.next()? {
            self.received(&message)?;
        }
        let Wire { reader, writer, input, .. } = &mut self.wire;
        tokio::select! {
            biased; // the end goes before everything: after a timeout no further request may leave
            () = self.end.cancelled() => Err(EndCause::Ours),
            written = writer.write(&self.output), if !self.output.is_empty() => {
                match written {
                    Ok(0) => return Err(EndCause::Closed),
                    Ok(n) => self.output.advance(n),
                    Err(e) => return Err(stream_failed(e)),
                }
                if self.output.is_empty() {
                    self.wire.writer.flush().await.map_err(stream_failed)?;
                }
                Ok(())
            }
            read = read_some(reader, input) => {
                read?;
                self.wire.decoder.push(&self.wire.input);
                self.wire.input.clear();
                Ok(())
            }
            request = self.incoming.recv(), if self.output.is_empty() && self.pending.len() < MAX_OPEN => {
                self.send(request.ok_or(EndCause::Ours)?);
                Ok(())
            }
        }
    }

    fn send(&mut self, request: Request) {
        let Request { operation, body, reply } = request;
        if reply.is_closed() {
            return; // the caller has gone: nothing to do for anybody
        }
        self.last_id += 1;
        let message = message::rpc(self.last_id, &body);
        match encode(self.wire.decoder.framing(), message.as_bytes()) {
            Ok(frame) => {
                tracing::trace!(id = self.last_id, operation, bytes = frame.len(), "rpc");
                self.wire.tap.sent(&frame);
                self.output = frame.into();
                self.pending.insert(self.last_id, (operation, reply));
            }
            Err(source) => {
                let _ = reply.send(Err(NetconfError::Unsendable { operation, source }));
            }
        }
    }

    fn received(&mut self, message: &[u8]) -> Result<(), EndCause> {
        match message::parse(message)? {
            Incoming::Reply(reply) => {
                let asked = match &reply.message_id {
                    Some(id) => id.parse().ok().and_then(|id: u64| self.pending.remove(&id)),
                    // RFC 6241 §4.1 wants the id back; an element that could not read it may leave it out.
                    None if self.pending.len() == 1 => self.pending.pop_first().map(|(_, p)| p),
                    None => None,
                };
                let Some((operation, waiting)) = asked else {
                    return Err(EndCause::Unasked(reply.message_id.map(|id| id.chars().take(40).collect())));
                };
                tracing::trace!(operation, bytes = message.len(), errors = reply.errors.len(), "rpc-reply");
                let _ = waiting.send(Ok(reply));
            }
            Incoming::Notification(event) => {
                tracing::trace!(name = event.name, "notification");
                if self.events.try_send(event).is_err() {
                    self.shared.lost_notifications.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }
}

fn class_of(cause: &EndCause) -> ErrorClass {
    match cause {
        EndCause::Closed | EndCause::Stream(_) | EndCause::TimedOut(_) | EndCause::Ours => ErrorClass::Transient,
        EndCause::Framing(_) | EndCause::Message(_) | EndCause::Unasked(_) => ErrorClass::Bug,
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

fn listed(errors: &[RpcError]) -> String {
    let mut all: Vec<String> = errors.iter().take(8).map(RpcError::to_string).collect();
    if errors.len() > 8 {
        all.push(format!("and {} more", errors.len() - 8));
    }
    all.join("; ")
}

/// Requests waiting for the task.
const MAX_QUEUED: usize = 16;
/// Calls without a reply so far.
const MAX_OPEN: usize = 64;
/// Bytes asked from the stream at once.
const READ_SIZE: usize = 32 * 1024;

#[cfg(test)]
mod tests;
