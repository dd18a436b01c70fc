//! Faces, admission and decomposition over whole documents: goldens, refusals and laws.

use super::*;
use crate::domain::{Element, Inventory, Port};
use crate::service::{Draft, ElementService, Exclusions, Ledger, PortUse, admit, decompose, explicit_numbers};
use crate::tree::{Value, ValueKind};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

mod bandwidth;
mod golden;
mod l2nm;
mod l3nm;
mod laws;
mod profile;
mod states;

/// A document of `tests/documents`, as JSON.
fn json(name: &str) -> serde_json::Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every document of `tests/documents` that the faces read.
const DOCUMENTS: [&str; 9] = [
    "l3vpn-any-to-any",
    "l3vpn-bandwidth",
    "l3vpn-bgp-dual-stack",
    "l3vpn-hub-spoke",
    "l2vpn-vpws-bandwidth",
    "l2vpn-vpws-evpn",
    "l2vpn-vpws-ldp",
    "l2vpn-vxlan-elan",
    "l2vpn-vxlan-evpn",
];

/// A tree of RFC 7951 JSON without a schema: lists are told by their keys. Enough for these documents; the real codec
/// has its own tests.
fn tree(json: &serde_json::Value) -> ConfigTree {
    let (name, _) = json.as_object().unwrap().iter().next().unwrap();
    let module = name.split_once(':').unwrap().0.to_string();
    ConfigTree::new(children(&module, json.as_object().unwrap()))
}

fn children(module: &str, object: &serde_json::Map<String, serde_json::Value>) -> Vec<Node> {
    let mut out = Vec::new();
    for (name, value) in object {
        let name = name.rsplit_once(':').map_or(name.as_str(), |(_, local)| local);
        let qname = QName::new(module, name);
        match value {
            serde_json::Value::Object(inner) => {
                out.push(Node::container(qname, false, children(module, inner)));
            }
            serde_json::Value::Array(items) if items.first().is_some_and(serde_json::Value::is_object) => {
                for item in items {
                    let mut item = item.as_object().unwrap().clone();
                    let keys: crate::tree::Keys =
                        keys(name).iter().map(|key| (Name::new(key), scalar(&item.remove(*key).unwrap()))).collect();
                    out.push(Node::entry(qname.clone(), keys, false, children(module, &item)));
                }
            }
            serde_json::Value::Array(items) if items == &[serde_json::Value::Null] => {
                out.push(Node::leaf(qname, Value::new(ValueKind::Empty, "")));
            }
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| out.push(Node::member(qname.clone(), scalar(item), false)));
            }
            scalar_value => out.push(Node::leaf(qname, scalar(scalar_value))),
        }
    }
    out
}

fn keys(list: &str) -> &'static [&'static str] {
    match list {
        "vpn-service" => &["vpn-id"],
        "vpn-instance-profile" | "global-parameters-profile" => &["profile-id"],
        "vpn-node" => &["vpn-node-id"],
        "address-family" | "redistribute-connected" | "router-id" => &["address-family"],
        "route-targets" => &["route-target"],
        "address" => &["address-id"],
        "ipv4-lan-prefixes" | "ipv6-lan-prefixes" => &["lan", "next-hop"],
        "pw-peer-list" => &["peer-addr", "vc-id"],
        "ce-to-pe-bandwidth" | "pe-to-ce-bandwidth" => &["bw-type"],
        "remote-targets" => &["taii"],
        _ => &["id"],
    }
}

fn scalar(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => Value::text(text),
        other => Value::text(&other.to_string()),
    }
}

/// Key and tree of a document.
fn document(json: &serde_json::Value) -> (ServiceKey, ConfigTree) {
    let mut documents = documents(&tree(json)).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn understood(json: &serde_json::Value) -> Service {
    let (key, tree) = document(json);
    service_of(&tree, &key).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// Path and tag of every fault.
fn refused(json: &serde_json::Value) -> Vec<(String, String)> {
    let (key, tree) = document(json);
    let faults = service_of(&tree, &key).expect_err("the document must be refused");
    faults.into_iter().map(|fault| (fault.path, fault.tag.to_string())).collect()
}

/// Whether some fault has this tag and a path with this end.
fn has(faults: &[(String, String)], tag: &str, end: &str) -> bool {
    faults.iter().any(|(path, fault)| fault == tag && path.ends_with(end))
}

/// The service of a document, to be changed.
fn body(json: &mut serde_json::Value) -> &mut serde_json::Value {
    let top = json.as_object_mut().unwrap().values_mut().next().unwrap();
    &mut top["vpn-services"]["vpn-service"][0]
}

/// The first access of the node with this index.
fn access(json: &mut serde_json::Value, node: usize) -> &mut serde_json::Value {
    &mut body(json)["vpn-nodes"]["vpn-node"][node]["vpn-network-accesses"]["vpn-network-access"][0]
}

/// pe1 and pe3 of one kind, pe2 and pe4 of another, all in AS 65000.
fn inventory() -> Vec<Element> {
    let port = |name: &str, role: &str, exclude| Port { name: name.into(), role: role.into(), exclude };
    (1..=4)
        .map(|number: u8| Element {
            name: format!("pe{number}"),
            ne_id: Some(format!("ne-{number}")),
            adapter: if number % 2 == 1 { "iosxr".into() } else { "frr".into() },
            address: format!("198.18.0.{number}:22"),
            username: "andante".into(),
            private_key: None,
            password_file: None,
            host_key: None,
            router_id: Some(std::net::Ipv4Addr::new(10, 0, 0, number)),
            asn: Some(65000),
            site: None,
            ports: vec![
                port("GigabitEthernet0/0/0/1", "uni", false),
                port("GigabitEthernet0/0/0/2", "uni", false),
                port("GigabitEthernet0/0/0/9", "uni", true),
                port("eth1", "uni", false),
                port("eth2", "uni", false),
                port("eth9", "core", false),
            ],
            facts: BTreeMap::new(),
            protected: Vec::new(),
            one_session: false,
            managed: true,
        })
        .collect()
}

/// The same as a domain knows it.
fn known() -> Inventory {
    inventory().into_iter().collect()
}

fn decomposed(service: &Service, inventory: &[Element]) -> crate::service::Decomposition {
    let (ledger, excluded) = (Ledger::default(), explicit_numbers([service]));
    let inventory = Inventory::from(inventory);
    decompose(service, &inventory, &mut Draft::new(&ledger, &excluded)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// Faults of decomposition as path and message.
fn undecomposable(service: &Service, inventory: &[Element]) -> Vec<(String, String)> {
    let (ledger, excluded) = (Ledger::default(), Exclusions::new());
    let inventory = Inventory::from(inventory);
    let faults = decompose(service, &inventory, &mut Draft::new(&ledger, &excluded)).expect_err("must be refused");
    faults.into_iter().map(|fault| (fault.path, fault.message)).collect()
}
