//! Native configuration as a tree, and all that can be said about two such trees.
//!
//! This is the first station and the common language of all others: a YANG datastore and the text of a CLI become the
//! same [`ConfigTree`], so there is one difference, one merge and one notion of "equal". Nothing here does input or
//! output, knows a clock or draws a random number.
//!
//! Guarantees: trees are immutable and share their unchanged parts; two trees with equal content have equal hashes in
//! one process; `apply(diff(a, b), a) == b` and `apply(inverse(d), apply(d, a)) == a`; nothing that was parsed is lost
//! (what no schema knows becomes an *opaque* node). It does not validate: that is the work of the `yang` worker.

pub mod canon;
mod children;
mod chunks;
pub mod claims;
pub mod codec;
pub mod defaults;
pub mod diff;
mod hash;
pub mod json;
pub mod lexical;
mod locate;
mod mark;
pub mod name;
pub mod node;
mod pairs;
pub mod patch;
pub mod path;
pub mod schema;
pub mod secret;
#[allow(clippy::module_inception)]
mod tree;
pub mod value;
pub mod xml;

pub use children::{Children, Differing};
pub use claims::{ClaimConflict, Claimant, Claims, Intended, Kind, Layer, Order, Owner, Place, Unpacker, Why};
pub use codec::{CodecError, CodecErrorKind, Limits, Policy};
pub use defaults::{Defaults, DefaultsMode};
pub use diff::{Diff, Edit, apply, diff, inverse};
pub(crate) use diff::{out_of_place, relined};
pub use hash::set_hash_key;
pub use name::{Name, QName};
pub use node::{Body, Node};
pub(crate) use pairs::{count, differing};
pub use pairs::{runs_passed, visited};
pub use path::{Key, Keys, Path, Step};
pub use schema::{SchemaId, SchemaIndex, SchemaKind, SchemaNode, TypeSpec};
pub use tree::{After, ConfigTree};
pub use value::{Value, ValueKind};
