//! A domain of two real elements with a controller above them.

use crate::holds::Holds;
use crate::support::{Access, FrrElement, FrrOptions, NetconfElement, WireSession, or_skip};
use andante::config::Settings;
use andante::controller::{Absent, CheckReport, Controller, DocumentEdit, Failure, Terms};
use andante::daemon::{Invocation, start_with};
use andante::domain::outcome::{Cause, CauseKind};
use andante::domain::{Element, Outcome, Port, Principal, Role, ServiceKey, TransactionRecord};
use andante::plan::{Allowed, Permit, Plan};
use andante::tree::{Limits, Policy, json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The domain. `pe1` is a NETCONF element with the IOS-XR modules, `pe2` is FRR; some domains have a second one of each.
pub struct Domain {
    pub controller: Arc<Controller>,
    pub pe1: NetconfElement,
    pub pe2: FrrElement,
    pub pe3: Option<NetconfElement>,
    pub pe4: Option<FrrElement>,
    pub settings: Settings,
    /// Where the test stops transactions of the controller.
    pub holds: Arc<Holds>,
    folder: tempfile::TempDir,
}

/// What a domain has beyond the two elements.
pub struct Wishes {
    /// A second NETCONF element, `pe3`.
    pub pe3: bool,
    /// A second FRR, `pe4`.
    pub pe4: bool,
    /// Ports of `pe2` that are not for services.
    pub excluded: &'static [&'static str],
    /// A last word on the settings; the folder is the test's own.
    pub settings: fn(&mut Settings, &Path),
}

impl Default for Wishes {
    fn default() -> Self {
        Self { pe3: false, pe4: false, excluded: &[], settings: |_, _| () }
    }
}

impl Domain {
    /// Starts the elements and the controller, and onboards. `None`: skipped, and counted.
    pub async fn start() -> Option<Self> {
        Self::with(Wishes::default()).await
    }

    /// The same with more elements or other settings.
    pub async fn with(wishes: Wishes) -> Option<Self> {
        let netconf = |wanted: bool| wanted.then(|| std::thread::spawn(NetconfElement::start_iosxr));
        let frr = |wanted: bool, name: &'static str, id: &'static str| {
            wanted.then(|| std::thread::spawn(move || FrrElement::start(FrrOptions::pe(name, id, "10.0.0.1"))))
        };
        let starting =
            (netconf(true)?, frr(true, "pe2", "10.0.0.2")?, netconf(wishes.pe3), frr(wishes.pe4, "pe4", "10.0.0.4"));
        let pe1 = or_skip("netconfd", starting.0.join().unwrap())?;
        let pe2 = or_skip("FRR", starting.1.join().unwrap())?;
        let pe3 = match starting.2 {
            Some(starting) => Some(or_skip("netconfd", starting.join().unwrap())?),
            None => None,
        };
        let pe4 = match starting.3 {
            Some(starting) => Some(or_skip("FRR", starting.join().unwrap())?),
            None => None,
        };
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        (wishes.settings)(&mut settings, folder.path());
        let holds = Arc::new(Holds::default());
        let controller = controller(&settings, holds.clone()).await;
        let domain = Self { controller, pe1, pe2, pe3, pe4, settings, holds, folder };
        domain.onboard(wishes.excluded).await;
        Some(domain)
    }

    fn inventory(&self) -> Vec<Element> {
        let mut elements = vec![
            element("pe1", "iosxr", "10.0.0.1", &self.pe1, &GIGABIT),
            element("pe2", "frr", "10.0.0.2", &self.pe2, &ETHERNET),
        ];
        elements.extend(self.pe3.as_ref().map(|pe3| element("pe3", "iosxr", "10.0.0.3", pe3, &GIGABIT)));
        elements.extend(self.pe4.as_ref().map(|pe4| element("pe4", "frr", "10.0.0.4", pe4, &ETHERNET)));
        elements
    }

    /// From now on the controller reaches this element here.
    pub async fn moves(&self, name: &str, address: std::net::SocketAddr) {
        let mut elements = self.inventory();
        elements.retain(|element| element.name == name);
        elements[0].address = address.to_string();
        self.controller.apply_elements(&noc(), elements, Absent::Keep).await.unwrap();
    }

    async fn onboard(&self, excluded: &[&str]) {
        let mut elements = self.inventory();
        for port in &mut elements[1].ports {
            port.exclude = excluded.contains(&port.name.as_str());
        }
        self.controller.apply_elements(&noc(), elements, Absent::Keep).await.unwrap();
    }

    /// Another controller over the same store, as after a restart.
    pub async fn restart(&mut self) {
        self.controller = controller(&self.settings, self.holds.clone()).await;
    }

    /// The running configurations of `pe1` and `pe2`, for byte comparison.
    pub fn running(&self) -> (String, String) {
        (self.pe1.running(), self.pe2.running_config())
    }

    /// All running configurations by element, for byte comparison.
    pub fn all_running(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([("pe1", self.pe1.running()), ("pe2", self.pe2.running_config())]);
        all.extend(self.pe3.as_ref().map(|pe3| ("pe3", pe3.running())));
        all.extend(self.pe4.as_ref().map(|pe4| ("pe4", pe4.running_config())));
        all
    }

    /// How many sessions have written to `pe1` and to `pe2` so far, tried to, or locked something.
    pub fn writers(&self) -> (usize, usize) {
        let count = |wire: Vec<WireSession>, words: &[&str]| {
            wire.iter().map(WireSession::text).filter(|text| words.iter().any(|word| text.contains(word))).count()
        };
        (count(self.pe1.wire(), &["<edit-config", "<lock", "<commit"]), count(self.pe2.wire(), &["configure terminal"]))
    }

    pub async fn plan(&self, edits: Vec<DocumentEdit>) -> Result<Plan, Failure> {
        self.controller.propose(&noc(), edits, &Allowed::default()).await
    }

    pub async fn write(&self, edits: Vec<DocumentEdit>) -> Result<TransactionRecord, Failure> {
        self.controller.write(&noc(), edits, &Allowed::default(), &Terms::default()).await
    }

    pub async fn overwrite(&self, edits: Vec<DocumentEdit>) -> Result<TransactionRecord, Failure> {
        let allowed = Allowed { overwrite: Permit::All, collateral: Permit::Nothing, ..Allowed::default() };
        self.controller.write(&noc(), edits, &allowed, &Terms::default()).await
    }

    pub async fn check(&self, element: &str) -> CheckReport {
        self.controller.check(&noc(), element).await.unwrap()
    }

    pub async fn heal(&self, element: &str) -> TransactionRecord {
        self.controller.heal(&noc(), element, &[], &Terms::default()).await.unwrap()
    }

    /// The document of `tests/documents`, after a change of its text.
    pub fn put(&self, name: &str, change: impl FnOnce(String) -> String) -> DocumentEdit {
        self.put_text(change(document(name)))
    }

    /// The document of `tests/documents`, after a change of its only service.
    pub fn put_changed(&self, name: &str, change: impl FnOnce(&mut Value)) -> DocumentEdit {
        let mut value: Value = serde_json::from_str(&document(name)).unwrap();
        change(service_in(&mut value));
        self.put_text(value.to_string())
    }

    pub fn put_text(&self, text: String) -> DocumentEdit {
        let tree =
            json::parse(text.as_bytes(), self.controller.schema(), None, Policy::STRICT, &Limits::NORTH).unwrap();
        let mut documents = self.controller.split(&tree).unwrap();
        assert_eq!(documents.len(), 1);
        let (key, document) = documents.remove(0);
        DocumentEdit::Put { key, document, expect: None }
    }

    pub fn delete(&self, key: &ServiceKey) -> DocumentEdit {
        DocumentEdit::Delete { key: key.clone(), expect: None }
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
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

/// The cause of a transaction that left the network as before.
#[track_caller]
pub fn not_applied(record: &TransactionRecord, kind: CauseKind) -> Cause {
    match &record.outcome {
        Some(Outcome::NotApplied { cause }) if cause.kind == kind => cause.clone(),
        _ => panic!("not-applied ({kind:?}) was expected: {record:#?}"),
    }
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

pub async fn controller(settings: &Settings, holds: Arc<Holds>) -> Arc<Controller> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
    let invocation = Invocation { settings: settings.clone(), program, crash_at: None };
    let (controller, _) = start_with(invocation, holds).await.unwrap();
    controller
}

fn element(name: &str, adapter: &str, router_id: &str, access: &Access, ports: &[&str]) -> Element {
    let port = |name: &&str| Port { name: name.to_string(), role: "uni".into(), exclude: false };
    Element {
        name: name.into(),
        ne_id: None,
        adapter: adapter.into(),
        address: access.addr().to_string(),
        username: access.username(),
        private_key: Some(access.private_key()),
        password_file: None,
        host_key: Some(access.host_key_fingerprint().into()),
        router_id: Some(router_id.parse().unwrap()),
        asn: Some(65000),
        site: None,
        ports: ports.iter().map(port).collect(),
        facts: Default::default(),
        protected: Vec::new(),
        one_session: false,
        managed: true,
    }
}

/// The text of a file of `tests/documents`.
pub fn document(name: &str) -> String {
    std::fs::read_to_string(root().join("tests/documents").join(name)).unwrap()
}

/// The only service of a document.
fn service_in(document: &mut Value) -> &mut Value {
    let top = document.as_object_mut().unwrap().values_mut().next().unwrap();
    &mut top["vpn-services"]["vpn-service"][0]
}

/// The access of a node of a service, both by their place.
pub fn access(service: &mut Value, node: usize, access: usize) -> &mut Value {
    &mut service["vpn-nodes"]["vpn-node"][node]["vpn-network-accesses"]["vpn-network-access"][access]
}

const GIGABIT: [&str; 2] = ["GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/2"];
const ETHERNET: [&str; 2] = ["eth1", "eth2"];
