//! The YANG Patch of a difference, carried out as RFC 8072 says, on the JSON text: by a reader that knows nothing of trees.

use crate::law;
use crate::trees::pair;
use andante::tree::patch::yang_patch;
use andante::tree::{Limits, Policy, SchemaId, SchemaIndex, diff, json};
use serde_json::Value;

const PATCH: &str = "ietf-yang-patch:yang-patch";
const SOURCE: &str = "ietf-nmda-compare:source-value";

#[test]
fn a_yang_patch_makes_the_second_tree_and_says_what_stood_in_the_first() {
    let (mut edits, mut sources, mut places) = (0, 0, 0);
    law(1500, |seed| {
        let (index, a, b) = pair(seed);
        let patch = yang_patch(&diff(&a, &b), "p");
        let mut document: Value = serde_json::from_str(&json::print(&a, &index, false)).unwrap();
        for edit in patch[PATCH]["edit"].as_array().unwrap() {
            edits += 1;
            sources += usize::from(edit.get(SOURCE).is_some());
            places += usize::from(edit.get("where").is_some());
            carried_out(&mut document, edit, &index);
        }
        let done = json::parse(document.to_string().as_bytes(), &index, None, Policy::STRICT, &Limits::NORTH).unwrap();
        assert_eq!(json::print(&done, &index, true), json::print(&b, &index, true), "{patch:#}");
    });
    let drawn = (edits, sources, places);
    assert!(crate::law::only().is_some() || edits > 4000 && sources > 1000 && places > 100, "a poor draw: {drawn:?}");
}

/// One edit: removed, put or moved; what `source-value` says stands there before.
fn carried_out(document: &mut Value, edit: &Value, index: &SchemaIndex) {
    let target = steps(edit["target"].as_str().unwrap());
    let (last, way) = target.split_last().unwrap();
    let mut at = (&mut *document, None);
    for step in way {
        at = entered(at.0, at.1, step, index);
    }
    let (parent, above) = at;
    let id = named(index, above, &last.name);
    let parent = parent.as_object_mut().unwrap();
    let listed = !last.keys.is_empty();
    let same = |item: &Value| is_entry(item, &last.keys, id, index);
    let there = match parent.get(&last.name) {
        Some(Value::Array(items)) if listed => items.iter().find(|item| same(item)).cloned(),
        other => other.cloned(),
    };
    let operation = edit["operation"].as_str().unwrap();
    assert_eq!(edit.get(SOURCE).is_some(), matches!(operation, "delete" | "replace"), "{edit}");
    if let Some(source) = edit.get(SOURCE) {
        let said = source.as_object().unwrap().values().next().unwrap();
        let said = if listed { &said[0] } else { said };
        assert_eq!(Some(said), there.as_ref(), "{edit}");
    }
    assert_eq!(there.is_none(), matches!(operation, "create" | "insert"), "{edit}");
    let value = edit.get("value").map(|value| value.as_object().unwrap().values().next().unwrap());
    if !listed {
        match operation {
            "delete" => drop(parent.remove(&last.name)),
            _ => drop(parent.insert(last.name.clone(), value.unwrap().clone())),
        }
        return;
    }
    let items = parent.entry(last.name.clone()).or_insert_with(|| Value::Array(Vec::new())).as_array_mut().unwrap();
    let put = value.map(|value| value[0].clone()).or(there);
    let was = items.iter().position(same);
    if operation != "replace" {
        items.retain(|item| !same(item));
    }
    match (operation, edit.get("where").and_then(Value::as_str)) {
        ("delete", _) => {}
        ("replace", _) => items[was.unwrap()] = put.unwrap(),
        (_, Some("first")) => items.insert(0, put.unwrap()),
        (_, Some("after")) => {
            let point = steps(edit["point"].as_str().unwrap()).pop().unwrap();
            let before =
                items.iter().position(|item| is_entry(item, &point.keys, id, index)).expect("its point is there");
            items.insert(before + 1, put.unwrap());
        }
        _ => items.push(put.unwrap()),
    }
    if items.is_empty() {
        parent.remove(&last.name);
    }
}

/// A step of a resource path (RFC 8040 §3.5.3).
struct Step {
    /// As a member of JSON: with its module where that is not the one above.
    name: String,
    keys: Vec<String>,
}

fn steps(target: &str) -> Vec<Step> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let step = |text: &str| match text.split_once('=') {
        Some((name, keys)) => Step { name: name.into(), keys: keys.split(',').map(plain).collect() },
        None => Step { name: text.into(), keys: Vec::new() },
    };
    target.split('/').skip(1).map(step).collect()
}

fn named(index: &SchemaIndex, above: Option<SchemaId>, name: &str) -> SchemaId {
    let own = || index.node(above.unwrap()).name.module.as_str().to_owned();
    let (module, name) = name.split_once(':').map_or_else(|| (own(), name), |(module, name)| (module.to_owned(), name));
    index.child_named(above, &module, name).unwrap_or_else(|| panic!("{module}:{name} is in no module"))
}

/// The node that a step leads to; a container that says nothing is there without being written.
fn entered<'a>(
    at: &'a mut Value,
    above: Option<SchemaId>,
    step: &Step,
    index: &SchemaIndex,
) -> (&'a mut Value, Option<SchemaId>) {
    let id = named(index, above, &step.name);
    let empty = || Value::Object(serde_json::Map::new());
    let child = at.as_object_mut().unwrap().entry(step.name.clone()).or_insert_with(empty);
    let child = match child {
        Value::Array(items) => {
            items.iter_mut().find(|item| is_entry(item, &step.keys, id, index)).expect("it is there")
        }
        other => other,
    };
    (child, Some(id))
}

fn is_entry(item: &Value, keys: &[String], list: SchemaId, index: &SchemaIndex) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => String::new(),
        other => other.to_string(),
    };
    let names = &index.node(list).keys;
    if names.is_empty() {
        return text(item) == keys[0];
    }
    names.iter().zip(keys).all(|(name, key)| item.get(name.as_str()).is_some_and(|value| text(value) == *key))
}
