//! The pools of the ledger and the explicit values that occupy them.

use crate::service::canonical::{Rd, Service};
use crate::service::ledger::Exclusions;
use crate::service::number::Administrator;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

/// Pseudowire ids of the domain.
pub(super) const VC_ID: &str = "vc-id";
/// VXLAN network identifiers of the domain.
pub(super) const VNI: &str = "vni";
/// EVPN instances of the domain.
pub(super) const EVI: &str = "evi";

pub(super) const ACS: RangeInclusive<u64> = 1..=16_777_215;

/// Route distinguishers of one router.
pub(super) fn rd(router_id: Ipv4Addr) -> String {
    format!("rd@{router_id}")
}

/// Route targets of one autonomous system.
pub(super) fn rt(asn: u32) -> String {
    format!("rt@{asn}")
}

/// The second half of a route target has four octets behind an AS of two, two behind an AS of four (RFC 4360, RFC 5668).
pub(super) fn rts(asn: u32, range: &RangeInclusive<u64>) -> RangeInclusive<u64> {
    let most = if asn <= u32::from(u16::MAX) { 4_294_967_295 } else { 65_535 };
    *range.start()..=most.min(*range.end())
}

/// The numbers that these services' documents give themselves. They are never handed out.
pub fn explicit_numbers<'a>(services: impl IntoIterator<Item = &'a Service>) -> Exclusions {
    let mut excluded = Exclusions::new();
    for service in services {
        let mut add = |pool: String, number: u32| {
            excluded.entry(pool).or_default().insert(number.into());
        };
        for part in &service.parts {
            if let Some(instance) = &part.instance {
                if let Rd::Fixed(value) = instance.rd.value
                    && let Administrator::Address(router_id) = value.administrator
                {
                    add(rd(router_id), value.number);
                }
                for target in &instance.targets {
                    if let Administrator::As(asn) = target.value.value.administrator {
                        add(rt(asn), target.value.value.number);
                    }
                }
            }
            if let Some(pseudowire) = &part.pseudowire {
                add(VC_ID.into(), pseudowire.vc_id.value);
            }
        }
    }
    excluded
}
