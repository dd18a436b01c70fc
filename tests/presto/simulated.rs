//! A daemon over simulated elements, with faults: `pe1` and `pe3` are class A, `pe2` is a CLI.

use crate::daemon::{Answer, Daemon, JSON};
use andante::adagio::sim::{SimFiles, SimHandle, run_from_files};
use andante::adapter::Adapter;
use andante::daemon::read_elements;
use andante::tree::SchemaIndex;
use andante::yang::{ModuleSet, YangWorker};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Simulated {
    pub sim: SimHandle,
    pub daemon: Daemon,
    _folder: tempfile::TempDir,
}

pub const PUT: &str = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=acme";

impl Simulated {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(root.join("config/demo/elements.toml"), at("elements.toml")).unwrap();
        std::fs::write(at("password"), "s3cret\n").unwrap();
        let (elements, running) = (at("elements.toml"), Some(root.join("config/demo")));
        let files = SimFiles { elements, adapters: adapters(), running, state: None };
        let sim = run_from_files(&files, schemas().await).await.unwrap();
        let mut elements = read_elements(&at("elements.toml")).unwrap();
        for element in &mut elements {
            element.address = sim.address(&element.name).unwrap();
            element.host_key = Some(sim.host_key(&element.name).unwrap());
        }
        let daemon = Daemon::with(elements, false).await;
        Self { sim, daemon, _folder: folder }
    }

    pub fn texts(&self) -> Vec<String> {
        self.sim.names().into_iter().map(|name| self.sim.text(name).unwrap()).collect()
    }

    /// The service of the demo on these of its elements, for this customer.
    pub fn service(customer: &str, elements: &[&str]) -> String {
        let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/l3vpn.json")).unwrap();
        let all: Value = serde_json::from_slice(&text).unwrap();
        let mut service = all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0].clone();
        assert_eq!(service["vpn-id"], "acme", "{all}");
        // It goes into the descriptions on the elements.
        service["customer-name"] = customer.into();
        let nodes = service["vpn-nodes"]["vpn-node"].as_array().unwrap();
        let of = |node: &&Value| elements.contains(&node["ne-id"].as_str().or(node["vpn-node-id"].as_str()).unwrap());
        let nodes: Vec<Value> = nodes.iter().filter(of).cloned().collect();
        service["vpn-nodes"]["vpn-node"] = nodes.into();
        json!({ "ietf-l3vpn-ntw:vpn-service": [service] }).to_string()
    }

    pub async fn put(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", JSON)];
        all.extend(headers);
        self.daemon.ask(Method::PUT, PUT, &all, body.to_owned()).await
    }

    pub async fn call(&self, name: &str, input: Value) -> Answer {
        let body = json!({ "andante:input": input }).to_string();
        self.daemon.post(&format!("/restconf/operations/andante:{name}"), body).await
    }

    pub async fn transaction(&self, id: &str) -> Value {
        let path = format!("/restconf/data/andante:transactions/transaction={id}");
        self.daemon.get(&path).await.is(200).json()["andante:transaction"][0].clone()
    }

    pub async fn transactions(&self) -> usize {
        let all = self.daemon.get("/restconf/data/andante:transactions").await.is(200).json();
        all["andante:transactions"]["transaction"].as_array().map_or(0, Vec::len)
    }

    /// Watches a transaction until this holds.
    pub async fn until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        let mut after = "0".to_owned();
        loop {
            let input = json!({ "transaction": id, "after": after, "wait": 5 });
            let seen = self.call("watch-transaction", input).await.is(200).json()["andante:output"].clone();
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "never: {what}: {seen:#}");
            after = seen["change"].as_str().unwrap().to_owned();
        }
    }

    pub async fn ended(&self, id: &str) -> Value {
        self.until(id, "an end", |seen| seen["outcome"].is_string()).await
    }
}

fn adapters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters")
}

/// Compiled once for all tests; it is plain data.
async fn schemas() -> BTreeMap<String, Arc<SchemaIndex>> {
    static SCHEMAS: tokio::sync::OnceCell<BTreeMap<String, Arc<SchemaIndex>>> = tokio::sync::OnceCell::const_new();
    let compiled = async {
        let iosxr = Adapter::load(&adapters().join("iosxr")).unwrap();
        let worker = Path::new(env!("CARGO_BIN_EXE_andanted"));
        let worker = YangWorker::spawn(worker, &["yang-worker"], Duration::from_secs(60));
        let (folder, _) = iosxr.profiles().unwrap();
        let modules: Vec<&str> =
            iosxr.manifest().netconf.as_ref().unwrap().modules.iter().map(String::as_str).collect();
        let loaded = worker.load(&ModuleSet::named(&modules, &[folder])).await.unwrap();
        BTreeMap::from([("iosxr".to_owned(), loaded.index.clone())])
    };
    SCHEMAS.get_or_init(|| compiled).await.clone()
}
