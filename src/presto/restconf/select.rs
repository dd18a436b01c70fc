//! Cuts a resource to what a reader asked for: `content`, `depth`, `fields` (RFC 8040 §4.8.1 to §4.8.3). Pure.
//!
//! List keys are always shown. A container that only falls empty because of the cut is not shown.

use super::query::{Content, Fields, Query};
use crate::tree::{Key, Node, SchemaId, SchemaIndex};

/// The part of `node` that the query asks for; a node without anything to show keeps its bare self.
pub fn select(node: &Node, id: Option<SchemaId>, query: &Query, index: &SchemaIndex) -> Node {
    if query.content == Content::All && query.depth.is_none() && query.fields.is_none() {
        return node.clone();
    }
    let fields = query.fields.as_ref();
    part(node, id, query, query.depth, fields, index).unwrap_or_else(|| node.with_children(Vec::new()))
}

fn part(
    node: &Node,
    id: Option<SchemaId>,
    query: &Query,
    depth: Option<u16>,
    fields: Option<&Fields>,
    index: &SchemaIndex,
) -> Option<Node> {
    let below = depth.map(|depth| depth - 1);
    let mut children = Vec::new();
    if below != Some(0) {
        for child in node.children() {
            let wanted = match fields {
                None => None,
                Some(fields) => match wanted(fields, child, node) {
                    None => continue,
                    Some(below) => below,
                },
            };
            let child_id = id.and_then(|id| index.child(Some(id), child.name()));
            children.extend(part(child, child_id, query, below, wanted.as_ref(), index));
        }
    }
    let config = id.is_none_or(|id| index.node(id).config);
    let fits = match query.content {
        Content::All => true,
        Content::Config => config,
        Content::Nonconfig => !config,
    };
    // What does not fit itself is kept as the way to what does.
    let shown = fits || !children.is_empty();
    let hollow = node.children().is_empty() || matches!(node.key(), Key::Entry(_)) || depth == Some(1);
    (shown && (hollow || !children.is_empty())).then(|| node.with_children(children))
}

/// Whether a child is asked for; inside, what of it (`None` = all).
#[allow(clippy::option_option)]
fn wanted(fields: &Fields, child: &Node, parent: &Node) -> Option<Option<Fields>> {
    let name = child.name();
    let mut named = fields.0.iter().filter(|field| {
        field.name == name.name.as_str()
            && match &field.module {
                Some(module) => module == name.module.as_str(),
                None => name.module == parent.name().module || parent.name().module.as_str().is_empty(),
            }
    });
    let first = named.next()?;
    let mut all = first.below.0.clone();
    let mut whole = all.is_empty();
    for other in named {
        whole |= other.below.0.is_empty();
        all.extend(other.below.0.iter().cloned());
    }
    Some((!whole).then_some(Fields(all)))
}
