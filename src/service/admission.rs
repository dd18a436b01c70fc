//! Admission: are the elements, ports and VLANs of a service there, and are they free?
//!
//! Looks at the service, the inventory and the use that the other services of the domain make of its ports. What stands
//! on the element without any service (a sub-interface made by hand) is seen at first contact by the planner, not here.
//!
//! The cost follows the service's own end points and what is in their way, not the number of services.

use super::canonical::{EndPoint, Part, Said, Service};
use super::element_service::Match;
use super::error::{ErrorTag, ServiceError};
use crate::domain::{Element, Inventory, Map, ServiceKey, Visits};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The element that a document means: by name first, then by `ne_id`.
pub fn element_of<'a>(inventory: &'a Inventory, said: &Said<String>) -> Result<&'a Element, ServiceError> {
    let named = inventory.get(&said.value);
    let mut answering = inventory.answering(&said.value);
    let bad = |message: String| Err(ServiceError::new(&said.path, ErrorTag::InvalidValue, message));
    let element = match (named, answering.next(), answering.next()) {
        (Some(element), ..) | (None, Some(element), None) => element,
        (None, None, _) => return bad(format!("no element '{}' in this domain", said.value)),
        (None, Some(_), Some(_)) => return bad(format!("more than one element answers to '{}'", said.value)),
    };
    if !element.managed {
        return bad(format!("element {} is not managed (it left the inventory)", element.name));
    }
    Ok(element)
}

/// How documents may call an element: by its name, and by its `ne_id` where that is not the name of another one.
pub(super) fn called<'a>(inventory: &Inventory, element: &'a Element) -> impl Iterator<Item = &'a str> + use<'a> {
    let other = element.ne_id.as_deref().filter(|ne_id| *ne_id != element.name && inventory.get(ne_id).is_none());
    std::iter::once(element.name.as_str()).chain(other)
}

/// Which services use which frames of which ports. An element is kept under the name by which the document calls it, so
/// that a change of the inventory moves nothing here.
#[derive(Clone, Debug, Default)]
pub struct PortUse {
    uses: Map<Arc<Place>, Use>,
    /// The places of each service, so that taking one out does not visit all.
    by_service: Map<ServiceKey, Arc<[Arc<Place>]>>,
}

/// Sorted so that everything that may be in the way of some frames stands together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    element: Arc<str>,
    port: Arc<str>,
    slot: Slot,
    service: Arc<ServiceKey>,
    /// Counts the uses that one service makes of one slot.
    nth: u32,
}

/// What of a port is used, as coarse as two uses can exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// The port itself.
    Whole,
    /// Frames with this (outer) tag.
    Tag(u16),
}

#[derive(Clone, Debug)]
struct Use {
    path: Arc<str>,
    frames: Match,
}

impl PortUse {
    /// An empty use that counts its visits with others.
    pub fn new(visits: &Visits) -> Self {
        Self { uses: Map::new(visits), by_service: Map::new(visits) }
    }

    /// The use that these services make of ports.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>) -> Self {
        let mut all = Self::default();
        services.into_iter().for_each(|service| all.add(service));
        all
    }

    /// Adds one service, or its new version in the place of the old one.
    pub fn add(&mut self, service: &Service) {
        self.remove(&service.key);
        let key = Arc::new(service.key.clone());
        let mut places: BTreeMap<Arc<Place>, Use> = BTreeMap::new();
        for part in &service.parts {
            let element: Arc<str> = part.element.value.as_str().into();
            for end in &part.ends {
                let frames = end.frames.value;
                let mut place = Place {
                    element: element.clone(),
                    port: end.port.value.as_str().into(),
                    slot: slot(frames),
                    service: key.clone(),
                    nth: 0,
                };
                while places.contains_key(&place) {
                    place.nth += 1;
                }
                places.insert(Arc::new(place), Use { path: end.frames.path.as_str().into(), frames });
            }
        }
        if !places.is_empty() {
            self.by_service.insert(service.key.clone(), places.keys().cloned().collect());
        }
        places.into_iter().for_each(|(place, used)| self.uses.insert(place, used));
    }

    /// Takes one service out: it was deleted, or its new version comes.
    pub fn remove(&mut self, service: &ServiceKey) {
        let places = self.by_service.get(service).cloned();
        for place in places.iter().flat_map(|places| places.iter()) {
            self.uses.remove(place);
        }
        self.by_service.remove(service);
    }

    /// What others use of a port so that `frames` cannot be used, with the service and the path that says it.
    fn in_the_way<'a>(
        &'a self,
        element: &'a str,
        port: &'a str,
        frames: Match,
        own: &'a ServiceKey,
    ) -> impl Iterator<Item = (&'a ServiceKey, &'a Use)> {
        let slots = match slot(frames) {
            // The whole port: whatever is there.
            Slot::Whole => vec![(Slot::Whole, Slot::Tag(u16::MAX))],
            tag @ Slot::Tag(_) => vec![(Slot::Whole, Slot::Whole), (tag, tag)],
        };
        let service = Arc::new(ServiceKey { face: String::new(), id: String::new() });
        let (element, port): (Arc<str>, Arc<str>) = (element.into(), port.into());
        let found = slots.into_iter().flat_map(move |(first, last)| {
            let place =
                Place { element: element.clone(), port: port.clone(), slot: first, service: service.clone(), nth: 0 };
            let (element, port) = (element.clone(), port.clone());
            let here = move |place: &Place| place.element == element && place.port == port && place.slot <= last;
            self.uses.range(Arc::new(place)..).take_while(move |(place, _)| here(place))
        });
        found
            .filter(move |(place, used)| *place.service != *own && overlap(frames, used.frames))
            .map(|(place, used)| (&*place.service, used))
    }
}

fn slot(frames: Match) -> Slot {
    match frames {
        Match::Port | Match::Untagged => Slot::Whole,
        Match::Dot1q { vid } => Slot::Tag(vid),
        Match::Qinq { svid, .. } => Slot::Tag(svid),
    }
}

/// Whether `service` may stand beside the others. `others` may contain it: its own use is not held against it.
pub fn admit(service: &Service, others: &PortUse, inventory: &Inventory) -> Result<(), Vec<ServiceError>> {
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
            for name in called(inventory, element) {
                for (other, used) in others.in_the_way(name, &port.1, frames, &service.key) {
                    faults.push(taken(format!("service {other} ({}) at {}", Words(used.frames), used.path)));
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
