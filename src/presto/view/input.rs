//! The input of operations: from nodes to the types of the house.

use crate::domain::{Element, Port};
use crate::tree::{Children, Node};
use std::collections::BTreeMap;

/// An input leaf that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{leaf}: {message}")]
pub struct InputError {
    /// Name of the leaf.
    pub leaf: String,
    /// Whether it is missing.
    pub missing: bool,
    /// What is wrong.
    pub message: String,
}

/// Reads leafs of one node by their names.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub Option<&'a Node>);

impl<'a> Reader<'a> {
    /// A leaf, or a key of the entry.
    pub fn leaf(self, name: &str) -> Option<&'a str> {
        let node = self.0?;
        if let Some(keys) = node.keys()
            && let Some((_, value)) = keys.iter().find(|(key, _)| key.as_str() == name)
        {
            return Some(value.as_str());
        }
        self.named(name).find_map(|child| child.value().map(crate::tree::Value::as_str))
    }

    /// A leaf that must be there.
    pub fn required(self, name: &str) -> Result<&'a str, InputError> {
        self.leaf(name).ok_or_else(|| InputError { leaf: name.into(), missing: true, message: "is missing".into() })
    }

    /// A leaf of type boolean, or its default.
    pub fn flag(self, name: &str, default: bool) -> bool {
        self.leaf(name).map_or(default, |text| text == "true")
    }

    /// The values of a leaf-list.
    pub fn each(self, name: &str) -> Vec<&'a str> {
        self.named(name).filter_map(|child| child.value().map(crate::tree::Value::as_str)).collect()
    }

    /// The entries of a list.
    pub fn list(self, name: &str) -> Vec<Reader<'a>> {
        self.named(name).map(|child| Reader(Some(child))).collect()
    }

    fn named(self, name: &str) -> impl Iterator<Item = &'a Node> {
        let children: Children<'a> = self.0.map(|node| node.children()).unwrap_or_default();
        children.iter().filter(move |child| child.name().name.as_str() == name)
    }
}

/// An element of the inventory.
pub fn element_of(entry: Reader<'_>) -> Result<Element, InputError> {
    let text = |name: &str| entry.leaf(name).map(str::to_owned);
    let parsed =
        |name: &str, what: &str| InputError { leaf: name.into(), missing: false, message: format!("is not {what}") };
    let router_id =
        entry.leaf("router-id").map(|text| text.parse().map_err(|_| parsed("router-id", "an IPv4 address")));
    let asn = entry.leaf("asn").map(|text| text.parse().map_err(|_| parsed("asn", "an AS number")));
    let ports = entry.list("port").into_iter().map(|port| {
        Ok(Port {
            name: port.required("name")?.into(),
            role: port.leaf("role").unwrap_or("uni").into(),
            exclude: port.flag("exclude", false),
        })
    });
    let facts = entry
        .list("fact")
        .into_iter()
        .map(|fact| Ok((fact.required("name")?.to_owned(), fact.leaf("value").unwrap_or_default().to_owned())));
    Ok(Element {
        name: entry.required("name")?.into(),
        ne_id: text("ne-id"),
        adapter: entry.required("adapter")?.into(),
        address: entry.required("address")?.into(),
        username: entry.required("username")?.into(),
        private_key: text("private-key").map(Into::into),
        password_file: text("password-file").map(Into::into),
        host_key: text("host-key"),
        router_id: router_id.transpose()?,
        asn: asn.transpose()?,
        site: text("site"),
        ports: ports.collect::<Result<_, InputError>>()?,
        facts: facts.collect::<Result<BTreeMap<_, _>, InputError>>()?,
        protected: entry.each("protected").into_iter().map(str::to_owned).collect(),
        one_session: entry.flag("one-session", false),
        managed: true,
    })
}
