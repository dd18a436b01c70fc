//! Starts and ends the listeners of the north.

use super::restconf::{Options, Restconf};
use crate::controller::Controller;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Loopback address of the RESTCONF server; port 0 = any free one.
    pub listen: SocketAddr,
    /// Local socket; `None` = none.
    pub socket: Option<PathBuf>,
    /// How long a write waits for its transaction before it is answered with 202.
    pub sync_timeout: Duration,
    /// Largest request body, bytes.
    pub body_limit: usize,
    /// Answer 502 rather than 503 where an element is out of reach.
    pub nso_compatible: bool,
}

/// The running listeners.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    socket: Option<PathBuf>,
    tasks: Vec<JoinHandle<std::io::Result<()>>>,
}

/// Bound listeners that nobody serves yet. Callers wait in their queues.
#[derive(Debug)]
pub struct Listeners {
    tcp: TcpListener,
    unix: Option<UnixListener>,
    settings: ServerSettings,
}

/// Binds the listeners. A daemon does this before it takes the lease: one that finds its place taken has then changed
/// nothing for the one that lives there.
pub async fn listen(settings: ServerSettings) -> Result<Listeners, Error> {
    if !settings.listen.ip().is_loopback() {
        let message = format!("{} is not a loopback address", settings.listen);
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let tcp = TcpListener::bind(settings.listen).await.map_err(|error| at(&settings.listen, &error))?;
    let unix = match &settings.socket {
        Some(path) => Some(bind(path).await.map_err(|error| at(&path.display(), &error))?),
        None => None,
    };
    Ok(Listeners { tcp, unix, settings })
}

/// Serves until `stop`; requests under way are finished then.
pub fn serve(controller: Arc<Controller>, listeners: Listeners, stop: CancellationToken) -> Result<Server, Error> {
    let Listeners { tcp, unix, settings } = listeners;
    let address = tcp.local_addr()?;
    let options = Options {
        sync_timeout: settings.sync_timeout,
        body_limit: settings.body_limit,
        nso_compatible: settings.nso_compatible,
    };
    let restconf = Restconf::new(controller, options);
    let mut tasks = Vec::new();
    if let Some(unix) = unix {
        tasks.push(tokio::spawn(restconf.clone().serve_unix(unix, stop.clone().cancelled_owned())));
    }
    tasks.push(tokio::spawn(restconf.serve_tcp(tcp, stop.cancelled_owned())));
    Ok(Server { address, socket: settings.socket, tasks })
}

impl Server {
    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until all listeners have ended; the socket file goes.
    pub async fn finished(self) {
        for task in self.tasks {
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a listener failed"),
                Err(error) => tracing::error!(%error, "a listener ended unexpectedly"),
            }
        }
        if let Some(path) = self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Binds the local socket. A file that a dead daemon left is replaced; a living one is respected.
async fn bind(path: &Path) -> Result<UnixListener, Error> {
    if path.exists() {
        if UnixStream::connect(path).await.is_ok() {
            return Err(Error::new(ErrorKind::AddrInUse, "another daemon listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // The group decides who may operate the domain; whoever connects is an administrator.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

fn at(what: &dyn std::fmt::Display, error: &Error) -> Error {
    Error::new(error.kind(), format!("{what}: {error}"))
}
