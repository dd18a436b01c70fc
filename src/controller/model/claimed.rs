//! What is claimed on one element, and what follows from it: the intent, merged and kept merged, and what is recorded.
//!
//! A change replaces the claims of the owners that it is about; the cost follows what they say differently, not how many
//! others claim something here.
//!
//! What was recorded is the intent of the last verified transaction, so it is kept apart only where it is not the intent
//! of now. Adopted nodes are stored one by one: a transaction that adopts one writes one.

use super::{adopted_key, adopted_row_key, owner_named, owner_of};
use crate::domain::{Map, ServiceKey, Visits};
use crate::plan::{adopted_owner, content_digest};
use crate::tree::{After, Body, ClaimConflict, Claims, ConfigTree, Intended, Layer, Node, Owner, Path};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The claims on one element.
#[derive(Clone)]
pub(in crate::controller) struct Claimed {
    element: Arc<str>,
    merged: Merged,
    adopted: Adopted,
    recorded: Recorded,
}

/// The claims with what they come to.
#[derive(Clone)]
enum Merged {
    /// As it should be.
    Whole(Intended),
    /// Stored claims conflict: each was merged before it was stored, so the store was damaged. All of them, and why.
    Torn(BTreeMap<(Layer, Owner), Claims>, Arc<[ClaimConflict]>),
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

/// What one owner claims before and after.
struct Turn<'a> {
    layer: Layer,
    old: Option<&'a Claims>,
    new: Option<&'a Claims>,
}

/// New claims under a key of the store; `None` = they go.
pub(in crate::controller) type ClaimChange = (String, Option<Claims>);

impl Claimed {
    /// Nothing is claimed.
    pub fn new(element: &str, visits: &Visits) -> Self {
        let claims = Arc::new(Claims::new(adopted_owner(element), Layer::Adopted, ConfigTree::default()));
        Self {
            element: element.into(),
            merged: Merged::Whole(Intended::default()),
            adopted: Adopted { claims, rows: Map::new(visits), whole: None },
            recorded: Recorded::Intended,
        }
    }

    /// The claims of a service.
    pub fn of(&self, service: &ServiceKey) -> Option<&Claims> {
        self.of_owner(Layer::Service, &owner_of(service))
    }

    fn of_owner(&self, layer: Layer, owner: &Owner) -> Option<&Claims> {
        match &self.merged {
            Merged::Whole(intended) => intended.claims_of(layer, owner).map(|claims| &**claims),
            Merged::Torn(all, _) => all.get(&(layer, owner.clone())),
        }
    }

    /// The intent.
    pub fn intended(&self) -> Result<&Intended, &[ClaimConflict]> {
        match &self.merged {
            Merged::Whole(intended) => Ok(intended),
            Merged::Torn(_, conflicts) => Err(conflicts),
        }
    }

    /// What the last verified transaction left.
    pub fn recorded(&self) -> ConfigTree {
        match (&self.recorded, &self.merged) {
            (Recorded::Apart(tree), _) => tree.clone(),
            (_, Merged::Whole(intended)) => intended.tree.clone(),
            (_, Merged::Torn(..)) => ConfigTree::default(),
        }
    }

    /// The intent as it would be after these changes.
    pub fn after(&self, changes: &[ClaimChange]) -> Result<Intended, Vec<ClaimConflict>> {
        self.merged_with(&self.turns(changes, &self.adopted_after(changes)))
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
        let turns = self.turns(changes, &self.adopted);
        // The candidate was merged without conflict; should that no longer hold, nothing is forgotten.
        let after = self.merged_with(&turns).ok();
        let by_others = |path: &Path| {
            let owners = after.as_ref().map(|after| after.owners_of(path));
            owners.is_none_or(|owners| owners.iter().any(|(layer, _)| *layer > Layer::Adopted))
        };
        let mut gone = Vec::new();
        for turn in turns.iter().filter(|turn| turn.layer > Layer::Adopted) {
            released(turn.old, turn.new, &mut |path| {
                if known.at(path).is_some() && !by_others(path) {
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

    /// Takes the records of the store, all at once.
    pub fn load(&mut self, records: Vec<(String, Claims)>) {
        let (adopted, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|(key, _)| self.is_adopted(key));
        let adopted: Vec<ClaimChange> = adopted.into_iter().map(|(key, claims)| (key, Some(claims))).collect();
        self.adopted = self.adopted_after(&adopted);
        let others = others.into_iter().map(|(_, claims)| claims);
        let all: Vec<Claims> = others.chain(self.found().cloned()).collect();
        self.merged = match Intended::merge(&all) {
            Ok(intended) => Merged::Whole(intended),
            Err(conflicts) => {
                self.complain(&conflicts);
                let all = all.into_iter().map(|claims| ((claims.layer, claims.owner.clone()), claims));
                Merged::Torn(all.collect(), conflicts.into())
            }
        };
    }

    /// Follows changes that are durable.
    pub fn follow(&mut self, changes: &[ClaimChange]) {
        let adopted = self.adopted_after(changes);
        let turns = self.turns(changes, &adopted);
        let merged = match self.merged_with(&turns) {
            Ok(intended) => Merged::Whole(intended),
            Err(conflicts) => {
                self.complain(&conflicts);
                Merged::Torn(self.all_after(&turns), conflicts.into())
            }
        };
        self.merged = merged;
        self.adopted = adopted;
    }

    /// Follows the record of what was recorded.
    pub fn set_recorded(&mut self, tree: Option<ConfigTree>) {
        self.recorded = match (tree, &self.merged) {
            (None, _) => Recorded::Intended,
            (Some(tree), Merged::Whole(intended)) if intended.tree.hash() == tree.hash() => Recorded::Said,
            (Some(tree), _) => Recorded::Apart(tree),
        };
    }

    /// Whether nothing is known of the element any more.
    pub fn is_empty(&self) -> bool {
        let nobody = match &self.merged {
            Merged::Whole(intended) => intended.claims().next().is_none(),
            Merged::Torn(all, _) => all.is_empty(),
        };
        nobody && !self.has_record()
    }

    fn complain(&self, conflicts: &[ClaimConflict]) {
        tracing::error!(element = %self.element, conflict = ?conflicts.first(), "stored claims conflict");
    }

    /// The adopted claims, if there are any.
    fn found(&self) -> Option<&Claims> {
        Some(&*self.adopted.claims).filter(|claims| !claims.tree.is_empty())
    }

    /// What changes of the owners that these changes are about.
    fn turns<'a>(&'a self, changes: &'a [ClaimChange], adopted: &'a Adopted) -> Vec<Turn<'a>> {
        let mut turns = Vec::new();
        for (key, new) in changes.iter().filter(|(key, _)| !self.is_adopted(key)) {
            let (layer, owner) = match new {
                Some(claims) => (claims.layer, claims.owner.clone()),
                None => (Layer::Service, self.owner_at(key)),
            };
            turns.push(Turn { layer, old: self.of_owner(layer, &owner), new: new.as_ref() });
        }
        if !Arc::ptr_eq(&self.adopted.claims, &adopted.claims) {
            let new = Some(&*adopted.claims).filter(|claims| !claims.tree.is_empty());
            turns.push(Turn { layer: Layer::Adopted, old: self.found(), new });
        }
        turns
    }

    fn merged_with(&self, turns: &[Turn<'_>]) -> Result<Intended, Vec<ClaimConflict>> {
        let Merged::Whole(now) = &self.merged else {
            return Intended::merge(self.all_after(turns).values());
        };
        if let [turn] = turns {
            return now.replace(turn.old, turn.new);
        }
        // Owners may trade a value, so all that goes has gone before anything comes.
        let mut after = now.clone();
        for turn in turns.iter().filter(|turn| turn.old.is_some()) {
            after = after.replace(turn.old, None)?;
        }
        let mut conflicts = Vec::new();
        for turn in turns.iter().filter(|turn| turn.new.is_some()) {
            match after.replace(None, turn.new) {
                Ok(with) => after = with,
                Err(found) => conflicts.extend(found),
            }
        }
        if conflicts.is_empty() { Ok(after) } else { Err(conflicts) }
    }

    /// All claims, one by one.
    fn all_after(&self, turns: &[Turn<'_>]) -> BTreeMap<(Layer, Owner), Claims> {
        let mut all: BTreeMap<(Layer, Owner), Claims> = match &self.merged {
            Merged::Whole(intended) => {
                intended.claims().map(|claims| ((claims.layer, claims.owner.clone()), Claims::clone(claims))).collect()
            }
            Merged::Torn(all, _) => all.clone(),
        };
        for turn in turns {
            if let Some(old) = turn.old {
                all.remove(&(old.layer, old.owner.clone()));
            }
            if let Some(new) = turn.new {
                all.insert((new.layer, new.owner.clone()), new.clone());
            }
        }
        all
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

    /// The owner of the claims under a key of the store.
    fn owner_at(&self, key: &str) -> Owner {
        owner_named(key.strip_prefix(&*self.element).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key))
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
fn released(old: Option<&Claims>, new: Option<&Claims>, visit: &mut dyn FnMut(&Path)) {
    let Some(old) = old else { return };
    old.tree.walk(&mut |path, node| {
        let now = new.and_then(|new| new.tree.at(path));
        if now.is_none() {
            visit(path);
        }
        now.is_none_or(|now| now.hash() != node.hash())
    });
}
