//! A whole simulated domain from files: `andante sim --elements FILE`.
//!
//! The file is the inventory that the daemon itself reads, so what is simulated is what it will drive: name, adapter,
//! address, and who may log in (the public half of `private_key`, the content of `password_file`). The running
//! configuration to start with is `NAME.running` in the folder `running`, where there is one.

use super::{Abilities, Login, SimElement, SimError, SimHandle, SimOptions, serve};
use crate::domain::{Class, Element};
use crate::tree::SchemaIndex;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a simulated domain comes from.
#[derive(Clone, Debug)]
pub struct SimFiles {
    /// The inventory (`elements.toml`); relative paths in it are relative to it.
    pub elements: PathBuf,
    /// The folder of adapter folders.
    pub adapters: PathBuf,
    /// Folder with `NAME.running` (text of the CLI, or XML), if any.
    pub running: Option<PathBuf>,
    /// Folder in which host keys are kept between runs, if they shall be.
    pub state: Option<PathBuf>,
}

impl SimFiles {
    /// Names of the NETCONF adapters that the elements use: the caller has to give a schema for each.
    pub fn adapters_in_use(&self) -> Result<Vec<String>, SimError> {
        let mut names: Vec<String> = self.inventory()?.into_iter().map(|element| element.adapter).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn inventory(&self) -> Result<Vec<Element>, SimError> {
        let text = read(&self.elements)?;
        let parsed: Result<Inventory, _> = toml::from_str(&text);
        parsed.map(|inventory| inventory.element).map_err(|error| wrong(&self.elements, error.to_string()))
    }

    fn beside(&self, path: &Path) -> PathBuf {
        self.elements.parent().unwrap_or(Path::new("")).join(path)
    }

    fn simulated(&self, element: &Element) -> Result<SimElement, SimError> {
        let mut login = Login::default();
        if let Some(file) = element.private_key.as_ref().map(|file| self.beside(file)) {
            let key = russh::keys::load_secret_key(&file, None).map_err(|error| wrong(&file, error.to_string()))?;
            login.keys.push(key.public_key().clone());
        }
        if let Some(file) = element.password_file.as_ref().map(|file| self.beside(file)) {
            login.password = Some(SecretString::from(read(&file)?.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let running = self.running.as_ref().map(|folder| folder.join(format!("{}.running", element.name)));
        let running = match running.filter(|file| file.exists()) {
            Some(file) => read(&file)?,
            None => String::new(),
        };
        let address =
            loopback(&element.address).map_err(|what| wrong(&self.elements, format!("{}: {what}", element.name)))?;
        let (name, adapter) = (element.name.clone(), element.adapter.clone());
        Ok(SimElement {
            name,
            adapter,
            address,
            login,
            class: Class::A,
            base11: true,
            abilities: Abilities::default(),
            running,
        })
    }
}

/// Starts every element of the inventory. `schemas`: one per NETCONF adapter, by name.
pub async fn run_from_files(
    files: &SimFiles,
    schemas: BTreeMap<String, Arc<SchemaIndex>>,
) -> Result<SimHandle, SimError> {
    let elements = files.inventory()?.iter().map(|element| files.simulated(element)).collect::<Result<_, _>>()?;
    serve(SimOptions { elements, adapters: files.adapters.clone(), schemas, state: files.state.clone() }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inventory {
    #[serde(default)]
    element: Vec<Element>,
}

/// The address, if it is of this machine alone.
fn loopback(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| format!("address {address}: {error}"))?;
    let local = found.find(|address| address.ip().is_loopback());
    local.ok_or_else(|| format!("address {address} is not of the loopback interface; a simulator listens nowhere else"))
}

fn read(file: &Path) -> Result<String, SimError> {
    std::fs::read_to_string(file).map_err(|error| wrong(file, error.to_string()))
}

fn wrong(file: &Path, what: String) -> SimError {
    SimError::File { file: file.display().to_string(), what }
}
