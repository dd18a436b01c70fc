//! Who wants what: claims in four fixed layers, and their merge into what is intended for one element.
//!
//! A claim says "this owner wants these nodes to be so". Inside a layer equal wishes unify (the set of claims is the
//! reference count) and unequal ones are a conflict naming both owners and the path; a higher layer wins over a lower
//! one. There are no numeric priorities. When the last claim of a node goes the node goes; an adopted value below comes
//! back by the same merge.
//!
//! Guarantee: the merge is commutative, associative and idempotent, so the order of services and of restarts cannot
//! matter.

use super::node::Body;
use super::path::Path;
use super::tree::ConfigTree;
use super::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The four layers, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Values found on the element before us.
    Adopted,
    /// Domain policy.
    Base,
    /// What services ask for.
    Service,
    /// A NOC override with ticket and expiry.
    Pin,
}

/// Who makes a claim, for instance `service ietf-l3vpn-ntw/acme`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that one owner claims on one element. Every node of `tree` is claimed: containers and entries to exist, leafs to
/// have their value, leaf-list members to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub owner: Owner,
    /// In which layer.
    pub layer: Layer,
    /// What is to be there.
    pub tree: ConfigTree,
    /// Subtrees owned whole: what else stands below them is a deviation, and `replace` may be sent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub whole: BTreeSet<Path>,
    /// What must not be there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<Path>,
}

impl Claims {
    /// Claims that every node of `tree` be so.
    pub fn new(owner: Owner, layer: Layer, tree: ConfigTree) -> Self {
        Self { owner, layer, tree, whole: BTreeSet::new(), absent: BTreeSet::new() }
    }
}

/// Two owners of one layer want different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {first} wants {first_wants}, {second} wants {second_wants}")]
pub struct ClaimConflict {
    /// Where.
    pub path: Path,
    /// One owner.
    pub first: Owner,
    /// What it wants.
    pub first_wants: String,
    /// The other owner.
    pub second: Owner,
    /// What that one wants.
    pub second_wants: String,
}

/// All claims on one element, merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intended {
    /// What the element should say, as far as anyone cares.
    pub tree: ConfigTree,
    /// For every claimed node its owners, strongest layer first.
    pub owners: BTreeMap<Path, Vec<(Layer, Owner)>>,
    /// Subtrees owned whole.
    pub whole: BTreeSet<Path>,
    /// What must not be there.
    pub absent: BTreeSet<Path>,
}

impl Intended {
    /// Merges claims. All conflicts are reported at once.
    pub fn merge<'a>(claims: impl IntoIterator<Item = &'a Claims>) -> Result<Self, Vec<ClaimConflict>> {
        let mut claims: Vec<&Claims> = claims.into_iter().collect();
        // Order must not matter, not even for user-ordered siblings.
        claims.sort_by(|a, b| (a.layer, &a.owner, a.tree.hash()).cmp(&(b.layer, &b.owner, b.tree.hash())));
        let mut merged = Self::default();
        let mut conflicts = Vec::new();
        for layer in [Layer::Adopted, Layer::Base, Layer::Service, Layer::Pin] {
            merged.add_layer(layer, claims.iter().filter(|c| c.layer == layer), &mut conflicts);
        }
        for owners in merged.owners.values_mut() {
            owners.sort_by(|a, b| b.cmp(a));
            owners.dedup();
        }
        if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
    }

    /// The owners of the node at `path`; empty when nobody claims it.
    pub fn owners_of(&self, path: &Path) -> &[(Layer, Owner)] {
        self.owners.get(path).map_or(&[], Vec::as_slice)
    }

    fn add_layer<'a, 'b: 'a>(
        &mut self,
        layer: Layer,
        claims: impl Iterator<Item = &'a &'b Claims>,
        conflicts: &mut Vec<ClaimConflict>,
    ) {
        let mut values: BTreeMap<Path, (Value, Owner)> = BTreeMap::new();
        let mut present: BTreeMap<Path, Owner> = BTreeMap::new();
        let mut absent: BTreeMap<Path, Owner> = BTreeMap::new();
        let mut tree = ConfigTree::default();
        for claim in claims {
            claim.tree.walk(&mut |path, node| {
                if let Body::Leaf(value) = node.body() {
                    match values.get(path) {
                        Some((other, owner)) if other != value => conflicts.push(ClaimConflict {
                            path: path.clone(),
                            first: owner.clone(),
                            first_wants: format!("'{other}'"),
                            second: claim.owner.clone(),
                            second_wants: format!("'{value}'"),
                        }),
                        Some(_) => {}
                        None => {
                            values.insert(path.clone(), (value.clone(), claim.owner.clone()));
                        }
                    }
                }
                present.entry(path.clone()).or_insert_with(|| claim.owner.clone());
                self.owners.entry(path.clone()).or_default().push((layer, claim.owner.clone()));
                true
            });
            tree = tree.overlay(&claim.tree);
            self.whole.extend(claim.whole.iter().cloned());
            for path in &claim.absent {
                absent.entry(path.clone()).or_insert_with(|| claim.owner.clone());
                self.owners.entry(path.clone()).or_default().push((layer, claim.owner.clone()));
            }
        }
        for (path, owner) in &absent {
            if let Some(other) = present.get(path) {
                conflicts.push(ClaimConflict {
                    path: path.clone(),
                    first: other.clone(),
                    first_wants: "it to be there".into(),
                    second: owner.clone(),
                    second_wants: "it to be absent".into(),
                });
            }
            self.tree = self.tree.without(path);
        }
        // A stronger layer that wants a node again lifts the wish of a weaker one for its absence.
        self.absent.retain(|path| !present.contains_key(path));
        self.absent.extend(absent.into_keys());
        self.tree = self.tree.overlay(&tree);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, QName};
    use std::sync::Arc;

    fn claims(owner: &str, layer: Layer, vlan: &str) -> Claims {
        let leaf = Arc::new(Node::leaf(QName::new("m", "vlan"), Value::text(vlan)));
        let tree = ConfigTree::new(vec![Arc::new(Node::container(QName::new("m", "port"), false, vec![leaf]))]);
        Claims::new(Owner(owner.into()), layer, tree)
    }

    #[test]
    fn two_services_that_want_different_values_are_named_with_the_path() {
        let (a, b) = (claims("a", Layer::Service, "100"), claims("b", Layer::Service, "200"));
        let conflicts = Intended::merge([&a, &b]).unwrap_err();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].to_string(), "/m:port/vlan: a wants '100', b wants '200'");
    }

    #[test]
    fn a_stronger_layer_wins_and_the_adopted_value_comes_back() {
        let (adopted, service) = (claims("found", Layer::Adopted, "1"), claims("a", Layer::Service, "100"));
        let both = Intended::merge([&service, &adopted]).unwrap();
        assert_eq!(both.tree, service.tree);
        assert_eq!(Intended::merge([&adopted]).unwrap().tree, adopted.tree);
        let path = both.owners.keys().find(|p| p.to_string().ends_with("vlan")).unwrap();
        assert_eq!(both.owners_of(path).len(), 2);
        assert_eq!(both.owners_of(path)[0].0, Layer::Service);
    }
}
