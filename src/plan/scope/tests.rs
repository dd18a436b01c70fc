use super::*;
use crate::plan::{Difference, differences};
use crate::tree::{Layer, Name, Owner, QName, Value};

fn q(name: &str) -> QName {
    QName::new("m", name)
}

fn leaf(name: &str, value: &str) -> Node {
    Node::leaf(q(name), Value::text(value))
}

fn container(name: &str, children: Vec<Node>) -> Node {
    Node::container(q(name), false, children)
}

fn entry(name: &str, key: &str, children: Vec<Node>) -> Node {
    Node::entry(q(name), [(Name::new("name"), Value::text(key))], false, children)
}

fn tree(top: Vec<Node>) -> ConfigTree {
    ConfigTree::new(top)
}

/// Ports and processes are shared, everything else is own where an entry stands in the path.
fn ownership(path: &Path) -> Ownership {
    let innermost = path.steps().iter().rev().find(|step| matches!(step.key, Key::Entry(_)));
    match innermost {
        Some(step) if step.name != q("port") && step.name != q("process") => Ownership::Own,
        _ => Ownership::Shared,
    }
}

fn intended(tree: &ConfigTree) -> Intended {
    Intended::merge([&Claims::new(Owner("s".into()), Layer::Service, tree.clone())]).unwrap()
}

fn walked(old: &ConfigTree, new: &ConfigTree, actual: &ConfigTree, allowed: &Allowed) -> Scope {
    let (before, after) = (intended(old), intended(new));
    let views = Views { old: &before, new: &after, recorded: old, actual, defaults: Defaults::default() };
    scope(&views, &ownership, allowed)
}

fn strict(old: &ConfigTree, new: &ConfigTree, actual: &ConfigTree) -> Scope {
    walked(old, new, actual, &Allowed::default())
}

fn paths(paths: &[Path]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_person_put_into_our_own_entry_is_taken_when_it_is_right_and_in_the_way_when_it_is_not() {
    let old = tree(vec![entry("vrf", "red", vec![leaf("rd", "1:1")])]);
    let new = tree(vec![entry("vrf", "red", vec![leaf("rd", "1:1"), leaf("mtu", "9000")])]);
    let found = strict(&old, &new, &new);
    assert!(found.refused.is_empty() && found.adopted.is_empty(), "{:?}", found.refused);
    assert_eq!(found.target, new);
    assert_eq!(paths(&found.relied), ["/m:vrf[name='red']/mtu"]);

    let other = tree(vec![entry("vrf", "red", vec![leaf("rd", "1:1"), leaf("mtu", "1500")])]);
    let found = strict(&old, &new, &other);
    assert!(matches!(&found.refused[..], [Refused::HandMade(made)] if made.actual.as_deref() == Some("1500")));
    assert_eq!(found.target, other);
    let all = Allowed { overwrite: Permit::All, ..Allowed::default() };
    let found = walked(&old, &new, &other, &all);
    assert!(found.refused.is_empty() && found.overwritten.len() == 1);
    assert_eq!(found.target, new);
}

#[test]
fn an_own_entry_that_nobody_claims_is_refused_though_a_shared_one_around_it_is_claimed() {
    let old = tree(vec![entry("process", "1", vec![entry("vrf", "red", vec![])])]);
    let new = tree(vec![entry("process", "1", vec![entry("vrf", "red", vec![]), entry("vrf", "blue", vec![])])]);
    let found = strict(&old, &new, &new);
    assert!(matches!(&found.refused[..], [Refused::ExistsUnowned { .. }]), "{:?}", found.refused);
}

#[test]
fn a_shared_value_that_was_there_comes_back_and_is_never_removed() {
    let before = tree(vec![entry("port", "ge1", vec![leaf("mtu", "1500")])]);
    let service = tree(vec![entry("port", "ge1", vec![leaf("mtu", "9000")])]);
    let found = strict(&ConfigTree::default(), &service, &before);
    assert!(found.refused.is_empty());
    assert_eq!((&found.target, &found.adopted), (&service, &before));
    // The service goes; what was adopted is the intent that is left.
    let found = strict(&service, &found.adopted, &service);
    assert_eq!(found.target, before);
}

#[test]
fn parts_of_a_container_that_was_emptied_by_hand_are_looked_at_one_by_one() {
    let old = tree(vec![container("c", vec![leaf("a", "1"), leaf("b", "1")])]);
    let new = tree(vec![container("c", vec![leaf("a", "1"), leaf("d", "1")])]);
    let found = strict(&old, &new, &ConfigTree::default());
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    assert_eq!(found.target, tree(vec![container("c", vec![leaf("d", "1")])]), "the missing `a` is a deviation");
    assert_eq!(paths(&found.relied), ["/m:c/b"]);
}

#[test]
fn a_removal_below_an_entry_that_is_gone_is_done_and_a_change_there_is_refused() {
    let old = tree(vec![entry("process", "1", vec![entry("vrf", "red", vec![]), entry("vrf", "blue", vec![])])]);
    let less = tree(vec![entry("process", "1", vec![entry("vrf", "red", vec![])])]);
    let found = strict(&old, &less, &ConfigTree::default());
    assert!(found.refused.is_empty() && found.target.is_empty(), "{:?}", found.refused);
    assert_eq!(paths(&found.relied), ["/m:process[name='1']"]);
    let found = strict(&less, &old, &ConfigTree::default());
    assert!(matches!(&found.refused[..], [Refused::HandMade(_)]));
    assert!(found.target.is_empty());
}

#[test]
fn a_value_that_is_right_already_is_relied_on() {
    let of = |vlan: &str| tree(vec![entry("vrf", "red", vec![leaf("vlan", vlan)])]);
    let found = strict(&of("1"), &of("2"), &of("2"));
    assert_eq!(found.target, of("2"));
    assert_eq!(paths(&found.relied), ["/m:vrf[name='red']/vlan"]);
}

#[test]
fn a_leaf_that_became_a_container_is_replaced_whole() {
    let old = tree(vec![entry("vrf", "red", vec![leaf("x", "1")])]);
    let new = tree(vec![entry("vrf", "red", vec![container("x", vec![leaf("y", "1")])])]);
    let found = strict(&old, &new, &old);
    assert!(found.refused.is_empty());
    assert_eq!(found.target, new);
}

#[test]
fn a_release_leaves_what_another_service_owns_and_names_what_nobody_owns() {
    let both = tree(vec![entry("process", "1", vec![entry("vrf", "a", vec![]), entry("vrf", "b", vec![])])]);
    let one = tree(vec![entry("process", "1", vec![entry("vrf", "b", vec![])])]);
    assert_eq!(strict(&both, &one, &both).target, one);
    let hand = tree(vec![entry("vrf", "a", vec![leaf("rd", "1:1"), leaf("note", "mine")])]);
    let ours = tree(vec![entry("vrf", "a", vec![leaf("rd", "1:1")])]);
    let found = strict(&ours, &ConfigTree::default(), &hand);
    assert!(matches!(&found.refused[..], [Refused::Collateral { .. }]));
    let allowed = Allowed { collateral: Permit::All, ..Allowed::default() };
    let found = walked(&ours, &ConfigTree::default(), &hand, &allowed);
    assert!(found.refused.is_empty() && found.target.is_empty());
    assert_eq!(paths(&found.collateral), ["/m:vrf[name='a']/note"]);
}

/// 5,000 entries on one element, one changes: the walk and the comparison stay far from quadratic.
#[test]
fn one_change_among_thousands_is_found_in_bounded_steps() {
    let many = |changed: &str| {
        let entries = (0..5_000).map(|n| {
            let vlan = if n == 2_500 { changed } else { "1" };
            entry("interface", &format!("eth{n:04}"), vec![leaf("vlan", vlan)])
        });
        tree(vec![container("interfaces", entries.collect())])
    };
    let (old, new) = (many("1"), many("2"));
    let asked = std::cell::Cell::new(0);
    let counted = |path: &Path| {
        asked.set(asked.get() + 1);
        ownership(path)
    };
    let (before, after) = (intended(&old), intended(&new));
    let views = Views { old: &before, new: &after, recorded: &old, actual: &old, defaults: Defaults::default() };
    assert_eq!(scope(&views, &counted, &Allowed::default()).target, new);
    assert_eq!(asked.get(), 0, "nothing is claimed for the first time");
    let found: Vec<Difference> = differences(&after, &old, &old, &Defaults::default());
    assert_eq!(found.len(), 1);
}

#[test]
fn an_entry_that_is_there_already_is_relied_on_whatever_stands_in_it() {
    let old = tree(vec![entry("vrf", "red", vec![])]);
    let new = tree(vec![entry("vrf", "red", vec![entry("redistribute", "static", vec![])])]);
    let more = tree(vec![entry("vrf", "red", vec![entry("redistribute", "static", vec![leaf("metric", "1")])])]);
    let found = strict(&old, &new, &more);
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    assert_eq!(found.target, more);
    assert_eq!(paths(&found.stood), ["/m:vrf[name='red']/redistribute[name='static']"]);
}
