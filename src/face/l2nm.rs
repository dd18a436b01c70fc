//! L2NM (RFC 9291): a `vpn-service` of `ietf-l2vpn-ntw` becomes a wire (`vpws`, `vpws-evpn`, `vxlan-evpn`) or a
//! LAN (`vxlan-evpn`). EVPN over VXLAN is bridged whatever the number of its ends, and RFC 9291 has no word for the
//! difference: two accesses on two nodes are a wire, with its rules; more, or two on one node, a LAN.
//!
//! The subset and every refusal stand in `docs/orchestrator.md`.

use super::Face;
use super::bandwidth;
use super::reader::{At, Reading};
use super::vpn;
use crate::domain::ServiceKey;
use crate::service::canonical::{
    EndPoint, EndRole, Instance, InstanceRole, Interface, Kind, Part, Pseudowire, Rd, Said, Service, Target,
    Technology, Topology,
};
use crate::service::{ErrorTag, ServiceError};
use crate::tree::ConfigTree;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

pub(super) const FACE: Face = Face {
    module: "ietf-l2vpn-ntw",
    revision: "2022-09-20",
    container: "l2vpn-ntw",
    services: "vpn-services",
    list: "vpn-service",
    key: "vpn-id",
    read: service_of,
};

fn service_of(document: &ConfigTree, key: &ServiceKey) -> Result<Service, Vec<ServiceError>> {
    let reading = Reading::new(document, FACE.module);
    let service = vpn::only_service(&reading, &FACE, key).map(|at| service(&at, key));
    reading.finish(service)
}

fn service(at: &At<'_>, key: &ServiceKey) -> Service {
    at.for_people(&["vpn-description", "parent-service-id"]);
    let (technology, vpn_type) = match vpn::expect_type(at, &["vpws", "vpws-evpn", "vxlan-evpn"]) {
        Some("vpws-evpn") => (Technology::EvpnVpws, "vpws-evpn"),
        Some("vxlan-evpn") => (Technology::EvpnVxlan, "vxlan-evpn"),
        _ => (Technology::LdpPseudowire, "vpws"),
    };
    if let Some(said) = at.identity("vpn-service-topology").filter(|said| said.value != "any-to-any") {
        let message = format!("topology {} is not served at layer 2", said.value);
        at.fault_at("vpn-service-topology", ErrorTag::OperationNotSupported, message);
    }
    let ldp = technology == Technology::LdpPseudowire;
    if let Some(said) = at.flag("bgp-ad-enabled")
        && said.value == ldp
    {
        let message = if ldp { "BGP finds no LDP pseudowires here" } else { "EVPN works by BGP only" };
        at.fault_at("bgp-ad-enabled", ErrorTag::OperationNotSupported, message);
    }
    let signalling = if ldp { "ldp-signaling" } else { "bgp-signaling" };
    if let Some(said) = at.identity("signaling-type").filter(|said| said.value != signalling) {
        let message = format!("service type {vpn_type} is signalled by {signalling}, not by {}", said.value);
        at.fault_at("signaling-type", ErrorTag::OperationNotSupported, message);
    }
    let mut profiles = BTreeMap::new();
    for entry in at.container("global-parameters-profiles").iter().flat_map(|c| c.entries("global-parameters-profile"))
    {
        let parsed = profile(&entry);
        if ldp && (parsed.rd.is_some() || !parsed.targets.is_empty()) {
            entry.fault(
                ErrorTag::OperationNotSupported,
                "an LDP pseudowire has no route distinguisher and no route targets",
            );
        }
        profiles.insert(entry.key("profile-id").to_string(), parsed);
    }
    let nodes = at.container("vpn-nodes").map(|c| c.entries("vpn-node")).unwrap_or_default();
    let mut mtu_l2: Option<Said<u32>> = None;
    let mut parts = Vec::new();
    for node in &nodes {
        let (part, mtu) = part(node, &profiles, technology, vpn_type, signalling);
        if let (Some(known), Some(said)) = (&mtu_l2, &mtu)
            && known.value != said.value
        {
            node.fault(ErrorTag::OperationNotSupported, "one svc-mtu for all ends: a service is as wide as it is");
        }
        mtu_l2 = mtu_l2.or(mtu);
        parts.push(part);
    }
    Service {
        key: key.clone(),
        path: at.path(),
        kind: kind(technology, &parts),
        technology,
        topology: Topology::AnyToAny,
        customer: vpn::text(at, "customer-name"),
        name: vpn::text(at, "vpn-name"),
        admin: vpn::admin(at),
        mtu_l2,
        parts,
    }
}

/// A wire, with the refusals of a wire, unless EVPN over VXLAN has something else to connect.
fn kind(technology: Technology, parts: &[Part]) -> Kind {
    let ends = parts.iter().map(|part| part.ends.len());
    let beyond_a_wire = ends.clone().sum::<usize>() > 2 || ends.max().unwrap_or(0) > 1;
    if technology == Technology::EvpnVxlan && beyond_a_wire { Kind::Multipoint } else { Kind::PointToPoint }
}

#[derive(Clone, Default)]
struct Profile {
    local_as: Option<Said<u32>>,
    mtu: Option<Said<u32>>,
    rd: Option<Said<Rd>>,
    targets: Vec<Said<Target>>,
}

fn profile(at: &At<'_>) -> Profile {
    Profile {
        local_as: at.parsed("local-autonomous-system"),
        mtu: mtu(at, "svc-mtu"),
        rd: vpn::route_distinguisher(at),
        targets: vpn::targets(at, &[None]),
    }
}

fn mtu(at: &At<'_>, leaf: &str) -> Option<Said<u32>> {
    let said: Said<u32> = at.parsed(leaf)?;
    if !(64..=65_535).contains(&said.value) {
        at.fault_at(leaf, ErrorTag::InvalidValue, "a layer 2 MTU is 64 to 65535 bytes");
    }
    Some(said)
}

fn part(
    node: &At<'_>,
    profiles: &BTreeMap<String, Profile>,
    technology: Technology,
    vpn_type: &str,
    signalling: &str,
) -> (Part, Option<Said<u32>>) {
    node.for_people(&["description"]);
    if let Some(role) = node.identity("role").filter(|role| role.value != "any-to-any-role") {
        node.fault_at("role", ErrorTag::OperationNotSupported, format!("role {} is not served at layer 2", role.value));
    }
    let active: Vec<At<'_>> = node
        .container("active-global-parameters-profiles")
        .iter()
        .flat_map(|c| c.entries("global-parameters-profile"))
        .collect();
    if active.len() > 1 {
        active[1].fault(ErrorTag::OperationNotSupported, "one active profile per node is served");
    }
    let mut effective = Profile::default();
    if let Some(at) = active.first() {
        let id = at.key("profile-id");
        match profiles.get(id) {
            Some(base) => {
                let own = profile(at);
                effective = Profile {
                    local_as: own.local_as.or_else(|| base.local_as.clone()),
                    mtu: own.mtu.or_else(|| base.mtu.clone()),
                    ..base.clone()
                };
            }
            None => at.fault(ErrorTag::InvalidValue, format!("the service has no profile '{id}'")),
        }
    }
    if let Some(discovery) = node.container("bgp-auto-discovery") {
        if technology == Technology::LdpPseudowire {
            discovery.fault(ErrorTag::OperationNotSupported, "BGP finds no LDP pseudowires here");
        }
        if let Some(said) = discovery.identity("evpn-type").filter(|said| said.value != vpn_type) {
            let message = format!("the service is {vpn_type}, not {}", said.value);
            discovery.fault_at("evpn-type", ErrorTag::InvalidValue, message);
        }
        effective.rd = vpn::route_distinguisher(&discovery).or(effective.rd);
        let own = vpn::targets(&discovery, &[None]);
        if !own.is_empty() {
            effective.targets = own;
        }
    }
    let pseudowire = node.container("signaling-option").and_then(|at| signalling_option(&at, technology, signalling));
    let active_profile = active.first().map(|at| at.key("profile-id"));
    let instance = (technology != Technology::LdpPseudowire).then(|| {
        let path = active.first().map_or_else(|| node.path(), At::path);
        Instance {
            profile: active_profile.unwrap_or_default().to_string(),
            rd: effective.rd.unwrap_or_else(|| Said::new(Rd::Unsaid, path.clone())),
            path,
            role: InstanceRole::AnyToAny,
            families: Vec::new(),
            targets: effective.targets,
        }
    });
    let part = Part {
        id: node.key("vpn-node-id").to_string(),
        path: node.path(),
        element: vpn::element(node),
        router_id: node.parsed::<Ipv4Addr>("router-id"),
        local_as: effective.local_as,
        admin: vpn::admin(node),
        instance,
        pseudowire,
        ends: node
            .container("vpn-network-accesses")
            .iter()
            .flat_map(|c| c.entries("vpn-network-access"))
            .filter_map(|access| end(&access, active_profile, technology))
            .collect(),
    };
    (part, effective.mtu)
}

fn signalling_option(at: &At<'_>, technology: Technology, signalling: &str) -> Option<Pseudowire> {
    if let Some(said) = at.identity("signaling-type").filter(|said| said.value != signalling) {
        let message = format!("the service is signalled by {signalling}, not by {}", said.value);
        at.fault_at("signaling-type", ErrorTag::InvalidValue, message);
    }
    // Left unread, and so refused, where LDP has no part.
    if technology != Technology::LdpPseudowire {
        return None;
    }
    let at = at.container("ldp-or-l2tp")?;
    if let Some(said) = at.identity("t-ldp-pw-type").filter(|said| said.value != "vpws-type") {
        let message = format!("pseudowire type {} is not served, only vpws-type", said.value);
        at.fault_at("t-ldp-pw-type", ErrorTag::OperationNotSupported, message);
    }
    if let Some(said) = at.identity("pw-type").filter(|said| said.value != "ethernet") {
        let message = format!("encapsulation {} is not served, only ethernet (raw mode)", said.value);
        at.fault_at("pw-type", ErrorTag::OperationNotSupported, message);
    }
    let peers = at.entries("pw-peer-list");
    if peers.len() > 1 {
        peers[1].fault(ErrorTag::OperationNotSupported, "a wire has one pseudowire; backup pseudowires are not served");
    }
    let peer = peers.first()?;
    let (Ok(address), Ok(vc_id)) = (peer.key("peer-addr").parse::<IpAddr>(), peer.key("vc-id").parse::<u32>()) else {
        peer.fault(ErrorTag::InvalidValue, "a pseudowire needs an address and an id of 1 to 4294967295");
        return None;
    };
    if vc_id == 0 {
        peer.fault(ErrorTag::InvalidValue, "a pseudowire id is 1 to 4294967295");
    }
    Some(Pseudowire { peer: Said::new(address, peer.path()), vc_id: Said::new(vc_id, peer.path()) })
}

fn end(at: &At<'_>, active: Option<&str>, technology: Technology) -> Option<EndPoint> {
    if let Some(profile) = at.leaf("active-vpn-node-profile")
        && active != Some(profile.value)
    {
        let message = format!("profile '{}' is not active on this node", profile.value);
        at.fault_at("active-vpn-node-profile", ErrorTag::InvalidValue, message);
    }
    let (mut local_ac, mut remote_ac) = (None, None);
    // Left unread, and so refused, where there is no EVPN-VPWS.
    if technology == Technology::EvpnVpws
        && let Some(instances) = at.container("vpws-service-instance")
    {
        local_ac = attachment(&instances, "local");
        remote_ac = attachment(&instances, "remote");
    }
    let service = at.container("service");
    let mtu_l2 = service.as_ref().and_then(|service| mtu(service, "mtu"));
    let bandwidth = service.as_ref().map(bandwidth::profiles).unwrap_or_default();
    let (port, frames) = (vpn::port(at), vpn::frames(at, "encap-type"));
    let (description, admin) = (vpn::description(at), vpn::admin(at));
    Some(EndPoint {
        id: at.key("id").to_string(),
        path: at.path(),
        port: port?,
        interface: Interface::Uni,
        role: EndRole::Root,
        frames: frames?,
        description,
        admin,
        addresses: Vec::new(),
        routes: Vec::new(),
        sessions: Vec::new(),
        mtu_ip: None,
        mtu_l2,
        bandwidth,
        local_ac,
        remote_ac,
    })
}

/// `SIDE-vpws-service-instance`, or `SIDE-vsi-auto/auto`, which is what saying nothing means too.
fn attachment(at: &At<'_>, side: &str) -> Option<Said<u32>> {
    let leaf = format!("{side}-vpws-service-instance");
    // One case of a choice: beside a given value the other is left unread, and so refused.
    if at.leaf(&leaf).is_none() {
        if let Some(auto) = at.container(&format!("{side}-vsi-auto")) {
            auto.leaf("auto");
        }
        return None;
    }
    let said: Said<u32> = at.parsed(&leaf)?;
    if !(1..=16_777_215).contains(&said.value) {
        at.fault_at(&leaf, ErrorTag::InvalidValue, "a service instance is 1 to 16777215");
    }
    Some(said)
}
