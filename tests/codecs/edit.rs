//! What an edit says, and a server that does it.

use super::of_json::from_json;
use super::{L, sample};
use andante::tree::node::Body;
use andante::tree::schema::SchemaIndex;
use andante::tree::xml::{Insert, Operation};
use andante::tree::{After, ConfigTree, Diff, Path, QName, Step, diff, xml};

/// What a server does with an edit and `default-operation=none`.
pub(super) fn execute(text: &str, on: &ConfigTree, index: &SchemaIndex) -> ConfigTree {
    let edit = xml::parse_edit(format!("<config xmlns=\"{}\">{text}</config>", xml::NETCONF).as_bytes(), index, L);
    let edit = edit.unwrap_or_else(|error| panic!("{error}: {text}"));
    edit.marks.iter().fold(on.clone(), |tree, mark| {
        let parent = mark.path.parent().unwrap();
        match mark.operation {
            Some(Operation::Remove) => tree.without(&mark.path),
            Some(Operation::Merge) => {
                let node = edit.tree.at(&mark.path).cloned();
                let Some(node) = node else { return tree };
                let tree = without_replaced_anydata(tree, &edit.tree);
                let tree = tree.overlay(&ConfigTree::default().with(&parent, node, After::Keep));
                let node = tree.at(&mark.path).unwrap().clone();
                match &mark.insert {
                    None => tree,
                    Some(Insert::First) => tree.with(&parent, node, After::First),
                    Some(Insert::After(step)) => tree.with(&parent, node, After::Sibling(step)),
                    Some(other) => panic!("{other:?} is never sent"),
                }
            }
            Some(Operation::Replace) => {
                tree.without(&mark.path).with(&parent, edit.tree.at(&mark.path).unwrap().clone(), After::Keep)
            }
            other => panic!("{other:?} is never sent"),
        }
    })
}

/// Anydata is set as a whole (RFC 7950 §7.10.3): the content before goes where there is another one.
fn without_replaced_anydata(tree: ConfigTree, by: &ConfigTree) -> ConfigTree {
    let mut old = Vec::new();
    by.walk(&mut |path, node| {
        if let (Body::Opaque { .. }, Some(above)) = (node.body(), tree.at(&path.parent().unwrap())) {
            old.extend(
                above
                    .children()
                    .iter()
                    .filter(|old| old.name() == node.name())
                    .map(|old| (path.parent().unwrap(), old.step())),
            );
        }
        true
    });
    old.into_iter().fold(tree, |tree, (parent, step)| tree.without(&parent.child(step)))
}

#[test]
fn an_edit_has_shared_ancestors_and_one_operation_per_change() {
    let index = sample();
    let old = from_json("{\"m:c\":{\"n\":1,\"t\":\"x\",\"l\":[{\"k\":\"a\",\"v\":1},{\"k\":\"b\"}]}}").unwrap();
    let new = from_json("{\"m:c\":{\"n\":2,\"l\":[{\"k\":\"a\",\"v\":2},{\"k\":\"c\",\"v\":3}]}}").unwrap();
    let text = xml::edit_config(&diff(&old, &new), &index);
    assert_eq!(
        text,
        "<c xmlns=\"urn:m\" xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><n nc:operation=\"merge\">2</n>\
         <t nc:operation=\"remove\"/><l><k>a</k><v nc:operation=\"merge\">2</v></l>\
         <l nc:operation=\"remove\"><k>b</k></l><l nc:operation=\"merge\"><k>c</k><v>3</v></l></c>"
    );
    assert_eq!(xml::edit_config(&Diff::default(), &index), "");
    let entry = Path::new(vec![Step::single(QName::new("m", "c")), Step::entry(QName::new("m", "l"), &[("k", "a")])]);
    let leaf = entry.child(Step::single(QName::new("m", "v")));
    let name = entry.parent().unwrap().child(Step::single(QName::new("m", "n")));
    assert_eq!(xml::subtree_filter([&entry.parent().unwrap()], &index), "<c xmlns=\"urn:m\"/>");
    assert_eq!(xml::subtree_filter([&entry, &name], &index), "<c xmlns=\"urn:m\"><n/><l><k>a</k></l></c>");
    assert_eq!(xml::subtree_filter([&leaf], &index), "<c xmlns=\"urn:m\"><l><k>a</k><v/></l></c>");
}
