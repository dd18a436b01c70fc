//! Leafs that equal their default, and what an element makes of them (RFC 6243 §2).
//!
//! An element with basic mode `trim` drops a leaf that was set to its default, one with `report-all` shows leafs that
//! nobody set, one with `explicit` shows exactly what was set. So a leaf with its default and no leaf are equal in effect,
//! though they are stored apart: this is the view in which comparison, plan and read-back look at them. The trees
//! themselves stay as they were read and as they were claimed.
//!
//! Guarantee: without a schema nothing has a default. Caveats: a leaf under a `when` is taken as one without default, and
//! the defaults of leaf-lists are not looked at.

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

    /// The default of the leaf at `path`.
    pub fn at(&self, path: &Path) -> Option<Value> {
        let schema = self.schema?;
        let node = schema.node(schema.resolve(path)?);
        let text = node.default.as_deref().filter(|_| node.kind == SchemaKind::Leaf && !node.when)?;
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
        node.is_default() || (self.mode == DefaultsMode::ReportAll && self.is_default(path, node))
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
