//! Subtree filters (RFC 6241 §6) on a tree. Pure.
//!
//! Selection, containment and content match nodes. Attribute match expressions are not supported: they select nothing.
//! The keys of a selected entry are always shown.

use super::rpc::Item;
use crate::tree::{Body, Children, ConfigTree, Node, SchemaIndex};

/// What the filter selects of the tree.
pub(super) fn filtered(tree: &ConfigTree, filter: &[Item], index: &SchemaIndex) -> ConfigTree {
    ConfigTree::new(children(tree.top(), filter, index))
}

fn children(nodes: Children<'_>, filter: &[Item], index: &SchemaIndex) -> Vec<Node> {
    nodes.iter().filter_map(|node| selected(node, filter, index)).collect()
}

/// The node as far as any of the filters selects it.
fn selected(node: &Node, filter: &[Item], index: &SchemaIndex) -> Option<Node> {
    let mut found: Option<Node> = None;
    for item in filter.iter().filter(|item| named(node, item, index)) {
        let part = one(node, item, index)?;
        found = Some(match found {
            None => part,
            // Two filters on one node: what either selects.
            Some(before) => {
                let both = ConfigTree::new(vec![before]).overlay(&ConfigTree::new(vec![part]));
                both.top().first()?.clone()
            }
        });
    }
    found
}

fn one(node: &Node, item: &Item, index: &SchemaIndex) -> Option<Node> {
    if item.children.is_empty() {
        return (item.text.trim().is_empty() || value(node).is_some_and(|v| v == item.text.trim()))
            .then(|| node.clone());
    }
    let (matches, rest): (Vec<&Item>, Vec<&Item>) =
        item.children.iter().partition(|child| child.children.is_empty() && !child.text.trim().is_empty());
    if !matches.iter().all(|wanted| holds(node, wanted, index)) {
        return None;
    }
    if rest.is_empty() && !matches.is_empty() {
        return Some(node.clone());
    }
    // Leafs that were matched are shown with what is selected beside them.
    let shown: Vec<Item> = item.children.to_vec();
    let below = children(node.children(), &shown, index);
    let entry = matches!(node.body(), Body::Entry { .. });
    (entry || !below.is_empty()).then(|| node.with_children(below))
}

/// Whether a content match holds: a key of an entry or a leaf has this value.
fn holds(node: &Node, wanted: &Item, index: &SchemaIndex) -> bool {
    if let Some(keys) = node.keys()
        && in_namespace(node.name().module.as_str(), wanted, index)
        && let Some((_, value)) = keys.iter().find(|(name, _)| name.as_str() == wanted.name)
    {
        return same(value.as_str(), wanted.text.trim());
    }
    node.children()
        .iter()
        .any(|child| named(child, wanted, index) && value(child).is_some_and(|value| same(&value, wanted.text.trim())))
}

/// Values compare by text; an identity also without its module, for its prefix is the sender's own.
fn same(value: &str, wanted: &str) -> bool {
    let bare = |text: &str| text.rsplit(':').next().unwrap_or_default().to_owned();
    value == wanted || (wanted.contains(':') && value.contains(':') && bare(value) == bare(wanted))
}

fn named(node: &Node, item: &Item, index: &SchemaIndex) -> bool {
    node.name().name.as_str() == item.name && in_namespace(node.name().module.as_str(), item, index)
}

fn in_namespace(module: &str, item: &Item, index: &SchemaIndex) -> bool {
    // An element without a namespace of its own stands for any (RFC 6241 §6.2.1).
    item.namespace.is_empty()
        || item.namespace == crate::adagio::netconf::message::BASE
        || index.module(module).is_some_and(|known| known.namespace == item.namespace)
}

fn value(node: &Node) -> Option<String> {
    node.value().map(|value| value.as_str().to_owned())
}
