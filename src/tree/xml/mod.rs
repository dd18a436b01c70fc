//! The XML codec (RFC 7950 XML encoding) against a schema index, and the bodies of NETCONF operations.
//!
//! Reads streaming, without DTD and without entities beyond the five of XML; prints deterministically: one `xmlns` where
//! the module changes, identities with the module's own prefix declared on their element (some servers compare keys by
//! text), keys first, then schema order. What a schema does not know is kept in a canonical text that does not depend on
//! the prefixes or the indentation of the sender.
//!
//! Guarantees: `parse(print(t)) == t` for every tree that the schema knows; equal differences give equal bytes. It does not
//! apply `must`, `when`, ranges or patterns, and knows nothing of sessions or messages.

mod edit;
mod entries;
mod opaque;
mod print;
mod read;
mod source;

pub use edit::{edit_config, subtree_filter};
pub use entries::Entries;
pub use print::{print, print_input, print_nodes, print_tagged};
pub use read::{EditConfig, Insert, Mark, Operation};

use super::codec::{CodecError, Limits, Policy};
use super::path::Path;
use super::schema::SchemaIndex;
use super::tree::ConfigTree;
use read::Purpose;

/// Namespace of NETCONF (RFC 6241).
pub const NETCONF: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
/// Namespace of the data resource of RESTCONF (RFC 8040).
pub const RESTCONF: &str = "urn:ietf:params:xml:ns:yang:ietf-restconf";
/// Namespace of the attributes `insert`, `key` and `value` (RFC 7950 §7.8.6).
pub const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// Reads elements that are children of `at` (`None`: of the root): one, several, or the content of a `config` or `data`
/// element of NETCONF or RESTCONF. The tree always starts at the root: the ancestors that `at` names are made.
pub fn parse(
    bytes: &[u8],
    index: &SchemaIndex,
    at: Option<&Path>,
    policy: Policy,
    limits: &Limits,
) -> Result<ConfigTree, CodecError> {
    read::parse(bytes, index, at, policy, limits, Purpose::Read).map(|(edit, _)| edit.tree)
}

/// The same for a document from the root that is much like an earlier one: entries that `last` knows are not read again.
/// Answers what the next one may be read with. The index, the policy and the limits are those of the earlier one.
pub fn parse_after(
    bytes: &[u8],
    index: &SchemaIndex,
    policy: Policy,
    limits: &Limits,
    last: &Entries,
) -> Result<(ConfigTree, Entries), CodecError> {
    read::parse(bytes, index, None, policy, limits, Purpose::Again(last)).map(|(edit, now)| (edit.tree, now))
}

/// Reads the `config` of an `edit-config`: what to set as a tree, and the operations and insertions that elements carry. What
/// is to be removed is not in the tree.
pub fn parse_edit(bytes: &[u8], index: &SchemaIndex, limits: &Limits) -> Result<EditConfig, CodecError> {
    read::parse(bytes, index, None, Policy::STRICT, limits, Purpose::Edit).map(|(edit, _)| edit)
}

/// Namespace of the attribute `default` (RFC 6243 §6).
pub const DEFAULTS: &str = "urn:ietf:params:xml:ns:netconf:default:1.0";
/// Namespace of the module that defines it; some servers use it for the attribute, too.
const WITH_DEFAULTS: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults";

/// Appends `text` with the characters escaped that XML needs escaped, in an attribute or in an element.
fn escape(text: &str, attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
}
