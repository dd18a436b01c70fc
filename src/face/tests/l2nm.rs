//! L2NM: wires, their numbers, and what is refused.

#[cfg(test)]
use super::*;
use serde_json::json as j;

fn numbers(out: &crate::service::Decomposition, element: &str) -> crate::service::element_service::Numbers {
    out.elements[element].numbers.clone()
}

#[test]
fn an_evpn_vpws_has_mirrored_attachment_circuits_given_or_from_the_ledger() {
    let mut document = json("l2vpn-vpws-evpn");
    let given = decomposed(&understood(&document), &inventory());
    assert_eq!((numbers(&given, "pe1").local_ac, numbers(&given, "pe1").remote_ac), (Some(1), Some(2)));
    assert_eq!((numbers(&given, "pe3").local_ac, numbers(&given, "pe3").remote_ac), (Some(2), Some(1)));
    assert_eq!(numbers(&given, "pe1").evi, Some(1));
    // One side is said once, by either side; the other comes from the ledger and is not the same.
    access(&mut document, 0)["vpws-service-instance"] = j!({"remote-vpws-service-instance": 1});
    access(&mut document, 1).as_object_mut().unwrap().remove("vpws-service-instance");
    let half = decomposed(&understood(&document), &inventory());
    assert_eq!((numbers(&half, "pe1").local_ac, numbers(&half, "pe1").remote_ac), (Some(2), Some(1)));
    assert_eq!((numbers(&half, "pe3").local_ac, numbers(&half, "pe3").remote_ac), (Some(1), Some(2)));
    access(&mut document, 0)["vpws-service-instance"] =
        j!({"local-vsi-auto": {"auto": [null]}, "remote-vsi-auto": {"auto": [null]}});
    let auto = decomposed(&understood(&document), &inventory());
    assert_eq!((numbers(&auto, "pe1").local_ac, numbers(&auto, "pe1").remote_ac), (Some(1), Some(2)));
    // Sides that disagree, and sides that are equal.
    for (local, remote) in [(1, 3), (1, 1)] {
        let mut document = json("l2vpn-vpws-evpn");
        access(&mut document, 0)["vpws-service-instance"] =
            j!({"local-vpws-service-instance": local, "remote-vpws-service-instance": remote});
        access(&mut document, 1)["vpws-service-instance"] =
            j!({"local-vpws-service-instance": if remote == 3 { 2 } else { 1 }});
        assert!(!undecomposable(&understood(&document), &inventory()).is_empty());
    }
}

#[test]
fn a_pseudowire_id_is_one_on_both_sides_and_its_peer_is_the_other_element() {
    let mut document = json("l2vpn-vpws-ldp");
    let given = decomposed(&understood(&document), &inventory());
    assert_eq!((numbers(&given, "pe1").vc_id, numbers(&given, "pe3").vc_id), (Some(210), Some(210)));
    assert_eq!(given.elements["pe1"].peers[0].loopback.unwrap().to_string(), "10.0.0.3");
    assert_eq!(given.elements["pe1"].accesses[0].mtu_l2, Some(1500));
    assert!(
        given.elements["pe1"]
            .attributes
            .iter()
            .any(|(token, path)| token == "service.mtu-l2" && path.ends_with("/svc-mtu"))
    );
    let wires = |d: &mut serde_json::Value, node: usize, peer: &str, vc_id: &str| {
        body(d)["vpn-nodes"]["vpn-node"][node]["signaling-option"]["ldp-or-l2tp"]["pw-peer-list"][0] =
            j!({"peer-addr": peer, "vc-id": vc_id});
    };
    let mut other = document.clone();
    wires(&mut other, 0, "10.0.0.3", "211");
    assert!(undecomposable(&understood(&other), &inventory())[0].1.contains("211"));
    let mut other = document.clone();
    wires(&mut other, 0, "10.0.0.9", "210");
    assert!(undecomposable(&understood(&other), &inventory())[0].1.contains("10.0.0.3"));
    let mut other = document.clone();
    wires(&mut other, 0, "10.0.0.3", "red");
    assert!(has(&refused(&other), "invalid-value", "[vc-id='red']"));
    for node in body(&mut document)["vpn-nodes"]["vpn-node"].as_array_mut().unwrap() {
        node.as_object_mut().unwrap().remove("signaling-option");
    }
    assert_eq!(numbers(&decomposed(&understood(&document), &inventory()), "pe3").vc_id, Some(1));
}

#[test]
fn evpn_over_vxlan_takes_a_vni_and_leaves_rd_and_rt_to_the_platform() {
    let mut document = json("l2vpn-vxlan-evpn");
    let out = decomposed(&understood(&document), &inventory());
    assert_eq!((numbers(&out, "pe2").vni, numbers(&out, "pe4").vni), (Some(1), Some(1)));
    let instance = out.elements["pe2"].instance.clone().unwrap();
    assert_eq!((instance.rd, instance.rt.len()), (None, 0));
    let node = &mut body(&mut document)["vpn-nodes"]["vpn-node"][0];
    node["bgp-auto-discovery"] = j!({"evpn-type": "ietf-vpn-common:vxlan-evpn", "rd-auto": {"auto": [null]}, "vpn-target": [
        {"id": 1, "route-target-type": "both", "route-targets": [{"route-target": "0:65000:7"}]}]});
    let said = decomposed(&understood(&document), &inventory());
    let instance = said.elements["pe2"].instance.clone().unwrap();
    assert_eq!((instance.rd.as_deref(), instance.rt[0].value.as_str()), (Some("10.0.0.2:1"), "65000:7"));
    assert!(said.elements["pe2"].attributes.iter().any(|(token, _)| token == "evpn.rt"));
    let mut apart = inventory();
    apart[3].asn = Some(65001);
    assert!(undecomposable(&understood(&json("l2vpn-vxlan-evpn")), &apart)[0].1.contains("autonomous systems"));
}

#[test]
fn a_wire_has_two_ends_on_two_elements() {
    for name in ["l2vpn-vpws-ldp", "l2vpn-vpws-evpn", "l2vpn-vxlan-evpn"] {
        let mut document = json(name);
        let nodes = body(&mut document)["vpn-nodes"]["vpn-node"].as_array_mut().unwrap();
        let gone = nodes.remove(1);
        assert!(undecomposable(&understood(&document), &inventory())[0].1.contains("exactly two"));
        if name == "l2vpn-vxlan-evpn" {
            continue; // with a second access here it is a LAN
        }
        let second = gone["vpn-network-accesses"]["vpn-network-access"][0].clone();
        accesses(&mut document, 0).push(second.clone());
        let faults = undecomposable(&understood(&document), &inventory());
        assert!(faults[0].1.contains("one element"), "{faults:?}");
        accesses(&mut document, 0).push(second);
        let faults = undecomposable(&understood(&document), &inventory());
        assert!(faults[0].1.contains("exactly two"), "{faults:?}");
    }
    // Half a wire is not deployed.
    let mut document = json("l2vpn-vxlan-evpn");
    access(&mut document, 1)["status"] = pre_deployment();
    let out = decomposed(&understood(&document), &inventory());
    assert!(out.elements.is_empty() && out.warnings.len() == 1);
}

#[test]
fn a_lan_has_any_number_of_ends_and_one_vni_and_a_wire_becomes_one_without_another_number() {
    let document = json("l2vpn-vxlan-elan");
    let lan = decomposed(&understood(&document), &inventory());
    assert_eq!(lan.elements.keys().collect::<Vec<_>>(), ["pe2", "pe4"]);
    assert_eq!((lan.elements["pe2"].accesses.len(), lan.elements["pe4"].accesses.len()), (2, 1));
    for (element, other) in [("pe2", "pe4"), ("pe4", "pe2")] {
        let built = &lan.elements[element];
        assert_eq!((built.function.as_str(), built.service.kind.as_str()), ("evpn-vxlan", "multipoint"));
        assert_eq!((built.numbers.vni, built.peers[0].element.as_str()), (Some(1), other));
        assert!(built.attributes.iter().any(|(token, _)| token == "service.multipoint"), "adapters must know it");
    }
    // A site that is planned takes no part yet; the others do.
    let mut planned = document.clone();
    access(&mut planned, 1)["status"] = pre_deployment();
    let out = decomposed(&understood(&planned), &inventory());
    assert_eq!((out.elements.len(), out.elements["pe2"].accesses.len(), out.elements["pe2"].peers.len()), (1, 2, 0));
    for node in 0..2 {
        for access in accesses(&mut planned, node) {
            access["status"] = pre_deployment();
        }
    }
    let out = decomposed(&understood(&planned), &inventory());
    assert!(out.elements.is_empty() && out.warnings.len() == 1, "{:?}", out.warnings);
    // The same service with two ends is a wire, of the same number and the same words for the platform.
    let mut wire = document.clone();
    accesses(&mut wire, 0).pop();
    let ledger = Ledger::new(lan.takes.clone());
    let excluded = Exclusions::new();
    let smaller = decompose(&understood(&wire), &known(), &mut Draft::new(&ledger, &excluded)).unwrap();
    assert_eq!((smaller.takes.len(), smaller.elements["pe4"].numbers.vni), (0, Some(1)));
    assert_eq!(smaller.elements["pe4"].service.kind, "p2p");
    assert_eq!(smaller.elements["pe4"].accesses, lan.elements["pe4"].accesses);
    // Only EVPN over VXLAN is bridged, and a node without an access bridges nothing.
    body(&mut wire)["vpn-nodes"]["vpn-node"][1]["vpn-network-accesses"] = j!({});
    accesses(&mut wire, 0).push(access(&mut document.clone(), 1).clone());
    let faults = undecomposable(&understood(&wire), &inventory());
    assert!(faults[0].1.contains("without an access"), "{faults:?}");
}

fn accesses(document: &mut serde_json::Value, node: usize) -> &mut Vec<serde_json::Value> {
    let node = &mut body(document)["vpn-nodes"]["vpn-node"][node];
    node["vpn-network-accesses"]["vpn-network-access"].as_array_mut().unwrap()
}

fn pre_deployment() -> serde_json::Value {
    j!({"admin-status": {"status": "ietf-vpn-common:admin-pre-deployment"}})
}

#[test]
fn what_a_wire_does_not_have_is_refused_with_its_path() {
    let expect = |name: &str, change: &dyn Fn(&mut serde_json::Value), tag: &str, end: &str| {
        let mut document = json(name);
        change(&mut document);
        let faults = refused(&document);
        assert!(has(&faults, tag, end), "{name} {end}: {faults:?}");
    };
    let (ldp, vpws, unsupported) = ("l2vpn-vpws-ldp", "l2vpn-vpws-evpn", "operation-not-supported");
    fn node(d: &mut serde_json::Value) -> &mut serde_json::Value {
        &mut body(d)["vpn-nodes"]["vpn-node"][0]
    }
    expect(ldp, &|d| body(d)["vpn-type"] = "ietf-vpn-common:vpls".into(), unsupported, "/vpn-type");
    expect(ldp, &|d| drop(body(d).as_object_mut().unwrap().remove("vpn-type")), "missing-element", "/vpn-type");
    expect(
        ldp,
        &|d| body(d)["vpn-service-topology"] = "ietf-vpn-common:hub-spoke".into(),
        unsupported,
        "/vpn-service-topology",
    );
    expect(
        ldp,
        &|d| body(d)["signaling-type"] = "ietf-vpn-common:bgp-signaling".into(),
        unsupported,
        "/signaling-type",
    );
    expect(vpws, &|d| body(d)["bgp-ad-enabled"] = false.into(), unsupported, "/bgp-ad-enabled");
    expect(ldp, &|d| node(d)["role"] = "ietf-vpn-common:hub-role".into(), unsupported, "/role");
    for leaf in ["ce-vlan-preservation", "ce-vlan-cos-preservation", "control-word-negotiation"] {
        let set = |d: &mut serde_json::Value| {
            body(d)["global-parameters-profiles"]["global-parameters-profile"][0][leaf] = true.into();
        };
        expect(ldp, &set, unsupported, leaf);
    }
    for (leaf, value) in [("agi", j!("0:1:1")), ("saii", j!(1)), ("pw-description", j!("x"))] {
        let set = |d: &mut serde_json::Value| node(d)["signaling-option"]["ldp-or-l2tp"][leaf] = value.clone();
        expect(ldp, &set, unsupported, leaf);
    }
    expect(ldp, &|d| node(d)["signaling-option"]["advertise-mtu"] = true.into(), unsupported, "/advertise-mtu");
    expect(
        ldp,
        &|d| node(d)["signaling-option"]["ldp-or-l2tp"]["pw-type"] = "ietf-l2vpn-ntw:ethernet-tagged".into(),
        unsupported,
        "/pw-type",
    );
    expect(
        ldp,
        &|d| access(d, 0)["vpws-service-instance"] = j!({"local-vpws-service-instance": 1}),
        unsupported,
        "/vpws-service-instance",
    );
    expect(vpws, &|d| node(d)["signaling-option"] = j!({"ldp-or-l2tp": {"saii": 1}}), unsupported, "/ldp-or-l2tp");
    expect(
        vpws,
        &|d| access(d, 0)["active-vpn-node-profile"] = "x".into(),
        "invalid-value",
        "/active-vpn-node-profile",
    );
}
