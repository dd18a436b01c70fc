//! What a GET shows beyond the document: operational status, laid over a copy.
//!
//! Nothing is invented: what was not read from an element is `op-unknown`, never an echo of the wanted state.

use super::Face;
use crate::tree::{ConfigTree, Node, Path, QName, Step, Value, ValueKind};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What was read of a service's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// Of the whole service.
    pub service: OperationalStatus,
    /// By node identifier.
    pub nodes: BTreeMap<String, OperationalStatus>,
    /// By node and access identifier.
    pub accesses: BTreeMap<(String, String), OperationalStatus>,
}

/// A state and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationalStatus {
    /// The state.
    pub status: Status,
    /// When it became so, if that was seen.
    pub last_change: Option<Timestamp>,
}

/// Operational states of RFC 9181.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Works.
    Up,
    /// Does not work.
    Down,
    /// Not read yet.
    #[default]
    Unknown,
}

impl Status {
    fn identity(self) -> &'static str {
        match self {
            Status::Up => "ietf-vpn-common:op-up",
            Status::Down => "ietf-vpn-common:op-down",
            Status::Unknown => "ietf-vpn-common:op-unknown",
        }
    }
}

pub(super) fn view(face: &Face, document: &ConfigTree, state: Option<&ServiceState>) -> ConfigTree {
    let unknown = ServiceState::default();
    let state = state.unwrap_or(&unknown);
    let mut out = document.clone();
    let single = |path: &Path, names: &[&str]| {
        names.iter().fold(path.clone(), |path, name| path.child(Step::single(face.name(name))))
    };
    for id in face.ids(document) {
        let service = face.service_path(&id);
        out = lay(face, out, &service, state.service);
        for (node_id, node) in entries(document, &single(&service, &["vpn-nodes"]), &face.name("vpn-node")) {
            out = lay(face, out, &node, state.nodes.get(&node_id).copied().unwrap_or_default());
            let accesses = single(&node, &["vpn-network-accesses"]);
            for (access_id, access) in entries(document, &accesses, &face.name("vpn-network-access")) {
                let status = state.accesses.get(&(node_id.clone(), access_id)).copied().unwrap_or_default();
                out = lay(face, out, &access, status);
            }
        }
    }
    out
}

/// Key and path of each entry of a list.
fn entries(document: &ConfigTree, parent: &Path, list: &QName) -> Vec<(String, Path)> {
    let Some(node) = document.at(parent) else { return Vec::new() };
    let entry = |child: &Node| match child.keys() {
        Some(keys) if child.name() == list => Some((keys.first()?.1.as_str().to_string(), parent.child(child.step()))),
        _ => None,
    };
    node.children().iter().filter_map(entry).collect()
}

fn lay(face: &Face, tree: ConfigTree, at: &Path, state: OperationalStatus) -> ConfigTree {
    let identity = Value::new(ValueKind::Identity, state.status.identity());
    let mut leafs = vec![Node::leaf(face.name("status"), identity)];
    if let Some(time) = state.last_change {
        leafs.push(Node::leaf(face.name("last-change"), Value::text(&time.to_string())));
    }
    let node = Node::container(face.name("oper-status"), false, leafs);
    let status = at.child(Step::single(face.name("status")));
    tree.with(&status, node, crate::tree::After::Keep)
}
