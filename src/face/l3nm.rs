//! L3NM (RFC 9182): a `vpn-service` of `ietf-l3vpn-ntw` becomes an IP VPN.
//!
//! The subset and every refusal stand in `docs/orchestrator.md`.

use super::Face;
use super::bandwidth;
use super::reader::{At, Reading};
use super::vpn;
use crate::domain::ServiceKey;
use crate::service::canonical::{
    Admin, BgpSession, EndPoint, EndRole, Instance, InstanceRole, Interface, Kind, Part, Rd, Said, Service,
    StaticRoute, Target, Technology, Topology,
};
use crate::service::element_service::Family;
use crate::service::{ErrorTag, ServiceError};
use crate::tree::ConfigTree;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

pub(super) const FACE: Face = Face {
    module: "ietf-l3vpn-ntw",
    revision: "2022-02-14",
    container: "l3vpn-ntw",
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
    vpn::expect_type(at, &["l3vpn"]);
    let topology = match at.identity("vpn-service-topology").map(|said| said.value) {
        None | Some("any-to-any") => Topology::AnyToAny,
        Some("hub-spoke") => Topology::HubSpoke,
        Some(other) => {
            at.fault_at(
                "vpn-service-topology",
                ErrorTag::OperationNotSupported,
                format!("topology {other} is not served"),
            );
            Topology::AnyToAny
        }
    };
    let mut profiles = BTreeMap::new();
    for entry in at.container("vpn-instance-profiles").iter().flat_map(|c| c.entries("vpn-instance-profile")) {
        let id = entry.key("profile-id").to_string();
        profiles.insert(id, profile(&entry, topology));
    }
    let nodes = at.container("vpn-nodes").map(|c| c.entries("vpn-node")).unwrap_or_default();
    Service {
        key: key.clone(),
        path: at.path(),
        kind: Kind::IpVpn,
        technology: Technology::L3vpn,
        topology,
        customer: vpn::text(at, "customer-name"),
        name: vpn::text(at, "vpn-name"),
        admin: vpn::admin(at),
        mtu_l2: None,
        parts: nodes.iter().map(|node| part(node, &profiles)).collect(),
    }
}

/// A profile, of the service or active on a node.
struct Profile {
    role: InstanceRole,
    local_as: Option<Said<u32>>,
    rd: Option<Said<Rd>>,
    families: Vec<Said<Family>>,
    targets: Vec<Said<Target>>,
}

fn profile(at: &At<'_>, topology: Topology) -> Profile {
    let role = match at.identity("role").map(|said| said.value) {
        None | Some("any-to-any-role") => InstanceRole::AnyToAny,
        Some("hub-role") => InstanceRole::Hub,
        Some("spoke-role") => InstanceRole::Spoke,
        Some(other) => {
            at.fault_at("role", ErrorTag::OperationNotSupported, format!("role {other} is not served"));
            InstanceRole::AnyToAny
        }
    };
    if role != InstanceRole::AnyToAny && topology == Topology::AnyToAny {
        at.fault_at("role", ErrorTag::InvalidValue, "only a service of topology hub-spoke has hubs and spokes");
    }
    overrides(at, role)
}

/// What a profile of the service and its active form on a node have in common.
fn overrides(at: &At<'_>, role: InstanceRole) -> Profile {
    let mut out = Profile {
        role,
        local_as: at.parsed("local-as"),
        rd: vpn::route_distinguisher(at),
        families: Vec::new(),
        targets: Vec::new(),
    };
    for entry in at.entries("address-family") {
        let word = super::reader::short(entry.key("address-family"), FACE.module);
        let families = vpn::families(word);
        if families.is_empty() {
            entry.fault(ErrorTag::OperationNotSupported, format!("address family {word} is not served"));
        }
        out.families.extend(families.iter().map(|family| Said::new(*family, entry.path())));
        if let Some(targets) = entry.container("vpn-targets") {
            let families: Vec<Option<Family>> = families.iter().copied().map(Some).collect();
            out.targets.extend(vpn::targets(&targets, &families));
        }
    }
    out
}

fn part(node: &At<'_>, profiles: &BTreeMap<String, Profile>) -> Part {
    node.for_people(&["description"]);
    let mut local_as: Option<Said<u32>> = node.parsed("local-as");
    let active: Vec<At<'_>> =
        node.container("active-vpn-instance-profiles").iter().flat_map(|c| c.entries("vpn-instance-profile")).collect();
    if active.len() > 1 {
        let message = "one active instance profile per node is served: an element has one VRF per service";
        active[1].fault(ErrorTag::OperationNotSupported, message);
    }
    let instance = active.first().and_then(|at| {
        let id = at.key("profile-id");
        let Some(base) = profiles.get(id) else {
            at.fault(ErrorTag::InvalidValue, format!("the service has no instance profile '{id}'"));
            return None;
        };
        let own = overrides(at, base.role);
        local_as = own.local_as.clone().or(local_as.take()).or(base.local_as.clone());
        Some(instance(at, base, own))
    });
    Part {
        id: node.key("vpn-node-id").to_string(),
        path: node.path(),
        element: vpn::element(node),
        router_id: node.parsed::<Ipv4Addr>("router-id"),
        local_as,
        admin: vpn::admin(node),
        pseudowire: None,
        ends: node
            .container("vpn-network-accesses")
            .iter()
            .flat_map(|c| c.entries("vpn-network-access"))
            .filter_map(|access| end(&access, instance.as_ref().map(|instance| instance.profile.as_str())))
            .collect(),
        instance,
    }
}

/// The service's profile with what the node says over it: a node's address family takes the place of the service's.
fn instance(at: &At<'_>, base: &Profile, own: Profile) -> Instance {
    let said: Vec<Family> = own.families.iter().map(|family| family.value).collect();
    let inherited = |family: &Family| !said.contains(family);
    let mut families = own.families.clone();
    families.extend(base.families.iter().filter(|family| inherited(&family.value)).cloned());
    let mut targets = own.targets;
    targets.extend(base.targets.iter().filter(|target| target.value.family.is_none_or(|f| inherited(&f))).cloned());
    Instance {
        profile: at.key("profile-id").to_string(),
        path: at.path(),
        role: base.role,
        rd: own.rd.or_else(|| base.rd.clone()).unwrap_or_else(|| Said::new(Rd::Auto, at.path())),
        families,
        targets,
    }
}

fn end(at: &At<'_>, active: Option<&str>) -> Option<EndPoint> {
    if let Some(kind) = at.identity("vpn-network-access-type").filter(|kind| kind.value != "point-to-point") {
        let message = format!("access type {} is not served, only point-to-point", kind.value);
        at.fault_at("vpn-network-access-type", ErrorTag::OperationNotSupported, message);
    }
    if let Some(profile) = at.leaf("vpn-instance-profile")
        && active != Some(profile.value)
    {
        let message = format!("instance profile '{}' is not active on this node", profile.value);
        at.fault_at("vpn-instance-profile", ErrorTag::InvalidValue, message);
    }
    let mut addresses = Vec::new();
    if let Some(connection) = at.container("ip-connection") {
        for (name, limit) in [("ipv4", 32), ("ipv6", 128)] {
            addresses.extend(connection.container(name).and_then(|at| address(&at, limit)));
        }
    }
    let service = at.container("service");
    let bandwidth = service.as_ref().map(bandwidth::rates).unwrap_or_default();
    let mtu_ip = service.and_then(|service| {
        let mtu: Said<u32> = service.parsed("mtu")?;
        let least = if addresses.iter().any(|a| a.value.addr().is_ipv6()) { 1280 } else { 68 };
        if !(least..=65_535).contains(&mtu.value) {
            let message = format!("an IP MTU here is {least} to 65535 bytes (RFC 791, RFC 8200)");
            service.fault_at("mtu", ErrorTag::InvalidValue, message);
        }
        Some(mtu)
    });
    let (mut routes, mut sessions) = (Vec::new(), Vec::new());
    for protocol in at.container("routing-protocols").iter().flat_map(|c| c.entries("routing-protocol")) {
        match protocol.identity("type").map(|said| said.value) {
            Some("static-routing") => routes.extend(static_routes(&protocol, &addresses)),
            Some("bgp-routing") => sessions.extend(bgp_sessions(&protocol, &addresses)),
            Some("direct-routing") => {}
            Some(other) => {
                protocol.fault_at("type", ErrorTag::OperationNotSupported, format!("routing by {other} is not served"));
            }
            None => protocol.fault_at("type", ErrorTag::MissingElement, "a routing protocol needs its type"),
        }
    }
    let (port, frames) = (vpn::port(at), vpn::frames(at, "type"));
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
        addresses,
        routes,
        sessions,
        mtu_ip,
        mtu_l2: None,
        bandwidth,
        local_ac: None,
        remote_ac: None,
    })
}

/// The element's address. The customer's addresses ask nothing of the element; they must make sense beside it.
fn address(at: &At<'_>, limit: u8) -> Option<Said<IpNet>> {
    if let Some(kind) = at.identity("address-allocation-type").filter(|kind| kind.value != "static-address") {
        let message = format!("allocation {} is not served, only static-address", kind.value);
        at.fault_at("address-allocation-type", ErrorTag::OperationNotSupported, message);
    }
    let customers = at.entries("address");
    let primary = at.leaf("primary-address");
    let local: Option<Said<IpAddr>> = at.parsed("local-address");
    let length: Option<Said<u8>> = at.parsed("prefix-length");
    if local.is_none() {
        at.fault_at("local-address", ErrorTag::MissingElement, "the element needs its own address on the access");
    }
    if length.is_none() {
        at.fault_at("prefix-length", ErrorTag::MissingElement, "an address needs its prefix length");
    }
    let (local, length) = (local?, length?);
    if local.value.is_ipv4() != (limit == 32) || length.value > limit {
        at.fault(ErrorTag::InvalidValue, format!("{}/{} is no address of this family", local.value, length.value));
        return None;
    }
    let net = IpNet::new(local.value, length.value).ok()?;
    if !is_host(&net) {
        at.fault_at("local-address", ErrorTag::InvalidValue, format!("{net} is no host address"));
    }
    for customer in &customers {
        let Some(said) = customer.parsed::<IpAddr>("customer-address") else { continue };
        if said.value == local.value {
            customer.fault_at("customer-address", ErrorTag::InvalidValue, "this is the address of the element");
        } else if !net.contains(&said.value) {
            customer.fault_at("customer-address", ErrorTag::InvalidValue, format!("it is not in {}", net.trunc()));
        }
    }
    if let Some(primary) = primary
        && !customers.iter().any(|customer| customer.key("address-id") == primary.value)
    {
        at.fault_at("primary-address", ErrorTag::InvalidValue, format!("there is no address '{}'", primary.value));
    }
    Some(Said::new(net, local.path))
}

/// An address that an interface can have: unicast, and in IPv4 neither the network's nor the broadcast address.
fn is_host(net: &IpNet) -> bool {
    let address = net.addr();
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return false;
    }
    match net {
        IpNet::V4(v4) => v4.prefix_len() >= 31 || (v4.addr() != v4.network() && v4.addr() != v4.broadcast()),
        IpNet::V6(v6) => v6.prefix_len() >= 127 || v6.addr() != v6.network(),
    }
}

fn static_routes(protocol: &At<'_>, addresses: &[Said<IpNet>]) -> Vec<StaticRoute> {
    let mut out = Vec::new();
    let Some(lans) = protocol.container("static").and_then(|at| at.container("cascaded-lan-prefixes")) else {
        return out;
    };
    for (list, v4) in [("ipv4-lan-prefixes", true), ("ipv6-lan-prefixes", false)] {
        out.extend(lans.entries(list).iter().filter_map(|at| static_route(at, v4, addresses)));
    }
    out
}

fn static_route(at: &At<'_>, v4: bool, addresses: &[Said<IpNet>]) -> Option<StaticRoute> {
    let admin = vpn::admin(at);
    if admin.value == Admin::Down {
        at.fault(ErrorTag::OperationNotSupported, "a static route cannot be configured and down: take it out instead");
    }
    let (metric, preference) = (at.parsed("metric"), at.parsed("preference"));
    let tag = at.leaf("lan-tag").and_then(|said| match said.value.parse::<u32>() {
        Ok(tag) => Some(Said::new(tag, said.path)),
        Err(_) => {
            at.fault_at("lan-tag", ErrorTag::OperationNotSupported, "a tag on elements is a number of 32 bits");
            None
        }
    });
    let prefix: IpNet = match at.key("lan").parse() {
        Ok(prefix) if matches!(prefix, IpNet::V4(_)) == v4 => prefix,
        _ => {
            at.fault(ErrorTag::InvalidValue, format!("'{}' is no prefix of this family", at.key("lan")));
            return None;
        }
    };
    let said = at.key("next-hop");
    let Ok(next_hop) = said.parse::<IpAddr>() else {
        at.fault(ErrorTag::OperationNotSupported, format!("next hop '{said}' is not served, only an address"));
        return None;
    };
    if next_hop.is_ipv4() != v4 {
        at.fault(ErrorTag::OperationNotSupported, "prefix and next hop must be of one family");
    }
    if addresses.iter().any(|address| address.value.addr() == next_hop) {
        at.fault(ErrorTag::InvalidValue, "the next hop is the element itself");
    }
    Some(StaticRoute { path: at.path(), prefix: prefix.trunc(), next_hop, metric, preference, tag, admin: admin.value })
}

fn bgp_sessions(protocol: &At<'_>, addresses: &[Said<IpNet>]) -> Vec<BgpSession> {
    let Some(at) = protocol.container("bgp") else {
        protocol.fault_below(
            "bgp",
            "peer-as",
            ErrorTag::MissingElement,
            "a session needs the customer's autonomous system",
        );
        return Vec::new();
    };
    let peer_as: Option<Said<u32>> = at.parsed("peer-as");
    if at.leaf("peer-as").is_none() {
        at.fault_at("peer-as", ErrorTag::MissingElement, "a session needs the customer's autonomous system");
    }
    for name in ["prepend-global-as", "send-default-route"] {
        if at.flag(name).is_some_and(|said| said.value) {
            at.fault_at(name, ErrorTag::OperationNotSupported, "only false, its default, is served");
        }
    }
    if let Some(local) = at.parsed::<IpAddr>("local-address")
        && !addresses.iter().any(|address| address.value.addr() == local.value)
    {
        let message = "only the element's own address on this access is served";
        at.fault_at("local-address", ErrorTag::OperationNotSupported, message);
    }
    let multihop = at.parsed::<u8>("multihop");
    if multihop.as_ref().is_some_and(|said| said.value == 0) {
        at.fault_at("multihop", ErrorTag::InvalidValue, "a TTL of 0 reaches nobody");
    }
    let multihop = multihop.filter(|said| said.value > 1);
    let (limit, warning_only) = max_prefix(&at);
    let redistribute = at.entries("redistribute-connected");
    let redistribute_connected: Vec<Said<Family>> = redistribute
        .iter()
        .filter(|entry| entry.flag("enable").is_some_and(|said| said.value))
        .flat_map(|entry| {
            let word = super::reader::short(entry.key("address-family"), FACE.module);
            vpn::families(word).iter().map(|family| Said::new(*family, entry.path())).collect::<Vec<_>>()
        })
        .collect();
    let (local_as, description, admin) = (at.parsed("local-as"), vpn::description(&at), vpn::admin(&at));
    let as_override = at.flag("as-override").filter(|said| said.value).map(|said| said.map(|_| ()));
    let allow_own_as = at.parsed::<u8>("allow-own-as").filter(|said| said.value > 0);
    let timers = timers(&at);
    let password = password(&at);
    let asked = at.identity("address-family");
    let neighbors: Vec<Said<IpAddr>> = at
        .members("neighbor")
        .into_iter()
        .filter_map(|said| match said.value.parse() {
            Ok(neighbor) => Some(Said::new(neighbor, said.path)),
            Err(_) => {
                at.fault_at("neighbor", ErrorTag::InvalidValue, format!("'{}' is no address", said.value));
                None
            }
        })
        .collect();
    if neighbors.is_empty() {
        at.fault_at("neighbor", ErrorTag::MissingElement, "a session needs the customer's address");
    }
    let mut out = Vec::new();
    for neighbor in &neighbors {
        if addresses.iter().any(|address| address.value.addr() == neighbor.value) {
            at.fault_at("neighbor", ErrorTag::InvalidValue, format!("{} is the element itself", neighbor.value));
        } else if multihop.is_none() && !addresses.iter().any(|address| address.value.contains(&neighbor.value)) {
            let message = format!("{} is on no network of this access; say multihop if that is meant", neighbor.value);
            at.fault_at("neighbor", ErrorTag::InvalidValue, message);
        }
        let families = session_families(&at, asked.as_ref(), neighbor, &neighbors);
        let Some(peer_as) = &peer_as else { continue };
        out.push(BgpSession {
            path: neighbor.path.clone(),
            neighbor: neighbor.value,
            // A session exchanges and redistributes what it carries.
            redistribute_connected: redistribute_connected
                .iter()
                .filter(|said| families.iter().any(|family| family.value == said.value))
                .cloned()
                .collect(),
            families,
            peer_as: peer_as.clone(),
            local_as: local_as.clone(),
            description: description.clone(),
            multihop: multihop.clone(),
            as_override: as_override.clone(),
            allow_own_as: allow_own_as.clone(),
            timers: timers.clone(),
            password: password.clone(),
            max_prefix: limit.clone(),
            max_prefix_warning_only: warning_only.clone(),
            admin: admin.clone(),
        });
    }
    for said in &redistribute_connected {
        if !out.is_empty() && !out.iter().any(|s| s.families.iter().any(|family| family.value == said.value)) {
            at.fault_at("redistribute-connected", ErrorTag::InvalidValue, "no session carries this address family");
        }
    }
    out
}

/// The families of one session. Dual stack with neighbours of both families is two sessions with one family each; with
/// a single neighbour it is one session for both.
fn session_families(
    at: &At<'_>,
    asked: Option<&Said<&str>>,
    neighbor: &Said<IpAddr>,
    all: &[Said<IpAddr>],
) -> Vec<Said<Family>> {
    let own = if neighbor.value.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    let Some(asked) = asked else { return vec![Said::new(own, neighbor.path.clone())] };
    let families = vpn::families(asked.value);
    if families.is_empty() {
        let message = format!("address family {} is not served", asked.value);
        at.fault_at("address-family", ErrorTag::OperationNotSupported, message);
    }
    let both = all.iter().any(|other| other.value.is_ipv4() != neighbor.value.is_ipv4());
    if families.len() == 2 && both {
        return vec![Said::new(own, asked.path.clone())];
    }
    if families.len() == 1 && families != [own] {
        let message = format!("a session with {} does not carry {}", neighbor.value, asked.value);
        at.fault_at("address-family", ErrorTag::InvalidValue, message);
    }
    families.iter().map(|family| Said::new(*family, asked.path.clone())).collect()
}

/// `bgp-max-prefix`: the limit, and whether it only warns. The module's defaults (5000, 75 %) hold inside the container.
fn max_prefix(at: &At<'_>) -> (Option<Said<u32>>, Option<Said<()>>) {
    let Some(at) = at.container("bgp-max-prefix") else { return (None, None) };
    let threshold = at.leaf("warning-threshold");
    if threshold.is_some_and(|said| said.value.parse::<f64>() != Ok(75.0)) {
        at.fault_at("warning-threshold", ErrorTag::OperationNotSupported, "only 75, its default, is served");
    }
    let action = at.leaf("violate-action");
    let warning_only = match action.as_ref().map(|said| said.value) {
        None => None,
        Some("warning") => action.map(|said| said.map(|_| ())),
        Some(other) => {
            let message = format!("action {other} is not served, only warning, or none: what the platform does");
            at.fault_at("violate-action", ErrorTag::OperationNotSupported, message);
            None
        }
    };
    let limit =
        if at.leaf("max-prefix").is_some() { at.parsed("max-prefix") } else { Some(Said::new(5000, at.path())) };
    (limit, warning_only)
}

/// `authentication`: an explicit key, as the handle of the secret. The signature is the platform's (TCP MD5, RFC 2385), and
/// that has no key id.
fn password(at: &At<'_>) -> Option<Said<String>> {
    let at = at.container("authentication")?;
    let enabled = at.flag("enable").is_some_and(|said| said.value);
    let keying = at.container("keying-material");
    if let Some(keying) = &keying
        && keying.leaf("key-id").is_some()
    {
        keying.fault_at("key-id", ErrorTag::OperationNotSupported, "one key without an id is served");
    }
    let key = keying.as_ref().and_then(|keying| keying.leaf("key")).map(|said| said.map(str::to_owned));
    if enabled && key.is_none() {
        at.fault_at("keying-material", ErrorTag::MissingElement, "authentication is enabled, but no key is given");
    }
    if let (Some(keying), true, false) = (&keying, key.is_some(), enabled) {
        keying.fault_at("key", ErrorTag::InvalidValue, "a key is given, but 'enable' is not true");
    }
    key
}

/// `bgp-timers`: nothing said leaves the platform's own; one said takes the module's default for the other.
fn timers(at: &At<'_>) -> Option<Said<(u16, u16)>> {
    let at = at.container("bgp-timers")?;
    let keepalive = at.parsed::<u16>("keepalive").map_or(30, |said| said.value);
    let hold = at.parsed::<u16>("hold-time").map_or(90, |said| said.value);
    if hold == 1 || hold == 2 || (hold != 0 && keepalive >= hold) {
        at.fault(
            ErrorTag::InvalidValue,
            format!("keepalive {keepalive} does not fit into hold time {hold} (RFC 4271 §4.2)"),
        );
    }
    Some(Said::new((keepalive, hold), at.path()))
}
