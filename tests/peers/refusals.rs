//! An element that refuses, a lock in the way, somebody's unfinished work: both elements stay as they were.

use crate::domain::{Domain, Wishes, access, applied, noc, not_applied};
use andante::controller::{DocumentEdit, Failure};
use andante::domain::FaultTag;
use andante::domain::outcome::CauseKind;
use andante::plan::Refused;
use serde_json::json;

const IFMGR: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg";
const NC: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";

/// `<edit-config>` of the candidate that gives a sub-interface a description.
fn describe(interface: &str, text: &str) -> String {
    format!(
        "<edit-config><target><candidate/></target><config><interface-configurations xmlns=\"{IFMGR}\">\
         <interface-configuration><active>act</active><interface-name>{interface}</interface-name>\
         <description>{text}</description></interface-configuration></interface-configurations></config></edit-config>"
    )
}

const DUAL_STACK: &str = "l3vpn-bgp-dual-stack.json";

/// The sessions of both ends have this local AS. FRR refuses it where it is the neighbour's own; IOS-XR's models do not.
fn with_local_as(domain: &Domain, local_as: u32) -> DocumentEdit {
    domain.put_changed(DUAL_STACK, |service| {
        for node in [0, 1] {
            let bgp = &mut access(service, node, 0)["routing-protocols"]["routing-protocol"][0]["bgp"];
            bgp["local-as"] = json!(local_as);
            bgp["description"] = json!("with another face");
        }
    })
}

/// What the grammar knows that FRR will refuse is refused before anything is sent: here a VRF of another AS, made by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_foreseen_sends_nothing() {
    let Some(domain) = Domain::start().await else { return };
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    domain.pe2.vtysh(&["configure terminal", "router bgp 65099 vrf acme-l3"]).unwrap();
    let (before, writers) = (domain.running(), domain.writers());
    match domain.write(vec![put.clone()]).await {
        Err(Failure::Refused { element, reasons }) => {
            assert_eq!(element, "pe2");
            assert!(reasons.iter().any(|reason| reason.to_string().contains("AS is 65099")), "{reasons:#?}");
        }
        other => panic!("a refusal was expected: {other:#?}"),
    }
    assert_eq!((domain.running(), domain.writers()), (before, writers));
    domain.pe2.vtysh(&["configure terminal", "no router bgp 65099 vrf acme-l3"]).unwrap();
    applied(&domain.write(vec![put]).await.unwrap());
}

/// FRR refuses a line in the middle of the payload: the rest is not typed (F7), and both are brought back.
#[tokio::test(flavor = "multi_thread")]
async fn frr_refuses_a_line_and_both_stay_as_they_were() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = with_local_as(&domain, 65110);
    let plan = domain.plan(vec![put.clone()]).await.unwrap();
    let record = domain.write(vec![put.clone()]).await.unwrap();
    let cause = not_applied(&record, CauseKind::Refused);
    assert_eq!(cause.element.as_deref(), Some("pe2"));
    assert!(cause.message.contains("local-as 65110"), "the line and the element's own words: {cause}");
    assert_eq!(domain.running(), before);
    let lines: Vec<String> = plan.elements[1].payload.native().lines().map(|line| line.trim().to_owned()).collect();
    let refused = lines.iter().position(|line| line.contains("local-as 65110")).unwrap();
    let typed: String = domain.pe2.wire().iter().map(|session| session.text()).collect();
    let typed: Vec<&str> = typed.split(['\r', '\n']).map(str::trim).collect();
    assert!(typed.contains(&lines[refused].as_str()));
    assert!(!typed.contains(&lines[refused + 1].as_str()), "{} was typed after a refusal", lines[refused + 1]);
    // Nothing was stored, and nothing deviates.
    assert!(domain.controller.document(&noc(), put.key()).await.unwrap().is_none());
    assert!(domain.check("pe1").await.deviations.is_empty());
    assert!(domain.check("pe2").await.deviations.is_empty());
    // Right, it is applied.
    applied(&domain.write(vec![with_local_as(&domain, 65120)]).await.unwrap());
}

/// FRR refuses a change of an applied service: the change is undone, the service stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_leaves_the_service_as_it_was() {
    let Some(domain) = Domain::start().await else { return };
    applied(&domain.write(vec![domain.put(DUAL_STACK, |text| text)]).await.unwrap());
    let settled = domain.running();
    let record = domain.write(vec![with_local_as(&domain, 65110)]).await.unwrap();
    let cause = not_applied(&record, CauseKind::Refused);
    assert_eq!(cause.element.as_deref(), Some("pe2"), "{cause}");
    assert_eq!(domain.running(), settled);
    assert!(domain.check("pe1").await.deviations.is_empty());
    assert!(domain.check("pe2").await.deviations.is_empty());
}

/// Somebody holds the candidate's lock: after the time limit nothing was applied, and FRR has not heard a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_candidate_is_waited_for_and_then_respected() {
    let wishes = Wishes { settings: |settings, _| settings.transaction.lock_timeout = 1, ..Wishes::default() };
    let Some(domain) = Domain::with(wishes).await else { return };
    let before = domain.running();
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let mut operator = domain.pe1.operator();
    operator.expect_ok("<lock><target><candidate/></target></lock>");
    let writers = domain.writers();
    let cause = not_applied(&domain.write(vec![put.clone()]).await.unwrap(), CauseKind::Locked);
    assert_eq!(cause.element.as_deref(), Some("pe1"));
    assert_eq!(domain.writers().1, writers.1, "pe2 was written to");
    assert_eq!(domain.running(), before);
    // The lock goes away while we wait: then it is applied.
    let slow = domain.controller.clone();
    let waiting =
        tokio::spawn(
            async move { slow.write(&noc(), vec![put], &Default::default(), &Default::default()).await.unwrap() },
        );
    let tries = domain.writers().0;
    let seen = std::time::Instant::now();
    while domain.writers().0 <= tries && seen.elapsed().as_secs() < 20 {
        tokio::task::yield_now().await;
    }
    operator.expect_ok("<unlock><target><candidate/></target></unlock>");
    applied(&waiting.await.unwrap());
}

/// Edits that somebody left in the candidate without a lock are reported and stay where they are.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_dirty_candidate_is_reported_and_not_discarded() {
    let wishes = Wishes { settings: |settings, _| settings.transaction.lock_timeout = 1, ..Wishes::default() };
    let Some(domain) = Domain::with(wishes).await else { return };
    let before = domain.running();
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let mut operator = domain.pe1.operator();
    operator.expect_ok(&describe("GigabitEthernet0/0/0/2.7", "not finished yet"));
    let writers = domain.writers();
    let record = domain.write(vec![put.clone()]).await.unwrap();
    let cause = not_applied(&record, CauseKind::Dirty);
    assert_eq!(cause.element.as_deref(), Some("pe1"));
    assert!(cause.message.contains("candidate"), "{cause}");
    // What stands there is said by its place.
    assert!(cause.message.contains("GigabitEthernet0/0/0/2.7"), "{cause}");
    assert_eq!(domain.writers().1, writers.1, "pe2 was written to");
    assert_eq!(domain.running(), before);
    let candidate = operator.rpc("<get-config><source><candidate/></source></get-config>");
    assert!(candidate.contains("not finished yet"), "{candidate}");
    let ours: Vec<String> = domain.pe1.wire().iter().map(|session| session.text()).collect();
    assert!(!ours.iter().any(|session| session.contains("discard-changes")), "{ours:#?}");
    operator.expect_ok("<discard-changes/>");
    applied(&domain.write(vec![put]).await.unwrap());
}

/// A sub-interface or a VRF made by hand is nobody's: no service takes it over silently.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_there_without_an_owner_is_not_taken() {
    let Some(domain) = Domain::start().await else { return };
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let unowned = |refused: Result<_, Failure>, element: &str, place: &str| match refused {
        Err(Failure::Refused { element: at, reasons }) => {
            assert_eq!(at, element);
            let found = |reason: &Refused| matches!(reason, Refused::ExistsUnowned { path, .. } if path.to_string().contains(place));
            assert!(reasons.iter().any(found), "{reasons:#?}");
        }
        other => panic!("exists-unowned on {element} was expected: {other:#?}"),
    };
    domain.pe1.edit_by_hand(&format!(
        "<interface-configurations xmlns=\"{IFMGR}\"><interface-configuration><active>act</active>\
         <interface-name>GigabitEthernet0/0/0/1.100</interface-name><description>old customer</description>\
         </interface-configuration></interface-configurations>"
    ));
    let (before, writers) = (domain.running(), domain.writers());
    unowned(domain.write(vec![put.clone()]).await.map(drop), "pe1", "GigabitEthernet0/0/0/1.100");
    domain.pe1.edit_by_hand(&format!(
        "<interface-configurations xmlns=\"{IFMGR}\" xmlns:nc=\"{NC}\" nc:operation=\"remove\"/>"
    ));
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description old customer"]).unwrap();
    unowned(domain.write(vec![put.clone()]).await.map(drop), "pe2", "eth1.100");
    let after = domain.running();
    assert_ne!(after, before, "the operator's own edits");
    assert_eq!(domain.writers().1, writers.1, "pe2 was written to");
    domain.pe2.vtysh(&["configure terminal", "no interface eth1.100"]).unwrap();
    applied(&domain.write(vec![put]).await.unwrap());
}

/// Wrong documents: refused with the path, and no element is so much as read.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_document_is_refused_with_its_path() {
    let Some(domain) = Domain::with(Wishes { excluded: &["eth2"], ..Wishes::default() }).await else { return };
    let before = domain.running();
    let sessions = (domain.pe1.wire().len(), domain.pe2.wire().len());
    let file = "l3vpn-any-to-any.json";
    let cases = [
        // F23: what FRR cannot say is refused, never dropped.
        (domain.put_changed(file, |service| access(service, 1, 0)["service"] = json!({ "mtu": 1400 })), "mtu"),
        (domain.put(file, |text| text.replace("\"eth1\"", "\"eth2\"")), "interface-id"),
        (domain.put(file, |text| text.replace("\"eth1\"", "\"eth9\"")), "interface-id"),
        (domain.put(file, |text| text.replace("\"ne-id\": \"pe2\"", "\"ne-id\": \"pe9\"")), "ne-id"),
    ];
    for (edit, path) in cases {
        match domain.write(vec![edit]).await {
            Err(Failure::Document(faults)) => {
                assert!(faults.iter().any(|fault| fault.path.contains(path)), "{path}: {faults:#?}");
            }
            other => panic!("{path}: a refused document was expected: {other:#?}"),
        }
    }
    assert_eq!((domain.pe1.wire().len(), domain.pe2.wire().len()), sessions);
    assert_eq!(domain.running(), before);
    // FRR offers neither kind of wire.
    for file in ["l2vpn-vpws-evpn.json", "l2vpn-vpws-ldp.json"] {
        let text = crate::domain::document(file).replace("pe3", "pe2").replace("10.0.0.3", "10.0.0.2");
        let (head, tail) = text.split_at(text.find("\"vpn-node-id\": \"pe2\"").unwrap());
        let edit = domain.put_text(format!("{head}{}", tail.replace("GigabitEthernet0/0/0/2", "eth1")));
        assert!(matches!(domain.write(vec![edit]).await, Err(Failure::Document(_))), "{file}");
    }
    assert_eq!(domain.running(), before);
}

/// Two services that want the same VLAN of a port: the second is refused before anything is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_vlan_belongs_to_one_service() {
    let Some(domain) = Domain::start().await else { return };
    applied(&domain.write(vec![domain.put("l3vpn-any-to-any.json", |text| text)]).await.unwrap());
    let settled = domain.running();
    let second = domain.put("l3vpn-any-to-any.json", |text| {
        text.replace("acme", "other").replace("0:65000:100", "0:65000:101").replace("192.0.2.", "203.0.113.")
    });
    match domain.write(vec![second]).await {
        Err(Failure::Document(faults)) => {
            let taken =
                |fault: &&andante::domain::Fault| fault.tag == FaultTag::InUse && fault.message.contains("acme-l3");
            assert!(faults.iter().find(taken).is_some(), "{faults:#?}");
        }
        other => panic!("a taken VLAN was expected: {other:#?}"),
    }
    assert_eq!(domain.running(), settled);
}

/// An element that cannot be reached: said before anything is sent to anybody.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_element_is_found_out_before_anything_is_sent() {
    let Some(mut domain) = Domain::start().await else { return };
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let before = domain.running();
    domain.pe2.disconnect();
    let writers = domain.writers();
    match domain.write(vec![put.clone()]).await {
        Err(Failure::Unreachable { element, .. }) => assert_eq!(element, "pe2"),
        other => panic!("unreachable was expected: {other:#?}"),
    }
    assert_eq!(domain.writers(), writers);
    domain.pe2.reconnect();
    assert_eq!(domain.running(), before);
    domain.pe1.kill9_netconfd();
    match domain.write(vec![put.clone()]).await {
        Err(Failure::Unreachable { element, .. }) => assert_eq!(element, "pe1"),
        other => panic!("unreachable was expected: {other:#?}"),
    }
    domain.pe1.restart();
    assert_eq!(domain.running(), before);
    applied(&domain.write(vec![put]).await.unwrap());
}
