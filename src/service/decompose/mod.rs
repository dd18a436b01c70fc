//! Decomposition: one service becomes one [`ElementService`] for each element that carries it.
//!
//! Guarantees: a function of service, inventory and the numbers of the draft; the order in which elements, parts or end
//! points are listed does not matter. Every attribute that an element service uses stands in its `attributes` with the
//! document path that asked for it. All faults are reported at once.
//! A service, part or end point in pre-deployment leaves nothing on elements.

mod l2vpn;
mod l3vpn;
mod name;
mod pools;

pub use name::instance_name;
pub use pools::explicit_numbers;

use super::admission::element_of;
use super::canonical::{Admin, EndBandwidth, EndPoint, Part, Said, Service, Technology};
use super::element_service::{
    AccessFacts, Bandwidth, BandwidthProfile, ElementFacts, ElementService, Family, IpFacts, Match, Numbers, PeerFacts,
    ServiceFacts,
};
use super::error::{ErrorTag, ServiceError};
use super::ledger::{Allocation, Draft, Ranges, Take};
use crate::domain::{Element, Inventory};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

/// What a service asks of the domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decomposition {
    /// By name of the element. Empty for a service in pre-deployment.
    pub elements: BTreeMap<String, ElementService>,
    /// Numbers that the ledger does not hold yet: tentative until the transaction is decided.
    pub takes: Vec<Take>,
    /// Keys (`pool/owner`) of all numbers that the service uses, the new ones included. What the ledger holds for the
    /// service beyond these is to be released.
    pub asked: BTreeSet<String>,
    /// What people should know, in words.
    pub warnings: Vec<String>,
}

/// Decomposes a service. The draft keeps the new takes, so that the next service of the same plan gets other numbers.
pub fn decompose(
    service: &Service,
    inventory: &Inventory,
    draft: &mut Draft<'_>,
) -> Result<Decomposition, Vec<ServiceError>> {
    let mut work = Work { service, draft, faults: Vec::new(), out: Decomposition::default() };
    let parts = work.active_parts(inventory);
    if work.faults.is_empty() && service.admin.value != Admin::PreDeployment {
        match service.technology {
            Technology::L3vpn => l3vpn::decompose(&mut work, &parts),
            Technology::LdpPseudowire | Technology::EvpnVpws | Technology::EvpnVxlan => {
                l2vpn::decompose(&mut work, &parts)
            }
        }
    }
    for built in work.out.elements.values_mut() {
        built.attributes.sort();
        built.attributes.dedup();
        work.out.warnings.extend(built.accesses.iter().flat_map(small_bursts));
    }
    work.faults.sort();
    work.faults.dedup();
    if work.faults.is_empty() { Ok(work.out) } else { Err(work.faults) }
}

/// A part that is to be deployed, with its element.
struct Active<'a> {
    part: &'a Part,
    element: &'a Element,
    /// Its end points without those in pre-deployment, by port, then id.
    ends: Vec<&'a EndPoint>,
}

impl Active<'_> {
    fn router_id(&self) -> Option<Ipv4Addr> {
        self.element.router_id.or(self.part.router_id.as_ref().map(|said| said.value))
    }

    fn asn(&self) -> Option<u32> {
        self.element.asn.or(self.part.local_as.as_ref().map(|said| said.value))
    }
}

struct Work<'a, 'd, 'l> {
    service: &'a Service,
    draft: &'d mut Draft<'l>,
    faults: Vec<ServiceError>,
    out: Decomposition,
}

impl<'a> Work<'a, '_, '_> {
    fn fault(&mut self, path: &str, tag: ErrorTag, message: impl Into<String>) {
        self.faults.push(ServiceError::new(path, tag, message));
    }

    /// The parts to deploy, by element name. Two parts on one element are a fault.
    fn active_parts(&mut self, inventory: &'a Inventory) -> Vec<Active<'a>> {
        let mut parts: BTreeMap<&str, Active<'a>> = BTreeMap::new();
        // Sorted, so that of two parts on one element always the same is named.
        let mut listed: Vec<&Part> = self.service.parts.iter().collect();
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        for part in listed {
            let element = match element_of(inventory, &part.element) {
                Ok(element) => element,
                Err(fault) => {
                    self.faults.push(fault);
                    continue;
                }
            };
            if let Some(other) = parts.get(element.name.as_str()) {
                let message =
                    format!("element {} already carries node {} of this service", element.name, other.part.id);
                self.fault(&part.element.path, ErrorTag::OperationNotSupported, message);
                continue;
            }
            let mut ends: Vec<&EndPoint> =
                part.ends.iter().filter(|end| end.admin.value != Admin::PreDeployment).collect();
            ends.sort_by(|a, b| (&a.port.value, &a.id).cmp(&(&b.port.value, &b.id)));
            parts.insert(&element.name, Active { part, element, ends });
        }
        parts.into_values().filter(|active| active.part.admin.value != Admin::PreDeployment).collect()
    }

    /// The ranges that numbers come from.
    fn ranges(&self) -> Ranges {
        self.draft.ranges().clone()
    }

    /// A number of this service; a fault at `path` when the pool is empty.
    fn number(&mut self, pool: &str, place: &str, range: RangeInclusive<u64>, path: &str) -> Option<u64> {
        match self.draft.allocate(pool, &self.service.key, place, range) {
            Ok(Allocation { take, new }) => {
                let number = take.number;
                if self.out.asked.insert(take.key()) && new {
                    self.out.takes.push(take);
                }
                Some(number)
            }
            Err(fault) => {
                self.fault(path, fault.tag, fault.message);
                None
            }
        }
    }

    /// The element service without accesses, instance and numbers.
    fn skeleton(&self, active: &Active<'_>, parts: &[Active<'_>]) -> ElementService {
        ElementService {
            element: ElementFacts {
                name: active.element.name.clone(),
                router_id: active.router_id(),
                asn: active.asn(),
                facts: active.element.facts.clone(),
            },
            service: ServiceFacts {
                id: self.service.key.id.clone(),
                kind: self.service.kind.as_str().into(),
                customer: self.service.customer.clone(),
            },
            function: self.service.technology.function().into(),
            instance: None,
            accesses: Vec::new(),
            peers: parts
                .iter()
                .filter(|other| other.element.name != active.element.name)
                .map(|other| PeerFacts { element: other.element.name.clone(), loopback: other.router_id() })
                .collect(),
            numbers: Numbers::default(),
            attributes: Vec::new(),
        }
    }

    /// What all kinds of service say about an end point, with its attributes.
    fn access(&self, part: &Part, end: &EndPoint, attributes: &mut Vec<(String, String)>) -> AccessFacts {
        let mut note = |token: &str, path: &str| attributes.push((token.into(), path.into()));
        let frames = match end.frames.value {
            Match::Port => "access.match.port",
            Match::Untagged => "access.match.untagged",
            Match::Dot1q { .. } => "access.match.dot1q",
            Match::Qinq { .. } => "access.match.qinq",
        };
        note(frames, &end.frames.path);
        let down = [&end.admin, &part.admin, &self.service.admin].into_iter().find(|admin| admin.value == Admin::Down);
        if let Some(down) = down {
            note("access.admin-down", &down.path);
        }
        if end.interface == super::canonical::Interface::Nni {
            note("access.role.nni", &end.port.path);
        }
        if let Some(description) = &end.description {
            note("access.description", &description.path);
        }
        for (token, said) in [
            ("access.bandwidth.from-customer", &end.bandwidth.from_customer),
            ("access.bandwidth.to-customer", &end.bandwidth.to_customer),
        ] {
            let Some(said) = said else { continue };
            note(token, &said.path);
            if said.value.eir > 0 {
                note("access.bandwidth.excess", &said.path);
            }
        }
        if let Some(mtu) = &end.mtu_ip {
            note("access.mtu-ip", &mtu.path);
        }
        let mtu_l2 = match (&end.mtu_l2, &self.service.mtu_l2) {
            (Some(own), _) => {
                note("access.mtu-l2", &own.path);
                Some(own.value)
            }
            (None, Some(common)) => {
                note("service.mtu-l2", &common.path);
                Some(common.value)
            }
            (None, None) => None,
        };
        let mut addresses: Vec<&Said<IpNet>> = end.addresses.iter().collect();
        addresses.sort_by_key(|said| said.value);
        for address in &addresses {
            note(if address.value.addr().is_ipv4() { "access.ipv4" } else { "access.ipv6" }, &address.path);
        }
        AccessFacts {
            id: end.id.clone(),
            port: end.port.value.clone(),
            role: match end.interface {
                super::canonical::Interface::Uni => "uni".into(),
                super::canonical::Interface::Nni => "nni".into(),
            },
            frames: end.frames.value,
            description: end.description.as_ref().map(|said| said.value.clone()).unwrap_or_default(),
            ip: addresses.iter().map(|said| ip_facts(said.value)).collect(),
            routing: Vec::new(),
            mtu_ip: end.mtu_ip.as_ref().map(|said| said.value),
            mtu_l2,
            admin: down.is_none(),
            bandwidth: bandwidth(&end.bandwidth),
        }
    }
}

/// The profiles without their paths; `None` when neither direction has one.
fn bandwidth(said: &EndBandwidth) -> Option<Bandwidth> {
    let profile = |said: &Option<Said<BandwidthProfile>>| said.as_ref().map(|said| said.value.clone());
    let (from_customer, to_customer) = (profile(&said.from_customer), profile(&said.to_customer));
    let any = from_customer.is_some() || to_customer.is_some();
    any.then_some(Bandwidth { from_customer, to_customer })
}

/// What people should know of the bursts of an access: a frame that does not fit into a burst never passes (MEF 10.4 §12).
fn small_bursts(access: &AccessFacts) -> Vec<String> {
    let Some(bandwidth) = &access.bandwidth else { return Vec::new() };
    let frame = u64::from(access.mtu_l2.or(access.mtu_ip).unwrap_or(USUAL_FRAME));
    let directions = [("from", &bandwidth.from_customer), ("to", &bandwidth.to_customer)];
    let words = |(way, profile): (&str, &Option<BandwidthProfile>)| {
        let profile = profile.as_ref()?;
        let burst = profile.cbs.into_iter().chain(profile.ebs).max()?;
        (burst < frame).then(|| {
            let id = &access.id;
            format!("access {id}: a burst of {burst} bytes {way} the customer lets no frame of {frame} bytes pass")
        })
    };
    directions.into_iter().filter_map(words).collect()
}

/// Bytes of the largest frame where no MTU is said: what a UNI has to carry at least (MEF 10.4).
const USUAL_FRAME: u32 = 1522;

fn ip_facts(net: IpNet) -> IpFacts {
    IpFacts {
        family: family_of(net.addr()),
        address: net.addr(),
        prefix_length: net.prefix_len(),
        netmask: match net {
            IpNet::V4(net) => Some(net.netmask()),
            IpNet::V6(_) => None,
        },
    }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
}
