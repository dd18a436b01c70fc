//! The demo's domain: the daemon's controller over simulated elements behind SSH.

use andante::adagio::sim::{SimFiles, SimHandle, run_from_files};
use andante::adapter::Adapter;
use andante::config::Settings;
use andante::controller::{Absent, Controller, DocumentEdit};
use andante::daemon::{Invocation, read_elements, start};
use andante::domain::{Principal, Role};
use andante::plan::Allowed;
use andante::tree::{Limits, Policy, json};
use andante::yang::{ModuleSet, YangWorker};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub struct Domain {
    _sim: SimHandle,
    controller: Arc<Controller>,
    _folder: tempfile::TempDir,
}

impl Domain {
    pub async fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::copy(root.join("config/demo/elements.toml"), at("elements.toml")).unwrap();
        std::fs::write(at("password"), "s3cret\n").unwrap();
        let schemas = {
            let iosxr = Adapter::load(&root.join("adapters/iosxr")).unwrap();
            let modules = &iosxr.manifest().netconf.as_ref().unwrap().modules;
            let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
            let worker = YangWorker::spawn(&program, &["yang-worker"], Duration::from_secs(60));
            let loaded = worker.load(&ModuleSet::named(&modules, &[iosxr.profiles().unwrap().0])).await.unwrap();
            BTreeMap::from([("iosxr".to_owned(), loaded.index.clone())])
        };
        let files = SimFiles {
            elements: at("elements.toml"),
            adapters: root.join("adapters"),
            running: Some(root.join("config/demo")),
            state: None,
        };
        let sim = run_from_files(&files, schemas).await.unwrap();
        let mut settings = Settings::default();
        settings.paths.state = at("state");
        settings.paths.adapters = root.join("adapters");
        settings.paths.profiles = root.join("yang");
        settings.paths.yang = Vec::new();
        settings.paths.elements = PathBuf::new();
        let (controller, _) = start(Invocation { settings, program, crash_at: None }).await.unwrap();
        let mut elements = read_elements(&at("elements.toml")).unwrap();
        for element in &mut elements {
            element.address = sim.address(&element.name).unwrap();
        }
        controller.apply_elements(&noc(), elements, Absent::Keep).await.unwrap();
        for name in sim.names() {
            controller.probe(&noc(), name, true).await.unwrap();
        }
        Self { _sim: sim, controller, _folder: folder }
    }

    /// The demo's service after a change of its text.
    pub fn edit(&self, change: impl Fn(String) -> String) -> DocumentEdit {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/l3vpn.json")).unwrap();
        let packed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let text = change(packed.to_string());
        let tree =
            json::parse(text.as_bytes(), self.controller.schema(), None, Policy::STRICT, &Limits::NORTH).unwrap();
        let (key, document) = self.controller.split(&tree).unwrap().remove(0);
        DocumentEdit::Put { key, document, expect: None }
    }

    /// The id of the plan, which says all of it, or why there is none.
    pub async fn plan(&self, edit: DocumentEdit) -> Result<String, String> {
        let planned = self.controller.propose(&noc(), vec![edit], &Allowed::default()).await;
        planned.map(|plan| plan.id).map_err(|failure| format!("{failure:?}"))
    }
}

fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: None }
}

/// A worker of this test's own process: whichever is there, the controller has two.
pub fn worker_of_this_process() -> Option<u32> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let alive = fields.next()? != "Z";
        let ours = fields.next()? == own;
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (alive && ours && command.contains("yang-worker")).then_some(pid)
    });
    pids.next()
}
