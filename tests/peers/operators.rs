//! Two people at work on the same elements, and a person beside the loop.

use crate::domain::{Domain, access, applied, noc};
use crate::unknown::in_the_background;
use andante::domain::Outcome;
use serde_json::json;
use std::time::Duration;

const FILE: &str = "l3vpn-any-to-any.json";

/// The intent is deleted while its drift is being healed: the deletion waits for the heal, then everything goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_deleted_while_its_heal_is_in_flight() {
    for element in ["pe1", "pe2"] {
        let Some(domain) = Domain::start().await else { return };
        let before = domain.running();
        let put = domain.put(FILE, |text| text);
        let key = put.key().clone();
        applied(&domain.write(vec![put]).await.unwrap());
        match element {
            "pe1" => domain.pe1.edit_by_hand(&format!(
                "<interface-configurations xmlns=\"{IFMGR}\"><interface-configuration><active>act</active>\
                 <interface-name>GigabitEthernet0/0/0/1.100</interface-name><description>by hand</description>\
                 </interface-configuration></interface-configurations>"
            )),
            _ => {
                domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
            }
        }
        assert_eq!(domain.check(element).await.deviations.len(), 1, "{element}");
        let hold = domain.holds.at(&format!("before-apply:{element}"));
        let controller = domain.controller.clone();
        let healing = tokio::spawn(async move { controller.heal(&noc(), element, &[], &Default::default()).await });
        hold.reached().await;
        let deleting = in_the_background(&domain, domain.delete(&key));
        // It waits: nothing of it may be sent while the heal stands half way.
        let early = tokio::time::timeout(Duration::from_millis(300), async {
            while !deleting.is_finished() {
                tokio::task::yield_now().await
            }
        })
        .await;
        assert!(early.is_err(), "{element}: the deletion did not wait");
        hold.go_on();
        let healed = healing.await.unwrap().unwrap();
        assert_eq!(healed.outcome, Some(Outcome::Applied), "{healed:#?}");
        applied(&deleting.await.unwrap());
        assert_eq!(domain.running(), before, "{element}");
        assert!(domain.controller.document(&noc(), &key).await.unwrap().is_none());
        assert!(domain.check(element).await.deviations.is_empty());
    }
}

/// Two people write two services to the same elements at the same time: one waits, both are applied, nobody is told
/// "busy"; and the same when both change the same service.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_write_to_the_same_elements() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let first = domain.put(FILE, |text| text);
    let second = domain.put_changed(FILE, |service| {
        service["vpn-id"] = json!("other-l3");
        service["vpn-instance-profiles"]["vpn-instance-profile"][0]["rd"] = json!("0:65000:101");
        let target = &mut service["vpn-instance-profiles"]["vpn-instance-profile"][0]["address-family"][0];
        target["vpn-targets"]["vpn-target"][0]["route-targets"][0]["route-target"] = json!("0:65000:101");
        for node in [0, 1] {
            let access = access(service, node, 0);
            access["id"] = json!(format!("other-{node}"));
            access["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = json!(101);
        }
    });
    let keys = [first.key().clone(), second.key().clone()];
    let hold = domain.holds.at("after-apply:pe1");
    let writing = in_the_background(&domain, first);
    hold.reached().await;
    let other = in_the_background(&domain, second);
    hold.go_on();
    applied(&writing.await.unwrap());
    applied(&other.await.unwrap());
    let (pe1, pe2) = domain.running();
    assert!(pe1.contains("0/0/0/1.100") && pe1.contains("0/0/0/1.101") && pe2.contains("eth1.101"), "{pe1}\n{pe2}");
    // The same service twice: the later word stands, whole.
    let versions = [200, 300]
        .map(|vlan| domain.put(FILE, |text| text.replace("\"cvlan-id\": 100", &format!("\"cvlan-id\": {vlan}"))));
    let hold = domain.holds.at("after-apply:pe1");
    let [one, two] = versions.map(|edit| (edit.key().clone(), edit));
    let writing = in_the_background(&domain, one.1);
    hold.reached().await;
    let other = in_the_background(&domain, two.1);
    hold.go_on();
    applied(&writing.await.unwrap());
    applied(&other.await.unwrap());
    let (pe1, pe2) = domain.running();
    assert!(pe1.contains("0/0/0/1.300") && pe2.contains("eth1.300") && !pe1.contains("0/0/0/1.200"), "{pe1}\n{pe2}");
    for key in &keys {
        applied(&domain.write(vec![domain.delete(key)]).await.unwrap());
    }
    assert_eq!(domain.running(), before);
}

const IFMGR: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg";
