//! Layer 2: a wire between exactly two end points on two elements (a pseudowire by LDP, EVPN-VPWS, EVPN over VXLAN), or a
//! LAN between any number of them (EVPN over VXLAN).

use super::{Active, Work, pools};
use crate::service::canonical::{EndPoint, Kind, Rd, Technology};
use crate::service::element_service::{InstanceFacts, Numbers, RouteTarget};
use crate::service::error::ErrorTag;
use crate::service::instance_name;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) fn decompose(work: &mut Work<'_, '_, '_>, parts: &[Active<'_>]) {
    if work.service.kind == Kind::Multipoint {
        return lan(work, parts);
    }
    let Some((left, right)) = two_ends(work, parts) else { return };
    let numbers = match work.service.technology {
        Technology::LdpPseudowire => pseudowire(work, [&left, &right]),
        Technology::EvpnVpws => attachment_circuits(work, [&left, &right]),
        Technology::EvpnVxlan | Technology::L3vpn => vni(work).map(|numbers| [numbers.clone(), numbers]),
    };
    let Some(numbers) = numbers else { return };
    for ((active, end), numbers) in [left, right].into_iter().zip(numbers) {
        element(work, parts, active, &[end], numbers);
    }
    same_asn(work, parts);
}

/// All ends that are not in pre-deployment share one number; what is sent at one of them may arrive at any other.
fn lan(work: &mut Work<'_, '_, '_>, parts: &[Active<'_>]) {
    if let Some(part) = work.service.parts.iter().find(|part| part.ends.is_empty()) {
        work.fault(&part.path, ErrorTag::OperationNotSupported, "a LAN has no place for a node without an access");
        return;
    }
    if parts.iter().all(|active| active.ends.is_empty()) {
        work.out.warnings.push("every end is in pre-deployment, so nothing of the LAN is deployed".into());
        return;
    }
    let Some(numbers) = vni(work) else { return };
    let path = work.service.path.clone();
    let deployed = |name: &str| parts.iter().any(|active| active.element.name == name && !active.ends.is_empty());
    for active in parts.iter().filter(|active| !active.ends.is_empty()) {
        element(work, parts, active, &active.ends, numbers.clone());
        if let Some(built) = work.out.elements.get_mut(&active.element.name) {
            built.attributes.push(("service.multipoint".into(), path.clone()));
            built.peers.retain(|peer| deployed(&peer.element));
        }
    }
    same_asn(work, parts);
}

/// What the service asks of one element: these ends of it.
fn element(
    work: &mut Work<'_, '_, '_>,
    parts: &[Active<'_>],
    active: &Active<'_>,
    ends: &[&EndPoint],
    numbers: Numbers,
) {
    let mut built = work.skeleton(active, parts);
    let (token, needs_loopback) = match work.service.technology {
        Technology::LdpPseudowire => ("pw.ldp", true),
        Technology::EvpnVpws => ("evpn.vpws", false),
        Technology::EvpnVxlan | Technology::L3vpn => ("evpn.vxlan", true),
    };
    built.attributes.push((token.into(), active.part.path.clone()));
    if needs_loopback && active.router_id().is_none() {
        let message = format!("element {} has no router id in the inventory (`router_id`)", active.element.name);
        work.fault(&active.part.element.path, ErrorTag::InvalidValue, message);
    }
    if work.service.technology != Technology::LdpPseudowire && active.asn().is_none() {
        let message = format!("element {} has no autonomous system in the inventory (`asn`)", active.element.name);
        work.fault(&active.part.element.path, ErrorTag::InvalidValue, message);
    }
    built.instance = Some(instance(work, active, &mut built.attributes));
    for end in ends {
        let access = work.access(active.part, end, &mut built.attributes);
        built.accesses.push(access);
    }
    built.numbers = numbers;
    work.out.elements.insert(active.element.name.clone(), built);
}

/// The VXLAN network identifier, from the ledger: RFC 9291 has no node for it.
fn vni(work: &mut Work<'_, '_, '_>) -> Option<Numbers> {
    let vni = work.number(pools::VNI, "", work.ranges().vni, &work.service.path.clone())?;
    Some(Numbers { vni: u32::try_from(vni).ok(), ..Numbers::default() })
}

type End<'a, 'b> = (&'b Active<'a>, &'b EndPoint);

/// The two ends, by element name. `None` after a fault, or when one of them is in pre-deployment: half a wire carries
/// nothing.
fn two_ends<'a, 'b>(work: &mut Work<'_, '_, '_>, parts: &'b [Active<'a>]) -> Option<(End<'a, 'b>, End<'a, 'b>)> {
    let path = work.service.path.clone();
    let said = work.service.ends().count();
    if said != 2 {
        let message = format!("a wire has exactly two accesses, this one has {said}");
        let tag = if said < 2 { ErrorTag::MissingElement } else { ErrorTag::OperationNotSupported };
        work.fault(&path, tag, message);
        return None;
    }
    if let Some(part) = work.service.parts.iter().find(|part| part.ends.len() == 2) {
        let message = "both accesses stand on one element; switching inside an element is not served";
        work.fault(&part.path, ErrorTag::OperationNotSupported, message);
        return None;
    }
    if let Some(part) = work.service.parts.iter().find(|part| part.ends.is_empty()) {
        work.fault(&part.path, ErrorTag::OperationNotSupported, "a wire has no place for a node without an access");
        return None;
    }
    let mut ends = parts.iter().flat_map(|active| active.ends.iter().map(move |end| (active, *end)));
    match (ends.next(), ends.next()) {
        (Some(left), Some(right)) => Some((left, right)),
        _ => {
            work.out.warnings.push("one end is in pre-deployment, so nothing of the wire is deployed".into());
            None
        }
    }
}

/// Pseudowire id: from the document, the same on both sides, or from the ledger.
fn pseudowire(work: &mut Work<'_, '_, '_>, ends: [&End<'_, '_>; 2]) -> Option<[Numbers; 2]> {
    let mut said: Option<u32> = None;
    for (this, other) in [(ends[0].0, ends[1].0), (ends[1].0, ends[0].0)] {
        let Some(pseudowire) = &this.part.pseudowire else { continue };
        if let Some(loopback) = other.router_id()
            && pseudowire.peer.value != IpAddr::V4(loopback)
        {
            let message = format!("the other end is element {} with router id {loopback}", other.element.name);
            work.fault(&pseudowire.peer.path, ErrorTag::InvalidValue, message);
        }
        match said {
            Some(first) if first != pseudowire.vc_id.value => {
                let message = format!("the other end says pseudowire id {first}");
                work.fault(&pseudowire.vc_id.path, ErrorTag::InvalidValue, message);
            }
            _ => said = Some(pseudowire.vc_id.value),
        }
    }
    let vc_id = match said {
        Some(vc_id) => vc_id,
        None => {
            let path = work.service.path.clone();
            u32::try_from(work.number(pools::VC_ID, "", work.ranges().vc_id, &path)?).ok()?
        }
    };
    Some([(); 2].map(|()| Numbers { vc_id: Some(vc_id), ..Numbers::default() }))
}

/// EVPN instance from the ledger; attachment circuit ids from the document or, where it says nothing, from the ledger.
fn attachment_circuits(work: &mut Work<'_, '_, '_>, ends: [&End<'_, '_>; 2]) -> Option<[Numbers; 2]> {
    let path = work.service.path.clone();
    let evi = u32::try_from(work.number(pools::EVI, "", work.ranges().evi, &path)?).ok()?;
    let pool = format!("ac@{}", work.service.key);
    // What one side calls local the other calls remote; both must say the same where both speak.
    let mut ids = [None, None];
    for (at, opposite) in [(0, 1), (1, 0)] {
        let (own, seen) = (&ends[at].1.local_ac, &ends[opposite].1.remote_ac);
        ids[at] = match (own, seen) {
            (Some(own), Some(seen)) if own.value != seen.value => {
                let message = format!("access {} says that its own id is {}", ends[at].1.id, own.value);
                work.fault(&seen.path, ErrorTag::InvalidValue, message);
                None
            }
            (Some(said), _) | (None, Some(said)) => Some(said.value),
            (None, None) => None,
        };
    }
    for id in ids.into_iter().flatten() {
        work.draft.exclude(&pool, id.into());
    }
    let mut acs = [0; 2];
    for at in [0, 1] {
        acs[at] = match ids[at] {
            Some(id) => id,
            None => u32::try_from(work.number(&pool, &ends[at].0.element.name, pools::ACS, &ends[at].1.path)?).ok()?,
        };
    }
    if acs[0] == acs[1] {
        let message = format!("both ends have the id {}", acs[0]);
        let said = ends.iter().find_map(|(_, end)| end.local_ac.as_ref().or(end.remote_ac.as_ref()));
        let path = said.map_or(path, |said| said.path.clone());
        work.fault(&path, ErrorTag::InvalidValue, message);
    }
    let numbers = |local, remote| Numbers {
        evi: Some(evi),
        local_ac: Some(local),
        remote_ac: Some(remote),
        ..Numbers::default()
    };
    Some([numbers(acs[0], acs[1]), numbers(acs[1], acs[0])])
}

/// The instance: its name always; a route distinguisher and route targets only where the document asks, since every
/// EVPN platform derives them from the VNI or EVI (RFC 8365 §5.1.2, RFC 8214).
fn instance(work: &mut Work<'_, '_, '_>, active: &Active<'_>, attributes: &mut Vec<(String, String)>) -> InstanceFacts {
    let name = instance_name(&work.service.key);
    let mut facts = InstanceFacts { name, rd: None, rt: Vec::new(), families: Vec::new() };
    let Some(said) = &active.part.instance else { return facts };
    match said.rd.value {
        Rd::Unsaid => {}
        Rd::Fixed(value) => facts.rd = Some(value.to_string()),
        Rd::Auto => match active.router_id() {
            Some(router_id) => {
                let number = work.number(&pools::rd(router_id), &active.element.name, work.ranges().rd, &said.rd.path);
                facts.rd = number.map(|number| format!("{router_id}:{number}"));
            }
            None => {
                let message =
                    format!("element {} has no router id in the inventory (`router_id`)", active.element.name);
                work.fault(&said.rd.path, ErrorTag::InvalidValue, message);
            }
        },
    }
    if facts.rd.is_some() {
        attributes.push(("instance.rd".into(), said.rd.path.clone()));
    }
    let mut merged: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for target in &said.targets {
        attributes.push(("evpn.rt".into(), target.path.clone()));
        let both = merged.entry(target.value.value.to_string()).or_default();
        *both = (both.0 | target.value.import, both.1 | target.value.export);
    }
    // The family of a layer 2 target says nothing; the contract has no word for "none".
    let family = crate::service::element_service::Family::Ipv4;
    facts.rt =
        merged.into_iter().map(|(value, (import, export))| RouteTarget { family, value, import, export }).collect();
    facts
}

/// Derived route targets contain the AS: with two of them the ends would not find each other.
fn same_asn(work: &mut Work<'_, '_, '_>, parts: &[Active<'_>]) {
    let explicit = |active: &Active<'_>| active.part.instance.as_ref().is_some_and(|i| !i.targets.is_empty());
    if work.service.technology == Technology::LdpPseudowire || parts.iter().all(explicit) {
        return;
    }
    if parts.windows(2).any(|pair| pair[0].asn() != pair[1].asn()) {
        let path = work.service.path.clone();
        work.fault(
            &path,
            ErrorTag::InvalidValue,
            "the elements are in different autonomous systems: give route targets",
        );
    }
}
