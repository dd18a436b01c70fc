//! What stands below `/restconf/data`: stored documents with their state, and the state of the domain.

use super::conditions::Present;
use super::documents::{self, FACES, service_of, services_path};
use super::query::{LIMIT, Query};
use super::server::Restconf;
use super::target::Target;
use crate::controller::Failure;
use crate::domain::{Principal, ServiceKey, StoredDocument, Verb, authorize};
use crate::plan::content_digest;
use crate::presto::view::{self, ServiceFact};
use crate::tree::{ConfigTree, Key, Node, Path, QName};
use std::collections::BTreeMap;

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
        let stored = self.stored(principal, path, face).await?;
        let tree = self.gather(&stored, face, false)?;
        let tags: BTreeMap<_, _> = stored.iter().map(|one| (one.key.id.clone(), one.etag.clone())).collect();
        Ok(Loaded { tree, tags, present: present(path, &stored) })
    }

    /// Of all services of a face only these, as far as they are there. What they are together has no entity tag.
    pub(super) async fn load_named(
        &self,
        principal: &Principal,
        face: (&'static str, &'static str),
        keys: &[ServiceKey],
    ) -> Result<Loaded, Failure> {
        let mut stored = Vec::new();
        for key in keys {
            stored.extend(self.controller.document(principal, key).await?);
        }
        let tree = self.gather(&stored, face, false)?;
        let tags = stored.iter().map(|one| (one.key.id.clone(), one.etag.clone())).collect();
        Ok(Loaded { tree, tags, present: None })
    }

    async fn stored(
        &self,
        principal: &Principal,
        path: &Path,
        face: (&'static str, &'static str),
    ) -> Result<Vec<StoredDocument>, Failure> {
        match service_of(path) {
            Some(key) => Ok(self.controller.document(principal, &key).await?.into_iter().collect()),
            None => self.controller.documents(principal, face.0).await,
        }
    }

    /// The documents of a face as one tree, with state laid over them if asked for.
    fn gather(
        &self,
        stored: &[StoredDocument],
        (module, top): (&'static str, &'static str),
        state: bool,
    ) -> Result<ConfigTree, Failure> {
        let mut entries = Vec::with_capacity(stored.len());
        for document in stored {
            let mut tree = self.controller.tree_of(document)?;
            if state {
                tree = self.controller.view(&document.key, &tree);
            }
            let services = tree.at(&services_path((module, top))).map(|node| node.children()).unwrap_or_default();
            entries.extend(services.iter().cloned());
        }
        let services = Node::container(QName::new(module, "vpn-services"), false, entries);
        Ok(ConfigTree::new(vec![Node::container(QName::new(module, top), false, vec![services])]))
    }

    /// Everything that a reader can see at and around a target.
    pub(super) async fn load(
        &self,
        principal: &Principal,
        target: &Target,
        query: &Query,
    ) -> Result<(ConfigTree, Option<Present>), Failure> {
        let Some(first) = target.path.steps().first() else {
            let mut top = Vec::new();
            for face in FACES.iter().copied() {
                let stored = self.controller.documents(principal, face.0).await?;
                top.extend(self.gather(&stored, face, true)?.top().iter().cloned());
            }
            for name in ["elements", "adapters", "services", "plans", "deviations", "rewrites", "queue"] {
                top.extend(self.domain_state(principal, name).await?);
            }
            top.extend(self.transactions(principal, &Path::root(), query).await?);
            return Ok((ConfigTree::new(top), None));
        };
        if let Some(face) = documents::face(first.name.module.as_str()) {
            let stored = self.stored(principal, &target.path, face).await?;
            let present = present(&target.path, &stored);
            return Ok((self.gather(&stored, face, true)?, present));
        }
        let node = match first.name.name.as_str() {
            "transactions" => self.transactions(principal, &target.path, query).await?,
            name => self.domain_state(principal, name).await?,
        };
        Ok((ConfigTree::new(node), None))
    }

    /// The transactions of a page, or the one that a path names.
    async fn transactions(&self, principal: &Principal, path: &Path, query: &Query) -> Result<Option<Node>, Failure> {
        let named = path.steps().get(1).and_then(|step| match &step.key {
            Key::Entry(keys) => keys.first().map(|(_, id)| id.as_str()),
            _ => None,
        });
        let records = match named {
            Some(id) => self.controller.transaction(principal, id).await?.into_iter().collect(),
            None => {
                let (after, limit) = (query.after.as_deref(), query.limit.unwrap_or(LIMIT));
                self.controller.transactions_page(principal, after, limit).await?
            }
        };
        Ok(view::transactions(self.index(), &records, &|id| self.controller.timing(id)))
    }

    /// One container of module `andante`.
    async fn domain_state(&self, principal: &Principal, name: &str) -> Result<Option<Node>, Failure> {
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
                        let tree = controller.tree_of(&document)?;
                        facts.push(fact(document, (face, top), &tree));
                    }
                }
                let elements = controller.elements(principal).await?;
                let deviations = controller.deviations(principal).await?;
                let queued = controller.queued(principal).await?;
                view::services(index, &facts, &elements, &deviations, &queued)
            }
            "plans" => view::plans(index, &controller.kept_list(principal).await?),
            "deviations" => view::deviations(index, &controller.deviations(principal).await?),
            "queue" => view::queue(index, &controller.queued(principal).await?),
            "rewrites" => view::rewrites(index, &controller.rewrites(principal, None).await?),
            _ => None,
        })
    }
}

/// Entity tag and time: those of the one service, or of all together.
fn present(path: &Path, stored: &[StoredDocument]) -> Option<Present> {
    if service_of(path).is_some() {
        return stored.first().map(|one| Present { etag: one.etag.clone(), modified: Some(one.modified) });
    }
    let tags: BTreeMap<_, _> = stored.iter().map(|one| (&one.key.id, &one.etag)).collect();
    Some(Present { etag: content_digest(&tags), modified: stored.iter().map(|one| one.modified).max() })
}

fn fact(document: StoredDocument, face: (&str, &str), tree: &ConfigTree) -> ServiceFact {
    let entry = tree.at(&documents::service_path(face, &document.key.id)).cloned();
    let reader = view::Reader(entry.as_ref());
    let kind = reader.leaf("vpn-type").map(|kind| kind.rsplit(':').next().unwrap_or(kind).to_owned());
    let customer = reader.leaf("customer-name").map(str::to_owned);
    ServiceFact { document, kind, customer }
}
