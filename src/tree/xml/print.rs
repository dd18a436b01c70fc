//! Tree -> XML text. Deterministic; see the module's header for the form.

use super::escape;
use super::opaque::declare;
use crate::tree::codec::{SchemaIdAt, in_schema_order};
use crate::tree::schema::{SchemaIndex, TypeSpec};
use crate::tree::{Children, ConfigTree, Key, Name, Node, Path, QName, SchemaId, Step, Value, ValueKind};

/// The whole tree as a sequence of elements, without an element around them.
pub fn print(tree: &ConfigTree, index: &SchemaIndex, pretty: bool) -> String {
    print_nodes(tree.top(), &Path::root(), index, pretty)
}

/// The elements of `nodes`, which are children of `parent`.
pub fn print_nodes<'a>(nodes: impl Into<Children<'a>>, parent: &Path, index: &SchemaIndex, pretty: bool) -> String {
    let nodes = nodes.into();
    let mut printer = Printer::new(index, pretty);
    printer.children(SchemaIdAt::of(index, parent), nodes, None);
    if pretty {
        // Every element begins on a new line; the first line break is one too many, the last one is missing.
        let mut text = printer.out.split_off(usize::from(printer.out.starts_with('\n')));
        if !text.is_empty() {
            text.push('\n');
        }
        return text;
    }
    printer.out
}

/// The whole tree as [`print()`] has it, leafs that were reported as being at their defaults with the attribute of RFC 6243 §6.
pub fn print_tagged(tree: &ConfigTree, index: &SchemaIndex, pretty: bool) -> String {
    let mut printer = Printer::new(index, pretty);
    printer.tagged = true;
    printer.children(Some(SchemaIdAt::Top), tree.top(), None);
    printer.out
}

/// The element of an operation as it stands in an `rpc` (RFC 7950 §7.14.4): the content of its `input` directly below it.
/// `None` when the tree has no such operation at its top.
pub fn print_input(tree: &ConfigTree, operation: &QName, index: &SchemaIndex) -> Option<String> {
    let step = Step::single(operation.clone());
    let side = Step::single(QName { module: operation.module.clone(), name: Name::new("input") });
    let node = tree.root().child(&step)?;
    let id = index.child(None, operation)?;
    let mut printer = Printer::new(index, false);
    let inner = printer.open(&step, Some(id), None, "");
    let children = node.child(&side).map(Node::children).unwrap_or_default();
    printer.children(index.child(Some(id), &side.name).map(SchemaIdAt::Below), children, inner);
    printer.close(&step, !children.is_empty());
    Some(printer.out)
}

pub(super) struct Printer<'a> {
    pub(super) out: String,
    pub(super) index: &'a SchemaIndex,
    pretty: bool,
    indent: usize,
    /// Leafs at their defaults say so.
    tagged: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(index: &'a SchemaIndex, pretty: bool) -> Self {
        Self { out: String::new(), index, pretty, indent: 0, tagged: false }
    }

    /// Children in schema order; `outer` is the module whose namespace is the default one.
    pub(super) fn children(&mut self, parent: Option<SchemaIdAt>, children: Children<'_>, outer: Option<&Name>) {
        for (id, child) in in_schema_order(self.index, parent, children) {
            self.node(id, child, outer, "");
        }
    }

    /// One node with all below it; `attributes` stands in its start tag.
    pub(super) fn node(&mut self, id: Option<SchemaId>, node: &Node, outer: Option<&Name>, attributes: &str) {
        match (node.value(), node.opaque_text()) {
            (Some(value), _) => {
                let ty = id.and_then(|id| self.index.node(id).ty.as_deref());
                if self.tagged && node.is_default() {
                    let mut attributes = attributes.to_owned();
                    declare("wd", super::DEFAULTS, &mut attributes);
                    attributes.push_str(" wd:default=\"true\"");
                    return self.leaf(node.name(), value, ty, outer, &attributes);
                }
                self.leaf(node.name(), value, ty, outer, attributes);
            }
            (_, Some(text)) => self.opaque(node.name(), text, attributes),
            _ => {
                let step = node.step();
                let inner = self.open(&step, id, outer, attributes);
                if self.has_content(&step) || !node.children().is_empty() {
                    self.children(id.map(SchemaIdAt::Below), node.children(), inner);
                }
                self.close(&step, !node.children().is_empty());
            }
        }
    }

    /// The start tag of a container or an entry, the keys of the entry behind it. Returns the module in scope.
    pub(super) fn open<'s>(
        &mut self,
        step: &'s Step,
        id: Option<SchemaId>,
        outer: Option<&Name>,
        attributes: &str,
    ) -> Option<&'s Name> {
        self.start(&step.name, outer, attributes);
        self.out.push('>');
        self.indent += 1;
        if let Key::Entry(keys) = &step.key {
            for (key, value) in keys.iter() {
                let name = QName { module: step.name.module.clone(), name: key.clone() };
                let leaf = id.and_then(|id| self.index.child(Some(id), &name));
                let ty = leaf.and_then(|leaf| self.index.node(leaf).ty.as_deref());
                self.leaf(&name, value, ty, Some(&step.name.module), "");
            }
        }
        Some(&step.name.module)
    }

    /// The end tag of what `open` began; an element without content becomes an empty-element tag.
    pub(super) fn close(&mut self, step: &Step, children: bool) {
        self.indent -= 1;
        if !children && !self.has_content(step) {
            self.out.pop();
            self.out.push_str("/>");
            return;
        }
        self.line();
        self.end(&step.name);
    }

    fn has_content(&self, step: &Step) -> bool {
        matches!(&step.key, Key::Entry(keys) if !keys.is_empty())
    }

    /// A leaf or a member of a leaf-list.
    pub(super) fn leaf(
        &mut self,
        name: &QName,
        value: &Value,
        ty: Option<&TypeSpec>,
        outer: Option<&Name>,
        attributes: &str,
    ) {
        let mut attributes = attributes.to_owned();
        let text = self.wire(value, ty, &mut attributes);
        self.start(name, outer, &attributes);
        if text.is_empty() {
            self.out.push_str("/>");
            return;
        }
        self.out.push('>');
        escape(&text, false, &mut self.out);
        self.end(name);
    }

    /// An element that only names a node, for a filter.
    pub(super) fn bare(&mut self, name: &QName, outer: Option<&Name>, attributes: &str) {
        self.start(name, outer, attributes);
        self.out.push_str("/>");
    }

    /// The text of a value; the declarations of the prefixes in it are added to the attributes of its element.
    pub(super) fn wire(&self, value: &Value, ty: Option<&TypeSpec>, attributes: &mut String) -> String {
        match (value.kind(), value.as_str().split_once(':')) {
            (ValueKind::Identity, Some((module, name))) => {
                let prefix = match ty {
                    Some(ty) if self.is_taken(ty, module, name) => self.declared(module, module, attributes),
                    _ => self.prefix(module, attributes),
                };
                format!("{prefix}:{name}")
            }
            (ValueKind::Text, _) if ty.is_some_and(|ty| self.is_instance_identifier(ty, value.as_str())) => {
                self.instance_identifier(value.as_str(), attributes)
            }
            _ => value.as_str().to_owned(),
        }
    }

    /// Whether an earlier member of a union, a string say, would take an identity that is written with its module's own
    /// prefix (RFC 7950 §9.12: the first member that takes the text has it).
    fn is_taken(&self, ty: &TypeSpec, module: &str, name: &str) -> bool {
        let TypeSpec::Union(_) = ty else { return false };
        let Some(known) = self.index.module(module) else { return false };
        let own = |prefix: Option<&str>| (prefix == Some(&known.prefix)).then(|| module.to_owned());
        let text = format!("{}:{name}", known.prefix);
        !matches!(ty.canonical(&text, &own), Ok((ValueKind::Identity, _)))
    }

    /// Whether the text is an instance identifier by its type: in a union, if that is the member to which it belongs.
    fn is_instance_identifier(&self, ty: &TypeSpec, text: &str) -> bool {
        match ty {
            TypeSpec::InstanceIdentifier => true,
            TypeSpec::Union(_) if text.starts_with('/') => {
                let known = |prefix: Option<&str>| self.index.module(prefix?).map(|module| module.name.to_string());
                ty.member(text, &known) == Some(&TypeSpec::InstanceIdentifier)
            }
            _ => false,
        }
    }

    /// The module's own prefix, or a numbered one where another namespace has that already; its declaration is added if it is
    /// not there yet.
    pub(super) fn prefix(&self, module: &str, attributes: &mut String) -> String {
        let own = self.index.module(module).map_or(module, |known| &known.prefix);
        self.declared(own, module, attributes)
    }

    /// This prefix for the module's namespace, numbered where another namespace has it already.
    fn declared(&self, own: &str, module: &str, attributes: &mut String) -> String {
        let namespace = self.index.module(module).map_or(module, |known| &known.namespace);
        let mut prefix = own.to_owned();
        let mut number = 0;
        loop {
            let mut declaration = String::new();
            declare(&prefix, namespace, &mut declaration);
            if attributes.contains(&declaration) {
                return prefix;
            }
            if !attributes.contains(&format!(" xmlns:{prefix}=\"")) {
                attributes.push_str(&declaration);
                return prefix;
            }
            number += 1;
            prefix = format!("{own}{number}");
        }
    }

    /// From module names where the module changes to a prefix on every name (RFC 7950 §9.13).
    fn instance_identifier(&self, text: &str, attributes: &mut String) -> String {
        let mut out = String::with_capacity(text.len() * 2);
        let mut module = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match c {
                '/' | '[' => {
                    out.push(c);
                    rest = &rest[1..];
                    let end = rest.find(['/', '[', ']', '=']).unwrap_or(rest.len());
                    let (word, tail) = rest.split_at(end);
                    rest = tail;
                    if word == "." || word.starts_with(|c: char| c.is_ascii_digit()) {
                        out.push_str(word);
                        continue;
                    }
                    let (of, name) = word.split_once(':').unwrap_or((&module, word));
                    let prefix = self.prefix(of, attributes);
                    out.push_str(&format!("{prefix}:{name}"));
                    if c == '/' {
                        module = of.to_owned();
                    }
                }
                '\'' | '"' => {
                    let end = rest[1..].find(c).map_or(rest.len(), |at| at + 2);
                    out.push_str(&rest[..end]);
                    rest = &rest[end..];
                }
                c => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        out
    }

    /// What no schema knows: XML as it came; what came as JSON stands as text in an element.
    fn opaque(&mut self, name: &QName, text: &str, attributes: &str) {
        if !text.starts_with('<') {
            self.start(name, None, attributes);
            self.out.push('>');
            escape(text, false, &mut self.out);
            self.end(name);
            return;
        }
        self.line();
        let end = text[1..].find([' ', '/', '>']).map_or(text.len(), |at| at + 1);
        self.out.push_str(&text[..end]);
        self.out.push_str(attributes);
        self.out.push_str(&text[end..]);
    }

    /// A start tag without its closing bracket.
    fn start(&mut self, name: &QName, outer: Option<&Name>, attributes: &str) {
        self.line();
        self.out.push('<');
        self.out.push_str(name.name.as_str());
        if outer != Some(&name.module) {
            let module = name.module.as_str();
            let namespace = self.index.module(module).map_or(module, |module| module.namespace.as_str());
            declare("", namespace, &mut self.out);
        }
        self.out.push_str(attributes);
    }

    fn end(&mut self, name: &QName) {
        self.out.push_str("</");
        self.out.push_str(name.name.as_str());
        self.out.push('>');
    }

    fn line(&mut self) {
        if self.pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", self.indent));
        }
    }
}
