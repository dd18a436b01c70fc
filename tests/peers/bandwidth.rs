//! Bandwidth on real servers: the policer comes, changes alone, goes, and leaves nothing.

use crate::domain::{Domain, Wishes, access, applied};
use crate::lifecycle::lives_and_leaves;
use crate::schemas::FROM_ELEMENT;
use crate::support::changed_adapters;
use andante::adapter::Impact;
use andante::config::Settings;
use andante::domain::Outcome;
use serde_json::json;
use std::path::Path;

const DOCUMENT: &str = "l2vpn-vpws-bandwidth.json";

/// A wire with profiles is created, its rate is changed, a profile is taken away and comes back, the wire is deleted: each step
/// is what the dry-run said, and afterwards both elements are byte for byte as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_changes_and_nothing_else_does() {
    let Some(domain) = Domain::with(Wishes { pe3: true, ..Wishes::default() }).await else { return };
    let profile = |service: &mut serde_json::Value, rates: serde_json::Value| {
        let entry = &mut access(service, 0, 0)["service"]["svc-ce-to-pe-bandwidth"]["ce-to-pe-bandwidth"][0];
        *entry = json!({"bw-type": "ietf-vpn-common:bw-per-port"});
        entry.as_object_mut().unwrap().extend(rates.as_object().unwrap().clone());
    };
    let versions = vec![
        domain.put(DOCUMENT, |text| text),
        domain.put_changed(DOCUMENT, |service| {
            profile(service, json!({"cir": "8000000", "cbs": "200000", "eir": "10000000", "ebs": "250000"}));
        }),
        domain.put_changed(DOCUMENT, |service| profile(service, json!({"cir": "8000000", "cbs": "200000"}))),
        domain.put_changed(DOCUMENT, |service| drop(access(service, 0, 0).as_object_mut().unwrap().remove("service"))),
        domain.put(DOCUMENT, |text| text),
    ];
    let plans = lives_and_leaves(&domain, versions).await;
    let told = |at: usize| plans[at].warnings.join("\n");
    assert!(told(0).contains("pe1: cir 5000001 bit/s from the customer is sent as 5000 kbit/s"), "{}", told(0));
    assert!(!told(1).contains(" is sent as "), "{}", told(1));
    for (at, edits) in [(1, 4), (2, 7)] {
        assert_eq!(plans[at].elements.len(), 1, "the other end is left alone");
        let element = &plans[at].elements[0];
        assert_eq!((element.element.as_str(), &element.impact), ("pe1", &Impact::Hitless));
        let paths: Vec<String> = element.touched().map(ToString::to_string).collect();
        assert_eq!(paths.len(), edits, "{paths:#?}");
        let policer = ":in']/policy-map-rule[class-name='class-default'][class-type='qos']/police/";
        assert!(paths.iter().all(|path| path.contains(policer)), "{paths:#?}");
    }
    let element = &plans[3].elements[0];
    assert_eq!((plans[3].elements.len(), &element.impact), (1, &Impact::Hitless), "to be without a limit");
}

/// The genuine policy manager is a module that libyang refuses. On an element that brings its own modules the adapter's
/// profile stands in for it, so that a policer is there all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_stands_in_for_a_module_that_does_not_compile() {
    let settings = |settings: &mut Settings, folder: &Path| {
        settings.paths.adapters = changed_adapters(folder, "iosxr", &[FROM_ELEMENT]);
        settings.paths.yang = Vec::new();
    };
    let Some(domain) = Domain::with(Wishes { pe3: true, settings, ..Wishes::default() }).await else { return };
    let before = domain.all_running();
    let put = domain.put(DOCUMENT, |text| text);
    let key = put.key().clone();
    applied(&domain.write(vec![put]).await.unwrap());
    let running = domain.pe1.running();
    let policy = "andante:p2p:globex-rated:globex-rated-pe1:in";
    assert!(running.contains(&format!("<service-policy-name>{policy}</service-policy-name>")), "{running}");
    assert!(running.contains("<value>5000</value>") && running.contains("<value>15000</value>"), "{running}");
    // Somebody lifts the limit by hand: it is seen, and named.
    let lifted = format!(
        "<policy-manager xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-infra-policymgr-cfg\"><policy-maps><policy-map>\
         <type>qos</type><name>{policy}</name><policy-map-rule><class-name>class-default</class-name>\
         <class-type>qos</class-type><police><rate><value>900000</value></rate></police></policy-map-rule></policy-map>\
         </policy-maps></policy-manager>"
    );
    domain.pe1.edit_by_hand(&lifted);
    let looked = domain.check("pe1").await;
    let (found, left_out) = (looked.deviations, looked.state.left_out);
    let stands_in = |out: &String| out.starts_with("Cisco-IOS-XR-infra-policymgr-cfg, for which the adapter's profile");
    assert!(left_out.len() == 1 && left_out.iter().all(stands_in), "{left_out:#?}");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].path.to_string().ends_with("/police/rate/value"), "{found:#?}");
    assert_eq!(domain.heal("pe1").await.outcome, Some(Outcome::Applied));
    assert!(domain.pe1.running().contains("<value>5000</value>"));
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(domain.all_running(), before);
}
