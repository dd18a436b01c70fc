//! What the fuzz targets demand: not only that nothing panics, but that what was read is printed and read back the same.
//!
//! An input is a few bytes that choose schema and policy, and then the text. Every property here is one of the laws that
//! the property tests hold too; here the texts are not made by our own printers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/support/arbitrary.rs"]
mod arbitrary;
mod grammar;
mod worker;

pub use grammar::{brace, flat, indent, set};
pub use worker::{tables, validate, worker};

use andante::tree::xml::Entries;
use andante::tree::{ConfigTree, Limits, Policy, SchemaIndex, diff, json, xml};
use std::sync::LazyLock;

/// An XML document, an edit-config, and the same tree as JSON.
pub fn xml(data: &[u8]) {
    let Some((index, policy, text)) = setting(data) else { return };
    // What stands before a byte that no XML has is what the element said before.
    let text = match text.iter().position(|byte| *byte == 0) {
        Some(at) => {
            let (before, text) = (&text[..at], &text[at + 1..]);
            let known = xml::parse_after(before, index, policy, &LIMITS, &Entries::default());
            let known = known.map(|(_, entries)| entries).unwrap_or_default();
            let after = xml::parse_after(text, index, policy, &LIMITS, &known).map(|(tree, _)| tree);
            assert_eq!(after, xml::parse(text, index, None, policy, &LIMITS));
            text
        }
        None => text,
    };
    if let Ok(edit) = xml::parse_edit(text, index, &LIMITS) {
        let _ = edit.marks.len();
    }
    let Ok(tree) = xml::parse(text, index, None, policy, &LIMITS) else { return };
    let printed = xml::print(&tree, index, false);
    assert_eq!(xml::parse(printed.as_bytes(), index, None, policy, &LIMITS).as_ref(), Ok(&tree), "{printed}");
    let pretty = xml::print(&tree, index, true);
    assert_eq!(xml::parse(pretty.as_bytes(), index, None, policy, &LIMITS).as_ref(), Ok(&tree), "{pretty}");
    if policy == Policy::STRICT {
        let other = json::print(&tree, index, false);
        assert_eq!(json::parse(other.as_bytes(), index, None, policy, &LIMITS).as_ref(), Ok(&tree), "{other}");
        edited(&tree, index);
    }
}

/// A JSON document, and the same tree as XML.
pub fn json(data: &[u8]) {
    let Some((index, policy, text)) = setting(data) else { return };
    let Ok(tree) = json::parse(text, index, None, policy, &LIMITS) else { return };
    for pretty in [false, true] {
        let printed = json::print(&tree, index, pretty);
        assert_eq!(json::parse(printed.as_bytes(), index, None, policy, &LIMITS).as_ref(), Ok(&tree), "{printed}");
    }
    if policy == Policy::STRICT {
        let other = xml::print(&tree, index, false);
        assert_eq!(xml::parse(other.as_bytes(), index, None, policy, &LIMITS).as_ref(), Ok(&tree), "{other}");
        edited(&tree, index);
    }
}

/// The edit from nothing to the tree is read back as the edit that it is.
fn edited(tree: &ConfigTree, index: &SchemaIndex) {
    let change = diff(&ConfigTree::default(), tree);
    let edit = xml::edit_config(&change, index);
    assert_eq!(edit.is_empty(), change.is_empty());
    let config = format!("<config xmlns=\"{}\">{edit}</config>", xml::NETCONF);
    let read = xml::parse_edit(config.as_bytes(), index, &LIMITS);
    assert_eq!(read.map(|edit| edit.tree).as_ref(), Ok(tree), "{edit}");
}

/// The schema, the policy and the text that an input stands for.
fn setting(data: &[u8]) -> Option<(&'static SchemaIndex, Policy, &[u8])> {
    let ([schema, policy], text) = data.split_first_chunk::<2>()?;
    let policy = [Policy::STRICT, Policy::ELEMENT, Policy::DATA][*policy as usize % 3];
    Some((&SCHEMAS[*schema as usize % SCHEMAS.len()], policy, text))
}

static SCHEMAS: LazyLock<Vec<SchemaIndex>> = LazyLock::new(|| (0..16).map(arbitrary::schema).collect());

/// Small, so that the limits themselves are reached.
const LIMITS: Limits = Limits { bytes: 64 << 10, depth: 16, nodes: 2_000, attributes: 8, value_bytes: 4 << 10 };
