//! The adapters of the project, those that speak NETCONF with the schema that a worker compiles.

use andante::adapter::Adapter;
use andante::tree::SchemaIndex;
use andante::yang::{ModuleSet, YangWorker};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Adapters by name.
pub type Adapters = BTreeMap<String, Arc<Adapter>>;
/// Adapters, and the schemas of those that speak NETCONF, by name.
pub type Platforms = (Adapters, BTreeMap<String, Arc<SchemaIndex>>);

pub fn adapter_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters")
}

/// Compiled once for all tests of a program; both are plain data.
pub async fn platforms() -> Platforms {
    static ONCE: tokio::sync::OnceCell<Platforms> = tokio::sync::OnceCell::const_new();
    ONCE.get_or_init(async || compiled(&worker()).await).await.clone()
}

pub fn worker() -> YangWorker {
    YangWorker::spawn(Path::new(env!("CARGO_BIN_EXE_andanted")), &["yang-worker"], Duration::from_secs(60))
}

/// Both adapters, compiled by this worker. Nothing of their profiles may be left out.
pub async fn compiled(worker: &YangWorker) -> Platforms {
    let (mut adapters, mut schemas) = (Adapters::new(), BTreeMap::new());
    for name in ["frr", "iosxr"] {
        let mut adapter = Adapter::load(&adapter_folder().join(name)).unwrap();
        if let Some(options) = adapter.manifest().netconf.clone() {
            let modules: Vec<&str> = options.modules.iter().map(String::as_str).collect();
            let profiles = adapter.profiles().unwrap().0.to_path_buf();
            let loaded = worker.load(&ModuleSet::named(&modules, &[&profiles])).await.unwrap();
            assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
            schemas.insert(name.to_owned(), loaded.index.clone());
            adapter = adapter.with_schema(loaded.index.clone());
        }
        adapters.insert(name.to_owned(), Arc::new(adapter));
    }
    (adapters, schemas)
}
