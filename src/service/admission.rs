//! Admission: are the elements, ports and VLANs of a service there, and are they free?
//!
//! Looks at the service, the inventory and the other services of the domain. What stands on the element without any
//! service (a sub-interface made by hand) is seen at first contact by the planner, not here.

use super::canonical::{EndPoint, Part, Said, Service};
use super::element_service::Match;
use super::error::{ErrorTag, ServiceError};
use crate::domain::{Element, ServiceKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The element that a document means: by name first, then by `ne_id`.
pub fn element_of<'a>(inventory: &'a [Element], said: &Said<String>) -> Result<&'a Element, ServiceError> {
    let named = inventory.iter().find(|element| element.name == said.value);
    let mut others = inventory.iter().filter(|element| element.answers_to(&said.value));
    let bad = |message: String| Err(ServiceError::new(&said.path, ErrorTag::InvalidValue, message));
    let element = match (named, others.next(), others.next()) {
        (Some(element), ..) | (None, Some(element), None) => element,
        (None, None, _) => return bad(format!("no element '{}' in this domain", said.value)),
        (None, Some(_), Some(_)) => return bad(format!("more than one element answers to '{}'", said.value)),
    };
    if !element.managed {
        return bad(format!("element {} is not managed (it left the inventory)", element.name));
    }
    Ok(element)
}

/// Which services use which frames of which ports.
#[derive(Clone, Debug, Default)]
pub struct PortUse {
    ports: BTreeMap<(String, String), Vec<Use>>,
    /// The ports of each service, so that taking one out does not visit all.
    by_service: BTreeMap<ServiceKey, BTreeSet<(String, String)>>,
}

#[derive(Clone, Debug)]
struct Use {
    service: ServiceKey,
    path: String,
    frames: Match,
}

impl PortUse {
    /// The use that these services make of ports. Ends on unknown elements are left out: such a service is refused, or
    /// was admitted while the element was known under that name.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>, inventory: &[Element]) -> Self {
        let mut names: HashMap<&str, &str> = HashMap::new();
        names.extend(inventory.iter().filter_map(|element| Some((element.ne_id.as_deref()?, element.name.as_str()))));
        // Later, so that a name goes before another element's `ne_id`.
        names.extend(inventory.iter().map(|element| (element.name.as_str(), element.name.as_str())));
        let mut all = Self::default();
        for service in services {
            all.insert(service, |said| names.get(said).map(ToString::to_string));
        }
        all
    }

    /// Adds one service.
    pub fn add(&mut self, service: &Service, inventory: &[Element]) {
        let named = |said: &str| inventory.iter().find(|element| element.name == said);
        let known = |said: &str| named(said).or_else(|| inventory.iter().find(|element| element.answers_to(said)));
        self.insert(service, |said| known(said).map(|element| element.name.clone()));
    }

    /// Takes one service out: it was deleted, or its new version comes.
    pub fn remove(&mut self, service: &ServiceKey) {
        for port in self.by_service.remove(service).unwrap_or_default() {
            if let Some(uses) = self.ports.get_mut(&port) {
                uses.retain(|other| &other.service != service);
                if uses.is_empty() {
                    self.ports.remove(&port);
                }
            }
        }
    }

    fn insert(&mut self, service: &Service, name: impl Fn(&str) -> Option<String>) {
        for part in &service.parts {
            let Some(element) = name(&part.element.value) else { continue };
            for end in &part.ends {
                let port = (element.clone(), end.port.value.clone());
                self.by_service.entry(service.key.clone()).or_default().insert(port.clone());
                self.ports.entry(port).or_default().push(Use {
                    service: service.key.clone(),
                    path: end.frames.path.clone(),
                    frames: end.frames.value,
                });
            }
        }
    }
}

/// Whether `service` may stand beside the others. `others` may contain it: its own use is not held against it.
pub fn admit(service: &Service, others: &PortUse, inventory: &[Element]) -> Result<(), Vec<ServiceError>> {
    let mut faults = Vec::new();
    let mut own: BTreeMap<(String, String), Vec<(&EndPoint, Match)>> = BTreeMap::new();
    for part in &service.parts {
        let element = match element_of(inventory, &part.element) {
            Ok(element) => element,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        check_facts(part, element, &mut faults);
        for end in &part.ends {
            if let Some(fault) = check_port(element, end) {
                faults.push(fault);
                continue;
            }
            let port = (element.name.clone(), end.port.value.clone());
            let frames = end.frames.value;
            let taken = |whose: String| {
                let message = format!("{}: port {}: {} is taken by {whose}", port.0, port.1, Words(frames));
                ServiceError::new(&end.frames.path, ErrorTag::InUse, message)
            };
            for other in others.ports.get(&port).into_iter().flatten() {
                if other.service != service.key && overlap(frames, other.frames) {
                    faults.push(taken(format!(
                        "service {} ({}) at {}",
                        other.service,
                        Words(other.frames),
                        other.path
                    )));
                }
            }
            let siblings = own.entry(port.clone()).or_default();
            for (sibling, taken_frames) in siblings.iter() {
                if overlap(frames, *taken_frames) {
                    faults.push(taken(format!("access {} of the same service at {}", sibling.id, sibling.frames.path)));
                }
            }
            siblings.push((end, frames));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What the document says of the element must be so.
fn check_facts(part: &Part, element: &Element, faults: &mut Vec<ServiceError>) {
    if let (Some(said), Some(known)) = (&part.router_id, element.router_id)
        && said.value != known
    {
        let message = format!("the router id of element {} is {known}", element.name);
        faults.push(ServiceError::new(&said.path, ErrorTag::InvalidValue, message));
    }
    if let (Some(said), Some(known)) = (&part.local_as, element.asn)
        && said.value != known
    {
        let message = format!("element {} is in AS {known}; another AS in a VPN is not served", element.name);
        faults.push(ServiceError::new(&said.path, ErrorTag::OperationNotSupported, message));
    }
}

fn check_port(element: &Element, end: &EndPoint) -> Option<ServiceError> {
    let (name, said) = (&element.name, &end.port.value);
    let message = match element.port(said) {
        None => format!("element {name} has no port '{said}' for services (inventory, `ports`)"),
        Some(port) if port.exclude => format!("port {said} of element {name} is excluded from services"),
        Some(port) if port.role == "core" || port.role == "management" => {
            format!("port {said} of element {name} is a {} port", port.role)
        }
        Some(_) => return None,
    };
    Some(ServiceError::new(&end.port.path, ErrorTag::InvalidValue, message))
}

/// Whether some frame would belong to both. A port is whole or tagged: all or untagged frames exclude every tag, since
/// on most platforms they put the port itself into the service.
pub fn overlap(a: Match, b: Match) -> bool {
    match (a, b) {
        (Match::Port | Match::Untagged, _) | (_, Match::Port | Match::Untagged) => true,
        (Match::Dot1q { vid: a }, Match::Dot1q { vid: b }) => a == b,
        (Match::Dot1q { vid }, Match::Qinq { svid, .. }) | (Match::Qinq { svid, .. }, Match::Dot1q { vid }) => {
            vid == svid
        }
        (Match::Qinq { svid, cvid }, Match::Qinq { svid: other_s, cvid: other_c }) => {
            (svid, cvid) == (other_s, other_c)
        }
    }
}

/// Frames in words.
struct Words(Match);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Match::Port => f.write_str("the whole port"),
            Match::Untagged => f.write_str("untagged traffic"),
            Match::Dot1q { vid } => write!(f, "VLAN {vid}"),
            Match::Qinq { svid, cvid } => write!(f, "VLAN {svid} with inner VLAN {cvid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_whole_or_tagged_and_tags_are_disjoint() {
        let (dot1q, qinq) = (|vid| Match::Dot1q { vid }, |svid, cvid| Match::Qinq { svid, cvid });
        let all = [Match::Port, Match::Untagged, dot1q(1), dot1q(2), qinq(1, 1), qinq(1, 2), qinq(2, 1)];
        let clash = |a, b| {
            assert_eq!(overlap(a, b), overlap(b, a));
            overlap(a, b)
        };
        for frames in all {
            assert!(clash(frames, Match::Port) && clash(frames, Match::Untagged) && clash(frames, frames));
        }
        assert!(!clash(dot1q(1), dot1q(2)) && !clash(qinq(1, 1), qinq(1, 2)) && !clash(qinq(1, 1), qinq(2, 1)));
        assert!(clash(dot1q(1), qinq(1, 2)) && !clash(dot1q(1), qinq(2, 1)));
    }
}
