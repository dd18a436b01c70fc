//! The merge of claims: neither order nor grouping matters, the strongest layer stands, an adopted value comes back, an
//! order is found that all accept, and replacing one owner's claims gives what merging anew gives.

use crate::arbitrary::{Dice, schema, tree};
use crate::law;
use andante::tree::{
    Body, Children, ClaimConflict, Claims, ConfigTree, Intended, Kind, Layer, Node, Order, Owner, Path, Value,
};
use std::collections::{BTreeMap, BTreeSet};

const LAYERS: [Layer; 4] = [Layer::Adopted, Layer::Base, Layer::Service, Layer::Pin];

/// Up to six owners; those of one layer draw from one tree, so they agree unless `quarrel`.
fn drawn(seed: u64, quarrel: bool) -> Vec<Claims> {
    let dice = &mut Dice(seed);
    let wanted = wanted(seed);
    (0..1 + dice.below(6)).map(|owner| wish(dice, &wanted, owner, quarrel)).collect()
}

/// What each layer draws from.
fn wanted(seed: u64) -> Vec<ConfigTree> {
    let index = schema(seed / 4);
    (0..4).map(|layer| tree(&index, seed.wrapping_mul(5) + layer)).collect()
}

/// All kinds of claims of one owner.
fn wish(dice: &mut Dice, wanted: &[ConfigTree], owner: usize, quarrel: bool) -> Claims {
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
    if dice.below(2) == 0 {
        claims.order = orders(dice, &wanted[layer], quarrel);
    }
    claims
}

/// Wishes for an order that the tree has itself, or, in a quarrel, perhaps its reverse.
fn orders(dice: &mut Dice, tree: &ConfigTree, quarrel: bool) -> BTreeSet<Order> {
    let mut found = BTreeSet::new();
    let mut lists = vec![(Path::root(), tree.root().clone())];
    tree.walk(&mut |path, node| {
        lists.push((path.clone(), node.clone()));
        true
    });
    for (parent, node) in lists {
        let children = node.children().to_vec();
        for run in children.chunk_by(|a, b| a.name() == b.name()).filter(|run| run[0].is_user_ordered()) {
            let (a, b) = (dice.below(run.len()), dice.below(run.len()));
            if a == b || dice.below(2) == 0 {
                continue;
            }
            let turned = quarrel && dice.below(3) == 0;
            let (first, then) = if (a < b) != turned { (a, b) } else { (b, a) };
            found.insert(Order { parent: parent.clone(), first: run[first].step(), then: run[then].step() });
        }
    }
    found
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
    Intended::merge(claims).map_err(|conflicts| places(&conflicts))
}

/// Where owners quarrel; about an order: in which list.
fn places(conflicts: &[ClaimConflict]) -> BTreeSet<Path> {
    let place = |conflict: &ClaimConflict| match conflict.first_wants.contains("' before '") {
        true => conflict.path.parent().unwrap(),
        false => conflict.path.clone(),
    };
    conflicts.iter().map(place).collect()
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
            (Ok(whole), Ok(parts)) => assert_eq!(parts, whole),
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

#[test]
fn replacing_the_claims_of_one_owner_gives_what_merging_anew_gives() {
    let (mut replaced, mut refused) = (0, 0);
    law(400, |seed| {
        let wanted = wanted(seed);
        let dice = &mut Dice(seed);
        let mut now: BTreeMap<(Layer, Owner), Claims> = BTreeMap::new();
        let mut intended = Intended::default();
        let mut kept = Vec::new();
        for _ in 0..12 {
            let mut new = wish(dice, &wanted, dice.0 as usize % 5, seed % 3 == 0);
            let key = (new.layer, new.owner.clone());
            let old = now.get(&key).cloned();
            // Often only a part of it changes.
            if let (Some(old), true) = (&old, dice.below(2) == 0) {
                new = Claims { tree: ConfigTree::new(some(dice, old.tree.top())), ..old.clone() };
            }
            let new = (dice.below(4) > 0).then_some(new);
            let mut then = now.clone();
            match &new {
                Some(new) => then.insert(key, new.clone()),
                None => then.remove(&key),
            };
            let anew = Intended::merge(then.values());
            match (intended.replace(old.as_ref(), new.as_ref()), anew) {
                (Ok(next), Ok(anew)) => {
                    replaced += 1;
                    assert_eq!(next, anew);
                    assert_eq!(next.absent(), anew.absent());
                    assert_eq!(next.whole(), anew.whole());
                    kept.push((intended.clone(), now.clone()));
                    (intended, now) = (next, then);
                }
                (Err(next), Err(anew)) => {
                    refused += 1;
                    assert_eq!(places(&next), places(&anew));
                }
                (next, anew) => panic!("replaced {next:?}, merged anew {anew:?}"),
            }
        }
        // What was before is still what it was.
        for (before, claims) in kept {
            assert_eq!(before, Intended::merge(claims.values()).unwrap());
        }
    });
    println!("{replaced} replaced, {refused} refused");
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || replaced > 1_500 && refused > 25, "{replaced} {refused}");
}

#[test]
fn every_wish_for_an_order_holds_that_no_stronger_one_turns() {
    let (mut held, mut turned) = (0, 0);
    law(1500, |seed| {
        let claims = drawn(seed, seed % 3 == 0);
        let Ok(intended) = merged(&claims) else { return };
        for claim in &claims {
            for (wish, strict) in wishes(claim) {
                let Some(parent) = intended.tree.at(&wish.parent) else { continue };
                let place = |step| parent.children().iter().position(|node| node.is_at(step));
                let (Some(first), Some(then)) = (place(&wish.first), place(&wish.then)) else { continue };
                let stronger = claims.iter().any(|other| other.layer > claim.layer && speaks_of(other, &wish));
                if first < then {
                    held += 1;
                } else {
                    turned += 1;
                    assert!(stronger, "{}: {:?} {strict}", claim.owner, wish);
                }
            }
        }
    });
    println!("{held} held, {turned} turned by a stronger layer");
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || held > 2_000 && turned > 5, "{held} {turned}");
}

/// All wishes for an order of one owner, those of his tree among them.
fn wishes(claims: &Claims) -> Vec<(Order, &'static str)> {
    let mut all: Vec<(Order, &str)> = claims.order.iter().map(|wish| (wish.clone(), "said")).collect();
    let mut of = |parent: &Path, node: &Node| {
        for pair in node.children().to_vec().windows(2) {
            if pair[0].name() == pair[1].name() && pair[1].is_user_ordered() {
                all.push((Order { parent: parent.clone(), first: pair[0].step(), then: pair[1].step() }, "drawn"));
            }
        }
    };
    of(&Path::root(), claims.tree.root());
    claims.tree.walk(&mut |path, node| {
        of(path, node);
        true
    });
    all
}

/// Whether an owner has a say in the list of this wish.
fn speaks_of(claims: &Claims, wish: &Order) -> bool {
    wishes(claims).iter().any(|(other, _)| other.parent == wish.parent && other.first.name == wish.first.name)
}

#[test]
fn every_node_can_say_why_it_is_there_and_what_comes_back() {
    let mut come_back = 0;
    law(600, |seed| {
        let claims = drawn(seed, false);
        let Ok(intended) = merged(&claims) else { return };
        intended.tree.walk(&mut |path, node| {
            let why = intended.why(path);
            let presence = |kind: Kind| matches!(kind, Kind::Exists | Kind::Value | Kind::Member);
            let said: Vec<_> = why.claimants.iter().filter(|claimant| presence(claimant.kind)).collect();
            assert!(!said.is_empty(), "{path} has no claimant");
            for claimant in &said {
                let theirs = claims.iter().find(|c| c.owner == claimant.owner && c.layer == claimant.layer).unwrap();
                let there = theirs.tree.at(path).unwrap();
                assert_eq!(
                    claimant.stands,
                    there.value() == node.value()
                        && said[0].layer.max(claimant.layer) == said[0].layer
                        && passes(&claims, claimant.layer, path)
                );
            }
            // Without the strongest layer.
            let top = said[0].layer;
            let rest: Vec<Claims> = claims.iter().filter(|c| c.layer < top).cloned().collect();
            if !matches!(node.body(), Body::Container { presence: false }) && !absent_from(&claims, top, path) {
                let left = merged(&rest).unwrap().tree.at(path).map(|node| match node.body() {
                    Body::Leaf(value) => value.to_string(),
                    _ => "present".into(),
                });
                come_back += usize::from(left.is_some());
                assert_eq!(why.comes_back, left, "{path}");
            }
            true
        });
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || come_back > 200, "{come_back}");
}

/// Whether no stronger layer than this wishes the absence of the path.
fn passes(claims: &[Claims], layer: Layer, path: &Path) -> bool {
    !claims.iter().any(|c| c.layer > layer && c.absent.iter().any(|absent| path.starts_with(absent)))
}

/// Whether this layer or a stronger one wishes the absence of the path.
fn absent_from(claims: &[Claims], layer: Layer, path: &Path) -> bool {
    claims.iter().any(|c| c.layer >= layer && c.absent.iter().any(|absent| path.starts_with(absent)))
}
