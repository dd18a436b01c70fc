use super::*;
use crate::tree::{Node, QName, Value};

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
    let path = Path::root().child(Step::single(QName::new("m", "port"))).child(Step::single(QName::new("m", "vlan")));
    assert_eq!(both.owners_of(&path).len(), 2);
    assert_eq!(both.owners_of(&path)[0].0, Layer::Service);
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
    let merged = Intended::merge(&all).unwrap();
    assert_eq!(merged.tree.count(), 6_001);
    let first = all[0].tree.top().first().unwrap().children().first().unwrap();
    assert!(Node::same(merged.tree.top().first().unwrap().child_beside(first).unwrap(), first));
}
