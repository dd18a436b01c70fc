//! The demo's domain inside one process: the daemon's controller over simulated elements behind SSH, from `config/demo`.

use andante::adagio::sim::{SimFiles, SimHandle, run_from_files};
use andante::config::Settings;
use andante::controller::{Absent, Controller, DocumentEdit};
use andante::daemon::{Invocation, read_elements, start};
use andante::domain::{Principal, Role};
use andante::tree::{Limits, Policy, SchemaIndex, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Demo {
    pub sim: SimHandle,
    pub controller: Arc<Controller>,
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Starts the elements with the schemas of their adapters and the controller with its usual settings, changed as the
    /// test wants them; every element is known and its key pinned.
    pub async fn start(schemas: BTreeMap<String, Arc<SchemaIndex>>, change: impl FnOnce(&mut Settings)) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let demo = root.join("config/demo");
        std::fs::copy(demo.join("elements.toml"), at("elements.toml")).unwrap();
        std::fs::write(at("password"), "s3cret\n").unwrap();
        let (elements, adapters) = (at("elements.toml"), root.join("adapters"));
        let files = SimFiles { elements, adapters: adapters.clone(), running: Some(demo), state: None };
        let sim = run_from_files(&files, schemas).await.unwrap();

        let mut settings = Settings::default();
        settings.paths.state = at("state");
        settings.paths.adapters = adapters;
        settings.paths.profiles = root.join("yang");
        settings.paths.yang = Vec::new();
        settings.paths.elements = PathBuf::new();
        change(&mut settings);
        let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
        let (controller, _) = start(Invocation { settings, program, crash_at: None }).await.unwrap();
        let mut elements = read_elements(&at("elements.toml")).unwrap();
        for element in &mut elements {
            element.address = sim.address(&element.name).unwrap();
        }
        controller.apply_elements(&noc(), elements, Absent::Keep).await.unwrap();
        for name in sim.names() {
            let probe = controller.probe(&noc(), name, true).await.unwrap();
            assert!(probe.pinned && probe.fingerprint == sim.fingerprint(name).unwrap(), "{probe:?}");
        }
        Self { sim, controller, _folder: folder }
    }

    /// The demo's service, put after a change of its text.
    pub fn edit(&self, change: impl Fn(String) -> String) -> DocumentEdit {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/l3vpn.json"));
        let packed: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
        let (text, schema) = (change(packed.to_string()), self.controller.schema());
        let tree = json::parse(text.as_bytes(), schema, None, Policy::STRICT, &Limits::NORTH).unwrap();
        let (key, document) = self.controller.split(&tree).unwrap().remove(0);
        DocumentEdit::Put { key, document, expect: None }
    }
}

pub fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: None }
}
