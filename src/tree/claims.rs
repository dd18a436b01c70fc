//! Who wants what: claims in four fixed layers, and their merge into what is intended for one element.
//!
//! A claim says "this owner wants these nodes to be so". Inside a layer equal wishes unify (the set of claims is the
//! reference count) and unequal ones are a conflict naming both owners and the path; a higher layer wins over a lower
//! one. There are no numeric priorities. When the last claim of a node goes the node goes; an adopted value below comes
//! back by the same merge.
//!
//! Guarantee: the merge is commutative, associative and idempotent, so the order of services and of restarts cannot
//! matter.

use super::name::QName;
use super::node::{Body, Node};
use super::path::{Path, Step};
use super::tree::ConfigTree;
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
    /// Merges claims, with the owners of each node. All conflicts are reported at once.
    pub fn merge<'a>(claims: impl IntoIterator<Item = &'a Claims>) -> Result<Self, Vec<ClaimConflict>> {
        let claims: Vec<&Claims> = claims.into_iter().collect();
        let mut merged = Self::without_owners(claims.iter().copied())?;
        for claim in claims {
            let who = || (claim.layer, claim.owner.clone());
            claim.tree.walk(&mut |path, _| {
                merged.owners.entry(path.clone()).or_default().push(who());
                true
            });
            for path in &claim.absent {
                merged.owners.entry(path.clone()).or_default().push(who());
            }
        }
        for owners in merged.owners.values_mut() {
            owners.sort_by(|a, b| b.cmp(a));
            owners.dedup();
        }
        Ok(merged)
    }

    /// The same merge with `owners` left empty. What only one claim speaks of is shared with it, so the cost follows the
    /// number of claims and what they have in common, not the number of nodes.
    pub fn without_owners<'a>(claims: impl IntoIterator<Item = &'a Claims>) -> Result<Self, Vec<ClaimConflict>> {
        let mut claims: Vec<&Claims> = claims.into_iter().collect();
        // Order must not matter, not even for user-ordered siblings.
        claims.sort_by(|a, b| (a.layer, &a.owner, a.tree.hash()).cmp(&(b.layer, &b.owner, b.tree.hash())));
        let mut merged = Self::default();
        let mut conflicts = Vec::new();
        for layer in claims.chunk_by(|a, b| a.layer == b.layer) {
            merged.add_layer(layer, &mut conflicts);
        }
        if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
    }

    /// The owners of the node at `path`; empty when nobody claims it.
    pub fn owners_of(&self, path: &Path) -> &[(Layer, Owner)] {
        self.owners.get(path).map_or(&[], Vec::as_slice)
    }

    fn add_layer(&mut self, claims: &[&Claims], conflicts: &mut Vec<ClaimConflict>) {
        let roots = claims.iter().map(|claim| (claim.tree.root(), &claim.owner)).collect();
        let tree = ConfigTree::new(united(&mut Vec::new(), roots, conflicts).children().to_vec());
        let mut absent: BTreeMap<&Path, &Owner> = BTreeMap::new();
        for claim in claims {
            self.whole.extend(claim.whole.iter().cloned());
            for path in &claim.absent {
                absent.entry(path).or_insert(&claim.owner);
            }
        }
        for (path, owner) in &absent {
            if let Some(other) = claims.iter().find(|claim| claim.tree.at(path).is_some()) {
                conflicts.push(ClaimConflict {
                    path: (*path).clone(),
                    first: other.owner.clone(),
                    first_wants: "it to be there".into(),
                    second: (*owner).clone(),
                    second_wants: "it to be absent".into(),
                });
            }
            self.tree = self.tree.without(path);
        }
        // A stronger layer that wants a node again lifts the wish of a weaker one for its absence.
        self.absent.retain(|path| tree.at(path).is_none());
        self.absent.extend(absent.into_keys().cloned());
        self.tree = self.tree.overlay(&tree);
    }
}

/// Nodes of one step over each other; `above` are the steps to them, their own included.
fn united(above: &mut Vec<Step>, nodes: Vec<(&Node, &Owner)>, conflicts: &mut Vec<ClaimConflict>) -> Node {
    let Some(((first, owner), rest)) = nodes.split_first() else {
        return Node::container(QName::new("", ""), true, Vec::new());
    };
    if rest.iter().all(|(node, _)| node.hash() == first.hash()) {
        return (*first).clone();
    }
    if let Body::Leaf(wants) = first.body() {
        for (node, second) in rest {
            if let Body::Leaf(other) = node.body()
                && other != wants
            {
                conflicts.push(ClaimConflict {
                    path: Path::new(above.clone()),
                    first: (*owner).clone(),
                    first_wants: format!("'{wants}'"),
                    second: (*second).clone(),
                    second_wants: format!("'{other}'"),
                });
            }
        }
        return (*first).clone();
    }
    // In the order of their first appearance, for siblings whose order is the user's.
    let mut places: BTreeMap<Step, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<(&Node, &Owner)>> = Vec::new();
    for (node, owner) in &nodes {
        for child in node.children() {
            let at = *places.entry(child.step()).or_insert(groups.len());
            match groups.get_mut(at) {
                Some(group) => group.push((child, owner)),
                None => groups.push(vec![(child, owner)]),
            }
        }
    }
    let mut children = Vec::with_capacity(groups.len());
    for group in groups {
        match group[..] {
            [(alone, _)] => children.push(alone.clone()),
            _ => {
                above.push(group[0].0.step());
                children.push(united(above, group, conflicts));
                above.pop();
            }
        }
    }
    first.with_children(children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Value;

    fn claims(owner: &str, layer: Layer, vlan: &str) -> Claims {
        let leaf = Node::leaf(QName::new("m", "vlan"), Value::text(vlan));
        let tree = ConfigTree::new(vec![Node::container(QName::new("m", "port"), false, vec![leaf])]);
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

    /// 3,000 services that share one list: quadratic merging would take minutes.
    #[test]
    fn thousands_of_claims_share_what_only_one_speaks_of() {
        let all: Vec<Claims> = (0..3_000)
            .map(|n| {
                let keys = [("name".into(), Value::text(&format!("v{n:04}")))];
                let leaf = Node::leaf(QName::new("m", "rd"), Value::text("1"));
                let vrf = Node::entry(QName::new("m", "vrf"), keys, false, vec![leaf]);
                let tree = ConfigTree::new(vec![Node::container(QName::new("m", "vrfs"), false, vec![vrf])]);
                Claims::new(Owner(format!("s{n}")), Layer::Service, tree)
            })
            .collect();
        let merged = Intended::without_owners(&all).unwrap();
        assert_eq!(merged.tree.count(), 6_001);
        let first = all[0].tree.top().first().unwrap().children().first().unwrap();
        assert!(Node::same(merged.tree.top().first().unwrap().child_beside(first).unwrap(), first));
    }
}
