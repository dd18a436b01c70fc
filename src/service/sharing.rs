//! Explicit numbers that more than one service uses: allowed for route targets, and said; refused where an element can
//! have a number only once.

use super::admission::element_of;
use super::canonical::{Rd, Service};
use super::error::{ErrorTag, ServiceError};
use crate::domain::{Element, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Which explicit numbers the services of the domain use.
#[derive(Clone, Debug, Default)]
pub struct NumberUse {
    uses: BTreeMap<Number, Vec<Use>>,
    by_service: BTreeMap<ServiceKey, BTreeSet<Number>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    /// On one element.
    RouteDistinguisher(String, String),
    /// Between one element and a peer.
    Pseudowire(String, IpAddr, u32),
    /// In the domain.
    RouteTarget(String),
}

#[derive(Clone, Debug)]
struct Use {
    service: ServiceKey,
    customer: String,
    path: String,
}

impl NumberUse {
    /// What these services use.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>, inventory: &[Element]) -> Self {
        let mut all = Self::default();
        services.into_iter().for_each(|service| all.add(service, inventory));
        all
    }

    /// Adds one service.
    pub fn add(&mut self, service: &Service, inventory: &[Element]) {
        for (number, path) in numbers(service, inventory) {
            self.by_service.entry(service.key.clone()).or_default().insert(number.clone());
            self.uses.entry(number).or_default().push(Use {
                service: service.key.clone(),
                customer: service.customer.clone(),
                path,
            });
        }
    }

    /// Takes one service out.
    pub fn remove(&mut self, service: &ServiceKey) {
        for number in self.by_service.remove(service).unwrap_or_default() {
            if let Some(uses) = self.uses.get_mut(&number) {
                uses.retain(|other| &other.service != service);
                if uses.is_empty() {
                    self.uses.remove(&number);
                }
            }
        }
    }

    /// Whether the numbers of `service` may stand beside the others'. Its own use is not held against it. The warnings
    /// name route targets of *other customers*: perhaps an extranet, perhaps two customers mixed by a slip.
    pub fn check(&self, service: &Service, inventory: &[Element]) -> Result<Vec<String>, Vec<ServiceError>> {
        let (mut faults, mut warnings) = (BTreeSet::new(), BTreeSet::new());
        for (number, path) in numbers(service, inventory) {
            for other in self.uses.get(&number).into_iter().flatten().filter(|other| other.service != service.key) {
                let message = match &number {
                    Number::RouteTarget(value) if other.customer != service.customer => {
                        let customer = if other.customer.is_empty() { "no named customer" } else { &other.customer };
                        warnings.insert(format!(
                            "route target {value} is also used by service {} of {customer}",
                            other.service
                        ));
                        continue;
                    }
                    Number::RouteTarget(_) => continue,
                    Number::RouteDistinguisher(element, value) => {
                        format!(
                            "route distinguisher {value} on element {element} is taken by service {} at {}",
                            other.service, other.path
                        )
                    }
                    Number::Pseudowire(element, peer, id) => {
                        format!(
                            "pseudowire {id} from element {element} to {peer} is taken by service {} at {}",
                            other.service, other.path
                        )
                    }
                };
                faults.insert(ServiceError::new(&path, ErrorTag::InUse, message));
            }
        }
        if faults.is_empty() { Ok(warnings.into_iter().collect()) } else { Err(faults.into_iter().collect()) }
    }
}

/// The explicit numbers of a service with the path that said them.
fn numbers(service: &Service, inventory: &[Element]) -> Vec<(Number, String)> {
    let mut out = BTreeMap::new();
    for part in &service.parts {
        let Ok(element) = element_of(inventory, &part.element) else { continue };
        if let Some(instance) = &part.instance {
            if let Rd::Fixed(rd) = instance.rd.value {
                let number = Number::RouteDistinguisher(element.name.clone(), rd.to_string());
                out.entry(number).or_insert_with(|| instance.rd.path.clone());
            }
            for target in &instance.targets {
                out.entry(Number::RouteTarget(target.value.value.to_string())).or_insert_with(|| target.path.clone());
            }
        }
        if let Some(wire) = &part.pseudowire {
            let number = Number::Pseudowire(element.name.clone(), wire.peer.value, wire.vc_id.value);
            out.entry(number).or_insert_with(|| wire.vc_id.path.clone());
        }
    }
    out.into_iter().collect()
}
