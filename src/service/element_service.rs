//! What one service asks of one element, vendor-neutral: the whole input of an adapter's template.
//!
//! The serialised form is the contract with adapter writers (`docs/element-service.md`); an absent option is JSON `null`,
//! so a template with strict undefined can still ask for it. Rates are bit/s, bursts bytes; directions are
//! `from_customer` and `to_customer`, seen from the provider network (MEF 10.4 calls them ingress and egress).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// One service on one element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElementService {
    /// The element and what is known of it.
    pub element: ElementFacts,
    /// The service that asks.
    pub service: ServiceFacts,
    /// Which template: `l3vpn`, `vpws`, `evpn-vpws`, `evpn-vxlan`, … an open set.
    pub function: String,
    /// The VPN instance on this element (IP VPN and EVPN).
    pub instance: Option<InstanceFacts>,
    /// The service's end points on this element, sorted by port, then id.
    pub accesses: Vec<AccessFacts>,
    /// The other elements of the service, sorted by name.
    pub peers: Vec<PeerFacts>,
    /// Numbers from the document or the ledger.
    pub numbers: Numbers,
    /// Every attribute that this value uses: a dotted token (`access.match.dot1q`) and the path of the document that
    /// asked for it. An adapter that does not list a token refuses it, naming that path. Not given to templates.
    #[serde(default)]
    pub attributes: Vec<(String, String)>,
}

/// What templates may know of the element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementFacts {
    /// Name in the inventory.
    pub name: String,
    /// Router id, usually the loopback.
    pub router_id: Option<Ipv4Addr>,
    /// Autonomous system number of the domain on this element.
    pub asn: Option<u32>,
    /// Free facts of the inventory or of a read.
    pub facts: BTreeMap<String, String>,
}

/// What templates may know of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Identifier, unique in the domain together with the face.
    pub id: String,
    /// `ip-vpn`, `p2p`, `multipoint`, `rooted`, `layer1`, `overlay`.
    pub kind: String,
    /// Customer name; empty when the document names none.
    pub customer: String,
}

/// A VPN instance (VRF, EVI) on the element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceFacts {
    /// Name on the element, valid on every platform: letters, digits, `-`, `_`, at most 15 characters.
    pub name: String,
    /// Route distinguisher as `65000:1` or `192.0.2.1:1`.
    pub rd: Option<String>,
    /// Route targets, sorted by family, then value.
    pub rt: Vec<RouteTarget>,
    /// Address families of the instance: `ipv4`, `ipv6`.
    pub families: Vec<Family>,
}

/// A route target with its direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteTarget {
    /// Address family that it applies to.
    pub family: Family,
    /// As `65000:100` or `192.0.2.1:100`.
    pub value: String,
    /// Routes that carry it are imported.
    pub import: bool,
    /// Exported routes carry it.
    pub export: bool,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// An end point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessFacts {
    /// Identifier in the document.
    pub id: String,
    /// The element's own name of the physical port.
    pub port: String,
    /// `uni` or `nni`.
    pub role: String,
    /// Which frames belong to it.
    #[serde(rename = "match")]
    pub frames: Match,
    /// Free text of the document; may be empty.
    pub description: String,
    /// Addresses of the element on this access, IPv4 first.
    pub ip: Vec<IpFacts>,
    /// PE-CE routing.
    pub routing: Vec<Routing>,
    /// IP MTU in bytes.
    pub mtu_ip: Option<u32>,
    /// Layer 2 MTU in bytes, headers included, FCS not.
    pub mtu_l2: Option<u32>,
    /// False = administratively down: configured and shut.
    pub admin: bool,
    /// Bandwidth profile per direction.
    pub bandwidth: Option<Bandwidth>,
}

/// Which frames of the port belong to an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Match {
    /// All frames of the port.
    Port,
    /// Frames without a tag.
    Untagged,
    /// One 802.1Q tag.
    Dot1q {
        /// 1–4094.
        vid: u16,
    },
    /// An outer and an inner tag.
    Qinq {
        /// Outer tag, 1–4094.
        svid: u16,
        /// Inner tag, 1–4094.
        cvid: u16,
    },
}

/// An address of the element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpFacts {
    /// Family of `address`.
    pub family: Family,
    /// The address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix_length: u8,
    /// The IPv4 netmask; `null` for IPv6.
    pub netmask: Option<Ipv4Addr>,
}

/// PE-CE routing on an access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "lowercase")]
pub enum Routing {
    /// A static route.
    Static {
        /// Family of `prefix`.
        family: Family,
        /// Destination, host bits zero.
        prefix: ipnet::IpNet,
        /// Next hop address.
        next_hop: IpAddr,
        /// Metric of the document.
        metric: Option<u32>,
        /// Administrative distance.
        preference: Option<u32>,
        /// Route tag.
        tag: Option<u32>,
    },
    /// A BGP session with the customer.
    Bgp {
        /// Neighbour address.
        neighbor: IpAddr,
        /// Family of the session's address.
        family: Family,
        /// Address families to exchange.
        families: Vec<Family>,
        /// The customer's AS.
        peer_as: u32,
        /// Our AS towards the customer, when it differs.
        local_as: Option<u32>,
        /// Free text; may be empty.
        description: String,
        /// TTL of a multi-hop session.
        multihop: Option<u8>,
        /// Replace the customer's AS by ours.
        as_override: bool,
        /// How often our AS may stand in the path.
        allow_own_as: Option<u8>,
        /// Keepalive, seconds.
        keepalive: Option<u16>,
        /// Hold time, seconds.
        hold_time: Option<u16>,
        /// Handle of the secret that signs its segments (RFC 2385); not there when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
        /// Maximum number of prefixes.
        max_prefix: Option<u32>,
        /// Beyond the maximum the element only warns; otherwise it does what the platform does.
        #[serde(default)]
        max_prefix_warning_only: bool,
        /// Redistribute connected routes, per family.
        redistribute_connected: Vec<Family>,
        /// False = session configured and shut.
        admin: bool,
    },
}

/// Bandwidth profiles of an access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Towards the provider network.
    pub from_customer: Option<BandwidthProfile>,
    /// Towards the customer.
    pub to_customer: Option<BandwidthProfile>,
}

/// A bandwidth profile flow (MEF 10.4 §12). At least one of its rates is above zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandwidthProfile {
    /// Committed information rate, bit/s; 0 = nothing is committed.
    pub cir: u64,
    /// Excess information rate, bit/s; 0 = none.
    pub eir: u64,
    /// Committed burst, bytes, above zero; `null` = the platform's own.
    pub cbs: Option<u64>,
    /// Excess burst, bytes, above zero; `null` = none, or with an excess rate the platform's own.
    pub ebs: Option<u64>,
    /// Colour aware.
    pub color_aware: bool,
    /// Coupling flag.
    pub coupling: bool,
}

/// Another element of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFacts {
    /// Name in the inventory.
    pub element: String,
    /// Its loopback or router id.
    pub loopback: Option<Ipv4Addr>,
}

/// Numbers of the service on this element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Pseudowire id.
    pub vc_id: Option<u32>,
    /// VXLAN network identifier.
    pub vni: Option<u32>,
    /// EVPN instance.
    pub evi: Option<u32>,
    /// Own attachment circuit id (EVPN-VPWS).
    pub local_ac: Option<u32>,
    /// The other side's attachment circuit id (EVPN-VPWS).
    pub remote_ac: Option<u32>,
    /// Unit or sub-interface number, where the platform needs one that is not the VLAN.
    pub unit: Option<u32>,
}
