//! A domain of two real elements with a controller above them.

use crate::support::{FrrElement, FrrOptions, NetconfElement, or_skip};
use andante::config::Settings;
use andante::controller::{Controller, DocumentEdit, Failure, Terms};
use andante::daemon::{Invocation, start};
use andante::domain::{Element, Outcome, Port, Principal, Role, ServiceKey, TransactionRecord};
use andante::plan::{Allowed, Plan};
use andante::tree::{Limits, Policy, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The domain. `pe1` is a NETCONF element with the IOS-XR modules, `pe2` is FRR.
pub struct Domain {
    pub controller: Arc<Controller>,
    pub pe1: NetconfElement,
    pub pe2: FrrElement,
    pub settings: Settings,
    folder: tempfile::TempDir,
}

impl Domain {
    /// Starts the elements and the controller, and onboards. `None`: skipped, and counted.
    pub async fn start() -> Option<Self> {
        let pe1 = or_skip("netconfd", NetconfElement::start_iosxr())?;
        let pe2 = or_skip("FRR", FrrElement::start(FrrOptions::pe("pe2", "10.0.0.2", "10.0.0.1")))?;
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let controller = controller(&settings, None).await;
        let domain = Self { controller, pe1, pe2, settings, folder };
        domain.onboard().await;
        Some(domain)
    }

    async fn onboard(&self) {
        let elements = vec![
            Element {
                adapter: "iosxr".into(),
                ports: ports(&["GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/2"]),
                ..element("pe1", "10.0.0.1", self.pe1.addr().to_string(), &self.pe1)
            },
            Element {
                adapter: "frr".into(),
                ports: ports(&["eth1", "eth2"]),
                ..element("pe2", "10.0.0.2", self.pe2.addr().to_string(), &self.pe2)
            },
        ];
        self.controller.apply_elements(&noc(), elements, andante::controller::Absent::Keep).await.unwrap();
    }

    /// Another controller over the same store, as after a restart.
    pub async fn restart(&mut self) {
        self.controller = controller(&self.settings, None).await;
    }

    /// Both running configurations, for byte comparison.
    pub fn running(&self) -> (String, String) {
        (self.pe1.running(), self.pe2.running_config())
    }

    pub async fn plan(&self, edits: Vec<DocumentEdit>) -> Result<Plan, Failure> {
        self.controller.propose(&noc(), edits, &Allowed::default()).await
    }

    pub async fn write(&self, edits: Vec<DocumentEdit>) -> Result<TransactionRecord, Failure> {
        self.controller.write(&noc(), edits, &Allowed::default(), &Terms::default()).await
    }

    /// The document of `tests/documents`, after a change of its text.
    pub fn put(&self, name: &str, change: impl FnOnce(String) -> String) -> DocumentEdit {
        let text = std::fs::read_to_string(root().join("tests/documents").join(name)).unwrap();
        let text = change(text);
        let tree =
            json::parse(text.as_bytes(), self.controller.schema(), None, Policy::STRICT, &Limits::NORTH).unwrap();
        let mut documents = self.controller.split(&tree).unwrap();
        assert_eq!(documents.len(), 1, "{name}");
        let (key, document) = documents.remove(0);
        DocumentEdit::Put { key, document, expect: None }
    }

    pub fn delete(&self, key: &ServiceKey) -> DocumentEdit {
        DocumentEdit::Delete { key: key.clone(), expect: None }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }
}

/// A NOC engineer.
pub fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: Some("T-1".into()) }
}

#[track_caller]
pub fn applied(record: &TransactionRecord) {
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.paths.state = folder.join("state");
    settings.paths.adapters = root().join("adapters");
    settings.paths.profiles = root().join("yang");
    settings.paths.yang = vec![crate::support::iosxr_models().unwrap()];
    settings.paths.elements = PathBuf::new();
    settings.adagio.busy_timeout = 1;
    settings.transaction.lock_timeout = 5;
    settings
}

pub async fn controller(settings: &Settings, crash_at: Option<String>) -> Arc<Controller> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
    let (controller, _) = start(Invocation { settings: settings.clone(), program, crash_at }).await.unwrap();
    controller
}

fn element(name: &str, router_id: &str, address: String, access: &crate::support::Access) -> Element {
    Element {
        name: name.into(),
        ne_id: None,
        adapter: String::new(),
        address,
        username: access.username(),
        private_key: Some(access.private_key()),
        password_file: None,
        host_key: Some(access.host_key_fingerprint().into()),
        router_id: Some(router_id.parse().unwrap()),
        asn: Some(65000),
        site: None,
        ports: Vec::new(),
        facts: Default::default(),
        managed: true,
    }
}

fn ports(names: &[&str]) -> Vec<Port> {
    names.iter().map(|name| Port { name: name.to_string(), role: "uni".into(), exclude: false }).collect()
}
