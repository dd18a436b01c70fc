//! A daemon over the three simulated elements of `config/demo`: `pe1` and `pe3` of class A, `pe2` a command line.

use crate::command::{Ended, andante};
use crate::daemon::{Answer, Daemon};
use andante::adagio::sim::{SimFiles, SimHandle, run_from_files};
use andante::adapter::Adapter;
use andante::daemon::read_elements;
use andante::domain::AuditRecord;
use andante::store::{SqliteStore, Store};
use andante::tree::SchemaIndex;
use andante::yang::{ModuleSet, YangWorker};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub struct Domain {
    pub sim: SimHandle,
    pub daemon: Daemon,
    pub folder: tempfile::TempDir,
    /// What the elements say at the start.
    pub empty: Vec<String>,
}

impl Domain {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let demo = root().join("config/demo");
        std::fs::copy(demo.join("elements.toml"), at("elements.toml")).unwrap();
        std::fs::write(at("password"), "s3cret\n").unwrap();
        let adapters = root().join("adapters");
        let files = SimFiles { elements: at("elements.toml"), adapters, running: Some(demo), state: None };
        let sim = run_from_files(&files, schemas().await).await.unwrap();
        let mut elements = read_elements(&at("elements.toml")).unwrap();
        for element in &mut elements {
            element.address = sim.address(&element.name).unwrap();
            element.host_key = Some(sim.fingerprint(&element.name).unwrap());
        }
        let empty = texts(&sim);
        Self { sim, daemon: Daemon::with(elements, false).await, folder, empty }
    }

    pub fn texts(&self) -> Vec<String> {
        texts(&self.sim)
    }

    /// The command, without colours.
    pub async fn run(&self, words: &[&str]) -> Ended {
        let words: Vec<&str> = words.iter().copied().chain(["--color", "never"]).collect();
        andante(&self.daemon.socket, &words, "").await
    }

    /// One of our operations.
    pub async fn call(&self, name: &str, input: Value) -> Answer {
        let body = serde_json::json!({ "andante:input": input }).to_string();
        self.daemon.post(&format!("/restconf/operations/andante:{name}"), body).await
    }

    /// The command with `--json`, which must end so.
    pub async fn json(&self, words: &[&str], code: i32) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let ended = andante(&self.daemon.socket, &words, "").await.with(code);
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.out))
    }

    /// A file with the demo's service under another name, VLAN and route distinguisher.
    pub fn file(&self, name: &str, id: &str, vlan: u16) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, document(id, vlan).to_string()).unwrap();
        file
    }

    /// Plans and commits the service, as it is then.
    pub async fn apply(&self, id: &str, vlan: u16, ticket: &str) -> String {
        let file = self.file("one.json", id, vlan);
        let reply = self.json(&["service", "apply", file.to_str().unwrap(), "--ticket", ticket], 0).await;
        reply["andante:output"]["transaction"].as_str().unwrap().to_owned()
    }

    /// All transactions, newest first.
    pub async fn transactions(&self) -> Vec<Value> {
        let all = self.daemon.get("/restconf/data/andante:transactions").await.is(200).json();
        all["andante:transactions"]["transaction"].as_array().cloned().unwrap_or_default()
    }

    /// The ids of the services that are there.
    pub async fn services(&self) -> Vec<String> {
        let all = self.daemon.get("/restconf/data/andante:services").await.is(200).json();
        let list = all["andante:services"]["service"].as_array().cloned().unwrap_or_default();
        list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The audit, newest first.
    pub async fn audit(&self) -> Vec<AuditRecord> {
        SqliteStore::open(&self.daemon.state().join("andante.db")).unwrap().audit(200).await.unwrap()
    }
}

fn texts(sim: &SimHandle) -> Vec<String> {
    sim.names().into_iter().map(|name| sim.text(name).unwrap()).collect()
}

pub fn document(id: &str, vlan: u16) -> Value {
    let text = std::fs::read_to_string(root().join("config/demo/l3vpn.json")).unwrap();
    let text = text.replace("acme", id).replace("0:65000:100", &format!("0:65000:{vlan}"));
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let nodes = &mut document["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0]["vpn-nodes"]["vpn-node"];
    for node in nodes.as_array_mut().unwrap() {
        let access = &mut node["vpn-network-accesses"]["vpn-network-access"][0];
        access["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = vlan.into();
    }
    document
}

/// Compiled once for all tests.
async fn schemas() -> BTreeMap<String, Arc<SchemaIndex>> {
    static SCHEMAS: tokio::sync::OnceCell<BTreeMap<String, Arc<SchemaIndex>>> = tokio::sync::OnceCell::const_new();
    SCHEMAS.get_or_init(compiled).await.clone()
}

async fn compiled() -> BTreeMap<String, Arc<SchemaIndex>> {
    let iosxr = Adapter::load(&root().join("adapters/iosxr")).unwrap();
    let worker = Path::new(env!("CARGO_BIN_EXE_andanted"));
    let worker = YangWorker::spawn(worker, &["yang-worker"], Duration::from_secs(30));
    let (folder, _) = iosxr.profiles().unwrap();
    let modules: Vec<&str> = iosxr.manifest().netconf.as_ref().unwrap().modules.iter().map(String::as_str).collect();
    let loaded = worker.load(&ModuleSet::named(&modules, &[folder])).await.unwrap();
    BTreeMap::from([("iosxr".to_owned(), loaded.index.clone())])
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
