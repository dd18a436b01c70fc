//! BGP/MPLS IP VPN: a VRF per element, with route targets by topology.

use super::{Active, Work, family_of, pools};
use crate::service::canonical::{Admin, EndPoint, Instance, InstanceRole, Rd, StaticRoute, Topology};
use crate::service::element_service::{Family, InstanceFacts, RouteTarget, Routing};
use crate::service::error::ErrorTag;
use crate::service::instance_name;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn decompose(work: &mut Work<'_, '_, '_>, parts: &[Active<'_>]) {
    let Some(targets) = automatic_targets(work, parts) else { return };
    for active in parts {
        let mut built = work.skeleton(active, parts);
        let Some(instance) = &active.part.instance else {
            work.fault(&active.part.path, ErrorTag::MissingElement, "an IP VPN needs an active instance profile here");
            continue;
        };
        if built.element.asn.is_none() {
            let message = format!("element {} has no autonomous system in the inventory (`asn`)", active.element.name);
            work.fault(&active.part.element.path, ErrorTag::InvalidValue, message);
        }
        let families = families(work, active, instance, &mut built.attributes);
        let rd = route_distinguisher(work, active, instance);
        built.attributes.push(("instance.rd".into(), instance.rd.path.clone()));
        built.instance = Some(InstanceFacts {
            name: instance_name(&work.service.key),
            rd,
            rt: route_targets(instance, &families, &targets),
            families: families.iter().copied().collect(),
        });
        check_addresses(work, active);
        for end in &active.ends {
            let mut access = work.access(active.part, end, &mut built.attributes);
            access.routing = routing(work, end, &families, built.element.asn, &mut built.attributes);
            built.accesses.push(access);
        }
        work.out.elements.insert(active.element.name.clone(), built);
    }
}

/// The automatic route targets of the service.
#[derive(Default)]
struct Automatic {
    /// Of all in any-to-any, of the hubs in hub-spoke.
    first: Option<String>,
    /// Of the spokes.
    spoke: Option<String>,
    /// More than one hub: they reach each other (RFC 9181, hub-spoke as opposed to hub-spoke-disjoint).
    hubs_meet: bool,
}

/// Takes one number for any-to-any and two for hub-spoke, if some family of some instance has no explicit target.
/// `None` after a fault.
fn automatic_targets(work: &mut Work<'_, '_, '_>, parts: &[Active<'_>]) -> Option<Automatic> {
    let instances: Vec<(&Active<'_>, &Instance)> =
        parts.iter().filter_map(|active| Some((active, active.part.instance.as_ref()?))).collect();
    let lacking: Vec<&Instance> =
        instances.iter().filter(|(active, instance)| lacks_targets(active, instance)).map(|(_, i)| *i).collect();
    let Some(first) = lacking.first() else { return Some(Automatic::default()) };
    let path = first.path.clone();
    if work.service.topology == Topology::HubSpoke {
        for instance in &lacking {
            if instance.role == InstanceRole::AnyToAny {
                let message = "in hub-spoke an instance profile has hub-role or spoke-role, or explicit route targets";
                work.fault(&instance.path, ErrorTag::InvalidValue, message);
            }
        }
        if !work.faults.is_empty() {
            return None;
        }
    }
    let asns: BTreeSet<u32> = parts.iter().filter_map(Active::asn).collect();
    let mut asns = asns.into_iter();
    let (Some(asn), None) = (asns.next(), asns.next()) else {
        let message = "automatic route targets need one autonomous system, the same on all elements of the service; \
                       set `asn` in the inventory or give route targets";
        work.fault(&path, ErrorTag::InvalidValue, message);
        return None;
    };
    let topology = work.service.topology;
    let range = pools::rts(asn, &work.ranges().rt);
    let mut take =
        |place: &str| work.number(&pools::rt(asn), place, range.clone(), &path).map(|number| format!("{asn}:{number}"));
    Some(match topology {
        Topology::AnyToAny => Automatic { first: Some(take("")?), spoke: None, hubs_meet: false },
        Topology::HubSpoke => Automatic {
            first: Some(take("hub")?),
            spoke: Some(take("spoke")?),
            hubs_meet: instances.iter().filter(|(_, instance)| instance.role == InstanceRole::Hub).count() > 1,
        },
    })
}

fn lacks_targets(active: &Active<'_>, instance: &Instance) -> bool {
    let explicit = |family| instance.targets.iter().any(|target| target.value.family == Some(family));
    wanted_families(active, instance).keys().any(|family| !explicit(*family))
}

/// The families of an instance with the path that asked first: those of the profile, else those of the addresses on its
/// accesses, else IPv4.
fn wanted_families(active: &Active<'_>, instance: &Instance) -> BTreeMap<Family, String> {
    let mut families = BTreeMap::new();
    for said in &instance.families {
        families.entry(said.value).or_insert_with(|| said.path.clone());
    }
    if families.is_empty() {
        for address in active.ends.iter().flat_map(|end| &end.addresses) {
            families.entry(family_of(address.value.addr())).or_insert_with(|| address.path.clone());
        }
    }
    if families.is_empty() {
        families.insert(Family::Ipv4, instance.path.clone());
    }
    families
}

fn families(
    work: &mut Work<'_, '_, '_>,
    active: &Active<'_>,
    instance: &Instance,
    attributes: &mut Vec<(String, String)>,
) -> BTreeSet<Family> {
    let wanted = wanted_families(active, instance);
    for address in active.ends.iter().flat_map(|end| &end.addresses) {
        let family = family_of(address.value.addr());
        if !wanted.contains_key(&family) {
            let message = format!("instance profile '{}' does not carry {}", instance.profile, word(family));
            work.fault(&address.path, ErrorTag::InvalidValue, message);
        }
    }
    for (family, path) in &wanted {
        attributes.push((format!("instance.{}", word(*family)), path.clone()));
    }
    wanted.into_keys().collect()
}

fn route_distinguisher(work: &mut Work<'_, '_, '_>, active: &Active<'_>, instance: &Instance) -> Option<String> {
    if let Rd::Fixed(value) = instance.rd.value {
        return Some(value.to_string());
    }
    let Some(router_id) = active.router_id() else {
        let message = format!(
            "an automatic route distinguisher needs the router id of element {} (inventory, `router_id`)",
            active.element.name
        );
        work.fault(&instance.rd.path, ErrorTag::InvalidValue, message);
        return None;
    };
    let range = work.ranges().rd;
    let number = work.number(&pools::rd(router_id), &active.element.name, range, &instance.rd.path)?;
    Some(format!("{router_id}:{number}"))
}

/// Explicit targets as they are; for a family without any the automatic ones: a hub exports H and imports S, a spoke
/// exports S and imports H.
fn route_targets(instance: &Instance, families: &BTreeSet<Family>, automatic: &Automatic) -> Vec<RouteTarget> {
    let mut merged: BTreeMap<(Family, String), (bool, bool)> = BTreeMap::new();
    let mut add = |family: Family, value: &Option<String>, import: bool, export: bool| {
        if let Some(value) = value {
            let target = merged.entry((family, value.clone())).or_default();
            *target = (target.0 | import, target.1 | export);
        }
    };
    for family in families {
        let mut explicit = instance.targets.iter().filter(|target| target.value.family == Some(*family)).peekable();
        if explicit.peek().is_some() {
            explicit.for_each(|t| add(*family, &Some(t.value.value.to_string()), t.value.import, t.value.export));
            continue;
        }
        match instance.role {
            InstanceRole::AnyToAny => add(*family, &automatic.first, true, true),
            InstanceRole::Hub => {
                add(*family, &automatic.first, automatic.hubs_meet, true);
                add(*family, &automatic.spoke, true, false);
            }
            InstanceRole::Spoke => {
                add(*family, &automatic.spoke, false, true);
                add(*family, &automatic.first, true, false);
            }
        }
    }
    merged
        .into_iter()
        .map(|((family, value), (import, export))| RouteTarget { family, value, import, export })
        .collect()
}

/// Subnets of one instance on one element must not overlap.
fn check_addresses(work: &mut Work<'_, '_, '_>, active: &Active<'_>) {
    let mut seen: Vec<(ipnet::IpNet, &EndPoint)> = Vec::new();
    for end in &active.ends {
        for address in &end.addresses {
            let net = address.value.trunc();
            if let Some((other, holder)) = seen.iter().find(|(other, _)| other.contains(&net) || net.contains(other)) {
                let message = format!("{} overlaps {other} of access {}", address.value, holder.id);
                work.fault(&address.path, ErrorTag::InvalidValue, message);
            }
            seen.push((net, end));
        }
    }
}

fn routing(
    work: &mut Work<'_, '_, '_>,
    end: &EndPoint,
    families: &BTreeSet<Family>,
    asn: Option<u32>,
    attributes: &mut Vec<(String, String)>,
) -> Vec<Routing> {
    let mut note = |token: &str, path: &str| attributes.push((token.into(), path.into()));
    let mut routes: Vec<&StaticRoute> = end.routes.iter().filter(|route| route.admin == Admin::Up).collect();
    routes.sort_by_key(|route| (route.prefix, route.next_hop));
    let mut out = Vec::new();
    for route in routes {
        let family = family_of(route.prefix.addr());
        if !families.contains(&family) {
            work.fault(&route.path, ErrorTag::InvalidValue, format!("the instance does not carry {}", word(family)));
        }
        note(&format!("access.static.{}", word(family)), &route.path);
        let mut take = |token: &str, said: &Option<crate::service::Said<u32>>| {
            let said = said.as_ref()?;
            note(token, &said.path);
            Some(said.value)
        };
        out.push(Routing::Static {
            family,
            prefix: route.prefix,
            next_hop: route.next_hop,
            metric: take("access.static.metric", &route.metric),
            preference: take("access.static.preference", &route.preference),
            tag: take("access.static.tag", &route.tag),
        });
    }
    let mut sessions: Vec<_> =
        end.sessions.iter().filter(|session| session.admin.value != Admin::PreDeployment).collect();
    sessions.sort_by_key(|session| session.neighbor);
    for session in sessions {
        for family in session.families.iter().chain(&session.redistribute_connected) {
            if !families.contains(&family.value) {
                let message = format!("the instance does not carry {}", word(family.value));
                work.fault(&family.path, ErrorTag::InvalidValue, message);
            }
        }
        note("access.bgp", &session.path);
        for family in &session.families {
            note(&format!("access.bgp.{}", word(family.value)), &family.path);
        }
        if session.admin.value == Admin::Down {
            note("access.bgp.admin-down", &session.admin.path);
        }
        let local_as = session.local_as.as_ref().filter(|said| Some(said.value) != asn);
        let mut mark = |token: &str, path: Option<&String>| path.into_iter().for_each(|path| note(token, path));
        mark("access.bgp.local-as", local_as.map(|said| &said.path));
        mark("access.bgp.description", session.description.as_ref().map(|said| &said.path));
        mark("access.bgp.multihop", session.multihop.as_ref().map(|said| &said.path));
        mark("access.bgp.as-override", session.as_override.as_ref().map(|said| &said.path));
        mark("access.bgp.allow-own-as", session.allow_own_as.as_ref().map(|said| &said.path));
        mark("access.bgp.timers", session.timers.as_ref().map(|said| &said.path));
        mark("access.bgp.password", session.password.as_ref().map(|said| &said.path));
        mark("access.bgp.max-prefix", session.max_prefix.as_ref().map(|said| &said.path));
        mark("access.bgp.max-prefix.warning-only", session.max_prefix_warning_only.as_ref().map(|said| &said.path));
        for family in &session.redistribute_connected {
            mark("access.bgp.redistribute-connected", Some(&family.path));
        }
        let list = |said: &[crate::service::Said<Family>]| -> Vec<Family> {
            said.iter().map(|said| said.value).collect::<BTreeSet<_>>().into_iter().collect()
        };
        out.push(Routing::Bgp {
            neighbor: session.neighbor,
            family: family_of(session.neighbor),
            families: list(&session.families),
            peer_as: session.peer_as.value,
            local_as: local_as.map(|said| said.value),
            description: session.description.as_ref().map(|said| said.value.clone()).unwrap_or_default(),
            multihop: session.multihop.as_ref().map(|said| said.value),
            as_override: session.as_override.is_some(),
            allow_own_as: session.allow_own_as.as_ref().map(|said| said.value),
            keepalive: session.timers.as_ref().map(|said| said.value.0),
            hold_time: session.timers.as_ref().map(|said| said.value.1),
            password: session.password.as_ref().map(|said| said.value.clone()),
            max_prefix: session.max_prefix.as_ref().map(|said| said.value),
            max_prefix_warning_only: session.max_prefix_warning_only.is_some(),
            redistribute_connected: list(&session.redistribute_connected),
            admin: session.admin.value == Admin::Up,
        });
    }
    out
}

fn word(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}
