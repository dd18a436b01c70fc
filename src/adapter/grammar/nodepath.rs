//! Where in the tree a line stands: `neighbor[peer]/remote-as`, `redistribute[.]`, `vrf[name=vrf]/ip-route[prefix,via]`.
//!
//! Each step is a name and, for a list entry, its keys; a key takes the argument of the same name, or the one behind
//! `=`. `[.]` at the end makes the line a leaf-list member. Paths are relative to the context of the line.

use super::pattern::Bindings;
use crate::tree::{Key, Name, Path, QName, Step, Value};

/// The place of a line, relative to its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodePath {
    pub(super) steps: Vec<NodeStep>,
    /// The last step is a leaf-list.
    pub(super) member: bool,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeStep {
    pub(super) name: QName,
    /// Key leaf and the argument that fills it.
    pub(super) keys: Vec<(String, String)>,
}

impl NodePath {
    /// Reads a path; all names belong to the grammar `module`.
    pub(super) fn compile(text: &str, module: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut member = false;
        let mut parts = text.split('/').peekable();
        while let Some(part) = parts.next() {
            let (name, keys) = match part.split_once('[') {
                None => (part, ""),
                Some((name, keys)) => (name, keys.strip_suffix(']').ok_or("a `[` without its `]`")?),
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(format!("`{name}` is not a node name"));
            }
            if keys == "." {
                if parts.peek().is_some() {
                    return Err("`[.]` must be the last step".to_owned());
                }
                member = true;
            }
            let keys = keys.split(',').filter(|key| !key.is_empty() && *key != ".");
            let keys = keys.map(|key| key.split_once('=').unwrap_or((key, key)));
            let keys = keys.map(|(key, arg)| (key.to_owned(), arg.to_owned())).collect();
            steps.push(NodeStep { name: QName::new(module, name), keys });
        }
        Ok(Self { steps, member })
    }

    /// The arguments that are keys.
    pub(super) fn key_args(&self) -> Vec<&str> {
        self.steps.iter().flat_map(|step| step.keys.iter().map(|(_, arg)| arg.as_str())).collect()
    }

    /// The path below `base` with the keys of these bindings; `None` if one is missing. The last step of a leaf-list is
    /// left out: the caller adds the member.
    pub(super) fn place(&self, base: &Path, bindings: &Bindings) -> Option<Path> {
        let mut path = base.clone();
        let count = self.steps.len() - usize::from(self.member);
        for step in &self.steps[..count] {
            path = path.child(step.place(bindings)?);
        }
        Some(path)
    }

    /// Whether the last step has this name.
    pub(super) fn ends_in(&self, name: &QName) -> bool {
        self.last().is_some_and(|step| step.name == *name)
    }

    /// Whether these steps are a place of this path.
    pub(super) fn covers(&self, steps: &[Step]) -> bool {
        self.steps.len() == steps.len() && self.touches(steps)
    }

    /// Whether these steps are a place of this path, or above or below one.
    pub(super) fn touches(&self, steps: &[Step]) -> bool {
        self.steps.iter().zip(steps).all(|(want, have)| want.fits(have))
    }

    /// The name of the last step.
    pub(super) fn last(&self) -> Option<&NodeStep> {
        self.steps.last()
    }
}

impl NodeStep {
    /// The step with the keys of these bindings.
    pub(super) fn place(&self, bindings: &Bindings) -> Option<Step> {
        if self.keys.is_empty() {
            return Some(Step::single(self.name.clone()));
        }
        let keys: Option<crate::tree::Keys> = self
            .keys
            .iter()
            .map(|(key, arg)| Some((Name::new(key), Value::text(bindings.get(arg)?.first()?))))
            .collect();
        Some(Step { name: self.name.clone(), key: Key::Entry(keys?) })
    }

    /// Whether a step of the tree is one of these.
    pub(super) fn fits(&self, step: &Step) -> bool {
        step.name == self.name
            && match &step.key {
                Key::Entry(keys) => keys.len() == self.keys.len(),
                Key::Single | Key::Member(_) => self.keys.is_empty(),
                Key::Opaque(..) => false,
            }
    }

    /// Takes the keys of a step of the tree back into bindings; false if it is another step.
    pub(super) fn bind(&self, step: &Step, bindings: &mut Bindings) -> bool {
        if step.name != self.name {
            return false;
        }
        match &step.key {
            Key::Entry(keys) if keys.len() == self.keys.len() => {
                for ((_, arg), (_, value)) in self.keys.iter().zip(keys.iter()) {
                    bindings.insert(arg.clone(), vec![value.as_str().to_owned()]);
                }
                true
            }
            Key::Single | Key::Member(_) => self.keys.is_empty(),
            Key::Entry(_) | Key::Opaque(..) => false,
        }
    }
}
