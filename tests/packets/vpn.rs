//! A customer's IP VPN as a document (RFC 9182): two nodes, IPv4 accesses with static routes.

use serde_json::{Value, json};

/// Where a site comes in.
pub struct Access<'a> {
    /// The number of its PE.
    pub pe: usize,
    pub id: String,
    pub port: &'a str,
    pub encapsulation: Value,
    /// The third byte of its network 192.168.N.0/24: the PE is 1 there, the customer's router 2.
    pub net: u8,
    /// The networks behind the router.
    pub lans: Vec<String>,
}

/// The VPN of this customer over `pe1` and `pe2`. `number` makes its route target; `router_id` says that of a PE.
pub fn vpn(customer: &str, number: u16, router_id: impl Fn(usize) -> String, accesses: &[Access]) -> Value {
    let up = || json!({"admin-status": {"status": "ietf-vpn-common:admin-up"}});
    let access = |access: &Access| {
        let (gateway, host) = (format!("192.168.{}.1", access.net), format!("192.168.{}.2", access.net));
        let lans: Vec<Value> = access.lans.iter().map(|lan| json!({"lan": lan, "next-hop": host})).collect();
        json!({
            "id": access.id,
            "interface-id": access.port,
            "vpn-instance-profile": "main",
            "status": up(),
            "connection": {"encapsulation": access.encapsulation},
            "ip-connection": {"ipv4": {
                "local-address": gateway,
                "prefix-length": 24,
                "address-allocation-type": "static-address",
                "primary-address": "1",
                "address": [{"address-id": "1", "customer-address": host}],
            }},
            "routing-protocols": {"routing-protocol": [{
                "id": "static",
                "type": "ietf-vpn-common:static-routing",
                "static": {"cascaded-lan-prefixes": {"ipv4-lan-prefixes": lans}},
            }]},
        })
    };
    let node = |pe: usize| {
        let own: Vec<Value> = accesses.iter().filter(|access| access.pe == pe).map(access).collect();
        json!({
            "vpn-node-id": format!("pe{pe}"),
            "ne-id": format!("pe{pe}"),
            "router-id": router_id(pe),
            "active-vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main"}]},
            "status": up(),
            "vpn-network-accesses": {"vpn-network-access": own},
        })
    };
    let target = format!("0:65000:{number}");
    json!({"ietf-l3vpn-ntw:l3vpn-ntw": {"vpn-services": {"vpn-service": [{
        "vpn-id": customer,
        "vpn-name": customer,
        "vpn-description": "Sites behind FRR; the packets of the customer are the judge",
        "customer-name": customer,
        "vpn-type": "ietf-vpn-common:l3vpn",
        "vpn-service-topology": "ietf-vpn-common:any-to-any",
        "status": up(),
        "vpn-instance-profiles": {"vpn-instance-profile": [{
            "profile-id": "main",
            "role": "ietf-vpn-common:any-to-any-role",
            "local-as": 65000,
            "rd": target,
            "address-family": [{
                "address-family": "ietf-vpn-common:ipv4",
                "vpn-targets": {"vpn-target": [{
                    "id": 1,
                    "route-targets": [{"route-target": target}],
                    "route-target-type": "both",
                }]},
            }],
        }]},
        "vpn-nodes": {"vpn-node": [node(1), node(2)]},
    }]}}})
}
