//! Tree -> JSON text (RFC 7951).
//!
//! Deterministic: keys first, then schema order, then what the schema does not know. Names carry their module at the top and
//! wherever it changes.

use super::text::quote;
use crate::tree::codec::{SchemaIdAt, in_schema_order};
use crate::tree::schema::{SchemaIndex, SchemaKind};
use crate::tree::{Body, Children, ConfigTree, Name, Node, Path, Value, ValueKind};

/// The whole tree as one object.
pub fn print(tree: &ConfigTree, index: &SchemaIndex, pretty: bool) -> String {
    print_nodes(tree.top(), &Path::root(), index, pretty)
}

/// One object whose members are `nodes`, children of `parent`. A list entry stands in an array of one, as RFC 8040 wants
/// it for a resource; the outermost names carry their module.
pub fn print_nodes<'a>(nodes: impl Into<Children<'a>>, parent: &Path, index: &SchemaIndex, pretty: bool) -> String {
    let nodes = nodes.into();
    let mut printer = Printer { out: String::new(), index, pretty, indent: 0, tagged: false };
    printer.object(&[], nodes, SchemaIdAt::of(index, parent), None);
    if pretty {
        printer.out.push('\n');
    }
    printer.out
}

/// The whole tree as one object, leafs that were reported as being at their defaults with the annotation of RFC 8040
/// §4.8.9.
pub fn print_tagged(tree: &ConfigTree, index: &SchemaIndex, pretty: bool) -> String {
    let mut printer = Printer { out: String::new(), index, pretty, indent: 0, tagged: true };
    printer.object(&[], tree.top(), SchemaIdAt::of(index, &Path::root()), None);
    if pretty {
        printer.out.push('\n');
    }
    printer.out
}

struct Printer<'a> {
    out: String,
    index: &'a SchemaIndex,
    pretty: bool,
    indent: usize,
    /// Leafs at their defaults say so.
    tagged: bool,
}

impl Printer<'_> {
    /// An object: the keys of an entry, then the children. `module` is that of the parent, `None` at the top.
    fn object(
        &mut self,
        keys: &[(Name, Value)],
        children: Children<'_>,
        parent: Option<SchemaIdAt>,
        module: Option<&Name>,
    ) {
        if keys.is_empty() && children.is_empty() {
            self.out.push_str("{}");
            return;
        }
        self.open('{');
        let mut first = true;
        for (name, value) in keys {
            self.comma(&mut first);
            quote(name.as_str(), &mut self.out);
            self.colon();
            self.value(value);
        }
        let children = in_schema_order(self.index, parent, children);
        let mut at = 0;
        while let Some((id, node)) = children.get(at).copied() {
            let run = children[at..].iter().take_while(|(_, other)| other.name() == node.name()).count();
            let siblings = &children[at..at + run];
            at += run;
            self.comma(&mut first);
            self.key("", node, module);
            let kind = id.map(|id| self.index.node(id).kind);
            let below = id.map(SchemaIdAt::Below);
            let array = match kind {
                Some(SchemaKind::List { .. } | SchemaKind::LeafList { .. }) => {
                    // A list that could not be read as one was kept whole, brackets included, if it had any. What came from
                    // XML is one entry of several.
                    node.opaque_text().is_none_or(|text| text.starts_with('<'))
                }
                Some(_) => false,
                None => run > 1 || matches!(node.body(), Body::Entry { .. } | Body::Member { .. }),
            };
            if array {
                self.open('[');
                let mut first = true;
                for (_, sibling) in siblings {
                    self.comma(&mut first);
                    self.node(sibling, below);
                }
                self.close(']');
            } else {
                self.node(node, below);
                if self.tagged && node.is_default() {
                    self.comma(&mut first);
                    self.key("@", node, module);
                    self.out.push_str(super::read::DEFAULT_OPEN);
                    self.out.push_str("true}");
                }
            }
        }
        self.close('}');
    }

    fn node(&mut self, node: &Node, below: Option<SchemaIdAt>) {
        let module = Some(&node.name().module);
        match (node.value(), node.keys(), node.opaque_text()) {
            (Some(value), _, _) => self.value(value),
            (_, Some(keys), _) => self.object(keys, node.children(), below, module),
            (_, _, Some(text)) => {
                // Only what came from JSON can be put back as JSON.
                if text.is_empty()
                    || text.starts_with('<')
                    || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
                {
                    quote(text, &mut self.out);
                } else {
                    self.out.push_str(text);
                }
            }
            _ => self.object(&[], node.children(), below, module),
        }
    }

    fn value(&mut self, value: &Value) {
        match value.kind() {
            ValueKind::Number | ValueKind::Bool => self.out.push_str(value.as_str()),
            ValueKind::Empty => self.out.push_str("[null]"),
            ValueKind::Text | ValueKind::Number64 | ValueKind::Identity => quote(value.as_str(), &mut self.out),
        }
    }

    /// The name of a member, with its module where that changes.
    fn key(&mut self, sign: &str, node: &Node, module: Option<&Name>) {
        let name = node.name();
        if module == Some(&name.module) || name.module.as_str().is_empty() {
            quote(&format!("{sign}{}", name.name), &mut self.out);
        } else {
            quote(&format!("{sign}{name}"), &mut self.out);
        }
        self.colon();
    }

    fn colon(&mut self) {
        self.out.push_str(if self.pretty { ": " } else { ":" });
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.indent += 1;
    }

    fn close(&mut self, bracket: char) {
        self.indent -= 1;
        self.line();
        self.out.push(bracket);
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(',');
        }
        self.line();
    }

    fn line(&mut self) {
        if self.pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", self.indent));
        }
    }
}
