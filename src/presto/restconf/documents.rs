//! From a tree of services to single documents and back. Pure.
//!
//! A face is a module whose services live in one list: `/FACE:TOP/vpn-services/vpn-service[vpn-id]`. The controller deals in whole
//! documents of one service; a write above a service is a set of documents, and one transaction.

use crate::controller::{DocumentEdit, Expect};
use crate::domain::ServiceKey;
use crate::tree::{ConfigTree, Key, Node, Path, QName, Step};
use std::collections::BTreeMap;

/// The faces: module, and its top container.
pub const FACES: &[(&str, &str)] = &[("ietf-l3vpn-ntw", "l3vpn-ntw"), ("ietf-l2vpn-ntw", "l2vpn-ntw")];

/// The face of this module name.
pub fn face(module: &str) -> Option<(&'static str, &'static str)> {
    FACES.iter().copied().find(|(name, _)| *name == module)
}

/// The list that holds the services of a face.
pub fn services_path((module, top): (&str, &str)) -> Path {
    Path::root().child(Step::single(QName::new(module, top))).child(Step::single(QName::new(module, "vpn-services")))
}

/// The place of one service.
pub fn service_path(face: (&str, &str), id: &str) -> Path {
    services_path(face).child(Step::entry(QName::new(face.0, "vpn-service"), &[("vpn-id", id)]))
}

/// The service that a path is at or below; `None` above all services.
pub fn service_of(path: &Path) -> Option<ServiceKey> {
    let [top, services, service, ..] = path.steps() else { return None };
    let (module, container) = face(top.name.module.as_str())?;
    let fits = top.name.name.as_str() == container
        && services.name == QName::new(module, "vpn-services")
        && service.name == QName::new(module, "vpn-service");
    match &service.key {
        Key::Entry(keys) if fits => {
            keys.first().map(|(_, id)| ServiceKey { face: module.into(), id: id.as_str().into() })
        }
        _ => None,
    }
}

/// The services of a face in a tree, each as a whole document from the top.
pub fn split(tree: &ConfigTree, face: (&str, &str)) -> BTreeMap<String, ConfigTree> {
    let at = services_path(face);
    let list = QName::new(face.0, "vpn-service");
    let children = tree.at(&at).map(|node| node.children()).unwrap_or_default();
    let services = children.iter().filter(|node| *node.name() == list);
    services.filter_map(|node| Some((id_of(node)?, document(node, face)))).collect()
}

/// One document of a service entry.
fn document(service: &Node, (module, top): (&str, &str)) -> ConfigTree {
    let services = Node::container(QName::new(module, "vpn-services"), false, vec![service.clone()]);
    ConfigTree::new(vec![Node::container(QName::new(module, top), false, vec![services])])
}

fn id_of(node: &Node) -> Option<String> {
    node.keys()?.first().map(|(_, id)| id.as_str().to_owned())
}

/// What turns the stored services of a face into the wanted ones. `tags` has the entity tag of each stored one; every edit
/// is pinned to it, so that a write in between is noticed.
pub fn changes(
    face: (&str, &str),
    before: &ConfigTree,
    after: &ConfigTree,
    tags: &BTreeMap<String, String>,
) -> Vec<DocumentEdit> {
    let (before, mut after) = (split(before, face), split(after, face));
    let key = |id: &str| ServiceKey { face: face.0.into(), id: id.into() };
    let expect = |id: &str| match tags.get(id) {
        Some(tag) => Some(Expect::Etag(vec![tag.clone()])),
        None => Some(Expect::Absent),
    };
    let mut edits = Vec::new();
    for (id, old) in &before {
        match after.remove(id) {
            Some(new) if new == *old => {}
            Some(document) => edits.push(DocumentEdit::Put { key: key(id), document, expect: expect(id) }),
            None => edits.push(DocumentEdit::Delete { key: key(id), expect: expect(id) }),
        }
    }
    edits.extend(after.into_iter().map(|(id, document)| DocumentEdit::Put {
        key: key(&id),
        document,
        expect: expect(&id),
    }));
    edits
}
