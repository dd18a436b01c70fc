//! Keyed hashes of nodes: 128 bits over everything that makes two nodes equal, nothing else.
//!
//! A leaf's hash is computed when it is asked for; a branch keeps its own. Inside the hash of a branch its leafs stand
//! with their whole content and its other children with their hashes, in their order. The key makes collisions, and the
//! places where wide lists are cut into chunks, unforeseeable for those who send us values.

use super::name::QName;
use super::node::{Kind, Node};
use super::path::KeyRef;
use super::value::Value;
use siphasher::sip128::SipHasher13;
use std::cell::RefCell;
use std::sync::OnceLock;

/// 128 bits.
pub(super) type Hash = [u64; 2];

/// Sets the key of all node hashes, once, before the first tree is built. A later call changes nothing and returns
/// false. Without it a fixed key serves (tests, the command).
pub fn set_hash_key(key: [u8; 16]) -> bool {
    HASHER.set(SipHasher13::new_with_key(&key)).is_ok()
}

/// The hash of a name.
pub(super) fn of_name(name: &QName) -> Hash {
    with_line(|line| {
        text(line, name.module.as_str());
        text(line, name.name.as_str());
    })
}

/// The hash of a leaf or a leaf-list member.
pub(super) fn of_leaf(name: Hash, member: bool, value: &Value) -> Hash {
    with_line(|line| leaf(line, name, member, value))
}

/// The hash of anything else.
pub(super) fn of_branch(name: Hash, key: KeyRef<'_>, items: &[Node]) -> Hash {
    with_line(|line| {
        words(line, name);
        key_of(line, key);
        line.extend((items.len() as u32).to_le_bytes());
        for item in items {
            match item.leaf_parts() {
                Some((name, member, value)) => leaf(line, name, member, value),
                None => {
                    line.push(b'#');
                    words(line, item.hash_words());
                }
            }
        }
    })
}

/// The hash of what a text means: in which surroundings, as an entry of which list.
pub(super) fn of_piece(context: Hash, list: u32, piece: &str) -> Hash {
    with_line(|line| {
        words(line, context);
        line.extend(list.to_le_bytes());
        text(line, piece);
    })
}

/// The hash of surroundings: a depth, and prefixes with their namespaces.
pub(super) fn of_context<'a>(depth: usize, bindings: impl Iterator<Item = (&'a str, &'a str)>) -> Hash {
    with_line(|line| {
        line.extend((depth as u64).to_le_bytes());
        for (prefix, namespace) in bindings {
            text(line, prefix);
            text(line, namespace);
        }
    })
}

/// How high the boundary behind a node is when it stands in a wide list: 0 for most, `n` for one in `32^n`. It follows
/// from the step alone, so another content below it moves no boundary.
pub(super) fn boundary(node: &Node) -> u8 {
    let bits = match (node.kind(), node.key_ref()) {
        (Kind::Run, _) => 0,
        (_, KeyRef::Single) => node.name_hash()[1],
        (_, key) => with_line(|line| {
            words(line, node.name_hash());
            key_of(line, key);
        })[1],
    };
    (bits.trailing_zeros() / FAN_BITS) as u8
}

/// Chunks of wide lists have `2^FAN_BITS` nodes on average.
const FAN_BITS: u32 = 5;

static HASHER: OnceLock<SipHasher13> = OnceLock::new();

fn leaf(line: &mut Vec<u8>, name: Hash, member: bool, value: &Value) {
    line.push(match (member, value.is_apart()) {
        (false, false) => b'l',
        (true, false) => b'm',
        (false, true) => b'L',
        (true, true) => b'M',
    });
    words(line, name);
    text(line, value.as_str());
}

fn key_of(line: &mut Vec<u8>, key: KeyRef<'_>) {
    match key {
        KeyRef::Single => line.push(b'.'),
        KeyRef::Entry(keys) => {
            line.push(b'e');
            line.extend((keys.len() as u32).to_le_bytes());
            for (name, value) in keys.iter() {
                text(line, name.as_str());
                line.push(u8::from(value.is_apart()));
                text(line, value.as_str());
            }
        }
        KeyRef::Member(value) => {
            line.push(b'm');
            line.push(u8::from(value.is_apart()));
            text(line, value.as_str());
        }
        KeyRef::Opaque(opaque, nth) => {
            line.push(b'o');
            text(line, opaque);
            line.extend(nth.to_le_bytes());
        }
    }
}

fn text(line: &mut Vec<u8>, text: &str) {
    line.extend((text.len() as u32).to_le_bytes());
    line.extend_from_slice(text.as_bytes());
}

fn words(line: &mut Vec<u8>, hash: Hash) {
    line.extend(hash[0].to_le_bytes());
    line.extend(hash[1].to_le_bytes());
}

/// The hash of a line of bytes that `fill` puts together.
fn with_line(fill: impl FnOnce(&mut Vec<u8>)) -> Hash {
    thread_local! {
        static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    LINE.with_borrow_mut(|line| {
        line.clear();
        fill(line);
        let hash = HASHER.get_or_init(|| SipHasher13::new_with_key(b"andante-tree-key")).hash(line);
        line.shrink_to(LINE_KEPT);
        [hash.h1, hash.h2]
    })
}

/// How much of its line a thread keeps, in bytes.
const LINE_KEPT: usize = 64 << 10;
