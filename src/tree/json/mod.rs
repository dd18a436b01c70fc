//! The JSON codec (RFC 7951) against a schema index.
//!
//! Reads bytes into a [`ConfigTree`] without an intermediate document, and prints trees. Nothing here trusts its input:
//! see [`Limits`]. Guarantees: `parse(print(t)) == t` for every tree that the schema knows; a member name given twice,
//! two entries with equal keys, a missing key and everything the schema does not know are errors with a path (or kept
//! as opaque nodes, by [`Policy`]); numbers never pass through floating point. It does not apply `must`, `when`, ranges or
//! patterns, and adds no defaults.

mod print;
mod read;
mod text;

pub use print::{print, print_nodes, print_tagged};

use super::codec::{CodecError, Limits, Policy};
use super::path::Path;
use super::schema::SchemaIndex;
use super::tree::ConfigTree;

/// Reads the JSON object whose members are children of `at` (`None`: of the root). The tree always starts at the root: the
/// ancestors that `at` names are made. The first member level may carry the module or, below a parent, leave it out.
pub fn parse(
    bytes: &[u8],
    index: &SchemaIndex,
    at: Option<&Path>,
    policy: Policy,
    limits: &Limits,
) -> Result<ConfigTree, CodecError> {
    read::parse(bytes, index, at, policy, limits)
}
