//! What is claimed on one element, and what follows from it: the intent, merged and kept merged, and what is recorded.
//!
//! A change replaces the claims of the owners that it is about; the cost follows what they say differently, not how many
//! others claim something here.
//!
//! What was recorded is the intent of the last verified transaction, so it is kept apart only where it is not the intent
//! of now. Adopted nodes are stored one by one: a transaction that adopts one writes one.

use super::{adopted_key, adopted_row_key};
use crate::domain::{Map, Visits};
use crate::plan::{adopted_owner, content_digest};
use crate::tree::{After, Body, ClaimConflict, Claims, ConfigTree, Intended, Layer, Node, Path};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The claims on one element.
#[derive(Clone)]
pub(in crate::controller) struct Claimed {
    element: Arc<str>,
    /// By key in the store.
    services: Map<String, Arc<Claims>>,
    adopted: Adopted,
    merged: Result<Intended, Arc<[ClaimConflict]>>,
    recorded: Recorded,
}

/// What was found on the element before us.
#[derive(Clone)]
struct Adopted {
    claims: Arc<Claims>,
    /// The node of each record, by its key in the store.
    rows: Map<String, Path>,
    /// The one record of an older version, with all nodes.
    whole: Option<Arc<Claims>>,
}

/// How recorded stands to intended, and whether the store has a record of it.
#[derive(Clone)]
enum Recorded {
    /// The same; no record.
    Intended,
    /// The same, with a record of an older version that says so. It goes with the next transaction.
    Said,
    /// Another tree.
    Apart(ConfigTree),
}

/// New claims under a key of the store; `None` = they go.
pub(in crate::controller) type ClaimChange = (String, Option<Claims>);

impl Claimed {
    /// Nothing is claimed.
    pub fn new(element: &str, visits: &Visits) -> Self {
        let claims = Arc::new(Claims::new(adopted_owner(element), Layer::Adopted, ConfigTree::default()));
        Self {
            element: element.into(),
            services: Map::new(visits),
            adopted: Adopted { claims, rows: Map::new(visits), whole: None },
            merged: Ok(Intended::default()),
            recorded: Recorded::Intended,
        }
    }

    /// The claims under a key of the store.
    pub fn of(&self, key: &str) -> Option<&Arc<Claims>> {
        self.services.get(key)
    }

    /// All claims, adopted ones included.
    pub fn all(&self) -> impl Iterator<Item = &Claims> {
        self.services.values().map(|claims| &**claims).chain([&*self.adopted.claims])
    }

    /// The intent.
    pub fn intended(&self) -> Result<&Intended, &[ClaimConflict]> {
        self.merged.as_ref().map_err(|conflicts| &**conflicts)
    }

    /// What the last verified transaction left.
    pub fn recorded(&self) -> ConfigTree {
        match (&self.recorded, &self.merged) {
            (Recorded::Apart(tree), _) => tree.clone(),
            (_, Ok(intended)) => intended.tree.clone(),
            (_, Err(_)) => ConfigTree::default(),
        }
    }

    /// The intent as it would be after these changes.
    pub fn after(&self, changes: &[ClaimChange]) -> Result<Intended, Vec<ClaimConflict>> {
        let adopted = self.adopted_after(changes);
        self.merged_with(changes, &adopted.claims)
    }

    /// What adopting `found` changes in the store, and the release of nodes by these changes of services. An adopted
    /// value is kept as long as somebody claims the node: what no one claims is left alone.
    pub fn adopting(&self, changes: &[ClaimChange], found: Option<&Claims>) -> Vec<ClaimChange> {
        let known = &self.adopted.claims.tree;
        let mut puts: BTreeMap<Path, Claims> = BTreeMap::new();
        let mut row = |path: &Path, node: &Node| {
            // What was adopted first stays: later values are ours.
            puts.insert(path.clone(), self.row(path, node));
        };
        if let Some(found) = found {
            each(&found.tree, &mut |path, node| {
                if known.at(path).is_none() {
                    row(path, node);
                }
            });
        }
        let mut gone = Vec::new();
        for (key, new) in changes {
            released(self.services.get(key), new.as_ref(), &mut |path| {
                if known.at(path).is_some() && !self.claimed_after(changes, path) {
                    gone.push(path.clone());
                }
            });
        }
        let mut changes = Vec::new();
        if self.adopted.whole.is_some() && (!puts.is_empty() || !gone.is_empty()) {
            // From the one record of an older version to one for each node.
            each(known, &mut |path, node| {
                puts.insert(path.clone(), self.row(path, node));
            });
            changes.push((adopted_key(&self.element), None));
        }
        for path in &gone {
            puts.retain(|at, _| !at.starts_with(path));
            changes.push((self.row_key(path), None));
        }
        changes.extend(puts.into_iter().map(|(path, claims)| (self.row_key(&path), Some(claims))));
        changes
    }

    /// Whether the store has a record of what was recorded.
    pub fn has_record(&self) -> bool {
        !matches!(self.recorded, Recorded::Intended)
    }

    /// Takes a record while the store is loaded; [`Claimed::settle`] merges when all are there.
    pub fn load(&mut self, key: &str, claims: Claims) {
        if claims.layer != Layer::Adopted {
            self.services.insert(key.into(), Arc::new(claims));
            return;
        }
        self.adopted = self.adopted_after(&[(key.into(), Some(claims))]);
    }

    /// Merges everything anew.
    pub fn settle(&mut self) {
        let merged = Intended::without_owners(self.all());
        self.set(merged);
    }

    /// Follows changes that are durable.
    pub fn follow(&mut self, changes: Vec<ClaimChange>) {
        let adopted = self.adopted_after(&changes);
        let merged = self.merged_with(&changes, &adopted.claims);
        self.adopted = adopted;
        for (key, claims) in changes {
            match claims {
                _ if self.is_adopted(&key) => {}
                Some(claims) => self.services.insert(key, Arc::new(claims)),
                None => drop(self.services.remove(&key)),
            }
        }
        self.set(merged);
    }

    /// Follows the record of what was recorded.
    pub fn set_recorded(&mut self, tree: Option<ConfigTree>) {
        self.recorded = match (tree, &self.merged) {
            (None, _) => Recorded::Intended,
            (Some(tree), Ok(intended)) if intended.tree.hash() == tree.hash() => Recorded::Said,
            (Some(tree), _) => Recorded::Apart(tree),
        };
    }

    /// Whether nothing is known of the element any more.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.adopted.claims.tree.is_empty() && !self.has_record()
    }

    fn set(&mut self, merged: Result<Intended, Vec<ClaimConflict>>) {
        self.merged = merged.map_err(|conflicts| {
            // It was merged before it was stored.
            tracing::error!(element = %self.element, conflict = ?conflicts.first(), "stored claims conflict");
            conflicts.into()
        });
    }

    /// Claims of several owners may trade a value, so all that goes has gone before anything comes.
    fn merged_with(&self, changes: &[ClaimChange], adopted: &Claims) -> Result<Intended, Vec<ClaimConflict>> {
        let changed = |key: &String| changes.iter().any(|(change, _)| change == key);
        let kept = self.services.iter().filter(|(key, _)| !changed(key)).map(|(_, claims)| &**claims);
        let come = changes.iter().filter(|(key, _)| !self.is_adopted(key)).filter_map(|(_, claims)| claims.as_ref());
        Intended::without_owners(kept.chain(come).chain([adopted]))
    }

    /// Whether a service, a policy or a person claims the node after these changes.
    fn claimed_after(&self, changes: &[ClaimChange], path: &Path) -> bool {
        let changed = |key: &String| changes.iter().any(|(change, _)| change == key);
        let kept = self.services.iter().filter(|(key, _)| !changed(key)).map(|(_, claims)| &**claims);
        let come = changes.iter().filter_map(|(_, claims)| claims.as_ref());
        kept.chain(come).any(|claims| claims.tree.at(path).is_some())
    }

    fn adopted_after(&self, changes: &[ClaimChange]) -> Adopted {
        let mut adopted = self.adopted.clone();
        let whole = adopted_key(&self.element);
        let mut tree = adopted.claims.tree.clone();
        let mine = || changes.iter().filter(|(key, _)| self.is_adopted(key));
        for (key, claims) in mine() {
            match claims {
                None if *key == whole => adopted.whole = None,
                None => {
                    if let Some(path) = adopted.rows.get(key).cloned() {
                        tree = tree.without(&path);
                        adopted.rows.remove(key);
                    }
                }
                Some(claims) if *key == whole => {
                    tree = claims.tree.overlay(&tree);
                    adopted.whole = Some(Arc::new(claims.clone()));
                }
                Some(_) => {}
            }
        }
        if self.adopted.whole.is_some() && adopted.whole.is_none() {
            // All that stays comes as records of its own, beside those that were there.
            tree = ConfigTree::default();
            for path in adopted.rows.values() {
                if let Some(node) = self.adopted.claims.tree.at(path) {
                    tree = laid(&tree, path, node);
                }
            }
        }
        for (key, claims) in mine() {
            if let Some(claims) = claims.as_ref().filter(|_| *key != whole)
                && let Some((path, node)) = deepest(&claims.tree)
            {
                tree = laid(&tree, &path, &node);
                adopted.rows.insert(key.clone(), path);
            }
        }
        if tree.hash() != adopted.claims.tree.hash() {
            adopted.claims = Arc::new(Claims::new(adopted_owner(&self.element), Layer::Adopted, tree));
        }
        adopted
    }

    fn is_adopted(&self, key: &str) -> bool {
        let rest = key.strip_prefix(&*self.element).and_then(|rest| rest.strip_prefix("/adopted"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn row_key(&self, path: &Path) -> String {
        adopted_row_key(&self.element, &content_digest(path)[..32])
    }

    fn row(&self, path: &Path, node: &Node) -> Claims {
        Claims::new(adopted_owner(&self.element), Layer::Adopted, laid(&ConfigTree::default(), path, node))
    }
}

/// Nodes that say something of themselves.
fn each(tree: &ConfigTree, visit: &mut dyn FnMut(&Path, &Node)) {
    tree.walk(&mut |path, node| {
        if !matches!(node.body(), Body::Container { presence: false }) {
            visit(path, node);
        }
        true
    });
}

/// The tree with this node alone put at its path; what stands below it there stays.
fn laid(tree: &ConfigTree, path: &Path, node: &Node) -> ConfigTree {
    let Some(parent) = path.parent() else { return tree.clone() };
    let below = tree.at(path).map(|there| there.children().to_vec()).unwrap_or_default();
    let alone = if node.value().is_some() { node.clone() } else { node.with_children(below) };
    tree.with(&parent, alone, After::Keep)
}

/// The last node of a tree that is one path.
fn deepest(tree: &ConfigTree) -> Option<(Path, Node)> {
    let mut last = None;
    tree.walk(&mut |path, node| {
        last = Some((path.clone(), node.clone()));
        true
    });
    last
}

/// The nodes that were claimed and are not any more.
fn released(old: Option<&Arc<Claims>>, new: Option<&Claims>, visit: &mut dyn FnMut(&Path)) {
    let Some(old) = old else { return };
    old.tree.walk(&mut |path, node| {
        let now = new.and_then(|new| new.tree.at(path));
        if now.is_none() {
            visit(path);
        }
        now.is_none_or(|now| now.hash() != node.hash())
    });
}
