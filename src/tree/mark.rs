//! What all nodes of one name share: the name itself and its hash, once in the process.
//!
//! A leaf is no more than a pointer to its mark and a value, so the mark also says whether it is a leaf or a member of a
//! leaf-list. Only interned names have marks, and their number is bounded; other nodes carry their names themselves.

use super::hash::{self, Hash};
use super::name::{Known, Name, QName};
use super::node::Kind;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

/// Name, its hash, and what a node that has nothing but a value is.
pub(super) struct Mark {
    pub(super) name: QName,
    pub(super) hash: Hash,
    pub(super) kind: Kind,
}

/// The marks of a local name for the first module that uses it: nearly always the only one.
pub(super) struct First {
    module: &'static Known,
    marks: [OnceLock<&'static Mark>; KINDS.len()],
}

/// The kinds of node that need a mark of their own; all branches share one.
const KINDS: [Kind; 5] = [Kind::Container, Kind::Leaf, Kind::DefaultLeaf, Kind::Member, Kind::UserMember];

impl Mark {
    /// The mark for nodes of this name and kind. `None` when the name is not interned or there are too many.
    pub(super) fn of(name: &QName, kind: Kind) -> Option<&'static Mark> {
        let (module, local) = (name.module.known()?, name.name.known()?);
        let place = match kind {
            Kind::Leaf => 1,
            Kind::DefaultLeaf => 2,
            Kind::Member => 3,
            Kind::UserMember => 4,
            _ => 0,
        };
        let first = local.marks.get_or_init(|| Box::new(First { module, marks: Default::default() }));
        if std::ptr::eq(first.module, module) {
            return Some(first.marks[place].get_or_init(|| Self::leaked(name, KINDS[place])));
        }
        let key = (std::ptr::from_ref(module).addr(), std::ptr::from_ref(local).addr(), place);
        if let Some(mark) = OTHERS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(mark);
        }
        let mut others = OTHERS.write().unwrap_or_else(PoisonError::into_inner);
        if others.len() >= OTHERS_MAX {
            return None;
        }
        Some(others.entry(key).or_insert_with(|| Self::leaked(name, KINDS[place])))
    }

    /// The mark of what has no name: chunks of wide lists, nodes that carry their names themselves.
    pub(super) fn nameless() -> &'static Mark {
        static NAMELESS: LazyLock<Mark> = LazyLock::new(|| {
            let name = QName { module: Name::new(""), name: Name::new("") };
            Mark { hash: hash::of_name(&name), name, kind: Kind::Run }
        });
        &NAMELESS
    }

    fn leaked(name: &QName, kind: Kind) -> &'static Mark {
        Box::leak(Box::new(Mark { hash: hash::of_name(name), name: name.clone(), kind }))
    }
}

/// Marks of names that a second module uses, by the addresses of both names (which are never freed).
static OTHERS: LazyLock<RwLock<HashMap<(usize, usize, usize), &'static Mark>>> = LazyLock::new(RwLock::default);

/// How many of them there may be.
const OTHERS_MAX: usize = 1 << 20;
