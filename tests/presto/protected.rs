//! `--allow-protected` and `--allow-collateral`, and what RESTCONF calls them, on a whole daemon: refused with the path and
//! the word that would allow it, then carried out by exactly that word.

use crate::daemon::noc;
use crate::simulated::Domain;
use andante::controller::Absent;
use andante::daemon::read_elements;
use serde_json::json;

const VRFS: &str = "/Cisco-IOS-XR-infra-rsi-cfg:vrfs";

impl Domain {
    /// The inventory says of this element that these nodes are the way to it.
    async fn protects(&self, element: &str, path: &str) {
        let mut all = read_elements(&self.folder.path().join("elements.toml")).unwrap();
        all.retain(|one| one.name == element);
        all[0].address = self.sim.address(element).unwrap();
        all[0].host_key = Some(self.sim.fingerprint(element).unwrap());
        all[0].protected = vec![path.into()];
        self.daemon.controller.apply_elements(&noc(), all, Absent::Keep).await.unwrap();
    }
}

/// On class A a protected node is changed when its path is named, by the command and by RESTCONF; anything else is refused
/// and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_protected_node_of_class_a_is_changed_by_who_names_it() {
    let domain = Domain::start().await;
    domain.protects("pe1", VRFS).await;
    let file = domain.file("one.json", "acme", 100);
    let file = file.to_str().unwrap();
    for words in [
        vec!["service", "apply", file],
        vec!["service", "apply", file, "--allow-protected", "/Cisco-IOS-XR-ifmgr-cfg:interface-configurations"],
        vec!["service", "apply", file, "--allow-collateral", "all"],
    ] {
        let refused = domain.run(&words).await.with(3);
        for part in ["protected", VRFS, "--allow-protected", "pe1", "the network is as before"] {
            assert!(refused.err.contains(part), "{words:?}: {part}\n{}", refused.err);
        }
    }
    domain.daemon.untouched().await;
    assert_eq!(domain.texts(), domain.empty);

    // The plan says what it is going to touch; its commit needs no further word.
    let shown = domain.run(&["plan", file, "--allow-protected", VRFS]).await.with(2).out;
    assert!(shown.contains("protected") && shown.contains(VRFS), "{shown}");
    let plan = shown.split("andante commit ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    domain.run(&["commit", &plan]).await.with(0);
    assert_ne!(domain.texts()[0], domain.empty[0]);

    // By RESTCONF: a removal is a change too.
    let target = "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=acme";
    let removal = |allowed: &[&str]| json!({ "document": [{ "operation": "delete", "target": target }], "allow-protected": allowed });
    let error = domain.call("apply", removal(&[])).await.refused(409, "resource-denied");
    assert_eq!(error["error-app-tag"], "protected", "{error:#}");
    assert!(error["error-path"].as_str().unwrap().starts_with(VRFS), "{error:#}");
    let remedy = error["error-info"]["andante:remedy"].as_str().unwrap();
    assert!(remedy.contains("allow-protected"), "{error:#}");
    domain.call("apply", removal(&["/other:path"])).await.refused(409, "resource-denied");
    domain.call("apply", removal(&["pe1:/Cisco-IOS-XR-infra-rsi-cfg:vrfs"])).await.is(200);
    assert_eq!(domain.texts(), domain.empty);

    // What cannot go back by itself is not changed there, whoever says so.
    domain.protects("pe2", "/frr:vrf").await;
    let refused = domain.run(&["service", "apply", file, "--allow-protected", "all"]).await.with(3);
    assert!(refused.err.contains("pe2") && refused.err.contains("no service may change it"), "{}", refused.err);
    assert_eq!(domain.texts(), domain.empty);
    domain.daemon.end().await;
}

/// What nobody claims below something that goes is named, and goes when its path is named.
#[tokio::test(flavor = "multi_thread")]
async fn collateral_of_class_a_goes_by_the_word_of_who_names_it() {
    let domain = Domain::start().await;
    domain.apply("acme", 100, "CHG-1").await;
    domain.sim.hand_edit("pe1", BY_HAND).unwrap();
    let with = domain.texts();
    let refused = domain.run(&["service", "delete", "acme"]).await.with(3);
    for part in ["collateral", "/shutdown", "--allow-collateral", "pe1", "the network is as before"] {
        assert!(refused.err.contains(part), "{part}\n{}", refused.err);
    }
    domain.run(&["service", "delete", "acme", "--allow-collateral", "/other:path"]).await.with(3);
    domain.run(&["service", "delete", "acme", "--allow-protected", "all"]).await.with(3);
    let target = "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=acme";
    let document = json!([{ "operation": "delete", "target": target }]);
    let error = domain.call("apply", json!({ "document": document })).await.is(409).error();
    assert_eq!(error["error-app-tag"], "collateral", "{error:#}");
    let path = error["error-path"].as_str().unwrap().to_owned();
    assert!(path.ends_with("/shutdown"), "{error:#}");
    assert_eq!(domain.texts(), with);

    let plan = domain.call("plan", json!({ "document": document, "allow-collateral": [path] })).await.is(200).json();
    let plan = plan["andante:output"]["plan"].clone();
    assert_eq!(plan["collateral"][0]["path"], path.as_str(), "{plan:#}");
    assert_eq!((&plan["collateral"][0]["element"], &plan["class"]), (&json!("pe1"), &json!("D")), "{plan:#}");
    domain.call("commit-plan", json!({ "plan-id": plan["id"] })).await.is(200);
    assert_eq!(domain.texts(), domain.empty);

    // And at once, by the command.
    domain.apply("acme", 100, "CHG-2").await;
    domain.sim.hand_edit("pe1", BY_HAND).unwrap();
    domain.run(&["service", "delete", "acme", "--allow-collateral", "all"]).await.with(0);
    assert_eq!(domain.texts(), domain.empty);
    domain.daemon.end().await;
}

/// Nobody claims this leaf of our sub-interface.
const BY_HAND: &str = "<interface-configurations xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg\">\
    <interface-configuration><active>act</active><interface-name>GigabitEthernet0/0/0/1.100</interface-name>\
    <shutdown/></interface-configuration></interface-configurations>";
