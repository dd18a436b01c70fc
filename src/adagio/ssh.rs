//! SSH connections to elements: pinned host keys, time limits, nothing legacy.
//!
//! Where it stands: the lowest layer of the south. [`super::netconf`] and [`super::cli`] open one channel each on an
//! [`SshConnection`]; the drivers above them hand in an [`SshTarget`] made from the inventory.
//!
//! Guarantees
//! * Without a pin, or with a key that differs from the pin, the connection ends during key exchange: not one byte of
//!   authentication is sent, the error carries the key that was seen.
//! * Host certificates are refused (no authority is configured anywhere), SHA-1 and CBC algorithms and compression are
//!   not offered unless [`SshLimits::legacy_algorithms`] says so.
//! * Every step has a time limit. Dropping the last of a connection and its streams closes the socket at once, also
//!   in the middle of a key exchange.
//! * The password is sent to the element and to nothing else; no type here prints it.
//!
//! It does not: keep a known-hosts file (the pin lives in the inventory), talk to an agent, forward anything, retry.

mod algorithms;
mod auth;
mod error;
mod pin;
mod socket;

pub use error::SshError;
pub use pin::{HostKey, HostKeyPin, PinError};

use bytes::{Buf, Bytes, BytesMut};
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelMsg, ChannelStream, client};
use secrecy::SecretString;
use socket::Socket;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How to reach and enter one element.
#[derive(Clone, Debug)]
pub struct SshTarget {
    /// `host:port`.
    pub address: String,
    /// The account on the element.
    pub username: String,
    /// Ways to authenticate, tried in this order.
    pub auth: Vec<SshAuth>,
    /// The host key that was approved at onboarding; without it there is no traffic.
    pub host_key: Option<HostKeyPin>,
}

/// One way to authenticate.
#[derive(Clone)]
pub enum SshAuth {
    /// An unencrypted private key file (OpenSSH or PEM).
    PrivateKey(PathBuf),
    /// A password; it also answers the hidden prompts of keyboard-interactive.
    Password(SecretString),
}

impl std::fmt::Debug for SshAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SshAuth::PrivateKey(path) => f.debug_tuple("PrivateKey").field(path).finish(),
            SshAuth::Password(_) => f.write_str("Password"),
        }
    }
}

/// Time limits and the choice of algorithms.
#[derive(Clone, Debug)]
pub struct SshLimits {
    /// TCP connect, version exchange and key exchange together.
    pub connect_timeout: Duration,
    /// The whole of authentication.
    pub auth_timeout: Duration,
    /// Opening one channel with its shell or subsystem.
    pub channel_timeout: Duration,
    /// Silence after which a keepalive is sent.
    pub keepalive_interval: Duration,
    /// Unanswered keepalives after which the connection is given up.
    pub keepalive_max: usize,
    /// Also offer SHA-1 key exchange, MAC and signatures and CBC ciphers. For elements that know nothing newer.
    pub legacy_algorithms: bool,
}

impl Default for SshLimits {
    fn default() -> Self {
        SshLimits {
            connect_timeout: Duration::from_secs(15),
            auth_timeout: Duration::from_secs(15),
            channel_timeout: Duration::from_secs(15),
            keepalive_interval: Duration::from_secs(10),
            keepalive_max: 3,
            legacy_algorithms: false,
        }
    }
}

/// Size and name of the terminal that a shell gets.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// `TERM`; `dumb` avoids escape sequences.
    pub name: String,
    /// Columns.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
}

/// An authenticated connection. Cheap to clone; the socket closes when the last clone and the last stream are gone.
#[derive(Clone)]
pub struct SshConnection {
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    limits: SshLimits,
    host_key: HostKey,
    handle: client::Handle<Verifier>,
    // Dropped last of all, it makes the socket end, whatever the library's task is doing.
    _socket: DropGuard,
}

impl SshConnection {
    /// Connects, checks the host key and authenticates.
    pub async fn connect(target: &SshTarget, limits: &SshLimits) -> Result<Self, SshError> {
        let (mut handle, socket, host_key) = key_exchange(target, limits).await?;
        let auth = auth::authenticate(&mut handle, target);
        within(limits.auth_timeout, "authentication", &target.address, auth).await??;
        tracing::debug!(address = target.address, username = target.username, "ssh connection open");
        let inner =
            Inner { address: target.address.clone(), limits: limits.clone(), host_key, handle, _socket: socket };
        Ok(SshConnection { inner: Arc::new(inner) })
    }

    /// Opens a subsystem such as `netconf` (RFC 6242 §3).
    pub async fn subsystem(&self, name: &str) -> Result<SshStream, SshError> {
        self.open(format!("subsystem {name}"), None, Some(name)).await
    }

    /// Opens a shell on a terminal.
    pub async fn shell(&self, terminal: &Terminal) -> Result<SshStream, SshError> {
        self.open("a shell".into(), Some(terminal), None).await
    }

    /// The host key that was checked.
    pub fn host_key(&self) -> &HostKey {
        &self.inner.host_key
    }

    /// `host:port` as given.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.inner.handle.is_closed()
    }

    async fn open(
        &self,
        what: String,
        terminal: Option<&Terminal>,
        subsystem: Option<&str>,
    ) -> Result<SshStream, SshError> {
        let address = &self.inner.address;
        let work = async {
            let failed = |e| SshError::Channel { address: address.clone(), what: what.clone(), source: Box::new(e) };
            let refused = || SshError::ChannelRefused { address: address.clone(), what: what.clone() };
            let mut channel = self.inner.handle.channel_open_session().await.map_err(failed)?;
            let mut early = BytesMut::new();
            if let Some(t) = terminal {
                channel.request_pty(true, &t.name, t.columns, t.rows, 0, 0, &[]).await.map_err(failed)?;
                if !granted(&mut channel, &mut early).await {
                    return Err(refused());
                }
            }
            match subsystem {
                Some(name) => channel.request_subsystem(true, name).await.map_err(failed)?,
                None => channel.request_shell(true).await.map_err(failed)?,
            }
            if !granted(&mut channel, &mut early).await {
                return Err(refused());
            }
            Ok(SshStream { early: early.freeze(), channel: channel.into_stream(), _connection: self.clone() })
        };
        within(self.inner.limits.channel_timeout, "opening a channel", address, work).await?
    }
}

impl std::fmt::Debug for SshConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConnection").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

/// The byte stream of one channel. It keeps its connection alive.
pub struct SshStream {
    /// Bytes that came before the channel was granted.
    early: Bytes,
    channel: ChannelStream<client::Msg>,
    _connection: SshConnection,
}

impl AsyncRead for SshStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.has_remaining() {
            let n = self.early.len().min(buf.remaining());
            let head = self.early.split_to(n);
            buf.put_slice(&head);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.channel).poll_read(cx, buf)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.channel).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_shutdown(cx)
    }
}

/// Reads the host key that an element shows, for onboarding. Nothing is sent after the key exchange.
pub async fn probe_host_key(address: &str, limits: &SshLimits) -> Result<HostKey, SshError> {
    let target = SshTarget { address: address.into(), username: String::new(), auth: Vec::new(), host_key: None };
    match key_exchange(&target, limits).await {
        Err(SshError::HostKeyUnknown { openssh, fingerprint, .. }) => Ok(HostKey { openssh, fingerprint }),
        Err(other) => Err(other),
        // Unreachable as long as no pin means refusal; answered without a panic all the same.
        Ok((_, _, key)) => Ok(key),
    }
}

/// TCP, key exchange and the check of the host key.
async fn key_exchange(
    target: &SshTarget,
    limits: &SshLimits,
) -> Result<(client::Handle<Verifier>, DropGuard, HostKey), SshError> {
    let address = &target.address;
    let seen = Arc::new(Mutex::new(None));
    let verifier = Verifier { pin: target.host_key.clone(), seen: seen.clone() };
    let config = Arc::new(algorithms::client_config(target, limits));
    let end = CancellationToken::new();
    let guard = end.clone().drop_guard();
    let work = async {
        let tcp = TcpStream::connect(address.as_str()).await?;
        tcp.set_nodelay(true)?;
        client::connect_stream(config, Socket::new(tcp, end), verifier).await
    };
    let result = within(limits.connect_timeout, "connect and key exchange", address, work).await?;
    let verdict = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (verdict, result) {
        (Some(Verdict::Match(key)), Ok(handle)) => Ok((handle, guard, key)),
        (Some(Verdict::NoPin(HostKey { openssh, fingerprint })), _) => {
            Err(SshError::HostKeyUnknown { address: address.clone(), fingerprint, openssh })
        }
        (Some(Verdict::Differs { expected, got }), _) => {
            Err(SshError::HostKeyChanged { address: address.clone(), expected, got: got.fingerprint })
        }
        (Some(Verdict::Certificate), _) => Err(SshError::HostCertificate { address: address.clone() }),
        (_, Err(e)) => Err(SshError::Connect { address: address.clone(), source: Box::new(e) }),
        (None, Ok(_)) => {
            Err(SshError::Connect { address: address.clone(), source: Box::new(russh::Error::UnknownKey) })
        }
    }
}

async fn within<T>(
    limit: Duration,
    step: &'static str,
    address: &str,
    work: impl Future<Output = T>,
) -> Result<T, SshError> {
    tokio::time::timeout(limit, work).await.map_err(|_| SshError::TimedOut { address: address.into(), step, limit })
}

/// Waits for the answer to the last channel request, keeping bytes that come first.
async fn granted(channel: &mut russh::Channel<client::Msg>, early: &mut BytesMut) -> bool {
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return true,
            Some(ChannelMsg::Data { data }) => {
                early.extend_from_slice(&data);
                if early.len() > MAX_EARLY {
                    return false;
                }
            }
            Some(ChannelMsg::Failure | ChannelMsg::Eof | ChannelMsg::Close) | None => return false,
            Some(_) => {}
        }
    }
}

/// What the check of the host key found.
enum Verdict {
    Match(HostKey),
    NoPin(HostKey),
    Differs { expected: String, got: HostKey },
    Certificate,
}

/// Compares the host key with the pin and leaves the verdict where the connecting side finds it.
struct Verifier {
    pin: Option<HostKeyPin>,
    seen: Arc<Mutex<Option<Verdict>>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let verdict = match shown {
            PublicKeyOrCertificate::Certificate(_) => Verdict::Certificate,
            PublicKeyOrCertificate::PublicKey { key, .. } => match &self.pin {
                None => Verdict::NoPin(HostKey::of(key)),
                Some(pin) if pin.matches(key) => Verdict::Match(HostKey::of(key)),
                Some(pin) => Verdict::Differs { expected: pin.to_string(), got: HostKey::of(key) },
            },
        };
        let accepted = matches!(verdict, Verdict::Match(_));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        Ok(accepted)
    }
}

/// Bytes kept while a channel is not granted yet.
const MAX_EARLY: usize = 64 * 1024;
