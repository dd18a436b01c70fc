//! The path of a request as a path in the tree (RFC 8040 §3.5.3). Pure.
//!
//! Accepts what clients send: redundant module prefixes, one trailing slash, empty key values, any character in a key if it
//! is percent-encoded. A list needs its keys; an operation is not a data resource.

use crate::tree::{Key, Name, Path, SchemaId, SchemaIndex, SchemaKind, Step, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;

/// A data resource; `schema` is `None` for the datastore itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub path: Path,
    /// Its schema node.
    pub schema: Option<SchemaId>,
}

/// The path names no data resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// The schema has no such node (404), rather than: the path is written wrongly (400).
    pub unknown: bool,
    /// As far as it was understood.
    pub path: Path,
    /// What is wrong.
    pub message: String,
}

/// Reads what follows `/restconf/data`, still percent-encoded and without the query.
pub fn parse(raw: &str, index: &SchemaIndex) -> Result<Target, TargetError> {
    let raw = raw.strip_suffix('/').unwrap_or(raw);
    let mut target = Target { path: Path::root(), schema: None };
    let Some(rest) = raw.strip_prefix('/') else {
        if raw.is_empty() {
            return Ok(target);
        }
        return Err(bad(&target, "a '/' is expected behind /restconf/data".into()));
    };
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(bad(&target, format!("the path has {} segments, {MAX_SEGMENTS} are allowed", segments.len())));
    }
    for segment in segments {
        target = step(&target, segment, index)?;
    }
    Ok(target)
}

/// The path as it stands in a `Location`, behind `/restconf/data`.
pub fn print(path: &Path) -> String {
    let mut out = String::new();
    let mut module: Option<&Name> = None;
    for step in path.steps() {
        out.push('/');
        if module != Some(&step.name.module) {
            let _ = write!(out, "{}:", step.name.module);
        }
        module = Some(&step.name.module);
        out.push_str(step.name.name.as_str());
        match &step.key {
            Key::Entry(keys) => {
                for (place, (_, value)) in keys.iter().enumerate() {
                    out.push(if place == 0 { '=' } else { ',' });
                    let _ = write!(out, "{}", utf8_percent_encode(value.as_str(), RESERVED));
                }
            }
            Key::Member(value) => {
                let _ = write!(out, "={}", utf8_percent_encode(value.as_str(), RESERVED));
            }
            Key::Single | Key::Opaque(..) => {}
        }
    }
    out
}

fn step(at: &Target, segment: &str, index: &SchemaIndex) -> Result<Target, TargetError> {
    let (name, keys) = match segment.split_once('=') {
        Some((name, keys)) => (name, Some(keys)),
        None => (segment, None),
    };
    let name = decode(at, name)?;
    if name.is_empty() {
        return Err(bad(at, "a segment of the path is empty".into()));
    }
    let id = find(at, &name, index)?;
    let schema = index.node(id);
    let qname = schema.name.clone();
    let step = match (schema.kind, keys) {
        (SchemaKind::Operation, _) => {
            return Err(unknown(at, format!("'{name}' is an operation: POST to /restconf/operations/{qname}")));
        }
        (SchemaKind::List { .. }, Some(keys)) => {
            Step { name: qname, key: Key::Entry(entry(at, &name, id, keys, index)?.into()) }
        }
        (SchemaKind::List { .. }, None) => {
            let keys: Vec<_> = schema.keys.iter().map(|key| format!("{{{key}}}")).collect();
            return Err(bad(at, format!("'{name}' is a list and needs its keys: {name}={}", keys.join(","))));
        }
        (SchemaKind::LeafList { .. }, Some(value)) => {
            Step::member(qname.clone(), value_of(at, &name, id, &decode(at, value)?, index)?)
        }
        (SchemaKind::LeafList { .. }, None) => {
            return Err(bad(at, format!("'{name}' is a leaf-list and needs a value: {name}={{value}}")));
        }
        (_, Some(_)) => return Err(bad(at, format!("'{name}' is no list and takes no keys"))),
        (_, None) => Step::single(qname),
    };
    Ok(Target { path: at.path.child(step), schema: Some(id) })
}

fn find(at: &Target, name: &str, index: &SchemaIndex) -> Result<SchemaId, TargetError> {
    let parent = at.schema.map(|id| index.node(id));
    if parent.is_some_and(|node| matches!(node.kind, SchemaKind::Leaf | SchemaKind::LeafList { .. } | SchemaKind::Any))
    {
        return Err(unknown(at, format!("{} has nothing below it", at.path)));
    }
    let found = match (name.split_once(':'), parent) {
        (Some((module, local)), _) => index.child_named(at.schema, module, local),
        (None, Some(parent)) => index.child_named(at.schema, parent.name.module.as_str(), name),
        (None, None) => {
            return Err(bad(at, format!("'{}' needs the name of its module: module:name", shown(name))));
        }
    };
    found.ok_or_else(|| {
        let wanted = name.rsplit(':').next().unwrap_or(name);
        let mut near = index.children(at.schema).iter().map(|id| &index.node(*id).name);
        let hint = near.find(|known| known.name.as_str() == wanted);
        let hint = hint.map(|known| format!("; did you mean '{known}'?")).unwrap_or_default();
        unknown(at, format!("there is no node '{}' below {}{hint}", shown(name), at.path))
    })
}

fn entry(
    at: &Target,
    name: &str,
    id: SchemaId,
    keys: &str,
    index: &SchemaIndex,
) -> Result<Vec<(Name, Value)>, TargetError> {
    let schema = index.node(id);
    let given: Vec<&str> = keys.split(',').collect();
    if schema.keys.is_empty() {
        return Err(bad(at, format!("'{name}' is a list without keys; its entries have no address")));
    }
    if given.len() != schema.keys.len() {
        let names: Vec<_> = schema.keys.iter().map(|key| format!("{{{key}}}")).collect();
        return Err(bad(
            at,
            format!(
                "'{name}' needs {} key value(s), {} given: {name}={} (write a comma inside a value as %2C)",
                names.len(),
                given.len(),
                names.join(",")
            ),
        ));
    }
    let mut read = Vec::with_capacity(given.len());
    for (key, text) in schema.keys.iter().zip(given) {
        let leaf = index.child_named(Some(id), schema.name.module.as_str(), key.as_str());
        let leaf = leaf.ok_or_else(|| bad(at, format!("the schema does not describe the key '{key}'")))?;
        read.push((key.clone(), value_of(at, key.as_str(), leaf, &decode(at, text)?, index)?));
    }
    Ok(read)
}

fn value_of(at: &Target, name: &str, leaf: SchemaId, text: &str, index: &SchemaIndex) -> Result<Value, TargetError> {
    let schema = index.node(leaf);
    let Some(ty) = &schema.ty else {
        return Err(bad(at, format!("the schema gives no type for '{name}'")));
    };
    ty.value(schema.name.module.as_str(), text).map_err(|why| bad(at, format!("'{name}': {why}")))
}

fn decode(at: &Target, text: &str) -> Result<String, TargetError> {
    let bytes = text.as_bytes();
    for (place, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let hex = bytes.get(place + 1..place + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        if !hex {
            return Err(bad(at, "a '%' is not followed by two hexadecimal digits".into()));
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(bad(at, "a segment of the path is not UTF-8".into())),
    }
}

/// Names from the wire in our messages: bounded, no control characters.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn bad(at: &Target, message: String) -> TargetError {
    TargetError { unknown: false, path: at.path.clone(), message }
}

fn unknown(at: &Target, message: String) -> TargetError {
    TargetError { unknown: true, path: at.path.clone(), message }
}

const MAX_SEGMENTS: usize = 64;
/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
