//! Bandwidth: directions, peaks as sums, and what is refused.

#[cfg(test)]
use super::*;
use crate::service::element_service::BandwidthProfile;
use serde_json::json as j;

fn plain(cir: u64, eir: u64, cbs: Option<u64>, ebs: Option<u64>) -> BandwidthProfile {
    BandwidthProfile { cir, eir, cbs, ebs, color_aware: false, coupling: false }
}

/// The document with this profile from the customer, and none to it, at the first access.
fn with(profile: serde_json::Value) -> serde_json::Value {
    let mut document = json("l2vpn-vpws-bandwidth");
    let mut entry = j!({"bw-type": "ietf-vpn-common:bw-per-port"});
    entry.as_object_mut().unwrap().extend(profile.as_object().unwrap().clone());
    access(&mut document, 0)["service"] = j!({"svc-ce-to-pe-bandwidth": {"ce-to-pe-bandwidth": [entry]}});
    document
}

#[test]
fn what_the_customer_uploads_is_from_the_customer_in_both_models() {
    let out = decomposed(&understood(&json("l2vpn-vpws-bandwidth")), &inventory());
    let built = &out.elements["pe1"];
    let bandwidth = built.accesses[0].bandwidth.clone().unwrap();
    assert_eq!(bandwidth.from_customer, Some(plain(5_000_001, 10_000_000, Some(125_000), Some(250_000))));
    assert_eq!(bandwidth.to_customer, Some(plain(20_000_000, 0, Some(250_000), None)));
    let asked =
        |token: &str, end: &str| built.attributes.iter().any(|(name, path)| name == token && path.contains(end));
    assert!(asked("access.bandwidth.from-customer", "/svc-ce-to-pe-bandwidth/ce-to-pe-bandwidth[bw-type="));
    assert!(asked("access.bandwidth.to-customer", "/svc-pe-to-ce-bandwidth/pe-to-ce-bandwidth[bw-type="));
    assert!(asked("access.bandwidth.excess", "/svc-ce-to-pe-bandwidth/"));
    assert!(!asked("access.bandwidth.excess", "/svc-pe-to-ce-bandwidth/"));
    let out = decomposed(&understood(&json("l3vpn-bandwidth")), &inventory());
    let bandwidth = |element: &str| out.elements[element].accesses[0].bandwidth.clone().unwrap();
    assert_eq!(bandwidth("pe1").from_customer, Some(plain(20_000_000, 0, None, None)));
    assert_eq!(bandwidth("pe1").to_customer, Some(plain(100_000_000, 0, None, None)));
    assert_eq!(bandwidth("pe3").from_customer, None);
}

#[test]
fn a_peak_is_the_sum_of_committed_and_excess() {
    let (big, nearly) = (u64::MAX.to_string(), (u64::MAX - 1).to_string());
    for (said, meant) in [
        (j!({"cir": "10", "pir": "30", "cbs": "5", "pbs": "12"}), plain(10, 20, Some(5), Some(7))),
        (j!({"cir": "10", "pir": "30", "eir": "20"}), plain(10, 20, None, None)),
        (j!({"cir": "10", "pir": "10", "cbs": "5", "pbs": "5"}), plain(10, 0, Some(5), None)),
        (j!({"pir": "30", "pbs": "12"}), plain(0, 30, None, Some(12))),
        (j!({"eir": "30"}), plain(0, 30, None, None)),
        // Not a bit is lost on the way.
        (j!({"cir": nearly, "eir": "1"}), plain(u64::MAX - 1, 1, None, None)),
        (j!({"cir": "1", "pir": big}), plain(1, u64::MAX - 1, None, None)),
    ] {
        let service = understood(&with(said.clone()));
        let (_, end) = service.ends().next().unwrap();
        assert_eq!(end.bandwidth.from_customer.as_ref().unwrap().value, meant, "{said}");
        assert_eq!(end.bandwidth.to_customer, None);
    }
}

#[test]
fn what_is_no_profile_or_not_served_is_refused_at_its_leaf() {
    let big = u64::MAX.to_string();
    for (said, tag, end) in [
        (j!({"cbs": "5"}), "missing-element", "]/cir"),
        (j!({"cir": "0"}), "invalid-value", "bw-per-port']"),
        (j!({"cir": "30", "pir": "10"}), "invalid-value", "]/pir"),
        (j!({"cir": "10", "eir": "10", "pir": "15"}), "operation-not-supported", "]/pir"),
        (j!({"cir": "10", "eir": "10", "pbs": "15"}), "operation-not-supported", "]/pbs"),
        (j!({"cir": "10", "cbs": "9", "eir": "10", "pbs": "8"}), "invalid-value", "]/pbs"),
        (j!({"cir": "10", "cbs": "0"}), "invalid-value", "]/cbs"),
        (j!({"eir": "10", "cbs": "1"}), "invalid-value", "]/cbs"),
        (j!({"cir": "10", "ebs": "1"}), "invalid-value", "]/ebs"),
        (j!({"cir": "1", "eir": big}), "invalid-value", "]/eir"),
    ] {
        let found = refused(&with(said.clone()));
        assert!(has(&found, tag, end), "{said}: {found:?}");
    }
    let mut document = with(j!({"cir": "10"}));
    let list = &mut access(&mut document, 0)["service"]["svc-ce-to-pe-bandwidth"]["ce-to-pe-bandwidth"];
    list[0]["bw-type"] = "ietf-vpn-common:bw-per-site".into();
    assert!(has(&refused(&document), "operation-not-supported", "bw-per-site']"));
    let mut document = with(j!({"cir": "10"}));
    let list = &mut access(&mut document, 0)["service"]["svc-ce-to-pe-bandwidth"]["ce-to-pe-bandwidth"];
    list.as_array_mut().unwrap().push(j!({"bw-type": "ietf-vpn-common:bw-per-service", "cir": "10"}));
    assert!(has(&refused(&document), "operation-not-supported", "']"));
    let mut document = json("l3vpn-bandwidth");
    access(&mut document, 0)["service"]["ce-to-pe-bandwidth"] = "0".into();
    assert!(has(&refused(&document), "invalid-value", "/ce-to-pe-bandwidth"));
}

#[test]
fn a_burst_that_no_frame_fits_into_is_told() {
    let warnings =
        |burst: &str| decomposed(&understood(&with(j!({"cir": "1000000", "cbs": burst}))), &inventory()).warnings;
    assert!(warnings("1500").is_empty(), "the MTU of this wire is 1500");
    let told = warnings("1499");
    assert!(told.len() == 1 && told[0].contains("1499 bytes from the customer"), "{told:?}");
}
