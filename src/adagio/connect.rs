//! From an inventory entry to a driver.

use super::cli::driver::{CliElement, dialect_within};
use super::cli::session::CliLimits;
use super::driver::{DriverError, Southbound};
use super::netconf::driver::NetconfElement;
use super::netconf::readings::Readings;
use super::netconf::schemas::SchemaSession;
use super::netconf::session::NetconfLimits;
use super::secret::Secrets;
use super::ssh::{SshAuth, SshLimits, SshTarget};
use super::tap::Tap;
use crate::adapter::Adapter;
use crate::adapter::manifest::Transport;
use crate::domain::{Element, ErrorClass};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// Limits of everything that goes south.
#[derive(Clone)]
pub struct Connector {
    /// Connections.
    pub ssh: SshLimits,
    /// NETCONF sessions.
    pub netconf: NetconfLimits,
    /// CLI sessions.
    pub cli: CliLimits,
    /// How long busy lines are retried.
    pub busy: Duration,
    /// What opens the secrets of a payload.
    pub secrets: Arc<dyn Secrets>,
    /// Elements that live in this process, for simulations and measurements; `None` in a daemon.
    pub inside: Option<Arc<Inside>>,
    /// What elements said last, shared by all drivers.
    pub readings: Arc<Readings>,
}

/// The driver of an element that lives in this process; `None` = it is to be reached by its transport.
pub type Inside = dyn Fn(&Element) -> Option<Arc<dyn Southbound>> + Send + Sync;

impl Connector {
    /// A driver for the element. Nothing is sent yet; a password file is read now.
    pub fn southbound(&self, element: &Element, adapter: &Arc<Adapter>) -> Result<Arc<dyn Southbound>, String> {
        if let Some(inside) = self.inside.as_ref().and_then(|inside| inside(element)) {
            return Ok(inside);
        }
        let target = self.target(element)?;
        let (name, adapter, tap) = (element.name.clone(), adapter.clone(), Tap::default());
        Ok(match adapter.transport() {
            Transport::Netconf => Arc::new(NetconfElement {
                element: name,
                target,
                adapter,
                ssh: self.ssh.clone(),
                limits: self.netconf,
                tap,
                secrets: self.secrets.clone(),
                readings: self.readings.clone(),
            }),
            Transport::Cli => {
                // One bound for the reply of an element, whatever it speaks.
                let dialect = Arc::new(dialect_within(&adapter, self.netconf.frames.max_message)?);
                let (ssh, limits, busy, secrets) = (self.ssh.clone(), self.cli, self.busy, self.secrets.clone());
                Arc::new(CliElement { element: name, target, adapter, dialect, ssh, limits, busy, tap, secrets })
            }
        })
    }

    /// A session that reads the YANG modules of the element.
    pub async fn schemas(&self, element: &Element) -> Result<SchemaSession, DriverError> {
        let target = self
            .target(element)
            .map_err(|message| DriverError::unsent(&element.name, "connect", ErrorClass::Rejected, message))?;
        SchemaSession::open(&element.name, &target, &self.ssh, self.netconf, Tap::default()).await
    }

    /// Where and as whom to log in.
    pub fn target(&self, element: &Element) -> Result<SshTarget, String> {
        let mut auth = Vec::new();
        if let Some(file) = &element.private_key {
            auth.push(SshAuth::PrivateKey(file.clone()));
        }
        if let Some(file) = &element.password_file {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            auth.push(SshAuth::Password(SecretString::from(text.trim_end_matches(['\r', '\n']))));
        }
        if auth.is_empty() {
            return Err("neither private_key nor password_file is given".into());
        }
        let host_key = element.host_key.as_ref().map(|key| key.parse()).transpose();
        let host_key = host_key.map_err(|error| format!("host_key: {error}"))?;
        Ok(SshTarget { address: element.address.clone(), username: element.username.clone(), auth, host_key })
    }
}
