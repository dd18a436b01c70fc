//! The SSH server in front of a simulated element: loopback only, one listener per element.
//!
//! ```text
//!  listener task ──accept──▶ connection task (library) ── channel ──▶ session task: netconf or cli
//! ```
//!
//! A connection ends with its session, with [`super::SimHandle`], or when the session is killed. This server is part of
//! the simulator; the daemon itself has none.

use super::fault::Fault;
use super::machine::{Language, Machine};
use super::{Login, SimError};
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, Disconnect, MethodKind, MethodSet, Preferred, Pty};
use secrecy::ExposeSecret;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Makes the host key of an element, or reads the one that is kept in `folder`.
pub(super) fn host_key(element: &str, folder: Option<&Path>) -> Result<PrivateKey, SimError> {
    let failed = |what: String| SimError::HostKey { element: element.to_owned(), what };
    let file = folder.map(|folder| folder.join(format!("{element}.host_key")));
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        return russh::keys::load_secret_key(file, None).map_err(|error| failed(error.to_string()));
    }
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519);
    let key = key.map_err(|error| failed(error.to_string()))?;
    if let Some(file) = file {
        key.write_openssh_file(&file, Default::default()).map_err(|error| failed(error.to_string()))?;
    }
    Ok(key)
}

/// Accepts connections until the element stops.
pub(super) async fn listen(machine: Arc<Machine>, listener: TcpListener, key: PrivateKey, login: Arc<Login>) {
    let mut methods = MethodSet::empty();
    methods.push(MethodKind::PublicKey);
    methods.push(MethodKind::Password);
    methods.push(MethodKind::KeyboardInteractive);
    // Elements of today do not know the exchanges with ML-KEM; ours offers them first to whoever does.
    let known = Preferred::DEFAULT.kex.iter().filter(|exchange| !exchange.as_ref().starts_with("mlkem"));
    let config = Arc::new(Config {
        keys: vec![key],
        preferred: Preferred { kex: known.copied().collect(), ..Preferred::DEFAULT },
        methods,
        nodelay: true,
        // A simulator has nothing to defend; tests have no time to lose.
        auth_rejection_time: Duration::from_millis(50),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        ..Config::default()
    });
    loop {
        let stream = tokio::select! {
            () = machine.stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(element = machine.name, %error, "simulated element cannot accept");
                    return;
                }
            },
        };
        if machine.state().faults.has(&Fault::Unreachable) {
            continue; // dropped, which closes it
        }
        // The library does this only where it accepts by itself. Without it every answer waits for the other side's ACK.
        stream.set_nodelay(true).ok();
        tokio::spawn(connection(machine.clone(), config.clone(), stream, login.clone()));
    }
}

async fn connection(machine: Arc<Machine>, config: Arc<Config>, stream: TcpStream, login: Arc<Login>) {
    let hangup = machine.stop.child_token();
    let door = Door { machine, login, user: String::new(), hangup: hangup.clone(), channels: HashMap::new() };
    let running = match russh::server::run_stream(config, stream, door).await {
        Ok(running) => running,
        Err(_) => return, // a client that only looked at the host key
    };
    let handle = running.handle();
    tokio::select! {
        _ = running => {}
        () = hangup.cancelled() => {
            // What was written goes out first.
            let _ = handle.disconnect(Disconnect::ByApplication, String::new(), String::new()).await;
        }
    }
    hangup.cancel();
}

/// One connection.
struct Door {
    machine: Arc<Machine>,
    login: Arc<Login>,
    user: String,
    hangup: CancellationToken,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Door {
    fn knows(&self, key: &PublicKey) -> Auth {
        let known = self.login.keys.iter().any(|known| known.key_data() == key.key_data());
        if known { Auth::Accept } else { Auth::reject() }
    }

    fn password(&self, given: &str) -> Auth {
        let right = self.login.password.as_ref().is_some_and(|password| password.expose_secret() == given);
        if right { Auth::Accept } else { Auth::reject() }
    }

    /// Runs a session on a channel; the connection ends with it.
    fn run<F>(&mut self, id: ChannelId, session: &mut Session, serve: F) -> Result<(), russh::Error>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        session.channel_success(id)?;
        let (handle, hangup) = (session.handle(), self.hangup.clone());
        tokio::spawn(async move {
            serve.await;
            let _ = handle.exit_status_request(id, 0).await;
            let _ = handle.close(id).await;
            hangup.cancel();
        });
        Ok(())
    }
}

impl Handler for Door {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.user = user.to_owned();
        Ok(self.password(password))
    }

    async fn auth_publickey_offered(&mut self, _: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.knows(offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        self.user = user.to_owned();
        Ok(self.knows(key.public_key))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        self.user = user.to_owned();
        let Some(mut response) = response else {
            let prompts = vec![(Cow::Borrowed("Password: "), false)];
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() });
        };
        let given = response.next().map(|answer| String::from_utf8_lossy(&answer).into_owned()).unwrap_or_default();
        Ok(self.password(&given))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.channels.len() >= MAX_CHANNELS {
            return Ok(()); // dropping the reply refuses it
        }
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        match (&self.machine.language, self.channels.remove(&id)) {
            (Language::Cli(_), Some(channel)) => {
                let serve = super::cli::serve(self.machine.clone(), channel.into_stream(), self.hangup.clone());
                self.run(id, session, serve)
            }
            _ => session.channel_failure(id),
        }
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        if !matches!(self.machine.language, Language::Cli(_)) {
            return session.channel_failure(id);
        }
        let said = super::cli::once(&self.machine, String::from_utf8_lossy(data).trim());
        session.channel_success(id)?;
        session.data(id, said.into_bytes())?;
        session.exit_status_request(id, 0)?;
        session.eof(id)?;
        session.close(id)
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), Self::Error> {
        match (&self.machine.language, name, self.channels.remove(&id)) {
            (Language::Netconf { .. }, "netconf", Some(channel)) => {
                let serve = super::netconf::serve(
                    self.machine.clone(),
                    channel.into_stream(),
                    self.hangup.clone(),
                    self.user.clone(),
                );
                self.run(id, session, serve)
            }
            _ => session.channel_failure(id),
        }
    }
}

/// Channels of one connection.
const MAX_CHANNELS: usize = 8;
