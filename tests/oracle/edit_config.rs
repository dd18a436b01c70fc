//! A small interpreter of `edit-config` (RFC 6241 §7.2, RFC 7950 §7.7.9, §7.8.6, §7.9) on XML elements, as a server would
//! do it. It shares nothing with the code under test but the names, kinds and keys of the schema: an XML reader of its
//! own, no tree of ours.

use andante::tree::schema::{SchemaIndex, SchemaKind};
use andante::tree::{Name, SchemaId};

const NETCONF: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// An element; namespaces resolved.
#[derive(Clone, Debug, Default)]
pub struct Element {
    namespace: String,
    name: String,
    attributes: Vec<(String, String, String)>,
    /// Declarations of prefixes on this very element.
    declared: Vec<(String, String)>,
    /// The text, entities resolved.
    text: String,
    /// The text with prefixes that are declared here as namespaces.
    meaning: String,
    children: Vec<Element>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    None,
    Merge,
    Replace,
    Create,
    Delete,
    Remove,
}

/// The datastore after the edit, `default-operation` none; the error is an error-tag and where.
pub fn execute(datastore: &str, edit: &str, index: &SchemaIndex) -> Result<String, String> {
    let mut nodes = read(datastore);
    for element in read(edit) {
        edit_one(&mut nodes, &element, Operation::None, None, index)?;
    }
    Ok(nodes.iter().map(print).collect())
}

fn edit_one(
    siblings: &mut Vec<Element>,
    edit: &Element,
    inherited: Operation,
    parent: Option<SchemaId>,
    index: &SchemaIndex,
) -> Result<(), String> {
    let id = schema_of(edit, parent, index)?;
    let schema = index.node(id);
    let operation = match edit.attribute(NETCONF, "operation") {
        None => inherited,
        Some("merge") => Operation::Merge,
        Some("replace") => Operation::Replace,
        Some("create") => Operation::Create,
        Some("delete") => Operation::Delete,
        Some("remove") => Operation::Remove,
        Some("none") => Operation::None,
        Some(_) => return Err(format!("bad-attribute at {}", edit.name)),
    };
    let keys: &[Name] = &schema.keys;
    let found = siblings.iter().position(|node| same(node, edit, schema.kind, keys));
    match operation {
        Operation::Remove | Operation::Delete => match found {
            Some(at) => drop(siblings.remove(at)),
            None if operation == Operation::Delete => return Err(format!("data-missing at {}", edit.name)),
            None => {}
        },
        Operation::None => {
            let leaf = matches!(schema.kind, SchemaKind::Leaf | SchemaKind::LeafList { .. });
            let Some(at) = found else { return Err(format!("data-missing at {}", edit.name)) };
            if !leaf {
                below(&mut siblings[at], edit, operation, id, keys, index)?;
            }
        }
        Operation::Create if found.is_some() => return Err(format!("data-exists at {}", edit.name)),
        Operation::Merge | Operation::Create | Operation::Replace => {
            let mut at = match found {
                Some(at) if operation == Operation::Replace => {
                    siblings[at] = bare(edit, keys);
                    at
                }
                Some(at) => at,
                None => {
                    leave_other_cases(siblings, id, parent, index);
                    siblings.push(bare(edit, keys));
                    siblings.len() - 1
                }
            };
            if schema.kind == SchemaKind::Leaf {
                siblings[at] = bare(edit, keys);
            } else {
                at = place(siblings, at, edit, schema.kind, keys)?;
                let inner = if operation == Operation::Replace { Operation::Merge } else { operation };
                below(&mut siblings[at], edit, inner, id, keys, index)?;
            }
        }
    }
    Ok(())
}

/// The children of an edited container or entry, keys aside.
fn below(
    node: &mut Element,
    edit: &Element,
    operation: Operation,
    id: SchemaId,
    keys: &[Name],
    index: &SchemaIndex,
) -> Result<(), String> {
    for child in &edit.children {
        let key = child.namespace == edit.namespace && keys.iter().any(|key| key.as_str() == child.name);
        if !key {
            edit_one(&mut node.children, child, operation, Some(id), index)?;
        }
    }
    Ok(())
}

/// Puts the node at `at` where the attributes of the edit want it; its place then.
fn place(
    siblings: &mut Vec<Element>,
    at: usize,
    edit: &Element,
    kind: SchemaKind,
    keys: &[Name],
) -> Result<usize, String> {
    let ordered = matches!(kind, SchemaKind::List { user_ordered: true } | SchemaKind::LeafList { user_ordered: true });
    let Some(insert) = edit.attribute(YANG, "insert").filter(|_| ordered) else { return Ok(at) };
    let node = siblings.remove(at);
    let twin = |other: &Element| other.namespace == node.namespace && other.name == node.name;
    let anchor = || {
        let found = match kind {
            SchemaKind::LeafList { .. } => {
                let value = edit.attribute(YANG, "value").ok_or("missing-attribute value")?;
                let value = meaning(value, &edit.declared);
                siblings.iter().position(|other| twin(other) && other.meaning == value)
            }
            _ => {
                let wanted = predicates(edit.attribute(YANG, "key").ok_or("missing-attribute key")?, &edit.declared)?;
                siblings.iter().position(|other| {
                    let has = |(name, value): &(String, String)| {
                        other.children.iter().any(|leaf| leaf.name == *name && leaf.meaning == *value)
                    };
                    twin(other) && wanted.len() == keys.len() && wanted.iter().all(has)
                })
            }
        };
        found.ok_or_else(|| format!("missing-instance: no anchor for {}", edit.name))
    };
    let to = match insert {
        "first" => siblings.iter().position(twin).unwrap_or(siblings.len()),
        "last" => siblings.len(),
        "before" => anchor()?,
        "after" => anchor()? + 1,
        other => return Err(format!("bad-attribute insert={other}")),
    };
    siblings.insert(to, node);
    Ok(to)
}

/// A node of one case is created: those of the other cases go (RFC 7950 §7.9).
fn leave_other_cases(siblings: &mut Vec<Element>, id: SchemaId, parent: Option<SchemaId>, index: &SchemaIndex) {
    let own = &index.node(id).cases;
    siblings.retain(|other| {
        let Ok(other) = schema_of(other, parent, index) else { return true };
        for (mine, theirs) in own.iter().zip(&index.node(other).cases) {
            if mine.0 != theirs.0 {
                return true;
            }
            if mine.1 != theirs.1 {
                return false;
            }
        }
        true
    });
}

/// The node as it is first made: without operations, of an entry its keys only, of a container nothing.
fn bare(edit: &Element, keys: &[Name]) -> Element {
    let children = edit.children.iter().filter(|child| keys.iter().any(|key| key.as_str() == child.name));
    let children = children.map(|key| Element { attributes: Vec::new(), ..key.clone() }).collect();
    Element { attributes: Vec::new(), children, ..edit.clone() }
}

fn same(node: &Element, edit: &Element, kind: SchemaKind, keys: &[Name]) -> bool {
    let value = |element: &Element, key: &Name| {
        element.children.iter().find(|leaf| leaf.name == key.as_str()).map(|leaf| leaf.meaning.clone())
    };
    node.namespace == edit.namespace
        && node.name == edit.name
        && match kind {
            SchemaKind::List { .. } => keys.iter().all(|key| value(node, key) == value(edit, key)),
            SchemaKind::LeafList { .. } => node.meaning == edit.meaning,
            _ => true,
        }
}

fn schema_of(element: &Element, parent: Option<SchemaId>, index: &SchemaIndex) -> Result<SchemaId, String> {
    let module = index.module_of_namespace(&element.namespace).ok_or("unknown-namespace")?;
    let found = index.child_named(parent, module.name.as_str(), &element.name);
    found.ok_or_else(|| format!("unknown-element {}", element.name))
}

impl Element {
    fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(of, local, _)| of == namespace && local == name);
        found.map(|(_, _, value)| value.as_str())
    }
}

/// `[p:name='value']…`
fn predicates(text: &str, declared: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(tail) = rest.strip_prefix('[') {
        let (name, tail) = tail.split_once('=').ok_or("bad key")?;
        let quote = tail.chars().next().ok_or("bad key")?;
        let (value, tail) = tail[1..].split_once(quote).ok_or("bad key")?;
        rest = tail.strip_prefix(']').ok_or("bad key")?;
        found.push((name.rsplit(':').next().unwrap_or(name).to_owned(), meaning(value, declared)));
    }
    Ok(found)
}

/// A value with the prefixes that are declared on its element as namespaces.
fn meaning(text: &str, declared: &[(String, String)]) -> String {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        let namespace = declared.iter().find(|(prefix, _)| prefix == word).map(|(_, namespace)| namespace);
        match (tail.strip_prefix(':'), namespace) {
            (Some(after), Some(namespace)) => {
                out.push_str(&format!("{{{namespace}}}"));
                rest = after;
            }
            _ => {
                let step = tail.chars().next().map_or(0, char::len_utf8);
                out.push_str(word);
                out.push_str(&tail[..step]);
                rest = &tail[step..];
            }
        }
    }
    out
}

/// Elements side by side, as our printer writes them: no comments, no declarations of entities.
fn read(text: &str) -> Vec<Element> {
    let mut rest = text;
    let elements = read_children(&mut rest, &[(String::new(), String::new())]).1;
    assert!(rest.is_empty(), "XML that nobody closes: {rest}");
    elements
}

fn read_children(rest: &mut &str, scope: &[(String, String)]) -> (String, Vec<Element>) {
    let (mut text, mut elements) = (String::new(), Vec::new());
    loop {
        let end = rest.find('<').unwrap_or(rest.len());
        text.push_str(&plain(&rest[..end]));
        *rest = &rest[end..];
        if rest.is_empty() || rest.starts_with("</") {
            return (text, elements);
        }
        elements.push(read_element(rest, scope));
    }
}

fn read_element(rest: &mut &str, scope: &[(String, String)]) -> Element {
    let end = tag_end(rest);
    let tag = &rest[1..end];
    *rest = &rest[end + 1..];
    let empty = tag.ends_with('/');
    let tag = tag.trim_end_matches('/');
    let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut raw = Vec::new();
    while let Some((key, tail)) = attributes.trim_start().split_once("=\"") {
        let (value, tail) = tail.split_once('"').expect("a closed attribute");
        raw.push((key.to_owned(), plain(value)));
        attributes = tail;
    }
    let mut scope = scope.to_vec();
    let mut declared = Vec::new();
    for (key, value) in &raw {
        match key.strip_prefix("xmlns") {
            Some("") => scope.push((String::new(), value.clone())),
            Some(prefix) => {
                scope.push((prefix[1..].to_owned(), value.clone()));
                declared.push((prefix[1..].to_owned(), value.clone()));
            }
            None => {}
        }
    }
    let namespace =
        |prefix: &str| scope.iter().rev().find(|(known, _)| known == prefix).expect("a declared prefix").1.clone();
    let attributes = raw.iter().filter(|(key, _)| !key.starts_with("xmlns")).map(|(key, value)| {
        let (prefix, local) = key.split_once(':').expect("attributes without namespace are not printed");
        (namespace(prefix), local.to_owned(), value.clone())
    });
    let attributes = attributes.collect();
    let namespace = namespace("");
    let (text, children) = if empty { Default::default() } else { read_children(rest, &scope) };
    if !empty {
        let close = format!("</{name}>");
        *rest = rest.strip_prefix(close.as_str()).expect("the end tag of the element");
    }
    let meaning = meaning(&text, &declared);
    Element { namespace, name: name.to_owned(), attributes, declared, text, meaning, children }
}

/// The place of the `>` that ends a tag: attribute values may hold one.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    let found = text.char_indices().find(|(_, c)| {
        if *c == '"' {
            quoted = !quoted;
        }
        *c == '>' && !quoted
    });
    found.expect("a closed tag").0
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('&') {
        let (entity, tail) = tail.split_once(';').expect("a closed reference");
        out.push_str(before);
        out.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => char::from_u32(number.trim_start_matches('#').parse().expect("a number")).expect("a character"),
        });
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn print(element: &Element) -> String {
    let escape = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        text.replace('\r', "&#13;")
    };
    let declared = element.declared.iter().filter(|(_, namespace)| namespace != NETCONF && namespace != YANG);
    let declared: String =
        declared.map(|(prefix, namespace)| format!(" xmlns:{prefix}=\"{}\"", escape(namespace))).collect();
    let content: String = element.children.iter().map(print).collect();
    let (name, namespace, text) = (&element.name, escape(&element.namespace), escape(&element.text));
    format!("<{name} xmlns=\"{namespace}\"{declared}>{text}{content}</{name}>")
}
