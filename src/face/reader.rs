//! Reads a document and remembers what was read, so that what nobody read can be refused.
//!
//! Guarantee: after [`Reading::finish`] every node of the document was either read by the face or stands in the faults as
//! `operation-not-supported`. A face cannot drop a node by forgetting it.

use crate::service::{ErrorTag, Said, ServiceError};
use crate::tree::{ConfigTree, Key, Node, Path, QName, Step};
use std::cell::RefCell;
use std::collections::HashSet;
use std::str::FromStr;

/// One reading of one document.
pub(super) struct Reading<'a> {
    document: &'a ConfigTree,
    module: &'static str,
    read: RefCell<HashSet<Path>>,
    faults: RefCell<Vec<ServiceError>>,
}

impl<'a> Reading<'a> {
    /// Begins to read; all names belong to `module`.
    pub(super) fn new(document: &'a ConfigTree, module: &'static str) -> Self {
        Self { document, module, read: RefCell::default(), faults: RefCell::default() }
    }

    /// The top of the document.
    pub(super) fn top(&self) -> At<'_> {
        At { reading: self, node: self.document.root(), path: Path::root() }
    }

    /// Notes a fault.
    pub(super) fn fault(&self, path: impl Into<String>, tag: ErrorTag, message: impl Into<String>) {
        self.faults.borrow_mut().push(ServiceError::new(path, tag, message));
    }

    /// Ends the reading: `value`, or all faults with what was left unread. The value is `None` only after a fault.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<ServiceError>> {
        let read = self.read.into_inner();
        let mut faults = self.faults.into_inner();
        self.document.walk(&mut |path, _| {
            if read.contains(path) {
                return true;
            }
            let message = "this domain does not serve it; nothing is ever dropped silently, so take it out";
            faults.push(ServiceError::new(path.to_string(), ErrorTag::OperationNotSupported, message));
            false
        });
        faults.sort();
        faults.dedup();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            None if faults.is_empty() => {
                Err(vec![ServiceError::new("/", ErrorTag::MissingElement, "the document holds no service")])
            }
            _ => Err(faults),
        }
    }
}

/// A place in the document.
pub(super) struct At<'a> {
    reading: &'a Reading<'a>,
    node: &'a Node,
    path: Path,
}

impl<'a> At<'a> {
    /// Instance identifier of this place.
    pub(super) fn path(&self) -> String {
        self.path.to_string()
    }

    /// Instance identifier of a child, there or not.
    pub(super) fn path_of(&self, name: &str) -> String {
        self.path.child(Step::single(self.name(name))).to_string()
    }

    /// Notes a fault at this place.
    pub(super) fn fault(&self, tag: ErrorTag, message: impl Into<String>) {
        self.reading.fault(self.path(), tag, message);
    }

    /// Notes a fault at a child.
    pub(super) fn fault_at(&self, name: &str, tag: ErrorTag, message: impl Into<String>) {
        self.reading.fault(self.path_of(name), tag, message);
    }

    /// Notes a fault at a grandchild; its parent says nothing when it is empty, so it is not in the tree.
    pub(super) fn fault_below(&self, parent: &str, name: &str, tag: ErrorTag, message: impl Into<String>) {
        let path = self.path.child(Step::single(self.name(parent))).child(Step::single(self.name(name)));
        self.reading.fault(path.to_string(), tag, message);
    }

    /// The container of this name.
    pub(super) fn container(&self, name: &str) -> Option<At<'a>> {
        self.children(name).into_iter().find(|at| at.node.key() == Key::Single)
    }

    /// The entries of a list, in the tree's order.
    pub(super) fn entries(&self, name: &str) -> Vec<At<'a>> {
        self.children(name)
    }

    /// The value of a key leaf of this list entry; empty if there is none of this name.
    pub(super) fn key(&self, name: &str) -> &'a str {
        match self.node.keys() {
            Some(keys) => keys.iter().find(|(key, _)| key.as_str() == name).map_or("", |(_, value)| value.as_str()),
            None => "",
        }
    }

    /// A leaf.
    pub(super) fn leaf(&self, name: &str) -> Option<Said<&'a str>> {
        let at = self.children(name).into_iter().next()?;
        Some(Said::new(at.node.value()?.as_str(), at.path.to_string()))
    }

    /// A leaf as owned text.
    pub(super) fn text(&self, name: &str) -> Option<Said<String>> {
        self.leaf(name).map(|said| said.map(str::to_string))
    }

    /// A leaf of type identityref, without the prefix of `ietf-vpn-common` and of the face's own module.
    pub(super) fn identity(&self, name: &str) -> Option<Said<&'a str>> {
        self.leaf(name).map(|said| said.map(|text| short(text, self.reading.module)))
    }

    /// A leaf parsed; a fault and `None` when it does not parse.
    pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Option<Said<T>> {
        let said = self.leaf(name)?;
        match said.value.parse() {
            Ok(value) => Some(Said::new(value, said.path)),
            Err(error) => {
                self.reading.fault(said.path, ErrorTag::InvalidValue, format!("'{}': {error}", said.value));
                None
            }
        }
    }

    /// A leaf of type boolean; `false` when it is not there.
    pub(super) fn flag(&self, name: &str) -> Option<Said<bool>> {
        self.leaf(name).map(|said| said.map(|text| text == "true"))
    }

    /// The members of a leaf-list.
    pub(super) fn members(&self, name: &str) -> Vec<Said<&'a str>> {
        let member = |at: At<'a>| Some(Said::new(at.node.value()?.as_str(), at.path.to_string()));
        self.children(name).into_iter().filter_map(member).collect()
    }

    /// Reads leafs that mean something to people only and change no element.
    pub(super) fn for_people(&self, names: &[&str]) {
        for name in names {
            self.children(name);
        }
    }

    fn children(&self, name: &str) -> Vec<At<'a>> {
        let name = self.name(name);
        let found = self.node.children().iter().filter(|child| *child.name() == name);
        let mut read = self.reading.read.borrow_mut();
        found
            .map(|child| {
                let path = self.path.child(child.step());
                read.insert(path.clone());
                At { reading: self.reading, node: child, path }
            })
            .collect()
    }

    fn name(&self, name: &str) -> QName {
        QName::new(self.reading.module, name)
    }
}

/// An identity without its module, where that is `ietf-vpn-common` or the face's own.
pub(super) fn short<'a>(identity: &'a str, module: &str) -> &'a str {
    match identity.split_once(':') {
        Some((prefix, name)) if prefix == "ietf-vpn-common" || prefix == module => name,
        _ => identity,
    }
}
