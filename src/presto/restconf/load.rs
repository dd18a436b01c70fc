//! What stands below `/restconf/data`: stored documents with their state, and the state of the domain.

use super::conditions::Present;
use super::documents::{self, FACES, service_of, services_path};
use super::server::Restconf;
use super::target::Target;
use crate::controller::Failure;
use crate::domain::{Principal, StoredDocument, Verb, authorize};
use crate::plan::content_digest;
use crate::presto::view::{self, ServiceFact};
use crate::tree::{
    ConfigTree, Limits, Node, Path, Policy, QName, SchemaId, SchemaIndex, SchemaKind, json,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a target is part of.
pub(super) struct Loaded {
    /// The services in scope (the one, or all of the face), without state.
    pub tree: ConfigTree,
    /// Entity tag of each service in the tree.
    pub tags: BTreeMap<String, String>,
    /// Entity tag and last change of the resource; `None` where there is none to give.
    pub present: Option<Present>,
}

impl Restconf {
    /// The stored services that a target is about.
    pub(super) async fn load_services(
        &self,
        principal: &Principal,
        path: &Path,
        face: (&'static str, &'static str),
    ) -> Result<Loaded, Failure> {
        let stored = match service_of(path) {
            Some(key) => self.controller.document(principal, &key).await?.into_iter().collect(),
            None => self.controller.documents(principal, face.0).await?,
        };
        let tree = gather(&stored, face, self.index())?;
        let tags: BTreeMap<_, _> = stored.iter().map(|one| (one.key.id.clone(), one.etag.clone())).collect();
        let present = match (service_of(path), stored.first()) {
            (Some(_), None) => None,
            (Some(_), Some(one)) => Some(Present { etag: one.etag.clone(), modified: Some(one.modified) }),
            (None, _) => Some(Present {
                etag: content_digest(&tags),
                modified: stored.iter().map(|one| one.modified).max(),
            }),
        };
        Ok(Loaded { tree, tags, present })
    }

    /// Everything that a reader can see at and around a target.
    pub(super) async fn load(&self, principal: &Principal, target: &Target) -> Result<(ConfigTree, Option<Present>), Failure> {
        let Some(first) = target.path.steps().first() else {
            let mut top = Vec::new();
            for face in FACES.iter().copied() {
                let loaded = self.load_services(principal, &services_path(face), face).await?;
                top.extend(with_state(&loaded.tree, self.index()).top().iter().cloned());
            }
            for name in ["elements", "adapters", "services", "plans", "transactions", "deviations"] {
                top.extend(self.domain_state(principal, name).await?);
            }
            return Ok((ConfigTree::new(top), None));
        };
        if let Some(face) = documents::face(first.name.module.as_str()) {
            let loaded = self.load_services(principal, &target.path, face).await?;
            return Ok((with_state(&loaded.tree, self.index()), loaded.present));
        }
        let node = self.domain_state(principal, first.name.name.as_str()).await?;
        Ok((ConfigTree::new(node.into_iter().collect()), None))
    }

    /// One container of module `andante`.
    async fn domain_state(&self, principal: &Principal, name: &str) -> Result<Option<Arc<Node>>, Failure> {
        let (controller, index) = (&self.controller, self.index());
        Ok(match name {
            "elements" => {
                let elements = controller.elements(principal).await?;
                let deviations = controller.deviations(principal).await?;
                view::elements(index, &elements, &controller.adapters(), &deviations)
            }
            "adapters" => {
                authorize(principal, Verb::Read, "/andante:adapters")?;
                view::adapters(index, &controller.adapters())
            }
            "services" => {
                let mut facts = Vec::new();
                for (face, top) in FACES.iter().copied() {
                    for document in controller.documents(principal, face).await? {
                        facts.push(fact(document, (face, top), index)?);
                    }
                }
                let elements = controller.elements(principal).await?;
                let deviations = controller.deviations(principal).await?;
                view::services(index, &facts, &elements, &deviations)
            }
            "plans" => view::plans(index, &controller.kept_list(principal).await?),
            "transactions" => view::transactions(index, &controller.transactions(principal).await?),
            "deviations" => view::deviations(index, &controller.deviations(principal).await?),
            _ => None,
        })
    }
}

/// The documents of a face as one tree.
fn gather(
    stored: &[StoredDocument],
    (module, top): (&'static str, &'static str),
    index: &SchemaIndex,
) -> Result<ConfigTree, Failure> {
    let mut entries = Vec::with_capacity(stored.len());
    for document in stored {
        let tree = read(document, index)?;
        let services = tree.at(&services_path((module, top))).map(|node| node.children()).unwrap_or_default();
        entries.extend(services.iter().cloned());
    }
    let services = Node::container(QName::new(module, "vpn-services"), false, entries);
    Ok(ConfigTree::new(vec![Arc::new(Node::container(QName::new(module, top), false, vec![Arc::new(services)]))]))
}

fn read(document: &StoredDocument, index: &SchemaIndex) -> Result<ConfigTree, Failure> {
    json::parse(document.body.as_bytes(), index, None, Policy::STRICT, &Limits::SOUTH)
        .map_err(|error| Failure::Internal(format!("the stored document {} cannot be read: {error}", document.key)))
}

fn fact(document: StoredDocument, face: (&str, &str), index: &SchemaIndex) -> Result<ServiceFact, Failure> {
    let tree = read(&document, index)?;
    let entry = tree.at(&documents::service_path(face, &document.key.id)).cloned();
    let reader = view::Reader(entry.as_deref());
    let kind = reader.leaf("vpn-type").map(|kind| kind.rsplit(':').next().unwrap_or(kind).to_owned());
    let customer = reader.leaf("customer-name").map(str::to_owned);
    Ok(ServiceFact { document, kind, customer })
}

/// Adds `status/oper-status` wherever the schema has it. It is `op-unknown` until it is read from the network: what was
/// asked for says nothing about what is the case.
pub(super) fn with_state(tree: &ConfigTree, index: &SchemaIndex) -> ConfigTree {
    ConfigTree::new(tree.top().iter().map(|node| stated(node, index.child(None, node.name()), index)).collect())
}

fn stated(node: &Arc<Node>, id: Option<SchemaId>, index: &SchemaIndex) -> Arc<Node> {
    let Some(id) = id else { return node.clone() };
    let list = matches!(index.node(id).kind, SchemaKind::List { .. });
    let mut children: Vec<Arc<Node>> =
        node.children().iter().map(|child| stated(child, index.child(Some(id), child.name()), index)).collect();
    if list && let Some(state) = oper_status(id, index) {
        match children.iter_mut().find(|child| child.name() == state.name()) {
            Some(status) => {
                let mut inner = status.children().to_vec();
                inner.extend(state.children().iter().cloned());
                *status = Arc::new(status.with_children(inner));
            }
            None => children.push(state),
        }
    } else if children.iter().zip(node.children()).all(|(new, old)| Arc::ptr_eq(new, old)) {
        return node.clone();
    }
    Arc::new(node.with_children(children))
}

/// `status/oper-status/status` below a list entry, if its schema has that.
fn oper_status(entry: SchemaId, index: &SchemaIndex) -> Option<Arc<Node>> {
    let module = index.node(entry).name.module.clone();
    let child = |id, name| index.child_named(Some(id), module.as_str(), name);
    let status = child(entry, "status")?;
    let oper = child(status, "oper-status").filter(|id| !index.node(*id).config)?;
    let leaf = child(oper, "status")?;
    let value = index.node(leaf).ty.as_ref()?.value(module.as_str(), "ietf-vpn-common:op-unknown").ok()?;
    let name = |id| index.node(id).name.clone();
    let leaf = Arc::new(Node::leaf(name(leaf), value));
    let oper = Arc::new(Node::container(name(oper), false, vec![leaf]));
    Some(Arc::new(Node::container(name(status), false, vec![oper])))
}
