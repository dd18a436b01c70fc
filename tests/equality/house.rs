//! A daemon inside the test over one FRR element, simulated or real, and the command that speaks to it.

use crate::support::changed_adapters;
use andante::adagio::sim::{Login, SimElement, SimHandle, SimOptions, serve};
use andante::config::Settings;
use andante::controller::{Absent, Controller, DocumentEdit, Terms};
use andante::daemon::{Invocation, start};
use andante::domain::{Element, Outcome, Principal, Role, ServiceKey, TransactionRecord};
use andante::plan::Allowed;
use andante::presto::{Server, ServerSettings, listen};
use andante::tree::{ConfigTree, Limits, Policy, json};
use russh::keys::PrivateKey;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What an FRR provider edge has before any service.
pub const RUNNING: &str = "interface eth0\n description core\n ip address 10.0.0.2/30\nexit\n!\nrouter bgp 65000\n \
                           bgp router-id 10.0.0.2\nexit\n!\nend\n";

/// A daemon and its folder.
pub struct House {
    pub controller: Arc<Controller>,
    pub folder: tempfile::TempDir,
    stop: CancellationToken,
    _server: Server,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: Some("CHG-1".into()) }
}

/// A simulated FRR element `pe2`, and its inventory entry.
pub async fn simulated(folder: &Path) -> (SimHandle, Element) {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519).unwrap();
    key.write_openssh_file(folder.join("key"), Default::default()).unwrap();
    let mut element = SimElement::new("pe2", "frr");
    element.login = Login { keys: vec![key.public_key().clone()], password: None };
    element.running = RUNNING.into();
    let adapters = root().join("adapters");
    let sim = serve(SimOptions { elements: vec![element], adapters, schemas: BTreeMap::new(), state: None });
    let sim = sim.await.unwrap();
    let (address, host_key) = (sim.address("pe2").unwrap().to_string(), sim.host_key("pe2").unwrap());
    let entry = entry(&address, &host_key.to_string(), &folder.join("key"));
    (sim, entry)
}

/// The inventory entry of `pe2`.
pub fn entry(address: &str, host_key: &str, key: &Path) -> Element {
    let text = format!(
        "name='pe2'\nadapter='frr'\naddress='{address}'\nusername='andante'\nhost_key='{host_key}'\n\
         private_key='{}'\nrouter_id='10.0.0.2'\nasn=65000\nports=[{{name='eth1'}}]",
        key.display()
    );
    toml::from_str(&text).unwrap()
}

impl House {
    /// The daemon ends, and another one starts with the same store.
    pub async fn again(mut self, element: Element) -> Self {
        let empty = tempfile::tempdir().unwrap();
        let folder = std::mem::replace(&mut self.folder, empty);
        drop(self);
        Self::with(folder, element).await
    }

    /// A daemon for this element, with a store in `folder`.
    pub async fn with(folder: tempfile::TempDir, element: Element) -> Self {
        Self::with_adapter(folder, element, &[]).await
    }

    /// The same, with other words in the adapter's `adapter.toml`.
    pub async fn with_adapter(folder: tempfile::TempDir, element: Element, says: &[(&str, &str)]) -> Self {
        let mut settings = Settings::default();
        settings.paths.state = folder.path().join("state");
        settings.paths.adapters = changed_adapters(folder.path(), "frr", says);
        settings.paths.profiles = root().join("yang");
        settings.paths.yang = Vec::new();
        settings.paths.elements = PathBuf::new();
        settings.adagio.busy_timeout = 1;
        settings.transaction.lock_timeout = 5;
        let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
        let (controller, _) = start(Invocation { settings, program, crash_at: None }).await.unwrap();
        controller.apply_elements(&noc(), vec![element], Absent::Keep).await.unwrap();
        let stop = CancellationToken::new();
        let served = ServerSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            socket: Some(socket_in(folder.path())),
            sync_timeout: Duration::from_secs(60),
            body_limit: 4 << 20,
            nso_compatible: false,
        };
        let server = andante::presto::serve(controller.clone(), listen(served).await.unwrap(), stop.clone()).unwrap();
        Self { controller, folder, stop, _server: server }
    }

    /// The one service of a document, with `change` done to its text.
    pub fn edit(&self, file: &str, change: impl Fn(&mut Value)) -> DocumentEdit {
        let text = std::fs::read_to_string(root().join("tests/documents").join(file)).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let service = &mut document["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0];
        let nodes = service["vpn-nodes"]["vpn-node"].as_array_mut().unwrap();
        nodes.retain(|node| node["ne-id"] == "pe2");
        change(service);
        let (key, document) = self.parsed(&document);
        DocumentEdit::Put { key, document, expect: None }
    }

    pub fn parsed(&self, document: &Value) -> (ServiceKey, ConfigTree) {
        let bytes = document.to_string();
        let tree = json::parse(bytes.as_bytes(), self.controller.schema(), None, Policy::STRICT, &Limits::NORTH);
        self.controller.split(&tree.unwrap()).unwrap().remove(0)
    }

    pub async fn write(&self, edit: DocumentEdit) -> TransactionRecord {
        let terms = Terms::default();
        self.controller.write(&noc(), vec![edit], &Allowed::default(), &terms).await.unwrap()
    }

    #[track_caller]
    pub fn applied(record: &TransactionRecord) {
        assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    }

    /// What would change.
    pub async fn plan(&self, edit: DocumentEdit) -> andante::plan::Plan {
        self.controller.propose(&noc(), vec![edit], &Allowed::default()).await.unwrap()
    }

    /// The deviations after a look.
    pub async fn deviations(&self) -> Vec<andante::domain::Deviation> {
        self.controller.check(&noc(), "pe2").await.unwrap().deviations
    }

    /// The command `andante`: exit code and what it prints.
    pub async fn command(&self, words: &[&str]) -> (i32, String) {
        let socket = socket_in(self.folder.path());
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_andante"))
            .args(words)
            .args(["--color", "never", "--socket"])
            .arg(socket)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(60), output).await.unwrap().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("andante.sock")
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The access of the one node.
pub fn access(service: &mut Value) -> &mut Value {
    &mut service["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0]
}

/// The BGP of the one access.
pub fn bgp(service: &mut Value) -> &mut Value {
    &mut access(service)["routing-protocols"]["routing-protocol"][0]["bgp"]
}
