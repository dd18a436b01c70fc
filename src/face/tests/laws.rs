//! Laws: order does not matter, numbers stay, nothing is dropped.

#[cfg(test)]
use super::*;
use std::collections::BTreeSet;

/// A permutation of `len` things.
fn shuffled(len: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..len).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decomposition_does_not_depend_on_the_order_of_anything(
        name in prop::sample::select(DOCUMENTS.to_vec()),
        elements in shuffled(4),
        parts in shuffled(3),
        reverse in any::<bool>(),
    ) {
        let mut json = json(name);
        two_accesses(&mut json);
        let service = understood(&json);
        let wanted = decomposed(&service, &inventory());
        let mut other = service.clone();
        other.parts = parts.iter().filter_map(|at| service.parts.get(*at)).cloned().collect();
        if reverse {
            for part in &mut other.parts {
                part.ends.reverse();
                for end in &mut part.ends {
                    end.routes.reverse();
                    end.sessions.reverse();
                    end.addresses.reverse();
                }
                if let Some(instance) = &mut part.instance {
                    instance.targets.reverse();
                    instance.families.reverse();
                }
            }
        }
        let inventory: Vec<Element> = elements.iter().map(|at| inventory()[*at].clone()).collect();
        let got = decomposed(&other, &inventory);
        prop_assert_eq!(&got.elements, &wanted.elements);
        prop_assert_eq!(serde_json::to_string(&got.elements).unwrap(), serde_json::to_string(&wanted.elements).unwrap());
        prop_assert_eq!(got.asked, wanted.asked);
    }
}

/// Gives the first node of an L3VPN a second access, so that there is something to permute.
fn two_accesses(json: &mut serde_json::Value) {
    if body(json)["vpn-type"] != "ietf-vpn-common:l3vpn" {
        return;
    }
    let mut second = access(json, 0).clone();
    second["id"] = "second".into();
    second["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = 999.into();
    second["ip-connection"] = serde_json::json!({"ipv4": {"local-address": "203.0.113.253", "prefix-length": 30}});
    second["routing-protocols"] = serde_json::json!({});
    let accesses = &mut body(json)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"];
    accesses.as_array_mut().unwrap().push(second);
}

#[test]
fn numbers_stay_when_the_service_is_decomposed_again_and_others_come() {
    let mut document = json("l3vpn-any-to-any");
    take_out_explicit_numbers(&mut document);
    let service = understood(&document);
    let first = decomposed(&service, &inventory());
    let keys: BTreeSet<String> = first.takes.iter().map(crate::service::ledger::Take::key).collect();
    assert_eq!(keys, first.asked);
    assert_eq!(keys.len(), 3, "one route target, two route distinguishers: {keys:?}");
    let instance = first.elements["pe1"].instance.as_ref().unwrap();
    assert_eq!(instance.rd.as_deref(), Some("10.0.0.1:1"));
    assert_eq!(instance.rt[0].value, "65000:1");
    let ledger = Ledger::new(first.takes.clone());
    let excluded = Exclusions::new();
    let mut draft = Draft::new(&ledger, &excluded);
    let mut other = service.clone();
    other.key.id = "other".into();
    let others = decompose(&other, &known(), &mut draft).unwrap();
    assert_eq!(others.elements["pe1"].instance.as_ref().unwrap().rd.as_deref(), Some("10.0.0.1:2"));
    assert_eq!(others.elements["pe2"].instance.as_ref().unwrap().rt[0].value, "65000:2");
    let again = decompose(&service, &known(), &mut draft).unwrap();
    assert_eq!(again.elements, first.elements);
    assert!(again.takes.is_empty());
    assert_eq!(again.asked, first.asked);
}

/// Takes RD and RT out of an L3VPN document.
pub(super) fn take_out_explicit_numbers(json: &mut serde_json::Value) {
    for profile in body(json)["vpn-instance-profiles"]["vpn-instance-profile"].as_array_mut().unwrap() {
        profile.as_object_mut().unwrap().remove("rd");
        for family in profile["address-family"].as_array_mut().unwrap() {
            family.as_object_mut().unwrap().remove("vpn-targets");
        }
    }
}

#[test]
fn explicit_numbers_are_never_handed_out() {
    let mut document = json("l3vpn-any-to-any");
    take_out_explicit_numbers(&mut document);
    let automatic = understood(&document);
    let explicit = r#"[{"address-family":"ietf-vpn-common:ipv4","vpn-targets":{"vpn-target":[{"id":1,"route-target-type":"both",
        "route-targets":[{"route-target":"0:65000:1"},{"route-target":"0:65000:2"}]}]}}]"#;
    let profile = &mut body(&mut document)["vpn-instance-profiles"]["vpn-instance-profile"][0];
    profile["address-family"] = serde_json::from_str(explicit).unwrap();
    profile["rd"] = "1:10.0.0.2:1".into();
    let excluded = explicit_numbers([&understood(&document)]);
    let ledger = Ledger::default();
    let out = decompose(&automatic, &known(), &mut Draft::new(&ledger, &excluded)).unwrap();
    let instance = |element: &str| out.elements[element].instance.clone().unwrap();
    assert_eq!(instance("pe1").rt[0].value, "65000:3");
    assert_eq!(instance("pe1").rd.as_deref(), Some("10.0.0.1:1"));
    assert_eq!(instance("pe2").rd.as_deref(), Some("10.0.0.2:2"));
}

#[test]
fn a_node_that_no_face_knows_is_refused_wherever_it_stands() {
    for name in DOCUMENTS {
        let (key, whole) = document(&json(name));
        let face = face(&key.face).unwrap();
        let mut places = vec![];
        whole.walk(&mut |path, node| {
            if !matches!(node.body(), crate::tree::Body::Leaf(_) | crate::tree::Body::Member { .. }) {
                places.push(path.clone());
            }
            true
        });
        assert!(places.len() > 20, "{name}");
        for place in places {
            let stranger = Node::leaf(face.name("something-new"), Value::text("1"));
            let changed = whole.with(&place, stranger, crate::tree::After::Keep);
            let faults = face.service_of(&changed, &key).unwrap_err();
            let path = place.child(Step::single(face.name("something-new"))).to_string();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!((faults[0].path.as_str(), faults[0].tag), (path.as_str(), ErrorTag::OperationNotSupported));
        }
    }
}

#[test]
fn every_leaf_of_a_document_has_an_effect_or_is_for_people() {
    // Taking a leaf out must change the service, or be refused, or the leaf is one that changes no element.
    let silent = [
        "vpn-description",
        "parent-service-id",
        "description",
        "last-change",
        "vpn-service-topology",
        "customer-address",
        "primary-address",
        "address-allocation-type",
        "vpn-instance-profile",
        "active-vpn-node-profile",
        "role",
        "status",
        "signaling-type",
        "bgp-ad-enabled",
        "t-ldp-pw-type",
        "pw-type",
        "enable",
        "ne-id",
    ];
    for name in DOCUMENTS {
        let (key, whole) = document(&json(name));
        let service = service_of(&whole, &key).unwrap();
        let mut leafs = vec![];
        whole.walk(&mut |path, node| {
            if matches!(node.body(), crate::tree::Body::Leaf(_)) {
                leafs.push(path.clone());
            }
            true
        });
        for leaf in leafs {
            let last = leaf.last().unwrap().name.name.as_str().to_string();
            if let Ok(other) = service_of(&whole.without(&leaf), &key)
                && other == service
            {
                assert!(silent.contains(&last.as_str()), "{name}: {leaf} changes nothing");
            }
        }
    }
}
