//! Explicit numbers that more than one service uses: allowed for route targets, and said; refused where an element can
//! have a number only once.

use super::admission::{called, element_of};
use super::canonical::{Rd, Service};
use super::error::{ErrorTag, ServiceError};
use super::number::{RouteDistinguisher, TargetValue};
use crate::domain::{Inventory, Map, ServiceKey, Visits};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

/// Which explicit numbers the services of the domain use. An element is kept under the name by which the document calls
/// it, so that a change of the inventory moves nothing here.
#[derive(Clone, Debug, Default)]
pub struct NumberUse {
    /// With each use the path that says it.
    uses: Map<Arc<Use>, Arc<str>>,
    by_service: Map<ServiceKey, Arc<[Arc<Use>]>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    /// On one element.
    RouteDistinguisher(Arc<str>, RouteDistinguisher),
    /// Between one element and a peer.
    Pseudowire(Arc<str>, IpAddr, u32),
    /// In the domain.
    RouteTarget(TargetValue),
}

/// Sorted so that the users of a number stand together, those of one customer too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    number: Number,
    customer: Arc<str>,
    service: Arc<ServiceKey>,
}

impl NumberUse {
    /// An empty use that counts its visits with others.
    pub fn new(visits: &Visits) -> Self {
        Self { uses: Map::new(visits), by_service: Map::new(visits) }
    }

    /// What these services use.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>) -> Self {
        let mut all = Self::default();
        services.into_iter().for_each(|service| all.add(service));
        all
    }

    /// Adds one service, or its new version in the place of the old one.
    pub fn add(&mut self, service: &Service) {
        self.remove(&service.key);
        let (customer, key): (Arc<str>, _) = (service.customer.as_str().into(), Arc::new(service.key.clone()));
        let mut own = Vec::new();
        for (number, path) in numbers(service) {
            let used = Arc::new(Use { number, customer: customer.clone(), service: key.clone() });
            self.uses.insert(used.clone(), path.into());
            own.push(used);
        }
        if !own.is_empty() {
            self.by_service.insert(service.key.clone(), own.into());
        }
    }

    /// Takes one service out.
    pub fn remove(&mut self, service: &ServiceKey) {
        let own = self.by_service.get(service).cloned();
        for used in own.iter().flat_map(|own| own.iter()) {
            self.uses.remove(used);
        }
        self.by_service.remove(service);
    }

    /// Whether the numbers of `service` may stand beside the others'. Its own use is not held against it. The warnings
    /// name route targets of *other customers*: perhaps an extranet, perhaps two customers mixed by a slip. Of a target
    /// that very many others use a few are named.
    pub fn check(&self, service: &Service, inventory: &Inventory) -> Result<Vec<String>, Vec<ServiceError>> {
        let (mut faults, mut warnings) = (BTreeSet::new(), BTreeSet::new());
        let taken = |path: &str, message: String| ServiceError::new(path, ErrorTag::InUse, message);
        for (number, path) in numbers(service) {
            match number {
                Number::RouteTarget(value) => self.foreign(value, service, &mut warnings),
                Number::RouteDistinguisher(said, value) => {
                    for (name, said) in said_of(service, &said, inventory) {
                        for (other, at) in self.others(&Number::RouteDistinguisher(said, value), &service.key) {
                            let message = format!(
                                "route distinguisher {value} on element {name} is taken by service {other} at {at}"
                            );
                            faults.insert(taken(&path, message));
                        }
                    }
                }
                Number::Pseudowire(said, peer, id) => {
                    for (name, said) in said_of(service, &said, inventory) {
                        for (other, at) in self.others(&Number::Pseudowire(said, peer, id), &service.key) {
                            let message = format!(
                                "pseudowire {id} from element {name} to {peer} is taken by service {other} at {at}"
                            );
                            faults.insert(taken(&path, message));
                        }
                    }
                }
            }
        }
        if faults.is_empty() { Ok(warnings.into_iter().collect()) } else { Err(faults.into_iter().collect()) }
    }

    /// The other services that use a number of which there is one.
    fn others<'a>(
        &'a self,
        number: &'a Number,
        own: &'a ServiceKey,
    ) -> impl Iterator<Item = (&'a ServiceKey, &'a Arc<str>)> {
        let all = self.uses.range(Arc::new(first(number.clone(), "".into()))..);
        let all = all.take_while(move |(used, _)| used.number == *number);
        all.filter(move |(used, _)| *used.service != *own).map(|(used, path)| (&*used.service, path))
    }

    /// Services of other customers that use this route target.
    fn foreign(&self, value: TargetValue, service: &Service, warnings: &mut BTreeSet<String>) {
        let customer = &service.customer;
        let number = Number::RouteTarget(value);
        let mut from = Bound::Included(Arc::new(first(number.clone(), "".into())));
        let mut named = 0;
        loop {
            let Some((used, _)) = self.uses.range((from.clone(), Bound::Unbounded)).next() else { return };
            if used.number != number {
                return;
            }
            if *used.service == service.key {
                from = Bound::Excluded(used.clone());
                continue;
            }
            if *used.customer == **customer {
                // Behind all of the same customer, however many they are.
                let next: Arc<str> = format!("{customer}\0").into();
                from = Bound::Included(Arc::new(first(number.clone(), next)));
                continue;
            }
            if named >= NAMED {
                warnings.insert(format!("route target {value} is also used by more services of other customers"));
                return;
            }
            let whose = if used.customer.is_empty() { "no named customer" } else { &*used.customer };
            warnings.insert(format!("route target {value} is also used by service {} of {whose}", used.service));
            from = Bound::Excluded(used.clone());
            named += 1;
        }
    }
}

/// The place before all users of a number, or before those of one customer.
fn first(number: Number, customer: Arc<str>) -> Use {
    Use { number, customer, service: Arc::new(ServiceKey { face: String::new(), id: String::new() }) }
}

/// The element that `service` calls `said`, and all that it may be called.
fn said_of(service: &Service, said: &str, inventory: &Inventory) -> Vec<(String, Arc<str>)> {
    let part = service.parts.iter().find(|part| part.element.value == said);
    let Some(element) = part.and_then(|part| element_of(inventory, &part.element).ok()) else { return Vec::new() };
    called(inventory, element).map(|said| (element.name.clone(), said.into())).collect()
}

/// The explicit numbers of a service with the path that said them.
fn numbers(service: &Service) -> BTreeMap<Number, String> {
    let mut out = BTreeMap::new();
    for part in &service.parts {
        let element: Arc<str> = part.element.value.as_str().into();
        if let Some(instance) = &part.instance {
            if let Rd::Fixed(rd) = instance.rd.value {
                let number = Number::RouteDistinguisher(element.clone(), rd);
                out.entry(number).or_insert_with(|| instance.rd.path.clone());
            }
            for target in &instance.targets {
                out.entry(Number::RouteTarget(target.value.value)).or_insert_with(|| target.path.clone());
            }
        }
        if let Some(wire) = &part.pseudowire {
            let number = Number::Pseudowire(element, wire.peer.value, wire.vc_id.value);
            out.entry(number).or_insert_with(|| wire.vc_id.path.clone());
        }
    }
    out
}

/// How many foreign users of one route target are named.
const NAMED: usize = 8;
