//! Leafs that equal their default, and what an element makes of them (RFC 6243 §2).
//!
//! An element with basic mode `trim` drops a leaf that was set to its default, one with `report-all` shows leafs that
//! nobody set, one with `explicit` shows exactly what was set. So a leaf with its default and no leaf are equal in effect,
//! though they are stored apart: this is the view in which comparison, plan and read-back look at them. The trees
//! themselves stay as they were read and as they were claimed.
//!
//! Guarantee: without a schema nothing has a default. Caveats: a leaf under a `when` is taken as one without default where it
//! is not shown, and the defaults of leaf-lists (RFC 7950 §7.7.2, YANG 1.1 only: none of the 1,453 genuine modules of IOS-XR,
//! IOS-XE and OpenConfig has one) are not looked at: where they are shown, they count as set by somebody, so they hold back a
//! removal around them until it is allowed as collateral, and are never lost.

use super::{Body, Node, Path, SchemaId, SchemaIndex, SchemaKind, Value};
use serde::{Deserialize, Serialize};

/// What an element does with leafs that equal their default: the basic mode of `:with-defaults`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultsMode {
    /// What was set is kept and shown, also when it equals the default. Also taken where nothing is known.
    #[default]
    Explicit,
    /// What equals its default is dropped.
    Trim,
    /// Every default is shown.
    ReportAll,
}

/// The defaults of a schema as one element handles them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults<'a> {
    schema: Option<&'a SchemaIndex>,
    mode: DefaultsMode,
}

impl<'a> Defaults<'a> {
    /// The defaults of this schema on an element with this basic mode.
    pub fn new(schema: Option<&'a SchemaIndex>, mode: DefaultsMode) -> Self {
        Self { schema, mode }
    }

    /// The basic mode.
    pub fn mode(&self) -> DefaultsMode {
        self.mode
    }

    /// The schema, if there is one.
    pub fn schema(&self) -> Option<&'a SchemaIndex> {
        self.schema
    }

    /// The default of the leaf at `path`. One under a `when` has none: nobody knows here whether it holds.
    pub fn at(&self, path: &Path) -> Option<Value> {
        self.default_of(path, false)
    }

    fn default_of(&self, path: &Path, guarded: bool) -> Option<Value> {
        let schema = self.schema?;
        let node = schema.node(schema.resolve(path)?);
        let text = node.default.as_deref().filter(|_| node.kind == SchemaKind::Leaf && (guarded || !node.when))?;
        let ty = node.ty.as_ref()?;
        Some(ty.value(node.name.module.as_str(), text).unwrap_or_else(|_| Value::text(text)))
    }

    /// Whether `node` is a leaf that says what would hold without it.
    pub fn is_default(&self, path: &Path, node: &Node) -> bool {
        let Body::Leaf(value) = node.body() else { return false };
        self.schema.is_some() && self.at(path).is_some_and(|default| default == *value)
    }

    /// Whether a leaf that the element shows may be there though nobody set it: it reports all defaults, or marked this one as
    /// such (RFC 6243 §6).
    pub fn is_reported(&self, path: &Path, node: &Node) -> bool {
        let reports = self.mode == DefaultsMode::ReportAll;
        // What is shown under a `when` is there because it holds.
        let equals = || matches!(node.body(), Body::Leaf(value) if self.default_of(path, true).as_ref() == Some(value));
        node.is_default() || (reports && equals())
    }

    /// The same of a leaf, or of a container that holds nothing else.
    pub fn is_only_reported(&self, path: &Path, node: &Node) -> bool {
        match node.body() {
            Body::Leaf(_) => self.is_reported(path, node),
            Body::Container { presence: false } => {
                let mut children = node.children().iter();
                children.all(|child| self.is_only_reported(&path.child(child.step()), child))
            }
            _ => false,
        }
    }

    /// Whether it makes no difference that `wanted` is not there: it is a leaf with its default, and no other case of its
    /// choice is there in its stead. `parent` is what stands around it.
    pub fn holds_without(&self, path: &Path, wanted: &Node, parent: Option<&Node>) -> bool {
        self.is_default(path, wanted) && self.rivals(path, parent).is_empty()
    }

    /// The children of `parent`, which stands around `path`, that belong to another case than the node at `path`: where
    /// this node is created they go (RFC 7950 §7.9).
    pub fn rivals<'n>(&self, path: &Path, parent: Option<&'n Node>) -> Vec<&'n Node> {
        let (Some(schema), Some(parent)) = (self.schema, parent) else { return Vec::new() };
        let Some(id) = schema.resolve(path) else { return Vec::new() };
        let above = schema.node(id).parent;
        if schema.node(id).cases.is_empty() {
            return Vec::new();
        }
        let rival = |child: &&Node| {
            schema.child(above, child.name()).is_some_and(|other| exclude_each_other(schema, id, other))
        };
        parent.children().iter().filter(rival).collect()
    }
}

/// Whether two children of one parent stand in different cases of one choice.
fn exclude_each_other(schema: &SchemaIndex, a: SchemaId, b: SchemaId) -> bool {
    let (a, b) = (&schema.node(a).cases, &schema.node(b).cases);
    let apart = a.iter().zip(b).find(|(a, b)| a != b);
    apart.is_some_and(|((choice, _), (other, _))| choice == other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tree::schema::{Canonical, SchemaModule, SchemaNode, Tables, TypeSpec};
    use crate::tree::{Name, QName, Step};
    use std::sync::Arc;

    /// A leaf with the default 'yes', under a `when` or not.
    fn index(when: bool) -> SchemaIndex {
        let leaf = SchemaNode {
            default: Some("yes".into()),
            ty: Some(Arc::new(TypeSpec::Text(Canonical::Exact))),
            when,
            ..SchemaNode::new(QName::new("m", "a"), SchemaKind::Leaf)
        };
        let module =
            SchemaModule { name: Name::new("m"), namespace: "urn:m".into(), prefix: "m".into(), revision: None };
        let (modules, nodes) = (vec![module], vec![leaf]);
        SchemaIndex::from(Tables {
            content_id: "m".into(),
            modules,
            top: vec![SchemaId(0)],
            nodes,
            choices: Vec::new(),
        })
    }

    #[test]
    fn a_default_under_a_when_holds_where_the_element_shows_it_and_nowhere_else() {
        let path = Path::new(vec![Step::single(QName::new("m", "a"))]);
        let leaf = |text: &str| Node::leaf(QName::new("m", "a"), Value::text(text));
        for (when, mode, reported, without) in [
            (false, DefaultsMode::ReportAll, true, true),
            (true, DefaultsMode::ReportAll, true, false),
            (true, DefaultsMode::Explicit, false, false),
            (false, DefaultsMode::Explicit, false, true),
        ] {
            let index = index(when);
            let defaults = Defaults::new(Some(&index), mode);
            assert_eq!(defaults.is_reported(&path, &leaf("yes")), reported, "{when} {mode:?}");
            assert_eq!(defaults.holds_without(&path, &leaf("yes"), None), without, "{when} {mode:?}");
            assert!(!defaults.is_reported(&path, &leaf("no")), "{when} {mode:?}");
        }
    }
}
