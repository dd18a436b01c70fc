//! Where a node stands: the steps from the root, each able to name one sibling among all.
//!
//! Printed as an instance identifier in the style of RFC 7951 §6.11, the module written where it changes:
//! `/Cisco-IOS-XR-infra-rsi-cfg:vrfs/vrf[vrf-name='red']/create`. A CLI path looks alike, with the grammar as module:
//! `/frr:vrf[name='acme']/ip-route[prefix='10.0.0.0/8'][via='192.0.2.1']`.

use super::name::{Name, QName};
use super::value::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use triomphe::ThinArc;

/// What tells a node from its siblings of the same name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// A container or a leaf: the name is enough.
    Single,
    /// A list entry: key leafs in schema order.
    Entry(Keys),
    /// A leaf-list member: its value.
    Member(Value),
    /// An opaque node: its text, and how many equal ones stand before it.
    Opaque(Arc<str>, u32),
}

/// A key that is only looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyRef<'a> {
    Single,
    Entry(&'a Keys),
    Member(&'a Value),
    Opaque(&'a str, u32),
}

impl Key {
    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Single => KeyRef::Single,
            Self::Entry(keys) => KeyRef::Entry(keys),
            Self::Member(value) => KeyRef::Member(value),
            Self::Opaque(text, nth) => KeyRef::Opaque(text, *nth),
        }
    }
}

/// The keys of a list entry in schema order: names and values. Cheap to clone; reads like a slice of pairs.
#[derive(Clone)]
pub struct Keys(ThinArc<(), (Name, Value)>);

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Keys {}

impl PartialOrd for Keys {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keys {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Deref for Keys {
    type Target = [(Name, Value)];

    fn deref(&self) -> &Self::Target {
        &self.0.slice
    }
}

impl From<Vec<(Name, Value)>> for Keys {
    fn from(keys: Vec<(Name, Value)>) -> Self {
        Self(ThinArc::from_header_and_iter((), keys.into_iter()))
    }
}

impl From<&[(Name, Value)]> for Keys {
    fn from(keys: &[(Name, Value)]) -> Self {
        Self(ThinArc::from_header_and_iter((), keys.iter().cloned()))
    }
}

impl<const N: usize> From<[(Name, Value); N]> for Keys {
    fn from(keys: [(Name, Value); N]) -> Self {
        Self(ThinArc::from_header_and_iter((), keys.into_iter()))
    }
}

impl FromIterator<(Name, Value)> for Keys {
    fn from_iter<I: IntoIterator<Item = (Name, Value)>>(keys: I) -> Self {
        Self::from(keys.into_iter().collect::<Vec<_>>())
    }
}

impl Hash for Keys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

/// One step of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Name of the node.
    pub name: QName,
    /// What tells it from its siblings.
    pub key: Key,
}

impl Step {
    /// A step to a container or a leaf.
    pub fn single(name: QName) -> Self {
        Self { name, key: Key::Single }
    }

    /// A step to a list entry with these keys.
    pub fn entry(name: QName, keys: &[(&str, &str)]) -> Self {
        let keys = keys.iter().map(|(name, value)| (Name::new(name), Value::text(value))).collect();
        Self { name, key: Key::Entry(keys) }
    }

    /// A step to a leaf-list member.
    pub fn member(name: QName, value: Value) -> Self {
        Self { name, key: Key::Member(value) }
    }
}

/// The way from the root to a node. The empty path is the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(Vec<Step>);

impl Path {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path with these steps.
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path one step further.
    pub fn child(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }

    /// The path without its last step; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    /// Goes one step further, in place.
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Takes the last step back, in place.
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// The last step; `None` at the root.
    pub fn last(&self) -> Option<&Step> {
        self.0.last()
    }

    /// Whether `self` is `other` or stands below it.
    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether one of the two paths is at or below the other.
    pub fn touches(&self, other: &Path) -> bool {
        self.starts_with(other) || other.starts_with(self)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        let mut module: Option<&Name> = None;
        for step in &self.0 {
            if module == Some(&step.name.module) {
                write!(f, "/{}", step.name.name)?;
            } else {
                write!(f, "/{}", step.name)?;
            }
            module = Some(&step.name.module);
            match &step.key {
                Key::Single => {}
                Key::Entry(keys) => {
                    for (name, value) in keys.iter() {
                        write!(f, "[{name}={}]", Quoted(value.as_str()))?;
                    }
                }
                Key::Member(value) => write!(f, "[.={}]", Quoted(value.as_str()))?,
                Key::Opaque(text, 0) => write!(f, "[opaque={}]", Quoted(text))?,
                Key::Opaque(text, nth) => write!(f, "[opaque={}][{nth}]", Quoted(text))?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A predicate value in the quotes that it does not contain.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains('\'') { write!(f, "\"{}\"", self.0) } else { write!(f, "'{}'", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_an_instance_identifier_with_the_module_where_it_changes() {
        let path = Path::root()
            .child(Step::single(QName::new("if", "interfaces")))
            .child(Step::entry(QName::new("if", "interface"), &[("name", "eth1.100")]))
            .child(Step::single(QName::new("ip", "mtu")));
        assert_eq!(path.to_string(), "/if:interfaces/interface[name='eth1.100']/ip:mtu");
        assert!(path.starts_with(&path.parent().unwrap()));
        assert!(!path.parent().unwrap().starts_with(&path));
    }
}
