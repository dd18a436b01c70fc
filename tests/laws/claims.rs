//! The merge of claims: neither order nor grouping matters, the strongest layer stands, an adopted value comes back.

use crate::arbitrary::{Dice, schema, tree};
use crate::law;
use andante::tree::{Body, Children, Claims, ConfigTree, Intended, Layer, Node, Owner, Path, Value};
use std::collections::{BTreeMap, BTreeSet};

const LAYERS: [Layer; 4] = [Layer::Adopted, Layer::Base, Layer::Service, Layer::Pin];

/// Up to six owners; those of one layer draw from one tree, so they agree unless `quarrel`.
fn drawn(seed: u64, quarrel: bool) -> Vec<Claims> {
    let index = schema(seed / 4);
    let dice = &mut Dice(seed);
    let wanted: Vec<ConfigTree> = (0..4).map(|layer| tree(&index, seed.wrapping_mul(5) + layer)).collect();
    let mut all = Vec::new();
    for owner in 0..1 + dice.below(6) {
        let layer = dice.below(4);
        let from = if quarrel && dice.below(4) == 0 { dice.below(4) } else { layer };
        let part = ConfigTree::new(some(dice, wanted[from].top()));
        let mut claims = Claims::new(Owner(format!("owner {owner}")), LAYERS[layer], part);
        if dice.below(3) == 0 {
            let mut paths = Vec::new();
            wanted[dice.below(4)].walk(&mut |path, _| {
                paths.push(path.clone());
                true
            });
            if !paths.is_empty() {
                let path = paths[dice.below(paths.len())].clone();
                if quarrel || claims.tree.at(&path).is_none() {
                    claims.absent.insert(path.clone());
                    claims.whole.extend(path.parent());
                }
            }
        }
        all.push(claims);
    }
    all
}

fn some(dice: &mut Dice, nodes: Children<'_>) -> Vec<Node> {
    let mut kept = Vec::new();
    for node in nodes {
        if dice.below(4) > 0 {
            kept.push(node.with_children(some(dice, node.children())));
        }
    }
    kept
}

fn shuffled(dice: &mut Dice, claims: &[Claims]) -> Vec<Claims> {
    let mut left = claims.to_vec();
    let mut out = Vec::new();
    while !left.is_empty() {
        out.push(left.remove(dice.below(left.len())));
    }
    out
}

/// The merge, or where owners quarrel.
fn merged(claims: &[Claims]) -> Result<Intended, BTreeSet<Path>> {
    Intended::merge(claims).map_err(|conflicts| conflicts.into_iter().map(|conflict| conflict.path).collect())
}

#[test]
fn the_order_of_claims_does_not_matter() {
    let mut quarrels = 0;
    law(2000, |seed| {
        let claims = drawn(seed, seed % 2 == 0);
        let once = merged(&claims);
        quarrels += usize::from(once.is_err());
        assert_eq!(merged(&shuffled(&mut Dice(seed), &claims)), once);
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || (100..1500).contains(&quarrels), "{quarrels} quarrels");
}

#[test]
fn a_claim_made_twice_is_made_once() {
    law(1000, |seed| {
        let claims = drawn(seed, false);
        let twice: Vec<Claims> = claims.iter().chain(&claims).cloned().collect();
        assert_eq!(merged(&twice), merged(&claims));
    });
}

#[test]
fn the_grouping_of_claims_does_not_matter() {
    law(1000, |seed| {
        let claims = drawn(seed, false);
        let dice = &mut Dice(seed);
        // One owner's wishes in two parts, whatever part a node is in.
        let mut split = Vec::new();
        for all in &claims {
            for _ in 0..2 {
                split.push(Claims { tree: ConfigTree::new(some(dice, all.tree.top())), ..all.clone() });
            }
            split.push(all.clone());
        }
        let (whole, parts) = (merged(&claims), merged(&shuffled(dice, &split)));
        match (whole, parts) {
            (Ok(whole), Ok(parts)) => {
                // The owner of all it wants has the last word on user order, so only content is compared here.
                assert_eq!(content(&parts.tree), content(&whole.tree));
                assert_eq!((parts.owners, parts.whole, parts.absent), (whole.owners, whole.whole, whole.absent));
            }
            (whole, parts) => assert_eq!(whole.err(), parts.err()),
        }
    });
}

#[test]
fn the_strongest_layer_that_speaks_of_a_node_stands() {
    let mut spoken = 0;
    law(1500, |seed| {
        let claims = drawn(seed, seed % 3 == 0);
        let Ok(intended) = merged(&claims) else { return };
        let mut nodes = BTreeSet::new();
        for claim in &claims {
            claim.tree.walk(&mut |path, node| {
                if !matches!(node.body(), Body::Container { .. }) {
                    nodes.insert(path.clone());
                }
                true
            });
        }
        for path in &nodes {
            spoken += 1;
            let found = intended.tree.at(path).map(|node| node.value().cloned());
            assert_eq!(found, verdict(&claims, path), "{path}");
        }
        // Nobody's wish appears from nowhere.
        for path in content(&intended.tree).keys() {
            assert!(!intended.owners_of(path).is_empty(), "{path} has no owner");
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || spoken > 10_000, "a poor draw: {spoken}");
}

/// What stands at `path`, said again in the simplest way: `None` = nothing, else the value of a leaf.
fn verdict(claims: &[Claims], path: &Path) -> Option<Option<Value>> {
    for layer in LAYERS.iter().rev() {
        let of_layer = || claims.iter().filter(|claims| claims.layer == *layer);
        if let Some(node) = of_layer().find_map(|claims| claims.tree.at(path)) {
            return Some(node.value().cloned());
        }
        if of_layer().any(|claims| claims.absent.iter().any(|absent| path.starts_with(absent))) {
            return None;
        }
    }
    None
}

#[test]
fn what_was_adopted_comes_back_when_the_last_claim_goes() {
    law(1000, |seed| {
        let mut claims = drawn(seed, false);
        claims.iter_mut().for_each(|claims| claims.absent.clear());
        let (adopted, above): (Vec<_>, Vec<_>) = claims.iter().cloned().partition(|c| c.layer == Layer::Adopted);
        let found = merged(&adopted).unwrap();
        let with = merged(&claims).unwrap();
        // Everything adopted stays there while it is claimed above, perhaps with another value.
        assert!(content(&found.tree).keys().all(|path| with.tree.at(path).is_some()));
        // One by one they go; in the end exactly what was found.
        let mut left = above;
        while let Some(gone) = left.pop() {
            let rest: Vec<Claims> = adopted.iter().chain(&left).cloned().collect();
            let rest = merged(&rest).unwrap();
            for (path, value) in content(&gone.tree) {
                let still = left.iter().any(|claims| claims.tree.at(&path).is_some());
                match (rest.tree.at(&path), found.tree.at(&path)) {
                    (None, None) => assert!(!still || value.is_none(), "{path} went with one of its claims"),
                    (Some(now), Some(first)) => assert!(still || now.value() == first.value(), "{path}"),
                    (Some(_), None) => assert!(still, "{path} stays though nobody claims it"),
                    (None, Some(_)) => panic!("{path}: what was found is gone"),
                }
            }
        }
        assert_eq!(merged(&adopted).unwrap().tree, found.tree);
    });
}

/// The nodes that say something, with their values, without order.
fn content(tree: &ConfigTree) -> BTreeMap<Path, Option<Value>> {
    let mut out = BTreeMap::new();
    tree.walk(&mut |path, node| {
        out.insert(path.clone(), node.value().cloned());
        true
    });
    out
}
