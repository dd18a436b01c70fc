//! First contact: what an element has before anybody claims it.

use crate::arbitrary::Dice;
use crate::law;
use crate::paper::executed;
use crate::platform::platforms;
use andante::adapter::Ownership;
use andante::plan::{Allowed, Permit, Refused};
use andante::tree::{After, Body, Children, ConfigTree, Intended, Node, Path};
use std::collections::BTreeSet;

/// Some of a tree.
fn some(dice: &mut Dice, nodes: Children<'_>) -> Vec<Node> {
    let mut kept = Vec::new();
    for node in nodes {
        if dice.below(3) > 0 {
            kept.push(node.with_children(some(dice, node.children())));
        }
    }
    kept
}

fn says_something(node: &Node) -> bool {
    !matches!(node.body(), Body::Container { presence: false })
}

#[test]
fn what_stands_there_is_refused_if_own_and_adopted_if_shared() {
    let (mut refusals, mut adoptions) = (0, 0);
    law(300, |seed| {
        for platform in platforms() {
            let dice = &mut Dice(seed);
            let (name, versions) = &platform.services[dice.below(6)];
            let wanted = &versions[dice.below(5)];
            let mut element = platform.element();
            let there = match dice.below(3) {
                // Only what is shared stands there.
                0 => ConfigTree::new(shared(platform, &Path::root(), wanted.top())),
                _ => ConfigTree::new(some(dice, wanted.top())),
            };
            element.actual = element.actual.overlay(&there);
            // Own nodes that stand there, the highest of each branch; and shared ones that are not below such.
            let (mut own, mut adopted) = (BTreeSet::new(), BTreeSet::new());
            wanted.walk(&mut |path, node| {
                let here = element.actual.at(path).is_some();
                if here && says_something(node) {
                    match platform.adapter.ownership(path) {
                        Ownership::Own => {
                            own.insert(path.clone());
                            return false;
                        }
                        Ownership::Shared => adopted.insert(path.clone()),
                    };
                }
                here
            });
            let wish = [(name.as_str(), Some(wanted))];
            match element
                .plan(&wish, &Allowed { overwrite: Permit::All, collateral: Permit::All, ..Allowed::default() })
            {
                Err(refused) => {
                    refusals += 1;
                    assert!(refused.iter().all(|why| matches!(why, Refused::ExistsUnowned { .. })), "{refused:?}");
                    let found: BTreeSet<Path> = refused.iter().filter_map(|why| why.path().cloned()).collect();
                    assert_eq!(found, own);
                }
                Ok(None) => panic!("a new service with nothing to do"),
                Ok(Some(plan)) => {
                    assert!(own.is_empty(), "{own:?}");
                    let mut found = BTreeSet::new();
                    if let Some(claims) = &plan.adopted {
                        claims.tree.walk(&mut |path, node| {
                            if says_something(node) || adopted.contains(path) {
                                found.insert(path.clone());
                                let was = element.actual.at(path).unwrap();
                                assert_eq!(node.value(), was.value(), "{path}: the value that was found");
                            }
                            true
                        });
                    }
                    assert_eq!(found, adopted);
                    adoptions += usize::from(!adopted.is_empty());
                    let before = element.actual.clone();
                    element.commit(&wish, Some(&plan));
                    let release = element.plan(&[(name, None)], &Allowed::default()).unwrap();
                    element.commit(&[(name, None)], release.as_ref());
                    assert_eq!(element.actual, before, "release gives back what was found");
                    assert!(element.claims.is_empty());
                }
            }
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || refusals > 100 && adoptions > 100, "{refusals} {adoptions}");
}

/// The shared nodes of a tree that stand below shared ones only.
fn shared(platform: &crate::platform::Platform, parent: &Path, nodes: Children<'_>) -> Vec<Node> {
    let mut kept = Vec::new();
    for node in nodes {
        let path = parent.child(node.step());
        if !says_something(node) || platform.adapter.ownership(&path) == Ownership::Shared {
            kept.push(node.with_children(shared(platform, &path, node.children())));
        }
    }
    kept
}

#[test]
fn a_shared_leaf_with_another_value_comes_back_on_release() {
    let mut seen = 0;
    for platform in platforms() {
        for (name, versions) in &platform.services {
            let wanted = &versions[0];
            let mut leafs = Vec::new();
            wanted.walk(&mut |path, node| {
                let shared = platform.adapter.ownership(path) == Ownership::Shared;
                let above = path.parent().is_none_or(|up| platform.adapter.ownership(&up) == Ownership::Shared);
                if shared && above && node.value().is_some_and(|value| !value.as_str().is_empty()) {
                    leafs.push(path.clone());
                }
                true
            });
            for path in leafs {
                let mut element = platform.element();
                let node = wanted.at(&path).unwrap();
                let other = andante::tree::Value::new(node.value().unwrap().kind(), "1");
                let other = Node::leaf(node.name().clone(), other);
                element.actual = element.actual.with(&path.parent().unwrap(), other.clone(), After::Keep);
                let before = element.actual.clone();
                let plan = element.plan(&[(name, Some(wanted))], &Allowed::default()).unwrap().unwrap();
                element.commit(&[(name, Some(wanted))], Some(&plan));
                assert_eq!(element.actual.at(&path).unwrap().value(), node.value());
                let release = element.plan(&[(name, None)], &Allowed::default()).unwrap().unwrap();
                element.commit(&[(name, None)], Some(&release));
                assert_eq!(element.actual, before);
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "only {seen} shared leafs with a value");
}

#[test]
fn what_nobody_claims_below_a_removal_is_refused_as_collateral_and_goes_only_when_allowed() {
    let mut refusals = 0;
    law(100, |seed| {
        for platform in platforms() {
            let dice = &mut Dice(seed);
            let (name, versions) = &platform.services[dice.below(6)];
            let (wanted, more) = (&versions[dice.below(5)], &versions[dice.below(5)]);
            let mut element = platform.element();
            let plan = element.plan(&[(name, Some(wanted))], &Allowed::default()).unwrap();
            element.commit(&[(name, Some(wanted))], plan.as_ref());
            // Somebody adds what another version of the service would have.
            let intended = element.intended();
            element.actual = element.actual.overlay(&more.overlay(wanted));
            let present = element.actual.clone();
            let wish = [(name.as_str(), None)];
            let refused = match element.plan(&wish, &Allowed::default()) {
                Ok(Some(plan)) => {
                    let done = executed(&element.adapter, &present, &plan.payload);
                    unclaimed_stay(&intended, &present, &done, &plan.collateral);
                    continue;
                }
                Ok(None) => panic!("nothing to remove"),
                Err(refused) => refused,
            };
            refusals += 1;
            assert!(refused.iter().all(|why| matches!(why, Refused::Collateral { .. })), "{refused:?}");
            let named: BTreeSet<String> = refused.iter().map(|why| why.path().unwrap().to_string()).collect();
            let mut fewer = named.clone();
            fewer.pop_last();
            let allow =
                |paths| Allowed { overwrite: Permit::Nothing, collateral: Permit::Paths(paths), ..Allowed::default() };
            assert!(element.plan(&wish, &allow(fewer)).is_err(), "exactly what is allowed, and no more");
            let plan = element.plan(&wish, &allow(named.clone())).unwrap().unwrap();
            assert_eq!(plan.collateral.iter().map(Path::to_string).collect::<BTreeSet<_>>(), named);
            let done = executed(&element.adapter, &present, &plan.payload);
            unclaimed_stay(&intended, &present, &done, &plan.collateral);
            assert_eq!(executed(&element.adapter, &done, &plan.undo), present);
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || refusals > 30, "{refusals}");
}

fn unclaimed_stay(intended: &Intended, before: &ConfigTree, after: &ConfigTree, collateral: &[Path]) {
    before.walk(&mut |path, node| {
        let gone = collateral.iter().any(|lost| path.starts_with(lost));
        if intended.tree.at(path).is_none() && !gone {
            assert_eq!(after.at(path).map(|now| now.value()), Some(node.value()), "{path} is nobody's and went");
        }
        if gone {
            assert!(after.at(path).is_none(), "{path} was to go");
        }
        true
    });
}
