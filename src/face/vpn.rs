//! What L3NM and L2NM have from `ietf-vpn-common` (RFC 9181), read the same way by both faces.

use super::Face;
use super::reader::{At, Reading};
use crate::domain::ServiceKey;
use crate::service::ErrorTag;
use crate::service::canonical::{Admin, Rd, Said, Target};
use crate::service::element_service::{Family, Match};
use crate::service::number::{RouteDistinguisher, TargetValue, VlanId};

/// `status/admin-status/status`: up when nothing is said. `oper-status` is state and never part of a document.
pub(super) fn admin(at: &At<'_>) -> Said<Admin> {
    let none = || Said::new(Admin::Up, at.path());
    let Some(status) = at.container("status").and_then(|status| status.container("admin-status")) else {
        return none();
    };
    status.for_people(&["last-change"]);
    let Some(said) = status.identity("status") else { return none() };
    let value = match said.value {
        "admin-up" => Admin::Up,
        "admin-down" => Admin::Down,
        "admin-pre-deployment" => Admin::PreDeployment,
        other => {
            status.fault_at(
                "status",
                ErrorTag::OperationNotSupported,
                format!("{other} is not served: up, down or pre-deployment"),
            );
            Admin::Up
        }
    };
    Said::new(value, said.path)
}

/// `rd`, `rd-auto/auto` or nothing.
pub(super) fn route_distinguisher(at: &At<'_>) -> Option<Said<Rd>> {
    // One case of a choice: beside a fixed value `rd-auto` is left unread, and so refused.
    if at.leaf("rd").is_some() {
        return at.parsed::<RouteDistinguisher>("rd").map(|said| said.map(Rd::Fixed));
    }
    at.container("rd-auto").and_then(|auto| auto.leaf("auto")).map(|said| said.map(|_| Rd::Auto))
}

/// `vpn-target` entries below `at`.
pub(super) fn targets(at: &At<'_>, families: &[Option<Family>]) -> Vec<Said<Target>> {
    let mut out = Vec::new();
    for entry in at.entries("vpn-target") {
        let (import, export) = match entry.leaf("route-target-type").map(|said| said.value) {
            Some("import") => (true, false),
            Some("export") => (false, true),
            Some("both") => (true, true),
            _ => {
                entry.fault_at("route-target-type", ErrorTag::MissingElement, "import, export or both");
                continue;
            }
        };
        let values = entry.entries("route-targets");
        if values.is_empty() {
            entry.fault_at(
                "route-targets",
                ErrorTag::MissingElement,
                "a VPN target without a route target says nothing",
            );
        }
        for value in values {
            match value.key("route-target").parse::<TargetValue>() {
                Ok(parsed) => {
                    out.extend(families.iter().map(|family| {
                        Said::new(Target { family: *family, value: parsed, import, export }, value.path())
                    }))
                }
                Err(error) => value.fault(ErrorTag::InvalidValue, error.to_string()),
            }
        }
    }
    out
}

/// An address family identity: one family or both.
pub(super) fn families(identity: &str) -> &'static [Family] {
    match identity {
        "ipv4" => &[Family::Ipv4],
        "ipv6" => &[Family::Ipv6],
        "dual-stack" => &[Family::Ipv4, Family::Ipv6],
        _ => &[],
    }
}

/// `connection/encapsulation`; `kind` is the name of the leaf with the type.
pub(super) fn frames(access: &At<'_>, kind: &str) -> Option<Said<Match>> {
    let Some(encapsulation) =
        access.container("connection").and_then(|connection| connection.container("encapsulation"))
    else {
        let message = format!(
            "priority-tagged, the default of encapsulation/{kind}, is not served: say dot1q, qinq, untagged-int or ethernet-type"
        );
        access.fault_at("connection", ErrorTag::OperationNotSupported, message);
        return None;
    };
    let said = encapsulation.identity(kind);
    let tags = |container: &Option<At<'_>>, usual: &str| {
        let Some(container) = container else { return };
        if let Some(tag) = container.identity("tag-type").filter(|tag| tag.value != usual) {
            let message = format!("tag type {} is not served here, only {usual}", tag.value);
            container.fault_at("tag-type", ErrorTag::OperationNotSupported, message);
        }
    };
    let vlan = |container: &Option<At<'_>>, leaf: &str| {
        let container = container.as_ref()?;
        if container.leaf(leaf).is_none() {
            container.fault_at(leaf, ErrorTag::MissingElement, "this encapsulation needs it");
        }
        container.parsed::<VlanId>(leaf).map(|said| said.value.number())
    };
    let value = match said.as_ref().map(|said| said.value) {
        Some("dot1q") => {
            let dot1q = encapsulation.container("dot1q");
            if dot1q.is_none() {
                encapsulation.fault_below("dot1q", "cvlan-id", ErrorTag::MissingElement, "this encapsulation needs it");
            }
            tags(&dot1q, "c-vlan");
            Match::Dot1q { vid: vlan(&dot1q, "cvlan-id")? }
        }
        Some("qinq") => {
            let qinq = encapsulation.container("qinq");
            if qinq.is_none() {
                encapsulation.fault_below("qinq", "svlan-id", ErrorTag::MissingElement, "this encapsulation needs it");
            }
            tags(&qinq, "s-c-vlan");
            let (svid, cvid) = (vlan(&qinq, "svlan-id"), vlan(&qinq, "cvlan-id"));
            Match::Qinq { svid: svid?, cvid: cvid? }
        }
        Some("untagged-int") => Match::Untagged,
        Some("ethernet-type") => Match::Port,
        Some(other) => {
            encapsulation.fault_at(
                kind,
                ErrorTag::OperationNotSupported,
                format!("encapsulation {other} is not served"),
            );
            return None;
        }
        None => {
            let message = "priority-tagged, the default of the module, is not served: say dot1q, qinq, untagged-int or ethernet-type";
            encapsulation.fault_at(kind, ErrorTag::OperationNotSupported, message);
            return None;
        }
    };
    // The tag's own path, so that a taken VLAN is answered with the leaf that a client would change.
    let path = match value {
        Match::Dot1q { .. } => encapsulation.container("dot1q").map(|at| at.path_of("cvlan-id")),
        Match::Qinq { .. } => encapsulation.container("qinq").map(|at| at.path()),
        Match::Port | Match::Untagged => None,
    };
    Some(Said::new(value, path.unwrap_or_else(|| encapsulation.path_of(kind))))
}

/// The element that a node stands on: `ne-id`, and `vpn-node-id` where there is none.
pub(super) fn element(node: &At<'_>) -> Said<String> {
    node.text("ne-id").unwrap_or_else(|| Said::new(node.key("vpn-node-id").to_string(), node.path()))
}

/// `interface-id`, obligatory here.
pub(super) fn port(access: &At<'_>) -> Option<Said<String>> {
    let said = access.text("interface-id");
    if said.is_none() {
        access.fault_at(
            "interface-id",
            ErrorTag::MissingElement,
            "an access needs its port, by the element's own name",
        );
    }
    said
}

/// Free text for the element's configuration.
pub(super) fn description(at: &At<'_>) -> Option<Said<String>> {
    at.text("description").filter(|said| !said.value.trim().is_empty())
}

/// A leaf with text; empty when it is not there.
pub(super) fn text(at: &At<'_>, name: &str) -> String {
    at.leaf(name).map(|said| said.value.to_string()).unwrap_or_default()
}

/// `vpn-type`, obligatory here and one of `served`.
pub(super) fn expect_type<'s>(at: &At<'_>, served: &[&'s str]) -> Option<&'s str> {
    let Some(said) = at.identity("vpn-type") else {
        at.fault_at("vpn-type", ErrorTag::MissingElement, format!("a service needs its type: {}", served.join(", ")));
        return None;
    };
    let known = served.iter().find(|kind| **kind == said.value).copied();
    if known.is_none() {
        let message = format!("service type {} is not served here: {}", said.value, served.join(", "));
        at.fault_at("vpn-type", ErrorTag::OperationNotSupported, message);
    }
    known
}

/// The one service of a document. A second one is left unread, and so refused.
pub(super) fn only_service<'a>(reading: &'a Reading<'_>, face: &Face, key: &ServiceKey) -> Option<At<'a>> {
    let top = reading.top().container(face.container)?;
    let services = top.container(face.services)?;
    let mut entries = services.entries(face.list);
    if entries.len() > 1 {
        let message = "one document holds one service";
        entries.iter().skip(1).for_each(|entry| entry.fault(ErrorTag::OperationNotSupported, message));
    }
    if entries.is_empty() {
        return None;
    }
    let only = entries.remove(0);
    if only.key(face.key) != key.id {
        only.fault(
            ErrorTag::InvalidValue,
            format!("the document holds service '{}', not '{}'", only.key(face.key), key.id),
        );
    }
    if key.id.trim().is_empty() {
        only.fault(ErrorTag::InvalidValue, "a service needs an identifier");
    }
    Some(only)
}
