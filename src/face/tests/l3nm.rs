//! L3NM: what is understood, and what is refused with which path.

#[cfg(test)]
use super::laws::take_out_explicit_numbers;
use super::*;
use crate::service::element_service::{Match, Routing};
use serde_json::json as j;

fn two_sites() -> serde_json::Value {
    json("l3vpn-any-to-any")
}

/// Applies `change` and expects exactly one refusal.
fn refuses(change: impl FnOnce(&mut serde_json::Value), tag: &str, end: &str) {
    let mut document = two_sites();
    change(&mut document);
    let faults = refused(&document);
    assert!(has(&faults, tag, end), "{tag} at {end}: {faults:?}");
}

#[test]
fn change_vlan_id_changes_one_element_and_nothing_else() {
    let before = decomposed(&understood(&two_sites()), &inventory());
    let mut document = two_sites();
    access(&mut document, 0)["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = 200.into();
    let after = decomposed(&understood(&document), &inventory());
    assert_eq!(after.elements["pe2"], before.elements["pe2"]);
    let mut wanted = before.elements["pe1"].clone();
    wanted.accesses[0].frames = Match::Dot1q { vid: 200 };
    assert_eq!(after.elements["pe1"], wanted);
}

#[test]
fn values_outside_the_subset_are_refused_with_their_path() {
    let unsupported = "operation-not-supported";
    refuses(
        |d| body(d)["vpn-type"] = "ietf-vpn-common:vpls".into(),
        unsupported,
        "vpn-service[vpn-id='acme-l3']/vpn-type",
    );
    refuses(
        |d| body(d)["vpn-service-topology"] = "ietf-vpn-common:custom".into(),
        unsupported,
        "/vpn-service-topology",
    );
    refuses(
        |d| body(d)["status"]["admin-status"]["status"] = "ietf-vpn-common:admin-testing".into(),
        unsupported,
        "/status",
    );
    refuses(
        |d| access(d, 0)["vpn-network-access-type"] = "ietf-vpn-common:loopback".into(),
        unsupported,
        "-access-type",
    );
    refuses(
        |d| access(d, 0)["connection"]["encapsulation"]["type"] = "ietf-vpn-common:vlan-type".into(),
        unsupported,
        "/type",
    );
    refuses(
        |d| access(d, 0)["connection"]["encapsulation"]["dot1q"]["tag-type"] = "ietf-vpn-common:s-vlan".into(),
        unsupported,
        "/tag-type",
    );
    refuses(
        |d| drop(access(d, 0).as_object_mut().unwrap().remove("connection")),
        unsupported,
        "[id='acme-pe1']/connection",
    );
    refuses(
        |d| access(d, 0)["ip-connection"]["ipv4"]["address-allocation-type"] = "ietf-l3vpn-ntw:provider-dhcp".into(),
        unsupported,
        "/address-allocation-type",
    );
    refuses(
        |d| access(d, 0)["routing-protocols"]["routing-protocol"][0]["type"] = "ietf-vpn-common:any-routing".into(),
        unsupported,
        "/type",
    );
    let mut second = j!({"profile-id": "other"});
    second["role"] = "ietf-vpn-common:any-to-any-role".into();
    refuses(
        |d| {
            let body = body(d);
            body["vpn-instance-profiles"]["vpn-instance-profile"].as_array_mut().unwrap().push(second);
            let node = &mut body["vpn-nodes"]["vpn-node"][0];
            let active = node["active-vpn-instance-profiles"]["vpn-instance-profile"].as_array_mut().unwrap();
            active.push(j!({"profile-id": "other"}));
        },
        unsupported,
        "[profile-id='other']",
    );
    refuses(
        |d| {
            body(d)["vpn-nodes"]["vpn-node"][0]["active-vpn-instance-profiles"]["vpn-instance-profile"][0]["router-id"] =
                j!([{"address-family": "ietf-vpn-common:ipv4", "router-id": "10.9.9.9"}])
        },
        unsupported,
        "/router-id[address-family='ietf-vpn-common:ipv4']",
    );
}

#[test]
fn routes_that_elements_cannot_have_are_refused() {
    let route = |d: &mut serde_json::Value, change: serde_json::Value| {
        let lans = &mut access(d, 0)["routing-protocols"]["routing-protocol"][0]["static"]["cascaded-lan-prefixes"];
        for (name, value) in change.as_object().unwrap() {
            lans["ipv4-lan-prefixes"][0][name] = value.clone();
        }
    };
    let unsupported = "operation-not-supported";
    refuses(
        |d| route(d, j!({"next-hop": "ietf-l3vpn-ntw:discard"})),
        unsupported,
        "[next-hop='ietf-l3vpn-ntw:discard']",
    );
    refuses(|d| route(d, j!({"next-hop": "2001:db8::1"})), unsupported, "[next-hop='2001:db8::1']");
    refuses(|d| route(d, j!({"next-hop": "192.0.2.1"})), "invalid-value", "[next-hop='192.0.2.1']");
    refuses(|d| route(d, j!({"lan-tag": "blue"})), unsupported, "/lan-tag");
    refuses(
        |d| route(d, j!({"status": {"admin-status": {"status": "ietf-vpn-common:admin-down"}}})),
        unsupported,
        "[lan='198.51.100.0/25'][next-hop='192.0.2.2']",
    );
    let mut document = two_sites();
    route(&mut document, j!({"lan-tag": "7", "metric": 5, "preference": 200}));
    let built = decomposed(&understood(&document), &inventory());
    let Routing::Static { metric, preference, tag, .. } = &built.elements["pe1"].accesses[0].routing[0] else {
        panic!()
    };
    assert_eq!((*metric, *preference, *tag), (Some(5), Some(200), Some(7)));
    let tokens: Vec<&str> = built.elements["pe1"].attributes.iter().map(|(token, _)| token.as_str()).collect();
    for token in ["access.static.metric", "access.static.preference", "access.static.tag", "access.static.ipv4"] {
        assert!(tokens.contains(&token), "{token}");
    }
}

#[test]
fn what_is_missing_or_senseless_is_said_all_at_once() {
    let mut document = two_sites();
    let first = access(&mut document, 0);
    first.as_object_mut().unwrap().remove("interface-id");
    first["connection"]["encapsulation"]["dot1q"].as_object_mut().unwrap().remove("cvlan-id");
    first["ip-connection"]["ipv4"]["local-address"] = "192.0.2.3".into();
    let second = access(&mut document, 1);
    second["service"] = j!({"mtu": 20});
    second["vpn-instance-profile"] = "nobody".into();
    body(&mut document)["vpn-instance-profiles"]["vpn-instance-profile"][0]["rd"] = "0:65550:1".into();
    let faults = refused(&document);
    assert!(has(&faults, "missing-element", "[id='acme-pe1']/interface-id"), "{faults:?}");
    assert!(has(&faults, "missing-element", "/encapsulation/dot1q/cvlan-id"));
    assert!(has(&faults, "invalid-value", "/ipv4/local-address"), "the broadcast address");
    assert!(has(&faults, "invalid-value", "/service/mtu"));
    assert!(has(&faults, "invalid-value", "[id='acme-pe2']/vpn-instance-profile"));
    assert!(has(&faults, "invalid-value", "[profile-id='main']/rd"));
}

fn bgp(change: serde_json::Value) -> serde_json::Value {
    let mut document = json("l3vpn-bgp-dual-stack");
    for (name, value) in change.as_object().unwrap() {
        let bgp = &mut access(&mut document, 0)["routing-protocols"]["routing-protocol"][0]["bgp"];
        if value.is_null() {
            bgp.as_object_mut().unwrap().remove(name);
        } else {
            bgp[name] = value.clone();
        }
    }
    document
}

#[test]
fn bgp_sessions_are_one_for_each_neighbour_with_the_families_they_carry() {
    let sessions = |change| {
        let out = decomposed(&understood(&bgp(change)), &inventory());
        let routing = out.elements["pe1"].accesses[0].routing.clone();
        routing
            .into_iter()
            .map(|r| match r {
                Routing::Bgp { neighbor, families, redistribute_connected, .. } => {
                    (neighbor.to_string(), families.len(), redistribute_connected.len())
                }
                Routing::Static { .. } => panic!("no static route was asked for"),
            })
            .collect::<Vec<_>>()
    };
    let named =
        |list: &[(&str, usize, usize)]| list.iter().map(|(n, f, r)| (n.to_string(), *f, *r)).collect::<Vec<_>>();
    assert_eq!(sessions(j!({})), named(&[("192.0.2.10", 1, 1), ("2001:db8:110:1::2", 1, 1)]));
    assert_eq!(sessions(j!({"neighbor": ["192.0.2.10"]})), named(&[("192.0.2.10", 2, 2)]));
    assert_eq!(
        sessions(j!({"neighbor": ["192.0.2.10"], "address-family": null, "redistribute-connected": null})),
        named(&[("192.0.2.10", 1, 0)])
    );
}

#[test]
fn bgp_that_cannot_work_or_is_not_served_is_refused() {
    let expect = |change: serde_json::Value, tag: &str, end: &str| {
        let faults = refused(&bgp(change.clone()));
        assert!(has(&faults, tag, end), "{change}: {faults:?}");
    };
    expect(j!({"peer-as": null}), "missing-element", "/bgp/peer-as");
    expect(j!({"neighbor": null}), "missing-element", "/bgp/neighbor");
    expect(j!({"neighbor": ["203.0.113.9"]}), "invalid-value", "/bgp/neighbor");
    expect(j!({"neighbor": ["192.0.2.9"]}), "invalid-value", "/bgp/neighbor");
    expect(
        j!({"neighbor": ["2001:db8:110:1::2"], "address-family": "ietf-vpn-common:ipv4"}),
        "invalid-value",
        "/address-family",
    );
    expect(j!({"send-default-route": true}), "operation-not-supported", "/send-default-route");
    expect(j!({"local-address": "192.0.2.77"}), "operation-not-supported", "/local-address");
    expect(j!({"bgp-max-prefix": {"violate-action": "restart"}}), "operation-not-supported", "/violate-action");
    expect(j!({"bgp-max-prefix": {"warning-threshold": "80.0"}}), "operation-not-supported", "/warning-threshold");
    expect(j!({"bgp-timers": {"keepalive": 60, "hold-time": 30}}), "invalid-value", "/bgp-timers");
    expect(j!({"multihop": 0}), "invalid-value", "/multihop");
    understood(&bgp(j!({"neighbor": ["203.0.113.9"], "multihop": 3, "address-family": "ietf-vpn-common:ipv4",
        "redistribute-connected": null, "prepend-global-as": false, "bgp-max-prefix": {"warning-threshold": "75.0"}})));
}

#[test]
fn automatic_targets_of_hub_and_spoke_are_two_and_explicit_ones_stay() {
    let mut document = json("l3vpn-hub-spoke");
    let explicit = decomposed(&understood(&document), &inventory());
    let rt = |out: &crate::service::Decomposition, element: &str| -> Vec<(String, bool, bool)> {
        let instance = out.elements[element].instance.clone().unwrap();
        instance.rt.into_iter().map(|rt| (rt.value, rt.import, rt.export)).collect()
    };
    let pair = |hub: &str, spoke: &str, at_hub: bool| {
        vec![(hub.to_string(), !at_hub, at_hub), (spoke.to_string(), at_hub, !at_hub)]
    };
    assert_eq!(rt(&explicit, "pe1"), pair("65000:120", "65000:121", true));
    assert_eq!(rt(&explicit, "pe2"), pair("65000:120", "65000:121", false));
    take_out_explicit_numbers(&mut document);
    let automatic = decomposed(&understood(&document), &inventory());
    assert_eq!(rt(&automatic, "pe1"), pair("65000:1", "65000:2", true));
    assert_eq!(rt(&automatic, "pe3"), pair("65000:1", "65000:2", false));
    // A second hub: now the hubs hear each other, and the spokes are as before.
    let second = &mut body(&mut document)["vpn-nodes"]["vpn-node"][2];
    second["active-vpn-instance-profiles"]["vpn-instance-profile"][0]["profile-id"] = "hub".into();
    access(&mut document, 2)["vpn-instance-profile"] = "hub".into();
    let hubs = decomposed(&understood(&document), &inventory());
    assert_eq!(rt(&hubs, "pe3"), vec![("65000:1".to_string(), true, true), ("65000:2".to_string(), true, false)]);
    assert_eq!(rt(&hubs, "pe2"), rt(&automatic, "pe2"));
    // Without a role nobody knows which target is whose.
    let profile = &mut body(&mut document)["vpn-instance-profiles"]["vpn-instance-profile"][1];
    profile["role"] = "ietf-vpn-common:any-to-any-role".into();
    let faults = undecomposable(&understood(&document), &inventory());
    assert!(
        faults.iter().any(|(path, message)| path.ends_with("[profile-id='spoke']") && message.contains("spoke-role")),
        "{faults:?}"
    );
}

#[test]
fn a_node_says_over_its_profile() {
    let mut document = two_sites();
    let node = &mut body(&mut document)["vpn-nodes"]["vpn-node"][1];
    node["active-vpn-instance-profiles"]["vpn-instance-profile"][0] = j!({
        "profile-id": "main", "rd": "1:10.0.0.2:77",
        "address-family": [{"address-family": "ietf-vpn-common:ipv4", "vpn-targets": {"vpn-target": [
            {"id": 1, "route-target-type": "import", "route-targets": [{"route-target": "2:4200000000:9"}]}]}}]
    });
    let out = decomposed(&understood(&document), &inventory());
    let instance = |element: &str| out.elements[element].instance.clone().unwrap();
    assert_eq!(instance("pe2").rd.as_deref(), Some("10.0.0.2:77"));
    assert_eq!(instance("pe2").rt.len(), 1);
    assert_eq!((instance("pe2").rt[0].value.as_str(), instance("pe2").rt[0].export), ("4200000000:9", false));
    assert_eq!(instance("pe1").rd.as_deref(), Some("65000:100"));
}

#[test]
fn the_inventory_has_a_word_too() {
    let mut document = two_sites();
    body(&mut document)["vpn-nodes"]["vpn-node"][0]["ne-id"] = "ne-1".into();
    let by_ne_id = decomposed(&understood(&document), &inventory());
    assert_eq!(
        by_ne_id.elements,
        decomposed(&understood(&two_sites()), &inventory())
            .elements
            .into_iter()
            .map(|(name, mut built)| {
                for (_, path) in &mut built.attributes {
                    *path = path.clone();
                }
                (name, built)
            })
            .collect()
    );
    let admitted = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut document = two_sites();
        change(&mut document);
        let faults = admit(&understood(&document), &PortUse::default(), &known()).expect_err("must be refused");
        faults.into_iter().map(|fault| (fault.path, fault.tag.to_string())).collect::<Vec<_>>()
    };
    let node =
        |d: &mut serde_json::Value, leaf: &str, value: &str| body(d)["vpn-nodes"]["vpn-node"][0][leaf] = value.into();
    assert!(has(&admitted(&|d| node(d, "ne-id", "pe9")), "invalid-value", "[vpn-node-id='pe1']/ne-id"));
    assert!(has(&admitted(&|d| node(d, "router-id", "10.0.0.9")), "invalid-value", "/router-id"));
    assert!(has(
        &admitted(&|d| body(d)["vpn-nodes"]["vpn-node"][0]["local-as"] = 65001.into()),
        "operation-not-supported",
        "/local-as"
    ));
    for port in ["eth9", "GigabitEthernet0/0/0/9", "eth77"] {
        assert!(
            has(&admitted(&|d| access(d, 0)["interface-id"] = port.into()), "invalid-value", "/interface-id"),
            "{port}"
        );
    }
    let mut unmanaged = inventory();
    unmanaged[0].managed = false;
    assert!(admit(&understood(&two_sites()), &PortUse::default(), &unmanaged.as_slice().into()).is_err());
    // Two nodes on one element.
    let mut document = two_sites();
    body(&mut document)["vpn-nodes"]["vpn-node"][1]["ne-id"] = "ne-1".into();
    let faults = undecomposable(&understood(&document), &inventory());
    assert!(faults[0].0.ends_with("[vpn-node-id='pe2']/ne-id") && faults[0].1.contains("pe1"), "{faults:?}");
    // No router id, no automatic route distinguisher.
    let mut bare = inventory();
    (bare[0].router_id, bare[1].asn) = (None, None);
    let mut document = two_sites();
    take_out_explicit_numbers(&mut document);
    for node in body(&mut document)["vpn-nodes"]["vpn-node"].as_array_mut().unwrap() {
        node.as_object_mut().unwrap().remove("router-id");
    }
    body(&mut document)["vpn-instance-profiles"]["vpn-instance-profile"][0].as_object_mut().unwrap().remove("local-as");
    let faults = undecomposable(&understood(&document), &bare);
    assert!(faults.iter().any(|(_, message)| message.contains("router id of element pe1")), "{faults:?}");
    assert!(faults.iter().any(|(_, message)| message.contains("element pe2 has no autonomous system")), "{faults:?}");
}

#[test]
fn a_vlan_belongs_to_one_service_and_the_refusal_names_it() {
    let first = understood(&two_sites());
    let mut document = two_sites();
    body(&mut document)["vpn-id"] = "rival".into();
    body(&mut document)["vpn-nodes"]["vpn-node"].as_array_mut().unwrap().remove(1);
    let rival = understood(&document);
    let mut others = PortUse::of([&first, &rival]);
    let faults = admit(&rival, &others, &known()).unwrap_err();
    assert_eq!(faults.len(), 1, "its own use does not count: {faults:?}");
    assert_eq!(faults[0].tag, ErrorTag::InUse);
    assert!(faults[0].path.contains("[vpn-id='rival']") && faults[0].path.ends_with("/cvlan-id"));
    assert!(
        faults[0].message.contains("ietf-l3vpn-ntw/acme-l3") && faults[0].message.contains("[id='acme-pe1']"),
        "{}",
        faults[0]
    );
    others.remove(&first.key);
    admit(&rival, &others, &known()).unwrap();
    // And within one service.
    let mut document = two_sites();
    let mut twin = access(&mut document, 0).clone();
    twin["id"] = "twin".into();
    let accesses = &mut body(&mut document)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"];
    accesses.as_array_mut().unwrap().push(twin);
    let service = understood(&document);
    assert!(admit(&service, &PortUse::default(), &known()).is_err());
    let faults = undecomposable(&service, &inventory());
    assert!(
        faults.iter().any(|(path, message)| path.ends_with("/local-address") && message.contains("overlaps")),
        "{faults:?}"
    );
}

#[test]
fn admin_states_reach_the_access_and_pre_deployment_leaves_nothing() {
    let state = |text: &str| j!({"admin-status": {"status": format!("ietf-vpn-common:{text}")}});
    let mut document = two_sites();
    body(&mut document)["status"] = state("admin-down");
    let down = decomposed(&understood(&document), &inventory());
    assert!(down.elements.values().all(|built| built.accesses.iter().all(|access| !access.admin)));
    let said: Vec<&(String, String)> =
        down.elements["pe1"].attributes.iter().filter(|(token, _)| token == "access.admin-down").collect();
    assert!(said.len() == 1 && said[0].1.ends_with("[vpn-id='acme-l3']/status/admin-status/status"), "{said:?}");
    body(&mut document)["status"] = state("admin-pre-deployment");
    let none = decomposed(&understood(&document), &inventory());
    assert!(none.elements.is_empty() && none.takes.is_empty());
    let mut document = two_sites();
    access(&mut document, 0)["status"] = state("admin-down");
    body(&mut document)["vpn-nodes"]["vpn-node"][1]["status"] = state("admin-pre-deployment");
    let one = decomposed(&understood(&document), &inventory());
    assert_eq!(one.elements.keys().collect::<Vec<_>>(), ["pe1"]);
    assert!(one.elements["pe1"].peers.is_empty() && !one.elements["pe1"].accesses[0].admin);
}

#[test]
fn every_token_is_of_the_vocabulary_and_every_path_of_the_document() {
    for name in DOCUMENTS {
        let service = understood(&json(name));
        for built in decomposed(&service, &inventory()).elements.values() {
            assert!(!built.attributes.is_empty());
            for (token, path) in &built.attributes {
                assert!(crate::service::attributes::is_known(token), "{token}");
                assert!(path.starts_with(&service.path), "{path}");
            }
        }
    }
}

#[test]
fn a_route_distinguisher_is_one_services_on_an_element_and_a_foreign_route_target_is_said() {
    use crate::service::NumberUse;
    let first = understood(&two_sites());
    let mut document = two_sites();
    body(&mut document)["vpn-id"] = "rival".into();
    body(&mut document)["customer-name"] = "globex".into();
    let rival = understood(&document);
    let mut used = NumberUse::of([&first, &rival]);
    let faults = used.check(&rival, &known()).unwrap_err();
    assert!(
        faults
            .iter()
            .any(|fault| fault.tag == ErrorTag::InUse && fault.path.contains("rival") && fault.path.ends_with("/rd"))
    );
    assert!(faults[0].message.contains("ietf-l3vpn-ntw/acme-l3"), "{faults:?}");
    body(&mut document)["vpn-instance-profiles"]["vpn-instance-profile"][0]["rd"] = "0:65000:101".into();
    let warnings = used.check(&understood(&document), &known()).unwrap();
    assert_eq!(warnings, ["route target 65000:100 is also used by service ietf-l3vpn-ntw/acme-l3 of acme"]);
    // The same customer may join two of its own services.
    body(&mut document)["customer-name"] = "acme".into();
    assert!(used.check(&understood(&document), &known()).unwrap().is_empty());
    used.remove(&first.key);
    assert!(used.check(&rival, &known()).unwrap().is_empty());
}
