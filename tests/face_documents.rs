//! The shipped documents through the real chain: libyang's schema, our codecs, the faces, decomposition.
//!
//! The unit tests of the faces build their trees without a schema; here the same goldens must come out with it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helper functions")]

use andante::domain::{Element, Inventory};
use andante::face;
use andante::service::{Draft, Exclusions, Ledger, PortUse, admit, decompose};
use andante::tree::{ConfigTree, Limits, Policy, SchemaIndex, json, xml};
use andante::yang::{DocumentKind, Encoding, ModuleSet, Wanted, YangWorker};
use std::path::PathBuf;
use std::time::Duration;

#[tokio::test]
async fn every_document_asks_of_each_element_what_its_golden_says() {
    let worker = YangWorker::spawn(env!("CARGO_BIN_EXE_andanted").as_ref(), &["yang-worker"], Duration::from_secs(60));
    let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw"];
    let set = ModuleSet {
        modules: names.iter().map(|name| Wanted::all_features(name)).collect(),
        dirs: vec![root("yang")],
        texts: Vec::new(),
    };
    let loaded = worker.load(&set).await.unwrap();
    let index = &loaded.index;
    let mut seen = 0;
    for entry in std::fs::read_dir(root("tests/documents")).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read(&file).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap().to_string();
        let tree = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => json::parse(&text, index, None, Policy::STRICT, &Limits::NORTH).unwrap(),
            Some("xml") => xml::parse(&text, index, None, Policy::STRICT, &Limits::NORTH).unwrap(),
            _ => continue,
        };
        check(&name, &tree, index);
        // What a GET shows is valid, state included.
        let (key, document) = face::documents(&tree).unwrap().remove(0);
        let shown = json::print(&face::view(&document, &key, None), index, false);
        let faults = worker.validate(&loaded.id, DocumentKind::Data, Encoding::Json, &shown).await.unwrap();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} documents");
}

fn check(name: &str, tree: &ConfigTree, index: &SchemaIndex) {
    let (key, document) = face::documents(tree).unwrap().remove(0);
    let service = face::service_of(&document, &key).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
    admit(&service, &PortUse::default(), &inventory()).unwrap();
    let (ledger, excluded) = (Ledger::default(), Exclusions::new());
    let out = decompose(&service, &inventory(), &mut Draft::new(&ledger, &excluded)).unwrap();
    assert!(!out.elements.is_empty());
    for (element, built) in &out.elements {
        let golden =
            std::fs::read_to_string(root("tests/scenarios/face").join(name).join(format!("{element}.json"))).unwrap();
        let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
        assert_eq!(serde_json::to_value(built).unwrap(), golden, "{name}: {element}");
        for (token, path) in &built.attributes {
            assert!(path.starts_with(&service.path), "{token}: {path}");
        }
    }
    // Stored and read again it is the same document.
    let stored = json::print(&document, index, false);
    assert_eq!(json::parse(stored.as_bytes(), index, None, Policy::STRICT, &Limits::NORTH).unwrap(), document);
}

/// The same elements as in the unit tests of the faces.
fn inventory() -> Inventory {
    let ports: Vec<_> = ["GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/2", "eth1", "eth2"]
        .iter()
        .map(|name| serde_json::json!({"name": name}))
        .collect();
    let element = |number: u8| {
        serde_json::json!({"name": format!("pe{number}"), "adapter": "any", "address": "198.18.0.1:22", "username": "andante",
            "router_id": format!("10.0.0.{number}"), "asn": 65000, "ports": ports})
    };
    (1..=4).map(|number| serde_json::from_value::<Element>(element(number)).unwrap()).collect()
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
