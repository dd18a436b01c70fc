//! A customer's layer 2 service as a document (RFC 9291): nodes with one access each.

use serde_json::{Value, json};

/// The wire of this customer and type over `pe1` and `pe2`. `router_id` and `access` say of a node's number what is its
/// own; the access has at least `interface-id` and `connection`.
pub fn wire(customer: &str, kind: &str, router_id: impl Fn(usize) -> String, access: impl Fn(usize) -> Value) -> Value {
    service(customer, kind, &[1, 2], router_id, access)
}

/// The same over these nodes: of three a LAN.
pub fn service(
    customer: &str,
    kind: &str,
    nodes: &[usize],
    router_id: impl Fn(usize) -> String,
    access: impl Fn(usize) -> Value,
) -> Value {
    let nodes = nodes.iter().copied();
    let up = || json!({"admin-status": {"status": "ietf-vpn-common:admin-up"}});
    let node = |number: usize| {
        let mut own = access(number);
        own["id"] = format!("{customer}-{number}").into();
        own["active-vpn-node-profile"] = "main".into();
        own["status"] = up();
        json!({
            "vpn-node-id": format!("pe{number}"),
            "ne-id": format!("pe{number}"),
            "router-id": router_id(number),
            "active-global-parameters-profiles": {"global-parameters-profile": [{"profile-id": "main"}]},
            "status": up(),
            "vpn-network-accesses": {"vpn-network-access": [own]},
        })
    };
    json!({"ietf-l2vpn-ntw:l2vpn-ntw": {"vpn-services": {"vpn-service": [{
        "vpn-id": customer,
        "vpn-name": customer,
        "vpn-description": "Frames between sites; they are the judge",
        "customer-name": customer,
        "vpn-type": kind,
        "vpn-service-topology": "ietf-vpn-common:any-to-any",
        "bgp-ad-enabled": true,
        "signaling-type": "ietf-vpn-common:bgp-signaling",
        "global-parameters-profiles": {"global-parameters-profile": [{"profile-id": "main"}]},
        "status": up(),
        "vpn-nodes": {"vpn-node": nodes.map(node).collect::<Vec<_>>()},
    }]}}})
}

/// The service in its document.
pub fn body(document: &mut Value) -> &mut Value {
    &mut document["ietf-l2vpn-ntw:l2vpn-ntw"]["vpn-services"]["vpn-service"][0]
}
