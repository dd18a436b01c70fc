//! Leafs that equal their default, on elements that keep, drop or show them (RFC 6243 §2): what the services want is there
//! in effect, the read-back agrees, nothing is left to do, and in the end everything is as it was found.

use crate::arbitrary::Dice;
use crate::law;
use crate::order::{State, adapter, claims, leaf, path, port, q, top};
use crate::paper::executed;
use andante::plan::{Allowed, Refused};
use andante::tree::{ConfigTree, DefaultsMode, Intended, Node, Step, Value};
use std::collections::BTreeSet;

const DEFAULTS: [(&str, &str); 3] = [("mtu", "1500"), ("mode", "auto"), ("limit", "none")];

/// What an element keeps of what was set.
fn kept(mode: DefaultsMode, tree: &ConfigTree) -> ConfigTree {
    match mode {
        DefaultsMode::Trim => mapped(tree, &|node| {
            let default = |name: &str, value: &Value| DEFAULTS.contains(&(name, value.as_str()));
            node.children()
                .iter()
                .filter(|c| !c.value().is_some_and(|value| default(c.name().name.as_str(), value)))
                .cloned()
                .collect()
        }),
        _ => tree.clone(),
    }
}

/// What it shows of what it keeps.
fn shown(mode: DefaultsMode, tree: &ConfigTree) -> ConfigTree {
    match mode {
        DefaultsMode::ReportAll => mapped(tree, &|node| {
            let mut children = node.children().to_vec();
            let mut missing = |name: &str| {
                let value = DEFAULTS.iter().find(|(leaf, _)| *leaf == name).unwrap().1;
                if node.child(&Step::single(q(name))).is_none() {
                    children.push(leaf(name, value));
                }
            };
            match node.name().name.as_str() {
                "port" => {
                    missing("mtu");
                    missing("mode");
                    if node.child(&Step::single(q("speed"))).is_none() {
                        children.push(Node::container(q("speed"), false, [leaf("limit", "none")]));
                    }
                }
                "speed" => missing("limit"),
                _ => {}
            }
            children
        }),
        _ => tree.clone(),
    }
}

fn mapped(tree: &ConfigTree, change: &dyn Fn(&Node) -> Vec<Node>) -> ConfigTree {
    fn down(node: &Node, change: &dyn Fn(&Node) -> Vec<Node>) -> Node {
        let below: Vec<Node> = node.children().iter().map(|child| down(child, change)).collect();
        let node = node.with_children(below);
        node.with_children(change(&node))
    }
    ConfigTree::new(down(tree.root(), change).children().to_vec())
}

fn drawn(dice: &mut Dice) -> ConfigTree {
    let mut ports = Vec::new();
    for key in ["p1", "p2"] {
        if dice.below(4) == 0 {
            continue;
        }
        let mut children = Vec::new();
        for name in ["mtu", "mode"] {
            let default = DEFAULTS.iter().find(|(leaf, _)| *leaf == name).unwrap().1;
            match dice.below(3) {
                0 => {}
                1 => children.push(leaf(name, default)),
                _ => children.push(leaf(name, ["x", "y"][dice.below(2)])),
            }
        }
        if dice.below(2) == 0 {
            let limit = ["none", "1g"][dice.below(2)];
            children.push(Node::container(q("speed"), false, [leaf("limit", limit)]));
        }
        ports.push(port(key, children));
    }
    top(ports)
}

/// The values that hold, defaults included.
fn effect(tree: &ConfigTree) -> ConfigTree {
    shown(DefaultsMode::ReportAll, tree)
}

#[test]
fn a_leaf_with_its_default_is_in_sync_on_every_kind_of_element() {
    for mode in [DefaultsMode::Explicit, DefaultsMode::Trim, DefaultsMode::ReportAll] {
        let (mut plans, mut quiet) = (0, 0);
        law(120, |seed| {
            let dice = &mut Dice(seed);
            // Kept inside the element; `shown` is all that we read.
            let mut inside = kept(mode, &top(vec![port("p9", vec![leaf("mtu", "1500")])]));
            let found = inside.clone();
            let (mut before, mut recorded) = (Intended::default(), ConfigTree::default());
            for round in 0..6 {
                let after = match round {
                    5 => Intended::default(),
                    _ => Intended::merge([&claims("s", drawn(dice))]).unwrap(),
                };
                let actual = shown(mode, &inside);
                let state = State { before: &before, recorded: &recorded, actual: &actual, mode };
                let plan = state.plan(&after, &Allowed::default()).unwrap_or_else(|why| panic!("{mode:?} {why:#?}"));
                match &plan {
                    None => quiet += 1,
                    Some(plan) => {
                        plans += 1;
                        assert!(plan.is_before(&actual));
                        inside = kept(mode, &executed(&adapter(), &inside, &plan.payload));
                        let read = shown(mode, &inside);
                        assert!(plan.is_after(&read), "{mode:?}: {:#?}\n{:#?}", plan.diff, plan.defaults);
                    }
                }
                (before, recorded) = (after.clone(), after.tree.clone());
                let actual = shown(mode, &inside);
                let state = State { before: &before, recorded: &recorded, actual: &actual, mode };
                assert_eq!(state.differences(), [], "{mode:?}");
                assert_eq!(state.plan(&after, &Allowed::default()).unwrap(), None, "{mode:?}");
                // What the service asks for holds, whether it is written down or not.
                let holds = effect(&inside);
                after.tree.walk(&mut |path, node| {
                    assert_eq!(holds.at(path).map(Node::value), Some(node.value()), "{mode:?} {path}");
                    true
                });
            }
            assert_eq!(inside, found, "{mode:?}: released, everything is as it was found");
        });
        println!("{mode:?}: {plans} plans, {quiet} without a difference");
        assert!(std::env::var_os("ANDANTE_SEED").is_some() || plans > 250, "{mode:?} {plans}");
    }
}

#[test]
fn a_default_that_nobody_set_is_no_deviation_in_what_is_owned_whole_and_nobody_s_change() {
    let mut whole = claims("s", top(vec![port("p1", vec![])]));
    let entry = path(&[port("p1", vec![]).step()]);
    whole.whole = BTreeSet::from([entry.clone()]);
    let intended = Intended::merge([&whole]).unwrap();
    let actual = shown(DefaultsMode::ReportAll, &intended.tree);
    let state = |mode| State { before: &intended, recorded: &intended.tree, actual: &actual, mode };
    assert_eq!(state(DefaultsMode::ReportAll).differences(), []);
    assert_eq!(state(DefaultsMode::Explicit).differences().len(), 3, "there somebody set them");
    // The service sets one of them for the first time: what is shown is no hand-made value in its way.
    let more = claims("s", top(vec![port("p1", vec![leaf("mtu", "9000")])]));
    let after = intended.replace(Some(&whole), Some(&more)).unwrap();
    let plan = state(DefaultsMode::ReportAll).plan(&after, &Allowed::default()).unwrap().unwrap();
    assert!(plan.adopted.is_none());
    let refused = state(DefaultsMode::Explicit).plan(&after, &Allowed::default()).unwrap_err();
    assert!(matches!(&refused[..], [Refused::HandMade(_)]), "{refused:?}");
    // A wrong value is wrong on every element.
    let wrong = top(vec![port("p1", vec![leaf("mtu", "1")])]);
    assert!(!plan.is_after(&wrong));
}
