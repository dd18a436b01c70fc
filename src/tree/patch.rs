//! A difference as a YANG Patch (RFC 8072) that also says what stood there before.
//!
//! Each edit carries beside `value` a `source-value` with the old content, as the comparison of RFC 9144 prints it, so a
//! reader sees before and after. The edits stand in the order of the difference: applied one after the other they make the
//! second tree out of the first one. Targets are resource paths from the root of the datastore (RFC 8040 §3.5.3).
//!
//! | Edit | operation | value | source-value | point, where |
//! |---|---|---|---|---|
//! | created | `create` | what comes | | |
//! | created among user-ordered siblings | `insert` | what comes | | behind which one, or `first` |
//! | removed | `delete` | | what went | |
//! | another value or kind | `replace` | what stands now | what stood | |
//! | moved | `move` | | | behind which one, or `first` |
//!
//! Guarantees: no schema is needed (a value knows how it is printed); equal differences give equal bytes.

use super::{Diff, Edit, Key, Name, Node, Path, SchemaIndex, Step, json};
use serde_json::{Map, Value, json};

/// The patch as JSON: an object with the one member `ietf-yang-patch:yang-patch`.
pub fn yang_patch(diff: &Diff, id: &str) -> Value {
    let edits: Vec<Value> = diff.edits.iter().enumerate().map(|(at, edit)| one(at + 1, edit)).collect();
    json!({ "ietf-yang-patch:yang-patch": { "patch-id": id, "edit": edits } })
}

fn one(number: usize, edit: &Edit) -> Value {
    let mut out = Map::new();
    let path = edit.path();
    out.insert("edit-id".into(), number.to_string().into());
    let mut put = |name: &str, value: Value| out.insert(name.into(), value);
    put("target", resource(path).into());
    match edit {
        Edit::Create { node, after, .. } => {
            put("operation", if node.is_user_ordered() { "insert" } else { "create" }.into());
            if node.is_user_ordered() {
                place(path, after.as_ref(), &mut put);
            }
            put("value", content(path, node));
        }
        Edit::Remove { node, .. } => {
            put("operation", "delete".into());
            put(SOURCE, content(path, node));
        }
        Edit::Set { old, new, .. } => {
            let leaf = |value: &super::Value| match path.last() {
                Some(step) => content(path, &Node::leaf(step.name.clone(), value.clone())),
                None => Value::Null,
            };
            put("operation", "replace".into());
            put("value", leaf(new));
            put(SOURCE, leaf(old));
        }
        Edit::Replace { old, new, .. } => {
            put("operation", "replace".into());
            put("value", content(path, new));
            put(SOURCE, content(path, old));
        }
        Edit::Move { to, .. } => {
            put("operation", "move".into());
            place(path, to.as_ref(), &mut put);
        }
    }
    Value::Object(out)
}

fn place(path: &Path, after: Option<&Step>, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    match (after, path.parent()) {
        (Some(step), Some(parent)) => {
            put("where", "after".into());
            put("point", resource(&parent.child(step.clone())).into());
        }
        _ => {
            put("where", "first".into());
        }
    }
}

/// A node with its own name, as it stands in `value`.
fn content(path: &Path, node: &Node) -> Value {
    let parent = path.parent().unwrap_or_default();
    let text = json::print_nodes(node, &parent, &SchemaIndex::default(), false);
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// A path as a resource path: `/module:list=key,key/leaf`, keys percent-encoded.
fn resource(path: &Path) -> String {
    let mut out = String::new();
    let mut module: Option<&Name> = None;
    for step in path.steps() {
        out.push('/');
        if module != Some(&step.name.module) {
            encode(step.name.module.as_str(), &mut out);
            out.push(':');
        }
        module = Some(&step.name.module);
        encode(step.name.name.as_str(), &mut out);
        let values: Vec<&str> = match &step.key {
            Key::Single => continue,
            Key::Entry(keys) => keys.iter().map(|(_, value)| value.as_str()).collect(),
            Key::Member(value) => vec![value.as_str()],
            Key::Opaque(text, _) => vec![text],
        };
        for (at, value) in values.into_iter().enumerate() {
            out.push(if at == 0 { '=' } else { ',' });
            encode(value, &mut out);
        }
    }
    if out.is_empty() { "/".into() } else { out }
}

/// Everything but the unreserved characters of RFC 3986 §2.3.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// The old content: the leaf that RFC 9144 adds to an edit.
const SOURCE: &str = "ietf-nmda-compare:source-value";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{ConfigTree, QName, Value as LeafValue, ValueKind, diff};

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    #[test]
    fn a_reader_sees_what_stands_before_and_after() {
        let tree = |mtu: &str, order: &[&str]| {
            let mtu = Node::leaf(q("mtu"), LeafValue::new(ValueKind::Number, mtu));
            let port = Node::entry(q("port"), [("name".into(), LeafValue::text("ge0/0,1"))], false, [mtu]);
            let members = order.iter().map(|key| Node::member(q("dns"), LeafValue::text(key), true));
            ConfigTree::new([Node::container(q("ports"), false, std::iter::once(port).chain(members))])
        };
        let patch =
            |a: &ConfigTree, b: &ConfigTree| yang_patch(&diff(a, b), "p1")["ietf-yang-patch:yang-patch"].clone();
        let found = patch(&tree("1500", &["a", "b"]), &tree("9000", &["b", "a", "c"]));
        assert_eq!(found["patch-id"], "p1");
        let edits = found["edit"].as_array().unwrap();
        let operations: Vec<&str> = edits.iter().map(|edit| edit["operation"].as_str().unwrap()).collect();
        assert_eq!(operations, ["move", "insert", "replace"]);
        assert_eq!(edits[1]["value"], json!({ "m:dns": ["c"] }));
        assert_eq!(edits[2]["target"], "/m:ports/port=ge0%2F0%2C1/mtu");
        assert_eq!(edits[2]["value"], json!({ "m:mtu": 9000 }));
        assert_eq!(edits[2][SOURCE], json!({ "m:mtu": 1500 }));
        let gone = patch(&tree("1500", &["a"]), &ConfigTree::default());
        assert_eq!(gone["edit"][1]["operation"], "delete");
        assert_eq!(gone["edit"][1][SOURCE], json!({ "m:port": [{ "name": "ge0/0,1", "mtu": 1500 }] }));
    }
}
