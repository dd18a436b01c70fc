//! The stored form of a node: step, body, children; hash and count are computed again when it is read.
//!
//! Guarantee: what an installation stored before is read for ever.

use super::{Body, Kind, Label, Node, built};
use crate::tree::path::{Key, Step};
use crate::tree::value::Value;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

impl Serialize for Node {
    /// The stored form: hash and count are computed again when it is read.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (default, children) = (self.is_default(), self.children());
        let fields = 2 + usize::from(default) + usize::from(!children.is_empty());
        let body = match self.body() {
            Body::Container { presence } => StoredBody::Container { presence },
            Body::Entry { user_ordered } => StoredBody::Entry { user_ordered },
            Body::Leaf(value) => StoredBody::Leaf(value.clone()),
            Body::Member { user_ordered } => StoredBody::Member { user_ordered },
            Body::Opaque { user_ordered: false } => StoredBody::Opaque,
            Body::Opaque { user_ordered: true } => StoredBody::OpaqueOrdered,
        };
        let mut out = serializer.serialize_struct("Node", fields)?;
        out.serialize_field("step", &self.step())?;
        out.serialize_field("body", &body)?;
        if default {
            out.serialize_field("default", &true)?;
        }
        if !children.is_empty() {
            out.serialize_field("children", &children)?;
        }
        out.end()
    }
}

/// The stored form as it is read.
#[derive(Deserialize)]
pub(super) struct Bare {
    step: Step,
    body: StoredBody,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    children: Vec<Node>,
}

impl From<Bare> for Node {
    fn from(bare: Bare) -> Self {
        let Bare { step, body, default, children } = bare;
        let kind = match body {
            StoredBody::Leaf(value) if default => return Node::default_leaf(step.name, value),
            StoredBody::Leaf(value) => return Node::leaf(step.name, value),
            StoredBody::Member { user_ordered } => match step.key {
                Key::Member(value) => return Node::member(step.name, value, user_ordered),
                _ => Kind::Member,
            },
            StoredBody::Container { presence: true } => Kind::Presence,
            StoredBody::Container { presence: false } => Kind::Container,
            StoredBody::Entry { user_ordered: true } => Kind::UserEntry,
            StoredBody::Entry { user_ordered: false } => Kind::Entry,
            StoredBody::Opaque => Kind::Opaque,
            StoredBody::OpaqueOrdered => Kind::UserOpaque,
        };
        built(Label::new(kind, step), children)
    }
}

/// The stored form of what a node is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredBody {
    Container { presence: bool },
    Entry { user_ordered: bool },
    Leaf(Value),
    Member { user_ordered: bool },
    Opaque,
    OpaqueOrdered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::name::QName;

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    /// What an installation stored before must be read for ever, byte by byte.
    #[test]
    fn the_stored_form_of_a_tree_stays_what_it_was() {
        let stored = concat!(
            r#"{"step":{"name":{"module":"","name":""},"key":"single"},"body":{"container":{"presence":true}},"children":["#,
            r#"{"step":{"name":{"module":"m","name":"c"},"key":"single"},"body":{"container":{"presence":false}},"children":["#,
            r#"{"step":{"name":{"module":"m","name":"l"},"key":{"entry":[["k",{"kind":"text","text":"a"}]]}},"#,
            r#""body":{"entry":{"user_ordered":true}},"children":["#,
            r#"{"step":{"name":{"module":"m","name":"v"},"key":"single"},"body":{"leaf":{"kind":"number64","text":"7"}}}]},"#,
            r#"{"step":{"name":{"module":"m","name":"m"},"key":{"member":{"kind":"identity","text":"m:x"}}},"#,
            r#""body":{"member":{"user_ordered":false}}},"#,
            r#"{"step":{"name":{"module":"u","name":"x"},"key":{"opaque":["<x/>",1]}},"body":"opaque"}]}]}"#,
        );
        let node: Node = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), stored);
        let value = Value::new(crate::tree::ValueKind::Number64, "7");
        let entry = Node::entry(q("l"), [("k".into(), Value::text("a"))], true, [Node::leaf(q("v"), value)]);
        let member = Node::member(q("m"), Value::text("m:x"), false);
        let opaque = Node::opaque(QName::new("u", "x"), "<x/>", 1, []);
        let anew = Node::container(q("c"), false, [entry, member, opaque]);
        assert_eq!(node, Node::container(QName::new("", ""), true, [anew]));
    }
}
