//! The canonical meaning of a service document: which kind of connectivity, on which elements, between which end points.
//!
//! Faces make it, admission and decomposition use it. It is not shaped like any one standard model: an IP VPN and an
//! E-Line are the same tree of parts and end points, and each end has a role, a set of frames and a bandwidth. Every
//! fact remembers the document path that said it ([`Said`]), so a refusal far down the line still names the leaf.

use super::element_service::{BandwidthProfile, Family, Match};
use super::number::{RouteDistinguisher, TargetValue};
use crate::domain::ServiceKey;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// A value and the document path that said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// Instance identifier in the document.
    pub path: String,
}

impl<T> Said<T> {
    /// `value`, said at `path`.
    pub fn new(value: T, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Said<U> {
        Said { value: change(self.value), path: self.path }
    }
}

/// A service of the domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Face and identifier.
    pub key: ServiceKey,
    /// The document path of the service itself.
    pub path: String,
    /// What kind of connectivity it gives.
    pub kind: Kind,
    /// How the domain makes it.
    pub technology: Technology,
    /// Who may reach whom.
    pub topology: Topology,
    /// Customer; empty when the document names none.
    pub customer: String,
    /// Name for people; empty when the document gives none.
    pub name: String,
    /// Wanted state.
    pub admin: Said<Admin>,
    /// Layer 2 MTU of the whole service, bytes.
    pub mtu_l2: Option<Said<u32>>,
    /// Its parts, one per element, in document order.
    pub parts: Vec<Part>,
}

impl Service {
    /// All end points with the part that they stand on.
    pub fn ends(&self) -> impl Iterator<Item = (&Part, &EndPoint)> {
        self.parts.iter().flat_map(|part| part.ends.iter().map(move |end| (part, end)))
    }
}

/// Kinds of connectivity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Routed, several sites.
    IpVpn,
    /// A wire between two ends.
    PointToPoint,
    /// Bridged, all ends equal.
    Multipoint,
    /// Bridged, roots and leaves.
    Rooted,
    /// Bits.
    Layer1,
    /// A tunnel over somebody else's network.
    Overlay,
}

impl Kind {
    /// As templates and people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::IpVpn => "ip-vpn",
            Kind::PointToPoint => "p2p",
            Kind::Multipoint => "multipoint",
            Kind::Rooted => "rooted",
            Kind::Layer1 => "layer1",
            Kind::Overlay => "overlay",
        }
    }
}

/// How the domain makes a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Technology {
    /// BGP/MPLS IP VPN (RFC 4364).
    L3vpn,
    /// A pseudowire by targeted LDP (RFC 8077).
    LdpPseudowire,
    /// EVPN-VPWS (RFC 8214).
    EvpnVpws,
    /// EVPN over VXLAN (RFC 8365).
    EvpnVxlan,
}

impl Technology {
    /// The name of the adapters' template.
    pub fn function(self) -> &'static str {
        match self {
            Technology::L3vpn => "l3vpn",
            Technology::LdpPseudowire => "vpws",
            Technology::EvpnVpws => "evpn-vpws",
            Technology::EvpnVxlan => "evpn-vxlan",
        }
    }
}

/// Who may reach whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topology {
    /// Everybody everybody.
    AnyToAny,
    /// Spokes reach hubs only; hubs reach each other.
    HubSpoke,
}

/// Wanted state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admin {
    /// In service.
    Up,
    /// Configured and shut.
    Down,
    /// Stored and validated; nothing on elements.
    PreDeployment,
}

/// What the service is on one element.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Identifier in the document.
    pub id: String,
    /// Document path of the part.
    pub path: String,
    /// The element, by name or `ne_id`.
    pub element: Said<String>,
    /// Router id that the document expects the element to have.
    pub router_id: Option<Said<Ipv4Addr>>,
    /// Autonomous system that the document expects the element to be in.
    pub local_as: Option<Said<u32>>,
    /// Wanted state.
    pub admin: Said<Admin>,
    /// The VPN instance on this element.
    pub instance: Option<Instance>,
    /// What the document says about the pseudowire.
    pub pseudowire: Option<Pseudowire>,
    /// End points on this element.
    pub ends: Vec<EndPoint>,
}

/// A VPN instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Name of its profile in the document.
    pub profile: String,
    /// Document path.
    pub path: String,
    /// Role in the topology.
    pub role: InstanceRole,
    /// Route distinguisher.
    pub rd: Said<Rd>,
    /// Address families that the document names.
    pub families: Vec<Said<Family>>,
    /// Explicit route targets. A family without any gets them from the ledger.
    pub targets: Vec<Said<Target>>,
}

/// Role of an instance in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceRole {
    /// Peer among peers.
    AnyToAny,
    /// Hub.
    Hub,
    /// Spoke.
    Spoke,
}

/// How a route distinguisher is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rd {
    /// The document gives it.
    Fixed(RouteDistinguisher),
    /// The document asks for any, or says nothing where one is needed.
    Auto,
    /// The document says nothing and the platform derives its own (EVPN).
    Unsaid,
}

/// An explicit route target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Address family; `None` = layer 2.
    pub family: Option<Family>,
    /// The value.
    pub value: TargetValue,
    /// Routes that carry it are imported.
    pub import: bool,
    /// Exported routes carry it.
    pub export: bool,
}

/// What the document says about a pseudowire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudowire {
    /// Address of the other side.
    pub peer: Said<IpAddr>,
    /// Pseudowire id.
    pub vc_id: Said<u32>,
}

/// An end point: where customer frames enter and leave.
#[derive(Clone, Debug, PartialEq)]
pub struct EndPoint {
    /// Identifier in the document.
    pub id: String,
    /// Document path.
    pub path: String,
    /// Port, by the element's own name.
    pub port: Said<String>,
    /// UNI or ENNI.
    pub interface: Interface,
    /// Role in a rooted service; `Root` everywhere else.
    pub role: EndRole,
    /// Which frames of the port belong to it.
    pub frames: Said<Match>,
    /// Free text.
    pub description: Option<Said<String>>,
    /// Wanted state.
    pub admin: Said<Admin>,
    /// Addresses of the element: host address with prefix length.
    pub addresses: Vec<Said<IpNet>>,
    /// Static routes towards the customer.
    pub routes: Vec<StaticRoute>,
    /// BGP sessions with the customer.
    pub sessions: Vec<BgpSession>,
    /// IP MTU, bytes.
    pub mtu_ip: Option<Said<u32>>,
    /// Layer 2 MTU, bytes.
    pub mtu_l2: Option<Said<u32>>,
    /// Bandwidth profiles.
    pub bandwidth: EndBandwidth,
    /// Own attachment circuit id that the document gives (EVPN-VPWS).
    pub local_ac: Option<Said<u32>>,
    /// The other side's attachment circuit id that the document gives.
    pub remote_ac: Option<Said<u32>>,
}

/// What may pass an end point, each with the path of the profile; `None` = no limit is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndBandwidth {
    /// Towards the provider network.
    pub from_customer: Option<Said<BandwidthProfile>>,
    /// Towards the customer.
    pub to_customer: Option<Said<BandwidthProfile>>,
}

/// What kind of interface an end point stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interface {
    /// To a subscriber.
    Uni,
    /// To another operator.
    Nni,
}

/// Role of an end point (MEF 10.4 §9.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndRole {
    /// Reaches all ends.
    Root,
    /// Reaches roots only.
    Leaf,
    /// Carries both over an ENNI.
    Trunk,
}

/// A static route towards the customer.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticRoute {
    /// Document path.
    pub path: String,
    /// Destination, host bits zero.
    pub prefix: IpNet,
    /// Next hop.
    pub next_hop: IpAddr,
    /// Metric.
    pub metric: Option<Said<u32>>,
    /// Administrative distance.
    pub preference: Option<Said<u32>>,
    /// Route tag.
    pub tag: Option<Said<u32>>,
    /// Wanted state; never [`Admin::Down`], which a route does not know.
    pub admin: Admin,
}

/// A BGP session with the customer.
#[derive(Clone, Debug, PartialEq)]
pub struct BgpSession {
    /// Document path of the neighbour.
    pub path: String,
    /// The customer's address.
    pub neighbor: IpAddr,
    /// Address families to exchange.
    pub families: Vec<Said<Family>>,
    /// The customer's autonomous system.
    pub peer_as: Said<u32>,
    /// Our autonomous system towards the customer.
    pub local_as: Option<Said<u32>>,
    /// Free text.
    pub description: Option<Said<String>>,
    /// TTL, above 1.
    pub multihop: Option<Said<u8>>,
    /// The customer's AS is replaced by ours.
    pub as_override: Option<Said<()>>,
    /// How often our AS may stand in the path, above 0.
    pub allow_own_as: Option<Said<u8>>,
    /// Keepalive and hold time, seconds.
    pub timers: Option<Said<(u16, u16)>>,
    /// The secret that signs its segments (RFC 2385), by its handle.
    pub password: Option<Said<String>>,
    /// Limit of received prefixes.
    pub max_prefix: Option<Said<u32>>,
    /// The limit only warns.
    pub max_prefix_warning_only: Option<Said<()>>,
    /// Connected routes of these families go into BGP.
    pub redistribute_connected: Vec<Said<Family>>,
    /// Wanted state.
    pub admin: Said<Admin>,
}
