//! The task that owns the stream of a session: message ids, framing, what happens next.

use super::error::{EndCause, NetconfError};
use super::framing::{Decoder, FrameLimits, Framing, encode};
use super::message::{self, Incoming, Notification, RpcReply};
use super::operation::{self, Datastore, Filter};
use crate::adagio::tap::Tap;
use bytes::{Buf, Bytes};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the task leaves behind for its callers.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub cause: OnceLock<EndCause>,
    pub lost_notifications: AtomicU64,
}

pub(super) struct Request {
    pub operation: &'static str,
    pub body: String,
    pub reply: Reply,
}

/// The stream with its framing.
pub(super) struct Wire<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    decoder: Decoder,
    tap: Tap,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    /// The stream as every session begins: end-of-message framing.
    pub fn over(stream: S, limits: FrameLimits, tap: Tap) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Wire { reader, writer, decoder: Decoder::new(limits), tap }
    }

    /// What both sides speak from now on.
    pub fn set_framing(&mut self, framing: Framing) {
        self.decoder.set_framing(framing);
    }

    /// Sends our hello and reads the element's; neither waits for the other (RFC 6241 §8.1).
    pub async fn hello(&mut self) -> Result<message::Hello, EndCause> {
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
                read_some(&mut self.reader, &mut self.decoder).await?;
            }
        };
        let (sent, message) = tokio::join!(send, receive);
        let hello = message::parse_hello(&message?)?;
        sent.map_err(stream_failed)?;
        Ok(hello)
    }
}

async fn read_some<R: AsyncRead + Unpin>(reader: &mut R, decoder: &mut Decoder) -> Result<(), EndCause> {
    match reader.read_buf(decoder.room(READ_SIZE)).await {
        Ok(0) => Err(EndCause::Closed),
        Ok(_) => Ok(()),
        Err(e) => Err(stream_failed(e)),
    }
}

fn stream_failed(e: io::Error) -> EndCause {
    EndCause::Stream(e.to_string())
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

pub(super) type Reply = oneshot::Sender<Result<RpcReply, NetconfError>>;
type Pending = BTreeMap<u64, (&'static str, Reply)>;

pub(super) struct Task<S> {
    wire: Wire<S>,
    incoming: mpsc::Receiver<Request>,
    events: mpsc::Sender<Notification>,
    shared: Arc<Shared>,
    end: CancellationToken,
    pending: Pending,
    last_id: u64,
    /// The rest of the frame that is being written.
    output: Bytes,
    /// Patience for the first reply; `None` once it has come or the knock was sent.
    knock_after: Option<Duration>,
    /// When it ends; set by the first request.
    knock_at: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite> Task<S> {
    pub fn new(
        wire: Wire<S>,
        incoming: mpsc::Receiver<Request>,
        events: mpsc::Sender<Notification>,
        shared: Arc<Shared>,
        end: CancellationToken,
        knock_after: Duration,
    ) -> Self {
        Task {
            wire,
            incoming,
            events,
            shared,
            end,
            pending: BTreeMap::new(),
            last_id: 0,
            output: Bytes::new(),
            knock_after: Some(knock_after),
            knock_at: None,
        }
    }

    pub async fn run(mut self) {
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
        let Wire { reader, writer, decoder, .. } = &mut self.wire;
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
            read = read_some(reader, decoder) => read,
            () = until(self.knock_at), if self.knock_at.is_some() && self.output.is_empty() => {
                self.knock();
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
        self.put(operation, &body, reply);
        self.knock_at = self.knock_after.take().map(|patience| Instant::now() + patience);
    }

    fn put(&mut self, operation: &'static str, body: &str, reply: Reply) {
        self.last_id += 1;
        let message = message::rpc(self.last_id, body);
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

    /// Sends an rpc that reads nothing, for its bytes only.
    fn knock(&mut self) {
        (self.knock_after, self.knock_at) = (None, None);
        tracing::debug!("no reply to the first rpc yet: knocking");
        let nothing = operation::get_config(Datastore::Running, Some(Filter::Subtree("")), None);
        let (reply, _) = oneshot::channel();
        self.put("knock", &nothing, reply);
    }

    fn received(&mut self, message: &[u8]) -> Result<(), EndCause> {
        (self.knock_after, self.knock_at) = (None, None);
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

/// Calls without a reply so far.
const MAX_OPEN: usize = 64;
/// Bytes asked from the stream at once.
const READ_SIZE: usize = 32 * 1024;
