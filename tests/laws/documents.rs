//! What was put is what is shown: the shipped documents through codec, face and view.

use crate::paper::root;
use andante::face;
use andante::tree::{ConfigTree, Limits, Node, Policy, SchemaId, SchemaIndex, json, xml};
use andante::yang::{ModuleSet, Wanted, YangWorker};
use std::time::Duration;

#[tokio::test]
async fn the_view_of_what_was_put_is_the_document() {
    let limit = Duration::from_secs(60);
    let worker = YangWorker::spawn(env!("CARGO_BIN_EXE_andanted").as_ref(), &["yang-worker"], limit);
    let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw"];
    let modules = names.iter().map(|name| Wanted::all_features(name)).collect();
    let set = ModuleSet { modules, dirs: vec![root("yang")], texts: Vec::new() };
    let loaded = worker.load(&set).await.unwrap();
    let index: &SchemaIndex = &loaded.index;
    let mut seen = 0;
    for entry in std::fs::read_dir(root("tests/documents")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read(&file).unwrap();
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
            let shown = face::view(&document, &key, None);
            assert_ne!(shown, document, "{}: a view shows state", file.display());
            let bare = ConfigTree::new(configuration(index, None, shown.root()));
            assert_eq!(json::print(&bare, index, true), json::print(&document, index, true), "{}", file.display());
            together = together.overlay(&bare);
        }
        assert_eq!(together, put);
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} documents");
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
