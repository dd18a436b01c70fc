//! What was put is what is shown: the shipped documents through codec, face and view.

use crate::arbitrary::Dice;
use crate::law;
use crate::law::only;
use crate::paper::root;
use andante::domain::ServiceKey;
use andante::face;
use andante::service::ServiceError;
use andante::tree::node::Body;
use andante::tree::{After, ConfigTree, Limits, Node, Policy, QName, SchemaId, SchemaIndex, Value, json, xml};
use andante::yang::{ModuleSet, Wanted, YangWorker};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

async fn index() -> Arc<SchemaIndex> {
    let limit = Duration::from_secs(60);
    let worker = YangWorker::spawn(env!("CARGO_BIN_EXE_andanted").as_ref(), &["yang-worker"], limit);
    let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw"];
    let modules = names.iter().map(|name| Wanted::all_features(name)).collect();
    let set = ModuleSet { modules, dirs: vec![root("yang")], texts: Vec::new() };
    worker.load(&set).await.unwrap().index.clone()
}

/// The shipped documents, by file.
fn shipped() -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(root("tests/documents")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    assert!(files.len() >= 6, "only {} documents", files.len());
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// What the view says of the configuration of a document.
fn shown(index: &SchemaIndex, document: &ConfigTree, key: &ServiceKey) -> ConfigTree {
    let shown = face::view(document, key, None);
    assert_ne!(shown, *document, "a view shows state");
    ConfigTree::new(configuration(index, None, shown.root()))
}

/// The documents with nodes taken out, and leafs given the value that leafs of the name have elsewhere: what is accepted is
/// shown as it was put, what is refused is refused by path.
#[tokio::test]
async fn the_view_of_a_changed_document_is_that_document_or_it_is_refused() {
    let index = index().await;
    let mut pool: BTreeMap<QName, Vec<Value>> = BTreeMap::new();
    let mut documents = Vec::new();
    for (_, text) in shipped() {
        let put = json::parse(&text, &index, None, Policy::STRICT, &Limits::NORTH).unwrap();
        put.walk(&mut |_, node| {
            if let Body::Leaf(value) = node.body() {
                pool.entry(node.name().clone()).or_default().push(value.clone());
            }
            true
        });
        documents.extend(face::documents(&put).unwrap());
    }
    let mut said = [0, 0];
    law(3000, |seed| {
        let dice = &mut Dice(seed);
        let (key, document) = &documents[dice.below(documents.len())];
        let service = face::face(&key.face).unwrap().service_path(&key.id);
        let mut changed = document.clone();
        for _ in 0..1 + dice.below(3) {
            let mut nodes = Vec::new();
            changed.walk(&mut |path, node| {
                if path.steps().len() > service.steps().len() {
                    nodes.push((path.clone(), node.clone()));
                }
                true
            });
            let Some((path, node)) = nodes.get(dice.below(nodes.len().max(1))) else { break };
            changed = match node.body() {
                Body::Leaf(_) if dice.chance(70) => {
                    let values = &pool[node.name()];
                    let value = values[dice.below(values.len())].clone();
                    changed.with(&path.parent().unwrap(), Node::leaf(node.name().clone(), value), After::Keep)
                }
                _ => changed.without(path),
            };
        }
        match face::service_of(&changed, key) {
            Ok(_) => {
                let bare = shown(&index, &changed, key);
                assert_eq!(json::print(&bare, &index, true), json::print(&changed, &index, true));
                said[0] += 1;
            }
            Err(faults) => {
                let (top, named) = (service.to_string(), |fault: &ServiceError| fault.path.clone());
                assert!(!faults.is_empty() && faults.iter().all(|fault| named(fault).starts_with(&top)), "{faults:?}");
                said[1] += 1;
            }
        }
    });
    println!("{} accepted, {} refused", said[0], said[1]);
    assert!(only().is_some() || said.iter().all(|count| *count > 300), "a poor draw: {said:?}");
}

#[tokio::test]
async fn the_view_of_what_was_put_is_the_document() {
    let index = index().await;
    let index: &SchemaIndex = &index;
    for (file, text) in shipped() {
        let put = json::parse(&text, index, None, Policy::STRICT, &Limits::NORTH).unwrap();
        // What the writer wrote is what is printed, but for layout and the order of members.
        let printed = json::print(&put, index, false);
        let said: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let lines = |value| serde_json::to_string_pretty(&sorted(value)).unwrap();
        let (theirs, ours) = (lines(said), lines(serde_json::from_str(&printed).unwrap()));
        let differs = similar::TextDiff::from_lines(&theirs, &ours).unified_diff().context_radius(2).to_string();
        assert!(differs.is_empty(), "{}\n{differs}", file.display());
        assert_eq!(json::parse(printed.as_bytes(), index, None, Policy::STRICT, &Limits::NORTH).unwrap(), put);
        let other = xml::print(&put, index, false);
        assert_eq!(xml::parse(other.as_bytes(), index, None, Policy::STRICT, &Limits::NORTH).unwrap(), put);

        let mut together = ConfigTree::default();
        for (key, document) in face::documents(&put).unwrap() {
            face::service_of(&document, &key).unwrap();
            let bare = shown(index, &document, &key);
            assert_eq!(json::print(&bare, index, true), json::print(&document, index, true), "{}", file.display());
            together = together.overlay(&bare);
        }
        assert_eq!(together, put);
    }
}

/// The children without state nodes.
fn configuration(index: &SchemaIndex, schema: Option<SchemaId>, node: &Node) -> Vec<Node> {
    let mut kept = Vec::new();
    for child in node.children() {
        let id = index.child(schema, child.name()).unwrap_or_else(|| panic!("{} is in no module", child.name()));
        if index.node(id).config {
            kept.push(child.with_children(configuration(index, Some(id), child)));
        }
    }
    kept
}

/// Objects with their members sorted, and lists by content: only a user-ordered list has an order.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            serde_json::Value::Object(members.into_iter().collect())
        }
        serde_json::Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(sorted).collect();
            items.sort_by_key(ToString::to_string);
            serde_json::Value::Array(items)
        }
        // The module of an identity may be left out where it is the leaf's own (RFC 7951 §6.8).
        serde_json::Value::String(text) => {
            let own = ["ietf-l3vpn-ntw:", "ietf-l2vpn-ntw:"].iter().find_map(|module| text.strip_prefix(module));
            own.unwrap_or(&text).into()
        }
        other => other,
    }
}
