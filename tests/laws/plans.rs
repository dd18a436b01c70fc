//! Plans of drawn services over a life of an element: what a plan may touch, that its bytes do what it says, that it goes
//! back, that overlapping services do not disturb each other.

use crate::arbitrary::Dice;
use crate::law;
use crate::paper::{Element, Wish, executed};
use crate::platform::{Platform, platforms};
use andante::adagio::Payload;
use andante::plan::{Allowed, ElementPlan, Permit, Plan, Refused, content_digest, differences};
use andante::tree::{After, Claims, ConfigTree, Defaults, Edit, Node, Path, apply};
use std::collections::BTreeSet;

/// One or two services of the platform, each put in some version or removed.
fn wishes<'a>(platform: &'a Platform, dice: &mut Dice) -> Vec<Wish<'a>> {
    let mut out: Vec<Wish<'a>> = Vec::new();
    for _ in 0..1 + dice.below(2) {
        let (name, versions) = &platform.services[dice.below(platform.services.len())];
        if !out.iter().any(|(other, _)| other == name) {
            out.push((name, (dice.below(3) > 0).then(|| &versions[dice.below(versions.len())])));
        }
    }
    out
}

/// A life: drawn wishes, each planned, judged, and done. In the end all services leave.
fn live(platform: &Platform, seed: u64, judge: &mut dyn FnMut(&Element, &[Wish<'_>], &ElementPlan)) {
    let dice = &mut Dice(seed);
    let mut element = platform.element();
    for _ in 0..5 {
        let wishes = wishes(platform, dice);
        step(&mut element, &wishes, judge);
    }
    for (name, _) in &platform.services {
        step(&mut element, &[(name, None)], judge);
    }
    assert_eq!(element.actual, platform.base, "released, everything is as it was found");
    assert!(element.claims.is_empty() && element.recorded.is_empty());
}

fn step(element: &mut Element, wishes: &[Wish<'_>], judge: &mut dyn FnMut(&Element, &[Wish<'_>], &ElementPlan)) {
    let plan = element.plan(wishes, &Allowed::default()).unwrap_or_else(|refused| panic!("{refused:#?}"));
    if let Some(plan) = &plan {
        judge(element, wishes, plan);
    }
    element.commit(wishes, plan.as_ref());
    assert_eq!(
        differences(&element.intended(), &element.recorded, &element.actual, &Defaults::default()),
        [],
        "in sync when done"
    );
    assert_eq!(element.plan(wishes, &Allowed::default()).unwrap(), None, "nothing is left to do");
}

/// Lives on every platform.
fn lives(cases: u64, judge: &mut dyn FnMut(&Element, &[Wish<'_>], &ElementPlan)) {
    let mut plans = 0;
    law(cases, |seed| {
        for platform in platforms() {
            live(platform, seed, &mut |element, wishes, plan| {
                plans += 1;
                judge(element, wishes, plan);
            });
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || plans as u64 > cases * 8, "a poor draw: {plans} plans");
}

#[test]
fn a_plan_touches_claimed_nodes_only_and_leaves_the_others_alone() {
    lives(25, &mut |element, wishes, plan| {
        let (old, new) = (element.intended(), after(element, wishes));
        assert!(plan.collateral.is_empty() && plan.overwritten.is_empty());
        for edit in &plan.diff.edits {
            let path = edit.path();
            assert!(old.tree.at(path).is_some() || new.at(path).is_some(), "{path} is nobody's");
            let (node, claimed) = match edit {
                Edit::Remove { node, .. } => (node, old.tree.at(path)),
                Edit::Create { node, .. } => (node, new.at(path)),
                _ => continue,
            };
            below(path, node, &mut |at| assert!(claimed.is_some() && within(&old.tree, &new, at), "{at} is nobody's"));
        }
        let target = apply(&plan.diff, &element.actual).unwrap();
        element.actual.walk(&mut |path, node| {
            if old.tree.at(path).is_none() && new.at(path).is_none() {
                assert_eq!(target.at(path).map(|now| now.value()), Some(node.value()), "{path}");
            }
            true
        });
    });
}

fn within(old: &ConfigTree, new: &ConfigTree, path: &Path) -> bool {
    old.at(path).is_some() || new.at(path).is_some()
}

fn below(path: &Path, node: &Node, visit: &mut dyn FnMut(&Path)) {
    visit(path);
    node.children().iter().for_each(|child| below(&path.child(child.step()), child, visit));
}

/// The intent after the wishes, adopted values left aside.
fn after(element: &Element, wishes: &[Wish<'_>]) -> ConfigTree {
    andante::tree::Intended::merge(element.candidate(wishes).values()).unwrap().tree
}

#[test]
fn the_bytes_of_a_plan_do_what_its_difference_says_and_the_undo_goes_back() {
    lives(25, &mut |element, _, plan| {
        let target = apply(&plan.diff, &element.actual).unwrap();
        assert_eq!(executed(&element.adapter, &element.actual, &plan.payload), target, "{}", plan.payload.native());
        assert_eq!(apply(&plan.inverse, &target).unwrap(), element.actual);
        assert_eq!(executed(&element.adapter, &target, &plan.undo), element.actual, "{}", plan.undo.native());
        assert!(plan.is_before(&element.actual) && plan.is_after(&target));
        assert_eq!(plan.moved(&element.actual), None);
        if !plan.diff.is_empty() {
            assert!(!plan.is_after(&element.actual) && !plan.is_before(&target));
            assert!(plan.moved(&target).is_some() && !plan.payload.is_empty());
        }
        for edit in &plan.diff.edits {
            assert_eq!(plan.before.at(edit.path()), element.actual.at(edit.path()));
            assert_eq!(plan.after.at(edit.path()), target.at(edit.path()));
        }
    });
}

/// F6: `delete` of what is missing is an error, `remove` is not; so a retry after an unknown outcome is harmless.
#[test]
fn a_payload_never_says_create_or_delete_and_does_the_same_when_it_is_sent_twice() {
    let (mut looked, mut removals) = (0, 0);
    lives(25, &mut |element, _, plan| {
        let target = apply(&plan.diff, &element.actual).unwrap();
        for (payload, from, to) in [(&plan.payload, &element.actual, &target), (&plan.undo, &target, &element.actual)] {
            let Payload::Netconf { config } = payload else { continue };
            looked += 1;
            let said: Vec<&str> =
                config.split("operation=\"").skip(1).map(|at| at.split('"').next().unwrap()).collect();
            assert_eq!(said.is_empty(), config.is_empty(), "{config}");
            assert!(said.iter().all(|word| ["merge", "remove", "replace"].contains(word)), "{said:?}\n{config}");
            removals += said.iter().filter(|word| **word == "remove").count();
            let once = executed(&element.adapter, from, payload);
            assert_eq!(&once, to);
            assert_eq!(&executed(&element.adapter, &once, payload), to, "sent twice:\n{config}");
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || (looked > 50 && removals > 50), "{looked}, {removals}");
}

#[test]
fn neither_the_order_of_claims_nor_the_hour_changes_a_plan() {
    lives(12, &mut |element, wishes, plan| {
        let reversed = |claims: Vec<Claims>| claims.into_iter().rev().collect::<Vec<_>>();
        let current = reversed(element.claims.values().cloned().collect());
        let candidate = reversed(element.candidate(wishes).into_values().collect());
        let again = element.plan_from(&current, &candidate, &Allowed::default()).unwrap().unwrap();
        assert_eq!(content_digest(&again), content_digest(plan));
        // Kept and read again it is the same plan, byte for byte.
        let kept = serde_json::to_string(plan).unwrap();
        let read: ElementPlan = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), kept);
    });
}

/// Ids and bytes of some plans.
fn some_plans() -> String {
    let mut said = String::new();
    for seed in 0..6 {
        for platform in platforms() {
            live(platform, seed, &mut |_, _, plan| {
                let elements = vec![plan.clone()];
                let whole = Plan { id: String::new(), services: vec![], elements, numbers: vec![], warnings: vec![] };
                said += &format!("{} {}\n", whole.sealed().id, content_digest(&plan.payload));
            });
        }
    }
    said
}

#[test]
fn another_process_makes_the_same_plans() {
    let mark = "these are the plans:\n";
    let said = some_plans();
    if std::env::var_os("ANDANTE_LAWS_CHILD").is_some() {
        print!("\n{mark}{said}.");
        return;
    }
    let name = "plans::another_process_makes_the_same_plans";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", name, "--nocapture"]).env("ANDANTE_LAWS_CHILD", "1").output().unwrap();
    let text = String::from_utf8(child.stdout).unwrap();
    let (_, theirs) = text.split_once(mark).unwrap_or_else(|| panic!("the child said: {text}"));
    assert!(said.lines().count() > 50);
    assert_eq!(theirs.split_once('.').unwrap().0, said);
}

#[test]
fn releasing_one_of_two_overlapping_services_leaves_what_the_other_claims() {
    let mut shared = 0;
    law(80, |seed| {
        for platform in platforms() {
            let dice = &mut Dice(seed);
            let (first, second) = (dice.below(6), dice.below(5));
            let (a, versions) = &platform.services[first];
            let (b, others) = &platform.services[(first + 1 + second) % 6];
            let (a_tree, b_tree) = (&versions[dice.below(5)], &others[dice.below(5)]);
            let mut element = platform.element();
            step(&mut element, &[(a, Some(a_tree))], &mut |_, _, _| {});
            step(&mut element, &[(b, Some(b_tree))], &mut |_, _, _| {});
            step(&mut element, &[(a, None)], &mut |_, _, _| {});
            b_tree.walk(&mut |path, node| {
                assert_eq!(element.actual.at(path).map(|now| now.value()), Some(node.value()), "{path}");
                shared += usize::from(a_tree.at(path).is_some() && platform.base.at(path).is_none());
                true
            });
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || shared > 20, "the services hardly overlap: {shared}");
}

#[test]
fn two_services_that_quarrel_are_refused_with_both_names() {
    law(100, |seed| {
        for platform in platforms() {
            let (_, versions) = &platform.services[seed as usize % 6];
            let (one, other) = (&versions[0], &versions[1 + seed as usize % 4]);
            let mut quarrel = BTreeSet::new();
            one.walk(&mut |path, node| {
                if other.at(path).is_some_and(|there| there.value() != node.value()) {
                    quarrel.insert(path.clone());
                }
                true
            });
            let mut element = platform.element();
            step(&mut element, &[("one", Some(one))], &mut |_, _, _| {});
            match element.plan(&[("other", Some(other))], &Allowed::default()) {
                Ok(_) => assert!(quarrel.is_empty(), "{quarrel:?}"),
                Err(refused) => {
                    let found: BTreeSet<Path> = refused.iter().filter_map(|why| why.path().cloned()).collect();
                    assert_eq!(found, quarrel, "{refused:?}");
                    for why in &refused {
                        assert_eq!(why.app_tag(), "claim-conflict");
                        let text = why.to_string();
                        assert!(text.contains("service one") && text.contains("service other"), "{text}");
                    }
                }
            }
        }
    });
}

/// Changes a leaf behind our back.
fn by_hand(element: &mut Element, path: &Path, value: &str) {
    let node = element.actual.at(path).unwrap();
    let kind = node.value().unwrap().kind();
    let leaf = Node::leaf(node.name().clone(), andante::tree::Value::new(kind, value));
    element.actual = element.actual.with(&path.parent().unwrap(), leaf, After::Keep);
}

#[test]
fn a_hand_made_change_is_in_the_way_of_a_plan_that_changes_it_and_of_no_other() {
    let (mut refusals, mut others) = (0, 0);
    law(100, |seed| {
        for platform in platforms() {
            let dice = &mut Dice(seed);
            let mut element = platform.element();
            let (name, versions) = &platform.services[dice.below(6)];
            let (one, two) = (&versions[dice.below(5)], &versions[dice.below(5)]);
            step(&mut element, &[(name, Some(one))], &mut |_, _, _| {});
            // A description is what people change by hand, and it takes any text.
            let mut texts = Vec::new();
            one.walk(&mut |path, node| {
                if node.name().name.as_str() == "description" && node.value().is_some() {
                    texts.push(path.clone());
                }
                true
            });
            let path = texts[dice.below(texts.len())].clone();
            by_hand(&mut element, &path, "by hand");
            let wish = [(name.as_str(), (dice.below(2) == 0).then_some(two))];
            let wanted = wish[0].1.and_then(|tree| tree.at(&path));
            let recorded = one.at(&path).unwrap().value().unwrap().to_string();
            match element.plan(&wish, &Allowed::default()) {
                Ok(plan) => {
                    others += 1;
                    assert_eq!(wanted.map(|node| node.hash()), one.at(&path).map(|node| node.hash()), "{path}");
                    let Some(plan) = plan else { continue };
                    assert!(plan.touched().all(|touched| !touched.touches(&path)), "{path} is left alone");
                    let named = plan.deviations.iter().any(|deviation| deviation.path == path);
                    assert!(named, "{path} must be listed: {:?}", plan.deviations);
                }
                Err(refused) => {
                    refusals += 1;
                    let [Refused::HandMade(found)] = refused.as_slice() else { panic!("{refused:?}") };
                    assert_eq!((&found.path, &found.recorded), (&path, &Some(recorded)));
                    assert_eq!(found.actual.as_deref(), Some("by hand"));
                    assert_eq!(found.wanted, wanted.and_then(|node| Some(node.value()?.to_string())));
                    // Not by a permit for something else, but by one for the place or above it.
                    for (permit, enough) in [
                        (Permit::Paths(BTreeSet::from(["/elsewhere".into()])), false),
                        (Permit::Paths(BTreeSet::from([path.to_string()])), true),
                        (Permit::Paths(BTreeSet::from([path.parent().unwrap().to_string()])), true),
                        (Permit::All, true),
                    ] {
                        let allowed = Allowed { overwrite: permit, collateral: Permit::Nothing, ..Allowed::default() };
                        let plan = element.plan(&wish, &allowed);
                        assert_eq!(plan.is_ok(), enough, "{plan:?}");
                        let Ok(Some(plan)) = plan else { continue };
                        assert_eq!(plan.overwritten, std::slice::from_ref(found));
                        let done = executed(&element.adapter, &element.actual, &plan.payload);
                        let left = done.at(&path).and_then(|node| node.value());
                        assert_eq!(left, wanted.and_then(|node| node.value()), "{path}");
                        assert_eq!(executed(&element.adapter, &done, &plan.undo), element.actual, "by hand, again");
                    }
                }
            }
        }
    });
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || refusals > 40 && others > 10, "{refusals} {others}");
}
