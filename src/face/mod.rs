//! Faces: a standard document becomes a canonical [`Service`], and a stored document becomes the answer to a GET.
//!
//! First station of the flow, after the codec and the validation by libyang. One face per standard module; the list is
//! [`FACES`] and nothing registers itself. Pure.
//!
//! Guarantees: a document is understood whole or refused: each node is consumed, or answered with
//! `operation-not-supported` and its path. All faults come at once. A document is never changed; state nodes are laid
//! over it for a GET only.
//! A face looks at no inventory and at no other service: that is admission and decomposition.

mod bandwidth;
mod l2nm;
mod l3nm;
mod reader;
mod view;
mod vpn;

pub use view::{OperationalStatus, ServiceState, Status};

use crate::domain::ServiceKey;
use crate::service::{ErrorTag, Service, ServiceError};
use crate::tree::{ConfigTree, Key, Name, Node, Path, QName, Step};
use zeroize::Zeroizing;

/// One face: a module, where its services stand, and how they are read.
pub struct Face {
    /// Module name; also [`ServiceKey::face`].
    pub module: &'static str,
    /// Revision that is served.
    pub revision: &'static str,
    /// Top-level container.
    pub container: &'static str,
    /// Container of the list.
    pub services: &'static str,
    /// The list.
    pub list: &'static str,
    /// Its key.
    pub key: &'static str,
    read: fn(&ConfigTree, &ServiceKey) -> Result<Service, Vec<ServiceError>>,
}

/// All faces.
pub const FACES: &[Face] = &[l3nm::FACE, l2nm::FACE];

/// The face of this module.
pub fn face(module: &str) -> Option<&'static Face> {
    FACES.iter().find(|face| face.module == module)
}

/// Splits a tree that may hold many services of any face into one document per service, sorted by key. What belongs to no
/// face, and what stands beside the services, is refused.
pub fn documents(tree: &ConfigTree) -> Result<Vec<(ServiceKey, ConfigTree)>, Vec<ServiceError>> {
    let mut faults = Vec::new();
    let mut refuse = |parents: &[&Node], node: &Node| {
        let steps = parents.iter().chain([&node]).map(|node| node.step()).collect();
        let message = "this domain does not serve it; nothing is ever dropped silently, so take it out";
        faults.push(ServiceError::new(Path::new(steps).to_string(), ErrorTag::OperationNotSupported, message));
    };
    for top in tree.top() {
        let Some(face) = FACES.iter().find(|face| *top.name() == face.name(face.container)) else {
            refuse(&[], top);
            continue;
        };
        let (services, list) = (face.name(face.services), face.name(face.list));
        for child in top.children() {
            if *child.name() != services {
                refuse(&[top], child);
                continue;
            }
            child.children().iter().filter(|node| *node.name() != list).for_each(|node| refuse(&[top, child], node));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut out = Vec::new();
    for face in FACES {
        for id in face.ids(tree) {
            let key = ServiceKey { face: face.module.into(), id };
            if let Some(document) = face.extract(tree, &key.id) {
                out.push((key, document));
            }
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

impl Face {
    /// Path of the container of the list of services.
    pub fn services_path(&self) -> Path {
        Path::new(vec![Step::single(self.name(self.container)), Step::single(self.name(self.services))])
    }

    /// Path of one service.
    pub fn service_path(&self, id: &str) -> Path {
        self.services_path().child(Step::entry(self.name(self.list), &[(self.key, id)]))
    }

    /// Identifiers of the services that a tree holds, in the tree's order.
    pub fn ids(&self, tree: &ConfigTree) -> Vec<String> {
        let Some(services) = tree.at(&self.services_path()) else { return Vec::new() };
        let list = self.name(self.list);
        services.children().iter().filter(|node| *node.name() == list).filter_map(|node| self.id_of(node)).collect()
    }

    /// The document of one service: its list entry with all ancestors, and nothing else.
    pub fn extract(&self, tree: &ConfigTree, id: &str) -> Option<ConfigTree> {
        let path = self.service_path(id);
        let node = tree.at(&path)?;
        Some(ConfigTree::default().with(&self.services_path(), node.clone(), crate::tree::After::Keep))
    }

    /// The tree without that service.
    pub fn without(&self, tree: &ConfigTree, id: &str) -> ConfigTree {
        tree.without(&self.service_path(id))
    }

    /// The meaning of a document. `document` is a whole tree from the top with exactly one service, the one of `key`.
    pub fn service_of(&self, document: &ConfigTree, key: &ServiceKey) -> Result<Service, Vec<ServiceError>> {
        (self.read)(document, key)
    }

    /// The document as a GET shows it: with state laid over it. Without a state everything is `op-unknown`.
    pub fn view(&self, document: &ConfigTree, state: Option<&ServiceState>) -> ConfigTree {
        view::view(self, document, state)
    }

    fn name(&self, name: &str) -> QName {
        QName::new(self.module, name)
    }

    fn id_of(&self, entry: &Node) -> Option<String> {
        let Key::Entry(keys) = entry.key() else { return None };
        let key = Name::new(self.key);
        keys.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str().to_string())
    }
}

/// The meaning of a document, by the face that its key names.
pub fn service_of(document: &ConfigTree, key: &ServiceKey) -> Result<Service, Vec<ServiceError>> {
    match face(&key.face) {
        Some(face) => face.service_of(document, key),
        None => Err(vec![ServiceError::new(
            "/",
            ErrorTag::OperationNotSupported,
            format!("no face of this domain serves module {}", key.face),
        )]),
    }
}

/// The leafs of a document that hold a secret, with their values, wherever they stand: the keys of routing protocols.
pub fn secrets(document: &ConfigTree) -> Vec<(Path, Zeroizing<String>)> {
    fn below(path: &Path, node: &Node, found: &mut Vec<(Path, Zeroizing<String>)>) {
        for child in node.children() {
            let path = path.child(child.step());
            match child.value() {
                Some(value) if is_secret(node, child) => {
                    found.push((path, Zeroizing::new(value.as_str().to_owned())));
                }
                Some(_) => {}
                None => below(&path, child, found),
            }
        }
    }
    let mut found = Vec::new();
    below(&Path::root(), document.root(), &mut found);
    found
}

/// RFC 9182: `authentication/keying-material/key`.
fn is_secret(parent: &Node, leaf: &Node) -> bool {
    parent.name().name.as_str() == "keying-material" && leaf.name().name.as_str() == "key"
}

/// The GET form of a document, by the face that its key names.
pub fn view(document: &ConfigTree, key: &ServiceKey, state: Option<&ServiceState>) -> ConfigTree {
    face(&key.face).map_or_else(|| document.clone(), |face| face.view(document, state))
}

#[cfg(test)]
mod tests;
