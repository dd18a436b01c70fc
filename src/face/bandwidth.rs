//! Bandwidth of an access: the profiles of L2NM (RFC 9291), the plain rates of L3NM (RFC 9182).
//!
//! Directions are turned here, once: both models speak from the customer's side (`ce-to-pe` is its upload), inside it is
//! `from_customer` and `to_customer`. Rates are bit/s, bursts bytes, exact. A profile has two rates with a burst each, as in
//! MEF 10.4 §12; a peak (RFC 2698) is their sum, so `pir` and `pbs` are another way to say `eir` and `ebs`, and a third limit
//! besides them is refused.

use super::reader::{At, short};
use crate::service::ErrorTag;
use crate::service::canonical::{EndBandwidth, Said};
use crate::service::element_service::BandwidthProfile;

/// `svc-ce-to-pe-bandwidth` and `svc-pe-to-ce-bandwidth` of L2NM.
pub(super) fn profiles(service: &At<'_>) -> EndBandwidth {
    EndBandwidth {
        from_customer: listed(service, "ce-to-pe-bandwidth"),
        to_customer: listed(service, "pe-to-ce-bandwidth"),
    }
}

/// `ce-to-pe-bandwidth` and `pe-to-ce-bandwidth` of L3NM: a committed rate each, the burst is the platform's.
pub(super) fn rates(service: &At<'_>) -> EndBandwidth {
    let rate = |leaf: &str| {
        let said: Said<u64> = service.parsed(leaf)?;
        if said.value == 0 {
            service.fault_at(leaf, ErrorTag::InvalidValue, NOTHING);
        }
        Some(said.map(|cir| BandwidthProfile {
            cir,
            eir: 0,
            cbs: None,
            ebs: None,
            color_aware: false,
            coupling: false,
        }))
    };
    EndBandwidth { from_customer: rate("ce-to-pe-bandwidth"), to_customer: rate("pe-to-ce-bandwidth") }
}

/// The one profile of a direction.
fn listed(service: &At<'_>, list: &str) -> Option<Said<BandwidthProfile>> {
    let entries = service.container(&format!("svc-{list}"))?.entries(list);
    let profiles: Vec<_> = entries.iter().map(profile).collect();
    if let Some(second) = entries.get(1) {
        let message = "one profile for each direction is served: an access carries one service";
        second.fault(ErrorTag::OperationNotSupported, message);
    }
    profiles.into_iter().next()?
}

/// One entry: `None` after a fault.
fn profile(at: &At<'_>) -> Option<Said<BandwidthProfile>> {
    // An access belongs to one service, so the bandwidth of the access is that of the service on it.
    let kind = short(at.key("bw-type"), "ietf-l2vpn-ntw");
    if !["bw-per-port", "bw-per-service"].contains(&kind) {
        let message = format!("{kind} is not served, only bw-per-port and bw-per-service: the bandwidth of the access");
        at.fault(ErrorTag::OperationNotSupported, message);
    }
    let said = |leaf: &str| at.parsed::<u64>(leaf).map(|said| said.value);
    let [cir, eir, pir, cbs, ebs, pbs] = ["cir", "eir", "pir", "cbs", "ebs", "pbs"].map(said);
    if cir.is_none() && eir.is_none() && pir.is_none() {
        at.fault_at("cir", ErrorTag::MissingElement, "a bandwidth profile needs a rate: cir, eir or pir");
        return None;
    }
    let cir = cir.unwrap_or(0);
    let eir = excess(at, "pir", "cir", Some(cir), "eir", eir, pir)?.unwrap_or(0);
    if cir == 0 && eir == 0 {
        at.fault(ErrorTag::InvalidValue, NOTHING);
    }
    // Without a committed rate there is no committed burst, so a peak burst is all excess.
    let committed = if cir == 0 { Some(0) } else { cbs };
    let ebs = excess(at, "pbs", "cbs", committed, "ebs", ebs, pbs)?;
    for (leaf, burst, rate) in [("cbs", cbs, cir), ("ebs", ebs, eir)] {
        match burst {
            Some(0) if rate > 0 => {
                at.fault_at(
                    leaf,
                    ErrorTag::InvalidValue,
                    format!("{leaf} is 0 bytes: a burst of nothing lets nothing pass"),
                );
            }
            Some(1..) if rate == 0 => {
                at.fault_at(leaf, ErrorTag::InvalidValue, format!("{leaf} without its rate has no meaning"));
            }
            _ => {}
        }
    }
    let some = |burst: Option<u64>| burst.filter(|burst| *burst > 0);
    let profile = BandwidthProfile { cir, eir, cbs: some(cbs), ebs: some(ebs), color_aware: false, coupling: false };
    Some(Said::new(profile, at.path()))
}

/// What is allowed beyond the committed, said itself or by the peak, which is the sum of both. `Some(None)`: neither is said.
/// `None` after a fault.
fn excess(
    at: &At<'_>,
    peak_leaf: &str,
    committed_leaf: &str,
    committed: Option<u64>,
    excess_leaf: &str,
    excess: Option<u64>,
    peak: Option<u64>,
) -> Option<Option<u64>> {
    let refused = |tag, message: String| {
        at.fault_at(peak_leaf, tag, message);
        None
    };
    let Some(peak) = peak else {
        if committed.unwrap_or(0).checked_add(excess.unwrap_or(0)).is_none() {
            let message = format!("{committed_leaf} and {excess_leaf} together are more than 64 bits hold");
            at.fault_at(excess_leaf, ErrorTag::InvalidValue, message);
            return None;
        }
        return Some(excess);
    };
    let Some(committed) = committed else {
        let message = format!("{peak_leaf} without {committed_leaf} is not served: how much of it is excess?");
        return refused(ErrorTag::OperationNotSupported, message);
    };
    let Some(beyond) = peak.checked_sub(committed) else {
        return refused(ErrorTag::InvalidValue, format!("{peak_leaf} is below {committed_leaf}"));
    };
    match excess {
        Some(excess) if excess != beyond => {
            let message = format!(
                "{peak_leaf} is not the sum of {committed_leaf} and {excess_leaf}; a third limit is not served: say one of the two"
            );
            refused(ErrorTag::OperationNotSupported, message)
        }
        _ => Some(Some(beyond)),
    }
}

const NOTHING: &str = "a bandwidth of 0 lets nothing pass; to stop an access set its status to admin-down";
