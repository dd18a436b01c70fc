//! What all daemons of all stories share: the modules of the north, the adapters of the project, and what libyang says.
//!
//! libyang is a process, and nothing in a story may wait for one. Its verdict on a document is a function of the document
//! alone, so it is asked beside the virtual time, once for each document, and remembered.

use crate::inhabited::{FRR, XR};
use crate::paper;
use andante::adapter::Adapter;
use andante::tree::{ConfigTree, Limits, Policy, json};
use andante::yang::client::{Loaded, Validator, YangWorker};
use andante::yang::{DocumentKind, Encoding, Fault, ModuleSet, YangError};
use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub struct House {
    pub north: Arc<Loaded>,
    pub adapters: BTreeMap<String, Arc<Adapter>>,
    /// What an element of each adapter shows before anybody comes.
    pub start: BTreeMap<String, ConfigTree>,
    questions: Mutex<tokio::sync::mpsc::UnboundedSender<Question>>,
    known: Mutex<HashMap<String, Vec<Fault>>>,
}

type Question = (String, Sender<Vec<Fault>>);

pub fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(built)
}

/// A worker that is started by its first call.
pub fn worker() -> YangWorker {
    let program = Path::new(env!("CARGO_BIN_EXE_andanted"));
    YangWorker::spawn(program, &["yang-worker"], Duration::from_secs(60))
}

fn built() -> House {
    let (questions, mut asked) = tokio::sync::mpsc::unbounded_channel::<Question>();
    let (ready, loaded) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let worker = worker();
            let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw", "andante"];
            let north = worker.load(&ModuleSet::named(&names, &[&paper::root("yang")])).await.unwrap();
            assert!(north.left_out.is_empty(), "{:?}", north.left_out);
            let mut adapters = BTreeMap::new();
            for name in ["frr", "iosxr"] {
                let mut adapter = Adapter::load(&paper::root("adapters").join(name)).unwrap();
                if let Some(options) = adapter.manifest().netconf.clone() {
                    let modules: Vec<&str> = options.modules.iter().map(String::as_str).collect();
                    let profiles = adapter.profiles().unwrap().0.to_path_buf();
                    let loaded = worker.load(&ModuleSet::named(&modules, &[&profiles])).await.unwrap();
                    assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
                    adapter = adapter.with_schema(loaded.index.clone());
                }
                adapters.insert(name.to_owned(), Arc::new(adapter));
            }
            ready.send((north.clone(), adapters)).unwrap();
            while let Some((body, answer)) = asked.recv().await {
                let said = worker.validate(&north.id, DocumentKind::Config, Encoding::Json, &body).await;
                let _ = answer.send(said.unwrap());
            }
        });
    });
    let (north, adapters): (Arc<Loaded>, BTreeMap<String, Arc<Adapter>>) = loaded.recv().unwrap();
    let started = |(name, text): (&str, &str)| {
        let adapter = &adapters[name];
        (name.to_owned(), adapter.normalise(&adapter.parse(text).unwrap().tree))
    };
    let start = [("frr", FRR), ("iosxr", XR)].into_iter().map(started).collect();
    House { north, adapters, start, questions: Mutex::new(questions), known: Mutex::default() }
}

impl House {
    /// A document as the codec gives it.
    pub fn tree(&self, document: &serde_json::Value) -> ConfigTree {
        let text = document.to_string();
        json::parse(text.as_bytes(), &self.north.index, None, Policy::STRICT, &Limits::NORTH).unwrap()
    }
}

/// What libyang says, without waiting.
pub struct Remembered;

#[async_trait]
impl Validator for Remembered {
    async fn validate(&self, _: &str, _: DocumentKind, _: Encoding, body: &str) -> Result<Vec<Fault>, YangError> {
        let house = house();
        if let Some(faults) = house.known.lock().unwrap().get(body) {
            return Ok(faults.clone());
        }
        let (answer, said) = channel();
        house.questions.lock().unwrap().send((body.to_owned(), answer)).unwrap();
        let faults = said.recv().unwrap();
        house.known.lock().unwrap().insert(body.to_owned(), faults.clone());
        Ok(faults)
    }
}
