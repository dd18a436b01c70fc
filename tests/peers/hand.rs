//! Changes made by hand: noticed, left alone, in the way of what they touch, healed when asked.

use crate::domain::{Domain, access, applied, noc};
use andante::controller::{DocumentEdit, Failure, Terms};
use andante::domain::{Deviation, DeviationKind, Outcome, SyncState};
use andante::plan::{Allowed, HandMade, Permit, Refused};
use andante::reconcile::{self, Loop, queue::Rhythm};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const IFMGR: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg";
const BGP: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-ipv4-bgp-cfg";
const RSI: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg";
const NC: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const FILE: &str = "l3vpn-any-to-any.json";

/// Content of the sub-interface of the service on `pe1`.
fn sub_interface(content: &str) -> String {
    format!(
        "<interface-configurations xmlns=\"{IFMGR}\" xmlns:nc=\"{NC}\"><interface-configuration><active>act</active>\
         <interface-name>GigabitEthernet0/0/0/1.100</interface-name>{content}</interface-configuration>\
         </interface-configurations>"
    )
}

/// The service with other words in the descriptions of its accesses.
fn described(domain: &Domain, text: &str) -> DocumentEdit {
    domain.put_changed(FILE, |service| {
        for node in [0, 1] {
            access(service, node, 0)["description"] = json!(text);
        }
    })
}

/// The service with another route at one end: nothing of the sub-interface changes.
fn rerouted(domain: &Domain, node: usize) -> DocumentEdit {
    domain.put_changed(FILE, |service| {
        let statics = &mut access(service, node, 0)["routing-protocols"]["routing-protocol"][0]["static"];
        statics["cascaded-lan-prefixes"]["ipv4-lan-prefixes"][0]["lan"] = json!("203.0.113.0/24");
    })
}

#[track_caller]
fn only(deviations: &[Deviation], place: &str, kind: DeviationKind) -> Deviation {
    assert_eq!(deviations.len(), 1, "{deviations:#?}");
    assert!(deviations[0].path.contains(place), "{place}: {deviations:#?}");
    assert_eq!(deviations[0].kind, kind);
    deviations[0].clone()
}

#[track_caller]
fn in_the_way<T: std::fmt::Debug>(result: Result<T, Failure>, element: &str) -> Vec<HandMade> {
    let Err(failure) = &result else {
        panic!("a hand-made change in the way on {element} was expected: {result:#?}");
    };
    // All elements that refuse are told at once; what is allowed on one leaves the others.
    let all = failure.reasons();
    let Some((_, reasons)) = all.iter().find(|(at, _)| *at == element) else {
        panic!("a hand-made change in the way on {element} was expected: {failure:#?}");
    };
    let found = |reason: &Refused| match reason {
        Refused::HandMade(found) => found.clone(),
        other => panic!("{other:#?}"),
    };
    reasons.iter().map(found).collect()
}

/// A value of ours is changed on each element behind our back.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_value_is_reported_respected_and_healed() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    applied(&domain.write(vec![put.clone()]).await.unwrap());
    let settled = domain.running();

    domain.pe1.edit_by_hand(&sub_interface("<description>by hand</description>"));
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
    for element in ["pe1", "pe2"] {
        let report = domain.check(element).await;
        assert_eq!(report.state.sync, SyncState::OutOfSync);
        let found = only(&report.deviations, "description", DeviationKind::Changed);
        assert_eq!(found.element, element);
        assert_eq!(found.actual.as_deref(), Some("by hand"));
        assert!(found.wanted.as_ref().is_some_and(|wanted| wanted.contains("svc=acme-l3")), "{found:#?}");
        assert_eq!(found.recorded, found.wanted);
        assert_eq!(found.services, std::slice::from_ref(&key));
        // A second look: the same deviation, as old as it was.
        let again = only(&domain.check(element).await.deviations, "description", DeviationKind::Changed);
        assert_eq!((again.id, again.since, again.seen), (found.id, found.since, 2));
    }
    assert_eq!(domain.controller.deviations(&noc()).await.unwrap().len(), 2);

    // An unrelated change of the same service on the same elements goes through and leaves them alone.
    for node in [0, 1] {
        let plan = domain.plan(vec![rerouted(&domain, node)]).await.unwrap();
        assert!(plan.elements.iter().all(|of| of.overwritten.is_empty() && of.deviations.len() == 1), "{plan:#?}");
        applied(&domain.write(vec![rerouted(&domain, node)]).await.unwrap());
        let now = domain.running();
        assert!(now.0.contains(">by hand<") && now.1.contains(" description by hand\n"), "{now:?}");
    }
    applied(&domain.write(vec![put]).await.unwrap());
    for element in ["pe1", "pe2"] {
        only(&domain.check(element).await.deviations, "description", DeviationKind::Changed);
    }

    // A change of the same line is refused, and says what stands there.
    let moved = domain.running();
    let found = in_the_way(domain.write(vec![described(&domain, "new words")]).await, "pe1");
    assert_eq!(found[0].actual.as_deref(), Some("by hand"));
    assert!(found[0].wanted.as_ref().is_some_and(|wanted| wanted.contains("new words")), "{found:#?}");
    assert_eq!(domain.running(), moved);
    // pe1 healed: now pe2 is in the way.
    applied(&domain.heal("pe1").await);
    // What was healed is gone from the list without another look.
    let left = domain.controller.deviations(&noc()).await.unwrap();
    assert_eq!(only(&left, "description", DeviationKind::Changed).element, "pe2");
    assert!(domain.check("pe1").await.deviations.is_empty());
    assert_eq!(domain.running().0, settled.0);
    in_the_way(domain.write(vec![described(&domain, "new words")]).await, "pe2");
    // Told to overwrite, it goes through, and the plan has said so.
    applied(&domain.overwrite(vec![described(&domain, "new words")]).await.unwrap());
    let now = domain.running();
    assert!(now.0.contains("new words") && now.1.contains("new words") && !now.1.contains("by hand"), "{now:?}");
    for element in ["pe1", "pe2"] {
        let report = domain.check(element).await;
        assert_eq!((report.state.sync, report.deviations.len()), (SyncState::InSync, 0), "{report:#?}");
    }
    assert!(domain.controller.deviations(&noc()).await.unwrap().is_empty());
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(domain.running(), before);
}

/// Deleting a service over a hand-made change: first refused, then, when told so, everything goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_stops_at_what_was_changed_and_at_what_was_added() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    applied(&domain.write(vec![put]).await.unwrap());
    let settled = domain.running();
    domain.pe1.edit_by_hand(&sub_interface("<description>by hand</description>"));
    in_the_way(domain.write(vec![domain.delete(&key)]).await, "pe1");
    applied(&domain.heal("pe1").await);
    assert_eq!(domain.running(), settled);

    // Something of an operator's own stands inside what is ours.
    domain.pe1.edit_by_hand(&sub_interface("<bandwidth>1000</bandwidth>"));
    assert!(domain.check("pe1").await.deviations.is_empty(), "what nobody claims is no deviation");
    match domain.write(vec![domain.delete(&key)]).await {
        Err(Failure::Refused { element, reasons }) => {
            assert_eq!(element, "pe1");
            let named = |reason: &Refused| matches!(reason, Refused::Collateral { path, .. } if path.to_string().contains("bandwidth"));
            assert!(reasons.iter().all(named), "{reasons:#?}");
        }
        other => panic!("collateral was expected: {other:#?}"),
    }
    let allowed = Allowed { overwrite: Permit::Nothing, collateral: Permit::All, ..Allowed::default() };
    let delete = vec![domain.delete(&key)];
    applied(&domain.controller.write(&noc(), delete, &allowed, &Terms::default()).await.unwrap());
    assert_eq!(domain.running(), before);
}

/// Whole blocks are removed by hand: the VRF, its BGP, its sub-interface. Healing brings them back.
#[tokio::test(flavor = "multi_thread")]
async fn whole_blocks_removed_by_hand_come_back() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put("l3vpn-bgp-dual-stack.json", |text| text);
    let key = put.key().clone();
    applied(&domain.write(vec![put.clone()]).await.unwrap());
    let settled = domain.running();
    let vrf = vrf_of(&settled.1);
    remove_blocks(&domain, &vrf);
    let gone = domain.running();
    assert_ne!(gone.0, settled.0);
    assert_ne!(gone.1, settled.1);
    for (element, place) in [("pe1", "vrf"), ("pe2", "bgp")] {
        let found = domain.check(element).await.deviations;
        assert!(!found.is_empty() && found.iter().all(|of| of.kind == DeviationKind::Missing), "{found:#?}");
        assert!(found.iter().any(|of| of.path.contains(place) && of.actual.is_none()), "{found:#?}");
        assert!(found.iter().all(|of| of.services == std::slice::from_ref(&key)), "{found:#?}");
    }
    // A change inside what is gone is refused.
    let change = domain.put_changed("l3vpn-bgp-dual-stack.json", |service| {
        for node in [0, 1] {
            access(service, node, 0)["routing-protocols"]["routing-protocol"][0]["bgp"]["peer-as"] = json!(65111);
        }
    });
    in_the_way(domain.write(vec![change]).await, "pe1");
    applied(&domain.heal("pe1").await);
    applied(&domain.heal("pe2").await);
    assert_eq!(domain.running(), settled);
    // Gone once more: deleting the service finds nothing in its way.
    remove_blocks(&domain, &vrf);
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(domain.running(), before);
    assert!(domain.controller.deviations(&noc()).await.unwrap().is_empty());
}

/// The VRF of the service, as FRR prints it.
fn vrf_of(running: &str) -> String {
    let line = running.lines().find_map(|line| line.strip_prefix("router bgp 65000 vrf "));
    line.expect("a VRF instance").to_owned()
}

fn remove_blocks(domain: &Domain, vrf: &str) {
    domain.pe1.edit_by_hand(&format!(
        "<vrfs xmlns=\"{RSI}\" xmlns:nc=\"{NC}\" nc:operation=\"remove\"/>\
         <bgp xmlns=\"{BGP}\" xmlns:nc=\"{NC}\"><instance><instance-name>default</instance-name><instance-as><as>0</as>\
         <four-byte-as><as>65000</as><vrfs><vrf nc:operation=\"remove\"><vrf-name>{vrf}</vrf-name></vrf></vrfs>\
         </four-byte-as></instance-as></instance></bgp>"
    ));
    // The labels first: FRR 8.4 dies of an instance that goes while it waits for one.
    let instance = format!("router bgp 65000 vrf {vrf}");
    let mut lines = vec!["configure terminal".to_owned(), instance.clone()];
    for family in ["ipv4", "ipv6"] {
        lines.extend([format!("address-family {family} unicast"), "no label vpn export".into(), "exit".into()]);
    }
    lines.extend(["exit".to_owned(), format!("no {instance}")]);
    let mut operator = domain.pe2.operator();
    for line in &lines {
        let said = operator.line(line);
        assert!(!said.contains('%'), "{line}: {said}");
    }
    assert!(!domain.pe2.running_config().contains(&instance));
}

/// One of several deviations is healed by its id, the other one stays.
#[tokio::test(flavor = "multi_thread")]
async fn one_deviation_is_healed_alone() {
    let Some(domain) = Domain::start().await else { return };
    applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
    let settled = domain.running();
    let vrf = vrf_of(&settled.1);
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
    let mut operator = domain.pe2.operator();
    for line in ["configure terminal", &format!("vrf {vrf}"), "no ip route 198.51.100.128/25 192.0.2.6", "end"] {
        operator.line(line);
    }
    let found = domain.check("pe2").await.deviations;
    assert_eq!(found.len(), 2, "{found:#?}");
    let route = found.iter().find(|of| of.kind == DeviationKind::Missing).expect("the route");
    let record =
        domain.controller.heal(&noc(), "pe2", std::slice::from_ref(&route.id), &Terms::default()).await.unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    let left = only(&domain.check("pe2").await.deviations, "description", DeviationKind::Changed);
    assert_eq!(left.actual.as_deref(), Some("by hand"));
    assert!(domain.running().1.contains("198.51.100.128/25"));
    applied(&domain.heal("pe2").await);
    assert_eq!(domain.running(), settled);
    // Nothing is left to heal.
    let nothing = domain.controller.heal(&noc(), "pe2", &[], &Terms::default()).await;
    assert!(matches!(nothing, Err(Failure::NotFound { .. })), "{nothing:?}");
}

/// The loop sees a change by hand on each element without being asked.
#[tokio::test(flavor = "multi_thread")]
async fn the_loop_reports_without_being_asked() {
    let Some(domain) = Domain::start().await else { return };
    applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
    let period = Duration::from_secs(1);
    let looks = Loop { rhythm: Rhythm { period, jitter: 0.1 }, parallel: 2 };
    let stop = CancellationToken::new();
    let looking = tokio::spawn(reconcile::run(domain.controller.clone(), looks, stop.clone()));
    domain.pe1.edit_by_hand(&sub_interface("<description>by hand</description>"));
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
    let start = Instant::now();
    loop {
        let found = domain.controller.deviations(&noc()).await.unwrap();
        if found.len() == 2 {
            break;
        }
        assert!(start.elapsed() < 30 * period, "{found:#?}");
        tokio::time::sleep(period / 20).await;
    }
    let events = domain.controller.events_after(0, 1000).await.unwrap();
    assert_eq!(events.iter().filter(|(_, event)| event.kind == "deviation-raised").count(), 2, "{events:#?}");
    // It reports, and writes nothing.
    let now = domain.running();
    assert!(now.0.contains("by hand") && now.1.contains("by hand"));
    stop.cancel();
    looking.await.unwrap();
}
