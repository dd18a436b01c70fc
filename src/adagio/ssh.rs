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

mod pin;

pub use pin::{HostKey, HostKeyPin, PinError};

use crate::domain::ErrorClass;
use bytes::{Buf, Bytes, BytesMut};
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{
    Algorithm, EcdsaCurve, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key,
};
use russh::{ChannelMsg, ChannelStream, MethodKind, MethodSet, Preferred, cipher, compression, kex, mac};
use secrecy::{ExposeSecret, SecretString};
use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

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

/// Why there is no connection, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// TCP or the key exchange failed.
    #[error("{address}: cannot connect")]
    Connect {
        /// `host:port`
        address: String,
        /// what the network or the library said
        #[source]
        source: russh::Error,
    },
    /// A step did not end in time.
    #[error("{address}: {step} took longer than {limit:?}")]
    TimedOut {
        /// `host:port`
        address: String,
        /// what was being done
        step: &'static str,
        /// the limit that passed
        limit: Duration,
    },
    /// No host key is pinned for this element.
    #[error("{address}: host key {fingerprint} is not pinned; check it and pin it (element probe --trust)")]
    HostKeyUnknown {
        /// `host:port`
        address: String,
        /// `SHA256:…` of the key the element showed
        fingerprint: String,
        /// the same key as `algorithm base64`
        openssh: String,
    },
    /// The element shows another key than the pinned one.
    #[error("{address}: host key is {got}, pinned is {expected}; nothing was sent")]
    HostKeyChanged {
        /// `host:port`
        address: String,
        /// the pin
        expected: String,
        /// `SHA256:…` of the key the element showed
        got: String,
    },
    /// The element shows a host certificate.
    #[error("{address}: host certificates are not accepted; pin the plain host key")]
    HostCertificate {
        /// `host:port`
        address: String,
    },
    /// The private key file is unusable.
    #[error("private key {path}: cannot be used")]
    PrivateKey {
        /// the file
        path: PathBuf,
        /// why
        #[source]
        source: russh::keys::Error,
    },
    /// The element refused every way that was offered.
    #[error("{address}: authentication of {username} refused (tried {tried}; the element offers {offered})")]
    AuthRefused {
        /// `host:port`
        address: String,
        /// the account
        username: String,
        /// methods tried, comma separated
        tried: String,
        /// methods the element would take
        offered: String,
    },
    /// The connection broke during authentication.
    #[error("{address}: connection lost during authentication")]
    AuthBroken {
        /// `host:port`
        address: String,
        /// why
        #[source]
        source: russh::Error,
    },
    /// The element would not open a channel.
    #[error("{address}: cannot open {what}")]
    Channel {
        /// `host:port`
        address: String,
        /// shell or subsystem
        what: String,
        /// why
        #[source]
        source: russh::Error,
    },
    /// The element refused the terminal, shell or subsystem on an open channel.
    #[error("{address}: the element refuses {what}")]
    ChannelRefused {
        /// `host:port`
        address: String,
        /// shell or subsystem
        what: String,
    },
}

impl SshError {
    /// What a retry may do with this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            SshError::Connect { source: russh::Error::NoCommonAlgo { .. }, .. } => ErrorClass::Rejected,
            SshError::Connect { .. } | SshError::TimedOut { .. } | SshError::AuthBroken { .. } => ErrorClass::Transient,
            // A session limit looks like this on every server: worth another try later.
            SshError::Channel { .. } | SshError::ChannelRefused { .. } => ErrorClass::Transient,
            SshError::HostKeyUnknown { .. }
            | SshError::HostKeyChanged { .. }
            | SshError::HostCertificate { .. }
            | SshError::PrivateKey { .. }
            | SshError::AuthRefused { .. } => ErrorClass::Rejected,
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
        let auth = authenticate(&mut handle, target);
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
            let failed = |source| SshError::Channel { address: address.clone(), what: what.clone(), source };
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
    let config = Arc::new(client_config(target, limits));
    let end = CancellationToken::new();
    let guard = end.clone().drop_guard();
    let work = async {
        let tcp = TcpStream::connect(address.as_str()).await?;
        tcp.set_nodelay(true)?;
        client::connect_stream(config, Socket { tcp, end: Box::pin(end.cancelled_owned()) }, verifier).await
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
        (_, Err(source)) => Err(SshError::Connect { address: address.clone(), source }),
        (None, Ok(_)) => Err(SshError::Connect { address: address.clone(), source: russh::Error::UnknownKey }),
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

async fn authenticate(handle: &mut client::Handle<Verifier>, target: &SshTarget) -> Result<(), SshError> {
    let broken = |source| SshError::AuthBroken { address: target.address.clone(), source };
    let mut tried: Vec<&'static str> = Vec::new();
    let mut offered: Option<MethodSet> = None;
    for auth in &target.auth {
        match auth {
            SshAuth::PrivateKey(path) => {
                let key = load_private_key(path).await?;
                let hash = handle.best_supported_rsa_hash().await.map_err(broken)?.flatten();
                tried.push("publickey");
                let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
                match handle.authenticate_publickey(&target.username, key).await.map_err(broken)? {
                    AuthResult::Success => return Ok(()),
                    AuthResult::Failure { remaining_methods, .. } => offered = Some(remaining_methods),
                }
            }
            SshAuth::Password(password) => {
                let takes = |m| offered.as_ref().is_none_or(|o| o.contains(&m));
                if takes(MethodKind::Password) {
                    tried.push("password");
                    let secret = password.expose_secret();
                    match handle.authenticate_password(&target.username, secret).await.map_err(broken)? {
                        AuthResult::Success => return Ok(()),
                        AuthResult::Failure { remaining_methods, .. } => offered = Some(remaining_methods),
                    }
                }
                if offered.as_ref().is_none_or(|o| o.contains(&MethodKind::KeyboardInteractive)) {
                    tried.push("keyboard-interactive");
                    match keyboard_interactive(handle, &target.username, password).await.map_err(broken)? {
                        None => return Ok(()),
                        Some(remaining) => offered = Some(remaining),
                    }
                }
            }
        }
    }
    let offered = offered.map(|o| o.iter().map(|m| <&'static str>::from(m)).collect::<Vec<_>>().join(", "));
    Err(SshError::AuthRefused {
        address: target.address.clone(),
        username: target.username.clone(),
        tried: if tried.is_empty() { "nothing".into() } else { tried.join(", ") },
        offered: offered.filter(|o| !o.is_empty()).unwrap_or_else(|| "nothing else".into()),
    })
}

/// Answers each hidden prompt with the password; `None` is success. A visible prompt is not a place for a password:
/// it gets an empty answer.
async fn keyboard_interactive(
    handle: &mut client::Handle<Verifier>,
    username: &str,
    password: &SecretString,
) -> Result<Option<MethodSet>, russh::Error> {
    let mut answer = handle.authenticate_keyboard_interactive_start(username, None).await?;
    for _ in 0..MAX_INTERACTIVE_ROUNDS {
        match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(None),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. } => return Ok(Some(remaining_methods)),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let reply = |echo: bool| if echo { String::new() } else { password.expose_secret().to_owned() };
                let responses = prompts.iter().map(|p| reply(p.echo)).collect();
                answer = handle.authenticate_keyboard_interactive_respond(responses).await?;
            }
        }
    }
    Ok(Some(MethodSet::empty()))
}

async fn load_private_key(path: &PathBuf) -> Result<PrivateKey, SshError> {
    let failed = |source| SshError::PrivateKey { path: path.clone(), source };
    let text = tokio::fs::read_to_string(path).await.map_err(|e| failed(e.into()))?;
    let text = zeroize::Zeroizing::new(text);
    decode_secret_key(&text, None).map_err(failed)
}

fn client_config(target: &SshTarget, limits: &SshLimits) -> client::Config {
    let mut key: Vec<Algorithm> = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    let mut preferred = Preferred {
        cipher: Cow::Borrowed(&[
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_GCM,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    };
    if limits.legacy_algorithms {
        key.push(Algorithm::Rsa { hash: None });
        preferred.kex.to_mut().extend([kex::DH_G14_SHA1, kex::DH_G1_SHA1]);
        preferred.mac.to_mut().push(mac::HMAC_SHA1);
        preferred.cipher.to_mut().extend([cipher::AES_256_CBC, cipher::AES_128_CBC]);
    }
    // A server with several host keys must be asked for the kind that is pinned. The other kinds stay in the list so
    // that a changed key is seen and reported as such.
    if let Some(HostKeyPin::Key(pinned)) = &target.host_key {
        let same = |a: &Algorithm| match (a, pinned.algorithm()) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (a, b) => *a == b,
        };
        key.sort_by_key(|a| !same(a));
    }
    preferred.key = Cow::Owned(key);
    client::Config {
        preferred,
        nodelay: true,
        keepalive_interval: Some(limits.keepalive_interval),
        keepalive_max: limits.keepalive_max,
        inactivity_timeout: None,
        ..client::Config::default()
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

/// The TCP socket with a switch: once the token is cancelled every read and write fails, which ends the library's task.
struct Socket {
    tcp: TcpStream,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Socket {
    fn ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.end.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ended(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Bytes kept while a channel is not granted yet.
const MAX_EARLY: usize = 64 * 1024;
/// Rounds of keyboard-interactive before an element that only asks is given up.
const MAX_INTERACTIVE_ROUNDS: usize = 5;
