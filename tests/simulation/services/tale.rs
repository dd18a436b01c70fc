//! A story of services: orchestrators ask a daemon for them, in a world that breaks. Plain words, as in `story.rs`.

use crate::story::{Nature, Twist};
use andante::domain::{Class, Offer, QueuePolicy, ServiceKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long people ask and things happen, milliseconds.
pub const LENGTH: u64 = 90_000;
/// The services of a tale are numbered from 1 to this.
pub const SERVICES: u8 = 4;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tale {
    pub seed: u64,
    pub elements: Vec<Nature>,
    pub asks: Vec<Ask>,
    #[serde(default)]
    pub twists: Vec<Twist>,
}

/// Something that somebody asks of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Milliseconds after the start of the story.
    pub at: u64,
    pub want: Want,
    /// The request has a name: without an answer it is sent again, under the same name.
    #[serde(default)]
    pub named: bool,
    /// It is sent once more, under the same name, so many milliseconds after it was answered.
    #[serde(default)]
    pub again: Option<u64>,
    /// It is planned first, and the plan that was looked at is committed so many milliseconds later. Who wants to call
    /// something off waits so long after he has seen it.
    #[serde(default)]
    pub pinned: Option<u64>,
    /// Elements that are away get it later.
    #[serde(default)]
    pub queue: Option<QueuePolicy>,
    /// Hand-made changes may be overwritten, and unclaimed children go along.
    #[serde(default)]
    pub anyway: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Want {
    /// These services are to be so.
    Put(Vec<(u8, Spec)>),
    /// This service is to go.
    Delete(u8),
    /// Everything on this element is to be as intended.
    Heal(usize),
    /// This service is to be again as it was so many revisions ago.
    Rollback(u8, u8),
    /// What this request did is to be undone.
    Undo(usize),
    /// This request is to be called off, as soon as it is seen to run.
    Cancel(usize),
    /// The first unresolved transaction that is seen is to be ended so.
    Resolve(Offer),
}

/// What a service asks for. Everything else of its document follows from its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub ends: Vec<End>,
    /// Static routes at each end.
    #[serde(default)]
    pub routes: u8,
    /// The customer's name, which stands in texts on the elements.
    #[serde(default)]
    pub customer: u8,
}

/// One end of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub element: usize,
    pub port: u8,
    pub vlan: u16,
}

pub fn key(service: u8) -> ServiceKey {
    ServiceKey { face: "ietf-l3vpn-ntw".into(), id: format!("s{service}") }
}

/// The adapter of an element of this class.
pub fn platform(class: Class) -> &'static str {
    if class == Class::D { "frr" } else { "iosxr" }
}

pub fn port(platform: &str, number: u8) -> String {
    if platform == "frr" { format!("eth{number}") } else { format!("GigabitEthernet0/0/0/{number}") }
}

impl Want {
    /// What else it is than a wish for services.
    pub fn verb(&self) -> Option<&'static str> {
        Some(match self {
            Want::Put(_) | Want::Delete(_) | Want::Heal(_) => return None,
            Want::Rollback(..) => "rollback",
            Want::Undo(_) => "undo",
            Want::Cancel(_) => "cancel",
            Want::Resolve(offer) => offer.as_str(),
        })
    }
}

impl Spec {
    /// An L3VPN with an address at each end, all numbers automatic.
    pub fn document(&self, service: u8, elements: &[Nature]) -> Value {
        let up = json!({"admin-status": {"status": "ietf-vpn-common:admin-up"}});
        let id = format!("s{service}");
        let node = |(nth, end): (usize, &End)| {
            let name = format!("pe{}", end.element + 1);
            let port = port(platform(elements[end.element].class), end.port);
            let here = |last: usize| format!("198.51.{service}.{}", nth * 4 + last);
            let routes: Vec<Value> = (0..self.routes)
                .map(|route| json!({"lan": format!("10.{service}.{}.0/24", nth * 8 + usize::from(route)), "next-hop": here(2)}))
                .collect();
            let routing = if routes.is_empty() {
                json!([])
            } else {
                json!([{"id": "static", "type": "ietf-vpn-common:static-routing",
                    "static": {"cascaded-lan-prefixes": {"ipv4-lan-prefixes": routes}}}])
            };
            let mut access = json!({
                "id": format!("{id}-{nth}"), "interface-id": port,
                "vpn-instance-profile": "main", "status": up,
                "connection": {"encapsulation": {"type": "ietf-vpn-common:dot1q", "dot1q": {"cvlan-id": end.vlan}}},
                "ip-connection": {"ipv4": {"local-address": here(1),
                    "prefix-length": 30, "address-allocation-type": "static-address", "primary-address": "1",
                    "address": [{"address-id": "1", "customer-address": here(2)}]}},
            });
            if self.routes > 0 {
                access["routing-protocols"] = json!({"routing-protocol": routing});
            }
            json!({
                "vpn-node-id": name, "ne-id": name, "status": up,
                "active-vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main"}]},
                "vpn-network-accesses": {"vpn-network-access": [access]}
            })
        };
        let nodes: Vec<Value> = self.ends.iter().enumerate().map(node).collect();
        let family = json!({"address-family": "ietf-vpn-common:ipv4"});
        json!({"ietf-l3vpn-ntw:l3vpn-ntw": {"vpn-services": {"vpn-service": [{
            "vpn-id": id, "vpn-name": id, "customer-name": format!("customer {}", self.customer),
            "vpn-type": "ietf-vpn-common:l3vpn",
            "vpn-service-topology": "ietf-vpn-common:any-to-any", "status": up,
            "vpn-instance-profiles": {"vpn-instance-profile": [{"profile-id": "main",
                "role": "ietf-vpn-common:any-to-any-role", "local-as": 65000, "address-family": [family]}]},
            "vpn-nodes": {"vpn-node": nodes}
        }]}}})
    }
}

impl Ask {
    pub fn put(at: u64, service: u8, ends: &[(usize, u8, u16)]) -> Self {
        let ends = ends.iter().map(|&(element, port, vlan)| End { element, port, vlan }).collect();
        Self::of(at, Want::Put(vec![(service, Spec { ends, routes: 1, customer: 1 })]))
    }

    pub fn delete(at: u64, service: u8) -> Self {
        Self::of(at, Want::Delete(service))
    }

    pub fn of(at: u64, want: Want) -> Self {
        Self { at, want, named: false, again: None, pinned: None, queue: None, anyway: false }
    }
}

impl Tale {
    /// Elements of these classes, and nothing that breaks.
    pub fn of(seed: u64, classes: &[Class], asks: Vec<Ask>) -> Self {
        let elements = classes.iter().map(|class| Nature { class: *class, startup: true, habits: vec![] }).collect();
        Self { seed, elements, asks, twists: vec![] }
    }

    /// The services that a request may change.
    pub fn services(&self, want: &Want) -> Vec<u8> {
        match want {
            Want::Put(all) => all.iter().map(|(service, _)| *service).collect(),
            Want::Delete(service) | Want::Rollback(service, _) => vec![*service],
            Want::Undo(other) => self.services(&self.asks[*other].want),
            Want::Heal(_) | Want::Cancel(_) | Want::Resolve(_) => vec![],
        }
    }

    /// The same without one of its requests, and without those that are about it.
    pub fn without(&self, at: usize) -> Self {
        let about = |ask: &Ask| if let Want::Undo(other) | Want::Cancel(other) = ask.want { Some(other) } else { None };
        let mut asks = Vec::new();
        for (_, ask) in self.asks.iter().enumerate().filter(|(nth, ask)| *nth != at && about(ask) != Some(at)) {
            let mut ask = ask.clone();
            if let Want::Undo(other) | Want::Cancel(other) = &mut ask.want {
                // Only requests that come before may be meant.
                *other -= usize::from(*other > at);
            }
            asks.push(ask);
        }
        Self { asks, ..self.clone() }
    }
}
