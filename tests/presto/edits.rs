//! What writes make of the stored tree, against the real modules.

use crate::daemon::{ACME, Daemon, service, text};
use andante::controller::{DocumentEdit, Expect};
use andante::presto::restconf::documents::{changes, face};
use andante::presto::restconf::edit::{EditErrorKind, Method, edit};
use andante::presto::restconf::target::parse;
use andante::tree::{ConfigTree, Limits, Path, Policy, SchemaIndex, json};
use serde_json::{Value, json};
use std::collections::BTreeMap;

struct Bench<'a> {
    index: &'a SchemaIndex,
    stored: ConfigTree,
}

impl Bench<'_> {
    fn path(&self, below: &str) -> Path {
        parse(&format!("{}{below}", ACME.trim_start_matches("/restconf/data")), self.index).unwrap().path
    }

    fn write(&self, method: Method, below: &str, body: Value) -> Result<(ConfigTree, bool), EditErrorKind> {
        let target = self.path(below);
        let at = if method == Method::Post { Some(target.clone()) } else { target.parent() };
        let read = |body: Value| {
            json::parse(body.to_string().as_bytes(), self.index, at.as_ref(), Policy::STRICT, &Limits::NORTH).unwrap()
        };
        let body = (!body.is_null()).then(|| read(body));
        let edited = edit(&self.stored, method, &target, body.as_ref(), self.index).map_err(|error| error.kind)?;
        Ok((edited.tree, edited.created))
    }

    #[track_caller]
    fn value(&self, tree: &ConfigTree, below: &str) -> Option<String> {
        tree.at(&self.path(below)).and_then(|node| node.value().map(ToString::to_string))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_at_every_depth() {
    let daemon = Daemon::unreachable().await;
    let index = daemon.controller.schema();
    let read = |text: &str| json::parse(text.as_bytes(), index, None, Policy::STRICT, &Limits::NORTH).unwrap();
    let bench = Bench { index, stored: read(&text("l3vpn-any-to-any.json")) };
    let empty = Bench { index, stored: ConfigTree::default() };
    let whole = service("l3vpn-any-to-any.json");
    let access = "/vpn-nodes/vpn-node=pe1/vpn-network-accesses/vpn-network-access=acme-pe1";
    let vlan = format!("{access}/connection/encapsulation/dot1q/cvlan-id");

    // A whole service: created once, then replaced.
    assert_eq!(empty.write(Method::Put, "", whole.clone()).unwrap(), (bench.stored.clone(), true));
    assert_eq!(bench.write(Method::Put, "", whole.clone()).unwrap(), (bench.stored.clone(), false));
    // One leaf deep below: nothing else changes.
    let (tree, created) = bench.write(Method::Put, &vlan, json!({"ietf-l3vpn-ntw:cvlan-id": 200})).unwrap();
    assert_eq!((bench.value(&tree, &vlan), created), (Some("200".into()), false));
    assert_eq!(andante::tree::diff(&bench.stored, &tree).edits.len(), 1);
    // PUT replaces, PATCH merges.
    let node = json!({"ietf-l3vpn-ntw:vpn-node": [{"vpn-node-id": "pe1", "ne-id": "pe1"}]});
    let (tree, _) = bench.write(Method::Put, "/vpn-nodes/vpn-node=pe1", node.clone()).unwrap();
    assert!(tree.at(&bench.path(access)).is_none());
    let (tree, _) = bench.write(Method::Patch, "/vpn-nodes/vpn-node=pe1", node).unwrap();
    assert_eq!(tree, bench.stored);
    let patch = json!({"ietf-l3vpn-ntw:vpn-service": [{"vpn-id": "acme-l3", "vpn-description": "new"}]});
    let (tree, _) = bench.write(Method::Patch, "", patch.clone()).unwrap();
    assert_eq!(bench.value(&tree, "/vpn-description").as_deref(), Some("new"));
    assert_eq!(bench.value(&tree, &vlan).as_deref(), Some("100"));
    assert_eq!(empty.write(Method::Patch, "", patch), Err(EditErrorKind::NotFound));
    // POST creates one child, once.
    let child = json!({"ietf-l3vpn-ntw:vpn-node": [{"vpn-node-id": "pe3", "ne-id": "pe3"}]});
    let (tree, created) = bench.write(Method::Post, "/vpn-nodes", child).unwrap();
    assert!(created && tree.at(&bench.path("/vpn-nodes/vpn-node=pe3")).is_some());
    let again = json!({"ietf-l3vpn-ntw:vpn-node": [{"vpn-node-id": "pe1"}]});
    assert_eq!(bench.write(Method::Post, "/vpn-nodes", again), Err(EditErrorKind::Exists));
    let two = json!({"ietf-l3vpn-ntw:vpn-node": [{"vpn-node-id": "a"}, {"vpn-node-id": "b"}]});
    assert_eq!(bench.write(Method::Post, "/vpn-nodes", two), Err(EditErrorKind::Malformed));
    assert_eq!(bench.write(Method::Post, "/vpn-nodes", json!({})), Err(EditErrorKind::Malformed));
    // DELETE removes, and there must be something.
    let (tree, _) = bench.write(Method::Delete, access, Value::Null).unwrap();
    assert!(tree.at(&bench.path(access)).is_none() && tree.at(&bench.path("/vpn-nodes/vpn-node=pe2")).is_some());
    assert_eq!(bench.write(Method::Delete, "/vpn-nodes/vpn-node=pe9", Value::Null), Err(EditErrorKind::NotFound));
    assert_eq!(bench.write(Method::Delete, "", Value::Null).unwrap().0, ConfigTree::default());
    // Below what is not there, nothing is made.
    let leaf = json!({"ietf-l3vpn-ntw:ne-id": "pe9"});
    assert_eq!(bench.write(Method::Put, "/vpn-nodes/vpn-node=pe9/ne-id", leaf), Err(EditErrorKind::NotFound));
    // Keys stay what they are.
    let key = |id: &str| json!({"ietf-l3vpn-ntw:vpn-id": id});
    assert_eq!(bench.write(Method::Put, "/vpn-id", key("acme-l3")).unwrap().0, bench.stored);
    assert_eq!(bench.write(Method::Put, "/vpn-id", key("other")), Err(EditErrorKind::Invalid));
    assert_eq!(bench.write(Method::Delete, "/vpn-id", Value::Null), Err(EditErrorKind::Invalid));
    let other = json!({"ietf-l3vpn-ntw:vpn-node": [{"vpn-node-id": "pe2"}]});
    assert_eq!(bench.write(Method::Put, "/vpn-nodes/vpn-node=pe1", other), Err(EditErrorKind::Invalid));
    // An empty container is a PUT of nothing.
    let (tree, _) = bench.write(Method::Put, "/vpn-nodes", json!({"ietf-l3vpn-ntw:vpn-nodes": {}})).unwrap();
    assert!(tree.at(&bench.path("/vpn-nodes")).is_none());
    // Another case of a choice takes the place of the first.
    let profile = "/vpn-instance-profiles/vpn-instance-profile=main";
    let auto = json!({"ietf-l3vpn-ntw:vpn-instance-profile": [{"profile-id": "main", "rd-auto": {"auto": [null]}}]});
    let (tree, _) = bench.write(Method::Patch, profile, auto).unwrap();
    assert_eq!(bench.value(&bench.stored, &format!("{profile}/rd")).as_deref(), Some("0:65000:100"));
    assert_eq!(bench.value(&tree, &format!("{profile}/rd")), None);
    assert_eq!(bench.value(&tree, &format!("{profile}/local-as")).as_deref(), Some("65000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_above_the_services_becomes_one_edit_for_each_that_changes() {
    let daemon = Daemon::unreachable().await;
    let index = daemon.controller.schema();
    let tree = |ids: &[(&str, &str)]| {
        let services: Vec<_> = ids.iter().map(|(id, name)| json!({"vpn-id": id, "vpn-name": name})).collect();
        let body = json!({"ietf-l3vpn-ntw:l3vpn-ntw": {"vpn-services": {"vpn-service": services}}}).to_string();
        json::parse(body.as_bytes(), index, None, Policy::STRICT, &Limits::NORTH).unwrap()
    };
    let face = face("ietf-l3vpn-ntw").unwrap();
    let before = tree(&[("same", "a"), ("other", "b"), ("gone", "c")]);
    let after = tree(&[("same", "a"), ("other", "z"), ("new", "d")]);
    let tags: BTreeMap<String, String> = ["same", "other", "gone"].map(|id| (id.into(), format!("tag-{id}"))).into();
    let edits = changes(face, &before, &after, &tags);
    let found: Vec<_> = edits
        .iter()
        .map(|edit| {
            let put =
                matches!(edit, DocumentEdit::Put { document, .. } if *document != before && document.count() == 4);
            (edit.key().id.as_str(), put, edit.expect().cloned().unwrap())
        })
        .collect();
    let tag = |id: &str| Expect::Etag(vec![format!("tag-{id}")]);
    assert_eq!(found, [("gone", false, tag("gone")), ("other", true, tag("other")), ("new", true, Expect::Absent)]);
    assert!(changes(face, &before, &before, &tags).is_empty());
}
